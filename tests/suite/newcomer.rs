//! What an owner meets who knows the product from its README alone: hints, keys, lists, and what is published.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tests::{Owner, Visitor, World, bins, owner, until};

const LETTER: &str = "Anna Example lives in Bern.\n";
/// Whoever sees nothing of a key for so long presses it again.
const AGAIN: Duration = Duration::from_secs(5);

/// A published world in which somebody asks for a letter; the request.
fn asked() -> (World, String) {
    let world = World::new();
    let item = world.add("Letter", "letter.txt", LETTER.as_bytes());
    world.publish(&[("about.md", "# About\n\nA workshop.\n")]);
    let request = Visitor::new(&world).file_item(&item, "a second opinion");
    until("the letter is frozen", || (case(&world, &request)["stage"] == "waiting for approval").then_some(()));
    (world, request)
}

fn case(world: &World, request: &str) -> serde_json::Value {
    world.vault_json(&["requests", "show", request]).remove(0)
}

/// Runs what a hint says in a shell, as somebody does who pastes it; its exit status and what it printed.
fn paste(hint: &str) -> (Option<i32>, String) {
    let folder = bins::vault().parent().unwrap().display().to_string();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
    let ran = Command::new("sh").args(["-c", hint]).env("PATH", path).output().unwrap();
    (ran.status.code(), String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap())
}

#[test]
fn a_hint_can_be_pasted_as_it_is() {
    let (world, request) = asked();
    // In an error.
    let error = world.vault(&["requests", "show", "ffffffff"]).stderr;
    let (status, listed) = paste(error.split('`').nth(1).unwrap());
    assert!(status == Some(0) && listed.contains(&request[..8]), "{error}\n{listed}");
    // After a release.
    let mut owner = Owner::run(&world, &["requests", "approve", &request]);
    owner.read_to_the_end();
    owner.type_word();
    assert_eq!(owner.wait_for_exit(), 0);
    let screen = owner.screen();
    let hint = screen.split("The receipt:").nth(1).unwrap().replace('\n', "");
    let folder = world.root().join("evidence");
    let (status, said) = paste(&hint.replace("DIR", &folder.display().to_string()));
    assert!(status == Some(0) && folder.join("receipt.json").exists(), "{hint}\n{said}");
}

#[test]
fn each_nodes_next_command_can_be_pasted() {
    let world = World::unpaired();
    // Neither node knows where the other's folder is.
    let next = |said: &str, program: &str| {
        let line = said.lines().find(|line| line.starts_with(&format!("  {program} pair \"")));
        let home = world.root().join(program).display().to_string();
        line.unwrap_or_else(|| panic!("{said}")).replacen(program, &format!("{program} --home {home}"), 1)
    };
    let again = world.reception(&["init"]).stderr;
    let (status, said) = paste(again.split('`').nth(1).unwrap());
    assert_eq!(status, Some(0), "{again}\n{said}");
    let (status, said) = paste(&next(&said, "vault"));
    assert_eq!(status, Some(0), "{said}");
    let (status, said) = paste(&next(&said, "reception"));
    assert_eq!(status, Some(0), "{said}");
    until("the link is up", || world.link_is_up().then_some(()));
}

/// A key of somebody who is no owner.
fn other_key(world: &World) -> PathBuf {
    let path = world.root().join("other");
    let mut command = Command::new("ssh-keygen");
    assert!(command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&path).status().unwrap().success());
    path
}

/// A command that ends, having said this, before the owner was shown anything or asked for the word.
fn assert_stopped(world: &World, arguments: &[&str], key: &Path, status: u32, words: &str) {
    let arguments = [arguments, &["--key", key.to_str().unwrap()]].concat();
    // An editor that must not run.
    let editor = owner::editor(world, "Too early.\n");
    let mut owner = Owner::run_with(world, &arguments, &[("EDITOR", &editor)]);
    assert_eq!(owner.wait_for_exit(), status, "{arguments:?}: {}", owner.screen());
    let said = String::from_utf8_lossy(&owner.bytes()).replace("\r\n", "");
    assert!(said.contains(words), "{arguments:?}: {words} is not in {said}");
    assert!(!said.contains("page 1 of") && !said.contains("Too early"), "{arguments:?}: {said}");
}

