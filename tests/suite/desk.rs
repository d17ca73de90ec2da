//! What the owner's commands keep, say and ask when something comes between: a vault that is gone, other owners, visitors who
//! ask alike.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use shared::frame;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tests::{Owner, Visitor, World, owner, tools, until};

const LETTER: &[u8] = b"Anna Example lives in Bern.\n";
const ANSWER: &str = "Yes, on Tuesday.\n";
/// An editor that saves an answer, and waits for Enter before it ends.
const PATIENT: &str = "f() { echo 'Yes, on Tuesday.' > \"$1\"; echo the editor waits; read go; }; f";

fn case(world: &World, request: &str) -> serde_json::Value {
    world.vault_json(&["requests", "show", request]).remove(0)
}

fn wait_for(world: &World, request: &str, stage: &str) {
    until(&format!("the request is {stage}"), || (case(world, request)["stage"] == stage).then_some(()));
}

/// A world in which somebody asks for an item of these bytes; the request, and the item.
fn asked(name: &str, bytes: &[u8]) -> (World, String, String) {
    let world = World::new();
    let item = world.add("Letter", name, bytes);
    world.publish(&[("about.md", "# About\n\nA workshop.\n")]);
    let request = Visitor::new(&world).file_item(&item, "a second opinion");
    wait_for(&world, &request, "waiting for approval");
    (world, request, item)
}

/// A world in which somebody has a question; the request.
fn questioned() -> (World, String) {
    let world = World::published();
    let request = Visitor::new(&world).file_question("May I visit?", "A trip");
    wait_for(&world, &request, "waiting for an answer");
    (world, request)
}

/// All that a command wrote, in lines that no terminal has broken.
fn wrote(owner: &Owner) -> String {
    String::from_utf8_lossy(&owner.bytes()).replace("\r\n", "\n")
}

