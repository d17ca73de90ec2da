//! The real pair, with visitors and an owner, listened to at every sink.

use super::{Item, Names, ON_THE_WAY, RELEASED, TICKETS, compose, plant_keys, plant_ticket, put, ticket};
use rustix::process::Signal;
use tests::owner::{WaitingEditor, approve, sign};
use tests::statistics::Dice;
use tests::{Ears, Oracle, Owner, Sink, Visitor};

const LETTER: Names = Names { content: "letter", digest: "letter's digest", file: "letter's file name" };
const WILL: Names = Names { content: "will", digest: "will's digest", file: "will's file name" };
const DIARY: Names = Names { content: "diary", digest: "diary's digest", file: "diary's file name" };

/// A pair with things in it that are asked for.
struct Scene {
    ears: Ears,
    oracle: Oracle,
    visitor: Visitor,
    /// A request for an item, later approved, and one for another, later refused.
    letter: (Item, String),
    will: String,
    /// A question that is answered and released, and one whose answer stays a draft.
    question: String,
    other: String,
    /// One that the owner asks back about, and one that is refused in words; both have drafts.
    back: String,
    declined: String,
}

/// Plants a word; the word.
fn word(oracle: &mut Oracle, dice: &mut Dice, name: &'static str, allowed: &[Sink]) -> String {
    let word = dice.word();
    oracle.plant(name, word.as_bytes(), allowed);
    word
}

impl Scene {
    fn new(dice: &mut Dice) -> Self {
        let (ears, mut oracle) = (Ears::on_a_new_world(&[]), Oracle::default());
        plant_keys(&ears.world, &mut oracle);
        let letter = put(&ears.world, &mut oracle, dice, &LETTER, "Medical letter");
        let will = put(&ears.world, &mut oracle, dice, &WILL, "Last will");
        Self::hide_diary(&ears, &mut oracle, dice);
        ears.world.publish(&[("about.md", "# About\n\nA workshop by the river.\n")]);
        let mut visitor = ears.visitor();
        let mut word = |name, allowed| word(&mut oracle, dice, name, allowed);
        // What is said to the receptionist is repeated to the visitor, and goes nowhere else.
        let chat = word("chat", &[Sink::PageRequests, Sink::PageResponses]);
        let (purpose, contact) = (word("purpose", ON_THE_WAY), word("contact", ON_THE_WAY));
        let asked = ["question", "other question", "unclear question", "declined question"];
        let asked = asked.map(|name| word(name, ON_THE_WAY));
        visitor.post("/ask", &[("question", &format!("Do you know {chat}?"))]);
        let request = ask_for(&mut visitor, &letter.id, &purpose, &contact);
        let will = visitor.file_item(&will.id, "an inheritance");
        let mut ask = |word: &String| visitor.file_question(&format!("Where was {word} born?"), "a chronicle");
        let [question, other, back, declined] = asked.each_ref().map(&mut ask);
        let mut scene =
            Self { ears, oracle, visitor, letter: (letter, request), will, question, other, back, declined };
        scene.plant_tickets();
        scene
    }

    /// An item that is not listed: even its title is private.
    fn hide_diary(ears: &Ears, oracle: &mut Oracle, dice: &mut Dice) {
        let title = word(oracle, dice, "diary's title", &[]);
        let (content, file) = (word(oracle, dice, DIARY.content, &[]), word(oracle, dice, DIARY.file, &[]));
        let content = format!("Dear diary, {content}\n").into_bytes();
        oracle.plant(DIARY.digest, &shared::ids::Digest::of(&content).0, &[]);
        let path = ears.world.file(&format!("{file}.txt"), &content);
        ears.world.vault(&["add", "--title", &title, path.to_str().unwrap()]).ok();
    }

    fn requests(&self) -> [&String; 6] {
        [&self.letter.1, &self.will, &self.question, &self.other, &self.back, &self.declined]
    }

