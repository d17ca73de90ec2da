//! The one statement that a request allows for each thing that an owner may decide. The daemon renders it from its own state
//! and compares; the owner's process renders it from what it shows.

use crate::danger::{Danger, Planted};
use crate::release::Release;
use crate::signed::NotAccepted;
use crate::state::{Draft, Request, State};
use shared::ids::{Digest, Nonce};
use shared::limits;
use shared::message::OwnersWords;
use shared::statement::{Approval, DeliveryMode, Question, Refusal, Revocation, Shown, Statement, SubjectLine};
use shared::time::Time;
use shared::tlog::Origin;

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
        recipient: request.recipient(),
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

/// The one question back with these words, made at this instant.
pub fn question(vault: &Origin, state: &State, text: String, prepared_at: Time, nonce: Nonce) -> Question {
    Question {
        vault: vault.clone(),
        request: state.request.id(),
        subject: SubjectLine::from(&state.named()),
        recipient: state.request.recipient(),
        text,
        prepared_at,
        nonce,
    }
}

/// The one refusal with these words, or none, made at this instant.
pub fn refusal(vault: &Origin, state: &State, words: Option<String>, decided_at: Time, nonce: Nonce) -> Refusal {
    Refusal {
        vault: vault.clone(),
        request: state.request.id(),
        subject: SubjectLine::from(&state.named()),
        recipient: state.request.recipient(),
        words,
        decided_at,
        nonce,
    }
}

/// The one revocation of this release with this reason, made at this instant.
pub fn revocation(vault: &Origin, release: &Release, reason: String, decided_at: Time, nonce: Nonce) -> Revocation {
    Revocation {
        vault: vault.clone(),
        request: release.approval().request,
        statement: Digest::of(release.signed().statement.as_bytes()),
        reason,
        decided_at,
        nonce,
    }
}

/// The approval that must have been signed, if `said` was; with a planted fault, one that forgives it.
pub(crate) fn expected_approval(
    vault: &Origin,
    request: &Request,
    draft: &Draft,
    said: &Approval,
    danger: Danger,
) -> Statement {
    let choice = Choice { shown: said.shown, collections: said.collections, not_after: said.not_after };
    let mut expected = approval(vault, request, draft, choice);
    if danger.is(Planted::SkippedNonce) {
        expected.nonce = said.nonce;
    }
    if danger.is(Planted::SupersededDraft) {
        let Approval { payload, bytes, media_type, prepared_at, nonce, .. } = said.clone();
        expected = Approval { payload, bytes, media_type, prepared_at, nonce, ..expected };
    }
    if danger.is(Planted::WrongRecipient) {
        expected.recipient = said.recipient;
        expected.request = said.request;
    }
    Statement::Approval(expected)
}

/// Whether an approval's choice lies within the limits, `cooling` seconds of thinking it over included.
pub(crate) fn check_choice(said: &Approval, now: Time, cooling: u64) -> Result<(), NotAccepted> {
    if said.not_after <= now.plus(cooling) || said.not_after > now.plus(limits::RELEASE_LIFE_MAX) {
        return Err(NotAccepted::NotAfter);
    }
    if !(1..=limits::COLLECTIONS).contains(&said.collections) {
        return Err(NotAccepted::Collections);
    }
    Ok(())
}

/// Whether words for a visitor lie within the limits.
pub(crate) fn check_words(words: &str) -> Result<(), NotAccepted> {
    OwnersWords::new(words).map(drop).map_err(|_| NotAccepted::Words)
}

/// Whether an owner's clock agrees with the vault's on when a statement was made.
pub(crate) fn check_instant(said: Time, now: Time) -> Result<(), NotAccepted> {
    if said.unix().abs_diff(now.unix()) > limits::DECISION_SKEW { Err(NotAccepted::DecidedAt) } else { Ok(()) }
}
