//! Requests as the owner sees them.

use super::message::{Case, Fate, Pending, ReleaseFacts, Standing, Talk};
use crate::daemon::Vault;
use crate::store::{self, Item, WriteError};
use shared::ids::{Digest, RequestId};
use shared::message::Subject;
use shared::statement::Statement;
use shared::time::Time;
use std::collections::HashMap;
use std::sync::Arc;
use vault_core::{Exchange, Line, Now, Owners, Release, Signed, Stage, State, Told, Words};

/// What describing a request takes besides its state.
pub(super) struct Context {
    items: Vec<Item>,
    lanes: Vec<store::Lane>,
    /// For each request that waits, the oldest that is like it, and how many others are.
    alike: HashMap<RequestId, (RequestId, u32)>,
    owners: Arc<Owners>,
    now: Now,
}

impl Context {
    pub(super) fn read(vault: &Vault) -> Result<Self, WriteError> {
        let now = vault.clock.now();
        vault.readers.read(|c| {
            let mut alike = HashMap::new();
            for group in store::repeats(c, now.time)? {
                let others = u32::try_from(group.len().saturating_sub(1)).unwrap_or(u32::MAX);
                let first = group[0];
                alike.extend(group.into_iter().map(|id| (id, (first, others))));
            }
            let (items, lanes) = (store::items(c)?, store::lanes(c)?);
            Ok(Self { items, lanes, alike, owners: vault.owners.clone(), now })
        })
    }

    /// Whether a list shows this one: of those alike, the oldest is shown.
    pub(super) fn stands_for_others(&self, state: &State) -> bool {
        let id = state.request.id();
        self.alike.get(&id).is_none_or(|(first, _)| *first == id)
    }

    pub(super) fn case(&self, state: &State) -> Case {
        let request = &state.request;
        let id = request.id();
        let lane = self.lanes.iter().find(|lane| lane.id == request.lane);
        let lapsed = self.now.time >= request.lapses_at();
        Case {
            id,
            reception: lane.map_or_else(|| "a reception no longer paired".into(), |l| l.line.name.as_str().into()),
            filed_at: request.filed_at,
            lapses_at: request.lapses_at(),
            stage: state.stage.name().into(),
            undecided: state.stage.is_undecided() && !lapsed,
            subject: self.subject(state),
            named: state.named(),
            nonce: state.stage.nonce(),
            repeats: self.alike.get(&id).map_or(0, |(_, others)| *others),
            talk: state.talk.iter().map(talk).collect(),
            question: said(state, Kind::Question),
            refusal: said(state, Kind::Refusal),
            pending: state.stage.pending().map(|signed| pending(signed, &self.owners)),
            purpose: request.filing.purpose.as_str().into(),
            contact: request.filing.contact.as_ref().map(|c| c.as_str().into()),
            ticket: state.ticket(),
            note: note(&state.stage).or_else(|| self.changed(state)),
            draft: state.draft().filter(|_| matches!(state.stage, Stage::AwaitingOwner(..))).cloned(),
            release: state.release().filter(|_| !is_over(state)).map(|release| self.facts(state, release)),
            ended: state.release().filter(|_| is_over(state)).map(|release| self.facts(state, release)),
        }
    }

    fn facts(&self, state: &State, release: &Release) -> ReleaseFacts {
        ReleaseFacts {
            manifest: release.manifest().clone(),
            collections: release.approval().collections,
            collected: collected(release),
            statement: Digest::of(release.signed().statement.as_bytes()),
            cooling_until: state.waits_until().map(|until| waited(self.now, until)),
        }
    }

    /// Said of a draft that is not the item which was asked for.
    fn changed(&self, state: &State) -> Option<String> {
        let Subject::Item(id) = &state.request.filing.subject else { return None };
        let Stage::AwaitingOwner(draft, _) = &state.stage else { return None };
        let item = self.items.iter().find(|item| item.id == *id)?;
        let words = format!(
            "CHANGED: this is not the item itself, which has {} bytes; it was written in its place.",
            item.bytes
        );
        (item.sha256 != draft.payload).then_some(words)
    }

