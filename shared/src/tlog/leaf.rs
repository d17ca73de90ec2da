//! What the log's leaves say: when, what kind of thing, and a blinded commitment to it. Nothing in a leaf is private,
//! so the log can be shown whole, and erasing what a commitment covers leaves the log intact.

use crate::ids::{Digest, NotHex, hex, unhex};
use crate::time::Time;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use std::fmt;

const HEADER: &str = "webizen leaf v1";

/// One entry of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// When the vault decided, by its own clock.
    pub time: Time,
    /// What happened.
    pub kind: LeafKind,
    /// The [`commitment`] to what the store keeps about it.
    pub commitment: Digest,
}

/// Not the bytes of a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not an entry of a webizen log: it was altered, or made by a newer version")]
pub struct BadLeaf;

impl Leaf {
    /// The bytes that are hashed: `webizen leaf v1`, time, kind, commitment, each followed by LF.
    pub fn bytes(&self) -> Vec<u8> {
        format!("{HEADER}\n{}\n{}\n{}\n", self.time, self.kind, self.commitment).into_bytes()
    }

    /// The leaf's hash in the tree.
    pub fn hash(&self) -> Digest {
        super::leaf_hash(&self.bytes())
    }

    /// Reads the one spelling that [`Self::bytes`] writes.
    ///
    /// # Errors
    /// [`BadLeaf`] for anything else.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadLeaf> {
        let text = std::str::from_utf8(bytes).map_err(|_| BadLeaf)?;
        let lines: Vec<&str> = text.split('\n').collect();
        let [HEADER, time, kind, commitment, ""] = lines[..] else {
            return Err(BadLeaf);
        };
        Ok(Self {
            time: time.parse().map_err(|_| BadLeaf)?,
            kind: kind.parse().map_err(|_| BadLeaf)?,
            commitment: commitment.parse().map_err(|_| BadLeaf)?,
        })
    }
}

/// Not the name of a kind of leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a kind of log entry that this version knows")]
pub struct UnknownLeafKind;

macro_rules! leaf_kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What an entry of the log is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum LeafKind { $($(#[$doc])* $name,)* }

        impl LeafKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The kind's name in a leaf.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

leaf_kinds! {
    /// A request was filed.
    Filed = "filed",
    /// A draft was frozen for the owner.
    Prepared = "prepared",
    /// A draft could not be frozen; the owner is to answer in words.
    Unprepared = "unprepared",
    /// The owner wrote or changed a draft.
    Composed = "composed",
    /// The owner asked the visitor back.
    Asked = "asked",
    /// The visitor answered.
    Answered = "answered",
    /// One of several owners signed; others must, too.
    Signed = "signed",
    /// The owners approved a release.
    Approved = "approved",
    /// The time for thinking an approval over has passed.
    Released = "released",
    /// The owner refused.
    Refused = "refused",
    /// The visitor took the request back.
    Withdrawn = "withdrawn",
    /// Nobody decided in time.
    Lapsed = "lapsed",
    /// A release's time ran out.
    Expired = "expired",
    /// The owner took a release back.
    Revoked = "revoked",
    /// A collection began.
    Collected = "collected",
    /// A publication was signed.
    Published = "published",
    /// A reception was paired.
    Paired = "paired",
    /// A reception was unpaired.
    Unpaired = "unpaired",
    /// The owner's keys changed.
    Keys = "keys",
    /// All releases were stopped.
    Frozen = "frozen",
    /// Releases may go on.
    Thawed = "thawed",
    /// The owner said that the machine's clock is right.
    Clock = "clock",
    /// Content was erased.
    Erased = "erased",
    /// The log continues one that was lost.
    Recovered = "recovered",
}

impl fmt::Display for LeafKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for LeafKind {
    type Err = UnknownLeafKind;
    fn from_str(text: &str) -> Result<Self, UnknownLeafKind> {
        Self::ALL.iter().find(|kind| kind.as_str() == text).copied().ok_or(UnknownLeafKind)
    }
}

/// 32 random bytes that blind a commitment: without them, nobody can test a guess of what a leaf is about.
///
/// It is no key, but what it blinds is private, so it has no `Display`, and `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; 32]);

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt")
    }
}

impl std::str::FromStr for Salt {
    type Err = NotHex;
    fn from_str(text: &str) -> Result<Self, NotHex> {
        unhex(text).map(Self)
    }
}

impl Serialize for Salt {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for Salt {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// SHA-256 of the salt and then, for each part, its length in bytes as a big-endian u64 and the part. The lengths make
/// it injective: no other division into parts has the same commitment.
pub fn commitment(salt: &[u8; 32], parts: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new_with_prefix(salt);
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    Digest(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_has_one_spelling() {
        let time = Time::from_unix(1_795_338_843);
        let leaf = Leaf { time, kind: LeafKind::Approved, commitment: Digest([0xab; 32]) };
        let bytes = leaf.bytes();
        let text = format!("webizen leaf v1\n2026-11-22T09:14:03Z\napproved\n{}\n", "ab".repeat(32));
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), text);
        assert_eq!(Leaf::parse(&bytes), Ok(leaf));
        assert_eq!(leaf.hash(), crate::tlog::leaf_hash(text.as_bytes()));
        let bad = [
            String::new(),
            text.replace("v1", "v2"),
            text.replace("approved", "Approved"),
            text.replace("approved", "unheard-of"),
            text.replace("14:03Z", "14:03+00:00"),
            text.replace("abab", "ABAB"),
            text.replace('\n', "\r\n"),
            format!("{text}\n"),
            format!(" {text}"),
            text.trim_end().to_owned(),
        ];
        for bad in bad {
            assert_eq!(Leaf::parse(bad.as_bytes()), Err(BadLeaf), "{bad:?}");
        }
        assert_eq!(Leaf::parse(&[0xff]), Err(BadLeaf));
    }

    #[test]
    fn every_kind_has_its_own_name() {
        for (at, kind) in LeafKind::ALL.iter().enumerate() {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
            assert!(kind.as_str().bytes().all(|c| c.is_ascii_lowercase()));
            assert!(LeafKind::ALL[..at].iter().all(|other| other.as_str() != kind.as_str()));
        }
        assert_eq!("".parse::<LeafKind>(), Err(UnknownLeafKind));
    }

    #[test]
    fn a_commitment_depends_on_the_salt_and_on_where_parts_end() {
        let made = commitment(&[1; 32], &[b"ab", b"c"]);
        let mut spelled = vec![1; 32];
        spelled.extend([0, 0, 0, 0, 0, 0, 0, 2, b'a', b'b', 0, 0, 0, 0, 0, 0, 0, 1, b'c']);
        assert_eq!(made, Digest::of(&spelled));
        for (salt, parts) in [(1, [&b"a"[..], b"bc"]), (1, [b"abc", b""]), (2, [b"ab", b"c"]), (1, [b"c", b"ab"])] {
            assert_ne!(made, commitment(&[salt; 32], &parts));
        }
        assert_ne!(made, commitment(&[1; 32], &[b"ab", b"c", b""]));
    }

    #[test]
    fn a_salt_is_hexadecimal_in_json_and_absent_from_debug_output() {
        let json = serde_json::to_string(&Salt([9; 32])).unwrap();
        assert_eq!(json, format!("\"{}\"", "09".repeat(32)));
        assert_eq!(serde_json::from_str::<Salt>(&json).unwrap(), Salt([9; 32]));
        assert!(serde_json::from_str::<Salt>("\"09\"").is_err());
        assert_eq!(format!("{:?}", Salt([9; 32])), "Salt");
    }
}
