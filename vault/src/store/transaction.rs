//! One durable step of the vault: state and log entry together.

use super::log::Tip;
use super::writer::{WriteError, stop_if_flush_failed};
use rusqlite::Connection;
use shared::tlog::Frontier;
use std::sync::Arc;
use vault_core::{Authority, Brake, Clock, Commit, Now, Owners};

/// What the writer's thread owns besides the file.
pub(crate) struct Ground {
    pub(crate) vault: shared::tlog::Origin,
    pub(crate) owners: Arc<Owners>,
    /// Seconds between the last signature and the release.
    pub(crate) cooling: u64,
}

/// An open transaction. Rows written through it become durable together, by [`Commit::commit`].
pub(crate) struct Transaction<'a> {
    pub(super) connection: &'a Connection,
    pub(super) ground: &'a Ground,
    /// The log's right edge, as it will be after the commit.
    pub(super) frontier: Frontier,
    /// Whether releases go on, as it will be after the commit.
    pub(super) brake: Brake,
    /// What is known of the clock, as it will be after the commit.
    pub(super) clock: Clock,
    /// The owner has said so: the vault goes by this clock after the commit.
    pub(super) confirmed: bool,
    pub(crate) now: Now,
    /// How much the connection had changed before.
    changes: u64,
}

impl<'a> Transaction<'a> {
    pub(crate) fn begin(
        connection: &'a Connection,
        ground: &'a Ground,
        tip: &Tip,
        brake: Brake,
        (clock, now): (Clock, Now),
    ) -> Result<Self, rusqlite::Error> {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let (frontier, changes) = (tip.frontier().clone(), connection.total_changes());
        Ok(Self { connection, ground, frontier, brake, clock, confirmed: false, now, changes })
    }

    /// What decisions are measured against, at this transaction's instant.
    pub(crate) fn authority(&self) -> Authority<'a> {
        let Ground { vault, owners, cooling } = self.ground;
        Authority::new(vault, owners, *cooling, self.brake.going(), self.now)
    }

    /// Runs `part`, and takes back all of it if it fails, the log's edge, the brake and the clock included.
    ///
    /// SQLite gives up a whole transaction by itself when the disk fails or fills up in its middle. Nothing may run after
    /// that, because it would be committed alone; the batch's commit then fails too.
    pub(super) fn part<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, WriteError>) -> Result<T, WriteError> {
        if self.connection.is_autocommit() {
            return Err(WriteError::Lost);
        }
        let before = (self.frontier.clone(), self.brake.clone(), self.clock, self.confirmed);
        self.connection.execute_batch("SAVEPOINT part")?;
        let result = part(self);
        if let Err(WriteError::Sqlite(error)) = &result {
            stop_if_flush_failed(error);
        }
        let end = if result.is_ok() { "RELEASE part" } else { "ROLLBACK TO part; RELEASE part" };
        if result.is_err() {
            (self.frontier, self.brake, self.clock, self.confirmed) = before;
        }
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch(end)
        {
            // What of it is in the transaction is not known: the whole batch is given up, and its commit fails.
            self.connection.execute_batch("ROLLBACK")?;
            return Err(error.into());
        }
        result
    }
}

/// The only code that commits; returns after the write-ahead log was flushed.
impl Commit for &Transaction<'_> {
    type Error = rusqlite::Error;

    /// With whatever else was written, so that no wait that was begun is measured by an earlier reading after a restart.
    fn commit(self) -> Result<(), rusqlite::Error> {
        node::danger::point("commit:before");
        if !self.connection.is_autocommit() && self.connection.total_changes() > self.changes {
            self.write_clock()?;
        }
        self.connection.execute_batch("COMMIT")?;
        node::danger::point("commit:after");
        Ok(())
    }
}

impl Transaction<'_> {
    /// Gives everything up after a failed commit.
    pub(super) fn abandon(self) {
        if !self.connection.is_autocommit()
            && let Err(e) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!("a failed transaction could not be rolled back: {e}");
        }
    }
}
