//! What a request is at each moment of its life.

use crate::release::Release;
use crate::signed::Signed;
use crate::spoken::Spoken;
use serde::{Deserialize, Serialize};
use shared::ids::{Digest, Nonce, RequestId, TicketHash};
use shared::limits;
use shared::message::{Filing, Manifest, MediaType, Recipient, Subject, View, VisitorAnswer};
use shared::statement::{RecipientLine, SubjectLine};
use shared::time::Time;

/// The paired reception that a request came through, by the order of pairing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LaneId(pub i64);

/// What was asked; never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// As it came over the link.
    pub filing: Filing,
    /// Through which reception.
    pub lane: LaneId,
    /// When it was acknowledged, by the vault's clock.
    pub filed_at: Time,
}

impl Request {
    /// The request's public name.
    pub fn id(&self) -> RequestId {
        self.filing.ticket.request()
    }

    /// After this the request lapses unless it has been decided.
    pub fn lapses_at(&self) -> Time {
        self.filed_at.plus(limits::ASKING_LIFE)
    }

    /// The recipient as statements write it.
    pub fn recipient(&self) -> RecipientLine {
        match self.filing.recipient {
            Recipient::Ticket => RecipientLine::Ticket(self.filing.ticket),
        }
    }
}

/// A request and the stage that it has reached.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Clone))]
pub struct State {
    /// What was asked.
    pub request: Request,
    /// What was asked back and answered, oldest first.
    pub talk: Vec<Exchange>,
    /// How far it has come.
    pub stage: Stage,
}

/// The stages of a request's life, in their order.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Clone))]
pub enum Stage {
    /// Acknowledged; an item's draft is being frozen.
    Received,
    /// The owner is to write the answer: a question, or an item that could not be prepared.
    AwaitingAnswer(Blank),
    /// Frozen bytes wait for the owners' signatures.
    AwaitingOwner(Draft, Option<Signed>),
    /// The owner has asked back.
    AwaitingVisitor(Box<Asked>),
    /// Signed; not collectable yet, so that the owner may still think better of it.
    Cooling(Box<Release>, Cooling),
    /// Signed; collectable.
    Released(Box<Release>),
    /// Nothing more will be released.
    Closed(Box<Closing>),
}

/// An answer that is still to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blank {
    /// Why an item could not be prepared.
    pub why: Option<Unprepared>,
    /// For a statement about this request; dies with its stage.
    pub nonce: Nonce,
    /// A question or a refusal that fewer owners have signed than must.
    pub pending: Option<Signed>,
}

/// A question back that waits for the visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The owner's words.
    pub spoken: Spoken,
    /// What would be released, as it was before the question.
    pub draft: Option<Draft>,
    /// For the next statement about this request.
    pub nonce: Nonce,
    /// Another question or a refusal that fewer owners have signed than must.
    pub pending: Option<Signed>,
}

/// A question back with its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// The question's name.
    pub question: Nonce,
    /// The owner's statement.
    pub asked: Signed,
    /// The visitor's words.
    pub answer: VisitorAnswer,
    /// When they came.
    pub at: Time,
}

/// Why an item's draft could not be frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Unprepared {
    /// No such item, or no longer.
    #[error("the item that was asked for is not in the store")]
    NoItem,
    /// The item is there but not offered.
    #[error("the item that was asked for is not listed in the catalogue")]
    NotListed,
}

/// The exact bytes that would be released, by their hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// What the statement will call it.
    pub subject: Line,
    /// SHA-256 of the payload.
    pub payload: Digest,
    /// The payload's length.
    pub bytes: u64,
    /// The payload's media type.
    pub media_type: MediaType,
    /// When it was frozen, by the vault's clock.
    pub prepared_at: Time,
    /// Dies with the draft.
    pub nonce: Nonce,
}

/// A statement's subject in stored form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Line {
    /// An item's title.
    Item(String),
    /// The visitor's question.
    Question(String),
}

impl From<&Line> for SubjectLine {
    fn from(line: &Line) -> Self {
        match line {
            Line::Item(title) => Self::Item(title.clone()),
            Line::Question(text) => Self::Question(text.clone()),
        }
    }
}

/// How and when a request ended.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Clone))]
pub struct Closing {
    /// The cause.
    pub why: Why,
    /// By the vault's clock.
    pub at: Time,
    /// What the visitor is told of a refusal or a revocation.
    pub told: Told,
    /// What had been approved before, and who collected it: what left stays provable. Nothing is served from it.
    pub(crate) release: Option<Box<Release>>,
}

/// What a visitor may know of an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// That it is over.
    Over,
    /// Nothing: it looks undecided until the request's own deadline, with the owner's open question if there was one.
    Nothing(Time, Option<Spoken>),
    /// The owner's words, until the request's own deadline.
    Words(Time, Spoken),
}

