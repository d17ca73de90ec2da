//! Approvals with one thing wrong.

use super::dice::Dice;
use super::keys::{KEYS, OWNERS};
use super::world::World;
use shared::ids::{Digest, Nonce, RequestId, TicketHash};
use shared::limits;
use shared::statement::{Approval, NAMESPACE, RecipientLine, Statement};
use shared::tlog::Origin;
use vault_core::Signed;

/// What can be wrong with an approval; each alone must be refused.
#[derive(Debug, Clone, Copy)]
pub enum Wrong {
    /// No owner's key.
    Thief,
    /// A signature for another purpose.
    Namespace,
    /// Other bytes.
    Payload,
    /// Another draft's.
    Nonce,
    /// Another request's.
    Request,
    /// Another visitor's.
    Recipient,
    /// Other words.
    Purpose,
    /// Over.
    Over,
    /// Without a near end.
    Never,
    /// For no or too many devices.
    NoCollections,
    /// Another vault's.
    OtherVault,
    /// One byte.
    Byte,
}

impl Wrong {
    /// Each.
    pub const ALL: [Self; 12] = [
        Self::Thief,
        Self::Namespace,
        Self::Payload,
        Self::Nonce,
        Self::Request,
        Self::Recipient,
        Self::Purpose,
        Self::Over,
        Self::Never,
        Self::NoCollections,
        Self::OtherVault,
        Self::Byte,
    ];

    /// What comes about when it is refused.
    pub fn name(self) -> &'static str {
        match self {
            Self::Thief => "an approval by another key was refused",
            Self::Namespace => "an approval for another purpose was refused",
            Self::Payload => "an approval of other bytes was refused",
            Self::Nonce => "an approval with another nonce was refused",
            Self::Request => "an approval of another request was refused",
            Self::Recipient => "an approval for another recipient was refused",
            Self::Purpose => "an approval with other words was refused",
            Self::Over => "an approval that is over was refused",
            Self::Never => "an approval without a near end was refused",
            Self::NoCollections => "an approval for no or too many devices was refused",
            Self::OtherVault => "an approval by another vault was refused",
            Self::Byte => "an approval with a changed byte was refused",
        }
    }

    /// What is right, signed with this wrong.
    pub fn sign(self, right: Approval, world: &World, dice: &mut Dice) -> Signed {
        let owner = &KEYS.owners[dice.from(0..OWNERS as u64) as usize];
        match self {
            Self::Thief => KEYS.thief.sign(right),
            Self::Namespace => owner.sign_as(&NAMESPACE.replace("release", "file"), Statement::from(right).render()),
            Self::Byte => {
                let mut signed = owner.sign(right);
                let at = dice.from(0..signed.statement.len() as u64) as usize;
                let change = |(i, byte)| if i == at { byte ^ 1 } else { byte };
                let changed: Vec<u8> = signed.statement.bytes().enumerate().map(change).collect();
                signed.statement = String::from_utf8_lossy(&changed).into_owned();
                signed
            }
            Self::Payload
            | Self::Nonce
            | Self::Request
            | Self::Recipient
            | Self::Purpose
            | Self::Over
            | Self::Never
            | Self::NoCollections
            | Self::OtherVault => owner.sign(self.spoil(right, world, dice)),
        }
    }

    /// The approval with one field wrong.
    fn spoil(self, mut approval: Approval, world: &World, dice: &mut Dice) -> Approval {
        match self {
            Self::Payload => approval.payload = Digest(dice.bytes()),
            Self::Nonce => approval.nonce = Nonce(dice.bytes()),
            Self::Request => approval.request = RequestId(dice.bytes()),
            Self::Recipient => approval.recipient = RecipientLine::Ticket(TicketHash(dice.bytes())),
            Self::Purpose => approval.purpose.push('!'),
            Self::Over => approval.not_after = world.wall.earliest(tokio::time::Instant::now()),
            Self::Never => approval.not_after = world.wall.latest().plus(limits::RELEASE_LIFE_MAX + 86_400),
            Self::NoCollections => approval.collections = *dice.one(&[0, limits::COLLECTIONS + 1]),
            Self::OtherVault => approval.vault = Origin::new("other.example.org/1").unwrap(),
            // What is wrong with these is not a field.
            Self::Thief | Self::Namespace | Self::Byte => {}
        }
        approval
    }
}
