//! `vault requests approve`: everything that would leave is shown, and signed if the owner says so.

use super::compose::scratch;
use super::requests::{Outcome, conclude, open, short, still_open};
use super::{CommandError, Invocation, Owner, say, tell, watch};
use crate::cli::Terms;
use crate::desk::{Case, Desk, DeskCall, DeskError, DeskReply};
use crate::prompt::{self, Answer, Body, Deed, Section, Sheet, Terminal, Timing};
use crate::scratch::Scratch;
use crate::sign::Key;
use shared::ids::{Digest, RequestId};
use shared::limits;
use shared::statement::{Approval, DeliveryMode, NAMESPACE, RecipientLine, Statement, SubjectLine};
use shared::time::Time;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use vault_core::{Choice, Draft, Line, Signed, Stage};

/// Text above this is not paged through but opened as a copy.
const READABLE: u64 = 256 * 1024;
/// Days and devices, unless the owner or another owner's signature says otherwise.
const DAYS: u64 = limits::RELEASE_LIFE / 86_400;
const COLLECTIONS: u32 = 1;
/// How long a request that has just been filed is waited for.
const PREPARING: Duration = Duration::from_secs(10);

impl Owner {
    pub(super) fn approve(&self, id: &str, terms: &Terms) -> Result<(), CommandError> {
        let case = self.open_case(id)?;
        if case.draft.is_none() {
            return Err(CommandError::Failed(nothing_yet("approve", &case)));
        }
        conclude(self.decide(&mut open()?, &case, terms)?)
    }

    /// A request about which the owner may decide.
    pub(super) fn open_case(&self, id: &str) -> Result<Case, CommandError> {
        let case = self.prepared(self.find(id)?)?;
        still_open(&case)?;
        Ok(case)
    }

    /// A request once its item is frozen, which takes moments after it was filed.
    fn prepared(&self, id: RequestId) -> Result<Case, CommandError> {
        let deadline = Instant::now() + PREPARING;
        loop {
            let case = self.case(id)?;
            if case.stage != Stage::Received.name() {
                return Ok(case);
            }
            if Instant::now() >= deadline {
                return Err(CommandError::Failed(format!(
                    "request {} is still being prepared; the vault's log says why. Try again later",
                    short(id)
                )));
            }
            std::thread::sleep(PREPARING / 200);
        }
    }

    /// Shows everything, asks, and signs if the owner says so.
    pub(super) fn decide(&self, terminal: &mut Terminal, case: &Case, terms: &Terms) -> Result<Outcome, CommandError> {
        let Some(draft) = &case.draft else {
            return Err(CommandError::Failed(format!("this request is {}", case.stage)));
        };
        let key = self.ready(terms.key.as_deref())?;
        let bytes = self.fetch(case.id, draft)?;
        let others = pending_approval(case).filter(|_| terms.days.is_none() && terms.collections.is_none());
        if others.is_some() {
            Self::not_twice(case, &key)?;
        }
        let cooling = self.about()?.cooling;
        let not_after = end(crate::daemon::now(), cooling, terms.days.unwrap_or(DAYS));
        let mut copy: Option<(Scratch, PathBuf)> = None;
        loop {
            let body = body(&bytes, draft, copy.as_ref().map(|(_, path)| path.clone()));
            let shown = body.shown();
            let own = Choice { shown, collections: terms.collections.unwrap_or(COLLECTIONS), not_after };
            // Another owner's choice is taken over, and nothing else of that text: the rest is built from what is shown.
            let choice = others.as_ref().map_or(own, |said| Choice {
                shown,
                collections: said.collections,
                not_after: said.not_after,
            });
            let approval = approval(&self.config.origin, case, draft, &bytes, choice);
            let agreement = agreement(case, others.as_ref(), &approval, &self.invocation)?;
            let sheet = sheet(case, &approval, body, agreement, cooling);
            match prompt::ask(terminal, &sheet, Timing::default())? {
                Answer::Yes { .. } => {
                    self.sign(case.id, sheet.statement, &key).map_err(|e| self.overtaken(case, e, "approve"))?;
                    return Ok(Outcome::Signed);
                }
                Answer::Refuse => return self.refuse(case.id).map(|()| Outcome::Refused),
                Answer::No => return Ok(Outcome::Later),
                Answer::Copy => copy = open_copy(terminal, &bytes, draft)?,
            }
        }
    }

