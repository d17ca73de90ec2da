//! What the owner's commands keep, say and ask when something comes between: a vault that is gone, other owners, visitors who
//! ask alike.

use serde_json::{Value, json};
use shared::frame;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use tests::{Owner, Visitor, World, owner, tools, until};

const LETTER: &[u8] = b"Anna Example lives in Bern.\n";
pub(crate) const ANSWER: &str = "Yes, on Tuesday.\n";

pub(crate) fn case(world: &World, request: &str) -> serde_json::Value {
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
pub(crate) fn questioned() -> (World, String) {
    let world = World::published();
    let request = Visitor::new(&world).file_question("May I visit?", "A trip");
    wait_for(&world, &request, "waiting for an answer");
    (world, request)
}

/// All that a command wrote, in lines that no terminal has broken.
pub(crate) fn wrote(owner: &Owner) -> String {
    String::from_utf8_lossy(&owner.bytes()).replace("\r\n", "\n")
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
fn a_refusal_of_which_nobody_heard_is_not_called_undone() {
    let (mut world, request, _) = asked("letter.txt", LETTER);
    world.kill_vault();
    // The second call refuses.
    world.start_vault(&[("WEBIZEN_DANGER_KILL_AT", "desk:reply:before#2")]);
    let lost = world.vault(&["requests", "refuse", &request, "--yes"]);
    assert!(lost.code == 1 && lost.stderr.contains("Whether it was taken is not known; look with `vault"), "{lost:?}");
    assert!(lost.stderr.contains(&format!("requests show {}`", &request[..8])), "{lost:?}");
    world.vault_node().wait_for_end();
    let away = world.vault(&["requests", "refuse", &request, "--yes"]);
    assert!(away.code == 4 && !away.stderr.contains("not known"), "{away:?}");
    world.start_vault(&[]);
    assert_eq!(case(&world, &request)["stage"], "refused");
}

#[test]
fn a_watch_that_is_asked_to_end_ends_whatever_is_on_its_screen() {
    let (world, request, _) = asked("letter.txt", LETTER);
    let mut watch = Owner::run(&world, &["requests", "watch"]);
    watch.wait_for(" page 1 of ");
    watch.terminate();
    assert_eq!(watch.wait_for_exit(), 3, "{}", watch.screen());
    let said = wrote(&watch);
    assert!(said.contains("this command was asked to end") && !said.contains("put off"), "{said}");
    assert_eq!(case(&world, &request)["stage"], "waiting for approval");
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
