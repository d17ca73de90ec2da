//! The sealing key: X25519 (RFC 7748), for requests that wait at the reception while the vault is away.

use aws_lc_rs::agreement::{PrivateKey, X25519};

/// The private key's bytes make no X25519 key.
#[derive(Debug, thiserror::Error)]
#[error("the sealing key makes no X25519 key; restore it from a backup")]
pub(crate) struct BadSealingKey;

/// The public half of a private key's 32 bytes.
pub(crate) fn public(private: &[u8; 32]) -> Result<[u8; 32], BadSealingKey> {
    let key = PrivateKey::from_private_key(&X25519, private).map_err(|_| BadSealingKey)?;
    let public = key.compute_public_key().map_err(|_| BadSealingKey)?;
    public.as_ref().try_into().map_err(|_| BadSealingKey)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use aws_lc_rs::encoding::{AsBigEndian, Curve25519SeedBin};

    #[test]
    fn the_public_half_belongs_to_the_private_one() {
        let key = PrivateKey::generate(&X25519).unwrap();
        let private: Curve25519SeedBin<'_> = key.as_be_bytes().unwrap();
        assert_eq!(public(private.as_ref().try_into().unwrap()).unwrap(), key.compute_public_key().unwrap().as_ref());
    }
}
