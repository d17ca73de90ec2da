//! C2SP signed-note and tlog-checkpoint: verifier keys, checkpoint bodies and their signatures.

use super::{BadOrigin, Origin, SIZE_MAX, empty_root};
use crate::ids::{Digest, unhex};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The signed-note type of a plain Ed25519 signature.
const ED25519: u8 = 0x01;
/// The longest signed note that is looked at, bytes.
const NOTE_MAX: usize = 16 * 1024;
/// How a signature line begins: an em dash and a space.
const SIGNED: &str = "\u{2014} ";
/// The most signatures on a note (C2SP signed-note asks verifiers to accept at least 16).
const SIGNATURES_MAX: usize = 16;

/// The public half of a log's or a witness's key, with its name (C2SP signed-note, "vkey").
///
/// Its one text form is `<name>+<key id>+<base64 of 0x01 and the 32-byte Ed25519 key>`, the key id being eight
/// lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: Origin,
    key: VerifyingKey,
}

/// Why a verifier key was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadVerifierKey {
    /// Not three parts with `+` between them, or not the base64 of 33 bytes.
    #[error("a log key is written like vault.example/3f2a+0123abcd+AQ…; paste the whole of it")]
    Format,
    /// The name is not an origin.
    #[error("the log key's name is wrong: {0}")]
    Name(#[from] BadOrigin),
    /// Made for another algorithm.
    #[error("the log key is of type {0:#04x}; only Ed25519 (0x01) is known here")]
    Algorithm(u8),
    /// Not a point of the curve, or one of the few that make forgeries easy.
    #[error("the log key is not a sound Ed25519 key")]
    Key,
    /// The key id is not the one that follows from the name and the key.
    #[error("the log key's id does not match its name and key; it was altered or mistyped")]
    Id,
}

impl VerifierKey {
    /// The key `key` under the name `name`.
    ///
    /// # Errors
    /// [`BadVerifierKey::Key`] unless `key` is an Ed25519 public key (RFC 8032) of full order.
    pub fn new(name: Origin, key: &[u8; 32]) -> Result<Self, BadVerifierKey> {
        let key = VerifyingKey::from_bytes(key).map_err(|_| BadVerifierKey::Key)?;
        if key.is_weak() || !canonical(&key) {
            return Err(BadVerifierKey::Key);
        }
        Ok(Self { name, key })
    }

    /// The public half of `key` under the name `name`.
    pub fn of(name: Origin, key: &SigningKey) -> Self {
        Self { name, key: key.verifying_key() }
    }

    /// Whose key it is; for a log, its origin.
    pub fn name(&self) -> &Origin {
        &self.name
    }

    /// The 32-byte Ed25519 public key.
    pub fn key(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// The first four bytes of SHA-256(name, LF, 0x01, key).
    pub fn id(&self) -> [u8; 4] {
        key_id(self.name.as_str(), self.key.as_bytes())
    }
}

fn key_id(name: &str, key: &[u8; 32]) -> [u8; 4] {
    let hash = Sha256::new().chain_update(name).chain_update([b'\n', ED25519]).chain_update(key).finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// Whether `key` is the one encoding of its point; decompression accepts a few others (RFC 8032, section 5.1.3 does
/// not).
pub(crate) fn canonical(key: &VerifyingKey) -> bool {
    key.to_edwards().compress().as_bytes() == key.as_bytes()
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut typed = [ED25519; 33];
        typed[1..].copy_from_slice(self.key.as_bytes());
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id()), STANDARD.encode(typed))
    }
}

impl std::str::FromStr for VerifierKey {
    type Err = BadVerifierKey;
    fn from_str(text: &str) -> Result<Self, BadVerifierKey> {
        // Base64 has `+` too, so only the first two separate.
        let mut parts = text.splitn(3, '+');
        let mut part = || parts.next().ok_or(BadVerifierKey::Format);
        let (name, id, typed) = (part()?, part()?, part()?);
        let id = unhex::<4>(id).map_err(|_| BadVerifierKey::Format)?;
        let typed = STANDARD.decode(typed).map_err(|_| BadVerifierKey::Format)?;
        let (algorithm, key) = typed.split_first().ok_or(BadVerifierKey::Format)?;
        if *algorithm != ED25519 {
            return Err(BadVerifierKey::Algorithm(*algorithm));
        }
        let key: &[u8; 32] = key.try_into().map_err(|_| BadVerifierKey::Format)?;
        let key = Self::new(Origin::new(name)?, key)?;
        if key.id() == id { Ok(key) } else { Err(BadVerifierKey::Id) }
    }
}

