//! The vault's store over a [`Disk`]: the release core decides, a commit writes, and only then is anybody told. A commit may
//! fail, and the power may go before or after it.

use super::disk::{Disk, Logged};
use super::fault::Fault;
use super::power::Power;
use shared::ids::{Digest, Nonce, RequestId, TicketHash};
use shared::message::{Filing, Subject, VisitorAnswer};
use shared::receipt::{Format, Kind, LogProof, Receipt};
use shared::text::Text;
use shared::time::Time;
use shared::tlog::{self, Checkpoint, Leaf, LeafKind, Node, Salt, VerifierKey};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use vault::driver::{Lane, Row, Store, Told, WriteError};
use vault_core::{
    AfterCommit, Authority, Before, Brake, Clock, Commit, Count, Draft, Effect, Going, Input, LaneId, Line, LogEntry,
    Now, Permit, Record, Rejected, Signed, Spoken, Stage, State, Step, Told as Heard, Unprepared, Why, Words, contact,
    likeness,
};

const DAY: u64 = 86_400;

/// The driver's store: the disk, as one running machine sees it.
#[derive(Clone)]
pub struct MemoryStore {
    disk: Disk,
    /// Who is told after commits.
    pub told: Told,
    power: Power,
}

/// What one transaction writes, and what follows from it.
#[derive(Default)]
struct Change {
    row: Option<(TicketHash, String)>,
    entry: Option<(Option<RequestId>, LogEntry)>,
    standing: Option<(Brake, Clock)>,
    shown: Option<(TicketHash, Row)>,
}

/// A change, and effects that only its commit opens.
type Sealed = (Change, AfterCommit<Vec<Effect>>);

struct Writing<'a> {
    store: &'a MemoryStore,
    change: Change,
}

impl Commit for Writing<'_> {
    type Error = WriteError;

    fn commit(self) -> Result<(), WriteError> {
        let (store, disk) = (self.store, &self.store.disk);
        let (fails, cut, after, lost) = {
            let (dice, troubles) = &mut *disk.dice();
            let lost = disk.fault() == Fault::LostWrite && dice.chance(150);
            (dice.chance(troubles.fail), dice.chance(troubles.cut), dice.chance(500), lost)
        };
        if cut && !after {
            disk.mishaps().cut_before += 1;
            store.power.cut();
        }
        if !store.power.is_on() {
            return Err(WriteError::Stopping);
        }
        if fails {
            disk.mishaps().failed += 1;
            return Err(WriteError::Lost);
        }
        if !lost {
            self.write();
        }
        if cut {
            disk.mishaps().cut_after += 1;
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
        if let Some((ticket, json)) = self.change.row {
            let before = platter.rows.remove(&ticket).map(|(json, _)| json);
            platter.rows.insert(ticket, (json, before));
        }
        if let Some(standing) = self.change.standing {
            platter.standing = Some(standing);
        }
        let Some((request, entry)) = self.change.entry else { return };
        if disk.fault() == Fault::Unlogged && entry.kind == LeafKind::Approved {
            return;
        }
        let parts: Vec<&[u8]> = entry.parts.iter().map(Vec::as_slice).collect();
        let leaf = Leaf { time: entry.time, kind: entry.kind, commitment: tlog::commitment(&salt, &parts) };
        let twice = disk.fault() == Fault::FiledTwice && entry.kind == LeafKind::Filed;
        for _ in 0..1 + usize::from(twice) {
            for Node { level, index, hash } in platter.frontier.append(leaf.hash()) {
                platter.nodes.insert((level, index), hash);
            }
            platter.log.push(Logged { leaf, salt, request, parts: entry.parts.clone() });
        }
    }
}

impl MemoryStore {
    /// The disk under a running machine.
    pub fn new(disk: Disk, told: Told, power: Power) -> Self {
        Self { disk, told, power }
    }

