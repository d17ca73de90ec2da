//! Items in the store: what the owner keeps, by title.

use super::item::{Item, NewItem};
use super::log::row;
use super::transaction::Transaction;
use super::writer::{Done, WriteError};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use shared::ids::{Digest, ItemId};
use shared::text::Text;
use shared::time::Time;
use vault_core::Unprepared;

impl Transaction<'_> {
    /// Makes an uploaded payload visible, under this title.
    pub(crate) fn add_item(&mut self, new: &NewItem, payload: i64) -> Result<Done<ItemId>, WriteError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| WriteError::Random)?;
        self.connection
            .prepare_cached(
                "INSERT INTO item (id, title, listed, media_type, payload, added_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                id,
                new.title.as_str(),
                new.listed,
                new.media_type.as_str(),
                payload,
                row(self.now.time.unix())
            ])?;
        Ok(Done::quiet(ItemId(id)))
    }
}

const COLUMNS: &str = "SELECT item.id, title, listed, media_type, bytes, sha256, added_at \
                       FROM item JOIN payload ON payload.id = item.payload";

/// Every item, by title.
pub(crate) fn list(connection: &Connection) -> Result<Vec<Item>, rusqlite::Error> {
    let mut rows = connection.prepare_cached(&format!("{COLUMNS} ORDER BY title, item.id"))?;
    rows.query_map([], item)?.collect()
}

/// The item, if it may be asked for.
pub(super) fn listed(connection: &Connection, id: ItemId) -> Result<Result<Item, Unprepared>, rusqlite::Error> {
    let found =
        connection.prepare_cached(&format!("{COLUMNS} WHERE item.id = ?1"))?.query_row([id.0], item).optional()?;
    Ok(match found {
        None => Err(Unprepared::NoItem),
        Some(item) if !item.listed => Err(Unprepared::NotListed),
        Some(item) => Ok(item),
    })
}

fn item(row: &Row<'_>) -> Result<Item, rusqlite::Error> {
    Ok(Item {
        id: ItemId(row.get(0)?),
        title: bounded(row, 1)?,
        listed: row.get(2)?,
        media_type: bounded(row, 3)?,
        bytes: row.get::<_, i64>(4)?.unsigned_abs(),
        sha256: Digest(row.get(5)?),
        added_at: Time::from_unix(row.get::<_, i64>(6)?.unsigned_abs()),
    })
}

fn bounded<const MAX: usize>(row: &Row<'_>, column: usize) -> Result<Text<MAX>, rusqlite::Error> {
    Text::new(row.get::<_, String>(column)?)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(e)))
}
