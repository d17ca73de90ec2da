//! A world that keeps dying: a vault and what stands before it, visitors and an owner at work, and SIGKILL by plan.

use crate::dice::{Death, From, Front, Side, deaths, stream};
use crate::door::{Door, Page, Stand};
use crate::ledger::{Counts, Ledger, RESUMED};
use crate::log::{self, Log};
use crate::owner::Owner;
use crate::visitor::{Item, Visitor};
use rusqlite::OpenFlags;
use rustix::process::{Pid, Signal};
use shared::pairing::VaultLine;
use shared::tlog::LeafKind;
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tests::desk::Desk;
use tests::statistics::Dice;
use tests::{Node, World};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Visitors of one world.
const VISITORS: u64 = 4;
/// Filings before the first death, and for each life; a lane takes 500 a day.
const FILINGS: usize = 4;
/// The longest payload: two stored pieces and a bit.
const LONGEST: usize = 2 * 1024 * 1024 + 4711;
/// A start, or a first answer, that takes longer is a fault.
const PATIENCE: Duration = Duration::from_secs(40);

/// One world of a campaign.
#[derive(Debug, Clone)]
pub(crate) struct Fate {
    pub(crate) seed: u64,
    pub(crate) world: u64,
    pub(crate) front: Front,
    pub(crate) kills: usize,
    pub(crate) plant: Option<Plant>,
}

/// A fault that the checks must find: in the store, put there between a death and the next start, or in what a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plant {
    /// An acknowledged request is gone.
    LostRequest,
    /// The log has one approval twice.
    DoubledRelease,
    /// The log does not have an approval that was acted upon.
    UnloggedRelease,
    /// The store has forgotten who collected.
    ForgottenCollections,
    /// The vault ends in order a moment before it would be killed.
    EndOfItsOwn,
    /// A task of the vault panics, and the vault goes on.
    LonePanic,
    /// Every payload breaks off behind its head.
    NoBytes,
}

impl Plant {
    pub(crate) const ALL: [Self; 7] = [
        Self::LostRequest,
        Self::DoubledRelease,
        Self::UnloggedRelease,
        Self::ForgottenCollections,
        Self::EndOfItsOwn,
        Self::LonePanic,
        Self::NoBytes,
    ];

    /// What the check that is to find it says.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::LostRequest => "was acknowledged and is lost",
            Self::DoubledRelease => "the log has 2 approvals of",
            Self::UnloggedRelease => "is released without an entry in the log",
            Self::ForgottenCollections => "and 0 are counted",
            Self::EndOfItsOwn => "vault had ended by itself (exit status: 0)",
            Self::LonePanic => "vault panicked: ",
            Self::NoBytes => "gave nothing of what was approved",
        }
    }

    /// Puts the fault into the store below `home`; whether there was anything to do it to.
    pub(crate) fn put(self, home: &std::path::Path) -> bool {
        let mut log = Log::read(home).unwrap();
        match self {
            Self::LostRequest => change(home, "DELETE FROM request WHERE id = (SELECT id FROM request LIMIT 1)"),
            Self::DoubledRelease => log.double_first(LeafKind::Approved).is_some() && log.forge(home).is_ok(),
            Self::UnloggedRelease => log.drop_first(LeafKind::Approved).is_some() && log.forge(home).is_ok(),
            Self::ForgottenCollections => {
                let collected = "json_array_length(record, '$.stage.released.collections') > 0";
                let forget = "json_set(record, '$.stage.released.collections', json('[]'))";
                change(home, &format!("UPDATE request SET record = {forget} WHERE {collected}"))
            }
            Self::EndOfItsOwn | Self::LonePanic | Self::NoBytes => false,
        }
    }

    /// What has a vault do it, from its start on.
    fn variables(self) -> &'static [(&'static str, &'static str)] {
        // The first reply is the greeting's.
        if self == Self::LonePanic { &[("WEBIZEN_DANGER_PANIC_AT", "reply:before#2")] } else { &[] }
    }
}

fn change(home: &std::path::Path, statement: &str) -> bool {
    let store = log::open(home, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    store.execute(statement, []).unwrap() > 0
}

/// What came of one world.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) vault: usize,
    pub(crate) reception: usize,
    /// Of both, while starting.
    pub(crate) starting: usize,
    pub(crate) planted: bool,
    pub(crate) entries: usize,
    pub(crate) counts: Counts,
    pub(crate) faults: Vec<String>,
}

struct Life {
    world: World,
    front: Front,
    home: PathBuf,
    desk: Desk,
    ledger: Arc<Ledger>,
    allowance: Arc<AtomicUsize>,
    workers: Vec<JoinHandle<()>>,
    handle: Handle,
    tally: Tally,
}

