//! A disk that fails at each write and each flush in turn, under the real vault: `tests/shim/disk.c` in front of its C
//! library counts them and lets one fail, or one and all after it.

use crate::desk::Desk;
use crate::dice::Dice;
use crate::door::{Ask, Collected, Door, Stand, Standing, request};
use crate::ledger::Ledger;
use crate::life::{Plant, by_link};
use crate::log::{self, Log};
use crate::owner::Owner;
use crate::say;
use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;
use serde_json::json;
use shared::ids::{CollectionId, ItemId, Ticket};
use shared::pairing::VaultLine;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tests::World;
use tokio::runtime::{Handle, Runtime};

/// Vaults beside each other.
const BESIDE: usize = 4;
/// Bytes of a frame in the write-ahead log, and how many of them are there before a run begins: a checkpoint is due soon.
const FRAME: u64 = 4096 + 24;
const FRAMES: u64 = 994;
const LETTER: &[u8] = b"An invented letter.\n";
const PATIENCE: Duration = Duration::from_secs(30);
/// Tries of one step, while the disk refuses.
const TRIES: usize = 8;

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// With an error of the device.
    Io,
    /// Halfway, with an error of the device.
    Torn,
    /// For want of room.
    Full,
    /// With an error of the device, and all later calls too.
    IoOn,
    /// For want of room, and all later calls too.
    FullOn,
}

const KINDS: [Kind; 5] = [Kind::Io, Kind::Torn, Kind::Full, Kind::IoOn, Kind::FullOn];

/// What a run under a fault came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// Nobody noticed: it hit nothing that anything rested on, or came after the end.
    Unnoticed,
    /// Somebody was refused, and everything went on.
    WentOn,
    /// Whoever asked was refused until the end.
    Refused,
    /// It stopped for a flush that failed, as it should.
    Stopped,
    /// It did not start, and said why.
    NotStarted,
}

/// Runs every write and flush that the stride meets; whether nothing was found.
pub(crate) fn run(stride: usize) -> bool {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let shim = build(folder.path());
    let calls = {
        let mut bench = Bench::new(&runtime, &shim);
        let calls = bench.run(None).calls;
        assert!(bench.faults.is_empty(), "without a fault: {:#?}", bench.faults);
        bench.planted();
        let found = bench.faults.iter().find(|fault| fault.contains(Plant::LostRequest.words()));
        say(&format!("disk: planted {:?}, found: {}", Plant::LostRequest, found.unwrap()));
        calls
    };
    let cases = KINDS.into_iter().flat_map(|kind| (1..=calls.len()).step_by(stride).map(move |at| (kind, at)));
    let cases: Vec<(Kind, usize)> = cases.collect();
    say(&format!("disk: {} writes and flushes in one life, {} cases", calls.len(), cases.len()));
    let (next, faults, ends) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..BESIDE.min(cases.len()) {
            scope.spawn(|| {
                let mut bench = Bench::new(&runtime, &shim);
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let ran = bench.run(Some(*case));
                    *ends.lock().unwrap().entry((case.0, ran.end)).or_insert(0) += 1;
                    let hit = ran.calls.iter().find(|call| call.contains(" fails ")).cloned().unwrap_or_default();
                    faults.lock().unwrap().extend(bench.faults.drain(..).map(|f| format!("{case:?} ({hit}): {f}")));
                }
            });
        }
    });
    for ((kind, end), count) in ends.into_inner().unwrap() {
        say(&format!("disk: {kind:?}: {end:?} {count}"));
    }
    let faults = faults.into_inner().unwrap();
    faults.iter().for_each(|fault| say(&format!("disk: FAULT {fault}")));
    say(&format!("disk: {} faults", faults.len()));
    faults.is_empty()
}

fn build(folder: &Path) -> PathBuf {
    let (source, shim) = (tests::bins::workspace().join("tests/shim/disk.c"), folder.join("disk.so"));
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"]).arg(&shim).arg(source);
    assert!(command.status().unwrap().success(), "the shim does not compile");
    shim
}

struct Bench<'a> {
    world: World,
    stand: Arc<Stand>,
    line: VaultLine,
    item: ItemId,
    shim: &'a Path,
    /// The store's files as every run begins with them.
    begin: HashMap<&'static str, Vec<u8>>,
    handle: Handle,
    dice: Dice,
    faults: Vec<String>,
}

struct Ran {
    calls: Vec<String>,
    end: End,
}

impl<'a> Bench<'a> {
    fn new(runtime: &Runtime, shim: &'a Path) -> Self {
        let mut world = World::unpaired();
        let (line, stand) = by_link(&mut world, runtime.handle());
        let item = world.add("Letter", "letter.txt", LETTER).parse().unwrap();
        assert!(world.vault_node().stop().success());
        let home = world.vault_node().home().to_owned();
        lengthen(&home);
        let names = ["store.db", "store.db-wal"];
        let begin = names.map(|name| (name, fs::read(home.join("state").join(name)).unwrap())).into();
        let handle = runtime.handle().clone();
        Self { world, stand, line, item, shim, begin, handle, dice: Dice::new(1, 1), faults: Vec::new() }
    }

