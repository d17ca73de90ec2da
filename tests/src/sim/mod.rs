//! The simulator: both real drivers over a simulated network, a simulated store and simulated clocks, all from one seed.
//!
//! A run is a single-threaded tokio runtime whose clock is paused, so that time passes only when everybody waits. What
//! ships and runs here: the link with its QUIC and TLS, the reception's lobby, broker, courier and spool, the vault's lanes,
//! service, sweeping and preparing, what is told after a commit, and the release core. What is made up: datagrams' fate
//! ([`net`]), the vault's store ([`store`], [`disk`]), how long the reception's disk takes ([`front`]), power and clocks
//! ([`power`]), visitors and the owners. [`model`] says what must be true.
//!
//! A seed gives the same events at the same simulated instants each time. TLS draws its keys from the system, so no bytes of
//! datagrams are compared; their order, times, ends and lengths are.

pub mod dice;
pub mod disk;
pub mod fault;
pub mod front;
pub mod keys;
pub mod model;
pub mod net;
pub mod owner;
pub mod power;
pub mod store;
pub mod storm;
pub mod visitor;
pub mod world;
pub mod wrong;

use fault::Fault;
use std::collections::BTreeMap;
use std::time::Duration;

/// What came of one seed.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Which.
    pub seed: u64,
    /// A hash over every event and its instant.
    pub digest: String,
    /// A hash over every datagram's order, instant, ends and length.
    pub datagram_digest: String,
    /// Datagrams sent.
    pub datagrams: u64,
    /// Events.
    pub events: u64,
    /// What has come about, and how often.
    pub seen: BTreeMap<&'static str, u64>,
    /// The longest that an answer took.
    pub slowest: Duration,
    /// How long the vault needed to answer again at the end.
    pub recovery: Duration,
    /// How much time passed.
    pub simulated: Duration,
    /// The first promise that was broken.
    pub broken: Option<String>,
    /// The events, if they were kept.
    pub lines: Vec<String>,
}

/// Whether the events themselves are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// For a person to read.
    Keep,
    /// Only their hash.
    Hash,
}

/// Runs one seed.
pub fn simulate(seed: u64, fault: Fault, lines: Lines) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(world::run(seed, fault, lines == Lines::Keep))
}
