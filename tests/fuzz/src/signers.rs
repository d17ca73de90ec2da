//! The owner's keys, in lists and alone.

use crate::judge::{CANARY, taken, text};
use crate::owner::SIGNERS as OWNERS;
use crate::{Target, Verdict};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::VerifyingKey;
use shared::sshsig::{APPLICATION_MAX, PublicKey, SIGNERS_MAX, Signers};

pub(crate) const SIGNERS: Target = Target {
    name: "signers",
    check,
    seeds,
    words: &[
        "owner namespaces=\"release@webizen\" ",
        "ssh-ed25519 ",
        "sk-ssh-ed25519@openssh.com ",
        "AAAAC3NzaC1lZDI1NTE5AAAAI",
        "cert-authority",
        "# ",
        "\r",
        CANARY,
    ],
};

fn check(data: &[u8]) -> Verdict {
    let text = text(data);
    let list = taken(Signers::parse(&text));
    if let Some(list) = &list {
        assert!((1..=SIGNERS_MAX).contains(&list.keys().len()));
        assert_eq!(Signers::parse(&list.render()).as_ref(), Ok(list));
        for (at, key) in list.keys().iter().enumerate() {
            sound(key);
            assert!(!list.keys()[..at].contains(key), "one key counts twice");
        }
    }
    let key = taken(PublicKey::from_openssh(&text));
    key.iter().for_each(sound);
    Verdict::of(list.is_some() || key.is_some())
}

/// A key has one spelling, is one point in its one encoding, and cannot sign everything.
fn sound(key: &PublicKey) {
    assert_eq!(PublicKey::from_openssh(&key.to_openssh()).as_ref(), Ok(key));
    let (verifying, application) = match key {
        PublicKey::Ed25519 { key } => (key, ""),
        PublicKey::SkEd25519 { key, application } => (key, application.as_str()),
    };
    assert!(!verifying.is_weak());
    assert_eq!(&verifying.to_edwards().compress().to_bytes(), verifying.as_bytes(), "a second encoding of one key");
    assert!(application.len() <= APPLICATION_MAX && application.bytes().all(|byte| byte.is_ascii_graphic()));
}

fn seeds() -> Vec<Vec<u8>> {
    let text = OWNERS.render();
    let alone = OWNERS.keys().iter().map(|key| format!("{} {CANARY}\n", key.to_openssh()));
    let commented = format!("# {CANARY}\n{}", text.replace('\n', &format!(" {CANARY}\n")));
    let second = second_encodings().into_iter().map(|key| line(&key));
    [text, commented].into_iter().chain(alone).chain(second).map(String::into_bytes).collect()
}

/// Points of full order that have a second encoding, in it: y in [p, 2^255) is taken modulo p by most implementations.
fn second_encodings() -> Vec<[u8; 32]> {
    let over = |k: u8| {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (0xed + k, 0x7f);
        bytes
    };
    let usable = |bytes: &[u8; 32]| VerifyingKey::from_bytes(bytes).is_ok_and(|key| !key.is_weak());
    (0..19).map(over).filter(usable).collect()
}

fn line(key: &[u8; 32]) -> String {
    let blob = [&b"\0\0\0\x0bssh-ed25519\0\0\0\x20"[..], key].concat();
    format!("ssh-ed25519 {}", STANDARD.encode(blob))
}
