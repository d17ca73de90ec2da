//! What the spool knows of its files, in memory.

use super::entry::Entry;
use shared::ids::{Digest, RequestId, TicketHash};
use shared::limits;
use std::collections::{HashMap, HashSet, VecDeque};

/// Whether a request may have reached the vault already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// It has not left this machine since it was kept.
    Never,
    /// It was sent, and no clear answer came; or this program was started again since.
    Perhaps,
}

/// Where a request that was kept has its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Among those that are handed over.
    Queue,
    /// Among those whose vault is not the paired one.
    Other,
}

/// A request that waits, as far as memory knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Its place in the order.
    pub(super) number: u64,
    /// Whose it is.
    pub(crate) ticket: TicketHash,
    /// Which vault can open it.
    pub(crate) vault: Digest,
    pub(super) body: Digest,
    /// Whether the vault may have it already.
    pub(crate) offered: Offered,
    pub(super) place: Place,
}

/// What became of a request whose file was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aside {
    /// Nothing more, as far as is known.
    Lost(Offered),
    /// It is over here: the vault had it after that, or its visitor took it back.
    Over(Offered),
}

/// Which bound has been reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// As many wait for the paired vault as may.
    Count,
    /// All files together are as large as they may be.
    Bytes,
}

#[derive(Default)]
pub(super) struct Index {
    /// In their order, wherever they are.
    pub(super) waiting: Vec<Waiting>,
    /// Above every number in use.
    pub(super) next: u64,
    pub(super) aside: HashMap<RequestId, Aside>,
    pub(super) aside_bytes: u64,
    /// On its way to the vault, once for each try.
    pub(super) leaving: Vec<RequestId>,
    /// Which may have reached it since this program was started.
    pub(super) sent: Sent,
    /// Removed, but perhaps not for good: the flush failed.
    pub(super) unflushed: HashSet<RequestId>,
    /// Moved, but perhaps not for good, in the same way.
    pub(super) unsettled: HashSet<RequestId>,
}

/// The newest [`limits::SENT`] of what was sent.
#[derive(Default)]
pub(super) struct Sent {
    ids: HashSet<RequestId>,
    order: VecDeque<RequestId>,
}

impl Sent {
    pub(super) fn add(&mut self, id: RequestId) {
        if !self.ids.insert(id) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > limits::SENT
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    fn contains(&self, id: RequestId) -> bool {
        self.ids.contains(&id)
    }
}

impl Offered {
    pub(super) fn or(self, other: Self) -> Self {
        if self == Self::Never { other } else { self }
    }
}

impl Place {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Queue => Self::Other,
            Self::Other => Self::Queue,
        }
    }
}

impl Aside {
    /// The same, after it was offered once more.
    pub(super) fn or(self, offered: Offered) -> Self {
        match self {
            Self::Lost(before) => Self::Lost(before.or(offered)),
            Self::Over(before) => Self::Over(before.or(offered)),
        }
    }

    /// Whether the vault may have it, or have had it.
    pub(super) fn offered(self) -> Offered {
        let (Self::Lost(offered) | Self::Over(offered)) = self;
        offered
    }
}

impl Waiting {
    pub(super) fn of(entry: &Entry, offered: Offered, place: Place) -> Self {
        let Entry { number, vault, ticket, body, sealed: _ } = entry;
        Self { number: *number, ticket: *ticket, vault: *vault, body: *body, offered, place }
    }

    /// Where it belongs while this vault is paired.
    fn proper(&self, vault: Digest) -> Place {
        if self.vault == vault { Place::Queue } else { Place::Other }
    }
}

impl Index {
    pub(super) fn find(&self, id: RequestId) -> Option<&Waiting> {
        self.waiting.iter().find(|waiting| waiting.ticket.request() == id)
    }

    /// As [`Self::find`], with whether it may have reached the vault by now.
    pub(super) fn seen(&self, id: RequestId) -> Option<Waiting> {
        let mut seen = self.find(id)?.clone();
        seen.offered = seen.offered.or(self.reached(id));
        Some(seen)
    }

    /// Whether a try, one that is being made included, may have reached the vault.
    pub(super) fn reached(&self, id: RequestId) -> Offered {
        if self.leaving.contains(&id) || self.sent.contains(id) { Offered::Perhaps } else { Offered::Never }
    }

    /// One try was made, and may have reached the vault or not.
    pub(super) fn has_left(&mut self, ticket: &TicketHash, offered: Offered) {
        let id = ticket.request();
        if let Some(one) = self.leaving.iter().position(|leaving| *leaving == id) {
            self.leaving.swap_remove(one);
        }
        if offered == Offered::Perhaps {
            self.sent.add(id);
        }
        if let Some(waiting) = self.find_mut(id).filter(|waiting| waiting.ticket == *ticket) {
            waiting.offered = waiting.offered.or(offered);
        }
        if let Some(aside) = self.aside.get_mut(&id) {
            *aside = aside.or(offered);
        }
    }

    pub(super) fn find_mut(&mut self, id: RequestId) -> Option<&mut Waiting> {
        self.waiting.iter_mut().find(|waiting| waiting.ticket.request() == id)
    }

    pub(super) fn forget(&mut self, id: RequestId) {
        self.waiting.retain(|waiting| waiting.ticket.request() != id);
        self.unsettled.remove(&id);
    }

    pub(super) fn add(&mut self, waiting: Waiting) {
        self.next = self.next.max(waiting.number.saturating_add(1));
        self.waiting.push(waiting);
        self.waiting.sort_by_key(|waiting| waiting.number);
    }

    /// The flush after a move did not fail.
    pub(super) fn settled(&mut self, ids: impl Iterator<Item = RequestId>) {
        ids.for_each(|id| {
            self.unsettled.remove(&id);
        });
    }

    /// How many are in this place.
    pub(super) fn count(&self, place: Place) -> usize {
        self.waiting.iter().filter(|waiting| waiting.place == place).count()
    }

    /// What all files take.
    pub(super) fn bytes(&self) -> u64 {
        (self.waiting.len() * Entry::SIZE) as u64 + self.aside_bytes
    }

    /// Why another request has no room, if it has none.
    pub(super) fn full(&self) -> Option<Full> {
        if self.count(Place::Queue) >= limits::SPOOL {
            Some(Full::Count)
        } else if self.bytes() + Entry::SIZE as u64 > limits::SPOOL_BYTES {
            Some(Full::Bytes)
        } else {
            None
        }
    }

    /// Those that have a file, belong into this place while this vault is paired, and are elsewhere.
    pub(super) fn misplaced(&self, vault: Digest, to: Place) -> Vec<RequestId> {
        let astray = |waiting: &&Waiting| waiting.proper(vault) == to && waiting.place != to;
        let ids = self.waiting.iter().filter(astray).map(|waiting| waiting.ticket.request());
        ids.filter(|id| !self.unflushed.contains(id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_was_sent_the_newest_are_remembered_each_once() {
        let id = |n: usize| RequestId(u128::try_from(n).unwrap().to_be_bytes());
        let mut index = Index::default();
        for n in (0..limits::SENT).chain(0..limits::SENT) {
            index.sent.add(id(n));
        }
        assert!((0..limits::SENT).all(|n| index.reached(id(n)) == Offered::Perhaps));
        index.sent.add(id(limits::SENT));
        let kept = [0, 1, limits::SENT].map(|n| index.reached(id(n)));
        assert_eq!(kept, [Offered::Never, Offered::Perhaps, Offered::Perhaps]);
        assert_eq!((index.sent.ids.len(), index.sent.order.len()), (limits::SENT, limits::SENT));
    }
}
