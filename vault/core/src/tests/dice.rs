//! Reproducible choices, and how many of them a run makes.

use std::num::Wrapping;

/// How often something is tried: as often as `ATTEMPTS` says, or else `usual`.
pub(super) fn attempts(usual: usize) -> usize {
    std::env::var("ATTEMPTS").map_or(usual, |text| text.parse().unwrap())
}

/// A reproducible source of choices (xorshift64).
pub(super) struct Dice(u64);

impl Dice {
    /// The choices of this seed, which must not be 0.
    pub(super) fn new(seed: u64) -> Self {
        assert_ne!(seed, 0);
        Self(seed)
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // xorshift64*: the low bits of the bare state are too regular.
        (Wrapping(self.0) * Wrapping(0x2545_f491_4f6c_dd1d)).0
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % end as u64).unwrap()
    }

    pub(super) fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.roll().to_be_bytes()[0])
    }

    /// Flips one to four bits, never back to what it was.
    pub(super) fn flip(&mut self, bytes: &mut [u8]) {
        let before = bytes.to_vec();
        while bytes == before {
            for _ in 0..=self.below(4) {
                bytes[self.below(before.len())] ^= 1 << self.below(8);
            }
        }
    }

    /// Another byte that keeps the text UTF-8.
    pub(super) fn replaced(&mut self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        let place = self.below(bytes.len());
        let old = bytes[place];
        while bytes[place] == old {
            bytes[place] = u8::try_from(self.below(128)).unwrap();
        }
        String::from_utf8(bytes).unwrap()
    }

    pub(super) fn cut(&mut self, text: &str) -> String {
        let mut changed = text.to_owned();
        changed.remove(self.below(text.len()));
        changed
    }

    pub(super) fn doubled(&mut self, text: &str) -> String {
        let (place, mut changed) = (self.below(text.len()), text.to_owned());
        changed.insert(place, char::from(text.as_bytes()[place]));
        changed
    }

    /// Two different lines change places.
    pub(super) fn swapped(&mut self, text: &str) -> String {
        let mut lines: Vec<&str> = text.lines().collect();
        let (one, other) = (self.below(lines.len()), self.below(lines.len() - 1));
        lines.swap(one, if other < one { other } else { other + 1 });
        lines.iter().flat_map(|line| [line, "\n"]).collect()
    }
}
