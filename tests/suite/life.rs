//! A request's whole life between a visitor at the page and owners at their terminals.

use shared::receipt::Receipt;
use shared::statement::Statement;
use std::path::Path;
use tests::world::kind;
use tests::{Owner, Visitor, World, tools, until};

const LETTER: &str = "Dear Doctor Sample,\nAnna Example lives in Bern.\nYours, Mira Example\n";

/// A published world with one letter in it, and somebody who has asked for that.
struct Errand {
    world: World,
    visitor: Visitor,
    item: String,
    request: String,
}

impl Errand {
    fn new() -> Self {
        Self::within(World::new())
    }

    fn within(world: World) -> Self {
        let item = world.add("Letter", "letter.txt", LETTER.as_bytes());
        world.publish(&[("about.md", "# About\n\nA workshop.\n")]);
        let mut visitor = Visitor::new(&world);
        let request = visitor.file_item(&item, "a second opinion");
        let errand = Self { world, visitor, item, request };
        errand.wait_for("waiting for approval");
        errand
    }

    fn case(&self) -> serde_json::Value {
        self.world.vault_json(&["requests", "show", &self.request]).remove(0)
    }

    fn wait_for(&self, stage: &str) {
        until(&format!("the request is {stage}"), || (self.case()["stage"] == stage).then_some(()));
    }

    /// An owner's command that reads, types the word, and ends well; every screen that it showed.
    fn owner_signs(&self, arguments: &[&str]) -> String {
        let mut owner = Owner::run(&self.world, arguments);
        let pages = owner.read_to_the_end();
        let decision = owner.wait_for_decision();
        owner.type_word();
        assert_eq!(owner.wait_for_exit(), 0, "{}", owner.screen());
        pages.join("\n") + &decision + &owner.screen()
    }

    fn requests(&self, command: &str, more: &[&str]) -> String {
        self.owner_signs(&[&["requests", command, &self.request], more].concat())
    }

    /// The owner can say after its end what was approved, and show the proof.
    fn proves_what_was_approved(&self, begun: &str, came: &str) {
        let shown = self.world.vault(&["requests", "show", &self.request]).ok();
        assert!(shown.contains("approved   ") && shown.contains(&format!("collections begun: {begun}")), "{shown}");
        let folder = self.world.root().join("evidence");
        self.world.vault(&["evidence", "export", &self.request, folder.to_str().unwrap()]).ok();
        let (right, output) = tools::check_receipt(&[&folder.join("receipt.json")]);
        assert!(right, "{output}");
        // The folder says what came of it, and when, under which the log has it.
        let readme = std::fs::read_to_string(folder.join("README")).unwrap();
        let (_, account) = readme.split_once("which nobody has signed:").unwrap();
        let (_, when) = account.split_once("It was revoked on ").unwrap_or_else(|| panic!("{readme}"));
        let when = when.split(',').next().unwrap();
        let leaves = self.world.leaves();
        assert!(leaves.iter().any(|leaf| leaf.contains(when) && kind(leaf) == "revoked"), "{readme}\n{leaves:?}");
        assert!(account.contains(came), "{readme}");
    }

    /// Takes the release; its text.
    fn save(&mut self) -> String {
        self.visitor.wait_until(&self.request, "ready");
        let page = self.visitor.save(&self.request);
        assert_eq!(page.status, 200, "{}", page.text());
        page.text()
    }
}

#[test]
fn owner_asks_back_and_the_visitor_answers() {
    let mut errand = Errand::new();
    let request = errand.request.clone();
    let screens = errand.requests("ask", &["--words", "Which practice are you from?"]);
    assert!(screens.contains("Which practice are you from?") && screens.contains("Your question"), "{screens}");
    errand.visitor.wait_until(&request, "question");
    assert_eq!(errand.visitor.words(&request), "Which practice are you from?");
    // Whoever asks is told what was signed, with the proof.
    let receipt = errand.world.file("asked.json", &errand.visitor.receipt(&request).body);
    let (right, output) = tools::check_receipt(&[&receipt]);
    assert!(right, "{output}");
    errand.visitor.answer(&request, "The practice by the river; \u{1b}[2J ask for Jo.");
    let page = errand.visitor.answer(&request, "The practice by the river, ask for Jo.");
    assert_ne!(page.status, 500, "{}", page.text());
    errand.wait_for("waiting for approval");
    let screens = errand.requests("approve", &[]);
    assert!(screens.contains("you asked") && screens.contains("ask for Jo."), "{screens}");
    assert_eq!(errand.save(), LETTER);
}

