//! Brings requests to the vault: at once while it is there, and by way of the [`Spool`] while it is away. Whoever has filed a
//! request is told where it is, and the spool is emptied as soon as the vault is back.

use crate::broker::{Broker, BrokerError, Hint};
use crate::lobby::Paired;
use crate::peer::Peer;
use crate::spool::{self, NotKept, Offered, Spool, Unusable, Waiting};
use node::files::FileError;
use shared::ids::Ticket;
use shared::ids::TicketHash;
use shared::message::{Filing, Refused, View};
use shared::seal::{self, NotSealed};
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::{Mutex, Notify};
use tokio::time::{Instant, timeout};

/// After this, a vault that is connected but does not serve is asked again.
const RETRY: Duration = Duration::from_secs(30);
/// The longest that a request is not offered whose quota is used up.
const LATER: Duration = Duration::from_secs(600);

/// Where a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filed {
    /// To the vault.
    Vault,
    /// Into the spool.
    Spool,
}

/// Why a request went nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotFiled {
    /// The vault says no.
    #[error(transparent)]
    Refused(Refused),
    /// The vault is away, and none is paired whose key would seal the request.
    #[error("no vault is paired with this reception")]
    Unpaired,
    /// The vault is away, and the spool or its disk is full.
    #[error("the vault is away, and there is no room here to keep a request for it")]
    NoRoom,
    /// The vault is away, and the request cannot be kept; the log says why.
    #[error("the vault is away, and the request cannot be kept here")]
    NotKept,
    /// The connection broke after the request was sent, and it cannot be kept here either.
    #[error("whether the request arrived is not known")]
    Uncertain,
}

/// How a request stands, as far as this node can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It waits here.
    Kept,
    /// It was set aside here, and the vault does not know it.
    SetAside,
    /// As the vault says.
    Vault(View),
}

/// What became of a withdrawal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Withdrawn {
    /// The vault has seen to it.
    Vault,
    /// The request was removed here, before the vault ever had it.
    Here,
    /// It was removed here; the vault is away again, and may have received it before.
    HereAtLeast,
}

/// Why the next request stays in the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    /// There is none, or no vault: until a link comes, or a request.
    Idle,
    /// The vault does not take it now.
    For(Duration),
}

/// The way of requests to the vault. Clones share it.
#[derive(Clone)]
pub(crate) struct Courier {
    broker: Broker,
    spool: Spool,
    paired: Arc<Paired>,
    wanted: Arc<Notify>,
    /// Requests that the vault takes only later, and from when on; those behind them go first.
    later: Arc<std::sync::Mutex<HashMap<TicketHash, Instant>>>,
    /// Held while a request is handed over or taken back, so that neither happens in the middle of the other.
    handover: Arc<Mutex<()>>,
}

impl Courier {
    pub(crate) fn new(broker: Broker, spool: Spool, paired: Arc<Paired>) -> Self {
        Self { broker, spool, paired, wanted: Arc::default(), later: Arc::default(), handover: Arc::default() }
    }

    /// Files a request; when this returns, it is durable where it says. Filing the same again is safe.
    ///
    /// # Errors
    /// [`NotFiled`]
    pub(crate) async fn file(&self, ticket: &Ticket, filing: Filing) -> Result<Filed, NotFiled> {
        let was_up = self.broker.up();
        let error = match self.broker.file(filing.clone()).await {
            Ok(()) => return Ok(Filed::Vault),
            Err(error) => error,
        };
        match error {
            BrokerError::Away | BrokerError::Refused(Refused::Unavailable) => {}
            BrokerError::Refused(refused) => return Err(NotFiled::Refused(refused)),
        }
        // With no link at the start nothing was sent; over one that broke, it may have arrived.
        let sent = was_up && error == BrokerError::Away;
        match self.keep(ticket.clone(), filing).await {
            Ok(()) => {
                if sent {
                    self.spool.mark(&ticket.hash(), Offered::Perhaps);
                }
                self.wanted.notify_one();
                Ok(Filed::Spool)
            }
            Err(_) if sent => Err(NotFiled::Uncertain),
            Err(not_filed) => Err(not_filed),
        }
    }

    /// Whether there is a vault to seal requests for.
    pub(crate) fn seals(&self) -> bool {
        self.paired.borrow().is_some()
    }

