//! The daemon's parts, put together: keys and store opened and checked, then the writer, the lanes and the desk.

use crate::config::Config;
use crate::evidence::Notary;
use crate::paths::Paths;
use crate::store::{self, Hooks, OpenError, Readers, StoreKey, Tip, Verified, WriteError, Writer};
use crate::table::Table;
use link::Identity;
use node::files::{self, FileError};
use node::keys::{KeyError, KeyRing};
use shared::ids::TicketHash;
use shared::pairing::VaultLine;
use shared::sshsig::Signers;
use shared::time::Time;
use shared::tlog::{Origin, VerifierKey};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{broadcast, mpsc, watch};
use vault_core::{Effect, LaneId, Published};

/// Everything that answering calls needs. Holds public keys, and the handle through which all writing goes.
pub(crate) struct Vault {
    pub(crate) config: Config,
    pub(crate) signers: Arc<Signers>,
    pub(crate) log_key: VerifierKey,
    pub(crate) notary: Notary,
    pub(crate) line: VaultLine,
    pub(crate) writer: Writer,
    pub(crate) readers: Readers,
    pub(crate) table: Arc<Table>,
    pub(crate) news: News,
    pub(crate) verified: Verified,
    published: RwLock<Option<Arc<Published>>>,
}

/// Who hears of what, after it is durable.
#[derive(Clone)]
pub(crate) struct News {
    /// Requests whose view may have changed.
    pub(crate) visitors: broadcast::Sender<(LaneId, TicketHash)>,
    /// Counts up when something may wait for the owner.
    pub(crate) owner: watch::Sender<u64>,
    /// The newest publication's version.
    pub(crate) published: watch::Sender<u64>,
    /// Counts up when a pairing changes.
    pub(crate) lanes: watch::Sender<u64>,
}

/// Why the vault does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Config(#[from] node::config::ConfigError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error("the node key cannot be used: {0}")]
    Node(#[from] link::IdentityError),
    #[error(transparent)]
    Sealing(#[from] crate::sealing::BadSealingKey),
    #[error("{0} does not exist; restore it from a backup: without the owner's public keys nothing can be approved")]
    NoSigners(std::path::PathBuf),
    #[error("{path}: {reason}", path = path.display())]
    Signers { path: std::path::PathBuf, reason: String },
    #[error(
        "the owner's public keys in {0} are not those that the evidence log names. If you did not change them, someone \
         else did. Put the old file back"
    )]
    SignersChanged(std::path::PathBuf),
    #[error("another vault is running on this state folder; stop it first")]
    Running,
    #[error("the store's evidence log is damaged ({0}); restore the store from a backup")]
    Log(String),
    #[error("the store holds something that cannot be trusted: {0}")]
    Untrusted(#[from] WriteError),
    #[error("the stored publication cannot be trusted: {0}")]
    Publication(#[from] vault_core::NotPublished),
    #[error("{0}")]
    Io(String),
    #[error(transparent)]
    Nowhere(#[from] node::home::Nowhere),
}

impl StartError {
    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Store(e) if e.is_integrity() => node::exit::INTEGRITY,
            Self::SignersChanged(_)
            | Self::Log(_)
            | Self::Untrusted(_)
            | Self::Publication(_)
            | Self::Sealing(_)
            | Self::Key(KeyError::Damaged { .. }) => node::exit::INTEGRITY,
            Self::Key(KeyError::File(_)) => node::exit::REFUSED,
            Self::Config(_)
            | Self::Key(_)
            | Self::File(_)
            | Self::Store(_)
            | Self::Node(_)
            | Self::NoSigners(_)
            | Self::Signers { .. }
            | Self::Running
            | Self::Io(_)
            | Self::Nowhere(_) => node::exit::FAILURE,
        }
    }
}

impl From<rusqlite::Error> for StartError {
    fn from(e: rusqlite::Error) -> Self {
        Self::Untrusted(WriteError::from(e))
    }
}

/// The vault, and the identity that the link thread takes.
pub(crate) struct Started {
    pub(crate) vault: Arc<Vault>,
    pub(crate) identity: Identity,
    /// Requests to be prepared, as they arrive.
    pub(crate) to_prepare: mpsc::UnboundedReceiver<TicketHash>,
    /// Held while the daemon lives.
    pub(crate) _lock: std::fs::File,
}

