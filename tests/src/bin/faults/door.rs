//! How visitors reach the vault: through the real reception's pages, or straight over the link, where the harness stands in
//! for the reception.

use link::{Identity, Link, Listener, Pins};
use reqwest::header::{CONTENT_TYPE, COOKIE, ORIGIN};
use shared::ids::{CollectionId, ItemId, RequestId, Ticket, hex, unhex};
use shared::message::{Call, Filing, Hello, PROTOCOLS, Recipient, Refused, Reply, Subject, View};
use shared::pairing::ReceptionLine;
use shared::receipt::Receipt;
use shared::text::Text;
use shared::time::Time;
use shared::tlog::{Origin, VerifierKey};
use std::sync::Arc;
use std::time::Duration;
use tests::statistics::Dice;
use tokio::sync::watch;

/// Why there was no answer, or none that promises anything: it is asked again.
pub(crate) struct Unanswered;

/// How a request stands, for a visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Waiting,
    Ready,
    Closed,
}

/// What came of collecting.
pub(crate) enum Collected {
    /// Bytes from the asked offset on, perhaps not to their end, with their receipt where the door gives it at once.
    Bytes(Vec<u8>, Option<Box<Receipt>>),
    /// Other devices used every collection.
    Spent,
    /// There is nothing to collect.
    Nothing,
}

/// A filing that can be sent again as it is.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) seed: [u8; 32],
    pub(crate) item: ItemId,
}

const PURPOSE: &str = "An invented reference";

/// One visitor's way in.
#[derive(Clone)]
pub(crate) enum Door {
    Link(Arc<Stand>),
    Page(Page),
}

impl Door {
    /// Files; the ticket, once the vault has acknowledged it.
    pub(crate) async fn file(&self, ask: &Ask) -> Result<Ticket, Unanswered> {
        match self {
            Self::Link(stand) => {
                let ticket = Ticket::from_random(ask.seed);
                let purpose = Text::new(PURPOSE).map_err(|_| Unanswered)?;
                let subject = Subject::Item(ask.item);
                let (contact, recipient) = (None, Recipient::Ticket);
                let filing = Filing { ticket: ticket.hash(), subject, purpose, contact, recipient };
                match stand.call(&Call::File(filing)).await? {
                    (Reply::Filed, _) => Ok(ticket),
                    _ => Err(Unanswered),
                }
            }
            Self::Page(page) => page.file(ask).await,
        }
    }

    pub(crate) async fn standing(&self, ticket: &Ticket) -> Result<Standing, Unanswered> {
        match self {
            Self::Link(stand) => view(stand.call(&Call::Status { ticket: ticket.clone() }).await?.0),
            Self::Page(page) => page.standing(ticket).await,
        }
    }

    /// Takes a request back; how it stands then.
    pub(crate) async fn withdraw(&self, ticket: &Ticket) -> Result<Standing, Unanswered> {
        match self {
            Self::Link(stand) => view(stand.call(&Call::Withdraw { ticket: ticket.clone() }).await?.0),
            Self::Page(page) => {
                let sent = page.post(ticket, &CollectionId([0; 16]), "withdraw").await?;
                if sent.status().as_u16() == 303 { page.standing(ticket).await } else { Err(Unanswered) }
            }
        }
    }

    /// Collects from `offset`, and hangs up after `enough` bytes. Pages begin at the beginning.
    pub(crate) async fn collect(
        &self,
        ticket: &Ticket,
        device: CollectionId,
        offset: u64,
        enough: usize,
    ) -> Result<Collected, Unanswered> {
        match self {
            Self::Link(stand) => stand.collect(ticket, device, offset, enough).await,
            Self::Page(page) => page.save(ticket, device, enough).await,
        }
    }

    /// Whether requests may wait on this side of the vault.
    pub(crate) fn keeps(&self) -> bool {
        matches!(self, Self::Page(_))
    }

    /// Whether payloads can be asked for from an offset.
    pub(crate) fn resumes(&self) -> bool {
        matches!(self, Self::Link(_))
    }

    /// The receipt alone.
    pub(crate) async fn receipt(&self, ticket: &Ticket, device: CollectionId, end: u64) -> Result<Receipt, Unanswered> {
        match self {
            Self::Link(stand) => match stand.collect(ticket, device, end, usize::MAX).await? {
                Collected::Bytes(_, Some(receipt)) => Ok(*receipt),
                Collected::Bytes(_, None) | Collected::Spent | Collected::Nothing => Err(Unanswered),
            },
            Self::Page(page) => {
                let answer = page.post(ticket, &device, "receipt").await?;
                serde_json::from_slice(&answer.bytes().await.map_err(|_| Unanswered)?).map_err(|_| Unanswered)
            }
        }
    }
}

