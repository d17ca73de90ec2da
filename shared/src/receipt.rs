//! What a visitor keeps: the owner's statement, its signature, and the proof that the vault's log has it.

use crate::ids::Digest;
use crate::limits;
use crate::sshsig::{self, BadSignature, BadSigners, Signers};
use crate::statement::{BadStatement, NAMESPACE, Statement};
use crate::time::Time;
use crate::tlog::{
    BadNote, BadProof, Leaf, LeafKind, PROOF_MAX, Salt, VerifierKey, base64_digest, commitment, decimal,
    open_checkpoint, verify_inclusion,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Everything needed to show, without this product, that the owners signed a release or words to a visitor, and the vault
/// logged it. As JSON it is the file that a visitor downloads.
///
/// The keys in it are the vault's word: whoever checks it has them from elsewhere, or compares them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Which layout this is.
    pub format: Format,
    /// The owners' statement, exactly as signed.
    pub statement: String,
    /// The armoured SSH signatures (OpenSSH PROTOCOL.sshsig), one an owner.
    pub signatures: Vec<String>,
    /// The owner's keys in OpenSSH `allowed_signers` form: what the vault says they are, to be compared.
    pub signers: String,
    /// The log's verifier key (C2SP signed-note): what the vault says it is, to be compared.
    pub log_key: String,
    /// When the decision was logged.
    pub time: Time,
    /// What was logged.
    pub kind: Kind,
    /// Blinds the leaf's commitment.
    pub salt: Salt,
    /// The [`LogProof`]: the leaf's index, its inclusion proof and the signed checkpoint.
    pub proof: String,
}

/// The layouts of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// The first.
    #[serde(rename = "webizen receipt v1")]
    V1,
}

/// The kinds of leaf that a receipt can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// An approval.
    #[serde(rename = "approved")]
    Approved,
    /// A question back.
    #[serde(rename = "asked")]
    Asked,
    /// A refusal.
    #[serde(rename = "refused")]
    Refused,
}

impl From<Kind> for LeafKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Approved => Self::Approved,
            Kind::Asked => Self::Asked,
            Kind::Refused => Self::Refused,
        }
    }
}

/// Why a receipt proves nothing. Names what failed, never the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadReceipt {
    /// Its log key is another than the one asked for.
    #[error("the receipt is of another log than the one that you trust; compare the log keys with the owner")]
    OtherLog,
    /// The keys that it brings are no list of keys.
    #[error("the receipt's own list of the owner's keys is damaged: {0}")]
    Signers(BadSigners),
    /// Not signed by a trusted key.
    #[error("the owner's signature does not count: {0}")]
    Signature(BadSignature),
    /// Signed by a trusted key that the receipt does not bring.
    #[error("the receipt's own list of the owner's keys does not hold the key that signed; the receipt was altered")]
    OwnSigners(BadSignature),
    /// The signed text is not a statement.
    #[error("the signed text is not a statement: {0}")]
    Statement(BadStatement),
    /// No signature, or one key's twice.
    #[error("the receipt has no signature, or one owner's twice; it was altered")]
    Signatures,
    /// The owners signed something else.
    #[error("the owners signed a statement of another kind than the receipt says")]
    OtherKind,
    /// The statement is of another vault.
    #[error("the statement names another vault than the log's; the receipt was put together from two")]
    OtherVault,
    /// The proof is not in its form.
    #[error("{0}")]
    Proof(BadLogProof),
    /// The checkpoint is not the log's.
    #[error("the log's checkpoint does not count: {0}")]
    Checkpoint(BadNote),
    /// The log does not have this statement.
    #[error("the log's checkpoint does not cover this statement: {0}")]
    NotLogged(BadProof),
}

impl Receipt {
    /// The leaf that the log must have. The commitment is to the statement and the signatures, in this order.
    pub fn leaf(&self) -> Leaf {
        let parts: Vec<&[u8]> = [&self.statement].into_iter().chain(&self.signatures).map(|p| p.as_bytes()).collect();
        Leaf { time: self.time, kind: self.kind.into(), commitment: commitment(&self.salt.0, &parts) }
    }