    fn home(&mut self) -> PathBuf {
        self.world.vault_node().home().to_owned()
    }

    /// One life under a fault, then a clean start, and everything compared with what was acknowledged.
    fn run(&mut self, fault: Option<(Kind, usize)>) -> Ran {
        let home = self.home();
        let trace = self.world.root().join("trace");
        drop(fs::remove_file(&trace));
        drop(fs::remove_file(home.join("state/store.db-shm")));
        for (name, bytes) in &self.begin {
            fs::write(home.join("state").join(name), bytes).unwrap();
        }
        self.stand.forget();
        let ledger = Arc::new(Ledger::new(self.line.owner.clone(), self.line.log.clone()));
        let logged = self.world.vault_node().log().len();
        self.start(fault, &home, &trace);
        let (refused, done) = self.life(&ledger);
        let flush = lines(&trace).iter().any(|call| call.contains("flush fails store.db"));
        let lives = self.lives(flush);
        let code = self.stop();
        let calls = lines(&trace);
        let words = self.world.vault_node().log().split_off(logged);
        let end = match (lives, code) {
            (false, Some(5)) if flush && words.contains("failed to flush the store; stopping") => End::Stopped,
            (false, Some(1)) if ["disk", "space"].iter().any(|word| words.contains(word)) => End::NotStarted,
            (false, code) => {
                self.faults.push(format!("it ended with {code:?}:\n{words}"));
                End::NotStarted
            }
            (true, _) if !done => End::Refused,
            (true, _) if refused > 0 => End::WentOn,
            (true, _) => End::Unnoticed,
        };
        if lives && flush {
            self.faults.push("a flush failed, and the vault went on".into());
        }
        if lives && !done && fault.is_none_or(|(kind, _)| !matches!(kind, Kind::IoOn | Kind::FullOn)) {
            self.faults.push(format!("the disk failed once, and the vault refuses for ever:\n{words}"));
        }
        self.afterwards(&ledger);
        Ran { calls, end }
    }

    fn start(&mut self, fault: Option<(Kind, usize)>, home: &Path, trace: &Path) {
        let (under, at) = (format!("{}/", home.join("state").display()), fault.map_or(0, |(_, at)| at).to_string());
        let (shim, trace) = (self.shim.display().to_string(), trace.display().to_string());
        let mut variables =
            vec![("LD_PRELOAD", &*shim), ("DISK_UNDER", &under), ("DISK_AT", &at), ("DISK_TRACE", &trace)];
        match fault.map(|(kind, _)| kind) {
            None | Some(Kind::Io) => {}
            Some(Kind::Torn) => variables.push(("DISK_TORN", "1")),
            Some(Kind::Full) => variables.push(("DISK_ERROR", "ENOSPC")),
            Some(Kind::IoOn) => variables.push(("DISK_ON", "1")),
            Some(Kind::FullOn) => variables.extend([("DISK_ON", "1"), ("DISK_ERROR", "ENOSPC")]),
        }
        self.world.vault_node().start(&variables);
    }

