//! Several owners must sign one text: two of three here.

use super::owner::Owner;
use super::world::{ASK, NO, World, at, done, draft, is_released, named, outcome, sign, together};
use crate::{Input, NotAccepted, Owners, Rejected, Signed, Stage, State};
use shared::ids::Nonce;
use shared::limits::DECISION_SKEW;
use shared::sshsig::{BadSignature, Signers};
use shared::statement::Statement;
use shared::text::Text;

fn world() -> World {
    World::with(2, 3)
}

/// This owner's approval of the first draft.
fn approval(world: &World, owner: usize) -> Signed {
    world.sign_by(owner, world.approval(1, &draft(1), 2))
}

/// Released at 2 s by the first two owners.
pub(super) fn released(world: &World) -> State {
    let partly = world.moved(world.awaiting(1, draft(1)), sign(approval(world, 0)), at(2));
    world.moved(partly, sign(approval(world, 1)), at(2))
}

#[test]
fn any_two_of_three_release_in_either_order() {
    let world = world();
    for (first, second) in [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)] {
        let [one, two] = [first, second].map(|owner| approval(&world, owner));
        let step = world.step(world.awaiting(1, draft(1)), sign(one.clone()), at(2)).unwrap();
        let (partly, entry, effects) = done(step);
        let entry = entry.unwrap();
        assert_eq!((entry.kind.as_str(), entry.parts, named(&effects)), ("signed", one.parts(), "owner".into()));
        assert_eq!((partly.stage.name(), partly.stage.pending()), ("waiting for more signatures", Some(&one)));
        assert_eq!(partly.shown(), world.awaiting(1, draft(1)).shown());
        let (state, entry, effects) = done(world.step(partly, sign(two.clone()), at(3)).unwrap());
        let both = together(&one, &two);
        let entry = entry.unwrap();
        assert_eq!(
            (entry.kind.as_str(), entry.parts, named(&effects)),
            ("approved", both.parts(), "visitor owner".into())
        );
        let Stage::Released(release) = &state.stage else { panic!("{}", state.stage.name()) };
        assert_eq!(release.signed(), &both);
    }
    // One desk may bring both.
    let both = together(&approval(&world, 2), &approval(&world, 0));
    assert!(is_released(&world.moved(world.awaiting(1, draft(1)), sign(both), at(2))));
}

#[test]
fn one_owner_twice_is_one_owner() {
    let world = world();
    let (one, other) = (approval(&world, 0), approval(&world, 1));
    let partly = || world.moved(world.awaiting(1, draft(1)), sign(one.clone()), at(2));
    for (state, signed) in [
        (partly(), one.clone()),
        (partly(), together(&other, &one)),
        (world.awaiting(1, draft(1)), together(&one, &one)),
        (world.awaiting(1, draft(1)), together(&together(&one, &other), &one)),
    ] {
        let rejected = world.step(state, sign(signed), at(3)).err();
        assert_eq!(rejected, Some(Rejected::NotAccepted(NotAccepted::Repeated)));
    }
    // Signed under the other hash that SSHSIG knows, it is another signature of the same key.
    let again = world.keys[0].sign_with_sha256(&one.statement);
    assert_ne!(again, one);
    let rejected = world.step(partly(), sign(again), at(3)).err();
    assert_eq!(rejected, Some(Rejected::NotAccepted(NotAccepted::Repeated)));
}

#[test]
fn what_does_not_hold_leaves_what_was_signed_before() {
    let world = world();
    let partly = || world.moved(world.awaiting(1, draft(1)), sign(approval(&world, 0)), at(2));
    let text = approval(&world, 0).statement;
    let other = world.sign_by(1, world.approval(1, &draft(1), 3));
    let cases = [
        (Owner::new(9).sign(&text), NotAccepted::Signature(BadSignature::UnknownKey)),
        (world.keys[1].sign_as("file", &text), NotAccepted::Signature(BadSignature::Namespace)),
        (
            Signed { statement: text.clone(), signatures: other.signatures },
            NotAccepted::Signature(BadSignature::Invalid),
        ),
        (Signed { statement: text.clone(), signatures: Vec::new() }, NotAccepted::TooFew { have: 0, need: 2 }),
        (
            Signed { statement: text.clone(), signatures: vec![approval(&world, 1).signatures[0].clone(); 4] },
            NotAccepted::TooLong,
        ),
    ];
    for (signed, why) in cases {
        assert_eq!(world.step(partly(), sign(signed), at(3)).err(), Some(Rejected::NotAccepted(why)));
    }
    assert!(is_released(&world.moved(partly(), sign(approval(&world, 1)), at(3))));
}

