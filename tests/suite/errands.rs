//! What stops a newcomer says what to do next, and doing that helps: rights, configuration, what is published, an editor's name.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tests::world::Ran;
use tests::{Owner, Visitor, World, bins, node, sample, tools, until};

/// Whom a command runs as where the tests are root, to whom nothing is denied.
const SOMEBODY: u32 = 65_534;

/// Programs that a user without any rights may run, in a folder that such a user may read.
struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for binary in [bins::vault(), bins::reception()] {
            fs::copy(binary, root.path().join(binary.file_name().unwrap())).unwrap();
        }
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A folder of that user's.
    fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        if is_root() {
            chown(&path, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
        }
        path
    }

    fn run(&self, program: &str, home: &Path, arguments: &[&str]) -> Ran {
        self.command(&self.path(program), |command| {
            command.arg("--home").arg(home).args(arguments);
        })
    }

    /// Runs what a message says.
    fn follow(&self, hint: &str) {
        let ran = self.command(Path::new("sh"), |command| {
            command.args(["-c", hint]);
        });
        assert_eq!(ran.code, 0, "{hint}: {ran:?}");
    }

    fn command(&self, program: &Path, complete: impl FnOnce(&mut Command)) -> Ran {
        let mut command = node::clean(program);
        command.current_dir(self.root.path()).stdin(Stdio::null());
        if is_root() {
            command.uid(SOMEBODY).gid(SOMEBODY);
        }
        complete(&mut command);
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// `vault init` and `reception init`, with what they take on a machine without a terminal.
const INITS: [(&str, &[&str]); 2] =
    [("vault", &["init", "--no-passphrase"]), ("reception", &["init", "--advertise", "127.0.0.1:7443"])];

#[test]
fn init_where_nothing_may_be_made_says_who_makes_the_folder() {
    let place = Place::new();
    let closed = place.path("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    for (program, arguments) in INITS {
        let home = closed.join(program);
        let ran = place.run(program, &home, arguments);
        let hint = format!("sudo install -d -m 700 -o \"$USER\" {}", home.display());
        assert!(ran.code == 1 && ran.stderr.trim_end().ends_with(&hint), "{ran:?}");
        assert!(ran.stderr.contains("Permission denied"), "{ran:?}");
    }
}

#[test]
fn a_key_that_may_not_be_read_is_named_with_the_command_that_mends_it() {
    let place = Place::new();
    let use_it: [(&str, &[&str]); 2] = [("vault", &["serve"]), ("reception", &["id"])];
    for ((program, arguments), (_, command)) in INITS.into_iter().zip(use_it) {
        let home = place.folder(&format!("{program}-home"));
        assert_eq!(place.run(program, &home, arguments).code, 0);
        let key = home.join("state/node-key.pem");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o000)).unwrap();
        let ran = place.run(program, &home, command);
        let hint = ran.stderr.trim_end().split("; run: ").nth(1).unwrap_or_else(|| panic!("{ran:?}")).to_owned();
        assert!(ran.code == 1 && hint == format!("chmod u+rw {}", key.display()), "{ran:?}");
        place.follow(&hint);
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let home = place.path("reception-home");
    assert_eq!(place.run("reception", &home, &["id"]).code, 0);
}

#[test]
fn an_init_that_was_stopped_says_what_to_remove() {
    let place = Place::new();
    for (program, arguments) in INITS {
        let home = place.folder(&format!("{program}-home"));
        assert_eq!(place.run(program, &home, arguments).code, 0);
        let again = place.run(program, &home, arguments);
        assert!(again.code == 1 && again.stderr.contains(&format!("there is a {program} here already")), "{again:?}");
        fs::remove_file(home.join(format!("config/{program}.toml"))).unwrap();
        let stopped = place.run(program, &home, arguments);
        let remove =
            stopped.stderr.lines().find(|line| line.starts_with("  rm ")).unwrap_or_else(|| panic!("{stopped:?}"));
        assert!(stopped.code == 1 && stopped.stderr.contains("from a backup"), "{stopped:?}");
        place.follow(remove);
        assert_eq!(place.run(program, &home, arguments).code, 0);
    }
}

