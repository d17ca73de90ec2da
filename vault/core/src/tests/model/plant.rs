//! Mistakes that the vault could have been written with, each to be found by the invariant that it breaks.

use super::judge::Invariant;
use super::world::Bounds;
use crate::danger::Planted;

/// A mistake, in the core or in its driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plant {
    /// Made by the core's own switch.
    Core(Planted),
    /// What follows from a decision happens, and then it is committed.
    EffectBeforeCommit,
    /// The owner's process reads the draft again when it makes the statement.
    ReadAfterDisplay,
    /// What was filed is counted since the start of the process.
    QuotaReset,
}

impl Plant {
    pub(super) fn in_core(self) -> Option<Planted> {
        if let Self::Core(planted) = self { Some(planted) } else { None }
    }
}

/// A plant, what must find it, and how much must happen for that.
pub(super) struct Planting {
    pub(super) name: &'static str,
    pub(super) plant: Plant,
    pub(super) caught_by: Invariant,
    pub(super) bounds: Bounds,
}
