//! A vault that is set up on a disk that fails, or by a process that is killed: the next `init` makes it, or says what is in its
//! way and how to remove that.

use super::trace::{hollow, lines};
use super::{ERRORS, End, Fault, PATIENCE, Ran, Shim, borrowed};
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tests::{Node, bins, node};

const INIT: [&str; 4] = ["init", "--name", "front", "--no-passphrase"];
/// What the system says of either error, and SQLite.
const SAID: [&str; 4] = [ERRORS[0], ERRORS[1], "disk I/O error", "disk is full"];
const KEY: &str = "state/log-key.pem";
/// How a call fails that the process does not survive.
const KILL: (&str, &str) = ("DISK_KILL", "1");

/// A folder to set vaults up in.
pub(super) struct Bench<'a> {
    root: TempDir,
    shim: &'a Shim,
    faults: Vec<String>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(shim: &'a Shim) -> Self {
        Self { root: tempfile::tempdir().unwrap(), shim, faults: Vec::new() }
    }

    fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// Runs `init`; how it ended, and what it did with its files.
    fn init(&self, fault: Option<Fault>, more: Option<(&str, &str)>) -> (Output, Vec<String>) {
        let (home, trace) = (self.home(), self.root.path().join("trace"));
        drop(fs::remove_file(&trace));
        let mut command = node::clean(bins::vault());
        // The folder above, so that the flush of the vault's own folder counts, and that of its name.
        command.envs(borrowed(&self.shim.variables(fault, self.root.path(), &trace))).envs(more);
        let output = command.arg("--home").arg(home).args(INIT).output().unwrap();
        (output, lines(&trace))
    }

    /// One `init` under a fault: it has made a vault, or says why not, or was killed; then there is one after all.
    fn life(&mut self, fault: Option<Fault>, more: Option<(&str, &str)>) -> Ran {
        drop(fs::remove_dir_all(self.home()));
        let (output, calls) = self.init(fault, more);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        let end = match output.status.code() {
            Some(0) => End::Unnoticed,
            Some(1) if SAID.iter().any(|error| words.contains(error)) => End::Refused,
            // Where it is ssh-keygen that was killed, init lives on.
            None | Some(1) if more == Some(KILL) => End::Stopped,
            code => {
                self.faults.push(format!("init ended with {code:?}: {words}"));
                End::Refused
            }
        };
        self.faults.extend(hollow(&calls));
        if end != End::Unnoticed {
            self.again();
        }
        if let Err(why) = serves(&self.home(), &self.root.path().join("log")) {
            self.faults.push(format!("what was set up does not serve: {why}"));
        }
        Ran { calls, end }
    }

    /// What somebody does after an `init` that failed: run it again, and do what it says.
    fn again(&mut self) {
        let (output, _) = self.init(None, None);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() || words.contains("there is a vault here already") {
            return;
        }
        let Some(remove) = words.lines().find(|line| line.starts_with("  rm ")) else {
            self.faults.push(format!("init does not say what to remove: {words}"));
            return;
        };
        assert!(Command::new("sh").args(["-c", remove]).status().unwrap().success(), "{remove}");
        let (output, _) = self.init(None, None);
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            self.faults.push(format!("init does not work after `{}`: {words}", remove.trim()));
        }
    }
}

/// Whether a vault starts and its desk answers.
fn serves(home: &Path, log: &Path) -> Result<(), String> {
    drop(fs::remove_file(log));
    let mut node = Node::new(bins::vault(), home.into(), log.into());
    node.start(&[]);
    let deadline = Instant::now() + PATIENCE;
    while UnixStream::connect(home.join("run/desk.sock")).is_err() {
        if !node.runs() {
            node.wait_for_end();
            return Err(node.log());
        }
        if Instant::now() > deadline {
            return Err(node.log());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    if node.stop().success() { Ok(()) } else { Err(node.log()) }
}

impl super::Bench for Bench<'_> {
    const SEEN: &'static [&'static str] = &[
        "flush passes .\n",
        "flush passes home\n",
        "write passes home/state/log-key.pem\n",
        "flush passes home/state/log-key.pem\n",
        "write passes home/config/vault.toml.new\n",
        "flush passes home/config/vault.toml.new\n",
        "flush passes home/state/store.db\n",
    ];

    fn run(&mut self, fault: Option<Fault>) -> Ran {
        let ran = self.life(fault, None);
        if fault.is_some() {
            self.life(fault, Some(KILL));
        }
        ran
    }

    fn planted(&mut self) -> &'static str {
        self.life(None, None);
        fs::remove_file(self.home().join(KEY)).unwrap();
        let gone = serves(&self.home(), &self.root.path().join("log"));
        self.faults.extend(gone.err().map(|why| format!("what was set up does not serve: {why}")));
        "does not serve"
    }

    fn faults(&mut self) -> Vec<String> {
        std::mem::take(&mut self.faults)
    }
}
