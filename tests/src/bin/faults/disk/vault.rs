//! The life of a vault on a disk that fails.

use super::trace::{before_serving, hollow, lines, unsettled};
use super::{ERRORS, End, Fault, PATIENCE, Ran, Shim, borrowed, step};
use crate::dice::stream;
use crate::door::{Ask, Collected, Door, Stand, Standing, request};
use crate::ledger::Ledger;
use crate::life::{Plant, burial, by_link};
use crate::log::{self, Log};
use crate::owner::Owner;
use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;
use serde_json::json;
use shared::ids::{CollectionId, ItemId, Ticket};
use shared::pairing::VaultLine;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests::World;
use tests::desk::Desk;
use tests::statistics::Dice;
use tokio::runtime::{Handle, Runtime};

/// Bytes of a frame in the write-ahead log, and how many of them are there before a run begins: a checkpoint is due soon.
const FRAME: u64 = 4096 + 24;
const FRAMES: u64 = 994;
const LETTER: &[u8] = b"An invented letter.\n";

/// A vault, and the harness in its reception's place.
pub(super) struct Bench<'a> {
    world: World,
    stand: Arc<Stand>,
    line: VaultLine,
    item: ItemId,
    shim: &'a Shim,
    /// The store's files as every run begins with them.
    begin: HashMap<&'static str, Vec<u8>>,
    handle: Handle,
    dice: Dice,
    faults: Vec<String>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(runtime: &Runtime, shim: &'a Shim) -> Self {
        let mut world = World::unpaired();
        let (line, stand) = by_link(&mut world, runtime.handle());
        let item = world.add("Letter", "letter.txt", LETTER).parse().unwrap();
        assert!(world.vault_node().stop().success());
        let home = world.vault_node().home().to_owned();
        lengthen(&home);
        let names = ["store.db", "store.db-wal"];
        let begin = names.map(|name| (name, fs::read(home.join("state").join(name)).unwrap())).into();
        let handle = runtime.handle().clone();
        Self { world, stand, line, item, shim, begin, handle, dice: stream(1, 1), faults: Vec::new() }
    }

    fn home(&mut self) -> PathBuf {
        self.world.vault_node().home().to_owned()
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

    /// Everything that is done to a vault; how far that went, and how often somebody was refused.
    fn life(&mut self, ledger: &Arc<Ledger>) -> (Lived, usize) {
        if !self.ready() {
            return (Lived::NeverServed, 0);
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
            dice: stream(self.dice.draw(), 2),
            refused: 0,
        };
        let done = handle.block_on(actor.act()).is_some();
        (if done { Lived::Whole } else { Lived::Half }, actor.refused)
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

    /// Whether what a start did before anybody could reach it has settled what the life before left to the system.
    fn began(&mut self, before: &[String], trace: &Path, serves: bool) {
        match before_serving(trace) {
            Some(start) => self.faults.extend(unsettled(before, &start)),
            None if serves => self.faults.push("it serves, and the shim has not seen how it can be reached".into()),
            None => {}
        }
    }

    /// A clean start must find all that was acknowledged, and serve; not before the disk has what the life before it left to
    /// the system.
    fn afterwards(&mut self, ledger: &Arc<Ledger>, life: &[String]) {
        self.stand.forget();
        let (trace, home) = (self.world.root().join("trace-afterwards"), self.home());
        drop(fs::remove_file(&trace));
        let variables = self.shim.variables(None, &home.join("state"), &trace);
        self.world.vault_node().start(&borrowed(&variables));
        let serves = self.ready();
        self.began(life, &trace, serves);
        if !serves {
            let log = self.world.vault_node().log_tail();
            self.faults.push(format!("it does not start again:\n{log}"));
            self.faults.extend(burial(self.world.vault_node()));
            return;
        }
        let promised = ledger.snapshot();
        let cases = self.handle.block_on(Desk(home.join("run/desk.sock")).cases(true)).unwrap();
        ledger.check(promised, &cases, Log::read(&home).unwrap());
        let ask = Ask { seed: self.dice.bytes(), item: self.item };
        let door = Door::Link(self.stand.clone());
        if self.handle.block_on(door.file(&ask)).is_err() {
            self.faults.push("it does not take requests again".into());
        }
        self.faults.extend(ledger.faults());
        self.faults.extend(burial(self.world.vault_node()));
    }
}

impl super::Bench for Bench<'_> {
    const SEEN: &'static [&'static str] = &[
        "write passes store.db ",
        "flush passes store.db\n",
        "write passes store.db-wal ",
        "flush passes store.db-wal\n",
        "flush passes .\n",
    ];

    fn run(&mut self, fault: Option<Fault>) -> Ran {
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
        let variables = self.shim.variables(fault, &home.join("state"), &trace);
        self.world.vault_node().start(&borrowed(&variables));
        let (lived, refused) = self.life(&ledger);
        let flush = flush_failed(&lines(&trace));
        let lives = self.lives(flush);
        let code = self.stop();
        let calls = lines(&trace);
        let words = self.world.vault_node().log().split_off(logged);
        // The files as they are put there count as the disk's.
        self.began(&[], &trace, lived != Lived::NeverServed);
        self.faults.extend(hollow(&calls));
        let seen = Seen { fault, lived, refused, lives, code, flush, words: &words };
        let (end, faults) = seen.judge();
        self.faults.extend(faults);
        self.faults.extend(self.world.vault_node().panics());
        self.afterwards(&ledger, &calls);
        Ran { calls, end }
    }

    fn planted(&mut self) -> &'static str {
        let home = self.home();
        for (name, bytes) in &self.begin {
            fs::write(home.join("state").join(name), bytes).unwrap();
        }
        drop(fs::remove_file(home.join("state/store.db-shm")));
        self.stand.forget();
        let ledger = Arc::new(Ledger::new(self.line.owner.clone(), self.line.log.clone()));
        self.world.vault_node().start(&[]);
        assert_eq!(self.life(&ledger), (Lived::Whole, 0), "a life without a fault");
        self.world.kill_vault();
        assert!(Plant::LostRequest.put(&home));
        self.afterwards(&ledger, &[]);
        Plant::LostRequest.words()
    }

    fn faults(&mut self) -> Vec<String> {
        std::mem::take(&mut self.faults)
    }
}

