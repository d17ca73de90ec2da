//! Receipts: what proves a release to anybody, without this vault.

use crate::store::{self, Readers, Tip, WriteError};
use shared::receipt::{Format, Kind, LogProof, Receipt};
use shared::sshsig::Signers;
use shared::tlog::{self, LeafKind, Salt, VerifierKey};
use vault_core::Release;

/// The receipt of `release`, proven under `tip`.
///
/// # Errors
/// [`WriteError::Invalid`] when the log does not hold the approval: nothing is released without its entry.
pub(crate) fn receipt(
    readers: &Readers,
    tip: &Tip,
    release: &Release,
    signers: &Signers,
    log_key: &VerifierKey,
) -> Result<Receipt, WriteError> {
    let request = release.approval().request;
    let proven = readers
        .read(|c| store::proven(c, request, LeafKind::Approved, tip.size()))?
        .ok_or_else(|| WriteError::Invalid("the log has no entry of this approval; nothing is released".into()))?;
    let signed = release.signed();
    let covered = [signed.statement.as_bytes(), signed.signature.as_bytes()];
    if tlog::commitment(&proven.salt, &covered) != proven.leaf.commitment {
        return Err(WriteError::Invalid("the log's entry is of another approval; nothing is released".into()));
    }
    let proof = LogProof { index: proven.index, hashes: proven.path, checkpoint: tip.note.clone() };
    Ok(Receipt {
        format: Format::V1,
        statement: signed.statement.clone(),
        signature: signed.signature.clone(),
        signers: signers.render(),
        log_key: log_key.to_string(),
        time: proven.leaf.time,
        kind: Kind::Approved,
        salt: Salt(proven.salt),
        proof: proof.to_string(),
    })
}