impl Serialize for VerifierKey {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VerifierKey {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// The head of a log: what it commits to (C2SP tlog-checkpoint).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: Origin,
    /// Leaves, at most [`super::SIZE_MAX`].
    pub size: u64,
    /// The tree's root.
    pub root: Digest,
}

/// Not the text of a checkpoint of this product's logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCheckpoint {
    /// Not three lines, each ended by LF. Extension lines are refused: no log here writes them.
    #[error("a checkpoint has three lines: the log's origin, its size and its root")]
    Lines,
    /// The first line.
    #[error("the checkpoint's first line is wrong: {0}")]
    Origin(#[from] BadOrigin),
    /// The second line.
    #[error("the checkpoint's second line is not a log's size in plain decimal digits")]
    Size,
    /// The third line.
    #[error("the checkpoint's third line is not the base64 of the log's root")]
    Root,
}

impl Checkpoint {
    /// The text that is signed: origin, size and base64 of the root, each followed by LF.
    pub fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.0))
    }

    /// Reads the one spelling that [`Self::body`] writes.
    ///
    /// # Errors
    /// [`BadCheckpoint`] for anything else, and for an empty log with another root than the empty tree's.
    pub fn parse(body: &str) -> Result<Self, BadCheckpoint> {
        let mut lines = body.strip_suffix('\n').ok_or(BadCheckpoint::Lines)?.split('\n');
        let mut line = || lines.next().ok_or(BadCheckpoint::Lines);
        let (origin, size, root) = (line()?, line()?, line()?);
        if lines.next().is_some() {
            return Err(BadCheckpoint::Lines);
        }
        let size = decimal(size).filter(|size| *size <= SIZE_MAX).ok_or(BadCheckpoint::Size)?;
        let root = base64_digest(root).ok_or(BadCheckpoint::Root)?;
        if size == 0 && root != empty_root() {
            return Err(BadCheckpoint::Root);
        }
        Ok(Self { origin: Origin::new(origin)?, size, root })
    }
}

/// A number of decimal digits alone, without leading zeroes.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|n: &u64| n.to_string() == text)
}

/// A digest from its canonical base64.
pub(crate) fn base64_digest(text: &str) -> Option<Digest> {
    STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).map(Digest)
}

/// Signs a checkpoint as the log's own: its text, an empty line, and one signature line in the origin's name. The same
/// checkpoint and key always give the same note (RFC 8032).
pub fn sign_checkpoint(checkpoint: &Checkpoint, key: &SigningKey) -> String {
    let body = checkpoint.body();
    let mut signature = VerifierKey::of(checkpoint.origin.clone(), key).id().to_vec();
    signature.extend(key.sign(body.as_bytes()).to_bytes());
    format!("{body}\n{SIGNED}{} {}\n", checkpoint.origin, STANDARD.encode(signature))
}

/// Why a signed checkpoint was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadNote {
    /// Longer than any checkpoint, with control characters, or without the empty line before the signatures.
    #[error("this is not a signed checkpoint: it was cut off or altered")]
    Format,
    /// A signature line is not one.
    #[error("a signature line of the checkpoint is malformed: it was cut off or altered")]
    SignatureLine,
    /// Over the limit.
    #[error("the checkpoint has more than {SIGNATURES_MAX} signatures")]
    TooManySignatures,
    /// None by the key asked for.
    #[error("the checkpoint is not signed by the log's key: it is from another log, or the log's key has changed")]
    UnknownKey,
    /// The key's signature is false.
    #[error("the checkpoint's signature is false: it was altered after the log signed it")]
    Signature,
    /// Another origin than the key's name.
    #[error("the checkpoint is signed by the log's key in the name of another log")]
    OtherOrigin,
    /// Signed, but not a checkpoint.
    #[error("the log signed something that is not a checkpoint: {0}")]
    Checkpoint(#[from] BadCheckpoint),
}

