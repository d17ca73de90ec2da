//! Brings requests to the vault: at once while it is there, and by way of the [`Spool`] while it is away. Whoever has filed a
//! request is told where it is, and the spool is emptied as soon as the vault is back.

mod error;
mod later;

pub use error::NotFiled;

use crate::broker::{Broker, BrokerError, Hint};
use crate::lobby::Paired;
use crate::spool::{self, Offered, Spool, Unusable, Waiting, lock};
use error::Failed;
use later::Later;
use node::files::FileError;
use node::{Surroundings, Thinned};
use shared::ids::{Digest, Ticket, TicketHash};
use shared::message::{Filing, Refused, View};
use shared::seal;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::{Mutex, Notify};
use tokio::time::{Instant, sleep};

/// After this, a vault that is connected but does not serve is asked again.
const RETRY: Duration = Duration::from_secs(30);

/// Where a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filed {
    /// To the vault.
    Vault,
    /// Into the spool.
    Spool,
}

/// How a request stands, as far as this node can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It waits here, and the vault may have it all the same.
    Kept(Offered),
    /// It waits here for another vault than the one that is paired now.
    KeptForAnother,
    /// It was removed here at its visitor's wish, but the disk did not confirm that: it may be here again after the next start.
    Removed,
    /// It was set aside here, and the vault does not know it, or knows it no more.
    SetAside(Offered),
    /// As the vault says.
    Vault(View),
}

/// What became of a withdrawal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Withdrawn {
    /// The vault has seen to it, and says so.
    Vault(View),
    /// The request was removed here, and was not sent since it was kept.
    Here,
    /// It was removed here; the vault cannot be asked, and may have received it before.
    HereAtLeast,
}

impl From<Offered> for Withdrawn {
    fn from(offered: Offered) -> Self {
        match offered {
            Offered::Never => Self::Here,
            Offered::Perhaps => Self::HereAtLeast,
        }
    }
}

/// Why nothing more leaves the spool. A new link ends each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    /// There is none, or no vault: until a request comes.
    Idle,
    /// The vault takes those that wait later: until then, or until a new request comes, which goes first.
    Later(Duration),
    /// The vault takes none now: a new request does not make it ready.
    Retry,
}

impl Pause {
    fn time(self) -> Option<Duration> {
        match self {
            Self::Idle => None,
            Self::Later(time) => Some(time),
            Self::Retry => Some(RETRY),
        }
    }
}

/// The way of requests to the vault. Clones share it.
#[derive(Clone)]
pub struct Courier {
    broker: Broker,
    spool: Spool,
    paired: Arc<Paired>,
    surroundings: Arc<dyn Surroundings>,
    wanted: Arc<Notify>,
    /// Requests that were offered in vain; the others go first.
    later: Arc<std::sync::Mutex<Later>>,
    /// Held while a request is handed over or taken back, so that neither happens in the middle of the other.
    handover: Arc<Mutex<()>>,
    /// What any number of requests can cause to be said.
    troubles: Arc<Thinned<&'static str>>,
}

impl Courier {
    pub(crate) fn new(broker: Broker, spool: Spool, paired: Arc<Paired>, surroundings: Arc<dyn Surroundings>) -> Self {
        let troubles = Thinned::new("a request", "more requests: told of the newest");
        Self {
            broker,
            spool,
            paired,
            surroundings,
            wanted: Arc::default(),
            later: Arc::default(),
            handover: Arc::default(),
            troubles: Arc::new(troubles),
        }
    }

    /// Files a request; when this returns, it is durable where it says. Filing the same again is safe. What waits here already
    /// goes the way that it is on.
    ///
    /// # Errors
    /// [`NotFiled`]
    pub async fn file(&self, ticket: &Ticket, filing: Filing) -> Result<Filed, NotFiled> {
        let hash = ticket.hash();
        if self.spool.holds(&hash) {
            self.keep(ticket.clone(), filing, Offered::Never).await?;
            return Ok(Filed::Spool);
        }
        let answer = self.broker.file(filing.clone()).await;
        match answer {
            Ok(()) => {
                self.spool.is_with_the_vault(hash.request());
                return Ok(Filed::Vault);
            }
            Err(BrokerError::Refused(refused)) if refused != Refused::Unavailable => {
                return Err(NotFiled::Refused(refused));
            }
            Err(_) => {}
        }
        let offered = reached(answer);
        if offered == Offered::Perhaps {
            self.spool.may_be_with_the_vault(hash.request());
        }
        match self.keep(ticket.clone(), filing, offered).await {
            Ok(()) => Ok(Filed::Spool),
            Err(_) if offered == Offered::Perhaps => Err(NotFiled::Uncertain),
            Err(not_filed) => Err(not_filed),
        }
    }

