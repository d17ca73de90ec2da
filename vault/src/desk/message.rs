//! The desk's vocabulary: what the owner's commands ask of the daemon over its unix socket. The frames are the link's, the
//! words are not, and the link cannot decode them. Payload bytes follow raw.

use crate::store::{Item, NewItem};
use serde::{Deserialize, Serialize};
use shared::ids::{Digest, ItemId, Nonce, RequestId, TicketHash};
use shared::message::{Manifest, MediaType};
use shared::receipt::Receipt;
use shared::time::Time;
use vault_core::{Doubt, Draft, Line, Signed, Why};

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
    /// The requests that wait or cool off, or all; answers [`DeskReply::Case`]s, then [`DeskReply::Done`].
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
    /// A new draft in place of whatever there is: the owner's answer to a question, or an item's bytes as the owner changed
    /// them. Its bytes follow.
    Compose {
        /// For which request.
        id: RequestId,
        /// Another media type than the draft's, or than plain text where there is no draft yet.
        media_type: Option<MediaType>,
        /// Their number.
        bytes: u64,
    },
    /// An owner's signature on an approval, a question back, a refusal or a revocation.
    Sign {
        /// About which request.
        id: RequestId,
        /// Statement and signature.
        signed: Signed,
    },
    /// Refuses, without words, this request and those like it.
    Refuse {
        /// Which request.
        id: RequestId,
    },
    /// Whether releases go on.
    Brake,
    /// An owner's signature on a freeze or a thaw.
    Turn {
        /// Statement and signature.
        signed: Signed,
    },
    /// What the vault thinks of its clock.
    Clock,
    /// The owner says that the machine's clock is right.
    ConfirmClock {
        /// What it showed when the owner was asked.
        wall: Time,
    },
    /// Publishes a bundle, if an owner signed it; its bytes follow.
    Publish {
        /// Statement and signature.
        signed: Signed,
        /// The bundle's length.
        bytes: u64,
    },
    /// The bundle that is published now; answers [`DeskReply::Payload`], of no bytes if there is none, and the bytes follow.
    Published,
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
    /// The receipt of an approval, at any time after it.
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
    /// To `sign` and `compose`: the stage that the request has reached.
    Stage(String),
    /// To `refuse`.
    Refused {
        /// How many requests, this one and those like it.
        requests: u32,
    },
    /// To `brake` and `turn`.
    Brake(Box<BrakeFacts>),
    /// To `clock` and `confirm_clock`.
    Clock(ClockFacts),
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
    /// It may not have been done: the store failed, or the vault stopped, before that was known.
    Unsettled,
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
    /// How many of them must sign a release.
    pub(crate) quorum: usize,
    /// Seconds between the last signature and the release.
    pub(crate) cooling: u64,
    /// Users that may sit at the desk.
    pub(crate) uids: Vec<u32>,
    pub(crate) log_level: String,
    pub(crate) frozen: Option<Time>,
    pub(crate) clock: ClockFacts,
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
    /// How statements about this request name it now.
    pub(crate) named: Line,
    /// What the next statement about this request must bear, while the owner may still decide.
    pub(crate) nonce: Option<Nonce>,
    /// How many other requests that wait are like this one.
    pub(crate) repeats: u32,
    /// What was asked back and answered, oldest first.
    pub(crate) talk: Vec<Talk>,
    /// The question that the visitor has not answered yet.
    pub(crate) question: Option<String>,
    /// What the visitor is told of a refusal.
    pub(crate) refusal: Option<String>,
    /// A statement that more owners must sign.
    pub(crate) pending: Option<Pending>,
    pub(crate) purpose: String,
    pub(crate) contact: Option<String>,
    pub(crate) ticket: TicketHash,
    /// Why an item could not be prepared.
    pub(crate) note: Option<String>,
    pub(crate) draft: Option<Draft>,
    /// What is approved, and can be taken back.
    pub(crate) release: Option<ReleaseFacts>,
    /// What had been approved before the request ended.
    pub(crate) ended: Option<ReleaseFacts>,
}

/// What was approved, as the owner sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReleaseFacts {
    pub(crate) manifest: Manifest,
    pub(crate) collections: u32,
    pub(crate) collected: u32,
    /// SHA-256 of the approval's text.
    pub(crate) statement: Digest,
    /// Not collectable before this.
    pub(crate) cooling_until: Option<Time>,
}

/// A question back with the visitor's answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Talk {
    pub(crate) question: String,
    pub(crate) answer: String,
    pub(crate) at: Time,
}

/// A statement that fewer owners have signed than must.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pending {
    /// The text, byte for byte.
    pub(crate) statement: String,
    /// The fingerprints of those who have.
    pub(crate) signed_by: Vec<String>,
    /// How many must.
    pub(crate) quorum: usize,
}

/// Whether releases go on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BrakeFacts {
    /// Since when all are stopped.
    pub(crate) frozen: Option<Time>,
    /// What the next statement must bear.
    pub(crate) nonce: Nonce,
    /// A thaw that more owners must sign.
    pub(crate) pending: Option<Pending>,
}

/// What the vault thinks of its clock.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClockFacts {
    /// What the machine's clock shows.
    pub(crate) wall: Time,
    /// What the vault believes.
    pub(crate) time: Time,
    /// Why it does not believe the clock.
    pub(crate) doubt: Option<Doubt>,
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
    /// How many requests it has filed within a day.
    pub(crate) filed: usize,
    /// When there is room for more, if that is as many as may be.
    pub(crate) room_at: Option<Time>,
}

/// What `evidence export` writes out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Evidence {
    pub(crate) manifest: Manifest,
    pub(crate) receipt: Receipt,
    pub(crate) fate: Fate,
}

/// What came of an approval, as the vault knows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fate {
    /// As of when.
    pub(crate) at: Time,
    pub(crate) standing: Standing,
    /// How many devices may collect it.
    pub(crate) collections: u32,
    /// How many have begun to.
    pub(crate) collected: u32,
}

/// How an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Standing {
    /// Not collectable before this.
    Cooling(Time),
    /// Collectable until then.
    Collectable(Time),
    /// Not collectable, because all releases are stopped since the first; it ends at the second.
    Stopped { since: Time, until: Time },
    /// Its time is over since then, which no entry of the log says yet.
    Over(Time),
    /// Collectable no more.
    Ended { why: Why, at: Time },
    /// It ended before it was collectable.
    Unseen { why: Why, at: Time },
}
