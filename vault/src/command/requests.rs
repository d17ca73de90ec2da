//! `vault requests`: ls, show, approve, refuse, answer.

use super::{CommandError, Owner, say, say_json, size, tell, unexpected, watch};
use crate::cli::{self, Output, Requests, Terms};
use crate::desk::{Case, Desk, DeskCall, DeskReply};
use crate::editor;
use crate::prompt::{self, Answer, Body, Deed, Section, Sheet, Terminal, Timing};
use crate::scratch::Scratch;
use shared::ids::{Digest, RequestId};
use shared::statement::{Approval, DeliveryMode, NAMESPACE, RecipientLine, Shown, Statement, SubjectLine};
use shared::tlog::Origin;
use shared::{limits, visible};
use std::io::Read as _;
use std::path::PathBuf;
use vault_core::{Draft, Line, Signed};

/// Text above this is not paged through but opened as a copy.
const READABLE: u64 = 256 * 1024;
/// What is below this line in the editor is not sent.
const CUT: &str = "---- what stands from this line on is not sent ----";
/// Columns that a described request takes, and those before its values.
const WIDTH: usize = 79;
const LABEL: usize = 11;

/// How asking the owner ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Released,
    Refused,
    Later,
}

impl Owner {
    pub(super) fn requests(&self, command: Requests) -> Result<(), CommandError> {
        match command {
            Requests::Ls { all, output } => self.list(all, output),
            Requests::Show { id, output } => self.show(&id, output),
            Requests::Approve { id, terms } => self.approve(&id, &terms),
            Requests::Refuse { id, yes } => self.ask_to_refuse(&id, yes),
            Requests::Answer { id, terms } => self.answer(&id, &terms),
            Requests::Watch { terms } => self.watch(&terms),
        }
    }

    pub(super) fn cases(&self, all: bool) -> Result<Vec<Case>, CommandError> {
        let replies = Desk::list(&self.socket, &DeskCall::Requests { all })?;
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
            self.cases(true)?.iter().map(|case| case.id).filter(|id| cli::matches(*id, prefix)).collect();
        match found[..] {
            [id] => Ok(id),
            [] => Err(CommandError::Failed("no request's id begins so; `vault requests ls --all` lists them".into())),
            _ => Err(CommandError::Usage("several requests' ids begin so; give more digits".into())),
        }
    }

    fn list(&self, all: bool, output: Output) -> Result<(), CommandError> {
        let cases = self.cases(all)?;
        if output.json {
            return cases.iter().try_for_each(say_json);
        }
        if cases.is_empty() {
            return say("Nothing waits for you.");
        }
        for case in cases {
            let id = case.id.to_string();
            say(&format!("{}  {}  {:<20}  {}", &id[..8], case.filed_at, case.stage, subject(&case.subject)))?;
        }
        Ok(())
    }

    fn show(&self, id: &str, output: Output) -> Result<(), CommandError> {
        let case = self.case(self.find(id)?)?;
        if output.json {
            return say_json(&case);
        }
        describe(&case).iter().try_for_each(|line| say(line))
    }

    fn approve(&self, id: &str, terms: &Terms) -> Result<(), CommandError> {
        let case = self.case(self.find(id)?)?;
        if case.draft.is_none() && case.undecided {
            let id = &case.id.to_string()[..8];
            return Err(CommandError::Failed(format!(
                "there is nothing to approve yet: write the answer with `vault requests answer {id}`"
            )));
        }
        conclude(self.decide(&mut open()?, &case, terms)?)
    }

    /// Shows the request and asks, unless the owner said yes already.
    fn ask_to_refuse(&self, id: &str, yes: bool) -> Result<(), CommandError> {
        let id = self.find(id)?;
        if !yes {
            describe(&self.case(id)?).iter().try_for_each(|line| say(line))?;
            if !watch::confirmed(&open()?)? {
                return Err(CommandError::Refused("Nothing was decided. The request still waits.".into()));
            }
        }
        self.refuse(id)
    }

