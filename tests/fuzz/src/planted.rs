//! A crash that is there to be found.

use crate::{Target, Verdict};
use shared::frame::{PREFIX, length};
use std::hint::black_box;

pub(crate) const PLANTED: Target = Target { name: "planted", check, seeds, words: &[] };

/// The bytes of the message's beginning on which the crash depends.
const DEPTH: usize = 5;

/// Panics for the frames whose message [`begins`] so.
fn check(data: &[u8]) -> Verdict {
    let Some((prefix, body)) = data.split_first_chunk::<PREFIX>() else { return Verdict::Refused };
    if length(*prefix) != Ok(body.len()) || body.len() < DEPTH {
        return Verdict::Refused;
    }
    assert!(!begins(body), "this is the planted crash");
    Verdict::Refused
}

/// 40 bits behind a right length: one in 10^21 random frames has them. Each byte is a branch of its own, reached only over the
/// one before, so a search that sees branches climbs them like stairs.
fn begins(body: &[u8]) -> bool {
    // The compiler would make one comparison of the five.
    let at = |place: usize| black_box(body[place]);
    at(0) == 0x9e && at(1) == b'o' && at(2) == 0x00 && at(3) == 0xff && at(4) == 0x1b
}

fn seeds() -> Vec<Vec<u8>> {
    vec![b"\x00\x00\x00\x0c{\"status\":1}".to_vec()]
}
