//! Every stage meets every input.

use super::world::{
    ASK, Durable, FILED, FIRST, NO, World, answer, at, collect, draft, filing, item, named, outcome, sign, sure, ticket,
};
use crate::{AfterCommit, Before, Effect, Input, LaneId, NotAccepted, Rejected, Stage, State, Unprepared, file};
use shared::ids::Nonce;
use shared::limits;
use shared::statement::{Publication, Statement};
use shared::time::Time;
use shared::tlog::LeafKind;

/// What the words of the table stand for.
const LEGEND: [(&str, &str); 20] = [
    ("prepared", "waiting for approval: prepared: owner"),
    ("unprep", "waiting for an answer: unprepared: owner"),
    ("composed", "waiting for approval: composed: owner"),
    // An open question is taken back, which its visitor sees.
    ("recomp", "waiting for approval: composed: visitor owner"),
    ("approved", "released: approved: visitor owner"),
    ("asked", "waiting for the visitor: asked: visitor owner"),
    ("worded", "refused: refused: visitor owner"),
    ("refused", "refused: refused: owner"),
    ("answered", "waiting for approval: answered: owner visitor"),
    ("answer?", "waiting for an answer: answered: owner visitor"),
    // Nobody reads it, which its visitor must not learn.
    ("unread", "refused: answered: visitor"),
    ("revoked", "revoked: revoked: visitor owner"),
    // The visitor has not heard of the approval.
    ("hush", "revoked: revoked: owner"),
    ("gone", "withdrawn: withdrawn: visitor owner"),
    // How it ended for the owner stays.
    ("gone/ref", "refused: withdrawn: visitor"),
    ("gone/rev", "revoked: withdrawn: visitor"),
    ("collect", "released: collected: serve"),
    ("resume", "released: -: serve"),
    ("same", "waiting for approval: -: "),
    ("same?", "waiting for an answer: -: "),
];

const INPUTS: [&str; 15] = [
    "prepared",
    "unprepared",
    "composed",
    "approval",
    "question",
    "words",
    "no words",
    "revocation",
    "publication",
    "refused",
    "answer",
    "other words",
    "withdrawn",
    "collect",
    "tick",
];

/// `.` is a rejection that names the stage, `kind` one that names the statement's kind, `silent` one that wants words, `closed` one that says that the
/// question no longer waits.
#[rustfmt::skip]
const OUTCOMES: [(&str, &str); 20] = [
    // prepared unprepared composed approval question words no-words revocation publication refused answer other withdrawn collect tick
    ("received",             "prepared unprep . . . . . . . refused . . gone . ."),
    ("question",             ". . composed . asked worded silent . kind refused . . gone . ."),
    ("unprepared",           ". . composed . asked worded silent . kind refused . . gone . ."),
    ("awaiting owner",       ". . composed approved asked worded silent . kind refused . . gone . ."),
    ("asked",                ". . recomp . asked worded silent . kind refused answered answered gone . ."),
    ("asked about a blank",  ". . recomp . asked worded silent . kind refused answer? answer? gone . ."),
    ("answered",             ". . composed approved asked worded silent . kind refused same closed gone . ."),
    ("answered to a blank",  ". . composed . asked worded silent . kind refused same? closed gone . ."),
    ("cooling",              ". . . . . . . hush kind . . . gone . ."),
    ("released",             ". . . . . . . revoked kind . . . gone collect ."),
    ("collected",            ". . . . . . . revoked kind . . . . resume ."),
    ("refused",              ". . . . . . . . . . . . gone/ref . ."),
    ("refused with words",   ". . . . . . . . . . . . . . ."),
    ("refused while asked",  ". . . . . . . . . . unread unread gone/ref . ."),
    ("withdrawn",            ". . . . . . . . . . . . . . ."),
    ("withdrawn unseen",     ". . . . . . . . . . . . . . ."),
    ("revoked",              ". . . . . . . . . . . . . . ."),
    ("revoked while cooling",". . . . . . . . . . . . gone/rev . ."),
    ("lapsed",               ". . . . . . . . . . . . . . ."),
    ("expired",              ". . . . . . . . . . . . . . ."),
];

/// The input as right as it can be at this stage.
fn input(world: &World, name: &str, state: &State, now: Time) -> Input {
    let signed = |statement: Statement| sign(world.sign(statement));
    match name {
        "prepared" => Input::Prepared(draft(1)),
        "unprepared" => Input::Unprepared { why: Unprepared::NoItem, fresh: FIRST },
        "composed" => Input::Composed(draft(2)),
        "approval" => {
            let waiting = if let Stage::AwaitingOwner(draft, _) = &state.stage { draft.clone() } else { draft(1) };
            signed(world.approval(1, &waiting, 2).into())
        }
        "question" => signed(world.question(state, ASK, now)),
        "words" => signed(world.refusal(state, Some(NO), now)),
        "no words" => signed(world.refusal(state, None, now)),
        "revocation" if matches!(state.stage, Stage::Cooling(..) | Stage::Released(_)) => {
            signed(world.revocation(state, now))
        }
        "revocation" => signed(world.revocation(&world.released(1), now)),
        "publication" => signed(publication(world)),
        "refused" => Input::Refused,
        "answer" => answer(FIRST, "Main Street."),
        "other words" => answer(FIRST, "Another street."),
        "withdrawn" => Input::Withdrawn,
        "collect" => collect(1, 0),
        "tick" => Input::Tick,
        other => panic!("no input {other}"),
    }
}

