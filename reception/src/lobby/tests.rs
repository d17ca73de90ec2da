use super::*;
use crate::broker::{BrokerError, Collected};
use crate::testing::{Captured, Vault};
use bytes::Bytes;
use link::{Dialler, EventSender, Handler, ReplyWriter, serve};
use shared::ids::{CollectionId, Digest, Nonce, Ticket, TicketHash};
use shared::message::{Delivery, Filing, Manifest, PublicationHead, Recipient, Subject, View, VisitorAnswer};
use shared::receipt::{Format, Kind, Receipt};
use shared::text::Text;
use shared::time::Time;
use shared::tlog::Salt;
use std::net::SocketAddr;
use std::sync::Mutex;
use tempfile::TempDir;
use tokio::sync::broadcast;

/// Far longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);
const PAYLOAD: &[u8] = b"the owner's exact words";

async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(LIMIT, work).await.unwrap()
}

/// How the vault in a test behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Polite,
    /// Refuses every call but the greeting.
    Busy,
    /// Answers with replies to other calls.
    Confused,
    /// Refuses the greeting.
    Foreign,
    /// Has a clock that is an hour ahead.
    Ahead,
}

/// Version, head and bundle.
type Edition = (u64, PublicationHead, Vec<u8>);

#[derive(Clone)]
struct Desk {
    manner: Manner,
    filed: Arc<Mutex<Vec<Filing>>>,
    answered: Arc<Mutex<Vec<(Nonce, VisitorAnswer)>>>,
    publication: Arc<Mutex<Option<Edition>>>,
}

impl Desk {
    fn new(manner: Manner) -> Self {
        Self { manner, filed: Arc::default(), answered: Arc::default(), publication: Arc::default() }
    }

    fn publish(&self, vault: &Vault, version: u64) {
        let (head, bytes) = vault.publish(version);
        *self.publication.lock().unwrap() = Some((version, head, bytes));
    }

    fn welcome(&self) -> Reply {
        let ahead = if self.manner == Manner::Ahead { 3600 } else { 0 };
        let (name, version) = (Name::new("vault").unwrap(), "0".to_owned());
        Reply::Welcome(Welcome { protocol: 1, name, version, clock: node::Machine.wall().plus(ahead) })
    }
}

fn manifest() -> Manifest {
    Manifest {
        title: Text::new("Letter").unwrap(),
        media_type: Text::new("text/plain").unwrap(),
        bytes: PAYLOAD.len() as u64,
        sha256: Digest::of(PAYLOAD),
        not_after: Time::MAX,
    }
}

fn delivery() -> Box<Delivery> {
    let receipt = Receipt {
        format: Format::V1,
        statement: String::new(),
        signatures: vec![],
        signers: String::new(),
        log_key: String::new(),
        time: Time::MAX,
        kind: Kind::Approved,
        salt: Salt([0; 32]),
        proof: String::new(),
    };
    Box::new(Delivery { manifest: manifest(), receipt })
}