#[test]
fn an_answer_to_a_question_that_was_taken_back_is_not_called_sent() {
    let mut errand = Errand::new();
    let request = errand.request.clone();
    errand.requests("ask", &["--words", "Which practice are you from?"]);
    errand.visitor.wait_until(&request, "question");
    let question = errand.visitor.get(&format!("/requests/{request}")).field("question").unwrap();
    let file = errand.world.file("shorter.txt", b"Anna Example was here.\n");
    errand.requests("edit", &["--file", file.to_str().unwrap()]);
    let fields = [("question", &question[..]), ("answer", "The practice by the river.")];
    let page = errand.visitor.post(&format!("/requests/{request}/answer"), &fields);
    let text = page.text();
    assert!(page.status == 409 && text.contains("was not passed on"), "{} {text}", page.status);
    assert!(text.contains("The practice by the river.") && text.contains("data-state=\"ready\""), "{text}");
    assert_eq!(errand.save(), "Anna Example was here.\n");
}

#[test]
fn refused_in_words_the_visitor_reads_them() {
    let mut errand = Errand::new();
    let request = errand.request.clone();
    let screens = errand.requests("refuse", &["--words", "I do not give this letter out."]);
    assert!(screens.contains("closed for good"), "{screens}");
    errand.visitor.wait_until(&request, "refused");
    assert_eq!(errand.visitor.words(&request), "I do not give this letter out.");
    let receipt = errand.world.file("refused.json", &errand.visitor.receipt(&request).body);
    let (right, output) = tools::check_receipt(&[&receipt]);
    assert!(right, "{output}");
    // The same words for the same contact are refused without anybody being asked; their visitor sees what everybody sees.
    let again = errand.visitor.file_item_for(&errand.item.clone(), "a second opinion", "jo@example.org");
    errand.visitor.wait_until(&again, "waiting");
    errand.world.vault(&["requests", "refuse", "--yes", &again]).ok();
    let third = errand.visitor.file_item_for(&errand.item.clone(), "A second opinion", "JO@example.org");
    errand.visitor.wait_until(&third, "waiting");
    assert_eq!(errand.world.vault(&["requests", "ls"]).ok(), "Nothing waits for you.");
    assert_eq!(errand.world.vault_json(&["requests", "show", &third])[0]["stage"], "refused");
}

#[test]
fn requests_in_the_same_words_are_one_line_and_are_refused_together() {
    let mut errand = Errand::new();
    for _ in 0..3 {
        errand.visitor.file_item(&errand.item.clone(), " A second  OPINION ");
    }
    let listed = until("all have been filed", || {
        let listed = errand.world.vault(&["requests", "ls"]).ok();
        listed.contains("and 3 like it").then_some(listed)
    });
    assert_eq!(listed.lines().count(), 1, "{listed}");
    let said = errand.world.vault(&["requests", "refuse", "--yes", &errand.request]).ok();
    assert!(said.contains("3 more in the same words"), "{said}");
    assert_eq!(errand.world.vault(&["requests", "ls"]).ok(), "Nothing waits for you.");
    assert_eq!(errand.visitor.state(&errand.request), "waiting");
}

#[test]
fn what_was_taken_out_does_not_leave() {
    let mut errand = Errand::new();
    let request = errand.request.clone();
    let mut owner = Owner::run(&errand.world, &["requests", "redact", &request, "--hide", "Basel"]);
    assert_eq!(owner.wait_for_exit(), 1);
    assert!(owner.screen().contains("nothing was changed"), "{}", owner.screen());
    let screens = errand.requests("redact", &["--hide", "Anna Example", "--hide", "Bern"]);
    assert!(screens.contains("[removed by the owner] lives in [removed by the owner]."), "{screens}");
    assert_eq!(
        errand.save(),
        LETTER.replace("Anna Example", "[removed by the owner]").replace("Bern", "[removed by the owner]")
    );
}

