//! Small private files: folders are 0700 and files 0600 from the moment they exist, whatever the umask, and what is written
//! is on disk when the call returns.

use crate::exit;
use crate::invocation::quoted;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The largest file that is read whole, bytes: configuration, keys and pairing lines are far below it.
const SMALL_FILE: u64 = 64 * 1024;

/// What is done with a folder that is not there.
const MAKE: &str = "make";

/// How the name of a file ends that [`replace`] has not put into its place yet.
pub const TEMPORARY: &str = ".new";

/// What went wrong with a file or folder.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system refused.
    #[error("cannot {act} {path}: {source}{hint}", path = path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
        /// What to do, in words that go on the sentence, where that is known.
        hint: String,
    },
    /// Others could read or change a secret.
    #[error("{path} has mode {mode:04o}, so that others can get at the key in it; run: chmod 600 {path}", path = path.display())]
    SecretMode {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Others could swap the files in a folder.
    #[error("{path} has mode {mode:04o}, so that others can change what is in it; run: chmod 700 {path}", path = path.display())]
    FolderMode {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Others could change a file that decides who may do what.
    #[error("{path} has mode {mode:04o}, so that others can change it; run: chmod go-w {path}", path = path.display())]
    FileMode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// More bytes than any file of this kind has.
    #[error("{path} has more than {SMALL_FILE} bytes; it is not a file of this program's", path = .0.display())]
    TooLarge(PathBuf),
    /// Not UTF-8.
    #[error("{path} is not text", path = .0.display())]
    NotText(PathBuf),
}

impl FileError {
    /// The exit code.
    pub fn exit(&self) -> u8 {
        match self {
            Self::SecretMode { .. } | Self::FileMode { .. } | Self::FolderMode { .. } => exit::REFUSED,
            Self::TooLarge(_) | Self::NotText(_) => exit::INTEGRITY,
            Self::Io { .. } => exit::FAILURE,
        }
    }

    /// Whether it may be otherwise at another try: not of a file that is no file of ours, or gone, or that the disk cannot read.
    pub fn is_passing(&self) -> bool {
        let unreadable = rustix::io::Errno::IO.raw_os_error();
        matches!(self, Self::Io { source, .. }
            if source.kind() != io::ErrorKind::NotFound && source.raw_os_error() != Some(unreadable))
    }
}

/// Makes `path` and what is missing above it, 0700, and waits until each is on disk: what is flushed inside would be lost with the
/// name of a folder above it. A folder that exists stays as it is, unless others may write to it.
///
/// # Errors
/// [`FileError::FolderMode`] when others may write to it, [`FileError::Io`]. A folder whose name could not be flushed is taken
/// away again, so that the next try flushes it.
pub fn make_folder(path: &Path) -> Result<(), FileError> {
    let missing = path.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.is_dir());
    for folder in missing.collect::<Vec<_>>().into_iter().rev() {
        match DirBuilder::new().mode(0o700).create(folder) {
            Ok(()) => sync_folder(folder).inspect_err(|_| drop(fs::remove_dir(folder)))?,
            // Another process has made it meanwhile.
            Err(_) if folder.is_dir() => {}
            Err(error) => return Err(failed(MAKE, path)(error)),
        }
    }
    let mode = fs::metadata(path).map_err(failed("look at", path))?.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(FileError::FolderMode { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Writes a file that must not exist yet, 0600, and waits until it is on disk.
///
/// # Errors
/// [`FileError::Io`], also when it exists. What could not be written whole is taken away again.
pub fn write_new(path: &Path, content: &[u8]) -> Result<(), FileError> {
    write_synced(path, content)?;
    sync_folder(path).inspect_err(|_| take_away(path))
}

/// Puts `content` in the place of whatever `path` holds: a reader or a crash sees the old file or the new one, whole.
///
/// Order: write a temporary file, fsync it, rename it over `path`, fsync the folder.
///
/// # Errors
/// [`FileError::Io`]; the old file is then still there. Only if the last step fails is the new one in its place, and a power loss
/// may bring the old one back.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let temporary = temporary(path);
    match fs::remove_file(&temporary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &temporary)(e)),
        Ok(()) | Err(_) => {}
    }
    write_synced(&temporary, content)?;
    fs::rename(&temporary, path).map_err(failed("replace", path))?;
    sync_folder(path)
}

