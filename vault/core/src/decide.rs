//! The one function that moves a request along.

use crate::clock::{Doubt, Now};
use crate::commit::AfterCommit;
use crate::danger::{Danger, Planted};
use crate::filing::Full;
use crate::owners::Owners;
use crate::release::{Counted, NotCollectable, Permit, Release};
use crate::signed::{NotAccepted, Signed};
use crate::state::{Blank, Closing, Cooling, Draft, Exchange, LaneId, Request, Stage, State, Told, Unprepared, Why};
use shared::ids::{CollectionId, Nonce, TicketHash};
use shared::message::VisitorAnswer;
use shared::time::Time;
use shared::tlog::{LeafKind, Origin};

/// What a decision is measured against.
#[derive(Clone, Copy)]
pub struct Authority<'a> {
    /// This vault, as its log is called.
    pub vault: &'a Origin,
    /// Whose signatures count.
    pub owners: &'a Owners,
    /// Seconds between the last signature and the release.
    pub cooling: u64,
    /// Whether an owner has stopped all releases.
    pub brake: Going,
    /// The vault's clock.
    pub now: Now,
    /// Nothing, outside this crate's tests.
    pub(crate) danger: Danger,
}

impl<'a> Authority<'a> {
    /// What decisions are measured against now.
    pub fn new(vault: &'a Origin, owners: &'a Owners, cooling: u64, brake: Going, now: Now) -> Self {
        Self { vault, owners, cooling, brake, now, danger: Danger::default() }
    }

    /// How long an approval of now cools off.
    pub(crate) fn cooling_off(&self) -> Cooling {
        Cooling { until: self.waited().saturating_add(self.cooling), lapsed: false }
    }

    fn waited(&self) -> u64 {
        if self.danger.is(Planted::CoolingByTheWall) { self.now.time.unix() } else { self.now.waited }
    }
}

/// Whether releases go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Going {
    /// They do.
    On,
    /// An owner has stopped all of them.
    Frozen,
}

/// Everything that can happen to a request once it exists. `fresh` is a random nonce that nothing has borne before.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub enum Input {
    /// The item's bytes are frozen.
    Prepared(Draft),
    /// The item's bytes could not be frozen.
    Unprepared {
        /// Why not.
        why: Unprepared,
        /// For the owner's statement about it.
        fresh: Nonce,
    },
    /// The owner wrote the answer, or changed what would be released.
    Composed(Draft),
    /// An owner signed an approval, a question back, a refusal or a revocation.
    Signed {
        /// What.
        signed: Signed,
        /// For the next statement about this request.
        fresh: Nonce,
    },
    /// The owner said no, without words.
    Refused,
    /// The visitor answers a question back.
    Answered {
        /// Which.
        question: Nonce,
        /// What.
        answer: VisitorAnswer,
        /// For the owner's next statement.
        fresh: Nonce,
    },
    /// The visitor took it back.
    Withdrawn,
    /// A device asks for the bytes.
    Collect {
        /// Which device's collection.
        collection: CollectionId,
        /// The first byte wanted.
        offset: u64,
    },
    /// Time passed.
    Tick,
}

/// What follows from a step, once it is durable.
pub enum Effect {
    /// Freeze this request's item.
    Prepare(TicketHash),
    /// Something waits for the owner.
    TellOwner,
    /// The visitor's view may have changed; the lane through which the request came may be told.
    TellVisitor(LaneId, TicketHash),
    /// Send the payload.
    Serve(Permit),
}

/// What the log records of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// What happened.
    pub kind: LeafKind,
    /// When, by the vault's clock.
    pub time: Time,
    /// What the leaf commits to, behind a salt.
    pub parts: Vec<Vec<u8>>,
}

/// A decision, to be made durable as a whole.
pub struct Step<S = State> {
    /// The state to store.
    pub next: S,
    /// The entry to log in the same transaction; `None` when nothing changed.
    pub entry: Option<LogEntry>,
    /// What then happens.
    pub effects: AfterCommit<Vec<Effect>>,
}

