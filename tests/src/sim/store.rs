//! The vault's store, in memory: the release core decides, a commit writes, and only then is anybody told, as on a real
//! disk. What was committed outlives the machine; a commit may fail, and the power may go before or after it.

use super::dice::Dice;
use super::fault::Fault;
use super::power::{Power, Wall};
use ed25519_dalek::SigningKey;
use node::Surroundings as _;
use shared::ids::{Digest, ItemId, Nonce, RequestId, TicketHash};
use shared::message::{Filing, Subject, VisitorAnswer};
use shared::receipt::{Format, Kind, LogProof, Receipt};
use shared::text::Text;
use shared::time::Time;
use shared::tlog::{self, Checkpoint, Frontier, Leaf, LeafKind, Node, Origin, Salt, VerifierKey};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::sleep;
use vault::driver::{Lane, Store, Told, WriteError};
use vault_core::{
    AfterCommit, Authority, Before, Clock, Commit, Count, Draft, Effect, Going, Input, LaneId, LogEntry, Owners,
    Permit, Record, Rejected, Signed, Stage, State, Words, contact, likeness,
};

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
    pub request: RequestId,
    /// What the leaf commits to.
    pub parts: Vec<Vec<u8>>,
}

/// What is on the disk.
#[derive(Default)]
pub struct Platter {
    /// Each request's record, as JSON, and the one before it.
    rows: BTreeMap<TicketHash, (String, Option<String>)>,
    /// The evidence log.
    pub log: Vec<Logged>,
    nodes: HashMap<(u8, u64), Digest>,
    frontier: Frontier,
    payloads: HashMap<Digest, Arc<Vec<u8>>>,
    /// The owner's items.
    pub items: BTreeMap<ItemId, Item>,
    /// The pairings.
    pub lanes: Vec<Lane>,
    /// What is known of the clock.
    clock: Option<Clock>,
}

/// What the vault's state is judged by.
pub struct Ground {
    /// The log's name.
    pub origin: Origin,
    /// The owner's keys.
    pub owners: Owners,
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
}

impl Disk {
    /// An empty disk.
    pub fn new(ground: Arc<Ground>, dice: Dice, fault: Fault) -> Self {
        let dice = Mutex::new((dice, Troubles::default()));
        let (platter, mishaps, writer) = (Mutex::default(), Mutex::default(), tokio::sync::Mutex::new(()));
        Self(Arc::new(DiskInner { platter, ground, dice, mishaps, fault, writer }))
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
    pub fn start(
        &self,
        power: Power,
        wall: Arc<Wall>,
    ) -> (MemoryStore, tokio::sync::mpsc::UnboundedReceiver<TicketHash>) {
        if self.0.fault == Fault::RolledBack {
            let mut platter = self.platter();
            for (now, before) in platter.rows.values_mut() {
                if let Some(before) = before.take() {
                    *now = before;
                }
            }
        }
        let clock = *self.platter().clock.get_or_insert_with(|| Clock::set(wall.reading()));
        let (told, to_prepare) = Told::new(&self.states(), None, clock, wall, Going::On);
        (MemoryStore { disk: self.clone(), told, power }, to_prepare)
    }

    fn restore(&self, json: &str) -> Result<State, WriteError> {
        let record: Record = serde_json::from_str(json).map_err(|e| WriteError::Invalid(e.to_string()))?;
        Ok(record.restore(&self.0.ground.origin, &self.0.ground.owners)?)
    }

    fn dice(&self) -> MutexGuard<'_, (Dice, Troubles)> {
        self.0.dice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that nothing has borne before.
    pub fn nonce(&self) -> Nonce {
        Nonce(self.dice().0.bytes())
    }
}

/// The driver's store: the disk, as one running machine sees it.
#[derive(Clone)]
pub struct MemoryStore {
    disk: Disk,
    /// Who is told after commits.
    pub told: Told,
    power: Power,
}

/// What one transaction writes.
struct Writing<'a> {
    store: &'a MemoryStore,
    row: Option<(TicketHash, String)>,
    entry: Option<(RequestId, LogEntry)>,
}

