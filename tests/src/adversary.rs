//! An adversary in the reception's place: it holds the reception's real node key, waits where the reception waited, and
//! speaks QUIC by itself, so that no code of the link keeps it from sending anything.

use crate::World;
use crate::anybody::Anybody;
use crate::tap::Tape;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, Endpoint};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use shared::frame;
use shared::limits;
use shared::message::{ALPN, Call, Hello, Name, PROTOCOLS, Reply};
use shared::time::Time;
use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::timeout;

/// The longest wait for an answer, or for the vault to dial again.
const WAIT: Duration = Duration::from_secs(40);

/// Whoever has the reception's key.
pub struct Adversary {
    runtime: Runtime,
    vault: watch::Receiver<Option<Connection>>,
    /// Hints, and whatever else the vault says without being asked.
    pub unasked: Tape,
}

/// How the adversary's side of a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// In order.
    Finished,
    /// Broken off; no answer is waited for.
    Reset,
}

impl Adversary {
    /// Ends the reception, takes its key and its address, and waits until the vault has dialled in and was greeted.
    ///
    /// # Panics
    /// When that cannot be done.
    pub fn in_place_of_the_reception(world: &mut World) -> Self {
        let home = world.reception_node().home().to_owned();
        let address = link_address(&home);
        let pem = fs::read_to_string(home.join("state/node-key.pem")).unwrap();
        // In order, so that the vault knows at once and dials again.
        assert!(world.reception_node().stop().success());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let endpoint = runtime.block_on(async { Endpoint::server(server(&pem), address).unwrap() });
        let (dialled, vault) = watch::channel(None);
        let unasked = Tape::default();
        runtime.spawn(wait(endpoint, dialled, unasked.clone()));
        let mut adversary = Self { runtime, vault, unasked };
        adversary.wait_for_the_vault();
        adversary
    }

    fn greet(&self) {
        let reply = self.ask(&Call::Hello(hello(PROTOCOLS.to_vec())));
        assert!(matches!(reply, Some(Reply::Welcome(_))), "{reply:?}");
    }

    /// The decoded reply to a call; `None` when the vault gave none that can be decoded.
    pub fn ask(&self, call: &Call) -> Option<Reply> {
        first(&self.say(&frame::encode(call).unwrap(), Ending::Finished))
    }

    /// Sends these bytes on a stream; all that comes back on it.
    ///
    /// # Panics
    /// When the vault neither answers nor ends the stream.
    pub fn say(&self, bytes: &[u8], ending: Ending) -> Vec<u8> {
        self.say_all(&[(bytes.to_vec(), ending)]).remove(0)
    }

    /// Sends each of these on a stream of its own, side by side; what comes back on each.
    ///
    /// # Panics
    /// As [`Adversary::say`].
    pub fn say_all(&self, words: &[(Vec<u8>, Ending)]) -> Vec<Vec<u8>> {
        self.runtime.block_on(async {
            let vault = self.vault.clone().wait_for(Option::is_some).await.unwrap().clone().unwrap();
            let said = words.iter().map(|(bytes, ending)| say(&vault, bytes, *ending));
            let all = timeout(WAIT, futures::future::join_all(said)).await;
            all.unwrap_or_else(|_| panic!("the vault neither answers nor ends a stream: {words:?}"))
        })
    }

    /// Says one of `words` after another, in this order, on one link and one thread; how long each took to be answered to the
    /// end, in nanoseconds, and all the different answers to each.
    pub fn time(&self, words: Vec<Vec<u8>>, order: Vec<usize>) -> (Vec<f64>, Vec<BTreeSet<Vec<u8>>>) {
        let vault = self.vault.borrow().clone().expect("there is a link");
        // On the thread that QUIC is driven on, so that no answer is passed from one to another.
        let said = self.runtime.spawn(async move {
            let (mut times, mut answers) = (Vec::with_capacity(order.len()), vec![BTreeSet::new(); words.len()]);
            let mut said = Vec::new();
            for which in order {
                // From one place, so that no time depends on where each word lies in this process.
                said.clone_from(&words[which]);
                let begun = Instant::now();
                let answer = say(&vault, &said, Ending::Finished).await;
                times.push(begun.elapsed().as_nanos() as f64);
                answers[which].insert(answer);
            }
            (times, answers)
        });
        self.runtime.block_on(said).unwrap()
    }

