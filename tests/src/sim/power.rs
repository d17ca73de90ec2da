//! Power and clocks: what a machine has besides network and disk.

use super::dice::Dice;
use super::net::{Host, Plug};
use node::{Surroundings, Waiting, Work};
use shared::time::{Boot, Reading, Time};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tokio::time::Instant;

/// A machine from one start to its next fall. Whoever holds one of a machine that has fallen holds nothing.
#[derive(Clone)]
pub struct Power {
    host: Arc<Host>,
    off: Arc<watch::Sender<bool>>,
}

impl Power {
    /// Switched on.
    pub fn on(host: Arc<Host>) -> Self {
        Self { host, off: Arc::new(watch::Sender::new(false)) }
    }

    /// Cuts it: from this instant nothing is sent, heard or stored.
    pub fn cut(&self) {
        self.host.unplug();
        self.off.send_replace(true);
    }

    /// Whether it is still on.
    pub fn is_on(&self) -> bool {
        !*self.off.borrow()
    }

    /// Becomes true at the cut.
    pub fn off(&self) -> watch::Receiver<bool> {
        self.off.subscribe()
    }

    /// Its network.
    pub fn plug(&self) -> Plug {
        Plug(self.host.clone())
    }
}

/// A machine's clocks: one that counts from each start of the machine, and a wall clock that is sometimes set to another
/// time.
pub struct Wall {
    start: Instant,
    state: Mutex<WallState>,
}

struct WallState {
    /// What the clock showed at `start`, as it is set now.
    base: u64,
    /// Each time that the clock was set: when, and what it showed before and after.
    sets: Vec<(Instant, Time, Time)>,
    /// When the machine started, and how often it had before.
    boot: (Instant, u8),
    /// Since when a vault believes the clock, and nobody sets it.
    settled: Option<Instant>,
    dice: Dice,
}

impl Wall {
    /// Shows `base` seconds after the epoch.
    pub fn new(base: u64, dice: Dice) -> Arc<Self> {
        let start = Instant::now();
        Arc::new(Self {
            start,
            state: Mutex::new(WallState { base, sets: Vec::new(), boot: (start, 0), settled: None, dice }),
        })
    }

    /// The machine starts again.
    pub fn boot(&self) {
        let mut state = self.lock();
        state.boot = (Instant::now(), state.boot.1.wrapping_add(1));
    }

    /// Sets the clock ahead by so many seconds, or back.
    pub fn jump(&self, seconds: i64) {
        let before = self.now();
        let mut state = self.lock();
        state.base = state.base.saturating_add_signed(seconds);
        let after = Time::from_unix(state.base + self.start.elapsed().as_secs());
        state.sets.push((Instant::now(), before, after));
    }

    /// From now on a vault believes the clock, and nobody sets it any more.
    pub fn settle(&self) {
        self.lock().settled = Some(Instant::now());
    }

    /// The earliest that a vault may go by at `from` or later: what the clock showed then. Once it was set, and until it is
    /// settled, a vault may not have believed it, or have believed it when it was set back; then anything since the start counts.
    pub fn earliest(&self, from: Instant) -> Time {
        let state = self.lock();
        let settled = state.settled.is_some_and(|at| from >= at);
        let Some((at, before, _)) = state.sets.first().filter(|_| !settled) else {
            return Time::from_unix(state.base + from.duration_since(self.start).as_secs());
        };
        let first = Time::from_unix(before.unix().saturating_sub(at.duration_since(self.start).as_secs()));
        state.sets.iter().map(|(.., after)| *after).fold(first, Time::min)
    }

    /// The latest that a vault may go by: what the clock shows, or would show if it had not been set.
    pub fn latest(&self) -> Time {
        let now = self.now();
        let unset = |(at, before, _): &(Instant, Time, Time)| before.plus(at.elapsed().as_secs() + 1);
        self.lock().sets.iter().map(unset).fold(now, Time::max)
    }

    /// What the wall clock shows.
    pub fn now(&self) -> Time {
        Time::from_unix(self.lock().base + self.start.elapsed().as_secs())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, WallState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Surroundings for Wall {
    fn reading(&self) -> Reading {
        let (since, count) = self.lock().boot;
        Reading { wall: self.now(), since_boot: since.elapsed().as_secs(), boot: Boot([count; 16]) }
    }

    fn fill(&self, bytes: &mut [u8]) -> Result<(), getrandom::Error> {
        self.lock().dice.fill(bytes);
        Ok(())
    }

    fn beside(&self, work: Work) -> Waiting {
        let done = tokio::spawn(async { work() });
        Box::pin(async { drop(done.await) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vault_core::Clock;

    /// A vault that is started again and again under a clock that is set: the instants that its clock goes by lie within the
    /// bounds that the model believes, down to the rounding of seconds.
    #[test]
    fn a_vault_goes_by_no_time_beyond_the_bounds() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let doubts: usize = (0..2000).map(|seed| runtime.block_on(beyond_no_bounds(seed))).sum();
        assert!(doubts > 10_000, "the clock was doubted {doubts} times only");
    }

    async fn beyond_no_bounds(seed: u64) -> usize {
        let mut dice = Dice::of(seed, 1);
        let wall = Wall::new(1_000_000_000, Dice::of(seed, 2));
        let (mut clock, mut doubts) = (Clock::new(wall.reading()), 0);
        for _ in 0..60 {
            tokio::time::sleep(std::time::Duration::from_millis(dice.from(1..9000))).await;
            match dice.from(0..12) {
                0 => wall.jump(*dice.one(&[60, 7200, 3 * 86_400, -30, -3600, -2 * 86_400])),
                1 => wall.boot(),
                2 => clock = clock.confirmed(wall.reading()),
                _ => {}
            }
            let (earliest, latest) = (wall.earliest(Instant::now()), wall.latest());
            let (next, now) = clock.read(wall.reading());
            clock = next;
            doubts += usize::from(now.doubt.is_some());
            assert!(earliest <= now.time.plus(1), "seed {seed}: {earliest} after {}", now.time);
            assert!(now.time <= latest.plus(1), "seed {seed}: {latest} before {}", now.time);
        }
        doubts
    }
}
