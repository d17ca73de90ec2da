//! Faults that are planted in the simulated store, and in what a reception does.

/// What is wrong with either, so that the checker is seen to notice. Never in a run that counts.
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
    /// Releases are served although an owner has stopped all of them.
    ServedWhileFrozen,
    /// A restart forgets that releases were stopped.
    FreezeForgotten,
    /// One owner lets releases go on, although several must.
    ThawedByOne,
    /// One owner who signs an approval twice counts as two.
    OwnerCountedTwice,
    /// An approval takes effect at once, although it should cool off.
    NotCooled,
    /// What is revoked while it cools off closes before the visitor's eyes.
    RevocationShown,
    /// A question that was answered is asked on.
    AnswerForgotten,
    /// A visitor's answer is stored with other words.
    AnswerAltered,
    /// A reception's restart forgets what it keeps for the vault.
    SpoolForgotten,
    /// A request is filed twice over.
    FiledTwice,
    /// What a visitor takes back from a reception's spool stays in it.
    TakenBackInVain,
    /// A reception says of whatever it keeps that it was never handed over.
    SaidToBeUnsent,
}

impl Fault {
    /// Each that the checker has to notice.
    pub const ALL: [Self; 19] = [
        Self::LostWrite,
        Self::ToldBeforeCommit,
        Self::CountedLate,
        Self::Unlogged,
        Self::RolledBack,
        Self::OtherBytes,
        Self::OffsetForgotten,
        Self::ServedWhileFrozen,
        Self::FreezeForgotten,
        Self::ThawedByOne,
        Self::OwnerCountedTwice,
        Self::NotCooled,
        Self::RevocationShown,
        Self::AnswerForgotten,
        Self::AnswerAltered,
        Self::SpoolForgotten,
        Self::FiledTwice,
        Self::TakenBackInVain,
        Self::SaidToBeUnsent,
    ];
}
