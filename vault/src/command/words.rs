//! `vault requests ask`, `refuse` and `sign`: the owner's words to a visitor, which are read once more and signed.

use super::approve::who_asks;
use super::compose::blank;
use super::describe::{Width, describe};
use super::requests::{Outcome, conclude, open, short, still_open, undecided};
use super::{CommandError, Owner, say, unexpected, watch};
use crate::cli::{Terms, Words};
use crate::desk::{Case, Desk, DeskCall, DeskReply};
use crate::prompt::{self, Answer, Body, Deed, Section, Sheet, Terminal, Timing};
use shared::ids::RequestId;
use shared::message::OwnersWords;
use shared::statement::{Question, RecipientLine, Refusal, Statement, SubjectLine};
use shared::time::Time;
use std::path::Path;

/// Why the owner says something to a visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The owner wants to know something first.
    Question,
    /// The owner says no, and why.
    Refusal,
}

impl Purpose {
    /// What stands below the words while they are written.
    fn invitation(self) -> &'static str {
        match self {
            Self::Question => "Write above what you want to know before you decide. The visitor reads it.",
            Self::Refusal => "Write above why not. The visitor reads it, and the request is closed for good.",
        }
    }
}

/// What is said.
struct Speech<'a> {
    purpose: Purpose,
    text: &'a str,
}

impl Owner {
    pub(super) fn ask_back(&self, id: &str, words: &Words) -> Result<(), CommandError> {
        let case = self.open_case(id)?;
        let mut terminal = open()?;
        conclude(self.say_in_words(&mut terminal, &case, Purpose::Question, words)?)
    }

    /// Refuses: in words that are signed, or silently, after showing the request unless the owner said yes already.
    pub(super) fn ask_to_refuse(&self, id: &str, yes: bool, words: &Words) -> Result<(), CommandError> {
        if words.wanted() {
            let case = self.open_case(id)?;
            return conclude(self.say_in_words(&mut open()?, &case, Purpose::Refusal, words)?);
        }
        let case = self.case(self.find(id)?)?;
        still_open(&case)?;
        if !yes {
            describe(&case, &self.invocation, Width::of_output()?).iter().try_for_each(|line| say(line))?;
            say("Repeats in the same words from the same contact are refused for a week.")?;
            if !watch::confirmed(&open()?, &case)? {
                return Err(undecided());
            }
        }
        self.refuse(case.id)
    }

    /// Has the owner write to the visitor, unless the words are given, and sign that.
    pub(super) fn say_in_words(
        &self,
        terminal: &mut Terminal,
        case: &Case,
        purpose: Purpose,
        words: &Words,
    ) -> Result<Outcome, CommandError> {
        let key = words.key.as_deref();
        self.ready(key)?;
        let mut speak = |text: &str| {
            // Without white space around them.
            let text = text.trim();
            OwnersWords::new(text)
                .map_err(|e| CommandError::Failed(format!("these words cannot be sent: {e}; nothing was changed")))?;
            self.speak(terminal, case, &Speech { purpose, text }, crate::daemon::now(), key)
        };
        match &words.text {
            Some(text) => speak(text),
            None => {
                self.write(&blank(purpose.invitation(), case, Width::of_output()?), "txt", |text| match speak(text)? {
                    // So that they are kept.
                    Outcome::Later => Err(undecided()),
                    outcome @ (Outcome::Signed | Outcome::Refused) => Ok(outcome),
                })
            }
        }
    }

    pub(super) fn refuse(&self, id: RequestId) -> Result<(), CommandError> {
        let requests = match Desk::ask(&self.socket, &DeskCall::Refuse { id }) {
            Ok(DeskReply::Refused { requests }) => requests,
            Ok(_) => return Err(unexpected()),
            Err(error) if !error.nothing_done() => {
                let look = format!("requests show {}", short(id));
                return Err(CommandError::Unknown { error, look });
            }
            Err(error) => {
                // Another may have decided since it was looked at.
                if let Ok(case) = self.case(id) {
                    still_open(&case)?;
                }
                return Err(error.into());
            }
        };
        match requests {
            1 => say("Refused. The visitor sees no difference until the request lapses."),
            n => say(&format!(
                "Refused, with {} more in the same words. The visitors see no difference until the requests lapse.",
                n - 1
            )),
        }
    }