fn publication(world: &World) -> Statement {
    let (vault, bundle) = (world.vault.clone(), draft(1).payload);
    Publication { vault, version: 1, bundle, bytes: 1, documents: 1, catalogue: 1, prepared_at: at(1), nonce: FIRST }
        .into()
}

#[test]
fn every_stage_meets_every_input() {
    let world = World::new();
    assert_eq!(
        OUTCOMES.map(|(stage, _)| stage).to_vec(),
        world.stages().iter().map(|(name, _)| *name).collect::<Vec<_>>()
    );
    for (stage, outcomes) in OUTCOMES {
        let outcomes: Vec<&str> = outcomes.split(' ').collect();
        assert_eq!(outcomes.len(), INPUTS.len(), "{stage}");
        for (name, expected) in INPUTS.into_iter().zip(outcomes) {
            let state = world.stage(stage);
            let word = state.stage.name();
            let now = match stage {
                "lapsed" => at(limits::ASKING_LIFE),
                "expired" => at(1000),
                _ => at(10),
            };
            let input = input(&world, name, &state, now);
            match (world.step(state, input, now), expected) {
                (Err(rejected), ".") => assert_eq!(rejected, Rejected::Stage(word), "{name} at {stage}"),
                (Err(rejected), "kind") => {
                    assert_eq!(rejected, Rejected::NotAccepted(NotAccepted::Kind("publication")), "{name} at {stage}");
                }
                (Err(rejected), "silent") => {
                    assert_eq!(rejected, Rejected::NotAccepted(NotAccepted::Words), "{name} at {stage}");
                }
                (Err(rejected), "closed") => assert_eq!(rejected, Rejected::OtherQuestion, "{name} at {stage}"),
                (Err(rejected), _) => panic!("{name} at {stage}: {rejected}"),
                (Ok(step), _) => {
                    let long = LEGEND.iter().find(|(short, _)| *short == expected).map(|(_, long)| *long);
                    assert_eq!(Some(&outcome(step)[..]), long, "{name} at {stage}");
                }
            }
        }
    }
}

#[test]
fn at_its_deadline_only_time_moves_a_request() {
    let world = World::new();
    let undecided = [
        "received",
        "question",
        "unprepared",
        "awaiting owner",
        "asked",
        "asked about a blank",
        "answered",
        "answered to a blank",
    ];
    for stage in undecided {
        for name in INPUTS {
            let (state, end) = (world.stage(stage), at(limits::ASKING_LIFE));
            assert_eq!(state.ends_at(), Some(end), "{stage}");
            let input = input(&world, name, &state, end);
            match (world.step(state, input, end), name) {
                (Ok(step), "tick") => assert_eq!(outcome(step), "lapsed: lapsed: visitor owner", "{stage}"),
                (Err(rejected), _) => assert_eq!(rejected, Rejected::Stage("lapsed"), "{name} at {stage}"),
                (Ok(step), _) => panic!("{name} at {stage}: {}", outcome(step)),
            }
        }
    }
}

#[test]
fn a_release_at_its_end_can_only_expire_or_be_taken_back() {
    let world = World::new();
    for stage in ["cooling", "released", "collected"] {
        assert_eq!(world.stage(stage).ends_at(), Some(at(1000)), "{stage}");
        for name in INPUTS {
            let (state, end) = (world.stage(stage), at(1000));
            let (input, word) = (input(&world, name, &state, end), state.stage.name());
            match (world.step(state, input, end), name) {
                // Its visitor never heard of what was still cooling off.
                (Ok(step), "tick") if stage == "cooling" => assert_eq!(outcome(step), "expired: expired: owner"),
                (Ok(step), "tick") => assert_eq!(outcome(step), "expired: expired: visitor owner", "{stage}"),
                (Ok(step), "revocation") => assert!(outcome(step).starts_with("revoked: revoked: "), "{stage}"),
                (Ok(step), "withdrawn") if stage == "cooling" => {
                    assert_eq!(outcome(step), "withdrawn: withdrawn: visitor owner")
                }
                (Err(Rejected::NotAccepted(NotAccepted::Kind(kind))), "publication") => assert_eq!(kind, "publication"),
                (Err(rejected), "collect" | "withdrawn") if stage != "cooling" => {
                    assert_eq!(rejected, Rejected::Stage("expired"))
                }
                (Err(rejected), _) => assert_eq!(rejected, Rejected::Stage(word), "{name} at {stage}"),
                (Ok(step), _) => panic!("{name} at {stage}: {}", outcome(step)),
            }
        }
    }
}

