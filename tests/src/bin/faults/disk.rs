//! A disk that fails at each write, flush, rename, removal and new folder in turn, under the real programs: `tests/shim/disk.c`
//! in front of their C library counts them and lets one fail, or one and all after it.

mod begin;
mod reception;
mod setup;
mod trace;
mod vault;

use crate::say;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Programs beside each other.
const BESIDE: usize = 4;
/// A start, an end or an answer that takes longer is a fault.
const PATIENCE: Duration = Duration::from_secs(30);
/// Lives of one case, until one meets the fault: each makes its calls in an order of its own, and some a few less.
const LIVES: usize = 3;
/// Of so many cases one may meet none in all of these.
const MISSED_IN: usize = 20;
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

/// What the system says of either, and SQLite in its place.
const ERRORS: [&str; 4] = ["Input/output error", "No space left", "disk I/O error", "database or disk is full"];

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
    /// What one life without a fault has among its calls; a line ends with `\n`, and a file's name with a space where more is
    /// said of the call.
    const SEEN: &'static [&'static str];

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
    let calls = proven(name, &mut bench());
    // Each kind meets other calls than the one before it.
    let begins = |n: usize| 1 + n * stride / KINDS.len();
    let cases = KINDS.into_iter().enumerate();
    let cases = cases.flat_map(|(n, kind)| (begins(n)..=calls).step_by(stride).map(move |at| (kind, at)));
    let cases: Vec<Fault> = cases.collect();
    say(&format!("disk: {name}: {calls} calls in one life, {} cases", cases.len()));
    let (next, faults, ends) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..BESIDE.min(cases.len()) {
            scope.spawn(|| {
                let mut bench = bench();
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let end = meet(&mut bench, *case, &faults);
                    *ends.lock().unwrap().entry((case.0, end)).or_insert(0) += 1;
                }
            });
        }
    });
    let (mut faults, ends) = (faults.into_inner().unwrap(), ends.into_inner().unwrap());
    for ((kind, end), count) in &ends {
        let end = end.map_or("met no fault".into(), |end| format!("{end:?}"));
        say(&format!("disk: {name}: {kind:?}: {end} {count}"));
    }
    faults.extend(hollow_search(&ends));
    faults.iter().for_each(|fault| say(&format!("disk: {name}: FAULT {fault}")));
    say(&format!("disk: {name}: {} faults, {} s", faults.len(), begun.elapsed().as_secs()));
    faults.is_empty()
}

/// A life without a fault, and one after which the check must find what was done; the number of calls of the first.
fn proven<B: Bench>(name: &str, bench: &mut B) -> usize {
    let calls = bench.run(None).calls;
    let faults = bench.faults();
    assert!(faults.is_empty(), "{name}, without a fault: {faults:#?}");
    let unseen = unseen(B::SEEN, &calls);
    assert_eq!(trace::disordered(&calls), None, "{name}, without a fault");
    assert!(unseen.is_empty(), "{name}: what was to fail never came to the shim: {unseen:?}, in {calls:#?}");
    let wanted = bench.planted();
    let faults = bench.faults();
    let found = faults.iter().find(|fault| fault.contains(wanted));
    say(&format!("disk: {name}: planted, and found: {}", found.unwrap()));
    calls.len()
}

/// What a life must have done to its files and the shim has not seen: it is not loaded, or the program takes another way.
fn unseen(wanted: &[&'static str], calls: &[String]) -> Vec<&'static str> {
    let calls: String = calls.iter().map(|call| format!("{call}\n")).collect();
    wanted.iter().filter(|wanted| !calls.contains(**wanted)).copied().collect()
}

/// Lives until a life meets this fault; what that came to. Faults are noted with the call.
fn meet(bench: &mut impl Bench, case: Fault, faults: &Mutex<Vec<String>>) -> Option<End> {
    for _ in 0..LIVES {
        let ran = bench.run(Some(case));
        let hit = ran.calls.iter().find(|call| call.contains(" fails "));
        let words = hit.map_or("no fault", String::as_str);
        faults.lock().unwrap().extend(bench.faults().iter().map(|found| format!("{case:?} ({words}): {found}")));
        if hit.is_some() {
            return Some(ran.end);
        }
    }
    None
}

/// What makes a search worth nothing: it had no case, too many of them met no fault, or nobody noticed any.
fn hollow_search(ends: &BTreeMap<(Kind, Option<End>), usize>) -> Option<String> {
    let count = |of: &dyn Fn(Option<End>) -> bool| -> usize {
        ends.iter().filter(|((_, end), _)| of(*end)).map(|(_, count)| count).sum()
    };
    let (all, missed) = (count(&|_| true), count(&|end| end.is_none()));
    let noticed = count(&|end| end.is_some_and(|end| end != End::Unnoticed));
    let hollow = missed * MISSED_IN > all || noticed == 0;
    hollow.then(|| {
        format!("of {all} cases {missed} met no fault, and {noticed} were noticed: this search proves nothing")
    })
}

/// What stands in front of the C library.
struct Shim(PathBuf);

impl Shim {
    fn build(folder: &Path) -> Self {
        Self(tests::tools::shim("disk", folder))
    }

    /// What has a program meet `fault` below a folder or at it, and tell its calls in `trace`.
    fn variables(&self, fault: Option<Fault>, under: &Path, trace: &Path) -> Vec<(&'static str, String)> {
        let at = fault.map_or(0, |(_, at)| at).to_string();
        let mut variables = vec![
            ("LD_PRELOAD", self.0.display().to_string()),
            ("DISK_UNDER", under.display().to_string()),
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

#[cfg(test)]
mod proofs {
    use super::*;

    fn trace<const N: usize>(calls: [&str; N]) -> Vec<String> {
        calls.map(str::to_owned).into()
    }

    #[test]
    fn a_shim_that_sees_too_little_is_found() {
        let wanted = ["write passes store.db ", "write passes spool/"];
        assert_eq!(unseen(&wanted, &[]), wanted);
        assert_eq!(
            unseen(&wanted, &trace(["1 write passes store.db-wal 0 24", "2 write passes spool/a"])),
            wanted[..1]
        );
        assert!(unseen(&wanted, &trace(["1 write passes spool/a", "2 write passes store.db 0 4096"])).is_empty());
    }

    #[test]
    fn a_search_without_faults_proves_nothing() {
        let ends = |cases: &[(Option<End>, usize)]| cases.iter().map(|(end, n)| ((Kind::Io, *end), *n)).collect();
        let (noticed, unnoticed) = (Some(End::WentOn), Some(End::Unnoticed));
        for proves_nothing in [&[][..], &[(unnoticed, 30)], &[(noticed, 17), (None, 1)], &[(None, 9)]] {
            assert!(hollow_search(&ends(proves_nothing)).is_some(), "{proves_nothing:?}");
        }
        assert_eq!(hollow_search(&ends(&[(noticed, 1), (unnoticed, 19), (None, 1)])), None);
    }
}
