//! Payloads: immutable chunk rows, visible only when whole. Released bytes are read through a [`Permit`]; the owner's own
//! view of a draft is a separate door that leads to the desk alone.

use super::log::row;
use super::transaction::Transaction;
use super::writer::{Done, WriteError, Writer};
use rusqlite::{Connection, OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};
use shared::ids::Digest;
use shared::limits;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use vault_core::Permit;

/// Chunk rows are numbered payload * 1024 + place.
const PLACES: i64 = 1024;

/// A payload on its way in, a chunk a transaction; invisible until [`Upload::finish`].
pub(crate) struct Upload {
    writer: Writer,
    rows: Arc<Rows>,
    place: i64,
    hash: Sha256,
    bytes: u64,
}

/// Why an upload stopped; what was written of it is removed at once.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    #[error("it is over the limit of 64 MiB")]
    TooLarge,
    #[error("a short chunk can only be the last one; nothing was kept")]
    Chunk,
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Upload {
    pub(crate) async fn begin(writer: Writer) -> Result<Self, UploadError> {
        let (payload, _) = writer
            .act(|t| {
                t.connection.execute("INSERT INTO payload (bytes, complete) VALUES (0, 0)", [])?;
                Ok(Done::quiet(t.connection.last_insert_rowid()))
            })
            .await?;
        let rows = Arc::new(Rows { writer: writer.clone(), payload });
        Ok(Self { writer, rows, place: 0, hash: Sha256::new(), bytes: 0 })
    }

    /// Appends at most [`limits::CHUNK`] bytes; every chunk but the last must be full.
    pub(crate) async fn chunk(&mut self, data: Vec<u8>) -> Result<(), UploadError> {
        if !self.bytes.is_multiple_of(limits::CHUNK as u64) {
            return Err(UploadError::Chunk);
        }
        self.bytes += data.len() as u64;
        if self.bytes > limits::ITEM || data.len() > limits::CHUNK {
            return Err(UploadError::TooLarge);
        }
        self.hash.update(&data);
        let id = self.rows.payload * PLACES + self.place;
        self.place += 1;
        self.writer
            .act(move |t| {
                t.connection
                    .prepare_cached("INSERT INTO chunk (id, data) VALUES (?1, ?2)")?
                    .execute(params![id, data])?;
                Ok(Done::quiet(()))
            })
            .await?;
        Ok(())
    }

    /// Hands over the payload for the transaction that makes it visible.
    pub(crate) fn finish(self) -> Uploaded {
        Uploaded { rows: self.rows, sha256: Digest(self.hash.finalize().into()), bytes: self.bytes }
    }
}

/// A whole payload, not yet visible.
#[derive(Clone)]
pub(crate) struct Uploaded {
    rows: Arc<Rows>,
    pub(crate) sha256: Digest,
    pub(crate) bytes: u64,
}

/// An upload's rows. Once nobody is left who could make them visible, they are removed, unless that was done.
struct Rows {
    writer: Writer,
    payload: i64,
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.writer.forget(self.payload);
    }
}

impl Transaction<'_> {
    /// Makes an upload visible; the same bytes are kept once. Returns the payload's row.
    pub(crate) fn keep(&mut self, upload: &Uploaded) -> Result<i64, WriteError> {
        let same = self
            .connection
            .prepare_cached("SELECT id FROM payload WHERE sha256 = ?1 AND complete = 1")?
            .query_row([upload.sha256.0], |r| r.get(0))
            .optional()?;
        if let Some(same) = same {
            return Ok(same);
        }
        let changed = self
            .connection
            .prepare_cached("UPDATE payload SET sha256 = ?1, bytes = ?2, complete = 1 WHERE id = ?3")?
            .execute(params![upload.sha256.0, row(upload.bytes), upload.rows.payload])?;
        if changed == 1 {
            Ok(upload.rows.payload)
        } else {
            Err(WriteError::Invalid("the upload is gone; add it again".into()))
        }
    }

    /// Removes one chunk of an upload, or what remains without any, unless it was made visible. A piece at a time, because the
    /// freed pages are overwritten by way of the write-ahead log, which wants room on the disk.
    pub(super) fn forget_piece(&mut self, payload: i64) -> Result<Done<()>, WriteError> {
        if !is_left(self.connection, payload)? {
            return Ok(Done::quiet(()));
        }
        let piece = "DELETE FROM chunk WHERE id = (SELECT max(id) FROM chunk WHERE id >= ?1 AND id < ?2)";
        let place = [payload * PLACES, (payload + 1) * PLACES];
        if self.connection.prepare_cached(piece)?.execute(place)? == 0 {
            self.connection.execute("DELETE FROM payload WHERE id = ?1", [payload])?;
        }
        Ok(Done::quiet(()))
    }
}

/// Uploads that never became whole.
pub(super) fn left(connection: &Connection) -> Result<Vec<i64>, rusqlite::Error> {
    connection.prepare("SELECT id FROM payload WHERE complete = 0")?.query_map([], |r| r.get(0))?.collect()
}

