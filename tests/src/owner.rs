//! The owner at a terminal, of 80 columns and 24 rows unless a test needs another: a real pseudo-terminal, its screen, and typing.

use crate::{PATIENCE, World, bins, until, within};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const SIZE: PtySize = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
/// What stands before the word that says yes.
const INVITATION: &str = "type the word:";
/// How the row begins that only the screen with the decision has. Quoted text, which may imitate it, stands behind a frame.
const DECISION: &str = " YOUR DECISION";

/// A command of the vault in a terminal. Killed on drop.
pub struct Owner {
    child: Box<dyn Child + Send + Sync>,
    writer: Box<dyn Write + Send>,
    seen: Arc<Mutex<Seen>>,
    reader: Option<JoinHandle<()>>,
    /// Nothing more is read.
    closing: Arc<AtomicBool>,
    // The terminal ends with the last of this, the writer, and what the reader holds.
    master: Option<Box<dyn MasterPty + Send>>,
}

struct Seen {
    screen: vt100::Parser,
    bytes: Vec<u8>,
}

impl Owner {
    /// An owner's command that is read to the end, signed, and well ended.
    ///
    /// # Panics
    /// When it does not come to that.
    pub fn declare(world: &World, arguments: &[&str]) {
        let mut owner = Self::run(world, arguments);
        owner.read_to_the_end();
        owner.type_word();
        assert_eq!(owner.wait_for_exit(), 0, "{}", owner.screen());
    }

    /// Starts `vault ARGUMENTS` in a terminal.
    pub fn run(world: &World, arguments: &[&str]) -> Self {
        Self::run_with(world, arguments, &[])
    }

    /// [`Owner::run`] with these variables added to the environment, such as `EDITOR`.
    pub fn run_with(world: &World, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::start(Self::command(world, arguments, variables), SIZE)
    }

    /// [`Owner::run`] in a terminal of this many columns and rows.
    pub fn run_sized(world: &World, arguments: &[&str], cols: u16, rows: u16) -> Self {
        Self::start(Self::command(world, arguments, &[]), PtySize { rows, cols, ..SIZE })
    }

    fn command(world: &World, arguments: &[&str], variables: &[(&str, &str)]) -> CommandBuilder {
        let mut command = CommandBuilder::new(bins::vault());
        command.env_clear();
        for (name, value) in [("LC_ALL", "C.UTF-8"), ("TERM", "xterm-256color")] {
            command.env(name, value);
        }
        for name in ["PATH", "HOME"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("XDG_RUNTIME_DIR", world.root().join("tmp"));
        variables.iter().for_each(|(name, value)| command.env(name, value));
        command.arg("--home");
        command.arg(world.root().join("vault"));
        command.args(arguments);
        command.cwd(world.root());
        command
    }

    fn start(command: CommandBuilder, size: PtySize) -> Self {
        let pair = native_pty_system().openpty(size).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let (mut output, writer) = (pair.master.try_clone_reader().unwrap(), pair.master.take_writer().unwrap());
        let screen = vt100::Parser::new(size.rows.try_into().unwrap(), size.cols.try_into().unwrap(), 0);
        let seen = Arc::new(Mutex::new(Seen { screen, bytes: Vec::new() }));
        let (sink, closing) = (seen.clone(), Arc::new(AtomicBool::new(false)));
        let closes = closing.clone();
        let reader = std::thread::spawn(move || {
            let mut piece = [0; 4096];
            // The read fails when the last program on the terminal has gone.
            while let Ok(length @ 1..) = output.read(&mut piece) {
                let mut seen = sink.lock().unwrap();
                seen.screen.process(&piece[..length]);
                seen.bytes.extend_from_slice(&piece[..length]);
                if closes.load(Ordering::Acquire) {
                    return;
                }
            }
        });
        Self { child, writer, seen, reader: Some(reader), closing, master: Some(pair.master) }
    }

    /// The screen's rows, without white space at their ends.
    pub fn screen(&self) -> String {
        let seen = self.seen.lock().unwrap();
        let screen = seen.screen.screen();
        let rows: Vec<String> = screen.rows(0, screen.size().1.get()).map(|row| row.trim_end().to_owned()).collect();
        rows.join("\n")
    }

    /// Every byte that was written to the terminal so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.seen.lock().unwrap().bytes.clone()
    }

