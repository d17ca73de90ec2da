//! What a program did with its files, as the shim tells it, and what is wrong with that whatever came of it.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::Path;

/// The store's write-ahead log.
const LOG: &str = "store.db-wal";

/// The folder that it is in, which is the one that the shim watches.
const HERE: &str = ".";
/// What the shim calls it that a program can be reached from outside.
const SERVES: &str = "serves";

/// What a program did with its files, one call a line.
pub(super) fn lines(path: &Path) -> Vec<String> {
    let mut all = told(path);
    all.retain(|line| !tells_of_serving(line));
    all
}

/// What it did with them before anybody outside could reach it, or `None` if nobody ever could.
pub(super) fn before_serving(path: &Path) -> Option<Vec<String>> {
    let mut all = told(path);
    let at = all.iter().position(|line| tells_of_serving(line))?;
    all.truncate(at);
    Some(all)
}

fn told(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn tells_of_serving(line: &str) -> bool {
    Call::of(line).is_some_and(|call| call.what == SERVES)
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Call<'a> {
    what: &'a str,
    passes: bool,
    file: &'a str,
    /// Of a write at a given place the place and the number of bytes, of a rename the old name.
    rest: &'a str,
}

impl<'a> Call<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let mut words = line.splitn(5, ' ').skip(1);
        let (what, passes, file) = (words.next()?, words.next()? == "passes", words.next()?);
        Some(Self { what, passes, file, rest: words.next().unwrap_or_default() })
    }

    fn all(lines: &'a [String]) -> Vec<Self> {
        lines.iter().filter_map(|line| Self::of(line)).collect()
    }

    fn is(&self, what: &str, file: &str) -> bool {
        self.passes && self.what == what && self.file == file
    }

    fn folder(&self) -> &'a str {
        folder(self.file)
    }

    /// Whether it changes which names a folder has.
    fn names(&self) -> bool {
        ["rename", "unlink", "mkdir"].contains(&self.what)
    }

    /// Whether it changes which names a folder has, or makes that durable.
    fn is_about(&self, folder: &str) -> bool {
        self.is("flush", folder) || self.names() && self.folder() == folder
    }

    /// The bytes that a write at a given place writes.
    fn bytes(&self) -> Option<Range<usize>> {
        let (at, size) = self.rest.split_once(' ')?;
        let at: usize = at.parse().ok()?;
        Some(at..at + size.parse::<usize>().ok()?)
    }
}

fn folder(file: &str) -> &str {
    file.rsplit_once('/').map_or(HERE, |(folder, _)| folder)
}

/// A flush that failed and was then tried again as if nothing was, with nothing written in between: its success says nothing,
/// since the system forgets what it could not write (fsync(2), PostgreSQL's fsyncgate of 2018).
pub(super) fn hollow(lines: &[String]) -> Option<String> {
    let calls = Call::all(lines);
    let failed = calls.iter().enumerate().filter(|(_, call)| call.what == "flush" && !call.passes);
    for (at, Call { file, .. }) in failed {
        // Of a folder that is whatever has a name in it, since a new file is seen only when it is written.
        let next = calls[at + 1..]
            .iter()
            .find(|call| call.passes && (call.file == *file || call.what != "flush" && call.folder() == *file));
        if next.is_some_and(|call| call.what == "flush") {
            return Some(format!("the flush of {file} failed, and was tried again with nothing written in between"));
        }
    }
    None
}

/// An order in which a power loss would leave half of something, or nothing, in the place of what was there: a file that has
/// its name before its bytes are on the disk, or a name that never gets there itself. For calls none of which failed.
pub(super) fn disordered(lines: &[String]) -> Option<String> {
    let calls = Call::all(lines);
    for (at, call) in calls.iter().enumerate().filter(|(_, call)| call.what == "rename") {
        let (Call { file, rest: old, .. }, inside) = (call, format!("{}/", call.rest));
        let written = calls[..at].iter().rev().filter(|call| call.what == "write");
        for moved in written.map(|call| call.file).filter(|moved| moved == old || moved.starts_with(&inside)) {
            let last = calls[..at].iter().rev().find(|call| call.file == moved);
            if last.is_none_or(|call| call.what != "flush") {
                return Some(format!("{moved} becomes {file} before it was flushed"));
            }
        }
    }
    for (at, call) in calls.iter().enumerate().filter(|(_, call)| ["rename", "mkdir"].contains(&call.what)) {
        let (Call { file, .. }, folder) = (call, call.folder());
        let next = calls[at + 1..].iter().find(|call| call.is_about(folder));
        if next.is_none_or(|call| call.what != "flush") {
            return Some(format!("{file} has its name, and {folder} was not flushed"));
        }
    }
    None
}

