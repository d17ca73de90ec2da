//! The encrypted store: SQLCipher in WAL mode, one writer with group commit, readers beside it.
//!
//! Everything durable in the vault is written through [`transaction::Transaction`], which only the writer's thread holds.

mod item;
mod items;
mod lanes;
mod log;
mod open;
mod payloads;
mod publications;
mod requests;
mod standing;
#[cfg(test)]
mod tests;
mod transaction;
mod writer;

pub(crate) use item::{Item, NewItem};
pub(crate) use items::list as items;
pub use lanes::Lane;
pub(crate) use lanes::list as lanes;
pub(crate) use log::{Tip, frontier, keys_logged, proven};
pub(crate) use open::{OpenError, StoreKey, create, every_file, keep_tidy, open, reader, settle};
pub(crate) use payloads::{Cursor, Upload, UploadError, Uploaded, Verified, check_payloads, preview, redeem};
pub(crate) use publications::{each as each_publication, newest_version};
pub(crate) use requests::{due, filed_today, find, list as requests, nonce, repeats};
pub(crate) use standing::{OwnKeys, begin, read as standing};
pub(crate) use transaction::Ground;
#[cfg(test)]
pub(crate) use transaction::Transaction;
pub use writer::WriteError;
pub(crate) use writer::{Hooks, Writer};

use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Read-only connections, made as needed and kept.
#[derive(Clone)]
pub(crate) struct Readers {
    path: Arc<PathBuf>,
    key: Arc<StoreKey>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

/// More idle readers than this are closed.
const IDLE_READERS: usize = 4;

impl Readers {
    pub(crate) fn new(path: &Path, key: Arc<StoreKey>) -> Self {
        Self { path: Arc::new(path.to_owned()), key, idle: Arc::default() }
    }

    /// Runs `read` on a connection of its own, blocking this thread.
    pub(crate) fn read<T, E: From<rusqlite::Error>>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => reader(&self.path, &self.key)?,
        };
        let result = read(&connection);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_READERS {
            idle.push(connection);
        }
        result
    }
}
