//! The vault's disk, in memory: what was committed outlives the machine.

use super::dice::Dice;
use super::fault::Fault;
use super::power::{Power, Wall};
use super::store::MemoryStore;
use ed25519_dalek::SigningKey;
use node::Surroundings as _;
use shared::ids::{Digest, ItemId, Nonce, RequestId, TicketHash};
use shared::message::Filing;
use shared::tlog::{Frontier, Leaf, Origin};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use tokio::time::Instant;
use vault::driver::{Lane, Told, WriteError};
use vault_core::{Brake, Clock, Going, LaneId, Owners, Record, State};

/// An item that may be asked for.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its title.
    pub title: String,
    /// Its bytes.
    pub payload: Digest,
}

/// A log entry with what it commits to.
#[derive(Debug, Clone)]
pub struct Logged {
    /// The leaf.
    pub leaf: Leaf,
    /// Its salt.
    pub salt: [u8; 32],
    /// Whose it is.
    pub request: Option<RequestId>,
    /// What the leaf commits to.
    pub parts: Vec<Vec<u8>>,
}

/// What is on the disk.
#[derive(Default)]
pub struct Platter {
    /// Each request's record, as JSON, and the one before it.
    pub(super) rows: BTreeMap<TicketHash, (String, Option<String>)>,
    /// The evidence log.
    pub log: Vec<Logged>,
    pub(super) nodes: HashMap<(u8, u64), Digest>,
    pub(super) frontier: Frontier,
    payloads: HashMap<Digest, Arc<Vec<u8>>>,
    /// The owner's items.
    pub items: BTreeMap<ItemId, Item>,
    /// The pairings.
    pub lanes: Vec<Lane>,
    /// Whether releases go on, and what is known of the clock.
    pub(super) standing: Option<(Brake, Clock)>,
}

/// What the vault's state is judged by.
pub struct Ground {
    /// The log's name.
    pub origin: Origin,
    /// Whose signatures count.
    pub owners: Owners,
    /// The same, any of whom is enough; for planted faults.
    pub any: Owners,
    /// Seconds between the last signature and the release.
    pub cooling: u64,
    /// Signs checkpoints.
    pub log_key: SigningKey,
}

/// How often things go wrong, in a thousand commits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Troubles {
    /// The commit fails.
    pub fail: u64,
    /// The power goes, before the commit or after it.
    pub cut: u64,
}

/// What has gone wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mishaps {
    /// Commits that failed.
    pub failed: u64,
    /// Commits that the power went before.
    pub cut_before: u64,
    /// Commits that the power went after, and before anybody was told.
    pub cut_after: u64,
}

/// A filing that the vault has heard and not refused: it has it, or may have.
#[derive(Debug, Clone)]
struct Heard {
    filing: Filing,
    lane: LaneId,
    at: Instant,
}

/// A disk that outlives its machine. Clones share it.
#[derive(Clone)]
pub struct Disk(Arc<DiskInner>);

struct DiskInner {
    platter: Mutex<Platter>,
    ground: Arc<Ground>,
    dice: Mutex<(Dice, Troubles)>,
    mishaps: Mutex<Mishaps>,
    fault: Fault,
    writer: tokio::sync::Mutex<()>,
    heard: Mutex<Vec<Heard>>,
}

impl Disk {
    /// An empty disk.
    pub fn new(ground: Arc<Ground>, dice: Dice, fault: Fault) -> Self {
        let dice = Mutex::new((dice, Troubles::default()));
        let (platter, mishaps, writer) = (Mutex::default(), Mutex::default(), tokio::sync::Mutex::new(()));
        Self(Arc::new(DiskInner { platter, ground, dice, mishaps, fault, writer, heard: Mutex::default() }))
    }

    /// A filing was heard at this instant, and not refused. No part of the disk: the checker looks at it from above.
    pub(super) fn hear(&self, filing: Filing, lane: LaneId, at: Instant) {
        self.heard().push(Heard { filing, lane, at });
    }

