//! The one writer: a thread that owns the connection, runs jobs in group commits, and opens what follows from them only
//! after the commit and the checkpoint that covers it.
//!
//! The order of durable acts in a batch: BEGIN, the jobs (each in a savepoint), COMMIT with its flush, the checkpoint signed
//! in memory, then effects and answers, a job's rejection among them. A crash before the flush loses jobs that nobody was told
//! of; a crash after it loses only answers, and asking again finds the state.

use super::log::Tip;
use super::payloads::{self, is_left};
use super::transaction::{Ground, Transaction};
use crate::table::Row;
use crate::timekeeper::Timekeeper;
use node::Thinned;
use rusqlite::hooks::Wal;
use rusqlite::{Connection, ErrorCode};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};
use vault_core::{AfterCommit, Brake, Effect, Going, Rejected};

/// Jobs in one commit, at most.
const BATCH: usize = 64;
/// Jobs that may wait; the sender of one more waits too.
const QUEUE: usize = 1024;
/// Pages in the write-ahead log from which on it is copied into the store.
const LOG_PAGES: i32 = 1000;
/// The longest pause before another piece of what is left of uploads is removed.
const PIECE: Duration = Duration::from_millis(100);

/// Why something was not written. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The release core said no.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// Not a publication of the owner's.
    #[error(transparent)]
    Published(#[from] vault_core::NotPublished),
    /// Nobody filed it.
    #[error("there is no such request")]
    NoRequest,
    /// One id, two filings.
    #[error("the same request was filed before with other words")]
    Conflict,
    /// What was asked for cannot be done; in words.
    #[error("{0}")]
    Invalid(String),
    /// What is stored is not what was written; in words.
    #[error("{0}; restore the store from a backup")]
    Damaged(String),
    /// What is stored does not verify.
    #[error("the stored request cannot be trusted: {0}")]
    Record(#[from] vault_core::BadRecord),
    /// A payload was changed behind our back.
    #[error("the payload in the store is not what was signed; nothing of it was released. Restore it from a backup")]
    Altered,
    /// No space.
    #[error("the disk is full; free some space on the store's file system and try again. Nothing was lost")]
    Full,
    /// The commit failed.
    #[error("the disk failed or filled up while this was written; nothing of it was kept. Look at the vault's log")]
    Lost,
    /// No randomness.
    #[error("the system gave no randomness")]
    Random,
    /// The writer is gone.
    #[error("the vault is stopping")]
    Stopping,
    /// Anything else that the store's library says.
    #[error("the store failed: {0}")]
    Sqlite(rusqlite::Error),
}

impl WriteError {
    /// Whether stored data is in doubt, and not only the disk or the moment.
    pub(crate) fn is_integrity(&self) -> bool {
        match self {
            Self::Record(_) | Self::Altered | Self::Damaged(_) => true,
            Self::Sqlite(e) => !e.sqlite_error_code().is_some_and(is_of_the_moment),
            Self::Rejected(_)
            | Self::Published(_)
            | Self::NoRequest
            | Self::Conflict
            | Self::Invalid(_)
            | Self::Full
            | Self::Lost
            | Self::Random
            | Self::Stopping => false,
        }
    }

    /// A job's own error, or the commit's: what a job was judged by may have been written by others of its batch, and is not
    /// there if the commit fails.
    fn unless_lost(self, committed: Committed) -> Self {
        match (self, committed) {
            (own, Ok(_)) | (own @ (Self::Full | Self::Sqlite(_)), Err(_)) => own,
            (_, Err(lost)) => lost,
        }
    }

    /// Whether the same may succeed later: the disk was full, or failed.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Full | Self::Lost | Self::Random | Self::Sqlite(_)) && !self.is_integrity()
    }
}

/// Whether the disk or the machine failed, and the data need not be at fault.
fn is_of_the_moment(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory
            | ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly
    )
}

impl From<rusqlite::Error> for WriteError {
    fn from(e: rusqlite::Error) -> Self {
        if e.sqlite_error_code() == Some(ErrorCode::DiskFull) { Self::Full } else { Self::Sqlite(e) }
    }
}

