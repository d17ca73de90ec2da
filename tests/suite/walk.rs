//! The way of a visitor and an owner through the product, with a real browser and a real terminal.

use std::path::Path;
use std::time::{Duration, Instant};
use tests::{Browser, Look, Owner, World, owner, sample, tools};

/// How soon a visitor must see what the owner decided.
const AT_ONCE: Duration = Duration::from_secs(10);

#[test]
fn published_question_is_quoted_with_its_source() {
    let world = World::published();
    let browser = Browser::new(Look::Desk);
    browser.open(&world.url("/"));
    browser.picture("home");
    browser.fill("#question", "When is the workshop open?\u{E007}");
    let text = browser.wait_for("Tuesday to Friday, nine to five");
    assert!(text.contains("The closest thing published is this:"), "{text}");
    assert!(browser.text_of("figcaption").contains("The workshop"), "{text}");
    browser.picture("answer");
    browser.click("figcaption a");
    browser.wait_for("Mira Example builds cabinets");
    browser.picture("document");
}

#[test]
fn private_question_gets_the_offer_to_ask_the_owner() {
    let world = World::published();
    let browser = Browser::new(Look::Desk);
    browser.open(&world.url("/"));
    browser.fill("#question", "Which medicine does Mira take?\u{E007}");
    let text = browser.wait_for("ask the owner");
    assert!(text.contains("I do not know: nothing that was published says so."), "{text}");
    browser.picture("offer");
    browser.click_text("Ask the owner this question");
    browser.wait_for("Before you write");
    assert_eq!(browser.property("#question", "value"), "Which medicine does Mira take?");
    browser.picture("form-question");
}

/// The PDF that is asked for, and what the visitor ends up with.
struct Errand {
    world: World,
    file: Vec<u8>,
}

impl Errand {
    fn new() -> Self {
        let world = World::new();
        let file = sample::pdf("Curriculum vitae: ten years of cabinets");
        world.add("Curriculum vitae", "cv.pdf", &file);
        world.publish(sample::DOCUMENTS);
        Self { world, file }
    }

    /// Files the request from the first page on, as a visitor does; the request's id.
    fn file_in(&self, browser: &Browser) -> String {
        browser.open(&self.world.url("/"));
        browser.click(".catalogue a.act");
        browser.wait_for("Before you write");
        browser.picture("form-item");
        browser.fill("#purpose", "We look for a cabinet maker");
        browser.fill("#contact", "hiring@example.org");
        browser.click_text("File this request");
        browser.wait_for("With the owner");
        browser.picture("waiting");
        browser.address().rsplit('/').next().unwrap().to_owned()
    }

    /// The owner reads all of it and says yes; the moment of Enter, and the fingerprint that the screen showed.
    fn approve(&self, owner: &mut Owner) -> (Instant, String) {
        let pages = owner.read_to_the_end().join("\n");
        for part in ["Curriculum vitae", "We look for a cabinet maker", "hiring@example.org", "application/pdf"] {
            assert!(pages.contains(part), "{part} is not in:\n{pages}");
        }
        let shown = pages.lines().find_map(|row| row.trim().strip_prefix("SHA-256")).unwrap();
        let shown = shown.trim().trim_start_matches('│').trim().to_owned();
        assert_eq!(shown, tools::sha256(&self.file));
        (owner.type_word(), shown)
    }

    fn check_receipt(&self, receipt: &[u8]) {
        let receipt = self.world.file("receipt.json", receipt);
        let payload = self.world.file("payload.pdf", &self.file);
        let signers = self.world.root().join("vault/config/allowed_signers");
        let (right, text) = tools::check_receipt(&[Path::new("--signers"), &signers, &receipt, &payload]);
        assert!(right, "{text}");
        let other = self.world.file("other.pdf", b"%PDF-1.4 something else");
        let (right, text) = tools::check_receipt(&[&receipt, &other]);
        assert!(!right, "{text}");
    }
}

#[test]
fn item_is_asked_for_approved_and_collected_with_its_receipt() {
    let errand = Errand::new();
    let browser = Browser::new(Look::Desk);
    let mut owner = Owner::run(&errand.world, &["requests", "watch"]);
    owner.wait_for("waiting for requests");
    let request = errand.file_in(&browser);
    let (enter, shown) = errand.approve(&mut owner);
    browser.wait_within(AT_ONCE, "The owner has approved this for you");
    println!("from the owner's Enter to the visitor's page: {:?}", enter.elapsed());
    browser.picture("ready");
    browser.click_text("Save the file");
    let (name, bytes) = browser.saved();
    assert_eq!((name.as_str(), tools::sha256(&bytes)), ("Curriculum vitae.pdf", shown));
    browser.click_text("Save the receipt");
    let (name, receipt) = browser.saved();
    assert!(name.ends_with(".json") && name.contains(&request), "{name}");
    errand.check_receipt(&receipt);
    owner.wait_for("waiting for requests");
    owner.type_keys("q");
    assert_eq!(owner.wait_for_exit(), 0);
}

