//! What a program did with its files, as the shim tells it, and what is wrong with that whatever came of it.

use std::fs;
use std::ops::Range;
use std::path::Path;

/// The store's write-ahead log.
const LOG: &str = "store.db-wal";

/// What a program did with its files, one call a line.
pub(super) fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
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
        self.file.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Whether it changes which names a folder has, or makes that durable.
    fn is_about(&self, folder: &str) -> bool {
        self.is("flush", folder) || ["rename", "unlink"].contains(&self.what) && self.folder() == folder
    }

    /// The bytes that a write at a given place writes.
    fn bytes(&self) -> Option<Range<usize>> {
        let (at, size) = self.rest.split_once(' ')?;
        let at: usize = at.parse().ok()?;
        Some(at..at + size.parse::<usize>().ok()?)
    }
}

/// A flush that failed and was then tried again as if nothing was, with nothing written in between: its success says nothing,
/// since the system forgets what it could not write (fsync(2), PostgreSQL's fsyncgate of 2018).
pub(super) fn hollow(lines: &[String]) -> Option<String> {
    let calls = Call::all(lines);
    let failed = calls.iter().enumerate().filter(|(_, call)| call.what == "flush" && !call.passes);
    for (at, Call { file, .. }) in failed {
        let inside = format!("{file}/");
        let next = calls[at + 1..]
            .iter()
            .find(|call| call.passes && (call.file == *file || call.what != "flush" && call.file.starts_with(&inside)));
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
        let folder = call.folder();
        let next = calls[at + 1..].iter().find(|call| call.is_about(folder));
        if next.is_none_or(|call| call.what != "flush") {
            return Some(format!("{file} has its name, and {folder} was not flushed"));
        }
    }
    None
}

/// Whether a start has told of what the life before it wrote and never flushed, or failed to: until it has written and flushed
/// the same bytes, only the system's memory has them. `after` ends where the program began to serve.
pub(super) fn unsettled(before: &[String], after: &[String]) -> Option<String> {
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
        let whole = ["1 write passes store.db-wal 0 174", "2 flush passes store.db-wal"];
        assert_eq!(unsettled(&lost, &trace(whole)), None);
        assert_eq!(unsettled(&lost[..2], &[]), None);
        // A program that dies before it flushes leaves the same.
        assert!(unsettled(&lost[..4], &[]).is_some());
    }
}
