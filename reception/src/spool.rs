//! Where requests wait, sealed, for a vault that is away: one file each, on the disk before the visitor is told, removed after
//! the vault has it on its own. Nothing here opens what was sealed.
//!
//! Order: oldest first, by a number in the file. A file that is damaged, or that the vault refuses for good, goes to the
//! folder `set-aside` and holds nobody up; it is kept there for whoever wants to know why.

mod entry;

pub(crate) use entry::{Damage, Entry, body};

use node::files::{self, FileError, failed};
use shared::ids::{Digest, RequestId, TicketHash};
use shared::limits;
use shared::seal::Sealed;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The folder of what cannot be delivered.
const ASIDE: &str = "set-aside";

/// Why a request was not kept. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotKept {
    /// As many as may be.
    #[error(
        "{waiting} sealed requests wait here, {bytes} bytes with those in {}: there is no room for more. Connect the vault, or \
         delete what is set aside",
        aside.display()
    )]
    Full {
        /// How many wait.
        waiting: usize,
        /// What the whole spool takes.
        bytes: u64,
        /// Where those are that were set aside.
        aside: PathBuf,
    },
    /// The same ticket asked for something else before.
    #[error("another request is kept under the same ticket")]
    Other,
    /// The disk.
    #[error("a sealed request cannot be kept: {0}")]
    File(#[from] FileError),
}

/// Why the next request cannot be handed over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    /// Not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The vault it was sealed for is paired no more, and no other can open it.
    #[error("it was sealed for another vault than the one that is paired now")]
    OtherVault,
    /// The paired vault cannot open it or holds another under its name.
    #[error("the vault refuses it for good")]
    Refused,
    /// The disk.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Unusable {
    /// What may be otherwise at another try: not a file that is damaged or gone, or that the disk cannot read.
    pub(crate) fn passing(self) -> Result<FileError, Self> {
        let unreadable = rustix::io::Errno::IO.raw_os_error();
        match self {
            Self::File(FileError::Io { ref source, .. })
                if source.kind() == io::ErrorKind::NotFound || source.raw_os_error() == Some(unreadable) =>
            {
                Err(self)
            }
            Self::File(error) => Ok(error),
            Self::Damaged(_) | Self::OtherVault | Self::Refused => Err(self),
        }
    }
}

/// Whether a request may have reached the vault already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// It has not left this machine since it was kept.
    Never,
    /// It was sent, and no clear answer came; or this program was started again since.
    Perhaps,
}

/// A request that waits, as far as memory knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Its place in the order.
    number: u64,
    /// Whose it is.
    pub(crate) ticket: TicketHash,
    /// Which vault can open it.
    pub(crate) vault: Digest,
    body: Digest,
    /// Whether the vault may have it already.
    pub(crate) offered: Offered,
}

impl Offered {
    fn or(self, other: Self) -> Self {
        if self == Self::Never { other } else { self }
    }
}

impl Waiting {
    fn of(entry: &Entry, offered: Offered) -> Self {
        let Entry { number, vault, ticket, body, sealed: _ } = entry;
        Self { number: *number, ticket: *ticket, vault: *vault, body: *body, offered }
    }
}

/// The spool. Clones share it. What touches the disk blocks.
#[derive(Clone)]
pub(crate) struct Spool(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    /// Has the disk keep a folder's names: [`files::sync_folder`], outside this module's tests.
    flush: fn(&Path) -> Result<(), FileError>,
    /// Held while the disk changes.
    writer: Mutex<()>,
    index: Mutex<Index>,
}

#[derive(Default)]
struct Index {
    /// In their order.
    waiting: Vec<Waiting>,
    /// Above every number in use.
    next: u64,
    aside: HashMap<RequestId, Offered>,
    aside_bytes: u64,
    /// Removed, but perhaps not for good: the flush failed.
    unflushed: HashSet<RequestId>,
}

impl Index {
    fn find(&self, id: RequestId) -> Option<&Waiting> {
        self.waiting.iter().find(|waiting| waiting.ticket.request() == id)
    }

    fn forget(&mut self, id: RequestId) {
        self.waiting.retain(|waiting| waiting.ticket.request() != id);
    }

    fn bytes(&self) -> u64 {
        (self.waiting.len() * Entry::SIZE) as u64 + self.aside_bytes
    }

