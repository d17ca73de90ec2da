//! Test-only behaviour, in one greppable place: dying at a named point, as if the power had failed there.
//!
//! `WEBIZEN_DANGER_KILL_AT=name` or `name#3` (the third time) kills the process with SIGKILL; without it a point costs one
//! comparison. It can only stop a program, which whoever sets its environment can do anyway.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

struct Fuse {
    name: String,
    left: AtomicU32,
}

static FUSE: OnceLock<Option<Fuse>> = OnceLock::new();

/// Dies here if the test asked for it; says so on standard error first.
pub fn point(name: &'static str) {
    let Some(fuse) = FUSE.get_or_init(fuse) else { return };
    if fuse.name == name && fuse.left.fetch_sub(1, Ordering::Relaxed) == 1 {
        tracing::error!("danger: killed at {name}");
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // The signal is on its way; nothing more may happen.
        loop {
            std::thread::park();
        }
    }
}

fn fuse() -> Option<Fuse> {
    let value = std::env::var("WEBIZEN_DANGER_KILL_AT").ok()?;
    let (name, count) = value.split_once('#').unwrap_or((&value, "1"));
    Some(Fuse { name: name.to_owned(), left: AtomicU32::new(count.parse().ok()?) })
}
