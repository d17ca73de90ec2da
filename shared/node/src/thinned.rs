//! Log lines that a stranger can cause, thinned out.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A line of one kind is logged at most this often.
pub const WINDOW: Duration = Duration::from_secs(10);

/// Warnings of which each kind has one line in a [`WINDOW`]; the others are counted, and told with the newest of them. Many may
/// share one.
#[derive(Debug)]
pub struct Thinned<K> {
    first: &'static str,
    more: &'static str,
    kinds: Mutex<HashMap<K, Held>>,
}

/// What is held back of one kind.
#[derive(Debug)]
struct Held {
    since: Instant,
    times: u64,
    newest: String,
}

impl<K: Eq + Hash> Thinned<K> {
    /// The first line of a kind begins with `first`, one that tells how many were held back with `more`.
    pub fn new(first: &'static str, more: &'static str) -> Self {
        Self { first, more, kinds: Mutex::default() }
    }

    /// Logs this, or holds it back.
    pub fn note(&self, kind: K, why: String, now: Instant) {
        self.flush(now);
        let mut kinds = self.kinds();
        match kinds.get_mut(&kind) {
            Some(held) => {
                held.times += 1;
                held.newest = why;
            }
            None => {
                tracing::warn!("{}: {why}", self.first);
                kinds.insert(kind, Held { since: now, times: 0, newest: String::new() });
            }
        }
    }

    /// Tells what was held back, of every kind whose time is over.
    pub fn flush(&self, now: Instant) {
        self.kinds().retain(|_, held| {
            if now.duration_since(held.since) < WINDOW {
                return true;
            }
            let times = std::mem::take(&mut held.times);
            if times > 0 {
                tracing::warn!(times, such_as = held.newest, "{}", self.more);
            }
            held.since = now;
            times > 0
        });
    }

    /// Whether nothing is held back.
    pub fn is_empty(&self) -> bool {
        self.kinds().is_empty()
    }

    fn kinds(&self) -> MutexGuard<'_, HashMap<K, Held>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
