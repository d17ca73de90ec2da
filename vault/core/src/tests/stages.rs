//! Every stage meets every input.

use super::world::{FILED, World, at, collect, done, draft, filing, item, named, question};
use crate::{Input, LaneId, Rejected, Stage, Step, Unprepared, file};
use shared::limits;
use shared::time::Time;
use shared::tlog::LeafKind;

/// Changes nothing; the message names the stage.
const NO: &str = "no";
const PREPARED: &str = "waiting for approval: prepared: owner";
const UNPREPARED: &str = "waiting for an answer: unprepared: owner";
const COMPOSED: &str = "waiting for approval: composed: owner";
const APPROVED: &str = "released: approved: visitor owner";
const REFUSED: &str = "refused: refused: owner";
const WITHDRAWN: &str = "withdrawn: withdrawn: visitor owner";
/// The refusal stands; the visitor is told that it is over.
const REFUSED_WITHDRAWN: &str = "refused: withdrawn: visitor";
const COLLECTED: &str = "released: collected: serve";
const RESUMED: &str = "released: -: serve";

const INPUTS: [&str; 8] = ["prepared", "unprepared", "composed", "approved", "refused", "withdrawn", "collect", "tick"];

#[rustfmt::skip]
const OUTCOMES: [(&str, [&str; 8]); 10] = [
    ("received",       [PREPARED, UNPREPARED, NO,       NO,       REFUSED, WITHDRAWN,         NO,        NO]),
    ("question",       [NO,       NO,         COMPOSED, NO,       REFUSED, WITHDRAWN,         NO,        NO]),
    ("unprepared",     [NO,       NO,         COMPOSED, NO,       REFUSED, WITHDRAWN,         NO,        NO]),
    ("awaiting owner", [NO,       NO,         COMPOSED, APPROVED, REFUSED, WITHDRAWN,         NO,        NO]),
    ("released",       [NO,       NO,         NO,       NO,       NO,      WITHDRAWN,         COLLECTED, NO]),
    ("collected",      [NO,       NO,         NO,       NO,       NO,      NO,                RESUMED,   NO]),
    ("refused",        [NO,       NO,         NO,       NO,       NO,      REFUSED_WITHDRAWN, NO,        NO]),
    ("withdrawn",      [NO,       NO,         NO,       NO,       NO,      NO,                NO,        NO]),
    ("lapsed",         [NO,       NO,         NO,       NO,       NO,      NO,                NO,        NO]),
    ("expired",        [NO,       NO,         NO,       NO,       NO,      NO,                NO,        NO]),
];

fn input(world: &World, name: &str) -> Input {
    match name {
        "prepared" => Input::Prepared(draft(1)),
        "unprepared" => Input::Unprepared(Unprepared::NoItem),
        "composed" => Input::Composed(draft(2)),
        "approved" => Input::Approved(world.signed(1, &draft(1), 2)),
        "refused" => Input::Refused,
        "withdrawn" => Input::Withdrawn,
        "collect" => collect(1, 0),
        _ => Input::Tick,
    }
}

fn outcome(step: Step) -> String {
    let (next, entry, effects) = done(step);
    let kind = entry.map_or("-", |entry| entry.kind.as_str());
    format!("{}: {kind}: {}", next.stage.name(), named(&effects))
}

#[test]
fn every_stage_meets_every_input() {
    let world = World::new();
    for (stage, outcomes) in OUTCOMES {
        for (name, expected) in INPUTS.into_iter().zip(outcomes) {
            let (_, state) = world.stages().into_iter().find(|(name, _)| *name == stage).unwrap();
            let word = state.stage.name();
            let now = match stage {
                "lapsed" => at(limits::ASKING_LIFE),
                "expired" => at(1000),
                _ => at(10),
            };
            match (world.step(state, input(&world, name), now), expected) {
                (Err(rejected), NO) => assert_eq!(rejected, Rejected::Stage(word), "{name} at {stage}"),
                (Ok(step), _) => assert_eq!(outcome(step), expected, "{name} at {stage}"),
                (Err(rejected), _) => panic!("{name} at {stage}: {rejected}"),
            }
        }
    }
}

#[test]
fn at_its_deadline_only_time_moves_a_request() {
    let world = World::new();
    let undecided = ["received", "question", "unprepared", "awaiting owner"];
    let cases = undecided.map(|stage| (stage, limits::ASKING_LIFE, "lapsed"));
    for (stage, end, word) in cases.into_iter().chain([("released", 1000, "expired"), ("collected", 1000, "expired")]) {
        for name in INPUTS {
            let (_, state) = world.stages().into_iter().find(|(name, _)| *name == stage).unwrap();
            assert_eq!(state.ends_at(), Some(at(end)), "{stage}");
            match (world.step(state, input(&world, name), at(end)), name) {
                (Ok(step), "tick") => assert_eq!(outcome(step), format!("{word}: {word}: visitor owner"), "{stage}"),
                (Err(rejected), _) => assert_eq!(rejected, Rejected::Stage(word), "{name} at {stage}"),
                (Ok(step), _) => panic!("{name} at {stage}: {}", outcome(step)),
            }
        }
    }
}

#[test]
fn filing_says_what_is_to_be_done_and_a_full_lane_takes_no_more() {
    let full = limits::LANE_DAY;
    for (subject, expected) in
        [(item(), "being prepared: filed: prepare"), (question(), "waiting for an answer: filed: owner")]
    {
        let asked = filing(7, subject);
        assert_eq!(outcome(file(asked.clone(), LaneId(1), full - 1, at(0)).unwrap()), expected);
        for today in [full, full + 1, usize::MAX] {
            assert_eq!(file(asked.clone(), LaneId(1), today, at(0)).err(), Some(Rejected::LaneFull));
        }
    }
}

#[test]
fn entries_name_the_request_and_the_decision() {
    let world = World::new();
    let id = super::world::ticket(1).0.to_vec();
    let filed = file(filing(1, item()), LaneId(1), 0, at(0)).unwrap().entry.unwrap();
    assert_eq!((filed.kind, filed.time), (LeafKind::Filed, Time::from_unix(FILED)));
    assert_eq!(filed.parts, [id.clone(), b"We met at the fair; I am hiring.".to_vec()]);
    let prepared = world.step(world.received(1), Input::Prepared(draft(1)), at(1)).unwrap().entry.unwrap();
    assert_eq!((prepared.time, prepared.parts), (at(1), vec![id.clone(), draft(1).payload.0.to_vec()]));
    let signed = world.signed(1, &draft(1), 2);
    let approved = world.step(world.awaiting(1, draft(1)), Input::Approved(signed.clone()), at(2)).unwrap();
    let parts = vec![signed.statement.into_bytes(), signed.signature.into_bytes()];
    assert_eq!(approved.entry.unwrap().parts, parts);
    assert!(matches!(approved.next.stage, Stage::Released(_)));
    let collected = world.step(world.released(1), collect(9, 0), at(3)).unwrap().entry.unwrap();
    assert_eq!(collected.parts, [id, vec![9; 16]]);
}
