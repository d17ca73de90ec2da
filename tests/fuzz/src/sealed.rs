//! Sealed requests, as the vault opens what an untrusted reception has kept for it. Whoever has the vault's public key can
//! seal anything, so what is inside is as hostile as the seal.

use crate::frames::within;
use crate::judge::{Bytes, CANARY, message, taken};
use crate::owner::origin;
use crate::samples::SEALING_KEY;
use crate::{Target, Verdict, samples};
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable as _, Kem, OpModeS, Serializable as _, single_shot_seal_with_rng};
use shared::ids::TicketHash;
use shared::limits::SEALED_TEXT;
use shared::message::Filing;
use shared::seal::{Sealed, open, seal};
use shared::tlog::Origin;
use std::convert::Infallible;

pub(crate) const SEALED: Target = Target {
    name: "sealed",
    check,
    seeds,
    words: &[
        "{\"ticket\":\"",
        "\"subject\":{\"item\":\"",
        "\"subject\":{\"question\":\"",
        "\"purpose\":\"",
        "\"contact\":null",
        "\"recipient\":\"ticket\"",
        "\\u0000",
        "\\ud83d\\ude00",
        "[[[[[[[[",
        "                ",
        CANARY,
    ],
};

/// What the first byte says that the rest is: the bytes of a seal, its text on the link, or a text to be sealed.
const STORED: u8 = 0;
const SENT: u8 = 1;
const TEXT: u8 = 2;

/// What the second byte of a text says is not right about its seal.
const OTHER_KEY: u8 = 1;
const OTHER_VAULT: u8 = 2;
const OTHER_TICKET: u8 = 4;
/// The text is not filled up to the one length that there is.
const OTHER_LENGTH: u8 = 8;

fn check(data: &[u8]) -> Verdict {
    let mut bytes = Bytes(data);
    match bytes.byte() % 3 {
        STORED => stored(bytes.0),
        SENT => sent(bytes.0),
        _ => written(bytes.byte(), bytes.0),
    }
}

/// Of all bytes, only those open that were sealed.
fn stored(bytes: &[u8]) -> Verdict {
    let sealed = taken(Sealed::from_bytes(bytes));
    assert_eq!(sealed.is_some(), bytes.len() == Sealed::SIZE);
    let opened = sealed.as_ref().and_then(|sealed| taken(open(&SEALING_KEY, &origin(), &ticket(), sealed)));
    assert_eq!(opened, (sealed == Some(samples::sealed())).then(|| samples::filings()[0].clone()));
    Verdict::of(opened.is_some())
}

/// On the link, a seal has one spelling.
fn sent(json: &[u8]) -> Verdict {
    let Some(sealed) = message::<Sealed>(json) else { return Verdict::Refused };
    let read: String = serde_json::from_slice(json).unwrap();
    assert_eq!(serde_json::to_value(&sealed).unwrap(), read, "a second spelling");
    assert_eq!(sealed.as_bytes().len(), Sealed::SIZE);
    Verdict::Taken
}

/// A text opens for the key, the vault and the ticket that it was sealed for, if it is one of that ticket's filings; that one
/// is within its limits, and could be sealed again.
fn written(lock: u8, text: &[u8]) -> Verdict {
    let has = |fault: u8| lock & fault != 0;
    let mut text = text.to_vec();
    if !has(OTHER_LENGTH) {
        text.resize(SEALED_TEXT, b' ');
    }
    let public = if has(OTHER_KEY) { public_of(&[8; 32]) } else { public() };
    let vault = if has(OTHER_VAULT) { Origin::new("vault.example/0000").unwrap() } else { origin() };
    let under = if has(OTHER_TICKET) { TicketHash([1; 32]) } else { ticket() };
    let Some(sealed) = taken(Sealed::from_bytes(&encrypt(&public, &vault, &under, &text))) else {
        assert_ne!(text.len(), SEALED_TEXT);
        return Verdict::Refused;
    };
    let opened = taken(open(&SEALING_KEY, &origin(), &ticket(), &sealed));
    let right = !has(OTHER_KEY | OTHER_VAULT | OTHER_TICKET) && text.len() == SEALED_TEXT;
    let inside = message::<Filing>(&text).filter(|filing| right && filing.ticket == ticket());
    assert_eq!(opened, inside);
    let Some(filing) = opened else { return Verdict::Refused };
    within(&filing);
    let again = seal(&public, &vault, &filing, [4; 32]).unwrap();
    assert_eq!(open(&SEALING_KEY, &vault, &under, &again), Ok(filing));
    Verdict::Taken
}

fn ticket() -> TicketHash {
    samples::ticket().hash()
}

/// The public half of the vault's sealing key.
pub(crate) fn public() -> [u8; 32] {
    public_of(&SEALING_KEY)
}

fn public_of(private: &[u8; 32]) -> [u8; 32] {
    let private = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(private).unwrap();
    X25519HkdfSha256::sk_to_pk(&private).to_bytes().into()
}

/// Seals any text at all: HPKE in base mode (RFC 9180, section 6.1), the encapsulated key before the ciphertext.
fn encrypt(public: &[u8; 32], vault: &Origin, ticket: &TicketHash, text: &[u8]) -> Vec<u8> {
    let public = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(public).unwrap();
    let info = [b"webizen sealed request v1\0", vault.as_str().as_bytes()].concat();
    let sealed = single_shot_seal_with_rng::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &public,
        &info,
        text,
        &ticket.0,
        &mut Always,
    );
    let (key, sealed) = sealed.unwrap();
    [key.to_bytes().as_slice(), &sealed].concat()
}

/// Randomness that is always the same, as every input of a target is.
struct Always;

impl TryRng for Always {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0x0505_0505)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0x0505_0505_0505_0505)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.fill(5);
        Ok(())
    }
}

impl TryCryptoRng for Always {}

fn seeds() -> Vec<Vec<u8>> {
    let [item, question] = samples::filings().map(|filing| serde_json::to_vec(&filing).unwrap());
    let others = serde_json::to_vec(&Filing { ticket: TicketHash([1; 32]), ..samples::filings()[0].clone() }).unwrap();
    let sealed = samples::sealed();
    let full = [&item[..], &b" ".repeat(SEALED_TEXT - item.len())].concat();
    let texts = [
        (0, &item),
        (0, &question),
        (0, &others),
        (OTHER_KEY, &item),
        (OTHER_VAULT, &item),
        (OTHER_TICKET, &item),
        (OTHER_LENGTH, &item),
        (OTHER_LENGTH, &full),
    ];
    let texts = texts.map(|(lock, text)| [&[TEXT, lock], &text[..]].concat());
    let sent = serde_json::to_vec(&sealed).unwrap();
    [vec![[&[STORED], sealed.as_bytes()].concat(), [&[SENT], &sent[..]].concat()], texts.to_vec()].concat()
}
