//! Nothing private passes a tap before its approval; everything released does after it; and the taps hear what is there.

use tests::tap::{LinkTap, PageTap};
use tests::{Owner, Visitor, World, until};

const ITEM: &str = "canary-item-5e1c90d2b7";
const UNLISTED: &str = "canary-unlisted-77aa01c4";
const ANSWER: &str = "canary-answer-0b94fe6613";
const LEAK: &str = "canary-leak-a1f3380c55d9";

/// Both nodes with taps on everything between them and in front of them.
fn tapped() -> (World, LinkTap, PageTap, String) {
    let world = World::unpaired();
    let link = LinkTap::between(&world);
    let item = world.add("Medical letter", "letter.txt", format!("Dear colleague, {ITEM}\n").as_bytes());
    let path = world.file("diary.txt", format!("Dear diary, {UNLISTED}\n").as_bytes());
    world.vault(&["add", "--title", "Diary", path.to_str().unwrap()]).ok();
    world.publish(&[("about.md", &format!("# About\n\nA workshop by the river. {LEAK}\n"))]);
    let page = PageTap::before(&world);
    (world, link, page, item)
}

fn neither(link: &LinkTap, page: &PageTap, canary: &str) {
    assert!(!link.tape.holds(canary), "{canary} passed the link");
    assert!(!page.tape.holds(canary), "{canary} passed the page");
}

#[test]
fn no_private_byte_passes_before_its_approval() {
    let (world, link, page, item) = tapped();
    let mut visitor = Visitor::at(&page.url);
    assert_eq!(visitor.get("/").status, 200);
    visitor.post("/ask", &[("question", "What does the medical letter say?")]);
    let letter = visitor.file_item(&item, "a second opinion");
    let question = visitor.file_question("Where were you born?", "a chronicle");
    visitor.wait_until(&letter, "waiting");
    // Nothing is there to be collected yet, whoever asks, and however.
    for verb in ["show", "save", "receipt"] {
        visitor.post(&format!("/requests/{letter}/{verb}"), &[]);
        visitor.post(&format!("/requests/{question}/{verb}"), &[]);
    }
    compose(&world, &question);
    visitor.wait_until(&question, "waiting");
    [ITEM, UNLISTED, ANSWER].iter().for_each(|canary| neither(&link, &page, canary));
    // The taps do hear: what the owner published has passed both.
    assert!(link.tape.holds(LEAK) && page.tape.holds("Medical letter"));
    visitor.get("/published/0");
    assert!(page.tape.holds(LEAK), "a canary in the clear is found");

    approve(&world, &letter);
    visitor.wait_until(&letter, "ready");
    neither(&link, &page, ITEM);
    let saved = visitor.save(&letter);
    assert!(saved.text().contains(ITEM), "{}", saved.text());
    until("the release passes both taps", || (link.tape.holds(ITEM) && page.tape.holds(ITEM)).then_some(()));
    neither(&link, &page, ANSWER);
    approve(&world, &question);
    visitor.wait_until(&question, "ready");
    visitor.save(&question);
    until("the answer passes both taps", || (link.tape.holds(ANSWER) && page.tape.holds(ANSWER)).then_some(()));
    neither(&link, &page, UNLISTED);
}

/// The owner writes an answer, and decides later.
fn compose(world: &World, request: &str) {
    let editor = tests::owner::editor(world, &format!("By the river. {ANSWER}\n"));
    let mut owner = Owner::run_with(world, &["requests", "answer", request], &[("EDITOR", &editor)]);
    owner.read_to_the_end();
    owner.type_keys("q");
    assert_eq!(owner.wait_for_exit(), 3);
}

fn approve(world: &World, request: &str) {
    let mut owner = Owner::run(world, &["requests", "approve", request]);
    owner.read_to_the_end();
    owner.type_word();
    assert_eq!(owner.wait_for_exit(), 0);
}

#[test]
fn nothing_private_is_in_the_reception_s_files_or_in_either_log() {
    let (mut world, _link, page, item) = tapped();
    let mut visitor = Visitor::at(&page.url);
    let letter = visitor.file_item(&item, "canary-purpose-3f00ab");
    visitor.wait_until(&letter, "waiting");
    approve(&world, &letter);
    visitor.wait_until(&letter, "ready");
    assert!(visitor.save(&letter).text().contains(ITEM));
    let reception = world.reception_node().home().to_owned();
    for canary in [ITEM, UNLISTED, "canary-purpose-3f00ab"] {
        assert!(!tests::tools::holds(&reception, canary.as_bytes()), "{canary} is on the reception's disk");
        let vault = world.vault_node().home().to_owned();
        assert!(!tests::tools::holds(&vault, canary.as_bytes()), "{canary} is in the clear on the vault's disk");
        assert!(!world.vault_node().log().contains(canary), "{canary} is in the vault's log");
        assert!(!world.reception_node().log().contains(canary), "{canary} is in the reception's log");
    }
    assert!(tests::tools::holds(&reception, LEAK.as_bytes()), "what is published is found on the disk");
}
