//! Deadlines fall exactly on their second.

use super::world::{World, at, collect, draft, is_released, sign, sure};
use crate::{Input, Rejected, State};
use shared::limits;
use shared::message::View;

fn undecided(world: &World) -> Vec<State> {
    vec![
        world.received(1),
        world.asked(1),
        world.unprepared(1),
        world.awaiting(1, draft(1)),
        world.asked_back(world.awaiting(1, draft(1)), at(2)),
    ]
}

#[test]
fn a_request_lapses_on_its_second_and_not_before() {
    let (world, end) = (World::new(), limits::ASKING_LIFE);
    for state in undecided(&world) {
        assert_eq!(state.request.lapses_at(), at(end));
        let views = [end - 1, end, end + 1].map(|now| state.shown().view(at(now)));
        let open = if state.words().is_some() { View::Question } else { View::Waiting };
        assert_eq!(views, [open, View::Closed, View::Closed]);
    }
    for state in undecided(&world) {
        assert!(matches!(world.step(state, Input::Tick, at(end - 1)).err(), Some(Rejected::Stage(_))));
    }
    for state in undecided(&world) {
        let lapsed = world.moved(state, Input::Tick, at(end));
        assert_eq!((lapsed.stage.name(), lapsed.ends_at()), ("lapsed", None));
        assert_eq!(lapsed.shown().view(at(end)), View::Closed);
    }
}

#[test]
fn the_owner_may_approve_until_the_last_second() {
    let (world, end) = (World::new(), limits::ASKING_LIFE);
    for (now, released) in [(end - 1, true), (end, false), (end + 1, false)] {
        let mut chosen = world.approval(1, &draft(1), 1);
        chosen.not_after = at(end + 1000);
        let step = world.step(world.awaiting(1, draft(1)), sign(world.sign(chosen)), at(now));
        match step {
            Ok(step) => assert!(released && is_released(&step.next)),
            Err(rejected) => assert!(!released && rejected == Rejected::Stage("lapsed")),
        }
    }
}

#[test]
fn a_release_expires_on_its_second_and_not_before() {
    let world = World::new();
    let views = [2, 999, 1000, 1001].map(|now| world.released(1).shown().view(at(now)));
    assert!(matches!(views, [View::Ready(_), View::Ready(_), View::Closed, View::Closed]));
    for (device, now, open) in [(1, 999, true), (2, 999, true), (1, 1000, false), (2, 1000, false), (1, 1001, false)] {
        let step = world.step(world.collected(1), collect(device, 0), at(now));
        assert_eq!(step.as_ref().is_ok_and(|step| is_released(&step.next)), open, "device {device} at {now}");
        assert_eq!(step.err(), (!open).then_some(Rejected::Stage("expired")));
    }
    assert_eq!(world.step(world.released(1), Input::Withdrawn, at(1000)).err(), Some(Rejected::Stage("expired")));
    assert_eq!(world.step(world.released(1), Input::Tick, at(999)).err(), Some(Rejected::Stage("released")));
    let expired = world.moved(world.released(1), Input::Tick, at(1000));
    assert_eq!((expired.stage.name(), expired.shown().view(at(1000))), ("expired", View::Closed));
}

#[test]
fn no_clock_is_too_late_to_count_with() {
    let world = World::new();
    let last = shared::time::Time::MAX;
    let (filing, before) = (super::world::filing(1, super::world::item()), crate::Before::default());
    let filed = crate::file(filing, crate::LaneId(1), &before, super::world::FIRST, sure(last)).unwrap().next;
    assert_eq!(filed.request.lapses_at(), last);
    assert_eq!(world.moved(filed, Input::Tick, last).stage.name(), "lapsed");
}
