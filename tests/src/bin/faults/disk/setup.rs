//! A reception that is set up and paired on a disk that fails: two commands, which say whether what they made will last.

use super::trace::{hollow, lines};
use super::{ERRORS, End, Fault, Ran, Shim, borrowed};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;
use tests::{World, bins, node};

const INIT: [&str; 7] = ["init", "--name", "front", "--link", "127.0.0.1:7443", "--http", "127.0.0.1:0"];
const KEY: &str = "state/witness-key.pem";

/// A folder to set receptions up in, and a vault's line to pair them with.
pub(super) struct Bench<'a> {
    line: String,
    root: TempDir,
    shim: &'a Shim,
    faults: Vec<String>,
    /// Calls of `init`: the later ones are those of `pair`.
    first: usize,
}

impl<'a> Bench<'a> {
    pub(super) fn new(shim: &'a Shim) -> Self {
        let world = World::unpaired();
        let line = world.vault(&["pair", &world.reception(&["id"]).ok()]).ok();
        let mut bench = Self { line, root: tempfile::tempdir().unwrap(), shim, faults: Vec::new(), first: usize::MAX };
        let (_, calls) = bench.command(&INIT, None);
        bench.first = calls.len();
        bench
    }

    fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// Runs a command of the reception; how it ended, and what it did with its files.
    fn command(&self, arguments: &[&str], fault: Option<Fault>) -> (Output, Vec<String>) {
        let (home, trace) = (self.home(), self.root.path().join("trace"));
        drop(fs::remove_file(&trace));
        let mut command = node::clean(bins::reception());
        // The folder above, so that the flush of the reception's own folder counts, and that of its name.
        command.envs(borrowed(&self.shim.variables(fault, self.root.path(), &trace)));
        let output = command.arg("--home").arg(home).args(arguments).output().unwrap();
        (output, lines(&trace))
    }

    /// One command under a fault: it has done its work for good, or says why not and does it the next time.
    fn step(&mut self, arguments: &[&str], fault: Option<Fault>, done: &dyn Fn(&Path) -> bool) -> Ran {
        let (output, calls) = self.command(arguments, fault);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        let end = match output.status.code() {
            Some(0) if done(&self.home()) => End::Unnoticed,
            Some(1) if ERRORS.iter().any(|error| words.contains(error)) => End::Refused,
            code => {
                self.faults.push(format!("{} ended with {code:?}: {words}", arguments[0]));
                End::Refused
            }
        };
        self.faults.extend(hollow(&calls));
        if end == End::Refused {
            let (again, _) = self.command(arguments, None);
            let words = String::from_utf8_lossy(&again.stderr).into_owned();
            let left = fault.is_some_and(|(kind, _)| kind.goes_on())
                && (words.contains("move these files away") || words.contains("\n  rm "));
            if left {
                drop(fs::remove_dir_all(self.home()));
                self.command(&INIT, None);
            } else if !again.status.success() || !done(&self.home()) {
                self.faults.push(format!("{} does not work the next time: {words}", arguments[0]));
            }
        }
        Ran { calls, end }
    }

    /// Both commands, and whether what they made is there.
    fn life(&mut self, fault: Option<Fault>) -> Ran {
        drop(fs::remove_dir_all(self.home()));
        let (of_init, of_pair) = match fault {
            Some((kind, at)) if at > self.first => (None, Some((kind, at - self.first))),
            fault => (fault, None),
        };
        let init = self.step(&INIT, of_init, &|home| home.join("config/reception.toml").exists());
        let line = self.line.clone();
        let stored = move |home: &Path| {
            fs::read_to_string(home.join("state/vault.line")).is_ok_and(|stored| stored.trim() == line)
        };
        let line = self.line.clone();
        let pair = self.step(&["pair", &line], of_pair, &stored);
        Ran { calls: [init.calls, pair.calls].concat(), end: init.end.max(pair.end) }
    }

    /// The keys that were made are the reception's from then on.
    fn afterwards(&mut self) {
        let ids = [0; 2].map(|_| self.command(&["id"], None).0);
        if !ids.iter().all(|id| id.status.success()) || ids[0].stdout != ids[1].stdout {
            let words = String::from_utf8_lossy(&ids[0].stderr).into_owned();
            self.faults.push(format!("what was set up is not there: {words}"));
        }
    }
}

impl super::Bench for Bench<'_> {
    const SEEN: &'static [&'static str] = &[
        "write passes home/state/witness-key.pem\n",
        "flush passes home/state/witness-key.pem\n",
        "write passes home/config/reception.toml.new\n",
        "flush passes home/config/reception.toml.new\n",
        "rename passes home/state/vault.line ",
        "flush passes home/state\n",
        "flush passes home\n",
        "flush passes .\n",
    ];

    fn run(&mut self, fault: Option<Fault>) -> Ran {
        let ran = self.life(fault);
        self.afterwards();
        ran
    }

    fn planted(&mut self) -> &'static str {
        self.life(None);
        fs::remove_file(self.home().join(KEY)).unwrap();
        self.afterwards();
        "what was set up is not there"
    }

    fn faults(&mut self) -> Vec<String> {
        std::mem::take(&mut self.faults)
    }
}
