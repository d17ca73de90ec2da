//! What follows when owners sign: an approval releases, a question goes to the visitor, a refusal ends the request, a
//! revocation ends a release. All of them take the same way: the text is compared with the one that this state allows, each
//! signature is verified, and only as many owners as must give it its effect.

use crate::danger::Planted;
use crate::decide::{Authority, Effect, Going, Rejected, Step, both, not_now, signed_step, silence};
use crate::release::{Release, manifest};
use crate::signed::{Gathered, NotAccepted, Signed};
use crate::spoken::{Spoken, Words};
use crate::state::{Asked, Closing, Stage, State, Told, Why};
use crate::statements::{self, check_choice, check_instant, check_words, expected_approval};
use shared::ids::Nonce;
use shared::limits;
use shared::statement::{Approval, Question, Refusal, Revocation, Statement};
use shared::time::Time;
use shared::tlog::LeafKind;

/// The step that a signed text takes.
pub(crate) fn signed(state: State, signed: Signed, fresh: Nonce, by: &Authority<'_>) -> Result<Step, Rejected> {
    if matches!(state.stage, Stage::Received | Stage::Closed(_)) {
        return not_now(&state.stage);
    }
    let statement = signed.parse()?;
    // What stops a release may always be done.
    if !matches!(statement, Statement::Revocation(_)) {
        if by.brake == Going::Frozen {
            return Err(Rejected::Frozen);
        }
        if let Some(doubt) = by.now.doubt {
            return Err(Rejected::Clock(doubt));
        }
    }
    match statement {
        Statement::Approval(said) => approved(state, signed, said, by),
        Statement::Question(said) => asked(state, signed, said, fresh, by),
        Statement::Refusal(said) => refused(state, signed, said, by),
        Statement::Revocation(said) => revoked(state, signed, said, by),
        other @ (Statement::Publication(_)
        | Statement::Keys(_)
        | Statement::Pairing(_)
        | Statement::Freeze(_)
        | Statement::Erasure(_)
        | Statement::Recovery(_)) => Err(NotAccepted::Kind(other.kind()).into()),
    }
}

fn approved(state: State, signed: Signed, said: Approval, by: &Authority<'_>) -> Result<Step, Rejected> {
    let Stage::AwaitingOwner(draft, _) = &state.stage else { return not_now(&state.stage) };
    signed.is(&expected_approval(by.vault, &state.request, draft, &said, by.danger))?;
    check_choice(&said, by.now.time, by.cooling)?;
    let manifest = manifest(&said)?;
    let agreed = match gather(&state.stage, signed, by)? {
        Gathered::Enough(agreed) => agreed,
        Gathered::Pending(signed, _) => return Ok(pending(state, signed, by)),
    };
    let entry = agreed.signed().clone();
    let release = Box::new(Release::of(agreed, said, manifest));
    let (stage, effects) = match by.cooling {
        0 => (Stage::Released(release), both(&state.request)),
        // The visitor hears nothing before the end of it.
        _ => (Stage::Cooling(release, by.cooling_off()), vec![Effect::TellOwner]),
    };
    Ok(signed_step(State { stage, ..state }, LeafKind::Approved, &entry, effects, by.now))
}

fn asked(state: State, signed: Signed, said: Question, fresh: Nonce, by: &Authority<'_>) -> Result<Step, Rejected> {
    let (nonce, draft) = match &state.stage {
        Stage::AwaitingAnswer(blank) => (blank.nonce, None),
        Stage::AwaitingOwner(draft, _) => (draft.nonce, Some(draft.clone())),
        Stage::AwaitingVisitor(before) => (before.nonce, before.draft.clone()),
        stage @ (Stage::Received | Stage::Cooling(..) | Stage::Released(_) | Stage::Closed(_)) => {
            return not_now(stage);
        }
    };
    let expected = statements::question(by.vault, &state, said.text.clone(), said.prepared_at, nonce);
    signed.is(&Statement::Question(expected))?;
    check_words(&said.text)?;
    check_new(&state.stage, &signed, said.prepared_at, by)?;
    if state.talk.len() >= limits::QUESTIONS_BACK {
        return Err(Rejected::Questions);
    }
    let agreed = match gather(&state.stage, signed, by)? {
        Gathered::Enough(agreed) => agreed,
        Gathered::Pending(signed, _) => return Ok(pending(state, signed, by)),
    };
    let entry = agreed.signed().clone();
    let effects = both(&state.request);
    let spoken = Spoken::of(agreed, &state.request, Words::Question(said.text, nonce));
    let stage = Stage::AwaitingVisitor(Box::new(Asked { spoken, draft, nonce: fresh, pending: None }));
    Ok(signed_step(State { stage, ..state }, LeafKind::Asked, &entry, effects, by.now))
}