/// Reads a signed checkpoint of the log whose key this is. Every signature in the key's name and id must be right, and
/// there must be one; signatures of other keys, such as witnesses', are passed over (C2SP signed-note, "Signatures").
///
/// # Errors
/// [`BadNote`] when that cannot be shown.
pub fn open_checkpoint(note: &str, key: &VerifierKey) -> Result<Checkpoint, BadNote> {
    if note.len() > NOTE_MAX || note.chars().any(|c| c < ' ' && c != '\n') {
        return Err(BadNote::Format);
    }
    // The text keeps its own last LF; the second one is the empty line.
    let at = note.rfind("\n\n").ok_or(BadNote::Format)?;
    let (body, signatures) = (&note[..=at], &note[at + 2..]);
    let mut signed = false;
    let lines = signatures.strip_suffix('\n').ok_or(BadNote::Format)?;
    for (count, line) in lines.split('\n').enumerate() {
        if count == SIGNATURES_MAX {
            return Err(BadNote::TooManySignatures);
        }
        signed |= signed_by(line, key, body)?;
    }
    if !signed {
        return Err(BadNote::UnknownKey);
    }
    let checkpoint = Checkpoint::parse(body)?;
    if checkpoint.origin == key.name { Ok(checkpoint) } else { Err(BadNote::OtherOrigin) }
}

