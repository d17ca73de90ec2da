//! What the system shows of a process, what it listens on, and what a crash of it leaves behind.

use crate::node::Node;
use crate::until;
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
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
    let pid = Pid::from_raw(pid as i32).unwrap();
    // Only root may; for others the limit of nothing stays.
    let _ = prlimit(Some(pid), Resource::Core, Rlimit { current: None, maximum: None });
    // Rust's own handler of SIGSEGV takes the first for a fault of the program, which would come again.
    until("the signal ends it", || {
        rustix::process::kill_process(pid, signal).unwrap();
        (!node.runs()).then_some(())
    });
    let status = node.wait_for_end();
    assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
    Crash::of(status, node.home().parent().unwrap())
}

/// Crashes a process that may leave a core file and has `words` in its memory.
///
/// # Panics
/// When the system lets no process leave one: `ulimit -H -c` must be unlimited for these tests.
pub fn crash_on_purpose(folder: &Path, words: &str) -> Crash {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -c unlimited && kill -SEGV $$"]).env("WORDS", words).current_dir(folder);
    let status = command.status().unwrap();
    assert_eq!(
        status.signal(),
        Some(Signal::SEGV.as_raw()),
        "the hard limit of core files forbids this test: {status}"
    );
    Crash::of(status, folder)
}

impl Crash {
    fn of(status: ExitStatus, folder: &Path) -> Self {
        let dumped = status.core_dumped();
        let files: Vec<PathBuf> = cores(folder);
        let cores = files.iter().map(|file| fs::read(file).unwrap()).collect();
        files.iter().for_each(|file| fs::remove_file(file).unwrap());
        Self { dumped, cores }
    }
}

/// The core files of processes that worked in this folder, wherever the kernel puts them (core(5)).
fn cores(folder: &Path) -> Vec<PathBuf> {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    if pattern.starts_with('|') {
        return Vec::new();
    }
    let pattern = folder.join(pattern.trim_end());
    let name = pattern.file_name().unwrap().to_str().unwrap().split('%').next().unwrap().to_owned();
    let files = fs::read_dir(pattern.parent().unwrap()).unwrap().flatten();
    files.filter(|file| file.file_name().to_string_lossy().starts_with(&name)).map(|file| file.path()).collect()
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
    fn a_process_shows_its_words() {
        let mut command = Command::new("sh");
        let mut child = command.args(["-c", "read line", "a kestrel"]).stdin(Stdio::piped()).spawn().unwrap();
        until("it has begun", || String::from_utf8_lossy(&shown(child.id())).contains("a kestrel").then_some(()));
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
