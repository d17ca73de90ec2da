//! The reception's files and folders by name.

use node::files::FileError;
use node::home::Nowhere;
use node::invocation::Invocation;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where everything of the reception's lies.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    folders: node::home::Home,
    invocation: Invocation,
}

/// No path, or nothing useful at it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HomeError {
    /// Nothing says where the files are.
    #[error(transparent)]
    Nowhere(#[from] Nowhere),
    /// A file or folder.
    #[error(transparent)]
    File(#[from] FileError),
}

impl HomeError {
    /// How the process ends.
    pub(crate) fn exit(&self) -> u8 {
        match self {
            Self::Nowhere(_) => node::exit::FAILURE,
            Self::File(error) => error.exit(),
        }
    }
}

impl Home {
    /// As [`node::home::Home::find`].
    ///
    /// # Errors
    /// [`Nowhere`]
    pub(crate) fn find(home: Option<&Path>, variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, Nowhere> {
        let folders = node::home::Home::find(home, variable)?;
        Ok(Self { folders, invocation: Invocation::new("reception", home) })
    }

    /// How this program is called for these folders.
    pub(crate) fn invocation(&self) -> &Invocation {
        &self.invocation
    }

    /// The configuration's folder.
    pub(crate) fn config(&self) -> &Path {
        self.folders.config()
    }

    /// The folder of what must survive a restart.
    pub(crate) fn state(&self) -> &Path {
        self.folders.state()
    }

    /// The folder of what must not.
    ///
    /// # Errors
    /// [`Nowhere`]
    pub(crate) fn run(&self) -> Result<&Path, Nowhere> {
        self.folders.run()
    }

    /// The configuration file.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.config().join("reception.toml")
    }

    /// The node key's file, unless systemd passes the key as a credential.
    pub(crate) fn node_key(&self) -> PathBuf {
        self.state().join("node-key.pem")
    }

    /// The witness key's file, unless systemd passes the key as a credential.
    pub(crate) fn witness_key(&self) -> PathBuf {
        self.state().join("witness-key.pem")
    }

    /// The paired vault's line.
    pub(crate) fn vault_line(&self) -> PathBuf {
        self.state().join("vault.line")
    }

    /// The folder of verified publications.
    pub(crate) fn publications(&self) -> PathBuf {
        self.state().join("publications")
    }

    /// The folder of sealed requests that wait for the vault.
    pub(crate) fn spool(&self) -> PathBuf {
        self.state().join("spool")
    }

    /// What the running reception holds locked.
    pub(crate) fn lock(&self) -> PathBuf {
        self.state().join("lock")
    }

    /// Where the running reception says what it listens on.
    ///
    /// # Errors
    /// [`Nowhere`]
    pub(crate) fn addresses(&self) -> Result<PathBuf, Nowhere> {
        Ok(self.run()?.join("addresses.toml"))
    }
}
