//! What must be true of every reply, and at the end. Written from the promises alone: it shares no code with the release
//! core, knows neither stages nor transitions, and only says which replies what happened so far allows.
//!
//! What happened is known in part: a call or an act whose answer was lost may have been carried out or not. So each fact is
//! held twice, as *sure* and as *possible*. A reply must not contradict what was sure before its call began, and must be
//! explained by what was possible when it came.

use super::power::Wall;
use shared::ids::{CollectionId, Digest, Nonce, TicketHash};
use shared::limits;
use shared::message::{Filing, Manifest, Refused, View};
use shared::statement::Question;
use shared::time::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::time::Instant;
use vault_core::LaneId;

/// Whole seconds of a clock that is read twice differ by this.
const ROUNDING: u64 = 2;

/// What an owner signed.
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
    /// The vault's clock when it may have been filed first, and last.
    filed: Option<(Time, Time)>,
    /// Approvals that may have been taken; one alone once it is sure.
    approvals: Vec<Terms>,
    approved: bool,
    withdrawing: bool,
    withdrawn: bool,
    asked: BTreeSet<CollectionId>,
    /// Each question that an owner has asked back, by its nonce.
    asked_back: BTreeMap<Nonce, String>,
    served: BTreeSet<CollectionId>,
}

/// What was sure when a call began.
#[derive(Clone)]
pub struct Called {
    ticket: TicketHash,
    at: Instant,
    before: Request,
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
    /// Whether its receipt proves an owner's approval of this request that names these bytes and is in the log.
    pub proven: Result<(), String>,
    /// Asked from here.
    pub offset: u64,
    /// What came.
    pub bytes: &'a [u8],
    /// Whether it came to its end in order.
    pub whole: bool,
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
    requests: BTreeMap<TicketHash, Request>,
    calm: bool,
}

type Verdict = Result<(), String>;

