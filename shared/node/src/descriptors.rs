//! File descriptors: a process may open as many as the system would let it, not the few that it starts with.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one; the number of descriptors that may then be open.
pub fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        Err(error) => {
            tracing::warn!("the limit of open files cannot be raised: {error}");
            limit.current.unwrap_or(u64::MAX)
        }
    }
}
