//! `simulate [SEEDS [FIRST]]`: plants faults and looks whether the checker notices each, runs so many seeds, runs some of
//! them again and compares, and prints figures. `simulate show SEED` prints what happens in one.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tests::sim::fault::Fault;
use tests::sim::{Lines, Outcome, simulate};

/// Seeds without being told.
const SEEDS: u64 = 500;
/// Seeds that are run twice.
const REPLAYS: u64 = 50;
/// A planted fault must be noticed within so many seeds.
const PATIENCE: u64 = 200;
/// A long run says how far it is each time that so many seeds are through.
const PROGRESS: u64 = 1000;
/// Failing seeds that are named.
const NAMED: u64 = 20;
/// From so many seeds on, each of [`EXPECTED`] must have come about.
const ENOUGH: u64 = 300;

/// What a run has to reach, so that the checker had something to check.
const EXPECTED: [&str; 75] = [
    "a commit failed",
    "a datagram came twice",
    "a datagram was corrupted",
    "a datagram was lost",
    "a filing was acknowledged",
    "a filing was kept at the reception",
    "a filing with other words was refused",
    "a kept request was looked at",
    "a kept request was taken back",
    "a machine fell",
    "a payload came whole",
    "a payload was broken off",
    "a payload was kept back while all was stopped",
    "a payload was resumed to its end",
    "a question",
    "a question was read",
    "a receipt came alone",
    "a reception was started with requests in its spool",
    "a request that may have left was taken back",
    "a request was set aside",
    "all was stopped when the vault fell",
    "an answer was acknowledged",
    "an approval by another key was refused",
    "an approval by another vault was refused",
    "an approval for another purpose was refused",
    "an approval for another recipient was refused",
    "an approval for no or too many devices was refused",
    "an approval of another request was refused",
    "an approval of other bytes was refused",
    "an approval that is over was refused",
    "an approval was revoked while it cooled off",
    "an approval was taken",
    "an approval with a changed byte was refused",
    "an approval with another nonce was refused",
    "an approval with other words was refused",
    "an approval without a near end was refused",
    "an offset beyond the end was refused",
    "an old approval was refused",
    "an owner's second signature was refused",
    "another answer was refused",
    "answered",
    "approved",
    "asked",
    "clock",
    "closed",
    "collected",
    "composed",
    "every collection was used",
    "expired",
    "filed",
    "frozen",
    "junk came",
    "lapsed",
    "nothing was signed while all was stopped",
    "nothing was there to collect",
    "one of several owners signed",
    "one of several owners signed that releases go on",
    "prepared",
    "ready",
    "refused",
    "refused in words",
    "released",
    "revoked",
    "signed",
    "sizes were compared",
    "stopped",
    "thawed",
    "the power went after a commit",
    "the power went before a commit",
    "the vault could not",
    "the vault was away",
    "waiting",
    "withdrawn",
    "words of refusal were read",
    "words were kept back while all was stopped",
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Option<Vec<u64>> = words.iter().map(|word| word.parse().ok()).collect();
    match (words.first().map(String::as_str), numbers.as_deref()) {
        (Some("show"), _) if words.len() == 2 => show(&words[1]),
        (_, Some([])) => campaign(SEEDS, 1),
        (_, Some([seeds])) if *seeds > 0 => campaign(*seeds, 1),
        (_, Some([seeds, first])) if *seeds > 0 => campaign(*seeds, *first),
        _ => {
            eprintln!("usage: simulate [SEEDS [FIRST]] | simulate show SEED");
            ExitCode::from(2)
        }
    }
}

fn show(seed: &str) -> ExitCode {
    let Ok(seed) = seed.parse() else {
        eprintln!("simulate: a seed is a number");
        return ExitCode::from(2);
    };
    // What both nodes say of it themselves.
    node::log::start(node::config::Level::Debug);
    let outcome = simulate(seed, Fault::None, Lines::Keep);
    outcome.lines.iter().for_each(|line| println!("{line}"));
    println!("seed {seed}: {} events, hash {}", outcome.events, outcome.digest);
    ended(outcome.broken.is_none())
}

fn campaign(seeds: u64, first: u64) -> ExitCode {
    let start = Instant::now();
    let noticed = faults_are_noticed(first);
    let figures = run(seeds, first);
    let replays = replay(seeds.min(REPLAYS), first, &figures);
    let seen: Vec<_> = figures.seen.iter().map(|(what, times)| format!("{what} {times}")).collect();
    println!("simulate: what came about, and how often: {}", seen.join("; "));
    println!("simulate: {}", figures.words(seeds, first));
    println!("simulate: {:.0} s in all", start.elapsed().as_secs_f64());
    let missing: Vec<_> = EXPECTED.into_iter().filter(|what| !figures.seen.contains_key(what)).collect();
    let reached = seeds < ENOUGH || missing.is_empty();
    if !reached {
        println!("simulate: never came about: {}", missing.join("; "));
    }
    ended(noticed && replays && reached && figures.failed == 0)
}

