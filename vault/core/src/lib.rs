//! The release core: who may have which bytes, decided without clock, randomness, disk or network.
//!
//! [`decide()`] takes a request's [`State`] and one [`Input`] and answers with a [`Step`]: the next state, the log entry, and
//! effects sealed in [`AfterCommit`], which only a committed transaction opens. A [`Permit`] is the only thing that the
//! payload store takes in exchange for released bytes, and it is made here alone, out of a verified approval.

mod approval;
mod commit;
mod decide;
mod published;
mod record;
mod release;
mod state;
#[cfg(test)]
mod tests;

pub use approval::{Choice, NotApproved, Signed, approval};
pub use commit::{AfterCommit, Commit};
pub use decide::{Authority, Effect, Input, LogEntry, Rejected, Step, decide, file};
pub use published::{NotPublished, Published};
pub use record::{BadRecord, Record};
pub use release::{Permit, Release};
pub use state::{Closing, Draft, LaneId, Line, Request, Shown, Stage, State, Unprepared, Why};