/// What a start left to the system's memory alone of what it has read, in the write-ahead log: bytes that the life before it
/// wrote and never flushed, or failed to, until the same are written again and flushed; and the log's very name, which SQLite
/// flushes without asking what came of it. `after` ends where the program began to serve.
pub(super) fn unsettled(before: &[String], after: &[String]) -> Option<String> {
    let named = Call::all(after).iter().any(|call| call.is("flush", HERE));
    unwritten(before, after).or_else(|| (!named).then(|| format!("it serves, and the name of {LOG} was not flushed")))
}

fn unwritten(before: &[String], after: &[String]) -> Option<String> {
    let mut open = Bytes::default();
    for call in Call::all(before).iter().filter(|call| call.file == LOG) {
        match (call.what, call.passes, call.bytes()) {
            // What could not be written is in no memory either.
            ("write", true, Some(bytes)) => open.add(bytes),
            ("flush", true, _) | ("unlink", true, _) => open = Bytes::default(),
            _ => {}
        }
    }
    let mut again = Bytes::default();
    for call in Call::all(after).iter().filter(|call| call.file == LOG && call.passes) {
        match (call.what, call.bytes()) {
            ("write", Some(bytes)) => again.add(bytes),
            ("flush", _) => open.remove(&again),
            _ => {}
        }
    }
    let left = open.count();
    (left > 0).then(|| format!("it serves, and {left} bytes of {LOG} may be in the system's memory alone"))
}

/// A folder below `within` in which the life before a start changed names and did not flush that, or failed to, and which the
/// start has not flushed either. `after` ends where the program began to serve.
pub(super) fn unconfirmed(before: &[String], after: &[String], within: &str) -> Option<String> {
    let mut open = BTreeSet::new();
    for call in Call::all(before).into_iter().filter(|call| call.passes) {
        if call.what == "flush" {
            open.remove(call.file);
        } else if call.names() {
            open.insert(call.folder());
            open.extend((call.what == "rename").then(|| folder(call.rest)));
        }
    }
    // What the start itself changes is its own matter.
    let after = Call::all(after);
    let flushed = |folder: &str| after.iter().any(|call| call.is("flush", folder));
    let left = open.into_iter().find(|folder| folder.starts_with(within) && !flushed(folder));
    left.map(|folder| format!("it serves, and the names in {folder} may be in the system's memory alone"))
}

/// Some bytes of a file.
#[derive(Default)]
struct Bytes(Vec<bool>);

impl Bytes {
    fn add(&mut self, bytes: Range<usize>) {
        if self.0.len() < bytes.end {
            self.0.resize(bytes.end, false);
        }
        self.0[bytes].fill(true);
    }

    fn remove(&mut self, others: &Self) {
        self.0.iter_mut().zip(&others.0).for_each(|(mine, other)| *mine &= !other);
    }

