//! The reception taken over: whoever has its key says to the vault whatever it likes, in any order and any shape, and hears
//! nothing that the owner has not approved.

use super::{Item, Names, RELEASED, compose, plant_keys, put};
use shared::frame;
use shared::ids::{CollectionId, Nonce, Ticket, TicketHash};
use shared::limits;
use shared::message::{Call, Filing, Recipient, Reply, Subject, View};
use shared::pairing::VaultLine;
use shared::seal::{Sealed, seal};
use shared::statement::Statement;
use shared::text::Text;
use shared::tlog::Origin;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tests::adversary::{Ending, first, hello};
use tests::sinks::listen_to_vault;
use tests::statistics::Dice;
use tests::{Adversary, Oracle, Owner, Sink, World};

/// Calls in each of the three parts of the run, unless `TESTS_ROUNDS` says how many in all.
const CALLS: usize = 7_000;
/// With fewer, chance does not come to all that the run must reach.
const FEWEST: usize = 2000;
/// Filings that the adversary makes at random; with those that the owner decides they stay below the day's quota.
const FILINGS: usize = limits::LANE_DAY - 50;
/// The most calls side by side.
const BURST: usize = 12;
/// The devices that the adversary collects for.
const COLLECTIONS: [CollectionId; 3] = [CollectionId([0; 16]), CollectionId([1; 16]), CollectionId([0xff; 16])];

/// The requests that the owner is to decide, by their places among those filed: two items, and three questions with answers
/// that are written and not released.
const LETTERS: usize = 0;
const WILLS: usize = 1;
const ANSWERED: usize = 2;
const ASKED: usize = 3;
const DECLINED: usize = 4;
const DECIDED: usize = 5;

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

/// A request of which the owner lets something go.
struct Opened {
    /// As the campaign's, and for calls with this request's ticket alone, once the owner has signed.
    oracle: Oracle,
    signed: Arc<AtomicBool>,
    /// What the owner lets go.
    heard: usize,
}

/// The adversary at work.
struct Campaign {
    adversary: Adversary,
    dice: Dice,
    oracle: Oracle,
    /// For each request that the owner is to decide.
    opened: [Opened; DECIDED],
    items: [Item; 2],
    /// What the vault says of itself, from the reception's disk.
    vault: VaultLine,
    /// Those that the owner is to decide come first, and are never withdrawn.
    filed: Vec<Filed>,
    /// That of the owner's question, once it was heard.
    question: Option<Nonce>,
    random: usize,
    calls: usize,
    answers: usize,
}

/// What is said on one stream, and which request that the owner is to decide has its ticket in it.
#[derive(Clone)]
struct Word {
    bytes: Vec<u8>,
    ending: Ending,
    about: Option<usize>,
}

impl Campaign {
    /// As many calls at random, some of them side by side.
    fn rounds(&mut self, calls: usize) {
        let end = self.calls + calls;
        while self.calls < end {
            let burst = if self.dice.below(4) == 0 { 2 + self.dice.below(BURST - 1) } else { 1 };
            let mut words: Vec<Word> = (0..burst).map(|_| self.word()).collect();
            if burst > 1 && self.dice.below(3) == 0 {
                let again = words[self.dice.below(burst)].clone();
                words.push(again);
            }
            self.speak(&words);
            if self.dice.below(3_000) == 0 {
                self.adversary.hang_up();
            }
        }
    }

    /// Says these side by side, and judges each answer.
    fn speak(&mut self, words: &[Word]) {
        let said: Vec<_> = words.iter().map(|word| (word.bytes.clone(), word.ending)).collect();
        let answers = self.adversary.say_all(&said);
        // Read afterwards: the owner may have signed meanwhile.
        let signed = self.opened.each_ref().map(|opened| opened.signed.load(Ordering::SeqCst));
        self.calls += words.len();
        assert!(self.adversary.is_linked(), "nothing that is said to the vault ends its link");
        for (word, answer) in words.iter().zip(answers) {
            self.judge(&answer, word.about.filter(|about| signed[*about]));
        }
    }

