//! The whole page over real TCP, with a vault at the other end of a real link.

mod kept;
mod unlisted;
mod watchers;
mod words;

use super::*;
use crate::broker::Hint;
use crate::lobby::Paired;
use crate::spool::Spool;
use crate::testing::{Linked, SEALING, Vault, linked};
use ::link::{CallError, Handler, ReplyWriter};
use bytes::Bytes;
use shared::ids::{Digest, Nonce, TicketHash, unhex};
use shared::limits;
use shared::message::{Call, Delivery, Filing, Manifest, PROTOCOLS, Refused, Reply, View, Welcome};
use shared::receipt::{Format, Kind, Receipt};
use shared::text::Text;
use shared::time::Time;
use shared::tlog::{Origin, Salt};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(20);
const PAYLOAD: &[u8] = "Dear visitor, 1 < 2 — yours, Mira\n".as_bytes();

/// What the vault holds, and what it sends for a payload.
#[derive(Clone)]
struct Desk {
    views: Arc<Mutex<HashMap<TicketHash, View>>>,
    filed: Arc<Mutex<Vec<Filing>>>,
    /// The owner's words about a request.
    words: Arc<Mutex<HashMap<TicketHash, Receipt>>>,
    answered: Arc<Mutex<Vec<(Nonce, String)>>>,
    /// What answers and collections get.
    refusal: Arc<Mutex<Option<Refused>>>,
    /// What asking for the owner's words gets.
    hushed: Arc<Mutex<Option<Refused>>>,
    sent: &'static [u8],
    /// A filing, an answer or a withdrawal is taken, and its reply never comes.
    broken: Arc<AtomicBool>,
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn manifest() -> Manifest {
    Manifest {
        title: Text::new("A \"letter\"").unwrap(),
        media_type: Text::new("text/plain").unwrap(),
        bytes: PAYLOAD.len() as u64,
        sha256: Digest::of(PAYLOAD),
        not_after: Time::MAX,
    }
}

fn delivery() -> Reply {
    let receipt = Receipt {
        format: Format::V1,
        statement: "webizen statement v1\n".into(),
        signatures: vec![],
        signers: String::new(),
        log_key: String::new(),
        time: Time::MAX,
        kind: Kind::Approved,
        salt: Salt([0; 32]),
        proof: String::new(),
    };
    Reply::Delivery(Box::new(Delivery { manifest: manifest(), receipt }))
}

impl Desk {
    fn view(&self, ticket: &TicketHash) -> View {
        self.views.lock().unwrap().get(ticket).cloned().unwrap_or(View::Closed)
    }

