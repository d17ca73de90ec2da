//! A process of its own on its own terminal: `/dev/tty`, signals, and what is left behind.

use super::samples::cv;
use super::{Desk, PATIENCE};
use crate::prompt::pager::{Answer, Timing, ask};
use crate::prompt::terminal::{BOLD, NoTerminal, REVERSE, Terminal};
use crate::prompt::waiting::{Waited, alarm, wait};
use crate::scratch::Scratch;
use portable_pty::{Child, CommandBuilder};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, tcgetattr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Names the part that a child plays.
const PART: &str = "WEBIZEN_TEST_PART";
/// What makes this program one of the children.
const CHILD: [&str; 3] = ["--exact", "prompt::pty::process::child", "--nocapture"];

/// Not a test by itself: what the processes of the tests below run.
#[test]
fn child() {
    let Ok(part) = std::env::var(PART) else { return };
    let scratch = Scratch::new().unwrap();
    println!("scratch {}\r", scratch.path().display());
    if part == "ask" {
        let answer = ask(&mut Terminal::open().unwrap(), &cv(), Timing { silence: PATIENCE });
        println!("answer {answer:?}\r");
    } else if part == "edit" {
        let written = crate::editor::compose(&scratch, "", "txt").map(|written| written.text);
        println!("written {written:?}\r");
    } else {
        println!("idle\r");
        std::thread::park_timeout(PATIENCE);
    }
}

struct Process {
    desk: Desk,
    child: Box<dyn Child + Send + Sync>,
}

impl Process {
    fn start(part: &str) -> Self {
        Self::start_with(part, &[])
    }

    fn start_with(part: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        command.args(CHILD);
        Self::spawn(command, part, variables)
    }

    /// A shell that does job control, and in its foreground the part.
    fn start_in_a_shell(part: &str, variables: &[(&str, &str)]) -> Self {
        let mut shell = CommandBuilder::new("sh");
        shell.arg("-i");
        let mut process = Self::spawn(shell, part, variables);
        let program = std::env::current_exe().unwrap();
        process.desk.press(format!("'{}' {}\r", program.display(), CHILD.join(" ")));
        process
    }

    fn spawn(mut command: CommandBuilder, part: &str, variables: &[(&str, &str)]) -> Self {
        let desk = Desk::new(80, 24);
        command.env(PART, part);
        command.env_remove("NO_COLOR");
        variables.iter().for_each(|(name, value)| command.env(name, value));
        let child = desk.slave.spawn_command(command).unwrap();
        Self { desk, child }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.process_id().unwrap()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// The scratch folder that the child announced.
    fn scratch(&self) -> PathBuf {
        let output = String::from_utf8_lossy(&self.desk.bytes).into_owned();
        let (_, rest) = output.split_once("scratch ").unwrap();
        rest.split('\r').next().unwrap().into()
    }

    fn end(&mut self) -> u32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.desk.take(Instant::now() + Duration::from_millis(20));
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            assert!(Instant::now() < deadline, "the process does not end");
        }
    }
}

fn is_cooked(path: &Path) -> bool {
    let terminal = std::fs::File::options().read(true).write(true).open(path).unwrap();
    tcgetattr(&terminal).unwrap().local_modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
}

#[test]
fn signals_while_asking_are_a_no_and_the_terminal_comes_back() {
    for (signal, answer) in [
        (Signal::INT, "answer Ok(No)"),
        (Signal::TERM, "answer Err(Ended)"),
        (Signal::HUP, "answer Err(Ended)"),
        (Signal::QUIT, "answer Ok(No)"),
        (Signal::CONT, "answer Ok(No)"),
    ] {
        let mut process = Process::start("ask");
        process.desk.until_page(1);
        assert!(!is_cooked(&process.desk.path()));
        process.signal(signal);
        process.desk.until(answer);
        assert_eq!(process.end(), 0);
        assert!(is_cooked(&process.desk.path()), "{signal:?}");
        assert!(!process.scratch().exists());
        let output = String::from_utf8_lossy(&process.desk.bytes).into_owned();
        assert!(output.contains("Interrupted"), "{signal:?}");
    }
}

#[test]
fn resizing_is_noticed_without_a_key() {
    let mut process = Process::start("ask");
    process.desk.until_page(1);
    process.desk.resize(100, 30);
    process.desk.until("The window changed");
    process.desk.press("q");
    process.desk.until("answer Ok(No)");
    process.end();
}