    /// One durable step, and what follows from it.
    async fn act(
        &self,
        decide: impl FnOnce(&Self, &Authority<'_>) -> Result<Option<Sealed>, WriteError>,
    ) -> Result<Vec<Effect>, WriteError> {
        let _writer = self.disk.writer().lock().await;
        let wait = self.disk.dice().0.from(1..15);
        sleep(Duration::from_millis(wait)).await;
        if !self.power.is_on() {
            return Err(WriteError::Stopping);
        }
        let Some((mut change, effects)) = decide(self, &self.authority())? else { return Ok(Vec::new()) };
        let shown = change.shown.take();
        let turned = change.standing.as_ref().map(|(brake, _)| brake.going());
        if change.standing.is_none() {
            change.standing = self.disk.brake().map(|brake| (brake, self.told.known_clock()));
        }
        let effects = self.open(effects, change).await?;
        if let Some(going) = turned.filter(|_| self.disk.fault() != Fault::ServedWhileFrozen) {
            self.told.going(going);
        }
        if let Some((ticket, shown)) = shown {
            self.told.shown(ticket, shown);
        }
        let (permits, rest): (Vec<_>, Vec<_>) = effects.into_iter().partition(|e| matches!(e, Effect::Serve(_)));
        rest.into_iter().for_each(|effect| self.told.effect(effect));
        Ok(permits)
    }

    /// What a decision is measured against now.
    fn authority(&self) -> Authority<'_> {
        let (ground, fault) = (self.disk.ground(), self.disk.fault());
        let going = self.disk.brake().map_or(Going::On, |brake| brake.going());
        let cooling = if fault == Fault::NotCooled { 0 } else { ground.cooling };
        Authority::new(&ground.origin, &ground.owners, cooling, going, self.told.now())
    }

    /// The same where any owner is enough; for planted faults.
    fn by_any<'a>(&'a self, by: &Authority<'a>) -> Authority<'a> {
        Authority::new(by.vault, &self.disk.ground().any, by.cooling, by.brake, by.now)
    }

    /// Commits, and opens what was sealed; or, with a fault planted, opens it first.
    async fn open(&self, sealed: AfterCommit<Vec<Effect>>, change: Change) -> Result<Vec<Effect>, WriteError> {
        let collected = change.entry.as_ref().is_some_and(|(_, entry)| entry.kind == LeafKind::Collected);
        let late = if self.disk.fault() == Fault::ToldBeforeCommit {
            Some(Duration::from_millis(400))
        } else if self.disk.fault() == Fault::CountedLate && collected {
            Some(Duration::from_secs(3))
        } else {
            None
        };
        let Some(late) = late else { return sealed.open(Writing { store: self, change }) };
        let store = self.clone();
        tokio::spawn(async move {
            sleep(late).await;
            // Whoever was told of it has been told.
            drop(Writing { store: &store, change }.commit());
        });
        sealed.open(Nothing)
    }

    fn state(&self, ticket: TicketHash) -> Result<Option<State>, WriteError> {
        let json = self.disk.platter().rows.get(&ticket).map(|(json, _)| json.clone());
        json.map(|json| self.disk.restore(&json)).transpose()
    }

    /// What a new request meets.
    fn before(&self, filing: &Filing, lane: LaneId, now: Time) -> Before {
        let states = self.disk.states();
        let count = |of: &dyn Fn(&State) -> bool| {
            let today = |state: &&State| state.request.filed_at.plus(DAY) > now && of(state);
            let filed: Vec<Time> = states.iter().filter(today).map(|state| state.request.filed_at).collect();
            Count { filed: filed.len(), first: filed.iter().min().copied() }
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

    /// Stops all releases, or lets them go on.
    pub async fn turn(&self, signed: Signed) -> Result<(), WriteError> {
        let turn = move |store: &Self, by: &Authority<'_>| {
            let Some(brake) = store.disk.brake() else { return Ok(None) };
            let any = store.by_any(by);
            let by = if store.disk.fault() == Fault::ThawedByOne { &any } else { by };
            let step = brake.decide(signed, store.disk.nonce(), by)?;
            let entry = step.entry.map(|entry| (None, entry));
            Ok(Some((
                Change { entry, standing: Some((step.next, store.told.known_clock())), ..Change::default() },
                step.effects,
            )))
        };
        self.act(turn).await.map(drop)
    }

    /// Goes by the clock as the machine shows it, because the owner says that it is right.
    pub async fn confirm_clock(&self) -> Result<(), WriteError> {
        let clock = self.told.right_clock();
        let parts = vec![clock.high().to_string().into_bytes()];
        let entry = LogEntry { kind: LeafKind::Clock, time: clock.high(), parts };
        self.write_clock(clock, Some((None, entry))).await?;
        self.told.go_by(clock);
        Ok(())
    }

    async fn write_clock(&self, clock: Clock, entry: Option<(Option<RequestId>, LogEntry)>) -> Result<(), WriteError> {
        let write = move |store: &Self, _: &Authority<'_>| {
            let brake = store.disk.brake().unwrap_or_else(|| Brake::off(store.disk.nonce()));
            let change = Change { entry, standing: Some((brake, clock)), ..Change::default() };
            Ok(Some((change, AfterCommit::nothing())))
        };
        self.act(write).await.map(drop)
    }

