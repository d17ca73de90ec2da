//! Every history of a small vault, within stated bounds: the shipped core under a driver that does what the daemon's does,
//! with an adversary for a reception, two owners at two desks, a disk that refuses, a power that fails and a clock that
//! jumps. `tests/run model` runs it and prints its figures.
//!
//! A search ends when nothing is left to explore. Each planted mistake must be found, by the invariant that it breaks.

mod acts;
mod bounds;
mod core;
mod desk;
mod driver;
mod found;
mod judge;
mod known;
mod papers;
mod plant;
mod world;

use self::acts::Act;
use self::bounds::{LEVELS, Level, PLANTINGS, Scene};
use self::core::Core;
use self::driver::Driver;
use self::judge::Invariant;
use self::plant::{Plant, Planting};
use self::world::{Bounds, World};
use crate::{Going, Stage, Why};
use stateright::{Checker, HasDiscoveries, Model, Property};
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Instant;

/// A vault and everything that may happen to it.
struct Vault {
    core: Core,
    bounds: Bounds,
    plant: Option<Plant>,
}

impl Vault {
    fn new(bounds: Bounds, plant: Option<Plant>) -> Self {
        Self { core: Core::new(plant.and_then(Plant::in_core)), bounds, plant }
    }
}

impl Model for Vault {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        self.bounds.setups.iter().map(|setup| World::new(self.core.off(*setup), &self.bounds)).collect()
    }

    fn actions(&self, world: &World, acts: &mut Vec<Act>) {
        acts::all(world, &self.bounds, &self.core, acts);
    }

    fn next_state(&self, world: &World, act: Act) -> Option<World> {
        Driver { core: &self.core, plant: self.plant, crashes: self.bounds.crashes }.act(world, act)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let always = Invariant::ALL.iter().map(|one| Property::always(one.words(), one.check()));
        always.chain(REACHED.iter().map(|(words, reached)| Property::sometimes(words, *reached))).collect()
    }
}

type Reached = fn(&Vault, &World) -> bool;

/// What a search must come to see, or else it has shown nothing.
const REACHED: [(&str, Reached); 16] = [
    ("bytes leave", |_, w| w.seen.iter().any(|seen| seen.served)),
    ("two owners released together", |_, w| w.setup().quorum == 2 && w.seen.iter().any(|seen| seen.served)),
    ("one owner has signed and another must", |_, w| stages(w).any(|stage| stage.pending().is_some())),
    ("an approval cools off", |_, w| stages(w).any(|stage| matches!(stage, Stage::Cooling(..)))),
    ("an approval has cooled off", |_, w| w.setup().cooling > 0 && w.seen.iter().any(|seen| seen.served)),
    ("a release is revoked", |_, w| ended(w, Why::Revoked)),
    ("a release expires", |_, w| ended(w, Why::Expired)),
    ("a request lapses", |_, w| ended(w, Why::Lapsed)),
    ("a request is withdrawn", |_, w| ended(w, Why::Withdrawn)),
    ("a request is refused", |_, w| ended(w, Why::Refused)),
    ("a question is answered", |_, w| w.disk.rows.iter().flatten().any(|case| !case.state.talk.is_empty())),
    ("releases are stopped", |_, w| w.disk.brake.brake.going() == Going::Frozen),
    ("releases go on again", |_, w| !w.frozen && w.disk.brake.nonces > 1),
    ("three requests are filed", |_, w| w.disk.rows.iter().all(Option::is_some)),
    ("the power fails twice, with bytes gone out", |v, w| {
        v.bounds.crashes == 2 && w.left.crashes == 0 && w.seen.iter().any(|seen| seen.served)
    }),
    ("the clock is in doubt", |_, w| w.now().doubt.is_some()),
];

fn stages(world: &World) -> impl Iterator<Item = &Stage> {
    world.disk.rows.iter().flatten().map(|case| &case.state.stage)
}

