//! What a request is at each moment of its life.

use crate::release::Release;
use serde::{Deserialize, Serialize};
use shared::ids::{Digest, Nonce, RequestId, TicketHash};
use shared::limits;
use shared::message::{Filing, Manifest, MediaType, View};
use shared::statement::SubjectLine;
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
}

/// A request and the stage that it has reached.
#[derive(Debug, PartialEq, Eq)]
pub struct State {
    /// What was asked.
    pub request: Request,
    /// How far it has come.
    pub stage: Stage,
}

/// The stages of a request's life, in their order.
#[derive(Debug, PartialEq, Eq)]
pub enum Stage {
    /// Acknowledged; an item's draft is being frozen.
    Received,
    /// The owner is to write the answer: a question, or an item that could not be prepared.
    AwaitingAnswer(Option<Unprepared>),
    /// Frozen bytes wait for the owner's signature.
    AwaitingOwner(Draft),
    /// Signed; collectable.
    Released(Box<Release>),
    /// Nothing more will be released.
    Closed(Closing),
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closing {
    /// The cause.
    pub why: Why,
    /// By the vault's clock.
    pub at: Time,
    /// For a wordless refusal, until when it must look undecided: the request's own deadline.
    pub hidden_until: Option<Time>,
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
    /// Released, and its time is over.
    Expired,
}

/// What the visitor may be told, precomputed so that a reply needs no store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// Undecided, or decided in a way that must look so, until this instant.
    Waiting(Time),
    /// Collectable until the manifest's end.
    Ready(Manifest),
    /// Over.
    Closed,
}

impl Shown {
    /// The reply at this instant.
    pub fn view(&self, now: Time) -> View {
        match self {
            Self::Waiting(until) if now < *until => View::Waiting,
            Self::Ready(manifest) if now < manifest.not_after => View::Ready(manifest.clone()),
            Self::Waiting(_) | Self::Ready(_) | Self::Closed => View::Closed,
        }
    }
}

impl State {
    /// What the visitor may be told.
    pub fn shown(&self) -> Shown {
        match &self.stage {
            Stage::Received | Stage::AwaitingAnswer(_) | Stage::AwaitingOwner(_) => {
                Shown::Waiting(self.request.lapses_at())
            }
            Stage::Released(release) => Shown::Ready(release.manifest().clone()),
            Stage::Closed(closing) => closing.hidden_until.map_or(Shown::Closed, Shown::Waiting),
        }
    }

    /// Whose ticket opens it.
    pub fn ticket(&self) -> TicketHash {
        self.request.filing.ticket
    }

    /// When the passing of time alone changes it; `None` once it is closed and told.
    pub fn ends_at(&self) -> Option<Time> {
        match &self.stage {
            Stage::Received | Stage::AwaitingAnswer(_) | Stage::AwaitingOwner(_) => Some(self.request.lapses_at()),
            Stage::Released(release) => Some(release.not_after()),
            // What is hidden comes out at the deadline, exactly as a lapse does.
            Stage::Closed(closing) => closing.hidden_until,
        }
    }
}
