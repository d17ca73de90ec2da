//! Listening, dialling, and the link that either gives.

use crate::error::{Explainer, LinkError, Side};
use crate::identity::Identity;
use crate::network::{self, Network, System};
use crate::tls::{self, Verdict};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{Connection, Endpoint, EndpointConfig, Incoming};
use quinn::{TransportConfig, VarInt, congestion::CubicConfig};
use rustls::pki_types::CertificateDer;
use shared::ids::Pin;
use shared::limits;
use std::collections::HashSet;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore, mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// Addresses of one name that a dial tries.
const ADDRESSES: usize = 8;
/// Ended handshakes that wait for [`Listener::accept`].
const BACKLOG: usize = 16;

/// How long this side waits. The default is what [`shared::limits`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// A peer that makes no progress in a call for this long is given up.
    pub stall: Duration,
    /// The longest that the reader of a payload may take nothing of it.
    pub pause: Duration,
    /// A handshake must be through in this time.
    pub handshake: Duration,
    /// A silent link is dead after this.
    pub idle: Duration,
    /// A quiet link is kept alive this often.
    pub keep_alive: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            stall: Duration::from_secs(limits::STALL),
            pause: Duration::from_secs(limits::PAUSE),
            handshake: Duration::from_secs(limits::STALL),
            idle: Duration::from_secs(limits::IDLE),
            keep_alive: Duration::from_secs(limits::KEEP_ALIVE),
        }
    }
}

/// The pins of the paired peers. Clones share one set; removing a pin ends its links at once.
#[derive(Debug, Clone, Default)]
pub struct Pins(Arc<watch::Sender<HashSet<Pin>>>);

impl Pins {
    /// The set of these pins.
    pub fn of(pins: impl IntoIterator<Item = Pin>) -> Self {
        let set = Self::default();
        set.replace(pins);
        set
    }

    /// Adds a pin; tells whether it is new.
    pub fn insert(&self, pin: Pin) -> bool {
        self.0.send_if_modified(|set| set.insert(pin))
    }

    /// Takes a pin out; tells whether it was there.
    pub fn remove(&self, pin: &Pin) -> bool {
        self.0.send_if_modified(|set| set.remove(pin))
    }

    /// Whether this peer is paired now.
    pub fn contains(&self, pin: &Pin) -> bool {
        self.0.borrow().contains(pin)
    }

    /// Puts these in the place of all.
    pub fn replace(&self, pins: impl IntoIterator<Item = Pin>) {
        let _ = self.0.send_replace(pins.into_iter().collect());
    }

    /// Completes once the pin is not in the set.
    async fn gone(&self, pin: Pin) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|set| !set.contains(&pin)).await;
    }
}

/// Why a side ends a link in order; crosses the wire as the QUIC application error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goodbye {
    /// Nothing more to say.
    Done,
    /// The process is stopping.
    Stopping,
    /// The pairing was taken back.
    Unpaired,
    /// A newer link of the same peer takes its place.
    Replaced,
    /// The peer broke the protocol, or speaks no version of it that we do.
    Protocol,
    /// A code that this build does not know.
    Other(u64),
}

impl Goodbye {
    pub(crate) fn of(code: u64) -> Self {
        let known = [Self::Done, Self::Stopping, Self::Unpaired, Self::Replaced, Self::Protocol];
        known.into_iter().find(|reason| reason.code() == code).unwrap_or(Self::Other(code))
    }

    fn code(self) -> u64 {
        match self {
            Self::Done => 0,
            Self::Stopping => 1,
            Self::Unpaired => 2,
            Self::Replaced => 3,
            Self::Protocol => 4,
            Self::Other(code) => code,
        }
    }
}

impl fmt::Display for Goodbye {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("nothing more to say"),
            Self::Stopping => f.write_str("it is stopping"),
            Self::Unpaired => f.write_str("the pairing was taken back there; pair again if that was a mistake"),
            Self::Replaced => f.write_str(
                "another process with the same key has dialled in and took its place; is a copy of this node running?",
            ),
            Self::Protocol => f.write_str("it found a breach of the protocol; compare both versions"),
            Self::Other(code) => write!(f, "reason {code}, unknown to this version"),
        }
    }
}

/// One connection to one authenticated peer. Clones share it; it ends when closed, by either side, or when the last clone
/// is gone.
#[derive(Clone)]
pub struct Link(Arc<Inner>);

