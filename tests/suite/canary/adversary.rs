//! The reception taken over: whoever has its key says to the vault whatever it likes, in any order and any shape, and hears
//! nothing that the owner has not approved.

use super::{Item, Names, RELEASED, approve, compose, plant_keys, put};
use shared::frame;
use shared::ids::{CollectionId, Ticket, TicketHash};
use shared::limits;
use shared::message::{Call, Filing, Recipient, Reply, Subject, View};
use shared::text::Text;
use std::sync::atomic::{AtomicBool, Ordering};
use tests::adversary::{Ending, first, hello};
use tests::sinks::listen_to_vault;
use tests::statistics::Dice;
use tests::{Adversary, Oracle, Owner, Sink, World};

/// Calls in each of the three parts of the run, unless `TESTS_ROUNDS` says how many in all.
const CALLS: usize = 7_000;
/// Filings that the adversary makes at random; with those that the owner decides they stay below the day's quota.
const FILINGS: usize = limits::LANE_DAY - 50;
/// The most calls side by side.
const BURST: usize = 12;

const LETTER: Names = Names { content: "letter", digest: "letter's digest", file: "letter's file name" };
const WILL: Names = Names { content: "will", digest: "will's digest", file: "will's file name" };

/// What the adversary has asked for.
struct Filed {
    secret: [u8; 32],
    filing: Filing,
}

impl Filed {
    fn ticket(&self) -> Ticket {
        Ticket::from_random(self.secret)
    }
}

/// The adversary at work.
struct Campaign<'a> {
    adversary: Adversary,
    dice: Dice,
    oracle: Oracle,
    /// As the oracle, after the owner has approved the letter: for calls with the letter's ticket alone.
    opened: Oracle,
    approved: &'a AtomicBool,
    items: [Item; 2],
    /// The letter's request first, which is never withdrawn.
    filed: Vec<Filed>,
    random: usize,
    calls: usize,
    answers: usize,
    deliveries: usize,
}

/// What is said on one stream, and whether it has the letter's ticket in it.
struct Word {
    bytes: Vec<u8>,
    ending: Ending,
    letters: bool,
}

