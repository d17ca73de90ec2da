//! Chance from a seed: the same seed and stream give the same draws.

use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood, 2014).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The draws of one stream under a seed.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut dice = Self(seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95));
        dice.next();
        dice
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Once in `n` times.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next().to_le_bytes()[0])
    }
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
    let mut dice = Dice::new(seed, world);
    let death = |_| {
        let side = if front == Front::Page && dice.one_in(4) { Side::Reception } else { Side::Vault };
        let (from, longest) = if dice.one_in(6) { (From::Start, 60_000) } else { (From::Work, 300_000) };
        Death { side, from, after: Duration::from_micros(dice.below(longest)) }
    };
    (0..count).map(death).collect()
}
