//! Taps on everything that leaves a node in the clear: every message and payload byte of the link, and every byte of HTTP.
//!
//! The link's tap stands between the nodes as a reception to the vault and as a vault to the reception, paired with both by
//! keys of its own, so that it sees what TLS would hide. The page's tap carries bytes between a visitor and the reception.

use crate::{World, tools, until};
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
    fn record(&self, bytes: &[u8]) {
        let mut tape = self.0.lock().unwrap();
        tape.extend_from_slice(bytes);
        tape.push(b'\n');
    }

    fn record_message<T: serde::Serialize>(&self, message: &T) {
        self.record(&serde_json::to_vec(message).unwrap());
    }

    /// Whether these bytes passed, as they are, or as JSON or HTML or hexadecimal would carry them.
    pub fn holds(&self, canary: &str) -> bool {
        let tape = self.0.lock().unwrap();
        [canary.as_bytes().to_vec(), shared::ids::hex(canary.as_bytes()).into_bytes(), base64(canary)]
            .iter()
            .any(|form| tools::contains(&tape, form))
    }

    /// Bytes so far.
    pub fn length(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// The middle of the text's base64, which is in any base64 of something around it that begins on the same third byte.
fn base64(canary: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(&canary.as_bytes()[..canary.len() / 3 * 3]).into_bytes()
}

/// The link's tap. It ends with the process.
pub struct LinkTap {
    /// What passed.
    pub tape: Tape,
}

impl LinkTap {
    /// Pairs both nodes of `world` with a tap between them, and waits until a call passes.
    pub fn between(world: &World) -> Self {
        let tape = Tape::default();
        let reception: ReceptionLine = world.reception(&["id"]).ok().parse().unwrap();
        let (front, back) = (identity(), identity());
        let (ready, wait) = std::sync::mpsc::channel();
        let (paired, pairing) = tokio::sync::oneshot::channel();
        let (line, recorder, own) = (reception.clone(), tape.clone(), back.clone());
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
        until("a call passes the tap", || (tape.length() > 0).then_some(()));
        Self { tape }
    }
}

fn identity() -> Identity {
    Identity::from_pem(&Identity::generate().unwrap()).unwrap()
}

/// For each link that the vault makes, one to the reception, and everything between them.
async fn carry(listener: Listener, dialler: Dialler, reception: ReceptionLine, tape: Tape) {
    let (current, vaults) = watch::channel(None::<Link>);
    let dial = async {
        loop {
            if let Ok(link) = dialler.dial(reception.address.as_str(), reception.pin).await {
                let hints = hints(vaults.clone(), EventSender::new(&link), tape.clone());
                let calls = link::serve(&link, Relay { vaults: vaults.clone(), tape: tape.clone() });
                futures::future::select(hints.boxed_local(), calls.boxed_local()).await;
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

async fn hints(mut vaults: watch::Receiver<Option<Link>>, out: EventSender, tape: Tape) {
    loop {
        let Ok(vault) = vaults.wait_for(Option::is_some).await.map(|v| v.clone()) else { return };
        let mut hints = EventReceiver::new(&vault.unwrap());
        while let Ok(event) = hints.next().await {
            tape.record_message(&event);
            out.send(event);
        }
        if vaults.changed().await.is_err() {
            return;
        }
    }
}

/// Answers the reception's calls with the vault's answers.
#[derive(Clone)]
struct Relay {
    vaults: watch::Receiver<Option<Link>>,
    tape: Tape,
}

impl Handler for Relay {
    async fn handle(&self, call: Call, out: ReplyWriter) -> Result<(), CallError> {
        let mut vaults = self.vaults.clone();
        let Ok(vault) = vaults.wait_for(Option::is_some).await.map(|v| v.clone().unwrap()) else { return Ok(()) };
        self.tape.record_message(&call);
        let (reply, body) = vault.call(&call).await?;
        self.tape.record_message(&reply);
        match reply {
            Reply::View(_) => out.reply_padded(&reply, limits::STATUS_REPLY).await,
            Reply::Delivery(_) | Reply::Publication(Some(_)) => self.pass(&reply, body, out).await,
            Reply::Welcome(_) | Reply::Filed | Reply::Publication(None) | Reply::Refused(_) => out.reply(&reply).await,
        }
    }
}

impl Relay {
    async fn pass(&self, reply: &Reply, mut body: Body, out: ReplyWriter) -> Result<(), CallError> {
        let mut out = out.reply_then(reply).await?;
        let mut payload = Vec::new();
        while let Some(piece) = body.chunk().await? {
            payload.extend_from_slice(&piece);
            out.write(piece).await?;
        }
        // Whole, so that no word is cut in two by the edge of a piece.
        self.tape.record(&payload);
        out.finish();
        Ok(())
    }
}

/// The page's tap.
pub struct PageTap {
    /// What passed, in both directions.
    pub tape: Tape,
    /// Where visitors go instead, such as `http://127.0.0.1:40000`.
    pub url: String,
}

impl PageTap {
    /// A tap in front of the reception's page.
    pub fn before(world: &World) -> Self {
        let tape = Tape::default();
        let page: SocketAddr = world.url("").trim_start_matches("http://").parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let recorder = tape.clone();
        std::thread::spawn(move || {
            for visitor in listener.incoming().flatten() {
                let Ok(reception) = TcpStream::connect(page) else { continue };
                let back = (reception.try_clone().unwrap(), visitor.try_clone().unwrap());
                let tapes = (recorder.clone(), recorder.clone());
                std::thread::spawn(move || pump(visitor, reception, &tapes.0));
                std::thread::spawn(move || pump(back.0, back.1, &tapes.1));
            }
        });
        Self { tape, url }
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
