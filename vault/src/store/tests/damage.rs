//! A small store and its write-ahead log with every bit turned over and at every length, opened as `vault serve` opens them:
//! refused with the way back and left as it was, or exactly a state that was once committed.

#![allow(clippy::print_stdout)]

use super::logs::publication;
use super::{Place, Running, filing, question, ticket};
use crate::config::Config;
use crate::daemon::{self, StartError, Started};
use crate::paths::Paths;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use node::files;
use node::home::Home;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use sha2::{Digest as _, Sha256};
use shared::ids::{CollectionId, Digest};
use shared::message::Subject;
use shared::text::Text;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use vault_core::Input;

/// Set in the environment, it takes the place of [`STRIDE`]: 1 damages every byte.
const STRIDE_VARIABLE: &str = "WEBIZEN_TEST_DAMAGE_STRIDE";
/// From one damaged byte to the next; it shares no factor with any page or frame.
const STRIDE: usize = 307;
/// Threads that damage copies.
const WORKERS: usize = 2;

/// A vault's files as a power cut leaves them, and every state that they were ever in.
struct Specimen {
    place: Place,
    store: Vec<u8>,
    log: Vec<u8>,
    /// A digest of all rows after each commit, oldest first.
    states: Vec<Digest>,
}

/// What became of one start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// It opened with everything there.
    Harmless,
    /// It opened as an earlier commit left it.
    Earlier,
    /// It was refused as damaged, with the way back, and the files were left alone.
    Refused,
    /// Anything else is a fault of the vault's.
    Wrong(String),
}

/// Every row of every table, as one digest.
fn rows(connection: &Connection) -> Result<Digest, rusqlite::Error> {
    let mut names = connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")?;
    let names = names.query_map([], |r| r.get(0))?.collect::<Result<Vec<String>, _>>()?;
    let mut hash = Sha256::new();
    for name in names {
        let mut rows = connection.prepare(&format!("SELECT * FROM {name} ORDER BY 1, 2"))?;
        let columns = rows.column_count();
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                let bytes = match row.get_ref(column)? {
                    ValueRef::Null => vec![0],
                    ValueRef::Integer(n) => [&[1], n.to_be_bytes().as_slice()].concat(),
                    ValueRef::Real(n) => [&[2], n.to_be_bytes().as_slice()].concat(),
                    ValueRef::Text(text) => [&[3], text].concat(),
                    ValueRef::Blob(blob) => [&[4], blob].concat(),
                };
                hash.update((bytes.len() as u64).to_be_bytes());
                hash.update(bytes);
            }
        }
        hash.update(name);
    }
    Ok(Digest(hash.finalize().into()))
}

/// Some life, with a note of the rows after each commit.
struct Life<'a> {
    running: Running,
    states: &'a mut Vec<Digest>,
}

impl Life<'_> {
    fn note(&mut self) {
        self.states.push(self.running.readers.read(rows).unwrap());
    }

    async fn release(&mut self, place: &Place, who: u32) {
        let signed = place.approve(&self.running.state(place, who).unwrap(), 2);
        self.running.act(move |t| t.decide(ticket(who), super::signed(signed))).await.unwrap();
        self.note();
        self.collect(who, 1).await;
    }

    async fn collect(&mut self, who: u32, device: u8) {
        let collect = Input::Collect { collection: CollectionId([device; 16]), offset: 0 };
        self.running.act(move |t| t.decide(ticket(who), collect)).await.unwrap();
        self.note();
    }
}

impl Specimen {
    /// A store with one of everything, closed in order, and more of it that is only in the write-ahead log.
    async fn new() -> Self {
        let kept = memory();
        let folder = kept.path().join("state");
        files::make_folder(&folder).unwrap();
        let place = Place::within(folder, kept);
        let mut states = vec![rows(&crate::store::open(&place.file(), &place.key()).unwrap()).unwrap()];
        let mut life = Life { running: place.run(), states: &mut states };
        let lane = life.running.lane().await;
        life.note();
        let item = life.running.add("Letter", &b"An invented letter.\n".repeat(450)).await;
        let (signed, bundle) = publication(&place, 1);
        life.running.act(|t| t.publish(signed, bundle)).await.unwrap();
        for who in 0..3 {
            life.running.act(move |t| t.file(filing(who, Subject::Item(item)), lane)).await.unwrap();
            life.running.act(move |t| t.prepare(ticket(who))).await.unwrap();
        }
        life.release(&place, 0).await;
        life.running.stop();
        let mut life = Life { running: place.run(), states: &mut states };
        life.note();
        life.collect(0, 2).await;
        life.running.act(|t| t.decide(ticket(2), Input::Withdrawn)).await.unwrap();
        life.note();
        life.running.act(move |t| t.file(question(9), lane)).await.unwrap();
        life.note();
        let read = |path| fs::read(path).unwrap();
        let (store, log) = (read(place.file()), read(place.file().with_extension("db-wal")));
        drop(life);
        assert!(store.len().is_multiple_of(4096) && log.len() > 4096);
        Self { place, store, log, states }
    }