    /// Before an owner reads and types for nothing: the same signature does not count twice.
    ///
    /// # Errors
    /// [`CommandError::Refused`] if `key` has signed what waits for more signatures.
    pub(super) fn not_twice(case: &Case, key: &Key) -> Result<(), CommandError> {
        if !watch::has_signed(case, key.fingerprint()) {
            return Ok(());
        }
        Err(CommandError::Refused(format!(
            "this key has signed it already ({}); another owner signs the same text with `vault requests sign {} --key FILE`",
            key.fingerprint(),
            short(case.id)
        )))
    }

    /// Signs a statement about a request and hands it in; says what has come of it.
    pub(super) fn sign(&self, id: RequestId, statement: String, key: &Key) -> Result<(), CommandError> {
        let signature = key.sign(NAMESPACE, statement.as_bytes())?;
        let signed = Signed::one(statement, signature);
        let stage = self.hand_in(id, signed)?;
        match self.case(id) {
            Ok(case) => self.report(&case),
            // What was signed is in force, whatever keeps the vault from telling more of it.
            Err(error) => tell(&format!(
                "Your signature was taken, and the request is {stage}. No more can be said now: {}. To see how it stands:\n  {}",
                self.invocation.complete(&error.to_string()),
                self.line(&format!("requests show {}", short(id)))
            )),
        }
    }

    /// `error`, or what has happened to the request since the owner read it, if that is why a signature about it was not taken.
    /// `look` is the command that shows it now.
    pub(super) fn overtaken(&self, read: &Case, error: CommandError, look: &str) -> CommandError {
        let now = match (&error, self.case(read.id)) {
            (CommandError::NotTaken(_), Ok(now)) if now.nonce != read.nonce => now,
            _ => return error,
        };
        let id = short(now.id);
        let since = match still_open(&now) {
            Err(over) => over.to_string(),
            Ok(()) if now.draft == read.draft => {
                format!(
                    "request {id} is {} since you read it; look at it again: `vault requests {look} {id}`",
                    now.stage
                )
            }
            Ok(()) => format!(
                "what would be released was changed since you read it; look at it again: `vault requests {look} {id}`"
            ),
        };
        CommandError::Overtaken { error: Box::new(error), since }
    }

    /// Hands in a signature about a request; the stage that this has brought it to.
    pub(super) fn hand_in(&self, id: RequestId, signed: Signed) -> Result<String, CommandError> {
        let stage = match Desk::ask(&self.socket, &DeskCall::Sign { id, signed }) {
            Ok(DeskReply::Stage(stage)) => Ok(stage),
            Ok(_) => Err(DeskError::Unexpected),
            Err(error) => Err(error),
        };
        stage.map_err(|error| CommandError::handing_in(error, format!("requests show {}", short(id))))
    }

    /// What the owner should know after signing.
    fn report(&self, case: &Case) -> Result<(), CommandError> {
        let id = short(case.id);
        if let Some(pending) = &case.pending {
            let (have, need) = (pending.signed_by.len(), pending.quorum);
            return say(&format!(
                "{have} of {need} owners have signed; nothing has left yet. Another owner signs the same text, before {}, \
                 with:\n  {}",
                case.lapses_at,
                self.line(&format!("requests sign {id} --key FILE"))
            ));
        }
        if let Some(release) = &case.release {
            return match release.cooling_until {
                Some(until) => say(&format!(
                    "Approved. The visitor can collect it from {until} on. Until then this takes it back unseen:\n  {}",
                    self.line(&format!("requests revoke {id}"))
                )),
                None => say(&format!(
                    "Released. The visitor can collect it. The receipt:\n  {}",
                    self.line(&format!("evidence export {id} DIR"))
                )),
            };
        }
        if case.question.is_some() {
            return say("Sent. The request waits for the visitor's answer.");
        }
        say(&format!("Done. The request is {}.", case.stage))
    }

