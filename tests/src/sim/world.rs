//! One seed's world: a vault and its receptions, the weather over them, and what is checked at the end.

use super::dice::Dice;
use super::disk::{Disk, Ground, Item, Logged, Troubles};
use super::fault::Fault;
use super::front::{self, Front};
use super::keys::{FRONTS, KEYS, OWNERS};
use super::model::{Called, Model, Rules};
use super::net::{Net, Weather};
use super::owner::Owners;
use super::power::{Power, Wall};
use super::store::MemoryStore;
use super::visitor::{Visitor, lane};
use super::{Outcome, owner, storm};
use sha2::{Digest as _, Sha256};
use shared::ids::{ItemId, Ticket};
use shared::statement::Statement;
use shared::time::Time;
use shared::tlog::LeafKind;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use vault::driver::{Driver, Lane};
use vault_core::{Going, Stage};

/// 2026-11-23, noon.
pub const NOON: u64 = 1_795_435_200;
/// Once nothing is wrong any more, the vault answers within this: a dead link's idle time, the longest pause between two
/// dials, and a handshake.
const RECOVERY: Duration = Duration::from_secs(55);
/// No call is left without an answer for longer, whatever happens: each of its steps has a deadline of its own.
const PATIENCE: Duration = Duration::from_secs(45);
/// Visitors have so long to see that a restarted vault serves nothing.
const DRILL: Duration = Duration::from_secs(10);
/// Once the owners have settled everything, time brings about what was due within this.
const SETTLED: Duration = Duration::from_secs(5);
/// Where nothing is wrong, what a reception keeps is with the vault after this: the longest pause between two tries, and time
/// for each.
const DELIVERY: Duration = Duration::from_secs(60);
/// After this a task that should end has not.
const END: Duration = Duration::from_secs(300);

/// What happened, in order.
struct Trace {
    digest: Sha256,
    events: u64,
    lines: Option<Vec<String>>,
    broken: Option<String>,
    slowest: Duration,
    seen: BTreeMap<&'static str, u64>,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Things go wrong.
    Storm,
    /// Nothing goes wrong any more, and the owners decide nothing more.
    Healed,
    /// Visitors come to an end, too.
    Calm,
}

/// Everything that the tasks of one run share.
pub struct World {
    /// The vault's disk.
    pub disk: Disk,
    /// The vault's clock.
    pub wall: Arc<Wall>,
    /// What a release takes.
    pub rules: Rules,
    /// Between everybody.
    pub net: Net,
    start: Instant,
    model: Mutex<Model>,
    trace: Mutex<Trace>,
    vault: Mutex<Option<(MemoryStore, Power)>>,
    fronts: Vec<Mutex<Option<Front>>>,
    phase: Mutex<Phase>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The vault's address, or that of the reception before this number.
pub fn ip(node: usize) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, node as u8 + 1).into()
}

/// Where a reception waits for the vault.
pub fn address(front: usize) -> SocketAddr {
    SocketAddr::new(ip(front + 1), 7443)
}

/// Runs the world of one seed to its end.
pub async fn run(seed: u64, fault: Fault, keep_lines: bool) -> Outcome {
    let mut dice = Dice::of(seed, 1);
    let fronts = if dice.chance(300) { FRONTS } else { 1 };
    let quorum = if dice.chance(400) { 2 } else { 1 };
    let cooling = if dice.chance(400) { dice.from(3..40) } else { 0 };
    let world = Arc::new(World::new(seed, fault, fronts, Rules { quorum, cooling }, keep_lines));
    world.note(&format!("{quorum} of {OWNERS} owners must sign; an approval cools off for {cooling} s"));
    let items = world.furnish(&mut dice);
    tokio::spawn(keep_vault(world.clone(), Dice::of(seed, 2)));
    for front in 0..fronts {
        tokio::spawn(front::keep(world.clone(), front, Dice::of(seed, 10 + front as u64), fault));
    }
    let mut owners = Owners::new(world.clone(), Dice::of(seed, 3));
    let owners = tokio::spawn(async move {
        owners.live().await;
        owners
    });
    let mut visitors = Vec::new();
    for who in 0..dice.from(2..6) {
        let front = dice.from(0..fronts as u64) as usize;
        let mut visitor = Visitor::new(world.clone(), Dice::of(seed, 100 + who), front, &items);
        visitors.push(tokio::spawn(async move {
            visitor.live().await;
            visitor
        }));
    }
    storm::storm(&world, Dice::of(seed, 4)).await;
    world.heal();
    let recovery = world.recover().await;
    *lock(&world.phase) = Phase::Healed;
    if let Some(mut owners) = world.ended(owners).await {
        if dice.chance(300) {
            world.drill(&mut owners).await;
        }
        world.settle(owners).await;
    }
    *lock(&world.phase) = Phase::Calm;
    world.emptied().await;
    let mut calm = Vec::new();
    for visitor in visitors {
        calm.extend(world.ended(visitor).await);
    }
    world.note("calm");
    world.model().calm();
    for visitor in &mut calm {
        visitor.conclude().await;
    }
    world.audit();
    world.outcome(seed, recovery)
}