#[test]
fn status_says_what_a_restart_would_change() {
    let mut world = World::unpaired();
    let path = world.vault_node().home().join("config/vault.toml");
    let before = fs::read_to_string(&path).unwrap();
    let status = || world.vault(&["status"]).ok();
    assert!(!status().contains("RESTART") && !status().contains("PUT BACK"), "{}", status());
    let change = |from: &str, to: &str| {
        assert!(before.contains(from), "{before}");
        fs::write(&path, before.replace(from, to)).unwrap();
    };
    change("cooling = 0", "cooling = 60");
    let said = status();
    let hint = format!("vault --home {} serve", path.ancestors().nth(2).unwrap().display());
    assert!(said.contains("but not in the vault that runs: release.cooling\n") && said.contains(&hint), "{said}");
    change("quorum = 1", "quorum = 2");
    assert!(status().contains("PUT BACK     owner.quorum = 1 in vault.toml"), "{}", status());
    change("cooling = 0", "cooling = 60");
    world.kill_vault();
    world.start_vault(&[]);
    let said = world.vault(&["status"]).ok();
    assert!(said.contains("cooling off  60 seconds") && !said.contains("RESTART"), "{said}");
}

/// A folder with these pages.
fn pages(world: &World, name: &str, pages: &[(&str, &str)]) -> String {
    let folder = world.root().join(name);
    drop(fs::remove_dir_all(&folder));
    fs::create_dir(&folder).unwrap();
    for (name, markdown) in pages {
        fs::write(folder.join(name), markdown).unwrap();
    }
    folder.display().to_string()
}

#[test]
fn what_a_publication_changes_and_does_not_show_is_said_before_it_is_signed() {
    let world = World::new();
    world.add("Letter", "letter.txt", b"Dear all.\n");
    world.publish(&[("about.md", "# About\n"), ("prices.md", "# Prices\n"), ("old.md", "# Old\n")]);
    let prices = "# Prices\n\n[Book](https://example.org) a [chair](/chair).\n\n![A chair](chair.png)\n";
    let folder = pages(&world, "pages", &[("about.md", "# About\n"), ("new.md", "# New\n"), ("prices.md", prices)]);
    world.add("Curriculum vitae", "cv.txt", b"Ten years.\n");
    let mut owner = Owner::run(&world, &["publish", &folder]);
    let screens = owner.read_to_the_end().join("\n");
    for words in [
        "takes the place of version 1",
        "added       \u{2502} new.md",
        "changed     \u{2502} prices.md",
        "removed     \u{2502} old.md",
        "new titles  \u{2502} Curriculum vitae",
        "prices.md: 2 links and 1 picture are shown as words only",
    ] {
        assert!(screens.contains(words), "{words} is not in {screens}");
    }
    assert!(!screens.contains("old titles"), "{screens}");
    owner.type_word();
    assert_eq!(owner.wait_for_exit(), 0, "{}", owner.screen());
    let out = world.root().join("out").display().to_string();
    let said = world.vault(&["publish", &folder, "--prepare", &out]).stderr;
    assert!(said.contains("The same pages and titles are out already, as version 2."), "{said}");
    assert!(said.contains("prices.md: 2 links and 1 picture are shown as words only"), "{said}");
}

