//! The reception: faces the internet, answers from what the owner has published, and brings requests to the owner's vault.
//! It holds nothing private and no key that approves anything.
//!
//! A program; of its library others need [`driver`] alone.

mod agent;
mod broker;
mod cli;
mod config;
mod courier;
mod daemon;
pub mod driver;
mod home;
mod id;
mod init;
mod keys;
mod library;
mod lobby;
mod peer;
mod spoken;
mod spool;
#[cfg(test)]
mod testing;
mod web;

use crate::cli::{Arguments, Command};
use crate::home::Home;
use crate::peer::{PairError, Replace};
use clap::Parser as _;
use node::invocation::Invocation;
use std::env;
use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

/// The longest pairing line that is read from standard input, bytes.
const LINE_MAX: u64 = 16 * 1024;

/// The program, from its arguments to its exit code.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let invocation = Invocation::new("reception", arguments.home.as_deref());
    match obey(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err((exit, error)) => {
            // If standard error is gone too, the exit code still tells.
            let _ = writeln!(io::stderr(), "{}", invocation.complete(&format!("reception: {error}")));
            ExitCode::from(exit)
        }
    }
}

fn obey(arguments: Arguments) -> Result<(), (u8, anyhow::Error)> {
    node::memory::keep_private().map_err(|e| (node::exit::FAILURE, e.into()))?;
    let variable = |name: &str| -> Option<OsString> { env::var_os(name) };
    let home = Home::find(arguments.home.as_deref(), variable).map_err(|e| (node::exit::FAILURE, e.into()))?;
    let (mut out, mut notes) = (io::stdout(), io::stderr());
    match arguments.command {
        Command::Init(options) => init::init(&home, &options, &mut out).map_err(|e| (e.exit(), e.into())),
        Command::Id => id::id(&home, variable, &mut out, &mut notes).map_err(|e| (e.exit(), e.into())),
        Command::Pair(options) => pair(&home, &options).map_err(|e| (e.exit(), e.into())),
        Command::Serve => daemon::serve(&home, variable).map_err(|e| (e.exit(), e.into())),
    }
}

fn pair(home: &Home, options: &cli::Pair) -> Result<(), PairError> {
    let mut line = options.line.join(" ");
    if line == "-" {
        line.clear();
        io::stdin().take(LINE_MAX).read_to_string(&mut line)?;
    }
    let replace = if options.replace { Replace::Yes } else { Replace::No };
    peer::pair(home, &line, replace, &mut io::stdout())
}
