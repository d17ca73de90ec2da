use super::*;
use crate::testing::{Captured, Linked, SEALING, Vault, linked};
use link::{CallError, Handler, ReplyWriter};
use node::files::Folder;
use node::{Waiting, Work};
use shared::ids::{TicketHash, unhex};
use shared::limits;
use shared::message::{Call, PROTOCOLS, Recipient, Reply, Subject, View, Welcome};
use shared::text::Text;
use shared::time::{Reading, Time};
use shared::tlog::Origin;
use std::collections::{HashSet, VecDeque};
use std::path::Path;
use std::sync::Mutex as Lock;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Far longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);

/// What the vault in a test does with a call that files.
#[derive(Clone, Copy)]
enum Answer {
    Refuse(Refused),
    /// Takes it, and the answer is lost.
    Lose,
    /// As [`Self::Refuse`], once the test lets it.
    RefuseLate(Refused),
}

#[derive(Clone, Default)]
struct Desk {
    /// What was taken, in order, each time.
    filed: Arc<Lock<Vec<Filing>>>,
    withdrawn: Arc<Lock<HashSet<TicketHash>>>,
    /// For the next calls; after that everything is taken.
    answers: Arc<Lock<VecDeque<Answer>>>,
    late: Arc<Notify>,
}

impl Desk {
    fn answering(answers: impl Into<VecDeque<Answer>>) -> Self {
        Self { answers: Arc::new(Lock::new(answers.into())), ..Self::default() }
    }

    fn purposes(&self) -> Vec<String> {
        self.filed.lock().unwrap().iter().map(|filing| filing.purpose.as_str().to_owned()).collect()
    }

    /// Waits until every answer was begun.
    async fn answered(&self) {
        soon(|| self.answers.lock().unwrap().is_empty()).await;
    }

    /// Waits until so many were taken.
    async fn taken(&self, times: usize) {
        soon(|| self.purposes().len() >= times).await;
    }

    async fn take(&self, filing: Option<Filing>, out: ReplyWriter) -> Result<(), CallError> {
        let answer = self.answers.lock().unwrap().pop_front();
        match (answer, filing) {
            (Some(Answer::Refuse(refused)), _) => out.reply(&Reply::Refused(refused)).await,
            (Some(Answer::RefuseLate(refused)), _) => {
                self.late.notified().await;
                out.reply(&Reply::Refused(refused)).await
            }
            (None | Some(Answer::Lose), None) => out.reply(&Reply::Refused(Refused::Malformed)).await,
            (answer, Some(filing)) => {
                self.filed.lock().unwrap().push(filing);
                if answer.is_some() { Ok(()) } else { out.reply(&Reply::Filed).await }
            }
        }
    }
}

impl Handler for Desk {
    async fn handle(&self, call: Call, out: ReplyWriter) -> Result<(), CallError> {
        match call {
            Call::Hello(_) => {
                let (name, clock) = (Text::new("vault").unwrap(), Time::from_unix(0));
                let welcome = Welcome { protocol: PROTOCOLS[0], name, version: "0".into(), clock };
                out.reply(&Reply::Welcome(welcome)).await
            }
            Call::File(filing) => self.take(Some(filing), out).await,
            Call::Forward { ticket, sealed } => {
                let vault = Origin::new("vault.example/1").unwrap();
                let opened = seal::open(&unhex(SEALING.0).unwrap(), &vault, &ticket, &sealed);
                self.take(opened.ok(), out).await
            }
            Call::Status { ticket } => {
                let known = self.filed.lock().unwrap().iter().any(|filing| filing.ticket == ticket.hash());
                let view = if known { View::Waiting } else { View::Closed };
                out.reply_padded(&Reply::View(view), limits::STATUS_REPLY).await
            }
            Call::Withdraw { ticket } => {
                self.withdrawn.lock().unwrap().insert(ticket.hash());
                out.reply_padded(&Reply::View(View::Closed), limits::STATUS_REPLY).await
            }
            Call::Collect { .. } | Call::Publications { .. } | Call::Words { .. } | Call::Answer { .. } => {
                out.reply(&Reply::Refused(Refused::Malformed)).await
            }
        }
    }
}

/// A courier with a spool of its own, paired with the vault named `vault`.
struct Front {
    courier: Courier,
    root: TempDir,
    running: Option<JoinHandle<Infallible>>,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.running.take().inspect(JoinHandle::abort);
    }
}

impl Front {
    fn new() -> Self {
        Self::flushing(Folder::flush)
    }