fn view(reply: Reply) -> Result<Standing, Unanswered> {
    let known = [(View::Waiting, Standing::Waiting), (View::Closed, Standing::Closed)];
    let Reply::View(view) = reply else { return Err(Unanswered) };
    if matches!(view, View::Ready(_)) {
        return Ok(Standing::Ready);
    }
    known.into_iter().find(|(one, _)| *one == view).map(|(_, standing)| standing).ok_or(Unanswered)
}

/// The harness in a reception's place: takes the vault's links, the newest counts.
pub(crate) struct Stand {
    newer: watch::Sender<Option<Link>>,
    pub(crate) line: ReceptionLine,
    pins: Pins,
}

impl Stand {
    /// Listens, and greets whoever dials in under a pin that is known by then.
    pub(crate) async fn open() -> Arc<Self> {
        let identity = Identity::from_pem(&Identity::generate().unwrap()).unwrap();
        let pins = Pins::default();
        let listener = link::listen("127.0.0.1:0".parse().unwrap(), &identity, pins.clone()).unwrap();
        let witness = ed25519_dalek::SigningKey::from_bytes(&[3; 32]);
        let line = ReceptionLine {
            name: "stand".parse().unwrap(),
            address: listener.local_addr().unwrap().to_string().parse().unwrap(),
            pin: identity.pin(),
            witness: VerifierKey::of(Origin::new("stand/witness").unwrap(), &witness),
        };
        let newer = watch::Sender::new(None);
        tokio::spawn(greet(listener, newer.clone()));
        Arc::new(Self { newer, line, pins })
    }

    /// Forgets the link of a vault that has ended.
    pub(crate) fn forget(&self) {
        self.newer.send_replace(None);
    }

    pub(crate) fn is_up(&self) -> bool {
        self.newer.borrow().is_some()
    }

    pub(crate) fn expect(&self, vault: shared::ids::Pin) {
        self.pins.insert(vault);
    }

    /// One call; a link that a newer one replaces has died.
    async fn call(&self, call: &Call) -> Result<(Reply, link::Body), Unanswered> {
        let mut newest = self.newer.subscribe();
        let link = newest.borrow_and_update().clone().ok_or(Unanswered)?;
        tokio::select! {
            answer = link.call(call) => answer.map_err(|_| Unanswered),
            _ = newest.changed() => Err(Unanswered),
        }
    }

    async fn collect(
        &self,
        ticket: &Ticket,
        collection: CollectionId,
        offset: u64,
        enough: usize,
    ) -> Result<Collected, Unanswered> {
        let mut newest = self.newer.subscribe();
        newest.mark_unchanged();
        match self.call(&Call::Collect { ticket: ticket.clone(), collection, offset }).await? {
            (Reply::Delivery(delivery), mut body) => {
                let mut bytes = Vec::new();
                while bytes.len() < enough {
                    tokio::select! {
                        piece = body.chunk() => match piece {
                            Ok(Some(piece)) => bytes.extend_from_slice(&piece),
                            Ok(None) | Err(_) => break,
                        },
                        _ = newest.changed() => break,
                    }
                }
                Ok(Collected::Bytes(bytes, Some(Box::new(delivery.receipt))))
            }
            (Reply::Refused(Refused::Collected), _) => Ok(Collected::Spent),
            (Reply::View(View::Closed), _) => Ok(Collected::Nothing),
            _ => Err(Unanswered),
        }
    }
}

async fn greet(listener: Listener, newer: watch::Sender<Option<Link>>) {
    while let Some(dialled) = listener.accept().await {
        let Ok(link) = dialled else { continue };
        let hello = Hello {
            protocols: PROTOCOLS.to_vec(),
            name: Text::new("stand").unwrap(),
            version: "faults".into(),
            clock: Time::from_unix(0),
        };
        if let Ok((Reply::Welcome(_), _)) = link.call(&Call::Hello(hello)).await {
            newer.send_replace(Some(link));
        }
    }
}

/// A visitor's browser, as far as it matters: forms and one cookie a request.
#[derive(Clone)]
pub(crate) struct Page {
    client: reqwest::Client,
    base: String,
    /// Where the visitor seems to come from: each has a rate limit to itself.
    address: String,
}