/// Whether an upload's rows are there and never became visible.
pub(super) fn is_left(connection: &Connection, payload: i64) -> Result<bool, rusqlite::Error> {
    let query = "SELECT complete = 0 FROM payload WHERE id = ?1";
    Ok(connection.prepare_cached(query)?.query_row([payload], |r| r.get(0)).optional()?.unwrap_or(false))
}

/// Where a reader stands in one payload.
#[derive(Clone)]
pub(crate) struct Cursor {
    payload: i64,
    offset: u64,
    bytes: u64,
    /// The hash that each chunk must have, where the payload was verified as a whole.
    verified: Option<Arc<Vec<Digest>>>,
}

/// Payloads whose whole hash was found right since the start, by that hash, with the hash of each of their chunks.
#[derive(Default)]
pub(crate) struct Verified(Mutex<HashMap<Digest, Arc<Vec<Digest>>>>);

/// More than this are forgotten together, and verified again when they are asked for.
const VERIFIED: usize = 1024;

impl Verified {
    fn chunks(&self, connection: &Connection, permit: &Permit, whole: Cursor) -> Result<Arc<Vec<Digest>>, WriteError> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&permit.payload()).cloned();
        if let Some(chunks) = known {
            return Ok(chunks);
        }
        let chunks = Arc::new(verify(connection, permit.payload(), whole)?);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= VERIFIED {
            all.clear();
        }
        all.insert(permit.payload(), chunks.clone());
        Ok(chunks)
    }
}

/// Reads and hashes all of a payload; the hash of each chunk.
fn verify(connection: &Connection, expected: Digest, mut whole: Cursor) -> Result<Vec<Digest>, WriteError> {
    let (mut hash, mut chunks) = (Sha256::new(), Vec::new());
    loop {
        let data = whole.next(connection)?;
        if data.is_empty() {
            break;
        }
        hash.update(&data);
        chunks.push(Digest::of(&data));
    }
    if Digest(hash.finalize().into()) == expected { Ok(chunks) } else { Err(WriteError::Altered) }
}

/// Reads every payload and compares it with its hash, for a start: SQLite's own check does not tell of a damaged page at the
/// end of a long row.
pub(crate) fn check_payloads(connection: &Connection) -> Result<(), WriteError> {
    let mut rows = connection.prepare("SELECT id, sha256, bytes FROM payload WHERE complete = 1")?;
    let rows = rows.query_map([], |r| {
        let bytes = r.get::<_, i64>(2)?.unsigned_abs();
        Ok((Digest(r.get(1)?), Cursor { payload: r.get(0)?, offset: 0, bytes, verified: None }))
    })?;
    for found in rows {
        let (sha256, whole) = found?;
        verify(connection, sha256, whole)?;
    }
    Ok(())
}

/// Opens a released payload, in exchange for its permit. All of it is read and hashed once before the first byte is given
/// out, and each chunk again as it goes, so that whatever happens to the store, only what the owner signed leaves.
pub(crate) fn redeem(connection: &Connection, permit: Permit, known: &Verified) -> Result<Option<Cursor>, WriteError> {
    let Some(whole) = cursor(connection, permit.payload(), permit.bytes())? else { return Ok(None) };
    // The receipt alone is wanted: no byte of the payload leaves.
    let chunks = if permit.offset() == permit.bytes() {
        Arc::default()
    } else {
        known.chunks(connection, &permit, whole.clone())?
    };
    Ok(Some(Cursor { offset: permit.offset(), verified: Some(chunks), ..whole }))
}

/// Opens a draft for the owner's own eyes; only the desk calls this, and the owner's process hashes what it gets.
pub(crate) fn preview(connection: &Connection, draft: &vault_core::Draft) -> Result<Option<Cursor>, rusqlite::Error> {
    cursor(connection, draft.payload, draft.bytes)
}

fn cursor(connection: &Connection, sha256: Digest, bytes: u64) -> Result<Option<Cursor>, rusqlite::Error> {
    let found = connection
        .prepare_cached("SELECT id FROM payload WHERE sha256 = ?1 AND bytes = ?2 AND complete = 1")?
        .query_row(params![sha256.0, row(bytes)], |r| r.get(0))
        .optional()?;
    Ok(found.map(|payload| Cursor { payload, offset: 0, bytes, verified: None }))
}

impl Cursor {
    /// The next piece, at most a chunk; empty at the end.
    pub(crate) fn next(&mut self, connection: &Connection) -> Result<Vec<u8>, WriteError> {
        if self.offset >= self.bytes {
            return Ok(Vec::new());
        }
        let place = self.offset / limits::CHUNK as u64;
        let id = self.payload * PLACES + row(place);
        let mut data: Vec<u8> =
            connection.prepare_cached("SELECT data FROM chunk WHERE id = ?1")?.query_row([id], |r| r.get(0))?;
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        if self.verified.as_ref().is_some_and(|chunks| chunks.get(place) != Some(&Digest::of(&data))) {
            return Err(WriteError::Altered);
        }
        let inside = usize::try_from(self.offset % limits::CHUNK as u64).unwrap_or(usize::MAX);
        if inside >= data.len() {
            return Err(WriteError::Altered);
        }
        data.drain(..inside);
        self.offset += data.len() as u64;
        Ok(data)
    }
}