/// Where [`replace`] writes first; a crash may leave that file behind.
pub fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(TEMPORARY);
    path.with_file_name(name)
}

/// Flushes the folder that `path` is in, so that a rename or a new name in it survives a power loss.
///
/// # Errors
/// [`FileError::Io`]
pub fn sync_folder(path: &Path) -> Result<(), FileError> {
    Folder::of(path)?.flush()
}

/// A folder that was opened before names in it change, so that afterwards nothing can fail but its flush.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    file: File,
}

impl Folder {
    /// The folder that `path` is in.
    ///
    /// # Errors
    /// [`FileError::Io`]
    pub fn of(path: &Path) -> Result<Self, FileError> {
        let folder = match path.parent() {
            Some(here) if here.as_os_str().is_empty() => Path::new("."),
            parent => parent.unwrap_or(path),
        };
        let file = File::open(folder).map_err(failed("open", folder))?;
        Ok(Self { path: folder.to_owned(), file })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// As [`sync_folder`].
    ///
    /// # Errors
    /// [`FileError::Io`]; another flush would then succeed whatever is on the disk (fsync(2)).
    pub fn flush(&self) -> Result<(), FileError> {
        self.file.sync_all().map_err(failed("flush", &self.path))
    }
}

/// The text of a small file, or `None` when there is none.
///
/// # Errors
/// [`FileError::TooLarge`], [`FileError::NotText`], [`FileError::Io`]
pub fn read_text(path: &Path) -> Result<Option<String>, FileError> {
    match File::open(path) {
        Ok(file) => read_small(&file, path).map(|text| Some(text.as_str().to_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(failed("read", path)(e)),
    }
}

/// As [`read_text`], for a file that nobody but its owner may change.
///
/// # Errors
/// [`FileError::FileMode`], and as [`read_text`].
pub fn read_guarded(path: &Path) -> Result<Option<String>, FileError> {
    let mode = match fs::metadata(path) {
        Ok(found) => found.mode() & 0o7777,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed("look at", path)(e)),
    };
    if mode & 0o022 != 0 {
        return Err(FileError::FileMode { path: path.to_owned(), mode });
    }
    read_text(path)
}

/// The text of a key file of our own; wiped when dropped.
///
/// # Errors
/// [`FileError::SecretMode`] when group or others have any right on it, and as [`read_text`].
pub fn read_secret(path: &Path) -> Result<Zeroizing<String>, FileError> {
    let file = File::open(path).map_err(failed("read", path))?;
    let mode = file.metadata().map_err(failed("look at", path))?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(FileError::SecretMode { path: path.to_owned(), mode });
    }
    read_small(&file, path)
}

/// The text of a systemd credential; wiped when dropped. Its mode is not judged: systemd guards the folder, and gives a
/// service's user access by an ACL whose mask shows as group rights.
///
/// # Errors
/// As [`read_text`].
pub fn read_credential(path: &Path) -> Result<Zeroizing<String>, FileError> {
    read_small(&File::open(path).map_err(failed("read", path))?, path)
}

/// Locks a file, which is made if there is none, for as long as what is returned lives; `None` when somebody else has it locked.
///
/// # Errors
/// [`FileError::Io`]
pub fn lock(path: &Path) -> Result<Option<File>, FileError> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = file.map_err(failed("open", path))?;
    give_to_folder_owner(&file, path).map_err(failed("hand over", path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed("lock", path)(error)),
    }
}

fn read_small(file: &File, path: &Path) -> Result<Zeroizing<String>, FileError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    file.take(SMALL_FILE + 1).read_to_end(&mut bytes).map_err(failed("read", path))?;
    if bytes.len() as u64 > SMALL_FILE {
        return Err(FileError::TooLarge(path.to_owned()));
    }
    let text = str::from_utf8(&bytes).map_err(|_| FileError::NotText(path.to_owned()))?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn write_synced(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed("create", path))?;
    let given = give_to_folder_owner(&file, path).map_err(failed("hand over", path));
    let written =
        given.and_then(|()| file.write_all(content).and_then(|()| file.sync_all()).map_err(failed("write", path)));
    written.inspect_err(|_| take_away(path))
}

/// Half a file would be in the way of the next try, which says so where this fails too.
fn take_away(path: &Path) {
    drop(fs::remove_file(path));
}

