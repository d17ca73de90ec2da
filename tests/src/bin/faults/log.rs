//! A vault's log and store, read from outside with the store's key, and written to where a fault is planted.

use rusqlite::{Connection, OpenFlags, params};
use shared::ids::hex;
use shared::receipt::{LogProof, Receipt};
use shared::tlog::{Frontier, Leaf, LeafKind, Node};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// Every entry, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Vec<Row>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    leaf: Vec<u8>,
    salt: Vec<u8>,
    request: Option<String>,
}

/// Opens the store below `home` with its key.
pub(crate) fn open(home: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let state = home.join("state");
    let key = fs::read_to_string(state.join("store-key.hex")).unwrap();
    let connection = Connection::open_with_flags(state.join("store.db"), flags)?;
    connection.execute_batch(&format!("PRAGMA key = \"x'{}'\"", key.trim()))?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}

impl Log {
    /// The log below `home`, also beside a running vault: such a connection never writes.
    pub(crate) fn read(home: &Path) -> rusqlite::Result<Self> {
        let store = open(home, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut rows = store.prepare("SELECT leaf, salt, request FROM leaf ORDER BY idx")?;
        let rows = rows.query_map([], |r| {
            let request = r.get::<_, Option<Vec<u8>>>(2)?.map(|id| hex(&id));
            Ok(Row { leaf: r.get(0)?, salt: r.get(1)?, request })
        })?;
        rows.collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the entry that a receipt is about stands where the receipt says.
    pub(crate) fn holds(&self, receipt: &Receipt) -> bool {
        let index = LogProof::parse(&receipt.proof).ok().and_then(|proof| usize::try_from(proof.index).ok());
        index.and_then(|index| self.0.get(index)).is_some_and(|row| row.leaf == receipt.leaf().bytes())
    }

    pub(crate) fn continues(&self, earlier: &Self) -> bool {
        self.0.starts_with(&earlier.0)
    }

    /// The kinds of entry of each request.
    pub(crate) fn requests(&self) -> HashMap<&str, Vec<LeafKind>> {
        let mut all: HashMap<&str, Vec<LeafKind>> = HashMap::new();
        for row in &self.0 {
            if let (Some(id), Some(kind)) = (row.request.as_deref(), row.kind()) {
                all.entry(id).or_default().push(kind);
            }
        }
        all
    }

    /// Without the first entry of this kind for a request; whose that was.
    pub(crate) fn drop_first(&mut self, kind: LeafKind) -> Option<String> {
        let at = self.0.iter().position(|row| row.kind() == Some(kind) && row.request.is_some())?;
        self.0.remove(at).request
    }

    /// With the first entry of this kind for a request once more at the end; whose that is.
    pub(crate) fn double_first(&mut self, kind: LeafKind) -> Option<String> {
        let row = self.0.iter().find(|row| row.kind() == Some(kind) && row.request.is_some())?.clone();
        self.0.push(row.clone());
        row.request
    }

    /// Puts this log in the place of the one below `home`, with a tree that fits it: a forger who has the key.
    pub(crate) fn forge(&self, home: &Path) -> rusqlite::Result<()> {
        let mut store = open(home, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let transaction = store.transaction()?;
        transaction.execute_batch("DELETE FROM leaf; DELETE FROM node;")?;
        let mut edge = Frontier::new();
        for (index, row) in self.0.iter().enumerate() {
            let request = row.request.as_ref().map(|id| shared::ids::unhex::<16>(id).unwrap());
            let values = params![index as i64, row.leaf, row.salt, request];
            transaction.execute("INSERT INTO leaf (idx, leaf, salt, request) VALUES (?1, ?2, ?3, ?4)", values)?;
            for Node { level, index, hash } in edge.append(shared::tlog::leaf_hash(&row.leaf)) {
                let values = params![level, index as i64, hash.0];
                transaction.execute("INSERT INTO node (level, idx, hash) VALUES (?1, ?2, ?3)", values)?;
            }
        }
        transaction.commit()
    }
}

impl Row {
    fn kind(&self) -> Option<LeafKind> {
        Leaf::parse(&self.leaf).ok().map(|leaf| leaf.kind)
    }
}