/// Why an input changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Not possible at this stage.
    #[error("the request is {0}; this can no longer be done, or not yet")]
    Stage(&'static str),
    /// An owner has stopped all releases.
    #[error("all releases are stopped; `vault thaw` lets them go on")]
    Frozen,
    /// Nothing that depends on the time can be done.
    #[error("{0}; set it right, or, if it is right, say so with `vault clock --confirm`")]
    Clock(Doubt),
    /// Not a signed text that has this effect here.
    #[error(transparent)]
    NotAccepted(#[from] NotAccepted),
    /// Other devices used every collection.
    #[error("every collection that the owner allowed has been used")]
    Spent,
    /// Beyond the payload's end.
    #[error("the offset lies beyond the end of the payload")]
    Offset,
    /// Another question than the one that waits, or answered already with other words.
    #[error("the question has been answered already, or another one was asked since")]
    OtherQuestion,
    /// As many questions were asked back as may be.
    #[error(
        "{max} questions about one request are the limit; answer, refuse or approve it",
        max = shared::limits::QUESTIONS_BACK
    )]
    Questions,
    /// A quota is used up.
    #[error(transparent)]
    Full(#[from] Full),
}

/// The step that `input` takes from `state`, or why there is none.
///
/// # Errors
/// [`Rejected`]; the caller still has the state on disk, unchanged.
pub fn decide(state: State, input: Input, by: &Authority<'_>) -> Result<Step, Rejected> {
    if matches!(input, Input::Collect { .. } | Input::Tick)
        && let Some(doubt) = by.now.doubt
    {
        return Err(Rejected::Clock(doubt));
    }
    let now = by.now.time;
    if state.stage.is_undecided() && now >= state.request.lapses_at() {
        return if matches!(input, Input::Tick) {
            Ok(close(state, Why::Lapsed, LeafKind::Lapsed, by.now))
        } else {
            Err(Rejected::Stage("lapsed"))
        };
    }
    match input {
        Input::Prepared(draft) => prepared(state, draft, by),
        Input::Unprepared { why, fresh } => unprepared(state, why, fresh, by),
        Input::Composed(draft) => composed(state, draft, by),
        Input::Signed { signed, fresh } => crate::sign::signed(state, signed, fresh, by),
        Input::Refused => refused(state, by),
        Input::Answered { question, answer, fresh } => answered(state, question, answer, fresh, by),
        Input::Withdrawn => withdrawn(state, by),
        Input::Collect { collection, offset } => collect(state, collection, offset, by),
        Input::Tick => tick(state, by),
    }
}

/// `input` cannot be taken at this stage.
pub(crate) fn not_now<S>(stage: &Stage) -> Result<S, Rejected> {
    Err(Rejected::Stage(stage.name()))
}

fn prepared(state: State, draft: Draft, by: &Authority<'_>) -> Result<Step, Rejected> {
    if !matches!(state.stage, Stage::Received) {
        return not_now(&state.stage);
    }
    Ok(await_owner(state, draft, LeafKind::Prepared, by.now))
}

fn unprepared(state: State, why: Unprepared, fresh: Nonce, by: &Authority<'_>) -> Result<Step, Rejected> {
    if !matches!(state.stage, Stage::Received) {
        return not_now(&state.stage);
    }
    let stage = Stage::AwaitingAnswer(Blank { why: Some(why), nonce: fresh, pending: None });
    let entry = (LeafKind::Unprepared, why.to_string().into_bytes());
    Ok(step(State { stage, ..state }, Some(entry), vec![Effect::TellOwner], by.now))
}

/// A new draft supersedes an earlier one, its nonce, and whatever owners have signed.
fn composed(state: State, draft: Draft, by: &Authority<'_>) -> Result<Step, Rejected> {
    match state.stage {
        Stage::AwaitingAnswer(_) | Stage::AwaitingOwner(..) | Stage::AwaitingVisitor(_) => {
            Ok(await_owner(state, draft, LeafKind::Composed, by.now))
        }
        Stage::Received | Stage::Cooling(..) | Stage::Released(_) | Stage::Closed(_) => not_now(&state.stage),
    }
}

/// A wordless refusal looks undecided until the request's own deadline.
fn refused(state: State, by: &Authority<'_>) -> Result<Step, Rejected> {
    if !state.stage.is_undecided() {
        return not_now(&state.stage);
    }
    let at = by.now.time;
    let told = silence(&state);
    let stage = Stage::Closed(Box::new(Closing { why: Why::Refused, at, told, release: None }));
    Ok(step(State { stage, ..state }, Some((LeafKind::Refused, Vec::new())), vec![Effect::TellOwner], by.now))
}

/// What must go on being shown: an open question stays open. After the request's deadline too, for it lapses by a [`tick`], as
/// what is undecided does: not before, if the clock was set back in between.
pub(crate) fn silence(state: &State) -> Told {
    if matches!(state.stage, Stage::Cooling(_, Cooling { lapsed: true, .. })) {
        return Told::Over;
    }
    Told::Nothing(state.request.lapses_at(), state.words().cloned())
}

