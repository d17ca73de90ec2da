//! A clock that jumped ends nothing and lets nothing go on.

use super::world::{FILED, FIRST, World, answer, at, collect, draft, is_released, sign, sure};
use crate::{Clock, Doubt, Input, Now, Rejected, decide};
use shared::limits::{CLOCK_AHEAD, CLOCK_BACK};
use shared::time::{Boot, Reading, Time};

const A: Boot = Boot([1; 16]);
const B: Boot = Boot([2; 16]);

/// Seconds of the wall clock after [`FILED`], seconds since the boot.
fn reading(wall: u64, since_boot: u64, boot: Boot) -> Reading {
    Reading { wall: at(wall), since_boot, boot }
}

/// A clock that was believed at 100,000 s, 1,000 s after the machine's start.
fn clock() -> Clock {
    Clock::new(reading(100_000, 1_000, A))
}

#[test]
fn what_a_reading_means() {
    let (back, ahead) = (Some(Doubt::Back), Some(Doubt::Ahead));
    for (wall, since_boot, boot, time, doubt) in [
        (100_000, 1_000, A, 100_000, None),
        (100_005, 1_005, A, 100_005, None),
        // Gone back by no more than is waited for: time stands still.
        (99_999, 1_000, A, 100_000, None),
        (100_000 - CLOCK_BACK, 1_000, A, 100_000, None),
        (100_100 - CLOCK_BACK, 1_100, A, 100_040, None),
        // Further back: what is known to have passed counts.
        (99_999 - CLOCK_BACK, 1_000, A, 100_000, back),
        (100_099 - CLOCK_BACK, 1_100, A, 100_100, back),
        (0, 1_005, A, 100_005, back),
        // Ahead by no more than a day beyond what is known to have passed.
        (100_000 + CLOCK_AHEAD, 1_000, A, 100_000 + CLOCK_AHEAD, None),
        (100_050 + CLOCK_AHEAD, 1_050, A, 100_050 + CLOCK_AHEAD, None),
        (100_001 + CLOCK_AHEAD, 1_000, A, 100_000, ahead),
        (100_051 + CLOCK_AHEAD, 1_050, A, 100_050, ahead),
        // The machine slept for ten days, and its monotonic clock knows.
        (100_000 + 864_000, 1_000 + 864_000, A, 100_000 + 864_000, None),
        // After another start nothing is known of the time between.
        (100_000, 5, B, 100_000, None),
        (100_000 + CLOCK_AHEAD, 5, B, 100_000 + CLOCK_AHEAD, None),
        (100_001 + CLOCK_AHEAD, 999_999, B, 100_000, ahead),
        (99_999 - CLOCK_BACK, 999_999, B, 100_000, back),
        // A monotonic clock that went back within one boot counts for nothing.
        (100_010, 500, A, 100_010, None),
        (99_000, 500, A, 100_000, back),
    ] {
        let (next, now) = clock().read(reading(wall, since_boot, boot));
        assert_eq!((now.time, now.doubt), (at(time), doubt), "{wall} {since_boot}");
        assert_eq!(next.high(), at(time));
        // Read again, it means the same.
        assert_eq!(next.read(reading(wall, since_boot, boot)), (next, now), "{wall} {since_boot}");
    }
}

#[test]
fn a_doubt_lasts_until_the_clock_is_right_again_or_the_owner_says_that_it_is() {
    for wall in [50_000, 500_000] {
        let (mut clock, mut last) = (clock(), at(100_000));
        for passed in 1..100 {
            let (next, now) = clock.read(reading(wall + passed, 1_000 + passed, A));
            assert!(now.doubt.is_some() && now.time > last);
            assert_eq!(now.time, at(100_000 + passed));
            (clock, last) = (next, now.time);
        }
        let (right, now) = clock.read(reading(100_100, 1_100, A));
        assert_eq!((now.time, now.doubt, right.high()), (at(100_100), None, at(100_100)));
        let confirmed = right.confirmed(reading(wall + 100, 1_100, A));
        let (_, now) = confirmed.read(reading(wall + 101, 1_101, A));
        assert_eq!((now.time, now.doubt), (at(wall + 101), None));
    }
}

#[test]
fn small_steps_back_do_not_add_up() {
    let (mut clock, mut doubts) = (clock(), 0);
    for step in 1..=10 {
        let (next, now) = clock.read(reading(100_000 - 20 * step, 1_000, A));
        assert_eq!(now.time, at(100_000));
        doubts += u32::from(now.doubt.is_some());
        clock = next;
    }
    assert_eq!(doubts, 7);
}

#[test]
fn small_steps_ahead_do_not_add_up() {
    let (mut clock, mut doubts) = (clock(), 0);
    for step in 1..=10 {
        let (next, now) = clock.read(reading(100_000 + 20_000 * step, 1_000, A));
        assert_eq!(now.time, at(100_000 + 20_000 * step.min(4)));
        doubts += u32::from(now.doubt.is_some());
        clock = next;
    }
    assert_eq!(doubts, 6);
}

