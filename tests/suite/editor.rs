//! What the owner writes in an editor: it outlives a terminal that closes, a command that is ended, and a vault that takes it not.

use crate::desk::{ANSWER, case, questioned, wrote};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tests::{Owner, World, owner};

/// An editor that saves an answer, and waits for Enter before it ends.
const PATIENT: &str = "f() { echo 'Yes, on Tuesday.' > \"$1\"; echo the editor waits; read go; }; f";

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

/// A program that saves an answer when it is ended, but not at once, and gives up, as vim does, if it is told twice.
fn saving(world: &World) -> String {
    let script = "#!/bin/sh\nfor file; do :; done\nsave='sleep 0.3; echo \"Yes, on Tuesday.\" > \"$file\"; exit 1'\n\
                  trap \"trap 'exit 1' TERM; $save\" HUP\ntrap \"trap 'exit 1' HUP; $save\" TERM\n\
                  echo the editor waits\nwhile :; do sleep 0.1; done\n";
    let path = world.file("saving-editor", script.as_bytes());
    owner::executable(&path);
    path.display().to_string()
}

#[test]
fn what_an_editor_saves_when_it_is_ended_is_kept_however_it_is_named() {
    let (world, request) = questioned();
    let program = saving(&world);
    // In the last two, a shell lives as long as the editor, or as long as it is not asked to end.
    let named = [format!("'{program}' -w"), format!("command {program}"), format!("cd / && {program} -w")];
    let ends = [End::Hangup, End::Terminated].into_iter().flat_map(|end| named.iter().map(move |name| (end, name)));
    for (end, editor) in ends {
        let mut owner = Owner::run_with(&world, &["requests", "answer", &request], &[("EDITOR", editor)]);
        owner.wait_for("the editor waits");
        assert_eq!(end.of(&world, &mut owner), ANSWER, "{end:?} of {editor}");
    }
    // A watch does not go on without its terminal, or when it is to end.
    let mut watch = Owner::run_with(&world, &["requests", "watch"], &[("EDITOR", &program)]);
    watch.wait_for("Type a letter");
    watch.type_keys("a\r");
    watch.wait_for("the editor waits");
    assert_eq!(End::Terminated.of(&world, &mut watch), ANSWER);
    assert!(!wrote(&watch).contains("waiting for requests"), "{}", wrote(&watch));
}

#[test]
fn what_was_written_below_the_line_is_kept() {
    let (world, request) = questioned();
    for (command, code) in [("answer", 3), ("ask", 3)] {
        let editor = "f() { echo 'Yes, on Tuesday.' >> \"$1\"; }; f";
        let mut owner = Owner::run_with(&world, &["requests", command, &request], &[("EDITOR", editor)]);
        assert_eq!(owner.wait_for_exit(), code, "{}", owner.screen());
        assert!(
            wrote(&owner).contains("All that you wrote stands below the line that cuts the text off"),
            "{}",
            wrote(&owner)
        );
        assert!(kept(&world, &owner).ends_with(ANSWER));
        fs::remove_dir_all(found(&world).parent().unwrap()).unwrap();
        let editor =
            "f() { { echo Yes.; cat \"$1\"; echo 'Yes, on Tuesday.'; } > \"$1.new\"; mv \"$1.new\" \"$1\"; }; f";
        let mut owner = Owner::run_with(&world, &["requests", command, &request], &[("EDITOR", editor)]);
        assert_eq!(owner.wait_for_exit(), code, "{}", owner.screen());
        assert!(wrote(&owner).contains("Some of what you wrote stands below the line"), "{}", wrote(&owner));
        assert!(kept(&world, &owner).starts_with("Yes.\n"));
        fs::remove_dir_all(found(&world).parent().unwrap()).unwrap();
        // White space is not words.
        let editor = "f() { { echo; cat \"$1\"; } > \"$1.new\"; mv \"$1.new\" \"$1\"; }; f";
        let mut owner = Owner::run_with(&world, &["requests", command, &request], &[("EDITOR", editor)]);
        assert_eq!(owner.wait_for_exit(), code, "{}", owner.screen());
        assert!(wrote(&owner).contains("The text is empty, so nothing was changed."), "{}", wrote(&owner));
        assert_eq!(fs::read_dir(world.root().join("tmp")).unwrap().count(), 0);
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
