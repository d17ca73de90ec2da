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
use std::collections::HashSet;
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
    #[error("{waiting} sealed requests wait here, {bytes} bytes with those set aside: there is no room for more")]
    Full {
        /// How many wait.
        waiting: usize,
        /// What the whole spool takes.
        bytes: u64,
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
    /// Whether trying again may find another answer: not when the file is damaged or gone, or the disk cannot read it.
    pub(crate) fn passes(&self) -> bool {
        match self {
            Self::File(FileError::Io { source, .. }) => {
                let unreadable = source.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error());
                source.kind() != io::ErrorKind::NotFound && !unreadable
            }
            Self::File(_) => true,
            Self::Damaged(_) | Self::OtherVault | Self::Refused => false,
        }
    }
}

/// Whether a request may have reached the vault already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    /// It has not left this machine.
    Never,
    /// A connection broke while it was handed over, or this program was started again since.
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
    aside: HashSet<RequestId>,
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
    /// [`Unusable::File`]
    pub(crate) fn open(folder: PathBuf) -> Result<Self, Unusable> {
        Self::open_with(folder, files::sync_folder)
    }

    fn open_with(folder: PathBuf, flush: fn(&Path) -> Result<(), FileError>) -> Result<Self, Unusable> {
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
            match found {
                Ok(entry) => spool.index().add(Waiting::of(&entry, Offered::Perhaps)),
                Err(why) if !why.passes() => spool.move_aside(&name, &why),
                Err(why) => return Err(why),
            }
        }
        spool.report();
        Ok(spool)
    }

    /// Keeps a sealed request: when this returns, it is on the disk. The same again changes nothing, unless its file was
    /// removed and that failed to be flushed: then it is written anew.
    ///
    /// # Errors
    /// [`NotKept`]; nothing is kept then.
    pub(crate) fn keep(&self, vault: Digest, ticket: TicketHash, body: Digest, sealed: Sealed) -> Result<(), NotKept> {
        let _writer = lock(&self.0.writer);
        let id = ticket.request();
        let (number, offered) = {
            let index = self.index();
            match index.find(id) {
                Some(held) if (held.ticket, held.body) != (ticket, body) => return Err(NotKept::Other),
                // It has its room already, but no file.
                Some(held) if index.unflushed.contains(&id) => (index.next, held.offered),
                Some(_) => return Ok(()),
                None => {
                    let (waiting, bytes) = (index.waiting.len(), index.bytes());
                    if waiting >= limits::SPOOL || bytes + Entry::SIZE as u64 > limits::SPOOL_BYTES {
                        return Err(NotKept::Full { waiting, bytes });
                    }
                    (index.next, Offered::Never)
                }
            }
        };
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

    /// Whether a request of this name was set aside.
    pub(crate) fn has_set_aside(&self, id: RequestId) -> bool {
        self.index().aside.contains(&id)
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
        {
            let mut index = self.index();
            if index.unflushed.contains(&id) {
                return;
            }
            index.forget(id);
        }
        self.move_aside(&entry::name(id), why);
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

    /// Order: a temporary file, flushed; its name; the folder, flushed. What fails leaves nothing behind.
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
        let (mut names, mut bytes) = (HashSet::new(), 0);
        for (path, name) in listed(&self.0.folder.join(ASIDE))? {
            bytes += fs::metadata(&path).map_err(failed("look at", &path))?.len();
            names.extend(entry::named(&name));
        }
        let mut index = self.index();
        (index.aside, index.aside_bytes) = (names, bytes);
        Ok(())
    }

    fn path(&self, id: RequestId) -> PathBuf {
        self.0.folder.join(entry::name(id))
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        lock(&self.0.index)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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
#[allow(clippy::unwrap_used)]
mod tests;