    /// Another vault of the same keys, to be damaged.
    fn bench(&self) -> Bench<'_> {
        let folder = memory();
        let paths = Paths(Home::find(Some(folder.path()), |_| None).unwrap());
        for folder in [paths.0.config(), paths.0.state()] {
            files::make_folder(folder).unwrap();
        }
        files::write_new(&paths.node_key(), link::Identity::generate().unwrap().as_bytes()).unwrap();
        let log_key = super::log_key().to_pkcs8_pem(LineEnding::LF).unwrap();
        files::write_new(&paths.log_key(), log_key.as_bytes()).unwrap();
        files::write_new(&paths.sealing_key(), shared::ids::hex(&super::SEALING).as_bytes()).unwrap();
        files::write_new(&paths.store_key(), shared::ids::hex(&[6; 32]).as_bytes()).unwrap();
        files::write_new(&paths.signers(), self.place.owners.signers().render().as_bytes()).unwrap();
        let config = Config {
            quorum: 1,
            cooling: 0,
            name: "vault".parse().unwrap(),
            origin: self.place.origin.clone(),
            owner_name: Text::new("Sam Sample").unwrap(),
            owner_key: PathBuf::new(),
            desk_uids: Vec::new(),
            log_level: node::config::Level::Error,
        };
        Bench { specimen: self, paths, config, _folder: folder }
    }
}

/// A folder in memory, where there is one: the flushes of a hundred thousand starts would wear a disk out.
fn memory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

struct Bench<'a> {
    specimen: &'a Specimen,
    paths: Paths,
    config: Config,
    _folder: tempfile::TempDir,
}

impl Bench<'_> {
    /// Starts a vault on these files, and compares what it then holds with every state that was ever committed.
    fn start(&self, store: &[u8], log: &[u8]) -> Outcome {
        let [store_file, log_file] = self.files();
        fs::write(&store_file, store).unwrap();
        fs::write(&log_file, log).unwrap();
        match self.open() {
            Ok(started) => {
                let found = started.vault.readers.read(rows);
                end(started);
                self.judge(found)
            }
            Err(error) => {
                let (code, words) = (error.code(), error.to_string());
                let left = fs::read(&store_file).unwrap() == store && fs::read(&log_file).unwrap() == log;
                match (code, words.contains("from a backup"), left) {
                    (node::exit::INTEGRITY, true, true) => Outcome::Refused,
                    _ => Outcome::Wrong(format!("exit {code}, files left alone: {left}: {words}")),
                }
            }
        }
    }

    /// A program that another test is about to run holds a copy of the lock between its fork and its exec.
    fn open(&self) -> Result<Started, StartError> {
        let deadline = std::time::Instant::now() + super::DEADLINE;
        loop {
            match daemon::start(&self.paths, self.config.clone()) {
                Err(StartError::Running) if std::time::Instant::now() < deadline => std::thread::yield_now(),
                other => return other,
            }
        }
    }

    fn judge(&self, found: Result<Digest, rusqlite::Error>) -> Outcome {
        let states = &self.specimen.states;
        match found.map(|digest| states.iter().rposition(|state| *state == digest)) {
            Ok(Some(at)) if at + 1 == states.len() => Outcome::Harmless,
            Ok(Some(_)) => Outcome::Earlier,
            Ok(None) => Outcome::Wrong("it opened as a state that never was".into()),
            Err(error) => Outcome::Wrong(format!("it opened and cannot be read: {error}")),
        }
    }

    fn files(&self) -> [PathBuf; 2] {
        [self.paths.store(), self.paths.store().with_extension("db-wal")]
    }
}

/// Stops a vault and waits until its writer has closed the store.
fn end(started: Started) {
    let Started { vault, writer_thread, .. } = started;
    drop(vault);
    writer_thread.join().unwrap();
}

/// Which of both files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Store,
    Log,
}