    fn count(&self) -> usize {
        self.0.iter().filter(|byte| **byte).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace<const N: usize>(calls: [&str; N]) -> Vec<String> {
        calls.map(str::to_owned).into()
    }

    #[test]
    fn a_flush_that_is_only_tried_again_is_hollow() {
        let again = ["1 write passes key", "2 flush fails key", "3 flush passes key", "4 rename passes key key.new"];
        assert!(hollow(&trace(again)).unwrap().contains("the flush of key failed"));
        let written = ["1 flush fails key", "2 write passes other", "3 write passes key 0 4", "4 flush passes key"];
        assert_eq!(hollow(&trace(written)), None);
        // A folder's flush is for what was put into it and taken away.
        let folder = ["1 rename passes spool/a spool/a.new", "2 flush fails spool", "3 flush passes spool"];
        assert!(hollow(&trace(folder)).is_some());
        let made = ["1 flush fails spool", "2 mkdir passes spool/a", "3 flush passes spool"];
        assert_eq!(hollow(&trace(made)), None);
        let renamed = ["1 flush fails spool", "2 rename passes spool/a spool/a.new", "3 flush passes spool"];
        assert_eq!(hollow(&trace(renamed)), None);
        // What is written deeper down is nothing to it.
        let deeper = ["1 flush fails .", "2 write passes spool/a", "3 flush passes ."];
        assert!(hollow(&trace(deeper)).is_some());
        assert_eq!(hollow(&trace(["1 flush fails .", "2 write passes store.db-wal 0 4", "3 flush passes ."])), None);
    }

    #[test]
    fn a_name_before_its_bytes_or_without_its_folder_is_out_of_order() {
        let (write, flush) = ("1 write passes spool/a.new", "2 flush passes spool/a.new");
        let (rename, folder) = ("3 rename passes spool/a spool/a.new", "4 flush passes spool");
        assert_eq!(disordered(&trace([write, flush, rename, folder])), None);
        for unflushed in [&[write, rename, flush, folder][..], &[write, flush, write, rename, folder]] {
            let found = disordered(&unflushed.iter().map(|call| (*call).to_owned()).collect::<Vec<_>>());
            assert!(found.unwrap().contains("before it was flushed"));
        }
        for unnamed in [&[write, flush, rename][..], &[write, flush, rename, "4 unlink passes spool/b", folder]] {
            let found = disordered(&unnamed.iter().map(|call| (*call).to_owned()).collect::<Vec<_>>());
            assert!(found.unwrap().contains("was not flushed"));
        }
        // A whole folder may be moved, once everything in it is on the disk.
        let (moved, above) = ("3 rename passes kept/2 kept/new", "4 flush passes kept");
        assert!(disordered(&trace(["1 write passes kept/new/page", moved, above])).is_some());
        assert_eq!(
            disordered(&trace(["1 write passes kept/new/page", "2 flush passes kept/new/page", moved, above])),
            None
        );
    }

    #[test]
    fn a_folder_whose_name_is_not_flushed_is_out_of_order() {
        let made = ["1 mkdir passes home", "2 flush passes .", "3 mkdir passes home/state", "4 flush passes home"];
        assert_eq!(disordered(&trace(made)), None);
        assert!(disordered(&trace([made[0], made[2], made[3]])).unwrap().contains("home has its name, and . was"));
        assert!(disordered(&trace([made[0], made[2], made[3], made[1]])).is_none());
        assert!(disordered(&trace([made[0], made[1], made[2]])).unwrap().contains("home/state has its name"));
    }

    #[test]
    fn names_that_only_memory_has_are_to_be_flushed_before_anybody_is_told() {
        let moved = "1 rename passes spool/set-aside/a spool/a";
        let owned = |calls: &[&str]| calls.iter().map(|call| (*call).to_owned()).collect::<Vec<_>>();
        let within = |before: &[&str], after: &[&str]| unconfirmed(&owned(before), &owned(after), "spool");
        assert!(within(&[moved], &["1 flush passes spool"]).unwrap().contains("spool/set-aside"));
        assert!(within(&[moved], &["1 flush passes spool/set-aside"]).unwrap().contains("names in spool may"));
        assert_eq!(within(&[moved, "2 flush passes spool/set-aside"], &["1 flush passes spool"]), None);
        assert!(within(&[moved, "2 flush passes spool/set-aside", "3 flush fails spool"], &[]).is_some());
        assert!(within(&["1 unlink passes spool/a"], &["1 flush fails spool"]).is_some());
        assert_eq!(within(&["1 unlink fails spool/a", "2 unlink passes run/a"], &[]), None);
        assert_eq!(within(&[], &["1 unlink passes spool/a.new"]), None);
    }

    #[test]
    fn what_is_done_once_somebody_can_be_answered_is_not_done_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        assert_eq!(before_serving(&path), None);
        fs::write(&path, "1 flush passes .\n1 serves passes bind\n2 flush passes store.db\n2 serves passes accept\n")
            .unwrap();
        assert_eq!(before_serving(&path), Some(trace(["1 flush passes ."])));
        assert_eq!(lines(&path), trace(["1 flush passes .", "2 flush passes store.db"]));
    }

    #[test]
    fn what_only_memory_has_is_to_be_written_again_and_flushed() {
        let lost = trace([
            "1 write passes store.db-wal 0 100",
            "2 flush passes store.db-wal",
            "3 write passes store.db-wal 100 24",
            "4 write passes store.db-wal 124 50",
            "5 flush fails store.db-wal",
        ]);
        assert!(unsettled(&lost, &[]).unwrap().contains("74 bytes"));
        assert!(unsettled(&lost, &trace(["1 flush passes store.db-wal"])).unwrap().contains("74 bytes"));
        let part =
            ["1 write passes store.db-wal 0 150", "2 flush passes store.db-wal", "3 write passes store.db-wal 150 24"];
        assert!(unsettled(&lost, &trace(part)).unwrap().contains("24 bytes"));
        let (whole, name) = (["1 write passes store.db-wal 0 174", "2 flush passes store.db-wal"], "3 flush passes .");
        assert_eq!(unsettled(&lost, &trace([whole[0], whole[1], name])), None);
        for unnamed in [&whole[..], &[whole[0], whole[1], "3 flush fails ."]] {
            let found = unsettled(&lost, &unnamed.iter().map(|call| (*call).to_owned()).collect::<Vec<_>>());
            assert!(found.unwrap().contains("the name of store.db-wal was not flushed"));
        }
        assert_eq!(unsettled(&lost[..2], &trace([name])), None);
        // A program that dies before it flushes leaves the same.
        assert!(unsettled(&lost[..4], &[]).is_some());
    }
}
