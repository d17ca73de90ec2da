//! The life of a reception on a disk that fails: what it keeps for a vault that is away, and what it publishes.

use super::trace::{before_serving, hollow, lines, unconfirmed};
use super::{ERRORS, End, Fault, PATIENCE, Ran, Shim, TRIES, borrowed};
use crate::dice::stream;
use crate::door::{Ask, Page, Unanswered, request};
use crate::ledger::Ledger;
use crate::life::{burial, by_page};
use crate::log::Log;
use shared::ids::{ItemId, RequestId, Ticket};
use shared::pairing::VaultLine;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tests::World;
use tests::desk::Desk;
use tests::statistics::Dice;
use tokio::runtime::{Handle, Runtime};

/// The titles that tell the publications apart, the one on the disk and the one that the vault has for it.
const OLD: &str = "About";
const NEW: &str = "Two benches";
/// What a visitor is told whose request has not left the reception.
const NEVER: &str = "It was not handed over";
/// Where requests wait; what a start finds there, it believes.
const SPOOL: &str = "state/spool";
/// What the reception says once it serves.
const SERVES: &str = "reception: page http://";

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A reception, and a vault that comes and goes.
pub(super) struct Bench<'a> {
    world: World,
    page: Page,
    line: VaultLine,
    item: ItemId,
    shim: &'a Shim,
    /// A request that the reception keeps from an earlier life.
    before: Ticket,
    /// The state of both as every run begins with it.
    reception: Files,
    vault: Files,
    handle: Handle,
    dice: Dice,
    refused: usize,
    /// What was withdrawn and, as its visitor was told, never handed over.
    never: Vec<RequestId>,
    /// Whether a visitor has seen the newer publication.
    seen: bool,
    faults: Vec<String>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(runtime: &Runtime, shim: &'a Shim) -> Self {
        let (mut world, mut dice) = (World::unpaired(), stream(1, 3));
        let item: ItemId = world.add("Letter", "letter.txt", b"An invented letter.\n").parse().unwrap();
        let (line, page) = by_page(&mut world, &mut dice);
        assert!(world.vault_node().stop().success());
        let ask = Ask { seed: dice.bytes(), item };
        let before = tests::until("the first request is kept", || runtime.block_on(page.file(&ask)).ok());
        assert!(world.reception_node().stop().success());
        world.start_vault(&[]);
        publish(&world);
        assert!(world.vault_node().stop().success());
        let reception = files(&world.reception_node().home().join("state"));
        let vault = files(&world.vault_node().home().join("state"));
        let (handle, refused, never, seen, faults) = (runtime.handle().clone(), 0, Vec::new(), false, Vec::new());
        Self { world, page, line, item, shim, before, reception, vault, handle, dice, refused, never, seen, faults }
    }

    /// Everything as it was; what is promised from then on.
    fn begin(&mut self) -> Ledger {
        let reception = self.world.reception_node().home().to_owned();
        restore(&reception.join("state"), &self.reception);
        // A crash can leave a file that was not in its place yet.
        let half = format!("state/spool/{}.sealed.new", RequestId([7; 16]));
        fs::write(reception.join(half), b"half").unwrap();
        restore(&self.world.vault_node().home().join("state"), &self.vault);
        (self.refused, self.seen) = (0, false);
        self.never.clear();
        let ledger = Ledger::new(self.line.owner.clone(), self.line.log.clone());
        ledger.filed(request(&self.before));
        ledger
    }

    /// Starts the reception, and waits until it serves or has ended; whether it serves.
    fn start(&mut self, variables: &[(&str, &str)]) -> bool {
        let (node, deadline) = (self.world.reception_node(), Instant::now() + PATIENCE);
        let before = node.log().len();
        node.start(variables);
        while node.runs() {
            if node.log()[before..].contains(SERVES) {
                return true;
            }
            if Instant::now() > deadline {
                self.faults.push("it neither starts nor ends".into());
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        false
    }

    /// One of everything that writes; nothing where it could not be done.
    fn life(&mut self, ledger: &Ledger) -> Option<()> {
        let (away, taken_back) = (self.file(ledger)?, self.file(ledger)?);
        for ticket in [&away, &taken_back] {
            self.is_kept(ticket);
        }
        self.take_back(ledger, &taken_back);
        self.world.start_vault(&[]);
        for ticket in [self.before.clone(), away] {
            self.wait_for("a kept request is with the vault", |bench| Some(bench.word(&ticket)? == "waiting"))?;
        }
        let begun = self.world.reception_node().log().rfind(SERVES).unwrap_or_default();
        self.wait_for("the publication is served, or is not stored", |bench| {
            bench.seen = bench.front()?.contains(NEW);
            let log = bench.world.reception_node().log();
            Some(bench.seen || log[begun..].contains("the publication stays as it is"))
        })?;
        self.file(ledger)?;
        assert!(self.world.vault_node().stop().success());
        let last = self.file(ledger)?;
        self.is_kept(&last);
        Some(())
    }

    /// Files, again if it is refused.
    fn file(&mut self, ledger: &Ledger) -> Option<Ticket> {
        let ask = Ask { seed: self.dice.bytes(), item: self.item };
        for _ in 0..TRIES {
            let page = self.visitor();
            if let Ok(ticket) = self.handle.block_on(page.file(&ask)) {
                ledger.filed(request(&ticket));
                return Some(ticket);
            }
            self.refused += 1;
        }
        None
    }

    /// What was acknowledged while the vault is away is in the spool.
    fn is_kept(&mut self, ticket: &Ticket) {
        let (word, id) = (self.word(ticket), request(ticket));
        if !matches!(word.as_deref(), Some("kept" | "kept-perhaps")) || !self.world.spooled(&id.to_string()).exists() {
            self.faults.push(format!("{id} was acknowledged, and is not kept: {word:?}"));
        }
    }

    /// Takes a request back that has not left; whoever is told so, for good.
    fn take_back(&mut self, ledger: &Ledger, ticket: &Ticket) {
        ledger.taken_back(request(ticket));
        for _ in 0..TRIES {
            let page = self.visitor();
            match self.handle.block_on(page.take_back(ticket)) {
                Ok(text) if text.contains(NEVER) => return self.never.push(request(ticket)),
                Ok(text) => return self.faults.push(format!("a withdrawal of what is here is answered:\n{text}")),
                Err(Unanswered) => self.refused += 1,
            }
        }
    }

    fn word(&mut self, ticket: &Ticket) -> Option<String> {
        let page = self.visitor();
        self.handle.block_on(page.word(ticket)).ok()
    }

    fn front(&mut self) -> Option<String> {
        let page = self.visitor();
        self.handle.block_on(page.front()).ok()
    }

    /// Somebody from an address that nobody came from before.
    fn visitor(&mut self) -> Page {
        self.page.moved(&mut self.dice)
    }

    /// Looks until it is so; not after the reception has ended.
    fn wait_for(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<bool>) -> Option<()> {
        let deadline = Instant::now() + PATIENCE;
        while look(self) != Some(true) {
            if !self.world.reception_node().runs() {
                return None;
            }
            if Instant::now() > deadline {
                let log = self.world.reception_node().log_tail();
                self.faults.push(format!("it did not happen that {what}:\n{log}"));
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(())
    }

    /// Ends it in order, if it lives; the exit code.
    fn stop(&mut self) -> Option<i32> {
        let node = self.world.reception_node();
        if node.runs() { node.stop().code() } else { node.wait_for_end().code() }
    }

    /// A clean start must serve what was served, bring everything that was acknowledged to the vault, and take requests again;
    /// not before the disk has the names that the life before it left to the system in the spool.
    fn afterwards(&mut self, ledger: &Ledger, life: &[String]) {
        self.faults.extend(burial(self.world.vault_node()));
        let (trace, home) = (self.world.root().join("trace-afterwards"), self.world.reception_node().home().to_owned());
        drop(fs::remove_file(&trace));
        let serves = self.start(&borrowed(&self.shim.variables(None, &home, &trace)));
        match before_serving(&trace) {
            Some(start) => self.faults.extend(unconfirmed(life, &start, SPOOL)),
            None if serves => self.faults.push("it serves, and the shim has not seen how it can be reached".into()),
            None => {}
        }
        if !serves {
            let log = self.world.reception_node().log_tail();
            self.faults.push(format!("it does not start again:\n{log}"));
            self.faults.extend(burial(self.world.reception_node()));
            return;
        }
        let wanted = if self.seen { NEW } else { OLD };
        if !self.front().is_some_and(|page| page.contains(wanted) || page.contains(NEW)) {
            self.faults.push(format!("what was published is not served: {wanted}"));
        }
        self.world.start_vault(&[]);
        let spool = self.world.reception_node().home().join("state/spool");
        let brought = self.wait_for("all is with the vault", |bench| {
            Some(bench.front()?.contains(NEW) && !holds_requests(&spool) && bench.world.link_is_up())
        });
        if brought.is_some() {
            self.compare(ledger);
        }
        if self.file(ledger).is_none() {
            self.faults.push("it does not take requests again".into());
        }
        self.faults.extend(ledger.faults());
        self.faults.extend(burial(self.world.reception_node()));
        self.faults.extend(burial(self.world.vault_node()));
    }

    fn compare(&mut self, ledger: &Ledger) {
        let home = self.world.vault_node().home().to_owned();
        let cases = self.handle.block_on(Desk(home.join("run/desk.sock")).cases(true)).unwrap();
        for id in std::mem::take(&mut self.never) {
            if cases.iter().any(|case| case["id"] == id.to_string()) {
                self.faults
                    .push(format!("{id} was withdrawn and never handed over, its visitor was told; the vault has it"));
            }
        }
        ledger.check(ledger.snapshot(), &cases, Log::read(&home).unwrap());
    }
}

impl super::Bench for Bench<'_> {
    const SEEN: &'static [&'static str] = &[
        "write passes state/spool/",
        "flush passes state/spool/",
        "rename passes state/spool/",
        "unlink passes state/spool/",
        "flush passes state/spool\n",
        "write passes state/publications/incoming/bundle.json\n",
        "flush passes state/publications/incoming/bundle.json\n",
        "rename passes state/publications/2 ",
        "rename passes state/publications/current ",
        "flush passes state/publications\n",
    ];

    fn run(&mut self, fault: Option<Fault>) -> Ran {
        let ledger = self.begin();
        let home = self.world.reception_node().home().to_owned();
        let trace = self.world.root().join("trace");
        drop(fs::remove_file(&trace));
        let logged = self.world.reception_node().log().len();
        let variables = self.shim.variables(fault, &home, &trace);
        let serves = self.start(&borrowed(&variables));
        let done = serves && self.life(&ledger).is_some();
        let lives = self.world.reception_node().runs();
        let code = self.stop();
        let (calls, words) = (lines(&trace), self.world.reception_node().log().split_off(logged));
        let end = match (lives, code) {
            (false, Some(1)) if !serves && ERRORS.iter().any(|error| words.contains(error)) => End::NotStarted,
            (true, Some(0)) if !done => End::Refused,
            (true, Some(0)) if self.refused > 0 => End::WentOn,
            (true, Some(0)) => End::Unnoticed,
            (_, code) => {
                self.faults.push(format!("it ended with {code:?}:\n{words}"));
                End::NotStarted
            }
        };
        if lives && !done && fault.is_none_or(|(kind, _)| !kind.goes_on()) {
            self.faults.push(format!("the disk failed once, and the reception refuses for ever:\n{words}"));
        }
        self.faults.extend(hollow(&calls));
        self.faults.extend(self.world.reception_node().panics());
        self.afterwards(&ledger, &calls);
        Ran { calls, end }
    }

    fn planted(&mut self) -> &'static str {
        let ledger = self.begin();
        assert!(self.start(&[]) && self.life(&ledger).is_some(), "a life without a fault");
        self.world.kill_reception();
        let spool = self.world.reception_node().home().join("state/spool");
        let kept = fs::read_dir(spool).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_file());
        fs::remove_file(kept.unwrap()).unwrap();
        self.afterwards(&ledger, &[]);
        "was acknowledged and is lost"
    }

    fn faults(&mut self) -> Vec<String> {
        std::mem::take(&mut self.faults)
    }
}

