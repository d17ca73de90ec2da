//! The owner's signatures.

use crate::judge::{Bytes, CANARY, taken, text};
use crate::owner::{Envelope, FIRST, SECOND, SIGNERS, Seat, TOUCHED, VERSION, armor};
use crate::{Target, Verdict};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shared::sshsig::{BadSignature, verify};
use shared::statement::NAMESPACE;
use std::sync::LazyLock;

pub(crate) const SSHSIG: Target = Target {
    name: "sshsig",
    check,
    seeds,
    words: &[
        "-----BEGIN SSH SIGNATURE-----\n",
        "\n-----END SSH SIGNATURE-----\n",
        "SSHSIG",
        "ssh-ed25519",
        "sk-ssh-ed25519@openssh.com",
        "ssh-rsa",
        NAMESPACE,
        "sha256",
        "sha512",
        CANARY,
    ],
};

const MESSAGE: &[u8] = b"webizen statement v1\ncanary-7f3a91d2\n";

/// Everything that an owner has signed over the message: each key, each hash.
static GENUINE: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let with = |seat, hash| Envelope { hash, ..Envelope::right(seat) }.blob(MESSAGE);
    [FIRST, SECOND].into_iter().flat_map(|seat| [with(seat, b"sha256"), with(seat, b"sha512")]).collect()
});

/// The first byte says what the rest is: the armoured text, what it holds, or fields to be signed.
fn check(data: &[u8]) -> Verdict {
    let mut bytes = Bytes(data);
    match bytes.byte() % 3 {
        0 => given(&text(bytes.0)),
        1 => given(&armor(bytes.0)),
        _ => signed(bytes),
    }
}

/// Only what an owner has signed is taken, in one spelling of what is armoured.
fn given(armored: &str) -> Verdict {
    let Some(key) = taken(verify(&SIGNERS, NAMESPACE, MESSAGE, armored)) else { return Verdict::Refused };
    let body: String = armored.lines().filter(|line| !line.starts_with('-')).collect();
    assert!(GENUINE.contains(&STANDARD.decode(body).unwrap()), "nobody has signed this");
    assert!(SIGNERS.keys().contains(key));
    Verdict::Taken
}

/// A signature that is mathematically right counts only if every field of it is.
fn signed(mut bytes: Bytes<'_>) -> Verdict {
    let (choice, flags, version) = (bytes.byte(), bytes.byte(), bytes.byte());
    let seat = match choice % 4 {
        0 => Seat::File(1),
        1 => Seat::Authenticator(2, flags),
        // Strangers: a key of the second owner's seed without the authenticator is another key.
        2 => Seat::File(2),
        _ => Seat::Authenticator(3, flags),
    };
    let (namespace, reserved, hash, after) = (bytes.field(), bytes.field(), bytes.field(), bytes.field());
    let envelope = Envelope { seat, version, namespace, reserved, hash, after };
    let blob = envelope.blob(MESSAGE);
    let result = verify(&SIGNERS, NAMESPACE, MESSAGE, &armor(&blob));
    let touched = match seat {
        Seat::File(seed) => seed == 1,
        Seat::Authenticator(seed, flags) => seed == 2 && flags & TOUCHED != 0,
    };
    let plain = version == VERSION && namespace == NAMESPACE.as_bytes() && reserved.is_empty() && after.is_empty();
    let right = touched && plain && [&b"sha256"[..], b"sha512"].contains(&hash);
    assert_eq!(result.is_ok(), right, "{result:?}");
    if plain && seat == Seat::Authenticator(2, flags) && flags & TOUCHED == 0 && hash == b"sha512" {
        assert_eq!(result, Err(BadSignature::TouchMissing));
    }
    Verdict::of(taken(result).is_some())
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let others = [Seat::File(3), Seat::Authenticator(2, 0)].map(|seat| Envelope::right(seat).blob(MESSAGE));
    for blob in GENUINE.iter().chain(&others) {
        seeds.push([&b"\0"[..], armor(blob).as_bytes()].concat());
        seeds.push([&b"\x01"[..], blob].concat());
    }
    for choice in 0..4 {
        let start = [2, choice, TOUCHED, VERSION];
        seeds.push([&start[..], NAMESPACE.as_bytes(), b"\0\0sha512\0"].concat());
        seeds.push([&start[..], NAMESPACE.as_bytes(), b"\0reserved\0sha256\0more"].concat());
    }
    seeds
}
