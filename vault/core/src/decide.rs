//! The one function that moves a request along.

use crate::approval::{self, NotApproved, Signed};
use crate::commit::AfterCommit;
use crate::release::{Counted, NotCollectable, Permit, Release};
use crate::state::{Closing, Draft, LaneId, Request, Stage, State, Unprepared, Why};
use shared::ids::{CollectionId, TicketHash};
use shared::limits;
use shared::message::{Filing, Subject};
use shared::sshsig::Signers;
use shared::time::Time;
use shared::tlog::{LeafKind, Origin};

/// What a decision is measured against.
#[derive(Clone, Copy)]
pub struct Authority<'a> {
    /// This vault, as its log is called.
    pub vault: &'a Origin,
    /// The owners' public keys.
    pub signers: &'a Signers,
    /// The vault's clock.
    pub now: Time,
}

/// Everything that can happen to a request once it exists.
#[derive(Debug)]
pub enum Input {
    /// The item's bytes are frozen.
    Prepared(Draft),
    /// The item's bytes could not be frozen.
    Unprepared(Unprepared),
    /// The owner wrote the answer, or wrote it again.
    Composed(Draft),
    /// An owner signed.
    Approved(Signed),
    /// The owner said no, without words.
    Refused,
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
pub struct Step {
    /// The state to store.
    pub next: State,
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
    /// Not an approval of this draft.
    #[error(transparent)]
    NotApproved(#[from] NotApproved),
    /// Other devices used every collection.
    #[error("every collection that the owner allowed has been used")]
    Spent,
    /// Beyond the payload's end.
    #[error("the offset lies beyond the end of the payload")]
    Offset,
    /// Too many requests on this lane.
    #[error("this reception has filed {max} requests within a day, which is the limit", max = limits::LANE_DAY)]
    LaneFull,
}

/// A new request; `today` counts those that its lane filed within the last day, whatever became of them. Nothing that the
/// owner decides changes that count, so that a full lane tells nobody of a refusal.
///
/// # Errors
/// [`Rejected::LaneFull`]
pub fn file(filing: Filing, lane: LaneId, today: usize, now: Time) -> Result<Step, Rejected> {
    if today >= limits::LANE_DAY {
        return Err(Rejected::LaneFull);
    }
    let (stage, effect) = match filing.subject {
        Subject::Item(_) => (Stage::Received, Effect::Prepare(filing.ticket)),
        Subject::Question(_) => (Stage::AwaitingAnswer(None), Effect::TellOwner),
    };
    let request = Request { filing, lane, filed_at: now };
    let detail = request.filing.purpose.as_str().as_bytes().to_vec();
    step(State { request, stage }, Some((LeafKind::Filed, detail)), vec![effect], now)
}

/// The step that `input` takes from `state`, or why there is none.
///
/// # Errors
/// [`Rejected`]; the caller still has the state on disk, unchanged.
pub fn decide(state: State, input: Input, by: &Authority<'_>) -> Result<Step, Rejected> {
    let State { request, stage } = state;
    if stage.is_undecided() && by.now >= request.lapses_at() {
        return if matches!(input, Input::Tick) {
            close(request, Why::Lapsed, LeafKind::Lapsed, by.now)
        } else {
            Err(Rejected::Stage("lapsed"))
        };
    }
    match (stage, input) {
        (Stage::Released(release), input) => released(request, *release, input, by),
        (Stage::Closed(closing), Input::Withdrawn) => withdraw_closed(request, closing, by.now),
        (Stage::Closed(closing), Input::Tick) => reveal(request, closing, by.now),
        (Stage::Received, Input::Prepared(draft)) => await_owner(request, draft, LeafKind::Prepared, by.now),
        (Stage::Received, Input::Unprepared(why)) => {
            let next = State { request, stage: Stage::AwaitingAnswer(Some(why)) };
            step(next, Some((LeafKind::Unprepared, why.to_string().into_bytes())), vec![Effect::TellOwner], by.now)
        }
        (Stage::AwaitingAnswer(_) | Stage::AwaitingOwner(_), Input::Composed(draft)) => {
            await_owner(request, draft, LeafKind::Composed, by.now)
        }
        (Stage::AwaitingOwner(draft), Input::Approved(signed)) => {
            let release = approval::approve(&request, &draft, signed, by)?;
            release_now(request, release, by.now)
        }
        (Stage::Received | Stage::AwaitingAnswer(_) | Stage::AwaitingOwner(_), Input::Refused) => {
            refuse(request, by.now)
        }
        (Stage::Received | Stage::AwaitingAnswer(_) | Stage::AwaitingOwner(_), Input::Withdrawn) => {
            close(request, Why::Withdrawn, LeafKind::Withdrawn, by.now)
        }
        (stage, _) => Err(Rejected::Stage(stage.name())),
    }
}

impl Stage {
    /// Whether the owner may still decide.
    pub fn is_undecided(&self) -> bool {
        match self {
            Self::Received | Self::AwaitingAnswer(_) | Self::AwaitingOwner(_) => true,
            Self::Released(_) | Self::Closed(_) => false,
        }
    }