#[test]
fn refused_visitor_sees_no_difference() {
    let errand = Errand::new();
    let browser = Browser::new(Look::Desk);
    let request = errand.file_in(&browser);
    let mut owner = Owner::run(&errand.world, &["requests", "approve", &request]);
    owner.read_to_the_end();
    owner.word();
    owner.type_keys("r");
    owner.wait_for("Refuse this request for good?");
    let screen = owner.wait_for("Press R again");
    assert!(screen.contains("Repeats in the same words from the\n same contact are refused for a week."), "{screen}");
    owner.type_keys("r");
    owner.wait_for("Refused.");
    assert_eq!(owner.wait_for_exit(), 0);
    let before = waiting(&browser);
    browser.reload();
    assert_eq!(waiting(&browser), before);
    let other = errand.file_in(&browser);
    assert_ne!(other, request);
    let short = |id: &str| id[..8].to_owned();
    assert_eq!(waiting(&browser).replace(&short(&other), "ID"), before.replace(&short(&request), "ID"));
}

fn waiting(browser: &Browser) -> String {
    browser.wait_for("With the owner")
}

#[test]
fn question_is_answered_in_the_owners_editor() {
    let world = World::published();
    let browser = Browser::new(Look::Desk);
    browser.open(&world.url("/requests/new"));
    browser.fill("#question", "May I bring my dog?");
    browser.fill("#purpose", "I am coming on Tuesday");
    browser.click_text("File this request");
    browser.wait_for("With the owner");
    let editor = owner::editor(&world, "Yes, if it likes sawdust.\n");
    let mut owner = Owner::run_with(&world, &["requests", "watch"], &[("EDITOR", &editor)]);
    let screen = owner.wait_for("a  write an answer");
    assert!(screen.contains("May I bring my dog?") && screen.contains("I am coming on Tuesday"), "{screen}");
    owner.type_keys("a\r");
    let pages = owner.read_to_the_end().join("\n");
    assert!(pages.contains("│ Yes, if it likes sawdust."), "{pages}");
    let enter = owner.type_word();
    browser.wait_within(AT_ONCE, "The owner has approved this for you");
    println!("from the owner's Enter to the visitor's page: {:?}", enter.elapsed());
    browser.picture("ready-text");
    browser.click_text("Read it here");
    let text = browser.wait_for("Complete.");
    assert!(text.contains("Yes, if it likes sawdust."), "{text}");
    assert!(text.contains(&tools::sha256(b"Yes, if it likes sawdust.\n")), "{text}");
    browser.picture("show");
}

#[test]
fn owner_who_decides_later_has_released_nothing() {
    let errand = Errand::new();
    let browser = Browser::new(Look::Desk);
    let request = errand.file_in(&browser);
    let mut owner = Owner::run(&errand.world, &["requests", "approve", &request]);
    owner.read_to_the_end();
    for outcome in ["(2 left)", "(1 left)", "Three wrong words"] {
        owner.word();
        owner.type_answer("wrong-word");
        owner.type_keys("\r");
        owner.wait_for(outcome);
    }
    assert_eq!(owner.wait_for_exit(), 3, "refused, by a rule or by the owner");
    browser.reload();
    waiting(&browser);
    let listed = errand.world.vault(&["requests", "ls"]).ok();
    assert!(listed.contains("Curriculum vitae"), "{listed}");
}

#[test]
fn all_of_it_works_without_javascript() {
    let errand = Errand::new();
    let browser = Browser::new(Look::DeskWithoutScript);
    browser.open(&errand.world.url("/"));
    browser.fill("#question", "What does the sharpening course cost?\u{E007}");
    let text = browser.wait_for("140 euros");
    assert!(text.contains("You asked:"), "{text}");
    assert!(browser.address().ends_with("/ask"), "the form itself was sent, so no script ran");
    let request = errand.file_in(&browser);
    assert!(browser.has("noscript meta[http-equiv=refresh], meta[http-equiv=refresh]"));
    let mut owner = Owner::run(&errand.world, &["requests", "approve", &request]);
    let (enter, shown) = errand.approve(&mut owner);
    assert_eq!(owner.wait_for_exit(), 0);
    // The page asks again every ten seconds.
    browser.wait_within(2 * AT_ONCE, "The owner has approved this for you");
    println!("from the owner's Enter to the visitor's page without scripts: {:?}", enter.elapsed());
    browser.picture("ready-without-script");
    browser.click_text("Save the file");
    assert_eq!(tools::sha256(&browser.saved().1), shown);
    browser.click_text("Save the receipt");
    errand.check_receipt(&browser.saved().1);
}
