//! The owner's terminal, and the only code that writes to it during a decision.
//!
//! Rules:
//! - The control codes that can reach the terminal are the constants below and [`goto`], nothing else. Text goes through
//!   [`Canvas::text`], which lets no control character pass whatever the caller does; hostile text has been through
//!   [`shared::visible`] before.
//! - A page is drawn on a cleared screen, each row at its own place, with automatic wrapping off, on the normal screen:
//!   no alternate screen, so that the last page stays to be read.
//! - Before the first page the terminal is softly reset, so that no margin, character set or colour left behind by earlier
//!   output distorts it.
//! - Colours say nothing that words do not say; with `NO_COLOR` set (no-color.org) there are none.
//! - The terminal is `/dev/tty`, never standard input or output: a pipe cannot answer for the owner.
//! - Whatever ends the use of the terminal - an answer, an error, a panic, a signal - its mode comes back.

use super::keys::{Decoder, Key};
use super::signals::{self, Hold, Notice};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, QueueSelector, Termios};
use std::collections::VecDeque;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// DECSTR, and the US-ASCII character set.
pub(super) const RESET: &str = "\x1b[!p\x1b(B\x0f";
pub(super) const CLEAR: &str = "\x1b[H\x1b[2J";
pub(super) const CLEAR_ROW: &str = "\r\x1b[K";
pub(super) const WRAP_OFF: &str = "\x1b[?7l";
pub(super) const WRAP_ON: &str = "\x1b[?7h";
pub(super) const PASTE_MARKED: &str = "\x1b[?2004h";
pub(super) const PASTE_PLAIN: &str = "\x1b[?2004l";
pub(super) const CURSOR_ON: &str = "\x1b[?25h";
pub(super) const PLAIN: &str = "\x1b[0m";
pub(super) const BOLD: &str = "\x1b[1m";
pub(super) const REVERSE: &str = "\x1b[7m";
pub(super) const ALARM: &str = "\x1b[1;33m";
pub(super) const NEW_ROW: &str = "\r\n";
pub(super) const BELL: &str = "\x07";

/// Moves the cursor to `row`, counted from 0, first column (CUP).
fn goto(row: usize) -> String {
    format!("\x1b[{};1H", row + 1)
}

/// The terminal that controls this process.
pub(crate) const TTY: &str = "/dev/tty";
/// How long after an escape character the rest of its sequence may come.
const SEQUENCE_PAUSE: Duration = Duration::from_millis(50);

/// Why there is nobody to ask.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoTerminal {
    /// It cannot be opened.
    #[error("there is no terminal to ask on ({path}: {source}); run this command in a terminal window or over `ssh -t`", path = .0.display(), source = .1)]
    Open(PathBuf, Errno),
    /// It is something else.
    #[error("{path} is not a terminal; run this command in a terminal window or over `ssh -t`", path = .0.display())]
    Other(PathBuf),
    /// Its mode cannot be read or set.
    #[error("the terminal cannot be read key by key ({0}); use another terminal")]
    Mode(Errno),
    /// Signals cannot be caught.
    #[error("signals cannot be caught, so the terminal would be left unusable ({0}); free some memory and try again")]
    Signals(std::io::Error),
}

/// Columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// How text looks. Only reinforcement: nothing is told by the look alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Plain,
    Bold,
    Bar,
    Alarm,
}

/// The owner's terminal, opened for itself.
#[derive(Debug)]
pub(crate) struct Terminal {
    tty: OwnedFd,
    path: PathBuf,
    coloured: bool,
}

impl Terminal {
    /// Opens [`TTY`].
    ///
    /// # Errors
    /// [`NoTerminal`] when the process has none.
    pub(crate) fn open() -> Result<Self, NoTerminal> {
        Self::open_at(Path::new(TTY))
    }

