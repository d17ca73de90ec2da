//! How requests leave the spool: on their way to the vault, with it, or at their visitors' wish.

use super::Spool;
use super::index::{Offered, Waiting};
use super::lock;
use node::files::{FileError, Folder, failed};
use shared::ids::{RequestId, TicketHash};
use std::fs;
use std::io;

/// A request on its way to the vault. Unless what came of that is told, it may have reached it: whoever has sent it may have gone
/// away before the answer came.
pub(crate) struct Leaving {
    spool: Spool,
    ticket: TicketHash,
    offered: Offered,
}

impl Leaving {
    /// This try may have reached the vault or not. What is noted of other tries stays.
    pub(crate) fn came(mut self, offered: Offered) {
        self.offered = offered;
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.spool.index().has_left(&self.ticket, self.offered);
    }
}

impl Spool {
    /// Whether this ticket's request was removed at its visitor's wish, and the disk did not confirm that: it waits no more,
    /// but may be here again after the next start.
    pub(crate) fn may_come_back(&self, ticket: &TicketHash) -> bool {
        let (index, id) = (self.index(), ticket.request());
        index.unflushed.contains(&id) && index.find(id).is_some()
    }

    /// From now on a request, whether it waits here or not, may have reached the vault, until what is returned is told what came
    /// of that.
    pub(crate) fn leaves(&self, ticket: TicketHash) -> Leaving {
        self.index().leaving.push(ticket.request());
        Leaving { spool: self.clone(), ticket, offered: Offered::Perhaps }
    }

    /// The vault has said that it has this request.
    pub(crate) fn is_with_the_vault(&self, id: RequestId) {
        self.index().sent.add(id);
    }

    /// Removes a request that the vault has, or that its visitor takes back; what it was, or `None` when it is not here.
    ///
    /// # Errors
    /// [`FileError`]; the request then still counts as one that is here. After a flush that failed that lasts until it is kept
    /// anew or the next start: another flush would succeed whatever is on the disk (fsync(2)), and the file may come back.
    pub(crate) fn remove(&self, ticket: &TicketHash) -> Result<Option<Waiting>, FileError> {
        let _writer = lock(&self.0.writer);
        let id = ticket.request();
        let Some(held) = self.held(ticket) else { return Ok(None) };
        let path = self.path(held.place, id);
        let flush_failed =
            || failed("remove for good", &path)(io::Error::other("the disk failed when that was flushed"));
        if self.index().unflushed.contains(&id) {
            return Err(flush_failed());
        }
        let folder = Folder::of(&path)?;
        let unsettled = self.index().unsettled.contains(&id);
        let flush = || if unsettled { Err(flush_failed()) } else { (self.0.flush)(&folder) };
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &path)(e)),
            Ok(()) | Err(_) => flush().inspect_err(|_| {
                self.index().unflushed.insert(id);
            })?,
        }
        self.index().forget(id);
        Ok(Some(held))
    }

    /// As [`Self::remove`], at its visitor's wish: what was set aside of the request before is over with that.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn take_back(&self, ticket: &TicketHash) -> Result<Option<Waiting>, FileError> {
        let removed = self.remove(ticket);
        let offered = match &removed {
            Ok(Some(held)) => held.offered,
            Err(_) if self.may_come_back(ticket) => Offered::Perhaps,
            Ok(None) | Err(_) => return removed,
        };
        let id = ticket.request();
        if self.is_over(id, offered) {
            self.mark_over(id);
        }
        removed
    }

    /// Leaves a request that the vault has out until the next start.
    pub(crate) fn forget(&self, ticket: &TicketHash) {
        self.index().forget(ticket.request());
    }
}