fn refused(state: State, signed: Signed, said: Refusal, by: &Authority<'_>) -> Result<Step, Rejected> {
    let Some(nonce) = state.stage.nonce() else { return not_now(&state.stage) };
    let expected = statements::refusal(by.vault, &state, said.words.clone(), said.decided_at, nonce);
    signed.is(&Statement::Refusal(expected))?;
    // A silent refusal is the desk's own: it needs no signature, because nothing leaves.
    let Some(words) = said.words else { return Err(NotAccepted::Words.into()) };
    check_words(&words)?;
    check_new(&state.stage, &signed, said.decided_at, by)?;
    let agreed = match gather(&state.stage, signed, by)? {
        Gathered::Enough(agreed) => agreed,
        Gathered::Pending(signed, _) => return Ok(pending(state, signed, by)),
    };
    let entry = agreed.signed().clone();
    let effects = both(&state.request);
    let spoken = Spoken::of(agreed, &state.request, Words::Refusal(words));
    let told = Told::Words(state.request.lapses_at(), spoken);
    let stage = Stage::Closed(Box::new(Closing { why: Why::Refused, at: by.now.time, told, release: None }));
    Ok(signed_step(State { stage, ..state }, LeafKind::Refused, &entry, effects, by.now))
}

/// One owner is enough to stop what several have allowed.
fn revoked(state: State, signed: Signed, said: Revocation, by: &Authority<'_>) -> Result<Step, Rejected> {
    let release = match &state.stage {
        Stage::Cooling(release, _) | Stage::Released(release) => release,
        stage @ (Stage::Received
        | Stage::AwaitingAnswer(_)
        | Stage::AwaitingOwner(..)
        | Stage::AwaitingVisitor(_)
        | Stage::Closed(_)) => return not_now(stage),
    };
    let expected = statements::revocation(by.vault, release, said.reason.clone(), said.decided_at, said.nonce);
    signed.is(&Statement::Revocation(expected))?;
    if by.now.doubt.is_none() {
        check_instant(said.decided_at, by.now.time)?;
    }
    if signed.keys(by.owners)?.is_empty() {
        return Err(NotAccepted::TooFew { have: 0, need: 1 }.into());
    }
    if by.danger.is(Planted::IgnoredRevocation) {
        return Ok(signed_step(state, LeafKind::Revoked, &signed, Vec::new(), by.now));
    }
    let (told, effects) = if matches!(state.stage, Stage::Cooling(..)) {
        // The visitor has not heard of the approval, and does not hear of its end.
        (silence(&state), vec![Effect::TellOwner])
    } else {
        (Told::Over, both(&state.request))
    };
    let release = state.stage.into_release();
    let stage = Stage::Closed(Box::new(Closing { why: Why::Revoked, at: by.now.time, told, release }));
    Ok(signed_step(State { stage, ..state }, LeafKind::Revoked, &signed, effects, by.now))
}

/// A text must have been made just now, but for one that another owner has signed in time.
fn check_new(stage: &Stage, signed: &Signed, said: Time, by: &Authority<'_>) -> Result<(), NotAccepted> {
    if stage.pending().is_some_and(|before| before.statement == signed.statement) {
        return Ok(());
    }
    check_instant(said, by.now.time)
}

/// Adds `signed` to what owners have signed of the same text before. Another text begins anew: they must all sign one.
fn gather(stage: &Stage, signed: Signed, by: &Authority<'_>) -> Result<Gathered, NotAccepted> {
    add(stage.pending(), signed, by)
}

/// As [`gather`], for any text that several owners sign.
pub(crate) fn add(pending: Option<&Signed>, mut signed: Signed, by: &Authority<'_>) -> Result<Gathered, NotAccepted> {
    // What is new must hold by itself.
    if signed.keys(by.owners)?.is_empty() {
        return Err(NotAccepted::TooFew { have: 0, need: by.owners.quorum() });
    }
    if let Some(before) = pending.filter(|before| before.statement == signed.statement) {
        // What an owner signed whose key has been removed since counts for nothing, and is in nobody's way.
        let holds =
            |signature: &&String| Signed::one(before.statement.clone(), (*signature).clone()).keys(by.owners).is_ok();
        signed.signatures.splice(0..0, before.signatures.iter().filter(holds).cloned());
    }
    signed.gathered(by.owners)
}

/// Keeps a text that more owners must sign.
fn pending(mut state: State, signed: Signed, by: &Authority<'_>) -> Step {
    let entry = signed.clone();
    state.stage.keep(signed);
    signed_step(state, LeafKind::Signed, &entry, vec![Effect::TellOwner], by.now)
}