/// Causes of an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The owner said no.
    Refused,
    /// Nobody decided in time.
    Lapsed,
    /// The visitor took it back.
    Withdrawn,
    /// The owner took the release back.
    Revoked,
    /// Released, and its time is over.
    Expired,
}

/// What the visitor may be told, precomputed so that a reply needs no store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// Undecided, or decided in a way that must look so, until this instant.
    Waiting(Time),
    /// The owner asks back, until this instant.
    Question(Time),
    /// Collectable until the manifest's end.
    Ready(Manifest),
    /// Refused with words that can be read until this instant.
    Refused(Time),
    /// Over.
    Closed,
}

impl Shown {
    /// The reply at this instant.
    pub fn view(&self, now: Time) -> View {
        match self {
            Self::Waiting(until) if now < *until => View::Waiting,
            Self::Question(until) if now < *until => View::Question,
            Self::Ready(manifest) if now < manifest.not_after => View::Ready(manifest.clone()),
            Self::Refused(until) if now < *until => View::Refused,
            Self::Waiting(_) | Self::Question(_) | Self::Ready(_) | Self::Refused(_) | Self::Closed => View::Closed,
        }
    }
}

/// How long an approval cools off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cooling {
    /// Until the vault has waited so many seconds, as [`Now::waited`](crate::Now::waited) counts.
    pub until: u64,
    /// Its visitor has heard that the request's own deadline has passed, as of everything that looks undecided.
    pub lapsed: bool,
}

impl Stage {
    /// Whether the owner may still decide.
    pub fn is_undecided(&self) -> bool {
        match self {
            Self::Received | Self::AwaitingAnswer(_) | Self::AwaitingOwner(..) | Self::AwaitingVisitor(_) => true,
            Self::Cooling(..) | Self::Released(_) | Self::Closed(_) => false,
        }
    }

    /// The stage in a word or two, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Received => "being prepared",
            Self::AwaitingAnswer(_) => "waiting for an answer",
            Self::AwaitingOwner(_, None) => "waiting for approval",
            Self::AwaitingOwner(_, Some(_)) => "waiting for more signatures",
            Self::AwaitingVisitor(_) => "waiting for the visitor",
            Self::Cooling(..) => "approved, cooling off",
            Self::Released(_) => "released",
            Self::Closed(closing) => match closing.why {
                Why::Refused => "refused",
                Why::Lapsed => "lapsed",
                Why::Withdrawn => "withdrawn",
                Why::Revoked => "revoked",
                Why::Expired => "expired",
            },
        }
    }

    /// The statement that fewer owners have signed than must.
    pub fn pending(&self) -> Option<&Signed> {
        match self {
            Self::AwaitingOwner(_, pending) => pending.as_ref(),
            Self::AwaitingAnswer(blank) => blank.pending.as_ref(),
            Self::AwaitingVisitor(asked) => asked.pending.as_ref(),
            Self::Received | Self::Cooling(..) | Self::Released(_) | Self::Closed(_) => None,
        }
    }

    /// Keeps a statement that more owners must sign. At stages where none is signed, there is nowhere to keep it.
    pub(crate) fn keep(&mut self, signed: Signed) {
        match self {
            Self::AwaitingOwner(_, pending) => *pending = Some(signed),
            Self::AwaitingAnswer(blank) => blank.pending = Some(signed),
            Self::AwaitingVisitor(asked) => asked.pending = Some(signed),
            Self::Received | Self::Cooling(..) | Self::Released(_) | Self::Closed(_) => (),
        }
    }

    /// What was approved, whether or not it can be collected.
    fn release(&self) -> Option<&Release> {
        match self {
            Self::Cooling(release, _) | Self::Released(release) => Some(release),
            Self::Closed(closing) => closing.release.as_deref(),
            Self::Received | Self::AwaitingAnswer(_) | Self::AwaitingOwner(..) | Self::AwaitingVisitor(_) => None,
        }
    }

    /// What is to be kept of a stage when the request ends; what has ended does so no more.
    pub(crate) fn into_release(self) -> Option<Box<Release>> {
        match self {
            Self::Cooling(release, _) | Self::Released(release) => Some(release),
            Self::Received
            | Self::AwaitingAnswer(_)
            | Self::AwaitingOwner(..)
            | Self::AwaitingVisitor(_)
            | Self::Closed(_) => None,
        }
    }

    /// What a statement about this stage must bear.
    pub fn nonce(&self) -> Option<Nonce> {
        match self {
            Self::AwaitingOwner(draft, _) => Some(draft.nonce),
            Self::AwaitingAnswer(blank) => Some(blank.nonce),
            Self::AwaitingVisitor(asked) => Some(asked.nonce),
            Self::Received | Self::Cooling(..) | Self::Released(_) | Self::Closed(_) => None,
        }
    }
}