#[test]
fn a_key_that_cannot_sign_is_told_before_anything_is_read() {
    let (world, request) = asked();
    let before = case(&world, &request);
    let question = Visitor::new(&world).file_question("May I visit?", "A trip");
    let folder = world.root().join("pages");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a.md"), "# A\n").unwrap();
    let (folder, file) = (folder.display().to_string(), world.file("new.txt", b"New.\n").display().to_string());
    let (other, gone) = (other_key(&world), world.root().join("gone"));
    let (id, question) = (request.as_str(), question.as_str());
    let commands: [&[&str]; 10] = [
        &["requests", "approve", id],
        &["requests", "refuse", id, "--words", "No."],
        &["requests", "refuse", id, "--write"],
        &["requests", "ask", id],
        &["requests", "edit", id, "--file", &file],
        &["requests", "redact", id, "--hide", "Anna"],
        &["requests", "answer", question],
        &["requests", "watch"],
        &["freeze"],
        &["publish", &folder],
    ];
    for command in commands {
        assert_stopped(&world, command, &other, 3, "is none of the owners' keys of this vault");
        assert_stopped(&world, command, &gone, 1, "is not there; name an owner's private key with --key FILE");
    }
    assert_eq!(case(&world, &request), before, "nothing was changed");
    // A public file without its private half, and without an agent.
    let lonely = world.root().join("lonely.pub");
    std::fs::copy(world.owner_key().with_extension("pub"), &lonely).unwrap();
    assert_stopped(&world, &["requests", "approve", id], &lonely, 1, "run `ssh-add`");
    // The right key signs, and so does a revocation's check refuse the wrong one.
    let mut owner = Owner::run(&world, &["requests", "approve", id, "--key", world.owner_key().to_str().unwrap()]);
    owner.read_to_the_end();
    owner.type_word();
    assert_eq!(owner.wait_for_exit(), 0, "{}", owner.screen());
    assert_stopped(&world, &["requests", "revoke", id], &other, 3, "is none of the owners' keys of this vault");
}

#[test]
fn a_list_has_one_row_for_each_request_at_eighty_columns() {
    let world = World::published();
    let mut visitor = Visitor::new(&world);
    let questions =
        ["May I bring my dog, who likes sawdust very much? ".repeat(4), "\u{6771}\u{4eac}".repeat(60), "Why?".into()];
    let asked = [&questions[0], &questions[1], &questions[2], &questions[0]];
    let requests = asked.map(|question| visitor.file_question(question, "A trip"));
    let mut owner = Owner::run(&world, &["requests", "ls"]);
    assert_eq!(owner.wait_for_exit(), 0);
    let screen = owner.screen();
    let rows: Vec<&str> = screen.lines().filter(|row| !row.is_empty()).collect();
    assert_eq!(rows.len(), questions.len(), "{screen}");
    // Two were filed in the same words; either may stand for both.
    assert!(rows.iter().all(|row| requests.iter().any(|id| row.starts_with(&id[..8]))), "{requests:?}:\n{screen}");
    assert!(rows.iter().all(|row| row.contains("waiting for an answer")), "{screen}");
    for (beginning, shortened) in
        [("question: May I", true), ("question: \u{6771}\u{4eac}", true), ("question: Why?", false)]
    {
        let row = rows.iter().find(|row| row.contains(beginning)).unwrap_or_else(|| panic!("{beginning}:\n{screen}"));
        assert_eq!(row.contains('\u{2026}'), shortened, "{screen}");
    }
    assert!(screen.contains("(+1 like it)"), "{screen}");
    // A program gets all of it.
    let listed = world.vault(&["requests", "ls"]).ok();
    assert!(listed.contains(questions[0].trim()) && listed.contains(&questions[1]), "{listed}");
}

#[test]
fn what_is_not_published_is_named() {
    let world = World::unpaired();
    let file = world.file("notes.txt", b"# Notes\n").display().to_string();
    let refused = world.vault(&["publish", &file]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("is a file") && refused.stderr.contains("ends in .md"), "{refused:?}");
    let folder = world.root().join("pages");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("notes.txt"), "# Notes\n").unwrap();
    std::fs::create_dir(folder.join(".trash")).unwrap();
    std::fs::write(folder.join(".trash/old.md"), "# Old\n").unwrap();
    let folder = folder.display().to_string();
    let nothing = world.vault(&["publish", &folder]);
    assert_eq!(nothing.code, 1, "{nothing:?}");
    let words = "Left out, because only files whose names end in .md are published: notes.txt.";
    assert!(nothing.stderr.contains(words) && nothing.stderr.contains("nothing to publish"), "{nothing:?}");
    std::fs::write(format!("{folder}/about.md"), "# About\n").unwrap();
    let out = world.root().join("out").display().to_string();
    let prepared = world.vault(&["publish", &folder, "--prepare", &out]);
    assert!(prepared.code == 0 && prepared.stderr.contains(words), "{prepared:?}");
    let mut owner = Owner::run(&world, &["publish", &folder]);
    let pages = owner.read_to_the_end().join("\n");
    assert!(pages.contains("left out") && pages.contains("notes.txt"), "{pages}");
    owner.type_word();
    assert_eq!(owner.wait_for_exit(), 0, "{}", owner.screen());
}

/// The owner's key gets a passphrase.
fn lock(world: &World) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-p", "-P", "", "-N", "correct horse", "-f"]).arg(world.owner_key());
    assert!(command.status().unwrap().success());
}

