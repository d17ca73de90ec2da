//! Requests sealed for a vault that is away: HPKE in base mode (RFC 9180) with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and
//! AES-256-GCM.
//!
//! The reception seals with the public key in the vault's pairing line, and has nothing that opens what it sealed. `info`
//! names this format and the vault's log, the associated data is the ticket's hash: a sealed request opens for no other
//! vault and under no other ticket. All sealed requests have one length.

use crate::ids::TicketHash;
use crate::limits::SEALED_TEXT;
use crate::message::Filing;
use crate::tlog::Origin;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hpke::aead::{Aead, AesGcm256};
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use zeroize::Zeroizing;

/// Names the format inside the seal; another one gets another name.
const FORMAT: &[u8] = b"webizen sealed request v1\0";
/// The encapsulated key (RFC 9180, section 7.1).
const KEY: usize = 32;
/// The authentication tag (RFC 9180, section 7.3).
const TAG: usize = 16;

/// A sealed request: encapsulated key, ciphertext and tag; base 64 (RFC 4648) on the link.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

/// Not a sealed request's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed request has {size} bytes, and this one has {0}", size = Sealed::SIZE)]
pub struct BadSealed(usize);

/// Why a request was not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSealed {
    /// The public key cannot be used.
    #[error("the vault's sealing key is no usable X25519 key; pair the two nodes again")]
    Key,
    /// The filing is longer than any that its own bounds allow.
    #[error("the request is over the limit of {SEALED_TEXT} bytes for sealed ones")]
    TooLong,
}

/// The seal is not for this key, vault and ticket, or it was damaged, or there is no request inside. One answer for all, which
/// tells nothing of what is inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it does not open for this vault and ticket: it was damaged, altered, or sealed for another vault")]
pub struct NotOpened;

impl Sealed {
    /// Every sealed request's length.
    pub const SIZE: usize = KEY + SEALED_TEXT + TAG;

    /// Takes the bytes as they were stored.
    ///
    /// # Errors
    /// [`BadSealed`]
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadSealed> {
        if bytes.len() == Self::SIZE { Ok(Self(bytes.to_vec())) } else { Err(BadSealed(bytes.len())) }
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed")
    }
}

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(d)?;
        let bytes = STANDARD.decode(text.as_bytes()).map_err(|_| de::Error::custom("a sealed request in base 64"))?;
        Self::from_bytes(&bytes).map_err(de::Error::custom)
    }
}

/// Seals `filing` for the vault whose log is `vault` and whose sealing key's public half is `public`. `random` is 32 fresh
/// bytes from a cryptographic source, used for nothing else.
///
/// # Errors
/// [`NotSealed`]
pub fn seal(public: &[u8; 32], vault: &Origin, filing: &Filing, random: [u8; 32]) -> Result<Sealed, NotSealed> {
    let mut text = Zeroizing::new(Vec::with_capacity(SEALED_TEXT));
    serde_json::to_writer(&mut *text, filing).map_err(|_| NotSealed::TooLong)?;
    if text.len() > SEALED_TEXT {
        return Err(NotSealed::TooLong);
    }
    // White space after JSON means nothing.
    text.resize(SEALED_TEXT, b' ');
    encrypt::<AesGcm256>(public, &info(vault), &filing.ticket.0, &text, random).map(Sealed)
}

/// Opens what [`seal`] made, with the private half of the key.
///
/// # Errors
/// [`NotOpened`], also when the request inside is another ticket's.
pub fn open(private: &[u8; 32], vault: &Origin, ticket: &TicketHash, sealed: &Sealed) -> Result<Filing, NotOpened> {
    let text = decrypt::<AesGcm256>(private, &info(vault), &ticket.0, &sealed.0)?;
    let filing: Filing = serde_json::from_slice(&text).map_err(|_| NotOpened)?;
    if filing.ticket == *ticket { Ok(filing) } else { Err(NotOpened) }
}

fn info(vault: &Origin) -> Vec<u8> {
    [FORMAT, vault.as_str().as_bytes()].concat()
}

/// `SealBase` (RFC 9180, section 6.1), with the encapsulated key before the ciphertext.
fn encrypt<A: Aead>(
    public: &[u8; 32],
    info: &[u8],
    aad: &[u8],
    text: &[u8],
    random: [u8; 32],
) -> Result<Vec<u8>, NotSealed> {
    let public = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(public).map_err(|_| NotSealed::Key)?;
    let mut source = Given { bytes: Zeroizing::new(random), used: 0 };
    let (key, sealed) = hpke::single_shot_seal_with_rng::<A, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &public,
        info,
        text,
        aad,
        &mut source,
    )
    .map_err(|_| NotSealed::Key)?;
    // A source that was asked for more than it had has repeated itself.
    if source.used > source.bytes.len() {
        return Err(NotSealed::Key);
    }
    Ok([key.to_bytes().as_slice(), &sealed].concat())
}

/// `OpenBase` (RFC 9180, section 6.1).
fn decrypt<A: Aead>(
    private: &[u8; 32],
    info: &[u8],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
    let private = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(private).map_err(|_| NotOpened)?;
    let (key, sealed) = sealed.split_at_checked(KEY).ok_or(NotOpened)?;
    let key = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(key).map_err(|_| NotOpened)?;
    hpke::single_shot_open::<A, HkdfSha256, X25519HkdfSha256>(&OpModeR::Base, &private, &key, info, sealed, aad)
        .map(Zeroizing::new)
        .map_err(|_| NotOpened)
}

/// A source that has what it was given: this crate draws no randomness. Key generation takes exactly 32 bytes (RFC 9180,
/// section 7.1.3).
struct Given {
    bytes: Zeroizing<[u8; 32]>,
    used: usize,
}

impl TryRng for Given {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut word = [0; 4];
        self.try_fill_bytes(&mut word)?;
        Ok(u32::from_le_bytes(word))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut word = [0; 8];
        self.try_fill_bytes(&mut word)?;
        Ok(u64::from_le_bytes(word))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            *byte = self.bytes[self.used % self.bytes.len()];
            self.used += 1;
        }
        Ok(())
    }
}

impl TryCryptoRng for Given {}

#[cfg(test)]
mod tests;
