//! The clocks, the randomness and the disk's time, as a driver takes them: the machine's, or made up by a simulator.

use shared::time::{Boot, Reading, Time};
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::SystemTime;
use tokio::sync::oneshot;

/// Something that waits for the disk.
pub type Work = Box<dyn FnOnce() + Send>;
/// Completes once a [`Work`] is done, or never will be.
pub type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a driver asks the world for, besides its network and its store.
pub trait Surroundings: Send + Sync + 'static {
    /// Both clocks. The wall clock may jump.
    fn reading(&self) -> Reading;

    /// Fills `bytes` with randomness.
    ///
    /// # Errors
    /// When there is none to be had.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), getrandom::Error>;

    /// Does this beside the runtime, whether or not what is returned is polled to its end. While a process stops it may be left
    /// undone.
    fn beside(&self, work: Work) -> Waiting;

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

    fn beside(&self, work: Work) -> Waiting {
        let done = tokio::task::spawn_blocking(work);
        Box::pin(async { drop(done.await) })
    }
}

/// Does what waits for the disk beside the runtime, and brings its result; `None` when the process stops before it is done.
pub async fn blocking<T: Send + 'static>(
    surroundings: &dyn Surroundings,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, result) = oneshot::channel();
    // Nobody may wait for the result any more.
    let wait = surroundings.beside(Box::new(move || drop(done.send(work()))));
    wait.await;
    result.await.ok()
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
