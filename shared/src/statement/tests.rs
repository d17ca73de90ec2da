use super::*;
use crate::ids::{Digest, Nonce, Pin, TicketHash};
use crate::time::Time;
use crate::tlog::Origin;

/// Every kind's committed text: what other programs may rely on.
pub(crate) const VECTORS: [(&str, &str); 10] = [
    ("publication", include_str!("../../tests/vectors/publication.txt")),
    ("approval", include_str!("../../tests/vectors/approval.txt")),
    ("question", include_str!("../../tests/vectors/question.txt")),
    ("refusal", include_str!("../../tests/vectors/refusal.txt")),
    ("revocation", include_str!("../../tests/vectors/revocation.txt")),
    ("keys", include_str!("../../tests/vectors/keys.txt")),
    ("pairing", include_str!("../../tests/vectors/pairing.txt")),
    ("freeze", include_str!("../../tests/vectors/freeze.txt")),
    ("erasure", include_str!("../../tests/vectors/erasure.txt")),
    ("recovery", include_str!("../../tests/vectors/recovery.txt")),
];

fn origin(path: &str) -> Origin {
    Origin::new(&format!("vault.example.org/{path}")).unwrap()
}

fn sha(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn nonce(kind: &str) -> Nonce {
    Nonce(sha(&format!("nonce {kind}")).0[..16].try_into().unwrap())
}

fn at(text: &str) -> Time {
    text.parse().unwrap()
}

const DECIDED: &str = "2026-11-22T09:14:03Z";

fn ticket() -> TicketHash {
    TicketHash(sha("ticket").0)
}

fn cv() -> SubjectLine {
    SubjectLine::Item("Curriculum vitae".into())
}

fn approval() -> Approval {
    Approval {
        vault: origin("3f2a"),
        request: ticket().request(),
        subject: cv(),
        recipient: RecipientLine::Ticket(ticket()),
        delivery: DeliveryMode::Plain,
        purpose: "We met at the fair.\nPlease send it as C:\\cv.pdf \u{202E}, merci d'avance, Zoe\u{308}".into(),
        terms: None,
        payload: sha("payload"),
        bytes: 18_324,
        media_type: "application/pdf".into(),
        shown: Shown::Whole,
        collections: 1,
        prepared_at: at(DECIDED),
        not_after: at("2026-11-29T00:00:00Z"),
        nonce: nonce("approval"),
    }
}

fn about_requests() -> [Statement; 4] {
    let (vault, request) = (origin("3f2a"), ticket().request());
    let (recipient, time) = (RecipientLine::Ticket(ticket()), at(DECIDED));
    [
        Question {
            vault: vault.clone(),
            request,
            subject: SubjectLine::Question("Which talks did you give in 2025?".into()),
            recipient: RecipientLine::HpkeX25519(sha("recipient key")),
            text: "In which language would you like the list: Deutsch, 日本語?".into(),
            prepared_at: time,
            nonce: nonce("question"),
        }
        .into(),
        Refusal {
            vault: vault.clone(),
            request,
            subject: cv(),
            recipient,
            words: Some("Not now. Ask me again in spring.".into()),
            decided_at: time,
            nonce: nonce("refusal"),
        }
        .into(),
        Revocation {
            vault: vault.clone(),
            request,
            statement: sha("statement"),
            reason: "Sent to the wrong person.".into(),
            decided_at: time,
            nonce: nonce("revocation"),
        }
        .into(),
        Erasure {
            vault,
            request,
            payload: sha("payload"),
            reason: "The visitor asked for it.".into(),
            decided_at: time,
            nonce: nonce("erasure"),
        }
        .into(),
    ]
}

fn about_the_vault() -> [Statement; 5] {
    let (vault, time) = (origin("3f2a"), at(DECIDED));
    [
        Publication {
            vault: vault.clone(),
            version: 7,
            bundle: sha("bundle"),
            bytes: 48_213,
            documents: 12,
            catalogue: 3,
            prepared_at: time,
            nonce: nonce("publication"),
        }
        .into(),
        Keys {
            vault: vault.clone(),
            signers: sha("new signers"),
            previous: Some(sha("old signers")),
            threshold: 2,
            decided_at: time,
            nonce: nonce("keys"),
        }
        .into(),
        Freeze {
            vault: vault.clone(),
            action: FreezeAction::Freeze,
            reason: "A laptop was lost.".into(),
            decided_at: time,
            nonce: nonce("freeze"),
        }
        .into(),
        Recovery {
            vault: origin("9c41"),
            old_origin: vault.clone(),
            old_size: 4096,
            old_root: sha("old root"),
            new_origin: origin("9c41"),
            reason: "The disk was restored from last week's backup.".into(),
            decided_at: time,
            nonce: nonce("recovery"),
        }
        .into(),
        Pairing {
            vault,
            action: PairingAction::Pair,
            reception: "small-box".into(),
            pin: Pin(sha("pin").0),
            // The public key of RFC 8032, section 7.1, test 1.
            witness: "reception.example.org/witness+c8846f07+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"
                .parse()
                .unwrap(),
            decided_at: time,
            nonce: nonce("pairing"),
        }
        .into(),
    ]
}

fn vector(kind: &str) -> &'static str {
    VECTORS.iter().find(|(name, _)| *name == kind).unwrap().1
}

