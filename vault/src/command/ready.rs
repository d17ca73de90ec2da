//! What is checked before an owner reads, writes and types for nothing.

use super::{CommandError, Owner};
use crate::desk::About;
use crate::sign::Key;
use std::path::Path;

impl Owner {
    /// The key that is given, or the configured one, for a statement that releases nothing.
    ///
    /// # Errors
    /// [`CommandError::Sign`] when it cannot be one that this vault's owners sign with.
    pub(super) fn key(&self, given: Option<&Path>) -> Result<Key, CommandError> {
        self.owners_key(given, &self.about()?)
    }

    /// The key for a statement that releases something.
    ///
    /// # Errors
    /// As [`Self::key`] and [`may_release`].
    pub(super) fn ready(&self, given: Option<&Path>) -> Result<Key, CommandError> {
        let about = self.about()?;
        may_release(&about)?;
        self.owners_key(given, &about)
    }

    fn owners_key(&self, given: Option<&Path>, about: &About) -> Result<Key, CommandError> {
        Ok(Key::look(given.unwrap_or(&self.config.owner_key), &about.signers)?)
    }
}

/// # Errors
/// [`CommandError::Refused`] while releases are stopped or the clock is in doubt.
pub(super) fn may_release(about: &About) -> Result<(), CommandError> {
    if let Some(since) = about.frozen {
        let words = format!("all releases are stopped since {since}; `vault thaw` lets them go on. Nothing was asked.");
        return Err(CommandError::Refused(words));
    }
    match about.clock.doubt {
        Some(doubt) => {
            Err(CommandError::Refused(format!("{doubt}; `vault clock` says what to do. Nothing was asked.")))
        }
        None => Ok(()),
    }
}
