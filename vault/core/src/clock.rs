//! What time it is, and whether that can be believed. A machine's wall clock is set by people, batteries and strangers'
//! packets; nothing that ends may end, or go on, because of a clock that jumped.

use serde::{Deserialize, Serialize};
use shared::limits;
use shared::time::{Reading, Time};

/// The instant that a decision is made at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Now {
    /// The best estimate: never before an earlier one.
    pub time: Time,
    /// The first time that was believed in this boot, and what the monotonic clock has counted since. Waits are measured by
    /// it, for no setting of the wall clock moves it.
    pub elapsed: Time,
    /// Why nothing that depends on it may be done.
    pub doubt: Option<Doubt>,
}

/// How the wall clock disagrees with what was known before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// It shows a time that was over.
    #[error("the machine's clock has gone back")]
    Back,
    /// It shows more than [`limits::CLOCK_AHEAD`] later than can be accounted for.
    #[error("the machine's clock is more than a day ahead of what this vault knows to have passed")]
    Ahead,
}

/// What is remembered of earlier readings; kept on disk too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// The first reading of this boot that was believed. Later ones are measured against it, so that many small jumps are
    /// found as one great one is.
    believed: Reading,
    /// The latest time that was ever decided at.
    high: Time,
}

impl Clock {
    /// Believes `reading`: at the first start, and when the owner says that the clock is right.
    pub fn set(reading: Reading) -> Self {
        Self { believed: reading, high: reading.wall }
    }

    /// The latest time that was decided at.
    pub fn high(&self) -> Time {
        self.high
    }

    /// What `reading` means. A wall clock that went back by up to [`limits::CLOCK_BACK`] is waited for: time stands still. After
    /// another start of the machine the monotonic clock says nothing of the time between.
    pub fn read(self, reading: Reading) -> (Self, Now) {
        let same_boot = reading.boot == self.believed.boot;
        let known = if same_boot { self.elapsed(reading) } else { self.high };
        let expected = known.max(self.high);
        let doubt = if reading.wall.plus(limits::CLOCK_BACK) < expected {
            Some(Doubt::Back)
        } else if reading.wall > known.plus(limits::CLOCK_AHEAD) {
            Some(Doubt::Ahead)
        } else {
            None
        };
        let (believed, time) = match doubt {
            None => (if same_boot { self.believed } else { reading }, reading.wall.max(self.high)),
            Some(_) => (self.believed, expected),
        };
        let next = Self { believed, high: time };
        (next, Now { time, elapsed: next.elapsed(reading), doubt })
    }
    /// What was believed, and what has passed since; of another boot nothing is known.
    fn elapsed(&self, reading: Reading) -> Time {
        let since = if reading.boot == self.believed.boot { self.believed.since_boot } else { u64::MAX };
        self.believed.wall.plus(reading.since_boot.saturating_sub(since))
    }
}
