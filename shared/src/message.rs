//! The link's vocabulary. Calls run from the reception to the vault, one bidirectional stream each; events run from the
//! vault to the reception on one ordered stream. A message is one frame ([`crate::frame`]); payload bytes follow raw.

use crate::ids::{CollectionId, Digest, ItemId, Nonce, Ticket, TicketHash};
use crate::limits;
use crate::receipt::Receipt;
use crate::seal::Sealed;
use crate::text::Text;
use crate::time::Time;
use serde::{Deserialize, Serialize};

/// The protocol versions that this build speaks, newest first.
pub const PROTOCOLS: &[u32] = &[1];
/// The ALPN token (RFC 7301) of the link.
pub const ALPN: &[u8] = b"webizen-link";

/// A node's or an owner's name.
pub type Name = Text<{ limits::NAME }>;
/// An item's or document's title.
pub type Title = Text<{ limits::TITLE }>;
/// A media type (RFC 6838), such as `application/pdf`.
pub type MediaType = Text<{ limits::MEDIA_TYPE }>;
/// An owner's words to a visitor: a question back, or why not.
pub type OwnersWords = Text<{ limits::WORDS }>;
/// A visitor's answer to a question back.
pub type VisitorAnswer = Text<{ limits::VISITOR_ANSWER }>;

/// What the reception may ask of the vault.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Call {
    /// First on every connection: agrees the protocol.
    Hello(Hello),
    /// Files a request; idempotent by the request's id. The same id with another body is refused.
    File(Filing),
    /// As `file`, for a request that the reception sealed while the vault was away and cannot read itself. One that does
    /// not open, or is another ticket's inside, is refused as malformed.
    Forward {
        /// The request's ticket, to which the seal is bound.
        ticket: TicketHash,
        /// The [`Filing`], for the vault alone.
        sealed: Sealed,
    },
    /// How a request stands.
    Status {
        /// The visitor's ticket.
        ticket: Ticket,
    },
    /// The owner's words, when [`View::Question`] or [`View::Refused`] says that there are some.
    Words {
        /// The visitor's ticket.
        ticket: Ticket,
    },
    /// Answers a question back; the same answer again changes nothing.
    Answer {
        /// The visitor's ticket.
        ticket: Ticket,
        /// The nonce of the question's statement.
        question: Nonce,
        /// In the visitor's words.
        text: VisitorAnswer,
    },
    /// Takes a request back, before its first collection.
    Withdraw {
        /// The visitor's ticket.
        ticket: Ticket,
    },
    /// Serves a release's payload from `offset`; the bytes follow the reply.
    Collect {
        /// The visitor's ticket.
        ticket: Ticket,
        /// Chosen by the device; the same one resumes without being counted again.
        collection: CollectionId,
        /// The first payload byte wanted; the payload's length asks for the receipt alone.
        offset: u64,
    },
    /// The newest publication, if it is above the version held.
    Publications {
        /// The version that the reception holds; 0 for none.
        have: u64,
    },
}

/// Who the reception is and what it speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// Protocol versions spoken, newest first.
    pub protocols: Vec<u32>,
    /// The node's own name.
    pub name: Name,
    /// The software's version.
    pub version: String,
    /// The node's wall clock.
    pub clock: Time,
}

/// The vault's answer to [`Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Welcome {
    /// The version that both will speak.
    pub protocol: u32,
    /// The vault's name.
    pub name: Name,
    /// The software's version.
    pub version: String,
    /// The vault's wall clock.
    pub clock: Time,
}

/// A visitor's ask, as it reaches the vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filing {
    /// Names the request; the ticket stays with the visitor.
    pub ticket: TicketHash,
    /// What is asked for.
    pub subject: Subject,
    /// Why, in the visitor's words.
    pub purpose: Text<{ limits::PURPOSE }>,
    /// How the visitor would like to be reached; unverified.
    pub contact: Option<Text<{ limits::CONTACT }>>,
    /// Who may collect.
    pub recipient: Recipient,
}

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Subject {
    /// Something in the catalogue.
    Item(ItemId),
    /// Anything else, in the visitor's words.
    Question(Text<{ limits::QUESTION }>),
}

/// Who may collect a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipient {
    /// Whoever holds the ticket; the payload is readable by the reception on its way.
    Ticket,
}

/// The vault's answer to a [`Call`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// To `hello`.
    Welcome(Welcome),
    /// To `file` and `forward`: durable.
    Filed,
    /// To `status`, `answer` and `withdraw`, to `collect` when there is nothing to collect, to `words` when there are none.
    View(View),
    /// To `words`: the statement has the words.
    Words(Box<Receipt>),
    /// To `collect`: the payload from the asked offset follows.
    Delivery(Box<Delivery>),
    /// To `publications`: the bundle follows; `None` when there is nothing newer.
    Publication(Option<PublicationHead>),
    /// The call was not carried out.
    Refused(Refused),
}

/// Everything that a visitor can learn about a request before it is released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum View {
    /// Nobody has decided, or the decision is not for the visitor to know yet.
    Waiting,
    /// The owner asks back; `words` has the question.
    Question,
    /// Released: this can be collected.
    Ready(Manifest),
    /// Released, and stopped by the owner for now; nothing more is told of it.
    Paused,
    /// Refused, with words that `words` has.
    Refused,
    /// Lapsed, withdrawn, expired, or never there.
    Closed,
}

/// What a release is, before its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The item's title, or a fixed word for an answer.
    pub title: Title,
    /// The payload's media type.
    pub media_type: MediaType,
    /// The payload's length.
    pub bytes: u64,
    /// The payload's SHA-256, as the owner signed it.
    pub sha256: Digest,
    /// Collectable until.
    pub not_after: Time,
}

/// The head of a collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// What follows.
    pub manifest: Manifest,
    /// The proof that the visitor keeps.
    pub receipt: Receipt,
}

/// A publication's statement and signature, ahead of its bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicationHead {
    /// The owners' statement, exactly as signed.
    pub statement: String,
    /// The armoured SSH signatures, one an owner.
    pub signatures: Vec<String>,
    /// The bundle's length.
    pub bytes: u64,
}

/// Why a call was not carried out; tells a stranger nothing about what the vault holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Refused {
    /// Not a message of this protocol, or at odds with an earlier one.
    #[error("the call was malformed")]
    Malformed,
    /// Over a limit.
    #[error("the call was over a size limit")]
    TooLarge,
    /// A queue is full.
    #[error("too much is waiting; try again in {retry_after} s")]
    Busy {
        /// Seconds.
        retry_after: u32,
    },
    /// No common protocol version.
    #[error("no common protocol version")]
    Protocol,
    /// Not now: locked, stopping, or the disk refuses.
    #[error("the vault cannot serve this now")]
    Unavailable,
    /// Every collection that the owner allowed has been used, by other devices.
    #[error("already collected")]
    Collected,
    /// An owner has stopped all releases for now.
    #[error("all releases are stopped for now")]
    Paused,
    /// The question was answered already with other words, another one was asked since, or it was taken back.
    #[error("this question no longer waits for an answer")]
    Answered,
}

/// Hints from the vault; never state. Whoever gets one asks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// This request's view may have changed.
    Changed(TicketHash),
    /// A publication of this version exists.
    Published(u64),
}
