//! New requests: how many there may be, and what becomes of one that has been refused already.

use crate::clock::Now;
use crate::decide::{Effect, Step, step};
use crate::state::{Blank, Closing, LaneId, Request, Stage, State, Told, Why};
use shared::ids::{Digest, Nonce};
use shared::limits;
use shared::message::{Filing, Recipient, Subject};
use shared::time::Time;
use shared::tlog::LeafKind;

/// Whose requests are counted together. Counts are of what was filed within a day, whatever became of it: a full quota tells
/// nobody of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    /// One reception's.
    Lane,
    /// Those that name one contact, through one reception.
    Contact,
    /// All.
    Vault,
}

impl Quota {
    /// The most that may be filed within a day.
    pub fn most(self) -> usize {
        match self {
            Self::Lane => limits::LANE_DAY,
            Self::Contact => limits::CONTACT_DAY,
            Self::Vault => limits::VAULT_DAY,
        }
    }
}

impl std::fmt::Display for Quota {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whose = match self {
            Self::Lane => "this reception has filed",
            Self::Contact => "whoever named this contact has filed",
            Self::Vault => "all receptions together have filed",
        };
        write!(f, "{whose} {} requests within a day, which is the limit", self.most())
    }
}

/// What was filed within the last day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// How many.
    pub filed: usize,
    /// When the first of them was: a day later there is room again.
    pub first: Option<Time>,
}

/// What a new request meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Before {
    /// Through the same reception.
    pub lane: Count,
    /// Through the same reception, naming the same contact; nothing when none is named.
    pub contact: Count,
    /// Through all.
    pub vault: Count,
    /// When the owner last refused one that was alike ([`likeness`]).
    pub refused_at: Option<Time>,
}

/// A quota is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{quota}; there is room again at {room_at}")]
pub struct Full {
    /// Which.
    pub quota: Quota,
    /// When it may be tried again.
    pub room_at: Time,
}

/// A new request. One that names a contact and is like another which the owner refused within [`limits::REFUSAL_LIFE`] is
/// refused at once, without a word to anybody: its visitor sees what every visitor sees whose request nobody has decided.
///
/// # Errors
/// [`Full`]
pub fn file(filing: Filing, lane: LaneId, before: &Before, fresh: Nonce, now: Now) -> Result<Step, Full> {
    for (quota, count) in [(Quota::Lane, before.lane), (Quota::Contact, before.contact), (Quota::Vault, before.vault)] {
        if count.filed >= quota.most() {
            // Of what others filed, not even the second is told.
            let first = if quota == Quota::Lane { count.first.unwrap_or(now.time) } else { now.time };
            return Err(Full { quota, room_at: first.plus(DAY) });
        }
    }
    let request = Request { filing, lane, filed_at: now.time };
    let (stage, effects) = first_stage(&request, before.refused_at, fresh, now.time);
    let detail = request.filing.purpose.as_str().as_bytes().to_vec();
    Ok(step(State { request, talk: Vec::new(), stage }, Some((LeafKind::Filed, detail)), effects, now))
}

/// Seconds.
const DAY: u64 = 86_400;

fn first_stage(request: &Request, refused_at: Option<Time>, fresh: Nonce, now: Time) -> (Stage, Vec<Effect>) {
    // Without a contact anybody may have been meant, and so somebody looks at it.
    let named = request.filing.contact.is_some();
    if named && refused_at.is_some_and(|at| now < at.plus(limits::REFUSAL_LIFE)) {
        let told = Told::Nothing(request.lapses_at(), None);
        return (Stage::Closed(Box::new(Closing { why: Why::Refused, at: now, told, release: None })), Vec::new());
    }
    match request.filing.subject {
        Subject::Item(_) => (Stage::Received, vec![Effect::Prepare(request.filing.ticket)]),
        Subject::Question(_) => {
            (Stage::AwaitingAnswer(Blank { why: None, nonce: fresh, pending: None }), vec![Effect::TellOwner])
        }
    }
}

/// Names requests that ask for the same thing in the same words for the same contact, through the same reception: letters'
/// case and white space do not matter, the ticket neither.
pub fn likeness(filing: &Filing, lane: LaneId) -> Digest {
    let subject = match &filing.subject {
        Subject::Item(id) => format!("item {id}"),
        Subject::Question(words) => format!("question {}", plain(words.as_str())),
    };
    let contact = filing.contact.as_ref().map_or_else(String::new, |contact| plain(contact.as_str()));
    // A line feed separates: there is none in a plain text.
    Digest::of(format!("{}\n{subject}\n{}\n{contact}", lane.0, plain(filing.purpose.as_str())).as_bytes())
}

/// Names one filing through one reception by everything that is in it: the same one again has the same name, and no other has.
pub fn identity(filing: &Filing, lane: LaneId) -> Digest {
    let Filing { ticket, subject, purpose, contact, recipient } = filing;
    let (kind, subject) = match subject {
        Subject::Item(id) => ("item", id.to_string()),
        Subject::Question(words) => ("question", words.as_str().to_owned()),
    };
    let recipient = match recipient {
        Recipient::Ticket => "ticket",
    };
    let (named, contact) = contact.as_ref().map_or(("nobody", ""), |contact| ("named", contact.as_str()));
    let lane = lane.0.to_string();
    let parts = [&lane, &ticket.to_string(), kind, &subject, purpose.as_str(), named, contact, recipient];
    // Each after its length, so that what belongs to one is not taken for the next one's.
    Digest::of(parts.map(|part| format!("{} {part}", part.len())).concat().as_bytes())
}

/// Names a contact within a reception, for its quota; `None` when none is given.
pub fn contact(filing: &Filing, lane: LaneId) -> Option<Digest> {
    let contact = plain(filing.contact.as_ref()?.as_str());
    Some(Digest::of(format!("{}\n{contact}", lane.0).as_bytes()))
}

fn plain(words: &str) -> String {
    words.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}
