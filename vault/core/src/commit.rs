//! Durable before visible, held by the type system: what follows from a decision is sealed until its transaction commits.

/// A value that exists only once something has been committed: only a [`Commit`] opens it. The one that is real is in the
/// vault's `store/transaction.rs`; whoever makes another answers for what it promises.
///
/// ```no_run
/// use vault_core::{AfterCommit, Commit};
/// fn right<T, C: Commit>(sealed: AfterCommit<T>, transaction: C) -> Result<T, C::Error> { sealed.open(transaction) }
/// ```
/// ```compile_fail,E0616
/// use vault_core::AfterCommit;
/// fn peek<T>(sealed: AfterCommit<T>) -> T { sealed.0 }
/// ```
/// ```compile_fail,E0532
/// use vault_core::AfterCommit;
/// fn unpack<T>(sealed: AfterCommit<T>) -> T { let AfterCommit(value) = sealed; value }
/// ```
/// ```compile_fail,E0061
/// use vault_core::AfterCommit;
/// fn alone<T>(sealed: AfterCommit<T>) -> T { sealed.open() }
/// ```
/// ```compile_fail,E0277
/// use vault_core::AfterCommit;
/// fn nothing<T>(sealed: AfterCommit<T>) -> Result<T, ()> { sealed.open(()) }
/// ```
/// ```compile_fail,E0423
/// use vault_core::{AfterCommit, Effect};
/// fn forge(effects: Vec<Effect>) -> AfterCommit<Vec<Effect>> { AfterCommit(effects) }
/// ```
/// ```compile_fail,E0624
/// use vault_core::{AfterCommit, Effect};
/// fn forge(effects: Vec<Effect>) -> AfterCommit<Vec<Effect>> { AfterCommit::seal(effects) }
/// ```
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

    /// What follows from this, then what follows from `other`.
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
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
