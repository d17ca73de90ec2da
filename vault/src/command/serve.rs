//! `vault serve`: the daemon's life.

use super::CommandError;
use crate::config::Config;
use crate::daemon::{self, StartError};
use crate::desk;
use crate::disk::Disk;
use crate::driver::{self, Driver};
use crate::lanes::{LinkThread, Links};
use crate::paths::Paths;
use crate::store::Writer;
use node::files;
use sd_notify::NotifyState;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The longest that closing the store may take.
const CLOSING: Duration = Duration::from_secs(10);
const WRITER_ENDED: &str = "the store can no longer be written, and what was in progress may be lost; the log says why. Check \
                            the disk, then start the vault again";

const PART_ENDED: &str = "a part of the vault has failed, and it stops rather than go on without it; the log says where. Nothing \
                          that was acknowledged is lost: start it again, and report what the log says";

/// Runs until a signal to stop.
pub(crate) fn serve(paths: &Paths, config: Config) -> Result<(), CommandError> {
    node::log::start(config.log_level);
    let io = |e: std::io::Error| CommandError::Start(StartError::Io(e.to_string()));
    let socket = paths.socket()?;
    files::make_folder(paths.0.run()?)?;
    let started = daemon::start(paths, config)?;
    let links = Links::default();
    let driver = Arc::new(Driver {
        name: started.vault.config.name.clone(),
        origin: started.vault.config.origin.clone(),
        identity: started.identity,
        sealing: started.sealing,
        store: Disk(started.vault.clone()),
        told: started.vault.told.clone(),
        surroundings: Arc::new(node::Machine),
        network: Arc::new(link::System),
    });
    let link = LinkThread::start(driver.clone(), links.clone()).map_err(io)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(io)?;
    let ended = started.vault.writer.ended();
    let mut failed = ended.clone();
    let served = runtime.block_on(async {
        let vault = started.vault;
        // Before anybody can know that the vault runs, and ask it to stop.
        let signals = Signals::listen().map_err(io)?;
        let listener = bind(&socket)?;
        let (store, told) = (&driver.store, &driver.told);
        let mut parts = JoinSet::new();
        parts.spawn(desk::serve(listener, vault.clone(), links));
        parts.spawn(driver::prepare(store.clone(), told.clone(), started.to_prepare));
        parts.spawn(driver::sweep(store.clone(), told.clone()));
        if let Some(interval) = sd_notify::watchdog_enabled() {
            parts.spawn(watchdog(interval / 2, vault.writer.clone(), link.runtime()));
        }
        tracing::info!(
            "vault {} is open; log {} has {} entries",
            vault.config.name,
            vault.config.origin,
            vault.writer.tip().size()
        );
        notify(&[NotifyState::Ready]);
        let stopped = tokio::select! {
            () = signals.asked_to_stop() => Ok(()),
            _ = failed.changed() => Err(CommandError::Integrity(WRITER_ENDED.into())),
            // None of them ends by itself.
            _ = parts.join_next() => Err(CommandError::Failed(PART_ENDED.into())),
            () = link.ended() => Err(CommandError::Failed(PART_ENDED.into())),
        };
        notify(&[NotifyState::Stopping]);
        tracing::info!("stopping");
        stopped
    });
    link.stop();
    // What it holds keeps the writer alive.
    drop(driver);
    drop(runtime);
    await_writer(ended, started.writer_thread).map_err(io)?;
    served
}

/// Waits for the writer to close the store and end, which it does once nobody has a handle to it any more.
fn await_writer(mut ended: watch::Receiver<()>, thread: JoinHandle<()>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    if runtime.block_on(async { tokio::time::timeout(CLOSING, ended.changed()).await }).is_ok() {
        // If it failed, that is why the vault stops.
        let _ = thread.join();
    } else {
        tracing::warn!("the store was not closed in {} s; the next start reads its write-ahead log", CLOSING.as_secs());
    }
    Ok(())
}

/// The desk's socket, for its owner and group alone. One that a killed daemon left behind is replaced; the lock on the state
/// folder already says that no other daemon lives.
fn bind(socket: &std::path::Path) -> Result<UnixListener, CommandError> {
    use std::os::unix::fs::PermissionsExt as _;
    match std::fs::remove_file(socket) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(super::failed("remove", socket)(e)),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(socket).map_err(super::failed("listen at", socket))?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o660)).map_err(super::failed("guard", socket))?;
    Ok(listener)
}

/// What asks the daemon to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on they are heard, and no longer end the process by themselves.
    fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn asked_to_stop(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Tells systemd that all is well, each time that the writer and the links' thread have shown that they still work: a beat that
/// knew nothing of them would keep a vault alive that does nothing any more.
async fn watchdog(interval: Duration, writer: Writer, links: Handle) {
    let mut beat = tokio::time::interval(interval);
    loop {
        beat.tick().await;
        if writer.answers().await && links.spawn(async {}).await.is_ok() {
            notify(&[NotifyState::Watchdog]);
        }
    }
}

/// Tells systemd, if it listens.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("systemd could not be told: {error}");
    }
}
