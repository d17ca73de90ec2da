//! What visitors may be told, in memory: every `status` is answered from here, and never from the store.

use shared::ids::TicketHash;
use shared::message::View;
use shared::time::Time;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use vault_core::Shown;

/// One row a request. A ticket without a row is answered through the same path, by a row that stands for it.
pub(crate) struct Table {
    rows: RwLock<HashMap<TicketHash, Shown>>,
    nobody: Shown,
}

impl Table {
    pub(crate) fn new(rows: impl IntoIterator<Item = (TicketHash, Shown)>) -> Self {
        Self { rows: RwLock::new(rows.into_iter().collect()), nobody: Shown::Closed }
    }

    pub(crate) fn set(&self, ticket: TicketHash, shown: Shown) {
        self.rows.write().unwrap_or_else(PoisonError::into_inner).insert(ticket, shown);
    }

    pub(crate) fn view(&self, ticket: TicketHash, now: Time) -> View {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        rows.get(&ticket).unwrap_or(&self.nobody).view(now)
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
        assert_eq!(table.view(ticket(1), at(49)), table.view(ticket(9), at(49)));
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
