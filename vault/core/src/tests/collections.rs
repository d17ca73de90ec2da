//! Collections are counted by device, resumed without counting, and end where the owner said.

use super::world::{PAYLOAD, World, at, collect, done, draft, is_released, sign};
use crate::{Effect, Input, Permit, Rejected, Stage, State};
use shared::ids::{CollectionId, Digest};
use shared::limits;
use shared::tlog::LeafKind;

fn counted(state: &State) -> &[CollectionId] {
    let Stage::Released(release) = &state.stage else { panic!("not released") };
    release.collections()
}

/// The state after `device` collects from `offset`, what was logged, and the permit.
fn collects(world: &World, state: State, device: u8, offset: u64) -> (State, Option<LeafKind>, Permit) {
    let (next, entry, mut effects) = done(world.step(state, collect(device, offset), at(5)).unwrap());
    assert_eq!(effects.len(), 1);
    let Some(Effect::Serve(permit)) = effects.pop() else { panic!("no permit") };
    (next, entry.map(|entry| entry.kind), permit)
}

#[test]
fn one_device_resumes_as_often_as_it_wants_and_is_counted_once() {
    let world = World::new();
    let (mut state, kind, _) = collects(&world, world.released(1), 1, 0);
    assert_eq!(kind, Some(LeafKind::Collected));
    for offset in 0..=PAYLOAD.len() as u64 {
        let (next, kind, permit) = collects(&world, state, 1, offset);
        assert_eq!((kind, counted(&next)), (None, &[CollectionId([1; 16])][..]));
        assert_eq!((permit.payload(), permit.bytes()), (Digest::of(PAYLOAD), PAYLOAD.len() as u64));
        assert_eq!((permit.offset(), permit.manifest().sha256), (offset, Digest::of(PAYLOAD)));
        state = next;
    }
}

#[test]
fn devices_are_counted_up_to_the_number_approved() {
    let world = World::new();
    for allowed in [1, 2, limits::COLLECTIONS] {
        let signed = world.signed(1, &draft(1), allowed);
        let mut state = world.moved(world.awaiting(1, draft(1)), sign(signed.clone()), at(2));
        for device in 1..=u8::try_from(allowed).unwrap() {
            let (next, kind, _) = collects(&world, state, device, 0);
            assert_eq!((kind, counted(&next).len()), (Some(LeafKind::Collected), usize::from(device)));
            state = next;
        }
        // Every device that began may still resume; no other may begin.
        for device in 1..=u8::try_from(allowed).unwrap() {
            let (next, kind, _) = collects(&world, state, device, 1);
            assert_eq!(kind, None);
            state = next;
        }
        assert_eq!(world.step(state, collect(99, 0), at(5)).err(), Some(Rejected::Spent));
    }
}

#[test]
fn an_offset_beyond_the_end_is_refused_and_counts_for_nothing() {
    let (world, end) = (World::new(), PAYLOAD.len() as u64);
    for offset in [end + 1, end + 2, u64::MAX] {
        assert_eq!(world.step(world.released(1), collect(1, offset), at(5)).err(), Some(Rejected::Offset));
        assert_eq!(world.step(world.collected(1), collect(1, offset), at(5)).err(), Some(Rejected::Offset));
    }
    // A device may begin at the end: it wants the receipt alone, and counts.
    let (state, kind, permit) = collects(&world, world.released(1), 1, end);
    assert_eq!((kind, permit.offset(), counted(&state).len()), (Some(LeafKind::Collected), end, 1));
}

#[test]
fn a_visitor_may_withdraw_only_before_the_first_collection() {
    let world = World::new();
    assert_eq!(world.moved(world.released(1), Input::Withdrawn, at(5)).stage.name(), "withdrawn");
    assert_eq!(world.step(world.collected(1), Input::Withdrawn, at(5)).err(), Some(Rejected::Stage("released")));
}

#[test]
fn collecting_does_not_change_what_was_approved() {
    let world = World::new();
    let (state, _, _) = collects(&world, world.released(1), 1, 0);
    assert!(is_released(&state));
    assert_eq!((state.shown(), state.ends_at()), (world.released(1).shown(), world.released(1).ends_at()));
}