fn must(holds: bool, what: &str) -> Verdict {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

impl Model {
    /// Nothing has happened.
    pub fn new(wall: Arc<Wall>) -> Self {
        Self { wall, requests: BTreeMap::new(), calm: false }
    }

    /// From now on nothing goes wrong, and every call is answered.
    pub fn calm(&mut self) {
        self.calm = true;
    }

    /// A call about this ticket begins.
    pub fn called(&self, ticket: TicketHash) -> Called {
        let before = self.requests.get(&ticket).cloned().unwrap_or_default();
        Called { ticket, at: Instant::now(), before, calm: self.calm }
    }

    /// A visitor files.
    pub fn filing(&mut self, filing: &Filing, lane: LaneId) -> Called {
        let now = self.wall.earliest(Instant::now());
        let request = self.requests.entry(filing.ticket).or_default();
        request.tried.push((filing.clone(), lane));
        request.filed = Some((request.filed.map_or(now, |f| f.0.min(now)), now));
        self.called(filing.ticket)
    }

    /// What came of filing.
    pub fn filed(&mut self, called: &Called, filing: &Filing, lane: LaneId, answer: Result<(), NoAnswer>) -> Verdict {
        let (this, latest) = ((filing.clone(), lane), self.wall.latest());
        let request = self.request(called.ticket)?;
        // It may have been carried out at any time until now, and may still be.
        request.filed = request.filed.map(|(first, last)| (first, last.max(latest)));
        match answer {
            Ok(()) => {
                let other = request.accepted.replace(this.clone()).is_some_and(|accepted| accepted != this);
                must(!other, "two different filings of one id were acknowledged")
            }
            Err(NoAnswer::Refused(Refused::Malformed)) => {
                must(called.before.accepted != Some(this.clone()), "an acknowledged filing was refused when repeated")?;
                must(request.tried.iter().any(|tried| *tried != this), "a filing without a rival was refused")
            }
            Err(other) => self.no_answer(called, other),
        }
    }

    /// What `status` and `withdraw` answered.
    pub fn viewed(&mut self, called: &Called, view: &View) -> Verdict {
        let before = &called.before;
        let (earliest, latest) = (self.wall.earliest(called.at), self.wall.latest());
        let request = self.requests.get(&called.ticket).cloned().unwrap_or_default();
        let over = request.over(latest);
        match view {
            View::Waiting => {
                must(!request.tried.is_empty(), "waiting, though nobody filed it")?;
                must(!before.approved, "waiting, though an approval was durable")?;
                must(!before.withdrawn, "waiting, though it was withdrawn")?;
                let end = request.filed.map(|(_, last)| last.plus(limits::ASKING_LIFE + ROUNDING));
                must(end.is_some_and(|end| earliest < end), "waiting, though its time is over")
            }
            View::Question => {
                must(!request.asked_back.is_empty(), "a question, though nobody has asked one")?;
                must(!before.approved, "a question, though an approval was durable")?;
                must(!before.withdrawn, "a question, though it was withdrawn")
            }
            View::Paused => must(false, "stopped, though nobody has stopped anything"),
            View::Refused => must(false, "words of refusal, though nobody has said any"),
            View::Ready(manifest) => {
                must(request.terms(manifest).is_some(), "ready without an approval of exactly that")?;
                must(!before.withdrawn, "ready, though it was withdrawn")?;
                must(earliest < manifest.not_after.plus(ROUNDING), "ready, though its time is over")
            }
            View::Closed => {
                let lost = before.accepted.is_some() && !request.withdrawing && !over;
                must(!lost, "closed without a reason: an acknowledged request was lost")
            }
        }
    }

    /// An owner hands in a question.
    pub fn asking(&mut self, ticket: TicketHash, question: &Question) {
        self.requests.entry(ticket).or_default().asked_back.insert(question.nonce, question.text.clone());
    }

    /// A visitor was told this question of the owner's.
    pub fn heard(&self, ticket: TicketHash, question: &Question) -> Verdict {
        let asked = self.requests.get(&ticket).and_then(|request| request.asked_back.get(&question.nonce));
        must(asked == Some(&question.text), "a question that no owner asked about this request")
    }

    /// An owner takes a release back.
    pub fn revoking(&mut self, ticket: TicketHash) {
        self.requests.entry(ticket).or_default().withdrawing = true;
    }

    /// It was taken back.
    pub fn revoked(&mut self, ticket: TicketHash) {
        self.requests.entry(ticket).or_default().withdrawn = true;
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
        request.withdrawn |= *view == View::Closed && called.before.accepted.is_some() && !request.over(latest);
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
        let any = |allows: &dyn Fn(&Terms) -> bool| request.approvals.iter().any(allows);
        match why {
            // Whatever can be seen of it, it is not ready.
            None => self.viewed(called, &View::Closed).or(self.viewed(called, &View::Waiting)),
            Some(NoAnswer::Refused(Refused::Collected)) => {
                must(!called.before.served.contains(&collection), "a collection that had begun cannot be resumed")?;
                must(any(&|terms| request.asked.len() > terms.collections), "spent, though devices were left")
            }
            Some(NoAnswer::Refused(Refused::Malformed)) => {
                must(any(&|terms| offset > terms.payload.len() as u64), "a good offset was refused")
            }
            Some(NoAnswer::Refused(Refused::Busy { .. })) => must(!called.calm, "busy, though nothing goes on"),
            Some(other) => self.no_answer(called, other),
        }
    }

    /// A call had no answer, or the vault could not.
    pub fn no_answer(&self, called: &Called, why: NoAnswer) -> Verdict {
        let passing = matches!(why, NoAnswer::Away | NoAnswer::Refused(Refused::Unavailable));
        must(passing, &format!("an answer that nothing explains: {why:?}"))?;
        must(!called.calm, &format!("no answer, though nothing was wrong for long: {why:?}"))
    }

    /// An owner hands in an approval that is right in every field.
    pub fn approving(&mut self, ticket: TicketHash, terms: &Terms) {
        self.requests.entry(ticket).or_default().approvals.push(terms.clone());
    }

    /// It was taken.
    pub fn approved(&mut self, ticket: TicketHash, terms: Terms) -> Verdict {
        let request = self.request(ticket)?;
        must(!request.approved, "two approvals of one request were taken")?;
        request.approved = true;
        request.approvals = vec![terms];
        Ok(())
    }

    /// The log has an approval with this nonce: one that an owner made. Called once for each.
    pub fn logged(&self, ticket: TicketHash, nonce: Nonce, nonces: &mut BTreeSet<Nonce>) -> Verdict {
        let request = self.requests.get(&ticket).ok_or("the log has an approval of what nobody filed")?;
        must(request.approvals.iter().any(|terms| terms.nonce == nonce), "the log has an approval that nobody made")?;
        must(nonces.insert(nonce), "one nonce was used twice")
    }

    /// Whether this filing was acknowledged.
    pub fn is_acknowledged(&self, filing: &Filing, lane: LaneId) -> bool {
        let accepted = self.requests.get(&filing.ticket).and_then(|request| request.accepted.as_ref());
        accepted.is_some_and(|accepted| *accepted == (filing.clone(), lane))
    }

    fn request(&mut self, ticket: TicketHash) -> Result<&mut Request, String> {
        self.requests.get_mut(&ticket).ok_or_else(|| "an answer about what nobody filed".into())
    }
}

impl Request {
    /// Whether its time, or its release's, may be over.
    fn over(&self, latest: Time) -> bool {
        let lapsed = self.filed.is_some_and(|(first, _)| latest.plus(ROUNDING) >= first.plus(limits::ASKING_LIFE));
        lapsed || self.approvals.iter().any(|terms| latest.plus(ROUNDING) >= terms.not_after)
    }

    fn terms(&self, manifest: &Manifest) -> Option<Terms> {
        let fits = |terms: &&Terms| {
            let named = (manifest.bytes, manifest.sha256, manifest.not_after);
            named == (terms.payload.len() as u64, Digest::of(&terms.payload), terms.not_after)
        };
        self.approvals.iter().find(fits).cloned()
    }
}