    /// With a disk that keeps names like this.
    fn flushing(flush: fn(&Folder) -> Result<(), FileError>) -> Self {
        let root = tempfile::tempdir().unwrap();
        let spool = Spool::open_with(root.path().join("spool"), flush).unwrap();
        let paired = Arc::new(Paired::new(Some(Arc::new(Vault::new("vault").peer()))));
        Self { courier: Courier::new(Broker::default(), spool, paired, Arc::new(node::Machine)), root, running: None }
    }

    fn run(&mut self) {
        self.running = Some(tokio::spawn(self.courier.clone().run()));
    }

    async fn connect(&self, desk: &Desk) -> Linked {
        linked(&self.courier.broker, desk.clone()).await
    }

    async fn file(&self, who: u8) -> Result<Filed, NotFiled> {
        self.courier.file(&ticket(who), filing(who)).await
    }

    /// Waits until nothing is left in the spool.
    async fn emptied(&self) {
        let mut changes = self.courier.broker.changes();
        let emptied = async {
            while self.courier.spool.oldest(|_| Some(())).is_some() {
                changes.recv().await.unwrap();
            }
        };
        timeout(LIMIT, emptied).await.unwrap();
    }

    fn aside(&self) -> usize {
        std::fs::read_dir(self.root.path().join("spool/set-aside")).unwrap().count()
    }

    fn files(&self) -> Vec<Vec<u8>> {
        fn below(folder: &Path) -> Vec<Vec<u8>> {
            let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            entries
                .flat_map(|path| if path.is_dir() { below(&path) } else { vec![std::fs::read(path).unwrap()] })
                .collect()
        }
        below(self.root.path())
    }
}

/// Ends a link, and waits until that is known.
async fn gone(front: &Front, linked: Linked) {
    drop(linked);
    soon(|| !front.courier.broker.up()).await;
}

/// Has the vault refuse a kept request for good, and goes away again.
async fn refused_for_good(front: &Front, who: u8) {
    front.file(who).await.unwrap();
    let desk = Desk::answering([Answer::Refuse(Refused::Malformed)]);
    let linked = front.connect(&desk).await;
    let is_aside = || front.courier.spool.set_aside_as(ticket(who).hash().request()).is_some();
    soon(|| front.courier.waiting() == 0 && is_aside()).await;
    gone(front, linked).await;
}

async fn soon(come: impl Fn() -> bool) {
    let waited = async {
        while !come() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, waited).await.unwrap();
}

fn ticket(who: u8) -> Ticket {
    Ticket::from_random([who; 32])
}

fn filing(who: u8) -> Filing {
    Filing {
        ticket: ticket(who).hash(),
        subject: Subject::Question(Text::new("canary-question").unwrap()),
        purpose: Text::new(format!("canary-purpose {who}")).unwrap(),
        contact: Some(Text::new("canary-contact").unwrap()),
        recipient: Recipient::Ticket,
    }
}

fn purposes(who: impl IntoIterator<Item = u8>) -> Vec<String> {
    who.into_iter().map(|who| format!("canary-purpose {who}")).collect()
}

#[tokio::test]
async fn requests_wait_in_order_unreadable_and_arrive_once_the_vault_is_back() {
    let mut front = Front::new();
    let (log, _guard) = Captured::start();
    for who in [3, 1, 2, 3] {
        assert_eq!(front.file(who).await, Ok(Filed::Spool));
        assert_eq!(front.courier.standing(&ticket(who)).await, Ok(Standing::Kept(Offered::Never)));
    }
    for file in front.files() {
        assert!(!file.windows(6).any(|part| part == b"canary"));
        assert!(!file.windows(32).any(|part| (1..=3).any(|who| part == ticket(who).expose())));
    }
    assert_eq!(front.files().len(), 3);
    front.run();
    let desk = Desk::default();
    let _linked = front.connect(&desk).await;
    front.emptied().await;
    assert_eq!(desk.purposes(), purposes([3, 1, 2]));
    assert_eq!(*desk.filed.lock().unwrap(), [filing(3), filing(1), filing(2)]);
    assert!(front.files().is_empty());
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::Vault(View::Waiting)));
    assert_eq!(front.file(4).await, Ok(Filed::Vault));
    assert!(!log.text().contains("canary"), "{}", log.text());
}

#[tokio::test]
async fn a_locked_vault_counts_as_away_and_a_full_lane_does_not() {
    let front = Front::new();
    let busy = Refused::Busy { retry_after: 7 };
    let desk = Desk::answering([Refused::Unavailable, busy, Refused::TooLarge].map(Answer::Refuse));
    let _linked = front.connect(&desk).await;
    assert_eq!(front.file(1).await, Ok(Filed::Spool));
    assert_eq!(front.file(2).await, Err(NotFiled::Refused(busy)));
    assert_eq!(front.file(3).await, Err(NotFiled::Refused(Refused::TooLarge)));
    assert_eq!(front.files().len(), 1);
}

