//! Hostile bytes for every decoder of both nodes.
//!
//! A [`Target`] takes any bytes, feeds them to its decoders, and panics where one breaks a promise. No panic of its own is
//! the least of them: what is taken has one spelling and is within its limits, a signature or proof is taken only if it is
//! the true one, and an error names a place and never the content ([`judge::quiet`]).
//!
//! The same targets are run in two ways: over many mutations of their seeds in this package's tests, on any toolchain and
//! always alike; and by libFuzzer, which searches for inputs that reach new code (`tests/run fuzz`). The first target of a
//! campaign is `planted`, whose panic only such a search can find: a fuzzer that does not find it proves nothing.
//!
//! A new decoder gets a module here with its checks and its seeds, and a line in [`TARGETS`].
// A check that does not hold panics; so may the making of samples.
#![allow(clippy::unwrap_used)]

mod frames;
pub mod judge;
mod log;
mod nodes;
mod owner;
mod pairing;
mod planted;
mod proofs;
mod publication;
mod receipt;
pub mod samples;
mod sealed;
mod settings;
mod signature;
mod signers;
mod spool;
mod statement;
mod text;

// The nodes are programs and not libraries, so their files refer to each other by these names.
use nodes::{home, paths, store};

/// What became of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Some decoder took it.
    Taken,
    /// None did.
    Refused,
}

impl Verdict {
    fn of(taken: bool) -> Self {
        if taken { Self::Taken } else { Self::Refused }
    }
}

/// Decoders under test, and where to begin.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// For the command line.
    pub name: &'static str,
    /// Feeds the decoders; panics where one of them breaks a promise.
    pub check: fn(&[u8]) -> Verdict,
    /// Inputs to begin with, among them some of each form that is taken.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// What the format is made of, to be put together in other ways.
    pub words: &'static [&'static str],
}

/// Every target. The planted crash is none of them.
pub const TARGETS: &[Target] = &[
    frames::CALL,
    frames::REPLY,
    frames::DESK,
    frames::RECORD,
    statement::STATEMENT,
    signature::SSHSIG,
    signers::SIGNERS,
    pairing::PAIRING,
    log::TLOG,
    proofs::PROOF,
    receipt::RECEIPT,
    publication::PUBLICATION,
    sealed::SEALED,
    spool::SPOOL,
    settings::VAULT,
    settings::RECEPTION,
    text::VISIBLE,
    text::CODE,
];

/// The target with a crash in it that random bytes do not find.
pub const PLANTED: Target = planted::PLANTED;
