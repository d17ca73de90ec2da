//! A node's memory is private: it holds keys, items and visitors' words.

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// The system does not keep this process's memory from files and other processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system refuses to {what}: {source}. Without that, a crash could write private data to the disk")]
pub struct NotPrivate {
    what: &'static str,
    source: Errno,
}

/// For the first line of a program: whatever ends it, no core file is written, and no other process of the same user can
/// read its memory.
///
/// Both settings are needed. A handler that the kernel pipes cores to is started whatever the limit says, and only a process
/// that may not be dumped is kept from it (core(5), prctl(2)); the limit alone is passed on to the programs that are started
/// from here, such as the owner's editor.
///
/// # Errors
/// [`NotPrivate`]
pub fn keep_private() -> Result<(), NotPrivate> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).map_err(|source| NotPrivate { what: "limit core files", source })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|source| NotPrivate { what: "make this process not dumpable", source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{dumpable_behavior, getrlimit};

    #[test]
    fn a_process_that_is_kept_private_is_not_dumped() {
        keep_private().unwrap();
        assert_eq!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
        assert_eq!(getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
        assert_eq!(keep_private(), Ok(()), "once more changes nothing");
    }
}
