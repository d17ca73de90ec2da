//! A machine's clock jumps by ten years, under the running programs and over their restarts: nothing ends, nothing goes on and
//! nothing leaves because of that, until the clock is right again or the owner says that it is.

use std::time::{Duration, Instant};
use tests::{Clock, Owner, Visitor, Wall, World, until, world};

const LETTER: &[u8] = b"An invented letter that no clock lets out.\n";
const QUESTION: &str = "Which year is it where you are?";
/// What the log says of a request once time has done something to it, or somebody has got it.
const DONE: [&str; 4] = ["released", "expired", "lapsed", "collected"];
/// The doubt begins here in the vault's log, and lasts.
const DOUBTED: &str = "nothing is approved, collected or ended by time";

/// A vault on a machine whose clock can be set, with one request of each kind that time can do something to.
struct Errand {
    // Before the clock, which clears up after its programs.
    world: World,
    clock: Clock,
    visitor: Visitor,
    item: String,
    /// Approved, and not collected.
    released: String,
    /// Approved; to be released in a week.
    cooling: String,
    /// Not decided.
    waiting: String,
    /// The owner has asked back.
    asked: String,
}

impl Errand {
    fn new() -> Self {
        let world = World::new();
        let item = world.add("Letter", "letter.txt", LETTER);
        world.publish(&[("about.md", "# About\n\nA workshop.\n")]);
        let clock = Clock::new(world.root(), "vault");
        let mut visitor = Visitor::new(&world);
        let [released, cooling, waiting, asked] =
            ["a reference", "a talk", "a book", "a map"].map(|purpose| visitor.file_item(&item, purpose));
        let mut errand = Self { world, clock, visitor, item, released, cooling, waiting, asked };
        errand.wait_for(&errand.asked, "waiting for approval");
        Owner::declare(&errand.world, &["requests", "ask", &errand.asked, "--words", QUESTION]);
        assert_eq!(errand.approve(&errand.released), 0);
        // What is approved from now on cools off.
        let config = errand.world.root().join("vault/config/vault.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, text.replace("cooling = 0", "cooling = 604800")).unwrap();
        errand.restart();
        errand.world.wait_for_link();
        assert_eq!(errand.approve(&errand.cooling), 0);
        errand.is_as_it_was();
        errand.tells_words();
        errand
    }

    /// Ends the vault in order and starts it again, by the machine's clock.
    fn restart(&mut self) {
        assert!(self.world.vault_node().stop().success());
        self.world.start_vault(&self.clock.variables());
        self.clock.runs(self.world.vault_node());
    }

    fn stage(&self, request: &str) -> String {
        self.world.vault_json(&["requests", "show", request])[0]["stage"].as_str().unwrap().to_owned()
    }

    fn wait_for(&self, request: &str, stage: &str) {
        until(&format!("the request is {stage}"), || (self.stage(request) == stage).then_some(()));
    }

    fn restart_reception(&mut self, clock: &mut Clock) {
        assert!(self.world.reception_node().stop().success());
        self.world.start_reception(&clock.variables());
        clock.runs(self.world.reception_node());
    }

    /// The owner, whose terminal is on the same machine, reads it and says yes; how the command ends.
    fn approve(&self, request: &str) -> u32 {
        self.wait_for(request, "waiting for approval");
        let arguments = ["requests", "approve", request, "--days", "30"];
        let mut owner = Owner::run_with(&self.world, &arguments, &self.clock.variables());
        let asked = until("the pages come, or the command ends", || {
            let screen = owner.screen();
            let asked = screen.contains("page 1 of ");
            (asked || screen.contains("vault: ")).then_some(asked)
        });
        if asked {
            owner.read_to_the_end();
            owner.type_word();
        }
        owner.wait_for_exit()
    }

    /// What the vault says is wrong with the clock.
    fn doubt(&self) -> serde_json::Value {
        self.world.vault_json(&["clock"])[0]["doubt"].clone()
    }

    /// Sets the clock under the running vault, and waits until it has looked for what time has ended.
    fn jump(&mut self, wall: Wall) {
        let before = self.world.vault_node().log().matches(DOUBTED).count();
        self.clock.set(wall);
        self.wait_for_doubt(before);
    }

    fn wait_for_doubt(&mut self, before: usize) {
        until("the vault doubts its clock", || {
            (self.world.vault_node().log().matches(DOUBTED).count() > before).then_some(())
        });
    }

    /// Every request is where it was, and the log says that nothing has been done to any.
    fn is_as_it_was(&self) {
        for (request, stage) in [
            (&self.released, "released"),
            (&self.cooling, "approved, cooling off"),
            (&self.waiting, "waiting for approval"),
            (&self.asked, "waiting for the visitor"),
        ] {
            assert_eq!(self.stage(request), stage);
        }
        assert_eq!(self.entries(), [0; 4], "of {DONE:?}");
    }

    /// How often each of [`DONE`] is in the log.
    fn entries(&self) -> [usize; 4] {
        let log = self.world.leaves();
        DONE.map(|kind| log.iter().filter(|leaf| world::kind(leaf) == kind).count())
    }

    /// In doubt nobody gets anything, and the owner is not even asked.
    fn gives_nothing(&mut self) {
        for request in [self.released.clone(), self.cooling.clone(), self.waiting.clone()] {
            let page = self.visitor.save(&request);
            assert!(page.status != 200 && page.body != LETTER, "{} {}", page.status, page.text());
        }
        assert_eq!(self.approve(&self.waiting), 3, "refused, by a rule or by the owner");
        let said = self.world.vault(&["clock"]).ok();
        assert!(said.contains("vault clock --confirm"), "{said}");
        // The time for them may be over.
        assert_eq!(self.visitor.words(&self.asked), "");
        self.is_as_it_was();
    }

    /// The owner's words are told while their time is not over.
    fn tells_words(&self) {
        until("the question is told", || (self.visitor.words(&self.asked) == QUESTION).then_some(()));
    }

    fn collects(&mut self, request: &str) {
        self.visitor.wait_until(request, "ready");
        let page = self.visitor.save(request);
        assert_eq!((page.status, page.body.as_slice()), (200, LETTER), "{}", page.text());
    }

    /// The owner is asked whether the clock is right, and answers; how the command ends.
    fn confirm(&self, answer: &str) -> u32 {
        let mut owner = Owner::run_with(&self.world, &["clock", "--confirm"], &self.clock.variables());
        owner.wait_for("type yes and Enter");
        owner.type_keys(&format!("{answer}\r"));
        owner.wait_for_exit()
    }
}

/// Under the running vault, over a restart, and right again.
fn a_jump_and_its_end(wall: Wall, doubt: &str) {
    let mut errand = Errand::new();
    errand.jump(wall);
    assert_eq!(errand.doubt(), doubt);
    assert!(errand.world.link_is_up());
    errand.gives_nothing();
    let page = errand.visitor.save(&errand.released.clone());
    assert!(page.status == 503 && page.text().contains("try again later"), "{} {}", page.status, page.text());
    // Who asks is heard, and so is an owner who says no.
    let other = errand.visitor.file_item(&errand.item.clone(), "a visit");
    errand.wait_for(&other, "waiting for approval");
    errand.world.vault(&["requests", "refuse", "--yes", &other]).ok();
    assert_eq!(errand.visitor.state(&other), "waiting");
    // Nothing of it is forgotten, and no vault takes the other clock's word at its start.
    let doubts = errand.world.vault_node().log().matches(DOUBTED).count();
    errand.restart();
    errand.wait_for_doubt(doubts);
    assert_eq!(errand.doubt(), doubt);
    errand.gives_nothing();
    // The certificate that it made at this start is one of another time, and both sides say what to do.
    until("the vault says why there is no link", || {
        let lanes = errand.world.vault_json(&["receptions"]);
        lanes[0]["link"].as_str().unwrap().contains("compare both clocks").then_some(())
    });
    until("the reception says why there is no link", || {
        errand.world.reception_node().log().contains("compare both clocks").then_some(())
    });
    assert_eq!(errand.visitor.state(&errand.released), "away");
    errand.clock.set(Wall::Right);
    until("the vault believes its clock", || errand.doubt().is_null().then_some(()));
    errand.restart();
    errand.world.wait_for_link();
    errand.is_as_it_was();
    errand.tells_words();
    errand.collects(&errand.released.clone());
    assert_eq!(errand.approve(&errand.waiting), 0);
    errand.wait_for(&errand.waiting, "approved, cooling off");
    assert_eq!(errand.stage(&errand.cooling), "approved, cooling off");
    assert_eq!(errand.entries(), [0, 0, 0, 1], "of {DONE:?}");
}

#[test]
fn ten_years_ahead_nothing_ends_and_nothing_leaves_until_the_clock_is_right() {
    a_jump_and_its_end(Wall::Ahead, "ahead");
}

#[test]
fn ten_years_back_nothing_ends_and_nothing_leaves_until_the_clock_is_right() {
    a_jump_and_its_end(Wall::Back, "back");
}

#[test]
fn ten_years_that_the_owner_confirms_have_passed() {
    let mut errand = Errand::new();
    errand.jump(Wall::Ahead);
    assert_eq!(errand.confirm("no"), 3);
    errand.gives_nothing();
    assert_eq!(errand.confirm("yes"), 0);
    errand.wait_for(&errand.released, "expired");
    errand.wait_for(&errand.cooling, "expired");
    errand.wait_for(&errand.waiting, "lapsed");
    errand.wait_for(&errand.asked, "lapsed");
    for request in [errand.released.clone(), errand.cooling.clone(), errand.waiting.clone()] {
        assert_ne!(errand.visitor.save(&request).status, 200);
    }
    // What cooled off looked undecided, and so it lapsed before its visitor's eyes.
    assert_eq!(errand.entries(), [0, 2, 3, 0], "of {DONE:?}");
    // Life goes on ten years later.
    let request = errand.visitor.file_item(&errand.item.clone(), "a second book");
    assert_eq!(errand.approve(&request), 0);
    errand.wait_for(&request, "approved, cooling off");
    // Whoever confirmed in error is asked again once the clock is right.
    errand.clock.set(Wall::Right);
    assert_eq!(errand.doubt(), "back");
    assert_eq!(errand.confirm("yes"), 0);
    assert_eq!((errand.doubt(), errand.stage(&request)), (serde_json::Value::Null, "approved, cooling off".into()));
}

#[test]
fn ten_years_back_that_the_owner_confirms_end_nothing() {
    let mut errand = Errand::new();
    errand.jump(Wall::Back);
    assert_eq!(errand.confirm("no"), 3);
    errand.gives_nothing();
    assert_eq!(errand.confirm("yes"), 0);
    errand.is_as_it_was();
    errand.collects(&errand.released.clone());
    assert_eq!(errand.approve(&errand.waiting), 0);
    errand.wait_for(&errand.waiting, "approved, cooling off");
    // The right time is now ten years ahead of what was confirmed.
    errand.clock.set(Wall::Right);
    assert_eq!(errand.doubt(), "ahead");
    let page = errand.visitor.save(&errand.released.clone());
    assert_eq!(page.status, 503, "{}", page.text());
}

/// The reception decides nothing by its clock.
fn a_reception_elsewhere_in_time(wall: Wall) {
    let mut errand = Errand::new();
    let mut clock = Clock::new(errand.world.root(), "reception");
    errand.restart_reception(&mut clock);
    errand.world.wait_for_link();
    clock.set(wall);
    let other = errand.visitor.file_item(&errand.item.clone(), "a visit");
    errand.wait_for(&other, "waiting for approval");
    errand.collects(&errand.released.clone());
    assert!(errand.world.link_is_up());
    // Its certificate is now one of another time: what is filed waits, and arrives once.
    errand.restart_reception(&mut clock);
    until("the vault says why there is no link", || {
        let lanes = errand.world.vault_json(&["receptions"]);
        lanes[0]["link"].as_str().unwrap().contains("compare both clocks").then_some(())
    });
    let kept = errand.visitor.file_item(&errand.item.clone(), "a second visit");
    errand.visitor.wait_until(&kept, "kept");
    clock.set(Wall::Right);
    errand.restart_reception(&mut clock);
    errand.world.wait_for_link();
    errand.visitor.wait_until(&kept, "waiting");
    let filed = errand.world.leaves().iter().filter(|leaf| world::kind(leaf) == "filed").count();
    assert_eq!(filed, 6);
}

#[test]
fn a_reception_ten_years_ahead_loses_nothing() {
    a_reception_elsewhere_in_time(Wall::Ahead);
}

#[test]
fn a_reception_ten_years_back_loses_nothing() {
    a_reception_elsewhere_in_time(Wall::Back);
}

/// Both sides' waits are measured by what nobody can set: each clock jumps to and fro for longer than a silent link would last.
#[test]
fn a_link_outlives_every_jump_of_both_clocks() {
    let mut errand = Errand::new();
    let mut clock = Clock::new(errand.world.root(), "reception");
    errand.restart_reception(&mut clock);
    errand.world.wait_for_link();
    let ended = errand.world.reception_node().log().matches("link has ended").count();
    let (begun, walls) = (Instant::now(), [Wall::Ahead, Wall::Back, Wall::Right]);
    for turn in 0.. {
        if begun.elapsed() > Duration::from_secs(shared::limits::IDLE + 2 * shared::limits::KEEP_ALIVE) {
            break;
        }
        errand.clock.set(walls[turn % 3]);
        clock.set(walls[(turn + 1) % 3]);
        assert!(errand.world.link_is_up());
        // Not for luck: what is watched is that nothing ends while this much time passes, and each jump is lived with for a while.
        std::thread::sleep(Duration::from_millis(500));
    }
    errand.clock.set(Wall::Right);
    clock.set(Wall::Right);
    assert_eq!(errand.world.reception_node().log().matches("link has ended").count(), ended);
    until("the vault believes its clock", || errand.doubt().is_null().then_some(()));
    errand.is_as_it_was();
    errand.collects(&errand.released.clone());
}
