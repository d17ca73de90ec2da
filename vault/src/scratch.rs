//! The only clear text outside the store: a folder for the editor and the viewer, gone when its user is, but for what the owner
//! wrote and could not send.

use crate::prompt::{LastAct, last_act, undisturbed};
use rustix::fs::{FlockOperation, Mode, OFlags};
use shared::visible;
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the folders' names begin with; those whose owner died are swept by the next start.
const PREFIX: &str = "webizen-scratch-";
/// A younger folder may belong to a process that has not locked it yet.
const SETTLED: Duration = Duration::from_secs(60);
/// What they are called once they hold something to be kept; those stay until the owner removes them.
const KEPT: &str = "webizen-kept-";

/// Why there is no place for clear text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScratchError {
    /// The folder cannot be made.
    #[error("no private folder could be made in {path} ({source}); set XDG_RUNTIME_DIR to a folder of yours with room", path = .0.display(), source = .1)]
    Folder(PathBuf, io::Error),
    /// A file in it cannot be written.
    #[error("a copy could not be written to {path} ({source}); make room there and try again", path = .0.display(), source = .1)]
    File(PathBuf, io::Error),
    /// What the owner wrote cannot be kept.
    #[error("what you wrote is still in {path}, which could not be given another name ({source}); copy it from there at once: a later command removes that folder", path = .0.display(), source = .1)]
    Unkept(PathBuf, io::Error),
    /// The name would leave the folder.
    #[error("a copy needs a plain file name")]
    Name,
}

/// A folder that only its owner can enter (mode 0700). It is removed, with all that is in it, when this is dropped, and when
/// a signal ends the process; what the owner wrote in it is kept then.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: Arc<Folder>,
    place: Place,
    /// Does what is left to be done for the folder should a signal end the process.
    _last: LastAct,
    /// Tells other processes that the folder is in use.
    _lock: OwnedFd,
}

/// The folder, which whoever ends the process uses as well: while that is about to happen, [`undisturbed`] stops the other.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    content: Mutex<Content>,
}

/// What becomes of the folder.
#[derive(Debug)]
enum Content {
    /// Everything in it is elsewhere too.
    Copies,
    /// The owner writes in `file`, where `given` stood at first.
    Words { file: PathBuf, given: Vec<u8> },
    /// Nothing more: it is gone, or stays.
    Settled,
}

/// What holds the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Memory that ends with the owner's session.
    Session,
    /// Where temporary files go; that may be a disk.
    Temporary,
}

impl Scratch {
    /// Makes one in `$XDG_RUNTIME_DIR`, which is memory and ends with the session, else in the folder for temporary files.
    ///
    /// # Errors
    /// [`ScratchError::Folder`]
    pub(crate) fn new() -> Result<Self, ScratchError> {
        match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_dir()) {
            Some(path) => Self::new_in(&path, Place::Session),
            None => Self::new_in(&std::env::temp_dir(), Place::Temporary),
        }
    }

    fn new_in(parent: &Path, place: Place) -> Result<Self, ScratchError> {
        let own = rustix::process::getuid().as_raw();
        sweep(parent, own).iter().for_each(|words| warn(io::stderr(), words));
        let failed = |error| ScratchError::Folder(parent.into(), error);
        let mut builder = tempfile::Builder::new();
        // Made with this mode, never widened: no moment in which others could enter.
        let folder = builder.prefix(PREFIX).permissions(private()).tempdir_in(parent).map_err(failed)?;
        let lock = lock(folder.path()).map_err(|error| failed(error.into()))?;
        let shared = Arc::new(Folder { path: folder.path().to_owned(), content: Mutex::new(Content::Copies) });
        let dying = shared.clone();
        let last = last_act(move || dying.end()).map_err(failed)?;
        let _: PathBuf = folder.keep();
        Ok(Self { folder: shared, place, _last: last, _lock: lock })
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.folder.path
    }

    /// What the owner should know about the folder's place, if anything.
    pub(crate) fn notice(&self) -> Option<String> {
        (self.place == Place::Temporary).then(|| {
            format!(
                "XDG_RUNTIME_DIR is not set, so copies are kept in {} until this ends; that may be on a disk.",
                self.path().display()
            )
        })
    }

    /// Writes a new file that only its owner can read (mode 0600).
    ///
    /// # Errors
    /// [`ScratchError`] when the name is not plain, is taken, or the file cannot be written whole.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, ScratchError> {
        if Path::new(name).file_name().is_none_or(|plain| plain != name) {
            return Err(ScratchError::Name);
        }
        let path = self.path().join(name);
        let write = || {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(bytes)
        };
        write().map_err(|error| ScratchError::File(path.clone(), error))?;
        Ok(path)
    }

    /// From now on `file`, which holds `given`, is for the owner to write in.
    pub(crate) fn hand_over(&self, file: &Path, given: &str) {
        let words = Content::Words { file: file.into(), given: given.into() };
        undisturbed(|| *self.folder.content() = words);
    }

    /// Gives the folder another name, under which it outlives this, and tells where `file` is now.
    ///
    /// # Errors
    /// [`ScratchError::Unkept`] when it has to stay where it is.
    pub(crate) fn keep(&self, file: &Path) -> Result<PathBuf, ScratchError> {
        let name = file.file_name().ok_or(ScratchError::Name)?;
        undisturbed(|| self.folder.keep()).map(|kept| kept.join(name))
    }

    /// As [`Self::keep`], if the owner has written something; the folder's new name.
    ///
    /// # Errors
    /// As [`Self::keep`].
    pub(crate) fn keep_words(&self) -> Result<Option<PathBuf>, ScratchError> {
        undisturbed(|| self.folder.keep_words())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        undisturbed(|| self.folder.remove());
    }
}

