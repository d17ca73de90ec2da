//! A node as a process.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// Bytes of a node's log that a failure message repeats.
const TAIL: usize = 6000;

/// A running (or stopped) `vault serve` or `reception serve`. Killed on drop.
pub struct Node {
    binary: PathBuf,
    home: PathBuf,
    log: PathBuf,
    child: Option<Child>,
}

impl Node {
    /// A node that does not run yet: `binary --home home serve`, with its standard error appended to `log`.
    pub fn new(binary: &Path, home: PathBuf, log: PathBuf) -> Self {
        Self { binary: binary.into(), home, log, child: None }
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

    /// Ends it with SIGKILL, as a power failure would, and waits for that.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Ends it with SIGTERM, as systemd would, and waits for that.
    pub fn stop(&mut self) -> ExitStatus {
        let id = rustix::process::Pid::from_raw(self.pid() as i32).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
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

    /// The end of the log.
    pub fn log_tail(&self) -> String {
        let log = self.log().into_bytes();
        String::from_utf8_lossy(&log[log.len().saturating_sub(TAIL)..]).into_owned()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- {} ---\n{}", self.log.display(), self.log_tail());
        }
    }
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
