//! Where requests wait, sealed, for a vault that is away: one file each, on the disk before the visitor is told, removed after
//! the vault has it on its own. Nothing here opens what was sealed.
//!
//! Order: oldest first, by a number in the file. What was sealed for another vault than the paired one waits in the folder
//! `other-vault`, and is back in its place once that vault is paired. A file that is damaged, or that the vault refuses for good,
//! goes to the folder `set-aside` and holds nobody up; it is kept there for whoever wants to know why.

mod aside;
mod entry;
mod error;
mod index;
mod leaving;
mod moves;

pub(crate) use entry::{Damage, Entry, body};
pub(crate) use error::{NotKept, Unusable};
pub use index::Offered;
pub(crate) use index::Waiting;

use index::{Full, Index, Place};

use node::files::{self, FileError, Folder, failed};
use shared::ids::{Digest, RequestId, TicketHash};
use shared::seal::Sealed;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The folder of what cannot be delivered.
const ASIDE: &str = "set-aside";
/// The folder of what is sealed for a vault that is not the paired one.
const OTHER: &str = "other-vault";

/// The spool. Clones share it. What touches the disk blocks.
#[derive(Clone)]
pub(crate) struct Spool(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    /// Has the disk keep a folder's names: [`Folder::flush`], outside tests.
    flush: fn(&Folder) -> Result<(), FileError>,
    /// Held while the disk changes.
    writer: Mutex<()>,
    index: Mutex<Index>,
}

impl Spool {
    /// Opens the spool in `folder` and takes stock: what a crash left half-written is removed, since nobody was told of it;
    /// what is damaged is set aside.
    ///
    /// # Errors
    /// [`FileError`]
    pub(crate) fn open(folder: PathBuf) -> Result<Self, FileError> {
        Self::open_with(folder, Folder::flush)
    }

    /// As [`Self::open`], with this instead of [`Folder::flush`].
    ///
    /// # Errors
    /// [`FileError`]
    pub(crate) fn open_with(folder: PathBuf, flush: fn(&Folder) -> Result<(), FileError>) -> Result<Self, FileError> {
        let (aside, other) = (folder.join(ASIDE), folder.join(OTHER));
        for folder in [&folder, &aside, &other] {
            files::make_folder(folder)?;
        }
        // Whoever was here before may have died between a rename and its flush, and what is found is about to be believed.
        for within in [&folder, &aside, &aside.join(ASIDE), &other.join(OTHER)] {
            flush(&Folder::of(within)?)?;
        }
        let spool = Self(Arc::new(Inner { folder, flush, writer: Mutex::default(), index: Mutex::default() }));
        spool.count_aside()?;
        for place in [Place::Queue, Place::Other] {
            spool.take_stock(place)?;
        }
        spool.report();
        Ok(spool)
    }

