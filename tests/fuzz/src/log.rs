//! The transparency log's texts: keys, checkpoints, signed notes, leaves, proofs and what they are made of.

use crate::judge::{Bytes, CANARY, taken, text};
use crate::owner::{LOG_KEY, ORIGIN, note, origin};
use crate::{Target, Verdict, samples};
use shared::ids::{Digest, RequestId};
use shared::receipt::LogProof;
use shared::time::Time;
use shared::tlog::{Checkpoint, Leaf, LeafKind, Origin, PROOF_MAX, SIZE_MAX, VerifierKey, empty_root, open_checkpoint};
use std::fmt::{Debug, Display};
use std::str::FromStr;

pub(crate) const TLOG: Target = Target {
    name: "tlog",
    check,
    seeds,
    words: &[
        "\u{2014} ",
        "\n\n",
        ORIGIN,
        "c2sp.org/tlog-proof@v1\n",
        "index ",
        "webizen leaf v1\n",
        "approved",
        "4611686018427387904",
        "+AQ",
        "2026-11-22T09:14:03Z",
        CANARY,
    ],
};

/// The longest signed note that is looked at, bytes: no text that was taken is longer.
const NOTE_MAX: usize = 16 * 1024;

/// The first byte says what the rest is: a text, or what a log has signed.
fn check(data: &[u8]) -> Verdict {
    let mut bytes = Bytes(data);
    let signed = bytes.byte() % 2 == 1;
    let text = text(bytes.0);
    if signed { signed_note(&text) } else { texts(&text) }
}

/// Each of these has one spelling.
fn texts(text: &str) -> Verdict {
    let printed = [
        spelt::<VerifierKey>(text),
        spelt::<Origin>(text),
        spelt::<Time>(text),
        spelt::<LeafKind>(text),
        spelt::<Digest>(text),
        spelt::<RequestId>(text),
    ];
    let checkpoint = taken(Checkpoint::parse(text));
    if let Some(checkpoint) = &checkpoint {
        sound(checkpoint, text);
    }
    let leaf = taken(Leaf::parse(text.as_bytes()));
    assert!(leaf.is_none_or(|leaf| leaf.bytes() == text.as_bytes()));
    let proof = taken(LogProof::parse(text));
    if let Some(proof) = &proof {
        assert!(proof.to_string() == text && proof.hashes.len() <= PROOF_MAX);
    }
    let opened = taken(open_checkpoint(text, &LOG_KEY));
    assert!(opened.is_none_or(|opened| opened == head()), "the log has signed no such checkpoint");
    Verdict::of(printed.contains(&true) || checkpoint.is_some() || leaf.is_some() || proof.is_some())
}

fn spelt<T: FromStr<Err: Display + Debug> + Display>(text: &str) -> bool {
    let value = taken(text.parse::<T>());
    assert!(value.as_ref().is_none_or(|value| value.to_string() == text), "a second spelling");
    value.is_some()
}

fn sound(checkpoint: &Checkpoint, body: &str) {
    assert_eq!(checkpoint.body(), body);
    assert!(checkpoint.size <= SIZE_MAX && (checkpoint.size > 0 || checkpoint.root == empty_root()));
}

/// What the log's key has signed is taken if it is a checkpoint of this log, and only then.
fn signed_note(body: &str) -> Verdict {
    let note = note(body);
    let result = open_checkpoint(&note, &LOG_KEY);
    let plain = note.len() <= NOTE_MAX && body.ends_with('\n');
    let right = plain && Checkpoint::parse(body).is_ok_and(|checkpoint| checkpoint.origin == origin());
    assert_eq!(result.is_ok(), right, "{result:?}");
    let opened = taken(result);
    opened.iter().for_each(|checkpoint| sound(checkpoint, body));
    Verdict::of(opened.is_some())
}

fn head() -> Checkpoint {
    Checkpoint { origin: origin(), size: 42, root: Digest::of(b"root") }
}

fn seeds() -> Vec<Vec<u8>> {
    let leaf = Leaf { time: samples::at(0), kind: LeafKind::Approved, commitment: Digest::of(b"commitment") };
    let empty = Checkpoint { size: 0, root: empty_root(), ..head() };
    let other = Checkpoint { origin: Origin::new(&format!("{CANARY}/1")).unwrap(), ..head() };
    let texts = [
        LOG_KEY.to_string(),
        format!("{CANARY}/{CANARY}"),
        samples::at(0).to_string(),
        Digest([0xab; 32]).to_string(),
        "approved".into(),
        String::from_utf8(leaf.bytes()).unwrap(),
        samples::receipt().proof,
        note(&head().body()),
        format!("{}\u{2014} {CANARY}/w AAAAAAAA\n", note(&head().body())),
    ];
    let bodies = [head(), empty, other].map(|checkpoint| checkpoint.body());
    let plain = texts.iter().chain(&bodies).map(|text| [b"\0", text.as_bytes()].concat());
    plain.chain(bodies.iter().map(|body| [b"\x01", body.as_bytes()].concat())).collect()
}