#[test]
fn another_file_takes_the_place_of_what_would_leave() {
    let mut errand = Errand::new();
    let before: String = serde_json::from_value(errand.case()["draft"]["nonce"].clone()).unwrap();
    let file = errand.world.file("shorter.txt", b"Anna Example was here.\n");
    let screens = errand.requests("edit", &["--file", file.to_str().unwrap()]);
    assert!(screens.contains("Anna Example was here."), "{screens}");
    assert_eq!(errand.save(), "Anna Example was here.\n");
    // What was signed bears a nonce of its own: one for the letter would let nothing go any more.
    let receipt: Receipt = serde_json::from_slice(&errand.visitor.receipt(&errand.request).body).unwrap();
    let Ok(Statement::Approval(signed)) = Statement::parse(&receipt.statement) else { panic!("{receipt:?}") };
    assert_ne!(signed.nonce.to_string(), before);
}

#[test]
fn a_release_is_revoked_before_anybody_collects() {
    let mut errand = Errand::new();
    let request = errand.request.clone();
    errand.requests("approve", &[]);
    errand.visitor.wait_until(&request, "ready");
    let screens = errand.requests("revoke", &["--reason", "the wrong letter"]);
    assert!(screens.contains("0 of 1 devices") && screens.contains("Revoked."), "{screens}");
    errand.visitor.wait_until(&request, "closed");
    assert!(!errand.visitor.save(&request).text().contains("Anna Example"));
    assert_eq!(errand.case()["stage"], "revoked");
    errand.proves_what_was_approved("0 of 1", "Nobody has begun to collect it.");
}

#[test]
fn what_was_collected_stays_provable_after_its_end() {
    let mut errand = Errand::new();
    errand.requests("approve", &[]);
    assert_eq!(errand.save(), LETTER);
    errand.requests("revoke", &[]);
    errand.wait_for("revoked");
    // So it does over a restart, which reads everything again.
    assert!(errand.world.vault_node().stop().success());
    errand.world.start_vault(&[]);
    errand.proves_what_was_approved("1 of 1", "1 of 1 devices have begun to collect it.");
    let revoked = errand.world.vault(&["requests", "revoke", &errand.request]);
    assert!(revoked.code == 1 && revoked.stderr.contains("nothing to revoke"), "{revoked:?}");
}

#[test]
fn a_freeze_stops_what_was_released_and_a_thaw_lets_it_go_on() {
    let mut errand = Errand::new();
    let request = errand.request.clone();
    errand.requests("approve", &[]);
    errand.visitor.wait_until(&request, "ready");
    let other = errand.visitor.file_item(&errand.item.clone(), "another reason");
    // A publication is a release, too: one that was signed before, and an approval that the owner is about to give.
    let folder = errand.world.root().join("new");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("new.md"), "# New\n\nNot yet.\n").unwrap();
    let out = errand.world.root().join("out").display().to_string();
    errand.world.vault(&["publish", &folder.display().to_string(), "--prepare", &out]).ok();
    tools::sign(&errand.world.owner_key(), &format!("{out}/statement"));
    let mut owner = Owner::run(&errand.world, &["requests", "approve", &other]);
    owner.read_to_the_end();
    let screens = errand.owner_signs(&["freeze", "--reason", "a lost laptop"]);
    assert!(screens.contains("All releases stop") && screens.contains("Stopped."), "{screens}");
    owner.type_word();
    assert_eq!(owner.wait_for_exit(), 3);
    assert!(owner.screen().contains("all releases are stopped"), "{}", owner.screen());
    let page = errand.visitor.save(&request);
    assert!(page.status == 503 && page.text().contains("stopped"), "{} {}", page.status, page.text());
    assert!(errand.world.vault(&["status"]).ok().contains("STOPPED"));
    // It is still so after a restart, and nothing new is released or asked about.
    assert!(errand.world.vault_node().stop().success());
    assert!(!errand.world.vault_node().log().contains("was not closed"), "a stop waits for nothing that never comes");
    errand.world.start_vault(&[]);
    errand.world.wait_for_link();
    let published = errand.world.vault(&["publish", "--submit", &out]);
    assert!(published.code == 3 && published.stderr.contains("all releases are stopped"), "{published:?}");
    let mut owner = Owner::run(&errand.world, &["requests", "approve", &other]);
    assert_eq!(owner.wait_for_exit(), 3);
    assert!(owner.screen().contains("Nothing was asked"), "{}", owner.screen());
    errand.owner_signs(&["thaw"]);
    assert_eq!(errand.save(), LETTER);
}

