//! What must be true of every reply, and at the end. Written from the promises alone: it shares no code with the release
//! core, knows neither stages nor transitions, and only says which replies what happened so far allows.
//!
//! What happened is known in part: a call or an act whose answer was lost may have been carried out or not. So each fact is
//! held twice, as *sure* and as *possible*. A reply must not contradict what was sure before its call began, and must be
//! explained by what was possible when it came.

mod filing;
mod owners;

pub use owners::Deed;

use super::power::Wall;
use shared::ids::{CollectionId, Digest, Nonce, TicketHash};
use shared::limits;
use shared::message::{Filing, Manifest, Refused, View};
use shared::time::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::time::Instant;
use vault_core::LaneId;

/// Whole seconds of a clock that is read twice differ by this.
const ROUNDING: u64 = 2;
/// Where nothing is wrong, what time has brought about is seen within so many seconds.
const SWEEP: u64 = 3;

/// What a release takes.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// So many owners must sign one text.
    pub quorum: usize,
    /// So many seconds pass between the last signature and the release.
    pub cooling: u64,
}

/// What an approval says.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Exactly these bytes.
    pub payload: Arc<Vec<u8>>,
    /// Until then.
    pub not_after: Time,
    /// For so many devices.
    pub collections: usize,
    /// Used once.
    pub nonce: Nonce,
}

/// What may have become of one request.
#[derive(Default, Clone)]
struct Request {
    tried: Vec<(Filing, LaneId)>,
    accepted: Option<(Filing, LaneId)>,
    /// A visitor was told that it has not left its reception and does not wait there any more.
    never_left: bool,
    /// What receptions have promised to hand over; and whether its visitor's own has.
    kept: Vec<(Filing, LaneId)>,
    promised: bool,
    /// Since when it is kept at its visitor's own reception as far as that was said; and whether something else was said after.
    here: Option<Instant>,
    gone: bool,
    /// The vault's clock when it may have been filed first, and last.
    filed: Option<(Time, Time)>,
    /// Approvals that may have been taken, and the earliest that they may; one alone once it is sure.
    approvals: Vec<(Terms, Time)>,
    /// Surely approved, at the latest then.
    approved: Option<Time>,
    /// A visitor was told of the release.
    released: bool,
    withdrawing: bool,
    withdrawn: bool,
    /// A release may have been taken back, at the latest then; and surely was.
    revoking: Option<Time>,
    revoked: bool,
    /// An owner may have written something else, which takes a question back.
    composing: bool,
    /// Questions that may have been asked back, and which of them are surely answered.
    questions: BTreeMap<Nonce, String>,
    answered: BTreeSet<Nonce>,
    /// Answers that may have been taken, and those that surely were.
    answers: BTreeSet<(Nonce, String)>,
    lasting: BTreeSet<(Nonce, String)>,
    /// Words of refusal that may have been said, and whether some surely were.
    refusals: BTreeSet<String>,
    refused: bool,
    asked: BTreeSet<CollectionId>,
    served: BTreeSet<CollectionId>,
}

/// Whether all releases are stopped.
#[derive(Debug, Clone, Copy, Default)]
struct Brake {
    /// They may be; and how often an owner has tried to stop them.
    stopping: bool,
    tries: u64,
    /// They surely are, for the so-many-th time.
    stopped: Option<u64>,
    stops: u64,
}

/// What was sure when a call or an act began.
#[derive(Clone)]
pub struct Called {
    ticket: TicketHash,
    at: Instant,
    before: Request,
    brake: Brake,
    calm: bool,
}

impl Called {
    /// Since when it waits.
    pub fn since(&self) -> Instant {
        self.at
    }
}

/// What a delivery brought.
pub struct Delivered<'a> {
    /// The head.
    pub manifest: &'a Manifest,
    /// Whether its receipt proves an approval of this request that names these bytes and is in the log.
    pub proven: Result<(), String>,
    /// Asked from here.
    pub offset: u64,
    /// What came.
    pub bytes: &'a [u8],
    /// Whether it came to its end in order.
    pub whole: bool,
}

/// What owners say to a visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words {
    /// They want to know something first.
    Question(Nonce, String),
    /// Why not.
    Refusal(String),
}

/// What a visitor is told of a request that is taken back at its reception.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// It was not handed over.
    Never,
    /// It may have been.
    Perhaps,
}

/// Why no answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// The vault cannot be reached.
    Away,
    /// It will not.
    Refused(Refused),
}

