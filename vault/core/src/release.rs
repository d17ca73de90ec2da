//! A verified approval and what it permits. Nothing outside this crate can make either.

use crate::danger::{Danger, Planted};
use crate::owners::Owners;
use crate::signed::{Agreed, NotAccepted, Signed};
use crate::state::Request;
use shared::ids::{CollectionId, Digest};
use shared::message::Manifest;
use shared::statement::{Approval, Statement, SubjectLine};
use shared::text::Text;
use shared::time::Time;
use shared::tlog::Origin;

/// An approval whose signatures have been verified, and who has collected under it.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Clone))]
pub struct Release {
    approval: Approval,
    agreed: Agreed,
    manifest: Manifest,
    collections: Vec<CollectionId>,
}

impl Release {
    /// Verifies the owners' signatures over `signed` and that it is an approval by this vault.
    pub(crate) fn verify(signed: Signed, vault: &Origin, owners: &Owners) -> Result<Self, NotAccepted> {
        let statement = signed.parse()?;
        let kind = statement.kind();
        let Statement::Approval(approval) = statement else { return Err(NotAccepted::Kind(kind)) };
        if approval.vault != *vault {
            return Err(NotAccepted::Differs("vault".into()));
        }
        let manifest = manifest(&approval)?;
        Ok(Self::of(signed.agreed(owners)?, approval, manifest))
    }

    /// A release of which everything has been checked: `agreed` says `approval`, and `manifest` describes it.
    pub(crate) fn of(agreed: Agreed, approval: Approval, manifest: Manifest) -> Self {
        Self { approval, agreed, manifest, collections: Vec::new() }
    }

    /// Whether it is of this request and for its recipient.
    pub(crate) fn is_of(&self, request: &Request) -> bool {
        self.approval.request == request.id() && self.approval.recipient == request.recipient()
    }

    pub(crate) fn with_collections(self, collections: Vec<CollectionId>) -> Self {
        Self { collections, ..self }
    }

    /// Statement and signatures as the owners made them.
    pub fn signed(&self) -> &Signed {
        self.agreed.signed()
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
        danger: Danger,
    ) -> Result<(Self, Permit, Counted), NotCollectable> {
        let counted = if self.collections.contains(&collection) { Counted::Before } else { Counted::Now };
        if counted == Counted::Now {
            let free = usize::from(danger.is(Planted::FreeCollection));
            if self.collections.len() >= (self.approval.collections as usize).saturating_add(free) {
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

/// What the visitor is told of this approval before the bytes.
pub(crate) fn manifest(approval: &Approval) -> Result<Manifest, NotAccepted> {
    let title = match &approval.subject {
        SubjectLine::Item(title) => title.as_str(),
        SubjectLine::Question(_) => "Answer to your question",
    };
    Ok(Manifest {
        title: Text::new(title).map_err(|_| NotAccepted::Differs("subject".into()))?,
        media_type: Text::new(approval.media_type.as_str()).map_err(|_| NotAccepted::Differs("media-type".into()))?,
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

/// The right to read one released payload once, from one offset. It is used like this and cannot be copied, stored, or made
/// elsewhere; nor can what it is made of.
///
/// ```no_run
/// use vault_core::{Permit, Release};
/// fn spend(permit: Permit) -> (u64, u64) { (permit.offset(), permit.bytes()) }
/// fn seen(release: &Release) -> &str { &release.signed().statement }
/// ```
/// ```compile_fail,E0451
/// use shared::ids::Digest;
/// use shared::message::Manifest;
/// use vault_core::Permit;
/// fn forge(payload: Digest, manifest: Manifest) -> Permit { Permit { payload, bytes: 0, offset: 0, manifest } }
/// ```
/// ```compile_fail,E0616
/// use vault_core::Permit;
/// fn widen(mut permit: Permit) -> Permit { permit.offset = 0; permit }
/// ```
/// ```compile_fail,E0599
/// use vault_core::Permit;
/// fn twice(permit: Permit) -> (Permit, Permit) { (permit.clone(), permit) }
/// ```
/// ```compile_fail,E0382
/// use vault_core::Permit;
/// fn twice(permit: Permit) -> (Permit, Permit) { (permit, permit) }
/// ```
/// ```compile_fail,E0451
/// use shared::message::Manifest;
/// use shared::statement::Approval;
/// use vault_core::Release;
/// fn forge(approval: Approval, manifest: Manifest) -> Release {
///     Release { approval, agreed: todo!(), manifest, collections: Vec::new() }
/// }
/// ```
/// ```compile_fail,E0599
/// use vault_core::Release;
/// fn twice(release: Release) -> (Release, Release) { (release.clone(), release) }
/// ```
/// ```compile_fail,E0599
/// use vault_core::State;
/// fn twice(state: State) -> (State, State) { (state.clone(), state) }
/// ```
/// ```compile_fail,E0624
/// use shared::ids::CollectionId;
/// use vault_core::Release;
/// fn uncounted(release: Release, collection: CollectionId) { drop(release.collect(collection, 0, todo!())); }
/// ```
/// ```compile_fail,E0624
/// use vault_core::Release;
/// fn refill(release: Release) -> Release { release.with_collections(Vec::new()) }
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
