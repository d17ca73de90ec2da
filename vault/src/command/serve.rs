//! `vault serve`: the daemon's life.

use super::CommandError;
use crate::config::Config;
use crate::daemon::{self, StartError, Vault, now};
use crate::desk;
use crate::lanes::{LinkThread, Links};
use crate::paths::Paths;
use crate::store;
use node::files;
use sd_notify::NotifyState;
use shared::ids::TicketHash;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use vault_core::Input;

/// How often requests whose time is over are closed.
const SWEEP: Duration = Duration::from_secs(1);

/// Runs until a signal to stop.
pub(crate) fn serve(paths: &Paths, config: Config) -> Result<(), CommandError> {
    node::log::start(config.log_level);
    let io = |e: std::io::Error| CommandError::Start(StartError::Io(e.to_string()));
    let socket = paths.socket()?;
    files::make_folder(paths.0.run()?)?;
    let started = daemon::start(paths, config)?;
    let links = Links::default();
    let link = LinkThread::start(started.vault.clone(), started.identity, links.clone()).map_err(io)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(io)?;
    runtime.block_on(async {
        let vault = started.vault;
        let swept = vault.writer.act(|t| t.sweep_uploads().map(store::Done::quiet)).await;
        swept.map_err(StartError::from)?;
        let listener = bind(&socket)?;
        tokio::spawn(desk::serve(listener, vault.clone(), links));
        tokio::spawn(prepare(vault.clone(), started.to_prepare));
        tokio::spawn(sweep(vault.clone()));
        if let Some(interval) = sd_notify::watchdog_enabled() {
            tokio::spawn(watchdog(interval / 2));
        }
        tracing::info!(
            "vault {} is open; log {} has {} entries",
            vault.config.name,
            vault.config.origin,
            vault.writer.tip().size()
        );
        notify(&[NotifyState::Ready]);
        stop_signal().await.map_err(io)?;
        notify(&[NotifyState::Stopping]);
        tracing::info!("stopping");
        Ok::<_, CommandError>(())
    })?;
    link.stop();
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

async fn stop_signal() -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Freezes the items that received requests ask for. What fails here is tried again at the next start.
async fn prepare(vault: Arc<Vault>, mut tickets: mpsc::UnboundedReceiver<TicketHash>) {
    while let Some(ticket) = tickets.recv().await {
        if let Err(error) = vault.writer.act(move |t| t.prepare(ticket)).await {
            tracing::error!(request = %ticket.request(), "a draft cannot be prepared: {error}");
        }
    }
}

/// Closes what time has ended.
async fn sweep(vault: Arc<Vault>) {
    let mut beat = tokio::time::interval(SWEEP);
    loop {
        beat.tick().await;
        let readers = vault.readers.clone();
        let due =
            crate::service::blocking(move || readers.read(|c| store::due(c, now())).map_err(store::WriteError::from));
        match due.await {
            Ok(tickets) => {
                for ticket in tickets {
                    if let Err(error) = vault.writer.act(move |t| t.decide(ticket, Input::Tick)).await {
                        tracing::error!(request = %ticket.request(), "an ended request cannot be closed: {error}");
                    }
                }
            }
            Err(error) => tracing::error!("ended requests cannot be found: {error}"),
        }
    }
}

async fn watchdog(interval: Duration) {
    let mut beat = tokio::time::interval(interval);
    loop {
        beat.tick().await;
        notify(&[NotifyState::Watchdog]);
    }
}

/// Tells systemd, if it listens.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("systemd could not be told: {error}");
    }
}
