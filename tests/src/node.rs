//! A node as a process.

use rustix::process::Signal;
use std::fs::{self, OpenOptions};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// What the message of a panic that a test asked for begins with.
const PLANTED: &str = " danger: panicked at ";
/// Bytes of a node's log that a failure message repeats.
const TAIL: usize = 6000;

/// A running (or stopped) `vault serve` or `reception serve`. Killed on drop, where it is a failure too that it had ended by
/// itself and nobody asked how, or that it panicked other than at a danger point.
pub struct Node {
    binary: PathBuf,
    home: PathBuf,
    log: PathBuf,
    child: Option<Child>,
    /// Bytes of the log that were searched for panics.
    searched: usize,
}

impl Node {
    /// A node that does not run yet: `binary --home home serve`, with its standard error appended to `log`.
    pub fn new(binary: &Path, home: PathBuf, log: PathBuf) -> Self {
        Self { binary: binary.into(), home, log, child: None, searched: 0 }
    }

    /// Starts the process with `variables` added to its environment; does not wait until it is ready.
    pub fn start(&mut self, variables: &[(&str, &str)]) {
        assert!(self.child.is_none(), "{} runs already", self.binary.display());
        let log = OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let mut command = clean(&self.binary);
        command.arg("--home").arg(&self.home).arg("serve").envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        // Where a core file would be.
        command.current_dir(self.home.parent().unwrap());
        self.child = Some(command.spawn().unwrap());
    }

    /// Ends it with SIGKILL, as a power failure would, and waits for that. One that does not run, and whose end somebody has
    /// waited for, is left as it is.
    ///
    /// # Errors
    /// How it had ended before, other than by SIGKILL: that was no power failure, and its own doing.
    pub fn kill(&mut self) -> Result<(), String> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.kill().unwrap();
        let status = child.wait().unwrap();
        if status.signal() == Some(Signal::KILL.as_raw()) {
            return Ok(());
        }
        Err(format!("{} had ended by itself ({status})", self.name()))
    }

    /// Ends it with SIGTERM, as systemd would, and waits for that.
    pub fn stop(&mut self) -> ExitStatus {
        let id = rustix::process::Pid::from_raw(self.pid() as i32).unwrap();
        rustix::process::kill_process(id, Signal::TERM).unwrap();
        self.wait_for_end()
    }

    /// Waits until it has ended by itself, such as at a crash point.
    ///
    /// # Panics
    /// After [`crate::PATIENCE`].
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let child = self.child.as_mut().expect("the node does not run");
        let status = crate::until("the node ends", || child.try_wait().unwrap());
        self.child = None;
        status
    }

    /// Whether the process has not ended.
    pub fn runs(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the node does not run").id()
    }

    /// What it was started with as `--home`.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// All that it has written to standard error, over all its starts.
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// What it says in its log of panics since this was asked the last time: a task that panicked ends alone, and whoever
    /// asked it something cannot tell that from a power failure.
    pub fn panics(&mut self) -> Vec<String> {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let new = String::from_utf8_lossy(&bytes[self.searched..]).into_owned();
        self.searched = bytes.len();
        panics_in(&new).into_iter().map(|words| format!("{} panicked: {words}", self.name())).collect()
    }

    fn name(&self) -> std::borrow::Cow<'_, str> {
        self.binary.file_name().unwrap_or_default().to_string_lossy()
    }

    /// The end of the log.
    pub fn log_tail(&self) -> String {
        let log = self.log().into_bytes();
        String::from_utf8_lossy(&log[log.len().saturating_sub(TAIL)..]).into_owned()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let killed = self.kill();
        let panics: Vec<String> = self.panics().into_iter().filter(|words| !words.contains(PLANTED)).collect();
        if std::thread::panicking() {
            eprintln!("--- {} ---\n{}", self.log.display(), self.log_tail());
            return;
        }
        if let Err(ended) = killed {
            panic!("{ended}, and nobody asked how:\n{}", self.log_tail());
        }
        assert!(panics.is_empty(), "{panics:#?}");
    }
}

/// The place and the message of each panic that a log tells of, as Rust's own hook writes them: on two lines.
fn panics_in(log: &str) -> Vec<String> {
    let mut lines = log.lines();
    let mut all = Vec::new();
    while let Some(line) = lines.next() {
        // Elsewhere in a line the words are somebody's own.
        if line.starts_with("thread '") && line.contains(" panicked at ") {
            all.push(format!("{line} {}", lines.next().unwrap_or_default()));
        }
    }
    all
}

/// A command that is not touched by the environment of whoever runs the tests.
pub fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C.UTF-8").env("RUST_BACKTRACE", "1");
    for name in ["PATH", "HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::until;

    /// A process that ends at once with exit status 1.
    fn ends_by_itself(folder: &Path) -> Node {
        let mut node = Node::new(Path::new("/bin/false"), folder.join("home"), folder.join("log"));
        node.start(&[]);
        until("it has ended", || (!node.runs()).then_some(()));
        node
    }

    #[test]
    fn an_end_of_its_own_is_no_power_failure() {
        let folder = tempfile::tempdir().unwrap();
        let mut node = ends_by_itself(folder.path());
        assert_eq!(node.kill(), Err("false had ended by itself (exit status: 1)".into()));
        assert_eq!(node.kill(), Ok(()), "it is said once");
    }

    #[test]
    #[should_panic(expected = "false had ended by itself (exit status: 1), and nobody asked how")]
    fn an_end_that_nobody_asked_about_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        drop(ends_by_itself(folder.path()));
    }

    /// A node whose log tells of a panic with this message.
    fn panicked(folder: &Path, message: &str) -> Node {
        let words =
            format!("INFO opened\n\nthread 'writer' (77) panicked at vault/src/store.rs:3:9:\n{message}\nstack\n");
        let node = Node::new(Path::new("/bin/false"), folder.join("home"), folder.join("log"));
        fs::write(&node.log, words).unwrap();
        node
    }

    #[test]
    fn each_panic_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut node = panicked(folder.path(), "index out of bounds");
        let told = "false panicked: thread 'writer' (77) panicked at vault/src/store.rs:3:9: index out of bounds";
        assert_eq!(node.panics(), [told]);
        assert!(node.panics().is_empty());
        assert!(panics_in("INFO a visitor wrote: thread 'main' panicked at home\n").is_empty());
    }

    #[test]
    #[should_panic(expected = "index out of bounds")]
    fn a_panic_that_nobody_asked_about_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        drop(panicked(folder.path(), "index out of bounds"));
    }

    #[test]
    fn a_panic_that_a_test_asked_for_is_none() {
        let folder = tempfile::tempdir().unwrap();
        drop(panicked(folder.path(), "danger: panicked at reply:before: "));
    }
}
