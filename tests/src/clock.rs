//! A machine whose clock can be set while its programs run: libfaketime in front of the C library. The monotonic clock, which
//! nobody can set, goes on as it is.

use crate::node::Node;
use std::fs;
use std::path::{Path, PathBuf};

/// In Debian's package `libfaketime`; for programs of several threads.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// Where the machine's clock stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wall {
    /// As it should.
    Right,
    /// Ten years ahead.
    Ahead,
    /// Ten years back.
    Back,
}

impl Wall {
    /// As faketime reads it. Ten years have two or three leap days.
    fn offset(self) -> &'static str {
        match self {
            Self::Right => "+0",
            Self::Ahead => "+3653d",
            Self::Back => "-3653d",
        }
    }
}

/// One machine's wall clock.
pub struct Clock {
    file: PathBuf,
    variables: Vec<(&'static str, String)>,
    processes: Vec<u32>,
}

impl Clock {
    /// A clock that is right; it is set by a file of this name in `folder`.
    pub fn new(folder: &Path, name: &str) -> Self {
        let file = folder.join(format!("{name}.clock"));
        let text = |path: &Path| path.display().to_string();
        let variables = vec![
            ("LD_PRELOAD", text(&library())),
            ("FAKETIME_TIMESTAMP_FILE", text(&file)),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
            ("NO_FAKE_STAT", "1".into()),
        ];
        let clock = Self { file, variables, processes: Vec::new() };
        clock.set(Wall::Right);
        clock
    }

    /// Sets it, for all that runs by it.
    pub fn set(&self, wall: Wall) {
        // A reader sees one or the other.
        let new = self.file.with_extension("new");
        fs::write(&new, wall.offset()).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    /// What has a program go by it.
    pub fn variables(&self) -> Vec<(&str, &str)> {
        self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    /// Notes that a node was started with [`Self::variables`]: what faketime leaves of a killed one is removed in the end.
    pub fn runs(&mut self, node: &Node) {
        self.processes.push(node.pid());
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        for process in &self.processes {
            for left in ["faketime_shm", "sem.faketime_sem"] {
                // A process that ended in order has left none.
                drop(fs::remove_file(format!("/dev/shm/{left}_{process}")));
            }
        }
    }
}

/// # Panics
/// When it is not installed.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().flatten().map(|folder| folder.path().join(LIBRARY));
    let found = folders.chain([Path::new("/usr/lib").join(LIBRARY)]).find(|path| path.exists());
    found.expect("libfaketime is not installed; tests/run suite installs it, or: apt-get install libfaketime")
}
