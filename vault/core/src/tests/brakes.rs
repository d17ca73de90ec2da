//! One owner stops every release at once; going on takes as many as a release does.

use super::owner::Owner;
use super::world::{ASK, NO, World, at, collect, done, draft, is_released, named, sign, sure, together};
use crate::{Brake, Doubt, Going, Input, NotAccepted, Now, Rejected, Signed, decide};
use shared::ids::Nonce;
use shared::limits;
use shared::sshsig::BadSignature;
use shared::statement::{BadStatement, Freeze, FreezeAction, Statement};
use shared::tlog::{LeafKind, Origin};

const N: [Nonce; 4] = [Nonce([11; 16]), Nonce([12; 16]), Nonce([13; 16]), Nonce([14; 16])];

/// The statement that this brake allows, made at 10 s.
fn allowed(world: &World, brake: &Brake) -> Freeze {
    brake.statement(&world.vault, "the laptop is gone".into(), at(10))
}

fn sign_by(world: &World, owner: usize, brake: &Brake) -> Signed {
    world.sign_by(owner, Statement::from(allowed(world, brake)))
}

/// The brake after this owner signed what it allows.
fn moved(world: &World, brake: &Brake, owner: usize, fresh: Nonce) -> Brake {
    brake.clone().decide(sign_by(world, owner, brake), fresh, &world.by(sure(at(10)))).unwrap().next
}

fn refused(world: &World, brake: &Brake, signed: Signed, now: Now) -> Rejected {
    match brake.clone().decide(signed, N[3], &world.by(now)) {
        Ok(step) => panic!("{:?}", step.next),
        Err(rejected) => rejected,
    }
}

#[test]
fn one_owner_stops_and_two_let_go_on() {
    let world = World::with(2, 3);
    let off = Brake::off(N[0]);
    assert_eq!(
        (off.going(), off.frozen(), off.nonce(), off.pending(), off.next()),
        (Going::On, None, N[0], None, FreezeAction::Freeze)
    );
    for owner in 0..3 {
        let signed = sign_by(&world, owner, &off);
        let (frozen, entry, effects) = done(off.clone().decide(signed.clone(), N[1], &world.by(sure(at(10)))).unwrap());
        let entry = entry.unwrap();
        assert_eq!(
            (entry.kind, entry.time, entry.parts, named(&effects)),
            (LeafKind::Frozen, at(10), signed.parts(), "owner".into())
        );
        assert_eq!((frozen.going(), frozen.frozen(), frozen.nonce()), (Going::Frozen, Some(at(10)), N[1]));
        assert_eq!((frozen.pending(), frozen.next()), (None, FreezeAction::Thaw));
        let one = sign_by(&world, 0, &frozen);
        let (partly, entry, effects) = done(frozen.decide(one.clone(), N[2], &world.by(sure(at(11)))).unwrap());
        assert_eq!((entry.unwrap().kind, named(&effects)), (LeafKind::Signed, "owner".into()));
        assert_eq!((partly.going(), partly.nonce(), partly.pending()), (Going::Frozen, N[1], Some(&one)));
        assert_eq!(refused(&world, &partly, one.clone(), sure(at(12))), Rejected::NotAccepted(NotAccepted::Repeated));
        let two = sign_by(&world, 2, &partly);
        let (thawed, entry, effects) = done(partly.decide(two.clone(), N[2], &world.by(sure(at(12)))).unwrap());
        let entry = entry.unwrap();
        assert_eq!(
            (entry.kind, entry.parts, named(&effects)),
            (LeafKind::Thawed, together(&one, &two).parts(), "owner".into())
        );
        assert_eq!(thawed, Brake::off(N[2]));
    }
}

#[test]
fn what_was_signed_for_one_stop_does_nothing_to_another() {
    let world = World::new();
    let off = Brake::off(N[0]);
    let freeze = sign_by(&world, 0, &off);
    let frozen = moved(&world, &off, 0, N[1]);
    let thaw = sign_by(&world, 0, &frozen);
    let thawed = moved(&world, &frozen, 0, N[2]);
    let again = moved(&world, &thawed, 0, N[3]);
    for (brake, signed, field) in [
        (&frozen, &freeze, "action"),
        (&thawed, &freeze, "nonce"),
        (&thawed, &thaw, "action"),
        (&again, &thaw, "nonce"),
    ] {
        let rejected = refused(&world, brake, signed.clone(), sure(at(10)));
        assert_eq!(rejected, Rejected::NotAccepted(NotAccepted::Differs(field.into())));
    }
}