    /// Waits until it answers at the desk and at the link, or has ended.
    fn ready(&mut self) -> bool {
        let (socket, deadline) = (self.home().join("run/desk.sock"), Instant::now() + PATIENCE);
        loop {
            if std::os::unix::net::UnixStream::connect(&socket).is_ok() && self.stand.is_up() {
                return true;
            }
            if !self.world.vault_node().runs() {
                return false;
            }
            if Instant::now() > deadline {
                self.faults.push("it neither starts nor ends".into());
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Everything that is done to a vault; how often somebody was refused, and whether all was done in the end.
    fn life(&mut self, ledger: &Arc<Ledger>) -> (usize, bool) {
        if !self.ready() {
            return (0, false);
        }
        let (handle, home) = (self.handle.clone(), self.home());
        let mut actor = Actor {
            door: Door::Link(self.stand.clone()),
            desk: Desk(home.join("run/desk.sock")),
            ledger: ledger.clone(),
            item: self.item,
            owner: Owner {
                desk: Desk(home.join("run/desk.sock")),
                origin: self.line.log.name().clone(),
                key: self.world.owner_key(),
                folder: self.world.root().to_owned(),
                ledger: ledger.clone(),
                dice: self.dice.clone(),
                signed: HashMap::new(),
            },
            dice: Dice::new(self.dice.next(), 2),
            refused: 0,
        };
        let done = handle.block_on(actor.act()).is_some();
        (actor.refused, done)
    }

    /// Whether it goes on; after a flush that failed it has some time to end.
    fn lives(&mut self, flush: bool) -> bool {
        let deadline = Instant::now() + if flush { PATIENCE } else { Duration::ZERO };
        while self.world.vault_node().runs() {
            if Instant::now() >= deadline {
                return true;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        false
    }

    /// Ends it in order, if it lives; the exit code.
    fn stop(&mut self) -> Option<i32> {
        let node = self.world.vault_node();
        if node.runs() { node.stop().code() } else { node.wait_for_end().code() }
    }

    /// A clean start must find all that was acknowledged, and serve.
    fn afterwards(&mut self, ledger: &Arc<Ledger>) {
        self.stand.forget();
        self.world.vault_node().start(&[]);
        if !self.ready() {
            let log = self.world.vault_node().log_tail();
            self.faults.push(format!("it does not start again:\n{log}"));
            self.world.kill_vault();
            return;
        }
        let home = self.home();
        let promised = ledger.snapshot();
        let cases = self.handle.block_on(Desk(home.join("run/desk.sock")).cases(true)).unwrap();
        ledger.check(promised, &cases, Log::read(&home).unwrap());
        let ask = Ask { seed: self.dice.bytes(), item: self.item };
        let door = Door::Link(self.stand.clone());
        if self.handle.block_on(door.file(&ask)).is_err() {
            self.faults.push("it does not take requests again".into());
        }
        self.faults.extend(ledger.faults());
        self.world.kill_vault();
    }

    /// A life without a fault, after which an acknowledged request is taken out of the store.
    fn planted(&mut self) {
        let home = self.home();
        for (name, bytes) in &self.begin {
            fs::write(home.join("state").join(name), bytes).unwrap();
        }
        drop(fs::remove_file(home.join("state/store.db-shm")));
        self.stand.forget();
        let ledger = Arc::new(Ledger::new(self.line.owner.clone(), self.line.log.clone()));
        self.world.vault_node().start(&[]);
        assert!(self.life(&ledger).1, "a life without a fault");
        self.world.kill_vault();
        assert!(Plant::LostRequest.put(&home));
        self.afterwards(&ledger);
    }
}

/// Makes the write-ahead log so long that the next commits have it copied into the store.
fn lengthen(home: &Path) {
    let store = log::open(home, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    store.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    store.execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF;").unwrap();
    let path = home.join("state/store.db-wal");
    while fs::metadata(&path).map_or(0, |found| found.len()) < FRAMES * FRAME {
        // A row that is written as it is makes no frame.
        store.execute("UPDATE lane SET paired_at = paired_at + 1", []).unwrap();
    }
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Whoever uses the vault in one life.
struct Actor {
    door: Door,
    desk: Desk,
    ledger: Arc<Ledger>,
    item: ItemId,
    owner: Owner,
    dice: Dice,
    refused: usize,
}

/// Tries a step until it is done; gives the life up where it never is.
macro_rules! step {
    ($self:ident, $act:expr) => {{
        let mut tries = 0;
        loop {
            if let Ok(done) = $act.await {
                break done;
            }
            $self.refused += 1;
            tries += 1;
            if tries == TRIES {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }};
}

impl Actor {
    /// One of everything that writes; nothing where it could not be done.
    async fn act(&mut self) -> Option<()> {
        let first = self.file().await?;
        self.release(&first).await?;
        let second = self.file().await?;
        if step!(self, self.door.withdraw(&second)) == Standing::Closed {
            self.ledger.withdrawn(request(&second));
        }
        let letter = b"Another invented letter.\n";
        let add =
            json!({ "add": { "title": "Another", "listed": true, "media_type": "text/plain", "bytes": letter.len() } });
        step!(self, self.told(&add, letter, "added"));
        self.file().await?;
        Some(())
    }

    async fn file(&mut self) -> Option<Ticket> {
        let ask = Ask { seed: self.dice.bytes(), item: self.item };
        let ticket = step!(self, self.door.file(&ask));
        self.ledger.filed(request(&ticket));
        Some(ticket)
    }

    /// Approves and collects, in two pieces.
    async fn release(&mut self, ticket: &Ticket) -> Option<()> {
        let deadline = Instant::now() + PATIENCE;
        while step!(self, self.door.standing(ticket)) != Standing::Ready {
            step!(self, self.owner.approve_all());
            if Instant::now() > deadline {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (id, device) = (request(ticket), CollectionId(self.dice.bytes()));
        for offset in [0, 7] {
            match step!(self, self.door.collect(ticket, device, offset as u64, usize::MAX)) {
                Collected::Bytes(bytes, Some(receipt)) => {
                    self.ledger.began(id, device);
                    self.ledger.collecting(id, device, *receipt);
                    if !LETTER[offset..].starts_with(&bytes) {
                        self.ledger.fault(format!("{id} gave other bytes than were approved"));
                    }
                }
                Collected::Bytes(_, None) | Collected::Spent | Collected::Nothing => {
                    self.ledger.fault(format!("{id} was released and cannot be collected"));
                }
            }
        }
        Some(())
    }

    /// A call to the desk that has to be answered so; every refusal says something.
    async fn told(&self, call: &serde_json::Value, more: &[u8], answer: &str) -> Result<(), ()> {
        let reply = self.desk.ask(call, more).await.map_err(|_| ())?;
        if reply.get(answer).is_some() {
            return Ok(());
        }
        if reply["failed"]["message"].as_str().is_none_or(str::is_empty) {
            self.ledger.fault(format!("the desk answers {reply}"));
        }
        Err(())
    }
}
