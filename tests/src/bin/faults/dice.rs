//! Chance from a seed: the same seed and stream give the same draws.

use std::time::Duration;
use tests::statistics::Dice;

/// The draws of one stream under a seed.
pub(crate) fn stream(seed: u64, stream: u64) -> Dice {
    let mut dice = Dice(seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95));
    dice.draw();
    dice
}

/// Which node dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Vault,
    Reception,
}

/// From when a death's delay counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// The start of the process: it dies while it starts.
    Start,
    /// The first answer after the start: it dies at work.
    Work,
}

/// One death of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Death {
    pub(crate) side: Side,
    pub(crate) from: From,
    pub(crate) after: Duration,
}

/// What stands between the visitors and the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Front {
    /// The harness itself, at the link: it can resume by offset, and break off anywhere.
    Link,
    /// The real reception; it dies too.
    Page,
}

/// The deaths of one world.
pub(crate) fn deaths(seed: u64, world: u64, front: Front, count: usize) -> Vec<Death> {
    let mut dice = stream(seed, world);
    let death = |_| {
        let side = if front == Front::Page && dice.one_in(4) { Side::Reception } else { Side::Vault };
        let (from, longest) = if dice.one_in(6) { (From::Start, 60_000) } else { (From::Work, 300_000) };
        Death { side, from, after: Duration::from_micros(dice.below(longest) as u64) }
    };
    (0..count).map(death).collect()
}
