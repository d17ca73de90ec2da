//! Stock programs that the tests judge by, and small measures of processes and folders.

use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds `tests/shim/NAME.c`, which stands in front of the C library, into a folder; for `LD_PRELOAD`.
///
/// # Panics
/// When it does not compile.
pub fn shim(name: &str, folder: &Path) -> PathBuf {
    let source = crate::bins::workspace().join(format!("tests/shim/{name}.c"));
    let shim = folder.join(format!("{name}.so"));
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"]).arg(&shim).arg(source);
    assert!(command.status().unwrap().success(), "the shim does not compile");
    shim
}

/// Signs a file as the owner would elsewhere: `ssh-keygen -Y sign -n release@webizen`; the signature lies beside it, in
/// `.sig`.
pub fn sign(key: &Path, file: &str) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-Y", "sign", "-n", "release@webizen", "-f"]).arg(key).arg(file);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Runs `deploy/check-receipt.py` with these arguments; what it printed, with whether it found everything in order.
pub fn check_receipt(arguments: &[&Path]) -> (bool, String) {
    let script = crate::bins::workspace().join("deploy/check-receipt.py");
    let output = Command::new("python3").arg(script).args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// SHA-256 in lower-case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    shared::ids::hex(&Sha256::digest(bytes))
}

/// Whether some file below `folder` has these bytes somewhere in it.
pub fn holds(folder: &Path, bytes: &[u8]) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => holds(&path, bytes),
            Ok(_) => fs::read(&path).is_ok_and(|content| contains(&content, bytes)),
            Err(_) => false,
        }
    })
}

/// Whether `part` is somewhere in `whole`.
pub fn contains(whole: &[u8], part: &[u8]) -> bool {
    whole.windows(part.len().max(1)).any(|window| window == part)
}

/// The kibibytes of a process under `name` in `/proc/PID/status`, such as `VmRSS` and `VmHWM`.
pub fn memory(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Begins a new `VmHWM` of a process at its present memory (proc(5), clear_refs).
pub fn reset_peak(pid: u32) {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
}