impl Page {
    pub(crate) fn new(base: String, dice: &mut Dice) -> Self {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        let [a, b, c] = dice.bytes();
        Self { client, base, address: format!("10.{a}.{b}.{c}") }
    }

    /// The same visitor from another address.
    pub(crate) fn moved(&self, dice: &mut Dice) -> Self {
        let [a, b, c] = dice.bytes();
        Self { address: format!("10.{a}.{b}.{c}"), ..self.clone() }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, Unanswered> {
        let request = request.header(ORIGIN, &self.base).header("x-forwarded-for", &self.address);
        request.send().await.map_err(|_| Unanswered)
    }

    pub(crate) async fn file(&self, ask: &Ask) -> Result<Ticket, Unanswered> {
        let (seed, item) = (hex(&ask.seed), ask.item.to_string());
        let form = tests::http::encode(&[("seed", &seed), ("item", &item), ("purpose", PURPOSE)]);
        let request = self.client.post(format!("{}/requests", self.base)).body(form);
        let answer = self.send(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded")).await?;
        if answer.status().as_u16() != 303 {
            return Err(Unanswered);
        }
        let cookie = answer.headers().get("set-cookie").and_then(|c| c.to_str().ok()).ok_or(Unanswered)?;
        let value = cookie.split_once('=').and_then(|(_, rest)| rest.get(..64)).ok_or(Unanswered)?;
        unhex(value).map(Ticket::from_random).map_err(|_| Unanswered)
    }

    async fn standing(&self, ticket: &Ticket) -> Result<Standing, Unanswered> {
        match self.word(ticket).await?.as_str() {
            "waiting" => Ok(Standing::Waiting),
            "ready" => Ok(Standing::Ready),
            "closed" => Ok(Standing::Closed),
            _ => Err(Unanswered),
        }
    }

    /// How a request stands, in the page's own word for it.
    pub(crate) async fn word(&self, ticket: &Ticket) -> Result<String, Unanswered> {
        let request = self.client.get(self.path(ticket, ""));
        let answer = self.send(request.header(COOKIE, cookie(ticket, &CollectionId([0; 16])))).await?;
        let text = answer.text().await.map_err(|_| Unanswered)?;
        let state = text.split("data-state=\"").nth(1).and_then(|rest| rest.split('"').next());
        state.map(str::to_owned).ok_or(Unanswered)
    }

    /// Takes a request back; the page that says what became of that.
    pub(crate) async fn take_back(&self, ticket: &Ticket) -> Result<String, Unanswered> {
        let answer = self.post(ticket, &CollectionId([0; 16]), "withdraw").await?;
        let taken = matches!(answer.status().as_u16(), 200 | 303);
        let text = answer.text().await.map_err(|_| Unanswered)?;
        if taken { Ok(text) } else { Err(Unanswered) }
    }

    /// The first page.
    pub(crate) async fn front(&self) -> Result<String, Unanswered> {
        let answer = self.send(self.client.get(&self.base)).await?;
        answer.text().await.map_err(|_| Unanswered)
    }

    async fn post(&self, ticket: &Ticket, device: &CollectionId, verb: &str) -> Result<reqwest::Response, Unanswered> {
        let request = self.client.post(self.path(ticket, &format!("/{verb}"))).body("");
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.header(COOKIE, cookie(ticket, device))).await
    }

    async fn save(&self, ticket: &Ticket, device: CollectionId, enough: usize) -> Result<Collected, Unanswered> {
        let mut answer = self.post(ticket, &device, "save").await?;
        match answer.status().as_u16() {
            200 => {}
            410 => return Ok(Collected::Spent),
            _ => return Err(Unanswered),
        }
        let mut bytes = Vec::new();
        while bytes.len() < enough {
            match answer.chunk().await.unwrap_or_default() {
                Some(piece) => bytes.extend_from_slice(&piece),
                None => break,
            }
        }
        Ok(Collected::Bytes(bytes, None))
    }

    fn path(&self, ticket: &Ticket, rest: &str) -> String {
        format!("{}/requests/{}{rest}", self.base, request(ticket))
    }
}

/// A request's public name.
pub(crate) fn request(ticket: &Ticket) -> RequestId {
    ticket.hash().request()
}

fn cookie(ticket: &Ticket, device: &CollectionId) -> String {
    format!("__Host-r-{}={}{}", request(ticket), hex(ticket.expose()), hex(&device.0))
}