struct Inner {
    endpoint: Endpoint,
    connection: Connection,
    peer: Pin,
    explainer: Explainer,
    timing: Timing,
    /// On the listening side: ends the link when its peer is unpaired. It holds the connection, so it must end with us.
    _guard: Option<Guard>,
}

/// A task that lives no longer than this.
struct Guard(AbortHandle);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Link {
    fn new(
        endpoint: Endpoint,
        connection: Connection,
        explainer: Explainer,
        timing: Timing,
        pins: Option<Pins>,
    ) -> Result<Self, LinkError> {
        let certs = connection.peer_identity().and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok());
        let cert = certs.as_ref().and_then(|certs| certs.first()).ok_or(LinkError::NoCertificate(explainer.from))?;
        let refused = |fault| LinkError::Refused { from: explainer.from, fault, side: explainer.side };
        let peer = tls::pin(cert).map_err(refused)?;
        let watch = |pins| tokio::spawn(end_when_unpaired(connection.clone(), peer, pins)).abort_handle();
        let _guard = pins.map(watch).map(Guard);
        Ok(Self(Arc::new(Inner { endpoint, connection, peer, explainer, timing, _guard })))
    }

    /// The peer's pin.
    pub fn peer(&self) -> Pin {
        self.0.peer
    }

    /// The peer's address at this moment; it may change while the link lives (RFC 9000, section 9).
    pub fn remote(&self) -> SocketAddr {
        self.0.connection.remote_address()
    }

    /// Which end this is.
    pub fn side(&self) -> Side {
        self.0.explainer.side
    }

    /// Completes when the link has ended, with the reason.
    pub async fn closed(&self) -> LinkError {
        self.explain(self.0.connection.closed().await)
    }

    /// The reason, if the link has ended.
    pub fn close_reason(&self) -> Option<LinkError> {
        self.0.connection.close_reason().map(|e| self.explain(e))
    }

    /// Ends the link at once; what is still in flight is lost. A process that ends right after must await
    /// [`Self::drained`] first, or the peer notices only after its idle time.
    pub fn close(&self, reason: Goodbye) {
        self.0.connection.close(VarInt::from_u64(reason.code()).unwrap_or_default(), b"");
    }

    /// Completes when this socket's closed connections have told their peers; for the moments before a process ends.
    pub async fn drained(&self) {
        self.0.endpoint.wait_idle().await;
    }

    pub(crate) fn quic(&self) -> &Connection {
        &self.0.connection
    }

    pub(crate) fn timing(&self) -> &Timing {
        &self.0.timing
    }

    pub(crate) fn explain(&self, error: quinn::ConnectionError) -> LinkError {
        self.0.explainer.explain(error)
    }
}

/// A socket that takes links from paired peers.
pub struct Listener {
    endpoint: Endpoint,
    ended: Mutex<mpsc::Receiver<Result<Link, LinkError>>>,
}

/// Listens on UDP `address` (port 0 lets the system choose, `[::]` takes IPv4 too). To be called inside a tokio runtime,
/// which the link then lives on.
///
/// # Errors
/// [`LinkError::Socket`], [`LinkError::Tls`]
pub fn listen(address: SocketAddr, identity: &Identity, pins: Pins) -> Result<Listener, LinkError> {
    listen_with(address, identity, pins, Timing::default())
}

/// As [`listen`], with other waiting times.
///
/// # Errors
/// As [`listen`].
pub fn listen_with(address: SocketAddr, who: &Identity, pins: Pins, timing: Timing) -> Result<Listener, LinkError> {
    admit(&System, address, who, pins, timing, Crowd::default())
}

/// As [`listen`], on another network.
///
/// # Errors
/// As [`listen`].
pub fn listen_over(net: &dyn Network, address: SocketAddr, who: &Identity, pins: Pins) -> Result<Listener, LinkError> {
    admit(net, address, who, pins, Timing::default(), Crowd::default())
}

