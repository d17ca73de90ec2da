//! Publications: every signed version, the newest served.

use super::log::row;
use super::transaction::Transaction;
use super::writer::{Done, WriteError};
use rusqlite::{Connection, OptionalExtension as _, params};
use shared::tlog::LeafKind;
use vault_core::{AfterCommit, LogEntry, Published, Signed};

/// The newest publication, as stored; to be verified before it is served.
pub(crate) struct NewestPublication {
    pub(crate) signed: Signed,
    pub(crate) bundle: Vec<u8>,
}

impl Transaction<'_> {
    /// Verifies and stores a publication above the newest one.
    ///
    /// # Errors
    /// [`vault_core::NotPublished`] inside [`WriteError`].
    pub(crate) fn publish(&mut self, signed: Signed, bundle: Vec<u8>) -> Result<Done<Published>, WriteError> {
        let newest = newest_version(self.connection)?;
        let published = Published::verify(signed, bundle, newest, &self.ground.vault, &self.ground.signers)?;
        let signed = published.signed();
        self.connection.execute(
            "INSERT INTO publication (version, statement, signature, bundle) VALUES (?1, ?2, ?3, ?4)",
            params![row(published.version()), signed.statement, signed.signature, published.bundle()],
        )?;
        let parts = vec![signed.statement.clone().into_bytes(), signed.signature.clone().into_bytes()];
        self.log(&LogEntry { kind: LeafKind::Published, time: self.now, parts }, None)?;
        Ok(Done { answer: published, shown: None, effects: AfterCommit::nothing() })
    }
}

/// The newest version, 0 before the first.
pub(crate) fn newest_version(connection: &Connection) -> Result<u64, rusqlite::Error> {
    connection
        .query_row("SELECT coalesce(max(version), 0) FROM publication", [], |r| r.get::<_, i64>(0))
        .map(i64::unsigned_abs)
}

/// The newest publication, if there is one.
pub(crate) fn newest(connection: &Connection) -> Result<Option<NewestPublication>, rusqlite::Error> {
    let query = "SELECT statement, signature, bundle FROM publication ORDER BY version DESC LIMIT 1";
    connection
        .query_row(query, [], |r| {
            let signed = Signed { statement: r.get(0)?, signature: r.get(1)? };
            Ok(NewestPublication { signed, bundle: r.get(2)? })
        })
        .optional()
}
