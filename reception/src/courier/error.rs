//! Why a request went nowhere.

use crate::spool::NotKept;
use node::files::FileError;
use shared::message::Refused;
use shared::seal::NotSealed;
use std::io;

/// Why a request went nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotFiled {
    /// The vault says no.
    #[error(transparent)]
    Refused(Refused),
    /// So much is asked at once that nothing was sent.
    #[error("too much is asked of the owner's vault at once")]
    Crowded,
    /// The vault is away, and none is paired whose key would seal the request.
    #[error("no vault is paired with this reception")]
    Unpaired,
    /// The vault is away, and the spool or its disk is full.
    #[error("the vault is away, and there is no room here to keep a request for it")]
    NoRoom,
    /// The vault is away, and the request cannot be kept; the log says why.
    #[error("the vault is away, and the request cannot be kept here")]
    NotKept,
    /// No clear answer came after the request was sent, and it cannot be kept here either.
    #[error("whether the request arrived is not known")]
    Uncertain,
}

/// Why a request could not be sealed or kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// The spool does not take it.
    #[error(transparent)]
    NotKept(#[from] NotKept),
    /// There is nobody to seal it for.
    #[error("a request cannot be sealed: no vault is paired with this reception")]
    Unpaired,
    /// It cannot be sealed.
    #[error("a request cannot be sealed: {0}")]
    NotSealed(#[from] NotSealed),
    /// It cannot be written out.
    #[error("a request cannot be written out: {0}")]
    Body(#[from] serde_json::Error),
    /// The system has no randomness.
    #[error("a request cannot be sealed: the system gave no randomness")]
    Random,
}

impl From<Failed> for NotFiled {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::NotKept(NotKept::TooMany(_) | NotKept::TooMuch { .. }) => Self::NoRoom,
            Failed::NotKept(NotKept::File(FileError::Io { source, .. }))
                if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
            {
                Self::NoRoom
            }
            Failed::Unpaired => Self::Unpaired,
            Failed::NotKept(NotKept::Other) => Self::Refused(Refused::Malformed),
            Failed::NotKept(NotKept::File(_)) | Failed::NotSealed(_) | Failed::Body(_) | Failed::Random => {
                Self::NotKept
            }
        }
    }
}
