//! What the system shows of a process, what it listens on, and what a crash of it leaves behind.

use crate::node::Node;
use crate::until;
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use std::collections::HashSet;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

/// The names of a process and its threads, its command line and its environment, as `/proc` has them.
pub fn shown(pid: u32) -> Vec<u8> {
    let mut all = Vec::new();
    for file in ["comm", "cmdline", "environ"] {
        all.extend(fs::read(format!("/proc/{pid}/{file}")).unwrap());
        all.push(b'\n');
    }
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
        // A thread may have ended meanwhile.
        all.extend(fs::read(task.path().join("comm")).unwrap_or_default());
    }
    all
}

/// The addresses of a process's internet sockets that wait for anybody, such as `tcp 0100007F:1F90`, as proc(5) writes them.
pub fn listens(pid: u32) -> Vec<String> {
    let folder = format!("/proc/{pid}/fd");
    let links = fs::read_dir(folder).unwrap().flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    let own: Vec<String> =
        links.filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())).collect();
    let mut all = Vec::new();
    for (kind, waits) in [("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")] {
        let table = fs::read_to_string(format!("/proc/{pid}/net/{kind}")).unwrap_or_default();
        for row in table.lines().skip(1) {
            let fields: Vec<&str> = row.split_whitespace().collect();
            if fields[3] == waits && own.iter().any(|inode| inode == fields[9]) {
                all.push(format!("{kind} {}", fields[1]));
            }
        }
    }
    all
}

/// What is left of a process that was ended by a signal that asks for a core file.
pub struct Crash {
    /// Whether the kernel says that it wrote one, or piped one to a program.
    pub dumped: bool,
    /// The files, unless a program took them.
    pub cores: Vec<Vec<u8>>,
}

/// Crashes a node by this signal, after taking back its own limit on core files: what keeps its memory from the disk must not
/// be that alone.
///
/// # Panics
/// When the node had left a limit above nothing, or does not end.
pub fn crash(node: &mut Node, signal: Signal) -> Crash {
    let pid = node.pid();
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    let cores = Cores::here(node.home().parent().unwrap());
    let id = Pid::from_raw(pid as i32).unwrap();
    // Only root may; for others the limit of nothing stays.
    let _ = prlimit(Some(id), Resource::Core, Rlimit { current: None, maximum: None });
    // Rust's own handler of SIGSEGV takes the first for a fault of the program, which would come again.
    until("the signal ends it", || {
        rustix::process::kill_process(id, signal).unwrap();
        (!node.runs()).then_some(())
    });
    let status = node.wait_for_end();
    assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
    cores.take(status, pid)
}

/// Crashes a process that may leave a core file and has `words` in its memory.
///
/// # Panics
/// When the system lets no process leave one: `ulimit -H -c` must be unlimited for these tests.
pub fn crash_on_purpose(folder: &Path, words: &str) -> Crash {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -c unlimited && kill -SEGV $$"]).env("WORDS", words).current_dir(folder);
    let cores = Cores::here(folder);
    let mut child = command.spawn().unwrap();
    let (pid, status) = (child.id(), child.wait().unwrap());
    assert_eq!(
        status.signal(),
        Some(Signal::SEGV.as_raw()),
        "the hard limit of core files forbids this test: {status}"
    );
    cores.take(status, pid)
}

/// Where the kernel puts core files (core(5)), and what lay there before a crash.
struct Cores {
    /// Nothing where a program takes them.
    place: Option<Place>,
    before: HashSet<PathBuf>,
}

#[derive(Debug, PartialEq, Eq)]
struct Place {
    folder: PathBuf,
    /// What their names begin with.
    prefix: String,
    owners: Owners,
}

/// Whose core files a folder has.
#[derive(Debug, PartialEq, Eq)]
enum Owners {
    /// Those of processes that worked in it.
    Worked,
    /// Everybody's: the names tell the process.
    Anybody,
}

impl Cores {
    /// For a process that works in `folder`.
    fn here(folder: &Path) -> Self {
        let setting = |name: &str| fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap();
        let place = Place::of(setting("core_pattern").trim_end(), setting("core_uses_pid").trim_end(), folder);
        let before = place.iter().flat_map(Place::files).collect();
        Self { place, before }
    }

    /// Takes what the crash of this process has left, and nothing else.
    fn take(self, status: ExitStatus, pid: u32) -> Crash {
        let files = self.place.iter().flat_map(|place| place.files_of(pid));
        let files: Vec<PathBuf> = files.filter(|file| !self.before.contains(file)).collect();
        let cores = files.iter().map(|file| fs::read(file).unwrap()).collect();
        files.iter().for_each(|file| fs::remove_file(file).unwrap());
        Crash { dumped: status.core_dumped(), cores }
    }
}

