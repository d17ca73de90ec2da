//! Who hears of what, after it is durable.

use shared::ids::TicketHash;
use tokio::sync::{broadcast, watch};
use vault_core::LaneId;

/// The channels; clones share them.
#[derive(Clone)]
pub(crate) struct News {
    /// Requests whose view may have changed.
    pub(crate) visitors: broadcast::Sender<(LaneId, TicketHash)>,
    /// Counts up when something may wait for the owner.
    pub(crate) owner: watch::Sender<u64>,
    /// The newest publication's version.
    pub(crate) published: watch::Sender<u64>,
    /// Counts up when a pairing changes.
    pub(crate) lanes: watch::Sender<u64>,
}

impl News {
    pub(crate) fn new(version: u64) -> Self {
        Self {
            visitors: broadcast::channel(1024).0,
            owner: watch::channel(0).0,
            published: watch::channel(version).0,
            lanes: watch::channel(0).0,
        }
    }
}
