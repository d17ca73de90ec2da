//! Public keys in OpenSSH's form (RFC 8709, section 4; PROTOCOL.u2f, "SSH U2F Key formats").

use super::wire::{Reader, put};
use crate::tlog::canonical;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ed25519_dalek::VerifyingKey;
use sha2::{Digest as _, Sha256};

const ED25519: &str = "ssh-ed25519";
const SK_ED25519: &str = "sk-ssh-ed25519@openssh.com";
/// The longest application name of a security key, bytes.
pub const APPLICATION_MAX: usize = 128;

/// A key that an owner may sign with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// `ssh-ed25519`: a key in a file or an agent.
    Ed25519 {
        /// RFC 8032; in its one encoding and never of small order.
        key: VerifyingKey,
    },
    /// `sk-ssh-ed25519@openssh.com`: a key in a FIDO authenticator.
    SkEd25519 {
        /// RFC 8032; in its one encoding and never of small order.
        key: VerifyingKey,
        /// The relying party of the key: `ssh:` and any visible ASCII, at most [`APPLICATION_MAX`] bytes.
        application: String,
    },
}

/// Why a line is not such a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Not a type, a space, and base64.
    #[error("a public key is one line such as \"ssh-ed25519 AAAA…\"; paste the line of the .pub file")]
    Line,
    /// The second word is not canonical base64.
    #[error("the public key's base64 is damaged; paste the whole line of the .pub file")]
    Base64,
    /// Another type of key.
    #[error("only ssh-ed25519 and sk-ssh-ed25519@openssh.com keys are accepted; make one with ssh-keygen -t ed25519")]
    Type,
    /// The base64 does not hold exactly one key of the named type.
    #[error("the public key is damaged; paste the whole line of the .pub file")]
    Blob,
    /// Not a point on the curve in its one encoding, or one of small order, which signs anything.
    #[error("the public key is not a usable Ed25519 key; make another")]
    Point,
    /// The security key's application is not one of SSH.
    #[error("the security key's application does not begin with \"ssh:\"; make the key with ssh-keygen")]
    Application,
}

impl PublicKey {
    /// Reads a `.pub` file's line: type, base64, and optionally a space and a comment, which is dropped. One final LF is
    /// allowed.
    ///
    /// # Errors
    /// [`BadKey`]
    pub fn from_openssh(line: &str) -> Result<Self, BadKey> {
        let line = line.strip_suffix('\n').unwrap_or(line);
        if line.chars().any(char::is_control) {
            return Err(BadKey::Line);
        }
        let mut words = line.splitn(3, ' ');
        let (name, base64) = words.next().zip(words.next()).ok_or(BadKey::Line)?;
        if ![ED25519, SK_ED25519].contains(&name) {
            return Err(BadKey::Type);
        }
        let key = Self::from_blob(&STANDARD.decode(base64).map_err(|_| BadKey::Base64)?)?;
        if key.algorithm() == name { Ok(key) } else { Err(BadKey::Blob) }
    }

    /// Type, space, base64: what [`Self::from_openssh`] reads, without a comment.
    pub fn to_openssh(&self) -> String {
        format!("{} {}", self.algorithm(), STANDARD.encode(self.blob()))
    }

    /// `SHA256:` and unpadded base64, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(self.blob())))
    }

    /// The name of the key's type, which is that of its signatures too.
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Ed25519 { .. } => ED25519,
            Self::SkEd25519 { .. } => SK_ED25519,
        }
    }

    /// The key in SSH's binary form. One key has one blob.
    pub(super) fn blob(&self) -> Vec<u8> {
        let mut blob = Vec::new();
        put(&mut blob, self.algorithm().as_bytes());
        match self {
            Self::Ed25519 { key } => put(&mut blob, key.as_bytes()),
            Self::SkEd25519 { key, application } => {
                put(&mut blob, key.as_bytes());
                put(&mut blob, application.as_bytes());
            }
        }
        blob
    }

    pub(super) fn from_blob(blob: &[u8]) -> Result<Self, BadKey> {
        let mut reader = Reader(blob);
        let name = reader.string().ok_or(BadKey::Blob)?;
        let security_key = name == SK_ED25519.as_bytes();
        if !security_key && name != ED25519.as_bytes() {
            return Err(BadKey::Type);
        }
        let key = reader.string().and_then(|key| key.try_into().ok()).ok_or(BadKey::Blob)?;
        let key = VerifyingKey::from_bytes(key).map_err(|_| BadKey::Point)?;
        // In a second encoding, one key would count as two.
        if key.is_weak() || !canonical(&key) {
            return Err(BadKey::Point);
        }
        let key = if security_key {
            let application = application(reader.string().ok_or(BadKey::Blob)?)?;
            Self::SkEd25519 { key, application }
        } else {
            Self::Ed25519 { key }
        };
        reader.end().ok_or(BadKey::Blob)?;
        Ok(key)
    }
}

/// Other applications belong to web sites (WebAuthn, section 5.1.3), whose signatures are none of ours.
fn application(bytes: &[u8]) -> Result<String, BadKey> {
    let right = bytes.starts_with(b"ssh:") && bytes.len() <= APPLICATION_MAX && bytes.iter().all(u8::is_ascii_graphic);
    let text = String::from_utf8(bytes.to_vec()).map_err(|_| BadKey::Application)?;
    if right { Ok(text) } else { Err(BadKey::Application) }
}
