//! The lanes: one task a paired reception, which dials it, serves its calls and sends it hints. All run on a thread and a
//! runtime of their own, so that the link waits for nobody else.

use crate::driver::{Driver, Lane, Store, Trouble};
use crate::news::News;
use crate::service::Service;
use link::{Dialler, EventSender, Goodbye, Link, LinkError};
use node::Surroundings;
use shared::limits;
use shared::message::Event;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use vault_core::LaneId;

/// The first and the longest pause between two dials; the pause doubles from one to the other, until a link has lasted longer
/// than the longest: a reception that hangs up each time is not dialled in a hurry.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// How long until the pairings are read again, if they could not be.
const AGAIN: Duration = Duration::from_secs(1);

/// The longest farewell.
const FAREWELL: Duration = Duration::from_secs(2);

/// How each lane's link stands, in words for the owner.
#[derive(Clone, Default)]
pub(crate) struct Links(Arc<Mutex<HashMap<LaneId, Standing>>>);

/// One lane's link.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) up: bool,
    pub(crate) words: String,
}

impl Standing {
    fn up(words: String) -> Self {
        Self { up: true, words }
    }

    fn down(words: String) -> Self {
        Self { up: false, words }
    }
}

impl Links {
    pub(crate) fn get(&self, lane: LaneId) -> Standing {
        let links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.get(&lane).cloned().unwrap_or_else(|| Standing::down("dialling; no answer yet".into()))
    }

    /// Notes how a link stands; whether that is new.
    fn set(&self, lane: LaneId, standing: Standing) -> bool {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let words = standing.words.clone();
        links.insert(lane, standing).is_none_or(|old| old.words != words)
    }

    /// Forgets a lane that is given up.
    fn forget(&self, lane: LaneId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&lane);
    }
}

/// The thread that keeps every lane's link.
pub(crate) struct LinkThread {
    stop: watch::Sender<bool>,
    runtime: Handle,
    ended: watch::Receiver<()>,
    thread: std::thread::JoinHandle<()>,
}

impl LinkThread {
    pub(crate) fn start<S: Store>(driver: Arc<Driver<S>>, links: Links) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopping) = watch::channel(false);
        let (ending, ended) = watch::channel(());
        let all = Lanes::new(driver, links, stopping);
        let thread = std::thread::Builder::new().name("link".into()).spawn(move || {
            let _ending = ending;
            runtime.block_on(all.keep());
        })?;
        Ok(Self { stop, runtime: handle, ended, thread })
    }

    /// Where the links run.
    pub(crate) fn runtime(&self) -> Handle {
        self.runtime.clone()
    }

    /// Completes when the thread has ended, whatever ended it.
    pub(crate) async fn ended(&self) {
        // Nothing is ever sent.
        let _ = self.ended.clone().changed().await;
    }

    /// Says goodbye to every reception, and waits until that is on its way.
    pub(crate) fn stop(self) {
        self.stop.send_replace(true);
        if self.thread.join().is_err() {
            tracing::error!("the link's thread had failed");
        }
    }
}

/// Every lane's link.
pub(crate) struct Lanes<S> {
    driver: Arc<Driver<S>>,
    links: Links,
    stopping: watch::Receiver<bool>,
}

/// A lane's task.
struct Running {
    lane: Lane,
    task: AbortHandle,
    unpaired: Unpaired,
}

/// Whether a task is given up because its pairing was taken back; else it was changed, or something failed.
type Unpaired = Arc<AtomicBool>;

impl<S> Clone for Lanes<S> {
    fn clone(&self) -> Self {
        let Self { driver, links, stopping } = self;
        Self { driver: driver.clone(), links: links.clone(), stopping: stopping.clone() }
    }
}

// The selects below take their branches in order, so that a simulated run can be had again.
impl<S: Store> Lanes<S> {
    pub(crate) fn new(driver: Arc<Driver<S>>, links: Links, stopping: watch::Receiver<bool>) -> Self {
        Self { driver, links, stopping }
    }

    /// Keeps one task for each active pairing, and ends those whose pairing has ended. Ends before it is told to only if one
    /// of them has failed.
    pub(crate) async fn keep(mut self) {
        let mut changes = self.driver.told.news.lanes.subscribe();
        let (mut running, mut tasks) = (HashMap::new(), JoinSet::new());
        loop {
            node::danger::point("lanes");
            let read = self.driver.store.lanes().await;
            let again = read.is_err();
            match read {
                Ok(lanes) => self.renew(&mut running, &mut tasks, lanes),
                Err(error) => {
                    let what = format!("the pairings cannot be read: {error}");
                    self.driver.told.troubled(Trouble::Pairings, what);
                }
            }
            tokio::select! {
                biased;
                () = stopped(&mut self.stopping) => break,
                changed = changes.changed() => if changed.is_err() { break },
                () = failed(&mut tasks) => return,
                // A pairing that has ended must not go on because of one read that failed.
                () = tokio::time::sleep(AGAIN), if again => {}
            }
        }
        // Who does not come to an end by then is cut off.
        let _ = tokio::time::timeout(FAREWELL, async { while tasks.join_next().await.is_some() {} }).await;
    }

    fn renew(&self, running: &mut HashMap<LaneId, Running>, tasks: &mut JoinSet<()>, lanes: Vec<Lane>) {
        running.retain(|id, old| {
            let now = lanes.iter().find(|lane| lane.id == *id);
            let same = now.is_some_and(|lane| lane.line == old.lane.line);
            if !same {
                old.unpaired.store(now.is_none(), Ordering::Release);
                old.task.abort();
                self.links.forget(*id);
            }
            same
        });
        for lane in lanes {
            running.entry(lane.id).or_insert_with(|| {
                let unpaired = Unpaired::default();
                let task = tasks.spawn(self.clone().keep_one(lane.clone(), unpaired.clone()));
                Running { lane, task, unpaired }
            });
        }
    }