impl State {
    /// What the visitor may be told.
    pub fn shown(&self) -> Shown {
        match &self.stage {
            Stage::Received | Stage::AwaitingAnswer(_) | Stage::AwaitingOwner(..) => {
                Shown::Waiting(self.request.lapses_at())
            }
            Stage::AwaitingVisitor(_) => Shown::Question(self.request.lapses_at()),
            // As if nobody had decided: what cools off longer comes out of what looks closed.
            Stage::Cooling(_, Cooling { lapsed: true, .. }) => Shown::Closed,
            Stage::Cooling(..) => Shown::Waiting(self.request.lapses_at()),
            Stage::Released(release) => Shown::Ready(release.manifest().clone()),
            Stage::Closed(closing) => match &closing.told {
                Told::Over => Shown::Closed,
                Told::Nothing(until, None) => Shown::Waiting(*until),
                Told::Nothing(until, Some(_)) => Shown::Question(*until),
                Told::Words(until, _) => Shown::Refused(*until),
            },
        }
    }

    /// The words that the visitor may read now, while [`Self::shown`] says so.
    pub fn words(&self) -> Option<&Spoken> {
        match &self.stage {
            Stage::AwaitingVisitor(asked) => Some(&asked.spoken),
            Stage::Closed(closing) => match &closing.told {
                Told::Over => None,
                Told::Nothing(_, question) => question.as_ref(),
                Told::Words(_, refusal) => Some(refusal),
            },
            Stage::Received
            | Stage::AwaitingAnswer(_)
            | Stage::AwaitingOwner(..)
            | Stage::Cooling(..)
            | Stage::Released(_) => None,
        }
    }

    /// The question that the visitor may answer at this instant.
    pub(crate) fn open_question(&self, now: Time) -> Option<&Spoken> {
        self.words().filter(|_| matches!(self.shown().view(now), View::Question))
    }

    /// Whose ticket opens it.
    pub fn ticket(&self) -> TicketHash {
        self.request.filing.ticket
    }

    /// What was approved, if anything was: it can be shown and proven after its end too.
    pub fn release(&self) -> Option<&Release> {
        self.stage.release()
    }

    /// When the wall clock alone changes it, at the earliest; `None` once it is closed and told.
    pub fn ends_at(&self) -> Option<Time> {
        match &self.stage {
            Stage::Received | Stage::AwaitingAnswer(_) | Stage::AwaitingOwner(..) | Stage::AwaitingVisitor(_) => {
                Some(self.request.lapses_at())
            }
            Stage::Cooling(release, Cooling { lapsed: true, .. }) => Some(release.not_after()),
            Stage::Cooling(release, _) => Some(release.not_after().min(self.request.lapses_at())),
            Stage::Released(release) => Some(release.not_after()),
            // What is hidden comes out at the deadline, exactly as a lapse does.
            Stage::Closed(closing) => match closing.told {
                Told::Nothing(until, _) => Some(until),
                Told::Over | Told::Words(..) => None,
            },
        }
    }

    /// When waiting alone changes it: once so much has been waited, as [`Now::waited`](crate::Now::waited) counts.
    pub fn waits_until(&self) -> Option<u64> {
        match &self.stage {
            Stage::Cooling(_, cooling) => Some(cooling.until),
            Stage::Received
            | Stage::AwaitingAnswer(_)
            | Stage::AwaitingOwner(..)
            | Stage::AwaitingVisitor(_)
            | Stage::Released(_)
            | Stage::Closed(_) => None,
        }
    }

    /// What would be released, while that is not decided.
    pub fn draft(&self) -> Option<&Draft> {
        match &self.stage {
            Stage::AwaitingOwner(draft, _) => Some(draft),
            Stage::AwaitingVisitor(asked) => asked.draft.as_ref(),
            Stage::Received | Stage::AwaitingAnswer(_) | Stage::Cooling(..) | Stage::Released(_) | Stage::Closed(_) => {
                None
            }
        }
    }

    /// When the owner said no.
    pub fn refused_at(&self) -> Option<Time> {
        match &self.stage {
            Stage::Closed(closing) => (closing.why == Why::Refused).then_some(closing.at),
            Stage::Received
            | Stage::AwaitingAnswer(_)
            | Stage::AwaitingOwner(..)
            | Stage::AwaitingVisitor(_)
            | Stage::Cooling(..)
            | Stage::Released(_) => None,
        }
    }

    /// How statements name what was asked.
    pub fn named(&self) -> Line {
        match (self.draft(), &self.request.filing.subject) {
            (Some(draft), _) => draft.subject.clone(),
            (None, Subject::Question(words)) => Line::Question(words.as_str().to_owned()),
            (None, Subject::Item(id)) => Line::Item(id.to_string()),
        }
    }
}
