//! End-to-end tests: real nodes, a real terminal, a real browser.
// A test that cannot go on panics; what it measured, it prints.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod big;
mod canary;
mod clock;
mod crash;
mod desk;
mod editor;
mod errands;
mod evidence;
mod flood;
mod late;
mod life;
mod newcomer;
mod page;
mod refusals;
mod spool;
mod timing;
mod walk;