    /// Opens the terminal with this name.
    ///
    /// # Errors
    /// [`NoTerminal`] when it is none.
    pub(crate) fn open_at(path: &Path) -> Result<Self, NoTerminal> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let tty = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| NoTerminal::Open(path.into(), error))?;
        if !rustix::termios::isatty(&tty) {
            return Err(NoTerminal::Other(path.into()));
        }
        let coloured = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Ok(Self { tty, path: path.into(), coloured })
    }

    /// Its name, to hand it to another program.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its size now; 0 by 0 when it does not say.
    pub(crate) fn size(&self) -> Size {
        let size = rustix::termios::tcgetwinsize(&self.tty).ok();
        size.map_or(Size { columns: 0, rows: 0 }, |s| Size { columns: s.ws_col.into(), rows: s.ws_row.into() })
    }

    /// Rings the bell.
    ///
    /// # Errors
    /// [`NoTerminal::Mode`] when the terminal is gone.
    pub(crate) fn bell(&mut self) -> Result<(), NoTerminal> {
        rustix::io::write(&self.tty, BELL.as_bytes()).map(drop).map_err(NoTerminal::Mode)
    }

    /// Takes the terminal over, key by key and without echo, until the result is dropped. What was typed before is thrown
    /// away.
    ///
    /// # Errors
    /// [`NoTerminal`] when its mode cannot be set or signals cannot be caught.
    pub(super) fn take_over(&mut self) -> Result<Raw<'_>, NoTerminal> {
        let hold = signals::hold().map_err(NoTerminal::Signals)?;
        let saved = rustix::termios::tcgetattr(&self.tty).map_err(NoTerminal::Mode)?;
        let mut mode = saved.clone();
        mode.make_raw();
        rustix::termios::tcsetattr(&self.tty, OptionalActions::Now, &mode).map_err(NoTerminal::Mode)?;
        let mut raw = Raw { terminal: self, saved, hold, decoder: Decoder::default(), queued: VecDeque::new() };
        raw.forget_typed();
        Ok(raw)
    }

    /// Pieces of a page, in the look that this terminal shows.
    pub(super) fn canvas(&self) -> Canvas {
        Canvas { out: String::new(), coloured: self.coloured }
    }
}

/// What is to be written: own control codes, and text without any.
#[derive(Debug)]
pub(super) struct Canvas {
    out: String,
    coloured: bool,
}

impl Canvas {
    /// Adds one of the codes above.
    pub(super) fn code(&mut self, code: &'static str) -> &mut Self {
        self.out.push_str(code);
        self
    }

    /// Goes to the start of a row, counted from 0.
    pub(super) fn row(&mut self, row: usize) -> &mut Self {
        self.out.push_str(&goto(row));
        self
    }

    /// Adds text. The last defence: what no caller should pass, controls and what reorders or hides, becomes U+FFFD.
    pub(super) fn text(&mut self, look: Look, text: &str) -> &mut Self {
        let code = match look {
            Look::Plain => "",
            Look::Bold => BOLD,
            Look::Bar => REVERSE,
            Look::Alarm => ALARM,
        };
        let coloured = self.coloured && !code.is_empty();
        if coloured {
            self.out.push_str(code);
        }
        self.out.extend(text.chars().map(|c| if is_hidden(c) { char::REPLACEMENT_CHARACTER } else { c }));
        if coloured {
            self.out.push_str(PLAIN);
        }
        self
    }
}

fn is_hidden(c: char) -> bool {
    let hidden = matches!(c, '\u{AD}' | '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}');
    c.is_control() || hidden
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Key(Key),
    Resized,
    /// The caller's descriptor is readable.
    Woken,
    /// Nothing until the deadline.
    Silence,
    /// There is nobody to answer any more.
    Gone(Gone),
}

/// Why there is nobody to answer any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    /// End of input, hang-up or an error.
    Closed,
    /// A signal broke it off.
    Signal,
    /// A signal asked the process to end.
    Ended,
    /// It took no output until the deadline.
    Stuck,
}

/// A terminal that has been taken over.
pub(super) struct Raw<'a> {
    terminal: &'a Terminal,
    saved: Termios,
    hold: Hold,
    decoder: Decoder,
    queued: VecDeque<Key>,
}