/// How far a life went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lived {
    NeverServed,
    /// Something could not be done.
    Half,
    Whole,
}

/// What one life under a fault was seen to be.
struct Seen<'a> {
    fault: Option<Fault>,
    lived: Lived,
    refused: usize,
    /// Whether it went on to the end.
    lives: bool,
    code: Option<i32>,
    /// Whether a flush of the store failed.
    flush: bool,
    /// What it logged.
    words: &'a str,
}

impl Seen<'_> {
    /// What it came to, and what was wrong with that.
    fn judge(&self) -> (End, Vec<String>) {
        let (mut faults, words) = (Vec::new(), self.words);
        let said = ERRORS.iter().any(|error| words.contains(error));
        let end = match (self.lives, self.code) {
            (false, Some(5)) if self.flush && words.contains("failed to flush the store; stopping") => End::Stopped,
            (false, Some(1)) if self.lived == Lived::NeverServed && said => End::NotStarted,
            (false, code) => {
                faults.push(format!("it ended with {code:?}:\n{words}"));
                End::NotStarted
            }
            (true, _) if self.lived != Lived::Whole => End::Refused,
            (true, _) if self.refused > 0 => End::WentOn,
            (true, _) => End::Unnoticed,
        };
        if self.lives && self.flush {
            faults.push("a flush failed, and the vault went on".into());
        }
        if self.lives && self.lived != Lived::Whole && self.fault.is_none_or(|(kind, _)| !kind.goes_on()) {
            faults.push(format!("the disk failed once, and the vault refuses for ever:\n{words}"));
        }
        (end, faults)
    }
}

/// Of the store or its log. That SQLite flushes their folder too, and goes on where that fails, is of no matter: the start that
/// serves has flushed it for itself.
fn flush_failed(calls: &[String]) -> bool {
    calls.iter().any(|call| call.contains("flush fails store.db"))
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

#[cfg(test)]
mod proofs {
    use super::*;
    use crate::disk::Kind;

    const ONCE: Seen<'_> = Seen {
        fault: Some((Kind::Full, 3)),
        lived: Lived::Whole,
        refused: 1,
        lives: true,
        code: Some(0),
        flush: false,
        words: "",
    };

    fn faults(seen: &Seen<'_>) -> String {
        seen.judge().1.concat()
    }

    #[test]
    fn a_vault_that_goes_on_after_a_failed_flush_is_found() {
        let trace = ["1 write passes store.db-wal", "2 flush fails store.db-wal", "3 write passes store.db-wal"];
        let flush = flush_failed(&trace.map(str::to_owned));
        assert!(faults(&Seen { flush, ..ONCE }).contains("a flush failed, and the vault went on"));
        let words = "ERROR the disk failed to flush the store; stopping. Check the disk";
        let stopped = Seen { flush, lives: false, code: Some(5), words, ..ONCE };
        assert_eq!(stopped.judge(), (End::Stopped, vec![]));
        assert!(faults(&Seen { flush: false, ..stopped }).contains("it ended with Some(5)"), "for nothing");
    }

    #[test]
    fn a_vault_that_served_and_ends_for_want_of_room_is_found() {
        let words = "ERROR database or disk is full";
        let unstarted = Seen { lived: Lived::NeverServed, lives: false, code: Some(1), words, ..ONCE };
        assert_eq!(unstarted.judge(), (End::NotStarted, vec![]));
        for lived in [Lived::Half, Lived::Whole] {
            assert!(faults(&Seen { lived, ..unstarted }).contains("it ended with Some(1)"));
        }
        assert!(
            faults(&Seen { words: "out of disk quota", ..unstarted }).contains("it ended with"),
            "and does not say why"
        );
    }

    #[test]
    fn a_vault_that_refuses_for_ever_is_found() {
        assert_eq!(ONCE.judge(), (End::WentOn, vec![]));
        let half = Seen { lived: Lived::Half, ..ONCE };
        assert!(faults(&half).contains("refuses for ever"));
        assert_eq!(Seen { fault: Some((Kind::FullOn, 3)), ..half }.judge(), (End::Refused, vec![]));
    }
}