/// The one text that a command kept.
fn found(world: &World) -> PathBuf {
    let folders: Vec<_> = fs::read_dir(world.root().join("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [folder] = &folders[..] else { panic!("{folders:?}") };
    assert!(folder.file_name().unwrap().to_str().unwrap().starts_with("webizen-kept-"), "{folder:?}");
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    file.clone()
}

/// The one text that a command kept, and that it has said where.
fn kept(world: &World, owner: &Owner) -> String {
    let file = found(world);
    let said = format!("What you wrote is kept in {}", file.display());
    assert!(wrote(owner).contains(&said), "{said} is not in:\n{}", wrote(owner));
    fs::read_to_string(file).unwrap()
}

/// How a command ends that was not left by its owner.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Hangup,
    Terminated,
}

impl End {
    /// Ends a command; the text that it kept, of which it told if there was still a terminal to tell it on.
    fn of(self, world: &World, owner: &mut Owner) -> String {
        match self {
            Self::Hangup => owner.close_window(),
            Self::Terminated => owner.terminate(),
        }
        assert_ne!(owner.wait_for_exit(), 0, "{}", owner.screen());
        let file = found(world);
        let folder = file.parent().unwrap();
        let told = wrote(owner).contains(&format!("is kept in {}", folder.display()));
        assert_eq!(told, self == Self::Terminated, "{}", wrote(owner));
        let text = fs::read_to_string(&file).unwrap();
        fs::remove_dir_all(folder).unwrap();
        text
    }
}

/// An editor that saves an answer, and stays whatever it is asked.
const STUBBORN: &str =
    "f() { trap '' TERM; echo 'Yes, on Tuesday.' > \"$1\"; echo the editor waits; while :; do sleep 0.1; done; }; f";

#[test]
fn what_the_editor_has_saved_outlives_the_terminal_and_the_command() {
    let (world, request) = questioned();
    for (end, editor) in [(End::Hangup, PATIENT), (End::Terminated, PATIENT), (End::Terminated, STUBBORN)] {
        let mut owner = Owner::run_with(&world, &["requests", "answer", &request], &[("EDITOR", editor)]);
        owner.wait_for("the editor waits");
        assert_eq!(end.of(&world, &mut owner), ANSWER, "{end:?}");
        assert_eq!(case(&world, &request)["stage"], "waiting for an answer");
    }
}

#[test]
fn what_was_written_and_is_not_sent_yet_outlives_the_terminal_and_the_command() {
    let (mut world, request) = questioned();
    let vault = Pid::from_raw(world.vault_node().pid().cast_signed()).unwrap();
    for end in [End::Hangup, End::Terminated] {
        let editor = PATIENT.replace("read go;", "read go; echo the editor ends;");
        let mut owner = Owner::run_with(&world, &["requests", "answer", &request], &[("EDITOR", &editor)]);
        owner.wait_for("the editor waits");
        // It takes what it is sent, and says nothing.
        kill_process(vault, Signal::STOP).unwrap();
        owner.type_keys("\r");
        owner.wait_for("the editor ends");
        let text = end.of(&world, &mut owner);
        kill_process(vault, Signal::CONT).unwrap();
        assert!(text.starts_with(ANSWER), "{end:?}: {text}");
    }
}

#[test]
fn words_that_are_put_off_outlive_the_terminal_and_the_command() {
    let (world, request) = questioned();
    let editor = owner::editor(&world, "Which day?\n");
    let ask = || {
        let owner = Owner::run_with(&world, &["requests", "ask", &request], &[("EDITOR", &editor)]);
        owner.wait_for(" page 1 of ");
        owner
    };
    for end in [End::Hangup, End::Terminated] {
        assert_eq!(end.of(&world, &mut ask()), "Which day?\n", "{end:?}");
    }
    let mut owner = ask();
    owner.type_keys("q");
    assert_eq!(owner.wait_for_exit(), 3);
    assert_eq!(kept(&world, &owner), "Which day?\n");
    assert_eq!(case(&world, &request)["stage"], "waiting for an answer");
}

#[test]
fn words_that_cannot_be_sent_are_kept() {
    let (world, request) = questioned();
    // What a killed command left behind is said to be removed.
    let left = world.root().join("tmp/webizen-scratch-dead");
    fs::create_dir(&left).unwrap();
    let old = SystemTime::now() - Duration::from_secs(3600);
    fs::File::open(&left).unwrap().set_modified(old).unwrap();
    let words = "x".repeat(1001);
    let editor = owner::editor(&world, &words);
    let mut owner = Owner::run_with(&world, &["requests", "refuse", &request, "--write"], &[("EDITOR", &editor)]);
    assert_eq!(owner.wait_for_exit(), 1);
    assert!(wrote(&owner).contains("these words cannot be sent"), "{}", wrote(&owner));
    assert!(wrote(&owner).contains("left behind is removed now"), "{}", wrote(&owner));
    assert_eq!(kept(&world, &owner), words);
}

#[test]
fn an_answer_for_which_the_vault_was_gone_is_kept() {
    let (mut world, request) = questioned();
    let mut owner = Owner::run_with(&world, &["requests", "answer", &request], &[("EDITOR", PATIENT)]);
    owner.wait_for("the editor waits");
    world.kill_vault();
    owner.type_keys("\r");
    assert_eq!(owner.wait_for_exit(), 4, "the vault is away");
    assert_eq!(kept(&world, &owner), ANSWER);
}

#[test]
fn an_answer_to_what_was_decided_meanwhile_is_kept() {
    let (world, request) = questioned();
    let mut owner = Owner::run_with(&world, &["requests", "watch"], &[("EDITOR", PATIENT)]);
    owner.wait_for("Type a letter");
    owner.type_keys("a\r");
    owner.wait_for("the editor waits");
    world.vault(&["requests", "refuse", &request, "--yes"]).ok();
    owner.type_keys("\r");
    // One request does not end the watch.
    owner.wait_for("waiting for requests");
    assert_eq!(kept(&world, &owner), ANSWER);
    owner.type_keys("q");
    assert_eq!(owner.wait_for_exit(), 0);
}

#[test]
fn a_watch_shows_what_was_put_off_when_the_visitor_answers_and_nothing_twice_to_who_has_signed() {
    let (mut world, [_, two], _keys) = World::of_two_owners();
    world.pair();
    let mut visitor = Visitor::new(&world);
    let request = visitor.file_question("May I visit?", "A trip");
    wait_for(&world, &request, "waiting for an answer");
    let editor = owner::editor(&world, ANSWER);
    let mut watch = Owner::run_with(&world, &["requests", "watch"], &[("EDITOR", &editor)]);
    watch.wait_for("Type a letter");
    watch.type_keys("l\r");
    watch.wait_for("(1 put off");
    let signs = |arguments: &[&str]| {
        let mut owner = Owner::run(&world, arguments);
        owner.read_to_the_end();
        owner.type_word();
        assert_eq!(owner.wait_for_exit(), 0, "{}", owner.screen());
    };
    signs(&["requests", "ask", &request, "--words", "Which day?"]);
    signs(&["requests", "sign", &request, "--key", two.to_str().unwrap()]);
    visitor.wait_until(&request, "question");
    visitor.answer(&request, "On any Tuesday of the year");
    watch.wait_for("On any Tuesday of the year");
    watch.wait_for("Type a letter");
    watch.type_keys("a\r");
    watch.read_to_the_end();
    watch.type_word();
    // It waits for the other owner, not for this one again.
    let screen = watch.wait_for("waiting for requests \u{2026} (q leaves)");
    assert!(screen.contains("1 of 2 owners have signed"), "{screen}");
    watch.type_keys("q");
    assert_eq!(watch.wait_for_exit(), 0);
    signs(&["requests", "sign", &request, "--key", two.to_str().unwrap()]);
    visitor.wait_until(&request, "ready");
}

#[test]
fn a_signature_that_was_taken_is_not_called_a_failure() {
    let (mut world, request, _) = asked("letter.txt", LETTER);
    world.kill_vault();
    // The reply to the fourth call, which hands the signature in, is the last that this vault gives.
    world.start_vault(&[("WEBIZEN_DANGER_KILL_AT", "desk:reply:after#4")]);
    let mut owner = Owner::run(&world, &["requests", "approve", &request]);
    owner.read_to_the_end();
    owner.type_word();
    assert_eq!(owner.wait_for_exit(), 0, "{}", owner.screen());
    let said = wrote(&owner);
    assert!(said.contains("Your signature was taken, and the request is released."), "{said}");
    assert!(said.contains("No more can be said now: the vault ") && said.contains("requests show"), "{said}");
    world.vault_node().wait_for_end();
    world.start_vault(&[]);
    assert_eq!(case(&world, &request)["stage"], "released");
}

#[test]
fn a_publication_of_which_nobody_heard_is_not_called_undone() {
    let mut world = World::new();
    let folder = world.root().join("pages");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("about.md"), "# About\n\nA workshop.\n").unwrap();
    let out = world.root().join("out").display().to_string();
    world.vault(&["publish", folder.to_str().unwrap(), "--prepare", &out]).ok();
    tools::sign(&world.owner_key(), &format!("{out}/statement"));
    world.kill_vault();
    let submit = |world: &World| world.vault(&["publish", "--submit", &out]);
    let away = submit(&world);
    assert!(
        away.code == 4 && away.stderr.contains("Your signature was not taken, and nothing was changed."),
        "{away:?}"
    );
    world.start_vault(&[("WEBIZEN_DANGER_KILL_AT", "desk:reply:before#1")]);
    let lost = submit(&world);
    assert!(lost.code == 1 && lost.stderr.contains("Whether it was taken is not known; look with `vault"), "{lost:?}");
    assert!(lost.stderr.contains(" status`"), "{lost:?}");
    world.vault_node().wait_for_end();
    world.start_vault(&[]);
    assert!(world.vault(&["status"]).ok().contains("published    version 1"));
}

