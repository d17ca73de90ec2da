//! What visitors may be told, in memory: every `status` is answered from here, and never from the store.

use shared::ids::TicketHash;
use shared::message::{Manifest, View};
use shared::time::Time;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use vault_core::Shown;

/// A ticket's hash as a number, its most significant half first.
type Key = [u128; 2];

/// One row a request, and one that stands for every ticket without a row.
///
/// The rows lie in order because a hash table fetches a row for a ticket that is in it and none for another, and a tree ends
/// sooner for some: both can be measured over the link. Here each look-up halves the whole table equally often, and both the
/// row that was found and the one that stands for none are fetched before one of them is chosen, without a branch: an answer
/// that waits for the near one alone comes some 15 ns sooner.
pub(crate) struct Table(RwLock<Rows>);

struct Rows {
    /// In order.
    keys: Vec<Key>,
    /// The first stands for every key without a row; after it one for each key.
    told: Vec<Told>,
    /// Of the rows that are [`READY`].
    manifests: BTreeMap<Key, Manifest>,
}

/// A row in numbers: of two of them, one can be chosen without a branch.
#[derive(Clone, Copy)]
struct Told {
    kind: u64,
    /// In seconds of Unix time.
    until: u64,
}

const CLOSED: u64 = 0;
const WAITING: u64 = 1;
const QUESTION: u64 = 2;
const REFUSED: u64 = 3;
const READY: u64 = 4;

impl Told {
    fn new(shown: &Shown) -> Self {
        let (kind, until) = match shown {
            Shown::Closed => (CLOSED, Time::from_unix(0)),
            Shown::Waiting(until) => (WAITING, *until),
            Shown::Question(until) => (QUESTION, *until),
            Shown::Refused(until) => (REFUSED, *until),
            Shown::Ready(manifest) => (READY, manifest.not_after),
        };
        Self { kind, until: until.unix() }
    }

    /// What was put into the row; a release's manifest is looked up by `ready`.
    fn shown(self, ready: impl FnOnce() -> Option<Manifest>) -> Shown {
        let until = Time::from_unix(self.until);
        match self.kind {
            WAITING => Shown::Waiting(until),
            QUESTION => Shown::Question(until),
            REFUSED => Shown::Refused(until),
            READY => ready().map_or(Shown::Closed, Shown::Ready),
            _ => Shown::Closed,
        }
    }
}

impl ConditionallySelectable for Told {
    fn conditional_select(a: &Self, b: &Self, choice: Choice) -> Self {
        Self {
            kind: u64::conditional_select(&a.kind, &b.kind, choice),
            until: u64::conditional_select(&a.until, &b.until, choice),
        }
    }
}

fn key(ticket: &TicketHash) -> Key {
    let half = |from: usize| {
        let bytes = ticket.0.iter().skip(from).take(16);
        bytes.fold(0, |sum, byte| sum << 8 | u128::from(*byte))
    };
    [half(0), half(16)]
}

impl Rows {
    /// The place in `told` of the last row that is not above this key, and whether it is the key's own.
    fn find(&self, key: Key) -> (usize, Choice) {
        let [high, low] = key;
        // Without `&&` and `||`, which would branch.
        let place = self.keys.partition_point(|held| (held[0] < high) | ((held[0] == high) & (held[1] <= low)));
        let held = self.keys.get(place.saturating_sub(1));
        (place, held.map_or(Choice::from(0), |held| held.ct_eq(&key)))
    }

    fn set(&mut self, key: Key, shown: Shown) {
        let told = Told::new(&shown);
        let (place, own) = self.find(key);
        if own.into() {
            self.told[place] = told;
        } else {
            self.keys.insert(place, key);
            self.told.insert(place + 1, told);
        }
        match shown {
            Shown::Ready(manifest) => self.manifests.insert(key, manifest),
            Shown::Waiting(_) | Shown::Question(_) | Shown::Refused(_) | Shown::Closed => self.manifests.remove(&key),
        };
    }
}

impl Table {
    pub(crate) fn new(rows: impl IntoIterator<Item = (TicketHash, Shown)>) -> Self {
        let mut table = Rows { keys: Vec::new(), told: vec![Told::new(&Shown::Closed)], manifests: BTreeMap::new() };
        let mut rows: Vec<_> = rows.into_iter().map(|(ticket, shown)| (key(&ticket), shown)).collect();
        // So that each is put at the end.
        rows.sort_by_key(|(key, _)| *key);
        rows.into_iter().for_each(|(key, shown)| table.set(key, shown));
        Self(RwLock::new(table))
    }

    pub(crate) fn set(&self, ticket: TicketHash, shown: Shown) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).set(key(&ticket), shown);
    }

    pub(crate) fn view(&self, ticket: TicketHash, now: Time) -> View {
        let rows = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let key = key(&ticket);
        let (place, own) = rows.find(key);
        let told = Told::conditional_select(&rows.told[0], &rows.told[place], own);
        told.shown(|| rows.manifests.get(&key).cloned()).view(now)
    }

    /// Whether a ticket has a row; for a fault that a test plants.
    pub(crate) fn has(&self, ticket: TicketHash) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).find(key(&ticket)).1.into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use shared::ids::Digest;
    use shared::message::Manifest;
    use shared::text::Text;

    fn ticket(who: u8) -> TicketHash {
        TicketHash([who; 32])
    }

    fn at(seconds: u64) -> Time {
        Time::from_unix(seconds)
    }

    #[test]
    fn what_was_never_there_is_closed_like_what_is_over() {
        let table = Table::new([(ticket(1), Shown::Closed), (ticket(2), Shown::Waiting(at(50)))]);
        for who in [0, 3, 9, 255] {
            assert_eq!(table.view(ticket(1), at(49)), table.view(ticket(who), at(49)));
            assert_eq!(Table::new([]).view(ticket(who), at(49)), View::Closed);
        }
        assert_eq!((table.view(ticket(2), at(49)), table.view(ticket(2), at(50))), (View::Waiting, View::Closed));
    }

    #[test]
    fn the_lowest_ticket_of_all_speaks_for_itself_only() {
        let table = Table::new([]);
        table.set(ticket(0), Shown::Question(at(50)));
        let told = [0, 1, 255].map(|who| table.view(ticket(who), at(49)));
        assert_eq!(told, [View::Question, View::Closed, View::Closed]);
        table.set(ticket(0), Shown::Refused(at(50)));
        assert_eq!((table.view(ticket(0), at(49)), table.view(ticket(0), at(50))), (View::Refused, View::Closed));
    }

    #[test]
    fn a_row_set_is_the_row_shown_and_no_other_changes() {
        let table = Table::new([(ticket(1), Shown::Waiting(at(50)))]);
        let (title, media_type) = (Text::new("Curriculum vitae").unwrap(), Text::new("text/plain").unwrap());
        let manifest = Manifest { title, media_type, bytes: 1, sha256: Digest([3; 32]), not_after: at(60) };
        table.set(ticket(2), Shown::Ready(manifest.clone()));
        assert_eq!(table.view(ticket(2), at(59)), View::Ready(manifest));
        assert_eq!(table.view(ticket(2), at(60)), View::Closed);
        assert_eq!(table.view(ticket(1), at(49)), View::Waiting);
        table.set(ticket(2), Shown::Closed);
        assert_eq!(table.view(ticket(2), at(59)), View::Closed);
    }
}
