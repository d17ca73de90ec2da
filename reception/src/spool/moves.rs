//! How requests move between the order and the folder of those that are sealed for another vault than the paired one.

use super::Spool;
use super::index::{Offered, Place, Waiting};
use super::lock;
use node::files::Folder;
use shared::ids::{Digest, RequestId, TicketHash};
use std::fs;
use std::io;

impl Spool {
    /// Has those that are sealed for this vault in the order, each in its old place there, and those for others out of it; what
    /// was moved.
    pub(crate) fn arrange(&self, vault: Digest) -> Vec<TicketHash> {
        let _writer = lock(&self.0.writer);
        if self.index().full().is_some() {
            self.count_again().unwrap_or_else(|error| tracing::warn!(%error, "the spool's files cannot be counted"));
        }
        let mut moved = Vec::new();
        for to in [Place::Other, Place::Queue] {
            let misplaced = self.index().misplaced(vault, to);
            moved.extend(self.put_all(misplaced, to));
        }
        moved
    }

    /// Whether [`Self::arrange`] has something to do.
    pub(crate) fn is_astray(&self, vault: Digest) -> bool {
        let index = self.index();
        let misplaced = |to| !index.misplaced(vault, to).is_empty();
        index.full().is_some() || misplaced(Place::Other) || misplaced(Place::Queue)
    }

    /// Puts requests into the other place: each is in the one or the other whenever the power goes. One that is back in the order
    /// counts as one that may have left before; one that could not be moved stays where it is.
    fn put_all(&self, ids: Vec<RequestId>, to: Place) -> Vec<TicketHash> {
        let Some(first) = ids.first() else { return Vec::new() };
        let opened = |place| Folder::of(&self.path(place, *first));
        let (new, old) = match opened(to).and_then(|new| Ok((new, opened(to.other())?))) {
            Ok(folders) => folders,
            Err(error) => {
                tracing::error!(%error, "requests cannot be moved for another pairing");
                return Vec::new();
            }
        };
        let moved: Vec<TicketHash> = ids.into_iter().filter_map(|id| self.put(id, to)).collect();
        if moved.is_empty() {
            return moved;
        }
        let flushed = (self.0.flush)(&new).and_then(|()| (self.0.flush)(&old));
        if flushed.is_ok() {
            self.index().settled(moved.iter().map(TicketHash::request));
        }
        match (flushed, to) {
            (Err(error), _) => {
                tracing::error!(%error, "requests were moved for another pairing, and may not stay there")
            }
            (Ok(()), Place::Other) => tracing::warn!(
                requests = moved.len(), folder = %new.path().display(),
                "requests are sealed for another vault than the one that is paired now; they wait until it is paired again"
            ),
            (Ok(()), Place::Queue) => tracing::info!(
                requests = moved.len(),
                "requests that were sealed for the vault that is paired now are to be handed over"
            ),
        }
        moved
    }

    /// Renames one request's file; whose it is.
    fn put(&self, id: RequestId, to: Place) -> Option<TicketHash> {
        let Waiting { place, ticket, .. } = self.index().find(id)?.clone();
        let (from, to_path) = (self.path(place, id), self.path(to, id));
        if let Err(error) = fs::rename(&from, &to_path) {
            tracing::error!(%error, file = %from.display(), "a request cannot be moved for another pairing");
            if error.kind() == io::ErrorKind::NotFound {
                self.index().forget(id);
            }
            return None;
        }
        node::danger::point("spool:moved");
        let mut index = self.index();
        index.unsettled.insert(id);
        if let Some(waiting) = index.find_mut(id) {
            waiting.place = to;
            if to == Place::Queue {
                waiting.offered = Offered::Perhaps;
            }
        }
        Some(ticket)
    }
}