    /// `about` says of which request it may tell what the owner has signed.
    fn judge(&mut self, answer: &[u8], about: Option<usize>) {
        let oracle = about.map_or(&mut self.oracle, |about| &mut self.opened[about].oracle);
        oracle.hear(Sink::Replies, answer);
        let reply = first(answer);
        self.answers += usize::from(reply.is_some());
        let (may, heard) = match reply {
            Some(Reply::View(view)) => {
                assert_eq!(answer.len(), frame::PREFIX + limits::STATUS_REPLY, "every view has one size");
                let may = match view {
                    View::Waiting | View::Closed => true,
                    View::Ready(_) => matches!(about, Some(LETTERS | ANSWERED)),
                    View::Question => about == Some(ASKED),
                    View::Refused => about == Some(DECLINED),
                    View::Paused => false,
                };
                (may, 0)
            }
            Some(Reply::Delivery(_)) => (matches!(about, Some(LETTERS | ANSWERED)), 1),
            Some(Reply::Words(receipt)) => {
                if let Ok(Statement::Question(question)) = Statement::parse(&receipt.statement) {
                    self.question = Some(question.nonce);
                }
                (matches!(about, Some(ASKED | DECLINED)), 1)
            }
            Some(Reply::Welcome(_) | Reply::Filed | Reply::Publication(_) | Reply::Refused(_)) | None => (true, 0),
        };
        assert!(may, "something is told that nobody has signed: {about:?}");
        if let Some(about) = about {
            self.opened[about].heard += heard;
        }
    }

    /// Anything that a reception could say, and much that it could not.
    fn word(&mut self) -> Word {
        let mut bytes = frame::encode(&self.call()).unwrap();
        let mut ending = Ending::Finished;
        match self.dice.below(8) {
            0 => self.spoil(&mut bytes),
            1 => {
                bytes.truncate(self.dice.below(bytes.len()));
                ending = *self.dice.pick(&[Ending::Finished, Ending::Reset]);
            }
            _ => {}
        }
        let has = |filed: &Filed| tests::tools::contains(&bytes, shared::ids::hex(&filed.secret).as_bytes());
        let about = self.filed[..DECIDED].iter().position(has);
        Word { bytes, ending, about }
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
        match self.dice.below(24) {
            0..5 => Call::Status { ticket: self.any_ticket() },
            5..9 => Call::Words { ticket: self.any_ticket() },
            9..14 => self.collect(),
            14..17 => Call::File(self.filing()),
            17..19 => self.forward(),
            19..21 => self.answer(),
            21 => Call::Publications { have: *self.dice.pick(&[0, 1, 2, u64::MAX]) },
            22 => Call::Hello(hello(self.dice.pick(&[vec![1], vec![], vec![0, 7], vec![u32::MAX, 1]]).clone())),
            _ => self.withdraw(),
        }
    }

    /// A right one, a hash in a ticket's place, one that differs in a bit, or nobody's.
    fn any_ticket(&mut self) -> Ticket {
        // The first few are those that there is something behind.
        let count = if self.dice.below(2) == 0 { self.filed.len() } else { DECIDED };
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
        let collection = *self.dice.pick(&COLLECTIONS);
        let length = self.items[0].content.len() as u64;
        let offset = *self.dice.pick(&[0, 1, length - 1, length, length + 1, u64::MAX]);
        Call::Collect { ticket: self.any_ticket(), collection, offset }
    }

    /// Answers the owner's question, if it was heard, or another.
    fn answer(&mut self) -> Call {
        let question = self.question.filter(|_| self.dice.below(2) == 0).unwrap_or_else(|| Nonce(self.dice.bytes()));
        let text = Text::new(*self.dice.pick(&["Yes.", "No.", "Tell me what is in it!"])).unwrap();
        Call::Answer { ticket: self.any_ticket(), question, text }
    }