/// Publishes what is listed, under both owners' signatures; one alone is refused.
fn publish_by_two(world: &World, one: &Path, two: &Path) {
    let folder = tempfile::tempdir_in(world.root()).unwrap();
    std::fs::write(folder.path().join("about.md"), "# About\n\nA workshop.\n").unwrap();
    let out = folder.path().join("out");
    let path = |name: &str| out.join(name).display().to_string();
    world.vault(&["publish", &folder.path().display().to_string(), "--prepare", &out.display().to_string()]).ok();
    tools::sign(one, &path("statement"));
    let refused = world.vault(&["publish", "--submit", &out.display().to_string()]);
    assert!(refused.code == 3 && refused.stderr.contains("1 of 2 owners have signed"), "{refused:?}");
    std::fs::rename(path("statement.sig"), path("statement.sig.2")).unwrap();
    tools::sign(two, &path("statement"));
    world.vault(&["publish", "--submit", &out.display().to_string()]).ok();
}

#[test]
fn two_owners_must_sign_the_same_text() {
    let (mut world, [one, two], _keys) = World::of_two_owners();
    world.pair();
    let item = world.add("Letter", "letter.txt", LETTER.as_bytes());
    publish_by_two(&world, &one, &two);
    let mut visitor = Visitor::new(&world);
    let request = until("the letter can be asked for", || {
        let offered = visitor.get(&format!("/requests/new?item={item}")).status == 200;
        offered.then(|| visitor.file_item(&item, "a second opinion"))
    });
    let errand = Errand { world, visitor, item, request };
    errand.wait_for("waiting for approval");
    let screens = errand.requests("approve", &["--days", "3"]);
    assert!(screens.contains("1 of 2 owners have signed; nothing has left yet"), "{screens}");
    assert_eq!(errand.visitor.state(&errand.request), "waiting");
    // One owner is not two.
    for command in ["sign", "approve"] {
        let mut owner = Owner::run(&errand.world, &["requests", command, &errand.request]);
        assert_eq!(owner.wait_for_exit(), 3);
        assert!(owner.screen().contains("this key has signed it already"), "{}", owner.screen());
        assert!(!owner.screen().contains("page 1 of"), "nobody reads for nothing");
    }
    let mut errand = errand;
    let screens = errand.requests("sign", &["--key", two.to_str().unwrap()]);
    assert!(screens.contains("1 of 2 owners have signed exactly this"), "{screens}");
    assert_eq!(errand.save(), LETTER);
    let receipt = errand.visitor.receipt(&errand.request).body;
    let receipt: Receipt = serde_json::from_slice(&receipt).unwrap();
    assert_eq!(receipt.signatures.len(), 2);
}

#[test]
fn an_approval_cools_off_and_can_be_taken_back_unseen() {
    let mut world = World::unpaired();
    let config = world.root().join("vault/config/vault.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("cooling = 0", "cooling = 604800")).unwrap();
    world.kill_vault();
    world.start_vault(&[]);
    world.pair();
    let errand = Errand::within(world);
    // Its days begin when it has cooled off, or there would be none.
    let screens = errand.requests("approve", &[]);
    assert!(screens.contains("takes it back unseen"), "{screens}");
    let (pages, decision) = screens.split_once("YOUR DECISION").unwrap();
    for place in [pages, decision] {
        assert!(place.contains("held back for 604800 seconds"), "{screens}");
    }
    let listed = errand.world.vault(&["requests", "ls"]).ok();
    assert!(listed.starts_with(&errand.request[..8]) && listed.contains("approved, cooling off"), "{listed}");
    assert_eq!(errand.visitor.state(&errand.request), "waiting");
    errand.wait_for("approved, cooling off");
    errand.requests("revoke", &[]);
    errand.wait_for("revoked");
    assert_eq!(errand.world.vault(&["requests", "ls"]).ok().trim(), "Nothing waits for you.");
    assert_eq!(errand.visitor.state(&errand.request), "waiting", "the visitor has seen nothing of it");
    let unseen = "before anybody could collect it.\nNothing has left under this approval.";
    errand.proves_what_was_approved("0 of 1", unseen);
}
