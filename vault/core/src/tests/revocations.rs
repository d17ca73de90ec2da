//! What was released can be taken back, by any one owner, whatever the clock says and however many had to agree.

use super::world::{World, at, collect, done, draft, named, outcome, sign, sure};
use crate::danger::{Danger, Planted};
use crate::{Authority, Doubt, Going, Input, NotAccepted, Now, Rejected, Signed, State, decide};
use shared::ids::{Digest, Nonce};
use shared::limits;
use shared::message::View;
use shared::sshsig::BadSignature;
use shared::statement::{Revocation, Statement};
use shared::tlog::Origin;

fn revocation(world: &World, state: &State) -> Revocation {
    let Statement::Revocation(revocation) = world.revocation(state, at(4)) else { panic!("no revocation") };
    revocation
}

#[test]
fn from_its_commit_on_nothing_more_is_collected() {
    let world = World::new();
    for stage in ["released", "collected"] {
        let signed = world.sign(world.revocation(&world.stage(stage), at(4)));
        let (state, entry, effects) = done(world.step(world.stage(stage), sign(signed.clone()), at(4)).unwrap());
        let entry = entry.unwrap();
        assert_eq!(
            (entry.kind.as_str(), entry.parts, named(&effects)),
            ("revoked", signed.parts(), "visitor owner".into())
        );
        assert_eq!((state.shown().view(at(4)), state.words(), state.ends_at()), (View::Closed, None, None));
        for device in [1, 2] {
            let rejected = world.step(state.clone(), collect(device, 0), at(5)).err();
            assert_eq!(rejected, Some(Rejected::Stage("revoked")));
        }
        // Neither the approval nor the revocation works again.
        for signed in [signed, world.signed(1, &draft(1), 2)] {
            assert_eq!(world.step(state.clone(), sign(signed), at(5)).err(), Some(Rejected::Stage("revoked")));
        }
    }
}

type Change = (&'static str, fn(&mut Revocation));

const CHANGES: [Change; 3] = [
    ("vault", |r| r.vault = Origin::new("other.example.org/3f2a").unwrap()),
    ("request", |r| r.request = super::world::ticket(2).request()),
    ("statement-sha256", |r| r.statement = Digest([0; 32])),
];

#[test]
fn it_names_the_approval_that_it_ends() {
    let world = World::new();
    for (field, change) in CHANGES {
        let mut changed = revocation(&world, &world.released(1));
        change(&mut changed);
        let rejected = world.step(world.released(1), sign(world.sign(changed)), at(4)).err();
        assert_eq!(rejected, Some(Rejected::NotAccepted(NotAccepted::Differs(field.into()))));
    }
    // Reason and nonce are the owner's.
    let mut free = revocation(&world, &world.released(1));
    (free.reason, free.nonce) = (String::new(), Nonce([77; 16]));
    assert_eq!(world.moved(world.released(1), sign(world.sign(free)), at(4)).stage.name(), "revoked");
}

#[test]
fn it_takes_an_owners_signature_and_no_more() {
    let world = World::with(2, 3);
    let both = super::quorum::released(&world);
    let text = world.revocation(&both, at(4)).render();
    for owner in &world.keys {
        assert_eq!(world.moved(both.clone(), sign(owner.sign(&text)), at(4)).stage.name(), "revoked");
    }
    let stranger = super::owner::Owner::new(9).sign(&text);
    let cases = [
        (stranger.clone(), NotAccepted::Signature(BadSignature::UnknownKey)),
        (
            super::world::together(&world.keys[0].sign(&text), &stranger),
            NotAccepted::Signature(BadSignature::UnknownKey),
        ),
        (Signed { signatures: Vec::new(), ..stranger }, NotAccepted::TooFew { have: 0, need: 1 }),
    ];
    for (signed, why) in cases {
        assert_eq!(world.step(both.clone(), sign(signed), at(4)).err(), Some(Rejected::NotAccepted(why)));
    }
}

#[test]
fn its_instant_is_checked_only_by_a_clock_that_is_believed() {
    let world = World::new();
    let skew = limits::DECISION_SKEW;
    let made = |seconds: u64, doubt: Option<Doubt>| {
        let state = world.released(1);
        let signed = world.sign(world.revocation(&state, at(seconds)));
        decide(state, sign(signed), &world.by(Now { doubt, ..sure(at(999)) })).map(outcome)
    };
    let revoked = || Ok("revoked: revoked: visitor owner".to_owned());
    assert_eq!(made(999 + skew, None), revoked());
    assert_eq!(made(1000 + skew, None), Err(Rejected::NotAccepted(NotAccepted::DecidedAt)));
    for doubt in [Doubt::Back, Doubt::Ahead] {
        assert_eq!(made(1_000_000, Some(doubt)), revoked());
    }
}

#[test]
fn a_stop_of_all_releases_does_not_stop_it() {
    let mut world = World::new();
    let released = world.released(1);
    world.brake = Going::Frozen;
    assert_eq!(world.revoked(released, at(4)).stage.name(), "revoked");
}

#[test]
fn while_an_approval_cools_off_the_visitor_hears_nothing_of_either() {
    let world = World::new();
    let waiting = world.awaiting(1, draft(1));
    let signed = world.sign(world.revocation(&world.cooling(1), at(4)));
    let (revoked, _, effects) = done(world.step(world.cooling(1), sign(signed), at(4)).unwrap());
    assert_eq!((revoked.stage.name(), named(&effects)), ("revoked", "owner".into()));
    assert_eq!((revoked.shown(), revoked.ends_at()), (waiting.shown(), waiting.ends_at()));
    let end = at(limits::ASKING_LIFE);
    let [lapsed, told] = [waiting, revoked].map(|state| done(world.step(state, Input::Tick, end).unwrap()));
    assert_eq!((lapsed.1, named(&lapsed.2), lapsed.0.shown()), (told.1, named(&told.2), told.0.shown()));
    assert_eq!(told.0.stage.name(), "revoked");
}

#[test]
fn an_approval_that_cooled_beyond_the_requests_deadline_lapses_as_what_is_undecided_does() {
    let world = World::new();
    let end = limits::ASKING_LIFE;
    let mut chosen = world.approval(1, &draft(1), 1);
    chosen.not_after = at(end + 1000);
    let by = Authority { cooling: 100, ..world.by(sure(at(end - 1))) };
    let state = decide(world.awaiting(1, draft(1)), sign(world.sign(chosen)), &by).unwrap().next;
    let state = world.revoked(state, at(end));
    let seen = |state: &State| [end - 1, end].map(|seconds| state.shown().view(at(seconds)));
    assert_eq!((state.stage.name(), seen(&state)), ("revoked", [View::Waiting, View::Closed]));
    assert_eq!(seen(&state), seen(&world.awaiting(1, draft(1))));
    let step = world.step(state, Input::Tick, at(end)).unwrap();
    assert_eq!((step.next.ends_at(), outcome(step)), (None, "revoked: lapsed: visitor owner".into()));
}

/// With the mistake planted, the release goes on: what this file's first test looks at.
#[test]
fn a_revocation_without_effect_is_found() {
    let world = World::new();
    let danger = Danger { planted: Some(Planted::IgnoredRevocation) };
    let signed = world.sign(world.revocation(&world.released(1), at(4)));
    let by = Authority { danger, ..world.by(sure(at(4))) };
    let (state, entry, effects) = done(decide(world.released(1), sign(signed), &by).unwrap());
    assert_eq!((entry.map(|entry| entry.kind.as_str()), effects.len()), (Some("revoked"), 0));
    assert!(world.step(state, collect(1, 0), at(5)).is_ok());
}