    /// One step of a request; a planted fault takes another.
    fn step(&self, mut state: State, input: Input, by: &Authority<'_>) -> Result<Step, WriteError> {
        match (self.disk.fault(), &input, &mut state.stage) {
            (Fault::OwnerCountedTwice, Input::Signed { signed, .. }, Stage::AwaitingOwner(_, pending)) => {
                let twice = |held: &Signed| held.signatures.iter().any(|one| signed.signatures.contains(one));
                if pending.take_if(|held| twice(held)).is_some() {
                    return Ok(vault_core::decide(state, input, &self.by_any(by))?);
                }
            }
            (Fault::ServedWhileFrozen, Input::Collect { .. }, _) => {
                return Ok(vault_core::decide(
                    state,
                    input,
                    &Authority::new(by.vault, by.owners, by.cooling, Going::On, by.now),
                )?);
            }
            (Fault::AnswerForgotten, Input::Answered { .. }, _) => {
                let (asked, step) = (self.state(state.ticket())?, vault_core::decide(state, input, by)?);
                return Ok(Step { next: asked.ok_or(WriteError::NoRequest)?, ..step });
            }
            _ => {}
        }
        let mut step = vault_core::decide(state, input, by)?;
        match (self.disk.fault(), &mut step.next.stage, step.next.talk.last_mut()) {
            (Fault::RevocationShown, Stage::Closed(closing), _) if closing.why == Why::Revoked => {
                closing.told = Heard::Over;
            }
            (Fault::AnswerAltered, _, Some(last)) => {
                last.answer = Text::new("Something else").map_err(|e| WriteError::Invalid(e.to_string()))?;
            }
            _ => {}
        }
        Ok(step)
    }
}

