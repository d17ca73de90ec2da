//! The release core: who may have which bytes, decided without clock, randomness, disk or network.
//!
//! [`decide()`] takes a request's [`State`] and one [`Input`] and answers with a [`Step`]: the next state, the log entry, and
//! effects sealed in [`AfterCommit`], which only a committed transaction opens. A [`Permit`] is the only thing that the
//! payload store takes in exchange for released bytes, and it is made here alone, out of a verified approval.

// Nothing in what is shipped can panic, but for want of memory.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::panic_in_result_fn,
        clippy::string_slice,
        clippy::unreachable
    )
)]

mod brake;
mod clock;
mod commit;
mod danger;
mod decide;
mod filing;
mod owners;
mod published;
mod record;
mod release;
mod sign;
mod signed;
mod spoken;
mod state;
mod statements;
#[cfg(test)]
mod tests;

pub use brake::Brake;
pub use clock::{Clock, Doubt, Now};
pub use commit::{AfterCommit, Commit};
pub use decide::{Authority, Effect, Going, Input, LogEntry, Rejected, Step, decide};
pub use filing::{Before, Count, Full, Quota, contact, file, identity, likeness};
pub use owners::{BadQuorum, Owners};
pub use published::{NotPublished, Published};
pub use record::{BadRecord, Record};
pub use release::{Permit, Release};
pub use signed::{NotAccepted, Signed};
pub use spoken::{Spoken, Words};
pub use state::{
    Asked, Blank, Closing, Cooling, Draft, Exchange, LaneId, Line, Request, Shown, Stage, State, Told, Unprepared, Why,
};
pub use statements::{Choice, approval, question, refusal, revocation};
