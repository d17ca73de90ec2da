//! Paired receptions.

use super::log::row;
use super::transaction::Transaction;
use super::writer::{Done, WriteError};
use rusqlite::{Connection, OptionalExtension as _, params};
use shared::pairing::ReceptionLine;
use shared::time::Time;
use shared::tlog::LeafKind;
use vault_core::{LaneId, LogEntry};

/// A paired reception.
#[derive(Debug, Clone)]
pub struct Lane {
    /// Its number in the store.
    pub id: LaneId,
    /// What it said of itself.
    pub line: ReceptionLine,
    /// Since when.
    pub paired_at: Time,
}

impl Transaction<'_> {
    /// Pairs a reception, or takes its new address; logs the line.
    pub(crate) fn pair(&mut self, line: &ReceptionLine) -> Result<Done<LaneId>, WriteError> {
        let text = line.to_string();
        let same: Option<i64> = self
            .connection
            .query_row("SELECT id FROM lane WHERE line = ?1 AND active = 1", [&text], |r| r.get(0))
            .optional()?;
        if let Some(id) = same {
            return Ok(Done::quiet(LaneId(id)));
        }
        let taken = |lane: &Lane| lane.line.name == line.name && lane.line.pin != line.pin;
        if list(self.connection)?.iter().any(taken) {
            return Err(WriteError::Invalid(format!(
                "another reception named {} is paired; end that pairing with `vault unpair {}`, or give this one another name",
                line.name, line.name
            )));
        }
        self.connection.execute(
            "INSERT INTO lane (pin, line, paired_at, active) VALUES (?1, ?2, ?3, 1) \
             ON CONFLICT (pin) DO UPDATE SET line = ?2, paired_at = ?3, active = 1",
            params![line.pin.0, text, row(self.now.time.unix())],
        )?;
        let id = self.connection.query_row("SELECT id FROM lane WHERE pin = ?1", [line.pin.0], |r| r.get(0))?;
        self.log(&LogEntry { kind: LeafKind::Paired, time: self.now.time, parts: vec![text.into_bytes()] }, None)?;
        Ok(Done::quiet(LaneId(id)))
    }

    /// Ends a pairing by name; requests that came through it stay.
    pub(crate) fn unpair(&mut self, name: &str) -> Result<Done<LaneId>, WriteError> {
        let lanes = list(self.connection)?;
        let lane = lanes.into_iter().find(|lane| lane.line.name.as_str() == name).ok_or_else(|| {
            WriteError::Invalid("no reception of that name is paired; `vault receptions` lists them".into())
        })?;
        self.connection.execute("UPDATE lane SET active = 0 WHERE id = ?1", [lane.id.0])?;
        let parts = vec![lane.line.to_string().into_bytes()];
        self.log(&LogEntry { kind: LeafKind::Unpaired, time: self.now.time, parts }, None)?;
        Ok(Done::quiet(lane.id))
    }
}

/// The active pairings, oldest first.
pub(crate) fn list(connection: &Connection) -> Result<Vec<Lane>, WriteError> {
    let mut rows = connection.prepare_cached("SELECT id, line, paired_at FROM lane WHERE active = 1 ORDER BY id")?;
    let rows = rows.query_map([], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?, r.get::<_, i64>(2)?)))?;
    rows.map(|row| {
        let (id, line, paired_at) = row?;
        let line = line.parse().map_err(|e| WriteError::Damaged(format!("a stored pairing cannot be read: {e}")))?;
        Ok(Lane { id: LaneId(id), line, paired_at: Time::from_unix(paired_at.unsigned_abs()) })
    })
    .collect()
}
