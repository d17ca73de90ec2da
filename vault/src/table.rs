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
