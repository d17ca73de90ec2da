//! Where the vault keeps each file.

use node::files::{self, FileError};
use node::home::{Home, Nowhere};
use std::path::PathBuf;

/// The vault's files in a node's folders.
#[derive(Debug, Clone)]
pub(crate) struct Paths(pub(crate) Home);

impl Paths {
    /// Whoever can swap the files in a folder can swap its keys, whatever their own modes. The configuration's folder may
    /// belong to the owner, so that the daemon cannot write the owners' public keys.
    ///
    /// # Errors
    /// As [`files::guard_folder`], of the configuration's and the state's folder, and [`files::guard_owner`] of the latter.
    pub(crate) fn guard(&self) -> Result<(), FileError> {
        // What is not there is missed where it is needed.
        let (config, state) = (self.0.config(), self.0.state());
        [config, state].into_iter().filter(|folder| folder.is_dir()).try_for_each(files::guard_folder)?;
        if state.is_dir() { files::guard_owner(state) } else { Ok(()) }
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.0.config().join("vault.toml")
    }

    /// The owner's public keys; the daemon reads it and may not write it.
    pub(crate) fn signers(&self) -> PathBuf {
        self.0.config().join("allowed_signers")
    }

    /// An owner key that `init` made, where the owner brought none.
    pub(crate) fn owner_key(&self) -> PathBuf {
        self.0.config().join("owner_ed25519")
    }

    pub(crate) fn node_key(&self) -> PathBuf {
        self.0.state().join("node-key.pem")
    }

    pub(crate) fn log_key(&self) -> PathBuf {
        self.0.state().join("log-key.pem")
    }

    pub(crate) fn sealing_key(&self) -> PathBuf {
        self.0.state().join("sealing-key.hex")
    }

    pub(crate) fn store_key(&self) -> PathBuf {
        self.0.state().join("store-key.hex")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.0.state().join("store.db")
    }

    /// Held by the one running daemon.
    pub(crate) fn lock(&self) -> PathBuf {
        self.0.state().join("lock")
    }

    /// The desk's socket.
    pub(crate) fn socket(&self) -> Result<PathBuf, Nowhere> {
        Ok(self.0.run()?.join("desk.sock"))
    }
}