impl Handler for Desk {
    async fn handle(&self, call: Call, out: ReplyWriter) -> Result<(), CallError> {
        match (self.manner, call) {
            (Manner::Foreign, Call::Hello(_)) => out.reply(&Reply::Refused(Refused::Protocol)).await,
            (_, Call::Hello(_)) => out.reply(&self.welcome()).await,
            (Manner::Busy, _) => out.reply(&Reply::Refused(Refused::Busy { retry_after: 7 })).await,
            (Manner::Confused, Call::Status { .. } | Call::Words { .. } | Call::Answer { .. }) => {
                out.reply(&Reply::Filed).await
            }
            (_, Call::File(filing)) => {
                self.filed.lock().unwrap().push(filing);
                out.reply(&Reply::Filed).await
            }
            (_, Call::Forward { .. }) => out.reply(&Reply::Refused(Refused::Malformed)).await,
            (_, Call::Status { .. }) => {
                out.reply_padded(&Reply::View(View::Ready(manifest())), limits::STATUS_REPLY).await
            }
            (_, Call::Words { .. }) => out.reply(&Reply::Words(Box::new(delivery().receipt))).await,
            (_, Call::Answer { question, text, .. }) => {
                self.answered.lock().unwrap().push((question, text));
                out.reply_padded(&Reply::View(View::Waiting), limits::STATUS_REPLY).await
            }
            (_, Call::Withdraw { .. }) => out.reply_padded(&Reply::View(View::Closed), limits::STATUS_REPLY).await,
            (_, Call::Collect { offset, .. }) => {
                let mut payload = out.reply_then(&Reply::Delivery(delivery())).await?;
                payload.write(Bytes::from_static(&PAYLOAD[usize::try_from(offset).unwrap()..])).await?;
                payload.finish();
                Ok(())
            }
            (_, Call::Publications { have }) => {
                let newer = self.publication.lock().unwrap().clone().filter(|(version, ..)| *version > have);
                let Some((_, head, bytes)) = newer else { return out.reply(&Reply::Publication(None)).await };
                let mut payload = out.reply_then(&Reply::Publication(Some(head))).await?;
                payload.write(bytes.into()).await?;
                payload.finish();
                Ok(())
            }
        }
    }
}

/// A vault's side of one link.
struct Dialled {
    link: Link,
    events: EventSender,
}

impl Dialled {
    async fn ended(&self) -> LinkError {
        soon(self.link.closed()).await
    }
}

/// A reception on loopback.
struct Front {
    root: TempDir,
    lobby: Lobby,
    address: SocketAddr,
    identity: link::Identity,
    stop: watch::Sender<bool>,
    hints: broadcast::Receiver<Hint>,
}

impl Front {
    async fn open(vault: Option<&Vault>) -> Self {
        let root = tempfile::tempdir().unwrap();
        let lobby = Lobby {
            name: "front".parse().unwrap(),
            broker: Broker::default(),
            library: Library::new(root.path().join("publications")),
            pins: Pins::default(),
            paired: Arc::default(),
            surroundings: Arc::new(node::Machine),
        };
        lobby.adopt(vault.map(|v| Arc::new(v.peer()))).await;
        let identity = link::Identity::from_pem(&link::Identity::generate().unwrap()).unwrap();
        let listener = link::listen("127.0.0.1:0".parse().unwrap(), &identity, lobby.pins.clone()).unwrap();
        let (address, hints) = (listener.local_addr().unwrap(), lobby.broker.changes());
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(lobby.clone().run(listener, stopped));
        Self { root, lobby, address, identity, stop, hints }
    }

    async fn dial(&self, vault: &Vault, desk: &Desk) -> Dialled {
        let dialled = Dialler::new(&vault.identity).dial(&self.address.to_string(), self.identity.pin()).await;
        let link = dialled.unwrap();
        let (served, handler) = (link.clone(), desk.clone());
        tokio::spawn(async move { serve(&served, handler).await });
        Dialled { events: EventSender::new(&link), link }
    }

    /// The next hint of which `wanted` is true.
    async fn hint(&mut self, wanted: impl Fn(&Hint) -> bool) -> Hint {
        soon(async {
            loop {
                let hint = self.hints.recv().await.unwrap();
                if wanted(&hint) {
                    return hint;
                }
            }
        })
        .await
    }

    async fn connected(&mut self, vault: &Vault, desk: &Desk) -> Dialled {
        let dialled = self.dial(vault, desk).await;
        self.hint(|hint| *hint == Hint::Link).await;
        dialled
    }
}

fn filing(purpose: &str) -> Filing {
    Filing {
        ticket: TicketHash([4; 32]),
        subject: Subject::Question(Text::new(purpose).unwrap()),
        purpose: Text::new(purpose).unwrap(),
        contact: None,
        recipient: Recipient::Ticket,
    }
}

fn ticket() -> Ticket {
    Ticket::from_random([9; 32])
}

