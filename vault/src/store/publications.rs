//! Publications: every signed version, the newest served.

use super::log::row;
use super::standing::{json, value};
use super::transaction::Transaction;
use super::writer::{Done, WriteError};
use rusqlite::{Connection, params};
use shared::tlog::LeafKind;
use vault_core::{AfterCommit, LogEntry, Published, Signed};

/// A publication as stored; to be verified before it is served.
pub(crate) struct StoredPublication {
    pub(crate) signed: Signed,
    pub(crate) bundle: Vec<u8>,
}

impl Transaction<'_> {
    /// Verifies and stores a publication above the newest one, if releases go on and the clock can be believed.
    ///
    /// # Errors
    /// [`vault_core::NotPublished`] inside [`WriteError`].
    pub(crate) fn publish(&mut self, signed: Signed, bundle: Vec<u8>) -> Result<Done<Published>, WriteError> {
        let newest = newest_version(self.connection)?;
        let published = Published::decide(signed, bundle, newest, &self.authority())?;
        self.connection.execute(
            "INSERT INTO publication (version, signed, bundle) VALUES (?1, ?2, ?3)",
            params![row(published.version()), json(published.signed())?, published.bundle()],
        )?;
        let parts = published.signed().parts();
        self.log(&LogEntry { kind: LeafKind::Published, time: self.now.time, parts }, None)?;
        Ok(Done { answer: published, shown: Vec::new(), effects: AfterCommit::nothing() })
    }
}

/// The newest version, 0 before the first.
pub(crate) fn newest_version(connection: &Connection) -> Result<u64, rusqlite::Error> {
    connection
        .query_row("SELECT coalesce(max(version), 0) FROM publication", [], |r| r.get::<_, i64>(0))
        .map(i64::unsigned_abs)
}

/// Every publication, oldest first, handed to `take` one at a time.
pub(crate) fn each<E: From<WriteError>>(
    connection: &Connection,
    mut take: impl FnMut(StoredPublication) -> Result<(), E>,
) -> Result<(), E> {
    let mut rows =
        connection.prepare("SELECT signed, bundle FROM publication ORDER BY version").map_err(WriteError::from)?;
    let mut rows = rows.query([]).map_err(WriteError::from)?;
    while let Some(r) = rows.next().map_err(WriteError::from)? {
        let signed: String = r.get(0).map_err(WriteError::from)?;
        let bundle = r.get(1).map_err(WriteError::from)?;
        take(StoredPublication { signed: value(&signed)?, bundle })?;
    }
    Ok(())
}
