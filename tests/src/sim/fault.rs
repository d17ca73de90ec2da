//! Faults that are planted in the simulated store.

/// What is wrong with the store, so that the checker is seen to notice. Never in a run that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Sometimes a commit succeeds and writes nothing.
    LostWrite,
    /// The answer goes out before the commit.
    ToldBeforeCommit,
    /// A collection is counted once its payload has gone.
    CountedLate,
    /// Approvals are not logged.
    Unlogged,
    /// A restart brings back each request's last state but one.
    RolledBack,
    /// Payloads have one wrong byte.
    OtherBytes,
    /// A resumed payload begins at its start.
    OffsetForgotten,
}

impl Fault {
    /// Each that the checker has to notice.
    pub const ALL: [Self; 7] = [
        Self::LostWrite,
        Self::ToldBeforeCommit,
        Self::CountedLate,
        Self::Unlogged,
        Self::RolledBack,
        Self::OtherBytes,
        Self::OffsetForgotten,
    ];
}