fn ended(world: &World, why: Why) -> bool {
    stages(world).any(|stage| matches!(stage, Stage::Closed(closing) if closing.why == why))
}

/// The level that is asked for.
fn level() -> Level {
    let name = std::env::var("MODEL").unwrap_or_else(|_| "short".into());
    LEVELS.into_iter().find(|level| level.name == name).unwrap_or_else(|| {
        panic!("there is no level {name:?}; MODEL is one of {:?}", LEVELS.map(|level| level.name));
    })
}

/// Prints past the test runner, so that figures are seen whatever it does with its tests' words.
fn say(words: &str) {
    std::io::stderr().write_all(words.as_bytes()).unwrap();
}

fn history(acts: Vec<Act>) -> String {
    acts.iter().enumerate().map(|(at, act)| format!("    {}. {act}\n", at + 1)).collect()
}

/// Explores a scene to its end. Gives how many different worlds there are, and for each part of [`REACHED`] how many acts
/// lead there.
fn explore(scene: &Scene) -> (usize, [Option<usize>; REACHED.len()]) {
    let start = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let checker = Vault::new(scene.bounds, None).checker().threads(threads).spawn_bfs().join();
    let (seconds, found) = (start.elapsed().as_secs_f64(), checker.discoveries());
    let (questions, rows) = checker.model().core.asked();
    say(&format!(
        "explored: {}: {}\n  {} states, {} of them different, {} deep, none left to explore, {seconds:.1} s on {threads} \
         threads; the core was asked {questions} different questions and wrote {rows} different rows\n",
        scene.name,
        scene.bounds,
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
    ));
    for invariant in Invariant::ALL {
        if let Some(path) = found.get(invariant.words()) {
            panic!(
                "in {:?}, {:?} is broken by:\n{}",
                scene.name,
                invariant.words(),
                history(path.clone().into_actions())
            );
        }
    }
    // It ends early only if it has found everything that it looks for, broken invariants included, or is told to.
    assert!(checker.is_done());
    let length = |(words, _): (&str, Reached)| found.get(words).map(|path| path.clone().into_actions().len());
    (checker.unique_state_count(), REACHED.map(length))
}

#[test]
fn every_history_keeps_every_promise() {
    let Level { name, scenes, at_least } = level();
    let explored: Vec<_> = scenes.iter().map(explore).collect();
    let worlds: usize = explored.iter().map(|(worlds, _)| worlds).sum();
    let mut words = format!("model, level {name}: {worlds} different worlds in {} searches\n", scenes.len());
    for invariant in Invariant::ALL {
        writeln!(words, "  holds in all of them: {}", invariant.words()).unwrap();
    }
    for (at, (what, _)) in REACHED.iter().enumerate() {
        let shortest = explored.iter().filter_map(|(_, reached)| reached[at]).min();
        let how = shortest.map_or("never".into(), |acts| format!("after {acts} acts"));
        writeln!(words, "  reached {how}: {what}").unwrap();
        assert!(shortest.is_some() || name == "short", "{words}");
    }
    say(&words);
    assert!(explored.iter().any(|(worlds, _)| *worlds >= at_least), "{words}");
}

#[test]
fn every_planted_mistake_is_found() {
    for Planting { name, plant, caught_by, bounds } in PLANTINGS {
        let start = Instant::now();
        let first = HasDiscoveries::AnyOf([caught_by.words()].into());
        let checker = Vault::new(bounds, Some(plant)).checker().finish_when(first).spawn_bfs().join();
        let found = checker.discoveries();
        let path = found.get(caught_by.words()).unwrap_or_else(|| panic!("nobody noticed: {name}")).clone();
        let acts = path.into_actions();
        say(&format!(
            "planted: {name}: found by {:?} after {} acts, among {} states, {:.2} s\n{}",
            caught_by.words(),
            acts.len(),
            checker.unique_state_count(),
            start.elapsed().as_secs_f64(),
            history(acts),
        ));
    }
}