impl Campaign<'_> {
    /// As many calls at random, some of them side by side.
    fn rounds(&mut self, calls: usize) {
        let end = self.calls + calls;
        while self.calls < end {
            let burst = if self.dice.below(4) == 0 { 2 + self.dice.below(BURST - 1) } else { 1 };
            let mut words: Vec<Word> = (0..burst).map(|_| self.word()).collect();
            if burst > 1 && self.dice.below(3) == 0 {
                let again = &words[self.dice.below(burst)];
                words.push(Word { bytes: again.bytes.clone(), ..*again });
            }
            self.speak(&words);
            if self.dice.below(3_000) == 0 {
                self.adversary.hang_up();
            }
        }
    }

    /// Says these side by side, and judges each answer.
    fn speak(&mut self, words: &[Word]) {
        // Read before: what an approval lets go may come only after it.
        let open = self.approved.load(Ordering::SeqCst);
        let said: Vec<_> = words.iter().map(|word| (word.bytes.clone(), word.ending)).collect();
        let answers = self.adversary.say_all(&said);
        let open = open || self.approved.load(Ordering::SeqCst);
        self.calls += words.len();
        assert!(self.adversary.is_linked(), "nothing that is said to the vault ends its link");
        for (word, answer) in words.iter().zip(answers) {
            self.judge(&answer, open && word.letters);
        }
    }

    fn judge(&mut self, answer: &[u8], letters: bool) {
        (if letters { &mut self.opened } else { &mut self.oracle }).hear(Sink::Replies, answer);
        let reply = first(answer);
        self.answers += usize::from(reply.is_some());
        match reply {
            Some(Reply::View(view)) => {
                assert_eq!(answer.len(), frame::PREFIX + limits::STATUS_REPLY, "every view has one size");
                assert!(letters || !matches!(view, View::Ready(_)), "something is ready that nobody approved");
            }
            Some(Reply::Delivery(_)) => {
                assert!(letters, "something is delivered that nobody approved");
                self.deliveries += 1;
            }
            _ => {}
        }
    }

    /// Anything that a reception could say, and much that it could not.
    fn word(&mut self) -> Word {
        let call = self.call();
        let mut bytes = frame::encode(&call).unwrap();
        let mut ending = Ending::Finished;
        match self.dice.below(8) {
            0 => self.spoil(&mut bytes),
            1 => {
                bytes.truncate(self.dice.below(bytes.len()));
                ending = *self.dice.pick(&[Ending::Finished, Ending::Reset]);
            }
            _ => {}
        }
        let ticket = shared::ids::hex(&self.filed[0].secret);
        let letters = tests::tools::contains(&bytes, ticket.as_bytes());
        Word { bytes, ending, letters }
    }

    /// Junk: changed bytes, another length, foreign verbs, more after the end.
    fn spoil(&mut self, bytes: &mut Vec<u8>) {
        match self.dice.below(6) {
            0 => {
                let at = self.dice.below(bytes.len());
                bytes[at] ^= 1 << self.dice.below(8);
            }
            1 => bytes[..4].copy_from_slice(&self.dice.bytes::<4>()),
            2 => bytes.extend(self.dice.bytes::<40>()),
            3 => *bytes = self.dice.bytes::<64>().to_vec(),
            4 => {
                let verb = self.dice.pick(&["approve", "release", "items", "Status", "desk", "status\u{0}"]);
                *bytes = frame::encode(&serde_json::json!({ *verb: { "ticket": "0".repeat(64) } })).unwrap();
            }
            _ => {
                let deep = "[".repeat(self.dice.below(60_000));
                *bytes = [(deep.len() as u32).to_be_bytes().as_slice(), deep.as_bytes()].concat();
            }
        }
    }

    fn call(&mut self) -> Call {
        match self.dice.below(16) {
            0..5 => Call::Status { ticket: self.any_ticket() },
            5..10 => self.collect(),
            10..13 => self.file(),
            13 => Call::Publications { have: *self.dice.pick(&[0, 1, 2, u64::MAX]) },
            14 => Call::Hello(hello(self.dice.pick(&[vec![1], vec![], vec![0, 7], vec![u32::MAX, 1]]).clone())),
            _ => self.withdraw(),
        }
    }

    /// A right one, a hash in a ticket's place, one that differs in a bit, or nobody's.
    fn any_ticket(&mut self) -> Ticket {
        // The first few are those that there is something behind.
        let count = if self.dice.below(2) == 0 { self.filed.len() } else { self.filed.len().min(5) };
        let mut secret = self.filed[self.dice.below(count)].secret;
        match self.dice.below(8) {
            0 => secret[self.dice.below(32)] ^= 1 << self.dice.below(8),
            1 => secret = Ticket::from_random(secret).hash().0,
            2 => secret = self.dice.bytes(),
            _ => {}
        }
        Ticket::from_random(secret)
    }

    fn collect(&mut self) -> Call {
        let collection = CollectionId([*self.dice.pick(&[0, 1, 0xff]); 16]);
        let length = self.items[0].content.len() as u64;
        let offset = *self.dice.pick(&[0, 1, length - 1, length, length + 1, u64::MAX]);
        Call::Collect { ticket: self.any_ticket(), collection, offset }
    }

    /// A new filing, an old one again, or other words or another item under an old ticket.
    fn file(&mut self) -> Call {
        if self.random < FILINGS && self.dice.below(4) == 0 {
            self.random += 1;
            let filing = self.new_filing();
            return Call::File(filing);
        }
        let mut filing = self.filed[self.dice.below(self.filed.len())].filing.clone();
        match self.dice.below(3) {
            0 => filing.subject = Subject::Item(self.items[self.dice.below(2)].id.parse().unwrap()),
            1 => filing.purpose = Text::new("other words").unwrap(),
            _ => {}
        }
        Call::File(filing)
    }

    fn new_filing(&mut self) -> Filing {
        let subject = match self.dice.below(4) {
            0 => Subject::Item(self.items[0].id.parse().unwrap()),
            1 => Subject::Item(self.items[1].id.parse().unwrap()),
            2 => Subject::Item(shared::ids::ItemId(self.dice.bytes())),
            _ => Subject::Question(Text::new("What else is there?").unwrap()),
        };
        let secret = self.dice.bytes();
        let filing = filing(Ticket::from_random(secret).hash(), subject);
        self.filed.push(Filed { secret, filing: filing.clone() });
        filing
    }

    /// Of what the owner is to decide, nothing.
    fn withdraw(&mut self) -> Call {
        let ticket = match self.filed.get(5 + self.dice.below(self.filed.len())) {
            Some(filed) => filed.ticket(),
            None => Ticket::from_random(self.dice.bytes()),
        };
        Call::Withdraw { ticket }
    }

    /// Files something that the owner will look at; its request's id.
    fn ask(&mut self, subject: Subject) -> String {
        let secret = self.dice.bytes();
        let filing = filing(Ticket::from_random(secret).hash(), subject);
        let reply = self.adversary.ask(&Call::File(filing.clone()));
        assert_eq!(reply, Some(Reply::Filed));
        self.filed.push(Filed { secret, filing });
        self.filed.last().unwrap().ticket().hash().request().to_string()
    }

    fn check(&mut self) {
        self.oracle.hear(Sink::Replies, &self.adversary.unasked.bytes());
        assert!(self.oracle.leaks().is_empty(), "{:#?}", self.oracle.leaks());
        assert!(self.opened.leaks().is_empty(), "{:#?}", self.opened.leaks());
    }
}

