//! Opening the encrypted file: the key, the settings, the schema.

use node::files::{self, FileError};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fs::OpenOptions;
use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

/// The store's 256-bit key; no `Debug`, wiped when dropped.
#[derive(ZeroizeOnDrop)]
pub(crate) struct StoreKey([u8; 32]);

impl StoreKey {
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// SQLCipher's raw key form, which skips its password stretching.
    fn pragma(&self) -> Zeroizing<String> {
        let mut hex = shared::ids::hex(&self.0);
        let pragma = Zeroizing::new(format!("PRAGMA key = \"x'{hex}'\";"));
        hex.zeroize();
        pragma
    }
}

const SCHEMA: &str = include_str!("schema.sql");
const VERSION: i64 = 4;
/// Formats that were never released.
const EARLY: RangeInclusive<i64> = 1..=3;

/// Bytes of the write-ahead log that are written again at once.
const PIECE: usize = 1 << 20;

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(
        "there is no store at {0}; restore it from a backup. Only where nothing was ever set up, `vault init` makes it"
    )]
    Missing(PathBuf),
    #[error("there is a store at {0} already; it was left as it is")]
    Exists(PathBuf),
    #[error(
        "the store at {0} does not open with this key: the key is another store's, or the file is damaged. \
         Put the right store key back, or restore the store from a backup"
    )]
    Key(PathBuf),
    #[error("the store at {path} was written by a newer version (format {found}); install that version again")]
    Newer { path: PathBuf, found: i64 },
    #[error(
        "the store at {0} was made by a version before the first release, whose format is not read any more; use that \
         version, or make a new vault with `vault init`"
    )]
    Early(PathBuf),
    #[error(
        "the store at {0} has nothing in it; the file was left as it is. If this vault was ever in use, restore the store from \
         a backup. Only where the very first `vault init` was interrupted, remove what that made and run it again"
    )]
    Empty(PathBuf),
    #[error("the store at {path} is damaged ({what}); restore it from a backup. The file was left as it is")]
    Damaged { path: PathBuf, what: String },
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the store at {path}: {source}")]
    Sqlite { path: PathBuf, source: rusqlite::Error },
}

impl OpenError {
    /// Whether the data itself is in doubt.
    pub(crate) fn is_integrity(&self) -> bool {
        matches!(self, Self::Key(_) | Self::Empty(_) | Self::Damaged { .. })
    }
}

/// The files of the store at `path`: its own, and those that SQLite keeps beside it while it is open.
pub(crate) fn every_file(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|end| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        name.into()
    })
}

/// Makes a new store. The file must not exist, and none is left on an error.
pub(crate) fn create(path: &Path, key: &StoreKey) -> Result<(), OpenError> {
    if path.exists() {
        return Err(OpenError::Exists(path.to_owned()));
    }
    // SQLite takes an empty file for a new database, and its companions get the file's mode: 0600.
    files::write_new(path, b"")?;
    let connection = connect(path, key, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .and_then(|c| settings(&c).map(|()| c))
        .and_then(|c| c.execute_batch(&format!("BEGIN; {SCHEMA} COMMIT;")).map(|()| c));
    connection.and_then(|c| c.close().map_err(|(_, e)| e)).map_err(|e| {
        every_file(path).iter().for_each(|made| drop(std::fs::remove_file(made)));
        explain(path, e)
    })
}

/// The writer's connection to an existing store, checked. Closed before [`keep_tidy`], it leaves both files as they are, so
/// that a store which is refused later is still what it was.
pub(crate) fn open(path: &Path, key: &StoreKey) -> Result<Connection, OpenError> {
    if !path.exists() {
        return Err(OpenError::Missing(path.to_owned()));
    }
    // SQLite takes an empty file, and one of a single byte, for a new database, and removes a write-ahead log beside it, which
    // may hold all there is.
    if path.metadata().map_err(files::failed("look at", path))?.len() <= 1 {
        return Err(OpenError::Empty(path.to_owned()));
    }
    let connection = connect(path, key, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .and_then(|c| c.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map(|_| c))
        .map_err(|e| explain(path, e))?;
    let found =
        connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)).map_err(|e| explain(path, e))?;
    if found > VERSION {
        return Err(OpenError::Newer { path: path.to_owned(), found });
    }
    if EARLY.contains(&found) {
        return Err(OpenError::Early(path.to_owned()));
    }
    if found < VERSION {
        return Err(OpenError::Empty(path.to_owned()));
    }
    settings(&connection).map_err(|e| explain(path, e))?;
    check(path, &connection)?;
    Ok(connection)
}

/// Has the disk take the write-ahead log of the store at `path` once more: to be called when the store has been read and found
/// right, before anybody is told what it holds.
///
/// What the last process wrote and could not flush, or died before it flushed, a start reads from the system's memory as if it
/// were on the disk. No later flush brings it there: after an error the system counts those pages as written. So the same bytes
/// are written again, and flushed. Nothing in the file changes, and a power loss in between leaves what was there before.
pub(crate) fn settle(path: &Path) -> Result<(), FileError> {
    let [_, log, _] = every_file(path);
    let file = match OpenOptions::new().read(true).write(true).open(&log) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(files::failed("open", &log))?,
    };
    let (mut piece, mut at) = (vec![0; PIECE], 0);
    loop {
        let read = file.read_at(&mut piece, at).map_err(files::failed("read", &log))?;
        if read == 0 {
            break;
        }
        file.write_all_at(&piece[..read], at).map_err(files::failed("write", &log))?;
        at += read as u64;
    }
    file.sync_all().map_err(files::failed("flush", &log))?;
    files::sync_folder(&log)
}

/// From now on the connection empties the write-ahead log into the store when it is closed.
pub(crate) fn keep_tidy(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map(drop)
}

/// A connection that can only read.
pub(crate) fn reader(path: &Path, key: &StoreKey) -> Result<Connection, rusqlite::Error> {
    let connection = connect(path, key, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.execute_batch("PRAGMA query_only = ON;")?;
    Ok(connection)
}

fn connect(path: &Path, key: &StoreKey, flags: OpenFlags) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.execute_batch(&key.pragma())?;
    // What SQLCipher would say on standard error by itself is said better by our own errors.
    connection.execute_batch("PRAGMA cipher_log_level = NONE;")?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}

/// An unchecked connection, for what no version of this program would write.
#[cfg(test)]
pub(super) fn connection(path: &Path, key: &StoreKey) -> Connection {
    connect(path, key, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap()
}

/// Durable at each commit; freed pages overwritten; one process owns the file.
fn settings(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON; \
         PRAGMA temp_store = MEMORY;",
    )
}

fn check(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    let verdict = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
        .map_err(|e| explain(path, e))?;
    if verdict == "ok" { Ok(()) } else { Err(OpenError::Damaged { path: path.to_owned(), what: verdict }) }
}

fn explain(path: &Path, source: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::Key(path),
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path, what: source.to_string() },
        _ => OpenError::Sqlite { path, source },
    }
}