    /// Whether this filing was heard from this lane, at this instant or later, and not refused.
    pub fn has_heard(&self, filing: &Filing, lane: LaneId, since: Instant) -> bool {
        self.heard().iter().any(|heard| heard.filing == *filing && heard.lane == lane && heard.at >= since)
    }

    /// Whether this filing, from this lane, is on it.
    pub fn has(&self, filing: &Filing, lane: LaneId) -> bool {
        self.states().iter().any(|state| state.request.filing == *filing && state.request.lane == lane)
    }

    fn heard(&self) -> MutexGuard<'_, Vec<Heard>> {
        self.0.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is on it.
    pub fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.platter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often things go wrong from now on.
    pub fn set_troubles(&self, troubles: Troubles) {
        self.dice().1 = troubles;
    }

    /// What has gone wrong on it.
    pub fn mishaps(&self) -> MutexGuard<'_, Mishaps> {
        self.0.mishaps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every stored request, its release verified again.
    pub fn states(&self) -> Vec<State> {
        self.platter().rows.values().filter_map(|(json, _)| self.restore(json).ok()).collect()
    }

    /// Keeps a payload.
    pub fn keep(&self, payload: Vec<u8>) -> Digest {
        let digest = Digest::of(&payload);
        self.platter().payloads.insert(digest, Arc::new(payload));
        digest
    }

    /// A kept payload.
    pub fn payload(&self, digest: &Digest) -> Option<Arc<Vec<u8>>> {
        self.platter().payloads.get(digest).cloned()
    }

    /// A machine that starts on it: what a planted fault does to it meanwhile is done now.
    pub fn start(&self, power: Power, wall: Arc<Wall>) -> (MemoryStore, mpsc::UnboundedReceiver<TicketHash>) {
        if self.0.fault == Fault::RolledBack {
            let mut platter = self.platter();
            for (now, before) in platter.rows.values_mut() {
                if let Some(before) = before.take() {
                    *now = before;
                }
            }
        }
        let (brake, clock) = self.standing(&wall);
        let forgets = matches!(self.0.fault, Fault::FreezeForgotten | Fault::ServedWhileFrozen);
        let going = if forgets { Going::On } else { brake.going() };
        let (told, to_prepare) = Told::new(&self.states(), None, clock, wall, going);
        (MemoryStore::new(self.clone(), told, power), to_prepare)
    }

    /// Whether releases go on, and what is known of the clock; a new disk begins with them.
    fn standing(&self, wall: &Wall) -> (Brake, Clock) {
        let new = || (Brake::off(self.nonce()), Clock::new(wall.reading()));
        let held = self.platter().standing.clone();
        let standing = held.unwrap_or_else(new);
        self.platter().standing = Some(standing.clone());
        standing
    }

    /// Whether releases go on.
    pub fn brake(&self) -> Option<Brake> {
        self.platter().standing.as_ref().map(|(brake, _)| brake.clone())
    }

    /// What the state is judged by.
    pub fn ground(&self) -> &Ground {
        &self.0.ground
    }

    pub(super) fn fault(&self) -> Fault {
        self.0.fault
    }

    pub(super) fn writer(&self) -> &tokio::sync::Mutex<()> {
        &self.0.writer
    }

    pub(super) fn restore(&self, json: &str) -> Result<State, WriteError> {
        let record: Record = serde_json::from_str(json).map_err(|e| WriteError::Damaged(e.to_string()))?;
        let Ground { origin, owners, any, .. } = &*self.0.ground;
        Ok(record.restore(origin, if self.0.fault == Fault::OwnerCountedTwice { any } else { owners })?)
    }

    pub(super) fn dice(&self) -> MutexGuard<'_, (Dice, Troubles)> {
        self.0.dice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A nonce that nothing has borne before.
    pub fn nonce(&self) -> Nonce {
        Nonce(self.dice().0.bytes())
    }
}