    /// How a request stands.
    ///
    /// # Errors
    /// [`BrokerError`] when only the vault could tell.
    pub(crate) async fn standing(&self, ticket: &Ticket) -> Result<Standing, BrokerError> {
        let hash = ticket.hash();
        if self.spool.holds(&hash) {
            return Ok(Standing::Kept);
        }
        match self.broker.status(ticket).await {
            Ok(View::Closed) | Err(_) if self.spool.has_set_aside(hash.request()) => Ok(Standing::SetAside),
            Ok(view) => Ok(Standing::Vault(view)),
            Err(error) => Err(error),
        }
    }

    /// Takes a request back, wherever it is.
    ///
    /// # Errors
    /// [`BrokerError`] when only the vault could do it; [`Refused::Unavailable`] when this machine's disk does not do it.
    pub(crate) async fn withdraw(&self, ticket: &Ticket) -> Result<Withdrawn, BrokerError> {
        match self.take_out(ticket).await? {
            Some(Offered::Never) => Ok(Withdrawn::Here),
            Some(Offered::Perhaps) => {
                let seen_to = self.broker.withdraw(ticket).await.is_ok();
                Ok(if seen_to { Withdrawn::Vault } else { Withdrawn::HereAtLeast })
            }
            None => self.broker.withdraw(ticket).await.map(|_| Withdrawn::Vault),
        }
    }

    /// Removes a request that is not being handed over.
    async fn take_out(&self, ticket: &Ticket) -> Result<Option<Offered>, BrokerError> {
        let _handover = self.handover.lock().await;
        let (spool, hash) = (self.spool.clone(), ticket.hash());
        blocking(move || spool.remove(&hash)).await.map_err(|error| {
            tracing::error!(%error, "a withdrawn request cannot be removed");
            Refused::Unavailable.into()
        })
    }

    /// Hands over what waits, whenever there is something and a vault to take it.
    pub(crate) async fn run(self) -> Infallible {
        let mut hints = self.broker.changes();
        loop {
            match self.deliver().await {
                Pause::Idle => tokio::select! {
                    () = self.wanted.notified() => {}
                    () = link_changed(&mut hints) => {}
                },
                // A new request does not make the vault ready; a new link may.
                Pause::For(time) => drop(timeout(time, link_changed(&mut hints)).await),
            }
        }
    }

    async fn deliver(&self) -> Pause {
        loop {
            let _handover = self.handover.lock().await;
            let peer = self.paired.borrow().clone();
            let Some(peer) = peer else { return Pause::Idle };
            let later = self.later();
            let Some(next) = self.spool.oldest(|ticket| !later.contains_key(ticket)) else {
                let soonest = later.values().min().map(|at| at.saturating_duration_since(Instant::now()));
                return soonest.map_or(Pause::Idle, Pause::For);
            };
            match self.hand_over(&peer, &next).await {
                Ok(()) => {}
                Err(Stop::Later(time)) => {
                    tracing::info!(request = %next.ticket.request(), seconds = time.as_secs(), "the vault takes it later");
                    let mut later = self.later.lock().unwrap_or_else(PoisonError::into_inner);
                    later.insert(next.ticket, Instant::now() + time);
                }
                Err(Stop::Aside(why)) => {
                    let (spool, ticket) = (self.spool.clone(), next.ticket);
                    // Fails only when the process is stopping.
                    let _ = tokio::task::spawn_blocking(move || spool.set_aside(&ticket, &why)).await;
                    self.broker.hint(Hint::Request(ticket));
                }
                Err(Stop::Pause(pause)) => {
                    if let Pause::For(time) = pause {
                        tracing::info!(
                            seconds = time.as_secs(),
                            "sealed requests wait; they are offered to the vault again"
                        );
                    }
                    return pause;
                }
            }
        }
    }

    /// The requests that wait here and are not to be offered yet.
    fn later(&self) -> HashMap<TicketHash, Instant> {
        let mut later = self.later.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        later.retain(|ticket, at| *at > now && self.spool.holds(ticket));
        later.clone()
    }