impl Folder {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last that this process does.
    fn end(&self) {
        match self.keep_words() {
            Ok(Some(kept)) => warn(
                io::stderr(),
                &format!("What you wrote is kept in {}; delete that when you have used it.", kept_in(&kept)),
            ),
            Ok(None) => self.remove(),
            Err(error) => warn(io::stderr(), &error.to_string()),
        }
    }

    fn remove(&self) {
        let mut content = self.content();
        if matches!(*content, Content::Settled) {
            return;
        }
        *content = Content::Settled;
        if let Err(error) = fs::remove_dir_all(&self.path) {
            warn(io::stderr(), &left(&self.path, &error));
        }
    }

    fn keep_words(&self) -> Result<Option<PathBuf>, ScratchError> {
        let written = match &*self.content() {
            Content::Words { file, given } => self.is_written(file, given),
            Content::Copies | Content::Settled => false,
        };
        written.then(|| self.keep()).transpose()
    }

    /// One step, which a program that is just writing in the folder cannot come between.
    fn keep(&self) -> Result<PathBuf, ScratchError> {
        let name =
            self.path.file_name().and_then(|name| name.to_str()?.strip_prefix(PREFIX)).ok_or(ScratchError::Name)?;
        let kept = self.path.with_file_name(format!("{KEPT}{name}"));
        *self.content() = Content::Settled;
        match fs::rename(&self.path, &kept) {
            Ok(()) => Ok(kept),
            Err(error) => Err(ScratchError::Unkept(self.path.clone(), error)),
        }
    }

    /// Whether there is anything that the owner was not given: in the file, or beside it, where an editor that is ended leaves
    /// what was not saved yet (nano in `text.save`, vim in `.text.swp`). A link is an editor's own sign that it has the file.
    fn is_written(&self, file: &Path, given: &[u8]) -> bool {
        let as_given = match fs::read(file) {
            Ok(bytes) => bytes == given,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        let beside =
            |entry: fs::DirEntry| entry.path() != file && entry.file_type().is_ok_and(|kind| !kind.is_symlink());
        !as_given || fs::read_dir(&self.path).is_ok_and(|entries| entries.flatten().any(beside))
    }
}

/// A folder in which words are kept; with the file of those that an editor had not saved, which a listing does not show.
pub(crate) fn kept_in(folder: &Path) -> String {
    let swap = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        (name.starts_with('.') && name.ends_with(".swp")).then(|| entry.path())
    };
    let unsaved = fs::read_dir(folder).ok().and_then(|entries| entries.flatten().find_map(swap));
    let unsaved = unsaved.map(|swap| format!(" (`vim -r {}` brings back what was not saved)", swap.display()));
    format!("{}{}", folder.display(), unsaved.unwrap_or_default())
}

fn private() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o700)
}

fn lock(folder: &Path) -> rustix::io::Result<OwnedFd> {
    let fd = rustix::fs::open(
        folder,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive)?;
    Ok(fd)
}