    /// The way back for a reply, unless it is never to come.
    fn unbroken(&self, out: ReplyWriter) -> Option<ReplyWriter> {
        (!self.broken.load(Ordering::Relaxed)).then_some(out)
    }
}

impl Handler for Desk {
    async fn handle(&self, call: Call, out: ReplyWriter) -> Result<(), CallError> {
        match call {
            Call::File(filing) => {
                self.views.lock().unwrap().insert(filing.ticket, View::Waiting);
                self.filed.lock().unwrap().push(filing);
                let Some(out) = self.unbroken(out) else { return Ok(()) };
                out.reply(&Reply::Filed).await
            }
            Call::Forward { ticket, sealed } => {
                let vault = Origin::new("vault.example/1").unwrap();
                let filing = shared::seal::open(&unhex(SEALING.0).unwrap(), &vault, &ticket, &sealed).unwrap();
                self.views.lock().unwrap().insert(ticket, View::Waiting);
                self.filed.lock().unwrap().push(filing);
                out.reply(&Reply::Filed).await
            }
            Call::Status { ticket } => {
                out.reply_padded(&Reply::View(self.view(&ticket.hash())), limits::STATUS_REPLY).await
            }
            Call::Words { .. } if self.hushed.lock().unwrap().is_some() => {
                let refusal = self.hushed.lock().unwrap().unwrap();
                out.reply(&Reply::Refused(refusal)).await
            }
            Call::Words { ticket } => {
                let words = self.words.lock().unwrap().get(&ticket.hash()).cloned();
                let view = || Reply::View(self.view(&ticket.hash()));
                out.reply(&words.map_or_else(view, |receipt| Reply::Words(Box::new(receipt)))).await
            }
            Call::Answer { .. } | Call::Collect { .. } if self.refusal.lock().unwrap().is_some() => {
                let refusal = self.refusal.lock().unwrap().unwrap();
                out.reply(&Reply::Refused(refusal)).await
            }
            Call::Answer { ticket, question, text } => {
                self.answered.lock().unwrap().push((question, text.as_str().to_owned()));
                let Some(out) = self.unbroken(out) else { return Ok(()) };
                self.views.lock().unwrap().insert(ticket.hash(), View::Waiting);
                out.reply_padded(&Reply::View(View::Waiting), limits::STATUS_REPLY).await
            }
            Call::Withdraw { ticket } => {
                self.views.lock().unwrap().remove(&ticket.hash());
                let Some(out) = self.unbroken(out) else { return Ok(()) };
                out.reply_padded(&Reply::View(View::Closed), limits::STATUS_REPLY).await
            }
            Call::Collect { offset, .. } => {
                let mut payload = out.reply_then(&delivery()).await?;
                payload.write(Bytes::from_static(&self.sent[usize::try_from(offset).unwrap()..])).await?;
                payload.finish();
                Ok(())
            }
            Call::Hello(_) => {
                let clock = Time::from_unix(0);
                let welcome = Welcome { protocol: PROTOCOLS[0], name: name("vault"), version: "0".into(), clock };
                out.reply(&Reply::Welcome(welcome)).await
            }
            Call::Publications { .. } => out.reply(&Reply::Refused(Refused::Malformed)).await,
        }
    }
}

/// Whether the page knows for which vault to seal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pairing {
    Kept,
    Gone,
}

struct Front {
    address: SocketAddr,
    broker: Broker,
    courier: Courier,
    desk: Desk,
    /// Whose words count.
    owner: Vault,
    /// The vault's side, which ends when dropped.
    vault: Option<Linked>,
    stop: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<()>,
    _root: tempfile::TempDir,
}

impl Front {
    /// A page with a publication, and no vault connected.
    async fn open(sent: &'static [u8]) -> Self {
        Self::new(sent, Pairing::Kept).await
    }

    async fn new(sent: &'static [u8], pairing: Pairing) -> Self {
        let (root, vault, broker) = (tempfile::tempdir().unwrap(), Vault::new("vault"), Broker::default());
        let library = Library::new(root.path().join("publications"));
        let (head, bundle) = vault.publish(1);
        library.load(Some(&vault.peer())).unwrap();
        library.take(&vault.peer(), &head, &bundle).unwrap();
        let peer = (pairing == Pairing::Kept).then(|| Arc::new(vault.peer()));
        let paired = Arc::new(Paired::new(peer));
        let spool = Spool::open(root.path().join("spool")).unwrap();
        let courier = Courier::new(broker.clone(), spool, paired.clone(), Arc::new(node::Machine));
        let settings = WebSettings { name: name("Mira"), trusted_proxies: vec![], secure_cookies_public_origin: None };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let site = Site { broker: broker.clone(), courier: courier.clone(), library, paired, settings };
        let router = router(site);
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(serve(listener, router, async { stopped.await.unwrap_or_default() }));
        let desk = Desk {
            views: Arc::default(),
            filed: Arc::default(),
            words: Arc::default(),
            answered: Arc::default(),
            refusal: Arc::default(),
            hushed: Arc::default(),
            sent,
            broken: Arc::default(),
        };
        Self { address, broker, courier, desk, owner: vault, vault: None, stop, served, _root: root }
    }

    async fn connected(sent: &'static [u8]) -> Self {
        let mut front = Self::open(sent).await;
        front.connect().await;
        front
    }

    async fn connect(&mut self) {
        self.vault = Some(linked(&self.broker, self.desk.clone()).await);
    }

