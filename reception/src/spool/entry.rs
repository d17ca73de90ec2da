//! One sealed request as a file, without its reading and writing: its name, its bytes, and what can be wrong with them.
//!
//! A file is named after its request. It has exactly `Entry::SIZE` bytes: a line that names format and version, the place in
//! the order, for which vault it was sealed, the ticket's hash, a mark of what was asked, the sealed request, and the SHA-256
//! of all that. So a file that was cut, torn or altered is recognised here, where nobody can open it.

use shared::ids::{Digest, RequestId, Ticket, TicketHash};
use shared::message::Filing;
use shared::seal::Sealed;

const FORMAT: &[u8] = b"webizen spool 1\n";
const ENDING: &str = ".sealed";
/// Of what was set aside and is over since.
const OVER: &str = ".over";

/// A sealed request with what the spool must know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Counts up from one request to the next.
    pub(crate) number: u64,
    /// Which vault can open it, as `Peer::mark` says.
    pub(crate) vault: Digest,
    /// Whose request it is.
    pub(crate) ticket: TicketHash,
    /// As [`body`] makes it.
    pub(crate) body: Digest,
    /// The request.
    pub(crate) sealed: Sealed,
}

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    /// Cut, or not an entry at all.
    #[error("it has {0} bytes, and an entry has {size}", size = Entry::SIZE)]
    Length(usize),
    /// Another format, or none.
    #[error("it does not begin as an entry of this version does")]
    Format,
    /// Altered or torn.
    #[error("its bytes are not those that were written")]
    Altered,
    /// Whole, but under another's name.
    #[error("it is request {0}, under another name")]
    Name(RequestId),
    /// No entry has such a name.
    #[error("its name is no entry's")]
    Stranger,
}

impl Entry {
    /// Every entry's length.
    pub(crate) const SIZE: usize = FORMAT.len() + 8 + 3 * 32 + Sealed::SIZE + 32;

    /// The request.
    pub(crate) fn id(&self) -> RequestId {
        self.ticket.request()
    }

    /// The file's content.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::SIZE);
        bytes.extend_from_slice(FORMAT);
        bytes.extend_from_slice(&self.number.to_be_bytes());
        for part in [&self.vault.0, &self.ticket.0, &self.body.0] {
            bytes.extend_from_slice(part);
        }
        bytes.extend_from_slice(self.sealed.as_bytes());
        let digest = Digest::of(&bytes);
        bytes.extend_from_slice(&digest.0);
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote, under the name that the file has.
    ///
    /// # Errors
    /// [`Damage`]
    pub(crate) fn parse(id: RequestId, bytes: &[u8]) -> Result<Self, Damage> {
        if bytes.len() != Self::SIZE {
            return Err(Damage::Length(bytes.len()));
        }
        let mut rest = bytes.strip_prefix(FORMAT).ok_or(Damage::Format)?;
        let mut part = |size: usize| {
            let (taken, left) = rest.split_at_checked(size).ok_or(Damage::Length(bytes.len()))?;
            rest = left;
            Ok(taken)
        };
        let number = u64::from_be_bytes(part(8)?.try_into().map_err(|_| Damage::Altered)?);
        let mut digest = || Ok(Digest(part(32)?.try_into().map_err(|_| Damage::Altered)?));
        let (vault, Digest(ticket), body) = (digest()?, digest()?, digest()?);
        let sealed = Sealed::from_bytes(part(Sealed::SIZE)?).map_err(|_| Damage::Altered)?;
        if Digest::of(&bytes[..Self::SIZE - 32]).0 != part(32)? {
            return Err(Damage::Altered);
        }
        let entry = Self { number, vault, ticket: TicketHash(ticket), body, sealed };
        if entry.id() == id { Ok(entry) } else { Err(Damage::Name(entry.id())) }
    }
}

/// The name of a request's file.
pub(crate) fn name(id: RequestId) -> String {
    format!("{id}{ENDING}")
}

