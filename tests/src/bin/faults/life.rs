//! A world that keeps dying: a vault and what stands before it, visitors and an owner at work, and SIGKILL by plan.

use crate::dice::{Death, Dice, From, Front, Side, deaths};
use crate::door::{Door, Page, Stand};
use crate::ledger::{Counts, Ledger};
use crate::log::{self, Log};
use crate::owner::Owner;
use crate::visitor::{Item, Visitor};
use rusqlite::OpenFlags;
use shared::pairing::VaultLine;
use shared::tlog::LeafKind;
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tests::World;
use tests::desk::Desk;
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

/// A fault that the checks must find, put into the store between a death and the next start.
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
}

impl Plant {
    pub(crate) const ALL: [Self; 4] =
        [Self::LostRequest, Self::DoubledRelease, Self::UnloggedRelease, Self::ForgottenCollections];

    /// What the check that is to find it says.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::LostRequest => "was acknowledged and is lost",
            Self::DoubledRelease => "the log has 2 approvals of",
            Self::UnloggedRelease => "is released without an entry in the log",
            Self::ForgottenCollections => "and 0 are counted",
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
        }
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
        life.kill(death);
        if n > 2 && plant.is_some_and(|plant| plant.put(&life.home)) {
            (plant, life.tally.planted) = (None, true);
        }
        life.start(death.side);
        life.allowance.fetch_add(FILINGS, Ordering::Relaxed);
        killed();
    }
    life.end()
}

impl Life {
    fn begin(fate: &Fate, handle: &Handle) -> Self {
        let mut dice = Dice::new(!fate.seed, fate.world);
        let mut world = World::unpaired();
        let bodies = [dice.below(900) as usize + 1, LONGEST];
        let bodies = bodies.map(|size| Arc::new((0..size).map(|_| dice.next().to_le_bytes()[0]).collect::<Vec<u8>>()));
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
            dice: Dice::new(fate.seed, fate.world << 8 | 0xff),
            signed: HashMap::new(),
        };
        let mut workers = vec![handle.spawn(owner.work())];
        for n in 0..VISITORS {
            let mut dice = Dice::new(fate.seed, fate.world << 8 | n);
            let door = match &door {
                Door::Page(page) => Door::Page(page.moved(&mut dice)),
                Door::Link(stand) => Door::Link(stand.clone()),
            };
            let (ledger, items, allowance) = (ledger.clone(), items.clone(), allowance.clone());
            workers.push(handle.spawn(Visitor { door, ledger, items, dice, allowance }.work()));
        }
        let (handle, tally) = (handle.clone(), Tally::default());
        Self { world, home, desk, ledger, allowance, workers, handle, tally }
    }

    /// Waits for the moment of a death; whether it came.
    fn until(&mut self, death: Death) -> bool {
        if death.from == From::Work {
            if !self.settle() {
                return false;
            }
            let (answers, deadline) = (self.ledger.answers(), Instant::now() + PATIENCE);
            while self.ledger.answers() == answers {
                if Instant::now() > deadline {
                    self.ledger.fault(format!("nobody is answered any more:\n{}", self.world.vault_node().log_tail()));
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
            Side::Vault => {
                self.tally.vault += 1;
                self.world.kill_vault();
            }
            Side::Reception => {
                self.tally.reception += 1;
                self.world.kill_reception();
            }
        }
        self.tally.starting += usize::from(death.from == From::Start);
    }

    fn start(&mut self, side: Side) {
        match side {
            Side::Vault => self.world.vault_node().start(&[]),
            Side::Reception => self.world.reception_node().start(&[]),
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

    fn end(mut self) -> Tally {
        if self.ledger.faults().is_empty() {
            self.settle();
        }
        self.workers.drain(..).for_each(|worker| worker.abort());
        Tally { counts: self.ledger.counts(), faults: self.ledger.faults(), ..self.tally }
    }
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