#[test]
fn another_text_begins_anew() {
    let world = world();
    let other = |owner| world.sign_by(owner, world.approval(1, &draft(1), 3));
    let partly = world.moved(world.awaiting(1, draft(1)), sign(approval(&world, 0)), at(2));
    let anew = world.moved(partly, sign(other(1)), at(3));
    assert_eq!(anew.stage.pending(), Some(&other(1)));
    // The first text has one signature again.
    let back = world.moved(anew.clone(), sign(approval(&world, 2)), at(4));
    assert_eq!(back.stage.pending(), Some(&approval(&world, 2)));
    let state = world.moved(anew, sign(other(0)), at(4));
    let Stage::Released(release) = &state.stage else { panic!("{}", state.stage.name()) };
    assert_eq!(release.approval().collections, 3);
}

#[test]
fn another_draft_voids_what_was_signed() {
    let world = world();
    let partly = world.moved(world.awaiting(1, draft(1)), sign(approval(&world, 0)), at(2));
    let composed = world.moved(partly, Input::Composed(draft(2)), at(3));
    assert_eq!((composed.stage.name(), composed.stage.pending()), ("waiting for approval", None));
    let rejected = world.step(composed.clone(), sign(approval(&world, 1)), at(4)).err();
    assert_eq!(rejected, Some(Rejected::NotAccepted(NotAccepted::Differs("nonce".into()))));
    let new = |owner| world.sign_by(owner, world.approval(1, &draft(2), 2));
    let partly = world.moved(composed, sign(new(1)), at(4));
    assert_eq!(partly.stage.name(), "waiting for more signatures");
    assert!(is_released(&world.moved(partly, sign(new(2)), at(5))));
}

/// A question and a refusal take both owners, at every stage in which they can be signed.
#[test]
fn words_take_as_many_owners_as_a_release() {
    let world = world();
    let stages: [fn(&World) -> State; 4] =
        [|w| w.awaiting(1, draft(1)), |w| w.asked(1), |w| w.unprepared(1), |w| asked_back(w, w.awaiting(1, draft(1)))];
    for stage in stages {
        for (words, waits, done) in [
            (Some(ASK), true, "waiting for the visitor: asked: visitor owner"),
            (Some(NO), false, "refused: refused: visitor owner"),
        ] {
            let state = stage(&world);
            let text = if waits { world.question(&state, ASK, at(4)) } else { world.refusal(&state, words, at(4)) };
            let [one, two] = [0, 1].map(|owner| world.sign_by(owner, text.clone()));
            let (name, shown) = (state.stage.name(), state.shown());
            let (partly, entry, effects) = super::world::done(world.step(state, sign(one.clone()), at(4)).unwrap());
            assert_eq!((entry.unwrap().kind.as_str(), named(&effects)), ("signed", "owner".into()), "{name}");
            assert_eq!((partly.stage.pending(), partly.shown()), (Some(&one), shown), "{name}");
            let rejected = world.step(partly.clone(), sign(one.clone()), at(4)).err();
            assert_eq!(rejected, Some(Rejected::NotAccepted(NotAccepted::Repeated)), "{name}");
            assert_eq!(outcome(world.step(partly, sign(two), at(4)).unwrap()), done, "{name}");
        }
    }
}

/// The first two owners ask back.
fn asked_back(world: &World, state: State) -> State {
    let question: Statement = world.question(&state, ASK, at(2));
    let both = together(&world.sign_by(0, question.clone()), &world.sign_by(1, question));
    world.moved(state, sign(both), at(2))
}

