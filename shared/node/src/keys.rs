//! Key files: Ed25519 keys (RFC 8032) as PKCS#8 version 1 PEM (RFC 5958), and raw 256-bit keys as hexadecimal, from
//! `$CREDENTIALS_DIRECTORY/NAME` when systemd passes them, else from 0600 files.

use crate::files::{self, FileError};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use zeroize::{Zeroize as _, Zeroizing};

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is none.
    #[error("{path} does not exist; restore it from a backup. Only where nothing was ever set up, `{program} init` makes it", path = path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The program whose key it is.
        program: &'static str,
    },
    /// The file or its permissions.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not the key that `init` writes.
    #[error("{path} does not hold {what}; restore it from a backup", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What should be there.
        what: &'static str,
    },
    /// The system has no randomness.
    #[error("a new key cannot be made: {0}")]
    Generate(String),
}

/// Where a node's keys are looked for.
pub struct KeyRing {
    program: &'static str,
    credentials: Option<PathBuf>,
}

/// A key's text and where it was found.
pub struct KeyText {
    /// The file or credential.
    pub path: PathBuf,
    /// What is in it; wiped when dropped.
    pub text: Zeroizing<String>,
}

impl KeyRing {
    /// `variable` looks up the environment; `program` is for the messages.
    pub fn new(program: &'static str, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        Self { program, credentials: variable("CREDENTIALS_DIRECTORY").map(PathBuf::from) }
    }

    /// The credential `name` if systemd passes it, else `file`.
    ///
    /// # Errors
    /// [`KeyError::Missing`], [`KeyError::File`]
    pub fn read(&self, name: &str, file: PathBuf) -> Result<KeyText, KeyError> {
        let credential = self.credentials.as_ref().map(|folder| folder.join(name)).filter(|path| path.exists());
        let (path, text) = match credential {
            Some(path) => (path.clone(), files::read_credential(&path)),
            None => (file.clone(), files::read_secret(&file)),
        };
        match text {
            Ok(text) => Ok(KeyText { path, text }),
            Err(FileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Err(KeyError::Missing { path, program: self.program })
            }
            Err(FileError::NotText(_) | FileError::TooLarge(_)) => Err(KeyError::Damaged { path, what: "a key" }),
            Err(error) => Err(error.into()),
        }
    }

    /// An Ed25519 signing key.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn signing(&self, name: &str, file: PathBuf) -> Result<SigningKey, KeyError> {
        let KeyText { path, text } = self.read(name, file)?;
        SigningKey::from_pkcs8_pem(&text)
            .map_err(|_| KeyError::Damaged { path, what: "an Ed25519 private key in PKCS#8 PEM form" })
    }

    /// 32 bytes, from 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn raw(&self, name: &str, file: PathBuf) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let KeyText { path, text } = self.read(name, file)?;
        shared::ids::unhex(text.trim_end())
            .map(Zeroizing::new)
            .map_err(|_| KeyError::Damaged { path, what: "a key of 64 hexadecimal digits" })
    }
}

/// A new Ed25519 key as PKCS#8 version 1 PEM, which OpenSSL 3.0 reads too.
///
/// # Errors
/// [`KeyError::Generate`]
pub fn generate_signing() -> Result<Zeroizing<String>, KeyError> {
    let mut key = KeypairBytes { secret_key: [0; 32], public_key: None };
    getrandom::fill(&mut key.secret_key).map_err(|e| KeyError::Generate(e.to_string()))?;
    let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|e| KeyError::Generate(e.to_string()));
    key.secret_key.zeroize();
    pem
}

/// A new 256-bit key as a line of hexadecimal.
///
/// # Errors
/// [`KeyError::Generate`]
pub fn generate_raw() -> Result<Zeroizing<String>, KeyError> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(key.as_mut()).map_err(|e| KeyError::Generate(e.to_string()))?;
    let mut hex = Zeroizing::new(shared::ids::hex(key.as_ref()));
    hex.push('\n');
    Ok(hex)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_credential_comes_before_the_file_and_each_fault_says_what_to_do() {
        let (root, passed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = root.path().join("log-key.pem");
        let ring = KeyRing::new("vault", |_| Some(passed.path().as_os_str().to_owned()));
        let fault = |ring: &KeyRing| ring.signing("log-key", file.clone()).err().unwrap().to_string();
        assert!(fault(&ring).contains("`vault init`"), "{}", fault(&ring));
        files::write_new(&file, generate_signing().unwrap().as_bytes()).unwrap();
        let own = ring.signing("log-key", file.clone()).unwrap();
        fs::write(passed.path().join("log-key"), generate_signing().unwrap().as_bytes()).unwrap();
        assert_ne!(own.as_bytes(), ring.signing("log-key", file.clone()).unwrap().as_bytes());
        let ring = KeyRing::new("vault", |_| None);
        assert_eq!(own.as_bytes(), ring.signing("log-key", file.clone()).unwrap().as_bytes());
        fs::write(&file, "nothing").unwrap();
        assert!(fault(&ring).contains("restore it from a backup"), "{}", fault(&ring));
        fs::write(&file, b"-----BEGIN PRIVATE KEY-----\n\xff").unwrap();
        assert!(fault(&ring).contains("restore it from a backup"), "{}", fault(&ring));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(fault(&ring).contains("chmod 600"), "{}", fault(&ring));
    }

    #[test]
    fn raw_keys_are_read_back() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("store-key.hex");
        let text = generate_raw().unwrap();
        files::write_new(&file, text.as_bytes()).unwrap();
        let key = KeyRing::new("vault", |_| None).raw("store-key", file).unwrap();
        assert_eq!(shared::ids::hex(key.as_ref()), text.trim_end());
    }
}
