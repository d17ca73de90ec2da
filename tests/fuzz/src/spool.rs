//! Sealed requests as the reception's disk has them: whole and under their own names, or not at all.

use crate::judge::{Bytes, CANARY, taken, text};
use crate::nodes::entry::{Entry, body, name, named};
use crate::{Target, Verdict, samples};
use shared::ids::{Digest, hex};

pub(crate) const SPOOL: Target = Target { name: "spool", check, seeds, words: &[LINE, ".sealed", "\0", CANARY] };

/// How an entry begins.
const LINE: &str = "webizen spool 1\n";
/// Where the first half of the ticket's hash stands, after the line, the number and the vault's mark: the request's id.
const ID: std::ops::Range<usize> = LINE.len() + 8 + 32..LINE.len() + 8 + 32 + 16;
/// The SHA-256 at an entry's end.
const SUM: usize = 32;

/// What the first byte says: the entry is given its sum, or its own name, so that a search gets past either.
const SUMMED: u8 = 1;
const NAMED: u8 = 2;

/// A name up to a zero byte, unless the entry is given its own, and a file's bytes.
fn check(data: &[u8]) -> Verdict {
    let mut bytes = Bytes(data);
    let given = bytes.byte();
    let name = if given & NAMED == 0 { text(bytes.field()) } else { own_name(bytes.0) };
    let mut file = bytes.0.to_vec();
    if given & SUMMED != 0 {
        file.extend(Digest::of(&file).0);
    }
    read(&name, &file)
}

/// A file is taken if it has an entry's length, line and sum and its own name, and is written again as it was.
fn read(file_name: &str, file: &[u8]) -> Verdict {
    let id = taken(named(file_name));
    assert!(id.is_none_or(|id| name(id) == file_name), "a second spelling of a name");
    let entry = id.and_then(|id| taken(Entry::parse(id, file)));
    let summed = || file.split_last_chunk::<SUM>().is_some_and(|(all, sum)| Digest::of(all).0 == *sum);
    let whole = file.len() == Entry::SIZE && file.starts_with(LINE.as_bytes()) && summed();
    assert_eq!(entry.is_some(), whole && own_name(file) == file_name);
    let Some(entry) = entry else { return Verdict::Refused };
    assert_eq!(entry.to_bytes(), file);
    assert_eq!(Some(entry.id()), id);
    Verdict::Taken
}

fn own_name(file: &[u8]) -> String {
    format!("{}.sealed", hex(file.get(ID).unwrap_or_default()))
}

fn seeds() -> Vec<Vec<u8>> {
    let (ticket, filing) = (samples::ticket(), &samples::filings()[0]);
    let sealed = samples::sealed();
    let body = body(&ticket, filing).unwrap();
    let entry = Entry { number: 77, vault: Digest([1; 32]), ticket: ticket.hash(), body, sealed };
    let (file, name) = (entry.to_bytes(), name(entry.id()));
    let unsummed = &file[..Entry::SIZE - SUM];
    let other = "00".repeat(16) + ".sealed";
    let mark = |given: u8, name: &str, file: &[u8]| [&[given], name.as_bytes(), b"\0", file].concat();
    vec![
        mark(0, &name, &file),
        mark(SUMMED, &name, unsummed),
        [&[NAMED], &file[..]].concat(),
        [&[NAMED | SUMMED], unsummed].concat(),
        mark(0, &other, &file),
        mark(SUMMED, &other, unsummed),
        mark(0, CANARY, &file),
        mark(0, &name, unsummed),
    ]
}