    pub(super) fn refuse(&self, id: RequestId) -> Result<(), CommandError> {
        let DeskReply::Stage(_) = Desk::ask(&self.socket, &DeskCall::Refuse { id })? else { return Err(unexpected()) };
        say("Refused. The visitor sees no difference until the request lapses.")
    }

    fn answer(&self, id: &str, terms: &Terms) -> Result<(), CommandError> {
        let case = self.case(self.find(id)?)?;
        let mut terminal = open()?;
        let case = self.compose(&case)?;
        conclude(self.decide(&mut terminal, &case, terms)?)
    }

    /// Has the owner write the answer; the request with its new draft.
    pub(super) fn compose(&self, case: &Case) -> Result<Case, CommandError> {
        let scratch = Scratch::new().map_err(|e| CommandError::Failed(e.to_string()))?;
        scratch.notice().iter().try_for_each(|notice| tell(notice))?;
        let text = written(editor::compose(&scratch, &self.template(case)?, "txt")?)?;
        let call = DeskCall::Answer { id: case.id, bytes: text.len() as u64 };
        let mut desk = Desk::call(&self.socket, &call)?;
        desk.send(text.as_bytes())?;
        let DeskReply::Stage(_) = desk.reply()? else { return Err(unexpected()) };
        self.case(case.id)
    }

    /// What the editor opens with: what was written before, and the question below a line that cuts it off.
    fn template(&self, case: &Case) -> Result<String, CommandError> {
        let earlier = match &case.draft {
            Some(draft) if matches!(draft.subject, Line::Question(_)) => self.fetch(case.id, draft)?,
            Some(_) | None => Vec::new(),
        };
        let earlier = String::from_utf8_lossy(&earlier).into_owned();
        let (asked, words) = match &case.subject {
            Line::Item(title) => ("item", title),
            Line::Question(text) => ("question", text),
        };
        let mut text = format!("{earlier}\n{CUT}\nWrite your answer above.\n\n");
        for line in framed(asked, words).into_iter().chain(framed("purpose", &case.purpose)) {
            text.push_str(&line);
            text.push('\n');
        }
        Ok(text)
    }

    /// Shows everything, asks, and signs if the owner says so.
    pub(super) fn decide(&self, terminal: &mut Terminal, case: &Case, terms: &Terms) -> Result<Outcome, CommandError> {
        let Some(draft) = &case.draft else {
            return Err(CommandError::Failed(format!("this request is {}", case.stage)));
        };
        let bytes = self.fetch(case.id, draft)?;
        let not_after = crate::daemon::now().plus(terms.days * 86_400);
        let mut copy: Option<(Scratch, PathBuf)> = None;
        loop {
            let body = body(&bytes, draft, copy.as_ref().map(|(_, path)| path.clone()));
            let approval = approval(&self.config.origin, case, draft, &bytes, terms, body.shown(), not_after);
            let sheet = sheet(case, &approval, body);
            match prompt::ask(terminal, &sheet, Timing::default())? {
                Answer::Yes { .. } => return self.release(case.id, sheet.statement, terms).map(|()| Outcome::Released),
                Answer::Refuse => return self.refuse(case.id).map(|()| Outcome::Refused),
                Answer::No => return Ok(Outcome::Later),
                Answer::Copy => copy = open_copy(terminal, &bytes, draft)?,
            }
        }
    }

    fn release(&self, id: RequestId, statement: String, terms: &Terms) -> Result<(), CommandError> {
        let key = terms.key.as_ref().unwrap_or(&self.config.owner_key);
        let signature = crate::sign::sign(key, NAMESPACE, statement.as_bytes())?;
        let signed = Signed { statement, signature };
        let DeskReply::Stage(_) = Desk::ask(&self.socket, &DeskCall::Approve { id, signed })? else {
            return Err(unexpected());
        };
        say(&format!(
            "Released. The visitor can collect it; the receipt: vault evidence export {} DIR",
            &id.to_string()[..8]
        ))
    }

