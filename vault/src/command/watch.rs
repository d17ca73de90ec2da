//! `vault requests watch`: waits, and takes requests one after another.

use super::describe::{Width, describe};
use super::requests::{Outcome, Which, open, short};
use super::words::Purpose;
use super::{CommandError, Owner, say, tell};
use crate::cli::{Terms, Words};
use crate::desk::{Case, Desk, DeskCall, DeskReply};
use crate::prompt::{self, Terminal, Waited, Waker};
use rustix::termios::QueueSelector;
use shared::ids::{Nonce, RequestId};
use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the owner has put off: a request, with what the next statement about it had to bear, which changes with its draft and
/// with each answer to a question.
type PutOff = HashSet<(RequestId, Option<Nonce>)>;

impl Owner {
    pub(super) fn watch(&self, terms: &Terms) -> Result<(), CommandError> {
        let mut terminal = open()?;
        let own = self.key(terms.key.as_deref())?;
        let (waker, mut alarm) = prompt::alarm().map_err(|e| CommandError::Failed(e.to_string()))?;
        let away = self.listen(waker)?;
        let mut put_off = PutOff::new();
        loop {
            if away.load(Ordering::Acquire) {
                return Err(CommandError::Failed("the vault has stopped; start it, then watch again".into()));
            }
            let cases = self.cases(Which::Waiting)?;
            let (later, open): (Vec<_>, Vec<_>) = cases
                .iter()
                .filter(|case| takes_a_decision(case, own.fingerprint()))
                .partition(|case| put_off.contains(&key(case)));
            match open.first() {
                Some(case) => {
                    terminal.bell().map_err(|e| CommandError::Prompt(e.into()))?;
                    if self.take(&mut terminal, case, terms)? == Outcome::Later {
                        put_off.retain(|(id, _)| *id != case.id);
                        // As it is now: the owner may have written an answer and put that off.
                        put_off.insert(key(&self.case(case.id)?));
                    }
                }
                None => {
                    let words = words(later.len());
                    if prompt::wait(&mut terminal, &words, &mut alarm).map_err(|e| CommandError::Prompt(e.into()))?
                        == Waited::Leave
                    {
                        return say("Nothing more is watched. Requests wait until you decide or they lapse.");
                    }
                }
            }
        }
    }

    /// Hears from the daemon in a thread of its own, and wakes the terminal.
    fn listen(&self, waker: Waker) -> Result<Arc<AtomicBool>, CommandError> {
        let mut desk = Desk::call(&self.socket, &DeskCall::Watch)?;
        let away = Arc::new(AtomicBool::new(false));
        let flag = away.clone();
        std::thread::spawn(move || {
            while let Ok(DeskReply::Changed) = desk.reply() {
                waker.wake();
            }
            flag.store(true, Ordering::Release);
            waker.wake();
        });
        Ok(away)
    }

    /// One request: an approval, or a question to be answered first.
    fn take(&self, terminal: &mut Terminal, case: &Case, terms: &Terms) -> Result<Outcome, CommandError> {
        let outcome = if case.draft.is_some() {
            self.take_draft(terminal, case, terms)
        } else {
            self.take_question(terminal, case, terms)
        };
        // What happens to one request must not end the watch over the others.
        match outcome {
            Ok(outcome) => Ok(outcome),
            Err(error) if error.ends_the_watch() => Err(error),
            Err(error) => tell(&self.invocation.complete(&error.to_string())).map(|()| Outcome::Later),
        }
    }

    /// A draft is read; what else can be done with it is said when the owner puts it off.
    fn take_draft(&self, terminal: &mut Terminal, case: &Case, terms: &Terms) -> Result<Outcome, CommandError> {
        let outcome = self.decide(terminal, case, terms)?;
        if outcome == Outcome::Later {
            let id = short(case.id);
            say("You can also, in another terminal:")?;
            let more = [("ask", ""), ("edit", ""), ("redact", " --hide WORDS"), ("refuse", " --write")];
            for (command, options) in more {
                say(&format!("  {}", self.line(&format!("requests {command} {id}{options}"))))?;
            }
        }
        Ok(outcome)
    }

    fn take_question(&self, terminal: &mut Terminal, case: &Case, terms: &Terms) -> Result<Outcome, CommandError> {
        let described = describe(case, &self.invocation, Width::of_output()?);
        say("")?;
        described.iter().try_for_each(|line| say(line))?;
        say("")?;
        let unwritten = Words { key: terms.key.clone(), ..Words::default() };
        loop {
            say("Type a letter, then Enter:")?;
            say("  a  write an answer in your editor, then read and sign it")?;
            say("  k  ask the visitor something first")?;
            say("  w  refuse for good, and write why")?;
            say("  r  refuse for good, without a word")?;
            say("  l  decide later")?;
            match typed(terminal)?.as_str() {
                "a" => {
                    let case = self.compose(case, terms)?;
                    return self.decide(terminal, &case, terms);
                }
                "k" => return self.say_in_words(terminal, case, Purpose::Question, &unwritten),
                "w" => return self.say_in_words(terminal, case, Purpose::Refusal, &unwritten),
                "r" if confirmed(terminal, case)? => return self.refuse(case.id).map(|()| Outcome::Refused),
                // The end of input, too.
                "" | "l" | "q" => return Ok(Outcome::Later),
                _ => {}
            }
        }
    }
}

/// Whether the owner says a second time that a request is to be refused.
pub(super) fn confirmed(terminal: &Terminal, case: &Case) -> Result<bool, CommandError> {
    let all = match case.repeats {
        0 => String::new(),
        alike => format!(", and {alike} more in the same words with it"),
    };
    say(&format!("Refuse for good{all}? Type yes, then Enter; anything else does nothing."))?;
    Ok(typed(terminal)? == "yes")
}

/// A line from the terminal, typed after this is called; nothing at its end.
pub(super) fn typed(terminal: &Terminal) -> Result<String, CommandError> {
    let path = terminal.path();
    let tty = std::fs::File::open(path).map_err(super::failed("read", path))?;
    rustix::termios::tcflush(&tty, QueueSelector::IFlush).map_err(|e| super::failed("flush", path)(e.into()))?;
    let mut line = String::new();
    BufReader::new(tty).read_line(&mut line).map_err(super::failed("read", path))?;
    Ok(line.trim().to_ascii_lowercase())
}

/// What this owner has signed waits for others.
fn takes_a_decision(case: &Case, own: &str) -> bool {
    case.undecided && !has_signed(case, own) && (case.draft.is_some() || case.stage == "waiting for an answer")
}

/// Whether the key of this fingerprint has signed what waits for more signatures.
pub(super) fn has_signed(case: &Case, fingerprint: &str) -> bool {
    case.pending.as_ref().is_some_and(|pending| pending.signed_by.iter().any(|key| key == fingerprint))
}

fn key(case: &Case) -> (RequestId, Option<Nonce>) {
    (case.id, case.nonce)
}

fn words(put_off: usize) -> String {
    match put_off {
        0 => "waiting for requests \u{2026}".into(),
        n => format!("waiting for requests \u{2026} ({n} put off; start watch again to see them)"),
    }
}