#[test]
fn colours_are_left_out_when_asked() {
    for (variables, coloured) in [(&[][..], true), (&[("NO_COLOR", "1")], false)] {
        let mut process = Process::start_with("ask", variables);
        process.desk.until_page(1);
        process.desk.press("q");
        process.desk.until("answer Ok(No)");
        process.end();
        let output = String::from_utf8_lossy(&process.desk.bytes).into_owned();
        assert_eq!([BOLD, REVERSE].iter().all(|code| output.contains(code)), coloured);
        assert_eq!(output.contains(BOLD) || output.contains(REVERSE), coloured);
    }
}

#[test]
fn signals_at_other_times_end_the_process_and_its_clear_text() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut process = Process::start("idle");
        process.desk.until("idle");
        let scratch = process.scratch();
        assert!(scratch.is_dir());
        process.signal(signal);
        assert_eq!(process.end(), u32::try_from(128 + signal.as_raw()).unwrap());
        assert!(!scratch.exists());
    }
}

#[test]
fn an_editor_that_was_stopped_goes_on_with_its_text() {
    // As vim does on Ctrl-Z: the whole job stops, and goes on when the shell is told to.
    let editor = r#"f() { echo editing; kill -TSTP 0; echo once more; read words; echo "$words" > "$1"; }; f"#;
    let mut process = Process::start_in_a_shell("edit", &[("EDITOR", editor), ("VISUAL", "")]);
    process.desk.until("Stopped");
    process.desk.press("fg\r");
    process.desk.until("once more");
    process.desk.press("An answer of many words.\r");
    process.desk.until(r#"written Ok("An answer of many words.\n")"#);
    process.desk.press("exit\r");
    process.end();
    assert!(!process.scratch().exists());
}

#[test]
fn a_panic_gives_the_terminal_back() {
    let desk = Desk::new(80, 24);
    let path = desk.path();
    let inner = path.clone();
    let panicked = std::thread::spawn(move || {
        let mut terminal = Terminal::open_at(&inner).unwrap();
        let _raw = terminal.take_over().unwrap();
        assert!(is_cooked(&inner), "on purpose: raw mode is not cooked");
    });
    assert!(panicked.join().is_err());
    assert!(is_cooked(&path));
}

#[test]
fn what_is_no_terminal_is_not_asked() {
    assert!(matches!(Terminal::open_at(Path::new("/dev/null")), Err(NoTerminal::Other(_))));
    assert!(matches!(Terminal::open_at(Path::new("/nonexistent")), Err(NoTerminal::Open(..))));
}

#[test]
fn waiting_ends_by_waker_or_key() {
    let mut desk = Desk::new(60, 10);
    let path = desk.path();
    let (waker, mut alarm) = alarm().unwrap();
    let early = waker.clone();
    early.wake();
    let waiting = std::thread::spawn(move || {
        let mut terminal = Terminal::open_at(&path).unwrap();
        terminal.bell().unwrap();
        let words = ["one", "two", "three \x1b[2J\u{202E} …"];
        words.map(|words| wait(&mut terminal, &format!("waiting for requests {words}"), &mut alarm).unwrap())
    });
    desk.until("waiting for requests two (q leaves)");
    assert!(desk.bytes.contains(&7), "the bell rang");
    waker.wake();
    desk.until(r"waiting for requests three");
    desk.press("xq");
    assert_eq!(waiting.join().unwrap(), [Waited::Woken, Waited::Woken, Waited::Leave]);
    desk.until_given_back();
    super::golden::assert_only_own_codes(&desk.bytes);
    assert!(is_cooked(&desk.path()));
}

#[test]
fn an_answer_is_given_once_only() {
    let mut desk = Desk::new(80, 24);
    let asking = desk.ask(&cv(), PATIENCE);
    let word = desk.read_all();
    desk.type_by_hand(&word);
    desk.press(format!("\r{}", &word[..5]));
    let (answer, mut desk) = desk.answer(asking);
    assert!(matches!(answer, Answer::Yes { .. }));
    let asking = desk.ask(&cv(), PATIENCE);
    desk.until_page(1);
    desk.press("q");
    assert_eq!(desk.answer(asking).0, Answer::No, "what was typed after a yes is not read by the next question");
}