impl Commit for Writing<'_> {
    type Error = WriteError;

    fn commit(self) -> Result<(), WriteError> {
        let disk = &self.store.disk;
        let (fails, cut, lost) = {
            let mut dice = disk.dice();
            let troubles = dice.1;
            let lost = disk.0.fault == Fault::LostWrite && dice.0.chance(150);
            (dice.0.chance(troubles.fail), dice.0.chance(troubles.cut), lost)
        };
        let after = disk.dice().0.chance(500);
        if cut && !after {
            disk.mishaps().cut_before += 1;
            self.store.power.cut();
        }
        if !self.store.power.is_on() {
            return Err(WriteError::Stopping);
        }
        if fails {
            disk.mishaps().failed += 1;
            return Err(WriteError::Lost);
        }
        let store = self.store;
        if !lost {
            self.write();
        }
        if cut {
            store.disk.mishaps().cut_after += 1;
            store.power.cut();
            return Err(WriteError::Stopping);
        }
        Ok(())
    }
}

impl Writing<'_> {
    fn write(self) {
        let disk = &self.store.disk;
        let salt = disk.dice().0.bytes();
        let mut platter = disk.platter();
        if let Some((ticket, json)) = self.row {
            let before = platter.rows.remove(&ticket).map(|(json, _)| json);
            platter.rows.insert(ticket, (json, before));
        }
        let Some((request, entry)) = self.entry else { return };
        if disk.0.fault == Fault::Unlogged && entry.kind == LeafKind::Approved {
            return;
        }
        let parts: Vec<&[u8]> = entry.parts.iter().map(Vec::as_slice).collect();
        let leaf = Leaf { time: entry.time, kind: entry.kind, commitment: tlog::commitment(&salt, &parts) };
        for Node { level, index, hash } in platter.frontier.append(leaf.hash()) {
            platter.nodes.insert((level, index), hash);
        }
        platter.log.push(Logged { leaf, salt, request, parts: entry.parts });
    }
}

impl MemoryStore {
    /// One durable step, and what follows from it.
    async fn act(
        &self,
        decide: impl FnOnce(&Self, &Authority<'_>) -> Result<Option<vault_core::Step>, WriteError>,
    ) -> Result<Vec<Effect>, WriteError> {
        let _writer = self.disk.0.writer.lock().await;
        let wait = self.disk.dice().0.from(1..15);
        sleep(Duration::from_millis(wait)).await;
        if !self.power.is_on() {
            return Err(WriteError::Stopping);
        }
        let ground = &self.disk.0.ground;
        let by = Authority::new(&ground.origin, &ground.owners, 0, Going::On, self.told.now());
        let Some(step) = decide(self, &by)? else { return Ok(Vec::new()) };
        let (ticket, shown) = (step.next.ticket(), step.next.shown());
        let json = serde_json::to_string(&Record::from(&step.next)).map_err(|e| WriteError::Invalid(e.to_string()))?;
        let logged = step.entry.map(|entry| (step.next.request.id(), entry));
        let row = logged.is_some().then_some((ticket, json));
        let writing = Writing { store: self, row, entry: logged };
        let effects = self.open(step.effects, writing).await?;
        self.told.shown(ticket, shown);
        let (permits, rest): (Vec<_>, Vec<_>) = effects.into_iter().partition(|e| matches!(e, Effect::Serve(_)));
        rest.into_iter().for_each(|effect| self.told.effect(effect));
        Ok(permits)
    }

    /// Commits, and opens what was sealed; or, with a fault planted, opens it first.
    async fn open(&self, sealed: AfterCommit<Vec<Effect>>, writing: Writing<'_>) -> Result<Vec<Effect>, WriteError> {
        let (fault, collected) = (self.disk.0.fault, writing.entry.as_ref());
        let collected = collected.is_some_and(|(_, entry)| entry.kind == LeafKind::Collected);
        let late = if fault == Fault::ToldBeforeCommit {
            Some(Duration::from_millis(400))
        } else if fault == Fault::CountedLate && collected {
            Some(Duration::from_secs(3))
        } else {
            None
        };
        let Some(late) = late else { return sealed.open(writing) };
        let (store, row, entry) = (self.clone(), writing.row, writing.entry);
        tokio::spawn(async move {
            sleep(late).await;
            // Whoever was told of it has been told.
            drop(Writing { store: &store, row, entry }.commit());
        });
        sealed.open(Nothing)
    }

    fn state(&self, ticket: TicketHash) -> Result<Option<State>, WriteError> {
        let json = self.disk.platter().rows.get(&ticket).map(|(json, _)| json.clone());
        json.map(|json| self.disk.restore(&json)).transpose()
    }
}

/// A commit of nothing.
struct Nothing;

impl Commit for Nothing {
    type Error = WriteError;
    fn commit(self) -> Result<(), WriteError> {
        Ok(())
    }
}

/// Where a reader stands.
pub struct Cursor {
    bytes: Arc<Vec<u8>>,
    offset: usize,
}

impl Store for MemoryStore {
    type Cursor = Cursor;