/// `parse(t) == Ok(s)` must mean `s.render() == t`.
fn refused_or_exact(text: &str) -> Result<Statement, BadStatement> {
    let result = Statement::parse(text);
    if let Ok(statement) = &result {
        assert_eq!(statement.render(), text);
    }
    result
}

#[test]
fn every_kind_is_written_as_committed() {
    let statements: Vec<_> =
        about_requests().into_iter().chain(about_the_vault()).chain([Statement::from(approval())]).collect();
    assert_eq!(statements.len(), VECTORS.len());
    for statement in statements {
        assert_eq!(statement.render(), vector(statement.kind()));
        assert_eq!(Statement::parse(vector(statement.kind())), Ok(statement));
    }
}

#[test]
fn every_changed_byte_is_refused_or_means_what_it_says() {
    for (kind, text) in VECTORS {
        let original = Statement::parse(text).unwrap();
        let (mut refused, mut other) = (0, 0);
        for at in 0..text.len() {
            for byte in 0..=u8::MAX {
                let mut bytes = text.as_bytes().to_vec();
                if std::mem::replace(&mut bytes[at], byte) == byte {
                    continue;
                }
                let parsed = std::str::from_utf8(&bytes).ok().map(refused_or_exact);
                match parsed {
                    Some(Ok(statement)) => {
                        assert_ne!(statement, original);
                        other += 1;
                    }
                    None | Some(Err(_)) => refused += 1,
                }
            }
        }
        assert!(refused > other && other > 0, "{kind}: {refused} refused, {other} other statements");
    }
}

#[test]
fn every_lost_or_added_byte_is_refused_or_means_what_it_says() {
    for (kind, text) in VECTORS {
        for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
            assert!(Statement::parse(&text[..at]).is_err(), "{kind} up to byte {at}");
            let (before, after) = text.split_at(at);
            let lost: String = after.chars().skip(1).collect();
            let _ = refused_or_exact(&format!("{before}{lost}"));
            for added in (0..0x100).filter_map(char::from_u32).chain(['\u{301}', '\u{200B}', '\u{FEFF}', '\u{2028}']) {
                let _ = refused_or_exact(&format!("{before}{added}{after}"));
            }
        }
        for more in ["\n", " ", "nonce: 00", "kind: approval\n", text] {
            assert_eq!(Statement::parse(&format!("{text}{more}")), Err(BadStatement::Trailing), "{kind}");
        }
    }
}

#[test]
fn every_lost_doubled_or_swapped_line_is_refused() {
    for (kind, text) in VECTORS {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        for at in 0..lines.len() {
            let without = [&lines[..at], &lines[at + 1..]].concat().concat();
            assert!(Statement::parse(&without).is_err(), "{kind} without line {at}");
            let doubled = [&lines[..=at], &lines[at..]].concat().concat();
            assert!(Statement::parse(&doubled).is_err(), "{kind} with line {at} twice");
            for other in at + 1..lines.len() {
                let mut swapped = lines.clone();
                swapped.swap(at, other);
                assert!(Statement::parse(&swapped.concat()).is_err(), "{kind} with lines {at} and {other} swapped");
            }
        }
    }
}

#[test]
fn every_value_of_an_approval_comes_back() {
    let free =
        ["", " ", "none", "text: x", "item: a", "a\nkind: freeze\nb", "\\n", "\u{202E}\u{0}\u{10FFFF}", "e\u{301}"];
    let mut texts = std::collections::HashSet::new();
    for words in free {
        for subject in [SubjectLine::Item(words.into()), SubjectLine::Question(words.into())] {
            for recipient in [RecipientLine::Ticket(ticket()), RecipientLine::HpkeX25519(Digest(ticket().0))] {
                for delivery in [DeliveryMode::Plain, DeliveryMode::Sealed] {
                    for shown in [Shown::Whole, Shown::CopyOpened, Shown::NotShown] {
                        for terms in [None, Some(sha("terms"))] {
                            let (subject, purpose, media_type) = (subject.clone(), words.into(), words.into());
                            let extreme = Approval { bytes: u64::MAX, collections: u32::MAX, ..approval() };
                            let last = Approval { not_after: Time::MAX, prepared_at: Time::from_unix(0), ..extreme };
                            let whole =
                                Approval { subject, purpose, media_type, terms, recipient, delivery, shown, ..last };
                            let text = Statement::from(whole.clone()).render();
                            assert_eq!(Statement::parse(&text), Ok(whole.into()));
                            assert!(texts.insert(text));
                        }
                    }
                }
            }
        }
    }
    assert_eq!(texts.len(), free.len() * 2 * 2 * 2 * 3 * 2);
}