/// Lives a world's whole fate; `killed` hears of each death.
pub(crate) fn live(fate: &Fate, handle: &Handle, killed: &dyn Fn()) -> Tally {
    let mut life = Life::begin(fate, handle);
    let mut plant = fate.plant;
    for (n, death) in deaths(fate.seed, fate.world, fate.front, fate.kills).into_iter().enumerate() {
        if !life.until(death) {
            break;
        }
        if plant == Some(Plant::EndOfItsOwn) {
            life.end_vault();
        }
        life.kill(death);
        // A device that is counted, and of which nobody knows yet, can be forgotten without a trace.
        let unseen = plant == Some(Plant::ForgottenCollections) && !life.ledger.knows_a_device();
        let due = plant.filter(|_| n > 2 && !unseen);
        if due.is_some_and(|plant| plant.put(&life.home)) {
            (plant, life.tally.planted) = (None, true);
        }
        life.start(death.side, due.map_or(&[], Plant::variables));
        life.allowance.fetch_add(FILINGS, Ordering::Relaxed);
        killed();
    }
    life.end()
}

impl Life {
    fn begin(fate: &Fate, handle: &Handle) -> Self {
        let mut dice = stream(!fate.seed, fate.world);
        let mut world = World::unpaired();
        let bodies = [dice.below(900) + 1, LONGEST];
        let bodies = bodies.map(|size| Arc::new((0..size).map(|_| dice.draw() as u8).collect::<Vec<u8>>()));
        let items = bodies.iter().enumerate().map(|(n, bytes)| {
            let id = world.add(&format!("Letter {n}"), &format!("letter-{n}.txt"), bytes);
            Item { id: id.parse().unwrap(), bytes: bytes.clone() }
        });
        let items: Vec<Item> = items.collect();
        let (line, door) = match fate.front {
            Front::Link => {
                let (line, stand) = by_link(&mut world, handle);
                (line, Door::Link(stand))
            }
            Front::Page => {
                let (line, page) = by_page(&mut world, &mut dice);
                (line, Door::Page(page))
            }
        };
        let home = world.vault_node().home().to_owned();
        let desk = Desk(home.join("run/desk.sock"));
        let ledger = Arc::new(Ledger::new(line.owner.clone(), line.log.clone()));
        let allowance = Arc::new(AtomicUsize::new(2 * FILINGS));
        let owner = Owner {
            desk: desk.clone(),
            origin: line.log.name().clone(),
            key: world.owner_key(),
            folder: world.root().to_owned(),
            ledger: ledger.clone(),
            dice: stream(fate.seed, fate.world << 8 | 0xff),
            signed: HashMap::new(),
        };
        let mut workers = vec![handle.spawn(owner.work())];
        for n in 0..VISITORS {
            let mut dice = stream(fate.seed, fate.world << 8 | n);
            let door = match &door {
                Door::Page(page) => Door::Page(page.moved(&mut dice)),
                Door::Link(stand) => Door::Link(stand.clone()),
            };
            let (ledger, items, allowance) = (ledger.clone(), items.clone(), allowance.clone());
            let plant = fate.plant;
            workers
                .push(handle.spawn(Visitor { door, ledger, items, dice, allowance, plant, turn: n as usize }.work()));
        }
        // The others are not there before there is something to do them to.
        let planted =
            fate.plant.is_some_and(|plant| matches!(plant, Plant::EndOfItsOwn | Plant::LonePanic | Plant::NoBytes));
        let (handle, tally) = (handle.clone(), Tally { planted, ..Tally::default() });
        Self { world, front: fate.front, home, desk, ledger, allowance, workers, handle, tally }
    }

