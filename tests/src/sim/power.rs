//! Power and clocks: what a machine has besides network and disk.

use super::dice::Dice;
use super::net::{Host, Plug};
use node::Surroundings;
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

/// A wall clock that runs with the simulated time and is sometimes set to another.
pub struct Wall {
    start: Instant,
    state: Mutex<WallState>,
}

struct WallState {
    /// What the clock showed at `start`, as it is set now.
    base: u64,
    /// The least and the most of these ever. The vault believes none that it cannot account for, and so goes by one of those
    /// that lie between.
    bases: (u64, u64),
    dice: Dice,
}

impl Wall {
    /// Shows `base` seconds after the epoch.
    pub fn new(base: u64, dice: Dice) -> Arc<Self> {
        let state = Mutex::new(WallState { base, bases: (base, base), dice });
        Arc::new(Self { start: Instant::now(), state })
    }

    /// Sets the clock ahead by so many seconds, or back.
    pub fn jump(&self, seconds: i64) {
        let mut state = self.lock();
        state.base = state.base.saturating_add_signed(seconds);
        state.bases = (state.bases.0.min(state.base), state.bases.1.max(state.base));
    }

    /// The earliest that the vault may have gone by since `from`.
    pub fn earliest(&self, from: Instant) -> Time {
        Time::from_unix(self.lock().bases.0 + from.duration_since(self.start).as_secs())
    }

    /// The latest that it may ever have gone by.
    pub fn latest(&self) -> Time {
        Time::from_unix(self.lock().bases.1 + self.start.elapsed().as_secs())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, WallState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Surroundings for Wall {
    fn reading(&self) -> Reading {
        let since_boot = self.start.elapsed().as_secs();
        Reading { wall: Time::from_unix(self.lock().base + since_boot), since_boot, boot: Boot([1; 16]) }
    }

    fn fill(&self, bytes: &mut [u8]) -> Result<(), getrandom::Error> {
        self.lock().dice.fill(bytes);
        Ok(())
    }
}