#[test]
fn absent_words_differ_from_every_word() {
    let (mut texts, vault, request) = (std::collections::HashSet::new(), origin("3f2a"), ticket().request());
    for words in [None, Some(""), Some("none"), Some("text: "), Some("text: none")] {
        let refusal = Refusal {
            vault: vault.clone(),
            request,
            subject: cv(),
            recipient: RecipientLine::Ticket(ticket()),
            words: words.map(String::from),
            decided_at: at(DECIDED),
            nonce: nonce("refusal"),
        };
        let text = Statement::from(refusal.clone()).render();
        assert_eq!(Statement::parse(&text), Ok(refusal.into()));
        assert!(texts.insert(text));
    }
    for (from, to) in [("action: freeze", "action: thaw"), ("previous-sha256: ", "previous-sha256: none\nx: ")] {
        let text = if from.starts_with('a') { vector("freeze") } else { vector("keys") }.replace(from, to);
        let text: String = text.split_inclusive('\n').filter(|line| !line.starts_with("x: ")).collect();
        assert_eq!(refused_or_exact(&text).map(|statement| statement.render()), Ok(text));
    }
    assert!(refused_or_exact(&vector("pairing").replace("action: pair", "action: unpair")).is_ok());
}

#[test]
fn other_spellings_are_refused_at_their_field() {
    for (kind, from, to, field) in [
        ("approval", "payload-bytes: 18324", "payload-bytes: 018324", "payload-bytes"),
        ("approval", "payload-bytes: 18324", "payload-bytes: +18324", "payload-bytes"),
        ("approval", "payload-bytes: 18324", "payload-bytes: 18446744073709551616", "payload-bytes"),
        ("approval", "collections: 1", "collections: 4294967296", "collections"),
        ("approval", "terms-sha256: none", "terms-sha256: None", "terms-sha256"),
        ("approval", "terms-sha256: none", "terms-sha256: ", "terms-sha256"),
        ("approval", "shown: whole", "shown: Whole", "shown"),
        ("approval", "delivery: plain", "delivery: plain ", "delivery"),
        ("approval", "delivery: plain", "delivery:  plain", "delivery"),
        ("approval", "ticket sha256:1", "ticket sha512:1", "recipient"),
        ("approval", "subject: item: ", "subject: thing: ", "subject"),
        ("approval", "We met", "We\u{200B}met", "purpose"),
        ("approval", "We met", "\\{U+0057}e met", "purpose"),
        ("approval", "T09:14:03Z", "T09:14:03+00:00", "prepared-at"),
        ("approval", "vault: v", "vault: V", "vault"),
        ("approval", "pdf\nshown", "pdf\r\nshown", "media-type"),
        ("refusal", "text: Not", "Not", "words"),
        ("pairing", "+c8846f07", "+c8846f08", "witness"),
        ("pairing", "+c8846f07", "+C8846f07", "witness"),
        ("recovery", "old-size: 4096", "old-size: 4,096", "old-size"),
    ] {
        let text = vector(kind).replace(from, to);
        assert_ne!(text, vector(kind));
        assert_eq!(Statement::parse(&text), Err(BadStatement::Field(field)), "{to}");
    }
}

#[test]
fn other_beginnings_are_refused() {
    let text = vector("freeze");
    for bad in ["", "webizen statement v1", "webizen statement v2\n", "\u{FEFF}webizen statement v1\n", "{}"] {
        assert_eq!(Statement::parse(bad), Err(BadStatement::Header), "{bad:?}");
    }
    assert_eq!(Statement::parse(&text.replace('\n', "\r\n")), Err(BadStatement::Header));
    assert_eq!(Statement::parse(&text.replace("kind: freeze", "kind: grant")), Err(BadStatement::Kind));
    assert_eq!(Statement::parse(&text.replace("kind: freeze", "Kind: freeze")), Err(BadStatement::Kind));
    assert_eq!(Statement::parse(&text.replace("kind: freeze", "kind: erasure")), Err(BadStatement::Field("request")));
}

#[test]
fn the_limit_holds_exactly() {
    let of = |size: usize| {
        let purpose = "x".repeat(size);
        Statement::from(Approval { purpose, ..approval() })
    };
    let most = limits::STATEMENT - of(0).render().len();
    assert_eq!(Statement::parse(&of(most).render()), Ok(of(most)));
    assert_eq!(Statement::parse(&of(most + 1).render()), Err(BadStatement::TooLong(limits::STATEMENT + 1)));
}

#[test]
fn errors_do_not_quote_content() {
    let text = vector("freeze").replace("action: freeze", "action: canary");
    let error = Statement::parse(&text).unwrap_err();
    assert!(error.to_string().contains("action") && !error.to_string().contains("canary"), "{error}");
}
