//! A refusal without words cannot be told from a request that nobody has decided (promise P4).

use super::world::{FIRST, FRESH, NO, World, answer, at, done, draft, named, outcome, sign, ticket};
use crate::{Input, NotAccepted, Rejected, State, Words};
use shared::limits;
use shared::message::View;
use shared::statement::{RecipientLine, Refusal, Statement, SubjectLine};
use shared::tlog::Origin;

/// The same request at each undecided stage, twice.
fn twins(world: &World) -> Vec<(State, State)> {
    let stages = ["received", "question", "unprepared", "awaiting owner", "asked", "asked about a blank", "answered"];
    stages.iter().map(|stage| (world.stage(stage), world.stage(stage))).collect()
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
            assert_eq!((refused.shown(), refused.words()), (waiting.shown(), waiting.words()));
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
        let (_, _, effects) = done(world.step(twin, Input::Refused, at(3)).unwrap());
        assert_eq!(named(&effects), "owner");
    }
}

#[test]
fn withdrawing_after_it_looks_like_withdrawing_before_it() {
    let world = World::new();
    for now in [4, limits::ASKING_LIFE - 1] {
        for (waiting, twin) in twins(&world) {
            let refused = world.moved(twin, Input::Refused, at(3));
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
            [waiting, refused].map(|state| done(world.step(state, Input::Tick, at(end)).unwrap()));
        assert_eq!((entry, named(&effects)), (same_entry, named(&same_effects)));
        // With the clock set back, neither looks alive again.
        for now in [0, end - 1, end, end + 1] {
            assert_eq!((lapsed.shown().view(at(now)), told.shown().view(at(now))), (View::Closed, View::Closed));
        }
        assert_eq!((lapsed.ends_at(), told.ends_at()), (None, None));
    }
}

#[test]
fn a_hidden_refusal_takes_the_answer_to_the_open_question_as_if_somebody_would_read_it() {
    let world = World::new();
    for stage in ["asked", "asked about a blank"] {
        let waiting = world.moved(world.stage(stage), answer(FIRST, "Main Street."), at(4));
        let refused = world.moved(world.stage(stage), Input::Refused, at(3));
        assert_eq!(refused.words().and_then(crate::Spoken::question), Some(FIRST));
        let other = world.step(refused.clone(), answer(FRESH, "Main Street."), at(4)).err();
        assert_eq!(other, Some(Rejected::OtherQuestion));
        let (told, entry, effects) = done(world.step(refused, answer(FIRST, "Main Street."), at(4)).unwrap());
        let twin = done(world.step(world.stage(stage), answer(FIRST, "Main Street."), at(4)).unwrap());
        assert_eq!((entry, told.talk.clone()), (twin.1, twin.0.talk));
        assert_eq!((named(&effects), named(&twin.2)), ("visitor".into(), "owner visitor".into()));
        assert_eq!((told.stage.name(), told.words(), told.ends_at()), ("refused", None, waiting.ends_at()));
        for now in [4, 5, limits::ASKING_LIFE - 1, limits::ASKING_LIFE] {
            assert_eq!(told.shown().view(at(now)), waiting.shown().view(at(now)));
        }
        for (words, same) in [("Main Street.", true), ("Another street.", false)] {
            for state in [&told, &waiting] {
                let again = world.step(state.clone(), answer(FIRST, words), at(5)).map(outcome);
                assert_eq!(again.is_ok(), same);
                assert_eq!(again.err(), (!same).then_some(Rejected::OtherQuestion));
            }
        }
    }
}

/// With or without a tick in between, an answer that comes too late is taken in neither.
#[test]
fn at_the_deadline_a_hidden_refusal_takes_no_answer_either() {
    let (world, end) = (World::new(), at(limits::ASKING_LIFE));
    let refused = world.moved(world.stage("asked"), Input::Refused, at(3));
    for state in [world.stage("asked"), refused.clone(), world.moved(refused, Input::Tick, end)] {
        let rejected = world.step(state, answer(FIRST, "Main Street."), end).err();
        assert!(matches!(rejected, Some(Rejected::Stage(_))), "{rejected:?}");
    }
}

#[test]
fn words_of_refusal_are_shown_as_signed_until_the_deadline() {
    let (world, end) = (World::new(), limits::ASKING_LIFE);
    for stage in ["question", "unprepared", "awaiting owner", "asked", "asked about a blank", "answered"] {
        let state = world.stage(stage);
        let signed = world.sign(world.refusal(&state, Some(NO), at(4)));
        let (state, entry, effects) = done(world.step(state, sign(signed.clone()), at(4)).unwrap());
        let entry = entry.unwrap();
        assert_eq!(
            (entry.kind.as_str(), entry.parts, named(&effects)),
            ("refused", signed.parts(), "visitor owner".into())
        );
        let spoken = state.words().unwrap();
        assert_eq!((spoken.words(), spoken.question()), (&Words::Refusal(NO.into()), None));
        assert_eq!((spoken.signed(), spoken.request()), (&signed, ticket(1).request()));
        let views = [4, end - 1, end].map(|now| state.shown().view(at(now)));
        assert_eq!((views, state.ends_at()), ([View::Refused, View::Refused, View::Closed], None));
    }
}

type Change = (&'static str, fn(&mut Refusal));

const CHANGES: [Change; 5] = [
    ("vault", |r| r.vault = Origin::new("other.example.org/3f2a").unwrap()),
    ("request", |r| r.request = ticket(2).request()),
    ("subject", |r| r.subject = SubjectLine::Question("Curriculum vitae".into())),
    ("recipient", |r| r.recipient = RecipientLine::Ticket(ticket(2))),
    ("nonce", |r| r.nonce.0[0] ^= 1),
];

#[test]
fn a_refusal_of_anything_else_refuses_nothing() {
    let world = World::new();
    for words in [None, Some(NO)] {
        for (field, change) in CHANGES {
            let state = world.awaiting(1, draft(1));
            let Statement::Refusal(mut changed) = world.refusal(&state, words, at(2)) else { panic!("no refusal") };
            change(&mut changed);
            let rejected = world.step(state, sign(world.sign(changed)), at(2)).err();
            assert_eq!(rejected, Some(Rejected::NotAccepted(NotAccepted::Differs(field.into()))));
        }
    }
}

#[test]
fn a_refusals_words_and_instant_lie_within_their_limits() {
    let world = World::new();
    let long = "x".repeat(limits::WORDS + 1);
    let skew = limits::DECISION_SKEW;
    for (words, made, expected) in [
        (Some(&long[1..]), 1000, Ok("refused: refused: visitor owner")),
        (Some(NO), 1000 - skew, Ok("refused: refused: visitor owner")),
        (Some(NO), 1000 + skew, Ok("refused: refused: visitor owner")),
        (None, 1000, Err(NotAccepted::Words)),
        (Some(&long[..]), 1000, Err(NotAccepted::Words)),
        (Some(""), 1000, Err(NotAccepted::Words)),
        (Some(NO), 999 - skew, Err(NotAccepted::DecidedAt)),
        (Some(NO), 1001 + skew, Err(NotAccepted::DecidedAt)),
    ] {
        let state = world.awaiting(1, draft(1));
        let signed = world.sign(world.refusal(&state, words, at(made)));
        let found = world.step(state, sign(signed), at(1000)).map(outcome);
        assert_eq!(found, expected.map(str::to_owned).map_err(Rejected::NotAccepted));
    }
}
