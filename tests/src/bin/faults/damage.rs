//! Damaged files under the real binary: it refuses to start, with the right exit code and the way back, leaves every file as it
//! is, and makes no new store in an old one's place.

use crate::say;
use shared::sshsig::{PublicKey, Signers};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::World;

/// What is done to one file.
enum Harm {
    Flip(usize),
    Cut(usize),
    Replace(Vec<u8>),
    Remove,
}

struct Case {
    file: &'static str,
    harm: Harm,
    code: i32,
    /// What it must say.
    words: &'static str,
}

fn case(file: &'static str, harm: Harm, code: i32, words: &'static str) -> Case {
    Case { file, harm, code, words }
}

/// The exit codes that the programs' help names.
const FAILURE: i32 = 1;
const INTEGRITY: i32 = 5;
const BACKUP: &str = "from a backup";

/// A right list of signers that holds a key of somebody else's.
fn other_signers(folder: &Path) -> Vec<u8> {
    let key = folder.join("other");
    let mut command = Command::new("ssh-keygen");
    assert!(command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status().unwrap().success());
    let line = fs::read_to_string(key.with_extension("pub")).unwrap();
    Signers::of(vec![PublicKey::from_openssh(&line).unwrap()]).render().into_bytes()
}

fn cases(store: usize, signers: Vec<u8>) -> Vec<Case> {
    use Harm::{Cut, Flip, Remove, Replace};
    let damaged = INTEGRITY;
    let mut all: Vec<Case> = [0, 15, 16, 100, 4095, 4096, 3 * 4096 + 77, store - 1]
        .map(|at| case("state/store.db", Flip(at), damaged, BACKUP))
        .into();
    all.extend(
        [0, 1, 100, 4095, 4096, store / 2, store - 1].map(|at| case("state/store.db", Cut(at), damaged, BACKUP)),
    );
    all.extend([
        case("state/store.db", Replace(vec![0; store]), damaged, BACKUP),
        case("state/store.db", Replace(b"SQLite format 3\0".repeat(store / 16)), damaged, BACKUP),
        case("state/store.db", Remove, FAILURE, BACKUP),
        case("state/store-key.hex", Replace("ab".repeat(32).into_bytes()), damaged, BACKUP),
        case("state/store-key.hex", Replace(vec![0xff; 64]), damaged, BACKUP),
        case("state/store-key.hex", Remove, FAILURE, BACKUP),
        case("state/log-key.pem", Remove, FAILURE, BACKUP),
        case("config/allowed_signers", Flip(40), damaged, BACKUP),
        case("config/allowed_signers", Cut(0), damaged, BACKUP),
        case("config/allowed_signers", Replace(vec![0xff; 99]), damaged, BACKUP),
        case("config/allowed_signers", Replace(signers), damaged, "Put the old ones back"),
        case("config/allowed_signers", Remove, FAILURE, BACKUP),
        case("config/vault.toml", Cut(70), FAILURE, "vault.toml"),
        case("config/vault.toml", Replace(vec![0xff; 9]), FAILURE, "vault.toml"),
        case("config/vault.toml", Remove, FAILURE, "vault.toml"),
    ]);
    for file in ["state/store-key.hex", "state/node-key.pem", "state/log-key.pem", "state/sealing-key.hex"] {
        all.extend([0, 40].map(|at| case(file, Cut(at), damaged, BACKUP)));
    }
    all
}

/// Every case in turn; whether nothing was found.
pub(crate) fn run() -> bool {
    let mut world = World::unpaired();
    world.add("Letter", "letter.txt", &vec![b'x'; 9000]);
    assert!(world.vault_node().stop().success());
    let home = world.vault_node().home().to_owned();
    // What a write-ahead log has too is not missed where the store is damaged.
    let store = crate::log::open(&home, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    store.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(store);
    let whole = files(&home);
    let store = whole[Path::new("state/store.db")].len();
    let (mut count, mut faults) = (0, 0);
    for case in cases(store, other_signers(world.root())) {
        count += 1;
        if let Err(words) = try_one(&mut world, &home, &whole, &case) {
            faults += 1;
            say(&format!("damage: FAULT {}: {words}", case.file));
        }
    }
    restore(&home, &whole);
    world.start_vault(&[]);
    assert_eq!(world.vault_json(&["items"]).len(), 1, "what was put back is not what was there");
    say(&format!("damage: {count} starts on damaged files, {faults} faults"));
    faults == 0
}

/// Starts on one damaged file; what was wrong with what came of it.
fn try_one(world: &mut World, home: &Path, whole: &Files, case: &Case) -> Result<(), String> {
    restore(home, whole);
    let path = home.join(case.file);
    let mut bytes = whole[Path::new(case.file)].clone();
    match &case.harm {
        Harm::Flip(at) => bytes[*at] ^= 1,
        Harm::Cut(length) => bytes.truncate(*length),
        Harm::Replace(other) => bytes.clone_from(other),
        Harm::Remove => {}
    }
    match case.harm {
        Harm::Remove => fs::remove_file(&path).unwrap(),
        Harm::Flip(_) | Harm::Cut(_) | Harm::Replace(_) => fs::write(&path, bytes).unwrap(),
    }
    let before = files(home);
    let logged = world.vault_node().log().len();
    world.vault_node().start(&[]);
    let code = world.vault_node().wait_for_end().code();
    let words = world.vault_node().log().split_off(logged);
    if code != Some(case.code) || !words.contains(case.words) {
        return Err(format!("exit {code:?}, wanted {} and {:?}: {words}", case.code, case.words));
    }
    if files(home) != before {
        return Err(format!("a file was changed or made: {words}"));
    }
    Ok(())
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Every file that must outlive a process; the shared memory beside the store need not.
fn files(home: &Path) -> Files {
    let folders = ["config", "state"].map(|folder| fs::read_dir(home.join(folder)).unwrap());
    let paths = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    let lasting = paths.filter(|path| path.file_name().is_some_and(|name| name != "store.db-shm"));
    // An empty write-ahead log says nothing.
    let content = lasting.map(|path| (path.strip_prefix(home).unwrap().to_owned(), fs::read(&path).unwrap()));
    content.filter(|(path, bytes)| !bytes.is_empty() || !path.ends_with("store.db-wal")).collect()
}

fn restore(home: &Path, whole: &Files) {
    for path in files(home).keys().filter(|path| !whole.contains_key(*path)) {
        fs::remove_file(home.join(path)).unwrap();
    }
    for (path, bytes) in whole {
        let path = home.join(path);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}
