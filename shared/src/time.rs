//! Instants as whole seconds of UTC, in the one spelling that statements use.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Seconds since 1970-01-01T00:00:00Z; prints as RFC 3339 with a `Z`, four-digit years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Time(u64);

/// Names one run of the machine's monotonic clock; another start of the machine has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Boot(pub [u8; 16]);

/// Both clocks of the machine, read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// The wall clock.
    pub wall: Time,
    /// Seconds since this boot, suspended time included.
    pub since_boot: u64,
    /// Which boot.
    pub boot: Boot,
}

/// Not a time in the one accepted spelling, such as `2026-11-22T09:14:03Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time is written like 2026-11-22T09:14:03Z")]
pub struct BadTime;

impl Time {
    /// The last instant with a four-digit year: 9999-12-30T22:00:00Z, the latest the calendar library prints.
    pub const MAX: Self = Self(253_402_207_200);

    /// The instant `seconds` after the epoch, at most [`Self::MAX`].
    pub fn from_unix(seconds: u64) -> Self {
        Self(seconds.min(Self::MAX.0))
    }

    /// Seconds since the epoch.
    pub fn unix(self) -> u64 {
        self.0
    }

    /// This many seconds later, at most [`Self::MAX`].
    pub fn plus(self, seconds: u64) -> Self {
        Self::from_unix(self.0.saturating_add(seconds))
    }
}

impl TryFrom<u64> for Time {
    type Error = BadTime;
    fn try_from(seconds: u64) -> Result<Self, BadTime> {
        if seconds <= Self::MAX.0 { Ok(Self(seconds)) } else { Err(BadTime) }
    }
}

impl From<Time> for u64 {
    fn from(time: Time) -> Self {
        time.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0).unwrap_or(i64::MAX);
        let stamp = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
        fmt::Display::fmt(&stamp, f)
    }
}

impl std::str::FromStr for Time {
    type Err = BadTime;
    fn from_str(text: &str) -> Result<Self, BadTime> {
        let stamp: jiff::Timestamp = text.parse().map_err(|_| BadTime)?;
        let time = u64::try_from(stamp.as_second()).map(Self::from_unix).map_err(|_| BadTime)?;
        if time.to_string() == text { Ok(time) } else { Err(BadTime) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling() {
        assert_eq!("2026-11-22T09:14:03Z".parse(), Ok(Time(1_795_338_843)));
        assert_eq!(Time(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Time::MAX.to_string().parse(), Ok(Time::MAX));
        for bad in
            ["2026-11-22T09:14:03+00:00", "2026-11-22t09:14:03z", "2026-11-22T09:14:03.5Z", "1969-12-31T23:59:59Z", ""]
        {
            assert_eq!(bad.parse::<Time>(), Err(BadTime), "{bad}");
        }
    }
}
