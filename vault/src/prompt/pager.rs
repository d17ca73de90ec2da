//! Asking: every row of a sheet, then the decision.

use super::keys::Key;
use super::screen::{self, Layout, PASTED, Row, Typing, bar};
use super::sheet::{Body, Mismatch, Sheet};
use super::terminal::{
    CLEAR, CURSOR_ON, Canvas, Event, Gone, Look, NEW_ROW, NoTerminal, PASTE_MARKED, PLAIN, RESET, Raw, Terminal,
    WRAP_OFF, WRAP_ON,
};
use super::words;
use shared::statement::{Shown, Statement};
use std::time::{Duration, Instant};

/// Wrong words before the answer is no.
const TRIES: u32 = 3;
/// No challenge is longer.
const LONGEST: usize = 15;

/// What the owner decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The word was typed after the last row had been on screen.
    Yes {
        /// As the statement says it.
        shown: Shown,
    },
    /// Nothing changes; it can be asked again. Everything unclear is this.
    No,
    /// The request is to be refused for good.
    Refuse,
    /// A copy of the opaque body is to be opened; then it is to be asked again.
    Copy,
}

/// How patient the prompt is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// This long without a key is a no.
    pub(crate) silence: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { silence: Duration::from_secs(300) }
    }
}

/// Why nobody could be asked; a no.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PromptError {
    /// No terminal.
    #[error(transparent)]
    Terminal(#[from] NoTerminal),
    /// The parts of the sheet contradict each other.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// A signal asked the process to end.
    #[error("this command was asked to end; nothing was signed, and nothing was sent")]
    Ended,
    /// No word can be drawn.
    #[error("the system gives no random numbers ({0}), so no word can be drawn; nothing was signed - try again")]
    Random(getrandom::Error),
}

/// Shows every row of the sheet and offers the decision once the last has been on screen at the present size.
///
/// The owner is told on the terminal how it ended.
///
/// # Errors
/// [`PromptError`] when nobody could be asked; nothing may be signed then.
pub(crate) fn ask(terminal: &mut Terminal, sheet: &Sheet, timing: Timing) -> Result<Answer, PromptError> {
    let statement = sheet.check()?;
    let raw = terminal.take_over()?;
    let mut asking = Asking { raw, sheet, statement, timing, tries: 0, notice: "" };
    let end = asking.run()?;
    asking.close(end);
    Ok(match end {
        End::Yes => Answer::Yes { shown: sheet.body.shown() },
        End::Refuse => Answer::Refuse,
        End::Copy => Answer::Copy,
        End::Gone(Gone::Ended) => return Err(PromptError::Ended),
        End::Later
        | End::Silence
        | End::Guessed
        | End::TooSmall
        | End::Gone(Gone::Closed | Gone::Stuck | Gone::Signal) => Answer::No,
    })
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Yes,
    Refuse,
    Copy,
    Later,
    Silence,
    Guessed,
    TooSmall,
    Gone(Gone),
}

impl End {
    fn words(self) -> &'static str {
        match self {
            Self::Yes => "You said yes. Your key signs next.",
            Self::Refuse => "You refuse this request for good. Nothing is released.",
            Self::Copy => "A copy is being opened. You will be asked again.",
            Self::Later => "Decided later. Nothing was signed, nothing was sent.",
            Self::Silence => "No key was pressed for too long. Nothing was signed, nothing was sent.",
            Self::Guessed => "Three wrong words. Nothing was signed, nothing was sent.",
            Self::TooSmall => "terminal too small: make the window larger and ask again. Nothing was signed or sent.",
            Self::Gone(Gone::Closed | Gone::Stuck) => "The terminal is gone. Nothing was signed, nothing was sent.",
            Self::Gone(Gone::Signal | Gone::Ended) => "Interrupted. Nothing was signed, nothing was sent.",
        }
    }
}

/// Why the present screen is left.
enum Leave {
    End(End),
    /// The window has another size: everything is laid out and to be read again.
    Resized,
    Random(getrandom::Error),
}

impl From<Gone> for Leave {
    fn from(gone: Gone) -> Self {
        Self::End(End::Gone(gone))
    }
}

/// What the typed word was.
enum Typed {
    Right,
    Wrong,
    Paste,
    Back,
    Unchanged,
}

struct Asking<'a> {
    raw: Raw<'a>,
    sheet: &'a Sheet,
    statement: Statement,
    timing: Timing,
    tries: u32,
    notice: &'static str,
}