/// An approval that cools off is neither hurried nor held up by whoever can set the wall clock.
#[test]
fn waits_are_measured_by_the_monotonic_clock() {
    for (wall, since_boot, boot, waited) in [
        (100_000, 1_000, A, 0),
        (100_500, 1_500, A, 500),
        (100_500 + CLOCK_AHEAD, 1_500, A, 500),
        (100_501 + CLOCK_AHEAD, 1_500, A, 500),
        (100_500 - CLOCK_BACK, 1_500, A, 500),
        (0, 1_500, A, 500),
        (100_000, 999, A, 0),
        // While the machine was off, nobody could think again.
        (100_500, 5, B, 0),
        (100_500 + CLOCK_AHEAD, 999_999, B, 0),
    ] {
        let (_, now) = clock().read(reading(wall, since_boot, boot));
        assert_eq!(now.waited, waited, "{wall} {since_boot}");
    }
    let (clock, _) = clock().read(reading(100_500, 1_500, A));
    let (clock, _) = clock.read(reading(100_600, 5, B));
    let (clock, now) = clock.read(reading(170_000, 65, B));
    assert_eq!(now.waited, 560);
    // The owner says what time it is, not how much has passed.
    for wall in [0, 100_000, 900_000_000] {
        let (_, now) = clock.confirmed(reading(wall, 70, B)).read(reading(wall, 75, B));
        assert_eq!((now.time, now.waited, now.doubt), (at(wall), 570, None));
    }
}

#[test]
fn each_start_of_the_machine_counts_from_its_own_first_reading() {
    let month = 30 * CLOCK_AHEAD;
    let (clock, now) = clock().read(reading(100_000 + month, 1_000 + month, A));
    assert_eq!((now.time, now.doubt), (at(100_000 + month), None));
    let (clock, now) = clock.read(reading(100_300 + month, 5, B));
    assert_eq!((now.time, now.doubt), (at(100_300 + month), None));
    let (clock, now) = clock.read(reading(100_300 + 2 * month, 5 + month, B));
    assert_eq!((now.time, now.doubt), (at(100_300 + 2 * month), None));
    let late = reading(100_301 + 2 * month + CLOCK_AHEAD, 5 + month, B);
    assert_eq!(clock.read(late).1.doubt, Some(Doubt::Ahead));
}

#[test]
fn the_last_instant_is_no_end_of_counting() {
    let last = Reading { wall: Time::MAX, since_boot: u64::MAX, boot: A };
    let (next, now) = Clock::new(last).read(last);
    assert_eq!((next.high(), now.time, now.doubt), (Time::MAX, Time::MAX, None));
    let (_, now) = Clock::new(last).read(Reading { wall: Time::from_unix(0), since_boot: 0, boot: B });
    assert_eq!((now.time, now.doubt), (Time::MAX, Some(Doubt::Back)));
    let (_, now) = Clock::new(Reading { wall: Time::from_unix(0), since_boot: 0, boot: A }).read(last);
    assert_eq!((now.time, now.doubt), (Time::MAX, None));
}

#[test]
fn it_is_stored_as_it_is() {
    let (clock, _) = clock().read(reading(99_990, 1_000, A));
    let text = serde_json::to_string(&clock).unwrap();
    assert_eq!(serde_json::from_str::<Clock>(&text).unwrap(), clock);
    assert!(text.contains(&format!("\"high\":{}", FILED + 100_000)), "{text}");
}

/// In doubt nothing ends, nothing leaves and nothing is allowed to leave; whoever wants to say no is heard.
#[test]
fn what_depends_on_the_time_waits_for_a_clock_that_is_believed() {
    let world = World::new();
    let later = at(shared::limits::ASKING_LIFE - 1);
    for doubt in [Doubt::Back, Doubt::Ahead] {
        let by = world.by(Now { doubt: Some(doubt), ..sure(later) });
        for (stage, input) in [
            ("released", collect(1, 0)),
            ("collected", collect(1, 0)),
            ("awaiting owner", collect(1, 0)),
            ("released", Input::Tick),
            ("cooling", Input::Tick),
            ("refused", Input::Tick),
            ("awaiting owner", Input::Tick),
            ("awaiting owner", sign(world.signed(1, &draft(1), 1))),
            ("awaiting owner", sign(world.sign(world.question(&world.stage("awaiting owner"), "Why?", later)))),
            ("awaiting owner", sign(world.sign(world.refusal(&world.stage("awaiting owner"), None, later)))),
        ] {
            assert_eq!(decide(world.stage(stage), input, &by).err(), Some(Rejected::Clock(doubt)), "{stage}");
        }
        for (stage, input, next) in [
            ("awaiting owner", Input::Refused, "refused"),
            ("awaiting owner", Input::Withdrawn, "withdrawn"),
            ("awaiting owner", Input::Composed(draft(2)), "waiting for approval"),
            ("asked", answer(FIRST, "Main Street."), "waiting for approval"),
            ("received", Input::Prepared(draft(1)), "waiting for approval"),
        ] {
            assert_eq!(decide(world.stage(stage), input, &by).unwrap().next.stage.name(), next);
        }
        // What is known to have passed still counts.
        let by = world.by(Now { doubt: Some(doubt), ..sure(at(shared::limits::ASKING_LIFE)) });
        let rejected = decide(world.stage("awaiting owner"), Input::Refused, &by).err();
        assert_eq!(rejected, Some(Rejected::Stage("lapsed")));
        let said = Rejected::Clock(doubt).to_string();
        assert!(said.starts_with("the machine's clock ") && said.contains("`vault clock --confirm`"), "{said}");
    }
    let by = world.by(sure(at(5)));
    assert!(is_released(&decide(world.released(1), collect(1, 0), &by).unwrap().next));
}
