//! The desk: the unix socket between the owner's commands and the daemon.

mod client;
mod message;
mod server;

pub(crate) use client::{Desk, DeskError};
pub(crate) use message::{About, Case, DeskCall, DeskReply};
pub(crate) use server::serve;
