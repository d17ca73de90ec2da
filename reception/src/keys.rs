//! The reception's two keys: the node key that the vault pins, and the witness key.

use crate::home::Home;
use link::{Identity, IdentityError};
use node::keys::{KeyError, KeyRing};
use shared::pairing::NodeName;
use shared::tlog::{BadOrigin, Origin, VerifierKey};
use std::ffi::OsString;
use std::path::PathBuf;

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The node key.
    #[error("{path}: {source}", path = path.display())]
    Node {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: IdentityError,
    },
    /// The node's name gives the witness no name.
    #[error("the reception's name cannot name its witness key: {0}; choose another name")]
    Name(#[from] BadOrigin),
}

impl KeysError {
    /// How the process ends.
    pub(crate) fn exit(&self) -> u8 {
        match self {
            Self::Key(KeyError::File(error)) => error.exit(),
            Self::Key(KeyError::Damaged { .. }) | Self::Node { .. } => node::exit::INTEGRITY,
            Self::Key(KeyError::Missing { .. } | KeyError::Generate(_)) | Self::Name(_) => node::exit::FAILURE,
        }
    }
}

/// Both keys, ready for use. No `Debug`: secrets.
pub(crate) struct Keys {
    /// What the vault pins.
    pub(crate) identity: Identity,
    /// The public half of what this reception will cosign checkpoints with.
    pub(crate) witness: VerifierKey,
}

impl Keys {
    /// Reads both keys of `home`; `variable` looks up the environment.
    ///
    /// # Errors
    /// [`KeysError`]
    pub(crate) fn load(
        home: &Home,
        name: &NodeName,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, KeysError> {
        let ring = KeyRing::new("reception", variable);
        let key = ring.read("node-key", home.node_key())?;
        let path = key.path;
        let identity = Identity::from_pem(&key.text).map_err(|source| KeysError::Node { path, source })?;
        let witness = ring.signing("witness-key", home.witness_key())?;
        Ok(Self { identity, witness: VerifierKey::of(witness_name(name)?, &witness) })
    }
}

/// The witness key's name in logs (C2SP tlog-witness): a URL without a scheme, made of the node's name.
///
/// Origins are lower case and their host begins and ends with a letter or digit; a node's name is laxer.
fn witness_name(name: &NodeName) -> Result<Origin, BadOrigin> {
    let lower = name.as_str().to_ascii_lowercase().replace('_', "-");
    let host = lower.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    Origin::new(&format!("{}/witness", if host.is_empty() { "reception" } else { host }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use node::files;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    fn home_with_keys(root: &Path) -> Home {
        let home = Home::find(Some(root), |_| None).unwrap();
        files::make_folder(home.state()).unwrap();
        files::write_new(&home.node_key(), Identity::generate().unwrap().as_bytes()).unwrap();
        files::write_new(&home.witness_key(), node::keys::generate_signing().unwrap().as_bytes()).unwrap();
        home
    }

    fn name() -> NodeName {
        "front".parse().unwrap()
    }

    #[test]
    fn a_witness_is_named_after_the_node() {
        for (node, witness) in [
            ("front", "front/witness"),
            ("Front_Desk.1", "front-desk.1/witness"),
            ("-a-", "a/witness"),
            ("___", "reception/witness"),
            (&"Z".repeat(64), &format!("{}/witness", "z".repeat(64))),
        ] {
            assert_eq!(witness_name(&node.parse().unwrap()).unwrap().as_str(), witness);
        }
    }

    #[test]
    fn keys_are_read_back_and_a_credential_comes_first() {
        let (root, passed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let home = home_with_keys(root.path());
        let own = Keys::load(&home, &name(), |_| None).ok().unwrap();
        let again = Keys::load(&home, &name(), |_| None).ok().unwrap();
        assert_eq!((own.identity.pin(), &own.witness), (again.identity.pin(), &again.witness));
        let other = node::keys::generate_signing().unwrap();
        fs::write(passed.path().join("witness-key"), other.as_bytes()).unwrap();
        let passed = Keys::load(&home, &name(), |_| Some(passed.path().as_os_str().to_owned())).ok().unwrap();
        assert_eq!(passed.identity.pin(), own.identity.pin());
        assert_ne!(passed.witness, own.witness);
    }

    #[test]
    fn missing_loose_and_damaged_keys_each_say_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        let home = home_with_keys(root.path());
        let load = || {
            let error = Keys::load(&home, &name(), |_| None).err().unwrap();
            (error.exit(), error.to_string())
        };
        fs::set_permissions(home.node_key(), fs::Permissions::from_mode(0o644)).unwrap();
        let (exit, loose) = load();
        assert!(exit == node::exit::REFUSED && loose.contains("run: chmod 600"), "{loose}");
        fs::remove_file(home.node_key()).unwrap();
        let (exit, missing) = load();
        assert!(exit == node::exit::FAILURE && missing.contains("`reception init`"), "{missing}");
        files::write_new(&home.node_key(), b"-----BEGIN PRIVATE KEY-----").unwrap();
        let (exit, damaged) = load();
        assert!(exit == node::exit::INTEGRITY && damaged.contains("restore it from a backup"), "{damaged}");
    }
}
