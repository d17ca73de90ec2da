//! The desk's vocabulary: what the owner's commands ask of the daemon over its unix socket. The frames are the link's, the
//! words are not, and the link cannot decode them. Payload bytes follow raw.

use crate::store::{Item, NewItem};
use serde::{Deserialize, Serialize};
use shared::ids::{Digest, ItemId, RequestId, TicketHash};
use shared::message::Manifest;
use shared::receipt::Receipt;
use shared::time::Time;
use vault_core::{Draft, Line, Signed};

/// What the owner's process asks. One connection is one call.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum DeskCall {
    /// Who the vault is and how it stands.
    About,
    /// Every item; answers [`DeskReply::Item`]s, then [`DeskReply::Done`].
    Items,
    /// Adds an item; its bytes follow.
    Add(NewItem),
    /// The requests that wait, or all; answers [`DeskReply::Case`]s, then [`DeskReply::Done`].
    Requests {
        /// Decided ones too.
        all: bool,
    },
    /// One request.
    Request {
        /// Which.
        id: RequestId,
    },
    /// A draft's bytes; they follow.
    Draft {
        /// Whose.
        id: RequestId,
    },
    /// The owner's answer to a question; its bytes follow.
    Answer {
        /// To which request.
        id: RequestId,
        /// Their number.
        bytes: u64,
    },
    /// Releases a draft, if this is an owner's approval of it.
    Approve {
        /// Which request.
        id: RequestId,
        /// Statement and signature.
        signed: Signed,
    },
    /// Refuses, without words.
    Refuse {
        /// Which request.
        id: RequestId,
    },
    /// Publishes a bundle, if an owner signed it; its bytes follow.
    Publish {
        /// Statement and signature.
        signed: Signed,
        /// The bundle's length.
        bytes: u64,
    },
    /// Pairs a reception.
    Pair {
        /// The line that `reception id` printed.
        line: String,
    },
    /// Ends a pairing.
    Unpair {
        /// The reception's name.
        name: String,
    },
    /// The paired receptions; answers [`DeskReply::Reception`]s, then [`DeskReply::Done`].
    Receptions,
    /// The receipt of a release.
    Evidence {
        /// Which request.
        id: RequestId,
    },
    /// Answers [`DeskReply::Changed`] at once, and again whenever something may wait for the owner.
    Watch,
}

/// What the daemon answers.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum DeskReply {
    /// To `about`.
    About(Box<About>),
    /// One item.
    Item(Item),
    /// One request.
    Case(Box<Case>),
    /// A payload of this length follows.
    Payload {
        /// Bytes.
        bytes: u64,
    },
    /// To `add`.
    Added {
        /// The item's public id.
        id: ItemId,
        /// Of its bytes, as they arrived.
        sha256: Digest,
    },
    /// To `approve`, `refuse` and `answer`: the stage that the request has reached.
    Stage(String),
    /// To `publish`.
    Published {
        /// The version.
        version: u64,
    },
    /// To `pair`: the vault's own line.
    Line(String),
    /// One paired reception.
    Reception(Box<Reception>),
    /// To `evidence`.
    Evidence(Box<Evidence>),
    /// Something may have changed.
    Changed,
    /// The end of a list.
    Done,
    /// The call was not carried out.
    Failed {
        /// For the exit code.
        kind: FailureKind,
        /// For the owner.
        message: String,
    },
}

/// Kinds of failure that scripts tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FailureKind {
    /// It could not be done.
    Failure,
    /// A rule forbids it.
    Refused,
    /// Something stored cannot be trusted.
    Integrity,
}

/// The vault in a few lines.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct About {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) origin: shared::tlog::Origin,
    pub(crate) log_key: String,
    pub(crate) log_size: u64,
    pub(crate) signers: Vec<String>,
    pub(crate) published: u64,
    pub(crate) items: u64,
    pub(crate) waiting: u64,
}

/// A request as the owner sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) id: RequestId,
    /// The reception it came through, by name.
    pub(crate) reception: String,
    pub(crate) filed_at: Time,
    pub(crate) lapses_at: Time,
    pub(crate) stage: String,
    pub(crate) undecided: bool,
    /// What is asked: an item by title if it can be named, or the question.
    pub(crate) subject: Line,
    pub(crate) purpose: String,
    pub(crate) contact: Option<String>,
    pub(crate) ticket: TicketHash,
    /// Why an item could not be prepared.
    pub(crate) note: Option<String>,
    pub(crate) draft: Option<Draft>,
    pub(crate) release: Option<ReleaseFacts>,
}

/// A release as the owner sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReleaseFacts {
    pub(crate) manifest: Manifest,
    pub(crate) collections: u32,
    pub(crate) collected: u32,
}

/// A paired reception and its link.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reception {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) pin: shared::ids::Pin,
    pub(crate) paired_at: Time,
    /// How the link stands, in words.
    pub(crate) link: String,
    pub(crate) up: bool,
}

/// What `evidence export` writes out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Evidence {
    pub(crate) manifest: Manifest,
    pub(crate) receipt: Receipt,
}
