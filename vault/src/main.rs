//! The vault: the machine that holds private data and releases exactly what its owner has read and signed.

mod cli;
mod command;
mod config;
mod daemon;
mod desk;
mod editor;
mod evidence;
mod lanes;
mod paths;
mod prompt;
mod scratch;
mod sealing;
mod service;
mod sign;
mod store;
mod table;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = match cli::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    match command::run(arguments) {
        Ok(()) => ExitCode::from(node::exit::OK),
        Err(error) => {
            // Standard error may be gone; the exit code still tells.
            let text = format!("vault: {error}");
            let lines: Vec<String> = text.lines().map(shared::visible::line).collect();
            drop(command::tell(&lines.join("\n")));
            ExitCode::from(error.code())
        }
    }
}
