//! A disk that fails at each write, flush, rename and removal in turn, under the real programs: `tests/shim/disk.c` in front of
//! their C library counts them and lets one fail, or one and all after it.

mod begin;
mod reception;
mod setup;
mod vault;

use crate::say;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Programs beside each other.
const BESIDE: usize = 4;
/// A start, an end or an answer that takes longer is a fault.
const PATIENCE: Duration = Duration::from_secs(30);
/// Tries of one step, while the disk refuses.
const TRIES: usize = 8;

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// With an error of the device.
    Io,
    /// Halfway, with an error of the device.
    Torn,
    /// For want of room.
    Full,
    /// With an error of the device, and all later calls too.
    IoOn,
    /// For want of room, and all later calls too.
    FullOn,
}

const KINDS: [Kind; 5] = [Kind::Io, Kind::Torn, Kind::Full, Kind::IoOn, Kind::FullOn];

/// What the system says of either.
const ERRORS: [&str; 2] = ["Input/output error", "No space left"];

impl Kind {
    fn goes_on(self) -> bool {
        matches!(self, Self::IoOn | Self::FullOn)
    }
}

/// The call that fails, counted from 1.
type Fault = (Kind, usize);

/// What a run under a fault came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// Nobody noticed: it hit nothing that anything rested on, or came after the end.
    Unnoticed,
    /// Somebody was refused, and everything went on.
    WentOn,
    /// Whoever asked was refused until the end.
    Refused,
    /// It stopped for a flush that failed, as it should.
    Stopped,
    /// It did not start, and said why.
    NotStarted,
}

/// What one life of a program came to.
struct Ran {
    /// What it did with its files.
    calls: Vec<String>,
    end: End,
}

/// A place where one program lives again and again.
trait Bench {
    /// One life under a fault, then a clean start, and everything compared with what was acknowledged.
    fn run(&mut self, fault: Option<Fault>) -> Ran;

    /// A life without a fault, after which something that was acknowledged is taken away; what the check that is to find it says.
    fn planted(&mut self) -> &'static str;

    /// What was found since the last look.
    fn faults(&mut self) -> Vec<String>;
}

/// What lives on the disk that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Vault,
    Reception,
    /// The reception's commands that set it up.
    Setup,
    /// The vault's command that sets it up.
    Init,
}

pub(crate) const ALL: [Program; 4] = [Program::Vault, Program::Reception, Program::Setup, Program::Init];

/// The one of this name.
pub(crate) fn named(name: &str) -> Option<&'static [Program]> {
    let at = ALL.iter().position(|program| program.name() == name)?;
    ALL.get(at..=at)
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Vault => "vault",
            Self::Reception => "reception",
            Self::Setup => "setup",
            Self::Init => "init",
        }
    }
}

/// Runs the calls that the stride meets, of each of these; whether nothing was found.
pub(crate) fn run(stride: usize, programs: &[Program]) -> bool {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let shim = Shim::build(folder.path());
    let passed = programs.iter().map(|program| match program {
        Program::Vault => search(*program, stride, || vault::Bench::new(&runtime, &shim)),
        Program::Reception => search(*program, stride, || reception::Bench::new(&runtime, &shim)),
        Program::Setup => search(*program, stride, || setup::Bench::new(&shim)),
        Program::Init => search(*program, stride, || begin::Bench::new(&shim)),
    });
    !passed.collect::<Vec<bool>>().contains(&false)
}