/// The request that a file of this name is.
///
/// # Errors
/// [`Damage::Stranger`]
pub(crate) fn named(name: &str) -> Result<RequestId, Damage> {
    name.strip_suffix(ENDING).and_then(|id| id.parse().ok()).ok_or(Damage::Stranger)
}

/// The name of a request's file that was set aside, once the request is over.
pub(crate) fn name_over(id: RequestId) -> String {
    format!("{id}{OVER}")
}

/// The request whose file has such a name.
pub(crate) fn named_over(name: &str) -> Option<RequestId> {
    name.strip_suffix(OVER)?.parse().ok()
}

/// Tells whether the same is asked again under one ticket. The ticket, which is nowhere on the disk, is what keeps a reader of
/// the disk from trying out what was asked.
///
/// # Errors
/// serde_json's, which a filing's own bounds rule out.
pub(crate) fn body(ticket: &Ticket, filing: &Filing) -> Result<Digest, serde_json::Error> {
    let mut bytes = zeroize::Zeroizing::new(b"webizen spool body".to_vec());
    bytes.extend_from_slice(ticket.expose());
    serde_json::to_writer(&mut *bytes, filing)?;
    Ok(Digest::of(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::message::{Recipient, Subject};
    use shared::text::Text;

    fn entry() -> Entry {
        let sealed = (0..Sealed::SIZE).map(|i| (i % 251) as u8).collect::<Vec<_>>();
        Entry {
            number: 77,
            vault: Digest([1; 32]),
            ticket: TicketHash([2; 32]),
            body: Digest([3; 32]),
            sealed: Sealed::from_bytes(&sealed).unwrap(),
        }
    }

    #[test]
    fn an_entry_comes_back_and_no_cut_or_changed_one_does() {
        let (entry, bytes) = (entry(), entry().to_bytes());
        assert_eq!(bytes.len(), Entry::SIZE);
        assert_eq!(Entry::parse(entry.id(), &bytes), Ok(entry.clone()));
        for length in 0..bytes.len() {
            assert_eq!(Entry::parse(entry.id(), &bytes[..length]), Err(Damage::Length(length)));
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            let expected = if at < FORMAT.len() { Damage::Format } else { Damage::Altered };
            assert_eq!(Entry::parse(entry.id(), &changed), Err(expected), "byte {at}");
        }
        // A block that was never written reads as zeros.
        for block in bytes.chunks(512).enumerate().map(|(n, _)| n * 512) {
            let mut torn = bytes.clone();
            torn[block..(block + 512).min(Entry::SIZE)].fill(0);
            assert!(Entry::parse(entry.id(), &torn).is_err(), "block at {block}");
        }
    }

    #[test]
    fn a_name_belongs_to_one_request() {
        let (entry, other) = (entry(), RequestId([9; 16]));
        assert_eq!(named(&name(entry.id())), Ok(entry.id()));
        assert_eq!(Entry::parse(other, &entry.to_bytes()), Err(Damage::Name(entry.id())));
        for bad in ["", ".sealed", "0202.sealed", "set-aside", &name(entry.id()).to_uppercase(), "x.sealed.new"] {
            assert_eq!(named(bad), Err(Damage::Stranger), "{bad}");
        }
    }

    #[test]
    fn a_mark_depends_on_the_ticket_and_on_every_word() {
        let filing = |purpose: &str, question: &str| Filing {
            ticket: TicketHash([2; 32]),
            subject: Subject::Question(Text::new(question).unwrap()),
            purpose: Text::new(purpose).unwrap(),
            contact: None,
            recipient: Recipient::Ticket,
        };
        let mark = |ticket: u8, filing| body(&Ticket::from_random([ticket; 32]), &filing).unwrap();
        let first = mark(1, filing("a", "b"));
        assert_eq!(mark(1, filing("a", "b")), first);
        for other in [mark(2, filing("a", "b")), mark(1, filing("c", "b")), mark(1, filing("a", "c"))] {
            assert_ne!(other, first);
        }
    }
}
