//! Newtypes for every identifier, digest and secret that crosses a boundary.
//!
//! Public identifiers print and serialise as lower-case hexadecimal. [`Ticket`] is a secret: it has neither `Debug` nor
//! `Display`, compares only through its hash, and is wiped when dropped.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The text was not the expected number of lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {0} lower-case hexadecimal digits")]
pub struct NotHex(usize);

/// Lower-case hexadecimal of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|n| char::from(DIGITS[usize::from(n)])).collect()
}

/// Exactly `N` bytes from exactly `2 N` lower-case hexadecimal digits.
///
/// # Errors
/// [`NotHex`] for any other length or digit; upper case is refused so that one value has one spelling.
pub fn unhex<const N: usize>(text: &str) -> Result<[u8; N], NotHex> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return Err(NotHex(2 * N));
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        let (high, low) = digit(pair[0]).zip(digit(pair[1])).ok_or(NotHex(2 * N))?;
        *byte = high << 4 | low;
    }
    Ok(out)
}

macro_rules! public_id {
    ($(#[$doc:meta])* $name:ident, $size:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $size]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotHex;
            fn from_str(text: &str) -> Result<Self, NotHex> {
                unhex(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&hex(&self.0))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                unhex(&text).map(Self).map_err(de::Error::custom)
            }
        }
    };
}

public_id!(
    /// A SHA-256 digest (FIPS 180-4).
    Digest, 32
);
public_id!(
    /// SHA-256 of a [`Ticket`]: what stores and the link keep instead of it.
    TicketHash, 32
);
public_id!(
    /// SHA-256 of a peer's DER SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7).
    Pin, 32
);
public_id!(
    /// A request's public name: the first 128 bits of its [`TicketHash`].
    RequestId, 16
);
public_id!(
    /// A catalogue item's public name, random.
    ItemId, 16
);
public_id!(
    /// Chosen by the collecting device; one of these is one collection, however often it resumes.
    CollectionId, 16
);
public_id!(
    /// Belongs to one draft and dies with it.
    Nonce, 16
);

impl Digest {
    /// SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl TicketHash {
    /// The request that this ticket opens.
    pub fn request(&self) -> RequestId {
        let mut id = [0; 16];
        id.copy_from_slice(&self.0[..16]);
        RequestId(id)
    }
}

/// 32 random bytes: the visitor's secret for coming back.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Ticket([u8; 32]);

/// Crockford's base 32: no I, L, O or U, so that a code read aloud or copied by hand survives.
const CODE_DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CODE_LENGTH: usize = 54;
const CODE_GROUP: usize = 6;

/// A return code that cannot be a ticket's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCode {
    /// The number of digits is wrong.
    #[error("a return code has {CODE_LENGTH} letters and digits; this one has {0}")]
    Length(usize),
    /// A character that no code has.
    #[error("{0:?} is not in any return code")]
    Digit(char),
    /// The check digits do not match.
    #[error("the return code has a typing mistake")]
    Check,
}

impl Ticket {
    /// Takes 32 bytes from a cryptographic random source.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret itself, for the cookie that carries it.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// What may be stored.
    pub fn hash(&self) -> TicketHash {
        TicketHash(Sha256::digest(self.0).into())
    }

    /// The ticket in a form to type on another device: 9 groups of 6 digits, the last 14 bits of them a checksum.
    pub fn return_code(&self) -> String {
        let check = code_check(&self.0);
        let (mut code, mut bits, mut held) = (String::with_capacity(64), 0u32, 0u32);
        let mut digits = 0;
        for byte in self.0.iter().chain(&check) {
            bits = bits << 8 | u32::from(*byte);
            held += 8;
            while held >= 5 && digits < CODE_LENGTH {
                held -= 5;
                if digits > 0 && digits % CODE_GROUP == 0 {
                    code.push('-');
                }
                code.push(char::from(CODE_DIGITS[(bits >> held & 31) as usize]));
                digits += 1;
            }
            bits &= (1 << held) - 1;
        }
        code
    }

    /// Reads a return code; spaces, dashes and case do not matter, and O, I and L are read as 0, 1 and 1.
    ///
    /// # Errors
    /// [`BadCode`] when it cannot be a ticket's.
    pub fn from_return_code(code: &str) -> Result<Self, BadCode> {
        let (mut out, mut filled, mut bits, mut held, mut digits) = ([0u8; 34], 0, 0u32, 0u32, 0usize);
        for c in code.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            let value = code_digit(c).ok_or(BadCode::Digit(c))?;
            digits += 1;
            if digits > CODE_LENGTH {
                continue;
            }
            bits = bits << 5 | value;
            held += 5;
            if held >= 8 {
                held -= 8;
                out[filled] = (bits >> held) as u8;
                filled += 1;
                bits &= (1 << held) - 1;
            }
        }
        if digits != CODE_LENGTH {
            return Err(BadCode::Length(digits));
        }
        out[filled] = (bits << (8 - held)) as u8;
        let mut secret = [0; 32];
        secret.copy_from_slice(&out[..32]);
        let ticket = Self(secret);
        let right = out[32..] == code_check(&secret);
        secret.zeroize();
        out.zeroize();
        if right { Ok(ticket) } else { Err(BadCode::Check) }
    }
}

impl Serialize for Ticket {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for Ticket {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        unhex(&text).map(Self).map_err(de::Error::custom)
    }
}

/// The first 14 bits of a domain-separated hash, in two bytes whose last two bits are zero.
fn code_check(secret: &[u8; 32]) -> [u8; 2] {
    let hash = Sha256::new().chain_update(b"webizen return code").chain_update(secret).finalize();
    [hash[0], hash[1] & 0xfc]
}

fn code_digit(c: char) -> Option<u32> {
    let c = match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        c => c,
    };
    CODE_DIGITS.iter().position(|d| char::from(*d) == c).and_then(|i| u32::try_from(i).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_has_one_spelling() {
        assert_eq!(unhex::<2>("00ff").unwrap(), [0, 255]);
        for bad in ["", "00f", "00FF", "00fg", "00ff0", "é0f"] {
            assert_eq!(unhex::<2>(bad), Err(NotHex(4)), "{bad}");
        }
    }

    #[test]
    fn return_code_survives_hand_copying_and_catches_slips() {
        let ticket = Ticket::from_random(std::array::from_fn(|i| (i * 37 + 11) as u8));
        let code = ticket.return_code();
        assert_eq!(code.len(), 54 + 8);
        assert!(Ticket::from_return_code(&code).unwrap().hash() == ticket.hash());
        let sloppy = code.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
        assert!(Ticket::from_return_code(&sloppy).unwrap().hash() == ticket.hash());
        let digits: Vec<char> = code.chars().filter(|c| *c != '-').collect();
        let mut missed = 0;
        for at in 0..digits.len() {
            for other in CODE_DIGITS {
                let mut typed = digits.clone();
                typed[at] = char::from(*other);
                if typed != digits && Ticket::from_return_code(&typed.iter().collect::<String>()).is_ok() {
                    missed += 1;
                }
            }
        }
        assert!(missed <= 2, "a 14-bit checksum misses one slip in 16,384; of this code's 1,674 it missed {missed}");
        assert_eq!(Ticket::from_return_code(&code[1..]).err(), Some(BadCode::Length(53)));
        assert_eq!(Ticket::from_return_code("u").err(), Some(BadCode::Digit('u')));
    }

    #[test]
    fn request_is_the_first_half_of_the_ticket_hash() {
        let hash = Ticket::from_random([7; 32]).hash();
        assert_eq!(hash.request().to_string(), hash.to_string()[..32]);
    }
}