/// One kind of damage at each place that the stride meets; how many cases had which outcome.
fn damage(
    specimen: &Specimen,
    part: Part,
    stride: usize,
    harm: impl Fn(&mut Vec<u8>, usize) + Sync,
) -> BTreeMap<Outcome, usize> {
    let whole = if part == Part::Store { &specimen.store } else { &specimen.log };
    let mut all = BTreeMap::new();
    std::thread::scope(|scope| {
        let harm = &harm;
        let workers: Vec<_> = (0..WORKERS)
            .map(|first| {
                scope.spawn(move || {
                    let (bench, mut counts) = (specimen.bench(), BTreeMap::new());
                    for at in (0..whole.len()).step_by(stride).skip(first).step_by(WORKERS) {
                        let mut bad = whole.clone();
                        harm(&mut bad, at);
                        let outcome = match part {
                            Part::Store => bench.start(&bad, &specimen.log),
                            Part::Log => bench.start(&specimen.store, &bad),
                        };
                        assert!(!matches!(outcome, Outcome::Wrong(_)), "{part:?}, byte {at}: {outcome:?}");
                        *counts.entry(outcome).or_insert(0) += 1;
                    }
                    counts
                })
            })
            .collect();
        for worker in workers {
            for (outcome, count) in worker.join().unwrap() {
                *all.entry(outcome).or_insert(0) += count;
            }
        }
    });
    all
}

fn flip(bytes: &mut [u8], at: usize) {
    bytes[at] ^= 1 << (at % 8);
}

fn cut(bytes: &mut Vec<u8>, at: usize) {
    bytes.truncate(at);
}

/// What a write that never reached the disk leaves in the place of a sector.
const SECTOR: usize = 512;

fn zero(bytes: &mut [u8], at: usize) {
    let end = bytes.len().min(at + SECTOR);
    bytes[at..end].fill(0);
}

#[tokio::test]
async fn a_store_and_its_log_damaged_at_any_byte_are_refused_or_exactly_what_was_committed() {
    let specimen = Specimen::new().await;
    let (store, log) = (specimen.store.len(), specimen.log.len());
    println!("damage: a store of {store} bytes, a write-ahead log of {log}, {} states", specimen.states.len());
    assert_eq!(specimen.bench().start(&specimen.store, &specimen.log), Outcome::Harmless);
    assert_eq!(specimen.bench().start(&specimen.store, &[]), Outcome::Earlier);
    let stride = std::env::var(STRIDE_VARIABLE).map_or(STRIDE, |stride| stride.parse().unwrap());
    type Harm = fn(&mut Vec<u8>, usize);
    let harms: [(&str, usize, Harm); 3] = [
        ("one bit flipped", stride, |bytes, at| flip(bytes, at)),
        ("cut off", stride, cut),
        ("a sector zeroed", SECTOR, |bytes, at| zero(bytes, at)),
    ];
    let (mut refused, mut earlier) = (0, 0);
    for part in [Part::Store, Part::Log] {
        for (words, stride, harm) in harms {
            let counts = damage(&specimen, part, stride, harm);
            println!("damage: {part:?}, {words}: {counts:?}");
            refused += counts.get(&Outcome::Refused).unwrap_or(&0);
            earlier += counts.get(&Outcome::Earlier).unwrap_or(&0);
        }
    }
    assert!(refused > 0 && earlier > 0, "the damage was none");
}

#[tokio::test]
async fn a_page_of_zeros_is_refused_or_holds_nothing() {
    let specimen = Specimen::new().await;
    let bench = specimen.bench();
    for page in 0..specimen.store.len() / 4096 {
        let mut bad = specimen.store.clone();
        bad[page * 4096..(page + 1) * 4096].fill(0);
        let outcome = bench.start(&bad, &specimen.log);
        assert!(!matches!(outcome, Outcome::Wrong(_)), "page {page}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_row_that_was_taken_out_or_altered_with_the_key_is_found_by_this_check() {
    let specimen = Specimen::new().await;
    let place = &specimen.place;
    for (change, by_the_vault) in [
        ("DELETE FROM request WHERE id = (SELECT id FROM request WHERE undecided = 1 LIMIT 1)", false),
        ("DELETE FROM leaf WHERE idx = (SELECT max(idx) FROM leaf)", true),
        ("UPDATE leaf SET leaf = (SELECT leaf FROM leaf WHERE idx = 2) WHERE idx = 3", true),
        ("UPDATE node SET hash = zeroblob(32) WHERE level = 0 AND idx = 1", true),
        ("DELETE FROM node WHERE level = 1 AND idx = 0", true),
        ("INSERT INTO node VALUES (40, 1, zeroblob(32))", true),
    ] {
        let bench = specimen.bench();
        let [store, log] = bench.files();
        fs::write(&store, &specimen.store).unwrap();
        fs::write(&log, &specimen.log).unwrap();
        let connection = crate::store::open(&store, &place.key()).unwrap();
        assert_eq!(connection.execute(change, []).unwrap(), 1, "{change}");
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        drop(connection);
        let outcome = bench.start(&fs::read(&store).unwrap(), &[]);
        let expected =
            if by_the_vault { Outcome::Refused } else { Outcome::Wrong("it opened as a state that never was".into()) };
        assert_eq!(outcome, expected, "{change}");
    }
}
