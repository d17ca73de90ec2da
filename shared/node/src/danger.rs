//! Test-only behaviour, in one greppable place: dying at a named point, as if the power had failed there or a bug had been
//! met, and faults that the tests must find.
//!
//! - `WEBIZEN_DANGER_KILL_AT=name` or `name#3` (the third time) kills the process with SIGKILL at a point.
//! - `WEBIZEN_DANGER_PANIC_AT=name` panics there instead, in whichever thread passes.
//! - `WEBIZEN_DANGER_SAY=words` has the words logged, for debugging, at each point, and stand in the panic's message.
//! - `WEBIZEN_DANGER_PLANT=fault` switches on a fault by its name ([`is_planted`]).
//!
//! Whoever sets a fuse wants to see a death: a program with one that cannot be read ends at its first point, by
//! [`USAGE`], and says why.
//!
//! Without them a point costs one comparison. They can only stop a program, say what it was told, or make it tell a
//! visitor's ticket from none, and whoever sets its environment can do all that anyway.

use crate::exit::USAGE;
use std::ffi::OsString;
use std::num::NonZeroU32;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A planted delay: a small part of what a call takes.
const DELAY: Duration = Duration::from_micros(2);

const KILL_AT: &str = "WEBIZEN_DANGER_KILL_AT";
const PANIC_AT: &str = "WEBIZEN_DANGER_PANIC_AT";
const SAY: &str = "WEBIZEN_DANGER_SAY";

/// What is to happen at points.
#[derive(Debug)]
struct Danger {
    fuse: Option<Fuse>,
    words: Option<String>,
}

#[derive(Debug)]
struct Fuse {
    name: String,
    left: AtomicU32,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Kill,
    Panic,
}

/// Why it is not known what is to happen.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Unclear {
    #[error("{0} is neither a point's name nor name#times, with times from 1 on")]
    Fuse(&'static str),
    #[error("{KILL_AT} and {PANIC_AT} are both set; a program dies once")]
    Both,
}

static DANGER: OnceLock<Option<Danger>> = OnceLock::new();
static PLANTED: OnceLock<Option<String>> = OnceLock::new();

/// Dies here if the test asked for it; says so on standard error first.
pub fn point(name: &'static str) {
    let read = || danger(|variable| std::env::var_os(variable)).unwrap_or_else(|unclear| refuse(&unclear));
    let Some(danger) = DANGER.get_or_init(read) else { return };
    let words = danger.words.as_deref().unwrap_or_default();
    if danger.words.is_some() {
        tracing::debug!("danger: at {name}: {words}");
    }
    let Some(fuse) = &danger.fuse else { return };
    if fuse.name == name && fuse.left.fetch_sub(1, Ordering::Relaxed) == 1 {
        match fuse.end {
            End::Kill => kill(name),
            End::Panic => panic!("danger: panicked at {name}: {words}"),
        }
    }
}

/// Whether the test asked for this fault.
pub fn is_planted(fault: &str) -> bool {
    let planted = PLANTED.get_or_init(|| std::env::var("WEBIZEN_DANGER_PLANT").ok());
    planted.as_deref() == Some(fault)
}

/// Takes a little longer, as a look-up would that someone makes for some callers alone.
pub fn delay() {
    let begun = Instant::now();
    while begun.elapsed() < DELAY {
        std::hint::spin_loop();
    }
}

fn kill(name: &str) -> ! {
    tracing::error!("danger: killed at {name}");
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    // The signal is on its way; nothing more may happen.
    loop {
        std::thread::park();
    }
}

fn refuse(unclear: &Unclear) -> ! {
    tracing::error!("danger: {unclear}");
    std::process::exit(USAGE.into())
}

fn danger(variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<Danger>, Unclear> {
    let words = variable(SAY).map(|words| words.to_string_lossy().into_owned());
    let fuse = |name, end| variable(name).map(|value| fuse(value, end).ok_or(Unclear::Fuse(name))).transpose();
    let fuse = match (fuse(KILL_AT, End::Kill)?, fuse(PANIC_AT, End::Panic)?) {
        (Some(_), Some(_)) => return Err(Unclear::Both),
        (kill, panic) => kill.or(panic),
    };
    Ok((fuse.is_some() || words.is_some()).then_some(Danger { fuse, words }))
}

fn fuse(value: OsString, end: End) -> Option<Fuse> {
    let value = value.into_string().ok()?;
    let (name, count) = value.split_once('#').unwrap_or((&value, "1"));
    let count: NonZeroU32 = count.parse().ok()?;
    (!name.is_empty()).then(|| Fuse { name: name.to_owned(), left: AtomicU32::new(count.get()), end })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt as _;

    fn read(set: &[(&str, &str)]) -> Result<Option<Danger>, Unclear> {
        danger(|name| set.iter().find(|(variable, _)| *variable == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn fuses_are_read_as_they_are_written() {
        assert!(read(&[]).unwrap().is_none());
        let said = read(&[(SAY, "words")]).unwrap().unwrap();
        assert!(said.fuse.is_none() && said.words.as_deref() == Some("words"));
        for (set, end, count) in [
            ((KILL_AT, "commit:after"), End::Kill, 1),
            ((KILL_AT, "commit:after#3"), End::Kill, 3),
            ((PANIC_AT, "commit:after#1"), End::Panic, 1),
        ] {
            let fuse = read(&[set]).unwrap().unwrap().fuse.unwrap();
            assert_eq!((fuse.name.as_str(), fuse.end, fuse.left.into_inner()), ("commit:after", end, count));
        }
    }

    #[test]
    fn an_unclear_fuse_is_not_taken_for_none() {
        for variable in [KILL_AT, PANIC_AT] {
            for bad in ["", "#2", "name#", "name#x", "name#0", "name#-1", "name#2#3"] {
                assert_eq!(read(&[(variable, bad)]).unwrap_err(), Unclear::Fuse(variable), "{bad}");
            }
            let strange = |name: &str| (name == variable).then(|| OsString::from_vec(vec![b'a', 0xff]));
            assert_eq!(danger(strange).unwrap_err(), Unclear::Fuse(variable));
        }
        assert_eq!(read(&[(KILL_AT, "name"), (PANIC_AT, "name")]).unwrap_err(), Unclear::Both);
    }
}
