//! The vault's driver: answers a reception's calls, keeps the links, prepares drafts, and closes what time has ended.
//!
//! It knows clock, randomness, network and store as traits alone. The daemon hands it the machine's own; the simulator in
//! `tests` hands it made-up ones, and so explores the code that ships. This module is all of the crate that others see.

use crate::lanes::{Lanes, Links};
use crate::news::News;
use crate::table::Table;
use crate::timekeeper::Timekeeper;
use link::{Identity, Network};
use node::{Surroundings, Thinned};
use shared::ids::{Nonce, RequestId, TicketHash};
use shared::message::{Filing, View, VisitorAnswer};
use shared::pairing::NodeName;
use shared::receipt::Receipt;
use shared::tlog::Origin;
use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior};
use vault_core::{Clock, Doubt, Effect, Going, Input, LaneId, Now, Permit, Published, Rejected, Spoken, Stage, State};

pub use crate::sealing::{BadSealingKey, SealingKey};
pub use crate::store::{Lane, WriteError};
pub use crate::table::Row;

/// How often requests whose time is over are closed.
const SWEEP: Duration = Duration::from_secs(1);
/// Seconds after which what is known of the clock is written down again.
const KEEP_CLOCK: u64 = 600;

/// The store as the driver needs it. A write is durable, and has been told through [`Told`], before its future completes;
/// if it fails, nothing of it was written.
pub trait Store: Clone + Send + Sync + 'static {
    /// Where a reader stands in one payload.
    type Cursor: Send;

    /// Files a request; the same one again changes nothing.
    fn file(&self, filing: Filing, lane: LaneId) -> impl Future<Output = Result<(), WriteError>> + Send;

    /// Moves a request along by one input; gives the permits that follow.
    fn decide(&self, ticket: TicketHash, input: Input) -> impl Future<Output = Result<Vec<Effect>, WriteError>> + Send;

    /// Takes a visitor's answer to a question back.
    fn answer(
        &self,
        ticket: TicketHash,
        question: Nonce,
        answer: VisitorAnswer,
    ) -> impl Future<Output = Result<(), WriteError>> + Send;

    /// The receipt of the owner's words. What is done for it does not depend on what came after them.
    fn words(&self, spoken: Spoken) -> impl Future<Output = Result<Receipt, WriteError>> + Send;

    /// Remembers what is known of the clock by then.
    fn keep_clock(&self) -> impl Future<Output = Result<(), WriteError>> + Send;

    /// Freezes the item that a received request asks for, or hands the request to the owner with the reason.
    fn prepare(&self, ticket: TicketHash) -> impl Future<Output = Result<(), WriteError>> + Send;

    /// Tickets whose request the passing of time has changed but nobody has moved along.
    fn due(&self, now: Now) -> impl Future<Output = Result<Vec<TicketHash>, WriteError>> + Send;

    /// The receipt and the payload that a permit opens.
    fn open(
        &self,
        permit: Permit,
        request: RequestId,
    ) -> impl Future<Output = Result<(Receipt, Self::Cursor), WriteError>> + Send;

    /// The next piece of a payload and the cursor behind it; empty at the end.
    fn next(&self, cursor: Self::Cursor) -> impl Future<Output = Result<(Vec<u8>, Self::Cursor), WriteError>> + Send;

    /// The active pairings.
    fn lanes(&self) -> impl Future<Output = Result<Vec<Lane>, WriteError>> + Send;
}

/// Why a call is refused, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Refusal {
    /// What was sealed cannot be opened.
    Sealed,
    /// A quota is used up.
    Full,
    /// Anything else.
    Other,
}

/// What goes wrong inside, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Trouble {
    /// The pairings cannot be read.
    Pairings,
    /// A draft cannot be prepared.
    Draft,
    /// What time has ended cannot be found or closed.
    Ending,
    /// A release cannot be served.
    Serving,
    /// The clock cannot be remembered.
    Clock,
}

/// What the driver keeps in memory of what is durable, and who is told of it. A store calls this after each commit, and
/// never before.
#[derive(Clone)]
pub struct Told {
    pub(crate) table: Arc<Table>,
    pub(crate) news: News,
    pub(crate) clock: Arc<Timekeeper>,
    frozen: Arc<AtomicBool>,
    doubted: Arc<AtomicBool>,
    refusals: Arc<Thinned<Refusal>>,
    troubles: Arc<Thinned<Trouble>>,
    published: Arc<RwLock<Option<Arc<Published>>>>,
    prepare: mpsc::UnboundedSender<TicketHash>,
}

