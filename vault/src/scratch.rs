//! The only clear text outside the store: a folder for the editor and the viewer, gone when its user is.

use crate::prompt::{forget_folder, remove_folder_on_death};
use rustix::fs::{FlockOperation, Mode, OFlags};
use shared::visible;
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// What the folders' names begin with; those whose owner died are swept by the next start.
const PREFIX: &str = "webizen-scratch-";
/// A younger folder may belong to a process that has not locked it yet.
const SETTLED: Duration = Duration::from_secs(60);
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
    /// The name would leave the folder.
    #[error("a copy needs a plain file name")]
    Name,
}

/// A folder that only its owner can enter (mode 0700). It is removed, with all that is in it, when this is dropped, and when
/// a signal ends the process.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: Option<TempDir>,
    path: PathBuf,
    place: Place,
    /// Tells other processes that the folder is in use.
    _lock: OwnedFd,
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
        remove_folder_on_death(folder.path()).map_err(failed)?;
        Ok(Self { path: folder.path().to_owned(), folder: Some(folder), place, _lock: lock })
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What the owner should know about the folder's place, if anything.
    pub(crate) fn notice(&self) -> Option<String> {
        (self.place == Place::Temporary).then(|| {
            format!(
                "XDG_RUNTIME_DIR is not set, so copies are kept in {} until this ends; that may be on a disk.",
                self.path.display()
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
        let path = self.path.join(name);
        let write = || {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(bytes)
        };
        write().map_err(|error| ScratchError::File(path.clone(), error))?;
        Ok(path)
    }

    /// Moves a file out of the folder so that it outlives this, and tells where it is.
    ///
    /// # Errors
    /// [`ScratchError::File`] when it cannot be moved.
    pub(crate) fn keep(&self, file: &Path) -> Result<PathBuf, ScratchError> {
        let failed = |error| ScratchError::File(file.into(), error);
        let name = file.file_name().ok_or(ScratchError::Name)?;
        let parent = self.path.parent().ok_or(ScratchError::Name)?;
        let kept = tempfile::Builder::new().prefix(KEPT).permissions(private()).tempdir_in(parent).map_err(failed)?;
        let target = kept.path().join(name);
        fs::rename(file, &target).map_err(failed)?;
        let _: PathBuf = kept.keep();
        Ok(target)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.folder.take().map(TempDir::close) {
            warn(io::stderr(), &left(&self.path, &error));
        }
        forget_folder(&self.path);
    }
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
/// know of that. Where temporary files go, everybody can make a folder with such a name: another user's is passed over.
fn sweep(parent: &Path, own: u32) -> Vec<String> {
    let mut said = Vec::new();
    let Ok(entries) = fs::read_dir(parent) else { return said };
    for entry in entries.flatten() {
        let named = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let path = entry.path();
        // Of the entry itself: links are not followed.
        let Ok(metadata) = entry.metadata() else { continue };
        let ours = named && metadata.is_dir() && metadata.uid() == own;
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
        let kept = scratch.keep(&scratch.file("draft.md", b"words").unwrap()).unwrap();
        drop(scratch);
        assert_eq!(fs::read(&kept).unwrap(), b"words");
        assert_eq!(mode(kept.parent().unwrap()), 0o700);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
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
        let said = sweep(parent.path(), own());
        assert!(matches!(&said[..], [words] if words.contains("is removed now")), "{said:?}");
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