    fn add(&mut self, waiting: Waiting) {
        self.next = self.next.max(waiting.number.saturating_add(1));
        self.waiting.push(waiting);
        self.waiting.sort_by_key(|waiting| waiting.number);
    }
}

impl Spool {
    /// Opens the spool in `folder` and takes stock: what a crash left half-written is removed, since nobody was told of it;
    /// what is damaged is set aside.
    ///
    /// # Errors
    /// [`FileError`]
    pub(crate) fn open(folder: PathBuf) -> Result<Self, FileError> {
        Self::open_with(folder, files::sync_folder)
    }

    fn open_with(folder: PathBuf, flush: fn(&Path) -> Result<(), FileError>) -> Result<Self, FileError> {
        files::make_folder(&folder)?;
        files::make_folder(&folder.join(ASIDE))?;
        let spool = Self(Arc::new(Inner { folder, flush, writer: Mutex::default(), index: Mutex::default() }));
        spool.count_aside()?;
        for (path, name) in listed(&spool.0.folder)? {
            if name.ends_with(files::TEMPORARY) {
                fs::remove_file(&path).map_err(failed("remove", &path))?;
                continue;
            }
            let found = entry::named(&name).map_err(Unusable::from).and_then(|id| read(&path, id));
            match found.map_err(Unusable::passing) {
                Ok(entry) => spool.index().add(Waiting::of(&entry, Offered::Perhaps)),
                Err(Err(why)) => spool.move_aside(&name, &why),
                Err(Ok(error)) => return Err(error),
            }
        }
        spool.report();
        Ok(spool)
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
        let held = self.index().find(id).cloned();
        let offered = match held {
            Some(held) if (held.ticket, held.body) != (ticket, body) => return Err(NotKept::Other),
            Some(held) => {
                let offered = offered.or(held.offered);
                self.mark(&ticket, offered);
                // Else it has its room already, but no file.
                if !self.index().unflushed.contains(&id) {
                    return Ok(());
                }
                offered
            }
            None => {
                self.make_room()?;
                offered
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
        index.add(Waiting::of(&entry, offered));
        Ok(())
    }

    /// The request that has waited longest, of those that have a file and may be offered.
    pub(crate) fn oldest(&self, may: impl Fn(&TicketHash) -> bool) -> Option<Waiting> {
        let index = self.index();
        let filed = |waiting: &&Waiting| !index.unflushed.contains(&waiting.ticket.request());
        index.waiting.iter().filter(filed).find(|waiting| may(&waiting.ticket)).cloned()
    }

    /// Whether this ticket's request waits here.
    pub(crate) fn holds(&self, ticket: &TicketHash) -> bool {
        self.index().waiting.iter().any(|waiting| waiting.ticket == *ticket)
    }

    /// Whether this ticket's request was removed at its visitor's wish, and the disk did not confirm that: it waits no more,
    /// but may be here again after the next start.
    pub(crate) fn may_come_back(&self, ticket: &TicketHash) -> bool {
        let (index, id) = (self.index(), ticket.request());
        index.unflushed.contains(&id) && index.find(id).is_some()
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.index().waiting.len()
    }

    /// Whether a request of this name was set aside, and whether the vault may have it all the same.
    pub(crate) fn set_aside_as(&self, id: RequestId) -> Option<Offered> {
        self.index().aside.get(&id).copied()
    }

    /// From now on a request that was set aside counts as one that the vault has.
    pub(crate) fn is_with_the_vault(&self, id: RequestId) {
        self.index().aside.remove(&id);
    }

    /// What is to be sent, read from the disk.
    ///
    /// # Errors
    /// [`Unusable::Damaged`], [`Unusable::File`]
    pub(crate) fn read(&self, waiting: &Waiting) -> Result<Sealed, Unusable> {
        let id = waiting.ticket.request();
        let entry = read(&self.path(id), id)?;
        if Waiting::of(&entry, waiting.offered) == *waiting { Ok(entry.sealed) } else { Err(Damage::Altered.into()) }
    }

    /// Notes whether a request may have reached the vault.
    pub(crate) fn mark(&self, ticket: &TicketHash, offered: Offered) {
        if let Some(waiting) = self.index().waiting.iter_mut().find(|waiting| waiting.ticket == *ticket) {
            waiting.offered = offered;
        }
    }

    /// Removes a request that the vault has, or that its visitor takes back; tells whether it may have left before, or `None`
    /// when it is not here.
    ///
    /// # Errors
    /// [`FileError`]; the request then still counts as one that is here. After a flush that failed that lasts until it is kept
    /// anew or the next start: another flush would succeed whatever is on the disk (fsync(2)), and the file may come back.
    pub(crate) fn remove(&self, ticket: &TicketHash) -> Result<Option<Offered>, FileError> {
        let _writer = lock(&self.0.writer);
        let id = ticket.request();
        let Some(offered) = self.index().find(id).filter(|w| w.ticket == *ticket).map(|w| w.offered) else {
            return Ok(None);
        };
        let path = self.path(id);
        if self.index().unflushed.contains(&id) {
            return Err(failed("remove for good", &path)(io::Error::other("the disk failed when that was flushed")));
        }
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &path)(e)),
            Ok(()) | Err(_) => (self.0.flush)(&path).inspect_err(|_| {
                self.index().unflushed.insert(id);
            })?,
        }
        self.index().forget(id);
        Ok(Some(offered))
    }

    /// Leaves a request that the vault has out until the next start.
    pub(crate) fn forget(&self, ticket: &TicketHash) {
        self.index().forget(ticket.request());
    }

    /// Takes a request out of the way of the others, and says why in the log. One whose file was removed is in nobody's way,
    /// and stays: its removal is not done.
    pub(crate) fn set_aside(&self, ticket: &TicketHash, why: &Unusable) {
        let _writer = lock(&self.0.writer);
        let id = ticket.request();
        let offered = {
            let mut index = self.index();
            if index.unflushed.contains(&id) {
                return;
            }
            let offered = index.find(id).map(|waiting| waiting.offered);
            index.forget(id);
            offered
        };
        self.move_aside(&entry::name(id), why);
        if let (Some(offered), Some(aside)) = (offered, self.index().aside.get_mut(&id)) {
            *aside = offered;
        }
    }

    /// # Errors
    /// [`NotKept::Full`], [`NotKept::File`]
    fn make_room(&self) -> Result<(), NotKept> {
        let full = || {
            let index = self.index();
            let (waiting, bytes) = (index.waiting.len(), index.bytes());
            let full = waiting >= limits::SPOOL || bytes + Entry::SIZE as u64 > limits::SPOOL_BYTES;
            full.then(|| NotKept::Full { waiting, bytes, aside: self.0.folder.join(ASIDE) })
        };
        if full().is_some() {
            // Somebody may have deleted what was set aside.
            self.count_aside()?;
        }
        full().map_or(Ok(()), Err)
    }

    /// Says what waits, if anything does.
    fn report(&self) {
        let index = self.index();
        if !index.waiting.is_empty() {
            tracing::info!(waiting = index.waiting.len(), "sealed requests wait for the vault");
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
        let path = self.path(entry.id());
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

    /// A file that cannot be moved stays where it is, and is looked at again at the next start.
    fn move_aside(&self, name: &str, why: &Unusable) {
        let (from, to) = (self.0.folder.join(name), self.0.folder.join(ASIDE).join(name));
        let moved = fs::rename(&from, &to).map_err(failed("set aside", &from));
        match moved.and_then(|()| files::sync_folder(&to)).and_then(|()| files::sync_folder(&from)) {
            Ok(()) => tracing::warn!(file = %to.display(), "a request was set aside, and is not delivered: {why}"),
            Err(error) => tracing::error!(%error, "a request is not delivered ({why}), and may not stay set aside"),
        }
        if let Err(error) = self.count_aside() {
            tracing::warn!(%error, "what is set aside cannot be counted");
        }
    }

    fn count_aside(&self) -> Result<(), FileError> {
        let (mut found, mut bytes) = (HashMap::new(), 0);
        let before = self.index().aside.clone();
        for (path, name) in listed(&self.0.folder.join(ASIDE))? {
            bytes += fs::metadata(&path).map_err(failed("look at", &path))?.len();
            if let Ok(id) = entry::named(&name) {
                found.insert(id, before.get(&id).copied().unwrap_or(Offered::Perhaps));
            }
        }
        let mut index = self.index();
        (index.aside, index.aside_bytes) = (found, bytes);
        Ok(())
    }

    fn path(&self, id: RequestId) -> PathBuf {
        self.0.folder.join(entry::name(id))
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        lock(&self.0.index)
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
