//! The reception's driver: waits for the vault, greets it, and carries visitors' calls to it.
//!
//! It knows clock and network as traits alone. The daemon hands it the machine's own; the simulator in `tests` hands it
//! made-up ones, and so explores the code that ships. This module is all of the crate that others see.

use crate::library::Library;
use crate::lobby::Lobby;
use crate::peer::Peer;
use link::{Identity, LinkError, Listener, Network, Pins};
use node::Surroundings;
use shared::pairing::{BadLine, NodeName};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

pub use crate::broker::{Broker, BrokerError, Collected, Hint, Payload};

/// A reception without pages.
pub struct Driver(Lobby);

impl Driver {
    /// A reception of this name that lets one vault in, by the line which that printed, and keeps its publication in
    /// `folder`; what lies there already is not served.
    ///
    /// # Errors
    /// [`BadLine`]
    pub fn new(
        name: NodeName,
        vault: &str,
        folder: PathBuf,
        surroundings: Arc<dyn Surroundings>,
    ) -> Result<Self, BadLine> {
        let lobby = Lobby {
            name,
            broker: Broker::default(),
            library: Library::new(folder),
            pins: Pins::default(),
            paired: Arc::default(),
            surroundings,
        };
        lobby.admit(Some(Arc::new(Peer::parse(vault)?)));
        Ok(Self(lobby))
    }

    /// Visitors' way to the vault.
    pub fn broker(&self) -> Broker {
        self.0.broker.clone()
    }

    /// Opens the socket at which the vault is waited for.
    ///
    /// # Errors
    /// [`LinkError`]
    pub fn listen(&self, network: &dyn Network, at: SocketAddr, identity: &Identity) -> Result<Listener, LinkError> {
        link::listen_over(network, at, identity, self.0.pins.clone())
    }

    /// Takes links until `stop` becomes true, then ends them all.
    pub async fn run(self, listener: Listener, stop: watch::Receiver<bool>) {
        self.0.run(listener, stop).await;
    }
}
