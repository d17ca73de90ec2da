//! What visitors may be told, in memory: every `status` is answered from here, and never from the store.

use shared::ids::TicketHash;
use shared::message::View;
use shared::time::Time;
use std::hint::black_box;
use std::sync::{PoisonError, RwLock};
use vault_core::Shown;

/// A ticket's hash as a number, its most significant half first.
type Key = [u128; 2];

/// One row a request, and one that stands for every ticket without a row.
///
/// The rows lie in order because a hash table fetches a row for a ticket that is in it and none for another, and a tree ends
/// sooner for some: both can be measured over the link. Here each look-up halves the whole table equally often, and nothing
/// branches on what is found before the row to be shown is chosen.
pub(crate) struct Table(RwLock<Rows>);

struct Rows {
    keys: Vec<Key>,
    /// The first belongs to [`NOBODY`].
    shown: Vec<Shown>,
}

/// Below every ticket's key, so that something is always found.
const NOBODY: Key = [0; 2];

fn key(ticket: &TicketHash) -> Key {
    let half = |from: usize| {
        let bytes = ticket.0.iter().skip(from).take(16);
        bytes.fold(0, |sum, byte| sum << 8 | u128::from(*byte))
    };
    [half(0), half(16)]
}

impl Rows {
    /// The place of the last row that is not above this ticket's, and whether it is the ticket's own.
    fn find(&self, [high, low]: Key) -> (usize, bool) {
        // Without `&&` and `||`, which would branch.
        let above = self.keys.partition_point(|held| (held[0] < high) | ((held[0] == high) & (held[1] <= low)));
        let place = above.saturating_sub(1);
        (place, self.keys.get(place).is_some_and(|held| (held[0] == high) & (held[1] == low)))
    }
}

impl Table {
    pub(crate) fn new(rows: impl IntoIterator<Item = (TicketHash, Shown)>) -> Self {
        let rows = rows.into_iter().map(|(ticket, shown)| (key(&ticket), shown));
        let mut rows: Vec<_> = rows.chain([(NOBODY, Shown::Closed)]).collect();
        rows.sort_by_key(|(key, _)| *key);
        let (keys, shown) = rows.into_iter().unzip();
        Self(RwLock::new(Rows { keys, shown }))
    }

    pub(crate) fn set(&self, ticket: TicketHash, shown: Shown) {
        let mut rows = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let (place, own) = rows.find(key(&ticket));
        if own {
            rows.shown[place] = shown;
        } else {
            rows.keys.insert(place + 1, key(&ticket));
            rows.shown.insert(place + 1, shown);
        }
    }

    pub(crate) fn view(&self, ticket: TicketHash, now: Time) -> View {
        let rows = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (place, own) = rows.find(key(&ticket));
        // Both rows are read in either case.
        let row = black_box([&rows.shown[0], &rows.shown[place]]);
        black_box(row.map(std::mem::discriminant));
        row[black_box(usize::from(own))].view(now)
    }

    /// Whether a ticket has a row; for a fault that a test plants.
    pub(crate) fn has(&self, ticket: TicketHash) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).find(key(&ticket)).1
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
        }
        assert_eq!((table.view(ticket(2), at(49)), table.view(ticket(2), at(50))), (View::Waiting, View::Closed));
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