#[tokio::test]
async fn what_waits_here_goes_no_other_way() {
    let front = Front::new();
    assert_eq!(front.file(1).await, Ok(Filed::Spool));
    let desk = Desk::default();
    let _linked = front.connect(&desk).await;
    assert_eq!(front.file(1).await, Ok(Filed::Spool));
    let other = Filing { purpose: Text::new("Another").unwrap(), ..filing(1) };
    assert_eq!(front.courier.file(&ticket(1), other).await, Err(NotFiled::Refused(Refused::Malformed)));
    assert!(desk.purposes().is_empty());
}

/// A machine whose disk does nothing before it is let.
#[derive(Clone)]
struct Slow {
    disk: Arc<Semaphore>,
    asked: Arc<AtomicUsize>,
}

impl Surroundings for Slow {
    fn reading(&self) -> Reading {
        node::Machine.reading()
    }

    fn fill(&self, bytes: &mut [u8]) -> Result<(), getrandom::Error> {
        node::Machine.fill(bytes)
    }

    fn beside(&self, work: Work) -> Waiting {
        let disk = self.disk.clone();
        self.asked.fetch_add(1, Ordering::Relaxed);
        let done = tokio::spawn(async move {
            let _turn = disk.acquire().await;
            node::Machine.beside(work).await;
        });
        Box::pin(async { drop(done.await) })
    }
}

#[tokio::test]
async fn a_visitor_who_goes_away_while_it_is_kept_leaves_a_request_that_arrives() {
    let slow = Slow { disk: Arc::new(Semaphore::new(0)), asked: Arc::default() };
    let mut front = Front::new();
    front.courier.surroundings = Arc::new(slow.clone());
    front.run();
    let desk = Desk::answering([Answer::Lose]);
    let _linked = front.connect(&desk).await;
    let courier = front.courier.clone();
    let visitor = tokio::spawn(async move { courier.file(&ticket(1), filing(1)).await });
    soon(|| slow.asked.load(Ordering::Relaxed) > 0).await;
    visitor.abort();
    assert!(visitor.await.unwrap_err().is_cancelled());
    slow.disk.add_permits(8);
    desk.taken(2).await;
    front.emptied().await;
    assert_eq!(desk.purposes(), purposes([1, 1]));
}

#[tokio::test]
async fn what_the_vault_cannot_open_is_set_aside_and_the_rest_arrives() {
    let mut front = Front::new();
    for who in 1..=3 {
        front.file(who).await.unwrap();
    }
    let desk = Desk::answering([Answer::Refuse(Refused::Malformed)]);
    let _linked = front.connect(&desk).await;
    front.run();
    front.emptied().await;
    assert_eq!((desk.purposes(), front.aside()), (purposes([2, 3]), 1));
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::SetAside(Offered::Never)));
    // Filed after all, such as by an answer that was lost: then that is what counts.
    desk.filed.lock().unwrap().push(filing(1));
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::Vault(View::Waiting)));
}

#[tokio::test]
async fn what_was_sealed_for_another_vault_waits_for_it_and_arrives_in_order() {
    let mut front = Front::new();
    for who in [2, 1, 3] {
        front.file(who).await.unwrap();
    }
    front.run();
    let pair = |name| {
        front.courier.paired.send_replace(Some(Arc::new(Vault::new(name).peer())));
        front.courier.broker.hint(Hint::Publication);
    };
    pair("other");
    front.emptied().await;
    assert_eq!((front.aside(), front.files().len()), (0, 3));
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::KeptForAnother));
    assert_eq!(front.file(1).await, Ok(Filed::Spool), "the same form is the same request");
    // A vault that answers has none of it, and is given none.
    let desk = Desk::default();
    let linked = front.connect(&desk).await;
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::KeptForAnother));
    assert_eq!(front.file(4).await, Ok(Filed::Vault));
    assert_eq!(front.courier.withdraw(&ticket(3)).await, Ok(Withdrawn::Here), "only the other could have it");
    assert_eq!(desk.purposes(), purposes([4]));
    drop(linked);
    pair("vault");
    soon(|| front.courier.waiting() == 2).await;
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::Kept(Offered::Perhaps)));
    let desk = Desk::default();
    let _linked = front.connect(&desk).await;
    front.emptied().await;
    assert_eq!(desk.purposes(), purposes([2, 1]));
    assert!(front.files().is_empty());
}

