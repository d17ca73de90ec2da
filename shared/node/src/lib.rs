//! What both programs do before their own work begins: find their folders, read and write small private files, load keys
//! and configuration, log, and end with an exit code that scripts can tell apart.

pub mod config;
pub mod danger;
pub mod descriptors;
pub mod exit;
pub mod files;
pub mod home;
pub mod invocation;
pub mod keys;
pub mod log;
pub mod memory;
mod surroundings;
mod thinned;

pub use surroundings::{Machine, Surroundings, Waiting, Work, blocking};
pub use thinned::{Thinned, WINDOW};