    /// How many requests wait here.
    pub fn waiting(&self) -> usize {
        self.spool.waiting()
    }

    /// Whether there is a vault to seal requests for.
    pub(crate) fn seals(&self) -> bool {
        self.paired.borrow().is_some()
    }

    /// Whether there is room to keep another request. If there is not, whether that is still so is looked at for the next time.
    pub(crate) fn has_room(&self) -> bool {
        let full = self.spool.is_full();
        if full {
            self.wanted.notify_one();
        }
        !full
    }

    /// How a request stands.
    ///
    /// # Errors
    /// [`BrokerError`] when only the vault could tell.
    pub async fn standing(&self, ticket: &Ticket) -> Result<Standing, BrokerError> {
        let hash = ticket.hash();
        if self.spool.may_come_back(&hash) {
            return Ok(Standing::Removed);
        }
        if let Some(Waiting { vault, offered, .. }) = self.spool.held(&hash) {
            return Ok(if self.is_for_another(vault) {
                self.standing_elsewhere(ticket).await
            } else {
                Standing::Kept(offered)
            });
        }
        match (self.broker.status(ticket).await, self.spool.set_aside_as(hash.request())) {
            (Ok(View::Closed), Some(offered)) => Ok(Standing::SetAside(offered)),
            (Err(_), Some(Offered::Never)) => Ok(Standing::SetAside(Offered::Never)),
            (Ok(view), _) => Ok(Standing::Vault(view)),
            (Err(error), _) => Err(error),
        }
    }

    /// How a request stands that waits here for another vault: the paired one may have had the same before.
    async fn standing_elsewhere(&self, ticket: &Ticket) -> Standing {
        match self.broker.status(ticket).await {
            Ok(View::Closed) | Err(_) => Standing::KeptForAnother,
            Ok(view) => Standing::Vault(view),
        }
    }

    fn is_for_another(&self, vault: Digest) -> bool {
        self.paired.borrow().as_ref().is_some_and(|peer| peer.mark() != vault)
    }

    /// Takes a request back, wherever it is.
    ///
    /// # Errors
    /// [`BrokerError`] when only the vault could do it; [`Refused::Unavailable`] when this machine's disk does not do it.
    pub async fn withdraw(&self, ticket: &Ticket) -> Result<Withdrawn, BrokerError> {
        let another = self.spool.held(&ticket.hash()).is_some_and(|held| self.is_for_another(held.vault));
        let removed = self.take_out(ticket).await?;
        // Whatever was removed, the vault may have the same from an earlier time.
        match (self.broker.withdraw(ticket).await, removed) {
            // The one that it was sealed for cannot be asked.
            (_, Some(offered)) if another => Ok(offered.into()),
            (Ok(view), _) => Ok(Withdrawn::Vault(view)),
            (Err(_), Some(offered)) => Ok(offered.into()),
            (Err(error), None) => Err(error),
        }
    }

    /// Removes a request that is not being handed over.
    async fn take_out(&self, ticket: &Ticket) -> Result<Option<Offered>, BrokerError> {
        let _handover = self.handover.lock().await;
        let (spool, hash) = (self.spool.clone(), ticket.hash());
        self.blocking(move || spool.remove(&hash)).await.map_err(|error| {
            tracing::error!(%error, "a withdrawn request cannot be removed");
            Refused::Unavailable.into()
        })
    }

