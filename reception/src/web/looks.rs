//! Looking at requests for those who watch them: few at once, so that one hint that wakes them all leaves room on the link for
//! everybody else; and once for those who wait to look at the same request.

use shared::ids::TicketHash;
use shared::limits;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OnceCell, Semaphore};

/// A request's word, once it was looked at.
type Look = Arc<OnceCell<&'static str>>;

/// The looks of all watchers.
pub(crate) struct Looks {
    places: Semaphore,
    /// Those that have not begun. Nobody joins one that has: it may be older than what woke them.
    waiting: Mutex<HashMap<TicketHash, Waiting>>,
}

struct Waiting {
    look: Look,
    watchers: usize,
}

impl Default for Looks {
    fn default() -> Self {
        Self::of(limits::WATCHERS_LOOKS)
    }
}

impl Looks {
    fn of(places: usize) -> Self {
        Self { places: Semaphore::new(places), waiting: Mutex::default() }
    }

    /// What `look` finds when its turn has come, or what another of this request's watchers finds from now on.
    pub(crate) async fn share(&self, ticket: TicketHash, look: impl Future<Output = &'static str>) -> &'static str {
        let turn = self.wait(ticket);
        let begin = || async {
            // It is never closed.
            let _place = self.places.acquire().await;
            turn.begin();
            look.await
        };
        turn.look.get_or_init(begin).await
    }

    fn wait(&self, ticket: TicketHash) -> Turn<'_> {
        let mut waiting = self.waiting();
        let joined = waiting.entry(ticket).or_insert_with(|| Waiting { look: Look::default(), watchers: 0 });
        joined.watchers += 1;
        Turn { looks: self, ticket, look: joined.look.clone() }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<TicketHash, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One watcher's part in a look. Whoever leaves leaves nothing behind.
struct Turn<'a> {
    looks: &'a Looks,
    ticket: TicketHash,
    look: Look,
}

impl Turn<'_> {
    /// Whoever comes from now on waits for another look.
    fn begin(&self) {
        let mut waiting = self.looks.waiting();
        if waiting.get(&self.ticket).is_some_and(|other| Arc::ptr_eq(&other.look, &self.look)) {
            waiting.remove(&self.ticket);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut waiting = self.looks.waiting();
        let Some(own) = waiting.get_mut(&self.ticket).filter(|other| Arc::ptr_eq(&other.look, &self.look)) else {
            return;
        };
        own.watchers -= 1;
        if own.watchers == 0 {
            waiting.remove(&self.ticket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use futures::future::{join_all, pending};
    use std::cell::Cell;
    use tokio::sync::oneshot;

    const TICKET: TicketHash = TicketHash([7; 32]);

    #[tokio::test]
    async fn who_waits_shares_a_look_that_has_not_begun_and_never_one_that_has() {
        let (looks, begun) = (Looks::of(1), Cell::new(0));
        let look = |word| {
            let begun = &begun;
            async move {
                begun.set(begun.get() + 1);
                word
            }
        };
        let (done, held) = oneshot::channel();
        let mut first = Box::pin(looks.share(TICKET, held.map(|word| word.unwrap())));
        assert!(first.as_mut().now_or_never().is_none());
        let mut others = Box::pin(join_all((0..5).map(|_| looks.share(TICKET, look("ready")))));
        assert!(others.as_mut().now_or_never().is_none());
        done.send("waiting").unwrap();
        assert_eq!(first.await, "waiting", "it was begun before the others came");
        assert_eq!((others.await, begun.get()), (vec!["ready"; 5], 1));
        assert_eq!((looks.share(TICKET, look("closed")).await, begun.get()), ("closed", 2));
        assert!(looks.waiting().is_empty());
    }

    #[tokio::test]
    async fn who_leaves_gives_the_place_back_and_leaves_the_look_to_the_others() {
        let looks = Looks::of(1);
        let mut first = Box::pin(looks.share(TICKET, pending()));
        assert!(first.as_mut().now_or_never().is_none());
        let other = TicketHash([8; 32]);
        let mut leaving = Box::pin(looks.share(other, pending()));
        let mut staying = Box::pin(looks.share(other, async { "ready" }));
        assert!(leaving.as_mut().now_or_never().is_none() && staying.as_mut().now_or_never().is_none());
        drop((first, leaving));
        assert_eq!(staying.await, "ready");
        assert!(looks.waiting().is_empty());
        assert_eq!(looks.places.available_permits(), 1);
    }
}
