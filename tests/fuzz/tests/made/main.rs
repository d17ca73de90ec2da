//! Values made field by field: what was made is what is read, and a change of any field is seen.

#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use shared::ids::{Digest, Nonce, Pin, RequestId, TicketHash};
use shared::limits;
use shared::pairing::{ReceptionLine, VaultLine};
use shared::sshsig::{PublicKey, Signers};
use shared::statement::{
    Approval, DeliveryMode, Erasure, Freeze, FreezeAction, Keys, Pairing, PairingAction, Publication, Question,
    RecipientLine, Recovery, Refusal, Revocation, Shown, Statement, SubjectLine,
};
use shared::text::Text;
use shared::time::Time;
use shared::tlog::{Origin, VerifierKey};
use std::cell::RefCell;
use std::collections::BTreeSet;

mod messages;

/// Values for each property, always the same ones.
const CASES: u32 = 2000;

/// Runs a property, and panics with the smallest value that breaks it.
fn holds<S: Strategy>(values: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, random).run(&values, property).unwrap();
}

fn id<const N: usize>() -> impl Strategy<Value = [u8; N]> {
    any::<[u8; N]>()
}

fn digest() -> impl Strategy<Value = Digest> {
    id().prop_map(Digest)
}

fn time() -> impl Strategy<Value = Time> {
    prop_oneof![any::<u32>().prop_map(u64::from), any::<u64>()].prop_map(Time::from_unix)
}

/// What people write, and what those write who want to be taken for somebody else.
fn words() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        "[ -~]{0,12}",
        prop::sample::select(vec![
            "\n",
            "\r\n",
            "none",
            "text: ",
            "\\",
            "\\{U+202E}",
            "\u{202E}",
            "e\u{301}",
            "",
            ": "
        ])
        .prop_map(String::from),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn text<const MAX: usize>() -> impl Strategy<Value = Text<MAX>> {
    words().prop_filter_map("within the limits", |words| Text::new(words).ok())
}

fn origin() -> impl Strategy<Value = Origin> {
    "[a-z0-9]{1,8}\\.example(/[a-z0-9._-]{1,9}){1,3}".prop_map(|text| Origin::new(&text).unwrap())
}

fn secret() -> impl Strategy<Value = ed25519_dalek::SigningKey> {
    id().prop_map(|seed| ed25519_dalek::SigningKey::from_bytes(&seed))
}

fn log_key() -> impl Strategy<Value = VerifierKey> {
    (origin(), secret()).prop_map(|(origin, key)| VerifierKey::of(origin, &key))
}

fn owner() -> impl Strategy<Value = Signers> {
    let key = (secret(), option::of("ssh:[!-~]{0,20}")).prop_map(|(secret, application)| {
        let key = secret.verifying_key();
        match application {
            Some(application) => PublicKey::SkEd25519 { key, application },
            None => PublicKey::Ed25519 { key },
        }
    });
    vec(key, 1..6).prop_map(Signers::of)
}

fn subject() -> impl Strategy<Value = SubjectLine> {
    prop_oneof![words().prop_map(SubjectLine::Item), words().prop_map(SubjectLine::Question)]
}

fn recipient() -> impl Strategy<Value = RecipientLine> {
    prop_oneof![
        id().prop_map(|hash| RecipientLine::Ticket(TicketHash(hash))),
        digest().prop_map(RecipientLine::HpkeX25519)
    ]
}

fn nonce() -> impl Strategy<Value = Nonce> {
    id().prop_map(Nonce)
}

fn request() -> impl Strategy<Value = RequestId> {
    id().prop_map(RequestId)
}

fn approval() -> impl Strategy<Value = Statement> {
    let shown = prop::sample::select(vec![Shown::Whole, Shown::CopyOpened, Shown::NotShown]);
    let delivery = prop::sample::select(vec![DeliveryMode::Plain, DeliveryMode::Sealed]);
    let asked = (origin(), request(), subject(), recipient(), delivery, words(), option::of(digest()));
    let given = (digest(), any::<u64>(), words(), shown, any::<u32>(), time(), time(), nonce());
    (asked, given).prop_map(|(asked, given)| {
        let (vault, request, subject, recipient, delivery, purpose, terms) = asked;
        let (payload, bytes, media_type, shown, collections, prepared_at, not_after, nonce) = given;
        Approval {
            vault,
            request,
            subject,
            recipient,
            delivery,
            purpose,
            terms,
            payload,
            bytes,
            media_type,
            shown,
            collections,
            prepared_at,
            not_after,
            nonce,
        }
        .into()
    })
}