    fn subject(&self, state: &State) -> Line {
        match &state.request.filing.subject {
            Subject::Question(text) => Line::Question(text.as_str().into()),
            Subject::Item(id) => match self.items.iter().find(|item| item.id == *id) {
                Some(item) => Line::Item(item.title.as_str().into()),
                None => Line::Item(format!("an unknown item, {id}")),
            },
        }
    }
}

/// What came of an approval; releases may be stopped since `frozen`.
pub(super) fn fate(state: &State, release: &Release, frozen: Option<Time>, now: Now) -> Fate {
    let until = release.not_after();
    let released = match frozen {
        _ if now.time >= until => Standing::Over(until),
        Some(since) => Standing::Stopped { since, until },
        None => Standing::Collectable(until),
    };
    let standing = match &state.stage {
        Stage::Closed(closing) => {
            let (why, at) = (closing.why, closing.at);
            // What the visitor has not heard of when it ended is hidden until the request's own deadline.
            let hidden = matches!(closing.told, Told::Nothing(..));
            if hidden { Standing::Unseen { why, at } } else { Standing::Ended { why, at } }
        }
        Stage::Cooling(_, cooling) => Standing::Cooling(waited(now, cooling.until)),
        Stage::Received
        | Stage::AwaitingAnswer(_)
        | Stage::AwaitingOwner(..)
        | Stage::AwaitingVisitor(_)
        | Stage::Released(_) => released,
    };
    Fate { at: now.time, standing, collections: release.approval().collections, collected: collected(release) }
}

/// Devices that have begun to collect.
fn collected(release: &Release) -> u32 {
    u32::try_from(release.collections().len()).unwrap_or(u32::MAX)
}

/// When so much has been waited, if the machine runs until then, and nobody sets its clock.
fn waited(now: Now, until: u64) -> Time {
    now.time.plus(until.saturating_sub(now.waited))
}

/// Kinds of the owner's words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Question,
    Refusal,
}

/// The words that the visitor can read now. What goes on being shown of a request that is over is none of them.
fn said(state: &State, kind: Kind) -> Option<String> {
    let spoken = match &state.stage {
        Stage::AwaitingVisitor(asked) => &asked.spoken,
        Stage::Closed(_) if kind == Kind::Refusal => state.words()?,
        Stage::Received
        | Stage::AwaitingAnswer(_)
        | Stage::AwaitingOwner(..)
        | Stage::Cooling(..)
        | Stage::Released(_)
        | Stage::Closed(_) => return None,
    };
    match (spoken.words(), kind) {
        (Words::Question(text, _), Kind::Question) | (Words::Refusal(text), Kind::Refusal) => Some(text.clone()),
        (Words::Question(..), Kind::Refusal) | (Words::Refusal(_), Kind::Question) => None,
    }
}

fn talk(exchange: &Exchange) -> Talk {
    let question = match Statement::parse(&exchange.asked.statement) {
        Ok(Statement::Question(question)) => question.text,
        // It was a question when it was taken, and the store keeps what it is given.
        Ok(_) | Err(_) => "(the question cannot be read any more)".into(),
    };
    Talk { question, answer: exchange.answer.as_str().into(), at: exchange.at }
}

/// Who has signed a statement that more owners must sign.
pub(super) fn pending(signed: &Signed, owners: &Owners) -> Pending {
    // What no longer verifies was signed by nobody.
    let keys = signed.keys(owners).unwrap_or_default();
    Pending {
        statement: signed.statement.clone(),
        signed_by: keys.iter().map(|key| key.fingerprint()).collect(),
        quorum: owners.quorum(),
    }
}

fn note(stage: &Stage) -> Option<String> {
    match stage {
        Stage::AwaitingAnswer(blank) => blank.why.map(|why| why.to_string()),
        Stage::Received
        | Stage::AwaitingOwner(..)
        | Stage::AwaitingVisitor(_)
        | Stage::Cooling(..)
        | Stage::Released(_)
        | Stage::Closed(_) => None,
    }
}

fn is_over(state: &State) -> bool {
    matches!(state.stage, Stage::Closed(_))
}