    /// The draft's bytes, which must be those that the request names.
    ///
    /// # Errors
    /// [`CommandError::Integrity`] when they are others although the request still has this draft.
    pub(super) fn fetch(&self, id: RequestId, draft: &Draft) -> Result<Vec<u8>, CommandError> {
        let mut desk = Desk::call(&self.socket, &DeskCall::Draft { id })?;
        let DeskReply::Payload { bytes } = desk.reply()? else {
            return Err(CommandError::Failed("the vault answered without the draft".into()));
        };
        let data = desk.payload(bytes.min(limits::ITEM))?;
        if Digest::of(&data) != draft.payload || data.len() as u64 != draft.bytes {
            let now = self.case(id)?;
            if now.draft.as_ref() != Some(draft) {
                return Err(CommandError::Failed(replaced(&now)));
            }
            return Err(CommandError::Integrity(
                "the draft's bytes are not those that it names; nothing was released. Check the store".into(),
            ));
        }
        Ok(data)
    }
}

/// What to tell an owner who would have read what is not the draft any more.
fn replaced(now: &Case) -> String {
    format!(
        "what would be released was replaced meanwhile, as from another terminal, so nothing was signed or changed here. The \
         request is {} now: look at it with `vault requests show {}`, then begin again",
        now.stage,
        short(now.id)
    )
}

/// The days of a release begin when it has cooled off: before that nobody can collect it.
fn end(now: Time, cooling: u64, days: u64) -> Time {
    now.plus((cooling + days * 86_400).min(limits::RELEASE_LIFE_MAX))
}

/// Why there is nothing to `act` on in a request that nobody has decided and that has no draft, and what to do.
pub(super) fn nothing_yet(act: &str, case: &Case) -> String {
    let id = short(case.id);
    let write = match &case.subject {
        Line::Item(_) => format!("`vault requests edit {id} --file FILE`"),
        Line::Question(_) => format!("`vault requests answer {id}`"),
    };
    if case.question.is_some() {
        return format!(
            "you asked the visitor something, and the answer has not come: wait for it, refuse with `vault requests refuse \
             {id}`, or write what shall be released with {write}, which takes the question back"
        );
    }
    format!("there is nothing to {act} yet: write what shall be released with {write}")
}

/// The approval that other owners have signed, if that is what waits for more signatures.
fn pending_approval(case: &Case) -> Option<Approval> {
    match Statement::parse(&case.pending.as_ref()?.statement) {
        Ok(Statement::Approval(approval)) => Some(approval),
        Ok(_) | Err(_) => None,
    }
}

/// What to tell an owner whom others have preceded. The text that this owner would sign is its own; if it is theirs too, byte
/// for byte, the signatures add up.
///
/// # Errors
/// [`CommandError::Integrity`] when it is another one although this owner chose the same.
fn agreement(
    case: &Case,
    others: Option<&Approval>,
    own: &Approval,
    invocation: &Invocation,
) -> Result<Option<String>, CommandError> {
    let Some(pending) = &case.pending else { return Ok(None) };
    let Some(said) = others else {
        return Ok(Some(format!(
            "Other owners have begun to sign something else about this request: see {}. If you sign this, their signatures \
             count no more.",
            invocation.line(&format!("requests show {}", short(case.id)))
        )));
    };
    let (have, need) = (pending.signed_by.len(), pending.quorum);
    if said.shown != own.shown {
        return Ok(Some(format!(
            "{have} of {need} owners have signed a text that says \"{}\" of the bytes; yours would say \"{}\", and the \
             signatures would begin anew.",
            said.shown.as_str(),
            own.shown.as_str()
        )));
    }
    if Statement::Approval(own.clone()).render() != pending.statement {
        return Err(CommandError::Integrity(
            "the text that other owners have signed is not the one that these bytes and this request allow; nothing was \
             signed. Ask them what they signed, and look at the vault's log"
                .into(),
        ));
    }
    Ok(Some(format!("{have} of {need} owners have signed exactly this: {}.", pending.signed_by.join(", "))))
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
fn approval(origin: &shared::tlog::Origin, case: &Case, draft: &Draft, bytes: &[u8], choice: Choice) -> Approval {
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
        shown: choice.shown,
        collections: choice.collections,
        prepared_at: draft.prepared_at,
        not_after: choice.not_after,
        nonce: draft.nonce,
    }
}