/// The statements about one request, but for the approval.
fn about_a_request() -> impl Strategy<Value = Statement> {
    let parts = (origin(), request(), subject(), recipient(), words(), option::of(words()), digest(), time(), nonce());
    (0..4_u8, parts).prop_map(|(kind, (vault, request, subject, recipient, text, words, hash, at, nonce))| match kind {
        0 => Question { vault, request, subject, recipient, text, prepared_at: at, nonce }.into(),
        1 => Refusal { vault, request, subject, recipient, words, decided_at: at, nonce }.into(),
        2 => Revocation { vault, request, statement: hash, reason: text, decided_at: at, nonce }.into(),
        _ => Erasure { vault, request, payload: hash, reason: text, decided_at: at, nonce }.into(),
    })
}

/// The statements about the vault as a whole.
fn about_the_vault() -> impl Strategy<Value = Statement> {
    let common = (origin(), words(), time(), nonce(), digest(), any::<u64>(), any::<u32>(), any::<bool>());
    let special = (option::of(digest()), id(), log_key(), origin(), origin(), any::<u32>());
    (0..5_u8, common, special).prop_map(|(kind, common, special)| {
        let (vault, reason, decided_at, nonce, hash, number, count, first) = common;
        let (previous, pin, witness, old_origin, new_origin, other) = special;
        match kind {
            0 => Publication {
                vault,
                version: number,
                bundle: hash,
                bytes: number,
                documents: count,
                catalogue: other,
                prepared_at: decided_at,
                nonce,
            }
            .into(),
            1 => Keys { vault, signers: hash, previous, threshold: count, decided_at, nonce }.into(),
            2 => {
                let action = if first { PairingAction::Pair } else { PairingAction::Unpair };
                Pairing { vault, action, reception: reason, pin: Pin(pin), witness, decided_at, nonce }.into()
            }
            3 => {
                let action = if first { FreezeAction::Freeze } else { FreezeAction::Thaw };
                Freeze { vault, action, reason, decided_at, nonce }.into()
            }
            _ => {
                let (old_size, old_root) = (number, hash);
                Recovery { vault, old_origin, old_size, old_root, new_origin, reason, decided_at, nonce }.into()
            }
        }
    })
}

fn statement() -> impl Strategy<Value = Statement> {
    prop_oneof![approval(), about_a_request(), about_the_vault()]
}

#[test]
fn every_statement_is_read_as_it_was_made() {
    let mut kinds = BTreeSet::new();
    let seen = RefCell::new(&mut kinds);
    holds(statement(), |statement| {
        let text = statement.render();
        prop_assume!(text.len() <= limits::STATEMENT);
        let read = Statement::parse(&text);
        prop_assert_eq!(read.as_ref(), Ok(&statement));
        prop_assert!(text.lines().skip(1).all(|line| line.contains(": ")));
        seen.borrow_mut().insert(statement.kind());
        Ok(())
    });
    assert_eq!(kinds.len(), 10, "{kinds:?}");
}

/// Two statements have one text only if they are one; a line of one in the place of the other's makes another, or none.
#[test]
fn a_line_of_another_statement_changes_what_is_said() {
    holds((approval(), approval(), any::<prop::sample::Index>()), |(one, other, at)| {
        let (text, from) = (one.render(), other.render());
        prop_assume!(text.len().max(from.len()) <= limits::STATEMENT / 2);
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        let at = at.index(lines.len());
        lines[at] = from.split_inclusive('\n').nth(at).unwrap();
        let mixed = lines.concat();
        let read = Statement::parse(&mixed).unwrap();
        prop_assert_eq!(read == one, mixed == text);
        prop_assert_eq!(read.render(), mixed);
        Ok(())
    });
}

#[test]
fn every_pairing_line_is_read_as_it_was_printed() {
    let address = prop_oneof![
        ("[a-z0-9]([a-z0-9-]{0,9}[a-z0-9])?(\\.[a-z0-9]{1,9}){0,3}", 1..=u16::MAX)
            .prop_map(|(h, p)| format!("{h}:{p}")),
        (any::<std::net::Ipv6Addr>(), 1..=u16::MAX).prop_map(|(host, port)| format!("[{host}]:{port}")),
    ];
    let reception = ("[A-Za-z0-9._-]{1,64}", address, id(), log_key()).prop_map(|(name, address, pin, witness)| {
        let (name, address) = (name.parse().unwrap(), address.parse().unwrap());
        ReceptionLine { name, address, pin: Pin(pin), witness }
    });
    let vault =
        ("[A-Za-z0-9._-]{1,64}", id(), log_key(), id(), owner()).prop_map(|(name, pin, log, sealing, owner)| {
            VaultLine { name: name.parse().unwrap(), pin: Pin(pin), log, sealing, owner }
        });
    holds((reception, vault), |(reception, vault)| {
        prop_assert_eq!(reception.to_string().parse(), Ok(reception));
        prop_assert_eq!(vault.to_string().parse(), Ok(vault.clone()));
        prop_assert_eq!(Signers::parse(&vault.owner.render()), Ok(vault.owner));
        Ok(())
    });
}
