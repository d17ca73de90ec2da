//! Whether two kinds of measurement differ: Welch's t-test as dudect applies it to timing (Reparaz, Balasch, Verbauwhede:
//! "Dude, is my code constant time?", 2017), and a generator of random choices that a seed repeats.

/// Where timing counts as leaking: at |t| = 4.5 chance alone says so in 1 of 150,000 comparisons of many measurements, and more
/// often of few.
pub const LEAK: f64 = 4.5;

/// A difference of two means.
#[derive(Debug, Clone, Copy)]
pub struct Difference {
    /// Welch's t.
    pub t: f64,
    /// The first mean less the second.
    pub means: f64,
    /// The standard error of that.
    pub error: f64,
}

/// Welch's t over two samples of measurements.
///
/// # Panics
/// When a sample has fewer than two, or neither varies.
pub fn welch(one: &[f64], other: &[f64]) -> Difference {
    let moments = |sample: &[f64]| {
        assert!(sample.len() > 1, "a variance needs two measurements");
        let count = sample.len() as f64;
        let mean = sample.iter().sum::<f64>() / count;
        let variance = sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    };
    let ((a, of_a), (b, of_b)) = (moments(one), moments(other));
    let error = (of_a + of_b).sqrt();
    assert!(error > 0.0, "measurements that never vary are no measurements");
    Difference { t: (a - b) / error, means: a - b, error }
}

/// The value below which this share of all measurements lies.
///
/// # Panics
/// Without measurements.
pub fn quantile(all: impl IntoIterator<Item = f64>, share: f64) -> f64 {
    let mut sorted: Vec<f64> = all.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same choices from the same seed.
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// From the environment's `TESTS_SEED`, else from the system; printed, so that a failure can be repeated.
    ///
    /// # Panics
    /// When the variable is no number.
    pub fn from_environment(what: &str) -> Self {
        let seed = match std::env::var("TESTS_SEED") {
            Ok(given) => given.parse().expect("TESTS_SEED is a number"),
            Err(_) => getrandom::u64().unwrap(),
        };
        eprintln!("{what}: TESTS_SEED={seed}");
        Self(seed)
    }

    /// 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.draw() % end as u64) as usize
    }

    /// Once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.draw() as u8)
    }

    /// Letters and digits that nobody writes by chance.
    pub fn word(&mut self) -> String {
        const LETTERS: &[u8] = b"bcdfghjkmnpqrstvwxz23456789";
        (0..24).map(|_| char::from(*self.pick(LETTERS))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn welch_agrees_with_a_known_example() {
        // Worked by hand: means 3 and 5, variances 2.5 and 2.5 over five each.
        let difference = welch(&[1.0, 2.0, 3.0, 4.0, 5.0], &[3.0, 4.0, 5.0, 6.0, 7.0]);
        assert!((difference.t + 2.0).abs() < 1e-12 && (difference.error - 1.0).abs() < 1e-12, "{difference:?}");
    }

    #[test]
    fn equal_kinds_are_not_told_apart_and_a_shift_is() {
        let mut dice = Dice(7);
        let mut noise = |shift: f64| -> Vec<f64> {
            (0..50_000)
                .map(|_| shift + (0..12).map(|_| (dice.draw() >> 11) as f64 / (1_u64 << 53) as f64).sum::<f64>())
                .collect()
        };
        let (one, same, other) = (noise(0.0), noise(0.0), noise(0.05));
        assert!(welch(&one, &same).t.abs() < LEAK && welch(&one, &other).t.abs() > LEAK);
        assert!((quantile(one, 0.5) - 6.0).abs() < 0.02);
    }
}
