//! The vault is away: requests are kept by the reception, where nobody can read them, and arrive once the vault is back.

use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::Path;
use tests::http::Page;
use tests::owner::approve;
use tests::{Browser, Look, Visitor, World, tools, until, world};

const LETTER: &[u8] = b"An invented letter that is asked for in an absence.\n";
const WORDS: [&str; 3] = ["canary-question-81f2", "canary-purpose-c07d", "canary-contact-5e19"];

/// A form as a browser holds it, which can be sent again and again.
struct Form {
    seed: String,
    item: Option<String>,
    purpose: String,
}

impl Form {
    fn open(visitor: &Visitor, item: Option<&str>, purpose: &str) -> Self {
        let query = item.map(|item| format!("?item={item}")).unwrap_or_default();
        let seed = visitor.get(&format!("/requests/new{query}")).field("seed").unwrap();
        Self { seed, item: item.map(str::to_owned), purpose: purpose.into() }
    }

    fn fields(&self) -> Vec<(&str, &str)> {
        let what = match &self.item {
            Some(item) => ("item", item.as_str()),
            None => ("question", WORDS[0]),
        };
        vec![("seed", &self.seed), what, ("purpose", &self.purpose), ("contact", WORDS[2])]
    }

    /// Sends it; the request's id.
    fn send(&self, visitor: &mut Visitor) -> String {
        id(&visitor.post("/requests", &self.fields()))
    }

    /// Sends it to a reception that dies of it.
    fn send_in_vain(&self, visitor: &Visitor) {
        let answer = visitor.send(visitor.form("/requests", &self.fields()));
        assert!(answer.is_err(), "the reception answered: {answer:?}");
    }
}

fn id(page: &Page) -> String {
    let id = page.header("location").strip_prefix("/requests/").filter(|_| page.status == 303);
    id.unwrap_or_else(|| panic!("not filed: {} {}", page.status, page.text())).to_owned()
}

fn count(world: &World, kind: &str) -> usize {
    world.leaves().iter().filter(|leaf| world::kind(leaf) == kind).count()
}

