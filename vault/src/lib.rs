//! The vault: the machine that holds private data and releases exactly what its owner has read and signed.
//!
//! A program; of its library others need [`driver`] alone.

mod cli;
mod command;
mod config;
mod daemon;
mod desk;
mod disk;
pub mod driver;
mod editor;
mod evidence;
mod lanes;
mod news;
mod paths;
mod prompt;
mod scratch;
mod sealing;
mod service;
mod sign;
mod store;
mod table;
mod timekeeper;

use clap::Parser as _;
use std::process::ExitCode;

/// The program, from its arguments to its exit code.
pub fn run() -> ExitCode {
    let arguments = match cli::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let invocation = command::Invocation::new("vault", arguments.home.as_deref());
    match command::run(arguments, &invocation) {
        Ok(()) => ExitCode::from(node::exit::OK),
        Err(error) => {
            // Standard error may be gone; the exit code still tells.
            drop(command::tell(&invocation.complete(&format!("vault: {error}"))));
            ExitCode::from(error.code())
        }
    }
}
