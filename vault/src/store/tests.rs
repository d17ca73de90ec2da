//! The store as the daemon uses it: real SQLCipher files, the real writer, and `ssh-keygen` for the owner.

mod attacks;
mod batches;
mod damage;
mod ends;
mod filings;
mod full;
mod logs;
mod opening;
mod payloads;
mod unseen;

use super::writer::Done;
use super::{Ground, Hooks, Readers, StoreKey, Tip, Transaction, Upload, Uploaded, WriteError, Writer};
use crate::timekeeper::Timekeeper;
use shared::ids::{Digest, ItemId, Ticket, TicketHash};
use shared::message::{Filing, Recipient, Subject};
use shared::pairing::ReceptionLine;
use shared::sshsig::{PublicKey, Signers};
use shared::statement::{NAMESPACE, Shown, Statement};
use shared::text::Text;
use shared::time::{Boot, Reading, Time};
use shared::tlog::{Frontier, Origin, VerifierKey};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use vault_core::{Choice, Draft, Effect, Input, LaneId, Now, Owners, Signed, State, approval};

/// Nothing here takes as long.
const DEADLINE: Duration = Duration::from_secs(60);
/// A private sealing key.
const SEALING: [u8; 32] = [7; 32];
const NOON: u64 = 1_795_348_800;

fn noon() -> Time {
    Time::from_unix(NOON)
}

/// After every request's deadline.
fn next_month() -> Time {
    Time::from_unix(NOON + 31 * 86_400)
}

/// Both clocks, in step with each other.
fn reading(wall: Time) -> Reading {
    Reading { wall, since_boot: wall.unix() - NOON, boot: Boot([1; 16]) }
}

/// An input that hands in what an owner signed.
fn signed(signed: Signed) -> Input {
    Input::Signed { signed, fresh: super::nonce().unwrap() }
}

/// A folder with a new store, its keys, and an owner's key made by `ssh-keygen`.
struct Place {
    folder: PathBuf,
    _kept: tempfile::TempDir,
    origin: Origin,
    owners: Arc<Owners>,
    cooling: u64,
}

/// A store with its writer, and what the rest of a daemon would hear.
struct Running {
    writer: Writer,
    readers: Readers,
    clock: Arc<Timekeeper>,
    heard: Receiver<Heard>,
    /// Dropped last.
    end: End,
}

/// Waits for the writer's thread: a process that ends while that closes the store takes the library away under it.
struct End(tokio::sync::watch::Receiver<()>, Option<std::thread::JoinHandle<()>>);

impl Drop for End {
    fn drop(&mut self) {
        let deadline = std::time::Instant::now() + DEADLINE;
        while self.0.has_changed().is_ok() && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.0.has_changed().is_err() {
            // A test may have made it fail.
            drop(self.1.take().map(std::thread::JoinHandle::join));
        }
    }
}

enum Heard {
    Shown(TicketHash),
    Effect(&'static str),
}

fn log_key() -> ed25519_dalek::SigningKey {
    ed25519_dalek::SigningKey::from_bytes(&[8; 32])
}

fn ticket(who: u32) -> TicketHash {
    let mut secret = [0; 32];
    secret[..4].copy_from_slice(&who.to_be_bytes());
    Ticket::from_random(secret).hash()
}

fn filing(who: u32, subject: Subject) -> Filing {
    // In words of their own, so that no two are alike.
    let purpose = Text::new(format!("We met at the fair, at stand {who}; I am hiring.")).unwrap();
    Filing { ticket: ticket(who), subject, purpose, contact: None, recipient: Recipient::Ticket }
}

fn question(who: u32) -> Filing {
    filing(who, Subject::Question(Text::new("Do you bake rye bread?").unwrap()))
}

fn reception(name: &str) -> ReceptionLine {
    let pin = Digest::of(name.as_bytes());
    let witness = VerifierKey::of(Origin::new(&format!("{name}.example.org/w")).unwrap(), &log_key());
    format!("webizen-reception v1 name={name} address={name}.example.org:7443 pin={pin} witness={witness}")
        .parse()
        .unwrap()
}

impl Place {
    fn new() -> Self {
        let kept = tempfile::tempdir().unwrap();
        Self::within(kept.path().to_owned(), kept)
    }

    /// As `vault init` begins a store: its first entry names the owner's keys.
    fn within(folder: PathBuf, kept: tempfile::TempDir) -> Self {
        let key = kept.path().join("owner");
        let mut command = std::process::Command::new("ssh-keygen");
        assert!(command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status().unwrap().success());
        let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
        let signers = Signers::of(vec![PublicKey::from_openssh(&public).unwrap()]);
        let origin = Origin::new("vault.example.org/3f2a").unwrap();
        let owners = Arc::new(Owners::new(signers, 1).unwrap());
        let place = Self { folder, _kept: kept, origin, owners, cooling: 0 };
        super::create(&place.file(), &place.key()).unwrap();
        let connection = super::open(&place.file(), &place.key()).unwrap();
        let tip = Tip::sign(Frontier::new(), &place.origin, &log_key());
        super::begin(&connection, &place.ground(), &place.own(), &tip, reading(noon())).unwrap();
        place
    }

    fn file(&self) -> PathBuf {
        self.folder.join("store.db")
    }

    fn key(&self) -> StoreKey {
        StoreKey::new([6; 32])
    }

    fn own(&self) -> super::OwnKeys {
        let sealing = crate::sealing::SealingKey::new(zeroize::Zeroizing::new(SEALING)).unwrap();
        super::OwnKeys { log: VerifierKey::of(self.origin.clone(), &log_key()), sealing: sealing.public() }
    }

    fn ground(&self) -> Ground {
        Ground { vault: self.origin.clone(), owners: self.owners.clone(), cooling: self.cooling }
    }