    /// Signs what other owners have signed already, whatever it is.
    pub(super) fn sign_pending(&self, id: &str, terms: &Terms) -> Result<(), CommandError> {
        let case = self.case(self.find(id)?)?;
        let Some(pending) = &case.pending else {
            let id = short(case.id);
            return Err(CommandError::Failed(format!(
                "nobody has signed anything about request {id} that waits for more signatures; it is {}",
                case.stage
            )));
        };
        let unreadable = |e| CommandError::Integrity(format!("what waits for signatures is no statement: {e}"));
        let mut terminal = open()?;
        let said = Statement::parse(&pending.statement).map_err(unreadable)?;
        let (purpose, text, at) = if let Statement::Question(said) = said {
            (Purpose::Question, said.text, said.prepared_at)
        } else if let Statement::Refusal(Refusal { words: Some(words), decided_at, .. }) = said {
            (Purpose::Refusal, words, decided_at)
        } else if matches!(said, Statement::Approval(_)) {
            return conclude(self.decide(&mut terminal, &case, terms)?);
        } else {
            return Err(CommandError::Failed(format!(
                "what waits for signatures is a {} without words; `vault requests refuse` does the same at once",
                said.kind()
            )));
        };
        let speech = Speech { purpose, text: &text };
        let statement = statement(&self.config.origin, &case, &speech, at)?;
        if statement.render() != pending.statement {
            return Err(CommandError::Integrity(
                "the text that other owners have signed is not about this request as it is now; nothing was signed. Ask them \
                 what they signed, and look at the vault's log"
                    .into(),
            ));
        }
        conclude(self.speak(&mut terminal, &case, &speech, at, terms.key.as_deref())?)
    }

    /// Shows the words once more, and signs them if the owner says so.
    fn speak(
        &self,
        terminal: &mut Terminal,
        case: &Case,
        speech: &Speech<'_>,
        at: Time,
        key: Option<&Path>,
    ) -> Result<Outcome, CommandError> {
        let key = self.ready(key)?;
        let statement = statement(&self.config.origin, case, speech, at)?.render();
        if case.pending.as_ref().is_some_and(|pending| pending.statement == statement) {
            Self::not_twice(case, &key)?;
        }
        let sheet = sheet(case, speech, statement);
        match prompt::ask(terminal, &sheet, Timing::default())? {
            Answer::Yes { .. } => {
                self.sign(case.id, sheet.statement, &key).map_err(|error| self.overtaken(case, error, "show"))?;
                Ok(Outcome::Signed)
            }
            Answer::Refuse | Answer::No | Answer::Copy => Ok(Outcome::Later),
        }
    }
}

/// Built here, from what is shown; the daemon builds its own and compares.
fn statement(
    origin: &shared::tlog::Origin,
    case: &Case,
    speech: &Speech<'_>,
    at: Time,
) -> Result<Statement, CommandError> {
    let nonce = case.nonce.ok_or_else(|| CommandError::Failed(format!("this request is {}", case.stage)))?;
    let (vault, request) = (origin.clone(), case.id);
    let (subject, recipient) = (SubjectLine::from(&case.named), RecipientLine::Ticket(case.ticket));
    let text = speech.text.to_owned();
    Ok(match speech.purpose {
        Purpose::Question => Question { vault, request, subject, recipient, text, prepared_at: at, nonce }.into(),
        Purpose::Refusal => {
            Refusal { vault, request, subject, recipient, words: Some(text), decided_at: at, nonce }.into()
        }
    })
}

fn sheet(case: &Case, speech: &Speech<'_>, statement: String) -> Sheet {
    let what = match speech.purpose {
        Purpose::Question => "Question about",
        Purpose::Refusal => "Refusal of",
    };
    let mut sections = who_asks(case);
    sections.push(Section::Note("The reception's machine can read these words on their way.".into()));
    if let Some(pending) = case.pending.as_ref().filter(|pending| pending.statement == statement) {
        let (have, need) = (pending.signed_by.len(), pending.quorum);
        let note = format!("{have} of {need} owners have signed exactly this: {}.", pending.signed_by.join(", "));
        sections.push(Section::Note(note));
    }
    Sheet {
        title: format!("{what} request {}", short(case.id)),
        sections,
        body: Body::Text { bytes: speech.text.into() },
        statement,
        deed: Deed::Release,
        // In words, one request is refused; only that can be signed here.
        alike: 0,
    }
}
