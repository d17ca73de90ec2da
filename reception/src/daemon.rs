//! `reception serve`: the process, from reading its configuration to its orderly end.
//!
//! Pages are served on a runtime of two threads. The link has a thread and a single-threaded runtime to itself, which
//! halves the time of a call; visitors' calls use its handles directly.

use crate::broker::Broker;
use crate::config::{Config, ConfigError};
use crate::courier::Courier;
use crate::home::{Home, HomeError};
use crate::keys::{Keys, KeysError};
use crate::library::Library;
use crate::lobby::Lobby;
use crate::peer::{PeerError, PeerFile};
use crate::spool::Spool;
use crate::web;
use link::{Identity, LinkError, Pins};
use node::Thinned;
use node::files::{self, FileError};
use sd_notify::NotifyState;
use serde::{Deserialize, Serialize};
use shared::message::Name;
use shared::text::BadText;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::{self, Handle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};

/// Threads that serve pages.
const WORKERS: usize = 2;
/// How often the paired vault's file is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Why the reception did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeysError),
    /// The paired vault.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// A file or folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The sealed requests.
    #[error(transparent)]
    Spool(#[from] FileError),
    /// Pages cannot be served there.
    #[error("cannot listen on {address} for pages (http.listen): {source}{}", advice(source, "http.listen"))]
    Http {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The vault cannot be waited for there.
    #[error("cannot listen on UDP {address} for the vault (link.listen): {source}{}", advice(source, "link.listen"))]
    Link {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The link cannot be set up otherwise.
    #[error(transparent)]
    Setup(LinkError),
    /// The system refuses threads or signals.
    #[error("the system refuses what a server needs: {0}")]
    System(#[from] io::Error),
    /// The name is not one that messages carry.
    #[error("the name in the configuration cannot be used: {0}")]
    Name(#[from] BadText),
    /// The link's thread has died.
    #[error("the link's thread ended by itself; its last log line tells why")]
    LinkEnded,
    /// What hands sealed requests over has died.
    #[error("what hands sealed requests over ended by itself, and none of them is lost; the last log line tells why")]
    CourierEnded,
}

impl ServeError {
    /// How the process ends.
    pub(crate) fn exit(&self) -> u8 {
        match self {
            Self::Config(error) => error.exit(),
            Self::Key(error) => error.exit(),
            Self::Peer(error) => error.exit(),
            Self::Home(error) => error.exit(),
            Self::Spool(error) => error.exit(),
            Self::Http { .. }
            | Self::Link { .. }
            | Self::Setup(_)
            | Self::System(_)
            | Self::Name(_)
            | Self::LinkEnded
            | Self::CourierEnded => node::exit::FAILURE,
        }
    }
}

fn advice(error: &io::Error, key: &str) -> String {
    let kind = error.kind();
    if kind == io::ErrorKind::AddrInUse {
        format!("; another program has it (is a reception running already?): stop that, or change {key}")
    } else if kind == io::ErrorKind::AddrNotAvailable {
        format!("; that is not an address of this machine: change {key}")
    } else if kind == io::ErrorKind::PermissionDenied {
        format!("; ports below 1024 need a right: take a higher one in {key}")
    } else {
        String::new()
    }
}

/// What the running reception listens on, for tools: `addresses.toml` in the run folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Addresses {
    /// Pages (TCP).
    pub(crate) http: SocketAddr,
    /// The link (UDP).
    pub(crate) link: SocketAddr,
}

impl Addresses {
    /// What a running reception has written, or `None` when none runs.
    ///
    /// # Errors
    /// [`HomeError`]; a file that it did not write counts as none.
    pub(crate) fn read(home: &Home) -> Result<Option<Self>, HomeError> {
        Ok(files::read_text(&home.addresses()?)?.and_then(|text| toml::from_str(&text).ok()))
    }

    fn write(self, home: &Home) -> Result<(), HomeError> {
        let text = format!("http = \"{}\"\nlink = \"{}\"\n", self.http, self.link);
        Ok(files::replace(&home.addresses()?, text.as_bytes())?)
    }
}

/// Runs the reception of `home` until SIGTERM or SIGINT.
///
/// # Errors
/// [`ServeError`]
pub(crate) fn serve(home: &Home, variable: impl Fn(&str) -> Option<OsString>) -> Result<(), ServeError> {
    let config = Config::read(home)?;
    node::log::start(config.log_level);
    node::descriptors::raise();
    let keys = Keys::load(home, &config.name, variable)?;
    let runtime = runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    let ended = runtime.block_on(run(home, config, keys));
    // What has not ended in the time that pages are given is broken off.
    runtime.shutdown_background();
    ended
}

async fn run(home: &Home, config: Config, keys: Keys) -> Result<(), ServeError> {
    let signals = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    make_run_folder(home)?;
    let address = config.http_listen;
    let pages = TcpListener::bind(address).await.map_err(|source| ServeError::Http { address, source })?;
    let lobby = Lobby {
        name: config.name.clone(),
        broker: Broker::default(),
        library: Library::new(home.publications()),
        pins: Pins::default(),
        paired: Arc::default(),
        surroundings: Arc::new(node::Machine),
    };
    let spool = Spool::open(home.spool())?;
    let courier = Courier::new(lobby.broker.clone(), spool, lobby.paired.clone(), lobby.surroundings.clone());
    let mut link = LinkThread::start(config.link_listen, keys.identity, lobby.clone(), home.vault_line()).await?;
    let addresses = Addresses { http: pages.local_addr()?, link: link.address };
    let written = home.addresses().map_err(HomeError::from)?;
    addresses.write(home)?;
    tracing::info!("reception: page http://{}/ , link {}", addresses.http, addresses.link);
    tell_systemd(&[NotifyState::Ready]);
    tokio::spawn(watchdog(link.runtime.clone()));
    let delivery = link.runtime.spawn(courier.clone().run());
    let Lobby { broker, library, paired, .. } = lobby;
    let site = web::Site { broker, courier, library, paired, settings: settings(&config)? };
    let ended = tokio::select! {
        ended = serve_pages(pages, site, signals, &mut link.ended) => ended,
        _ = delivery => Err(ServeError::CourierEnded),
    };
    tell_systemd(&[NotifyState::Stopping]);
    link.stop().await;
    remove(&written);
    ended
}

fn make_run_folder(home: &Home) -> Result<(), HomeError> {
    Ok(files::make_folder(home.run()?)?)
}

fn settings(config: &Config) -> Result<web::WebSettings, ServeError> {
    Ok(web::WebSettings {
        name: Name::new(config.name.as_str())?,
        trusted_proxies: config.trusted_proxies.clone(),
        secure_cookies_public_origin: config.public_origin.as_ref().map(|o| o.as_str().to_owned()),
    })
}

async fn serve_pages(
    listener: TcpListener,
    site: web::Site,
    signals: (Signal, Signal),
    link_ended: &mut oneshot::Receiver<()>,
) -> Result<(), ServeError> {
    tokio::select! {
        () = web::serve(listener, web::router(site), asked_to_stop(signals)) => Ok(()),
        _ = link_ended => Err(ServeError::LinkEnded),
    }
}

/// Completes on SIGTERM or SIGINT.
async fn asked_to_stop((mut terminate, mut interrupt): (Signal, Signal)) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("reception: stopping");
}

/// Tells systemd that both runtimes turn, twice as often as it wants to hear.
async fn watchdog(link: Handle) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut tick = interval(limit / 2);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if link.spawn(async {}).await.is_ok() {
            tell_systemd(&[NotifyState::Watchdog]);
        }
    }
}