impl Raw<'_> {
    pub(super) fn size(&self) -> Size {
        self.terminal.size()
    }

    pub(super) fn canvas(&self) -> Canvas {
        self.terminal.canvas()
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// [`Gone`] when the terminal is, or takes no output until `deadline`, or a signal comes meanwhile.
    pub(super) fn draw(&mut self, canvas: &Canvas, deadline: Instant) -> Result<(), Gone> {
        let mut rest = canvas.out.as_bytes();
        while !rest.is_empty() {
            match rustix::io::write(&self.terminal.tty, rest) {
                Ok(written) => rest = &rest[written..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.await_room(deadline)?,
                Err(_) => return Err(Gone::Closed),
            }
        }
        Ok(())
    }

    /// Waits until all output has left, then throws away everything typed before that.
    pub(super) fn drain_and_forget_typed(&mut self) {
        // A terminal that cannot wait or flush is read again at once, and the error met there.
        let _ = rustix::termios::tcdrain(&self.terminal.tty);
        self.forget_typed();
    }

    /// Throws away everything typed so far.
    pub(super) fn forget_typed(&mut self) {
        let _ = rustix::termios::tcflush(&self.terminal.tty, QueueSelector::IFlush);
        self.queued.clear();
    }

    /// Waits for a key, a signal, `wake`, or the deadline.
    pub(super) fn next(&mut self, deadline: Option<Instant>, wake: Option<BorrowedFd<'_>>) -> Event {
        loop {
            if let Some(key) = self.queued.pop_front() {
                return Event::Key(key);
            }
            let unsure = self.decoder.is_unsure();
            let until = if unsure { Some(Instant::now() + SEQUENCE_PAUSE) } else { deadline };
            let Ready { any, input, woken } = match self.wait_until(PollFlags::IN, until, wake) {
                Ok(ready) => ready,
                Err(gone) => return Event::Gone(gone),
            };
            match self.hold.take() {
                Some(Notice::Resized) => return Event::Resized,
                Some(Notice::Interrupt | Notice::Resumed) => return Event::Gone(Gone::Signal),
                Some(Notice::End | Notice::Hangup) => return Event::Gone(Gone::Ended),
                None => {}
            }
            if input {
                if let Err(gone) = self.read() {
                    return Event::Gone(gone);
                }
            } else if woken {
                return Event::Woken;
            } else if !any && unsure {
                return Event::Key(self.decoder.settle());
            } else if !any {
                return Event::Silence;
            }
        }
    }

    fn read(&mut self) -> Result<(), Gone> {
        let mut burst = [0; 4096];
        match rustix::io::read(&self.terminal.tty, &mut burst) {
            Ok(0) => Err(Gone::Closed),
            Ok(length) => {
                self.queued.extend(self.decoder.feed(&burst[..length]));
                Ok(())
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(_) => Err(Gone::Closed),
        }
    }

    fn await_room(&mut self, deadline: Instant) -> Result<(), Gone> {
        let ready = self.wait_until(PollFlags::OUT, Some(deadline), None)?;
        match self.hold.take() {
            Some(Notice::Interrupt | Notice::Resumed) => Err(Gone::Signal),
            Some(Notice::End | Notice::Hangup) => Err(Gone::Ended),
            Some(Notice::Resized) | None if ready.any => Ok(()),
            Some(Notice::Resized) | None => Err(Gone::Stuck),
        }
    }

    fn wait_until(
        &self,
        flags: PollFlags,
        until: Option<Instant>,
        wake: Option<BorrowedFd<'_>>,
    ) -> Result<Ready, Gone> {
        let mut fds =
            vec![PollFd::new(&self.terminal.tty, flags), PollFd::from_borrowed_fd(self.hold.fd(), PollFlags::IN)];
        fds.extend(wake.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            match poll(&mut fds, left.as_ref()) {
                Ok(count) => {
                    let set = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
                    return Ok(Ready { any: count > 0, input: set(0), woken: set(2) });
                }
                Err(Errno::INTR) => {}
                Err(_) => return Err(Gone::Closed),
            }
        }
    }
}

struct Ready {
    any: bool,
    input: bool,
    woken: bool,
}

impl Drop for Raw<'_> {
    fn drop(&mut self) {
        let end = [PLAIN, WRAP_ON, PASTE_PLAIN, CURSOR_ON].concat();
        // Nothing is left to do about a terminal that is gone.
        let _ = rustix::io::write(&self.terminal.tty, end.as_bytes());
        let _ = rustix::termios::tcflush(&self.terminal.tty, QueueSelector::IFlush);
        let _ = rustix::termios::tcsetattr(&self.terminal.tty, OptionalActions::Now, &self.saved);
    }
}
