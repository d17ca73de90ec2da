//! Test-only behaviour, in one greppable place: dying at a named point, as if the power had failed there or a bug had been
//! met, and faults that the tests must find.
//!
//! - `WEBIZEN_DANGER_KILL_AT=name` or `name#3` (the third time) kills the process with SIGKILL at a point.
//! - `WEBIZEN_DANGER_PANIC_AT=name` panics there instead, in whichever thread passes.
//! - `WEBIZEN_DANGER_SAY=words` has the words logged, for debugging, at each point, and stand in the panic's message.
//! - `WEBIZEN_DANGER_PLANT=fault` switches on a fault by its name ([`is_planted`]).
//!
//! Without them a point costs one comparison. They can only stop a program, say what it was told, or make it tell a
//! visitor's ticket from none, and whoever sets its environment can do all that anyway.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A planted delay: a small part of what a call takes.
const DELAY: Duration = Duration::from_micros(2);

/// What is to happen at points.
struct Danger {
    fuse: Option<Fuse>,
    words: Option<String>,
}

struct Fuse {
    name: String,
    left: AtomicU32,
    end: End,
}

#[derive(Clone, Copy)]
enum End {
    Kill,
    Panic,
}

static DANGER: OnceLock<Option<Danger>> = OnceLock::new();
static PLANTED: OnceLock<Option<String>> = OnceLock::new();

/// Dies here if the test asked for it; says so on standard error first.
pub fn point(name: &'static str) {
    let Some(danger) = DANGER.get_or_init(danger) else { return };
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

fn danger() -> Option<Danger> {
    let words = std::env::var("WEBIZEN_DANGER_SAY").ok();
    let fuse = fuse("WEBIZEN_DANGER_KILL_AT", End::Kill).or_else(|| fuse("WEBIZEN_DANGER_PANIC_AT", End::Panic));
    (fuse.is_some() || words.is_some()).then_some(Danger { fuse, words })
}

fn fuse(variable: &str, end: End) -> Option<Fuse> {
    let value = std::env::var(variable).ok()?;
    let (name, count) = value.split_once('#').unwrap_or((&value, "1"));
    Some(Fuse { name: name.to_owned(), left: AtomicU32::new(count.parse().ok()?), end })
}