    /// Checks everything and returns what the owners signed: each signature is by another one of `signers`, the statement is
    /// of the receipt's kind and for the vault of this log, and the log under `key` has it. How many owners must sign is
    /// theirs to tell; a payload is the caller's to compare with the approval's hash and length.
    ///
    /// # Errors
    /// [`BadReceipt`] for the first thing that is not so.
    pub fn verify(&self, signers: &Signers, key: &VerifierKey) -> Result<Statement, BadReceipt> {
        if self.log_key != key.to_string() {
            return Err(BadReceipt::OtherLog);
        }
        let statement = self.signed_statement(signers)?;
        if statement.vault() != key.name() {
            return Err(BadReceipt::OtherVault);
        }
        let proof = LogProof::parse(&self.proof).map_err(BadReceipt::Proof)?;
        let head = open_checkpoint(&proof.checkpoint, key).map_err(BadReceipt::Checkpoint)?;
        verify_inclusion(&self.leaf().hash(), proof.index, head.size, &proof.hashes, &head.root)
            .map_err(BadReceipt::NotLogged)?;
        Ok(statement)
    }

    fn signed_statement(&self, signers: &Signers) -> Result<Statement, BadReceipt> {
        if self.statement.len() > limits::STATEMENT {
            return Err(BadReceipt::Statement(BadStatement::TooLong(self.statement.len())));
        }
        let own = Signers::parse(&self.signers).map_err(BadReceipt::Signers)?;
        let mut keys = Vec::new();
        for signature in &self.signatures {
            let check = |signers| sshsig::verify(signers, NAMESPACE, self.statement.as_bytes(), signature).cloned();
            keys.push(check(signers).map_err(BadReceipt::Signature)?);
            check(&own).map_err(BadReceipt::OwnSigners)?;
        }
        if keys.is_empty() || keys.iter().enumerate().any(|(i, key)| keys[..i].contains(key)) {
            return Err(BadReceipt::Signatures);
        }
        let statement = Statement::parse(&self.statement).map_err(BadReceipt::Statement)?;
        let fits = match self.kind {
            Kind::Approved => matches!(statement, Statement::Approval(_)),
            Kind::Asked => matches!(statement, Statement::Question(_)),
            Kind::Refused => matches!(statement, Statement::Refusal(_)),
        };
        if fits { Ok(statement) } else { Err(BadReceipt::OtherKind) }
    }
}

const PROOF_HEADER: &str = "c2sp.org/tlog-proof@v1";

/// That a leaf is in a log, for checking offline (C2SP tlog-proof). `Display` writes its one text form; the optional
/// `extra` line, which nothing authenticates, is neither written nor accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    /// The leaf's number, from 0.
    pub index: u64,
    /// Its inclusion proof, leaf's sibling first; at most [`PROOF_MAX`].
    pub hashes: Vec<Digest>,
    /// The signed checkpoint that covers it, unread.
    pub checkpoint: String,
}

/// Not the text of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadLogProof {
    /// The first line is another.
    #[error("the receipt's proof is not a tlog-proof of version 1")]
    Header,
    /// The second line.
    #[error("the proof's second line is not the entry's number in plain decimal digits")]
    Index,
    /// A line is not the base64 of a SHA-256.
    #[error("a hash of the proof is damaged")]
    Hash,
    /// Over the limit.
    #[error("the proof has more than {PROOF_MAX} hashes")]
    TooMany,
    /// No empty line and checkpoint.
    #[error("the proof ends before its checkpoint: it was cut off")]
    CutOff,
}

impl LogProof {
    /// Reads the one spelling that `Display` writes; the checkpoint is taken as it is.
    ///
    /// # Errors
    /// [`BadLogProof`] for anything else.
    pub fn parse(text: &str) -> Result<Self, BadLogProof> {
        let rest = text.strip_prefix(PROOF_HEADER).and_then(|rest| rest.strip_prefix('\n'));
        let (index, mut rest) = rest.ok_or(BadLogProof::Header)?.split_once('\n').ok_or(BadLogProof::CutOff)?;
        let index = index.strip_prefix("index ").and_then(decimal).ok_or(BadLogProof::Index)?;
        let mut hashes = Vec::new();
        loop {
            let (line, after) = rest.split_once('\n').ok_or(BadLogProof::CutOff)?;
            rest = after;
            if line.is_empty() {
                return Ok(Self { index, hashes, checkpoint: rest.to_owned() });
            }
            if hashes.len() == PROOF_MAX {
                return Err(BadLogProof::TooMany);
            }
            hashes.push(base64_digest(line).ok_or(BadLogProof::Hash)?);
        }
    }
}

impl fmt::Display for LogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{PROOF_HEADER}\nindex {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{}", STANDARD.encode(hash.0)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests;