/// What the rest of the daemon hears after a commit.
pub(crate) struct Hooks {
    /// A request's view for visitors changed.
    pub(crate) shown: Box<dyn Fn(shared::ids::TicketHash, Row) + Send>,
    /// Releases stop, or go on.
    pub(crate) brake: Box<dyn Fn(Going) + Send>,
    /// An effect other than serving.
    pub(crate) effect: Box<dyn Fn(Effect) + Send>,
    /// The clock.
    pub(crate) clock: Arc<Timekeeper>,
}

/// What a job leaves behind for after the commit.
pub(crate) struct Done<T> {
    pub(crate) answer: T,
    pub(crate) shown: Vec<(shared::ids::TicketHash, Row)>,
    pub(crate) effects: AfterCommit<Vec<Effect>>,
}

impl<T> Done<T> {
    /// Nothing follows but the answer.
    pub(crate) fn quiet(answer: T) -> Self {
        Self { answer, shown: Vec::new(), effects: AfterCommit::nothing() }
    }
}

/// What a batch's commit came to for one of its jobs.
type Committed = Result<Vec<Effect>, WriteError>;
type Ending = Box<dyn FnOnce(Committed, &Hooks) + Send>;
type Outcome = (AfterCommit<Vec<Effect>>, Ending);
/// Runs in a transaction, or, without one, tells its caller that nothing was written.
type Job = Box<dyn FnOnce(Option<&mut Transaction<'_>>) -> Option<Outcome> + Send>;

/// Payloads of which nobody will see what was uploaded.
type Leftovers = Arc<Mutex<Vec<i64>>>;

/// A handle to the writer's thread.
#[derive(Clone)]
pub(crate) struct Writer {
    /// `None` has the thread look at what is left of uploads.
    jobs: SyncSender<Option<Job>>,
    leftovers: Leftovers,
    tip: Arc<RwLock<Tip>>,
    brake: Arc<RwLock<Brake>>,
    ended: watch::Receiver<()>,
}

impl Writer {
    /// Starts the thread, and gives it back, too. It ends when every handle is dropped. What is left of uploads that never became
    /// whole is removed beside everything else.
    ///
    /// Whoever ends the process joins the thread first: at its very end it gives back what OpenSSL keeps for it, and OpenSSL gives
    /// back everything at the end of the process. Both at once corrupt the memory.
    pub(crate) fn start(
        mut connection: Connection,
        ground: Ground,
        tip: Tip,
        brake: Brake,
        log_key: ed25519_dalek::SigningKey,
        hooks: Hooks,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        super::keep_tidy(&connection).map_err(std::io::Error::other)?;
        // In the place of SQLite's own checkpoints, which tell nobody of a flush that failed.
        let log_pages = Arc::<AtomicI32>::default();
        let counted = log_pages.clone();
        let count = move |_: &mut Wal, pages| {
            counted.store(pages, Ordering::Relaxed);
            Ok(())
        };
        connection.wal_hook(Some(count)).map_err(std::io::Error::other)?;
        let (jobs, queue) = sync_channel(QUEUE);
        let (tip, brake) = (Arc::new(RwLock::new(tip)), Arc::new(RwLock::new(brake)));
        let (ending, ended) = watch::channel(());
        let (shared_tip, shared_brake) = (tip.clone(), brake.clone());
        let left = payloads::left(&connection).map_err(std::io::Error::other)?;
        let leftovers = Leftovers::new(Mutex::new(left));
        let thread = Thread {
            connection,
            ground,
            tip: shared_tip,
            brake: shared_brake,
            log_key,
            log_pages,
            leftovers: leftovers.clone(),
            hooks,
            failures: Thinned::new("the store fails", "the store failed more often"),
            _ending: ending,
        };
        let thread = std::thread::Builder::new().name("writer".into()).spawn(move || thread.run(&queue))?;
        Ok((Self { jobs, leftovers, tip, brake, ended }, thread))
    }

    /// Has an upload removed, unless it was made visible: a piece at a time, beside everything else, and again and again while
    /// the disk is full. What that does not come to is left to the next start.
    pub(super) fn forget(&self, payload: i64) {
        self.leftovers.lock().unwrap_or_else(PoisonError::into_inner).push(payload);
        // A thread that waits for its next job sees it; one with a full queue has no need to.
        drop(self.jobs.try_send(None));
    }

    /// Whether releases go on, as last committed.
    pub(crate) fn brake(&self) -> Brake {
        self.brake.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hears of the thread's end: it closes when the store is closed.
    pub(crate) fn ended(&self) -> watch::Receiver<()> {
        self.ended.clone()
    }

    /// Whether the thread still ends what it is given; known once it has. A disk that refuses is an answer, too.
    pub(crate) async fn answers(&self) -> bool {
        !matches!(self.act(|_| Ok(Done::quiet(()))).await, Err(WriteError::Stopping))
    }

    /// The log's tip; covers everything that any answer so far told of.
    pub(crate) fn tip(&self) -> Tip {
        self.tip.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs `job` in a transaction; returns its answer and its permits once both are durable and covered by a checkpoint.
    ///
    /// # Errors
    /// [`WriteError`]: the job's own, or the commit's; in both cases nothing was written.
    pub(crate) async fn act<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Transaction<'_>) -> Result<Done<T>, WriteError> + Send + 'static,
    ) -> Result<(T, Vec<Effect>), WriteError> {
        let (answer, wait) = oneshot::channel();
        let jobs = self.jobs.clone();
        let job = Some(boxed(job, answer));
        match jobs.try_send(job) {
            Ok(()) => {}
            Err(std::sync::mpsc::TrySendError::Disconnected(_)) => return Err(WriteError::Stopping),
            Err(std::sync::mpsc::TrySendError::Full(job)) => {
                let sent = tokio::task::spawn_blocking(move || jobs.send(job)).await;
                if !matches!(sent, Ok(Ok(()))) {
                    return Err(WriteError::Stopping);
                }
            }
        }
        wait.await.unwrap_or(Err(WriteError::Stopping))
    }
}

type Answer<T> = oneshot::Sender<Result<(T, Vec<Effect>), WriteError>>;

/// Wraps a typed job so that its answer is sent only by its ending.
fn boxed<T: Send + 'static>(
    job: impl FnOnce(&mut Transaction<'_>) -> Result<Done<T>, WriteError> + Send + 'static,
    answer: Answer<T>,
) -> Job {
    Box::new(move |transaction| {
        let Some(transaction) = transaction else {
            drop(answer.send(Err(WriteError::Lost)));
            return None;
        };
        let (effects, ending): (_, Ending) = match transaction.part(job) {
            Ok(Done { answer: value, shown, effects }) => {
                let ending = move |committed: Committed, hooks: &Hooks| {
                    let result = committed.map(|effects| {
                        shown.into_iter().for_each(|(ticket, shown)| (hooks.shown)(ticket, shown));
                        (value, keep_permits(effects, hooks))
                    });
                    // A caller that went away loses nothing: what it asked for is durable.
                    drop(answer.send(result));
                };
                (effects, Box::new(ending))
            }
            Err(error) => {
                let ending =
                    move |committed: Committed, _: &Hooks| drop(answer.send(Err(error.unless_lost(committed))));
                (AfterCommit::nothing(), Box::new(ending))
            }
        };
        Some((effects, ending))
    })
}

/// Permits go to the caller, everything else to the daemon.
fn keep_permits(effects: Vec<Effect>, hooks: &Hooks) -> Vec<Effect> {
    let (permits, rest): (Vec<_>, Vec<_>) = effects.into_iter().partition(|e| matches!(e, Effect::Serve(_)));
    rest.into_iter().for_each(|e| (hooks.effect)(e));
    permits
}

/// What fails as often as strangers want on a full or failing disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Failing {
    Begin,
    Commit,
    Checkpoint,
}

struct Thread {
    connection: Connection,
    ground: Ground,
    tip: Arc<RwLock<Tip>>,
    brake: Arc<RwLock<Brake>>,
    log_key: ed25519_dalek::SigningKey,
    /// Pages in the write-ahead log after the last commit.
    log_pages: Arc<AtomicI32>,
    leftovers: Leftovers,
    hooks: Hooks,
    failures: Thinned<Failing>,
    /// Dropped last.
    _ending: watch::Sender<()>,
}

impl Thread {
    fn run(mut self, queue: &Receiver<Option<Job>>) {
        loop {
            let pause = if self.piece().is_some() { PIECE } else { Duration::MAX };
            match queue.recv_timeout(pause) {
                Ok(first) => {
                    let jobs: Vec<Job> = std::iter::once(first).chain(queue.try_iter()).take(BATCH).flatten().collect();
                    if !jobs.is_empty() {
                        self.batch(jobs);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // After whatever there was, so that nobody can keep it from being done.
            if let Some(piece) = self.piece() {
                self.batch(vec![piece]);
            }
            if self.log_pages.load(Ordering::Relaxed) >= LOG_PAGES {
                self.checkpoint();
            }
            self.failures.flush(Instant::now());
        }
    }

    /// Removes a piece of what is left of uploads, if anything is.
    fn piece(&self) -> Option<Job> {
        let mut leftovers = self.leftovers.lock().unwrap_or_else(PoisonError::into_inner);
        // What cannot be read may be there.
        leftovers.retain(|payload| is_left(&self.connection, *payload).unwrap_or(true));
        let payload = *leftovers.last()?;
        Some(boxed(move |t| t.forget_piece(payload), oneshot::channel().0))
    }

    /// Copies the write-ahead log into the store. What fails here is tried again after the next commit, except a flush: the
    /// log still has everything, and a start reads it.
    fn checkpoint(&mut self) {
        if let Err(e) = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            stop_if_flush_failed(&e);
            let why = format!("its write-ahead log cannot be copied into it: {e}");
            self.failures.note(Failing::Checkpoint, why, Instant::now());
        }
    }

    fn batch(&mut self, jobs: Vec<Job>) {
        let tip = self.tip.read().unwrap_or_else(PoisonError::into_inner).clone();
        let brake = self.brake.read().unwrap_or_else(PoisonError::into_inner).clone();
        let read = self.hooks.clock.read();
        let mut transaction = match Transaction::begin(&self.connection, &self.ground, &tip, brake, read) {
            Ok(transaction) => transaction,
            Err(e) => {
                self.failures.note(Failing::Begin, format!("it cannot begin a transaction: {e}"), Instant::now());
                return jobs.into_iter().for_each(|job| drop(job(None)));
            }
        };
        let (sealed, endings): (Vec<_>, Vec<_>) =
            jobs.into_iter().filter_map(|job| job(Some(&mut transaction))).unzip();
        match AfterCommit::all(sealed).open(&transaction) {
            Ok(effects) => {
                self.advance(&tip, &transaction);
                node::danger::point("checkpoint:after");
                endings.into_iter().zip(effects).for_each(|(ending, effects)| ending(Ok(effects), &self.hooks));
            }
            Err(e) => {
                stop_if_flush_failed(&e);
                transaction.abandon();
                self.failures.note(Failing::Commit, format!("it refused a commit: {e}"), Instant::now());
                let full = e.sqlite_error_code() == Some(ErrorCode::DiskFull);
                let error = || if full { WriteError::Full } else { WriteError::Lost };
                endings.into_iter().for_each(|ending| ending(Err(error()), &self.hooks));
            }
        }
    }

    /// Moves the log's tip to what has just been committed, under a new checkpoint, and with it the brake and a clock that the
    /// owner confirmed: before the next batch reads either.
    fn advance(&self, old: &Tip, committed: &Transaction<'_>) {
        if committed.frontier.size() > old.size() {
            let tip = Tip::sign(committed.frontier.clone(), &self.ground.vault, &self.log_key);
            *self.tip.write().unwrap_or_else(PoisonError::into_inner) = tip;
        }
        if committed.confirmed {
            self.hooks.clock.set(committed.clock);
        }
        let mut brake = self.brake.write().unwrap_or_else(PoisonError::into_inner);
        if *brake != committed.brake {
            brake.clone_from(&committed.brake);
            (self.hooks.brake)(brake.going());
        }
    }
}

/// After a failed flush nobody knows what is on the disk: the writer ends here, in the middle of what it does, and answers
/// nobody; the process ends with it, and reads the truth when it starts again.
///
/// It unwinds rather than exits, because OpenSSL takes its state apart at an exit while other threads may still decrypt.
pub(super) fn stop_if_flush_failed(e: &rusqlite::Error) {
    let flush = [rusqlite::ffi::SQLITE_IOERR_FSYNC, rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC];
    if let rusqlite::Error::SqliteFailure(failure, _) = e
        && flush.contains(&failure.extended_code)
    {
        tracing::error!("the disk failed to flush the store; stopping. Check the disk, then start the vault again");
        std::panic::resume_unwind(Box::new(FlushFailed));
    }
}

/// What the writer's thread ends with.
struct FlushFailed;