fn admit(
    network: &dyn Network,
    address: SocketAddr,
    who: &Identity,
    pins: Pins,
    timing: Timing,
    crowd: Crowd,
) -> Result<Listener, LinkError> {
    let verdict = Verdict::default();
    let mut config = quinn::ServerConfig::with_crypto(server_crypto(who, &pins, &verdict)?);
    config.transport_config(Arc::new(transport(0, 1, timing)));
    config.max_incoming(crowd.most);
    let endpoint = open(network, address, who.endpoint(), Some(config.clone()))?;
    let (ready, ended) = mpsc::channel(BACKLOG);
    let door = Door { endpoint: endpoint.clone(), config, identity: who.clone(), pins, timing, ready };
    tokio::spawn(door.keep(crowd));
    Ok(Listener { endpoint, ended: Mutex::new(ended) })
}

impl Listener {
    /// The next link, or the reason why a handshake failed (anybody can cause these: log them at a bounded rate). `None`
    /// after [`Self::close`]. Handshakes go on side by side; dropping the future loses nothing.
    pub async fn accept(&self) -> Option<Result<Link, LinkError>> {
        self.ended.lock().await.recv().await
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system's, when it cannot tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Ends every link taken here and takes no more. A process that ends right after must await [`Self::drained`] first.
    pub fn close(&self) {
        self.endpoint.close(VarInt::from_u64(Goodbye::Stopping.code()).unwrap_or_default(), b"");
    }

    /// Completes when the closed links' peers have been told.
    pub async fn drained(&self) {
        self.endpoint.wait_idle().await;
    }
}

/// How many handshakes may be in progress.
#[derive(Debug, Clone, Copy)]
struct Crowd {
    /// From here on an address must prove itself by a Retry (RFC 9000, section 8.1.2), which costs us no state.
    proof: usize,
    /// From here on newcomers are not answered.
    most: usize,
}

impl Default for Crowd {
    fn default() -> Self {
        Self { proof: 32, most: 256 }
    }
}

/// Takes the handshakes of one listener, each in a task of its own.
struct Door {
    endpoint: Endpoint,
    config: quinn::ServerConfig,
    identity: Identity,
    pins: Pins,
    timing: Timing,
    ready: mpsc::Sender<Result<Link, LinkError>>,
}

impl Door {
    async fn keep(self, crowd: Crowd) {
        let door = Arc::new(self);
        let room = Arc::new(Semaphore::new(crowd.most));
        loop {
            let incoming = tokio::select! {
                incoming = door.endpoint.accept() => incoming,
                () = door.ready.closed() => return,
            };
            let Some(incoming) = incoming else { return };
            let Ok(place) = room.clone().try_acquire_owned() else {
                incoming.ignore();
                continue;
            };
            let inside = crowd.most - room.available_permits() - 1;
            if inside >= crowd.proof && !incoming.remote_address_validated() && incoming.may_retry() {
                // Cannot fail: `may_retry` was asked.
                let _ = incoming.retry();
                continue;
            }
            let door = door.clone();
            tokio::spawn(async move {
                let ended = door.shake(incoming).await;
                // Fails only when the listener is gone, and then nobody wants to know.
                let _ = door.ready.send(ended).await;
                drop(place);
            });
        }
    }

    async fn shake(&self, incoming: Incoming) -> Result<Link, LinkError> {
        let (from, verdict) = (incoming.remote_address(), Verdict::default());
        let mut config = self.config.clone();
        config.crypto = server_crypto(&self.identity, &self.pins, &verdict)?;
        let explainer = Explainer { from, side: Side::Listener, own: self.identity.pin(), verdict };
        let connecting = incoming.accept_with(Arc::new(config)).map_err(|e| explainer.explain(e))?;
        let connection = timeout(self.timing.handshake, connecting).await.map_err(|_| LinkError::TimedOut(from))?;
        let connection = connection.map_err(|e| explainer.explain(e))?;
        Link::new(self.endpoint.clone(), connection, explainer, self.timing, Some(self.pins.clone()))
    }
}

async fn end_when_unpaired(connection: Connection, peer: Pin, pins: Pins) {
    tokio::select! {
        _ = connection.closed() => {}
        () = pins.gone(peer) => connection.close(VarInt::from_u64(Goodbye::Unpaired.code()).unwrap_or_default(), b""),
    }
}

/// Dials paired listeners.
pub struct Dialler {
    identity: Identity,
    timing: Timing,
    network: Arc<dyn Network>,
}

impl Dialler {
    /// Dials as this node.
    pub fn new(identity: &Identity) -> Self {
        Self::with(identity, Timing::default())
    }