    /// The draft's bytes, which must be those that the request names.
    fn fetch(&self, id: RequestId, draft: &Draft) -> Result<Vec<u8>, CommandError> {
        let mut desk = Desk::call(&self.socket, &DeskCall::Draft { id })?;
        let DeskReply::Payload { bytes } = desk.reply()? else {
            return Err(CommandError::Failed("the vault answered without the draft".into()));
        };
        let mut data = Vec::new();
        let read = desk.payload().take(bytes.min(limits::ITEM)).read_to_end(&mut data);
        read.map_err(|e| CommandError::Failed(format!("the draft could not be read ({e}); nothing was released")))?;
        if Digest::of(&data) != draft.payload || data.len() as u64 != draft.bytes {
            return Err(CommandError::Integrity(
                "the draft's bytes are not those that it names; nothing was released. Check the store".into(),
            ));
        }
        Ok(data)
    }
}

/// The answer without what stands below the cut.
fn written(text: String) -> Result<String, CommandError> {
    let answer = match text.split_once(CUT) {
        Some((answer, _)) => format!("{}\n", answer.trim_end()),
        None => text,
    };
    if answer.trim().is_empty() {
        return Err(CommandError::Refused("The answer is empty. Nothing was changed; the request still waits.".into()));
    }
    Ok(answer)
}

/// The owner's terminal; without one nothing is approved.
pub(super) fn open() -> Result<Terminal, CommandError> {
    Terminal::open().map_err(|e| CommandError::Prompt(e.into()))
}

fn conclude(outcome: Outcome) -> Result<(), CommandError> {
    match outcome {
        Outcome::Released | Outcome::Refused => Ok(()),
        Outcome::Later => Err(CommandError::Refused("Nothing was released. The request still waits.".into())),
    }
}

/// Text that can be read through is shown; anything else is described.
fn body(bytes: &[u8], draft: &Draft, opened: Option<PathBuf>) -> Body {
    let text = draft.bytes <= READABLE && !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok();
    if text {
        return Body::Text { bytes: bytes.to_vec() };
    }
    Body::Opaque {
        media_type: draft.media_type.as_str().into(),
        bytes: bytes.len() as u64,
        sha256: Digest::of(bytes),
        opened,
    }
}

/// Built here, from what is shown; the daemon builds its own and compares.
fn approval(
    origin: &Origin,
    case: &Case,
    draft: &Draft,
    bytes: &[u8],
    terms: &Terms,
    shown: Shown,
    not_after: shared::time::Time,
) -> Approval {
    Approval {
        vault: origin.clone(),
        request: case.id,
        subject: SubjectLine::from(&draft.subject),
        recipient: RecipientLine::Ticket(case.ticket),
        delivery: DeliveryMode::Plain,
        purpose: case.purpose.clone(),
        terms: None,
        payload: Digest::of(bytes),
        bytes: bytes.len() as u64,
        media_type: draft.media_type.as_str().into(),
        shown,
        collections: terms.collections,
        prepared_at: draft.prepared_at,
        not_after,
        nonce: draft.nonce,
    }
}

fn sheet(case: &Case, approval: &Approval, body: Body) -> Sheet {
    let (label, asked) = match &case.subject {
        Line::Item(title) => ("item", title.clone()),
        Line::Question(text) => ("question", text.clone()),
    };
    let contact = case.contact.clone().unwrap_or_else(|| "none given".into());
    let devices = match approval.collections {
        1 => "one device".into(),
        n => format!("{n} devices"),
    };
    let sections = vec![
        Section::Field { label: "who", value: format!("a visitor of {}", case.reception), note: Some("anonymous") },
        Section::Field { label: "contact", value: contact, note: Some("unverified") },
        Section::Field { label, value: asked, note: None },
        Section::Field { label: "purpose", value: case.purpose.clone(), note: Some("the visitor's words") },
        Section::Field { label: "recipient", value: "whoever holds the ticket".into(), note: None },
        Section::Field { label: "ticket hash", value: case.ticket.to_string(), note: None },
        Section::Field {
            label: "collectable",
            value: format!("until {}, by {devices}", approval.not_after),
            note: None,
        },
        Section::Note("Delivery is plain: the reception's machine can read it on its way.".into()),
    ];
    let title = format!("Request {}", &case.id.to_string()[..8]);
    Sheet { title, sections, body, statement: Statement::from(approval.clone()).render(), deed: Deed::Release }
}