    /// Sends one request and reads the whole response: its head and its body as it came.
    async fn send(&self, line: &str, cookie: &str, body: &str) -> (String, String) {
        let host = self.address;
        let kind = "application/x-www-form-urlencoded";
        let request = format!(
            "{line} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nCookie: {cookie}\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        self.raw(request.as_bytes()).await
    }

    async fn raw(&self, request: &[u8]) -> (String, String) {
        let mut tcp = TcpStream::connect(self.address).await.unwrap();
        tcp.write_all(request).await.unwrap();
        let mut response = Vec::new();
        timeout(LIMIT, tcp.read_to_end(&mut response)).await.unwrap().unwrap();
        let response = String::from_utf8(response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    /// Files a request; its path and its cookie.
    async fn file(&self) -> (String, String) {
        let (head, _) = self.send("POST /requests", "", "question=Why%3F&purpose=To+know&contact=").await;
        assert!(head.starts_with("HTTP/1.1 303"), "{head}");
        let line = |name: &str| head.lines().find_map(|l| l.strip_prefix(name)).unwrap().to_owned();
        (line("location: "), line("set-cookie: ").split(';').next().unwrap().to_owned())
    }

    fn release(&self) {
        self.turn(&View::Ready(manifest()));
    }

    /// Every request stands like this from now on.
    fn turn(&self, to: &View) {
        for (ticket, view) in self.desk.views.lock().unwrap().iter_mut() {
            *view = to.clone();
            self.broker.hint(Hint::Request(*ticket));
        }
    }
}

fn status(response: &(String, String)) -> &str {
    response.0.split(' ').nth(1).unwrap()
}

#[tokio::test]
async fn without_a_vault_the_page_answers_and_keeps_words() {
    let front = Front::open(PAYLOAD).await;
    let home = front.send("GET /", "", "").await;
    assert!(
        home.1.contains("Mira Example") && home.1.contains("machine is away") && home.1.contains("Curriculum vitae")
    );
    assert!(home.0.contains("content-security-policy: default-src 'none'; style-src 'self'"), "{}", home.0);
    let answer = front.send("POST /ask", "", "question=when+is+the+garden+open").await;
    assert!(answer.1.contains("The garden is open on Sundays.") && answer.1.contains("closest thing published"));
    let front = Front::new(PAYLOAD, Pairing::Gone).await;
    let away = front.send("POST /requests", "", "question=A+%3Cb%3E&purpose=canary-purpose").await;
    assert_eq!(status(&away), "503");
    assert!(away.0.contains("retry-after: ") && away.1.contains("A &#60;b&#62;") && away.1.contains("canary-purpose"));
    assert!(away.1.contains("no owner’s machine to bring your request to"), "{}", away.1);
    assert!(!away.0.contains("set-cookie"));
}

#[tokio::test]
async fn a_request_is_filed_waited_for_read_saved_and_receipted() {
    let front = Front::connected(PAYLOAD).await;
    let (path, cookie) = front.file().await;
    assert_eq!(front.desk.filed.lock().unwrap()[0].purpose.as_str(), "To know");
    let waiting = front.send(&format!("GET {path}"), &cookie, "").await;
    assert!(
        waiting.1.contains("data-state=\"waiting\"")
            && waiting.1.contains("/withdraw")
            && waiting.0.contains("no-store")
    );
    front.release();
    let ready = front.send(&format!("GET {path}"), &cookie, "").await;
    assert!(ready.1.contains("A &#34;letter&#34;") && ready.1.contains("Read it here"), "{}", ready.1);
    let shown = front.send(&format!("POST {path}/show"), &cookie, "").await;
    assert!(shown.1.contains("Dear visitor, 1 &lt; 2 — yours, Mira") && shown.1.contains("Complete."));
    let saved = front.send(&format!("POST {path}/save"), &cookie, "").await;
    assert_eq!(saved.1.as_bytes(), PAYLOAD);
    assert!(saved.0.contains("attachment; filename=\"A -letter.txt\"") && saved.0.contains("sandbox"), "{}", saved.0);
    let receipt = front.send(&format!("POST {path}/receipt"), &cookie, "").await;
    assert_eq!(serde_json::from_str::<Receipt>(&receipt.1).unwrap().format, Format::V1);
}

#[tokio::test]
async fn the_same_form_and_a_return_code_leave_a_browser_one_device() {
    let front = Front::connected(PAYLOAD).await;
    let set = |response: &(String, String)| {
        let line = response.0.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        line.split(';').next().unwrap().to_owned()
    };
    let form = format!("seed={}&question=Why%3F&purpose=To+know&contact=", "5a".repeat(32));
    let cookie = set(&front.send("POST /requests", "", &form).await);
    assert_eq!(set(&front.send("POST /requests", &cookie, &form).await), cookie, "sent twice");
    let path = format!("/requests/{}", cookie.strip_prefix("__Host-r-").and_then(|c| c.split('=').next()).unwrap());
    let page = front.send(&format!("GET {path}"), &cookie, "").await.1;
    let code = page.split("id=\"code\">").nth(1).and_then(|rest| rest.split('<').next()).unwrap();
    assert_eq!(set(&front.send("POST /return", &cookie, &format!("code={code}")).await), cookie);
    assert_ne!(set(&front.send("POST /requests", "", &form).await), cookie, "another browser is another device");
}

#[tokio::test]
async fn the_page_hears_of_the_release_by_itself() {
    let front = Front::connected(PAYLOAD).await;
    let (path, cookie) = front.file().await;
    let mut tcp = TcpStream::connect(front.address).await.unwrap();
    let request = format!("GET {path}/events HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("event: changed\ndata: waiting\n\n") {
        assert_ne!(timeout(LIMIT, tcp.read_buf(&mut seen)).await.unwrap().unwrap(), 0);
    }
    front.release();
    timeout(LIMIT, tcp.read_to_end(&mut seen)).await.unwrap().unwrap();
    assert!(String::from_utf8(seen).unwrap().contains("event: changed\ndata: ready\n\n"));
}

#[tokio::test]
async fn what_was_not_signed_is_not_taken_for_whole() {
    let front = Front::connected("Dear visitor, 1 < 3 — yours, Mira\n".as_bytes()).await;
    let (path, cookie) = front.file().await;
    front.release();
    let saved = front.send(&format!("POST {path}/save"), &cookie, "").await;
    assert!(status(&saved) == "502" && saved.1.contains("not what the owner signed") && !saved.1.contains("Dear"));
    let shown = front.send(&format!("POST {path}/show"), &cookie, "").await;
    assert!(shown.1.contains("not what was signed") && !shown.1.contains("Complete."));
}

#[tokio::test]
async fn strangers_and_strange_codes_see_one_page() {
    let front = Front::connected(PAYLOAD).await;
    let (path, cookie) = front.file().await;
    let never = "/requests/00000000000000000000000000000000";
    let pages = [
        front.send(&format!("GET {path}"), "", "").await,
        front.send(&format!("GET {path}"), &cookie.replace("=", "=00"), "").await,
        front.send(&format!("GET {never}"), &cookie, "").await,
        front.send("GET /requests/x", "", "").await,
        front.send(&format!("POST {path}/save"), "", "").await,
        front.send(&format!("GET {path}/events"), "", "").await,
    ];
    for page in &pages {
        assert_eq!((status(page), &page.1), ("404", &pages[0].1));
    }
    let code = shared::ids::Ticket::from_random([9; 32]).return_code();
    let back = front.send("POST /return", "", &format!("code={code}")).await;
    assert!(back.0.contains("303") && back.0.contains("__Host-r-"));
    let typo = front.send("POST /return", "", "code=ABC").await;
    assert!(status(&typo) == "422" && typo.1.contains("54 letters and digits; this one has 3"));
    let withdrawn = front.send(&format!("POST {path}/withdraw"), &cookie, "").await;
    assert_eq!(status(&withdrawn), "303");
    assert!(front.send(&format!("GET {path}"), &cookie, "").await.1.contains("data-state=\"closed\""));
}

#[tokio::test]
async fn strange_requests_get_clear_pages() {
    let front = Front::open(PAYLOAD).await;
    let rows = [
        ("POST /ask", "question=%ff", "400"),
        ("POST /ask", "question=1&question=2", "400"),
        ("GET /requests/new?item=1&item=2", "", "400"),
        ("GET /published/%ff", "", "400"),
        ("GET /published/99", "", "404"),
        ("GET /nothing", "", "404"),
        ("DELETE /ask", "", "405"),
        ("POST /requests", "question=&purpose=", "422"),
        ("GET /requests/new?item=00000000000000000000000000000000", "", "404"),
        ("POST /requests", "item=0&purpose=x", "404"),
    ];
    for (line, body, expected) in rows {
        let response = front.send(line, "", body).await;
        assert_eq!(status(&response), expected, "{line} {body}");
        assert!(response.1.contains("<h1>") && response.0.contains("content-security-policy"), "{line}");
    }
    let long = front.send("POST /ask", "", &"a".repeat(guard::FORM + 1)).await;
    assert_eq!(status(&long), "413");
    let foreign = front.raw(b"POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status(&foreign), "403");
}

#[tokio::test]
async fn behind_a_proxy_that_hides_the_address_the_page_says_that_it_is_no_fault_of_the_visitors() {
    let front = Front::open(PAYLOAD).await;
    let form = |site: &str| {
        format!(
            "POST /ask HTTP/1.1\r\nHost: inner\r\nOrigin: https://ask.example.org\r\nSec-Fetch-Site: {site}\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n"
        )
    };
    let own = front.raw(form("same-origin").as_bytes()).await;
    assert_eq!(status(&own), "403");
    for words in ["does not know the address", "no fault of yours", "copy your words", "tell the owner"] {
        assert!(own.1.contains(words), "{words} is not in {}", own.1);
    }
    let other = front.raw(form("cross-site").as_bytes()).await;
    assert!(status(&other) == "403" && other.1.contains("not sent from this page"), "{}", other.1);
}

#[tokio::test]
async fn words_that_came_too_often_are_given_back() {
    let front = Front::new(PAYLOAD, Pairing::Gone).await;
    let body = "seed=&question=A+%3Cb%3E&purpose=canary-purpose&contact=me";
    for _ in 0..guard::FILINGS {
        assert_eq!(status(&front.send("POST /requests", "", body).await), "503");
    }
    let kept = front.send("POST /requests", "", body).await;
    assert!(status(&kept) == "429" && kept.0.contains("retry-after: "), "{}", kept.0);
    for words in ["A &#60;b&#62;", "canary-purpose", "value=\"me\"", "Please wait", "second", "Your words are still"] {
        assert!(kept.1.contains(words), "{words} is not in {}", kept.1);
    }
    let mut asked = front.send("POST /ask", "", "question=%22garden%22").await;
    for _ in 0..2 * guard::ACTS {
        if status(&asked) == "429" {
            break;
        }
        asked = front.send("POST /ask", "", "question=%22garden%22").await;
    }
    assert!(status(&asked) == "429" && asked.0.contains("retry-after: "), "{}", asked.0);
    assert!(asked.1.contains("value=\"&#34;garden&#34;\"") && asked.1.contains("Please wait"), "{}", asked.1);
}

#[tokio::test]
async fn a_link_that_breaks_leaves_it_open_whether_the_request_arrived() {
    let mut front = Front::new(PAYLOAD, Pairing::Gone).await;
    front.connect().await;
    front.desk.broken.store(true, Ordering::Relaxed);
    let broken = front.send("POST /requests", "", "question=Why%3F&purpose=To+know&contact=").await;
    assert!(status(&broken) == "503" && broken.0.contains("retry-after: "), "{}", broken.0);
    assert!(broken.1.contains("It is not known whether your words arrived.") && broken.1.contains("count once"));
}

#[tokio::test]
async fn the_server_stops_in_order() {
    let front = Front::open(PAYLOAD).await;
    let mut idle = TcpStream::connect(front.address).await.unwrap();
    assert_eq!(front.send("GET /healthz", "", "").await.1, "ok\n");
    front.stop.send(()).unwrap();
    timeout(LIMIT, front.served).await.unwrap().unwrap();
    assert_eq!(timeout(LIMIT, idle.read(&mut [0; 8])).await.unwrap().unwrap(), 0);
}