#[test]
fn a_draft_that_cannot_be_read_to_its_end_is_broken_off() {
    // Three pieces; the second is taken out of the store while the vault runs.
    let (mut world, request, _) = asked("letter.bin", &vec![0; 2 * shared::limits::CHUNK + 1]);
    world.change_store("DELETE FROM chunk WHERE id % 1024 = 1");
    let mut owner = Owner::run(&world, &["requests", "approve", &request]);
    assert_eq!(owner.wait_for_exit(), 1, "{}", owner.screen());
    assert!(wrote(&owner).contains("the vault broke off"), "{}", wrote(&owner));
    until("the vault's log says why", || world.vault_node().log().contains("a draft was not sent whole").then_some(()));
}

#[test]
fn a_copy_that_may_be_on_a_disk_is_said_to_be() {
    let (world, request, _) = asked("letter.bin", &[0; 9]);
    let folder = world.root().join("elsewhere");
    fs::create_dir(&folder).unwrap();
    let variables = [("XDG_RUNTIME_DIR", "/nonexistent"), ("TMPDIR", folder.to_str().unwrap())];
    let mut owner = Owner::run_with(&world, &["requests", "approve", &request], &variables);
    owner.wait_for(" page 1 of ");
    owner.type_keys("o");
    owner.wait_for("Have you looked at it?");
    let said = wrote(&owner);
    let place = format!("copies are kept in {}", folder.display());
    assert!(said.contains(&place) && said.contains("that may be on a disk"), "{said}");
    owner.type_keys("no\r");
    until("it is asked again", || (wrote(&owner).matches(" page 1 of ").count() == 2).then_some(()));
    owner.type_keys("q");
    assert_eq!(owner.wait_for_exit(), 3);
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
}

