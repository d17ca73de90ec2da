//! Hints from the vault to the reception, on one ordered stream.
//!
//! Hints are never state: whoever gets one asks again. So equal ones are sent once, and when [`QUEUE`] of them wait, the
//! oldest is dropped; the visitor whom it was about learns of the change on asking next, no later than its own timer.

use crate::endpoint::Link;
use crate::error::CallError;
use crate::stream::{Inbox, Outbox};
use shared::frame;
use shared::ids::TicketHash;
use shared::message::Event;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Hints that wait for the peer to read.
const QUEUE: usize = 4096;

/// Sends hints on one link. Clones share one stream and one queue; the stream ends after the last clone is gone and the
/// queue is empty.
#[derive(Clone)]
pub struct EventSender(Arc<Handle>);

struct Handle(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    wake: Notify,
}

impl EventSender {
    /// Sends over this link from now on; to be called once a link, as the peer takes one stream.
    pub fn new(link: &Link) -> Self {
        let shared = Arc::new(Shared { queue: Mutex::default(), wake: Notify::new() });
        tokio::spawn(run(link.clone(), shared.clone()));
        Self(Arc::new(Handle(shared)))
    }

    /// Queues a hint, unless an equal one waits already. Never blocks; on a link that has ended it does nothing.
    pub fn send(&self, event: Event) {
        self.0.0.lock().push(event);
        self.0.0.wake.notify_one();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.lock().open = Open::No;
        self.0.wake.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn run(link: Link, shared: Arc<Shared>) {
    let ended = tokio::select! {
        result = pump(&link, &shared) => result,
        error = link.closed() => Err(error.into()),
    };
    shared.lock().close();
    if let Err(error) = ended {
        tracing::debug!(%error, "no more hints on this link");
    }
}

async fn pump(link: &Link, shared: &Shared) -> Result<(), CallError> {
    let stream = link.quic().open_uni().await.map_err(|e| link.explain(e))?;
    let mut out = Outbox::new(link.clone(), stream);
    loop {
        let next = shared.lock().pop();
        match next {
            // No deadline: a peer that reads nothing costs one bounded queue.
            Next::Event(event) => out.write_within(frame::encode(&event)?.into(), None).await?,
            Next::Wait => shared.wake.notified().await,
            Next::Ended => break,
        }
    }
    out.finish();
    Ok(())
}

#[derive(Default, PartialEq, Eq)]
enum Open {
    #[default]
    Yes,
    No,
}

enum Next {
    Event(Event),
    Wait,
    Ended,
}

/// What makes hints equal.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Changed(TicketHash),
    Published(u64),
}

impl From<&Event> for Key {
    fn from(event: &Event) -> Self {
        match event {
            Event::Changed(ticket) => Self::Changed(*ticket),
            Event::Published(version) => Self::Published(*version),
        }
    }
}

/// At most [`QUEUE`] different hints, oldest first.
#[derive(Default)]
struct Queue {
    order: VecDeque<Event>,
    waiting: HashSet<Key>,
    open: Open,
}

impl Queue {
    fn push(&mut self, event: Event) {
        if self.open == Open::No || !self.waiting.insert(Key::from(&event)) {
            return;
        }
        if self.order.len() == QUEUE {
            self.take_oldest();
        }
        self.order.push_back(event);
    }

    fn pop(&mut self) -> Next {
        match self.take_oldest() {
            Some(event) => Next::Event(event),
            None if self.open == Open::Yes => Next::Wait,
            None => Next::Ended,
        }
    }

    fn take_oldest(&mut self) -> Option<Event> {
        let event = self.order.pop_front()?;
        self.waiting.remove(&Key::from(&event));
        Some(event)
    }

    fn close(&mut self) {
        *self = Self { open: Open::No, ..Self::default() };
    }
}

/// Receives the peer's hints on one link.
pub struct EventReceiver {
    link: Link,
    inbox: Option<Inbox>,
}

impl EventReceiver {
    /// Receives over this link; to be made once a link.
    pub fn new(link: &Link) -> Self {
        Self { link: link.clone(), inbox: None }
    }

    /// The next hint, however long it takes to come. Loses nothing when the future is dropped.
    ///
    /// # Errors
    /// [`CallError`]: there will be no more hints on this link.
    pub async fn next(&mut self) -> Result<Event, CallError> {
        let inbox = match &mut self.inbox {
            Some(inbox) => inbox,
            None => {
                let stream = self.link.quic().accept_uni().await.map_err(|e| self.link.explain(e))?;
                self.inbox.insert(Inbox::new(self.link.clone(), stream))
            }
        };
        inbox.frame(None).await
    }
}

#[cfg(test)]
mod tests;
