//! How long the vault takes to say how a request stands tells nothing of it: the one place where a measured time decides.
//!
//! One adversary with the reception's key asks on one warm link. Four classes of tickets, each with as many tickets, are
//! asked about in one random order, drawn before, so that whatever else the machine does falls on all of them alike. The
//! rule stands before the run: what lies above the [`CROP`] quantile of all measurements together is left out (as dudect
//! does), Welch's |t| is taken once for each pair, and stays below [`LEAK`] between any two classes that get the same answer.
//! What is compared are the tickets' means, not the single calls: where a ticket lies in the table has a time of its own, the
//! calls about one ticket share it, and to count them as independent would find a leak in any two sets of tickets.
//! Nothing is measured again: with 40 tickets a class chance alone exceeds 4.5 in one of 43,000 comparisons, with 120 in one
//! of 94,000 (Student's t), so one of the four comparisons fails in one run of 15,000. Classes whose answers differ are told
//! apart by their answers, and their times are printed only.
//!
//! Rows of different numbers are compared within each filling alone: the two fillings are two times of one process, and
//! between two times more changes than rows.

use shared::frame;
use shared::ids::Ticket;
use shared::limits;
use shared::message::{Call, Filing, Recipient, Reply, Subject};
use shared::text::Text;
use std::collections::BTreeSet;
use tests::statistics::{Dice, LEAK, quantile, welch};
use tests::{Adversary, World};

/// Measurements for each pair of classes, half of them of each, unless `TESTS_SAMPLES` says how many.
const SAMPLES: usize = 100_000;
/// Measurements above this quantile are left out: they are the machine's interruptions.
const CROP: f64 = 0.9;
/// Calls before the first that counts.
const WARM_UP: usize = 4_000;
/// Tickets of each class while there are few requests and while there are many.
const TICKETS: [usize; 2] = [40, 120];
/// Requests in the fuller of the two tables.
const MANY: usize = limits::LANE_DAY - 10;

/// What a visitor's ticket can be before anything is released for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Never,
    Withdrawn,
    Waiting,
    Refused,
}

const CLASSES: [Class; 4] = [Class::Never, Class::Withdrawn, Class::Waiting, Class::Refused];

struct Bench {
    world: World,
    adversary: Adversary,
    dice: Dice,
    /// The question about each ticket, class by class.
    words: [Vec<Vec<u8>>; 4],
    rows: usize,
}

/// The mean time of each ticket of each class, in nanoseconds, cropped, and each class's different answers.
struct Measured([(Vec<f64>, BTreeSet<Vec<u8>>); 4]);

impl Bench {
    fn new() -> Self {
        let mut world = World::new();
        let adversary = Adversary::in_place_of_the_reception(&mut world);
        let mut bench =
            Self { world, adversary, dice: Dice::from_environment("timing"), words: Default::default(), rows: 0 };
        bench.grow(TICKETS[0]);
        bench
    }

    /// As many tickets of each class.
    fn grow(&mut self, tickets: usize) {
        for class in CLASSES {
            while self.words[class as usize].len() < tickets {
                let word = self.ticket(class);
                self.words[class as usize].push(word);
            }
        }
    }

    fn ticket(&mut self, class: Class) -> Vec<u8> {
        let ticket = Ticket::from_random(self.dice.bytes());
        if class != Class::Never {
            self.file(&ticket);
        }
        if class == Class::Withdrawn {
            let reply = self.adversary.ask(&Call::Withdraw { ticket: ticket.clone() });
            assert!(matches!(reply, Some(Reply::View(_))), "{reply:?}");
        }
        if class == Class::Refused {
            let request = ticket.hash().request().to_string();
            self.world.vault(&["requests", "refuse", "--yes", &request]).ok();
        }
        frame::encode(&Call::Status { ticket }).unwrap()
    }

    fn file(&mut self, ticket: &Ticket) {
        let subject = Subject::Question(Text::new("Do you still have the invented photograph?").unwrap());
        let purpose = Text::new("A family chronicle").unwrap();
        let filing = Filing { ticket: ticket.hash(), subject, purpose, contact: None, recipient: Recipient::Ticket };
        assert_eq!(self.adversary.ask(&Call::File(filing)), Some(Reply::Filed));
        self.rows += 1;
    }

    fn fill(&mut self) {
        self.grow(TICKETS[1]);
        while self.rows < MANY {
            let ticket = Ticket::from_random(self.dice.bytes());
            self.file(&ticket);
        }
    }

    /// The vault again, with a fault that a test must find.
    fn plant(&mut self, fault: &str) {
        self.world.kill_vault();
        self.world.start_vault(&[("WEBIZEN_DANGER_PLANT", fault)]);
        self.adversary.wait_for_the_vault();
    }

