//! Two real ends on the loopback, and ends that do not play by the rules.

use crate::endpoint::{Dialler, Link, Listener, Pins, Timing, listen_with};
use crate::error::LinkError;
use crate::identity::Identity;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ConnectionError, Endpoint};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

pub(crate) fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

pub(crate) fn identity() -> Identity {
    Identity::from_pem(&Identity::generate().unwrap()).unwrap()
}

/// As the default, but a stalled peer is given up early.
pub(crate) fn impatient() -> Timing {
    Timing { stall: Duration::from_millis(300), pause: Duration::from_millis(300), ..Timing::default() }
}

/// A listener that knows one peer.
pub(crate) struct Reception {
    pub(crate) listener: Listener,
    pub(crate) identity: Identity,
    pub(crate) pins: Pins,
    pub(crate) at: SocketAddr,
}

impl Reception {
    pub(crate) fn knowing(peer: &Identity, timing: Timing) -> Self {
        let (identity, pins) = (identity(), Pins::of([peer.pin()]));
        let listener = listen_with(loopback(), &identity, pins.clone(), timing).unwrap();
        let at = listener.local_addr().unwrap();
        Self { listener, identity, pins, at }
    }

    pub(crate) async fn accept(&self) -> Result<Link, LinkError> {
        soon(self.listener.accept()).await.unwrap()
    }

    /// The error of the next handshake.
    pub(crate) async fn refusal(&self) -> LinkError {
        self.accept().await.err().unwrap()
    }
}

/// A link as the reception and as the vault see it, each with its own waiting times.
pub(crate) async fn pair(reception: Timing, vault: Timing) -> (Link, Link) {
    let identity = identity();
    let other = Reception::knowing(&identity, reception);
    let link = Dialler::with(&identity, vault).dial(&other.at.to_string(), other.identity.pin()).await.unwrap();
    (other.accept().await.unwrap(), link)
}

/// What must happen within ten seconds.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), work).await.unwrap()
}

/// Dials with any TLS, and gives the reason for which the connection ended.
pub(crate) async fn knock(tls: rustls::ClientConfig, at: SocketAddr) -> ConnectionError {
    let endpoint = Endpoint::client(loopback()).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    match soon(endpoint.connect_with(config, at, "example.org").unwrap()).await {
        Ok(connection) => soon(connection.closed()).await,
        Err(error) => error,
    }
}

/// Listens with any TLS, and shakes hands with whoever comes, until the runtime ends.
pub(crate) fn stand(tls: rustls::ServerConfig) -> SocketAddr {
    let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
    let endpoint = Endpoint::server(config, loopback()).unwrap();
    let at = endpoint.local_addr().unwrap();
    tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            if let Ok(connection) = incoming.await {
                connection.closed().await;
            }
        }
    });
    at
}
