//! The daemon's parts, put together: keys and store opened and checked, then the writer, the lanes and the desk.

use crate::config::Config;
use crate::driver::Told;
use crate::evidence::Notary;
use crate::paths::Paths;
use crate::sealing::SealingKey;
use crate::store::{self, Hooks, OpenError, OwnKeys, Readers, StoreKey, Tip, Verified, WriteError, Writer};
use crate::timekeeper::Timekeeper;
use link::{Identity, IdentityError};
use node::files::{self, FileError};
use node::keys::{KeyError, KeyRing};
use node::{Machine, Surroundings};
use shared::ids::TicketHash;
use shared::pairing::VaultLine;
use shared::sshsig::Signers;
use shared::time::Time;
use shared::tlog::{Origin, VerifierKey};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::mpsc;
use vault_core::{BadQuorum, Owners, Published};

/// Everything that the desk and the store behind the driver need. Holds public keys, and the handle through which all writing
/// goes.
pub(crate) struct Vault {
    pub(crate) config: Config,
    pub(crate) owners: Arc<Owners>,
    pub(crate) log_key: VerifierKey,
    pub(crate) notary: Notary,
    pub(crate) line: VaultLine,
    // Before the writer, which must be the last to close the store: only it can empty the write-ahead log.
    pub(crate) readers: Readers,
    pub(crate) writer: Writer,
    pub(crate) told: Told,
    pub(crate) clock: Arc<Timekeeper>,
    pub(crate) verified: Verified,
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
    #[error("{path}: {source}", path = path.display())]
    Node { path: std::path::PathBuf, source: link::IdentityError },
    #[error(transparent)]
    Sealing(#[from] crate::sealing::BadSealingKey),
    #[error("{0} does not exist; restore it from a backup: without the owner's public keys nothing can be approved")]
    NoSigners(std::path::PathBuf),
    #[error("{path} is damaged ({reason}); restore it from a backup", path = path.display())]
    Signers { path: std::path::PathBuf, reason: String },
    #[error(
        "the owner's public keys in {0}, owner.quorum or origin in the configuration, the log key or the sealing key are not \
         those that the evidence log names. If you did not change them, someone else did. Put the old ones back, from a backup"
    )]
    SignersChanged(std::path::PathBuf),
    #[error("owner.quorum in the configuration: {0}")]
    Quorum(BadQuorum),
    #[error("another vault is running on this state folder; stop it first")]
    Running,
    #[error("the store's evidence log is damaged ({0}); restore the store from a backup")]
    Log(String),
    #[error("the store holds something that cannot be trusted ({0}); restore it from a backup")]
    Untrusted(WriteError),
    #[error("the store cannot be used ({0}). Nothing was changed; look at the disk, then start the vault again")]
    Unusable(WriteError),
    #[error(
        "the store cannot be flushed to the disk ({0}). Nothing was changed; look at the disk, then start the vault again"
    )]
    Unflushed(FileError),
    #[error("the stored publication cannot be trusted ({0}); restore the store from a backup")]
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
            | Self::Signers { .. }
            | Self::Node { source: IdentityError::NotAKey, .. }
            | Self::Key(KeyError::Damaged { .. }) => node::exit::INTEGRITY,
            Self::Key(KeyError::File(error)) | Self::File(error) => error.exit(),
            Self::Config(_)
            | Self::Key(_)
            | Self::Store(_)
            | Self::Unusable(_)
            | Self::Unflushed(_)
            | Self::Node { .. }
            | Self::NoSigners(_)
            | Self::Quorum(_)
            | Self::Running
            | Self::Io(_)
            | Self::Nowhere(_) => node::exit::FAILURE,
        }
    }
}

impl From<rusqlite::Error> for StartError {
    fn from(e: rusqlite::Error) -> Self {
        WriteError::from(e).into()
    }
}

/// A disk that fails is not a store that lies.
impl From<WriteError> for StartError {
    fn from(e: WriteError) -> Self {
        if e.is_integrity() { Self::Untrusted(e) } else { Self::Unusable(e) }
    }
}

/// The vault, and the identity that the link thread takes.
pub(crate) struct Started {
    pub(crate) vault: Arc<Vault>,
    pub(crate) identity: Identity,
    /// Opens what receptions sealed while this vault was away.
    pub(crate) sealing: SealingKey,
    /// Requests to be prepared, as they arrive.
    pub(crate) to_prepare: mpsc::UnboundedReceiver<TicketHash>,
    /// To be joined, once it has ended, before the process ends.
    pub(crate) writer_thread: JoinHandle<()>,
    /// Held while the daemon lives.
    pub(crate) _lock: std::fs::File,
}