#[test]
fn whoever_breaks_off_or_loses_the_vault_after_the_word_is_told_what_came_of_it() {
    let (mut world, request) = asked();
    lock(&world);
    let approve = |world: &World| {
        let mut owner = Owner::run(world, &["requests", "approve", &request]);
        owner.read_to_the_end();
        owner.type_word();
        owner.wait_for("Enter passphrase");
        owner
    };
    let mut owner = approve(&world);
    owner.type_keys("wrong\r");
    owner.wait_for("That was not the passphrase.");
    until("it is asked for again", || (owner.screen().matches("Enter passphrase").count() == 2).then_some(()));
    // ssh-keygen does not hear a Ctrl-C that comes between its prompt and its first look at the terminal: one presses again.
    until("it is broken off", || {
        owner.type_keys("\u{3}");
        let pressed = Instant::now();
        while pressed.elapsed() < AGAIN {
            if owner.screen().contains("you broke off; nothing was signed") {
                return Some(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    });
    assert_eq!(owner.wait_for_exit(), 3, "refused by the owner");
    let mut owner = approve(&world);
    world.kill_vault();
    owner.type_keys("correct horse\r");
    assert_eq!(owner.wait_for_exit(), 4, "the vault is away");
    assert!(wrote(&owner).contains("Your signature was not taken, and nothing was changed."), "{}", owner.screen());
    world.start_vault(&[]);
    let mut owner = approve(&world);
    assert!(world.vault(&["requests", "refuse", &request, "--yes"]).ok().contains("Refused"));
    owner.type_keys("correct horse\r");
    assert_ne!(owner.wait_for_exit(), 0);
    assert!(wrote(&owner).contains("Your signature was not taken, and nothing was changed."), "{}", owner.screen());
}

/// All that a command wrote, in lines that no terminal has broken.
fn wrote(owner: &Owner) -> String {
    String::from_utf8_lossy(&owner.bytes()).replace("\r\n", "\n")
}

/// An owner's command that is put off on the first page; all that it wrote.
fn put_off(world: &World, arguments: &[&str]) -> String {
    let editor = owner::editor(world, "Yes, on Tuesday.\n");
    let mut owner = Owner::run_with(world, arguments, &[("EDITOR", &editor)]);
    owner.wait_for(" page 1 of ");
    owner.type_keys("q");
    assert_eq!(owner.wait_for_exit(), 3, "{}", owner.screen());
    wrote(&owner)
}

#[test]
fn what_is_kept_and_taken_back_when_an_answer_is_put_off_is_said() {
    let (world, letter) = asked();
    let question = Visitor::new(&world).file_question("May I visit?", "A trip");
    until("the question is there", || (case(&world, &question)["stage"] == "waiting for an answer").then_some(()));
    let file = world.file("other.txt", b"Dear Doctor,\n");
    let write =
        [(&letter, "edit", vec!["--file", file.to_str().unwrap()], "edit"), (&question, "answer", vec![], "answer")];
    for (request, command, options, other) in write {
        let mut owner = Owner::run(&world, &["requests", "ask", request, "--words", "Who are you?"]);
        owner.read_to_the_end();
        owner.type_word();
        assert_eq!(owner.wait_for_exit(), 0, "{}", owner.screen());
        let error = world.vault(&["requests", "approve", request]).stderr;
        assert!(error.contains("the answer has not come: wait for it, refuse with"), "{error}");
        assert!(error.contains(&format!("requests {other} {}", &request[..8])), "{error}");
        assert_eq!(error.contains("requests answer"), command == "answer", "{error}");
        let arguments = [&["requests", command, request.as_str()], &options[..]].concat();
        let said = put_off(&world, &arguments);
        let before = said.split("page 1 of").next().unwrap();
        assert!(before.contains("Going on takes it back"), "{said}");
        assert!(said.contains("kept as the draft; the question to the visitor was taken back."), "{said}");
        assert_eq!(case(&world, request)["stage"], "waiting for approval");
        assert!(case(&world, request)["question"].is_null());
        let again = put_off(&world, &arguments);
        assert!(again.contains("was kept as the draft.") && !again.contains("Going on"), "{again}");
    }
}

#[test]
fn a_proxy_that_hides_the_pages_address_is_told_of_in_the_log() {
    let mut world = World::published();
    let visitor = Visitor::new(&world);
    let form = || {
        let form = visitor.form("/ask", &[("question", "canary-question")]).header("sec-fetch-site", "same-origin");
        visitor.send(form.header("host", "inner.example:8080")).unwrap()
    };
    for _ in 0..20 {
        let refused = form();
        assert!(refused.status == 403 && refused.text().contains("tell the owner"), "{}", refused.text());
    }
    let came = world.url("");
    let log = world.reception_node().log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("a form was refused")).collect();
    assert!(matches!(lines[..], [line] if line.contains(&came) && line.contains("says inner.example:8080")), "{log}");
    assert!(!log.contains("canary"), "{log}");
}
