//! The evidence log's rows, its tip in memory, and proofs for receipts.

use super::WriteError;
use super::transaction::Transaction;
use rusqlite::{Connection, params};
use shared::ids::{Digest, RequestId};
use shared::tlog::{self, Checkpoint, Frontier, Leaf, LeafKind, Node, Origin};
use vault_core::LogEntry;

/// The log as last committed: its right edge, and the checkpoint signed over it.
#[derive(Clone)]
pub(crate) struct Tip {
    frontier: Frontier,
    /// A signed note (C2SP tlog-checkpoint).
    pub(crate) note: String,
}

impl Tip {
    /// Signs the checkpoint that covers `frontier`.
    pub(crate) fn sign(frontier: Frontier, origin: &Origin, key: &ed25519_dalek::SigningKey) -> Self {
        let checkpoint = Checkpoint { origin: origin.clone(), size: frontier.size(), root: frontier.root() };
        Self { note: tlog::sign_checkpoint(&checkpoint, key), frontier }
    }

    pub(crate) fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    pub(crate) fn size(&self) -> u64 {
        self.frontier.size()
    }
}

/// A logged entry with what proves it under a tip.
pub(crate) struct Proven {
    pub(crate) leaf: Leaf,
    pub(crate) index: u64,
    pub(crate) salt: [u8; 32],
    pub(crate) path: Vec<Digest>,
    /// The checkpoint over the tree that ends with this entry.
    pub(crate) note: String,
}

impl Transaction<'_> {
    /// Appends `entry`, with a fresh salt, in this transaction; the index is its place in the log.
    pub(crate) fn log(&mut self, entry: &LogEntry, request: Option<RequestId>) -> Result<u64, super::WriteError> {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).map_err(|_| super::WriteError::Random)?;
        let parts: Vec<&[u8]> = entry.parts.iter().map(Vec::as_slice).collect();
        let leaf = Leaf { time: entry.time, kind: entry.kind, commitment: tlog::commitment(&salt, &parts) };
        let bytes = leaf.bytes();
        let index = self.frontier.size();
        self.connection
            .prepare_cached("INSERT INTO leaf (idx, leaf, salt, request) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![row(index), bytes, salt, request.map(|r| r.0)])?;
        for Node { level, index, hash } in self.frontier.append(leaf.hash()) {
            self.connection
                .prepare_cached("INSERT INTO node (level, idx, hash) VALUES (?1, ?2, ?3)")?
                .execute(params![level, row(index), hash.0])?;
        }
        Ok(index)
    }
}

/// The log's right edge, after every leaf was read, hashed again and compared with every node of the tree: what a start
/// accepts of a log has no byte that nothing vouches for.
pub(crate) fn frontier(connection: &Connection) -> Result<Frontier, String> {
    let mut edge = Frontier::new();
    let mut leaves = connection.prepare("SELECT idx, leaf FROM leaf ORDER BY idx").map_err(|e| e.to_string())?;
    let mut leaves = leaves.query([]).map_err(|e| e.to_string())?;
    while let Some(found) = leaves.next().map_err(|e| e.to_string())? {
        let index = edge.size();
        let (place, bytes) = (found.get::<_, i64>(0), found.get::<_, Vec<u8>>(1));
        let (place, bytes) = (place.map_err(|e| e.to_string())?, bytes.map_err(|e| e.to_string())?);
        if place != row(index) {
            return Err(format!("entry {index} is missing"));
        }
        let leaf = Leaf::parse(&bytes).map_err(|e| format!("entry {index}: {e}"))?;
        for Node { level, index, hash } in edge.append(leaf.hash()) {
            if node(connection, level, index).map_err(|e| format!("a tree node is missing: {e}"))? != hash {
                return Err(format!("node {index} of level {level} is not the hash of what is below it"));
            }
        }
    }
    // A tree of n leaves has 2n complete nodes, less one for each of its peaks.
    let wanted = 2 * edge.size() - edge.peaks().len() as u64;
    let stored = connection.query_row("SELECT count(*) FROM node", [], |r| r.get(0)).map(i64::unsigned_abs);
    match stored.map_err(|e| e.to_string())? {
        stored if stored == wanted => Ok(edge),
        stored => Err(format!("the tree has {stored} nodes, and its entries make {wanted}")),
    }
}

/// The right edge that the log had at `size` leaves.
fn frontier_at(connection: &Connection, size: u64) -> Result<Frontier, String> {
    let mut peaks = Vec::new();
    let mut start = 0;
    for level in (0..64u8).rev().filter(|level| size >> level & 1 == 1) {
        peaks.push(node(connection, level, start >> level).map_err(|e| format!("a tree node is missing: {e}"))?);
        start += 1 << level;
    }
    Frontier::restore(size, peaks).map_err(|e| e.to_string())
}

fn node(connection: &Connection, level: u8, index: u64) -> Result<Digest, rusqlite::Error> {
    connection
        .prepare_cached("SELECT hash FROM node WHERE level = ?1 AND idx = ?2")?
        .query_row(params![level, row(index)], |r| r.get(0).map(Digest))
}

/// The entry of `kind` for `request` that commits to `parts`, with its proof in the tree that ends with it: whoever holds the
/// proof learns nothing of what was logged later, and gets the same one each time. The oldest entries are read first, so that
/// none that came later is read at all, and the time that it takes tells nothing of them.
pub(crate) fn proven(
    connection: &Connection,
    request: RequestId,
    kind: LeafKind,
    parts: &[&[u8]],
    sign: impl FnOnce(Frontier) -> Tip,
) -> Result<Option<Proven>, WriteError> {
    let mut rows = connection.prepare_cached("SELECT idx, leaf, salt FROM leaf WHERE request = ?1 ORDER BY idx")?;
    let rows = rows.query_map([request.0], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, Vec<u8>>(1)?, r.get(2)?)))?;
    for found in rows {
        let (index, bytes, salt) = found?;
        let Ok(leaf) = Leaf::parse(&bytes) else { continue };
        if leaf.kind == kind && leaf.commitment == tlog::commitment(&salt, parts) {
            let index = index.unsigned_abs();
            let tip = sign(frontier_at(connection, index + 1).map_err(WriteError::Damaged)?);
            let path = tlog::inclusion(index, tip.size(), |level, index| node(connection, level, index))?;
            return Ok(Some(Proven { leaf, index, salt, path, note: tip.note }));
        }
    }
    Ok(None)
}

/// Whether the log's newest entry about keys commits to exactly these parts.
pub(crate) fn keys_logged(connection: &Connection, parts: &[Vec<u8>]) -> Result<bool, rusqlite::Error> {
    let mut rows = connection.prepare("SELECT leaf, salt FROM leaf WHERE request IS NULL ORDER BY idx DESC")?;
    let rows = rows.query_map([], |r| Ok((r.get::<_, Vec<u8>>(0)?, r.get::<_, [u8; 32]>(1)?)))?;
    for found in rows {
        let (bytes, salt) = found?;
        if let Ok(Leaf { kind: LeafKind::Keys, commitment, .. }) = Leaf::parse(&bytes) {
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            return Ok(commitment == tlog::commitment(&salt, &parts));
        }
    }
    Ok(false)
}

/// SQLite's integers are signed; every index and size here stays far below 2^63.
pub(super) fn row(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
