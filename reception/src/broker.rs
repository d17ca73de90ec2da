//! Between visitors and the vault: which link is up, calls over it, and hints to whoever waits.
//!
//! The vault dials in and the newest link of the paired vault counts. The reception asks and never stores an answer; a hint
//! from the vault only says that asking again is worth while.

use bytes::Bytes;
use link::{Body, CallError, Goodbye, Link};
use shared::ids::{CollectionId, Nonce, Ticket, TicketHash};
use shared::limits;
use shared::message::{Call, Delivery, Filing, Refused, Reply, View, VisitorAnswer};
use shared::receipt::Receipt;
use shared::seal::Sealed;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, broadcast};

/// Hints that a slow listener may fall behind; one that falls further asks again once.
const HINTS: usize = 1024;
/// Deliveries of one ticket at once, so that no visitor takes every place.
const SHARES: u32 = 3;

/// What may have changed. Never state: whoever gets one asks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// This request.
    Request(TicketHash),
    /// The link came or went.
    Link,
    /// The publication.
    Publication,
}

/// Why the vault gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// No vault is connected, and nothing was sent.
    #[error("the owner's vault is not connected; try again later")]
    Away,
    /// The call broke after it may have been sent: whether it was carried out is unknown, and asking again is safe.
    #[error("the connection to the owner's vault broke; try again later")]
    Broken,
    /// Every place for a call or for a payload is taken here, and nothing was sent. It says nothing about the vault.
    #[error("the owner's vault is asked so much at once that there is no room for more; try again later")]
    Crowded,
    /// The vault answered that it will not.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// What came of asking for a release.
pub enum Collected {
    /// The receipt, and the payload from the asked offset.
    Delivery(Box<Delivery>, Payload),
    /// Nothing to collect; the page asks how the request stands, and shows that.
    Nothing,
}

/// A payload on its way to a visitor; it holds one of [`limits::DELIVERIES`] places until it is dropped.
pub struct Payload {
    body: Body,
    _place: OwnedSemaphorePermit,
    _share: Share,
}

/// One of the deliveries that a ticket may have at once; given back when it is dropped.
struct Share(Arc<Inner>, TicketHash);

impl Share {
    /// `None` when the ticket has [`SHARES`] already.
    fn take(inner: &Arc<Inner>, ticket: TicketHash) -> Option<Self> {
        let mut taken = inner.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(ticket).or_insert(0);
        if *count >= SHARES {
            return None;
        }
        *count += 1;
        Some(Self(inner.clone(), ticket))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.0.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.1);
            }
        }
    }
}

impl Payload {
    /// As [`Body::chunk`].
    ///
    /// # Errors
    /// As there.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, CallError> {
        self.body.chunk().await
    }
}

/// How a link came to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// There was none.
    Alone,
    /// An older one was there still, and was ended.
    InPlaceOfAnother,
}

/// How a link that ended had counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Went {
    /// Until its end: there is none now.
    Last,
    /// No more: a newer one had taken its place.
    Replaced,
}

/// The way to the vault. Clones share it.
#[derive(Clone)]
pub struct Broker(Arc<Inner>);

struct Inner {
    current: RwLock<Current>,
    hints: broadcast::Sender<Hint>,
    pull: Notify,
    deliveries: Arc<Semaphore>,
    shares: Mutex<HashMap<TicketHash, u32>>,
}

/// The link that counts, and how many there were: so that an old one's end is not taken for its successor's.
#[derive(Default)]
struct Current {
    link: Option<Link>,
    serial: u64,
}

impl Default for Broker {
    fn default() -> Self {
        let hints = broadcast::Sender::new(HINTS);
        let deliveries = Arc::new(Semaphore::new(limits::DELIVERIES));
        Self(Arc::new(Inner {
            current: RwLock::default(),
            hints,
            pull: Notify::new(),
            deliveries,
            shares: Mutex::default(),
        }))
    }
}

impl Broker {
    /// Whether a vault is connected now.
    pub fn up(&self) -> bool {
        self.link().is_ok()
    }

    /// Files a request; when this returns, the vault holds it durably.
    ///
    /// # Errors
    /// [`BrokerError`]; filing the same again is safe.
    pub async fn file(&self, filing: Filing) -> Result<(), BrokerError> {
        self.call(&Call::File(filing), |reply, _| matches!(reply, Reply::Filed).then_some(())).await
    }

    /// Hands over a sealed request; when this returns, the vault holds it durably.
    ///
    /// # Errors
    /// [`BrokerError`]; handing the same over again is safe.
    pub(crate) async fn forward(&self, ticket: TicketHash, sealed: Sealed) -> Result<(), BrokerError> {
        self.call(&Call::Forward { ticket, sealed }, |reply, _| matches!(reply, Reply::Filed).then_some(())).await
    }

    /// How a request stands.
    ///
    /// # Errors
    /// [`BrokerError`]
    pub async fn status(&self, ticket: &Ticket) -> Result<View, BrokerError> {
        self.call(&Call::Status { ticket: ticket.clone() }, view).await
    }

    /// The owner's words about a request, not yet verified; `None` when there are none.
    ///
    /// # Errors
    /// [`BrokerError`]
    pub async fn words(&self, ticket: &Ticket) -> Result<Option<Receipt>, BrokerError> {
        let words = |reply, _| match reply {
            Reply::Words(receipt) => Some(Some(*receipt)),
            Reply::View(_) => Some(None),
            Reply::Welcome(_) | Reply::Filed | Reply::Delivery(_) | Reply::Publication(_) | Reply::Refused(_) => None,
        };
        self.call(&Call::Words { ticket: ticket.clone() }, words).await
    }

