//! The reception's driver: waits for the vault, greets it, carries visitors' calls to it, and keeps requests for it while it is
//! away.
//!
//! It knows clock, network and the disk's time as traits alone. The daemon hands it the machine's own; the simulator in `tests`
//! hands it made-up ones, and so explores the code that ships.

use crate::library::Library;
use crate::lobby::Lobby;
use crate::peer::Peer;
use crate::spool::Spool;
use link::{Identity, LinkError, Listener, Network, Pins};
use node::Surroundings;
use node::files::FileError;
use shared::pairing::{BadLine, NodeName};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;

pub use crate::broker::{Broker, BrokerError, Collected, Hint, Payload};
pub use crate::courier::{Courier, Filed, NotFiled, Standing, Withdrawn};
pub use crate::spool::Offered;

/// Why a driver cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// That is no vault's line.
    #[error(transparent)]
    Line(#[from] BadLine),
    /// The sealed requests.
    #[error(transparent)]
    Spool(#[from] FileError),
}

/// A reception without pages.
pub struct Driver {
    lobby: Lobby,
    courier: Courier,
}

impl Driver {
    /// A reception of this name that lets one vault in, by the line which that printed, and keeps its publication and sealed
    /// requests in `folder`; a publication that lies there already is not served.
    ///
    /// # Errors
    /// [`DriverError`]
    pub fn new(
        name: NodeName,
        vault: &str,
        folder: &Path,
        surroundings: Arc<dyn Surroundings>,
    ) -> Result<Self, DriverError> {
        let lobby = Lobby {
            name,
            broker: Broker::default(),
            library: Library::new(folder.join("publications")),
            pins: Pins::default(),
            paired: Arc::default(),
            surroundings: surroundings.clone(),
        };
        lobby.admit(Some(Arc::new(Peer::parse(vault)?)));
        let spool = Spool::open(folder.join("spool"))?;
        let courier = Courier::new(lobby.broker.clone(), spool, lobby.paired.clone(), surroundings);
        Ok(Self { lobby, courier })
    }

    /// Visitors' way to the vault, while it is there.
    pub fn broker(&self) -> Broker {
        self.lobby.broker.clone()
    }

    /// The way of requests to it, whether it is there or not.
    pub fn courier(&self) -> Courier {
        self.courier.clone()
    }

    /// Opens the socket at which the vault is waited for.
    ///
    /// # Errors
    /// [`LinkError`]
    pub fn listen(&self, network: &dyn Network, at: SocketAddr, identity: &Identity) -> Result<Listener, LinkError> {
        link::listen_over(network, at, identity, self.lobby.pins.clone())
    }

    /// Takes links, and hands over what is kept, until `stop` becomes true; then ends all of it.
    pub async fn run(self, listener: Listener, stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.lobby.run(listener, stop) => {}
            never = self.courier.run() => match never {},
        }
    }
}
