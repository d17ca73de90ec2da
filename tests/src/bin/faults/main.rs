//! Faults on the real binaries: SIGKILL at any moment, a disk that fails at any write or flush, a damaged store. What was
//! promised before must hold afterwards; each run first proves, by planted faults, that its checks find what they are for.
//!
//! `faults kill KILLS [SEED]`, `faults plan KILLS [SEED]`, `faults disk STRIDE [PROGRAM]`, `faults damage`; `tests/run crash` builds
//! everything first.
// A check that cannot go on panics; what it measured, it prints.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod damage;
mod dice;
mod disk;
mod door;
mod kills;
mod ledger;
mod life;
mod log;
mod owner;
mod visitor;

use std::process::ExitCode;

const USAGE: &str = "usage: faults kill KILLS [SEED] | faults plan KILLS [SEED] | faults disk STRIDE [vault | reception | setup | init] | \
                     faults damage";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().ok();
    let seed = |text: Option<&&str>| match text {
        Some(text) => number(text),
        None => Some(chance()),
    };
    let passed = match words[..] {
        [verb @ ("kill" | "plan"), kills, ref rest @ ..] if rest.len() < 2 => {
            let (Some(kills @ 1..), Some(seed)) = (number(kills), seed(rest.first())) else { return usage() };
            if verb == "plan" {
                kills::plan(kills as usize, seed);
                true
            } else {
                kills::run(kills as usize, seed)
            }
        }
        ["disk", stride, ref rest @ ..] if rest.len() < 2 => {
            match (number(stride), rest.first().map_or(Some(&disk::ALL[..]), |program| disk::named(program))) {
                (Some(stride), Some(programs)) if stride > 0 => disk::run(stride as usize, programs),
                _ => return usage(),
            }
        }
        ["damage"] => damage::run(),
        _ => return usage(),
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn usage() -> ExitCode {
    say(USAGE);
    ExitCode::from(2)
}

fn chance() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes) >> 32
}

/// Prints a line of the result.
fn say(line: &str) {
    println!("{line}");
}
