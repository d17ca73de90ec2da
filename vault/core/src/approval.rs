//! Is this signed text an approval of exactly this draft, for this recipient? Checked in a fixed order; the first
//! difference is named.

use crate::decide::Authority;
use crate::release::Release;
use crate::state::{Draft, Request};
use serde::{Deserialize, Serialize};
use shared::limits;
use shared::message::Recipient;
use shared::sshsig::BadSignature;
use shared::statement::{Approval, BadStatement, DeliveryMode, RecipientLine, Shown, Statement, SubjectLine};
use shared::time::Time;
use shared::tlog::Origin;

/// A statement and its armoured SSH signature, byte for byte as the owner made them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The text.
    pub statement: String,
    /// SSHSIG.
    pub signature: String,
}

/// Why a signed text releases nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotApproved {
    /// Over [`limits::STATEMENT`] or [`limits::SIGNATURE`].
    #[error("the statement or its signature is too long")]
    TooLong,
    /// Not a statement.
    #[error("the statement cannot be read: {0}")]
    Unreadable(#[from] BadStatement),
    /// A statement of another kind.
    #[error("the statement is of kind {0}, not an approval")]
    Kind(&'static str),
    /// It speaks of something else than this draft; names the first field that differs.
    #[error("the statement does not match the draft in its field {0:?}; look at the request again")]
    Differs(&'static str),
    /// Already over, or further away than allowed.
    #[error("not-after must lie between now and {max} days from now", max = limits::RELEASE_LIFE_MAX / 86_400)]
    NotAfter,
    /// None, or more than allowed.
    #[error("collections must lie between 1 and {max}", max = limits::COLLECTIONS)]
    Collections,
    /// The signature is not an owner's over this text.
    #[error("the signature does not hold: {0}")]
    Signature(#[from] BadSignature),
}

impl Signed {
    pub(crate) fn approval(&self) -> Result<Approval, NotApproved> {
        if self.statement.len() > limits::STATEMENT || self.signature.len() > limits::SIGNATURE {
            return Err(NotApproved::TooLong);
        }
        match Statement::parse(&self.statement)? {
            Statement::Approval(approval) => Ok(approval),
            other @ (Statement::Publication(_)
            | Statement::Question(_)
            | Statement::Refusal(_)
            | Statement::Revocation(_)
            | Statement::Keys(_)
            | Statement::Pairing(_)
            | Statement::Freeze(_)
            | Statement::Erasure(_)
            | Statement::Recovery(_)) => Err(NotApproved::Kind(other.kind())),
        }
    }
}

/// What the owner may choose when approving; everything else is fixed by the draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// How the bytes were shown.
    pub shown: Shown,
    /// How many devices may collect.
    pub collections: u32,
    /// Until when.
    pub not_after: Time,
}

/// The one approval that this draft allows under this choice.
pub fn approval(vault: &Origin, request: &Request, draft: &Draft, choice: Choice) -> Approval {
    Approval {
        vault: vault.clone(),
        request: request.id(),
        subject: SubjectLine::from(&draft.subject),
        recipient: match request.filing.recipient {
            Recipient::Ticket => RecipientLine::Ticket(request.filing.ticket),
        },
        delivery: DeliveryMode::Plain,
        purpose: request.filing.purpose.as_str().to_owned(),
        terms: None,
        payload: draft.payload,
        bytes: draft.bytes,
        media_type: draft.media_type.as_str().to_owned(),
        shown: choice.shown,
        collections: choice.collections,
        prepared_at: draft.prepared_at,
        not_after: choice.not_after,
        nonce: draft.nonce,
    }
}

/// The release that `signed` makes of `draft`.
pub(crate) fn approve(
    request: &Request,
    draft: &Draft,
    signed: Signed,
    by: &Authority<'_>,
) -> Result<Release, NotApproved> {
    let said = signed.approval()?;
    let choice = Choice { shown: said.shown, collections: said.collections, not_after: said.not_after };
    let expected = Statement::Approval(approval(by.vault, request, draft, choice)).render();
    if expected != signed.statement {
        return Err(NotApproved::Differs(difference(&said, request, draft, by.vault)));
    }
    if said.not_after <= by.now || said.not_after > by.now.plus(limits::RELEASE_LIFE_MAX) {
        return Err(NotApproved::NotAfter);
    }
    if !(1..=limits::COLLECTIONS).contains(&said.collections) {
        return Err(NotApproved::Collections);
    }
    Release::verify(signed, by.vault, by.signers)
}

fn difference(said: &Approval, request: &Request, draft: &Draft, vault: &Origin) -> &'static str {
    let choice = Choice { shown: said.shown, collections: said.collections, not_after: said.not_after };
    let want = approval(vault, request, draft, choice);
    let fields = [
        ("vault", said.vault == want.vault),
        ("request", said.request == want.request),
        ("subject", said.subject == want.subject),
        ("recipient", said.recipient == want.recipient),
        ("delivery", said.delivery == want.delivery),
        ("purpose", said.purpose == want.purpose),
        ("terms-sha256", said.terms == want.terms),
        ("payload-sha256", said.payload == want.payload),
        ("payload-bytes", said.bytes == want.bytes),
        ("media-type", said.media_type == want.media_type),
        ("prepared-at", said.prepared_at == want.prepared_at),
    ];
    fields.iter().find(|(_, same)| !same).map_or("nonce", |(name, _)| name)
}