/// Puts a copy where only the owner can read it, opens it if there is a viewer, and asks whether the owner has looked at it:
/// the statement will say so.
fn open_copy(terminal: &Terminal, bytes: &[u8], draft: &Draft) -> Result<Option<(Scratch, PathBuf)>, CommandError> {
    let scratch = Scratch::new().map_err(|e| CommandError::Failed(e.to_string()))?;
    let name = format!("copy.{}", extension(draft.media_type.as_str()));
    let path = scratch.file(&name, bytes).map_err(|e| CommandError::Failed(e.to_string()))?;
    if std::env::var_os("DISPLAY").or_else(|| std::env::var_os("WAYLAND_DISPLAY")).is_some() {
        use std::process::{Command, Stdio};
        let viewer = Command::new("xdg-open")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        if viewer.is_err() {
            tell("xdg-open is not there; open the copy yourself.")?;
        }
    }
    say(&format!("A copy is at {}", path.display()))?;
    say("It is removed when this command ends. Look at it now, here or in another window.")?;
    say("Have you looked at it? Type yes, then Enter; anything else means no.")?;
    Ok((watch::typed(terminal)? == "yes").then_some((scratch, path)))
}

fn extension(media_type: &str) -> &'static str {
    match media_type.split(';').next().unwrap_or_default() {
        "application/pdf" => "pdf",
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "text/plain" => "txt",
        _ => "bin",
    }
}

pub(super) fn subject(line: &Line) -> String {
    match line {
        Line::Item(title) => format!("item: {}", visible::line(title)),
        Line::Question(text) => format!("question: {}", visible::line(text)),
    }
}

/// A request in lines to print. What a visitor wrote is framed, so that no line of it can pass for one of ours.
pub(super) fn describe(case: &Case) -> Vec<String> {
    let (asked, words) = match &case.subject {
        Line::Item(title) => ("item", title.as_str()),
        Line::Question(text) => ("question", text.as_str()),
    };
    let mut lines = vec![format!("request    {}", case.id), format!("stage      {}", case.stage)];
    lines.extend(framed(asked, words));
    lines.extend(framed("purpose", &case.purpose));
    lines.extend(framed("contact", case.contact.as_deref().unwrap_or("none given")));
    lines.push("           (a visitor's words; nobody has checked them)".into());
    lines.push(format!("through    {}", visible::line(&case.reception)));
    lines.push(format!("filed      {}, lapses {}", case.filed_at, case.lapses_at));
    lines.extend(case.note.iter().map(|note| format!("note       {note}")));
    if let Some(draft) = &case.draft {
        let media_type = visible::line(draft.media_type.as_str());
        lines.push(format!("draft      {}, {media_type}", size(draft.bytes)));
        lines.push(format!("  sha256   {}", draft.payload));
    }
    if let Some(release) = &case.release {
        let manifest = &release.manifest;
        let (begun, allowed) = (release.collected, release.collections);
        lines.push(format!("released   {}, until {}", size(manifest.bytes), manifest.not_after));
        lines.push(format!("  sha256   {}", manifest.sha256));
        lines.push(format!("  collections begun: {begun} of {allowed}"));
    }
    lines
}

fn framed(label: &str, words: &str) -> Vec<String> {
    let rows = visible::rows(words.as_bytes(), WIDTH - LABEL).enumerate();
    rows.map(|(i, row)| format!("{:<LABEL$}{row}", if i == 0 { label } else { "" })).collect()
}
