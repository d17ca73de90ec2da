//! The binaries under test, which must be as new as what they are made of.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

/// Names a folder with other binaries to test, such as those of an installed package. Nothing is compared with sources then.
pub const ELSEWHERE: &str = "TESTS_BINARIES";

/// The vault's binary.
///
/// # Panics
/// When it is not there, or older than one of its sources; says what to run.
pub fn vault() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| find("vault"))
}

/// The reception's binary.
///
/// # Panics
/// When it is not there, or older than one of its sources; says what to run.
pub fn reception() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| find("reception"))
}

/// The workspace's folder.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in the workspace")
}

/// Where cargo builds.
pub fn target() -> PathBuf {
    let folder = env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    workspace().join(folder)
}

fn find(name: &str) -> PathBuf {
    if let Some(folder) = env::var_os(ELSEWHERE) {
        return PathBuf::from(folder).join(name);
    }
    let binary = target().join("release").join(name);
    match stale(&binary) {
        None => binary,
        Some(why) => panic!("{}: {why}. Run first: tests/run build", binary.display()),
    }
}

/// Why a binary must not be tested. Cargo's list beside it (`vault.d`) names every file that went into it.
fn stale(binary: &Path) -> Option<String> {
    let Some(built) = modified(binary) else { return Some("it has not been built".into()) };
    let Ok(list) = fs::read_to_string(binary.with_extension("d")) else {
        return Some("what it was made of is not known".into());
    };
    let sources = list.split_once(": ").map_or("", |(_, sources)| sources).trim();
    let manifests = ["Cargo.lock", "Cargo.toml"].map(|name| workspace().join(name));
    // A space in a path is written as `\ `.
    let sources = sources.replace("\\ ", "\0");
    let sources = sources.split(' ').map(|path| PathBuf::from(path.replace('\0', " ")));
    sources.chain(manifests).find_map(|source| match modified(&source) {
        Some(time) if time <= built => None,
        Some(_) => Some(format!("{} is newer", source.display())),
        None => Some(format!("{} is gone", source.display())),
    })
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|m| m.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_older_binary_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let [binary, list, source] = ["node", "node.d", "a source.rs"].map(|name| folder.path().join(name));
        let touch = |path: &Path, time| fs::File::open(path).unwrap().set_modified(time).unwrap();
        assert!(stale(&binary).unwrap().contains("not been built"));
        fs::write(&binary, "").unwrap();
        assert!(stale(&binary).unwrap().contains("not known"));
        let spelled = source.display().to_string().replace(' ', "\\ ");
        fs::write(&list, format!("{}: {spelled}\n", binary.display())).unwrap();
        let later = SystemTime::now() + Duration::from_secs(60);
        touch(&binary, later);
        assert!(stale(&binary).unwrap().contains("is gone"));
        fs::write(&source, "").unwrap();
        assert_eq!(stale(&binary), None);
        touch(&source, later + Duration::from_secs(1));
        assert!(stale(&binary).unwrap().contains("is newer"));
    }
}
