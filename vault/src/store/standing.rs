//! What is true of the whole vault: whether releases go on, and what is known of the clock.

use super::log::Tip;
use super::requests::nonce;
use super::transaction::{Ground, Transaction};
use super::writer::{Done, WriteError};
use rusqlite::{Connection, params};
use serde::{Serialize, de::DeserializeOwned};
use shared::time::Reading;
use shared::tlog::{LeafKind, VerifierKey};
use vault_core::{Brake, Clock, Commit as _, LogEntry, Owners, Signed};

/// The one row, read at the start.
pub(crate) struct Standing {
    pub(crate) brake: Brake,
    pub(crate) clock: Clock,
}

/// Begins a new store: its first entry names the owners' keys, how many of them must sign, and the vault's own public keys.
pub(crate) fn begin(
    connection: &Connection,
    ground: &Ground,
    own: &OwnKeys,
    tip: &Tip,
    reading: Reading,
) -> Result<(), WriteError> {
    let (brake, clock) = (Brake::off(nonce()?), Clock::new(reading));
    let (clock, now) = clock.read(reading);
    let mut transaction = Transaction::begin(connection, ground, tip, brake.clone(), (clock, now))?;
    let parts = own.named_with(&ground.owners);
    transaction.log(&LogEntry { kind: LeafKind::Keys, time: now.time, parts }, None)?;
    let query = "INSERT INTO standing (id, brake, clock) VALUES (1, ?1, ?2)";
    connection.execute(query, params![json(&brake)?, json(&clock)?])?;
    Ok((&transaction).commit()?)
}

/// The public halves of the keys that the vault holds itself.
pub(crate) struct OwnKeys {
    pub(crate) log: VerifierKey,
    pub(crate) sealing: [u8; 32],
}

impl OwnKeys {
    /// What the log's entry about keys commits to.
    pub(crate) fn named_with(&self, owners: &Owners) -> Vec<Vec<u8>> {
        let own = [self.log.to_string().into_bytes(), self.sealing.to_vec()];
        owners.parts().into_iter().chain(own).collect()
    }
}

impl Transaction<'_> {
    /// Stops every release, or lets them go on, if owners signed that.
    pub(crate) fn turn(&mut self, signed: Signed) -> Result<Done<Brake>, WriteError> {
        let step = self.brake.clone().decide(signed, nonce()?, &self.authority())?;
        if let Some(entry) = step.entry {
            self.log(&entry, None)?;
        }
        self.connection.execute("UPDATE standing SET brake = ?1", [json(&step.next)?])?;
        self.brake = step.next.clone();
        Ok(Done { answer: step.next, shown: Vec::new(), effects: step.effects })
    }

    /// Remembers what is known of the clock, though nothing else is written.
    pub(crate) fn keep_clock(&mut self) -> Result<Done<()>, WriteError> {
        self.write_clock()?;
        Ok(Done::quiet(()))
    }

    pub(super) fn write_clock(&self) -> Result<(), rusqlite::Error> {
        let clock =
            serde_json::to_string(&self.clock).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
        self.connection.prepare_cached("UPDATE standing SET clock = ?1")?.execute([clock])?;
        Ok(())
    }

    /// Goes by `clock` from the commit on, because the owner says that it is right; logged.
    pub(crate) fn confirm_clock(&mut self, clock: &Clock) -> Result<Done<()>, WriteError> {
        let parts = vec![clock.high().to_string().into_bytes()];
        self.log(&LogEntry { kind: LeafKind::Clock, time: clock.high(), parts }, None)?;
        (self.clock, self.confirmed) = (*clock, true);
        self.keep_clock()
    }
}

/// The row.
pub(crate) fn read(connection: &Connection) -> Result<Standing, WriteError> {
    let row = connection.query_row("SELECT brake, clock FROM standing", [], |r| Ok((r.get(0)?, r.get(1)?)));
    let (brake, clock): (String, String) = row?;
    Ok(Standing { brake: value(&brake)?, clock: value(&clock)? })
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<String, WriteError> {
    serde_json::to_string(value).map_err(|e| WriteError::Invalid(e.to_string()))
}

pub(super) fn value<T: DeserializeOwned>(json: &str) -> Result<T, WriteError> {
    serde_json::from_str(json).map_err(|_| WriteError::Damaged("a stored record cannot be read".into()))
}