    /// Waits until the screen has this text; the screen.
    ///
    /// # Panics
    /// After [`PATIENCE`], with the screen.
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_within(PATIENCE, text)
    }

    /// Waits until the screen has this text, for at most `time`; the screen.
    ///
    /// # Panics
    /// After `time`, with the screen.
    pub fn wait_within(&self, time: Duration, text: &str) -> String {
        let deadline = Instant::now() + time;
        loop {
            let screen = self.screen();
            if screen.contains(text) {
                return screen;
            }
            assert!(Instant::now() < deadline, "not on the screen within {time:?}: {text}\n{screen}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Types these characters, all at once; `\r` is Enter.
    pub fn type_keys(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).unwrap();
        self.writer.flush().unwrap();
    }

    /// Pages through all of a request with the space key, to the decision; each page as it was on the screen.
    ///
    /// # Panics
    /// When the pages do not come.
    pub fn read_to_the_end(&mut self) -> Vec<String> {
        let mut pages = Vec::new();
        loop {
            let status = format!(" page {} of ", pages.len() + 1);
            let screen = self.wait_until(&status, |screen| screen.lines().nth(23)?.starts_with(&status).then_some(()));
            let last = screen.lines().nth(23).is_some_and(|row| row.contains("Space decide"));
            pages.push(screen);
            self.type_keys(" ");
            if last {
                self.wait_for_decision();
                return pages;
            }
        }
    }

    /// Waits until the screen is the one with the decision; the screen.
    ///
    /// # Panics
    /// After [`PATIENCE`], with the screen.
    pub fn wait_for_decision(&self) -> String {
        self.wait_until("the decision", |screen| screen.lines().any(|row| row.starts_with(DECISION)).then_some(()))
    }

    fn wait_until(&self, what: &str, look: impl Fn(&str) -> Option<()>) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if look(&screen).is_some() {
                return screen;
            }
            assert!(Instant::now() < deadline, "the screen does not show {what}:\n{screen}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The word that the screen asks to type, read from it as a person would.
    ///
    /// # Panics
    /// When there is none.
    pub fn word(&self) -> String {
        until("the screen shows the word", || {
            let screen = self.wait_for_decision();
            let word = screen.split_once(INVITATION)?.1.split_whitespace().next()?.to_owned();
            let (first, second) = word.split_once('-')?;
            let plain = |part: &str| part.len() > 1 && part.bytes().all(|b| b.is_ascii_lowercase());
            (plain(first) && plain(second)).then_some(word)
        })
    }

    /// Types the word and Enter; the moment of Enter.
    pub fn type_word(&mut self) -> Instant {
        let word = self.word();
        self.type_answer(&word);
        let now = Instant::now();
        self.type_keys("\r");
        now
    }

    /// Types an answer to the decision, key by key as a person does: what comes at once counts as a paste. Without Enter.
    ///
    /// # Panics
    /// When a key does not appear on the screen.
    pub fn type_answer(&mut self, answer: &str) {
        for (at, key) in answer.char_indices() {
            self.type_keys(&key.to_string());
            self.wait_for(&format!("then Enter: {}", &answer[..at + key.len_utf8()]));
        }
    }

    /// Waits until the command has ended by itself; its exit status. The screen stays readable.
    ///
    /// # Panics
    /// After [`PATIENCE`], with the screen.
    pub fn wait_for_exit(&mut self) -> u32 {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "the command does not end:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        };
        if let Some(reader) = self.reader.take() {
            within(PATIENCE, "the terminal's end", || reader.is_finished().then_some(()));
        }
        status.exit_code()
    }

    /// Closes the window under the command (SIGHUP), and under all that it runs, as the shell of that window does. What is
    /// written from now on is seen by nobody.
    ///
    /// # Panics
    /// When it is closed already.
    pub fn close_window(&mut self) {
        let (master, reader) = (self.master.take().unwrap(), self.reader.take().unwrap());
        self.closing.store(true, Ordering::Release);
        // The reader waits for something to read.
        let tty = rustix::fs::open(master.tty_name().unwrap(), OFlags::WRONLY | OFlags::NOCTTY, Mode::empty()).unwrap();
        std::fs::File::from(tty).write_all(b"\0").unwrap();
        reader.join().unwrap();
        // The kernel hangs up on the session's first process alone, which is this one here, when the window goes.
        kill_process_group(self.id(), Signal::HUP).unwrap();
        drop(master);
        self.writer = Box::new(std::io::sink());
    }

    fn id(&self) -> Pid {
        self.child.process_id().and_then(|id| Pid::from_raw(id.cast_signed())).unwrap()
    }

    /// Asks the command to end (SIGTERM).
    ///
    /// # Panics
    /// When it has ended.
    pub fn terminate(&self) {
        kill_process(self.id(), Signal::TERM).unwrap();
    }

    /// Ends the command with SIGKILL.
    pub fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the owner's screen ---\n{}", self.screen());
        }
        self.kill();
    }
}

/// The owner runs this command, reads all that it shows, and types the word; it must end well.
pub fn sign(world: &World, arguments: &[&str]) {
    let mut owner = Owner::run(world, arguments);
    owner.read_to_the_end();
    owner.type_word();
    assert_eq!(owner.wait_for_exit(), 0, "{}", owner.screen());
}

/// The owner approves a request.
pub fn approve(world: &World, request: &str) {
    sign(world, &["requests", "approve", request]);
}

/// Writes an editor into the world's folder, for `EDITOR`: it puts `text` into the file that it is given.
pub fn editor(world: &World, text: &str) -> String {
    let content = world.file("words.txt", text.as_bytes());
    let script = world.file("editor", format!("#!/bin/sh\ncat '{}' > \"$1\"\n", content.display()).as_bytes());
    executable(&script);
    script.display().to_string()
}

/// An editor that stays open, with its words in the file, until it is closed.
pub struct WaitingEditor {
    /// For `EDITOR`.
    pub command: String,
    opened: PathBuf,
    closed: PathBuf,
}

impl WaitingEditor {
    /// Writes it into the world's folder.
    pub fn new(world: &World, text: &str) -> Self {
        let [opened, closed] = ["editor-opened", "editor-closed"].map(|name| world.root().join(name));
        let edit = editor(world, text);
        // It ends by itself when the test that would close it has failed.
        let wait =
            format!("n=0; until [ -e '{}' ] || [ $n -ge 3000 ]; do sleep 0.02; n=$((n + 1)); done", closed.display());
        let text = format!("#!/bin/sh\n'{edit}' \"$1\" && : > '{}'\n{wait}\n", opened.display());
        let script = world.file("waiting-editor", text.as_bytes());
        executable(&script);
        Self { command: script.display().to_string(), opened, closed }
    }

    /// Waits until the words are in the file.
    ///
    /// # Panics
    /// After [`PATIENCE`].
    pub fn wait_until_open(&self) {
        until("the editor is open", || self.opened.exists().then_some(()));
    }

    /// Has it end.
    pub fn close(self) {
        std::fs::write(self.closed, b"").unwrap();
    }
}

/// Lets everything that reads a file run it, too.
///
/// # Panics
/// When the file is not there.
pub fn executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).unwrap();
}
