//! Any byte of a statement or a signature changed releases nothing.

use super::dice::{Dice, attempts};
use super::owner::{armor, dearmor};
use super::world::{World, at, draft, is_released, sign};
use crate::Signed;

fn releases(world: &World, signed: Signed) -> bool {
    world.step(world.awaiting(1, draft(1)), sign(signed), at(2)).is_ok_and(|step| is_released(&step.next))
}

/// Of a right approval's two parts, one changed.
type Change = fn(&mut Dice, &Signed, &Signed) -> Signed;

fn statement(right: &Signed, statement: String) -> Signed {
    Signed { statement, ..right.clone() }
}

fn signature(right: &Signed, signature: String) -> Signed {
    Signed { signatures: vec![signature], ..right.clone() }
}

/// The third is another approval by the same owner.
const CHANGES: [Change; 9] = [
    |dice, right, _| statement(right, dice.replaced(&right.statement)),
    |dice, right, _| statement(right, dice.cut(&right.statement)),
    |dice, right, _| statement(right, dice.doubled(&right.statement)),
    |dice, right, _| statement(right, dice.swapped(&right.statement)),
    // One line of the other.
    |dice, right, other| {
        let lines = right.statement.lines().zip(other.statement.lines());
        let differing: Vec<_> = lines.filter(|(own, other)| own != other).collect();
        let (own, other) = dice.one(&differing);
        statement(right, right.statement.replace(own, other))
    },
    |dice, right, _| signature(right, dice.replaced(&right.signatures[0])),
    // What the armour holds, in right armour.
    |dice, right, _| {
        let mut blob = dearmor(&right.signatures[0]);
        dice.flip(&mut blob);
        signature(right, armor(&blob))
    },
    |dice, right, _| {
        let mut blob = dearmor(&right.signatures[0]);
        blob.truncate(dice.below(blob.len()));
        signature(right, armor(&blob))
    },
    |dice, right, _| {
        let mut blob = dearmor(&right.signatures[0]);
        blob.insert(dice.below(blob.len() + 1), dice.bytes::<1>()[0]);
        signature(right, armor(&blob))
    },
];

#[test]
fn no_byte_of_a_statement_or_signature_can_change() {
    let (world, mut dice) = (World::new(), Dice::new(0x9e37_79b9_7f4a_7c15));
    let right = world.signed(1, &draft(1), 2);
    let other = world.signed(2, &draft(9), 7);
    assert!(releases(&world, right.clone()));
    let (tries, mut released) = (attempts(20_000), 0);
    for attempt in 0..tries {
        let changed = CHANGES[attempt % CHANGES.len()](&mut dice, &right, &other);
        assert_ne!(changed, right);
        released += usize::from(releases(&world, changed));
    }
    assert_eq!(released, 0, "of {tries} changed approvals");
}

/// What the daemon compares is what the owner signed: a change that the owner signs too is still not this draft.
#[test]
fn a_changed_statement_does_not_release_even_with_the_owners_signature() {
    let (world, mut dice) = (World::new(), Dice::new(0x1234_5678_9abc_def1));
    let right = world.signed(1, &draft(1), 2);
    let chosen = ["shown: ", "collections: ", "not-after: "];
    let free = |text: &str| -> Vec<String> {
        text.lines().filter(|line| chosen.iter().all(|name| !line.starts_with(name))).map(str::to_owned).collect()
    };
    let mut signed = 0;
    while signed < 2000 {
        let changed = dice.replaced(&right.statement);
        if free(&changed) != free(&right.statement) {
            signed += 1;
            assert!(!releases(&world, world.keys[0].sign(&changed)), "{changed}");
        }
    }
}
