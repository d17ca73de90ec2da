//! The transparency log's formats: an RFC 6962 Merkle tree, C2SP checkpoints and signed notes, and the leaves.
//!
//! Everything here is a pure function of bytes. A log keeps the hashes of complete subtrees ([`Node`]) and the right
//! edge ([`Frontier`]); proofs are put together from stored nodes ([`inclusion`], [`consistency`]) and checked without
//! them.

mod leaf;
mod note;
mod tree;

pub use leaf::{BadLeaf, Leaf, LeafKind, Salt, UnknownLeafKind, commitment};
pub use note::{BadCheckpoint, BadNote, BadVerifierKey, Checkpoint, VerifierKey, open_checkpoint, sign_checkpoint};
pub use tree::{
    BadFrontier, BadProof, Frontier, Node, PROOF_MAX, SIZE_MAX, consistency, empty_root, inclusion, leaf_hash,
    node_hash, verify_consistency, verify_inclusion,
};

pub(crate) use note::{base64_digest, canonical, decimal};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// The longest origin, bytes.
pub const ORIGIN_MAX: usize = 200;

/// What a log is called: a URL without a scheme, such as `vault.example/3f2a`, that never changes while the log lives
/// (C2SP tlog-checkpoint, "origin"). It is also the name of the log's key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(String);

/// Not an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a log's origin is a host and a path in lower case, such as vault.example/3f2a, of at most {ORIGIN_MAX} bytes from \
     a-z 0-9 . - _ and /"
)]
pub struct BadOrigin;

impl Origin {
    /// A host of `a-z 0-9 . -` that begins and ends with a letter or digit, then one or more segments of
    /// `a-z 0-9 . - _`, each after a `/`. One log has one spelling: no upper case, no empty segment.
    ///
    /// # Errors
    /// [`BadOrigin`] for anything else, or more than [`ORIGIN_MAX`] bytes.
    pub fn new(text: &str) -> Result<Self, BadOrigin> {
        let (host, path) = text.split_once('/').ok_or(BadOrigin)?;
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let ends = |edge: Option<&u8>| edge.is_some_and(|c| plain(*c));
        let host_right = host.bytes().all(|c| plain(c) || b".-".contains(&c))
            && ends(host.as_bytes().first())
            && ends(host.as_bytes().last());
        let segment = |s: &str| !s.is_empty() && s.bytes().all(|c| plain(c) || b".-_".contains(&c));
        let right = text.len() <= ORIGIN_MAX && host_right && path.split('/').all(segment);
        if right { Ok(Self(text.to_owned())) } else { Err(BadOrigin) }
    }

    /// The origin as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Origin {
    type Err = BadOrigin;
    fn from_str(text: &str) -> Result<Self, BadOrigin> {
        Self::new(text)
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        Self::new(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_has_one_spelling() {
        let long = format!("vault.example/{}", "a".repeat(ORIGIN_MAX - 14));
        for good in ["vault.example/3f2a", "a/b", "vault-1.example/log/g2_b", &long] {
            assert_eq!(Origin::new(good).unwrap().to_string(), good);
            let json = serde_json::to_string(&Origin::new(good).unwrap()).unwrap();
            assert_eq!(serde_json::from_str::<Origin>(&json).unwrap().as_str(), good);
        }
        let over = format!("{long}a");
        for bad in [
            "",
            "/",
            "vault.example",
            "vault.example/",
            "/x",
            "Vault.example/x",
            "vault.example/X",
            "v.example//x",
            "v.example/x/",
            "https://v.example/x",
            "v.example/x y",
            "v.example/x+y",
            "v.example/x\n",
            "-v.example/x",
            "v.example./x",
            "v.example/é",
            &over,
        ] {
            assert_eq!(Origin::new(bad), Err(BadOrigin), "{bad:?}");
        }
        assert!(serde_json::from_str::<Origin>("\"vault.example\"").is_err());
    }
}