/// Opens and checks everything, and starts the writer.
pub(crate) fn start(paths: &Paths, config: Config) -> Result<Started, StartError> {
    let ring = KeyRing::new("vault", |name| std::env::var_os(name));
    let lock = lock(paths)?;
    let node = ring.read("node-key", paths.node_key())?;
    let identity = Identity::from_pem(&node.text)?;
    let log_key = ring.signing("log-key", paths.log_key())?;
    let sealing = crate::sealing::public(&*ring.raw("sealing-key", paths.sealing_key())?)?;
    let signers = Arc::new(read_signers(paths)?);
    let key = Arc::new(StoreKey::new(*ring.raw("store-key", paths.store_key())?));
    let connection = store::open(&paths.store(), &key)?;
    if !store::signers_logged(&connection, &signers)? {
        return Err(StartError::SignersChanged(paths.signers()));
    }
    let states = store::requests(&connection, true, &config.origin, &signers)?;
    let published = load_publication(&connection, &config.origin, &signers)?;
    let tip = Tip::sign(store::frontier(&connection).map_err(StartError::Log)?, &config.origin, &log_key);
    let table = Arc::new(Table::new(states.iter().map(|s| (s.ticket(), s.shown()))));
    let news = News::new(published.as_ref().map_or(0, |p| p.version()));
    let (prepare, to_prepare) = mpsc::unbounded_channel();
    for ticket in store::unprepared(&states) {
        prepare.send(ticket).map_err(|e| StartError::Io(e.to_string()))?;
    }
    let line = line(&config, &identity, &log_key, sealing, &signers);
    let verifier = VerifierKey::of(config.origin.clone(), &log_key);
    let ground = store::Ground { vault: config.origin.clone(), signers: signers.clone() };
    let notary_key = log_key.clone();
    let hooks = hooks(table.clone(), news.clone(), prepare);
    let writer = Writer::start(connection, ground, tip, log_key, hooks).map_err(|e| StartError::Io(e.to_string()))?;
    let readers = Readers::new(&paths.store(), key);
    let notary = Notary {
        readers: readers.clone(),
        origin: config.origin.clone(),
        signers: signers.clone(),
        log_key: notary_key,
    };
    let (verified, published) = (Verified::default(), RwLock::new(published.map(Arc::new)));
    let vault =
        Vault { config, signers, log_key: verifier, notary, line, writer, readers, table, news, verified, published };
    Ok(Started { vault: Arc::new(vault), identity, to_prepare, _lock: lock })
}

impl Vault {
    pub(crate) fn published(&self) -> Option<Arc<Published>> {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Serves `published` from now on.
    pub(crate) fn announce(&self, published: Published) {
        let version = published.version();
        let mut current = self.published.write().unwrap_or_else(PoisonError::into_inner);
        // Two publications may be announced in another order than they were stored.
        if current.as_ref().is_none_or(|held| held.version() < version) {
            *current = Some(Arc::new(published));
            self.news.published.send_replace(version);
        }
    }
}

impl News {
    fn new(version: u64) -> Self {
        Self {
            visitors: broadcast::channel(1024).0,
            owner: watch::channel(0).0,
            published: watch::channel(version).0,
            lanes: watch::channel(0).0,
        }
    }
}

/// The vault's clock.
pub(crate) fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Time::from_unix(since.map_or(0, |d| d.as_secs()))
}

fn hooks(table: Arc<Table>, news: News, prepare: mpsc::UnboundedSender<TicketHash>) -> Hooks {
    Hooks {
        shown: Box::new(move |ticket, shown| table.set(ticket, shown)),
        effect: Box::new(move |effect| match effect {
            // Each receiver may be gone: nobody watches, or the daemon is stopping. The state is on disk either way.
            Effect::Prepare(ticket) => {
                let _ = prepare.send(ticket);
            }
            Effect::TellOwner => news.owner.send_modify(|n| *n += 1),
            Effect::TellVisitor(lane, ticket) => {
                let _ = news.visitors.send((lane, ticket));
            }
            Effect::Serve(permit) => drop(permit),
        }),
        clock: now,
    }
}

fn lock(paths: &Paths) -> Result<std::fs::File, StartError> {
    let path = paths.lock();
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(files::failed("open", &path))?;
    file.try_lock().map_err(|_| StartError::Running)?;
    Ok(file)
}

fn read_signers(paths: &Paths) -> Result<Signers, StartError> {
    let path = paths.signers();
    let text = files::read_guarded(&path)?.ok_or_else(|| StartError::NoSigners(path.clone()))?;
    Signers::parse(&text).map_err(|e| StartError::Signers { path, reason: e.to_string() })
}

fn load_publication(
    connection: &rusqlite::Connection,
    origin: &Origin,
    signers: &Signers,
) -> Result<Option<Published>, StartError> {
    let Some(newest) = store::newest_publication(connection)? else { return Ok(None) };
    Ok(Some(Published::verify(newest.signed, newest.bundle, 0, origin, signers)?))
}

fn line(
    config: &Config,
    identity: &Identity,
    log_key: &ed25519_dalek::SigningKey,
    sealing: [u8; 32],
    signers: &Signers,
) -> VaultLine {
    VaultLine {
        name: config.name.clone(),
        pin: identity.pin(),
        log: VerifierKey::of(config.origin.clone(), log_key),
        sealing,
        owner: signers.clone(),
    }
}