impl World {
    fn new(seed: u64, fault: Fault, fronts: usize, rules: Rules, keep_lines: bool) -> Self {
        let ground = Ground {
            origin: KEYS.origin.clone(),
            owners: KEYS.owners(rules.quorum),
            any: KEYS.owners(1),
            cooling: rules.cooling,
            log_key: KEYS.log.clone(),
        };
        let wall = Wall::new(NOON, Dice::of(seed, 5));
        let trace = Trace {
            digest: Sha256::new(),
            events: 0,
            lines: keep_lines.then(Vec::new),
            broken: None,
            slowest: Duration::ZERO,
            seen: BTreeMap::new(),
        };
        Self {
            disk: Disk::new(Arc::new(ground), Dice::of(seed, 6), fault),
            model: Mutex::new(Model::new(wall.clone(), rules)),
            wall,
            rules,
            net: Net::new(seed),
            start: Instant::now(),
            trace: Mutex::new(trace),
            vault: Mutex::default(),
            fronts: (0..fronts).map(|_| Mutex::default()).collect(),
            phase: Mutex::new(Phase::Storm),
        }
    }

    /// Items, and the pairings.
    fn furnish(&self, dice: &mut Dice) -> Vec<ItemId> {
        let items: Vec<ItemId> = (0..3).map(|_| ItemId(dice.bytes())).collect();
        for (place, item) in items.iter().enumerate() {
            let payload = self.disk.keep(owner::payload(dice));
            self.disk.platter().items.insert(*item, Item { title: format!("Item {place}"), payload });
        }
        let lane = |front| Lane {
            id: lane(front),
            line: KEYS.front_line(front, &address(front).to_string()),
            paired_at: Time::from_unix(NOON),
        };
        self.disk.platter().lanes = (0..self.fronts.len()).map(lane).collect();
        items
    }