/// Does nothing when systemd did not start the process.
fn tell_systemd(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd cannot be told how the reception is");
    }
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "a file is left behind");
    }
}

/// The link's own thread, runtime and socket.
struct LinkThread {
    address: SocketAddr,
    runtime: Handle,
    stop: watch::Sender<bool>,
    ended: oneshot::Receiver<()>,
    thread: thread::JoinHandle<()>,
}

impl LinkThread {
    /// Adopts the stored vault and opens the socket before it returns.
    async fn start(
        address: SocketAddr,
        identity: Identity,
        lobby: Lobby,
        vault_line: PathBuf,
    ) -> Result<Self, ServeError> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = watch::channel(false);
        let ((started, start), (end, ended)) = (oneshot::channel(), oneshot::channel());
        let body = move || {
            // Dropped at the thread's end, however that comes.
            let _end: oneshot::Sender<()> = end;
            runtime.block_on(keep_link(address, identity, lobby, PeerFile::new(vault_line), started, stopped));
        };
        let thread = thread::Builder::new().name("link".into()).spawn(body)?;
        let address = start.await.map_err(|_| ServeError::LinkEnded)??;
        Ok(Self { address, runtime: handle, stop, ended, thread })
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the link's thread did not end in order");
        }
    }
}

/// The link thread's life.
async fn keep_link(
    address: SocketAddr,
    identity: Identity,
    lobby: Lobby,
    mut file: PeerFile,
    started: oneshot::Sender<Result<SocketAddr, ServeError>>,
    stopped: watch::Receiver<bool>,
) {
    let listener = match open(address, &identity, &lobby, &mut file).await {
        Ok((listener, address)) => {
            // Fails only when the process is stopping already.
            let _ = started.send(Ok(address));
            listener
        }
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    tokio::spawn(follow(lobby.clone(), file));
    lobby.run(listener, stopped).await;
}

async fn open(
    address: SocketAddr,
    identity: &Identity,
    lobby: &Lobby,
    file: &mut PeerFile,
) -> Result<(link::Listener, SocketAddr), ServeError> {
    if let Some(peer) = file.changed() {
        let peer = peer?;
        if peer.is_none() {
            tracing::warn!("no vault is paired yet; give this reception's line (reception id) to the vault");
        }
        lobby.adopt(peer.map(Arc::new)).await;
    }
    let listener = match link::listen(address, identity, lobby.pins.clone()) {
        Err(LinkError::Socket { address, source }) => return Err(ServeError::Link { address, source }),
        opened => opened.map_err(ServeError::Setup)?,
    };
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Adopts the vault anew whenever `reception pair` has stored another one. A damaged file changes nothing, nor one that cannot be
/// read, which is tried again.
async fn follow(lobby: Lobby, mut file: PeerFile) {
    let troubles = Thinned::new("the pairing stays as it was", "the pairing still stays as it was");
    let mut tick = interval(LOOK);
    loop {
        let now = tick.tick().await.into_std();
        troubles.flush(now);
        match file.changed() {
            None => {}
            Some(Ok(peer)) => {
                tracing::info!(paired = peer.is_some(), "the pairing has changed");
                lobby.adopt(peer.map(Arc::new)).await;
            }
            Some(Err(error)) => troubles.note((), error.to_string(), now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Hint;
    use crate::testing::Vault;
    use link::{Dialler, Goodbye};
    use std::net::UdpSocket;

    fn lobby(home: &Home) -> Lobby {
        Lobby {
            name: "front".parse().unwrap(),
            broker: Broker::default(),
            library: Library::new(home.publications()),
            pins: Pins::default(),
            paired: Arc::default(),
            surroundings: Arc::new(node::Machine),
        }
    }

    fn identity() -> Identity {
        Identity::from_pem(&Identity::generate().unwrap()).unwrap()
    }

    #[tokio::test]
    async fn an_address_in_use_is_named_with_its_key() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::find(Some(root.path()), |_| None).unwrap();
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = LinkThread::start(address, identity(), lobby(&home), home.vault_line()).await.err().unwrap();
        let error = error.to_string();
        for part in [address.to_string().as_str(), "link.listen", "another program has it"] {
            assert!(error.contains(part), "{part} is not in: {error}");
        }
    }

    #[tokio::test]
    async fn the_link_thread_takes_a_new_pairing_while_it_runs_and_stops_when_told() {
        let (root, vault, own) = (tempfile::tempdir().unwrap(), Vault::new("vault"), identity());
        let home = Home::find(Some(root.path()), |_| None).unwrap();
        let lobby = lobby(&home);
        let any = "127.0.0.1:0".parse().unwrap();
        let thread = LinkThread::start(any, own.clone(), lobby.clone(), home.vault_line()).await.unwrap();
        assert!(!lobby.pins.contains(&vault.line.pin));
        let mut hints = lobby.broker.changes();
        crate::peer::pair(&home, &vault.line.to_string(), crate::peer::Replace::No, &mut Vec::new()).unwrap();
        let adopted = tokio::time::timeout(Duration::from_secs(20), hints.recv()).await;
        assert_eq!(adopted.unwrap(), Ok(Hint::Publication));
        assert!(lobby.pins.contains(&vault.line.pin));
        let link = Dialler::new(&vault.identity).dial(&thread.address.to_string(), own.pin()).await.unwrap();
        let ((), ended) = tokio::join!(thread.stop(), link.closed());
        // A link that has not been greeted yet may end before QUIC tells reasons (RFC 9000, section 10.2.3).
        assert!(matches!(ended, LinkError::Closed(_, Goodbye::Stopping) | LinkError::Transport { .. }), "{ended}");
    }

    #[test]
    fn addresses_are_written_for_tools() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::find(Some(root.path()), |_| None).unwrap();
        make_run_folder(&home).unwrap();
        assert_eq!(Addresses::read(&home).unwrap(), None);
        let addresses = Addresses { http: "127.0.0.1:80".parse().unwrap(), link: "[::]:7443".parse().unwrap() };
        addresses.write(&home).unwrap();
        assert_eq!(Addresses::read(&home).unwrap(), Some(addresses));
    }
}
