//! Taps on everything that leaves a node in the clear: every message and payload byte of the link, and every byte of HTTP.
//!
//! The link's tap stands between the nodes as a reception to the vault and as a vault to the reception, paired with both by
//! keys of its own, so that it sees what TLS would hide. The page's tap carries bytes between a visitor and the reception.

use crate::{World, until};
use futures::FutureExt as _;
use link::{
    Body, CallError, Dialler, EventReceiver, EventSender, Handler, Identity, Link, Listener, Pins, ReplyWriter,
};
use shared::limits;
use shared::message::{Call, Reply};
use shared::pairing::{ReceptionLine, VaultLine};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// All bytes that passed a tap.
#[derive(Clone, Default)]
pub struct Tape(Arc<Mutex<Vec<u8>>>);

impl Tape {
    /// Adds what passed.
    pub fn record(&self, bytes: &[u8]) {
        let mut tape = self.0.lock().unwrap();
        tape.extend_from_slice(bytes);
        tape.push(b'\n');
    }

    fn record_message<T: serde::Serialize>(&self, message: &T) {
        self.record(&serde_json::to_vec(message).unwrap());
    }

    /// Everything so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }

    /// Bytes so far.
    pub fn length(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// The link's tap. It ends with the process.
#[derive(Clone)]
pub struct LinkTap {
    /// What went to the vault.
    pub calls: Tape,
    /// What came from it: replies, payloads and hints.
    pub replies: Tape,
}

impl LinkTap {
    /// Pairs both nodes of `world` with a tap between them, and waits until a call passes.
    pub fn between(world: &World) -> Self {
        let tap = Self { calls: Tape::default(), replies: Tape::default() };
        let reception: ReceptionLine = world.reception(&["id"]).ok().parse().unwrap();
        let (front, back) = (identity(), identity());
        let (ready, wait) = std::sync::mpsc::channel();
        let (paired, pairing) = tokio::sync::oneshot::channel();
        let (line, recorder, own) = (reception.clone(), tap.clone(), back.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let pins = Pins::default();
                let listener = link::listen("127.0.0.1:0".parse().unwrap(), &front, pins.clone()).unwrap();
                ready.send((front.pin(), listener.local_addr().unwrap())).unwrap();
                let vault: VaultLine = pairing.await.unwrap();
                pins.insert(vault.pin);
                carry(listener, Dialler::new(&own), line, recorder).await;
            });
        });
        let (pin, address) = wait.recv().unwrap();
        let line = ReceptionLine { pin, address: address.to_string().parse().unwrap(), ..reception };
        let vault: VaultLine = world.vault(&["pair", &line.to_string()]).ok().parse().unwrap();
        world.reception(&["pair", &VaultLine { pin: back.pin(), ..vault.clone() }.to_string()]).ok();
        assert!(paired.send(vault).is_ok());
        until("a call passes the tap", || (tap.replies.length() > 0).then_some(()));
        tap
    }
}

fn identity() -> Identity {
    Identity::from_pem(&Identity::generate().unwrap()).unwrap()
}

/// For each link that the vault makes, one to the reception, and everything between them.
async fn carry(listener: Listener, dialler: Dialler, reception: ReceptionLine, tap: LinkTap) {
    let (current, mut vaults) = watch::channel(None::<Link>);
    let dial = async {
        loop {
            let alive = |vault: &Option<Link>| vault.as_ref().is_some_and(|vault| vault.close_reason().is_none());
            let Ok(vault) = vaults.wait_for(alive).await.map(|vault| vault.clone().unwrap()) else { return };
            if let Ok(link) = dialler.dial(reception.address.as_str(), reception.pin).await {
                let calls = link::serve(&link, Relay { vault: vault.clone(), tap: tap.clone() });
                // A vault that dials again is greeted again.
                tokio::select! {
                    () = hints(&vault, EventSender::new(&link), &tap.replies) => {}
                    _ = calls => {}
                    _ = vaults.changed() => {}
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let accept = async {
        while let Some(accepted) = listener.accept().await {
            if let Ok(link) = accepted {
                current.send_replace(Some(link));
            }
        }
    };
    futures::future::select(dial.boxed_local(), accept.boxed_local()).await;
}

async fn hints(vault: &Link, out: EventSender, tape: &Tape) {
    let mut hints = EventReceiver::new(vault);
    while let Ok(event) = hints.next().await {
        tape.record_message(&event);
        out.send(event);
    }
}

/// Answers the reception's calls with the vault's answers.
#[derive(Clone)]
struct Relay {
    vault: Link,
    tap: LinkTap,
}

impl Handler for Relay {
    async fn handle(&self, call: Call, out: ReplyWriter) -> Result<(), CallError> {
        self.tap.calls.record_message(&call);
        let (reply, body) = self.vault.call(&call).await?;
        self.tap.replies.record_message(&reply);
        match reply {
            Reply::View(_) => out.reply_padded(&reply, limits::STATUS_REPLY).await,
            Reply::Delivery(_) | Reply::Publication(Some(_)) => self.pass(&reply, body, out).await,
            Reply::Welcome(_) | Reply::Filed | Reply::Words(_) | Reply::Publication(None) | Reply::Refused(_) => {
                out.reply(&reply).await
            }
        }
    }
}

impl Relay {
    async fn pass(&self, reply: &Reply, mut body: Body, out: ReplyWriter) -> Result<(), CallError> {
        let mut out = out.reply_then(reply).await?;
        let mut payload = Vec::new();
        let passed = async {
            while let Some(piece) = body.chunk().await? {
                payload.extend_from_slice(&piece);
                out.write(piece).await?;
            }
            Ok(())
        };
        let passed = passed.await;
        // In one, so that no word is cut in two by the edge of a piece.
        self.tap.replies.record(&payload);
        passed.map(|()| out.finish())
    }
}

/// The page's tap.
pub struct PageTap {
    /// What went to the reception.
    pub requests: Tape,
    /// What came from it.
    pub responses: Tape,
    /// Where visitors go instead, such as `http://127.0.0.1:40000`.
    pub url: String,
}

impl PageTap {
    /// A tap in front of the reception's page.
    pub fn before(world: &World) -> Self {
        let (requests, responses) = (Tape::default(), Tape::default());
        let page: SocketAddr = world.url("").trim_start_matches("http://").parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let recorders = (requests.clone(), responses.clone());
        std::thread::spawn(move || {
            for visitor in listener.incoming().flatten() {
                let Ok(reception) = TcpStream::connect(page) else { continue };
                let back = (reception.try_clone().unwrap(), visitor.try_clone().unwrap());
                let tapes = recorders.clone();
                std::thread::spawn(move || pump(visitor, reception, &tapes.0));
                std::thread::spawn(move || pump(back.0, back.1, &tapes.1));
            }
        });
        Self { requests, responses, url }
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, tape: &Tape) {
    let mut piece = vec![0; 64 * 1024];
    let mut all = Vec::new();
    while let Ok(length @ 1..) = from.read(&mut piece) {
        all.extend_from_slice(&piece[..length]);
        tape.record(&piece[..length]);
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    // Again as one, so that no word is cut in two by the edge of a read.
    tape.record(&all);
    drop(to.shutdown(std::net::Shutdown::Write));
}
