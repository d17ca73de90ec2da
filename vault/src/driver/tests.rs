//! What the driver's own loops do, over a store that fails when it is told to.

use super::*;
use node::{Waiting, Work};
use shared::ids::Ticket;
use shared::time::{Boot, Reading, Time};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use tokio::time::sleep;

const DAY: Duration = Duration::from_secs(86_400);
const BEGUN: u64 = 1_795_348_800;

/// The machine's clocks over tokio's, which a test holds; the wall clock is set by somebody.
struct Clocks {
    begun: Instant,
    wall: AtomicU64,
}

impl Clocks {
    fn new() -> Arc<Self> {
        Arc::new(Self { begun: Instant::now(), wall: AtomicU64::new(BEGUN) })
    }
}

impl Surroundings for Clocks {
    fn reading(&self) -> Reading {
        let since_boot = self.begun.elapsed().as_secs();
        let wall = Time::from_unix(self.wall.load(Ordering::Relaxed) + since_boot);
        Reading { wall, since_boot, boot: Boot([1; 16]) }
    }

    fn fill(&self, bytes: &mut [u8]) -> Result<(), getrandom::Error> {
        getrandom::fill(bytes)
    }

    fn beside(&self, work: Work) -> Waiting {
        node::Machine.beside(work)
    }
}

fn told(clocks: &Arc<Clocks>) -> (Told, mpsc::UnboundedReceiver<TicketHash>) {
    Told::new(&[], None, Clock::new(clocks.reading()), clocks.clone(), Going::On)
}

/// A store that keeps only what these loops ask of it.
#[derive(Clone, Default)]
pub(crate) struct Failing(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    /// What cannot be prepared.
    stuck: BTreeSet<TicketHash>,
    tried: Vec<TicketHash>,
    /// How often the clock was written down.
    clocks: usize,
    /// How often the pairings cannot be read, and how often they were asked for.
    unread: usize,
    asked: usize,
}

impl Failing {
    /// The next so many times the pairings cannot be read.
    pub(crate) fn unread(self, times: usize) -> Self {
        self.0.lock().unwrap().unread = times;
        self
    }

    /// How often they were asked for.
    pub(crate) fn asked(&self) -> usize {
        self.0.lock().unwrap().asked
    }

    fn tried(&self) -> Vec<TicketHash> {
        std::mem::take(&mut self.0.lock().unwrap().tried)
    }

    fn stick(&self, tickets: impl IntoIterator<Item = TicketHash>) {
        self.0.lock().unwrap().stuck = tickets.into_iter().collect();
    }
}

impl Store for Failing {
    type Cursor = ();

    async fn file(&self, _: Filing, _: LaneId) -> Result<(), WriteError> {
        Err(WriteError::Stopping)
    }

    async fn decide(&self, _: TicketHash, _: Input) -> Result<Vec<Effect>, WriteError> {
        Err(WriteError::Stopping)
    }

    async fn answer(&self, _: TicketHash, _: Nonce, _: VisitorAnswer) -> Result<(), WriteError> {
        Err(WriteError::Stopping)
    }

    async fn words(&self, _: Spoken) -> Result<Receipt, WriteError> {
        Err(WriteError::Stopping)
    }

    async fn keep_clock(&self) -> Result<(), WriteError> {
        self.0.lock().unwrap().clocks += 1;
        Ok(())
    }

    async fn prepare(&self, ticket: TicketHash) -> Result<(), WriteError> {
        let mut kept = self.0.lock().unwrap();
        kept.tried.push(ticket);
        if kept.stuck.contains(&ticket) { Err(WriteError::Full) } else { Ok(()) }
    }

    async fn due(&self, _: Now) -> Result<Vec<TicketHash>, WriteError> {
        Ok(Vec::new())
    }

    async fn open(&self, _: Permit, _: RequestId) -> Result<(Receipt, ()), WriteError> {
        Err(WriteError::Stopping)
    }

    async fn next(&self, (): ()) -> Result<(Vec<u8>, ()), WriteError> {
        Err(WriteError::Stopping)
    }

    async fn lanes(&self) -> Result<Vec<Lane>, WriteError> {
        let mut kept = self.0.lock().unwrap();
        kept.asked += 1;
        if kept.asked <= kept.unread { Err(WriteError::Lost) } else { Ok(Vec::new()) }
    }
}

/// A driver over `store`, with new keys.
pub(crate) fn driver(store: Failing) -> Arc<Driver<Failing>> {
    let clocks = Clocks::new();
    Arc::new(Driver {
        name: "vault".parse().unwrap(),
        origin: Origin::new("vault.example.org/3f2a").unwrap(),
        identity: Identity::from_pem(&Identity::generate().unwrap()).unwrap(),
        sealing: SealingKey::new(zeroize::Zeroizing::new([7; 32])).unwrap(),
        store,
        told: told(&clocks).0,
        surroundings: clocks,
        network: Arc::new(link::System),
    })
}

fn tickets() -> [TicketHash; 3] {
    [1, 2, 3].map(|who| Ticket::from_random([who; 32]).hash())
}

/// Three drafts that cannot be prepared on a full disk, after the vault has run for a month.
async fn stuck() -> (Failing, mpsc::UnboundedSender<TicketHash>) {
    let store = Failing::default();
    let (send, receive) = mpsc::unbounded_channel();
    tokio::spawn(prepare(store.clone(), told(&Clocks::new()).0, receive));
    sleep(30 * DAY).await;
    store.stick(tickets());
    tickets().into_iter().for_each(|ticket| send.send(ticket).unwrap());
    (store, send)
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_stays_full_is_asked_once_a_second_however_long_the_vault_has_run() {
    let (store, _send) = stuck().await;
    sleep(Duration::from_millis(100)).await;
    store.tried();
    sleep(Duration::from_secs(60)).await;
    let tried = store.tried();
    assert_eq!(tried.len(), 60);
    // In turn: one that never succeeds holds up no other.
    assert!(tickets().iter().all(|ticket| tried.iter().filter(|one| *one == ticket).count() == 20));
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_prepared_is_as_soon_as_the_disk_lets_it() {
    let (store, _send) = stuck().await;
    sleep(Duration::from_secs(10)).await;
    let [stuck, ..] = tickets();
    store.stick([stuck]);
    store.tried();
    sleep(SWEEP * 3).await;
    let tried = store.tried();
    assert!(tickets().iter().all(|ticket| tried.contains(ticket)), "all within a few beats");
    store.stick([]);
    sleep(SWEEP * 2).await;
    assert_eq!(store.tried().last(), Some(&stuck));
    sleep(SWEEP * 60).await;
    assert_eq!(store.tried(), [], "nothing is left to be tried");
}

/// What has been waited for would be lost at the next start otherwise.
#[tokio::test(start_paused = true)]
async fn the_clock_is_remembered_after_it_was_set_back_by_years() {
    let (store, clocks) = (Failing::default(), Clocks::new());
    let told = told(&clocks).0;
    tokio::spawn(sweep(store.clone(), told.clone()));
    sleep(Duration::from_secs(5)).await;
    clocks.wall.store(BEGUN - 10 * 365 * 86_400, Ordering::Relaxed);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(told.now().doubt, Some(Doubt::Back));
    told.go_by(told.right_clock());
    sleep(Duration::from_secs(2 * KEEP_CLOCK)).await;
    assert_eq!((store.0.lock().unwrap().clocks, told.now().doubt), (2, None));
    // Not more often than it is worth.
    sleep(Duration::from_secs(KEEP_CLOCK / 2)).await;
    assert_eq!(store.0.lock().unwrap().clocks, 2);
}
