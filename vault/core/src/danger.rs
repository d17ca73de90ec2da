//! Test-only faults, in one greppable place: each is a mistake that this crate could have been written with. The model checker
//! plants them one at a time and must find every one. Outside this crate's own tests there are none.

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(not(test), allow(dead_code, reason = "nothing outside the tests plants a fault"))]
pub(crate) enum Planted {
    /// A draft's nonce is not compared.
    SkippedNonce,
    /// An approval of another draft of the same request counts.
    SupersededDraft,
    /// An approval for another recipient counts.
    WrongRecipient,
    /// A revocation is logged and has no effect.
    IgnoredRevocation,
    /// A release can be collected in the second in which it ends.
    ExpiryOffByOne,
    /// One collection more than allowed.
    FreeCollection,
    /// The wall clock says when an approval has cooled off.
    CoolingByTheWall,
    /// One owner who signs twice counts as two.
    OwnerCountedTwice,
}

/// The planted fault, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Danger {
    #[cfg(test)]
    pub(crate) planted: Option<Planted>,
}

impl Danger {
    /// Whether this mistake is to be made. In what is shipped, the compiler knows that none is.
    #[cfg(test)]
    pub(crate) fn is(self, fault: Planted) -> bool {
        self.planted == Some(fault)
    }

    /// Whether this mistake is to be made. In what is shipped, the compiler knows that none is.
    #[cfg(not(test))]
    pub(crate) fn is(self, _: Planted) -> bool {
        false
    }
}
