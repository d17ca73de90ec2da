//! What can be wrong with keeping a request and with one that was kept.

use super::{ASIDE, Damage, OTHER};
use node::files::FileError;
use shared::limits;
use std::path::PathBuf;

/// Why a request was not kept. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotKept {
    /// As many as may be.
    #[error(
        "{0} sealed requests wait here, and no more may: there is no room for another until the vault is connected"
    )]
    TooMany(usize),
    /// As much as may be.
    #[error(
        "what is in {}, {ASIDE} and {OTHER} included, takes {bytes} of at most {limit} bytes: there is no room for another sealed \
         request. Connect the vault, or delete there what {ASIDE} holds of what cannot be delivered, or what {OTHER} holds for a \
         vault that you will not pair again",
        folder.display(), limit = limits::SPOOL_BYTES
    )]
    TooMuch {
        /// What all of it takes.
        bytes: u64,
        /// Where.
        folder: PathBuf,
    },
    /// The same ticket asked for something else before.
    #[error("another request is kept under the same ticket")]
    Other,
    /// The disk.
    #[error("a sealed request cannot be kept: {0}")]
    File(#[from] FileError),
}

/// Why the next request cannot be handed over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    /// Not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// Of two under one name, the one that is not in the order.
    #[error("another request of its name waits here")]
    Twice,
    /// The paired vault cannot open it or holds another under its name.
    #[error("the vault refuses it for good")]
    Refused,
    /// The disk.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Unusable {
    /// What may be otherwise at another try.
    pub(crate) fn passing(self) -> Result<FileError, Self> {
        match self {
            Self::File(error) if error.is_passing() => Ok(error),
            Self::File(_) | Self::Damaged(_) | Self::Twice | Self::Refused => Err(self),
        }
    }
}
