//! The link: the mutually authenticated QUIC connection (RFC 9000) between a reception and a vault.
//!
//! The vault dials and the reception listens. Whoever dialled, calls run from the reception to the vault ([`Link::call`],
//! [`serve`]), one bidirectional stream each, and hints run the other way on one stream ([`EventSender`],
//! [`EventReceiver`]). Nothing else crosses: no datagrams, no 0-RTT, no session resumption.
//!
//! Both sides hold an ed25519 node key ([`Identity`]) and accept exactly one certificate made by a key whose pin they
//! know. TLS 1.3 (RFC 8446) with X25519MLKEM768 is the only handshake. There are no certificate authorities and no names.
//!
//! A TLS 1.3 client believes that it is connected before the server has judged its certificate. So a dialled [`Link`] is
//! no proof that the peer knows us: it counts as up when a `hello` has been answered. [`Link::closed`] tells the reason
//! when the peer thinks otherwise.
//!
//! Both ends are happiest on a `current_thread` runtime of their own; nothing here needs another thread.

mod call;
mod endpoint;
mod error;
mod event;
mod identity;
mod network;
mod stream;
#[cfg(test)]
mod testing;
mod tls;

pub use call::{Body, Handler, PayloadWriter, ReplyWriter, negotiate, serve};
pub use endpoint::{Dialler, Goodbye, Link, Listener, Pins, Timing, listen, listen_over, listen_with};
pub use error::{CallError, Fault, LinkError, Refusal, Side};
pub use event::{EventReceiver, EventSender};
pub use identity::{Identity, IdentityError};
pub use network::{Network, System};