    /// Waits for the moment of a death; whether it came.
    fn until(&mut self, death: Death) -> bool {
        if death.from == From::Work {
            if !self.settle() {
                return false;
            }
            let (answers, deadline) = (self.ledger.answers(), Instant::now() + PATIENCE);
            while self.ledger.answers() == answers {
                let runs = self.world.vault_node().runs();
                if !runs || Instant::now() > deadline {
                    let silence = if runs { "nobody is answered any more" } else { "the vault is gone" };
                    self.ledger.fault(format!("{silence}:\n{}", self.world.vault_node().log_tail()));
                    return false;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        std::thread::sleep(death.after);
        true
    }

    fn kill(&mut self, death: Death) {
        match death.side {
            Side::Vault => self.tally.vault += 1,
            Side::Reception => self.tally.reception += 1,
        }
        self.tally.starting += usize::from(death.from == From::Start);
        self.bury(death.side);
    }

    fn bury(&mut self, side: Side) {
        let faults = burial(self.node(side));
        faults.into_iter().for_each(|fault| self.ledger.fault(fault));
        self.ledger.died();
    }

    /// Has the vault end in order.
    fn end_vault(&mut self) {
        let node = self.world.vault_node();
        let process = Pid::from_raw(node.pid() as i32).unwrap();
        rustix::process::kill_process(process, Signal::TERM).unwrap();
        tests::until("the vault ends", || (!node.runs()).then_some(()));
    }

    fn start(&mut self, side: Side, variables: &[(&str, &str)]) {
        self.node(side).start(variables);
    }

    fn node(&mut self, side: Side) -> &mut Node {
        match side {
            Side::Vault => self.world.vault_node(),
            Side::Reception => self.world.reception_node(),
        }
    }

    /// Waits until the vault has started, and checks what it is then; whether it could be.
    fn settle(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while std::os::unix::net::UnixStream::connect(&self.desk.0).is_err() {
            if !self.world.vault_node().runs() || Instant::now() > deadline {
                self.ledger.fault(format!("the vault does not start:\n{}", self.world.vault_node().log_tail()));
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.check();
        self.ledger.faults().is_empty()
    }

    fn check(&mut self) {
        let spool = self.world.reception_node().home().join("state/spool");
        let promised = self.ledger.snapshot().but_for_those_in(&spool);
        let cases = self.handle.block_on(self.desk.cases(true));
        match (cases, Log::read(&self.home)) {
            (Ok(cases), Ok(log)) => {
                self.tally.entries = log.len();
                self.ledger.check(promised, &cases, log);
            }
            (Err(error), _) => self.ledger.fault(format!("the vault does not say what it has: {error}")),
            (_, Err(error)) => self.ledger.fault(format!("the vault's log cannot be read: {error}")),
        }
    }

    /// In its last life, which nothing cuts short, everything comes to be done that visitors and owners do; without that, the
    /// lives before would prove little.
    fn wait_for_all(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let missing = self.ledger.counts().missing().into_iter();
            // Pages give a payload from its beginning.
            let missing: Vec<&str> = missing.filter(|name| self.front == Front::Link || *name != RESUMED).collect();
            if missing.is_empty() || !self.ledger.faults().is_empty() {
                return;
            }
            if Instant::now() > deadline {
                let log = self.world.vault_node().log_tail();
                return self.ledger.fault(format!("among all that was done was never: {}\n{log}", missing.join(", ")));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn end(mut self) -> Tally {
        if self.ledger.faults().is_empty() && self.settle() {
            self.wait_for_all();
        }
        self.workers.drain(..).for_each(|worker| worker.abort());
        [Side::Vault, Side::Reception].into_iter().for_each(|side| self.bury(side));
        Tally { counts: self.ledger.counts(), faults: self.ledger.faults(), ..self.tally }
    }
}

/// Kills a node; what was wrong with its life: it must not have ended by itself, and nothing in it have panicked.
pub(crate) fn burial(node: &mut Node) -> Vec<String> {
    let ended = node.kill().err().map(|ended| format!("{ended}:\n{}", node.log_tail()));
    let panics = node.panics();
    ended.into_iter().chain(panics).collect()
}

pub(crate) fn by_link(world: &mut World, handle: &Handle) -> (VaultLine, Arc<Stand>) {
    world.kill_reception();
    let stand = handle.block_on(Stand::open());
    let line: VaultLine = world.vault(&["pair", &stand.line.to_string()]).ok().parse().unwrap();
    stand.expect(line.pin);
    (line, stand)
}

/// A real reception, paired and with something published, whose visitors come from any address.
pub(crate) fn by_page(world: &mut World, dice: &mut Dice) -> (VaultLine, Page) {
    let path = world.reception_node().home().join("config/reception.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("trusted_proxies = []"), "the configuration has another form:\n{text}");
    fs::write(&path, text.replace("trusted_proxies = []", "trusted_proxies = [\"127.0.0.1\"]")).unwrap();
    world.kill_reception();
    world.start_reception(&[]);
    let line = world.reception(&["id"]).ok();
    let line: VaultLine = world.vault(&["pair", &line]).ok().parse().unwrap();
    world.reception(&["pair", &line.to_string()]).ok();
    world.wait_for_link();
    world.publish(&[("about.md", "# About\n\nA workshop.\n")]);
    let page = Page::new(world.url(""), dice);
    (line, page)
}
