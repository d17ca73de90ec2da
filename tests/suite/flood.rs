//! A reception's key in strange hands, and somebody who files whatever it will take.

use shared::frame;
use shared::ids::Ticket;
use shared::limits;
use shared::message::{Call, Filing, Recipient, Refused, Reply, Subject, View};
use shared::text::Text;
use tests::adversary::{self, Ending};
use tests::statistics::Dice;
use tests::{Adversary, World};

/// Requests that the flood tries to file, unless `TESTS_ROUNDS` says how many.
const FILINGS: usize = 20_000;
/// Calls at once.
const AT_ONCE: usize = 64;
/// Lines that one of them leaves in the vault's log would be as many as there are calls; it is less than one in so many.
const CALLS_A_LINE: usize = 20;

fn filing(ticket: &Ticket, question: &str) -> Call {
    let subject = Subject::Question(Text::new(question).unwrap());
    let purpose = Text::new("A family chronicle").unwrap();
    Call::File(Filing { ticket: ticket.hash(), subject, purpose, contact: None, recipient: Recipient::Ticket })
}

/// Files as much as it can in the same words; how many were taken.
fn flood(adversary: &Adversary, dice: &mut Dice, filings: usize) -> usize {
    let mut taken = 0;
    for begun in (0..filings).step_by(AT_ONCE) {
        let calls: Vec<_> = (begun..filings.min(begun + AT_ONCE))
            .map(|_| {
                let ticket = Ticket::from_random(dice.bytes());
                (frame::encode(&filing(&ticket, "Is there any invented photograph?")).unwrap(), Ending::Finished)
            })
            .collect();
        for answer in adversary.say_all(&calls) {
            match adversary::first(&answer) {
                Some(Reply::Filed) => taken += 1,
                Some(Reply::Refused(Refused::Busy { retry_after })) => assert!((1..=86_400).contains(&retry_after)),
                other => panic!("{other:?}"),
            }
        }
    }
    taken
}

#[test]
fn a_flood_of_filings_is_one_line_to_the_owner_and_loses_nothing_that_was_filed_before() {
    let filings = std::env::var("TESTS_ROUNDS").map_or(FILINGS, |given| given.parse().unwrap());
    let mut dice = Dice::from_environment("flood");
    let mut world = World::new();
    let adversary = Adversary::in_place_of_the_reception(&mut world);
    let old = Ticket::from_random(dice.bytes());
    assert_eq!(adversary.ask(&filing(&old, "May I bring my invented dog?")), Some(Reply::Filed));
    let taken = flood(&adversary, &mut dice, filings);
    println!("flood: {taken} of {filings} requests were taken");
    assert_eq!(taken, filings.min(limits::LANE_DAY - 1));
    // Whoever filed before is where he was, and the owner sees one line more.
    let view = Call::Status { ticket: old.clone() };
    assert_eq!(adversary.ask(&view), Some(Reply::View(View::Waiting)));
    let listed = world.vault(&["requests", "ls"]).ok();
    assert!(listed.lines().count() == 2 && listed.contains("invented dog"), "{listed}");
    let flooded = listed.lines().find(|line| line.ends_with(&format!("(and {} like it)", taken - 1)));
    let refused = flooded.and_then(|line| line.split(' ').next()).unwrap_or_else(|| panic!("{listed}"));
    world.vault(&["requests", "refuse", "--yes", refused]).ok();
    let listed = world.vault(&["requests", "ls"]).ok();
    assert!(listed.lines().count() == 1 && listed.contains("invented dog"), "{listed}");
    assert_eq!(adversary.ask(&view), Some(Reply::View(View::Waiting)));
    let said = world.vault_node().log().lines().filter(|line| line.contains("refused")).count();
    let least = usize::from(taken < filings);
    assert!(said >= least && said <= (filings / CALLS_A_LINE).max(2), "{said} lines in the log");
}
