//! The sealing key: X25519 (RFC 7748), for requests that wait at the reception while the vault is away.

use aws_lc_rs::agreement::{PrivateKey, X25519};
use shared::ids::TicketHash;
use shared::message::Filing;
use shared::seal::{self, NotOpened, Sealed};
use shared::tlog::Origin;
use zeroize::Zeroizing;

/// The private key's bytes make no X25519 key.
#[derive(Debug, thiserror::Error)]
#[error("the sealing key makes no X25519 key; restore it from a backup")]
pub struct BadSealingKey;

/// The private half, in memory; wiped when dropped.
pub struct SealingKey {
    private: Zeroizing<[u8; 32]>,
    public: [u8; 32],
}

impl SealingKey {
    /// Takes the key file's bytes.
    ///
    /// # Errors
    /// [`BadSealingKey`], for what makes no key.
    pub fn new(private: Zeroizing<[u8; 32]>) -> Result<Self, BadSealingKey> {
        let key = PrivateKey::from_private_key(&X25519, &*private).map_err(|_| BadSealingKey)?;
        let public = key.compute_public_key().map_err(|_| BadSealingKey)?;
        let public = public.as_ref().try_into().map_err(|_| BadSealingKey)?;
        Ok(Self { private, public })
    }

    /// The public half, as the pairing line has it.
    pub fn public(&self) -> [u8; 32] {
        self.public
    }

    /// Opens a request that was sealed for this vault under this ticket.
    pub(crate) fn open(&self, vault: &Origin, ticket: &TicketHash, sealed: &Sealed) -> Result<Filing, NotOpened> {
        seal::open(&self.private, vault, ticket, sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::encoding::{AsBigEndian, Curve25519SeedBin};
    use shared::message::{Recipient, Subject};
    use shared::text::Text;

    #[test]
    fn the_public_half_belongs_to_the_private_one() {
        let key = PrivateKey::generate(&X25519).unwrap();
        let private: Curve25519SeedBin<'_> = key.as_be_bytes().unwrap();
        let own = SealingKey::new(Zeroizing::new(private.as_ref().try_into().unwrap())).unwrap();
        assert_eq!(own.public(), key.compute_public_key().unwrap().as_ref());
    }

    #[test]
    fn what_is_sealed_for_the_public_half_opens_with_the_private_one_alone() {
        let [own, other] = [[1; 32], [2; 32]].map(|seed| SealingKey::new(Zeroizing::new(seed)).unwrap());
        let vault = Origin::new("vault.example/1").unwrap();
        let filing = Filing {
            ticket: TicketHash([3; 32]),
            subject: Subject::Question(Text::new("Why?").unwrap()),
            purpose: Text::new("To know").unwrap(),
            contact: None,
            recipient: Recipient::Ticket,
        };
        let sealed = seal::seal(&own.public(), &vault, &filing, [4; 32]).unwrap();
        assert_eq!(other.open(&vault, &filing.ticket, &sealed), Err(NotOpened));
        assert_eq!(own.open(&vault, &filing.ticket, &sealed), Ok(filing));
    }
}