    /// Ends the link; the vault dials again and is greeted.
    pub fn hang_up(&mut self) {
        let vault = self.vault.borrow_and_update().clone();
        vault.expect("there is a link").close(0_u32.into(), b"");
        self.wait_for_the_vault();
    }

    /// Waits until the vault has dialled again, and greets it.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait_for_the_vault(&mut self) {
        let changed = self.runtime.block_on(async { timeout(WAIT, self.vault.changed()).await });
        changed.expect("the vault dials again").unwrap();
        self.greet();
    }

    /// Whether the vault's link is as it was.
    pub fn is_linked(&self) -> bool {
        self.vault.borrow().as_ref().is_some_and(|vault| vault.close_reason().is_none())
    }
}

/// What a reception says first.
pub fn hello(protocols: Vec<u32>) -> Hello {
    Hello { protocols, name: Name::new("front").unwrap(), version: "adversary".into(), clock: Time::from_unix(0) }
}

/// The message at the head of what came back, if there is a whole one.
pub fn first(bytes: &[u8]) -> Option<Reply> {
    let (prefix, rest) = bytes.split_first_chunk::<{ frame::PREFIX }>()?;
    frame::decode(rest.get(..frame::length(*prefix).ok()?)?).ok()
}

async fn say(vault: &Connection, bytes: &[u8], ending: Ending) -> Vec<u8> {
    let Ok((mut send, mut receive)) = vault.open_bi().await else { return Vec::new() };
    // The vault may refuse to read on; what it answers shows.
    let _ = send.write_all(bytes).await;
    if ending == Ending::Reset {
        let _ = send.reset(7_u32.into());
    } else {
        let _ = send.finish();
    }
    let mut all = Vec::new();
    while let Ok(Some(chunk)) = receive.read_chunk(limits::CHUNK, true).await {
        all.extend_from_slice(&chunk.bytes);
    }
    all
}

/// Takes every link that the vault makes, and writes down what it says unasked.
async fn wait(endpoint: Endpoint, dialled: watch::Sender<Option<Connection>>, unasked: Tape) {
    while let Some(incoming) = endpoint.accept().await {
        let Ok(vault) = incoming.await else { continue };
        dialled.send_replace(Some(vault.clone()));
        let unasked = unasked.clone();
        tokio::spawn(async move {
            while let Ok(mut stream) = vault.accept_uni().await {
                while let Ok(Some(chunk)) = stream.read_chunk(limits::CHUNK, true).await {
                    unasked.record(&chunk.bytes);
                }
            }
        });
    }
}

/// Where the reception of this folder hears its vault.
pub(crate) fn link_address(home: &Path) -> SocketAddr {
    let text = fs::read_to_string(home.join("run/addresses.toml")).unwrap();
    text.lines().find(|line| line.starts_with("link")).unwrap().split('"').nth(1).unwrap().parse().unwrap()
}

/// A server of any manners with the reception's key.
fn server(pem: &str) -> quinn::ServerConfig {
    let key = ed25519_dalek::SigningKey::from_pkcs8_pem(pem).unwrap();
    let der = KeypairBytes { secret_key: key.to_bytes(), public_key: None }.to_pkcs8_der().unwrap();
    let der = PrivatePkcs8KeyDer::from(der.as_bytes().to_vec());
    let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ED25519).unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&pair).unwrap();
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519MLKEM768];
    let provider = Arc::new(provider);
    let mut tls = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(Arc::new(Anybody(provider)))
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(der))
        .unwrap();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()))
}
