//! Brings requests to the vault: at once while it is there, and by way of the [`Spool`] while it is away. Whoever has filed a
//! request is told where it is, and the spool is emptied as soon as the vault is back.

mod error;
mod later;
mod standing;
mod stop;

pub use error::NotFiled;
pub use standing::{Standing, Withdrawn};
pub(crate) use stop::reached;

use crate::broker::{Broker, BrokerError, Hint};
use crate::lobby::Paired;
use crate::spool::{self, Offered, Spool, Unusable, Waiting, lock};
use error::Failed;
use later::Later;
use node::files::FileError;
use node::{Surroundings, Thinned};
use shared::ids::{Ticket, TicketHash};
use shared::message::{Filing, Refused};
use shared::seal;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use stop::{Pause, Put, Stop, stop};
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
            // Should it be gone by then, the spool knows that it may have been handed over.
            self.keep(ticket.clone(), filing, Offered::Never).await?;
            return Ok(Filed::Spool);
        }
        let leaving = self.spool.leaves(hash);
        let answer = self.broker.file(filing.clone()).await;
        let offered = reached(answer);
        leaving.came(offered);
        match answer {
            Ok(()) => {
                self.over(hash.request(), Offered::Perhaps).await;
                return Ok(Filed::Vault);
            }
            Err(BrokerError::Crowded) => return Err(NotFiled::Crowded),
            Err(BrokerError::Refused(refused)) if refused != Refused::Unavailable => {
                return Err(NotFiled::Refused(refused));
            }
            Err(_) => {}
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
        let leaving = self.spool.leaves(ticket);
        let answer = self.broker.forward(ticket, sealed).await;
        // A try that the vault refused did not file it; an earlier one, or its visitor's own meanwhile, may have.
        leaving.came(reached(answer));
        match answer {
            Ok(()) => self.delivered(next).await,
            // A link that stays up, or breaks each time, may do so for what this request is.
            Err(BrokerError::Broken) => {
                return Err(Stop::Failed(if self.broker.up() { Put::Unanswered } else { Put::Cut }));
            }
            Err(BrokerError::Refused(Refused::Unavailable)) => return Err(Stop::Failed(Put::Unfiled)),
            Err(crowded @ BrokerError::Crowded) => {
                self.trouble("crowded", format!("{crowded}; {} and those behind it wait here", ticket.request()));
                return Err(stop(crowded));
            }
            // What another vault says of it, whose pairing came meanwhile, counts for nothing.
            Err(_) if self.is_for_another(next.vault) => return Err(Stop::Pause(Pause::Idle)),
            Err(error) => return Err(stop(error)),
        }
        Ok(())
    }

    async fn delivered(&self, next: &Waiting) {
        node::danger::point("spool:delivered");
        let (spool, ticket) = (self.spool.clone(), next.ticket);
        self.over(ticket.request(), Offered::Perhaps).await;
        if let Err(error) = self.blocking(move || spool.remove(&ticket)).await {
            // The vault takes it for what it is: the same again.
            tracing::error!(%error, "a delivered request cannot be removed; it is sent once more after the next start");
            self.spool.forget(&ticket);
        }
        node::danger::point("spool:removed");
        tracing::info!(request = %ticket.request(), "a sealed request is with the vault");
        self.broker.hint(Hint::Request(ticket));
    }

    /// Keeps a request that was offered to the vault so.
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

/// Completes when a link or a pairing came or went.
async fn link_changed(hints: &mut Receiver<Hint>) {
    // One that has missed hints may have missed this one; a sender that is gone sends no more.
    while matches!(hints.recv().await, Ok(Hint::Request(_))) {}
}

#[cfg(test)]
mod tests;