#[tokio::test]
async fn what_the_paired_vault_has_too_stands_as_it_says() {
    let front = Front::new();
    front.file(1).await.unwrap();
    front.courier.paired.send_replace(Some(Arc::new(Vault::new("other").peer())));
    let desk = Desk::default();
    let _linked = front.connect(&desk).await;
    desk.filed.lock().unwrap().push(filing(1));
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::Vault(View::Waiting)));
    front.courier.paired.send_replace(None);
    assert_eq!(
        front.courier.standing(&ticket(1)).await,
        Ok(Standing::Kept(Offered::Perhaps)),
        "for whichever is paired next, and one had it"
    );
}

#[tokio::test]
async fn what_may_have_arrived_is_not_only_taken_back_here() {
    let front = Front::new();
    let desk = Desk::answering([Answer::Lose]);
    let _linked = front.connect(&desk).await;
    assert_eq!(front.file(1).await, Ok(Filed::Spool));
    assert_eq!(desk.purposes(), purposes([1]));
    assert_eq!(front.courier.withdraw(&ticket(1)).await, Ok(Withdrawn::Vault(View::Closed)));
    assert_eq!(*desk.withdrawn.lock().unwrap(), HashSet::from([ticket(1).hash()]));
}

#[tokio::test]
async fn what_a_failing_vault_was_sent_may_be_with_it() {
    let front = Front::new();
    let desk = Desk::answering([Answer::Refuse(Refused::Unavailable)]);
    let linked = front.connect(&desk).await;
    assert_eq!(front.file(1).await, Ok(Filed::Spool));
    drop(linked);
    assert_eq!(front.courier.withdraw(&ticket(1)).await, Ok(Withdrawn::HereAtLeast));
}

#[tokio::test]
async fn what_was_set_aside_and_may_have_arrived_is_not_called_unseen() {
    let front = Front::new();
    front.file(1).await.unwrap();
    front.courier.spool.mark(&ticket(1).hash(), Offered::Perhaps);
    front.courier.spool.set_aside(&ticket(1).hash(), &Unusable::Refused);
    assert_eq!(front.courier.standing(&ticket(1)).await, Err(BrokerError::Away), "only the vault could tell");
    let desk = Desk::default();
    let _linked = front.connect(&desk).await;
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::SetAside(Offered::Perhaps)));
    assert_eq!(front.file(1).await, Ok(Filed::Vault));
    desk.filed.lock().unwrap().clear();
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::Vault(View::Closed)), "and was there");
}

#[tokio::test]
async fn a_request_is_taken_back_wherever_it_is() {
    let front = Front::new();
    let desk = Desk::answering([Answer::Lose]);
    for who in 1..=3 {
        front.file(who).await.unwrap();
    }
    assert_eq!(front.courier.withdraw(&ticket(1)).await, Ok(Withdrawn::Here));
    assert_eq!(front.courier.withdraw(&ticket(1)).await, Err(BrokerError::Away));
    front.courier.spool.mark(&ticket(2).hash(), Offered::Perhaps);
    assert_eq!(front.courier.waiting(), 2);
    assert_eq!(front.courier.withdraw(&ticket(2)).await, Ok(Withdrawn::HereAtLeast));
    front.courier.spool.mark(&ticket(3).hash(), Offered::Perhaps);
    let _linked = front.connect(&desk).await;
    assert_eq!(front.courier.withdraw(&ticket(3)).await, Ok(Withdrawn::Vault(View::Closed)));
    assert_eq!(front.courier.withdraw(&ticket(4)).await, Ok(Withdrawn::Vault(View::Closed)));
    assert_eq!(*desk.withdrawn.lock().unwrap(), HashSet::from([ticket(3).hash(), ticket(4).hash()]));
    assert!(front.files().is_empty());
}

#[tokio::test]
async fn nothing_is_sealed_for_nobody_and_no_room_is_said() {
    let front = Front::new();
    front.courier.paired.send_replace(None);
    assert!(!front.courier.seals());
    assert_eq!(front.file(1).await, Err(NotFiled::Unpaired));
    front.courier.paired.send_replace(Some(Arc::new(Vault::new("vault").peer())));
    let ballast = front.root.path().join("spool/set-aside/ballast");
    std::fs::File::create(ballast).unwrap().set_len(limits::SPOOL_BYTES).unwrap();
    let spool = Spool::open(front.root.path().join("spool")).unwrap();
    let full = Courier { spool, ..front.courier.clone() };
    assert!(front.courier.has_room() && !full.has_room());
    assert_eq!(full.file(&ticket(1), filing(1)).await, Err(NotFiled::NoRoom));
    let desk = Desk::answering([Answer::Lose]);
    let _linked = front.connect(&desk).await;
    assert_eq!(full.file(&ticket(1), filing(1)).await, Err(NotFiled::Uncertain));
}

mod aside;
mod back;
mod said;
mod turns;
