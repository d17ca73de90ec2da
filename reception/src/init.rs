//! `reception init`: keys and a configuration file for a new reception.

use crate::cli;
use crate::config::{Advertised, BadAdvertised, Config, ConfigError};
use crate::home::Home;
use crate::keys::{Keys, KeysError};
use link::{Identity, IdentityError};
use node::files::{self, FileError};
use node::invocation::quoted;
use node::keys::KeyError;
use std::io::{self, Write};
use std::path::PathBuf;

/// Why `init` made nothing, or not everything.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InitError {
    /// There is a reception here already.
    #[error(
        "there is a reception here already, and nothing was changed: {list}. Go on with `reception id`, or move these files \
         away to begin anew (a new node key must be paired again)",
        list = .0.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    Exists(Vec<PathBuf>),
    /// What an earlier one made before it was stopped, or what is left of a reception.
    #[error(
        "there are files of a reception here, but no reception.toml, which init writes last. Nothing was changed. If this \
         reception was ever in use, put reception.toml back from a backup. If an init stopped half-way, remove what it made, \
         then run init again:\n  rm {list}",
        list = .0.iter().map(|p| quoted(p)).collect::<Vec<_>>().join(" ")
    )]
    HalfWay(Vec<PathBuf>),
    /// This machine's name cannot be dialled.
    #[error("this machine's name cannot be told to the vault: {0}; give --advertise HOST:PORT")]
    Advertise(#[from] BadAdvertised),
    /// The options do not make a configuration to run with.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeysError),
    /// A new key.
    #[error(transparent)]
    Generate(#[from] KeyError),
    /// A new node key.
    #[error(transparent)]
    Node(#[from] IdentityError),
    /// A file or folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// The report could not be printed; everything was made.
    #[error("everything was made, but cannot be reported: {0}")]
    Print(#[from] io::Error),
}

impl InitError {
    /// How the process ends.
    pub(crate) fn exit(&self) -> u8 {
        match self {
            Self::Config(error) => error.exit(),
            Self::Key(error) => error.exit(),
            Self::File(error) => error.exit(),
            Self::Generate(_)
            | Self::Node(_)
            | Self::Exists(_)
            | Self::HalfWay(_)
            | Self::Advertise(_)
            | Self::Print(_) => node::exit::FAILURE,
        }
    }
}

/// Makes folders, keys and configuration in `home`, and reports on `out` what there is and what to do next.
///
/// # Errors
/// [`InitError`]; but for [`InitError::Print`] no file of it is left, unless the disk does not take it away again.
pub(crate) fn init(home: &Home, options: &cli::Init, out: &mut impl Write) -> Result<(), InitError> {
    let files = [home.config_file(), home.node_key(), home.witness_key()];
    let there: Vec<PathBuf> = files.into_iter().filter(|f| f.symlink_metadata().is_ok()).collect();
    if there.contains(&home.config_file()) {
        return Err(InitError::Exists(there));
    }
    if !there.is_empty() {
        return Err(InitError::HalfWay(there));
    }
    let text = render(options, &advertised(options)?);
    let config = Config::parse(&text, home.config_file())?;
    for folder in [home.config(), home.state()] {
        files::make_folder(folder)?;
    }
    let (node, witness) = (Identity::generate()?, node::keys::generate_signing()?);
    let keys = [(home.node_key(), node.as_bytes()), (home.witness_key(), witness.as_bytes())];
    write_all(&keys)?;
    // Last, and whole or not at all: with it a reception is complete.
    files::replace(&home.config_file(), text.as_bytes()).inspect_err(|_| {
        for made in [home.config_file(), home.witness_key(), home.node_key()] {
            drop(std::fs::remove_file(made));
        }
    })?;
    report(home, &Keys::load(home, &config.name, |_| None)?, out)?;
    Ok(())
}

/// Writes all of these new files, or leaves none: half of them would be in the way of the next try.
fn write_all(files: &[(PathBuf, &[u8])]) -> Result<(), FileError> {
    for (n, (path, content)) in files.iter().enumerate() {
        files::write_new(path, content).inspect_err(|_| {
            // One that stays is named by the next try.
            files[..n].iter().for_each(|(made, _)| drop(std::fs::remove_file(made)));
        })?;
    }
    Ok(())
}

fn report(home: &Home, keys: &Keys, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "configuration  {}", home.config_file().display())?;
    writeln!(out, "node key       {}", home.node_key().display())?;
    writeln!(out, "witness key    {}", home.witness_key().display())?;
    writeln!(out, "fingerprint    {}", keys.identity.pin())?;
    writeln!(out)?;
    writeln!(
        out,
        "Look through the configuration, link.advertise above all. Then print this reception's line for the vault:"
    )?;
    writeln!(out, "  {}", home.invocation().line("id"))
}

/// `--advertise`, else the address that is listened on, else this machine's name with that port.
fn advertised(options: &cli::Init) -> Result<Advertised, BadAdvertised> {
    match &options.advertise {
        Some(address) => Ok(address.clone()),
        None if options.link.ip().is_unspecified() => {
            let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
            format!("{name}:{}", options.link.port()).parse()
        }
        None => options.link.to_string().parse(),
    }
}

fn render(options: &cli::Init, advertise: &Advertised) -> String {
    format!(
        "\
# The reception's configuration. A key that is not known stops the reception from starting. Changes hold from its next
# start on.

# What the vault and its owner call this reception: letters, digits, dots, hyphens, underscores.
name = \"{name}\"

[link]
# Where to wait for the vault: UDP, QUIC. Open this port in the firewall.
listen = \"{listen}\"
# Where the vault shall dial, as seen from its side. It goes into the line that `reception id` prints.
# Port 0 stands for the port that is listened on.
advertise = \"{advertise}\"

[http]
# Where to serve pages, without TLS: leave it on this machine and put a proxy in front that ends TLS.
listen = \"{http}\"
# Addresses of proxies whose X-Forwarded-For is believed. Any other address than a loopback one in `listen` needs this.
trusted_proxies = []
# The address that visitors see. Without it the Host header decides, and a proxy must pass that on as it came
# (nginx: proxy_set_header Host $http_host), or every form is refused and the log says so.
# public_origin = \"https://ask.example.org\"

[log]
# error, warn, info or debug. What visitors write is logged at no level.
level = \"info\"
",
        name = options.name,
        listen = options.link,
        http = options.http,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use node::config::Level;
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    fn options() -> cli::Init {
        cli::Init {
            name: "front".parse().unwrap(),
            link: "0.0.0.0:7443".parse().unwrap(),
            advertise: Some("reception.example.org:7443".parse().unwrap()),
            http: "127.0.0.1:8080".parse().unwrap(),
        }
    }

    fn home(root: &Path) -> Home {
        Home::find(Some(root), |_| None).unwrap()
    }

    #[test]
    fn what_is_made_can_be_run_with() {
        let root = tempfile::tempdir().unwrap();
        let (home, mut out) = (home(&root.path().join("new")), Vec::new());
        init(&home, &options(), &mut out).unwrap();
        let config = Config::read(&home).unwrap();
        assert_eq!((config.name.as_str(), config.log_level), ("front", Level::Info));
        assert_eq!(config.link_advertise.to_string(), "reception.example.org:7443");
        let keys = Keys::load(&home, &config.name, |_| None).unwrap();
        let out = String::from_utf8(out).unwrap();
        for part in [keys.identity.pin().to_string().as_str(), "reception.toml", "node-key.pem", "  reception --home "]
        {
            assert!(out.contains(part), "{part} is not in:\n{out}");
        }
        for file in [home.config_file(), home.node_key(), home.witness_key()] {
            assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600, "{}", file.display());
        }
        assert_eq!(fs::metadata(home.state()).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn nothing_that_exists_is_touched() {
        let root = tempfile::tempdir().unwrap();
        let home = home(root.path());
        files::make_folder(home.state()).unwrap();
        files::write_new(&home.witness_key(), b"old").unwrap();
        let error = init(&home, &options(), &mut Vec::new()).unwrap_err().to_string();
        assert!(error.ends_with(&format!("\n  rm {}", quoted(&home.witness_key()))), "{error}");
        assert!(!home.config_file().exists() && !home.node_key().exists());
        files::make_folder(home.config()).unwrap();
        files::write_new(&home.config_file(), b"old").unwrap();
        let error = init(&home, &options(), &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("witness-key.pem") && !error.contains("node-key.pem"), "{error}");
        let hint = format!("`{}`", home.invocation().line("id"));
        assert!(hint.contains("--home") && home.invocation().complete(&error).contains(&hint), "{error}");
        assert!(!home.node_key().exists());
        assert_eq!(files::read_text(&home.witness_key()).unwrap().as_deref(), Some("old"));
    }

    #[test]
    fn a_file_that_cannot_be_made_leaves_none_of_the_others_and_touches_no_strangers() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::write(path("old"), "old").unwrap();
        for third in ["old", "nowhere/new"] {
            let files = [path("one"), path("two"), path(third)].map(|file| (file, &b"key"[..]));
            assert!(write_all(&files).unwrap_err().to_string().contains("cannot create"));
            assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "{third}");
        }
        assert_eq!(fs::read(path("old")).unwrap(), b"old");
    }

    #[test]
    fn options_that_cannot_run_make_nothing() {
        let root = tempfile::tempdir().unwrap();
        let home = home(&root.path().join("new"));
        let exposed = cli::Init { http: "0.0.0.0:80".parse().unwrap(), ..options() };
        assert!(matches!(init(&home, &exposed, &mut Vec::new()), Err(InitError::Config(_))));
        assert!(!root.path().join("new").exists());
    }

    #[test]
    fn the_address_to_dial_is_guessed_from_what_is_known() {
        let at = |link: &str| cli::Init { link: link.parse().unwrap(), advertise: None, ..options() };
        assert_eq!(advertised(&at("127.0.0.1:0")).unwrap().to_string(), "127.0.0.1:0");
        assert_eq!(advertised(&at("[2001:db8::7]:7443")).unwrap().to_string(), "[2001:db8::7]:7443");
        assert!(advertised(&at("0.0.0.0:7443")).unwrap().to_string().ends_with(":7443"));
    }
}