/// Opens and checks everything, and starts the writer.
pub(crate) fn start(paths: &Paths, config: Config) -> Result<Started, StartError> {
    let ring = KeyRing::new("vault", |name| std::env::var_os(name));
    let lock = files::lock(&paths.lock())?.ok_or(StartError::Running)?;
    let node = ring.read("node-key", paths.node_key())?;
    let path = node.path;
    let identity = Identity::from_pem(&node.text).map_err(|source| StartError::Node { path, source })?;
    let log_key = ring.signing("log-key", paths.log_key())?;
    let sealing = SealingKey::new(ring.raw("sealing-key", paths.sealing_key())?)?;
    let owners = Arc::new(Owners::new(read_signers(paths)?, config.quorum).map_err(StartError::Quorum)?);
    let key = Arc::new(StoreKey::new(*ring.raw("store-key", paths.store_key())?));
    let connection = store::open(&paths.store(), &key)?;
    let own = OwnKeys { log: VerifierKey::of(config.origin.clone(), &log_key), sealing: sealing.public() };
    if !store::keys_logged(&connection, &own.named_with(&owners))? {
        return Err(StartError::SignersChanged(paths.signers()));
    }
    let states = store::requests(&connection, true, &config.origin, &owners)?;
    let published = load_publication(&connection, &config.origin, &owners)?;
    store::check_payloads(&connection)?;
    let tip = Tip::sign(store::frontier(&connection).map_err(StartError::Log)?, &config.origin, &log_key);
    let standing = store::standing(&connection)?;
    store::settle(&paths.store()).map_err(StartError::Unflushed)?;
    let (told, to_prepare) = Told::new(&states, published, standing.clock, Arc::new(Machine), standing.brake.going());
    let line = line(&config, &identity, &log_key, sealing.public(), owners.signers());
    let verifier = VerifierKey::of(config.origin.clone(), &log_key);
    let ground = store::Ground { vault: config.origin.clone(), owners: owners.clone(), cooling: config.cooling };
    let notary_key = log_key.clone();
    let hooks = hooks(&told);
    let (writer, writer_thread) = Writer::start(connection, ground, tip, standing.brake, log_key, hooks)
        .map_err(|e| StartError::Io(e.to_string()))?;
    let readers = Readers::new(&paths.store(), key);
    let notary =
        Notary { readers: readers.clone(), origin: config.origin.clone(), owners: owners.clone(), log_key: notary_key };
    let verified = Verified::default();
    let clock = told.clock.clone();
    let vault = Vault { config, owners, log_key: verifier, notary, line, writer, readers, told, clock, verified };
    Ok(Started { vault: Arc::new(vault), identity, sealing, to_prepare, writer_thread, _lock: lock })
}

/// This machine's wall clock, for what an owner's process signs.
pub(crate) fn now() -> Time {
    Machine.wall()
}

fn hooks(told: &Told) -> Hooks {
    let (table, news, brake) = (told.clone(), told.clone(), told.clone());
    Hooks {
        shown: Box::new(move |ticket, shown| table.shown(ticket, shown)),
        effect: Box::new(move |effect| news.effect(effect)),
        brake: Box::new(move |going| brake.going(going)),
        clock: told.clock.clone(),
    }
}

fn read_signers(paths: &Paths) -> Result<Signers, StartError> {
    let path = paths.signers();
    let damaged = |reason: String| StartError::Signers { path: path.clone(), reason };
    let text = files::read_guarded(&path).map_err(|error| match error {
        FileError::NotText(_) | FileError::TooLarge(_) => damaged("it is no list of keys".into()),
        error @ (FileError::Io { .. }
        | FileError::SecretMode { .. }
        | FileError::FolderMode { .. }
        | FileError::FolderOwner { .. }
        | FileError::FileMode { .. }) => error.into(),
    })?;
    let text = text.ok_or_else(|| StartError::NoSigners(path.clone()))?;
    Signers::parse(&text).map_err(|e| damaged(e.to_string()))
}

/// The newest publication, verified; every older one is read, so that damage anywhere is found.
fn load_publication(
    connection: &rusqlite::Connection,
    origin: &Origin,
    owners: &Owners,
) -> Result<Option<Published>, StartError> {
    let mut newest = None;
    store::each_publication(connection, |stored| {
        newest = Some(stored);
        Ok::<_, StartError>(())
    })?;
    let verified = newest.map(|newest| Published::verify(newest.signed, newest.bundle, 0, origin, owners));
    Ok(verified.transpose()?)
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