    /// What must be true.
    pub fn model(&self) -> MutexGuard<'_, Model> {
        lock(&self.model)
    }

    /// Receptions.
    pub fn fronts(&self) -> usize {
        self.fronts.len()
    }

    /// This reception, while it is up.
    pub fn front(&self, front: usize) -> Option<Front> {
        lock(&self.fronts[front]).clone()
    }

    /// A reception came up, or fell.
    pub fn set_front(&self, front: usize, up: Option<Front>) {
        *lock(&self.fronts[front]) = up;
    }

    /// The desk's way in, while the vault is up.
    pub fn store(&self) -> Option<MemoryStore> {
        lock(&self.vault).as_ref().map(|(store, _)| store.clone())
    }

    /// The instant that the vault goes by, while it is up.
    pub fn vault_now(&self) -> Option<Time> {
        self.store().map(|store| store.told.now().time)
    }

    /// How far the run has come.
    pub fn phase(&self) -> Phase {
        *lock(&self.phase)
    }

    /// Notes what happened, with its simulated instant.
    pub fn note(&self, what: &str) {
        let mut trace = lock(&self.trace);
        let line = format!("{:>9} ms  {what}", self.start.elapsed().as_millis());
        trace.digest.update(line.as_bytes());
        trace.digest.update(b"\n");
        trace.events += 1;
        if let Some(lines) = &mut trace.lines {
            lines.push(line);
        }
    }

    /// Notes a call's answer, and how long it took.
    pub fn answered(&self, called: &Called, what: &str) {
        self.note(what);
        let took = called.since().elapsed();
        let mut trace = lock(&self.trace);
        trace.slowest = trace.slowest.max(took);
        drop(trace);
        if took > PATIENCE {
            self.broken(&format!("an answer took {took:?}"));
        }
    }

    /// Counts that something has come about.
    pub fn saw(&self, what: &'static str) {
        self.count(what, 1);
    }

    fn count(&self, what: &'static str, times: u64) {
        *lock(&self.trace).seen.entry(what).or_default() += times;
    }

    /// The longest datagram that this reception is sent while `work` goes on.
    pub async fn measured<T>(&self, front: usize, work: impl Future<Output = T>) -> (T, usize) {
        self.net.measure(ip(front + 1));
        let done = work.await;
        (done, self.net.measured())
    }

    /// Takes the model's word.
    pub fn judge(&self, verdict: Result<(), String>) {
        if let Err(why) = verdict {
            self.broken(&why);
        }
    }

    /// A promise was broken; the first counts.
    pub fn broken(&self, why: &str) {
        self.note(&format!("BROKEN: {why}"));
        lock(&self.trace).broken.get_or_insert_with(|| why.to_owned());
    }

    /// Waits until a machine loses its power; until then what runs on it must go on.
    pub async fn until_off(&self, what: &str, power: &Power, run: JoinHandle<()>) {
        let mut off = power.off();
        tokio::select! {
            biased;
            // The sender lives as long as `power`.
            _ = off.wait_for(|off| *off) => {}
            ended = run => self.broken(&format!("{what} ended by itself: {ended:?}")),
        }
    }

    /// A machine has lost its power.
    pub fn fell(&self, what: &str) {
        self.note(&format!("{what} falls"));
        self.saw("a machine fell");
    }

    fn heal(&self) {
        self.note("everything heals");
        self.net.set_weather(Weather::FAIR);
        self.net.part([]);
        self.disk.set_troubles(Troubles::default());
    }

    /// Waits until every reception's vault answers again; tells how long that took.
    async fn recover(&self) -> Duration {
        let healed = Instant::now();
        let nobody = Ticket::from_random([0; 32]);
        for front in 0..self.fronts.len() {
            loop {
                if let Some(front) = self.front(front)
                    && front.broker.status(&nobody).await.is_ok()
                {
                    break;
                }
                if healed.elapsed() > END {
                    self.broken("the vault never answered again");
                    break;
                }
                // Of simulated time, between two looks before the deadline above.
                sleep(Duration::from_millis(250)).await;
            }
        }
        let took = healed.elapsed();
        if took > RECOVERY {
            self.broken(&format!("the vault answered again only after {took:?}"));
        }
        took
    }

    /// Waits until every reception has handed over what it kept.
    async fn emptied(&self) {
        let since = Instant::now();
        while (0..self.fronts.len()).any(|front| self.front(front).is_none_or(|front| front.courier.waiting() > 0)) {
            if since.elapsed() > DELIVERY {
                return self.broken("a request that was kept at a reception is never handed over");
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// What a task that should end by now gives back.
    async fn ended<T>(&self, task: JoinHandle<T>) -> Option<T> {
        match tokio::time::timeout(END, task).await {
            Ok(Ok(done)) => return Some(done),
            Ok(Err(error)) => self.broken(&format!("a task failed: {error}")),
            Err(_) => self.broken("a visitor's call or an owner's act has no end"),
        }
        None
    }

    /// A stop of all releases outlives the vault's fall.
    async fn drill(&self, owners: &mut Owners) {
        owners.stop().await;
        if self.disk.brake().is_some_and(|brake| brake.going() == Going::Frozen) {
            self.saw("all was stopped when the vault fell");
        }
        self.cut_vault();
        self.recover().await;
        sleep(DRILL).await;
    }

    /// Cuts the vault's power.
    pub fn cut_vault(&self) {
        if let Some((_, power)) = &*lock(&self.vault) {
            power.cut();
        }
    }

    /// Cuts a reception's power.
    pub fn cut_front(&self, front: usize) {
        if let Some(front) = self.front(front) {
            front.power.cut();
        }
    }

    /// Has the owners let everything go on, and waits until nothing cools off any more.
    async fn settle(&self, mut owners: Owners) {
        let healed = Instant::now();
        while !owners.settle().await {
            if healed.elapsed() > END {
                return self.broken("the owners could not let releases go on");
            }
            sleep(Duration::from_millis(50)).await;
        }
        self.model().look_at_the_clock();
        self.wall.settle();
        sleep(Duration::from_secs(self.rules.cooling) + SETTLED).await;
    }

    /// What the disk must hold at the end.
    fn audit(&self) {
        let states = self.disk.states();
        let platter = self.disk.platter();
        if states.len() != platter.rows.len() {
            self.broken("a stored request cannot be read");
        }
        let mut nonces = BTreeSet::new();
        let approvals: Vec<_> = platter.log.iter().filter(|entry| entry.leaf.kind == LeafKind::Approved).collect();
        for entry in &approvals {
            let ticket =
                states.iter().map(|state| state.ticket()).find(|ticket| Some(ticket.request()) == entry.request);
            let statement = entry.parts.first().map(|text| Statement::parse(&String::from_utf8_lossy(text)));
            let (Some(ticket), Some(Ok(Statement::Approval(approval)))) = (ticket, statement) else {
                self.broken("the log has an approval that is none");
                continue;
            };
            let verdict = self.model().logged(ticket, approval.nonce, &mut nonces);
            self.judge(verdict);
        }
        for state in &states {
            let id = state.request.id();
            let filed = |entry: &&Logged| entry.leaf.kind == LeafKind::Filed && entry.request == Some(id);
            if platter.log.iter().filter(filed).count() != 1 {
                self.broken("a request was not filed exactly once");
            }
            let answers = state.talk.iter().map(|said| (said.question, said.answer.as_str().to_owned())).collect();
            let verdict = self.model().kept(state.ticket(), &answers);
            self.judge(verdict);
            let Stage::Released(release) = &state.stage else { continue };
            let signed = release.signed().statement.as_bytes();
            if !approvals.iter().any(|entry| entry.parts.first().is_some_and(|text| text == signed)) {
                self.broken("a release without a log entry");
            }
            self.note(&format!("in the end: {} released", state.request.id()));
        }
    }

    fn outcome(&self, seed: u64, recovery: Duration) -> Outcome {
        for entry in &self.disk.platter().log {
            self.saw(entry.leaf.kind.as_str());
        }
        let (fates, mishaps) = (self.net.fates(), *self.disk.mishaps());
        self.count("a datagram was lost", fates.lost);
        self.count("a datagram came twice", fates.twice);
        self.count("a datagram was corrupted", fates.corrupt);
        self.count("junk came", fates.junk);
        self.count("a commit failed", mishaps.failed);
        self.count("the power went before a commit", mishaps.cut_before);
        self.count("the power went after a commit", mishaps.cut_after);
        let trace = lock(&self.trace);
        let (datagrams, datagram_digest) = self.net.sent();
        Outcome {
            seed,
            digest: shared::ids::hex(&trace.digest.clone().finalize()),
            datagram_digest,
            datagrams,
            events: trace.events,
            seen: trace.seen.clone(),
            slowest: trace.slowest,
            recovery,
            simulated: self.start.elapsed(),
            broken: trace.broken.clone(),
            lines: trace.lines.clone().unwrap_or_default(),
        }
    }
}

/// Starts the vault again whenever its power has gone.
async fn keep_vault(world: Arc<World>, mut dice: Dice) {
    loop {
        let power = Power::on(world.net.host(ip(0)));
        world.wall.boot();
        let (store, to_prepare) = world.disk.start(power.clone(), world.wall.clone());
        let driver = Driver {
            name: KEYS.vault_line().name,
            origin: KEYS.origin.clone(),
            identity: KEYS.vault.clone(),
            sealing: KEYS.sealing(),
            told: store.told.clone(),
            store: store.clone(),
            surroundings: world.wall.clone(),
            network: Arc::new(power.plug()),
        };
        *lock(&world.vault) = Some((store, power.clone()));
        world.note("the vault starts");
        let run = tokio::spawn(Arc::new(driver).run(to_prepare, power.off()));
        world.until_off("the vault", &power, run).await;
        *lock(&world.vault) = None;
        world.fell("the vault");
        sleep(Duration::from_millis(dice.from(50..8000))).await;
    }
}
