//! Every choice of a simulated run, drawn from its seed.

use crate::statistics;
use std::ops::Range;

/// What is drawn for one purpose of one run.
#[derive(Debug, Clone)]
pub struct Dice(statistics::Dice);

impl Dice {
    /// The dice of one purpose in the run of one seed; other purposes draw independently of them.
    pub fn of(seed: u64, purpose: u64) -> Self {
        let mut dice = statistics::Dice(seed ^ purpose.wrapping_mul(0xd6e8_feb8_6659_fd93));
        dice.draw();
        Self(statistics::Dice(dice.draw() ^ seed.rotate_left(32)))
    }

    /// 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0.draw()
    }

    /// Evenly from a range.
    pub fn from(&mut self, range: Range<u64>) -> u64 {
        range.start + self.draw() % (range.end - range.start).max(1)
    }

    /// True in so many of a thousand draws.
    pub fn chance(&mut self, in_thousand: u64) -> bool {
        self.from(0..1000) < in_thousand
    }

    /// One of these.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.from(0..of.len() as u64) as usize]
    }

    /// An act by its weight.
    pub fn weighted<T: Copy>(&mut self, acts: &[(u64, T)]) -> T {
        let mut left = self.from(0..acts.iter().map(|(weight, _)| weight).sum());
        let mut acts = acts.iter();
        loop {
            let (weight, act) = acts.next().unwrap();
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return *act,
            }
        }
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.draw().to_be_bytes()[..chunk.len()]);
        }
    }

    /// So many bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}