/// Whether the signature line is `key`'s, and then a right one.
fn signed_by(line: &str, key: &VerifierKey, body: &str) -> Result<bool, BadNote> {
    let (name, signature) =
        line.strip_prefix(SIGNED).and_then(|line| line.split_once(' ')).ok_or(BadNote::SignatureLine)?;
    let signature = STANDARD.decode(signature).map_err(|_| BadNote::SignatureLine)?;
    let (id, signature) = signature.split_first_chunk::<4>().ok_or(BadNote::SignatureLine)?;
    if name.is_empty() || name.contains(|c: char| c == '+' || c.is_whitespace()) || signature.is_empty() {
        return Err(BadNote::SignatureLine);
    }
    if name != key.name.as_str() || *id != key.id() {
        return Ok(false);
    }
    let signature = Signature::from_slice(signature).map_err(|_| BadNote::Signature)?;
    key.key.verify_strict(body.as_bytes(), &signature).map_err(|_| BadNote::Signature)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VKEY: &str = "vault.example/3f2a+1b2bdc75+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
    /// Signed by OpenSSL with the key whose 32 secret bytes count from 0 to 31.
    const NOTE: &str = "vault.example/3f2a\n42\nSBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n\n\
        \u{2014} vault.example/3f2a GyvcdW8Dx3DGs8L8Y/50cJX3/q4K75U07cDbU5JRK+Iq2V26Kb5jtBOXFa/1Cr3zaumf/fLDrtvSC5ix\
        kR8YWHPC1As=\n";

    fn signing_key() -> SigningKey {
        SigningKey::from_bytes(&std::array::from_fn(|i| i as u8))
    }

    fn key() -> VerifierKey {
        VKEY.parse().unwrap()
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: Origin::new("vault.example/3f2a").unwrap(), size: 42, root: Digest::of(b"root") }
    }

    #[test]
    fn known_checkpoint_is_signed_and_opened() {
        assert_eq!(sign_checkpoint(&checkpoint(), &signing_key()), NOTE);
        assert_eq!(open_checkpoint(NOTE, &key()), Ok(checkpoint()));
        assert_eq!(VerifierKey::of(checkpoint().origin, &signing_key()).to_string(), VKEY);
        assert_eq!(VerifierKey::new(checkpoint().origin, signing_key().verifying_key().as_bytes()), Ok(key()));
    }

    #[test]
    fn key_ids_are_those_of_published_keys() {
        let published = [
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
        ];
        for text in published {
            let (name, rest) = text.split_once('+').unwrap();
            let (id, typed) = rest.split_once('+').unwrap();
            let typed = STANDARD.decode(typed).unwrap();
            let hash = key_id(name, typed[1..].try_into().unwrap());
            assert_eq!(crate::ids::hex(&hash), id);
        }
    }

    #[test]
    fn any_altered_byte_of_a_note_is_refused() {
        let bytes = NOTE.as_bytes();
        let mut tried = 0;
        for at in 0..bytes.len() {
            for flip in [1, 2, 4, 0x20, 0x80] {
                let mut altered = bytes.to_vec();
                altered[at] ^= flip;
                if let Ok(text) = String::from_utf8(altered) {
                    assert!(open_checkpoint(&text, &key()).is_err(), "{text:?}");
                    tried += 1;
                }
            }
        }
        assert!(tried > 4 * bytes.len() - 40);
        for end in (0..NOTE.len()).filter(|end| NOTE.is_char_boundary(*end)) {
            assert!(open_checkpoint(&NOTE[..end], &key()).is_err(), "{end}");
        }
        assert!(open_checkpoint(&format!("{NOTE}\n"), &key()).is_err());
        assert_eq!(open_checkpoint(&NOTE.replace('\n', "\r\n"), &key()), Err(BadNote::Format));
    }

    #[test]
    fn another_key_or_another_origin_is_refused() {
        let other = SigningKey::from_bytes(&[9; 32]);
        let by_other = sign_checkpoint(&checkpoint(), &other);
        assert_eq!(open_checkpoint(&by_other, &key()), Err(BadNote::UnknownKey));
        // The right name and id with another key's signature.
        let (body, _) = NOTE.split_once("\n\n").unwrap();
        let mut forged = key().id().to_vec();
        forged.extend(other.sign(checkpoint().body().as_bytes()).to_bytes());
        let forged = format!("{body}\n\n{SIGNED}vault.example/3f2a {}\n", STANDARD.encode(forged));
        assert_eq!(open_checkpoint(&forged, &key()), Err(BadNote::Signature));
        let elsewhere = Checkpoint { origin: Origin::new("vault.example/other").unwrap(), ..checkpoint() };
        let renamed = resigned(&elsewhere.body());
        assert_eq!(open_checkpoint(&renamed, &key()), Err(BadNote::OtherOrigin));
        assert_eq!(open_checkpoint(&sign_checkpoint(&elsewhere, &signing_key()), &key()), Err(BadNote::UnknownKey));
    }

    /// A note of any text with a true signature of the log's key.
    fn resigned(body: &str) -> String {
        let mut signature = key().id().to_vec();
        signature.extend(signing_key().sign(body.as_bytes()).to_bytes());
        format!("{body}\n{SIGNED}vault.example/3f2a {}\n", STANDARD.encode(signature))
    }

    #[test]
    fn a_signed_text_that_is_no_checkpoint_is_refused() {
        assert_eq!(open_checkpoint(&resigned("hello\n"), &key()), Err(BadNote::Checkpoint(BadCheckpoint::Lines)));
        let extended = format!("{}extension\n", checkpoint().body());
        assert_eq!(open_checkpoint(&resigned(&extended), &key()), Err(BadNote::Checkpoint(BadCheckpoint::Lines)));
    }

    #[test]
    fn other_signatures_are_passed_over_within_the_limit() {
        let witness = format!("{SIGNED}reception.example/witness {}\n", STANDARD.encode([7; 76]));
        assert_eq!(open_checkpoint(&format!("{NOTE}{witness}"), &key()), Ok(checkpoint()));
        let (body, own) = NOTE.split_once("\n\n").unwrap();
        assert_eq!(open_checkpoint(&format!("{body}\n\n{witness}{own}"), &key()), Ok(checkpoint()));
        assert_eq!(open_checkpoint(&format!("{body}\n\n{witness}"), &key()), Err(BadNote::UnknownKey));
        assert_eq!(open_checkpoint(&format!("{NOTE}{}", witness.repeat(15)), &key()), Ok(checkpoint()));
        let over = format!("{NOTE}{}", witness.repeat(16));
        assert_eq!(open_checkpoint(&over, &key()), Err(BadNote::TooManySignatures));
        let same_name = format!("{SIGNED}vault.example/3f2a {}\n", STANDARD.encode([7; 68]));
        assert_eq!(open_checkpoint(&format!("{NOTE}{same_name}"), &key()), Ok(checkpoint()));
        // One false signature in the key's own name and id spoils the note, whatever else is on it.
        let mut lie = key().id().to_vec();
        lie.extend([7; 64]);
        let lie = format!("{NOTE}{SIGNED}vault.example/3f2a {}\n", STANDARD.encode(lie));
        assert_eq!(open_checkpoint(&lie, &key()), Err(BadNote::Signature));
    }

    #[test]
    fn malformed_signature_lines_are_refused() {
        let lines = [
            "- w.example/x AAAAAAAA".to_owned(),
            "\u{2014}w.example/x AAAAAAAA".to_owned(),
            format!("{SIGNED}w.example/x"),
            format!("{SIGNED} AAAAAAAA"),
            format!("{SIGNED}w+x AAAAAAAA"),
            format!("{SIGNED}w.example/x AAA"),
            format!("{SIGNED}w.example/x AAAAAA=="),
            format!("{SIGNED}w.example/x AAAAAAAA "),
            format!("{SIGNED}w.example/x AAAAAAB="),
        ];
        for line in lines {
            assert_eq!(open_checkpoint(&format!("{NOTE}{line}\n"), &key()), Err(BadNote::SignatureLine), "{line}");
        }
        assert_eq!(open_checkpoint(&"x".repeat(NOTE_MAX + 1), &key()), Err(BadNote::Format));
    }

    #[test]
    fn a_checkpoint_has_one_spelling() {
        let body = checkpoint().body();
        assert_eq!(Checkpoint::parse(&body), Ok(checkpoint()));
        let root = STANDARD.encode(Digest::of(b"root").0);
        for size in ["042", "+42", "-1", "", " 42", "42 ", "4 2", "0x2a", "18446744073709551616", "4611686018427387905"]
        {
            let body = format!("vault.example/3f2a\n{size}\n{root}\n");
            assert_eq!(Checkpoint::parse(&body), Err(BadCheckpoint::Size), "{size}");
        }
        for root in ["", "AAAA", &root[..43], &root.replace("7I=", "7J="), &format!("{root}="), &format!(" {root}")] {
            let body = format!("vault.example/3f2a\n42\n{root}\n");
            assert_eq!(Checkpoint::parse(&body), Err(BadCheckpoint::Root), "{root}");
        }
        for bad in ["", "\n", body.trim_end(), &format!("{body}\n"), &format!("{body}extension\n")] {
            assert_eq!(Checkpoint::parse(bad), Err(BadCheckpoint::Lines), "{bad:?}");
        }
        assert_eq!(Checkpoint::parse(&body.replace("vault", "Vault")), Err(BadCheckpoint::Origin(BadOrigin)));
        assert_eq!(Checkpoint::parse(&body.replace("\n42\n", "\n0\n")), Err(BadCheckpoint::Root));
        let empty = Checkpoint { size: 0, root: empty_root(), ..checkpoint() };
        assert_eq!(Checkpoint::parse(&empty.body()), Ok(empty));
    }

    #[test]
    fn a_verifier_key_has_one_spelling() {
        assert_eq!(key().to_string(), VKEY);
        let json = serde_json::to_string(&key()).unwrap();
        assert_eq!(serde_json::from_str::<VerifierKey>(&json).unwrap(), key());
        let weak = |first: u8| {
            let mut typed = [0; 33];
            (typed[0], typed[1]) = (1, first);
            format!("vault.example/3f2a+00000000+{}", STANDARD.encode(typed))
        };
        let cases = [
            ("vault.example/3f2a", BadVerifierKey::Format),
            ("vault.example/3f2a+1b2bdc75", BadVerifierKey::Format),
            (&VKEY.replace("1b2b", "1B2B"), BadVerifierKey::Format),
            (&VKEY[..VKEY.len() - 4], BadVerifierKey::Format),
            (&format!("{VKEY}\n"), BadVerifierKey::Format),
            (&VKEY.replace("1b2b", "1b2c"), BadVerifierKey::Id),
            (&VKEY.replace("3f2a", "3f2b"), BadVerifierKey::Id),
            (&VKEY.replace("+AQ", "+BA"), BadVerifierKey::Algorithm(4)),
            (&VKEY.replace("vault", "Vault"), BadVerifierKey::Name(BadOrigin)),
            (&weak(1), BadVerifierKey::Key),
            (&weak(2), BadVerifierKey::Key),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<VerifierKey>(), Err(error), "{text}");
        }
    }
}
