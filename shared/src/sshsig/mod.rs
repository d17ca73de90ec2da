//! OpenSSH's signatures over files (PROTOCOL.sshsig), as `ssh-keygen -Y sign` makes them and `ssh-keygen -Y verify` checks
//! them. Only the two Ed25519 key types are known; anything else is refused. Whatever is accepted here, `ssh-keygen` accepts
//! too; the reverse does not hold, because a security key's signature made without a touch is refused.

mod key;
mod signers;
#[cfg(test)]
mod tests;
mod wire;

pub use key::{APPLICATION_MAX, BadKey, PublicKey};
pub use signers::{BadSigners, PRINCIPAL, SIGNERS_MAX, Signers};

use crate::limits;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256, Sha512};
use wire::{Reader, put};

/// First and last line of the armour, and the preamble of blob and signed data (PROTOCOL.sshsig, sections 1 to 3).
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----\n";
const END: &str = "-----END SSH SIGNATURE-----\n";
const MAGIC: &[u8; 6] = b"SSHSIG";
const VERSION: u32 = 1;
/// Somebody touched the security key (PROTOCOL.u2f, "SSH U2F Signatures").
const USER_PRESENT: u8 = 0x01;

/// Why a signature does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// Not armoured as `ssh-keygen -Y sign` does it, or longer than [`limits::SIGNATURE`].
    #[error("this is no SSH signature as ssh-keygen -Y sign writes it; sign again and pass the whole file on")]
    Armor,
    /// The armour holds something that is not a signature.
    #[error("the SSH signature is damaged; sign again")]
    Format,
    /// A signature of another version of the format.
    #[error("the SSH signature has a version other than 1; sign with a current ssh-keygen")]
    Version,
    /// Made for another purpose.
    #[error("the SSH signature was made for another namespace; sign with the -n option that was asked for")]
    Namespace,
    /// Neither SHA-256 nor SHA-512 of the message was signed.
    #[error("the SSH signature uses a hash other than sha256 and sha512; sign without the hashalg option")]
    Hash,
    /// Neither of the two key types, or the signature's type is not its key's.
    #[error("the SSH signature is not of type ssh-ed25519 or sk-ssh-ed25519@openssh.com; sign with such a key")]
    Algorithm,
    /// Made by a key that is not among the signers.
    #[error("the key that signed is not one of the owner's; sign with an enrolled key")]
    UnknownKey,
    /// Not this key's signature over this message.
    #[error("the SSH signature does not belong to this text; it or the text has been changed")]
    Invalid,
    /// The security key signed without being touched.
    #[error("the security key signed without a touch; use a key made without no-touch-required and sign again")]
    TouchMissing,
}

/// Which of `signers` made `armored` over `message` for `namespace`.
///
/// The armour is read strictly: canonical base64 in lines of any length, LF line ends, nothing before or after.
///
/// # Errors
/// [`BadSignature`] unless the signature is one of theirs in every respect.
pub fn verify<'a>(
    signers: &'a Signers,
    namespace: &str,
    message: &[u8],
    armored: &str,
) -> Result<&'a PublicKey, BadSignature> {
    let blob = dearmor(armored).ok_or(BadSignature::Armor)?;
    let envelope = Envelope::read(&blob)?;
    if envelope.namespace != namespace.as_bytes() {
        return Err(BadSignature::Namespace);
    }
    let hash = match envelope.hash {
        b"sha256" => Sha256::digest(message).to_vec(),
        b"sha512" => Sha512::digest(message).to_vec(),
        _ => return Err(BadSignature::Hash),
    };
    let key = signers.find(envelope.key).ok_or_else(|| stranger(envelope.key))?;
    check(key, &envelope.signed_data(&hash), envelope.signature)?;
    Ok(key)
}

/// What is wrong with a key that is no signer's.
fn stranger(blob: &[u8]) -> BadSignature {
    match PublicKey::from_blob(blob) {
        Ok(_) => BadSignature::UnknownKey,
        Err(BadKey::Type) => BadSignature::Algorithm,
        Err(BadKey::Line | BadKey::Base64 | BadKey::Blob | BadKey::Point | BadKey::Application) => BadSignature::Format,
    }
}

fn dearmor(armored: &str) -> Option<Vec<u8>> {
    if armored.len() > limits::SIGNATURE {
        return None;
    }
    let body = armored.strip_prefix(BEGIN)?.strip_suffix(END)?;
    let mut base64 = String::with_capacity(body.len());
    for line in body.strip_suffix('\n')?.split('\n') {
        if line.is_empty() {
            return None;
        }
        base64.push_str(line);
    }
    STANDARD.decode(base64).ok()
}

/// The outer structure (PROTOCOL.sshsig, section 2).
struct Envelope<'a> {
    key: &'a [u8],
    namespace: &'a [u8],
    hash: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Envelope<'a> {
    fn read(blob: &'a [u8]) -> Result<Self, BadSignature> {
        let mut reader = Reader(blob.strip_prefix(MAGIC).ok_or(BadSignature::Format)?);
        if reader.u32().ok_or(BadSignature::Format)? != VERSION {
            return Err(BadSignature::Version);
        }
        let mut string = || reader.string().ok_or(BadSignature::Format);
        let (key, namespace, reserved, hash, signature) = (string()?, string()?, string()?, string()?, string()?);
        // Both are always empty in version 1; other bytes there would be signed over or carried unseen.
        if reserved.is_empty() && reader.0.is_empty() {
            Ok(Self { key, namespace, hash, signature })
        } else {
            Err(BadSignature::Format)
        }
    }

    /// What the key signed (PROTOCOL.sshsig, section 3).
    fn signed_data(&self, hash: &[u8]) -> Vec<u8> {
        let mut data = MAGIC.to_vec();
        for part in [self.namespace, b"", self.hash, hash] {
            put(&mut data, part);
        }
        data
    }
}

fn check(key: &PublicKey, data: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
    let mut reader = Reader(signature);
    let algorithm = reader.string().ok_or(BadSignature::Format)?;
    if algorithm != key.algorithm().as_bytes() {
        return Err(BadSignature::Algorithm);
    }
    let raw = reader.string().and_then(|raw| raw.try_into().ok()).ok_or(BadSignature::Format)?;
    let raw = Signature::from_bytes(raw);
    match key {
        PublicKey::Ed25519 { key } => {
            reader.end().ok_or(BadSignature::Format)?;
            strict(key, data, &raw)
        }
        PublicKey::SkEd25519 { key, application } => {
            let (flags, counter) = reader.u8().zip(reader.u32()).ok_or(BadSignature::Format)?;
            reader.end().ok_or(BadSignature::Format)?;
            strict(key, &touched_data(application, flags, counter, data), &raw)?;
            if flags & USER_PRESENT == 0 { Err(BadSignature::TouchMissing) } else { Ok(()) }
        }
    }
}

/// What a security key signs (PROTOCOL.u2f, "SSH U2F Signatures").
fn touched_data(application: &str, flags: u8, counter: u32, data: &[u8]) -> Vec<u8> {
    let mut out = Sha256::digest(application).to_vec();
    out.push(flags);
    out.extend(counter.to_be_bytes());
    out.extend(Sha256::digest(data));
    out
}

/// Refuses weak keys and every second spelling of a signature (RFC 8032, section 5.1.7, without cofactors).
fn strict(key: &VerifyingKey, data: &[u8], signature: &Signature) -> Result<(), BadSignature> {
    key.verify_strict(data, signature).map_err(|_| BadSignature::Invalid)
}