#[test]
fn an_answer_voids_what_one_owner_signed_before_it() {
    let world = world();
    let asked = asked_back(&world, world.awaiting(1, draft(1)));
    let refusal = world.refusal(&asked, Some(NO), at(3));
    let partly = world.moved(asked, sign(world.sign_by(0, refusal.clone())), at(3));
    let (question, fresh) = (super::world::FIRST, Nonce([201; 16]));
    let answered = Input::Answered { question, answer: Text::new("Main Street.").unwrap(), fresh };
    let state = world.moved(partly, answered, at(4));
    assert_eq!((state.stage.pending(), state.stage.nonce()), (None, Some(fresh)));
    let rejected = world.step(state, sign(world.sign_by(1, refusal)), at(4)).err();
    assert_eq!(rejected, Some(Rejected::NotAccepted(NotAccepted::Differs("nonce".into()))));
}

#[test]
fn a_quorum_is_between_one_and_all() {
    let world = world();
    let signers = Signers::of(world.keys.iter().map(Owner::key).collect());
    for quorum in 1..=3 {
        let owners = Owners::new(signers.clone(), quorum).unwrap();
        assert_eq!((owners.quorum(), owners.signers()), (quorum, &signers));
        assert_eq!(owners.parts(), [signers.render().into_bytes(), quorum.to_string().into_bytes()]);
    }
    for quorum in [0, 4, usize::MAX] {
        let refused = Owners::new(signers.clone(), quorum).unwrap_err();
        assert_eq!((refused.quorum, refused.keys), (quorum, 3));
    }
    let refused = Owners::new(signers, 4).unwrap_err().to_string();
    assert_eq!(refused, "signatures wanted: 4; different owner keys: 3. The first must lie between 1 and the second");
    assert!(Owners::new(Signers::of(Vec::new()), 0).is_err());
}

/// The keys change while a text is half signed.
#[test]
fn what_a_removed_key_signed_counts_no_more_and_is_in_nobodys_way() {
    let mut world = world();
    let one = approval(&world, 0);
    let partly = world.moved(world.awaiting(1, draft(1)), sign(one.clone()), at(2));
    world.owners = World::owners(&world.keys[1..], 2);
    let unknown = NotAccepted::Signature(BadSignature::UnknownKey);
    for signed in [one.clone(), together(&one, &approval(&world, 1))] {
        assert_eq!(world.step(partly.clone(), sign(signed), at(3)).err(), Some(Rejected::NotAccepted(unknown.clone())));
    }
    let still = world.moved(partly, sign(approval(&world, 1)), at(3));
    assert_eq!(still.stage.pending(), Some(&approval(&world, 1)));
    let state = world.moved(still, sign(approval(&world, 2)), at(3));
    let Stage::Released(release) = &state.stage else { panic!("{}", state.stage.name()) };
    assert_eq!(release.signed(), &together(&approval(&world, 1), &approval(&world, 2)));
}

#[test]
fn there_is_nowhere_to_keep_a_signature_where_nothing_is_signed() {
    let world = World::new();
    for (name, state) in world.stages() {
        let mut stage = state.stage.clone();
        stage.keep(approval(&world, 0));
        assert_eq!(stage.pending().is_some(), state.stage.nonce().is_some(), "{name}");
        assert_eq!(stage == state.stage, state.stage.nonce().is_none(), "{name}");
    }
}

#[test]
fn the_others_may_take_their_time_with_a_text_that_was_signed_at_once() {
    let (world, late) = (world(), at(11 + DECISION_SKEW));
    let waiting = || world.awaiting(1, draft(1));
    for text in [world.question(&waiting(), "Who sent you?", at(10)), world.refusal(&waiting(), Some("No."), at(10))] {
        let [one, two] = [0, 1].map(|owner| world.sign_by(owner, text.clone()));
        let rejected = world.step(waiting(), sign(one.clone()), late).err();
        assert_eq!(rejected, Some(Rejected::NotAccepted(NotAccepted::DecidedAt)));
        let partly = world.moved(waiting(), sign(one), at(10));
        let agreed = world.moved(partly, sign(two), late);
        assert!(agreed.words().is_some(), "{}", agreed.stage.name());
    }
}