impl Told {
    /// As it stands after a start, from every stored request, the newest publication, what is known of the clock, and whether
    /// releases go on; with the queue of requests to be prepared.
    pub fn new(
        states: &[State],
        published: Option<Published>,
        clock: Clock,
        surroundings: Arc<dyn Surroundings>,
        going: Going,
    ) -> (Self, mpsc::UnboundedReceiver<TicketHash>) {
        let (prepare, to_prepare) = mpsc::unbounded_channel();
        let told = Self {
            clock: Arc::new(Timekeeper::new(clock, Box::new(move || surroundings.reading()))),
            frozen: Arc::new(AtomicBool::new(going == Going::Frozen)),
            doubted: Arc::default(),
            refusals: Arc::new(Thinned::new("a call was refused", "more calls were refused")),
            troubles: Arc::new(Thinned::new("something failed", "more of it failed")),
            table: Arc::new(Table::new(states.iter().map(|s| (s.ticket(), Row::of(s))))),
            news: News::new(published.as_ref().map_or(0, Published::version)),
            published: Arc::new(RwLock::new(published.map(Arc::new))),
            prepare,
        };
        let received = states.iter().filter(|s| matches!(s.stage, Stage::Received));
        received.for_each(|s| told.effect(Effect::Prepare(s.ticket())));
        (told, to_prepare)
    }

    /// The instant, and whether it can be believed.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// What is known of the clock, to be written down with whatever else is.
    pub fn known_clock(&self) -> Clock {
        self.clock.read().0
    }

    /// A clock that believes what the machine shows now; once it is written down, the store has [`Self::go_by`] follow before
    /// anything else is written.
    pub fn right_clock(&self) -> Clock {
        self.clock.proposal()
    }

    /// Goes by `clock` from now on, which is durable.
    pub fn go_by(&self, clock: Clock) {
        self.clock.set(clock);
    }

    /// What a visitor may be told.
    pub(crate) fn view(&self, ticket: TicketHash) -> View {
        let view = self.table.view(ticket, self.now().time);
        if self.is_frozen() && matches!(view, View::Ready(_)) { View::Paused } else { view }
    }

    /// Releases stop, or go on.
    pub fn going(&self, going: Going) {
        self.frozen.store(going == Going::Frozen, Ordering::Release);
    }