    async fn file(&self, filing: Filing, lane: LaneId) -> Result<(), WriteError> {
        let file = move |store: &Self, by: &Authority<'_>| {
            if let Some(old) = store.state(filing.ticket)? {
                let same = old.request.filing == filing && old.request.lane == lane;
                return if same { Ok(None) } else { Err(WriteError::Conflict) };
            }
            let before = store.before(&filing, lane, by.now.time);
            let step = vault_core::file(filing, lane, &before, store.disk.nonce(), by.now).map_err(Rejected::Full)?;
            Ok(Some(step))
        };
        self.act(file).await.map(drop)
    }

    async fn decide(&self, ticket: TicketHash, input: Input) -> Result<Vec<Effect>, WriteError> {
        self.act(move |store, by| {
            let state = store.state(ticket)?.ok_or(WriteError::NoRequest)?;
            Ok(Some(vault_core::decide(state, input, by)?))
        })
        .await
    }

    async fn answer(&self, ticket: TicketHash, question: Nonce, answer: VisitorAnswer) -> Result<(), WriteError> {
        self.act(move |store, by| {
            let state = store.state(ticket)?.ok_or(WriteError::NoRequest)?;
            let input = Input::Answered { question, answer, fresh: store.disk.nonce() };
            Ok(Some(vault_core::decide(state, input, by)?))
        })
        .await
        .map(drop)
    }

    async fn words(&self, request: RequestId) -> Result<Option<Receipt>, WriteError> {
        let state = self.disk.states().into_iter().find(|s| s.request.id() == request);
        let Some(spoken) = state.as_ref().and_then(State::words) else { return Ok(None) };
        let (leaf, kind) = match spoken.words() {
            Words::Question(..) => (LeafKind::Asked, Kind::Asked),
            Words::Refusal(_) => (LeafKind::Refused, Kind::Refused),
        };
        self.receipt(request, leaf, kind, spoken.signed()).map(Some)
    }

    async fn keep_clock(&self, clock: Clock) -> Result<(), WriteError> {
        self.write_clock(clock).await
    }

    async fn prepare(&self, ticket: TicketHash) -> Result<(), WriteError> {
        let prepare = move |store: &Self, by: &Authority<'_>| {
            let state = store.state(ticket)?.ok_or(WriteError::NoRequest)?;
            let Subject::Item(item) = state.request.filing.subject else { return Ok(None) };
            let item = store.disk.platter().items.get(&item).cloned();
            let input = match item {
                None => Input::Unprepared { why: vault_core::Unprepared::NoItem, fresh: store.disk.nonce() },
                Some(item) => {
                    let line = vault_core::Line::Item(item.title);
                    Input::Prepared(store.draft(line, item.payload, by.now.time)?)
                }
            };
            Ok(Some(vault_core::decide(state, input, by)?))
        };
        self.act(prepare).await.map(drop)
    }

    async fn due(&self, now: Time) -> Result<Vec<TicketHash>, WriteError> {
        let states = self.disk.states();
        Ok(states.iter().filter(|s| s.ends_at().is_some_and(|end| end <= now)).map(State::ticket).collect())
    }

    async fn open(&self, permit: Permit, request: RequestId) -> Result<(Receipt, Cursor), WriteError> {
        let states = self.disk.states();
        let state = states.into_iter().find(|s| s.request.id() == request);
        let Some(Stage::Released(release)) = state.map(|s| s.stage) else { return Err(WriteError::NoRequest) };
        let receipt = self.receipt(request, LeafKind::Approved, Kind::Approved, release.signed())?;
        let bytes = self.disk.payload(&permit.payload()).ok_or(WriteError::Altered)?;
        let mut offset = usize::try_from(permit.offset()).unwrap_or(usize::MAX);
        let spoilt = || bytes.iter().enumerate().map(|(i, b)| b ^ u8::from(i == 7)).collect();
        let bytes = if self.disk.0.fault == Fault::OtherBytes { Arc::new(spoilt()) } else { bytes };
        if self.disk.0.fault == Fault::OffsetForgotten && offset > 0 && offset < bytes.len() {
            // As many bytes as were asked for, from the wrong place.
            let wrong: Vec<u8> = bytes[..bytes.len() - offset].to_vec();
            return Ok((receipt, Cursor { bytes: Arc::new(wrong), offset: 0 }));
        }
        offset = offset.min(bytes.len());
        Ok((receipt, Cursor { bytes, offset }))
    }

    async fn next(&self, cursor: Cursor) -> Result<(Vec<u8>, Cursor), WriteError> {
        let wait = self.disk.dice().0.from(0..20);
        sleep(Duration::from_millis(wait)).await;
        let end = cursor.bytes.len().min(cursor.offset + 8 * 1024);
        let piece = cursor.bytes[cursor.offset..end].to_vec();
        Ok((piece, Cursor { offset: end, ..cursor }))
    }

    async fn lanes(&self) -> Result<Vec<Lane>, WriteError> {
        Ok(self.disk.platter().lanes.clone())
    }
}

