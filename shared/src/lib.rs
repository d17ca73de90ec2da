//! What the reception and the vault must agree on, and nothing else: identifiers, limits, messages and their frames,
//! owner statements and their signatures, the transparency log's formats, the Markdown of what is published, and the
//! visible form of hostile text.
//!
//! The crate is pure: it opens no file, no socket and no clock, and draws no randomness.

pub mod frame;
pub mod ids;
pub mod limits;
pub mod markdown;
pub mod message;
pub mod pairing;
pub mod publication;
pub mod receipt;
pub mod seal;
pub mod sshsig;
pub mod statement;
pub mod text;
pub mod time;
pub mod tlog;
pub mod visible;
