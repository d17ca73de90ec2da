//! Whose signatures count, and how many of them a release takes.

use crate::danger::Danger;
use shared::sshsig::Signers;

/// The owners' public keys, and how many of them must sign a release (m of n).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owners {
    signers: Signers,
    quorum: usize,
    /// Nothing, outside this crate's tests.
    pub(crate) danger: Danger,
}

/// A number of signatures that these keys cannot give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("signatures wanted: {quorum}; different owner keys: {keys}. The first must lie between 1 and the second")]
pub struct BadQuorum {
    /// Wanted.
    pub quorum: usize,
    /// There are.
    pub keys: usize,
}

impl Owners {
    /// # Errors
    /// [`BadQuorum`] unless `quorum` lies between 1 and the number of keys.
    pub fn new(signers: Signers, quorum: usize) -> Result<Self, BadQuorum> {
        let keys = signers.keys().len();
        if (1..=keys).contains(&quorum) {
            Ok(Self { signers, quorum, danger: Danger::default() })
        } else {
            Err(BadQuorum { quorum, keys })
        }
    }

    /// The keys.
    pub fn signers(&self) -> &Signers {
        &self.signers
    }

    /// How many different keys must sign a release.
    pub fn quorum(&self) -> usize {
        self.quorum
    }

    /// What the log commits to: the keys as `allowed_signers`, and the number as decimal digits.
    pub fn parts(&self) -> [Vec<u8>; 2] {
        [self.signers.render().into_bytes(), self.quorum.to_string().into_bytes()]
    }
}