    /// Dials, serves until the link ends, and dials again, after a pause with full jitter that a link which lasted resets.
    async fn keep_one(mut self, lane: Lane, unpaired: Unpaired) {
        // One bound a lane, over all its links.
        let deliveries = Arc::new(Semaphore::new(limits::DELIVERIES));
        let dialler = Dialler::over(self.driver.network.clone(), &self.driver.identity);
        let name = lane.line.name.as_str();
        let mut pause = PAUSE.0;
        loop {
            node::danger::point("lane");
            let dialled = tokio::select! {
                biased;
                () = stopped(&mut self.stopping) => return,
                dialled = dialler.dial(lane.line.address.as_str(), lane.line.pin) => dialled,
            };
            let since = Instant::now();
            let ended = match dialled {
                Ok(link) => self.serve(&lane, CloseOnDrop(link, unpaired.clone()), &deliveries).await,
                Err(error) => Ended::Link(error),
            };
            pause = before_next(pause, since.elapsed(), &ended);
            if self.links.set(lane.id, Standing::down(ended.to_string())) {
                tracing::warn!("no link to {name}: {ended}");
            }
            tokio::select! {
                biased;
                () = stopped(&mut self.stopping) => return,
                () = tokio::time::sleep(pause.mul_f64(fraction(&*self.driver.surroundings))) => {}
            }
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// Serves one link to its end, and tells why it ended.
    async fn serve(&mut self, lane: &Lane, link: CloseOnDrop, deliveries: &Arc<Semaphore>) -> Ended {
        let CloseOnDrop(link, _) = &link;
        let events = EventSender::new(link);
        let greeted = Greeted::new(&self.links, lane, link);
        let (driver, deliveries) = (self.driver.clone(), deliveries.clone());
        let service = Service { driver, lane: lane.id, greeted, deliveries };
        tokio::select! {
            biased;
            () = stopped(&mut self.stopping) => {
                link.close(Goodbye::Stopping);
                link.drained().await;
                Ended::Stopping
            }
            ended = link::serve(link, service) => Ended::Link(ended),
            () = hint(lane.id, &self.driver.told.news, &events) => Ended::Stopping,
        }
    }
}

/// The pause after a link that lasted so long and ended so, if it was to be `pause`. Two copies of one vault would throw each
/// other out for ever.
fn before_next(pause: Duration, lasted: Duration, ended: &Ended) -> Duration {
    if lasted > PAUSE.1 && !ended.is_replaced() { PAUSE.0 } else { pause }
}

/// Why there is no link.
enum Ended {
    /// The vault stops.
    Stopping,
    /// It broke, or could not be had.
    Link(LinkError),
}

impl Ended {
    /// Whether another process with this vault's key has dialled.
    fn is_replaced(&self) -> bool {
        matches!(self, Self::Link(LinkError::Closed(_, Goodbye::Replaced)))
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopping => f.write_str("the vault is stopping"),
            Self::Link(error) => error.fmt(f),
        }
    }
}

/// Completes once the process is to end.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // A sender that is gone has ended too.
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// Marks a lane's link as up. The dialling side cannot know that it was accepted before the other side says hello.
#[derive(Clone)]
pub(crate) struct Greeted {
    links: Links,
    lane: LaneId,
    words: String,
}

impl Greeted {
    fn new(links: &Links, lane: &Lane, link: &Link) -> Self {
        let words = format!("up: {} at {}", lane.line.name.as_str(), link.remote());
        Self { links: links.clone(), lane: lane.id, words }
    }

    /// The peer said hello.
    pub(crate) fn hello(&self) {
        if self.links.set(self.lane, Standing::up(self.words.clone())) {
            tracing::info!("link {}", self.words);
        }
    }
}

/// A lane that is given up takes its link with it.
struct CloseOnDrop(Link, Unpaired);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        let Self(link, unpaired) = self;
        link.close(if unpaired.load(Ordering::Acquire) { Goodbye::Unpaired } else { Goodbye::Done });
    }
}

/// Completes once a task has ended of which nobody wanted that.
async fn failed(tasks: &mut JoinSet<()>) {
    loop {
        match tasks.join_next().await {
            Some(Err(aborted)) if aborted.is_cancelled() => {}
            Some(_) => return,
            None => std::future::pending().await,
        }
    }
}

/// Sends hints until nobody is left who could have any.
async fn hint(lane: LaneId, news: &News, events: &EventSender) {
    let (mut visitors, mut published) = (news.visitors.subscribe(), news.published.subscribe());
    loop {
        tokio::select! {
            biased;
            changed = visitors.recv() => match changed {
                Ok((through, ticket)) if through == lane => events.send(Event::Changed(ticket)),
                // Another lane's business.
                Ok(_) => {}
                // Hints that were missed are asked for at the visitor's next look.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            changed = published.changed() => match changed {
                Ok(()) => events.send(Event::Published(*published.borrow_and_update())),
                Err(_) => return,
            },
        }
    }
}

/// Evenly between a tenth and one; half when the system has no randomness.
fn fraction(surroundings: &dyn Surroundings) -> f64 {
    let mut byte = [128];
    if surroundings.fill(&mut byte).is_err() {
        byte = [128];
    }
    0.1 + 0.9 * f64::from(byte[0]) / 255.0
}

#[cfg(test)]
mod tests;