#[tokio::test]
async fn every_call_reaches_the_vault_and_its_answer_comes_back() {
    let (vault, desk) = (Vault::new("vault"), Desk::new(Manner::Polite));
    let mut front = Front::open(Some(&vault)).await;
    let broker = front.lobby.broker.clone();
    let _dialled = front.connected(&vault, &desk).await;
    assert!(broker.up());
    broker.file(filing("why")).await.unwrap();
    assert_eq!(*desk.filed.lock().unwrap(), [filing("why")]);
    assert_eq!(broker.status(&ticket()).await.unwrap(), View::Ready(manifest()));
    assert_eq!(broker.withdraw(&ticket()).await.unwrap(), View::Closed);
    assert_eq!(broker.words(&ticket()).await.unwrap(), Some(delivery().receipt));
    let answer = VisitorAnswer::new("2025").unwrap();
    broker.answer(&ticket(), Nonce([3; 16]), answer.clone()).await.unwrap();
    assert_eq!(*desk.answered.lock().unwrap(), [(Nonce([3; 16]), answer)]);
    for offset in [0, 4, PAYLOAD.len()] {
        let collected = broker.collect(&ticket(), CollectionId([1; 16]), offset as u64).await.unwrap();
        let Collected::Delivery(delivery, mut body) = collected else { panic!("nothing to collect") };
        let mut bytes = Vec::new();
        while let Some(piece) = body.chunk().await.unwrap() {
            bytes.extend_from_slice(&piece);
        }
        assert_eq!((delivery.manifest.bytes, bytes.as_slice()), (PAYLOAD.len() as u64, &PAYLOAD[offset..]));
    }
}

#[tokio::test]
async fn hints_reach_everybody_who_waits() {
    let (vault, desk) = (Vault::new("vault"), Desk::new(Manner::Polite));
    let mut front = Front::open(Some(&vault)).await;
    let mut others = front.lobby.broker.changes();
    let dialled = front.connected(&vault, &desk).await;
    let hint = Hint::Request(TicketHash([5; 32]));
    dialled.events.send(Event::Changed(TicketHash([5; 32])));
    front.hint(|h| *h == hint).await;
    soon(async { while others.recv().await.unwrap() != hint {} }).await;
}

#[tokio::test]
async fn without_a_vault_the_answer_is_away() {
    let (vault, desk) = (Vault::new("vault"), Desk::new(Manner::Polite));
    let mut front = Front::open(Some(&vault)).await;
    let broker = front.lobby.broker.clone();
    assert_eq!((broker.up(), broker.status(&ticket()).await.err()), (false, Some(BrokerError::Away)));
    let dialled = front.connected(&vault, &desk).await;
    assert!(broker.up());
    dialled.link.close(Goodbye::Stopping);
    front.hint(|hint| *hint == Hint::Link).await;
    assert!(!broker.up());
    assert_eq!(broker.file(filing("why")).await, Err(BrokerError::Away));
    assert!(matches!(broker.collect(&ticket(), CollectionId([1; 16]), 0).await.err(), Some(BrokerError::Away)));
}

#[tokio::test]
async fn a_newer_link_takes_the_place_of_the_older() {
    let (vault, first, second) = (Vault::new("vault"), Desk::new(Manner::Polite), Desk::new(Manner::Polite));
    let (log, _guard) = Captured::start();
    let mut front = Front::open(Some(&vault)).await;
    let one = front.connected(&vault, &first).await;
    let two = front.connected(&vault, &second).await;
    assert!(matches!(one.ended().await, LinkError::Closed(_, Goodbye::Replaced)));
    front.lobby.broker.file(filing("why")).await.unwrap();
    assert_eq!((first.filed.lock().unwrap().len(), second.filed.lock().unwrap().len()), (0, 1));
    two.events.send(Event::Changed(TicketHash([6; 32])));
    front.hint(|hint| matches!(hint, Hint::Request(_))).await;
    assert!(front.lobby.broker.up(), "the older link's end is not the newer one's");
    let log = log.text();
    let told: Vec<&str> = log.lines().filter(|line| line.contains(" INFO ")).collect();
    let told = told.iter().filter(|line| line.contains("link") || line.contains("connected"));
    let [connected, replaced, again] = told.copied().collect::<Vec<_>>()[..] else { panic!("{log}") };
    assert!(connected.contains("the vault is connected") && again.contains("the vault is connected"), "{log}");
    assert!(replaced.contains("a newer one takes its place"), "{log}");
    two.link.close(Goodbye::Stopping);
    front.hint(|hint| *hint == Hint::Link).await;
    assert!(!front.lobby.broker.up());
}