    /// Hands over what waits, whenever there is something and a vault to take it.
    pub(crate) async fn run(self) -> Infallible {
        let mut hints = self.broker.changes();
        loop {
            self.troubles.flush(Instant::now().into_std());
            self.arrange().await;
            let pause = self.deliver().await;
            if pause == Pause::Retry {
                tracing::info!(seconds = RETRY.as_secs(), "sealed requests wait; they are offered to the vault again");
            }
            let over = async {
                match pause.time() {
                    Some(time) => sleep(time).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = over => {}
                () = self.wanted.notified(), if pause != Pause::Retry => {}
                () = link_changed(&mut hints) => lock(&self.later).renew(Instant::now()),
            }
        }
    }

    /// Has the spool fit the pairing, so that nothing is lost by a pairing that does not last.
    async fn arrange(&self) {
        let _handover = self.handover.lock().await;
        let vault = self.paired.borrow().as_ref().map(|peer| peer.mark());
        let Some(vault) = vault.filter(|vault| self.spool.is_astray(*vault)) else { return };
        let spool = self.spool.clone();
        // `None` when the process is stopping.
        let moved = node::blocking(&*self.surroundings, move || spool.arrange(vault)).await.unwrap_or_default();
        moved.into_iter().for_each(|ticket| self.broker.hint(Hint::Request(ticket)));
    }

    async fn deliver(&self) -> Pause {
        // One request that the vault cannot file may have its reason in itself; two in a row have it in the vault.
        let mut failed = None;
        loop {
            let _handover = self.handover.lock().await;
            let peer = self.paired.borrow().clone();
            let Some(peer) = peer else { return Pause::Idle };
            let (later, now, mark) = (self.later(), Instant::now(), peer.mark());
            let turn = |next: &Waiting| later.turn(&next.ticket, now).filter(|_| next.vault == mark);
            let Some(next) = self.spool.oldest(turn) else {
                return later.soonest(now).map_or(Pause::Idle, Pause::Later);
            };
            match self.hand_over(&next).await {
                Ok(()) => {
                    failed.take().inspect(|bad| lock(&self.later).blame(*bad));
                }
                Err(Stop::Later(said)) => {
                    let time = lock(&self.later).put_off(next.ticket, said, Instant::now());
                    self.say_later(next.ticket, time, Put::Busy(said));
                }
                Err(Stop::Failed(why)) => {
                    let time = lock(&self.later).failed(next.ticket, Instant::now());
                    if why == Put::Cut || failed.replace(next.ticket).is_some() {
                        return Pause::Retry;
                    }
                    self.say_later(next.ticket, time, why);
                }
                Err(Stop::Aside(why)) => {
                    let (spool, ticket) = (self.spool.clone(), next.ticket);
                    // `None` when the process is stopping.
                    node::blocking(&*self.surroundings, move || spool.set_aside(&ticket, &why)).await;
                    self.broker.hint(Hint::Request(ticket));
                }
                Err(Stop::Pause(pause)) => return pause,
            }
        }
    }

    /// Says why a request is offered again after this time, and those behind it before.
    fn say_later(&self, ticket: TicketHash, time: Duration, why: Put) {
        let (request, seconds) = (ticket.request(), time.as_secs());
        self.trouble("later", format!("{why}: {request} waits here, and the vault is asked again in {seconds} s"));
    }

    /// Says what is wrong with a request.
    fn trouble(&self, kind: &'static str, what: String) {
        self.troubles.note(kind, what, Instant::now().into_std());
    }

    /// The requests that wait here and were offered in vain.
    fn later(&self) -> Later {
        let mut later = lock(&self.later);
        later.keep(|ticket| self.spool.holds(ticket));
        later.clone()
    }

    /// Hands one request over, and removes it here once the vault holds it.
    async fn hand_over(&self, next: &Waiting) -> Result<(), Stop> {
        if !self.broker.up() {
            return Err(Stop::Pause(Pause::Idle));
        }
        let (spool, waiting, ticket) = (self.spool.clone(), next.clone(), next.ticket);
        let read = node::blocking(&*self.surroundings, move || spool.read(&waiting).map_err(Unusable::passing)).await;
        let sealed = match read {
            Some(Ok(sealed)) => sealed,
            Some(Err(Err(why))) => return Err(Stop::Aside(why)),
            Some(Err(Ok(error))) => {
                tracing::error!(%error, "a sealed request cannot be read now");
                return Err(Stop::Failed(Put::Unread));
            }
            // The process is stopping.
            None => return Err(Stop::Pause(Pause::Retry)),
        };
        self.spool.leaves(&ticket);
        let answer = self.broker.forward(ticket, sealed).await;
        // A try that the vault refused did not file it; an earlier one, or its visitor's own meanwhile, may have.
        self.spool.has_left(&ticket, reached(answer));
        match answer {
            Ok(()) => self.delivered(next).await,
            // A link that stays up, or breaks each time, may do so for what this request is.
            Err(BrokerError::Broken) => {
                return Err(Stop::Failed(if self.broker.up() { Put::Unanswered } else { Put::Cut }));
            }
            Err(BrokerError::Refused(Refused::Unavailable)) => return Err(Stop::Failed(Put::Unfiled)),
            // What another vault says of it, whose pairing came meanwhile, counts for nothing.
            Err(_) if self.is_for_another(next.vault) => return Err(Stop::Pause(Pause::Idle)),
            Err(error) => return Err(stop(error)),
        }
        Ok(())
    }

    async fn delivered(&self, next: &Waiting) {
        node::danger::point("spool:delivered");
        let (spool, ticket) = (self.spool.clone(), next.ticket);
        self.spool.is_with_the_vault(ticket.request());
        if let Err(error) = self.blocking(move || spool.remove(&ticket)).await {
            // The vault takes it for what it is: the same again.
            tracing::error!(%error, "a delivered request cannot be removed; it is sent once more after the next start");
            self.spool.forget(&ticket);
        }
        node::danger::point("spool:removed");
        tracing::info!(request = %ticket.request(), "a sealed request is with the vault");
        self.broker.hint(Hint::Request(ticket));
    }

    async fn keep(&self, ticket: Ticket, filing: Filing, offered: Offered) -> Result<(), NotFiled> {
        let peer = self.paired.borrow().clone();
        let mut random = [0; 32];
        let filled = self.surroundings.fill(&mut random);
        let (spool, wanted) = (self.spool.clone(), self.wanted.clone());
        // Whoever waits for this may be gone before it is done.
        let keep = move || {
            let body = spool::body(&ticket, &filing)?;
            if !spool.keeps(filing.ticket, body, offered)? {
                let peer = peer.ok_or(Failed::Unpaired)?;
                filled.map_err(|_| Failed::Random)?;
                let sealed = seal::seal(peer.sealing(), peer.origin(), &filing, random)?;
                spool.keep(peer.mark(), filing.ticket, body, sealed, offered)?;
            }
            wanted.notify_one();
            Ok::<(), Failed>(())
        };
        match node::blocking(&*self.surroundings, keep).await {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => {
                self.trouble("not kept", error.to_string());
                Err(NotFiled::from(error))
            }
            None => Err(NotFiled::NotKept),
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
    ) -> io::Result<T> {
        match node::blocking(&*self.surroundings, work).await {
            Some(done) => done.map_err(io::Error::other),
            None => Err(io::Error::other("the process is stopping")),
        }
    }
}

/// Why a request was not handed over.
enum Stop {
    /// It never will be.
    Aside(Unusable),
    /// The vault has no room for it before this time is over, or others are gone; others may have room.
    Later(Duration),
    /// It cannot be now, and others perhaps can.
    Failed(Put),
    /// Nothing more is for now.
    Pause(Pause),
}

/// Why a request is put off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Put {
    /// As many are filed as the vault takes.
    #[error("the vault takes no more requests for now, and expects room in {} s", .0.as_secs())]
    Busy(Duration),
    /// Something of the vault's own.
    #[error("the vault could not file it")]
    Unfiled,
    /// None that is known: the link stayed up.
    #[error("the vault gave no answer")]
    Unanswered,
    /// The link ended.
    #[error("the link to the vault broke")]
    Cut,
    /// This machine's disk.
    #[error("it cannot be read here now")]
    Unread,
}

/// Whether a request that was sent to the vault may be there.
fn reached(answer: Result<(), BrokerError>) -> Offered {
    match answer {
        // A vault whose disk failed may find the request on it at its next start.
        Ok(()) | Err(BrokerError::Broken | BrokerError::Refused(Refused::Unavailable)) => Offered::Perhaps,
        Err(BrokerError::Away | BrokerError::Refused(_)) => Offered::Never,
    }
}

/// What follows when the vault was not there, or refused.
fn stop(error: BrokerError) -> Stop {
    match error {
        BrokerError::Refused(Refused::Malformed | Refused::TooLarge) => Stop::Aside(Unusable::Refused),
        // A quota is this request's own: nobody else waits for it.
        BrokerError::Refused(Refused::Busy { retry_after }) => Stop::Later(Duration::from_secs(retry_after.into())),
        BrokerError::Away
        | BrokerError::Broken
        | BrokerError::Refused(
            Refused::Protocol | Refused::Unavailable | Refused::Collected | Refused::Paused | Refused::Answered,
        ) => Stop::Pause(Pause::Retry),
    }
}

/// Completes when a link or a pairing came or went.
async fn link_changed(hints: &mut Receiver<Hint>) {
    // One that has missed hints may have missed this one; a sender that is gone sends no more.
    while matches!(hints.recv().await, Ok(Hint::Request(_))) {}
}

#[cfg(test)]
mod tests;
