//! Receipts: what proves a release to anybody, without this vault.

use crate::store::{self, Readers, Tip, WriteError};
use ed25519_dalek::SigningKey;
use shared::receipt::{Format, Kind, LogProof, Receipt};
use shared::sshsig::Signers;
use shared::tlog::{self, LeafKind, Origin, Salt, VerifierKey};
use std::sync::Arc;
use vault_core::Release;

/// What receipts are made of.
pub(crate) struct Notary {
    pub(crate) readers: Readers,
    pub(crate) origin: Origin,
    pub(crate) signers: Arc<Signers>,
    /// Signs the checkpoints in receipts.
    pub(crate) log_key: SigningKey,
}

/// The receipt of `release`, proven under the checkpoint that ends with its approval; the same bytes each time.
///
/// # Errors
/// [`WriteError::Invalid`] when the log does not hold the approval: nothing is released without its entry.
pub(crate) fn receipt(notary: &Notary, release: &Release) -> Result<Receipt, WriteError> {
    let request = release.approval().request;
    let sign = |frontier| Tip::sign(frontier, &notary.origin, &notary.log_key);
    let proven = notary
        .readers
        .read(|c| store::proven(c, request, LeafKind::Approved, sign))?
        .ok_or_else(|| WriteError::Invalid("the log has no entry of this approval; nothing is released".into()))?;
    let signed = release.signed();
    let covered = [signed.statement.as_bytes(), signed.signature.as_bytes()];
    if tlog::commitment(&proven.salt, &covered) != proven.leaf.commitment {
        return Err(WriteError::Invalid("the log's entry is of another approval; nothing is released".into()));
    }
    let proof = LogProof { index: proven.index, hashes: proven.path, checkpoint: proven.note };
    Ok(Receipt {
        format: Format::V1,
        statement: signed.statement.clone(),
        signature: signed.signature.clone(),
        signers: notary.signers.render(),
        log_key: VerifierKey::of(notary.origin.clone(), &notary.log_key).to_string(),
        time: proven.leaf.time,
        kind: Kind::Approved,
        salt: Salt(proven.salt),
        proof: proof.to_string(),
    })
}