#[tokio::test]
async fn refusals_are_passed_on_and_confusion_ends_the_link() {
    let vault = Vault::new("vault");
    let mut front = Front::open(Some(&vault)).await;
    let broker = front.lobby.broker.clone();
    let _busy = front.connected(&vault, &Desk::new(Manner::Busy)).await;
    let busy = BrokerError::Refused(Refused::Busy { retry_after: 7 });
    assert_eq!((broker.file(filing("why")).await, broker.status(&ticket()).await), (Err(busy), Err(busy)));
    assert_eq!(broker.words(&ticket()).await, Err(busy));
    let answer = || VisitorAnswer::new("2025").unwrap();
    for confuse in ["status", "words", "answer"] {
        let confused = front.connected(&vault, &Desk::new(Manner::Confused)).await;
        let error = match confuse {
            "status" => broker.status(&ticket()).await.err(),
            "words" => broker.words(&ticket()).await.err(),
            _ => broker.answer(&ticket(), Nonce([3; 16]), answer()).await.err(),
        };
        assert_eq!(error, Some(BrokerError::Broken), "{confuse}");
        assert!(matches!(confused.ended().await, LinkError::Closed(_, Goodbye::Protocol)), "{confuse}");
        // The next link's arrival is told apart from this one's end.
        front.hint(|hint| *hint == Hint::Link).await;
    }
}

#[tokio::test]
async fn a_vault_that_does_not_greet_is_turned_away() {
    let vault = Vault::new("vault");
    let front = Front::open(Some(&vault)).await;
    let foreign = front.dial(&vault, &Desk::new(Manner::Foreign)).await;
    assert!(matches!(foreign.ended().await, LinkError::Closed(_, Goodbye::Protocol)));
    assert!(!front.lobby.broker.up());
}

#[tokio::test]
async fn publications_are_fetched_at_once_and_when_announced() {
    let (vault, desk) = (Vault::new("vault"), Desk::new(Manner::Polite));
    let mut front = Front::open(Some(&vault)).await;
    desk.publish(&vault, 2);
    let dialled = front.dial(&vault, &desk).await;
    front.hint(|hint| *hint == Hint::Publication).await;
    assert_eq!(front.lobby.library.version(), 2);
    desk.publish(&vault, 5);
    dialled.events.send(Event::Published(5));
    front.hint(|hint| *hint == Hint::Publication).await;
    assert_eq!(front.lobby.library.version(), 5);
    let stored = std::fs::read_to_string(front.root.path().join("publications/current"));
    assert_eq!(stored.unwrap(), "5\n");
}