/// What a step of one request writes.
fn sealed(step: Step) -> Result<Option<Sealed>, WriteError> {
    let (ticket, shown) = (step.next.ticket(), Row::of(&step.next));
    let json = serde_json::to_string(&Record::from(&step.next)).map_err(|e| WriteError::Invalid(e.to_string()))?;
    let row = step.entry.is_some().then_some((ticket, json));
    let entry = step.entry.map(|entry| (Some(step.next.request.id()), entry));
    Ok(Some((Change { row, entry, shown: Some((ticket, shown)), standing: None }, step.effects)))
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
        let (heard, at) = (filing.clone(), Instant::now());
        let file = move |store: &Self, by: &Authority<'_>| {
            if let Some(old) = store.state(filing.ticket)? {
                let same = old.request.filing == filing && old.request.lane == lane;
                return if same { Ok(None) } else { Err(WriteError::Conflict) };
            }
            let before = store.before(&filing, lane, by.now.time);
            let step = vault_core::file(filing, lane, &before, store.disk.nonce(), by.now);
            sealed(step.map_err(Rejected::Full)?)
        };
        let answer = self.act(file).await;
        // A disk that fails a commit may have it all the same.
        if matches!(answer, Ok(_) | Err(WriteError::Lost | WriteError::Stopping)) {
            self.disk.hear(heard, lane, at);
        }
        answer.map(drop)
    }

    async fn decide(&self, ticket: TicketHash, input: Input) -> Result<Vec<Effect>, WriteError> {
        let decide = move |store: &Self, by: &Authority<'_>| {
            let state = store.state(ticket)?.ok_or(WriteError::NoRequest)?;
            sealed(store.step(state, input, by)?)
        };
        self.act(decide).await
    }

    async fn answer(&self, ticket: TicketHash, question: Nonce, answer: VisitorAnswer) -> Result<(), WriteError> {
        let input = Input::Answered { question, answer, fresh: self.disk.nonce() };
        self.decide(ticket, input).await.map(drop)
    }

    async fn words(&self, spoken: Spoken) -> Result<Receipt, WriteError> {
        let (leaf, kind) = match spoken.words() {
            Words::Question(..) => (LeafKind::Asked, Kind::Asked),
            Words::Refusal(_) => (LeafKind::Refused, Kind::Refused),
        };
        self.receipt(spoken.request(), leaf, kind, spoken.signed())
    }

    async fn keep_clock(&self) -> Result<(), WriteError> {
        self.write_clock(self.told.known_clock(), None).await
    }

    async fn prepare(&self, ticket: TicketHash) -> Result<(), WriteError> {
        let prepare = move |store: &Self, by: &Authority<'_>| {
            let state = store.state(ticket)?.ok_or(WriteError::NoRequest)?;
            let Subject::Item(item) = state.request.filing.subject else { return Ok(None) };
            let item = store.disk.platter().items.get(&item).cloned();
            let input = match item {
                None => Input::Unprepared { why: Unprepared::NoItem, fresh: store.disk.nonce() },
                Some(item) => Input::Prepared(store.draft(Line::Item(item.title), item.payload, by.now.time)?),
            };
            sealed(vault_core::decide(state, input, by)?)
        };
        self.act(prepare).await.map(drop)
    }

    async fn due(&self, now: Now) -> Result<Vec<TicketHash>, WriteError> {
        let ends = |state: &&State| state.ends_at().is_some_and(|end| end <= now.time);
        let waited = |state: &&State| state.waits_until().is_some_and(|until| until <= now.waited);
        Ok(self.disk.states().iter().filter(|state| ends(state) || waited(state)).map(State::ticket).collect())
    }

    async fn open(&self, permit: Permit, request: RequestId) -> Result<(Receipt, Cursor), WriteError> {
        let states = self.disk.states();
        let state = states.into_iter().find(|s| s.request.id() == request);
        let Some(Stage::Released(release)) = state.map(|s| s.stage) else { return Err(WriteError::NoRequest) };
        let receipt = self.receipt(request, LeafKind::Approved, Kind::Approved, release.signed())?;
        let bytes = self.disk.payload(&permit.payload()).ok_or(WriteError::Altered)?;
        let mut offset = usize::try_from(permit.offset()).unwrap_or(usize::MAX);
        let spoilt = || bytes.iter().enumerate().map(|(i, b)| b ^ u8::from(i == 7)).collect();
        let bytes = if self.disk.fault() == Fault::OtherBytes { Arc::new(spoilt()) } else { bytes };
        if self.disk.fault() == Fault::OffsetForgotten && offset > 0 && offset < bytes.len() {
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
    pub fn draft(&self, subject: Line, payload: Digest, now: Time) -> Result<Draft, WriteError> {
        let bytes = self.disk.payload(&payload).ok_or(WriteError::Altered)?.len() as u64;
        let media_type = Text::new("text/plain").map_err(|e| WriteError::Invalid(e.to_string()))?;
        Ok(Draft { subject, payload, bytes, media_type, prepared_at: now, nonce: self.disk.nonce() })
    }

    fn receipt(&self, request: RequestId, leaf: LeafKind, kind: Kind, signed: &Signed) -> Result<Receipt, WriteError> {
        let (ground, platter) = (self.disk.ground(), self.disk.platter());
        let parts = signed.parts();
        let of = |entry: &&Logged| entry.request == Some(request) && entry.leaf.kind == leaf && entry.parts == parts;
        // With the fault planted that approvals are not logged, another entry stands in for the missing one.
        let found = platter
            .log
            .iter()
            .rposition(|entry| of(&entry))
            .or_else(|| (self.disk.fault() == Fault::Unlogged).then(|| platter.log.len().checked_sub(1)).flatten());
        let index = found.ok_or_else(|| WriteError::Damaged("the statement is not in the log".into()))?;
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
}