/// The files in the spool, or in the folder of what was set aside.
fn spooled(world: &mut World, below: &str) -> Vec<String> {
    let folder = world.reception_node().home().join("state/spool").join(below);
    let files = fs::read_dir(folder).unwrap().flatten().filter(|entry| entry.path().is_file());
    files.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// Nothing that a visitor said or holds is readable at the reception.
fn nothing_readable(world: &mut World, visitor: &Visitor) {
    let home = world.reception_node().home().to_owned();
    let log = world.reception_node().log();
    let secrets = visitor.cookies().values().map(|cookie| cookie[..64].to_owned());
    for secret in WORDS.iter().map(|&word| word.to_owned()).chain(secrets) {
        assert!(!tools::holds(&home, secret.as_bytes()), "{secret} is on the reception's disk");
        assert!(!log.contains(&secret), "{secret} is in the reception's log");
    }
    for cookie in visitor.cookies().values() {
        let ticket: [u8; 32] = shared::ids::unhex(&cookie[..64]).unwrap();
        assert!(!tools::holds(&home, &ticket), "a ticket is on the reception's disk");
        let code = shared::ids::Ticket::from_random(ticket).return_code();
        assert!(!tools::holds(&home, code.as_bytes()), "a return code is on the reception's disk");
    }
}

#[test]
fn requests_filed_in_an_absence_are_kept_unreadable_and_arrive_once() {
    let mut world = World::new();
    let item = world.add("Letter", "letter.txt", LETTER);
    world.publish(&[("about.md", "# About\n\nA workshop.\n")]);
    let mut visitor = Visitor::new(&world);
    assert!(world.vault_node().stop().success());
    let question = Form::open(&visitor, None, WORDS[1]);
    let letter = Form::open(&visitor, Some(&item), WORDS[1]);
    let requests = [question.send(&mut visitor), letter.send(&mut visitor)];
    assert_eq!(letter.send(&mut visitor), requests[1], "the same form is the same request");
    for request in &requests {
        assert_eq!(visitor.state(request), "kept");
        assert!(world.spooled(request).exists());
    }
    assert_eq!(spooled(&mut world, "").len(), 2);
    nothing_readable(&mut world, &visitor);
    // They wait through a power failure of the reception, too.
    world.kill_reception();
    world.start_reception(&[]);
    assert_eq!(visitor.state(&requests[0]), "kept-perhaps", "whether it was sent before, nobody knows after a restart");
    world.start_vault(&[]);
    for request in &requests {
        visitor.wait_until(request, "waiting");
    }
    assert_eq!((count(&world, "filed"), spooled(&mut world, "").len()), (2, 0));
    assert_eq!(letter.send(&mut visitor), requests[1], "filed over the link now, it is the same still");
    approve(&world, &requests[1]);
    visitor.wait_until(&requests[1], "ready");
    assert_eq!(visitor.save(&requests[1]).body, LETTER);
    assert_eq!((count(&world, "filed"), count(&world, "collected")), (2, 1));
    let shown = world.vault(&["requests", "show", &requests[0]]).ok();
    assert!(WORDS.iter().all(|word| shown.contains(word)), "{shown}");
    nothing_readable(&mut world, &visitor);
}

/// A reception that dies at `point` while it keeps a request: what was acknowledged is there, and what was not can be sent
/// again.
fn dies_while_keeping(point: &str, kept: usize) {
    let mut world = World::published();
    let mut visitor = Visitor::new(&world);
    let form = Form::open(&visitor, None, WORDS[1]);
    world.kill_vault();
    world.kill_reception();
    world.start_reception(&[("WEBIZEN_DANGER_KILL_AT", point)]);
    form.send_in_vain(&visitor);
    world.reception_node().wait_for_end();
    assert!(world.reception_node().log().contains(&format!("danger: killed at {point}")));
    assert_eq!(spooled(&mut world, "").len(), kept);
    world.start_reception(&[]);
    let request = form.send(&mut visitor);
    // What was on the disk already may have been sent, as far as anybody knows.
    let word = if kept == 0 { "kept" } else { "kept-perhaps" };
    assert_eq!((visitor.state(&request).as_str(), spooled(&mut world, "").len()), (word, 1));
    world.start_vault(&[]);
    visitor.wait_until(&request, "waiting");
    assert_eq!((count(&world, "filed"), spooled(&mut world, "").len()), (1, 0));
}

/// A reception that dies at `point` while it hands two requests over: each arrives once.
fn dies_while_handing_over(point: &str, left: usize) {
    let mut world = World::published();
    let mut visitor = Visitor::new(&world);
    world.kill_vault();
    let requests = [WORDS[1], "another"].map(|purpose| Form::open(&visitor, None, purpose).send(&mut visitor));
    world.kill_reception();
    world.start_reception(&[("WEBIZEN_DANGER_KILL_AT", point)]);
    world.start_vault(&[]);
    world.reception_node().wait_for_end();
    assert!(world.reception_node().log().contains(&format!("danger: killed at {point}")));
    assert_eq!(spooled(&mut world, "").len(), left);
    world.start_reception(&[]);
    for request in &requests {
        visitor.wait_until(request, "waiting");
    }
    assert_eq!((count(&world, "filed"), spooled(&mut world, "").len()), (2, 0));
}

macro_rules! points {
    ($($name:ident: $drill:ident, $point:literal, $files:literal;)*) => {
        $(#[test] fn $name() { $drill($point, $files); })*
    };
}

points! {
    before_a_request_is_kept: dies_while_keeping, "spool:before", 0;
    after_a_request_is_kept: dies_while_keeping, "spool:after", 1;
    before_a_request_is_handed_over: dies_while_handing_over, "call:before", 2;
    after_a_request_is_handed_over: dies_while_handing_over, "call:after", 2;
    after_a_handover_is_acknowledged: dies_while_handing_over, "spool:delivered", 2;
    after_a_handed_over_request_is_removed: dies_while_handing_over, "spool:removed", 1;
}

#[test]
fn a_vault_that_dies_while_it_takes_a_request_over_has_it_once() {
    // The first reply is to the greeting.
    for point in ["commit:before", "commit:after", "reply:after#2"] {
        let mut world = World::published();
        let mut visitor = Visitor::new(&world);
        world.kill_vault();
        let request = Form::open(&visitor, None, WORDS[1]).send(&mut visitor);
        world.kill_reception();
        world.start_vault(&[("WEBIZEN_DANGER_KILL_AT", point)]);
        world.start_reception(&[]);
        world.vault_node().wait_for_end();
        let name = point.trim_end_matches("#2");
        assert!(world.vault_node().log().contains(&format!("danger: killed at {name}")));
        world.start_vault(&[]);
        visitor.wait_until(&request, "waiting");
        assert_eq!((count(&world, "filed"), spooled(&mut world, "").len()), (1, 0), "{point}");
    }
}

/// Changes one byte of the sealed part of a file of the spool.
fn damage(file: &Path) -> Vec<u8> {
    let mut bytes = fs::read(file).unwrap();
    let at = bytes.len() - 100;
    bytes[at] ^= 1;
    fs::write(file, &bytes).unwrap();
    bytes
}

#[test]
fn damaged_requests_are_set_aside_and_the_others_arrive() {
    let mut world = World::published();
    let mut visitor = Visitor::new(&world);
    world.kill_vault();
    let requests: Vec<String> =
        ["one", "two", "three", "four"].map(|p| Form::open(&visitor, None, p).send(&mut visitor)).into();
    world.kill_reception();
    // One that the reception recognises, and one that is whole to the reception and does not open in the vault.
    damage(&world.spooled(&requests[1]));
    let file = world.spooled(&requests[2]);
    let mut bytes = damage(&file);
    let end = bytes.len() - 32;
    let digest: [u8; 32] = Sha256::digest(&bytes[..end]).into();
    bytes[end..].copy_from_slice(&digest);
    fs::write(&file, bytes).unwrap();
    world.start_reception(&[]);
    world.start_vault(&[]);
    for (request, state) in requests.iter().zip(["waiting", "set-aside", "set-aside", "waiting"]) {
        visitor.wait_until(request, state);
    }
    assert!(visitor.get(&format!("/requests/{}", requests[1])).text().contains("file it once more"));
    let mut aside = spooled(&mut world, "set-aside");
    aside.sort();
    let mut expected = [&requests[1], &requests[2]].map(|request| format!("{request}.sealed"));
    expected.sort();
    assert_eq!((aside, spooled(&mut world, "").len(), count(&world, "filed")), (expected.into(), 0, 2));
    let log = world.reception_node().log();
    for (request, why) in [(&requests[1], "not those that were written"), (&requests[2], "refuses it for good")] {
        let line = log.lines().find(|line| line.contains(request.as_str()) && line.contains("set aside"));
        assert!(line.is_some_and(|line| line.contains(why)), "{request}: {why}\n{log}");
    }
    let log = world.vault_node().log();
    let line = log.lines().find(|line| line.contains("what was sealed for request")).unwrap();
    assert!(line.contains(&requests[2]) && !WORDS.iter().any(|word| log.contains(word)), "{line}");
}

/// Pairs the world's reception with another vault; the line of its own.
fn pair_another(world: &mut World, other: &World) -> String {
    let own = fs::read_to_string(world.reception_node().home().join("state/vault.line")).unwrap();
    let line = other.vault(&["pair", &world.reception(&["id"]).ok()]).ok();
    let said = world.reception(&["pair", "--replace", &line]).ok();
    assert!(said.contains("2 requests kept here") && said.contains(own.trim()), "{said}");
    own.trim().to_owned()
}

#[test]
fn requests_for_a_vault_that_was_replaced_wait_until_it_is_back() {
    let mut world = World::published();
    let mut visitor = Visitor::new(&world);
    world.kill_vault();
    let requests = [WORDS[1], "another"].map(|purpose| Form::open(&visitor, None, purpose).send(&mut visitor));
    let other = World::unpaired();
    let own = pair_another(&mut world, &other);
    for request in &requests {
        visitor.wait_until(request, "kept-for-another");
    }
    until("they are out of the way", || spooled(&mut world, "").is_empty().then_some(()));
    assert_eq!((spooled(&mut world, "other-vault").len(), spooled(&mut world, "set-aside").len()), (2, 0));
    until("the other vault's link is up", || other.link_is_up().then_some(()));
    let request = Form::open(&visitor, None, WORDS[1]).send(&mut visitor);
    visitor.wait_until(&request, "waiting");
    assert!(
        visitor.get(&format!("/requests/{}", requests[0])).text().contains("not connected to this page at present")
    );
    nothing_readable(&mut world, &visitor);
    world.reception(&["pair", "--replace", &own]).ok();
    world.start_vault(&[]);
    for request in &requests {
        visitor.wait_until(request, "waiting");
    }
    assert_eq!((count(&world, "filed"), spooled(&mut world, "other-vault").len()), (2, 0));
}

#[test]
fn a_reception_that_dies_while_it_makes_way_for_another_vault_loses_and_doubles_nothing() {
    let mut world = World::published();
    let mut visitor = Visitor::new(&world);
    world.kill_vault();
    let requests = [WORDS[1], "another"].map(|purpose| Form::open(&visitor, None, purpose).send(&mut visitor));
    let other = World::unpaired();
    let dies_while_it_moves = |world: &mut World, pair: &dyn Fn(&mut World) -> String, left: (usize, usize)| {
        world.kill_reception();
        world.start_reception(&[("WEBIZEN_DANGER_KILL_AT", "spool:moved")]);
        let said = pair(world);
        world.reception_node().wait_for_end();
        assert_eq!((spooled(world, "").len(), spooled(world, "other-vault").len()), left);
        world.start_reception(&[]);
        said
    };
    let own = dies_while_it_moves(&mut world, &|world| pair_another(world, &other), (1, 1));
    for request in &requests {
        visitor.wait_until(request, "kept-for-another");
    }
    until("both are out of the way", || (spooled(&mut world, "other-vault").len() == 2).then_some(()));
    let back = |world: &mut World| world.reception(&["pair", "--replace", &own]).ok();
    dies_while_it_moves(&mut world, &back, (1, 1));
    world.start_vault(&[]);
    for request in &requests {
        visitor.wait_until(request, "waiting");
    }
    assert_eq!((count(&world, "filed"), spooled(&mut world, "").len()), (2, 0));
    assert_eq!((spooled(&mut world, "other-vault").len(), spooled(&mut world, "set-aside").len()), (0, 0));
}

#[test]
fn a_second_reception_on_one_home_does_not_start_and_says_why() {
    let mut world = World::published();
    let mut visitor = Visitor::new(&world);
    world.kill_vault();
    let request = Form::open(&visitor, None, WORDS[1]).send(&mut visitor);
    let second = world.reception(&["serve"]);
    assert_eq!(second.code, 1, "{second:?}");
    assert!(second.stderr.contains("another reception is running on this state folder"), "{second:?}");
    // The first one goes on, and takes a pairing.
    let line = fs::read_to_string(world.reception_node().home().join("state/vault.line")).unwrap();
    world.reception(&["pair", line.trim()]).ok();
    let state = visitor.state(&request);
    assert!(["kept", "kept-perhaps"].contains(&state.as_str()), "{state}");
    world.start_vault(&[]);
    visitor.wait_until(&request, "waiting");
}

#[test]
fn a_reception_without_a_vault_keeps_nothing_and_says_so() {
    let mut world = World::unpaired();
    let mut visitor = Visitor::new(&world);
    let page = visitor.post("/requests", &Form::open(&visitor, None, WORDS[1]).fields());
    let text = page.text();
    assert!(page.status == 503 && text.contains("no owner’s machine to bring your request to"), "{text}");
    assert!(WORDS.iter().all(|word| text.contains(word)), "{text}");
    assert!(visitor.cookies().is_empty() && spooled(&mut world, "").is_empty());
}

/// Files in an absence and takes it back; files again, and sees it go to the owner.
fn told_the_truth(look: Look, name: &str) {
    let mut world = World::published();
    let browser = Browser::new(look);
    let picture = |page: &str| browser.picture(&format!("{page}-{name}"));
    assert!(world.vault_node().stop().success());
    let visitor = Visitor::new(&world);
    until("the page says so", || visitor.get("/").text().contains("they are kept here, sealed").then_some(()));
    let file = || {
        browser.open(&world.url("/requests/new"));
        browser.wait_for("You can file your request all the same");
        browser.fill("#question", "May I visit?");
        browser.fill("#purpose", "A school trip");
    };
    file();
    picture("form-away");
    browser.click_text("File this request");
    let text = browser.wait_for("Kept here, not yet handed over");
    assert!(text.contains("nobody can read it here") && !browser.text_of("#code").is_empty(), "{text}");
    picture("kept");
    browser.click_text("Withdraw this request");
    browser.click_text("Yes, withdraw it");
    browser.wait_for("It was not handed over");
    picture("withdrawn-here");
    file();
    browser.click_text("File this request");
    browser.wait_for("Kept here, not yet handed over");
    world.start_vault(&[]);
    // By itself; without scripts the page asks every ten seconds.
    browser.wait_for("With the owner");
    world.kill_vault();
    let text = browser.wait_for("The owner’s machine is away");
    assert!(text.contains("this page cannot tell you now"), "{text}");
    picture("away");
}

#[test]
fn a_visitor_at_a_desk_is_told_the_truth() {
    told_the_truth(Look::Desk, "desk");
}

#[test]
fn a_visitor_with_a_telephone_is_told_the_truth() {
    told_the_truth(Look::Phone, "phone");
}

#[test]
fn a_visitor_in_the_dark_is_told_the_truth() {
    told_the_truth(Look::DeskInTheDark, "dark");
}

#[test]
fn a_visitor_without_scripts_is_told_the_truth() {
    told_the_truth(Look::DeskWithoutScript, "without-script");
}
