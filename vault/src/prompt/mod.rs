//! The owner's terminal: the one place where a person says yes.
//!
//! Nothing that a visitor or a document wrote reaches the terminal except as framed, visible text ([`shared::visible`]).
//! A yes takes a terminal, every row on screen, and a random word typed by hand after all of it. Everything else - no
//! terminal, the end of input, an error, a signal, silence - means no.

mod keys;
mod pager;
#[cfg(test)]
mod pty;
mod screen;
mod sheet;
mod signals;
mod terminal;
mod waiting;
mod words;

pub(crate) use pager::{Answer, PromptError, Timing, ask};
pub(crate) use screen::SMALLEST;
pub(crate) use sheet::{Body, Deed, Section, Sheet};
pub(crate) use signals::{LastAct, Offspring, hold, last_act, supervise, undisturbed};
pub(crate) use terminal::{TTY, Terminal};
pub(crate) use waiting::{Waited, Waker, alarm, wait};