/// "What left, and who said so" is asked years later.
#[test]
fn what_was_approved_stays_provable_after_every_end_of_it() {
    let world = World::new();
    let ends = |state: &State| {
        let revoked = world.revoked(state.clone(), at(10));
        // Seen or unseen, and once what was hidden has come out or was withdrawn.
        let hidden = matches!(state.stage, Stage::Cooling(..));
        let later = [(Input::Withdrawn, at(11)), (Input::Tick, at(limits::ASKING_LIFE))].into_iter();
        let later = later.filter(|_| hidden).map(|(input, now)| world.moved(revoked.clone(), input, now));
        let mut ends: Vec<State> = later.collect();
        ends.extend([revoked, world.moved(state.clone(), Input::Tick, at(1000))]);
        ends.extend(world.step(state.clone(), Input::Withdrawn, at(10)).ok().map(|step| step.next));
        ends
    };
    for (stage, begun, count) in [("cooling", 0, 5), ("released", 0, 3), ("collected", 1, 2)] {
        let (state, signed) = (world.stage(stage), world.signed(1, &draft(1), 2));
        let ends = ends(&state);
        assert_eq!(ends.len(), count, "{stage}");
        for end in ends {
            assert!(matches!(end.stage, Stage::Closed(_)));
            let (kept, word) = (end.release().unwrap(), end.stage.name());
            assert_eq!(kept.signed(), &signed, "{stage}, {word}");
            assert_eq!((kept.collections().len(), end.release()), (begun, state.release()), "{stage}, {word}");
            // Nothing is served from it.
            assert_eq!(world.step(end.clone(), collect(1, 0), at(11)).err(), Some(Rejected::Stage(word)));
        }
    }
    for (stage, state) in world.stages() {
        let approved = matches!(stage, "withdrawn unseen" | "expired" | "cooling" | "released" | "collected");
        assert_eq!(state.release().is_some(), approved || stage.starts_with("revoked"), "{stage}");
    }
}

#[test]
fn entries_name_the_request_and_the_decision() {
    let world = World::new();
    let id = ticket(1).0.to_vec();
    let filed = file(filing(1, item()), LaneId(1), &Before::default(), FIRST, sure(at(0))).unwrap().entry.unwrap();
    assert_eq!((filed.kind, filed.time), (LeafKind::Filed, Time::from_unix(FILED)));
    assert_eq!(filed.parts, [id.clone(), b"We met at the fair; I am hiring.".to_vec()]);
    let prepared = world.step(world.received(1), Input::Prepared(draft(1)), at(1)).unwrap().entry.unwrap();
    assert_eq!((prepared.time, prepared.parts), (at(1), vec![id.clone(), draft(1).payload.0.to_vec()]));
    let input = Input::Unprepared { why: Unprepared::NotListed, fresh: FIRST };
    let unprepared = world.step(world.received(1), input, at(1)).unwrap().entry.unwrap();
    let why = b"the item that was asked for is not listed in the catalogue".to_vec();
    assert_eq!(unprepared.parts, [id.clone(), why]);
    let signed = world.signed(1, &draft(1), 2);
    let approved = world.step(world.awaiting(1, draft(1)), sign(signed.clone()), at(2)).unwrap();
    let parts = vec![signed.statement.into_bytes(), signed.signatures[0].clone().into_bytes()];
    assert_eq!(approved.entry.unwrap().parts, parts);
    assert!(matches!(approved.next.stage, Stage::Released(_)));
    let collected = world.step(world.released(1), collect(9, 0), at(3)).unwrap().entry.unwrap();
    assert_eq!(collected.parts, [id.clone(), vec![9; 16]]);
    let answered = world.step(world.stage("asked"), answer(FIRST, "Main Street."), at(3)).unwrap().entry.unwrap();
    assert_eq!((answered.time, answered.parts), (at(3), vec![id, b"Main Street.".to_vec()]));
}

#[test]
fn each_stage_gives_away_what_the_next_statement_must_bear_and_nothing_more() {
    let world = World::new();
    for (name, state) in world.stages() {
        let nonce = match name {
            "question" | "unprepared" | "awaiting owner" => Some(FIRST),
            "asked" | "asked about a blank" | "answered" | "answered to a blank" => Some(Nonce([200; 16])),
            _ => None,
        };
        assert_eq!((state.stage.nonce(), state.stage.pending()), (nonce, None), "{name}");
        assert_eq!(state.ticket(), ticket(1));
    }
}

#[test]
fn only_a_refusal_is_remembered_as_one() {
    let world = World::new();
    for (name, state) in world.stages() {
        assert_eq!(state.refused_at().is_some(), name.starts_with("refused"), "{name}");
    }
    let refused = world.moved(world.awaiting(1, draft(1)), Input::Refused, at(7));
    assert_eq!(refused.refused_at(), Some(at(7)));
}

#[test]
fn what_follows_from_two_steps_of_one_transaction_follows_in_their_order() {
    let world = World::new();
    let effects = |input| world.step(world.awaiting(1, draft(1)), input, at(2)).unwrap().effects;
    let both = effects(Input::Withdrawn).and(effects(Input::Refused)).and(AfterCommit::nothing());
    let Ok(all) = both.open(Durable);
    assert_eq!(named(&all), "visitor owner owner");
    let Ok(none) = AfterCommit::<Vec<Effect>>::nothing().open(Durable);
    assert!(none.is_empty());
}
