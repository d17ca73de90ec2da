//! Receipts: what proves a release to anybody, without this vault.

use crate::store::{self, Readers, Tip, WriteError};
use ed25519_dalek::SigningKey;
use shared::ids::RequestId;
use shared::receipt::{Format, Kind, LogProof, Receipt};
use shared::tlog::{Origin, Salt, VerifierKey};
use std::sync::Arc;
use vault_core::{Owners, Signed};

/// What receipts are made of.
pub(crate) struct Notary {
    pub(crate) readers: Readers,
    pub(crate) origin: Origin,
    pub(crate) owners: Arc<Owners>,
    /// Signs the checkpoints in receipts.
    pub(crate) log_key: SigningKey,
}

/// The receipt of what owners signed about a request, proven under the checkpoint that ends with its entry; the same bytes
/// each time.
///
/// # Errors
/// [`WriteError::Damaged`] when the log does not hold it: nothing is released without its entry.
pub(crate) fn receipt(notary: &Notary, request: RequestId, kind: Kind, signed: &Signed) -> Result<Receipt, WriteError> {
    let sign = |frontier| Tip::sign(frontier, &notary.origin, &notary.log_key);
    let parts = signed.parts();
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    let proven = notary
        .readers
        .read(|c| store::proven(c, request, kind.into(), &parts, sign))?
        .ok_or_else(|| WriteError::Damaged("the log has no entry of this statement; nothing is released".into()))?;
    let proof = LogProof { index: proven.index, hashes: proven.path, checkpoint: proven.note };
    Ok(Receipt {
        format: Format::V1,
        statement: signed.statement.clone(),
        signatures: signed.signatures.clone(),
        signers: notary.owners.signers().render(),
        log_key: VerifierKey::of(notary.origin.clone(), &notary.log_key).to_string(),
        time: proven.leaf.time,
        kind,
        salt: Salt(proven.salt),
        proof: proof.to_string(),
    })
}
