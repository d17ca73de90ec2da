//! A verified approval and what it permits. Nothing outside this crate can make either.

use crate::approval::{NotApproved, Signed};
use shared::ids::{CollectionId, Digest};
use shared::message::Manifest;
use shared::sshsig::{self, Signers};
use shared::statement::{Approval, NAMESPACE, SubjectLine};
use shared::text::Text;
use shared::time::Time;
use shared::tlog::Origin;

/// An owner's approval whose signature has been verified, and who has collected under it.
#[derive(Debug, PartialEq, Eq)]
pub struct Release {
    approval: Approval,
    signed: Signed,
    manifest: Manifest,
    collections: Vec<CollectionId>,
}

impl Release {
    /// Verifies the owner's signature over `signed` and that it is an approval by this vault.
    pub(crate) fn verify(signed: Signed, vault: &Origin, signers: &Signers) -> Result<Self, NotApproved> {
        let approval = signed.approval()?;
        if approval.vault != *vault {
            return Err(NotApproved::Differs("vault"));
        }
        sshsig::verify(signers, NAMESPACE, signed.statement.as_bytes(), &signed.signature)?;
        let manifest = manifest(&approval)?;
        Ok(Self { approval, signed, manifest, collections: Vec::new() })
    }

    pub(crate) fn with_collections(self, collections: Vec<CollectionId>) -> Self {
        Self { collections, ..self }
    }

    /// Statement and signature as the owner made them.
    pub fn signed(&self) -> &Signed {
        &self.signed
    }

    /// What was approved.
    pub fn approval(&self) -> &Approval {
        &self.approval
    }

    /// The collections begun, in their order.
    pub fn collections(&self) -> &[CollectionId] {
        &self.collections
    }

    /// The end of the release.
    pub fn not_after(&self) -> Time {
        self.approval.not_after
    }

    /// What the visitor is told before the bytes.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Counts `collection` unless it is known, and permits it. The count is durable before the permit can be used, because
    /// both leave [`crate::decide()`] in one step.
    pub(crate) fn collect(
        mut self,
        collection: CollectionId,
        offset: u64,
    ) -> Result<(Self, Permit, Counted), NotCollectable> {
        let counted = if self.collections.contains(&collection) { Counted::Before } else { Counted::Now };
        if counted == Counted::Now {
            if self.collections.len() >= self.approval.collections as usize {
                return Err(NotCollectable::Spent);
            }
            self.collections.push(collection);
        }
        if offset > self.approval.bytes {
            return Err(NotCollectable::Offset);
        }
        let permit = Permit {
            payload: self.approval.payload,
            bytes: self.approval.bytes,
            offset,
            manifest: self.manifest.clone(),
        };
        Ok((self, permit, counted))
    }
}

fn manifest(approval: &Approval) -> Result<Manifest, NotApproved> {
    let title = match &approval.subject {
        SubjectLine::Item(title) => title.as_str(),
        SubjectLine::Question(_) => "Answer to your question",
    };
    Ok(Manifest {
        title: Text::new(title).map_err(|_| NotApproved::Differs("subject"))?,
        media_type: Text::new(approval.media_type.as_str()).map_err(|_| NotApproved::Differs("media-type"))?,
        bytes: approval.bytes,
        sha256: approval.payload,
        not_after: approval.not_after,
    })
}

/// Whether a collection adds to the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// It began earlier and resumes.
    Before,
    /// It begins.
    Now,
}

/// Why there is nothing to serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotCollectable {
    /// Other devices used every collection.
    Spent,
    /// Beyond the payload's end.
    Offset,
}

/// The right to read one released payload once, from one offset. It cannot be copied, stored, or made elsewhere:
///
/// ```compile_fail
/// let forged = vault_core::Permit { payload: todo!(), bytes: 0, offset: 0, manifest: todo!() };
/// ```
/// ```compile_fail
/// fn twice(permit: vault_core::Permit) -> (vault_core::Permit, vault_core::Permit) { (permit.clone(), permit) }
/// ```
/// ```compile_fail
/// fn keep(permit: vault_core::Permit) -> String { serde_json::to_string(&permit).unwrap() }
/// ```
#[must_use = "a permit that is dropped serves nobody"]
pub struct Permit {
    payload: Digest,
    bytes: u64,
    offset: u64,
    manifest: Manifest,
}

impl Permit {
    /// SHA-256 of the only payload that this opens.
    pub fn payload(&self) -> Digest {
        self.payload
    }

    /// That payload's length.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where to begin, at most [`Self::bytes`].
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What goes ahead of the bytes.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}
