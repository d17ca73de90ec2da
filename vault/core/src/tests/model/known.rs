//! Values that a search meets again and again, each kept once for as long as the program runs: copying, comparing and hashing
//! one costs as much as a number, so that a state of the whole world stays small.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::{PoisonError, RwLock};

/// A value that is kept.
pub(super) struct Known<T: 'static>(&'static (u32, T));

impl<T> Known<T> {
    /// The value, which outlives whoever looks at it.
    pub(super) fn get(self) -> &'static T {
        &self.0.1
    }
}

impl<T> Clone for Known<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Known<T> {}

impl<T> PartialEq for Known<T> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl<T> Eq for Known<T> {}

impl<T> PartialOrd for Known<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Known<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.0.cmp(&other.0.0)
    }
}

impl<T> Hash for Known<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.0.hash(hasher);
    }
}

impl<T> fmt::Debug for Known<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0.0)
    }
}

impl<T> Deref for Known<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0.1
    }
}

/// What is kept, by what it follows from.
pub(super) struct Kept<K, T: 'static>(RwLock<HashMap<K, Known<T>>>);

impl<K: Hash + Eq, T> Kept<K, T> {
    pub(super) fn new() -> Self {
        Self(RwLock::new(HashMap::new()))
    }

    pub(super) fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(super) fn find(&self, key: &K) -> Option<Known<T>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    /// The value that follows from `key`; made once, or by two threads at once and then kept once.
    pub(super) fn of(&self, key: K, make: impl FnOnce() -> T) -> Known<T> {
        if let Some(known) = self.find(&key) {
            return known;
        }
        let value = make();
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let number = u32::try_from(kept.len()).unwrap();
        *kept.entry(key).or_insert_with(|| Known(Box::leak(Box::new((number, value)))))
    }
}
