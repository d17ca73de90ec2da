//! An owner, a log and their signatures; all invented, and always the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha256, Sha512};
use shared::sshsig::{PublicKey, Signers};
use shared::statement::NAMESPACE;
use shared::tlog::{Origin, VerifierKey};
use std::sync::LazyLock;
use vault_core::Owners;

/// The log under test.
pub(crate) const ORIGIN: &str = "vault.example/3f2a";
/// SSHSIG's first bytes, its version, and the bit for a touched security key.
pub(crate) const MAGIC: &[u8; 6] = b"SSHSIG";
pub(crate) const VERSION: u8 = 1;
pub(crate) const TOUCHED: u8 = 1;
const APPLICATION: &str = "ssh:";

pub(crate) fn secret(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// A key that an owner may sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seat {
    /// In a file, made from this seed.
    File(u8),
    /// In an authenticator, made from this seed, with these flags.
    Authenticator(u8, u8),
}

/// The seats of the two owners that count.
pub(crate) const FIRST: Seat = Seat::File(1);
pub(crate) const SECOND: Seat = Seat::Authenticator(2, TOUCHED);

impl Seat {
    pub(crate) fn key(self) -> PublicKey {
        match self {
            Self::File(seed) => PublicKey::Ed25519 { key: secret(seed).verifying_key() },
            Self::Authenticator(seed, _) => {
                PublicKey::SkEd25519 { key: secret(seed).verifying_key(), application: APPLICATION.into() }
            }
        }
    }

    /// The key in SSH's binary form.
    fn blob(self) -> Vec<u8> {
        let line = self.key().to_openssh();
        STANDARD.decode(line.split_once(' ').unwrap().1).unwrap()
    }

    /// The innermost structure: this key's signature over what is to be signed.
    fn signature(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::File(seed) => strings(b"", &[b"ssh-ed25519", &secret(seed).sign(data).to_bytes()]),
            Self::Authenticator(seed, flags) => {
                let end = [flags, 0, 0, 1, 7];
                let touched = [&Sha256::digest(APPLICATION)[..], &end, &Sha256::digest(data)].concat();
                let signed = secret(seed).sign(&touched).to_bytes();
                [strings(b"", &[b"sk-ssh-ed25519@openssh.com", &signed]), end.to_vec()].concat()
            }
        }
    }
}

/// Any one of them may sign a release.
pub(crate) static OWNERS: LazyLock<Owners> = LazyLock::new(|| Owners::new(SIGNERS.clone(), 1).unwrap());
pub(crate) static SIGNERS: LazyLock<Signers> = LazyLock::new(|| Signers::of(vec![FIRST.key(), SECOND.key()]));

/// Every field of an SSHSIG (PROTOCOL.sshsig, sections 2 and 3), rightly signed whatever it says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Envelope<'a> {
    pub(crate) seat: Seat,
    pub(crate) version: u8,
    pub(crate) namespace: &'a [u8],
    pub(crate) reserved: &'a [u8],
    pub(crate) hash: &'a [u8],
    pub(crate) after: &'a [u8],
}

impl Envelope<'_> {
    /// As `ssh-keygen -Y sign` makes it.
    pub(crate) fn right(seat: Seat) -> Envelope<'static> {
        let namespace = NAMESPACE.as_bytes();
        Envelope { seat, version: VERSION, namespace, reserved: b"", hash: b"sha512", after: b"" }
    }

    pub(crate) fn blob(&self, message: &[u8]) -> Vec<u8> {
        let digest =
            if self.hash == b"sha256" { Sha256::digest(message).to_vec() } else { Sha512::digest(message).to_vec() };
        let signed = strings(MAGIC, &[self.namespace, self.reserved, self.hash, &digest]);
        let start = [&MAGIC[..], &[0, 0, 0, self.version]].concat();
        let signature = self.seat.signature(&signed);
        let mut blob = strings(&start, &[&self.seat.blob(), self.namespace, self.reserved, self.hash, &signature]);
        blob.extend(self.after);
        blob
    }
}

/// A statement as signed by the first owner.
pub(crate) fn sign(text: &str) -> String {
    armor(&Envelope::right(FIRST).blob(text.as_bytes()))
}

pub(crate) fn armor(blob: &[u8]) -> String {
    let base64 = STANDARD.encode(blob);
    let lines: Vec<&str> = base64.as_bytes().chunks(70).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", lines.join("\n"))
}

fn strings(start: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut out = start.to_vec();
    for part in parts {
        out.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
        out.extend(*part);
    }
    out
}

pub(crate) fn origin() -> Origin {
    Origin::new(ORIGIN).unwrap()
}

/// The key that signs the log's checkpoints.
pub(crate) fn log_secret() -> SigningKey {
    secret(8)
}

pub(crate) static LOG_KEY: LazyLock<VerifierKey> = LazyLock::new(|| VerifierKey::of(origin(), &log_secret()));

/// A signed note over any text (C2SP signed-note), in the log's name.
pub(crate) fn note(body: &str) -> String {
    let signature = [&LOG_KEY.id()[..], &log_secret().sign(body.as_bytes()).to_bytes()].concat();
    format!("{body}\n\u{2014} {ORIGIN} {}\n", STANDARD.encode(signature))
}