    fn take_stock(&self, place: Place) -> Result<(), FileError> {
        for (path, name) in listed(&self.folder(place))? {
            if name.ends_with(files::TEMPORARY) {
                fs::remove_file(&path).map_err(failed("remove", &path))?;
                continue;
            }
            let found = entry::named(&name).map_err(Unusable::from).and_then(|id| read(&path, id));
            match found.map_err(Unusable::passing) {
                Ok(entry) => self.take_in(&Waiting::of(&entry, Offered::Perhaps, place), &path, &name)?,
                Err(Err(why)) => self.move_aside(place, &name, &why),
                Err(Ok(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// A move between two folders that a power loss broke off may have left a request in both.
    fn take_in(&self, found: &Waiting, path: &Path, name: &str) -> Result<(), FileError> {
        let held = self.index().find(found.ticket.request()).cloned();
        match held {
            None => self.index().add(found.clone()),
            Some(held) if (Waiting { place: found.place, ..held }) == *found => {
                fs::remove_file(path).map_err(failed("remove", path))?;
                (self.0.flush)(&Folder::of(path)?)?;
            }
            Some(_) => self.move_aside(found.place, name, &Unusable::Twice),
        }
        Ok(())
    }

    /// Keeps a sealed request: when this returns, it is on the disk. The same again changes nothing but whether the vault may
    /// have it, unless its file was removed and that failed to be flushed: then it is written anew.
    ///
    /// # Errors
    /// [`NotKept`]; nothing is kept then, unless the disk fails once more while it takes away what was half kept.
    pub(crate) fn keep(
        &self,
        vault: Digest,
        ticket: TicketHash,
        body: Digest,
        sealed: Sealed,
        offered: Offered,
    ) -> Result<(), NotKept> {
        let _writer = lock(&self.0.writer);
        let id = ticket.request();
        let offered = match self.same(ticket, body, offered)? {
            Some(_) if self.has_file(id) => return Ok(()),
            // It has its room already.
            Some(held) => held.offered,
            None => {
                self.make_room()?;
                // It may have come to the vault when it was set aside, or after that.
                self.index().aside.get(&id).map_or(offered, |aside| aside.offered().or(offered))
            }
        };
        let number = self.index().next;
        let entry = Entry { number, vault, ticket, body, sealed };
        node::danger::point("spool:before");
        self.write(&entry)?;
        node::danger::point("spool:after");
        let mut index = self.index();
        index.forget(id);
        // Its name is on the disk again, whatever the flush that failed has left there.
        index.unflushed.remove(&id);
        index.add(Waiting::of(&entry, offered, Place::Queue));
        Ok(())
    }

    /// Whether this very request is kept already, so that it need not be sealed again. If it is, notes whether the vault may
    /// have it.
    ///
    /// # Errors
    /// [`NotKept::Other`]
    pub(crate) fn keeps(&self, ticket: TicketHash, body: Digest, offered: Offered) -> Result<bool, NotKept> {
        let _writer = lock(&self.0.writer);
        Ok(self.same(ticket, body, offered)?.is_some_and(|_| self.has_file(ticket.request())))
    }

    /// The same request as this, if it waits here; notes whether the vault may have it.
    ///
    /// # Errors
    /// [`NotKept::Other`]
    fn same(&self, ticket: TicketHash, body: Digest, offered: Offered) -> Result<Option<Waiting>, NotKept> {
        let id = ticket.request();
        let Some(mut held) = self.index().find(id).cloned() else { return Ok(None) };
        // What waits for another vault may have been deleted by hand.
        let there = held.place == Place::Queue || self.path(held.place, id).try_exists().unwrap_or(true);
        if !there && self.has_file(id) {
            return Ok(None);
        }
        if (held.ticket, held.body) != (ticket, body) {
            return Err(NotKept::Other);
        }
        held.offered = offered.or(held.offered);
        self.mark(&ticket, held.offered);
        Ok(Some(held))
    }

    /// Whether the file of one that waits was not removed, as far as memory knows.
    fn has_file(&self, id: RequestId) -> bool {
        !self.index().unflushed.contains(&id)
    }

    /// The request that has waited longest, of those in the order that have a file and whose turn is the first; `None` is no turn.
    pub(crate) fn oldest<T: Ord>(&self, turn: impl Fn(&Waiting) -> Option<T>) -> Option<Waiting> {
        let index = self.index();
        let filed = |waiting: &&Waiting| !index.unflushed.contains(&waiting.ticket.request());
        let queue = index.waiting.iter().filter(|waiting| waiting.place == Place::Queue).filter(filed);
        let turns = queue.filter_map(|waiting| turn(waiting).map(|turn| (turn, waiting)));
        // Of equals the first.
        turns.min_by(|(one, _), (other, _)| one.cmp(other)).map(|(_, waiting)| waiting.clone())
    }

    /// Whether this ticket's request waits here.
    pub(crate) fn holds(&self, ticket: &TicketHash) -> bool {
        self.held(ticket).is_some()
    }

    /// This ticket's request, if it waits here.
    pub(crate) fn held(&self, ticket: &TicketHash) -> Option<Waiting> {
        self.index().seen(ticket.request()).filter(|waiting| waiting.ticket == *ticket)
    }

    /// How many wait for the paired vault.
    pub(crate) fn waiting(&self) -> usize {
        self.index().count(Place::Queue)
    }

    /// Whether there is no room for another, as far as memory knows.
    pub(crate) fn is_full(&self) -> bool {
        self.index().full().is_some()
    }

    /// What is to be sent, read from the disk.
    ///
    /// # Errors
    /// [`Unusable::Damaged`], [`Unusable::File`]
    pub(crate) fn read(&self, waiting: &Waiting) -> Result<Sealed, Unusable> {
        let id = waiting.ticket.request();
        let entry = read(&self.path(waiting.place, id), id)?;
        if Waiting::of(&entry, waiting.offered, waiting.place) == *waiting {
            Ok(entry.sealed)
        } else {
            Err(Damage::Altered.into())
        }
    }

    /// Notes whether a request may have reached the vault.
    pub(crate) fn mark(&self, ticket: &TicketHash, offered: Offered) {
        if let Some(waiting) = self.index().find_mut(ticket.request()).filter(|waiting| waiting.ticket == *ticket) {
            waiting.offered = offered;
        }
    }

    /// # Errors
    /// [`NotKept::TooMany`], [`NotKept::TooMuch`], [`NotKept::File`]
    fn make_room(&self) -> Result<(), NotKept> {
        if self.is_full() {
            self.count_again()?;
        }
        let index = self.index();
        match index.full() {
            None => Ok(()),
            Some(Full::Count) => Err(NotKept::TooMany(index.count(Place::Queue))),
            Some(Full::Bytes) => Err(NotKept::TooMuch { bytes: index.bytes(), folder: self.0.folder.clone() }),
        }
    }

    /// Says what waits, if anything does.
    fn report(&self) {
        let index = self.index();
        let (waiting, other) = (index.count(Place::Queue), index.count(Place::Other));
        if waiting > 0 {
            tracing::info!(waiting, "sealed requests wait for the vault");
        }
        if other > 0 {
            let folder = self.folder(Place::Other);
            tracing::warn!(
                requests = other, folder = %folder.display(),
                "requests wait for another vault to be paired; delete the files only if you will not pair that again"
            );
        }
        if !index.aside.is_empty() {
            let folder = self.0.folder.join(ASIDE);
            tracing::warn!(
                requests = index.aside.len(), folder = %folder.display(),
                "requests that could not be delivered are set aside; delete the files once you need them no more"
            );
        }
    }

    /// Order: a temporary file, flushed; its name; the folder, flushed. What fails is removed again, and that is flushed, as far
    /// as the disk does it.
    fn write(&self, entry: &Entry) -> Result<(), FileError> {
        let path = self.path(Place::Queue, entry.id());
        files::replace(&path, &entry.to_bytes()).inspect_err(|_| {
            // If the name is there already, the flush of the folder failed, and the visitor is told that it was not kept.
            for left in [files::temporary(&path), path.clone()] {
                match fs::remove_file(&left) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        tracing::error!(path = %left.display(), %error, "a file that is of no use cannot be removed");
                    }
                    Ok(()) | Err(_) => {}
                }
            }
            if let Err(error) = files::sync_folder(&path) {
                tracing::error!(%error, "a request that was not kept may be here again after the next start");
            }
        })
    }

    fn folder(&self, place: Place) -> PathBuf {
        match place {
            Place::Queue => self.0.folder.clone(),
            Place::Other => self.0.folder.join(OTHER),
        }
    }

    fn path(&self, place: Place, id: RequestId) -> PathBuf {
        self.folder(place).join(entry::name(id))
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        lock(&self.0.index)
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many requests in the spool of this folder are sealed for another vault than this one, as far as they can be read. It may be
/// in use meanwhile.
///
/// # Errors
/// [`FileError`]
pub(crate) fn for_others(folder: &Path, vault: Digest) -> Result<usize, FileError> {
    let mut found = HashSet::new();
    for folder in [folder.to_owned(), folder.join(OTHER)].into_iter().filter(|folder| folder.is_dir()) {
        for (path, name) in listed(&folder)? {
            let entry = entry::named(&name).map_err(Unusable::from).and_then(|id| read(&path, id));
            found.extend(entry.ok().filter(|entry| entry.vault != vault).map(|entry| entry.ticket));
        }
    }
    Ok(found.len())
}

/// The files of a folder, without its folders.
fn listed(folder: &Path) -> Result<Vec<(PathBuf, String)>, FileError> {
    let mut files = Vec::new();
    for found in fs::read_dir(folder).map_err(failed("list", folder))? {
        let found = found.map_err(failed("list", folder))?;
        if !found.file_type().map_err(failed("look at", &found.path()))?.is_dir() {
            files.push((found.path(), found.file_name().to_string_lossy().into_owned()));
        }
    }
    Ok(files)
}

fn read(path: &Path, id: RequestId) -> Result<Entry, Unusable> {
    let mut bytes = Vec::with_capacity(Entry::SIZE + 1);
    let file = File::open(path).map_err(failed("read", path))?;
    file.take(Entry::SIZE as u64 + 1).read_to_end(&mut bytes).map_err(failed("read", path))?;
    Ok(Entry::parse(id, &bytes)?)
}

#[cfg(test)]
mod tests;
