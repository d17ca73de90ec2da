//! The release core against tables of what must happen, with real signatures.

#![allow(clippy::unwrap_used)]

mod approvals;
mod collections;
mod commits;
mod mutations;
mod owner;
mod publications;
mod records;
mod refusals;
mod stages;
mod times;
mod world;
