//! Tests of the prompt on real pseudo-terminals: one end is the prompt's, the other a driver with a screen of its own.

#![allow(clippy::print_stdout)]

mod decision;
mod golden;
mod process;
pub(super) mod samples;

use super::pager::{Answer, PromptError, Timing, ask};
use super::sheet::Sheet;
use super::terminal::{CLEAR, CURSOR_ON, PASTE_PLAIN, PLAIN, Terminal, WRAP_ON};
use portable_pty::{MasterPty, PtySize, SlavePty, native_pty_system};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A machine under load may be this slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// The owner's end of a pseudo-terminal.
pub(super) struct Desk {
    pub(super) master: Box<dyn MasterPty + Send>,
    /// Keeps the terminal open after the prompt has closed it.
    pub(super) slave: Box<dyn SlavePty + Send>,
    keys: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    pub(super) screen: vt100::Parser,
    /// Every byte that reached the terminal.
    pub(super) bytes: Vec<u8>,
}

impl Desk {
    pub(super) fn new(columns: u16, rows: u16) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let (mut reader, keys) = (pair.master.try_clone_reader().unwrap(), pair.master.take_writer().unwrap());
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = vec![0; 65_536];
            while let Ok(length @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        let screen = vt100::Parser::new(rows.try_into().unwrap(), columns.try_into().unwrap(), 0);
        Self { master: pair.master, slave: pair.slave, keys, output, screen, bytes: Vec::new() }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.master.tty_name().unwrap()
    }

    /// Asks on this terminal from another thread.
    pub(super) fn ask(&self, sheet: &Sheet, silence: Duration) -> JoinHandle<Result<Answer, PromptError>> {
        let (path, sheet) = (self.path(), sheet.clone());
        std::thread::spawn(move || ask(&mut Terminal::open_at(&path).unwrap(), &sheet, Timing { silence }))
    }

    pub(super) fn resize(&mut self, columns: u16, rows: u16) {
        self.master.resize(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }).unwrap();
        self.screen.screen_mut().set_size(rows.try_into().unwrap(), columns.try_into().unwrap());
    }

    /// In one write, which the prompt reads at once.
    pub(super) fn press(&mut self, keys: impl AsRef<[u8]>) {
        self.keys.write_all(keys.as_ref()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits until page `at` is drawn to its end, its status row included.
    pub(super) fn until_page(&mut self, at: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.page().is_none_or(|(shown, _)| shown != at) {
            assert!(self.take(deadline), "never saw page {at}; the screen is\n{}", self.shown());
        }
    }

    /// A key that may leave the page as it is, `times` times, each after the page has been drawn anew.
    pub(super) fn press_again(&mut self, key: &str, times: usize) {
        for _ in 0..times {
            let before = self.pages_drawn();
            self.press(key);
            let deadline = Instant::now() + PATIENCE;
            while self.pages_drawn() == before || self.page().is_none() {
                assert!(self.take(deadline), "not drawn again");
            }
        }
    }

    fn pages_drawn(&self) -> usize {
        self.bytes.windows(CLEAR.len()).filter(|bytes| *bytes == CLEAR.as_bytes()).count()
    }

    /// One key at a time, each after the one before has been seen.
    pub(super) fn type_by_hand(&mut self, text: &str) {
        let mut typed = String::new();
        for c in text.chars() {
            typed.push(c);
            self.press(c.to_string());
            let prompt = if self.screen.screen().size().1.get() < 72 { ">" } else { "Enter:" };
            self.until(&format!("{prompt} {typed}\n"));
        }
    }

    /// What is on screen, with a newline after every row.
    pub(super) fn shown(&self) -> String {
        let columns = self.screen.screen().size().1;
        self.screen.screen().rows(0, columns.get()).map(|row| format!("{}\n", row.trim_end())).collect()
    }

    /// Waits until the screen holds `text`.
    pub(super) fn until(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.shown().contains(text) {
            assert!(self.take(deadline), "never saw {text:?} on\n{}", self.shown());
        }
    }

    /// The answer, with all output taken.
    pub(super) fn answer(mut self, asking: JoinHandle<Result<Answer, PromptError>>) -> (Answer, Self) {
        let deadline = Instant::now() + PATIENCE;
        while !asking.is_finished() {
            assert!(Instant::now() < deadline, "no answer; the screen is\n{}", self.shown());
            self.take(Instant::now() + Duration::from_millis(20));
        }
        self.until_given_back();
        (asking.join().unwrap().unwrap(), self)
    }

    /// Takes all output: the last that a prompt writes gives the terminal back.
    pub(super) fn until_given_back(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let last = [PLAIN, WRAP_ON, PASTE_PLAIN, CURSOR_ON].concat();
        while !self.bytes.ends_with(last.as_bytes()) {
            assert!(self.take(deadline), "the terminal was not given back");
        }
    }

    /// Takes output if there is some before the deadline.
    fn take(&mut self, deadline: Instant) -> bool {
        match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(bytes) => {
                self.screen.process(&bytes);
                self.bytes.extend(bytes);
                true
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => false,
        }
    }

    /// The page number and count in the status row, once the row is whole.
    pub(super) fn page(&self) -> Option<(usize, usize)> {
        let (rows, columns) = self.screen.screen().size();
        let (row, column) = self.screen.screen().cursor_position();
        if row + 1 != rows.get() || column + 1 < columns.get() {
            return None;
        }
        let shown = self.shown();
        let (_, place) = shown.lines().last()?.split_once("page ")?;
        let mut words = place.split(' ');
        Some((words.next()?.parse().ok()?, words.nth(1)?.parse().ok()?))
    }

    /// From any page to the last one, each page handed to `see`.
    pub(super) fn read_on(&mut self, mut see: impl FnMut(&str)) {
        loop {
            let (at, of) = self.page().unwrap();
            see(&self.shown());
            if at == of {
                return;
            }
            self.press(" ");
            self.until_page(at + 1);
        }
    }

    /// From the first page to the decision; returns the word.
    pub(super) fn read_all(&mut self) -> String {
        self.until_page(1);
        self.read_on(|_| {});
        self.press(" ");
        self.word("")
    }

    /// Waits for a word other than `old`.
    pub(super) fn word(&mut self, old: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let shown = self.shown();
            let words: Vec<&str> = shown.split_whitespace().collect();
            let at = words.windows(2).position(|w| w == ["the", "word:"]).and_then(|at| words.get(at + 2));
            if let Some(word) = at.filter(|w| w.contains('-') && **w != old && shown.contains("later")) {
                return (*word).into();
            }
            assert!(self.take(deadline), "no word on\n{shown}");
        }
    }
}