impl MemoryStore {
    /// Freezes bytes for the owner's eyes.
    pub fn draft(&self, subject: vault_core::Line, payload: Digest, now: Time) -> Result<Draft, WriteError> {
        let bytes = self.disk.payload(&payload).ok_or(WriteError::Altered)?.len() as u64;
        let media_type = Text::new("text/plain").map_err(|e| WriteError::Invalid(e.to_string()))?;
        Ok(Draft { subject, payload, bytes, media_type, prepared_at: now, nonce: self.disk.nonce() })
    }

    fn receipt(&self, request: RequestId, leaf: LeafKind, kind: Kind, signed: &Signed) -> Result<Receipt, WriteError> {
        let (ground, platter) = (&self.disk.0.ground, self.disk.platter());
        let parts = signed.parts();
        let of = |entry: &&Logged| entry.request == request && entry.leaf.kind == leaf && entry.parts == parts;
        // With the fault planted that approvals are not logged, another entry stands in for the missing one.
        let found = platter
            .log
            .iter()
            .rposition(|entry| of(&entry))
            .or_else(|| (self.disk.0.fault == Fault::Unlogged).then(|| platter.log.len().checked_sub(1)).flatten());
        let index = found.ok_or_else(|| WriteError::Invalid("the statement is not in the log".into()))?;
        let (entry, size) = (&platter.log[index], platter.frontier.size());
        let node = |level, index| platter.nodes.get(&(level, index)).copied().ok_or(WriteError::Altered);
        let checkpoint = Checkpoint { origin: ground.origin.clone(), size, root: platter.frontier.root() };
        let hashes = tlog::inclusion(index as u64, size, node)?;
        let checkpoint = tlog::sign_checkpoint(&checkpoint, &ground.log_key);
        Ok(Receipt {
            format: Format::V1,
            statement: signed.statement.clone(),
            signatures: signed.signatures.clone(),
            signers: ground.owners.signers().render(),
            log_key: VerifierKey::of(ground.origin.clone(), &ground.log_key).to_string(),
            time: entry.leaf.time,
            kind,
            salt: Salt(entry.salt),
            proof: LogProof { index: index as u64, hashes, checkpoint }.to_string(),
        })
    }

    /// The owner says that the clock is right.
    pub async fn confirm_clock(&self) -> Result<(), WriteError> {
        let clock = self.told.right_clock();
        self.write_clock(clock).await?;
        self.told.go_by(clock);
        Ok(())
    }

    async fn write_clock(&self, clock: Clock) -> Result<(), WriteError> {
        let _writer = self.disk.0.writer.lock().await;
        Writing { store: self, row: None, entry: None }.commit()?;
        self.disk.platter().clock = Some(clock);
        Ok(())
    }

    /// What a new request meets.
    fn before(&self, filing: &Filing, lane: LaneId, now: Time) -> Before {
        let states = self.disk.states();
        let count = |of: &dyn Fn(&State) -> bool| {
            let today: Vec<Time> = states
                .iter()
                .filter(|state| state.request.filed_at.plus(86_400) > now && of(state))
                .map(|state| state.request.filed_at)
                .collect();
            Count { filed: today.len(), first: today.iter().min().copied() }
        };
        let named = contact(filing, lane);
        let alike = |state: &&State| likeness(&state.request.filing, state.request.lane) == likeness(filing, lane);
        Before {
            lane: count(&|state| state.request.lane == lane),
            contact: count(&|state| named.is_some() && contact(&state.request.filing, state.request.lane) == named),
            vault: count(&|_| true),
            refused_at: states.iter().filter(alike).filter_map(State::refused_at).max(),
        }
    }
}