    fn run(&self) -> Running {
        self.run_at(noon)
    }

    fn run_at(&self, clock: fn() -> Time) -> Running {
        self.run_on(self.ground(), clock)
    }

    fn run_on(&self, ground: Ground, clock: fn() -> Time) -> Running {
        let connection = super::open(&self.file(), &self.key()).unwrap();
        let tip = Tip::sign(super::frontier(&connection).unwrap(), &self.origin, &log_key());
        let (tell, heard) = channel();
        let standing = super::standing(&connection).unwrap();
        let clock = Arc::new(Timekeeper::new(standing.clock, Box::new(move || reading(clock()))));
        let hooks = hooks(&tell, clock.clone());
        let (writer, thread) = Writer::start(connection, ground, tip, standing.brake, log_key(), hooks).unwrap();
        let end = End(writer.ended(), Some(thread));
        Running { writer, readers: Readers::new(&self.file(), Arc::new(self.key())), clock, heard, end }
    }

    /// `ssh-keygen`'s signature over `statement`.
    fn sign(&self, statement: impl Into<Statement>) -> Signed {
        let statement = statement.into().render();
        let key = self._kept.path().join("owner");
        let owners = self.owners.signers().keys().iter().map(PublicKey::fingerprint).collect::<Vec<_>>();
        let signature = crate::sign::Key::look(&key, &owners).unwrap().sign(NAMESPACE, statement.as_bytes()).unwrap();
        Signed::one(statement, signature)
    }

    /// The owner's approval of what `state` waits with.
    fn approve(&self, state: &State, collections: u32) -> Signed {
        let vault_core::Stage::AwaitingOwner(draft, _) = &state.stage else { panic!("{}", state.stage.name()) };
        let choice = Choice { shown: Shown::Whole, collections, not_after: Time::from_unix(NOON + 86_400) };
        self.sign(approval(&self.origin, &state.request, draft, choice))
    }
}

fn hooks(tell: &Sender<Heard>, clock: Arc<Timekeeper>) -> Hooks {
    let (shown, effect) = (tell.clone(), tell.clone());
    Hooks {
        shown: Box::new(move |ticket, _| drop(shown.send(Heard::Shown(ticket)))),
        effect: Box::new(move |effect_| drop(effect.send(Heard::Effect(named(&effect_))))),
        brake: Box::new(|_| ()),
        clock,
    }
}

fn named(effect: &Effect) -> &'static str {
    match effect {
        Effect::Prepare(_) => "prepare",
        Effect::TellOwner => "owner",
        Effect::TellVisitor(..) => "visitor",
        Effect::Serve(_) => "serve",
    }
}

impl Running {
    /// Runs one job; waits for its commit.
    async fn act<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Transaction<'_>) -> Result<Done<T>, WriteError> + Send + 'static,
    ) -> Result<T, WriteError> {
        tokio::time::timeout(DEADLINE, self.writer.act(job)).await.unwrap().map(|(answer, _)| answer)
    }

    async fn lane(&self) -> LaneId {
        self.act(|t| t.pair(&reception("front"))).await.unwrap()
    }

    async fn upload(&self, bytes: &[u8]) -> Uploaded {
        let mut upload = Upload::begin(self.writer.clone()).await.unwrap();
        for piece in bytes.chunks(shared::limits::CHUNK) {
            upload.chunk(piece.to_vec()).await.unwrap();
        }
        upload.finish()
    }

    /// Adds a listed item.
    async fn add(&self, title: &str, bytes: &[u8]) -> ItemId {
        let uploaded = self.upload(bytes).await;
        let new = super::NewItem {
            title: Text::new(title).unwrap(),
            listed: true,
            media_type: Text::new("text/markdown").unwrap(),
            bytes: uploaded.bytes,
        };
        self.act(move |t| t.keep(&uploaded).and_then(|payload| t.add_item(&new, payload))).await.unwrap()
    }

    fn state(&self, place: &Place, who: u32) -> Option<State> {
        self.readers.read(|c| super::find(c, ticket(who).request(), &place.origin, &place.owners)).unwrap()
    }

    fn draft(&self, place: &Place, who: u32) -> Draft {
        let state = self.state(place, who).unwrap();
        let vault_core::Stage::AwaitingOwner(draft, _) = state.stage else { panic!("{}", state.stage.name()) };
        draft
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    fn count(&self, query: &str) -> i64 {
        self.readers.read(|c| c.query_row(query, [], |r| r.get::<_, i64>(0))).unwrap()
    }

    /// Waits until a count is this.
    fn until(&self, query: &str, wanted: i64) {
        let deadline = std::time::Instant::now() + DEADLINE;
        while self.count(query) != wanted {
            assert!(std::time::Instant::now() < deadline, "{query} never gave {wanted}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What was heard since the last time.
    fn heard(&self) -> Vec<Heard> {
        self.heard.try_iter().collect()
    }

    /// Ends the writer's thread and waits until it has closed the file.
    fn stop(self) {
        let Self { writer, readers, clock: _, heard, end: _end } = self;
        // The last connection to close empties the write-ahead log, which one that can only read cannot do.
        drop(readers);
        drop(writer);
        let ended = loop {
            if let Err(ended) = heard.recv_timeout(DEADLINE) {
                break ended;
            }
        };
        assert_eq!(ended, std::sync::mpsc::RecvTimeoutError::Disconnected);
    }
}

/// Runs the test `name` of this program again, as `command` wraps it, and expects it to pass there.
fn again(mut command: std::process::Command, name: &str, folder: &Path) {
    let program = std::env::current_exe().unwrap();
    command.arg(program).args(["--exact", name, "--nocapture"]).env(full::SMALL_DISK, folder);
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