#[tokio::test]
async fn a_publication_that_does_not_verify_changes_nothing() {
    let (captured, _guard) = Captured::start();
    let (vault, desk) = (Vault::new("vault"), Desk::new(Manner::Polite));
    let mut front = Front::open(Some(&vault)).await;
    desk.publish(&vault, 2);
    let dialled = front.dial(&vault, &desk).await;
    front.hint(|hint| *hint == Hint::Publication).await;
    let (head, mut bytes) = vault.publish(3);
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    *desk.publication.lock().unwrap() = Some((3, head, bytes));
    dialled.events.send(Event::Published(3));
    soon(async {
        while !captured.text().contains("its bundle is not the one that was signed") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(front.lobby.library.version(), 2);
    assert!(front.lobby.broker.up());
}

#[tokio::test]
async fn only_the_paired_vault_is_let_in_and_only_while_it_is_paired() {
    let (vault, other, desk) = (Vault::new("vault"), Vault::new("other"), Desk::new(Manner::Polite));
    let mut front = Front::open(None).await;
    let stranger = front.dial(&vault, &desk).await;
    assert!(matches!(stranger.ended().await, LinkError::RefusedByPeer { .. }));
    desk.publish(&vault, 1);
    front.lobby.adopt(Some(Arc::new(vault.peer()))).await;
    let paired = front.connected(&vault, &desk).await;
    front.hint(|hint| *hint == Hint::Publication).await;
    assert_eq!(front.lobby.library.version(), 1);
    front.lobby.adopt(Some(Arc::new(other.peer()))).await;
    assert!(matches!(paired.ended().await, LinkError::Closed(_, Goodbye::Unpaired)));
    assert_eq!(front.lobby.library.version(), 0, "another vault's publication is not served");
    let _other = front.connected(&other, &Desk::new(Manner::Polite)).await;
    soon(async {
        while !front.lobby.broker.up() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn stopping_tells_the_vault() {
    let (vault, desk) = (Vault::new("vault"), Desk::new(Manner::Polite));
    let mut front = Front::open(Some(&vault)).await;
    let dialled = front.connected(&vault, &desk).await;
    front.stop.send_replace(true);
    assert!(matches!(dialled.ended().await, LinkError::Closed(_, Goodbye::Stopping)));
}

#[tokio::test]
async fn clocks_far_apart_are_warned_of() {
    let (captured, _guard) = Captured::start();
    let vault = Vault::new("vault");
    let mut front = Front::open(Some(&vault)).await;
    let _dialled = front.connected(&vault, &Desk::new(Manner::Ahead)).await;
    assert!(captured.text().contains("set both by NTP"), "{}", captured.text());
}

#[tokio::test]
async fn no_word_of_a_visitor_and_no_ticket_is_logged_at_any_level() {
    let (captured, _guard) = Captured::start();
    let vault = Vault::new("vault");
    let mut front = Front::open(Some(&vault)).await;
    let broker = front.lobby.broker.clone();
    for manner in [Manner::Polite, Manner::Busy, Manner::Confused] {
        let dialled = front.connected(&vault, &Desk::new(manner)).await;
        let _ = broker.file(filing("canary-4711")).await;
        let _ = broker.status(&ticket()).await;
        let _ = broker.answer(&ticket(), Nonce([3; 16]), VisitorAnswer::new("canary-4711").unwrap()).await;
        dialled.link.close(Goodbye::Done);
        front.hint(|hint| *hint == Hint::Link).await;
        let _ = broker.file(filing("canary-4711")).await;
    }
    let text = captured.text();
    assert!(text.contains("the vault is connected"), "{text}");
    assert!(!text.contains("canary") && !text.contains(&shared::ids::hex(&[9; 16])), "{text}");
}

#[test]
fn one_reason_has_one_line_in_ten_seconds() {
    let (captured, _guard) = Captured::start();
    let refusals = refusals();
    let note = |refusals: &Thinned<_>, error: &LinkError, now| {
        refusals.note(discriminant(error), error.to_string(), now);
    };
    let (start, at) = (Instant::now().into_std(), |host: u8| SocketAddr::from(([192, 0, 2, host], 1)));
    for i in 0..1000u16 {
        let now = start + Duration::from_millis(u64::from(i) * 30);
        note(&refusals, &LinkError::TimedOut(at((i % 200) as u8)), now);
    }
    note(&refusals, &LinkError::NoCertificate(at(1)), start + Duration::from_secs(30));
    refusals.flush(start + Duration::from_secs(60));
    refusals.flush(start + Duration::from_secs(120));
    let text = captured.text();
    let lines = |part: &str| text.lines().filter(|line| line.contains(part)).count();
    assert_eq!((lines("a link was refused"), lines("more links were refused")), (2, 3), "{text}");
    let counted: u64 = text.split("times=").skip(1).filter_map(|t| t.split(' ').next()?.parse::<u64>().ok()).sum();
    assert_eq!(counted, 999, "{text}");
    assert!(refusals.is_empty());
}
