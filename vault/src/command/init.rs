//! `vault init`: keys, configuration, the owner's public key and an empty encrypted store.

use super::Invocation;
use crate::cli;
use crate::config::{self, Config};
use crate::paths::Paths;
use crate::sign;
use crate::store::{self, Ground, OpenError, StoreKey, Tip, WriteError};
use node::Surroundings as _;
use node::config::Level;
use node::files::{self, FileError};
use node::invocation::quoted;
use node::keys::{self, KeyError, KeyRing};
use shared::sshsig::{BadKey, PublicKey, Signers};
use shared::text::Text;
use shared::tlog::{Frontier, Origin, VerifierKey};
use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use vault_core::{BadQuorum, Owners};

/// Why `init` made nothing, or not everything.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InitError {
    #[error(
        "there is a vault here already, and nothing was changed: {list}. Go on with `vault serve`, or name another folder with \
         --home",
        list = .0.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    Exists(Vec<PathBuf>),
    #[error(
        "there are files of a vault here, but no vault.toml, which init writes last. Nothing was changed. If this vault was \
         ever in use, put vault.toml back from a backup. If an init stopped half-way, remove what it made, then run init \
         again:\n  rm {list}",
        list = .0.iter().map(|p| quoted(p)).collect::<Vec<_>>().join(" ")
    )]
    HalfWay(Vec<PathBuf>),
    #[error("{path}: {reason}. Give an ssh-ed25519 or sk-ssh-ed25519 public key, as `ssh-keygen -t ed25519` makes it", path = path.display())]
    OwnerKey { path: PathBuf, reason: BadKey },
    #[error("{path} is a private key; give its public half: {path}.pub", path = .0.display())]
    PrivateKey(PathBuf),
    #[error(
        "a new owner key wants a passphrase, and there is no terminal to ask for it. Give --owner-key FILE.pub, or run \
         `vault init` at a terminal, or accept a key without a passphrase with --no-passphrase"
    )]
    NoTerminal,
    #[error("ssh-keygen cannot be run ({0}); install openssh-client, then run `vault init` again")]
    NoSshKeygen(std::io::Error),
    #[error(
        "the passphrase was empty, so nothing was made. Whoever can read the key could approve releases: run `vault init` \
         again and choose one, or accept that with --no-passphrase"
    )]
    NoPassphrase,
    #[error(
        "ssh-keygen made no key, for the reason that it gave above; nothing else was made. Then run `vault init` again"
    )]
    SshKeygen,
    #[error(transparent)]
    Quorum(#[from] BadQuorum),
    #[error("the owner's name: {0}")]
    OwnerName(shared::text::BadText),
    #[error("no log origin can be made of the name: {0}")]
    Origin(#[from] shared::tlog::BadOrigin),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Sealing(#[from] crate::sealing::BadSealingKey),
    #[error(transparent)]
    Node(#[from] link::IdentityError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error("the store cannot be begun: {0}")]
    Write(#[from] WriteError),
    #[error("the system gave no randomness")]
    Random,
    #[error("everything was made, but cannot be reported: {0}")]
    Print(std::io::Error),
}

/// Makes a new vault in `paths`. The configuration comes last, whole or not at all: with it a vault is complete.
///
/// # Errors
/// [`InitError`]; but for [`InitError::Print`] no file of it is left, unless the disk does not take it away again.
pub(crate) fn init(paths: &Paths, options: &cli::Init, invocation: &Invocation) -> Result<(), InitError> {
    let there: Vec<PathBuf> = files_of(paths, options).into_iter().filter(|f| f.symlink_metadata().is_ok()).collect();
    if there.contains(&paths.config()) {
        return Err(InitError::Exists(there));
    }
    if !there.is_empty() {
        return Err(InitError::HalfWay(there));
    }
    // Before anything is made, so that a wrong number leaves nothing behind.
    let wanted = options.owner_key.len().max(1);
    if !(1..=wanted).contains(&options.quorum) {
        return Err(BadQuorum { quorum: options.quorum, keys: wanted }.into());
    }
    for folder in [paths.0.config(), paths.0.state()] {
        files::make_folder(folder)?;
    }
    paths.guard()?;
    let mut made = Made::default();
    let (config, owners) = made.all(paths, options).inspect_err(|_| made.take_away())?;
    report(paths, &config, owners.signers(), invocation).map_err(InitError::Print)
}

/// Every file that `init` may leave, whenever it is stopped.
fn files_of(paths: &Paths, options: &cli::Init) -> Vec<PathBuf> {
    let mut files = vec![
        paths.config(),
        paths.signers(),
        paths.node_key(),
        paths.log_key(),
        paths.sealing_key(),
        paths.store_key(),
    ];
    files.extend(store::every_file(&paths.store()));
    // A key that the owner brings may well lie there.
    if options.owner_key.is_empty() {
        files.extend(both_halves(&paths.owner_key()));
    }
    files
}

fn both_halves(key: &Path) -> [PathBuf; 2] {
    [key.to_owned(), key.with_extension("pub")]
}

/// What one run has made so far: half a vault would be in the way of the next run.
#[derive(Default)]
struct Made(Vec<PathBuf>);

impl Made {
    fn all(&mut self, paths: &Paths, options: &cli::Init) -> Result<(Config, Arc<Owners>), InitError> {
        let (key_path, keys) = self.owner_keys(paths, options)?;
        let config = configuration(options, key_path)?;
        let owners = Owners::new(Signers::of(keys), options.quorum)?;
        self.file(paths.node_key(), link::Identity::generate()?.as_bytes())?;
        self.file(paths.log_key(), keys::generate_signing()?.as_bytes())?;
        self.file(paths.sealing_key(), keys::generate_raw()?.as_bytes())?;
        self.file(paths.store_key(), keys::generate_raw()?.as_bytes())?;
        self.file(paths.signers(), owners.signers().render().as_bytes())?;
        let owners = self.begin_store(paths, &config.origin, owners)?;
        self.0.push(paths.config());
        files::replace(&paths.config(), config::render(&config).as_bytes())?;
        Ok((config, owners))
    }

    fn file(&mut self, path: PathBuf, content: &[u8]) -> Result<(), InitError> {
        files::write_new(&path, content)?;
        self.0.push(path);
        Ok(())
    }

    /// The last first. One that stays is named by the next run.
    fn take_away(&self) {
        self.0.iter().rev().for_each(|path| drop(std::fs::remove_file(path)));
    }

    /// The owners' keys: those given, or a new one; with the path of the first.
    fn owner_keys(&mut self, paths: &Paths, options: &cli::Init) -> Result<(PathBuf, Vec<PublicKey>), InitError> {
        let Some(first) = options.owner_key.first() else {
            let (path, key) = self.new_key(paths, options)?;
            return Ok((path, vec![key]));
        };
        let keys = options.owner_key.iter().map(|path| read_public(path)).collect::<Result<Vec<_>, _>>()?;
        let private = first.with_extension("");
        let path = if private.is_file() { &private } else { first };
        Ok((std::path::absolute(path).unwrap_or_else(|_| path.clone()), keys))
    }

    /// A new key by ssh-keygen, which asks for the passphrase itself.
    fn new_key(&mut self, paths: &Paths, options: &cli::Init) -> Result<(PathBuf, PublicKey), InitError> {
        let path = paths.owner_key();
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-C", &format!("owner of {}", options.name), "-f"]).arg(&path);
        if options.no_passphrase {
            command.args(["-N", ""]);
        } else if !std::io::stdin().is_terminal() {
            return Err(InitError::NoTerminal);
        }
        if !options.no_passphrase {
            writeln!(std::io::stdout(), "Choose a passphrase for the key that approves releases.")
                .map_err(InitError::Print)?;
        }
        self.0.extend(both_halves(&path));
        let status = command.status().map_err(InitError::NoSshKeygen)?;
        if !status.success() {
            return Err(InitError::SshKeygen);
        }
        if !options.no_passphrase && opens_without_passphrase(&path)? {
            return Err(InitError::NoPassphrase);
        }
        // Without this key nothing can ever be released.
        for half in both_halves(&path) {
            File::open(&half).and_then(|file| file.sync_all()).map_err(files::failed("flush", &half))?;
        }
        files::sync_folder(&path)?;
        let key = read_public(&path.with_extension("pub"))?;
        Ok((std::path::absolute(&path).unwrap_or(path), key))
    }

    /// Makes the store, whose first log entry names the owner's keys.
    fn begin_store(&mut self, paths: &Paths, origin: &Origin, owners: Owners) -> Result<Arc<Owners>, InitError> {
        let ring = KeyRing::new("vault", |_| None);
        let key = StoreKey::new(*ring.raw("store-key", paths.store_key())?);
        let log_key = ring.signing("log-key", paths.log_key())?;
        store::create(&paths.store(), &key)?;
        self.0.extend(store::every_file(&paths.store()));
        let connection = store::open(&paths.store(), &key)?;
        let tip = Tip::sign(Frontier::new(), origin, &log_key);
        let owners = Arc::new(owners);
        let ground = Ground { vault: origin.clone(), owners: owners.clone(), cooling: 0 };
        let sealing = crate::sealing::SealingKey::new(ring.raw("sealing-key", paths.sealing_key())?)?;
        let own = store::OwnKeys { log: VerifierKey::of(origin.clone(), &log_key), sealing: sealing.public() };
        store::begin(&connection, &ground, &own, &tip, node::Machine.reading())?;
        store::keep_tidy(&connection).map_err(WriteError::from)?;
        Ok(owners)
    }
}

fn opens_without_passphrase(key: &Path) -> Result<bool, InitError> {
    let mut command = Command::new("ssh-keygen");
    command.args(["-y", "-P", "", "-f"]).arg(key).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.status().map_err(InitError::NoSshKeygen)?.success())
}

fn read_public(path: &Path) -> Result<PublicKey, InitError> {
    if sign::is_private(path).map_err(files::failed("read", path))? {
        return Err(InitError::PrivateKey(path.to_owned()));
    }
    let text = files::read_text(path)?.ok_or_else(|| {
        let source = std::io::Error::from(std::io::ErrorKind::NotFound);
        files::failed("read", path)(source)
    })?;
    PublicKey::from_openssh(text.trim_end()).map_err(|reason| InitError::OwnerKey { path: path.to_owned(), reason })
}

/// The origin is the name, as a host, and 8 random bytes, so that no two vaults share one.
fn configuration(options: &cli::Init, owner_key: PathBuf) -> Result<Config, InitError> {
    let mut unique = [0; 8];
    getrandom::fill(&mut unique).map_err(|_| InitError::Random)?;
    let owner_name = options.owner_name.as_deref().unwrap_or(options.name.as_str());
    let owner_name = Text::new(owner_name).map_err(InitError::OwnerName)?;
    let host = options.name.as_str().to_ascii_lowercase().replace('_', "-");
    let host = host.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let host = if host.is_empty() { "vault" } else { host };
    Ok(Config {
        name: options.name.clone(),
        origin: Origin::new(&format!("{host}/{}", shared::ids::hex(&unique)))?,
        owner_name,
        quorum: options.quorum,
        cooling: 0,
        owner_key,
        desk_uids: vec![rustix::process::getuid().as_raw()],
        log_level: Level::Info,
    })
}

fn report(paths: &Paths, config: &Config, signers: &Signers, invocation: &Invocation) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "configuration  {}", paths.config().display())?;
    writeln!(out, "store          {}", paths.store().display())?;
    writeln!(out, "store key      {}", paths.store_key().display())?;
    writeln!(out, "owner's key    {}", config.owner_key.display())?;
    for key in signers.keys() {
        writeln!(out, "fingerprint    {}", key.fingerprint())?;
    }
    writeln!(out, "log            {}", config.origin)?;
    writeln!(out)?;
    writeln!(out, "The store key lies beside the store: whoever has both can read it. Under systemd, pass it")?;
    writeln!(out, "as the credential store-key instead and remove the file. Back up both folders while the")?;
    writeln!(out, "vault is stopped, and keep the store key and the owner's key apart from that copy: it")?;
    writeln!(out, "cannot be read without the first, and nothing can be released without the second.")?;
    writeln!(out)?;
    let (serve, pair) = (invocation.line("serve"), invocation.line("pair \"LINE THAT `reception id` PRINTED\""));
    writeln!(out, "Next, start the vault and leave it running:\n  {serve}")?;
    writeln!(out, "Then pair it, in another terminal:\n  {pair}")
}
