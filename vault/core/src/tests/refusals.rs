//! A refusal without words cannot be told from a request that nobody has decided (promise P4).

use super::world::{World, at, draft};
use crate::{Input, Rejected, State};
use shared::limits;
use shared::message::View;

/// The same request at each undecided stage, twice.
fn twins(world: &World) -> Vec<(State, State)> {
    let make: [fn(&World) -> State; 4] =
        [|w| w.received(1), |w| w.asked(1), |w| w.unprepared(1), |w| w.awaiting(1, draft(1))];
    make.iter().map(|make| (make(world), make(world))).collect()
}

/// Instants around everything that could make a difference.
fn instants() -> impl Iterator<Item = u64> {
    let end = limits::ASKING_LIFE;
    (0..20).chain((0..end).step_by(7919)).chain(end - 3..end + 3).chain([end * 2])
}

#[test]
fn until_the_deadline_and_after_it_both_look_alike() {
    let world = World::new();
    for decided in [2, limits::ASKING_LIFE - 1] {
        for (waiting, twin) in twins(&world) {
            let refused = world.moved(twin, Input::Refused, at(decided));
            assert_eq!(refused.stage.name(), "refused");
            assert_eq!(refused.shown(), waiting.shown());
            for now in instants() {
                assert_eq!(refused.shown().view(at(now)), waiting.shown().view(at(now)), "at {now} s");
            }
        }
    }
}

#[test]
fn the_visitor_is_not_told_when_it_happens() {
    let world = World::new();
    for (_, twin) in twins(&world) {
        let (_, _, effects) = super::world::done(world.step(twin, Input::Refused, at(2)).unwrap());
        assert_eq!(super::world::named(&effects), "owner");
    }
}

#[test]
fn withdrawing_after_it_looks_like_withdrawing_before_it() {
    let world = World::new();
    for now in [3, limits::ASKING_LIFE - 1] {
        for (waiting, twin) in twins(&world) {
            let refused = world.moved(twin, Input::Refused, at(2));
            let before = world.step(waiting, Input::Withdrawn, at(now)).unwrap();
            let after = world.step(refused, Input::Withdrawn, at(now)).unwrap();
            assert_eq!(before.entry, after.entry);
            assert_eq!(before.next.shown(), after.next.shown());
            for later in [now, now + 1, limits::ASKING_LIFE, limits::ASKING_LIFE * 2] {
                let views = [&before, &after].map(|step| step.next.shown().view(at(later)));
                assert_eq!(views, [View::Closed, View::Closed]);
            }
            // A second time changes nothing in either.
            for state in [before.next, after.next] {
                assert!(matches!(world.step(state, Input::Withdrawn, at(now)).err(), Some(Rejected::Stage(_))));
            }
        }
    }
}

#[test]
fn at_the_deadline_neither_can_be_withdrawn() {
    let (world, end) = (World::new(), limits::ASKING_LIFE);
    for (waiting, twin) in twins(&world) {
        let refused = world.moved(twin, Input::Refused, at(2));
        assert!(matches!(world.step(waiting, Input::Withdrawn, at(end)).err(), Some(Rejected::Stage(_))));
        assert!(matches!(world.step(refused, Input::Withdrawn, at(end)).err(), Some(Rejected::Stage(_))));
    }
}

#[test]
fn a_withdrawn_refusal_stays_a_refusal_in_the_owners_books() {
    let world = World::new();
    let refused = world.moved(world.awaiting(1, draft(1)), Input::Refused, at(2));
    let withdrawn = world.moved(refused, Input::Withdrawn, at(3));
    assert_eq!((withdrawn.stage.name(), withdrawn.ends_at()), ("refused", None));
}

#[test]
fn at_the_deadline_a_refusal_comes_out_exactly_as_a_lapse_does() {
    let world = World::new();
    let end = limits::ASKING_LIFE;
    for (waiting, twin) in twins(&world) {
        let refused = world.moved(twin, Input::Refused, at(2));
        assert_eq!(refused.ends_at(), waiting.ends_at());
        let [(lapsed, entry, effects), (told, same_entry, same_effects)] =
            [waiting, refused].map(|state| super::world::done(world.step(state, Input::Tick, at(end)).unwrap()));
        assert_eq!((entry, super::world::named(&effects)), (same_entry, super::world::named(&same_effects)));
        // With the clock set back, neither looks alive again.
        for now in [0, end - 1, end, end + 1] {
            assert_eq!((lapsed.shown().view(at(now)), told.shown().view(at(now))), (View::Closed, View::Closed));
        }
        assert_eq!((lapsed.ends_at(), told.ends_at()), (None, None));
    }
}