fn sheet(case: &Case, approval: &Approval, body: Body, agreement: Option<String>, cooling: u64) -> Sheet {
    let devices = match approval.collections {
        1 => "one device".into(),
        n => format!("{n} devices"),
    };
    let mut sections = who_asks(case);
    sections.push(Section::Field {
        label: "collectable",
        value: format!("until {}, by {devices}", approval.not_after),
        note: None,
    });
    if cooling > 0 {
        sections.push(Section::Delay(format!(
            "It is held back for {cooling} seconds after the last signature, during which you can revoke it unseen."
        )));
    }
    sections.push(Section::Note("Delivery is plain: the reception's machine can read it on its way.".into()));
    sections.extend(case.note.iter().cloned().map(Section::Note));
    sections.extend(agreement.map(Section::Note));
    if case.repeats > 0 {
        sections.push(Section::Note(format!(
            "If you refuse it without a word, {} more are refused with it.",
            case.repeats
        )));
    }
    let title = format!("Request {}", short(case.id));
    let (statement, alike) = (Statement::from(approval.clone()).render(), case.repeats);
    Sheet { title, sections, body, statement, deed: Deed::Release, alike }
}

/// Who asks for what, and what was said so far: the beginning of every sheet about a request.
pub(super) fn who_asks(case: &Case) -> Vec<Section> {
    let (label, asked) = match &case.subject {
        Line::Item(title) => ("item", title.clone()),
        Line::Question(text) => ("question", text.clone()),
    };
    let contact = case.contact.clone().unwrap_or_else(|| "none given".into());
    let mut sections = vec![
        Section::Field { label: "who", value: format!("a visitor of {}", case.reception), note: Some("anonymous") },
        Section::Field { label: "contact", value: contact, note: Some("unverified") },
        Section::Field { label, value: asked, note: None },
        Section::Field { label: "purpose", value: case.purpose.clone(), note: Some("the visitor's words") },
    ];
    for talk in &case.talk {
        sections.push(Section::Field { label: "you asked", value: talk.question.clone(), note: None });
        let note = Some("the visitor's words");
        sections.push(Section::Field { label: "answer", value: talk.answer.clone(), note });
    }
    if let Some(question) = &case.question {
        let note = Some("not answered yet; what you sign now takes its place");
        sections.push(Section::Field { label: "you asked", value: question.clone(), note });
    }
    let recipient = "whoever holds the ticket".into();
    sections.push(Section::Field { label: "recipient", value: recipient, note: None });
    sections.push(Section::Field { label: "ticket hash", value: case.ticket.to_string(), note: None });
    if case.repeats > 0 {
        let alike = format!("{} more in the same words wait. A yes is about this one alone.", case.repeats);
        sections.push(Section::Note(alike));
    }
    sections
}

/// Puts a copy where only the owner can read it, opens it if there is a viewer, and asks whether the owner has looked at it:
/// the statement will say so.
fn open_copy(terminal: &Terminal, bytes: &[u8], draft: &Draft) -> Result<Option<(Scratch, PathBuf)>, CommandError> {
    let scratch = scratch()?;
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
