//! Durable before visible, held by the type system: what follows from a decision is sealed until its transaction commits.

/// A value that exists only once something has been committed.
#[must_use = "effects that are never opened never happen"]
pub struct AfterCommit<T>(T);

/// A transaction that can be made durable, once.
pub trait Commit {
    /// Why it could not.
    type Error;

    /// Returns only when everything written through the transaction would survive a power cut.
    ///
    /// # Errors
    /// When nothing of it was made durable.
    fn commit(self) -> Result<(), Self::Error>;
}

impl<T> AfterCommit<Vec<T>> {
    /// For a transaction that nothing follows from.
    pub fn nothing() -> Self {
        Self(Vec::new())
    }
}

impl<T> AfterCommit<T> {
    pub(crate) fn seal(value: T) -> Self {
        Self(value)
    }

    /// One seal around many, for a group commit; the order is kept.
    pub fn all(sealed: impl IntoIterator<Item = Self>) -> AfterCommit<Vec<T>> {
        AfterCommit(sealed.into_iter().map(|s| s.0).collect())
    }

    /// Commits, then opens.
    ///
    /// # Errors
    /// The transaction's own; the sealed value is dropped and never seen.
    pub fn open<C: Commit>(self, transaction: C) -> Result<T, C::Error> {
        transaction.commit().map(|()| self.0)
    }
}
