//! Any byte of a statement or a signature changed releases nothing.

use super::world::{World, at, draft, is_released};
use crate::{Input, Signed};

/// A reproducible source of choices (xorshift64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    /// Another byte that keeps the text UTF-8.
    fn replaced(&mut self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        let place = self.below(bytes.len());
        let old = bytes[place];
        while bytes[place] == old {
            bytes[place] = u8::try_from(self.below(128)).unwrap();
        }
        String::from_utf8(bytes).unwrap()
    }

    fn cut(&mut self, text: &str) -> String {
        let mut changed = text.to_owned();
        changed.remove(self.below(text.len()));
        changed
    }

    fn doubled(&mut self, text: &str) -> String {
        let (place, mut changed) = (self.below(text.len()), text.to_owned());
        changed.insert(place, char::from(text.as_bytes()[place]));
        changed
    }
}

fn releases(world: &World, signed: Signed) -> bool {
    world.step(world.awaiting(1, draft(1)), Input::Approved(signed), at(2)).is_ok_and(|step| is_released(&step.next))
}

#[test]
fn no_single_byte_of_a_statement_or_signature_can_change() {
    let (world, mut dice) = (World::new(), Dice(0x9e37_79b9_7f4a_7c15));
    let right = world.signed(1, &draft(1), 2);
    assert!(releases(&world, right.clone()));
    let mut released = 0;
    for _ in 0..10_000 {
        let statement = dice.replaced(&right.statement);
        released += usize::from(releases(&world, Signed { statement, ..right.clone() }));
        let signature = dice.replaced(&right.signature);
        released += usize::from(releases(&world, Signed { signature, ..right.clone() }));
    }
    assert_eq!(released, 0, "of 20,000 changed approvals");
}

#[test]
fn no_byte_of_a_statement_can_go_missing_or_come_twice() {
    let (world, mut dice) = (World::new(), Dice(0x2545_f491_4f6c_dd1d));
    let right = world.signed(1, &draft(1), 2);
    for _ in 0..1000 {
        for statement in [dice.cut(&right.statement), dice.doubled(&right.statement)] {
            assert!(!releases(&world, Signed { statement, ..right.clone() }));
        }
    }
}

/// What the daemon compares is what the owner signed: a change that the owner signs too is still not this draft.
#[test]
fn a_changed_statement_does_not_release_even_with_the_owners_signature() {
    let (world, mut dice) = (World::new(), Dice(0x1234_5678_9abc_def1));
    let right = world.signed(1, &draft(1), 2);
    let chosen = ["shown: ", "collections: ", "not-after: "];
    let free = |text: &str| -> Vec<String> {
        text.lines().filter(|line| chosen.iter().all(|name| !line.starts_with(name))).map(str::to_owned).collect()
    };
    for _ in 0..2000 {
        let changed = dice.replaced(&right.statement);
        if free(&changed) != free(&right.statement) {
            assert!(!releases(&world, world.owner.sign(&changed)), "{changed}");
        }
    }
}