    /// Hands one request over, and removes it here once the vault holds it.
    async fn hand_over(&self, peer: &Peer, next: &Waiting) -> Result<(), Stop> {
        if next.vault != peer.mark() {
            return Err(Stop::Aside(Unusable::OtherVault));
        }
        if !self.broker.up() {
            return Err(Stop::Pause(Pause::Idle));
        }
        let (spool, waiting, ticket) = (self.spool.clone(), next.clone(), next.ticket);
        let sealed = tokio::task::spawn_blocking(move || spool.read(&waiting)).await;
        let sealed = match sealed {
            Ok(Ok(sealed)) => sealed,
            Ok(Err(why)) if !why.passes() => return Err(Stop::Aside(why)),
            Ok(Err(error)) => {
                tracing::error!(%error, "a sealed request cannot be read now");
                return Err(Stop::Pause(Pause::For(RETRY)));
            }
            // The process is stopping.
            Err(_) => return Err(Stop::Pause(Pause::For(RETRY))),
        };
        self.spool.mark(&ticket, Offered::Perhaps);
        match self.broker.forward(ticket, sealed).await {
            Ok(()) => self.delivered(next).await,
            Err(BrokerError::Away) => return Err(Stop::Pause(Pause::For(RETRY))),
            Err(BrokerError::Refused(refused)) => {
                // A clear answer says that this try did not file it; an earlier one may have.
                if refused != Refused::Unavailable {
                    self.spool.mark(&ticket, next.offered);
                }
                return Err(stop(refused));
            }
        }
        Ok(())
    }

    async fn delivered(&self, next: &Waiting) {
        node::danger::point("spool:delivered");
        let (spool, ticket) = (self.spool.clone(), next.ticket);
        if let Err(error) = blocking(move || spool.remove(&ticket)).await {
            // The vault takes it for what it is: the same again.
            tracing::error!(%error, "a delivered request cannot be removed; it is sent once more after the next start");
            self.spool.forget(&ticket);
        }
        node::danger::point("spool:removed");
        tracing::info!(request = %ticket.request(), "a sealed request is with the vault");
        self.broker.hint(Hint::Request(ticket));
    }

    async fn keep(&self, ticket: Ticket, filing: Filing) -> Result<(), NotFiled> {
        let peer = self.paired.borrow().clone().ok_or(NotFiled::Unpaired)?;
        let spool = self.spool.clone();
        let kept = tokio::task::spawn_blocking(move || keep(&spool, &peer, &ticket, &filing)).await;
        match kept {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::warn!("{error}");
                Err(error.into())
            }
            Err(_) => Err(NotFiled::NotKept),
        }
    }
}

/// Why a request was not handed over.
enum Stop {
    /// It never will be.
    Aside(Unusable),
    /// It is to be offered again after this, and others before it.
    Later(Duration),
    /// Nothing more is for now.
    Pause(Pause),
}

/// What follows from the vault's refusal.
fn stop(refused: Refused) -> Stop {
    match refused {
        Refused::Malformed | Refused::TooLarge => Stop::Aside(Unusable::Refused),
        // A quota is this request's own: nobody else waits for it.
        Refused::Busy { retry_after } => Stop::Later(Duration::from_secs(retry_after.into()).min(LATER)),
        Refused::Protocol | Refused::Unavailable | Refused::Collected | Refused::Paused | Refused::Answered => {
            Stop::Pause(Pause::For(RETRY))
        }
    }
}

/// Why a request could not be sealed or kept.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    NotKept(#[from] NotKept),
    #[error("a request cannot be sealed: {0}")]
    NotSealed(#[from] NotSealed),
    #[error("a request cannot be written out: {0}")]
    Body(#[from] serde_json::Error),
    #[error("a request cannot be sealed: the system gave no randomness")]
    Random,
}

impl From<Failed> for NotFiled {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::NotKept(NotKept::Full { .. }) => Self::NoRoom,
            Failed::NotKept(NotKept::File(FileError::Io { source, .. }))
                if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
            {
                Self::NoRoom
            }
            Failed::NotKept(NotKept::Other) => Self::Refused(Refused::Malformed),
            Failed::NotKept(NotKept::File(_)) | Failed::NotSealed(_) | Failed::Body(_) | Failed::Random => {
                Self::NotKept
            }
        }
    }
}

fn keep(spool: &Spool, peer: &Peer, ticket: &Ticket, filing: &Filing) -> Result<(), Failed> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|_| Failed::Random)?;
    let sealed = seal::seal(peer.sealing(), peer.origin(), filing, random)?;
    Ok(spool.keep(peer.mark(), filing.ticket, spool::body(ticket, filing)?, sealed)?)
}

/// Completes when a link or a pairing came or went.
async fn link_changed(hints: &mut Receiver<Hint>) {
    // One that has missed hints may have missed this one; a sender that is gone sends no more.
    while matches!(hints.recv().await, Ok(Hint::Request(_))) {}
}

/// Runs what waits for the disk beside the runtime.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, FileError> + Send + 'static) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(io::Error::other),
        Err(gone) => Err(gone.into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
