//! What follows from a decision exists only after its commit.

use super::world::{Durable, World, at, collect};
use crate::{AfterCommit, Commit, Effect};
use std::cell::Cell;
use std::rc::Rc;

/// A disk that refuses.
struct Refusing;

impl Commit for Refusing {
    type Error = &'static str;
    fn commit(self) -> Result<(), &'static str> {
        Err("no space")
    }
}

/// Counts its own end.
struct Witness(Rc<Cell<u32>>);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn a_failed_commit_gives_no_permit() {
    let world = World::new();
    let step = world.step(world.released(1), collect(1, 0), at(3)).unwrap();
    assert_eq!(step.effects.open(Refusing).err(), Some("no space"));
    let step = world.step(world.released(1), collect(1, 0), at(3)).unwrap();
    let Ok(effects) = step.effects.open(Durable);
    assert!(matches!(effects[..], [Effect::Serve(_)]));
}

#[test]
fn a_failed_commit_drops_what_was_sealed_and_shows_it_to_nobody() {
    let dropped = Rc::new(Cell::new(0));
    let sealed = || AfterCommit::seal(vec![Witness(dropped.clone())]);
    assert!(AfterCommit::all([sealed(), sealed(), sealed()]).open(Refusing).is_err());
    assert_eq!(dropped.get(), 3);
    let Ok(opened) = AfterCommit::all([sealed(), sealed()]).open(Durable);
    assert_eq!((opened.len(), dropped.get()), (2, 3));
}

#[test]
fn one_commit_opens_many_in_their_order() {
    let sealed = [vec![1, 2], vec![], vec![3]].map(AfterCommit::seal);
    assert_eq!(AfterCommit::all(sealed).open(Durable), Ok(vec![vec![1, 2], vec![], vec![3]]));
    assert_eq!(AfterCommit::<Vec<u8>>::nothing().open(Durable), Ok(vec![]));
}