#[test]
fn a_refusal_says_how_many_it_refuses() {
    let (world, request, item) = asked("letter.txt", LETTER);
    let other = Visitor::new(&world).file_item(&item, "a second opinion");
    wait_for(&world, &other, "waiting for approval");
    let mut owner = Owner::run(&world, &["requests", "refuse", &request]);
    owner.wait_for("Refuse for good, and 1 more in the same words with it?");
    owner.type_keys("no\r");
    assert_eq!(owner.wait_for_exit(), 3);
    let mut owner = Owner::run(&world, &["requests", "approve", &request]);
    let pages = owner.read_to_the_end().join("\n");
    assert!(pages.contains("1 more in the same words wait. A yes is about this one alone."), "{pages}");
    assert!(pages.contains("If you refuse it without a word, 1 more are refused with it."), "{pages}");
    owner.word();
    owner.type_keys("r");
    owner.wait_for("With it 1 more in the same words.");
    owner.wait_for("Press R again");
    owner.type_keys("r");
    assert_eq!(owner.wait_for_exit(), 0);
    for refused in [&request, &other] {
        assert_eq!(case(&world, refused)["stage"], "refused");
    }
}

/// That the word stands so many times on the screen, and each time behind a frame.
fn assert_framed(screen: &str, word: &str, times: usize) {
    let rows: Vec<&str> = screen.lines().filter(|row| row.contains(word)).collect();
    let framed = |row: &&str| row.chars().nth(11).is_some_and(|c| "\u{2502}\u{250a}".contains(c));
    assert!(rows.iter().all(framed), "{screen}");
    assert_eq!(rows.iter().map(|row| row.matches(word).count()).sum::<usize>(), times, "{screen}");
}

