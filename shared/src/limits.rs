//! Every bound that a stranger can run into, in one place. Sizes are bytes, times are seconds, unless a name says more.

/// One frame's JSON.
pub const FRAME: usize = 64 * 1024;
/// Every reply to `status` and `withdraw` is padded to exactly this.
pub const STATUS_REPLY: usize = 1024;
/// One payload, and so one item.
pub const ITEM: u64 = 64 * 1024 * 1024;
/// One stored piece of a payload, and the unit in which payloads flow.
pub const CHUNK: usize = 1024 * 1024;
/// An item's or a document's title.
pub const TITLE: usize = 160;
/// A media type.
pub const MEDIA_TYPE: usize = 100;
/// Why a visitor asks.
pub const PURPOSE: usize = 1000;
/// How a visitor wants to be reached.
pub const CONTACT: usize = 200;
/// A question to the owner.
pub const QUESTION: usize = 2000;
/// A node's or an owner's name.
pub const NAME: usize = 64;
/// An owner's answer to a question.
pub const ANSWER: usize = 1024 * 1024;
/// A statement as signed.
pub const STATEMENT: usize = 16 * 1024;
/// An armoured SSH signature.
pub const SIGNATURE: usize = 4096;
/// A publication's whole bundle.
pub const PUBLICATION: usize = 8 * 1024 * 1024;
/// One published document: a browser and the receptionist must take it at once.
pub const DOCUMENT: usize = 256 * 1024;
/// Documents in a publication, and entries in its catalogue.
pub const PUBLICATION_ENTRIES: usize = 2000;
/// How long a request waits for the owner before it lapses: 14 days.
pub const ASKING_LIFE: u64 = 14 * 86_400;
/// How long a release can be collected unless the owner says otherwise: 7 days.
pub const RELEASE_LIFE: u64 = 7 * 86_400;
/// The longest that an owner may keep a release open: 90 days.
pub const RELEASE_LIFE_MAX: u64 = 90 * 86_400;
/// The most collections that one approval may allow.
pub const COLLECTIONS: u32 = 20;
/// Requests that one lane may file within a day, whatever becomes of them; with [`ASKING_LIFE`] this bounds what waits.
pub const LANE_DAY: usize = 500;
/// Requests that may name one contact within a day, through one reception.
pub const CONTACT_DAY: usize = 20;
/// Requests that all receptions together may file within a day.
pub const VAULT_DAY: usize = 2000;
/// For how long a request that is like a refused one is refused without asking the owner again: 7 days.
pub const REFUSAL_LIFE: u64 = 7 * 86_400;
/// An owner's question back to a visitor, or words of refusal.
pub const WORDS: usize = 1000;
/// A visitor's answer to a question back.
pub const VISITOR_ANSWER: usize = 2000;
/// Questions back about one request.
pub const QUESTIONS_BACK: usize = 5;
/// The longest time for thinking an approval over: 7 days.
pub const COOLING_MAX: u64 = 7 * 86_400;
/// How far an owner's clock may be from the vault's when a decision is signed.
pub const DECISION_SKEW: u64 = 900;
/// A wall clock that goes back by up to this is waited for.
pub const CLOCK_BACK: u64 = 60;
/// A wall clock that is further ahead than this is not believed before the owner says so.
pub const CLOCK_AHEAD: u64 = 86_400;
/// A request's plain text before it is sealed: the longest one's JSON fits, and each is filled up to this, so that a sealed
/// request does not show how much was written.
pub const SEALED_TEXT: usize = 8 * 1024;
/// Sealed requests that wait at the reception for an absent vault.
pub const SPOOL: usize = 1000;
/// The spool's files, those set aside included.
pub const SPOOL_BYTES: u64 = 16 * 1024 * 1024;
/// Requests of which a reception remembers, while it runs, that the vault may have them.
pub const SENT: usize = 10_000;
/// Calls in progress on one link.
pub const CALLS: u32 = 2048;
/// Looks at requests for those who watch them, in progress at once: few of [`CALLS`], so that however many watch, whoever opens a
/// page finds room.
pub const WATCHERS_LOOKS: usize = 128;
/// A peer that makes no progress for this long is given up.
pub const STALL: u64 = 5;
/// A visitor who takes nothing of a payload for this long is given up; the same collection can be resumed.
pub const PAUSE: u64 = 60;
/// A quiet link is kept alive this often, below the 30 s that home routers keep a UDP mapping; a restarted reception is found
/// out within this.
pub const KEEP_ALIVE: u64 = 4;
/// A silent link is dead after this.
pub const IDLE: u64 = 15;
/// Unread bytes that one connection may have in flight towards us.
pub const LINK_WINDOW: u32 = 64 * 1024 * 1024;
/// Unread bytes that one stream may have in flight towards us.
pub const STREAM_WINDOW: u32 = 1024 * 1024;
/// Payloads on their way to visitors at once. Together their unread bytes leave room in [`LINK_WINDOW`] for every other
/// call, so that visitors who do not read hold nobody up.
pub const DELIVERIES: usize = 60;