    /// Answers the owner's question of this nonce; when this returns, the vault holds the answer durably, or the request is over.
    ///
    /// # Errors
    /// [`BrokerError`]; answering the same again is safe.
    pub async fn answer(&self, ticket: &Ticket, question: Nonce, text: VisitorAnswer) -> Result<(), BrokerError> {
        let call = Call::Answer { ticket: ticket.clone(), question, text };
        self.call(&call, view).await.map(drop)
    }

    /// Takes a request back, and tells how it stands then.
    ///
    /// # Errors
    /// [`BrokerError`]
    pub async fn withdraw(&self, ticket: &Ticket) -> Result<View, BrokerError> {
        self.call(&Call::Withdraw { ticket: ticket.clone() }, view).await
    }

    /// A release's receipt and its payload from `offset`; the same `collection` resumes without being counted again.
    ///
    /// # Errors
    /// [`BrokerError`]
    pub async fn collect(
        &self,
        ticket: &Ticket,
        collection: CollectionId,
        offset: u64,
    ) -> Result<Collected, BrokerError> {
        let _share = Share::take(&self.0, ticket.hash()).ok_or(BrokerError::Crowded)?;
        let place = self.0.deliveries.clone().try_acquire_owned();
        let _place = place.map_err(|_| BrokerError::Crowded)?;
        let collected = |reply, body| match reply {
            Reply::Delivery(delivery) => Some(Collected::Delivery(delivery, Payload { body, _place, _share })),
            Reply::View(_) => Some(Collected::Nothing),
            Reply::Welcome(_) | Reply::Filed | Reply::Words(_) | Reply::Publication(_) | Reply::Refused(_) => None,
        };
        self.call(&Call::Collect { ticket: ticket.clone(), collection, offset }, collected).await
    }

    /// Hints from now on.
    pub fn changes(&self) -> broadcast::Receiver<Hint> {
        self.0.hints.subscribe()
    }

    /// Makes `link` the one that counts, ends the one before, and tells the number to [`Self::disconnect`] by, and whether there
    /// was one before.
    pub(crate) fn connect(&self, link: Link) -> (u64, Came) {
        let (before, serial) = {
            let mut current = self.0.current.write().unwrap_or_else(PoisonError::into_inner);
            current.serial += 1;
            (current.link.replace(link), current.serial)
        };
        let came = if let Some(before) = before {
            before.close(Goodbye::Replaced);
            Came::InPlaceOfAnother
        } else {
            Came::Alone
        };
        self.hint(Hint::Link);
        (serial, came)
    }

    /// Forgets the link of this number, unless another took its place; whether it counted until now.
    pub(crate) fn disconnect(&self, serial: u64) -> Went {
        let gone = {
            let mut current = self.0.current.write().unwrap_or_else(PoisonError::into_inner);
            if current.serial == serial { current.link.take() } else { None }
        };
        if gone.is_none() {
            return Went::Replaced;
        }
        self.hint(Hint::Link);
        Went::Last
    }

    /// Tells everybody who listens.
    pub(crate) fn hint(&self, hint: Hint) {
        // Fails only when nobody listens.
        let _ = self.0.hints.send(hint);
    }

    /// Has the publication asked for again.
    pub(crate) fn want_publication(&self) {
        self.0.pull.notify_one();
    }

    /// Completes after [`Self::want_publication`].
    pub(crate) async fn publication_wanted(&self) {
        self.0.pull.notified().await;
    }

    fn link(&self) -> Result<Link, BrokerError> {
        let current = self.0.current.read().unwrap_or_else(PoisonError::into_inner);
        current.link.clone().filter(|link| link.close_reason().is_none()).ok_or(BrokerError::Away)
    }

    /// What `read` takes the reply for; `None` when it is the reply to another call.
    async fn call<T>(&self, call: &Call, read: impl FnOnce(Reply, Body) -> Option<T>) -> Result<T, BrokerError> {
        node::danger::point("call:before");
        let link = self.link()?;
        let answer = link.call(call).await;
        node::danger::point("call:after");
        match answer {
            Ok((Reply::Refused(refused), _)) => Err(refused.into()),
            Ok((reply, body)) => read(reply, body).ok_or_else(|| breach(&link)),
            Err(error @ CallError::Busy(_)) => {
                note(&error);
                Err(BrokerError::Crowded)
            }
            Err(error) => {
                note(&error);
                self.give_up(&link, &error);
                Err(BrokerError::Broken)
            }
        }
    }

    /// A vault that does not answer what it was sent is not there: whoever asks next is told so at once, and a living vault
    /// dials again. A call that found no room says nothing about the vault.
    fn give_up(&self, link: &Link, error: &CallError) {
        if matches!(error, CallError::Stalled(_)) {
            link.close(Goodbye::Done);
            self.hint(Hint::Link);
        }
    }
}

fn view(reply: Reply, _: Body) -> Option<View> {
    if let Reply::View(view) = reply { Some(view) } else { None }
}

/// The vault answered with a reply that belongs to another call: nothing that it says on this link can be relied on.
fn breach(link: &Link) -> BrokerError {
    tracing::warn!("the vault answered with the reply to another call; compare both versions");
    link.close(Goodbye::Protocol);
    BrokerError::Broken
}

/// The errors name places and numbers, and never what a message holds.
fn note(error: &CallError) {
    tracing::debug!(%error, "a call to the vault failed");
}

#[cfg(test)]
mod tests;