    /// The stage in a word or two, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Received => "being prepared",
            Self::AwaitingAnswer(_) => "waiting for an answer",
            Self::AwaitingOwner(_) => "waiting for approval",
            Self::Released(_) => "released",
            Self::Closed(closing) => match closing.why {
                Why::Refused => "refused",
                Why::Lapsed => "lapsed",
                Why::Withdrawn => "withdrawn",
                Why::Expired => "expired",
            },
        }
    }
}

fn released(request: Request, release: Release, input: Input, by: &Authority<'_>) -> Result<Step, Rejected> {
    if by.now >= release.not_after() {
        return if matches!(input, Input::Tick) {
            close(request, Why::Expired, LeafKind::Expired, by.now)
        } else {
            Err(Rejected::Stage("expired"))
        };
    }
    match input {
        Input::Collect { collection, offset } => collect(request, release, collection, offset, by.now),
        Input::Withdrawn if release.collections().is_empty() => {
            close(request, Why::Withdrawn, LeafKind::Withdrawn, by.now)
        }
        Input::Prepared(_)
        | Input::Unprepared(_)
        | Input::Composed(_)
        | Input::Approved(_)
        | Input::Refused
        | Input::Withdrawn
        | Input::Tick => Err(Rejected::Stage("released")),
    }
}

fn collect(
    request: Request,
    release: Release,
    collection: CollectionId,
    offset: u64,
    now: Time,
) -> Result<Step, Rejected> {
    let (release, permit, counted) = release.collect(collection, offset).map_err(|e| match e {
        NotCollectable::Spent => Rejected::Spent,
        NotCollectable::Offset => Rejected::Offset,
    })?;
    let entry = match counted {
        Counted::Now => Some((LeafKind::Collected, collection.0.to_vec())),
        Counted::Before => None,
    };
    step(State { request, stage: Stage::Released(Box::new(release)) }, entry, vec![Effect::Serve(permit)], now)
}

fn await_owner(request: Request, draft: Draft, kind: LeafKind, now: Time) -> Result<Step, Rejected> {
    let detail = draft.payload.0.to_vec();
    step(State { request, stage: Stage::AwaitingOwner(draft) }, Some((kind, detail)), vec![Effect::TellOwner], now)
}

fn release_now(request: Request, release: Release, now: Time) -> Result<Step, Rejected> {
    let signed = release.signed();
    let parts = vec![signed.statement.clone().into_bytes(), signed.signature.clone().into_bytes()];
    let entry = LogEntry { kind: LeafKind::Approved, time: now, parts };
    let effects = AfterCommit::seal(vec![Effect::TellVisitor(request.lane, request.filing.ticket), Effect::TellOwner]);
    Ok(Step { next: State { request, stage: Stage::Released(Box::new(release)) }, entry: Some(entry), effects })
}

/// A wordless refusal looks undecided until the request's own deadline.
fn refuse(request: Request, now: Time) -> Result<Step, Rejected> {
    let closing = Closing { why: Why::Refused, at: now, hidden_until: Some(request.lapses_at()) };
    let next = State { request, stage: Stage::Closed(closing) };
    step(next, Some((LeafKind::Refused, Vec::new())), vec![Effect::TellOwner], now)
}

/// Withdrawing what was silently refused must look like withdrawing what was not.
fn withdraw_closed(request: Request, closing: Closing, now: Time) -> Result<Step, Rejected> {
    if closing.hidden_until.is_none_or(|until| until <= now) {
        return Err(Rejected::Stage(Stage::Closed(closing).name()));
    }
    let tell = Effect::TellVisitor(request.lane, request.filing.ticket);
    let next = State { request, stage: Stage::Closed(Closing { hidden_until: None, ..closing }) };
    step(next, Some((LeafKind::Withdrawn, Vec::new())), vec![tell], now)
}

/// At the deadline a hidden end comes out as a lapse does: with an entry and a hint.
fn reveal(request: Request, closing: Closing, now: Time) -> Result<Step, Rejected> {
    if closing.hidden_until.is_none_or(|until| now < until) {
        return Err(Rejected::Stage(Stage::Closed(closing).name()));
    }
    let effects = vec![Effect::TellVisitor(request.lane, request.filing.ticket), Effect::TellOwner];
    let next = State { request, stage: Stage::Closed(Closing { hidden_until: None, ..closing }) };
    step(next, Some((LeafKind::Lapsed, Vec::new())), effects, now)
}

fn close(request: Request, why: Why, kind: LeafKind, now: Time) -> Result<Step, Rejected> {
    let effects = vec![Effect::TellVisitor(request.lane, request.filing.ticket), Effect::TellOwner];
    step(
        State { request, stage: Stage::Closed(Closing { why, at: now, hidden_until: None }) },
        Some((kind, Vec::new())),
        effects,
        now,
    )
}

/// An entry other than an approval commits to the request and one detail.
fn step(next: State, entry: Option<(LeafKind, Vec<u8>)>, effects: Vec<Effect>, time: Time) -> Result<Step, Rejected> {
    let id = next.request.filing.ticket.0.to_vec();
    let entry = entry.map(|(kind, detail)| LogEntry { kind, time, parts: vec![id, detail] });
    Ok(Step { next, entry, effects: AfterCommit::seal(effects) })
}
