//! Runs one target under libFuzzer: the one that `FUZZ_TARGET` names, or `planted`.
//!
//! With `FUZZ_SEEDS` and `FUZZ_WORDS` set, the target's seeds are first written into that folder, and its words as a
//! dictionary into that file. Without a target, the names of all of them are printed instead.
#![no_main]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program that tests")]

use fuzz::{PLANTED, TARGETS, Target};
use libfuzzer_sys::fuzz_target;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::{env, fs, process};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let Ok(name) = env::var("FUZZ_TARGET") else {
        TARGETS.iter().for_each(|target| println!("{}", target.name));
        process::exit(0);
    };
    let found = TARGETS.iter().chain([&PLANTED]).find(|target| target.name == name);
    *found.unwrap_or_else(|| panic!("no target is called {name:?}"))
});

/// Seeds and words where they are wanted.
fn prepare() {
    // Here, before libFuzzer takes an exit for a crash.
    let target = *TARGET;
    if let Some(folder) = env::var_os("FUZZ_SEEDS").map(PathBuf::from) {
        for (seed, number) in (target.seeds)().iter().zip(0..) {
            fs::write(folder.join(format!("seed-{number:03}")), seed).unwrap();
        }
    }
    if let Some(file) = env::var_os("FUZZ_WORDS") {
        // Without a comment, a target without words would have an empty file, which libFuzzer refuses.
        let mut dictionary = format!("# {}\n", target.name);
        for word in target.words {
            let escaped: String = word.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
            writeln!(dictionary, "\"{escaped}\"").unwrap();
        }
        fs::write(file, dictionary).unwrap();
    }
}

fuzz_target!(init: prepare(), |data: &[u8]| {
    (TARGET.check)(data);
});