    /// A new filing, an old one again, or other words or another item under an old ticket.
    fn filing(&mut self) -> Filing {
        if self.random < FILINGS && self.dice.below(4) == 0 {
            self.random += 1;
            return self.new_filing();
        }
        let mut filing = self.filed[self.dice.below(self.filed.len())].filing.clone();
        match self.dice.below(3) {
            0 => filing.subject = Subject::Item(self.items[self.dice.below(2)].id.parse().unwrap()),
            1 => filing.purpose = Text::new("other words").unwrap(),
            _ => {}
        }
        filing
    }

    /// The like, sealed: now and then for another vault or key, damaged, or under another ticket.
    fn forward(&mut self) -> Call {
        let filing = self.filing();
        let (mut ticket, mut public) = (filing.ticket, self.vault.sealing);
        let mut vault = self.vault.log.name().clone();
        let fault = self.dice.below(8);
        match fault {
            0 => ticket = self.any_ticket().hash(),
            1 => public = self.dice.bytes(),
            2 => vault = Origin::new("vault.example/0000").unwrap(),
            _ => {}
        }
        let mut sealed = seal(&public, &vault, &filing, self.dice.bytes()).unwrap();
        if fault == 3 {
            let mut bytes = sealed.as_bytes().to_vec();
            bytes[self.dice.below(Sealed::SIZE)] ^= 1 << self.dice.below(8);
            sealed = Sealed::from_bytes(&bytes).unwrap();
        }
        Call::Forward { ticket, sealed }
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
        let ticket = match self.filed.get(DECIDED + self.dice.below(self.filed.len())) {
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
        for oracle in self.opened.iter().map(|opened| &opened.oracle).chain([&self.oracle]) {
            assert!(oracle.leaks().is_empty(), "{:#?}", oracle.leaks());
        }
    }

    /// The owner signs something about a request, which lets go of these canaries; meanwhile and afterwards as many calls at
    /// random, and what was let go is heard with the request's ticket.
    fn let_go(&mut self, world: &World, about: usize, command: &[&str], canaries: &[&'static str], calls: usize) {
        assert_eq!(self.opened[about].heard, 0);
        canaries.iter().for_each(|canary| self.opened[about].oracle.allow(canary, RELEASED));
        let request = self.filed[about].ticket().hash().request().to_string();
        let arguments = [&["requests", command[0], &request], &command[1..]].concat();
        let signed = self.opened[about].signed.clone();
        std::thread::scope(|scope| {
            let owner = scope.spawn(|| sign(world, &arguments, &signed));
            self.rounds(calls);
            while !owner.is_finished() {
                self.rounds(100);
            }
        });
        self.claim(about);
        self.check();
        for canary in canaries {
            assert!(self.opened[about].oracle.heard(canary, Sink::Replies), "{canary} is heard, since it was signed");
        }
    }

    /// Asks for what a request's owner has let go, in each way that there is.
    fn claim(&mut self, about: usize) {
        let ticket = || self.filed[about].ticket();
        let mut calls = vec![Call::Words { ticket: ticket() }];
        calls.extend(COLLECTIONS.map(|collection| Call::Collect { ticket: ticket(), collection, offset: 0 }));
        calls.iter().for_each(|call| self.say(call, Some(about)));
    }

    fn say(&mut self, call: &Call, about: Option<usize>) {
        self.speak(&[Word { bytes: frame::encode(call).unwrap(), ending: Ending::Finished, about }]);
    }
}

fn filing(ticket: TicketHash, subject: Subject) -> Filing {
    let purpose = Text::new("curiosity").unwrap();
    Filing { ticket, subject, purpose, contact: None, recipient: Recipient::Ticket }
}

/// The owner reads, and the signature counts from just before the last key.
fn sign(world: &World, arguments: &[&str], signed: &AtomicBool) {
    let mut owner = Owner::run(world, arguments);
    owner.read_to_the_end();
    let word = owner.word();
    owner.type_answer(&word);
    signed.store(true, Ordering::SeqCst);
    owner.type_keys("\r");
    assert_eq!(owner.wait_for_exit(), 0, "{}", owner.screen());
}

/// A world in which the adversary has taken the reception's place and asked for what there is; and what the owner will say
/// back about two of the requests.
fn campaign(world: &mut World) -> (Campaign, [String; 2]) {
    let (mut dice, mut oracle) = (Dice::from_environment("adversary"), Oracle::default());
    plant_keys(world, &mut oracle);
    let items = [(&LETTER, "Medical letter"), (&WILL, "Last will")]
        .map(|(names, title)| put(world, &mut oracle, &mut dice, names, title));
    let mut plant = |name, allowed: &[Sink]| {
        let word = dice.word();
        oracle.plant(name, word.as_bytes(), allowed);
        word
    };
    let answers = ["answer", "kept answer", "third answer"].map(|name| plant(name, &[]));
    let back = ["question back", "refusal"].map(|name| plant(name, &[]));
    // What is published comes over, so that the oracle is known to hear the adversary's side.
    let published = plant("publication", &[Sink::Replies]);
    world.publish(&[("about.md", &format!("# About\n\nA workshop. {published}\n"))]);
    let line = fs::read_to_string(world.reception_node().home().join("state/vault.line")).unwrap();
    let adversary = Adversary::in_place_of_the_reception(world);
    let opened = || Opened { oracle: oracle.clone(), signed: Arc::default(), heard: 0 };
    let mut campaign = Campaign {
        adversary,
        dice,
        opened: std::array::from_fn(|_| opened()),
        oracle,
        items,
        vault: line.parse().unwrap(),
        filed: Vec::new(),
        question: None,
        random: 0,
        calls: 0,
        answers: 0,
    };
    let item = |campaign: &Campaign, at: usize| Subject::Item(campaign.items[at].id.parse().unwrap());
    let (letter, will) = (item(&campaign, 0), item(&campaign, 1));
    let question = || Subject::Question(Text::new("Where were you born?").unwrap());
    let requests = [letter, will, question(), question(), question()].map(|subject| campaign.ask(subject));
    for (request, answer) in requests[ANSWERED..].iter().zip(&answers) {
        compose(world, request, answer);
    }
    (campaign, back)
}

#[test]
fn an_adversary_in_the_reception_s_place_hears_nothing_without_its_approval() {
    let mut world = World::new();
    world.restart_to_debug(&[]);
    let (mut campaign, [question, refusal]) = campaign(&mut world);
    let calls = std::env::var("TESTS_ROUNDS").map_or(CALLS, |all| FEWEST.max(all.parse::<usize>().unwrap() / 3));
    campaign.rounds(calls);
    campaign.say(&Call::Publications { have: 0 }, None);
    campaign.check();
    assert!(campaign.oracle.heard("publication", Sink::Replies), "what is published is heard");

    let words = |words: &str| format!("Between us: {words}");
    campaign.let_go(&world, LETTERS, &["approve"], &[LETTER.content, LETTER.digest], calls / 4);
    campaign.let_go(&world, ASKED, &["ask", "--words", &words(&question)], &["question back"], calls / 4);
    campaign.let_go(&world, DECLINED, &["refuse", "--words", &words(&refusal)], &["refusal"], calls / 4);
    campaign.let_go(&world, ANSWERED, &["approve"], &["answer"], calls / 4);
    let will = campaign.filed[WILLS].ticket().hash().request().to_string();
    world.vault(&["requests", "refuse", "--yes", &will]).ok();
    campaign.rounds(calls);
    campaign.check();
    listen_to_vault(&mut world, &mut campaign.oracle);
    campaign.check();
    let Campaign { mut oracle, opened, calls, answers, filed, .. } = campaign;
    opened.iter().for_each(|opened| oracle.join(&opened.oracle));
    assert!(answers > calls / 2, "only {answers} of {calls} calls were answered");
    let heard: usize = opened.iter().map(|opened| opened.heard).sum();
    println!(
        "adversary: {calls} calls, {answers} answers, {} requests filed, {heard} times heard what was signed; {}",
        filed.len(),
        oracle.figures()
    );
}
