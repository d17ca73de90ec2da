//! The vault's clock: the machine's two clocks, and what is known of them.

use shared::time::{Reading, Time};
use std::sync::{Mutex, PoisonError};
use vault_core::{Clock, Now};

/// Where readings come from.
pub(crate) type Source = Box<dyn Fn() -> Reading + Send + Sync>;

/// Reads the machine's clocks and never lets time go back. The writer, the link and the desk share one.
pub(crate) struct Timekeeper {
    clock: Mutex<Clock>,
    source: Source,
}

impl Timekeeper {
    pub(crate) fn new(clock: Clock, source: Source) -> Self {
        Self { clock: Mutex::new(clock), source }
    }

    /// The instant, and whether it can be believed.
    pub(crate) fn now(&self) -> Now {
        self.read().1
    }

    /// What the machine's wall clock shows, believed or not.
    pub(crate) fn wall(&self) -> Time {
        (self.source)().wall
    }

    /// What is to be remembered on disk, with the instant.
    pub(crate) fn read(&self) -> (Clock, Now) {
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, now) = clock.read((self.source)());
        *clock = next;
        (next, now)
    }

    /// A clock that believes what the machine shows now; not yet this one.
    pub(crate) fn proposal(&self) -> Clock {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner).confirmed((self.source)())
    }

    /// Goes by `clock` from now on, which is on disk.
    pub(crate) fn set(&self, clock: Clock) {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = clock;
    }
}
