//! What is taken out of the way of the others, since it can never be delivered.

use super::index::{Aside, Index, Offered, Place, Waiting};
use super::{ASIDE, Spool, Unusable, entry, listed, lock};
use node::files::{self, FileError, failed};
use shared::ids::{RequestId, TicketHash};
use std::collections::HashSet;
use std::fs;
use std::io;

/// How the name of a file ends whose request is over since it was set aside.
const OVER: &str = ".over";

impl Spool {
    /// Whether a request of this name was set aside and is not over since, and whether the vault may have it all the same.
    pub(crate) fn set_aside_as(&self, id: RequestId) -> Option<Offered> {
        let index = self.index();
        match index.aside.get(&id)? {
            Aside::Lost(offered) => Some(offered.or(index.reached(id))),
            Aside::Over(_) => None,
        }
    }

    /// From now on a request that was set aside counts as one that is over here, and that the vault may have had or not. Whether
    /// that is news, which [`Self::mark_over`] has the disk keep.
    pub(crate) fn is_over(&self, id: RequestId, offered: Offered) -> bool {
        let mut index = self.index();
        let Some(aside) = index.aside.get_mut(&id) else { return false };
        let news = matches!(aside, Aside::Lost(_));
        *aside = Aside::Over(aside.offered().or(offered));
        news
    }

    /// Has the file of a request that was set aside say by its name that the request is over, for the next start.
    pub(crate) fn mark_over(&self, id: RequestId) {
        let _writer = lock(&self.0.writer);
        let aside = self.0.folder.join(ASIDE);
        let (from, to) = (aside.join(entry::name(id)), aside.join(name_over(id)));
        // It may have been set aside once more, or deleted, or never moved there.
        if !matches!(self.index().aside.get(&id), Some(Aside::Over(_))) || !from.is_file() {
            return;
        }
        let marked = fs::rename(&from, &to).map_err(failed("mark", &from));
        if let Err(error) = marked.and_then(|()| files::sync_folder(&to)) {
            tracing::error!(%error, "a request that is over may be called set aside again after the next start");
        }
    }

    /// Takes a request out of the way of the others, and says why in the log. One whose file was removed is in nobody's way,
    /// and stays: its removal is not done.
    pub(crate) fn set_aside(&self, ticket: &TicketHash, why: &Unusable) {
        let _writer = lock(&self.0.writer);
        let id = ticket.request();
        let place = {
            let mut index = self.index();
            let Some(Waiting { offered, place, .. }) = index.seen(id) else { return };
            if index.unflushed.contains(&id) {
                return;
            }
            // Known as one or the other at every instant.
            let before = index.aside.get(&id).map_or(Offered::Never, |before| before.offered());
            index.aside.insert(id, Aside::Lost(before.or(offered)));
            place
        };
        self.rename_aside(place, &entry::name(id), why);
        self.index().forget(id);
        self.count_or_say();
    }

    /// Takes a file out of the way that is nobody's in the order.
    pub(super) fn move_aside(&self, place: Place, name: &str, why: &Unusable) {
        if let Ok(id) = entry::named(name) {
            self.index().aside.insert(id, Aside::Lost(Offered::Perhaps));
        }
        self.rename_aside(place, name, why);
        self.count_or_say();
    }

    /// A file that cannot be moved stays where it is, and is looked at again at the next start.
    fn rename_aside(&self, place: Place, name: &str, why: &Unusable) {
        let (from, to) = (self.folder(place).join(name), self.0.folder.join(ASIDE).join(name));
        let moved = fs::rename(&from, &to).map_err(failed("set aside", &from));
        match moved.and_then(|()| files::sync_folder(&to)).and_then(|()| files::sync_folder(&from)) {
            Ok(()) => tracing::warn!(file = %to.display(), "a request was set aside, and is not delivered: {why}"),
            Err(error) => tracing::error!(%error, "a request is not delivered ({why}), and may not stay set aside"),
        }
    }

    fn count_or_say(&self) {
        if let Err(error) = self.count_aside() {
            tracing::warn!(%error, "what is set aside cannot be counted");
        }
    }

    /// As [`Self::count_aside`], and finds out what was deleted of what waits for another vault.
    pub(super) fn count_again(&self) -> Result<(), FileError> {
        self.count_aside()?;
        let there: HashSet<String> = listed(&self.folder(Place::Other))?.into_iter().map(|(_, name)| name).collect();
        let mut index = self.index();
        let Index { waiting, unflushed, .. } = &mut *index;
        waiting.retain(|held| {
            let id = held.ticket.request();
            held.place == Place::Queue || unflushed.contains(&id) || there.contains(&entry::name(id))
        });
        Ok(())
    }

    pub(super) fn count_aside(&self) -> Result<(), FileError> {
        let (mut found, mut over, mut bytes) = (HashSet::new(), HashSet::new(), 0);
        for (path, name) in listed(&self.0.folder.join(ASIDE))? {
            bytes += fs::metadata(&path).map_err(failed("look at", &path))?.len();
            found.extend(entry::named(&name));
            over.extend(named_over(&name));
        }
        for id in self.unmoved(&found) {
            for path in [Place::Queue, Place::Other].map(|place| self.path(place, id)) {
                match fs::metadata(&path) {
                    Ok(file) => {
                        bytes += file.len();
                        found.insert(id);
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(failed("look at", &path)(error)),
                }
            }
        }
        over.retain(|id| !found.contains(id));
        let mut index = self.index();
        index.aside.retain(|id, _| found.contains(id) || over.contains(id));
        for id in found {
            index.aside.entry(id).or_insert(Aside::Lost(Offered::Perhaps));
        }
        for id in over {
            let offered = index.aside.get(&id).map_or(Offered::Perhaps, |aside| aside.offered());
            index.aside.insert(id, Aside::Over(offered));
        }
        index.aside_bytes = bytes;
        Ok(())
    }

    /// Those that were to be set aside, and have their file, if any, where it was.
    fn unmoved(&self, moved: &HashSet<RequestId>) -> Vec<RequestId> {
        let index = self.index();
        let unmoved = index.aside.keys().filter(|id| !moved.contains(id) && index.find(**id).is_none());
        unmoved.copied().collect()
    }
}

/// The name of a request's file that was set aside, once the request is over.
fn name_over(id: RequestId) -> String {
    format!("{id}{OVER}")
}

/// The request whose file has such a name.
fn named_over(name: &str) -> Option<RequestId> {
    name.strip_suffix(OVER)?.parse().ok()
}