#[test]
fn what_was_not_signed_elsewhere_is_not_submitted_and_how_to_sign_it_is_said() {
    let world = World::new();
    let folder = pages(&world, "pages", sample::DOCUMENTS);
    let out = world.root().join("out").display().to_string();
    let early = world.vault(&["publish", "--submit", &out]);
    assert!(early.code == 2 && early.stderr.contains(&format!("publish DIR --prepare {out}")), "{early:?}");
    assert_eq!(world.vault(&["publish", &folder, "--prepare", &out]).code, 0);
    let unsigned = world.vault(&["publish", "--submit", &out]);
    let sign = format!("ssh-keygen -Y sign -n release@webizen -f KEY {out}/statement");
    assert!(unsigned.code == 2 && unsigned.stderr.contains("nobody has signed"), "{unsigned:?}");
    assert!(unsigned.stderr.trim_end().ends_with(&sign), "{unsigned:?}");
    tools::sign(&world.owner_key(), &format!("{out}/statement"));
    assert!(world.vault(&["publish", "--submit", &out]).ok().contains("published version 1"));
}

/// All that a command wrote to its terminal; lines are as long as they were written.
fn written(owner: &Owner) -> String {
    String::from_utf8_lossy(&owner.bytes()).into_owned()
}

#[test]
fn what_is_no_text_is_not_opened_in_an_editor() {
    let world = World::new();
    // All of it is ASCII.
    let item = world.add("Curriculum vitae", "cv.pdf", b"%PDF-1.4\n1 0 obj\n<< >>\nendobj\n");
    world.publish(sample::DOCUMENTS);
    let mut visitor = Visitor::new(&world);
    let letter = visitor.file_item(&item, "hiring");
    let question = visitor.file_question("May I see your papers?", "hiring");
    let stage = |request: &str| world.vault_json(&["requests", "show", request])[0]["stage"].clone();
    until("the item is frozen", || (stage(&letter) == "waiting for approval").then_some(()));
    let file = world.root().join("cv.pdf").display().to_string();
    let mut owner = Owner::run(&world, &["requests", "edit", &question, "--file", &file]);
    owner.wait_for(" page 1 of ");
    owner.type_keys("q");
    assert_eq!(owner.wait_for_exit(), 3);
    for (request, command) in [(&letter, "edit"), (&question, "edit"), (&question, "answer")] {
        let mut owner = Owner::run_with(&world, &["requests", command, request], &[("EDITOR", "touch opened #")]);
        assert_eq!(owner.wait_for_exit(), 1, "{}", owner.screen());
        let said = written(&owner);
        assert!(said.contains("is no text (application/pdf)"), "{said}");
        assert!(said.contains(&format!("requests edit {} --file FILE", &request[..8])), "{said}");
    }
    assert!(!world.root().join("opened").exists());
}

#[test]
fn an_editor_that_is_not_there_is_named_and_nothing_is_kept() {
    let world = World::published();
    let question = Visitor::new(&world).file_question("May I visit?", "A trip");
    until("the question is there", || world.vault(&["requests", "show", &question]).code.eq(&0).then_some(()));
    let mut owner = Owner::run_with(&world, &["requests", "answer", &question], &[("EDITOR", "nanoo")]);
    assert_eq!(owner.wait_for_exit(), 1, "{}", owner.screen());
    let said = written(&owner);
    assert!(said.contains("nanoo, which VISUAL or EDITOR names, cannot be run; set EDITOR"), "{said}");
    assert!(!said.contains("kept in"), "{said}");
}

#[test]
fn a_second_question_says_that_it_replaces_the_first() {
    let world = World::published();
    let question = Visitor::new(&world).file_question("May I visit?", "A trip");
    until("the question is there", || world.vault(&["requests", "show", &question]).code.eq(&0).then_some(()));
    let ask = |words: &str| {
        let mut owner = Owner::run(&world, &["requests", "ask", &question, "--words", words]);
        let screens = owner.read_to_the_end().join("\n");
        owner.type_word();
        assert_eq!(owner.wait_for_exit(), 0, "{}", owner.screen());
        screens
    };
    let replaces = "not answered yet; what you sign now takes its place";
    let first = ask("Who are you?");
    assert!(!first.contains(replaces), "{first}");
    let second = ask("When would you come?");
    assert!(second.contains("you asked   \u{2502} Who are you?") && second.contains(replaces), "{second}");
}