/// Publishes [`NEW`] in the vault, while no reception is there to take it.
fn publish(world: &World) {
    let (folder, out) = (world.root().join("new"), world.root().join("out").display().to_string());
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("benches.md"), format!("# {NEW}\n\nThey stand behind the barn.\n")).unwrap();
    world.vault(&["publish", &folder.display().to_string(), "--prepare", &out]).ok();
    tests::tools::sign(&world.owner_key(), &format!("{out}/statement"));
    world.vault(&["publish", "--submit", &out]).ok();
}

fn holds_requests(spool: &Path) -> bool {
    fs::read_dir(spool).unwrap().any(|entry| entry.unwrap().path().is_file())
}

/// Every file below a folder; the shared memory beside the store need not be there.
fn files(folder: &Path) -> Files {
    let mut all = Files::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            all.extend(files(&path));
        } else if path.file_name().is_some_and(|name| name != "store.db-shm") {
            let bytes = fs::read(&path).unwrap();
            all.insert(path, bytes);
        }
    }
    all
}

/// Puts files back as they were, and takes the others away.
fn restore(folder: &Path, whole: &Files) {
    for path in files(folder).keys().filter(|path| !whole.contains_key(*path)) {
        fs::remove_file(path).unwrap();
    }
    drop(fs::remove_file(folder.join("store.db-shm")));
    for (path, bytes) in whole {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(path, private).unwrap();
    }
}