    fn measure(&mut self) -> Measured {
        let samples = std::env::var("TESTS_SAMPLES").map_or(SAMPLES, |given| given.parse().unwrap());
        let each = samples / 2;
        let mut order: Vec<usize> = (0..CLASSES.len()).flat_map(|class| std::iter::repeat_n(class, each)).collect();
        // Fisher and Yates.
        (1..order.len()).rev().for_each(|at| order.swap(at, self.dice.below(at + 1)));
        let mut warm: Vec<usize> = (0..WARM_UP).map(|at| at % CLASSES.len()).collect();
        warm.extend(&order);
        let tickets = self.words[0].len();
        let which: Vec<usize> = warm.iter().map(|class| class * tickets + self.dice.below(tickets)).collect();
        let (times, answers) = self.adversary.time(self.words.concat(), which.clone());
        let means = ticket_means(&times[WARM_UP..], &which[WARM_UP..], CLASSES.len() * tickets);
        Measured(std::array::from_fn(|class| {
            let own = class * tickets..(class + 1) * tickets;
            (means[own.clone()].to_vec(), answers[own].iter().flatten().cloned().collect())
        }))
    }
}

/// The mean of what was measured of each of `tickets`, without what lies above the [`CROP`] quantile of all.
fn ticket_means(times: &[f64], which: &[usize], tickets: usize) -> Vec<f64> {
    let limit = quantile(times.iter().copied(), CROP);
    let mut sums = vec![(0.0, 0.0); tickets];
    for (time, ticket) in times.iter().zip(which).filter(|(time, _)| **time <= limit) {
        sums[*ticket].0 += time;
        sums[*ticket].1 += 1.0;
    }
    sums.into_iter().map(|(sum, calls)| sum / calls).collect()
}

impl Measured {
    /// Each pair of classes, with Welch's t between them and how far apart their means are.
    fn pairs(&self, what: &str) -> Vec<(Class, Class, f64, f64)> {
        let mut pairs = Vec::new();
        for (at, one) in CLASSES.into_iter().enumerate() {
            for (other, (times, _)) in CLASSES.into_iter().zip(&self.0).skip(at + 1) {
                let found = welch(&self.0[at].0, times);
                println!(
                    "timing, {what}: {one:?} and {other:?}: t = {:6.2}, {:7.1} ns apart, standard error {:.1} ns, {} tickets",
                    found.t,
                    found.means,
                    found.error,
                    self.0[at].0.len() + times.len(),
                );
                pairs.push((one, other, found.t, found.means));
            }
        }
        pairs
    }

    fn answers(&self, class: Class) -> &BTreeSet<Vec<u8>> {
        &self.0[class as usize].1
    }

    /// One answer for all that is over or never was, another for all that looks undecided, both of one size.
    fn check_answers(&self) {
        assert_eq!(self.answers(Class::Never), self.answers(Class::Withdrawn));
        assert_eq!(self.answers(Class::Waiting), self.answers(Class::Refused));
        for (_, answers) in &self.0 {
            let sizes: Vec<usize> = answers.iter().map(Vec::len).collect();
            assert_eq!(sizes, [frame::PREFIX + limits::STATUS_REPLY]);
        }
    }

    /// The pairs of classes that get one answer and are told apart by time.
    fn told_apart(&self, what: &str) -> Vec<(Class, Class, f64, f64)> {
        let leaks = |(one, other, t, _): &(Class, Class, f64, f64)| {
            self.answers(*one) == self.answers(*other) && t.abs() >= LEAK
        };
        self.pairs(what).into_iter().filter(leaks).collect()
    }
}

#[test]
fn undecided_requests_are_not_told_apart_by_size_or_time() {
    let mut bench = Bench::new();
    let few = bench.measure();
    let what = format!("{} requests", bench.rows);
    bench.fill();
    let many = bench.measure();
    let mut leaks = Vec::new();
    for (what, measured) in [(what, few), (format!("{} requests", bench.rows), many)] {
        measured.check_answers();
        leaks.extend(measured.told_apart(&what));
    }
    assert!(leaks.is_empty(), "told apart by time: {leaks:?}");
}

/// Both answers have one size and one content: only time can tell.
#[test]
fn a_planted_delay_is_caught_by_time_alone() {
    let mut bench = Bench::new();
    bench.plant("delay");
    let measured = bench.measure();
    measured.check_answers();
    let caught = measured.told_apart("planted delay");
    let pairs: Vec<(Class, Class)> = caught.iter().map(|(one, other, ..)| (*one, *other)).collect();
    assert_eq!(pairs, [(Class::Never, Class::Withdrawn)], "{caught:?}");
}

#[test]
fn a_planted_early_return_is_caught_by_size_and_by_time() {
    let mut bench = Bench::new();
    bench.plant("early-return");
    let measured = bench.measure();
    let size = |class| measured.answers(class).iter().map(Vec::len).collect::<Vec<_>>();
    assert_ne!(size(Class::Never), size(Class::Withdrawn), "the fault is planted");
    let caught = measured
        .pairs("planted")
        .into_iter()
        .find(|(one, other, ..)| (*one, *other) == (Class::Never, Class::Withdrawn));
    assert!(caught.is_some_and(|(_, _, t, _)| t.abs() > LEAK), "an early return is not seen: {caught:?}");
}