impl Place {
    /// # Panics
    /// When it cannot be told from this pattern whose a core file is.
    fn of(pattern: &str, uses_pid: &str, folder: &Path) -> Option<Self> {
        if pattern.starts_with('|') {
            return None;
        }
        let path = folder.join(pattern);
        let (within, name) = (path.parent().unwrap().to_owned(), path.file_name().unwrap().to_str().unwrap());
        let owners = if pattern.starts_with('/') { Owners::Anybody } else { Owners::Worked };
        let named = owners == Owners::Worked || name.contains("%p") || uses_pid != "0";
        assert!(
            named && !within.to_str().unwrap().contains('%'),
            "kernel.core_pattern is {pattern}, by which a core file cannot be found again; for these tests: sysctl \
             kernel.core_pattern=core"
        );
        let prefix = name.split('%').next().unwrap().to_owned();
        Some(Self { folder: within, prefix, owners })
    }

    fn files(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(&self.folder).unwrap().flatten().filter(|file| file.path().is_file());
        let cores = files.filter(|file| file.file_name().to_string_lossy().starts_with(&self.prefix));
        cores.map(|file| file.path()).collect()
    }

    fn files_of(&self, pid: u32) -> Vec<PathBuf> {
        let (pid, mut files) = (pid.to_string(), self.files());
        files.retain(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            self.owners == Owners::Worked || name.split(|c: char| !c.is_ascii_digit()).any(|number| number == pid)
        });
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};
    use std::process::Stdio;

    #[test]
    fn sockets_that_wait_are_found() {
        let (tcp, udp) = (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let all = listens(std::process::id());
        for (kind, port) in [("tcp", tcp.local_addr().unwrap().port()), ("udp", udp.local_addr().unwrap().port())] {
            let address = format!("{kind} 0100007F:{port:04X}");
            assert!(all.contains(&address), "{address} is not in {all:?}");
        }
    }

    #[test]
    fn core_files_of_strangers_are_left_alone() {
        let (shared, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let pattern = format!("{}/%e.%p", shared.path().display());
        let place = Place::of(&pattern, "0", own.path()).unwrap();
        let write = |name: &str| fs::write(shared.path().join(name), name).unwrap();
        ["vault.77", "notes.txt"].into_iter().for_each(write);
        let cores = Cores { before: place.files().into_iter().collect(), place: Some(place) };
        ["vault.7", "vault.177", "bash.701", "letter.txt"].into_iter().for_each(write);
        let killed = ExitStatus::from_raw(Signal::SEGV.as_raw());
        assert_eq!(cores.take(killed, 7).cores, [b"vault.7"]);
        let mut left: Vec<_> = fs::read_dir(shared.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["bash.701", "letter.txt", "notes.txt", "vault.177", "vault.77"]);
    }

    #[test]
    fn core_files_in_the_tests_own_folder_are_found_by_any_name() {
        let own = tempfile::tempdir().unwrap();
        fs::write(own.path().join("core.before"), "").unwrap();
        let place = Place::of("core", "0", own.path()).unwrap();
        let cores = Cores { before: place.files().into_iter().collect(), place: Some(place) };
        fs::write(own.path().join("core"), "memory").unwrap();
        assert_eq!(cores.take(ExitStatus::from_raw(Signal::SEGV.as_raw()), 7).cores, [b"memory"]);
        assert!(own.path().join("core.before").exists());
        assert_eq!(Place::of("|/usr/lib/catcher %P", "0", own.path()), None);
    }

    #[test]
    fn patterns_that_do_not_tell_whose_a_file_is_are_refused() {
        let folder = Path::new("/work");
        let refused =
            |pattern: &str, uses_pid: &str| std::panic::catch_unwind(|| Place::of(pattern, uses_pid, folder)).is_err();
        assert!(refused("/var/crash/core", "0") && refused("/var/crash/%e/%p", "1") && refused("%e/core", "0"));
        assert!(!refused("/var/crash/core", "1") && !refused("/var/crash/%e.%p", "0") && !refused("%e", "0"));
    }

    #[test]
    fn a_process_shows_its_words() {
        let mut command = Command::new("sh");
        let mut child = command.args(["-c", "read line", "a kestrel"]).stdin(Stdio::piped()).spawn().unwrap();
        until("it has begun", || String::from_utf8_lossy(&shown(child.id())).contains("a kestrel").then_some(()));
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