#[test]
fn items_fit_the_terminal_and_the_same_file_is_not_added_twice() {
    let world = World::unpaired();
    let title = "Letter of recommendation to the practice by the river, with its enclosures";
    let id = world.add(title, "letter.txt", b"Dear Doctor.\n");
    let mut owner = Owner::run(&world, &["items"]);
    assert_eq!(owner.wait_for_exit(), 0);
    let screen = owner.screen();
    let rows: Vec<&str> = screen.lines().filter(|row| !row.is_empty()).collect();
    let [row] = rows[..] else { panic!("{screen}") };
    assert!(row.starts_with(&id[..8]) && row.contains("text/plain") && row.ends_with('\u{2026}'), "{row}");
    assert!(row.contains("Letter of recommendation"), "{row}");
    let whole = world.vault(&["items"]).ok();
    assert!(whole.starts_with(&id) && whole.ends_with(title), "{whole}");
    let file = world.root().join("letter.txt").display().to_string();
    let add = |more: &[&str]| world.vault(&[&["add", &file, "--title", title], more].concat()).ok();
    for more in [&[][..], &["--listed"]] {
        let again = add(more);
        assert!(again.contains("already") && again.contains(&id) && again.contains("--again"), "{again}");
    }
    assert_eq!(world.vault_json(&["items"]).len(), 1);
    assert!(add(&["--again"]).starts_with("added"));
    fs::write(&file, "Dear Doctor Sample.\n").unwrap();
    assert!(add(&[]).starts_with("added"));
    // What is not listed does not stand for what is to be, and stays, which is said.
    let items = world.vault_json(&["items"]);
    let unlisted = items.iter().find(|item| item["bytes"] == 20).unwrap()["id"].as_str().unwrap();
    let said = add(&["--listed"]);
    assert!(said.starts_with("added"), "{said}");
    assert!(said.contains("second time, not listed, as they were:") && said.ends_with(unlisted), "{said}");
    assert_eq!(world.vault_json(&["items"]).len(), 4);
    assert!(add(&["--listed"]).contains("already") && add(&[]).contains("already"));
}

#[test]
fn an_item_that_would_look_wrong_to_visitors_is_not_added() {
    let world = World::unpaired();
    let file = world.file("letter.txt", b"Dear Doctor.\n");
    let refused = world.vault(&["add", file.to_str().unwrap(), "--media-type", "foo"]);
    assert!(refused.code == 2 && refused.stderr.contains("TYPE/SUBTYPE, such as application/pdf"), "{refused:?}");
    let refused = world.vault(&["add", file.to_str().unwrap(), "--title", "Dear\nDoctor"]);
    assert!(refused.code == 1 && refused.stderr.contains("U+000A; give a title with --title"), "{refused:?}");
    let two_lines = world.file("a letter\n\u{1b}[2J.txt", b"Dear Doctor.\n").display().to_string();
    let refused = world.vault(&["add", &two_lines]);
    assert!(refused.code == 1 && refused.stderr.contains("give a title with --title"), "{refused:?}");
    assert!(!refused.stderr.contains('\u{1b}'), "{refused:?}");
    assert!(world.vault_json(&["items"]).is_empty());
    world.vault(&["add", &two_lines, "--title", "Letter", "--media-type", "text/plain; charset=utf-8"]).ok();
    assert_eq!(world.vault_json(&["items"])[0]["media_type"], "text/plain; charset=utf-8");
}

#[test]
fn a_vault_whose_folders_others_can_change_does_not_start() {
    let place = Place::new();
    let home = place.folder("vault-home");
    assert_eq!(place.run("vault", &home, &["init", "--no-passphrase"]).code, 0);
    for folder in [home.join("config"), home.join("state"), home.clone()] {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        let ran = place.run("vault", &home, &["serve"]);
        let hint = format!("run: chmod go-w {}", folder.display());
        assert!(ran.code == 3 && ran.stderr.trim_end().ends_with(&hint), "{ran:?}");
        place.follow(hint.trim_start_matches("run: "));
    }
}