/// Everything that is known.
pub struct Model {
    wall: Arc<Wall>,
    rules: Rules,
    requests: BTreeMap<TicketHash, Request>,
    /// Which owners have signed each text.
    signed: BTreeMap<String, BTreeSet<usize>>,
    brake: Brake,
    calm: bool,
}

type Verdict = Result<(), String>;

fn must(holds: bool, what: &str) -> Verdict {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

impl Model {
    /// Nothing has happened.
    pub fn new(wall: Arc<Wall>, rules: Rules) -> Self {
        let (requests, signed) = (BTreeMap::new(), BTreeMap::new());
        Self { wall, rules, requests, signed, brake: Brake::default(), calm: false }
    }

    /// From now on nothing goes wrong, and every call is answered.
    pub fn calm(&mut self) {
        self.calm = true;
    }

    /// A call about this ticket begins, or an owner's act.
    pub fn called(&mut self, ticket: TicketHash) -> Called {
        self.look_at_the_clock();
        let before = self.requests.get(&ticket).cloned().unwrap_or_default();
        Called { ticket, at: Instant::now(), before, brake: self.brake, calm: self.calm }
    }

    /// What `status` and `withdraw` answered.
    pub fn viewed(&mut self, called: &Called, view: &View) -> Verdict {
        let before = &called.before;
        let latest = self.wall.latest();
        let request = self.requests.get(&called.ticket).cloned().unwrap_or_default();
        match view {
            View::Waiting => {
                must(before.approved.is_none() || self.may_cool(called), "waiting, though an approval was durable")?;
                must(!before.refused, "waiting, though a refusal with words was durable")?;
                self.open(called)
            }
            View::Question => {
                must(!request.questions.is_empty(), "a question, though nobody has asked one")?;
                must(before.approved.is_none(), "a question, though an approval was durable")?;
                must(!before.refused, "a question, though a refusal with words was durable")?;
                self.open(called)
            }
            View::Refused => {
                must(!request.refusals.is_empty(), "words of refusal, though nobody has said any")?;
                must(before.approved.is_none(), "words of refusal, though an approval was durable")?;
                self.open(called)
            }
            View::Ready(manifest) => {
                must(!self.was_stopped(called), "ready, though all releases were stopped")?;
                self.released(called, Some(manifest))
            }
            View::Paused => {
                self.may_be_stopped(called)?;
                self.released(called, None)
            }
            View::Closed => {
                let revoked = request.revoking.is_some_and(|at| self.ripe(&request, at.min(latest)));
                let ended = request.withdrawing || revoked || request.over(latest);
                let held = before.accepted.is_some() || before.promised && !request.has_rivals();
                must(!held || ended, "closed without a reason: an acknowledged request was lost")
            }
        }
    }

    /// What looks undecided, or refused, has not ended, and was never seen released.
    fn open(&self, called: &Called) -> Verdict {
        let before = &called.before;
        let request = self.requests.get(&called.ticket).ok_or("open, though nobody filed it")?;
        must(!request.tried.is_empty(), "open, though nobody filed it")?;
        must(!before.released, "open, though it was released before")?;
        must(!before.withdrawn, "open, though it was withdrawn")?;
        must(
            !(before.never_left && request.never_left),
            "open, though its visitor was told that it was not handed over",
        )?;
        must(!before.revoked || self.rules.cooling > 0, "open, though its release was revoked")?;
        // What is kept may be filed at any time.
        let late = if request.kept.is_empty() { Time::from_unix(0) } else { self.wall.latest() };
        let end = request.filed.map(|(_, last)| last.max(late).plus(limits::ASKING_LIFE + ROUNDING));
        must(end.is_some_and(|end| self.wall.earliest(called.at) < end), "open, though its time is over")
    }

    /// What was released has cooled off and has not ended; from now on its visitor knows of it.
    fn released(&mut self, called: &Called, manifest: Option<&Manifest>) -> Verdict {
        let (before, earliest) = (&called.before, self.wall.earliest(called.at));
        let mut request = self.requests.get(&called.ticket).cloned().unwrap_or_default();
        request.approvals.retain(|(terms, _)| manifest.is_none_or(|manifest| terms.are(manifest)));
        must(!request.approvals.is_empty(), "released without an approval of exactly that")?;
        must(self.ripe(&request, self.wall.latest()), "released before the approval had cooled off")?;
        must(!before.withdrawn, "released, though it was withdrawn")?;
        must(!before.revoked, "released, though it was revoked")?;
        must(!before.refused, "released, though it was refused")?;
        let lasts = |(terms, _): &(Terms, Time)| earliest < terms.not_after.plus(ROUNDING);
        must(request.approvals.iter().any(lasts), "released, though its time is over")?;
        self.request(called.ticket)?.released = true;
        Ok(())
    }

    /// Whether an approval may have cooled off at this instant.
    fn ripe(&self, request: &Request, at: Time) -> bool {
        request.approvals.iter().any(|(_, since)| since.plus(self.rules.cooling) <= at.plus(ROUNDING))
    }

    /// Whether what was approved before the call may still cool off, or have ended in it: nobody is told of either.
    fn may_cool(&self, called: &Called) -> bool {
        let (request, earliest) = (self.requests.get(&called.ticket), self.wall.earliest(called.at));
        let ended = request.is_none_or(|request| request.revoking.is_some() || request.over(self.wall.latest()));
        let until = |at: Time| at.plus(self.rules.cooling + ROUNDING + SWEEP);
        let cools = !called.calm || called.before.approved.is_some_and(|at| earliest < until(at));
        self.rules.cooling > 0 && (ended || cools)
    }

    /// Whether all releases surely were stopped while a call or an act went on.
    fn was_stopped(&self, called: &Called) -> bool {
        called.brake.stopped.is_some() && called.brake.stopped == self.brake.stopped
    }

    fn may_be_stopped(&self, called: &Called) -> Verdict {
        let between = self.brake.tries > called.brake.tries;
        must(called.brake.stopping || self.brake.stopping || between, "stopped, though nobody stopped releases")
    }

    /// A visitor takes a request back.
    pub fn withdrawing(&mut self, ticket: TicketHash) -> Called {
        self.requests.entry(ticket).or_default().withdrawing = true;
        self.called(ticket)
    }

    /// What came of it.
    pub fn withdrawn(&mut self, called: &Called, view: &View) -> Verdict {
        self.viewed(called, view)?;
        let latest = self.wall.latest();
        let request = self.requests.entry(called.ticket).or_default();
        // What closed for its time alone may come back with a clock that is set back.
        let ended = request.over(latest) || request.revoking.is_some();
        request.withdrawn |= *view == View::Closed && called.before.accepted.is_some() && !ended;
        Ok(())
    }

    /// A device asks for the payload.
    pub fn collecting(&mut self, ticket: TicketHash, collection: CollectionId) -> Called {
        let called = self.called(ticket);
        self.requests.entry(ticket).or_default().asked.insert(collection);
        called
    }

    /// A payload, or its beginning, came.
    pub fn delivered(&mut self, called: &Called, collection: CollectionId, got: &Delivered<'_>) -> Verdict {
        self.viewed(called, &View::Ready(got.manifest.clone()))?;
        got.proven.clone()?;
        let request = self.request(called.ticket)?;
        let terms = request.terms(got.manifest).ok_or("bytes without an approval")?;
        let from = usize::try_from(got.offset).unwrap_or(usize::MAX);
        let wanted = terms.payload.get(from..).ok_or("bytes from beyond the end")?;
        must(wanted.starts_with(got.bytes), "other bytes than the owner approved")?;
        must(!got.whole || wanted.len() == got.bytes.len(), "a payload that ended too early looked whole")?;
        request.served.insert(collection);
        must(request.served.len() <= terms.collections, "more devices were served than the owner allowed")
    }

    /// No payload came.
    pub fn not_delivered(
        &mut self,
        called: &Called,
        collection: CollectionId,
        offset: u64,
        why: Option<NoAnswer>,
    ) -> Verdict {
        let request = self.request(called.ticket)?.clone();
        let any = |allows: &dyn Fn(&Terms) -> bool| request.approvals.iter().any(|(terms, _)| allows(terms));
        match why {
            // Whatever can be seen of it, it is not ready.
            None => {
                let others = [View::Closed, View::Waiting, View::Question, View::Refused];
                must(others.iter().any(|view| self.viewed(called, view).is_ok()), "nothing, though it must be ready")
            }
            Some(NoAnswer::Refused(Refused::Paused)) => self.viewed(called, &View::Paused),
            Some(NoAnswer::Refused(Refused::Collected)) => {
                must(!called.before.served.contains(&collection), "a collection that had begun cannot be resumed")?;
                must(any(&|terms| request.asked.len() > terms.collections), "spent, though devices were left")
            }
            Some(NoAnswer::Refused(Refused::Malformed)) => {
                must(any(&|terms| offset > terms.payload.len() as u64), "a good offset was refused")
            }
            Some(NoAnswer::Refused(Refused::Busy { .. })) => must(!called.calm, "busy, though nothing goes on"),
            // A release that ends breaks off what is on its way.
            Some(NoAnswer::Away) if request.over(self.wall.latest()) => Ok(()),
            Some(other) => self.no_answer(called, other),
        }
    }

    /// A call had no answer, or the vault could not.
    pub fn no_answer(&self, called: &Called, why: NoAnswer) -> Verdict {
        let passing = matches!(why, NoAnswer::Away | NoAnswer::Refused(Refused::Unavailable));
        must(passing, &format!("an answer that nothing explains: {why:?}"))?;
        must(!called.calm, &format!("no answer, though nothing was wrong for long: {why:?}"))
    }

    /// A visitor was told these words of the owners', with their proof.
    pub fn heard(&self, called: &Called, said: &Words) -> Verdict {
        must(!self.was_stopped(called), "words, though all releases were stopped")?;
        let request = self.requests.get(&called.ticket).ok_or("words to somebody who filed nothing")?;
        match said {
            Words::Question(nonce, text) => {
                must(request.questions.get(nonce) == Some(text), "a question that too few owners asked")?;
                must(!called.before.answered.contains(nonce), "a question that had been answered")
            }
            Words::Refusal(text) => must(request.refusals.contains(text), "words of refusal that too few owners said"),
        }
    }

    /// No words came.
    pub fn not_heard(&self, called: &Called, why: NoAnswer) -> Verdict {
        let stopped = why == NoAnswer::Refused(Refused::Paused);
        if stopped { self.may_be_stopped(called) } else { self.no_answer(called, why) }
    }

    /// A visitor answers a question.
    pub fn answering(&mut self, ticket: TicketHash, question: Nonce, words: &str) -> Called {
        self.requests.entry(ticket).or_default().answers.insert((question, words.to_owned()));
        self.called(ticket)
    }

    /// What came of it. An acknowledged answer is kept, unless the request is over.
    pub fn answered(&mut self, called: &Called, question: Nonce, words: &str, got: Result<(), NoAnswer>) -> Verdict {
        let latest = self.wall.latest();
        let request = self.request(called.ticket)?;
        match got {
            Ok(()) if request.over(latest) || request.taken_back() => Ok(()),
            Ok(()) => {
                request.answered.insert(question);
                request.lasting.insert((question, words.to_owned()));
                Ok(())
            }
            Err(NoAnswer::Refused(Refused::Answered)) => {
                let otherwise = request.answers.iter().any(|(nonce, said)| *nonce == question && said != words);
                let open = request.questions.len() <= 1 && !request.moved_on();
                must(otherwise || !open, "a first answer to the only question was refused")
            }
            Err(why) => self.no_answer(called, why),
        }
    }

    fn request(&mut self, ticket: TicketHash) -> Result<&mut Request, String> {
        self.requests.get_mut(&ticket).ok_or_else(|| "an answer about what nobody filed".into())
    }
}

impl Request {
    /// Whether its visitor or an owner may have taken it back.
    fn taken_back(&self) -> bool {
        self.withdrawing || self.revoking.is_some()
    }

    /// Whether an open question may wait no more.
    fn moved_on(&self) -> bool {
        self.composing || self.taken_back() || !self.approvals.is_empty() || !self.refusals.is_empty()
    }

    /// Whether its time, or its release's, may be over.
    fn over(&self, latest: Time) -> bool {
        let lapsed = self.filed.is_some_and(|(first, _)| latest.plus(ROUNDING) >= first.plus(limits::ASKING_LIFE));
        lapsed || self.approvals.iter().any(|(terms, _)| latest.plus(ROUNDING) >= terms.not_after)
    }

    fn terms(&self, manifest: &Manifest) -> Option<Terms> {
        self.approvals.iter().map(|(terms, _)| terms).find(|terms| terms.are(manifest)).cloned()
    }
}

impl Terms {
    fn are(&self, manifest: &Manifest) -> bool {
        let named = (manifest.bytes, manifest.sha256, manifest.not_after);
        named == (self.payload.len() as u64, Digest::of(&self.payload), self.not_after)
    }

    fn is(&self, other: &Self) -> bool {
        let all = |terms: &Self| (terms.nonce, terms.not_after, terms.collections);
        all(self) == all(other)
    }
}
