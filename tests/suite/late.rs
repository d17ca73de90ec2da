//! What an owner is told who decides about a request that is not any more as it was: by then, somebody else has.

use tests::{Owner, Visitor, World, owner, until};

fn stage(world: &World, request: &str) -> String {
    world.vault_json(&["requests", "show", request])[0]["stage"].as_str().unwrap().to_owned()
}

fn wait_for(world: &World, request: &str, wanted: &str) {
    until(&format!("the request is {wanted}"), || (stage(world, request) == wanted).then_some(()));
}

/// A published world in which somebody asks for a letter; the request.
fn asked() -> (World, String) {
    let world = World::new();
    let item = world.add("Letter", "letter.txt", b"Anna Example lives in Bern.\n");
    world.publish(&[("about.md", "# About\n\nA workshop.\n")]);
    let request = Visitor::new(&world).file_item(&item, "a second opinion");
    wait_for(&world, &request, "waiting for approval");
    (world, request)
}

/// All that a command wrote, in lines that no terminal has broken.
fn wrote(owner: &Owner) -> String {
    String::from_utf8_lossy(&owner.bytes()).replace("\r\n", "\n")
}

/// Runs a command that has to fail, with an editor that must not run; all that it wrote.
fn fails(world: &World, arguments: &[&str]) -> String {
    let mut owner = Owner::run_with(world, arguments, &[("EDITOR", "touch opened #")]);
    assert_eq!(owner.wait_for_exit(), 1, "{arguments:?}: {}", owner.screen());
    assert!(!world.root().join("opened").exists(), "{arguments:?} opened an editor");
    wrote(&owner)
}

#[test]
fn nothing_is_asked_about_what_can_only_be_taken_back() {
    let (world, request) = asked();
    owner::approve(&world, &request);
    assert_eq!(stage(&world, &request), "released");
    let (id, file) = (request.as_str(), world.file("other.txt", b"Other.\n").display().to_string());
    let commands: [&[&str]; 9] = [
        &["requests", "refuse", id],
        &["requests", "refuse", id, "--yes"],
        &["requests", "refuse", id, "--write"],
        &["requests", "ask", id],
        &["requests", "answer", id],
        &["requests", "edit", id],
        &["requests", "edit", id, "--file", &file],
        &["requests", "redact", id, "--hide", "Anna"],
        &["requests", "approve", id],
    ];
    for command in commands {
        let said = fails(&world, command);
        assert!(said.contains("is released, so it can only be taken back: `vault"), "{command:?}: {said}");
        assert!(said.contains(&format!("requests revoke {}`", &id[..8])), "{command:?}: {said}");
        assert!(!said.contains("Refuse for good") && !said.contains("page 1 of"), "{command:?}: {said}");
    }
    owner::sign(&world, &["requests", "revoke", id]);
    for command in commands {
        let said = fails(&world, command);
        assert!(said.contains("is revoked; nothing more can be decided about it"), "{command:?}: {said}");
    }
}

#[test]
fn what_others_did_meanwhile_is_not_guessed() {
    let (world, request) = asked();
    let mut owner = Owner::run(&world, &["requests", "approve", &request]);
    owner.wait_for(" page 1 of ");
    world.vault(&["requests", "refuse", &request, "--yes"]).ok();
    owner.type_keys("q");
    assert_eq!(owner.wait_for_exit(), 3);
    let said = wrote(&owner);
    assert!(said.contains("Nothing was decided here.") && !said.contains("still waits"), "{said}");
}

#[test]
fn a_signature_over_what_was_changed_meanwhile_says_so_and_where_to_look() {
    let (world, request) = asked();
    let mut stale = Owner::run(&world, &["requests", "approve", &request]);
    stale.read_to_the_end();
    let file = world.file("other.txt", b"Other.\n").display().to_string();
    let mut other = Owner::run(&world, &["requests", "edit", &request, "--file", &file]);
    other.read_to_the_end();
    stale.type_word();
    assert_eq!(stale.wait_for_exit(), 3);
    let said = wrote(&stale);
    let look = format!("requests approve {}`. Your signature was not taken, and nothing was changed.", &request[..8]);
    assert!(said.contains("what would be released was changed since you read it; look at it again: `vault"), "{said}");
    assert!(said.contains(&look), "{said}");
    // What was released meanwhile can still be taken back, whether it is signed again or refused.
    let mut late = Owner::run(&world, &["requests", "approve", &request]);
    late.read_to_the_end();
    let mut refuses = Owner::run(&world, &["requests", "approve", &request]);
    refuses.read_to_the_end();
    other.type_word();
    assert_eq!(other.wait_for_exit(), 0, "{}", other.screen());
    late.type_word();
    assert_eq!(late.wait_for_exit(), 1);
    assert!(wrote(&late).contains("is released, so it can only be taken back: `vault"), "{}", wrote(&late));
    refuses.word();
    refuses.type_keys("r");
    refuses.wait_for("Press R again");
    refuses.type_keys("r");
    assert_eq!(refuses.wait_for_exit(), 1);
    assert!(wrote(&refuses).contains("is released, so it can only be taken back: `vault"), "{}", wrote(&refuses));
}

#[test]
fn what_has_no_draft_is_not_changed_but_written() {
    let world = World::published();
    let question = Visitor::new(&world).file_question("May I visit?", "A trip");
    until("the question is there", || world.vault(&["requests", "show", &question]).code.eq(&0).then_some(()));
    for command in [&["edit", &question][..], &["redact", &question, "--hide", "x"]] {
        let said = fails(&world, &[&["requests"], command].concat());
        assert!(said.contains("there is nothing to change yet: write what shall be released with `vault"), "{said}");
        assert!(said.contains(&format!("requests answer {}`", &question[..8])), "{said}");
    }
}
