//! The clocks and the randomness, as a driver takes them: the machine's, or made up by a simulator.

use shared::time::{Boot, Reading, Time};
use std::sync::OnceLock;
use std::time::SystemTime;

/// What a driver asks the world for, besides its network and its store.
pub trait Surroundings: Send + Sync + 'static {
    /// Both clocks. The wall clock may jump.
    fn reading(&self) -> Reading;

    /// Fills `bytes` with randomness.
    ///
    /// # Errors
    /// When there is none to be had.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), getrandom::Error>;

    /// What the wall clock shows, believed or not.
    fn wall(&self) -> Time {
        self.reading().wall
    }
}

/// The machine's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Machine;

impl Surroundings for Machine {
    fn reading(&self) -> Reading {
        let wall = Time::from_unix(SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs()));
        // Goes on while the machine sleeps (clock_gettime(2)).
        let since_boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime).tv_sec.unsigned_abs();
        Reading { wall, since_boot, boot: boot() }
    }

    fn fill(&self, bytes: &mut [u8]) -> Result<(), getrandom::Error> {
        getrandom::fill(bytes)
    }
}

/// The kernel's name for this start of the machine (random(4)); zeroes where it gives none, so that only the wall clock counts.
fn boot() -> Boot {
    static BOOT: OnceLock<Boot> = OnceLock::new();
    *BOOT.get_or_init(|| {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        Boot(shared::ids::unhex(&digits).unwrap_or_default())
    })
}