fn filing(ticket: TicketHash, subject: Subject) -> Filing {
    let purpose = Text::new("curiosity").unwrap();
    Filing { ticket, subject, purpose, contact: None, recipient: Recipient::Ticket }
}

/// The owner reads, and the approval counts from just before the last key.
fn approve_while(world: &World, request: &str, approved: &AtomicBool) {
    let mut owner = Owner::run(world, &["requests", "approve", request]);
    owner.read_to_the_end();
    let word = owner.word();
    owner.type_answer(&word);
    approved.store(true, Ordering::SeqCst);
    owner.type_keys("\r");
    assert_eq!(owner.wait_for_exit(), 0);
}

/// A world in which the adversary has taken the reception's place and asked for what there is.
fn campaign<'a>(world: &mut World, approved: &'a AtomicBool) -> (Campaign<'a>, [String; 4]) {
    let (mut dice, mut oracle) = (Dice::from_environment("adversary"), Oracle::default());
    plant_keys(world, &mut oracle);
    let items = [(&LETTER, "Medical letter"), (&WILL, "Last will")]
        .map(|(names, title)| put(world, &mut oracle, &mut dice, names, title));
    let words = ["answer", "kept answer"].map(|name| {
        let word = dice.word();
        oracle.plant(name, word.as_bytes(), &[]);
        word
    });
    // What is published comes over, so that the oracle is known to hear the adversary's side.
    let published = dice.word();
    oracle.plant("publication", published.as_bytes(), &[Sink::Replies]);
    world.publish(&[("about.md", &format!("# About\n\nA workshop. {published}\n"))]);
    let adversary = Adversary::in_place_of_the_reception(world);
    let (opened, filed) = (oracle.clone(), Vec::new());
    let mut campaign = Campaign {
        adversary,
        dice,
        oracle,
        opened,
        approved,
        items,
        filed,
        random: 0,
        calls: 0,
        answers: 0,
        deliveries: 0,
    };
    let question = || Subject::Question(Text::new("Where were you born?").unwrap());
    let item = |campaign: &Campaign<'_>, at: usize| Subject::Item(campaign.items[at].id.parse().unwrap());
    let (letter, will) = (item(&campaign, 0), item(&campaign, 1));
    let ids = [letter, will, question(), question()].map(|subject| campaign.ask(subject));
    compose(world, &ids[2], &words[0]);
    compose(world, &ids[3], &words[1]);
    (campaign, ids)
}

#[test]
fn an_adversary_in_the_reception_s_place_hears_nothing_without_its_approval() {
    let (mut world, approved) = (World::new(), AtomicBool::new(false));
    world.restart_to_debug(&[]);
    let (mut campaign, [letter, will, question, _]) = campaign(&mut world, &approved);
    let calls = std::env::var("TESTS_ROUNDS").map_or(CALLS, |all| all.parse::<usize>().unwrap() / 3);
    campaign.rounds(calls);
    campaign.check();
    assert_eq!(campaign.deliveries, 0);
    assert!(campaign.oracle.heard("publication", Sink::Replies), "what is published is heard");

    [LETTER.content, LETTER.digest].iter().for_each(|canary| campaign.opened.allow(canary, RELEASED));
    std::thread::scope(|scope| {
        let owner = scope.spawn(|| approve_while(&world, &letter, &approved));
        campaign.rounds(calls);
        while !owner.is_finished() {
            campaign.rounds(100);
        }
    });
    world.vault(&["requests", "refuse", "--yes", &will]).ok();
    campaign.rounds(calls);
    campaign.check();
    assert!(campaign.opened.heard(LETTER.content, Sink::Replies), "what is approved is heard");
    // The other answer is let go too, and comes for its own ticket alone.
    campaign.opened.allow("answer", RELEASED);
    approve(&world, &question);
    let ticket = campaign.filed[2].ticket();
    let asked = frame::encode(&Call::Collect { ticket, collection: CollectionId([7; 16]), offset: 0 }).unwrap();
    let payload = campaign.adversary.say(&asked, Ending::Finished);
    campaign.opened.hear(Sink::Replies, &payload);
    campaign.check();
    assert!(campaign.opened.heard("answer", Sink::Replies), "the answer comes for its ticket");
    listen_to_vault(&mut world, &mut campaign.oracle);
    campaign.check();
    campaign.oracle.join(&campaign.opened);
    let Campaign { calls, answers, deliveries, .. } = campaign;
    assert!(answers > calls / 2, "only {answers} of {calls} calls were answered");
    let filed = campaign.filed.len();
    let figures = campaign.oracle.figures();
    println!(
        "adversary: {calls} calls, {answers} answers, {filed} requests filed, {deliveries} deliveries, all approved; {figures}"
    );
}
