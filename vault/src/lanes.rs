//! The lanes: one task a paired reception, which dials it, serves its calls and sends it hints. All run on a thread and a
//! runtime of their own, so that the link waits for nobody else.

use crate::driver::{Driver, Lane, Store};
use crate::news::News;
use crate::service::Service;
use link::{Dialler, EventSender, Goodbye, Link};
use node::Surroundings;
use shared::limits;
use shared::message::Event;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use vault_core::LaneId;

/// The first and the longest pause between two dials; the pause doubles from one to the other.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// The longest farewell.
const FAREWELL: Duration = Duration::from_secs(2);
const STOPPING: &str = "the vault is stopping";
const REPLACED: &str = "took its place";

/// How each lane's link stands, in words for the owner.
#[derive(Clone, Default)]
pub(crate) struct Links(Arc<Mutex<HashMap<LaneId, Standing>>>);

/// One lane's link.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    pub(crate) up: bool,
    pub(crate) words: String,
}

impl Links {
    pub(crate) fn get(&self, lane: LaneId) -> Standing {
        let links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.get(&lane).cloned().unwrap_or(Standing { up: false, words: "dialling; no answer yet".into() })
    }

    /// Notes how a link stands; whether that is new.
    fn set(&self, lane: LaneId, up: bool, words: String) -> bool {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = links.insert(lane, Standing { up, words: words.clone() });
        old.is_none_or(|old| old.words != words)
    }
}

/// The thread that keeps every lane's link.
pub(crate) struct LinkThread {
    stop: watch::Sender<bool>,
    thread: std::thread::JoinHandle<()>,
}

impl LinkThread {
    pub(crate) fn start<S: Store>(driver: Arc<Driver<S>>, links: Links) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopping) = watch::channel(false);
        let all = Lanes::new(driver, links, stopping);
        let thread = std::thread::Builder::new().name("link".into()).spawn(move || runtime.block_on(all.keep()))?;
        Ok(Self { stop, thread })
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
    deliveries: Arc<Semaphore>,
}

type Running = HashMap<LaneId, (Lane, JoinHandle<()>)>;

impl<S> Clone for Lanes<S> {
    fn clone(&self) -> Self {
        let Self { driver, links, stopping, deliveries } = self;
        let (driver, links, stopping) = (driver.clone(), links.clone(), stopping.clone());
        Self { driver, links, stopping, deliveries: deliveries.clone() }
    }
}

// The selects below take their branches in order, so that a simulated run can be had again.
impl<S: Store> Lanes<S> {
    pub(crate) fn new(driver: Arc<Driver<S>>, links: Links, stopping: watch::Receiver<bool>) -> Self {
        Self { driver, links, stopping, deliveries: Arc::new(Semaphore::new(limits::DELIVERIES)) }
    }

    /// Keeps one task for each active pairing, and ends those whose pairing has ended.
    pub(crate) async fn keep(mut self) {
        let mut changes = self.driver.told.news.lanes.subscribe();
        let mut running = Running::new();
        loop {
            match self.driver.store.lanes().await {
                Ok(lanes) => self.renew(&mut running, lanes),
                Err(error) => tracing::error!("the pairings cannot be read: {error}"),
            }
            tokio::select! {
                biased;
                () = stopped(&mut self.stopping) => break,
                changed = changes.changed() => if changed.is_err() { break },
            }
        }
        let all = running.into_values().map(|(_, task)| task);
        // A task that was aborted has nothing more to say.
        let _ = tokio::time::timeout(FAREWELL, async {
            for task in all {
                let _ = task.await;
            }
        })
        .await;
    }

    fn renew(&self, running: &mut Running, lanes: Vec<Lane>) {
        running.retain(|id, (old, task)| {
            let same = lanes.iter().any(|lane| lane.id == *id && lane.line == old.line);
            if !same {
                task.abort();
            }
            same
        });
        for lane in lanes {
            running.entry(lane.id).or_insert_with(|| (lane.clone(), tokio::spawn(self.clone().keep_one(lane))));
        }
    }

    /// Dials, serves until the link ends, and dials again, after a pause with full jitter that a served link resets.
    async fn keep_one(mut self, lane: Lane) {
        // One bound a lane, over all its links.
        self.deliveries = Arc::new(Semaphore::new(limits::DELIVERIES));
        let dialler = Dialler::over(self.driver.network.clone(), &self.driver.identity);
        let name = lane.line.name.as_str();
        let mut pause = PAUSE.0;
        loop {
            let dialled = tokio::select! {
                biased;
                () = stopped(&mut self.stopping) => return,
                dialled = dialler.dial(lane.line.address.as_str(), lane.line.pin) => dialled,
            };
            let ended = match dialled {
                Ok(link) => self.serve(&lane, link).await,
                Err(error) => error.to_string(),
            };
            // Two copies of one vault would throw each other out for ever.
            if self.links.get(lane.id).up && !ended.contains(REPLACED) {
                pause = PAUSE.0;
            }
            if self.links.set(lane.id, false, ended.clone()) {
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
    async fn serve(&mut self, lane: &Lane, link: Link) -> String {
        let guard = CloseOnDrop(link.clone());
        let events = EventSender::new(&link);
        let greeted = Greeted::new(&self.links, lane, &link);
        let deliveries = self.deliveries.clone();
        let service = Service { driver: self.driver.clone(), lane: lane.id, greeted, deliveries };
        let ended = tokio::select! {
            biased;
            () = stopped(&mut self.stopping) => {
                link.close(Goodbye::Stopping);
                link.drained().await;
                STOPPING.into()
            }
            ended = link::serve(&link, service) => ended.to_string(),
            () = hint(lane.id, &self.driver.told.news, &events) => STOPPING.into(),
        };
        drop(guard);
        ended
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
        if self.links.set(self.lane, true, self.words.clone()) {
            tracing::info!("link {}", self.words);
        }
    }
}

/// A lane that is given up takes its link with it.
struct CloseOnDrop(Link);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close(Goodbye::Unpaired);
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
