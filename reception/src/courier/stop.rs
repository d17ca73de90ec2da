//! Why requests stay here for now, or for good.

use super::RETRY;
use crate::broker::BrokerError;
use crate::spool::{Offered, Unusable};
use shared::message::Refused;
use std::time::Duration;

/// Why nothing more leaves the spool. A new link ends each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    /// There is none, or no vault: until a request comes.
    Idle,
    /// The vault takes those that wait later: until then, or until a new request comes, which goes first.
    Later(Duration),
    /// The vault takes none now: a new request does not make it ready.
    Retry,
}

impl Pause {
    pub(super) fn time(self) -> Option<Duration> {
        match self {
            Self::Idle => None,
            Self::Later(time) => Some(time),
            Self::Retry => Some(RETRY),
        }
    }
}

/// Why a request was not handed over.
pub(super) enum Stop {
    /// It never will be.
    Aside(Unusable),
    /// The vault has no room for it before this time is over, or others are gone; others may have room.
    Later(Duration),
    /// It cannot be now, and others perhaps can.
    Failed(Put),
    /// Nothing more is for now.
    Pause(Pause),
}

/// Why a request is put off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Put {
    /// As many are filed as the vault takes.
    #[error("the vault takes no more requests for now, and expects room in {} s", .0.as_secs())]
    Busy(Duration),
    /// Something of the vault's own.
    #[error("the vault could not file it")]
    Unfiled,
    /// None that is known: the link stayed up.
    #[error("the vault gave no answer")]
    Unanswered,
    /// The link ended.
    #[error("the link to the vault broke")]
    Cut,
    /// This machine's disk.
    #[error("it cannot be read here now")]
    Unread,
}

/// Whether what was sent to the vault may be there.
pub(crate) fn reached(answer: Result<(), BrokerError>) -> Offered {
    match answer {
        // A vault whose disk failed may find it there at its next start.
        Ok(()) | Err(BrokerError::Broken | BrokerError::Refused(Refused::Unavailable)) => Offered::Perhaps,
        Err(BrokerError::Away | BrokerError::Crowded | BrokerError::Refused(_)) => Offered::Never,
    }
}

/// What follows when the vault was not there, or refused.
pub(super) fn stop(error: BrokerError) -> Stop {
    match error {
        BrokerError::Refused(Refused::Malformed | Refused::TooLarge) => Stop::Aside(Unusable::Refused),
        // A quota is this request's own: nobody else waits for it.
        BrokerError::Refused(Refused::Busy { retry_after }) => Stop::Later(Duration::from_secs(retry_after.into())),
        BrokerError::Away
        | BrokerError::Broken
        // Each would wait for as long as this one did.
        | BrokerError::Crowded
        | BrokerError::Refused(
            Refused::Protocol | Refused::Unavailable | Refused::Collected | Refused::Paused | Refused::Answered,
        ) => Stop::Pause(Pause::Retry),
    }
}