fn search<B: Bench>(program: Program, stride: usize, bench: impl Fn() -> B + Sync) -> bool {
    let (name, begun) = (program.name(), Instant::now());
    let calls = {
        let mut bench = bench();
        let calls = bench.run(None).calls;
        let faults = bench.faults();
        assert!(faults.is_empty(), "{name}, without a fault: {faults:#?}");
        let wanted = bench.planted();
        let faults = bench.faults();
        let found = faults.iter().find(|fault| fault.contains(wanted));
        say(&format!("disk: {name}: planted, and found: {}", found.unwrap()));
        calls
    };
    // Each kind meets other calls than the one before it.
    let begins = |n: usize| 1 + n * stride / KINDS.len();
    let cases = KINDS.into_iter().enumerate();
    let cases = cases.flat_map(|(n, kind)| (begins(n)..=calls.len()).step_by(stride).map(move |at| (kind, at)));
    let cases: Vec<Fault> = cases.collect();
    say(&format!("disk: {name}: {} calls in one life, {} cases", calls.len(), cases.len()));
    let (next, faults, ends) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..BESIDE.min(cases.len()) {
            scope.spawn(|| {
                let mut bench = bench();
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let ran = bench.run(Some(*case));
                    *ends.lock().unwrap().entry((case.0, ran.end)).or_insert(0) += 1;
                    let hit = ran.calls.iter().find(|call| call.contains(" fails ")).cloned().unwrap_or_default();
                    faults.lock().unwrap().extend(bench.faults().iter().map(|f| format!("{case:?} ({hit}): {f}")));
                }
            });
        }
    });
    for ((kind, end), count) in ends.into_inner().unwrap() {
        say(&format!("disk: {name}: {kind:?}: {end:?} {count}"));
    }
    let faults = faults.into_inner().unwrap();
    faults.iter().for_each(|fault| say(&format!("disk: {name}: FAULT {fault}")));
    say(&format!("disk: {name}: {} faults, {} s", faults.len(), begun.elapsed().as_secs()));
    faults.is_empty()
}

/// What stands in front of the C library.
struct Shim(PathBuf);

impl Shim {
    fn build(folder: &Path) -> Self {
        let (source, shim) = (tests::bins::workspace().join("tests/shim/disk.c"), folder.join("disk.so"));
        let mut command = Command::new("cc");
        command.args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"]).arg(&shim).arg(source);
        assert!(command.status().unwrap().success(), "the shim does not compile");
        Self(shim)
    }

    /// What has a program meet `fault` below a folder, and tell its calls in `trace`.
    fn variables(&self, fault: Option<Fault>, under: &Path, trace: &Path) -> Vec<(&'static str, String)> {
        let at = fault.map_or(0, |(_, at)| at).to_string();
        let mut variables = vec![
            ("LD_PRELOAD", self.0.display().to_string()),
            ("DISK_UNDER", format!("{}/", under.display())),
            ("DISK_AT", at),
            ("DISK_TRACE", trace.display().to_string()),
        ];
        let mut more = |name, value: &str| variables.push((name, value.to_owned()));
        match fault.map(|(kind, _)| kind) {
            None | Some(Kind::Io) => {}
            Some(Kind::Torn) => more("DISK_TORN", "1"),
            Some(Kind::Full) => more("DISK_ERROR", "ENOSPC"),
            Some(Kind::IoOn) => more("DISK_ON", "1"),
            Some(Kind::FullOn) => {
                more("DISK_ON", "1");
                more("DISK_ERROR", "ENOSPC");
            }
        }
        variables
    }
}

/// Variables as a node takes them.
fn borrowed<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// What a program did with its files, one call a line.
fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// A flush that failed and was then tried again as if nothing was, with nothing written in between: its success says nothing,
/// since the system forgets what it could not write (fsync(2), PostgreSQL's fsyncgate of 2018).
fn hollow(calls: &[String]) -> Option<String> {
    let call = |line: &str| -> Option<[String; 3]> {
        let mut words = line.splitn(4, ' ').skip(1).map(str::to_owned);
        Some([words.next()?, words.next()?, words.next()?])
    };
    let calls: Vec<[String; 3]> = calls.iter().filter_map(|line| call(line)).collect();
    let failed = calls.iter().enumerate().filter(|(_, [what, how, _])| what == "flush" && how == "fails");
    for (at, [_, _, file]) in failed {
        let next = calls[at + 1..].iter().find(|[what, how, other]| {
            how == "passes" && (other == file || what != "flush" && other.starts_with(&format!("{file}/")))
        });
        if next.is_some_and(|[what, ..]| what == "flush") {
            return Some(format!("the flush of {file} failed, and was tried again with nothing written in between"));
        }
    }
    None
}

/// Tries a step until it is done; gives the life up where it never is.
macro_rules! step {
    ($self:ident, $act:expr) => {{
        let mut tries = 0;
        loop {
            if let Ok(done) = $act.await {
                break done;
            }
            $self.refused += 1;
            tries += 1;
            if tries == $crate::disk::TRIES {
                return None;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }};
}
use step;