    fn plant_tickets(&mut self) {
        let names = ["letter's", "will's", "question's", "other's", "unclear", "declined"];
        let tickets = self.requests().map(|request| ticket(&self.visitor, request));
        for (name, ticket) in names.into_iter().zip(&tickets) {
            plant_ticket(&mut self.oracle, name, ticket, TICKETS);
        }
    }

    /// Everybody tries to collect what nobody has approved.
    fn knock(&mut self) {
        for request in self.requests().map(String::clone) {
            for verb in ["show", "save", "receipt"] {
                self.visitor.post(&format!("/requests/{request}/{verb}"), &[]);
            }
            assert_eq!(self.visitor.state(&request), "waiting");
        }
        self.visitor.get("/published/0");
    }

    fn draft(&mut self, dice: &mut Dice) {
        let mut word = |name| word(&mut self.oracle, dice, name, &[]);
        let (first, answer) = (word("first answer"), word("answer"));
        let kept = ["kept answer", "unclear answer", "declined answer"].map(&mut word);
        self.write("first answer", &first);
        compose(&self.ears.world, &self.question, &answer);
        for (request, words) in [&self.other, &self.back, &self.declined].into_iter().zip(&kept) {
            compose(&self.ears.world, request, words);
        }
    }

    /// The owner writes an answer, and is listened to meanwhile: only then are its words in the folder for editors.
    fn write(&mut self, canary: &'static str, words: &str) {
        let world = &self.ears.world;
        let editor = WaitingEditor::new(world, &format!("By the river. {words}\n"));
        let mut owner = Owner::run_with(world, &["requests", "answer", &self.question], &[("EDITOR", &editor.command)]);
        editor.wait_until_open();
        self.oracle.allow(canary, &[Sink::Scratch]);
        self.ears.listen_to_scratch(&mut self.oracle);
        assert!(self.oracle.heard(canary, Sink::Scratch), "{canary} is in the editor's file");
        self.oracle.forbid(canary, Sink::Scratch);
        editor.close();
        owner.read_to_the_end();
        owner.type_keys("q");
        assert_eq!(owner.wait_for_exit(), 3);
        self.check();
    }

