//! The line that stands while there is nothing to decide.

use super::keys::Key;
use super::screen::cut;
use super::terminal::{CLEAR_ROW, Event, Look, NEW_ROW, NoTerminal, Terminal};
use shared::visible;
use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The line may take this long to be written.
const PATIENCE: Duration = Duration::from_secs(10);

const LEAVES: &str = " (q leaves)";

/// Ends a [`wait`] from another thread, such as the one that hears from the daemon.
#[derive(Debug, Clone)]
pub(crate) struct Waker(Arc<PipeWriter>);

/// What a [`wait`] listens to.
#[derive(Debug)]
pub(crate) struct Alarm(PipeReader);

/// A waker and its alarm.
///
/// # Errors
/// The system's, when it has no pipe left.
pub(crate) fn alarm() -> io::Result<(Waker, Alarm)> {
    let (reader, writer) = io::pipe()?;
    rustix::io::ioctl_fionbio(&reader, true)?;
    rustix::io::ioctl_fionbio(&writer, true)?;
    Ok((Waker(Arc::new(writer)), Alarm(reader)))
}

impl Waker {
    /// Ends the present wait, or the next one if none is going on. Never blocks.
    pub(crate) fn wake(&self) {
        // A full pipe wakes as well, and one without a reader has nobody to wake.
        drop((&*self.0).write(&[1]));
    }
}

impl Alarm {
    /// Takes all calls so far; they count as one.
    fn reset(&mut self) {
        let mut bytes = [0; 256];
        while matches!(self.0.read(&mut bytes), Ok(1..)) {}
    }
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    /// The waker called.
    Woken,
    /// The owner leaves, or the terminal is gone.
    Leave,
}

/// Shows one line, such as `waiting for requests …`, until the waker calls or the owner presses q, Esc or Ctrl-C.
///
/// `words` are shown in their visible form, cut to the terminal's width, and drawn again when that changes. The line is
/// wiped before this returns.
///
/// # Errors
/// [`NoTerminal`] when it cannot be taken over.
pub(crate) fn wait(terminal: &mut Terminal, words: &str, alarm: &mut Alarm) -> Result<Waited, NoTerminal> {
    let mut raw = terminal.take_over()?;
    let words = visible::line(words);
    let end = loop {
        let text = cut(&words, raw.size().columns.saturating_sub(LEAVES.len() + 1));
        let mut canvas = raw.canvas();
        canvas.code(CLEAR_ROW).text(Look::Plain, &text).text(Look::Plain, LEAVES);
        if raw.draw(&canvas, Instant::now() + PATIENCE).is_err() {
            break Waited::Leave;
        }
        match raw.next(None, Some(alarm.0.as_fd())) {
            Event::Woken => break Waited::Woken,
            Event::Key(Key::Char('q') | Key::Escape | Key::Leave) | Event::Gone(_) => break Waited::Leave,
            Event::Key(_) | Event::Resized | Event::Silence => {}
        }
    };
    alarm.reset();
    let mut canvas = raw.canvas();
    canvas.code(if end == Waited::Woken { CLEAR_ROW } else { NEW_ROW });
    // A terminal that is gone has no line to wipe.
    let _ = raw.draw(&canvas, Instant::now() + PATIENCE);
    Ok(end)
}