/// A command run by root must not leave files that the service's own user cannot read.
fn give_to_folder_owner(file: &File, path: &Path) -> io::Result<()> {
    let folder = fs::metadata(path.parent().unwrap_or(path))?;
    if rustix::process::geteuid().is_root() && folder.uid() != 0 {
        fchown(file, Some(folder.uid()), Some(folder.gid()))?;
    }
    Ok(())
}

/// Names the act and the path of an operating system's error.
pub fn failed(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| {
        let denied = source.kind() == io::ErrorKind::PermissionDenied;
        let hint = if denied { remedy(act, &path) } else { String::new() };
        FileError::Io { act, path, source, hint }
    }
}

/// What somebody does whom the system denies a file or folder.
fn remedy(act: &str, path: &Path) -> String {
    match fs::metadata(path) {
        Ok(found) if found.uid() == rustix::process::geteuid().as_raw() => {
            format!("; run: chmod u+{} {}", if found.is_dir() { "rwx" } else { "rw" }, quoted(path))
        }
        Ok(found) => format!("; it belongs to user {}: run this command as that user", found.uid()),
        Err(_) if act == MAKE => {
            let missing =
                path.ancestors().take_while(|folder| folder.symlink_metadata().is_err()).last().unwrap_or(path);
            format!("; make it once for your user: sudo install -d -m 700 -o \"$USER\" {}", quoted(missing))
        }
        Err(_) => "; run this command as the user whom the folder belongs to".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn files_and_folders_are_private_from_the_start() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/b");
        make_folder(&folder).unwrap();
        let file = folder.join("f");
        write_new(&file, b"one").unwrap();
        assert_eq!((mode(&root.path().join("a")), mode(&folder), mode(&file)), (0o700, 0o700, 0o600));
        assert!(write_new(&file, b"two").unwrap_err().to_string().contains("cannot create"));
        replace(&file, b"three").unwrap();
        assert_eq!((read_text(&file).unwrap().unwrap().as_str(), mode(&file)), ("three", 0o600));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        assert_eq!(read_text(&folder.join("none")).unwrap(), None);
    }

    #[test]
    fn loose_permissions_are_refused_with_the_command_to_run() {
        let root = tempfile::tempdir().unwrap();
        let key = root.path().join("key.pem");
        write_new(&key, b"secret").unwrap();
        assert_eq!(read_secret(&key).unwrap().as_str(), "secret");
        for loose in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(&key, fs::Permissions::from_mode(loose)).unwrap();
            let error = read_secret(&key).unwrap_err().to_string();
            assert!(error.ends_with(&format!("run: chmod 600 {}", key.display())), "{error}");
            assert!(!error.contains("secret "), "{error}");
        }
        let folder = root.path().join("shared");
        make_folder(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o770)).unwrap();
        assert!(make_folder(&folder).unwrap_err().to_string().contains("run: chmod 700"));
    }

    #[test]
    fn a_file_that_others_can_change_is_not_believed() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("f.toml");
        assert_eq!(read_guarded(&file).unwrap(), None);
        write_new(&file, b"a = 1").unwrap();
        assert_eq!(read_guarded(&file).unwrap().as_deref(), Some("a = 1"));
        for loose in [0o666, 0o620, 0o602] {
            fs::set_permissions(&file, fs::Permissions::from_mode(loose)).unwrap();
            let error = read_guarded(&file).unwrap_err().to_string();
            assert!(error.ends_with(&format!("run: chmod go-w {}", file.display())), "{error}");
        }
    }

    #[test]
    fn a_lock_has_one_holder() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("lock");
        let held = lock(&path).unwrap().unwrap();
        assert!(lock(&path).unwrap().is_none());
        assert_eq!(mode(&path), 0o600);
        drop(held);
        assert!(lock(&path).unwrap().is_some());
        assert!(lock(&root.path().join("none/lock")).unwrap_err().to_string().contains("cannot open"));
    }

    #[test]
    fn only_small_text_is_read() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("f");
        fs::write(&file, vec![b'x'; 64 * 1024 + 1]).unwrap();
        assert!(matches!(read_text(&file), Err(FileError::TooLarge(_))));
        fs::write(&file, [0xff]).unwrap();
        assert!(matches!(read_text(&file), Err(FileError::NotText(_))));
    }
}