    /// The owner says something about a request, which lets go of these canaries; the visitor reads it, and keeps the receipt.
    fn say(&mut self, request: &str, command: [&str; 2], canaries: [&'static str; 2], state: &str) {
        self.check();
        canaries.iter().for_each(|canary| self.oracle.allow(canary, RELEASED));
        let [verb, words] = command;
        sign(&self.ears.world, &["requests", verb, request, "--words", words]);
        self.visitor.wait_until(request, state);
        assert_eq!(self.visitor.words(request), words);
        let receipt = self.visitor.receipt(request).body;
        self.oracle.hear(Sink::Receipts, &receipt);
        self.check();
        for sink in [Sink::Replies, Sink::PageResponses, Sink::Receipts] {
            assert!(self.oracle.heard(canaries[0], sink), "{} is heard at {sink:?}", canaries[0]);
        }
    }

    /// The owner asks back and is answered, and refuses in words.
    fn talk(&mut self, dice: &mut Dice) {
        let back = word(&mut self.oracle, dice, "question back", &[]);
        let refusal = word(&mut self.oracle, dice, "refusal", &[]);
        let reply = word(&mut self.oracle, dice, "visitor's answer", ON_THE_WAY);
        let (request, declined) = (self.back.clone(), self.declined.clone());
        let words = format!("Is it about {back}?");
        self.say(&request, ["ask", &words], ["question back", "unclear question"], "question");
        self.visitor.answer(&request, &format!("No, about {reply}."));
        self.visitor.wait_until(&request, "waiting");
        let words = format!("Not even {refusal}.");
        self.say(&declined, ["refuse", &words], ["refusal", "declined question"], "refused");
        assert!(self.oracle.heard("visitor's answer", Sink::Calls), "the answer is on its way");
    }

    /// The owner says yes to one request, which lets go of these canaries; the visitor collects it, and keeps the receipt.
    fn release(&mut self, request: &str, canaries: &[&'static str]) -> Vec<u8> {
        self.check();
        canaries.iter().for_each(|canary| self.oracle.allow(canary, RELEASED));
        approve(&self.ears.world, request);
        self.visitor.wait_until(request, "ready");
        let payload = self.visitor.save(request).body;
        let receipt = self.visitor.receipt(request).body;
        self.oracle.hear(Sink::Receipts, &receipt);
        self.check();
        payload
    }

    fn check(&mut self) {
        self.ears.listen(&mut self.oracle);
        assert!(self.oracle.leaks().is_empty(), "{:#?}", self.oracle.leaks());
    }

    /// Every bug and signal that ends a thread or a process, while it has private things in hand.
    fn break_down(&mut self) {
        let Self { ears, oracle, visitor, letter: (_, letter), .. } = self;
        let seed = visitor.get("/requests/new").field("seed").unwrap();
        let question = [("seed", seed.as_str()), ("question", "One more?"), ("purpose", "a chronicle")];
        let save = format!("/requests/{letter}/save");
        // What breaks in the vault breaks off the page's answer too.
        let send = |path: &str, fields: &[(&str, &str)]| drop(visitor.send(visitor.form(path, fields)));
        ears.panic_vault(oracle, "reply:before#4", &[], || send(&save, &[]));
        ears.panic_vault(oracle, "payload:first", &[], || send(&save, &[]));
        ears.panic_vault(oracle, "checkpoint:after", &[], || send("/requests", &question));
        ears.world.vault_node().stop();
        ears.world.start_vault(&[]);
        // Else the first call is the delivery of what was kept.
        tests::until("what was kept is with the vault", || ears.world.nothing_is_kept().then_some(()));
        ears.panic_reception(oracle, "call:before", &[], || send(&save, &[]));
        ears.panic_reception(oracle, "call:after", &[], || send(&save, &[]));
        for signal in [Signal::ABORT, Signal::SEGV] {
            visitor.wait_until(letter, "ready");
            // It goes through both nodes' memory once more.
            visitor.save(letter);
            ears.crash(oracle, signal);
            ears.world.start_vault(&[]);
            ears.world.start_reception(&[]);
        }
        self.check();
    }
}

fn ask_for(visitor: &mut Visitor, item: &str, purpose: &str, contact: &str) -> String {
    let seed = visitor.get(&format!("/requests/new?item={item}")).field("seed").unwrap();
    let purpose = format!("For {purpose}");
    let fields = [("seed", seed.as_str()), ("item", item), ("purpose", &purpose), ("contact", contact)];
    let page = visitor.post("/requests", &fields);
    page.header("location").strip_prefix("/requests/").unwrap().to_owned()
}

#[test]
fn no_canary_is_heard_anywhere_without_its_approval() {
    let mut dice = Dice::from_environment("canary");
    let mut scene = Scene::new(&mut dice);
    scene.knock();
    scene.draft(&mut dice);
    scene.knock();
    let will = scene.will.clone();
    scene.ears.world.vault(&["requests", "refuse", "--yes", &will]).ok();
    scene.knock();
    scene.talk(&mut dice);
    let (letter, question) = (scene.letter.1.clone(), scene.question.clone());
    let payload = scene.release(&letter, &["letter", "letter's digest", "purpose"]);
    assert_eq!(payload, scene.letter.0.content);
    scene.release(&question, &["answer", "question"]);
    for canary in ["letter", "answer", "letter's digest"] {
        assert!(scene.oracle.heard(canary, Sink::Replies) || canary == "letter's digest", "{canary} passed the link");
        assert!(scene.oracle.heard(canary, Sink::PageResponses), "{canary} passed the page");
    }
    for canary in ["letter's digest", "purpose", "question"] {
        assert!(scene.oracle.heard(canary, Sink::Receipts), "{canary} is named in a receipt");
    }
    scene.break_down();
    // Nothing was dumped; everything else said something that could be listened to.
    assert_eq!(scene.oracle.silent(), [Sink::VaultCore, Sink::ReceptionCore]);
    println!("canary: {}", scene.oracle.figures());
}