    /// As [`Self::new`], with other waiting times.
    pub fn with(identity: &Identity, timing: Timing) -> Self {
        Self { identity: identity.clone(), timing, network: Arc::new(System) }
    }

    /// As [`Self::new`], on another network.
    pub fn over(network: Arc<dyn Network>, identity: &Identity) -> Self {
        Self { network, ..Self::new(identity) }
    }

    /// A link to the node with this pin at `host:port`. The name is resolved anew each time and its addresses are tried in
    /// turn; each dial has its own UDP socket. The peer has not judged us yet when this returns (see the crate's head).
    ///
    /// # Errors
    /// [`LinkError`]; with several addresses, the first that tells more than silence.
    pub async fn dial(&self, address: &str, pin: Pin) -> Result<Link, LinkError> {
        let unresolved = |source| LinkError::Resolve { address: address.to_owned(), source };
        let found = tokio::net::lookup_host(address).await.map_err(unresolved)?;
        let mut failed: Option<LinkError> = None;
        for at in found.take(ADDRESSES) {
            match self.dial_at(at, pin).await {
                Ok(link) => return Ok(link),
                Err(e) if failed.as_ref().is_none_or(is_silence) => failed = Some(e),
                Err(_) => {}
            }
        }
        Err(failed.unwrap_or_else(|| LinkError::NoAddress(address.to_owned())))
    }

    async fn dial_at(&self, at: SocketAddr, pin: Pin) -> Result<Link, LinkError> {
        let verdict = Verdict::default();
        let tls = tls::client(&self.identity, pin, &verdict).map_err(|e| LinkError::Tls(e.to_string()))?;
        let crypto = QuicClientConfig::try_from(tls).map_err(|e| LinkError::Tls(e.to_string()))?;
        let mut config = quinn::ClientConfig::new(Arc::new(crypto));
        config.transport_config(Arc::new(transport(limits::CALLS, 0, self.timing)));
        let any = if at.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let endpoint = open(&*self.network, SocketAddr::new(any, 0), EndpointConfig::default(), None)?;
        let explainer = Explainer { from: at, side: Side::Dialler, own: self.identity.pin(), verdict };
        // The name is never sent (SNI is off) and never compared.
        let connecting = endpoint.connect_with(config, at, "node.invalid");
        let connecting = connecting.map_err(|_| LinkError::NoAddress(at.to_string()))?;
        let connection = timeout(self.timing.handshake, connecting).await.map_err(|_| LinkError::TimedOut(at))?;
        Link::new(endpoint, connection.map_err(|e| explainer.explain(e))?, explainer, self.timing, None)
    }
}

/// Whether an error says no more than that nothing came back.
fn is_silence(error: &LinkError) -> bool {
    matches!(error, LinkError::TimedOut(_) | LinkError::Socket { .. } | LinkError::NoAddress(_))
}

fn server_crypto(who: &Identity, pins: &Pins, verdict: &Verdict) -> Result<Arc<QuicServerConfig>, LinkError> {
    let tls = tls::server(who, pins, verdict).map_err(|e| LinkError::Tls(e.to_string()))?;
    QuicServerConfig::try_from(tls).map(Arc::new).map_err(|e| LinkError::Tls(e.to_string()))
}

/// QUIC as both sides speak it; `calls` and `hints` are the streams that the peer may have open at once.
fn transport(calls: u32, hints: u32, timing: Timing) -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(calls.into())
        .max_concurrent_uni_streams(hints.into())
        .receive_window(limits::LINK_WINDOW.into())
        .stream_receive_window(limits::STREAM_WINDOW.into())
        .send_window(limits::LINK_WINDOW.into())
        .max_idle_timeout(timing.idle.try_into().ok())
        .keep_alive_interval(Some(timing.keep_alive))
        .datagram_receive_buffer_size(None)
        .congestion_controller_factory(Arc::new(CubicConfig::default()))
        .enable_segmentation_offload(true);
    transport
}

fn open(
    network: &dyn Network,
    address: SocketAddr,
    config: EndpointConfig,
    server: Option<quinn::ServerConfig>,
) -> Result<Endpoint, LinkError> {
    network::open(network, address, config, server).map_err(|source| LinkError::Socket { address, source })
}

#[cfg(test)]
mod tests;
