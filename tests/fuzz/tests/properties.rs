//! The fuzzing targets on any toolchain, with the same inputs in each run: seeds, words and small changes, without the
//! search for new code that `tests/run fuzz` makes.

#![allow(clippy::unwrap_used)]

use fuzz::judge::CANARY;
use fuzz::{PLANTED, TARGETS, Target, Verdict};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Inputs for each target.
const CASES: u32 = 3000;

/// Always the same inputs, and no file that remembers failures: what is found becomes a seed.
fn runner() -> TestRunner {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// One small change.
#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Cut(Index, usize),
    Repeat(Index, usize),
    Bytes(Index, Vec<u8>),
    Word(Index, Index),
    /// Everything from here on is that of another seed.
    Splice(Index, Index),
    /// One byte is another one of the same input.
    Copy(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<Index>;
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, bits)| Change::Flip(at, bits)),
        (place(), 1..80_usize).prop_map(|(at, count)| Change::Cut(at, count)),
        (place(), 1..80_usize).prop_map(|(at, count)| Change::Repeat(at, count)),
        (place(), vec(any::<u8>(), 1..6)).prop_map(|(at, bytes)| Change::Bytes(at, bytes)),
        (place(), place()).prop_map(|(at, word)| Change::Word(at, word)),
        (place(), place()).prop_map(|(at, seed)| Change::Splice(at, seed)),
        (place(), place()).prop_map(|(at, from)| Change::Copy(at, from)),
    ]
}

impl Change {
    fn apply(&self, data: &mut Vec<u8>, target: &Target, seeds: &[Vec<u8>]) {
        let length = data.len();
        let place = |at: &Index| at.index(length + 1);
        match self {
            Self::Bytes(at, bytes) => drop(data.splice(place(at)..place(at), bytes.iter().copied())),
            Self::Word(at, word) if !target.words.is_empty() => {
                drop(data.splice(place(at)..place(at), target.words[word.index(target.words.len())].bytes()));
            }
            Self::Splice(at, seed) => {
                let seed = &seeds[seed.index(seeds.len())];
                let from = at.index(length + 1).min(seed.len());
                data.truncate(from);
                data.extend(&seed[from..]);
            }
            Self::Flip(at, bits) if length > 0 => data[at.index(length)] ^= bits,
            Self::Copy(at, from) if length > 0 => data[at.index(length)] = data[from.index(length)],
            Self::Cut(at, count) if length > 0 => {
                let at = at.index(length);
                data.drain(at..length.min(at + count));
            }
            Self::Repeat(at, count) if length > 0 => {
                let at = at.index(length);
                let again = data[at..length.min(at + count)].to_vec();
                drop(data.splice(at..at, again));
            }
            Self::Word(..) | Self::Flip(..) | Self::Copy(..) | Self::Cut(..) | Self::Repeat(..) => {}
        }
    }
}

/// A seed with up to four changes.
fn input(target: Target) -> impl Strategy<Value = Vec<u8>> {
    let seeds = (target.seeds)();
    (any::<Index>(), vec(change(), 0..=4)).prop_map(move |(seed, changes)| {
        let mut data = seeds[seed.index(seeds.len())].clone();
        changes.iter().for_each(|change| change.apply(&mut data, &target, &seeds));
        data
    })
}

fn changed_seeds(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let mut count = [0; 2];
    let counted = std::cell::RefCell::new(&mut count);
    runner()
        .run(&input(*target), |data| {
            counted.borrow_mut()[usize::from((target.check)(&data) == Verdict::Taken)] += 1;
            Ok(())
        })
        .unwrap();
    let [refused, taken] = count;
    assert!(refused > CASES / 20 && taken > CASES / 100, "{name}: {refused} refused, {taken} taken");
}

macro_rules! changed_seeds {
    ($($test:ident: $name:literal,)+) => {
        $(
            #[test]
            fn $test() {
                changed_seeds($name);
            }
        )+

        #[test]
        fn every_target_is_tested() {
            let tested = [$($name),+];
            assert_eq!(TARGETS.iter().map(|target| target.name).collect::<Vec<_>>(), tested);
        }
    };
}

// A test for each, so that they run beside each other.
changed_seeds! {
    calls: "call",
    replies: "reply",
    desk_messages: "desk",
    records: "record",
    statements: "statement",
    signatures: "sshsig",
    lists_of_signers: "signers",
    pairing_lines: "pairing",
    log_texts: "tlog",
    proofs: "proof",
    receipts: "receipt",
    publications: "publication",
    sealed_requests: "sealed",
    entries_of_the_spool: "spool",
    configuration_of_the_vault: "vault-config",
    configuration_of_the_reception: "reception-config",
    visible_text: "visible",
    return_codes: "return-code",
}

#[test]
fn every_seed_is_judged_and_some_of_each_target_are_taken() {
    for target in TARGETS {
        let taken = (target.seeds)().iter().filter(|seed| (target.check)(seed) == Verdict::Taken).count();
        assert!(taken > 0, "{}", target.name);
        (target.check)(b"");
    }
}

/// Whatever place of an input holds something private, no error tells it.
#[test]
fn no_error_quotes_any_place_of_an_input() {
    for target in TARGETS {
        for seed in (target.seeds)() {
            let step = (seed.len() / 100).max(1);
            for at in (0..=seed.len()).step_by(step) {
                let over = (at + CANARY.len()).min(seed.len());
                (target.check)(&[&seed[..at], CANARY.as_bytes(), &seed[at..]].concat());
                (target.check)(&[&seed[..at], CANARY.as_bytes(), &seed[over..]].concat());
            }
        }
    }
}

/// Small changes do not find it: that takes the search.
#[test]
fn the_planted_crash_is_hidden_from_changes_and_there() {
    let property = |data: Vec<u8>| {
        prop_assert_eq!((PLANTED.check)(&data), Verdict::Refused);
        Ok(())
    };
    runner().run(&input(PLANTED), property).unwrap();
    let crash = std::panic::catch_unwind(|| (PLANTED.check)(b"\x00\x00\x00\x05\x9eo\x00\xff\x1b"));
    assert!(crash.is_err());
}
