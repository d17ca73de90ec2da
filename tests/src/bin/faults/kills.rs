//! The campaign of deaths: many worlds beside each other, and first of all worlds with a planted fault.

use crate::dice::{Front, deaths};
use crate::ledger::Counts;
use crate::life::{Fate, Plant, Tally, live};
use crate::say;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Worlds beside each other: most of a life is waiting for the other side.
const BESIDE: usize = 8;
/// Deaths of one world, at most: a lane takes 500 filings a day, and a start reads all of them.
const DEATHS: usize = 90;
/// Deaths within which a planted fault has to be found.
const PLANTED: usize = 12;
/// Between two lines about how far it is.
const PROGRESS: Duration = Duration::from_secs(30);

/// Every world of a campaign; it follows from the seed and the number of kills alone.
fn fates(kills: usize, seed: u64) -> Vec<Fate> {
    let worlds = kills.div_ceil(DEATHS).max(BESIDE.min(kills));
    let fate = |world: usize| {
        let kills = kills / worlds + usize::from(world < kills % worlds);
        let front = if world.is_multiple_of(2) { Front::Link } else { Front::Page };
        Fate { seed, world: world as u64, front, kills, plant: None }
    };
    (0..worlds).map(fate).collect()
}

/// Prints the plan.
pub(crate) fn plan(kills: usize, seed: u64) {
    for fate in fates(kills, seed) {
        for death in deaths(seed, fate.world, fate.front, fate.kills) {
            say(&format!("world {} ({:?}): {death:?}", fate.world, fate.front));
        }
    }
}

/// Runs a campaign; whether nothing was found.
pub(crate) fn run(kills: usize, seed: u64) -> bool {
    let fates = fates(kills, seed);
    let plans = fates.iter().map(|fate| format!("{:?}", deaths(seed, fate.world, fate.front, fate.kills)));
    let digest = tests::tools::sha256(plans.collect::<String>().as_bytes());
    say(&format!("kill: {kills} deaths in {} worlds, seed {seed}, plan {}", fates.len(), &digest[..16]));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    if !planted(seed, runtime.handle()) {
        return false;
    }
    let start = Instant::now();
    let all = together(&fates, runtime.handle(), &AtomicUsize::new(0));
    let found = report(&fates, &all, start.elapsed());
    runtime.shutdown_timeout(Duration::from_secs(1));
    found
}

/// Each planted fault must be found, by the check that is for it.
fn planted(seed: u64, handle: &tokio::runtime::Handle) -> bool {
    let fate =
        |(n, plant)| Fate { seed, world: u64::MAX - n as u64, front: Front::Link, kills: PLANTED, plant: Some(plant) };
    let fates: Vec<Fate> = Plant::ALL.into_iter().enumerate().map(fate).collect();
    let tallies = together(&fates, handle, &AtomicUsize::new(0));
    let mut found = true;
    for (plant, tally) in Plant::ALL.into_iter().zip(&tallies) {
        let words =
            tally.faults.iter().find(|fault| fault.contains(plant.words())).and_then(|fault| fault.lines().next());
        match words {
            Some(words) if tally.planted => say(&format!("kill: planted {plant:?}, found: {words}")),
            _ => {
                found = false;
                say(&format!("kill: planted {plant:?} ({}), and not found: {:#?}", tally.planted, tally.faults));
            }
        }
    }
    found
}

/// Lives all of them, [`BESIDE`] at a time, in their order.
fn together(fates: &[Fate], handle: &tokio::runtime::Handle, deaths: &AtomicUsize) -> Vec<Tally> {
    let (next, tallies) = (AtomicUsize::new(0), Mutex::new(vec![Tally::default(); fates.len()]));
    let said = Mutex::new(Instant::now());
    let killed = || {
        let count = deaths.fetch_add(1, Ordering::Relaxed) + 1;
        let mut said = said.lock().unwrap();
        if said.elapsed() > PROGRESS {
            *said = Instant::now();
            say(&format!("kill: {count} deaths so far"));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..BESIDE.min(fates.len()) {
            scope.spawn(|| {
                while let Some(fate) = fates.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let tally = live(fate, handle, &killed);
                    tallies.lock().unwrap()[fate.world_place(fates)] = tally;
                }
            });
        }
    });
    tallies.into_inner().unwrap()
}

impl Fate {
    fn world_place(&self, fates: &[Self]) -> usize {
        fates.iter().position(|fate| fate.world == self.world).unwrap_or_default()
    }
}

/// Prints what was done and found; whether nothing was.
fn report(fates: &[Fate], tallies: &[Tally], time: Duration) -> bool {
    let sum = |count: fn(&Tally) -> usize| tallies.iter().map(count).sum::<usize>();
    let (vault, reception) = (sum(|t| t.vault), sum(|t| t.reception));
    say(&format!(
        "kill: {} times kill -9 in {} s: {vault} of the vault, {reception} of the reception, {} of them while starting",
        vault + reception,
        time.as_secs(),
        sum(|t| t.starting)
    ));
    let counts = tallies.iter().map(|tally| tally.counts).sum::<Counts>();
    say(&format!("kill: {counts}, {} entries in the logs", sum(|t| t.entries)));
    let faults = sum(|t| t.faults.len());
    for (fate, tally) in fates.iter().zip(tallies) {
        for fault in &tally.faults {
            say(&format!("kill: FAULT in world {} ({:?}): {fault}", fate.world, fate.front));
        }
    }
    let all = fates.iter().map(|fate| fate.kills).sum::<usize>();
    say(&format!(
        "kill: {faults} faults: acknowledged and lost, released twice, released without an entry in the log, or other bytes"
    ));
    faults == 0 && vault + reception == all
}