fn ended(well: bool) -> ExitCode {
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Plants each fault and looks whether the checker notices it.
fn faults_are_noticed(first: u64) -> bool {
    let mut all = true;
    for fault in Fault::ALL {
        let next = AtomicU64::new(first);
        let found = Mutex::new(None::<Outcome>);
        workers(|| {
            while found.lock().is_ok_and(|found| found.is_none()) {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + PATIENCE {
                    return;
                }
                let outcome = simulate(seed, fault, Lines::Hash);
                if outcome.broken.is_some()
                    && let Ok(mut found) = found.lock()
                {
                    found.get_or_insert(outcome);
                }
            }
        });
        match found.into_inner().ok().flatten() {
            // The same seed without it is whole: nothing else was noticed.
            Some(Outcome { seed, broken: Some(why), .. }) => {
                let alone = simulate(seed, Fault::None, Lines::Hash).broken.is_none();
                let word = if alone { "" } else { ", but so it is WITHOUT the fault" };
                println!("simulate: planted {fault:?}: noticed at seed {seed}{word}: {why}");
                all &= alone;
            }
            _ => {
                println!("simulate: planted {fault:?}: NOT noticed within {PATIENCE} seeds");
                all = false;
            }
        }
    }
    all
}

#[derive(Default)]
struct Figures {
    digests: BTreeMap<u64, (String, String)>,
    through: u64,
    failed: u64,
    seen: BTreeMap<&'static str, u64>,
    events: u64,
    datagrams: u64,
    slowest: Duration,
    recovery: Duration,
    simulated: Duration,
    took: Duration,
}

impl Figures {
    fn add(&mut self, outcome: &Outcome, first: u64) {
        let Outcome { seed, digest, datagram_digest, .. } = outcome;
        if *seed < first + REPLAYS {
            self.digests.insert(*seed, (digest.clone(), datagram_digest.clone()));
        }
        if let Some(why) = &outcome.broken {
            self.failed += 1;
            if self.failed <= NAMED {
                println!("simulate: seed {seed} FAILED: {why}; look at it with: tests/run simulate -- show {seed}");
            }
        }
        self.through += 1;
        if self.through.is_multiple_of(PROGRESS) {
            println!("simulate: {} seeds are through, {} of them failed", self.through, self.failed);
        }
        self.events += outcome.events;
        self.datagrams += outcome.datagrams;
        for (what, times) in &outcome.seen {
            *self.seen.entry(what).or_default() += times;
        }
        self.slowest = self.slowest.max(outcome.slowest);
        self.recovery = self.recovery.max(outcome.recovery);
        self.simulated += outcome.simulated;
    }

    fn words(&self, seeds: u64, first: u64) -> String {
        let last = first + seeds - 1;
        format!(
            "{} of {seeds} seeds ({first} to {last}) failed in {:.0} s: {:.1} simulated hours, {} events, {} datagrams, \
             slowest answer {:.1} s, slowest recovery {:.1} s",
            self.failed,
            self.took.as_secs_f64(),
            self.simulated.as_secs_f64() / 3600.0,
            self.events,
            self.datagrams,
            self.slowest.as_secs_f64(),
            self.recovery.as_secs_f64(),
        )
    }
}

fn run(seeds: u64, first: u64) -> Figures {
    let (start, next) = (Instant::now(), AtomicU64::new(first));
    let figures = Mutex::new(Figures::default());
    workers(|| {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + seeds {
                return;
            }
            let outcome = simulate(seed, Fault::None, Lines::Hash);
            if let Ok(mut figures) = figures.lock() {
                figures.add(&outcome, first);
            }
        }
    });
    let mut figures = figures.into_inner().unwrap_or_default();
    figures.took = start.elapsed();
    figures
}

/// Runs the first seeds again, and compares.
fn replay(seeds: u64, first: u64, before: &Figures) -> bool {
    let differ = Mutex::new((Vec::new(), 0));
    let next = AtomicU64::new(first);
    workers(|| {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + seeds {
                return;
            }
            let again = simulate(seed, Fault::None, Lines::Hash);
            let Some((digest, datagrams)) = before.digests.get(&seed) else { return };
            if let Ok(mut differ) = differ.lock() {
                if again.digest != *digest {
                    differ.0.push(seed);
                }
                differ.1 += u64::from(again.datagram_digest != *datagrams);
            }
        }
    });
    let (events, datagrams) = differ.into_inner().unwrap_or_default();
    println!("simulate: {} of {seeds} replays differ in events {events:?}, {datagrams} in datagrams", events.len());
    events.is_empty() && datagrams == 0
}

/// Runs `work` on every core.
fn workers(work: impl Fn() + Sync) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(&work);
        }
    });
}
