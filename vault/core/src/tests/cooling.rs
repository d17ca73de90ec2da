//! Between the last signature and the release the owner may still think better of it.

use super::world::{World, at, collect, done, draft, is_released, named, outcome, sign, sure};
use crate::{Authority, Cooling, Doubt, Going, Input, NotAccepted, Now, Rejected, Stage, State, Step, decide};
use shared::limits;
use shared::message::View;
use shared::statement::Approval;
use shared::tlog::LeafKind;

fn tick(world: &World, state: State, seconds: u64) -> Result<Step, Rejected> {
    world.step(state, Input::Tick, at(seconds))
}

#[test]
fn nothing_is_collectable_before_its_end_and_the_visitor_sees_no_difference() {
    let world = World::new();
    let by = Authority { cooling: 98, ..world.by(sure(at(2))) };
    let signed = world.signed(1, &draft(1), 2);
    let (state, entry, effects) = done(decide(world.awaiting(1, draft(1)), sign(signed.clone()), &by).unwrap());
    let entry = entry.unwrap();
    assert_eq!((entry.kind, entry.parts, named(&effects)), (LeafKind::Approved, signed.parts(), "owner".into()));
    let Stage::Cooling(release, cooling) = &state.stage else { panic!("{}", state.stage.name()) };
    assert_eq!((release.signed(), *cooling), (&signed, Cooling { until: 100, lapsed: false }));
    // Whichever comes first: what the monotonic clock ends, or what the wall clock does.
    assert_eq!((state.waits_until(), state.ends_at()), (Some(100), Some(at(1000))));
    for seconds in [2, 99, 100, 999] {
        assert_eq!(state.shown().view(at(seconds)), View::Waiting);
        assert_eq!(
            world.step(state.clone(), collect(1, 0), at(seconds)).err(),
            Some(Rejected::Stage("approved, cooling off"))
        );
    }
    assert_eq!(state.shown().view(at(limits::ASKING_LIFE)), View::Closed);
}

#[test]
fn it_ends_on_its_second_and_not_before() {
    let world = World::new();
    assert_eq!(tick(&world, world.cooling(1), 99).err(), Some(Rejected::Stage("approved, cooling off")));
    for seconds in [100, 101, 999] {
        let (state, entry, effects) = done(tick(&world, world.cooling(1), seconds).unwrap());
        let entry = entry.unwrap();
        assert_eq!(
            (entry.kind, entry.time, named(&effects)),
            (LeafKind::Released, at(seconds), "visitor owner".into())
        );
        assert!(is_released(&state));
        assert_eq!(state, world.released(1));
    }
}

#[test]
fn no_setting_of_the_wall_clock_shortens_it_or_draws_it_out() {
    let world = World::new();
    let by = |time, waited| world.by(Now { waited, ..sure(at(time)) });
    let signed = world.signed(1, &draft(1), 2);
    let stepped = Authority { cooling: 98, ..by(50, 2) };
    let state = decide(world.awaiting(1, draft(1)), sign(signed), &stepped).unwrap().next;
    let tick = |time, waited| decide(state.clone(), Input::Tick, &by(time, waited));
    assert_eq!(tick(999, 99).err(), Some(Rejected::Stage("approved, cooling off")));
    for (time, waited) in [(999, 100), (148, 100), (100, 100), (60, 120)] {
        assert!(is_released(&tick(time, waited).unwrap().next));
    }
}

/// At the request's deadline a visitor, and whoever listens to the hints, sees what everybody sees of what nobody decided.
#[test]
fn beyond_the_deadline_of_its_request_it_lapses_first_like_what_is_undecided() {
    let mut world = World::new();
    world.cooling = limits::ASKING_LIFE;
    let end = limits::ASKING_LIFE;
    let approval = Approval { not_after: at(2 * end), ..world.approval(1, &draft(1), 1) };
    let cooling = world.moved(world.awaiting(1, draft(1)), sign(world.sign(approval)), at(2));
    for brake in [Going::On, Going::Frozen] {
        world.brake = brake;
        let lapses = |state: &State| done(tick(&world, state.clone(), end).unwrap());
        let (real, twin) = (lapses(&cooling), lapses(&world.awaiting(1, draft(1))));
        assert_eq!((&real.1, named(&real.2)), (&twin.1, named(&twin.2)));
        for seconds in [end - 1, end, end + 1] {
            assert_eq!(real.0.shown().view(at(seconds)), twin.0.shown().view(at(seconds)));
        }
        assert_eq!(tick(&world, real.0.clone(), end).err(), Some(Rejected::Stage("approved, cooling off")));
    }
    world.brake = Going::On;
    assert_eq!(cooling.ends_at(), Some(at(end)));
    let lapsed = world.moved(cooling, Input::Tick, at(end));
    assert_eq!(lapsed.ends_at(), Some(at(2 * end)));
    // Back before the deadline, it can still not be withdrawn.
    assert_eq!(
        world.step(lapsed.clone(), Input::Withdrawn, at(end - 1)).err(),
        Some(Rejected::Stage("approved, cooling off"))
    );
    // What becomes of it afterwards is the owner's business alone, until it is released.
    let revocation = world.sign(world.revocation(&lapsed, at(end)));
    let revoked = world.step(lapsed.clone(), sign(revocation), at(end)).unwrap();
    assert_eq!((revoked.next.ends_at(), outcome(revoked)), (None, "revoked: revoked: owner".into()));
    let expired = tick(&world, lapsed.clone(), 2 * end).unwrap();
    assert_eq!((expired.next.ends_at(), outcome(expired)), (None, "expired: expired: owner".into()));
    let released = tick(&world, lapsed, end + 2).unwrap();
    assert!(is_released(&released.next));
    assert_eq!(outcome(released), "released: released: visitor owner");
}