impl Asking<'_> {
    fn run(&mut self) -> Result<End, PromptError> {
        if let Err(gone) = self.begin() {
            return Ok(End::Gone(gone));
        }
        loop {
            let Some(layout) = Layout::new(self.sheet, &self.statement, self.raw.size()) else {
                return Ok(End::TooSmall);
            };
            match self.read_and_decide(&layout) {
                Ok(end) | Err(Leave::End(end)) => return Ok(end),
                Err(Leave::Resized) => self.notice = "The window changed: once more from the start",
                Err(Leave::Random(error)) => return Err(PromptError::Random(error)),
            }
        }
    }

    fn begin(&mut self) -> Result<(), Gone> {
        let mut canvas = self.raw.canvas();
        canvas.code(RESET).code(WRAP_OFF).code(PASTE_MARKED).code(CURSOR_ON);
        self.raw.draw(&canvas, self.deadline())
    }

    /// Leaves the last page where it is and says below how it ended.
    fn close(&mut self, end: End) {
        let mut canvas = self.raw.canvas();
        canvas.code(PLAIN).code(WRAP_ON);
        if end != End::TooSmall {
            canvas.row(self.raw.size().rows.saturating_sub(1));
        }
        canvas.code(NEW_ROW).text(Look::Plain, end.words()).code(NEW_ROW);
        // A terminal that is gone cannot be told.
        let _ = self.raw.draw(&canvas, Instant::now() + Duration::from_secs(1));
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.timing.silence
    }

    /// Pages forward one at a time: no key skips a row that has not been on screen.
    fn read_and_decide(&mut self, layout: &Layout) -> Result<End, Leave> {
        let (mut at, mut seen) = (0, 0);
        loop {
            self.show_page(layout, at)?;
            seen = seen.max(at);
            match self.key(layout)? {
                Key::Char(' ') | Key::Enter | Key::Next if at + 1 < layout.pages() => at += 1,
                Key::Char(' ') | Key::Enter | Key::Next => {
                    if let Some(end) = self.decide(layout)? {
                        return Ok(end);
                    }
                }
                Key::Char('b') | Key::Previous => at = at.saturating_sub(1),
                Key::Home => at = 0,
                Key::End => at = seen,
                Key::Char('o') if matches!(self.sheet.body, Body::Opaque { .. }) => return Ok(End::Copy),
                Key::Char('q') | Key::Escape | Key::Leave => return Ok(End::Later),
                Key::Char(_) | Key::Backspace | Key::Wipe | Key::Other | Key::Paste => {}
            }
        }
    }

    fn show_page(&mut self, layout: &Layout, at: usize) -> Result<(), Leave> {
        let columns = layout.size.columns;
        let mut status = screen::status(self.sheet, at, layout.pages(), columns);
        if !self.notice.is_empty() && at == 0 {
            status = format!("{} | {status}", std::mem::take(&mut self.notice));
        }
        let mut canvas = self.raw.canvas();
        canvas.code(CLEAR);
        put(&mut canvas, 0, &bar(&self.sheet.title, columns));
        for (row, content) in layout.page(at).iter().enumerate() {
            put(&mut canvas, row + 1, content);
        }
        self.draw(&canvas)?;
        let mut canvas = self.raw.canvas();
        put(&mut canvas, layout.size.rows - 1, &bar(&status, columns));
        Ok(self.raw.draw(&canvas, self.deadline())?)
    }

    /// Draws, and forgets what was typed before it could be seen. What the keys do is drawn after this.
    fn draw(&mut self, canvas: &Canvas) -> Result<(), Leave> {
        self.raw.draw(canvas, self.deadline())?;
        self.raw.drain_and_forget_typed();
        Ok(())
    }

    fn key(&mut self, layout: &Layout) -> Result<Key, Leave> {
        let deadline = self.deadline();
        let event = self.raw.next(Some(deadline), None);
        if let Event::Gone(gone) = event {
            return Err(gone.into());
        }
        if self.raw.size() != layout.size {
            return Err(Leave::Resized);
        }
        match event {
            Event::Key(key) => Ok(key),
            Event::Resized | Event::Woken => Ok(Key::Other),
            Event::Silence => Err(Leave::End(End::Silence)),
            Event::Gone(gone) => Err(gone.into()),
        }
    }

    /// `None` to go back to reading.
    fn decide(&mut self, layout: &Layout) -> Result<Option<End>, Leave> {
        let mut message = String::new();
        loop {
            match self.challenge(layout, &message)? {
                Typed::Right => return Ok(Some(End::Yes)),
                Typed::Back => return Ok(None),
                Typed::Paste => message = PASTED.into(),
                Typed::Unchanged => message.clear(),
                Typed::Wrong => {
                    self.tries += 1;
                    if self.tries == TRIES {
                        return Ok(Some(End::Guessed));
                    }
                    message = format!("Wrong. Here is a new word ({} left).", TRIES - self.tries);
                }
            }
        }
    }

    /// One word: drawn only after the screen without it is up and everything typed before has been thrown away.
    fn challenge(&mut self, layout: &Layout, message: &str) -> Result<Typed, Leave> {
        let canvas = self.decision(layout, &Typing { word: "", typed: "", message });
        self.draw(&canvas)?;
        let word = words::draw().map_err(Leave::Random)?;
        let mut typed = String::new();
        loop {
            let canvas = self.decision(layout, &Typing { word: &word, typed: &typed, message });
            self.raw.draw(&canvas, self.deadline())?;
            let key = self.key(layout)?;
            match key {
                Key::Paste => return Ok(Typed::Paste),
                Key::Enter if typed == word => return Ok(Typed::Right),
                Key::Enter if !typed.is_empty() => return Ok(Typed::Wrong),
                Key::Backspace => _ = typed.pop(),
                Key::Wipe => typed.clear(),
                Key::Escape | Key::Leave => return Err(Leave::End(End::Later)),
                Key::Char('q') if typed.is_empty() => return Err(Leave::End(End::Later)),
                Key::Char('b') if typed.is_empty() => return Ok(Typed::Back),
                Key::Char('r') if typed.is_empty() && screen::may_refuse(&self.statement) => {
                    return self.confirm_refusal(layout);
                }
                Key::Char(c @ ('a'..='z' | '-')) if typed.len() < LONGEST => typed.push(c),
                Key::Previous if typed.is_empty() => return Ok(Typed::Back),
                Key::Char(_) | Key::Enter | Key::Next | Key::Previous | Key::Home | Key::End | Key::Other => {}
            }
        }
    }

    fn decision(&self, layout: &Layout, typing: &Typing<'_>) -> Canvas {
        let mut canvas = self.raw.canvas();
        canvas.code(CLEAR);
        // The layout exists only where the decision with its longest parts fits.
        if let Some(decision) = screen::decision(self.sheet, &self.statement, layout.size, typing) {
            for (row, content) in decision.rows.iter().enumerate() {
                put(&mut canvas, row, content);
            }
            put(&mut canvas, decision.input, &decision.rows[decision.input]);
        }
        canvas
    }

    fn confirm_refusal(&mut self, layout: &Layout) -> Result<Typed, Leave> {
        let mut canvas = self.raw.canvas();
        canvas.code(CLEAR);
        canvas.row(1).text(Look::Bold, " Refuse this request for good?");
        let alike = self.sheet.alike;
        if alike > 0 {
            canvas.row(2).text(Look::Bold, &format!(" With it {alike} more in the same words."));
        }
        let none = if alike > 0 { " None can be approved any more." } else { " It cannot be approved any more." };
        canvas.row(3).text(Look::Plain, none);
        canvas.row(4).text(Look::Plain, " Repeats in the same words from the");
        canvas.row(5).text(Look::Plain, " same contact are refused for a week.");
        self.draw(&canvas)?;
        let mut canvas = self.raw.canvas();
        canvas.row(7).text(Look::Bold, " Press R again to refuse.");
        canvas.row(8).text(Look::Plain, " Any other key goes back. ");
        self.raw.draw(&canvas, self.deadline())?;
        match self.key(layout)? {
            Key::Char('r' | 'R') => Err(Leave::End(End::Refuse)),
            Key::Leave => Err(Leave::End(End::Later)),
            Key::Char(_)
            | Key::Enter
            | Key::Backspace
            | Key::Wipe
            | Key::Escape
            | Key::Next
            | Key::Previous
            | Key::Home
            | Key::End
            | Key::Other
            | Key::Paste => Ok(Typed::Unchanged),
        }
    }
}

fn put(canvas: &mut Canvas, row: usize, content: &Row) {
    canvas.row(row).text(content.look, &content.text);
}