#[test]
fn a_visitors_words_stay_framed_however_narrow_the_terminal_is() {
    let world = World::published();
    let request = Visitor::new(&world).file_question("maple ".repeat(30).trim(), "A trip");
    wait_for(&world, &request, "waiting for an answer");
    let (show, refuse) = (["requests", "show", &request], ["requests", "refuse", &request]);
    let commands = [(&show[..], "lapses"), (&refuse, "Refuse for good?"), (&["requests", "watch"], "l  decide later")];
    for columns in [40, 60, 80] {
        for (command, end) in commands {
            let screen = Owner::run_sized(&world, command, columns, 50).wait_for(end);
            assert_framed(&screen, "maple", 30);
        }
    }
    // Where nothing would be asked, nothing is described.
    let mut owners = commands.map(|(command, _)| Owner::run_sized(&world, command, 39, 50));
    owners[2].wait_for("waiting for requests");
    owners[2].type_keys("q");
    for (owner, code) in owners.iter_mut().zip([3, 3, 0]) {
        assert_eq!(owner.wait_for_exit(), code, "{}", owner.screen());
        let said = wrote(owner);
        assert!(said.contains("Make the window at least 40 columns wide") && !said.contains("maple"), "{said}");
    }
}

/// What stands in the desk's place for one command. Each of its calls goes on to the desk after `before` saw it, and each
/// answer back after `after` has changed it.
struct Between {
    desk: PathBuf,
    before: fn(&Path, &Value),
    after: fn(&Value, &mut Vec<u8>),
}

impl Between {
    /// The command with these arguments, until it has ended; its exit code, and what it wrote.
    fn run(self, world: &World, arguments: &[&str]) -> (u32, String) {
        let open = world.root().join("vault/run/desk.sock");
        fs::rename(&open, &self.desk).unwrap();
        let listener = UnixListener::bind(&open).unwrap();
        let desk = self.desk.clone();
        // It ends with the process, and so does its last wait.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                self.pass(stream.unwrap()).unwrap();
            }
        });
        let mut owner = Owner::run(world, arguments);
        let code = owner.wait_for_exit();
        fs::rename(desk, open).unwrap();
        (code, wrote(&owner))
    }

    fn pass(&self, mut command: UnixStream) -> io::Result<()> {
        let call = read_frame(&mut command)?;
        (self.before)(&self.desk, &call);
        let mut answer = ask(&self.desk, &call, &[])?;
        (self.after)(&call, &mut answer);
        command.write_all(&answer)
    }
}

fn read_frame(stream: &mut UnixStream) -> io::Result<Value> {
    let mut prefix = [0; frame::PREFIX];
    stream.read_exact(&mut prefix)?;
    let mut json = vec![0; frame::length(prefix).map_err(io::Error::other)?];
    stream.read_exact(&mut json)?;
    frame::decode(&json).map_err(io::Error::other)
}

/// All that the desk answers to a call and what follows it.
fn ask(desk: &Path, call: &Value, more: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(desk)?;
    stream.write_all(&frame::encode(call).map_err(io::Error::other)?)?;
    stream.write_all(more)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

#[test]
fn a_draft_that_was_replaced_while_it_was_fetched_is_no_damage() {
    let (world, request, _) = asked("letter.txt", LETTER);
    let replaced = Between {
        desk: world.root().join("desk.sock"),
        before: |desk, call| {
            if let Some(id) = call["draft"]["id"].as_str() {
                let compose = json!({ "compose": { "id": id, "media_type": null, "bytes": ANSWER.len() } });
                ask(desk, &compose, ANSWER.as_bytes()).unwrap();
            }
        },
        after: |_, _| {},
    };
    let (code, said) = replaced.run(&world, &["requests", "approve", &request]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("was replaced meanwhile") && said.contains("is waiting for approval now"), "{said}");
    assert!(said.contains(&format!("requests show {}", &request[..8])) && !said.contains("Check the store"), "{said}");
    // The new one is read as any other.
    let mut owner = Owner::run(&world, &["requests", "approve", &request]);
    assert!(owner.read_to_the_end().concat().contains(ANSWER.trim()));
    owner.type_keys("q");
    assert_eq!(owner.wait_for_exit(), 3);
    let damaged = Between {
        desk: world.root().join("desk.sock"),
        before: |_, _| {},
        after: |call, answer| {
            if call["draft"].is_object() {
                *answer.last_mut().unwrap() ^= 1;
            }
        },
    };
    let (code, said) = damaged.run(&world, &["requests", "approve", &request]);
    assert!(code == 5 && said.contains("Check the store"), "{code}: {said}");
}