/// The same answer again changes nothing, so that a visitor whose answer was lost on its way can send it again.
fn answered(
    mut state: State,
    question: Nonce,
    answer: VisitorAnswer,
    fresh: Nonce,
    by: &Authority<'_>,
) -> Result<Step, Rejected> {
    if let Some(last) = state.talk.iter().find(|exchange| exchange.question == question) {
        return if last.answer == answer {
            Ok(step(state, None, Vec::new(), by.now))
        } else {
            Err(Rejected::OtherQuestion)
        };
    }
    let at = by.now.time;
    let open = state.open_question(at).cloned();
    if open.as_ref().is_some_and(|spoken| spoken.question() != Some(question)) {
        return Err(Rejected::OtherQuestion);
    }
    let (spoken, stage, mut effects) = match (state.stage, open) {
        (Stage::AwaitingVisitor(asked), Some(spoken)) => {
            (spoken, after_answer(asked.draft, fresh, at), vec![Effect::TellOwner])
        }
        // Refused without a word: the visitor's answer is taken as if somebody would read it.
        (Stage::Closed(closing), Some(spoken)) => {
            let told = Told::Nothing(state.request.lapses_at(), None);
            (spoken, Stage::Closed(Box::new(Closing { told, ..*closing })), Vec::new())
        }
        (stage, _) => return not_now(&stage),
    };
    effects.push(Effect::TellVisitor(state.request.lane, state.request.filing.ticket));
    let entry = Some((LeafKind::Answered, answer.as_str().as_bytes().to_vec()));
    state.talk.push(Exchange { question, asked: spoken.signed().clone(), answer, at });
    Ok(step(State { stage, ..state }, entry, effects, by.now))
}

/// What was frozen before the question waits for the owner again, under a new nonce.
fn after_answer(draft: Option<Draft>, fresh: Nonce, now: Time) -> Stage {
    match draft {
        Some(draft) => Stage::AwaitingOwner(Draft { prepared_at: now, nonce: fresh, ..draft }, None),
        None => Stage::AwaitingAnswer(Blank { why: None, nonce: fresh, pending: None }),
    }
}

/// Withdrawing what was silently refused must look like withdrawing what was not.
fn withdrawn(state: State, by: &Authority<'_>) -> Result<Step, Rejected> {
    let at = by.now.time;
    let open = match &state.stage {
        Stage::Released(release) if is_over(release, by) => return Err(Rejected::Stage("expired")),
        Stage::Released(release) => release.collections().is_empty(),
        Stage::Closed(closing) => matches!(closing.told, Told::Nothing(until, _) if at < until),
        // Looks undecided, and what is undecided lapses at its deadline.
        Stage::Cooling(_, cooling) => !cooling.lapsed && at < state.request.lapses_at(),
        Stage::Received | Stage::AwaitingAnswer(_) | Stage::AwaitingOwner(..) | Stage::AwaitingVisitor(_) => true,
    };
    if !open {
        return not_now(&state.stage);
    }
    // How it ended for the owner stays.
    if let Stage::Closed(closing) = state.stage {
        let effects = vec![Effect::TellVisitor(state.request.lane, state.request.filing.ticket)];
        let stage = Stage::Closed(Box::new(Closing { told: Told::Over, ..*closing }));
        return Ok(step(State { stage, ..state }, Some((LeafKind::Withdrawn, Vec::new())), effects, by.now));
    }
    Ok(close(state, Why::Withdrawn, LeafKind::Withdrawn, by.now))
}

fn collect(state: State, collection: CollectionId, offset: u64, by: &Authority<'_>) -> Result<Step, Rejected> {
    let State { request, talk, stage } = state;
    let Stage::Released(release) = stage else { return not_now(&stage) };
    if is_over(&release, by) {
        return Err(Rejected::Stage("expired"));
    }
    if by.brake == Going::Frozen {
        return Err(Rejected::Frozen);
    }
    let (release, permit, counted) = release.collect(collection, offset, by.danger).map_err(|e| match e {
        NotCollectable::Spent => Rejected::Spent,
        NotCollectable::Offset => Rejected::Offset,
    })?;
    let entry = match counted {
        Counted::Now => Some((LeafKind::Collected, collection.0.to_vec())),
        Counted::Before => None,
    };
    let next = State { request, talk, stage: Stage::Released(Box::new(release)) };
    Ok(step(next, entry, vec![Effect::Serve(permit)], by.now))
}

