//! The desk: the unix socket between the owner's commands and the daemon.

mod cases;
mod client;
mod message;
mod server;

pub(crate) use client::{Desk, DeskError};
pub(crate) use message::{About, BrakeFacts, Case, ClockFacts, DeskCall, DeskReply, Fate, Reception, Standing};
pub(crate) use server::serve;