#[test]
fn nothing_else_waits_for_the_monotonic_clock() {
    let world = World::new();
    for (stage, state) in world.stages() {
        assert_eq!(state.waits_until().is_some(), stage == "cooling", "{stage}");
    }
}

/// The vault was off, or stopped, until it was too late: the log does not say that anything could be collected.
#[test]
fn what_is_over_before_it_is_released_expires() {
    let mut world = World::new();
    for brake in [Going::On, Going::Frozen] {
        world.brake = brake;
        for seconds in [1000, 1001, 5000] {
            let state = World::new().cooling(1);
            assert_eq!(tick(&world, state, seconds).map(outcome), Ok("expired: expired: owner".into()));
        }
    }
}

#[test]
fn the_release_must_outlast_it() {
    let world = World::new();
    let by = |cooling| Authority { cooling, ..world.by(sure(at(2))) };
    for (cooling, fine) in [(997, true), (998, false), (999, false), (limits::COOLING_MAX, false), (u64::MAX, false)] {
        let step = decide(world.awaiting(1, draft(1)), sign(world.signed(1, &draft(1), 1)), &by(cooling));
        match step {
            Ok(step) => assert!(fine && matches!(step.next.stage, Stage::Cooling(..)), "{cooling}"),
            Err(rejected) => assert!(!fine && rejected == Rejected::NotAccepted(NotAccepted::NotAfter), "{cooling}"),
        }
    }
}

#[test]
fn only_one_owner_is_needed_to_think_better_of_what_two_have_signed() {
    let mut world = World::with(2, 3);
    world.cooling = 98;
    let cooling = {
        let approval = world.approval(1, &draft(1), 2);
        let both = super::world::together(&world.sign_by(0, approval.clone()), &world.sign_by(1, approval));
        world.moved(world.awaiting(1, draft(1)), sign(both), at(2))
    };
    let revocation = world.revocation(&cooling, at(50));
    let revoked = world.moved(cooling, sign(world.sign_by(2, revocation)), at(50));
    assert_eq!(revoked.stage.name(), "revoked");
    assert!(matches!(tick(&world, revoked, 100).err(), Some(Rejected::Stage("revoked"))));
}

#[test]
fn a_visitor_may_withdraw_and_hears_that_it_is_over() {
    let world = World::new();
    let step = world.step(world.cooling(1), Input::Withdrawn, at(50)).unwrap();
    assert_eq!(step.next.shown().view(at(50)), View::Closed);
    assert_eq!(outcome(step), "withdrawn: withdrawn: visitor owner");
}

/// An undecided request can be withdrawn until its deadline, and no longer.
#[test]
fn a_visitor_may_withdraw_as_long_as_what_is_undecided() {
    let mut world = World::new();
    world.cooling = limits::ASKING_LIFE;
    let long = limits::ASKING_LIFE + 1000;
    let approval = Approval { not_after: at(2 * long), ..world.approval(1, &draft(1), 1) };
    let cooling = world.moved(world.awaiting(1, draft(1)), sign(world.sign(approval)), at(2));
    for (state, name) in [(cooling, "approved, cooling off"), (world.awaiting(1, draft(1)), "lapsed")] {
        let withdraw = |seconds| world.step(state.clone(), Input::Withdrawn, at(seconds));
        assert_eq!(withdraw(limits::ASKING_LIFE - 1).unwrap().next.stage.name(), "withdrawn");
        assert_eq!(withdraw(limits::ASKING_LIFE).err(), Some(Rejected::Stage(name)));
    }
}

#[test]
fn a_stop_of_all_releases_holds_it_and_letting_go_releases_it() {
    let mut world = World::new();
    let cooling = world.cooling(1);
    world.brake = Going::Frozen;
    assert_eq!(tick(&world, cooling.clone(), 100).err(), Some(Rejected::Frozen));
    world.brake = Going::On;
    assert!(is_released(&tick(&world, cooling, 200).unwrap().next));
}

#[test]
fn a_clock_in_doubt_does_not_end_it() {
    let world = World::new();
    for doubt in [Doubt::Back, Doubt::Ahead] {
        let by = world.by(Now { doubt: Some(doubt), ..sure(at(500)) });
        assert_eq!(decide(world.cooling(1), Input::Tick, &by).err(), Some(Rejected::Clock(doubt)));
    }
}