    /// Whether an owner has stopped all releases.
    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::Acquire)
    }

    /// A request's view for visitors has changed.
    pub fn shown(&self, ticket: TicketHash, row: Row) {
        self.table.set(ticket, row);
    }

    /// The clock is not believed; said in the log when it begins.
    fn doubted(&self, doubt: Doubt) {
        if !self.doubted.swap(true, Ordering::AcqRel) {
            tracing::error!("{doubt}; nothing is approved, collected or ended by time until `vault clock` settles it");
        }
    }

    /// Logs why a call was refused: anybody may make calls, so not each time.
    pub(crate) fn refused(&self, refusal: Refusal, why: String) {
        self.refusals.note(refusal, why, Instant::now().into_std());
    }

    /// Logs what failed: a disk that is full fails as often as anybody asks, so not each time.
    pub(crate) fn troubled(&self, trouble: Trouble, what: String) {
        self.troubles.note(trouble, what, Instant::now().into_std());
    }

    /// Tells what was held back of either.
    fn flush(&self, at: Instant) {
        self.refusals.flush(at.into_std());
        self.troubles.flush(at.into_std());
    }

    /// Carries out an effect other than serving, for which a store answers its caller.
    pub fn effect(&self, effect: Effect) {
        match effect {
            // Each receiver may be gone: nobody watches, or the daemon is stopping. The state is on disk either way.
            Effect::Prepare(ticket) => {
                let _ = self.prepare.send(ticket);
            }
            Effect::TellOwner => self.news.owner.send_modify(|n| *n += 1),
            Effect::TellVisitor(lane, ticket) => {
                let _ = self.news.visitors.send((lane, ticket));
            }
            Effect::Serve(permit) => drop(permit),
        }
    }

    /// Serves `published` from now on.
    pub(crate) fn announce(&self, published: Published) {
        let version = published.version();
        let mut current = self.published.write().unwrap_or_else(PoisonError::into_inner);
        // Two publications may be announced in another order than they were stored.
        if current.as_ref().is_none_or(|held| held.version() < version) {
            *current = Some(Arc::new(published));
            self.news.published.send_replace(version);
        }
    }

    pub(crate) fn published(&self) -> Option<Arc<Published>> {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Everything that the driver works with.
pub struct Driver<S> {
    /// The vault's own name.
    pub name: NodeName,
    /// What its log is called.
    pub origin: Origin,
    /// Its key on the link.
    pub identity: Identity,
    /// Opens what receptions sealed while it was away.
    pub sealing: SealingKey,
    /// Where everything durable is.
    pub store: S,
    /// What is told after commits; the same that the store has.
    pub told: Told,
    /// Clock and randomness.
    pub surroundings: Arc<dyn Surroundings>,
    /// Where links go.
    pub network: Arc<dyn Network>,
}

impl<S: Store> Driver<S> {
    /// Runs every part on this runtime until `stop` becomes true, and then says goodbye to every reception. The daemon
    /// spreads the same parts over its own runtimes.
    pub async fn run(self: Arc<Self>, to_prepare: mpsc::UnboundedReceiver<TicketHash>, stop: watch::Receiver<bool>) {
        let lanes = Lanes::new(self.clone(), Links::default(), stop);
        tokio::select! {
            // In this order, so that a simulated run can be had again.
            biased;
            () = lanes.keep() => {}
            () = prepare(self.store.clone(), self.told.clone(), to_prepare) => {}
            () = sweep(self.store.clone(), self.told.clone()) => {}
        }
    }
}

/// Freezes the items that received requests ask for. What a full or failing disk prevents is tried again with every sweep, in
/// turn and until the first that fails again, and at the next start.
pub(crate) async fn prepare<S: Store>(store: S, told: Told, mut tickets: mpsc::UnboundedReceiver<TicketHash>) {
    let (mut failed, mut beat) = (VecDeque::new(), beat());
    loop {
        tokio::select! {
            // In this order, so that a simulated run can be had again.
            biased;
            received = tickets.recv() => {
                let Some(ticket) = received else { return };
                failed.extend(unprepared(&store, &told, ticket).await);
            }
            _ = beat.tick(), if !failed.is_empty() => {
                while let Some(ticket) = failed.pop_front() {
                    if let Some(again) = unprepared(&store, &told, ticket).await {
                        failed.push_back(again);
                        break;
                    }
                }
            }
        }
    }
}

/// The ticket again, if its draft could not be prepared but may be later.
async fn unprepared<S: Store>(store: &S, told: &Told, ticket: TicketHash) -> Option<TicketHash> {
    let error = store.prepare(ticket).await.err()?;
    told.troubled(Trouble::Draft, format!("the draft of request {} cannot be prepared: {error}", ticket.request()));
    error.may_pass().then_some(ticket)
}

/// Once a [`SWEEP`]; what was missed is not made up for.
fn beat() -> Interval {
    let mut beat = tokio::time::interval(SWEEP);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat
}

/// Closes what time has ended.
///
/// Every tenth minute it also has the clock remembered, so that after a restart there is something to compare with. What was
/// waited for counts, and not the wall clock: that may be set back.
pub(crate) async fn sweep<S: Store>(store: S, told: Told) {
    let mut beat = beat();
    let mut kept = told.now().waited;
    loop {
        told.flush(beat.tick().await);
        node::danger::point("sweep");
        let now = told.now();
        if let Some(doubt) = now.doubt {
            told.doubted(doubt);
            continue;
        }
        told.doubted.store(false, Ordering::Release);
        if now.waited >= kept.saturating_add(KEEP_CLOCK) {
            kept = now.waited;
            if let Err(error) = store.keep_clock().await {
                told.troubled(Trouble::Clock, format!("the clock cannot be remembered: {error}"));
            }
        }
        match store.due(now).await {
            Ok(tickets) => {
                for ticket in tickets {
                    end(&store, &told, ticket).await;
                }
            }
            Err(error) => told.troubled(Trouble::Ending, format!("ended requests cannot be found: {error}")),
        }
    }
}

/// Moves one request along whose time is over.
async fn end<S: Store>(store: &S, told: &Told, ticket: TicketHash) {
    match store.decide(ticket, Input::Tick).await {
        // An approval goes on cooling while releases are stopped; and what was due may have ended in another way since.
        Ok(_) | Err(WriteError::Rejected(Rejected::Frozen | Rejected::Stage(_))) => {}
        Err(error) => {
            let what = format!("request {}, whose time is over, cannot be closed: {error}", ticket.request());
            told.troubled(Trouble::Ending, what);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