/// Says on standard error, for the owner at the terminal, what nobody else would be told: a command keeps no log. A folder's
/// name may be anybody's words.
fn warn(mut out: impl io::Write, words: &str) {
    // Without a terminal that takes it there is nobody to tell.
    drop(writeln!(out, "{}", visible::line(words)));
}

fn left(path: &Path, error: &io::Error) -> String {
    format!("Clear text is left in {}, which could not be removed ({error}); remove it by hand.", path.display())
}

/// Removes what a process of the user `own` left behind when it was killed: folders that nobody holds. What the owner should
/// know of that, and of words that were kept. Where temporary files go, everybody can make a folder with such a name: another
/// user's is passed over.
fn sweep(parent: &Path, own: u32) -> Vec<String> {
    let mut said = Vec::new();
    let Ok(entries) = fs::read_dir(parent) else { return said };
    for entry in entries.flatten() {
        let named = |prefix| entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix));
        let path = entry.path();
        // Of the entry itself: links are not followed.
        let Ok(metadata) = entry.metadata() else { continue };
        let owned = metadata.is_dir() && metadata.uid() == own;
        if owned && named(KEPT) {
            said.push(format!(
                "What you wrote earlier is still kept in {}; delete that when you have used it.",
                kept_in(&path)
            ));
        }
        let ours = owned && named(PREFIX);
        let settled = metadata.modified().is_ok_and(|t| t.elapsed().is_ok_and(|age| age > SETTLED));
        if ours
            && settled
            && let Ok(_held) = lock(&path)
        {
            match fs::remove_dir_all(&path) {
                Ok(()) => said.push("Clear text that a killed command had left behind is removed now.".into()),
                // Another command has just done it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => said.push(left(&path, &error)),
            }
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::SystemTime;

    fn own() -> u32 {
        rustix::process::getuid().as_raw()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn folder_is_private_and_goes_with_its_user() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::new_in(parent.path(), Place::Temporary).unwrap();
        let file = scratch.file("draft.md", b"words").unwrap();
        assert_eq!((mode(scratch.path()), mode(&file)), (0o700, 0o600));
        assert_eq!(fs::read(&file).unwrap(), b"words");
        assert!(scratch.notice().unwrap().contains("XDG_RUNTIME_DIR"));
        assert!(matches!(scratch.file("draft.md", b""), Err(ScratchError::File(..))), "a name is used once");
        for name in ["", "..", "a/b", "../x", "/etc/x", "a/"] {
            assert!(matches!(scratch.file(name, b""), Err(ScratchError::Name)), "{name}");
        }
        drop(scratch);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn kept_file_outlives_the_folder() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::new_in(parent.path(), Place::Session).unwrap();
        assert_eq!(scratch.notice(), None);
        let path = scratch.path().to_owned();
        let kept = scratch.keep(&scratch.file("draft.md", b"words").unwrap()).unwrap();
        drop(scratch);
        assert!(!path.exists());
        assert_eq!(fs::read(&kept).unwrap(), b"words");
        assert_eq!(mode(kept.parent().unwrap()), 0o700);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }

    /// The last act of a process that a signal ends, with what the owner was given and with what the editor has put into the
    /// folder since; what is kept.
    fn left_by(given: &str, editor: impl FnOnce(&Path)) -> Vec<String> {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::new_in(parent.path(), Place::Session).unwrap();
        let file = scratch.file("text.txt", given.as_bytes()).unwrap();
        scratch.hand_over(&file, given);
        editor(&file);
        scratch.folder.end();
        drop(scratch);
        let folders = fs::read_dir(parent.path()).unwrap().map(|entry| entry.unwrap().path());
        let names = folders.flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_the_owner_wrote_outlives_a_signal_and_what_was_given_does_not() {
        assert_eq!(left_by("given", |_| ()), [""; 0]);
        // As Emacs says who edits.
        let sign = |file: &Path| std::os::unix::fs::symlink("owner@home.1", file.with_file_name(".#text.txt")).unwrap();
        assert_eq!(left_by("given", sign), [""; 0]);
        assert_eq!(left_by("given", |file| fs::remove_file(file).unwrap()), [""; 0]);
        assert_eq!(left_by("given", |file| fs::write(file, "written").unwrap()), ["text.txt"]);
        // As nano and vim do with what was not saved yet.
        for name in ["text.txt.save", ".text.txt.swp"] {
            let mut kept = vec!["text.txt", name];
            kept.sort_unstable();
            assert_eq!(left_by("given", |file| fs::write(file.with_file_name(name), "typed").unwrap()), kept);
        }
        let parent = tempfile::tempdir().unwrap();
        let copy = Scratch::new_in(parent.path(), Place::Session).unwrap();
        copy.file("copy.pdf", b"a copy").unwrap();
        copy.folder.end();
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0, "a copy is nobody's words");
    }

    #[test]
    fn what_cannot_be_kept_is_not_removed_either() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::new_in(parent.path(), Place::Session).unwrap();
        let file = scratch.file("text.txt", b"words").unwrap();
        let name = scratch.path().file_name().unwrap().to_str().unwrap().replace(PREFIX, KEPT);
        fs::create_dir_all(parent.path().join(name).join("taken")).unwrap();
        let error = scratch.keep(&file).unwrap_err().to_string();
        assert!(error.contains(&format!("what you wrote is still in {}", scratch.path().display())), "{error}");
        drop(scratch);
        assert_eq!(fs::read(&file).unwrap(), b"words");
    }

    #[test]
    fn next_start_sweeps_what_a_killed_process_left_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let old = SystemTime::now() - 2 * SETTLED;
        let living = Scratch::new_in(parent.path(), Place::Session).unwrap();
        fs::File::open(living.path()).unwrap().set_modified(old).unwrap();
        for name in [format!("{PREFIX}dead"), format!("{KEPT}words"), "other".into()] {
            fs::create_dir(parent.path().join(&name)).unwrap();
            fs::File::open(parent.path().join(&name)).unwrap().set_modified(old).unwrap();
        }
        let mut said = sweep(parent.path(), own());
        said.sort();
        let [removed, kept] = &said[..] else { panic!("{said:?}") };
        assert!(
            removed.contains("is removed now")
                && kept.contains(&format!("kept in {}", parent.path().join(format!("{KEPT}words")).display())),
            "{said:?}"
        );
        let next = Scratch::new_in(parent.path(), Place::Session).unwrap();
        assert!(living.path().is_dir() && next.path().is_dir());
        assert!(!parent.path().join(format!("{PREFIX}dead")).exists());
        assert!(parent.path().join(format!("{KEPT}words")).exists() && parent.path().join("other").exists());
    }

    #[test]
    fn what_another_user_put_there_is_neither_removed_nor_spoken_of() {
        let parent = tempfile::tempdir().unwrap();
        let (folder, link) = (parent.path().join(format!("{PREFIX}x")), parent.path().join(format!("{PREFIX}y")));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("words"), "Hello").unwrap();
        fs::create_dir(parent.path().join("other")).unwrap();
        std::os::unix::fs::symlink(parent.path().join("other"), &link).unwrap();
        let old = SystemTime::now() - 2 * SETTLED;
        let old = rustix::fs::Timespec {
            tv_sec: i64::try_from(old.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()).unwrap(),
            tv_nsec: 0,
        };
        let times = rustix::fs::Timestamps { last_access: old, last_modification: old };
        for path in [&folder, &link] {
            rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
        }
        assert_eq!(sweep(parent.path(), own().wrapping_add(1)), [""; 0]);
        assert!(folder.join("words").exists());
        assert_eq!(sweep(parent.path(), own()).len(), 1);
        assert!(!folder.exists() && link.is_symlink() && parent.path().join("other").is_dir());
    }

    #[test]
    fn a_folders_name_reaches_no_terminal_as_it_is() {
        let mut out = Vec::new();
        let path = Path::new("/tmp/webizen-scratch-\x1b]0;owned\x07\x1b[2J\nDone. \u{202e}text");
        warn(&mut out, &left(path, &io::ErrorKind::PermissionDenied.into()));
        let said = String::from_utf8(out).unwrap();
        let name = r"/tmp/webizen-scratch-\{U+001B}]0;owned\{U+0007}\{U+001B}[2J\nDone. \{U+202E}text,";
        assert!(said.starts_with(&format!("Clear text is left in {name}")), "{said}");
        assert_eq!(said.find(char::is_control), Some(said.len() - 1), "{said:?}");
    }
}
