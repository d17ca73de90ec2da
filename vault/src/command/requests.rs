//! `vault requests`: ls, show, and the way to the other commands about requests.

use super::describe::{Reader, Width, describe, listed};
use super::{CommandError, Owner, say, say_json, unexpected};
use crate::cli::{self, Output, Requests};
use crate::desk::{Case, Desk, DeskCall, DeskReply};
use crate::prompt::Terminal;
use shared::ids::RequestId;
use std::io::IsTerminal as _;
use vault_core::Stage;

/// What a terminal that does not say its width is taken for.
const COLUMNS: usize = 80;

/// How asking the owner ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Something was signed.
    Signed,
    Refused,
    Later,
}

/// Which requests a list is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Those that wait for the owner or cool off; of those alike, the oldest.
    Waiting,
    /// Those that are over, too, each by itself.
    All,
}

impl Owner {
    pub(super) fn requests(&self, command: Requests) -> Result<(), CommandError> {
        match command {
            Requests::Ls { all: true, output } => self.list(Which::All, output),
            Requests::Ls { all: false, output } => self.list(Which::Waiting, output),
            Requests::Show { id, output } => self.show(&id, output),
            Requests::Approve { id, terms } => self.approve(&id, &terms),
            Requests::Sign { id, terms } => self.sign_pending(&id, &terms),
            Requests::Answer { id, terms } => self.answer(&id, &terms),
            Requests::Edit { id, file, terms } => self.edit(&id, file.as_deref(), &terms),
            Requests::Redact { id, hide, terms } => self.redact(&id, &hide, &terms),
            Requests::Ask { id, words } => self.ask_back(&id, &words),
            Requests::Refuse { id, yes, words } => self.ask_to_refuse(&id, yes, &words),
            Requests::Revoke { id, reason, key } => self.revoke(&id, &reason, key.as_deref()),
            Requests::Watch { terms } => self.watch(&terms),
        }
    }

    pub(super) fn cases(&self, which: Which) -> Result<Vec<Case>, CommandError> {
        let replies = Desk::list(&self.socket, &DeskCall::Requests { all: which == Which::All })?;
        replies
            .into_iter()
            .map(|reply| {
                let DeskReply::Case(case) = reply else { return Err(unexpected()) };
                Ok(*case)
            })
            .collect()
    }

    pub(super) fn case(&self, id: RequestId) -> Result<Case, CommandError> {
        let DeskReply::Case(case) = Desk::ask(&self.socket, &DeskCall::Request { id })? else {
            return Err(unexpected());
        };
        Ok(*case)
    }

    /// The one request whose id begins so.
    pub(super) fn find(&self, prefix: &str) -> Result<RequestId, CommandError> {
        if let Ok(id) = prefix.parse() {
            return Ok(id);
        }
        let found: Vec<RequestId> =
            self.cases(Which::All)?.iter().map(|case| case.id).filter(|id| cli::matches(*id, prefix)).collect();
        match found[..] {
            [id] => Ok(id),
            [] => Err(CommandError::Failed("no request's id begins so; `vault requests ls --all` lists them".into())),
            _ => Err(CommandError::Usage("several requests' ids begin so; give more digits".into())),
        }
    }

    fn list(&self, which: Which, output: Output) -> Result<(), CommandError> {
        let cases = self.cases(which)?;
        if output.json {
            return cases.iter().try_for_each(say_json);
        }
        if cases.is_empty() {
            return say("Nothing waits for you.");
        }
        let stage = cases.iter().map(|case| case.stage.len()).max().unwrap_or_default();
        let reader = columns().map_or(Reader::Program, |columns| Reader::Person { columns, stage });
        cases.iter().try_for_each(|case| say(&listed(case, reader)))
    }

    fn show(&self, id: &str, output: Output) -> Result<(), CommandError> {
        let case = self.case(self.find(id)?)?;
        if output.json {
            return say_json(&case);
        }
        describe(&case, &self.invocation, Width::of_output()?).iter().try_for_each(|line| say(line))
    }
}

/// How wide the terminal is that standard output goes to, if it goes to one.
pub(super) fn columns() -> Option<usize> {
    let out = std::io::stdout();
    let given = || rustix::termios::tcgetwinsize(&out).map_or(0, |size| usize::from(size.ws_col));
    out.is_terminal().then(given).map(|columns| if columns == 0 { COLUMNS } else { columns })
}

/// The owner's terminal; without one nothing is signed.
pub(super) fn open() -> Result<Terminal, CommandError> {
    Terminal::open().map_err(|e| CommandError::Prompt(e.into()))
}

/// For a command that asked once.
pub(super) fn conclude(outcome: Outcome) -> Result<(), CommandError> {
    match outcome {
        Outcome::Signed | Outcome::Refused => Ok(()),
        Outcome::Later => Err(undecided()),
    }
}

/// Whether the owner may still decide about a request.
///
/// # Errors
/// [`CommandError::Failed`] when it is decided or over; names what can still be done.
pub(super) fn still_open(case: &Case) -> Result<(), CommandError> {
    if case.undecided {
        return Ok(());
    }
    let id = short(case.id);
    let lapsed = case.nonce.is_some() || case.stage == Stage::Received.name();
    let how = if lapsed { "lapsed" } else { case.stage.as_str() };
    Err(CommandError::Failed(match case.release {
        Some(_) => format!("request {id} is {how}, so it can only be taken back: `vault requests revoke {id}`"),
        None => format!("request {id} is {how}; nothing more can be decided about it"),
    }))
}

/// The owner has decided nothing. Others may have, meanwhile.
pub(super) fn undecided() -> CommandError {
    CommandError::Refused("Nothing was decided here.".into())
}

/// The beginning of an id, as commands take it.
pub(super) fn short(id: RequestId) -> String {
    let mut id = id.to_string();
    id.truncate(8);
    id
}
