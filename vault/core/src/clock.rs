//! What time it is, and whether that can be believed. A machine's wall clock is set by people, batteries and strangers'
//! packets; nothing that ends may end, or go on, because of a clock that jumped.

use serde::{Deserialize, Serialize};
use shared::limits;
use shared::time::{Boot, Reading, Time};

/// The instant that a decision is made at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Now {
    /// The best estimate: never before an earlier one.
    pub time: Time,
    /// Seconds that the machine's monotonic clock has counted in the vault's life. Waits are measured by it: no setting of the
    /// wall clock moves it, and nobody who needs time to think again loses what passes while the machine is off.
    pub waited: u64,
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
    /// What has been counted, and the reading of the monotonic clock up to which it has.
    waited: u64,
    counted: (u64, Boot),
}

impl Clock {
    /// A new vault's, which believes `reading`.
    pub fn new(reading: Reading) -> Self {
        Self { believed: reading, high: reading.wall, waited: 0, counted: (reading.since_boot, reading.boot) }
    }

    /// Believes `reading`, because the owner says that it is right. What has been waited for is neither more nor less for it.
    #[must_use]
    pub fn confirmed(self, reading: Reading) -> Self {
        Self { waited: self.waited(reading), ..Self::new(reading) }
    }

    /// The latest time that was decided at.
    pub fn high(&self) -> Time {
        self.high
    }

    /// What `reading` means. A wall clock that went back by up to [`limits::CLOCK_BACK`] is waited for: time stands still. After
    /// another start of the machine the monotonic clock says nothing of the time between.
    pub fn read(self, reading: Reading) -> (Self, Now) {
        let same_boot = reading.boot == self.believed.boot;
        let known = if same_boot {
            self.believed.wall.plus(reading.since_boot.saturating_sub(self.believed.since_boot))
        } else {
            self.high
        };
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
        let waited = self.waited(reading);
        let next = Self { believed, high: time, waited, counted: (reading.since_boot, reading.boot) };
        (next, Now { time, waited, doubt })
    }

    /// What has been counted by this reading; what passed in another boot since the last one is not known, and not counted.
    fn waited(&self, reading: Reading) -> u64 {
        let (since, boot) = self.counted;
        let more = if reading.boot == boot { reading.since_boot.saturating_sub(since) } else { 0 };
        self.waited.saturating_add(more)
    }
}