#[test]
fn only_owners_and_only_this_vault_stop_it() {
    let world = World::with(2, 3);
    let off = Brake::off(N[0]);
    let right = allowed(&world, &off);
    let text = Statement::from(right.clone()).render();
    let other = Freeze { vault: Origin::new("other.example.org/3f2a").unwrap(), ..right };
    let cases = [
        (Owner::new(9).sign(&text), NotAccepted::Signature(BadSignature::UnknownKey)),
        (world.keys[0].sign_as("file", &text), NotAccepted::Signature(BadSignature::Namespace)),
        (Signed { statement: text.clone(), signatures: Vec::new() }, NotAccepted::TooFew { have: 0, need: 1 }),
        (world.sign(other), NotAccepted::Differs("vault".into())),
        (world.signed(1, &draft(1), 1), NotAccepted::Kind("approval")),
        (Signed::one("no statement".into(), String::new()), NotAccepted::Unreadable(BadStatement::Header)),
    ];
    for (signed, why) in cases {
        assert_eq!(refused(&world, &off, signed, sure(at(10))), Rejected::NotAccepted(why));
    }
    let frozen = moved(&world, &off, 0, N[1]);
    let text = Statement::from(allowed(&world, &frozen)).render();
    let cases = [
        (Owner::new(9).sign(&text), NotAccepted::Signature(BadSignature::UnknownKey)),
        (Signed { statement: text, signatures: Vec::new() }, NotAccepted::TooFew { have: 0, need: 2 }),
    ];
    for (signed, why) in cases {
        assert_eq!(refused(&world, &frozen, signed, sure(at(10))), Rejected::NotAccepted(why));
    }
}

#[test]
fn stopping_needs_no_believable_clock_and_going_on_does() {
    let world = World::new();
    let off = Brake::off(N[0]);
    let skew = limits::DECISION_SKEW;
    for doubt in [Doubt::Back, Doubt::Ahead] {
        let doubtful = Now { doubt: Some(doubt), ..sure(at(1_000_000)) };
        let signed = sign_by(&world, 0, &off);
        let frozen = off.clone().decide(signed, N[1], &world.by(doubtful)).unwrap().next;
        assert_eq!(frozen.frozen(), Some(at(1_000_000)));
        let thaw = sign_by(&world, 0, &frozen);
        assert_eq!(refused(&world, &frozen, thaw.clone(), doubtful), Rejected::Clock(doubt));
        let late = refused(&world, &frozen, thaw.clone(), sure(at(11 + skew)));
        assert_eq!(late, Rejected::NotAccepted(NotAccepted::DecidedAt));
        assert_eq!(frozen.decide(thaw, N[2], &world.by(sure(at(10 + skew)))).unwrap().next, Brake::off(N[2]));
    }
}

#[test]
fn while_it_is_on_nothing_leaves_and_everything_else_goes_on() {
    let mut world = World::new();
    let (released, collected) = (world.released(1), world.collected(1));
    let (awaiting, asked) = (world.awaiting(1, draft(1)), world.stage("asked"));
    world.brake = Going::Frozen;
    for state in [released.clone(), collected.clone()] {
        assert_eq!(world.step(state, collect(1, 0), at(5)).err(), Some(Rejected::Frozen));
    }
    for statement in [
        world.approval(1, &draft(1), 2).into(),
        world.question(&awaiting, ASK, at(5)),
        world.refusal(&awaiting, Some(NO), at(5)),
        world.refusal(&awaiting, None, at(5)),
    ] {
        let rejected = world.step(awaiting.clone(), sign(world.sign(statement)), at(5)).err();
        assert_eq!(rejected, Some(Rejected::Frozen));
    }
    assert_eq!(world.moved(awaiting.clone(), Input::Refused, at(5)).stage.name(), "refused");
    assert_eq!(world.moved(awaiting.clone(), Input::Composed(draft(2)), at(5)).stage.name(), "waiting for approval");
    assert_eq!(world.moved(awaiting, Input::Withdrawn, at(5)).stage.name(), "withdrawn");
    let answered = world.moved(asked, super::world::answer(super::world::FIRST, "Main Street."), at(5));
    assert_eq!(answered.stage.name(), "waiting for approval");
    assert_eq!(world.moved(released.clone(), Input::Tick, at(1000)).stage.name(), "expired");
    assert_eq!(world.moved(released, Input::Withdrawn, at(5)).stage.name(), "withdrawn");
    world.brake = Going::On;
    let step = decide(collected, collect(1, 0), &world.by(sure(at(5)))).unwrap();
    assert!(is_released(&step.next));
    assert!(Rejected::Frozen.to_string().contains("`vault thaw`"));
}

#[test]
fn it_is_stored_as_it_is() {
    let world = World::with(2, 3);
    let frozen = moved(&world, &Brake::off(N[0]), 0, N[1]);
    for brake in [Brake::off(N[0]), frozen.clone(), moved(&world, &frozen, 1, N[2])] {
        let text = serde_json::to_string(&brake).unwrap();
        assert_eq!(serde_json::from_str::<Brake>(&text).unwrap(), brake);
        assert!(serde_json::from_str::<Brake>(&text.replacen('{', "{\"more\":1,", 1)).is_err());
    }
}

#[test]
fn a_thaw_that_was_begun_in_time_can_be_finished_later() {
    let world = World::with(2, 3);
    let frozen = moved(&world, &Brake::off(N[0]), 0, N[1]);
    let late = at(11 + limits::DECISION_SKEW);
    let one = sign_by(&world, 0, &frozen);
    assert_eq!(refused(&world, &frozen, one, sure(late)), Rejected::NotAccepted(NotAccepted::DecidedAt));
    let partly = moved(&world, &frozen, 0, N[2]);
    let two = sign_by(&world, 1, &partly);
    assert_eq!(partly.decide(two, N[2], &world.by(sure(late))).unwrap().next.going(), Going::On);
}