/// A release ends on its second, not after it.
fn is_over(release: &Release, by: &Authority<'_>) -> bool {
    let late = by.danger.is(Planted::ExpiryOffByOne);
    by.now.time >= release.not_after().plus(u64::from(late))
}

/// What time alone ends or begins.
fn tick(state: State, by: &Authority<'_>) -> Result<Step, Rejected> {
    let at = by.now.time;
    match state.stage {
        Stage::Released(ref release) if is_over(release, by) => {
            Ok(close(state, Why::Expired, LeafKind::Expired, by.now))
        }
        // What looks undecided lapses before its visitor's eyes, whatever comes of it.
        Stage::Cooling(release, cooling) if !cooling.lapsed && at >= state.request.lapses_at() => {
            let effects = both(&state.request);
            let stage = Stage::Cooling(release, Cooling { lapsed: true, ..cooling });
            Ok(step(State { stage, ..state }, Some((LeafKind::Lapsed, Vec::new())), effects, by.now))
        }
        // What cooled off too late was never collectable, and its visitor never heard of it.
        Stage::Cooling(ref release, _) if is_over(release, by) => {
            let (why, told) = (Why::Expired, silence(&state));
            let stage = Stage::Closed(Box::new(Closing { why, at, told, release: state.stage.into_release() }));
            let effects = vec![Effect::TellOwner];
            Ok(step(State { stage, ..state }, Some((LeafKind::Expired, Vec::new())), effects, by.now))
        }
        Stage::Cooling(release, cooling) if by.waited() >= cooling.until => {
            if by.brake == Going::Frozen {
                return Err(Rejected::Frozen);
            }
            let effects = both(&state.request);
            let stage = Stage::Released(release);
            Ok(step(State { stage, ..state }, Some((LeafKind::Released, Vec::new())), effects, by.now))
        }
        // At the deadline a hidden end comes out as a lapse does: with an entry and a hint.
        Stage::Closed(closing) if matches!(closing.told, Told::Nothing(until, _) if at >= until) => {
            let effects = both(&state.request);
            let stage = Stage::Closed(Box::new(Closing { told: Told::Over, ..*closing }));
            Ok(step(State { stage, ..state }, Some((LeafKind::Lapsed, Vec::new())), effects, by.now))
        }
        Stage::Received
        | Stage::AwaitingAnswer(_)
        | Stage::AwaitingOwner(..)
        | Stage::AwaitingVisitor(_)
        | Stage::Cooling(..)
        | Stage::Released(_)
        | Stage::Closed(_) => not_now(&state.stage),
    }
}

fn await_owner(state: State, draft: Draft, kind: LeafKind, now: Now) -> Step {
    let entry = (kind, draft.payload.0.to_vec());
    // An open question is taken back, which its visitor sees.
    let asked = matches!(state.stage, Stage::AwaitingVisitor(_));
    let effects = if asked { both(&state.request) } else { vec![Effect::TellOwner] };
    step(State { stage: Stage::AwaitingOwner(draft, None), ..state }, Some(entry), effects, now)
}

/// Visitor and owner hear of it.
pub(crate) fn both(request: &Request) -> Vec<Effect> {
    vec![Effect::TellVisitor(request.lane, request.filing.ticket), Effect::TellOwner]
}

/// Ends a request openly.
fn close(state: State, why: Why, kind: LeafKind, now: Now) -> Step {
    let effects = both(&state.request);
    let release = state.stage.into_release();
    let stage = Stage::Closed(Box::new(Closing { why, at: now.time, told: Told::Over, release }));
    step(State { stage, ..state }, Some((kind, Vec::new())), effects, now)
}

/// An entry other than a signed text's commits to the request and one detail.
pub(crate) fn step(next: State, entry: Option<(LeafKind, Vec<u8>)>, effects: Vec<Effect>, now: Now) -> Step {
    let id = next.request.filing.ticket.0.to_vec();
    let entry = entry.map(|(kind, detail)| LogEntry { kind, time: now.time, parts: vec![id, detail] });
    Step { next, entry, effects: AfterCommit::seal(effects) }
}

/// An entry for a signed text commits to the text and its signatures.
pub(crate) fn signed_step(next: State, kind: LeafKind, signed: &Signed, effects: Vec<Effect>, now: Now) -> Step {
    let entry = Some(LogEntry { kind, time: now.time, parts: signed.parts() });
    Step { next, entry, effects: AfterCommit::seal(effects) }
}
