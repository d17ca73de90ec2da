//! An approval releases exactly the draft that it describes, and nothing releases anything else.

use super::owner::{Owner, sign_with_openssh};
use super::world::{PAYLOAD, World, at, draft, is_released, outcome, sign, sure, ticket};
use crate::{Authority, Choice, Input, Line, NotAccepted, Owners, Rejected, Signed, Stage, approval, decide};
use shared::ids::{Digest, Pin};
use shared::limits;
use shared::sshsig::BadSignature;
use shared::statement::{
    Approval, BadStatement, DeliveryMode, Erasure, Freeze, FreezeAction, Keys, Pairing, PairingAction, Publication,
    Question, RecipientLine, Recovery, Refusal, Revocation, Shown, Statement, SubjectLine,
};
use shared::tlog::{Origin, VerifierKey};

/// Why `signed` does not release request 1's draft; panics when it does.
fn refused(world: &World, signed: Signed) -> NotAccepted {
    match world.step(world.awaiting(1, draft(1)), sign(signed), at(2)) {
        Err(Rejected::NotAccepted(why)) => why,
        Err(other) => panic!("{other}"),
        Ok(step) => panic!("released: {}", is_released(&step.next)),
    }
}

fn few(have: usize, need: usize) -> NotAccepted {
    NotAccepted::TooFew { have, need }
}

type Change = (&'static str, fn(&mut Approval));

/// The fields in the order in which they are checked.
const CHANGES: [Change; 12] = [
    ("vault", |a| a.vault = Origin::new("other.example.org/3f2a").unwrap()),
    ("request", |a| a.request = ticket(2).request()),
    ("subject", |a| a.subject = SubjectLine::Item("Curriculum vitæ".into())),
    ("recipient", |a| a.recipient = RecipientLine::Ticket(ticket(2))),
    ("delivery", |a| a.delivery = DeliveryMode::Sealed),
    ("purpose", |a| a.purpose.push('.')),
    ("terms-sha256", |a| a.terms = Some(Digest([0; 32]))),
    ("payload-sha256", |a| a.payload.0[31] ^= 1),
    ("payload-bytes", |a| a.bytes += 1),
    ("media-type", |a| a.media_type = "text/html".into()),
    ("prepared-at", |a| a.prepared_at = a.prepared_at.plus(1)),
    ("nonce", |a| a.nonce.0[0] ^= 1),
];

#[test]
fn the_right_approval_releases_and_any_field_changed_is_named() {
    let world = World::new();
    let right = world.signed(1, &draft(1), 2);
    let step = world.step(world.awaiting(1, draft(1)), sign(right.clone()), at(2)).unwrap();
    let Stage::Released(release) = &step.next.stage else { panic!("not released") };
    assert_eq!((release.signed(), release.approval()), (&right, &world.approval(1, &draft(1), 2)));
    assert_eq!((release.manifest().sha256, release.manifest().bytes), (Digest::of(PAYLOAD), PAYLOAD.len() as u64));
    for (field, change) in CHANGES {
        let mut changed = world.approval(1, &draft(1), 2);
        change(&mut changed);
        assert_eq!(refused(&world, world.sign(changed)), NotAccepted::Differs(field.into()));
    }
}

#[test]
fn the_same_value_in_another_form_differs_too() {
    let world = World::new();
    let forms: [Change; 4] = [
        ("subject", |a| a.subject = SubjectLine::Question("Curriculum vitae".into())),
        ("recipient", |a| a.recipient = RecipientLine::HpkeX25519(Digest(ticket(1).0))),
        ("recipient", |a| a.recipient = RecipientLine::Ticket(shared::ids::TicketHash([0; 32]))),
        ("payload-bytes", |a| a.bytes -= 1),
    ];
    for (field, change) in forms {
        let mut changed = world.approval(1, &draft(1), 2);
        change(&mut changed);
        assert_eq!(refused(&world, world.sign(changed)), NotAccepted::Differs(field.into()));
    }
}

#[test]
fn of_many_differences_the_first_is_named_and_a_bad_signature_comes_last() {
    let world = World::new();
    let mut changed = world.approval(1, &draft(1), 2);
    (changed.collections, changed.not_after) = (21, at(0));
    let stranger = Owner::new(9);
    let mut found = vec![refused(&world, stranger.sign(&Statement::from(changed.clone()).render()))];
    for (_, change) in CHANGES.iter().rev() {
        change(&mut changed);
        found.push(refused(&world, stranger.sign(&Statement::from(changed.clone()).render())));
    }
    let mut expected: Vec<NotAccepted> =
        CHANGES.iter().map(|(field, _)| NotAccepted::Differs((*field).into())).collect();
    expected.push(NotAccepted::NotAfter);
    expected.reverse();
    assert_eq!(found, expected);
}

#[test]
fn the_owner_chooses_within_limits() {
    let world = World::new();
    let longest = 2 + limits::RELEASE_LIFE_MAX;
    let choices = [
        (1, 3, Ok(())),
        (limits::COLLECTIONS, longest, Ok(())),
        (0, 1000, Err(NotAccepted::Collections)),
        (limits::COLLECTIONS + 1, 1000, Err(NotAccepted::Collections)),
        (u32::MAX, 1000, Err(NotAccepted::Collections)),
        (1, 0, Err(NotAccepted::NotAfter)),
        (1, 2, Err(NotAccepted::NotAfter)),
        (1, longest + 1, Err(NotAccepted::NotAfter)),
        (1, u64::MAX >> 1, Err(NotAccepted::NotAfter)),
        (0, 2, Err(NotAccepted::NotAfter)),
    ];
    for shown in [Shown::Whole, Shown::CopyOpened, Shown::NotShown] {
        for (collections, not_after, expected) in choices.clone() {
            let mut chosen = world.approval(1, &draft(1), collections);
            (chosen.shown, chosen.not_after) = (shown, at(not_after));
            let step = world.step(world.awaiting(1, draft(1)), sign(world.sign(chosen)), at(2));
            let outcome = step.map(|step| assert!(is_released(&step.next)));
            assert_eq!(outcome, expected.map_err(Rejected::NotAccepted), "{collections} until {not_after}");
        }
    }
}

#[test]
fn an_approval_works_for_one_request_and_one_draft() {
    let world = World::new();
    let other = world.signed(2, &draft(1), 2);
    assert_eq!(refused(&world, other), NotAccepted::Differs("request".into()));
    // The same bytes, composed again: the nonce of the superseded draft is dead.
    let old = world.signed(1, &draft(1), 2);
    let again = world.moved(world.awaiting(1, draft(1)), Input::Composed(draft(2)), at(2));
    let rejected = world.step(again, sign(old.clone()), at(3)).err();
    assert_eq!(rejected, Some(Rejected::NotAccepted(NotAccepted::Differs("nonce".into()))));
    // Used once, it is not usable again, and a withdrawn release stays withdrawn.
    let released = world.moved(world.awaiting(1, draft(1)), sign(old.clone()), at(2));
    assert_eq!(world.step(released, sign(old.clone()), at(3)).err(), Some(Rejected::Stage("released")));
    let withdrawn = world.moved(world.released(1), Input::Withdrawn, at(3));
    assert_eq!(world.step(withdrawn, sign(old), at(4)).err(), Some(Rejected::Stage("withdrawn")));
}

#[test]
fn a_signature_must_be_the_owners_for_this_purpose_over_this_text() {
    let world = World::new();
    let text = Statement::from(world.approval(1, &draft(1), 2)).render();
    let mut other = world.approval(1, &draft(1), 2);
    other.collections = 3;
    let signatures = world.sign(other).signatures;
    let cases = [
        (Owner::new(9).sign(&text), BadSignature::UnknownKey),
        (world.keys[0].sign_as("file", &text), BadSignature::Namespace),
        (world.keys[0].sign_as("release@webizen ", &text), BadSignature::Namespace),
        (Signed { statement: text.clone(), signatures }, BadSignature::Invalid),
        (Signed::one(text.clone(), String::new()), BadSignature::Armor),
        (Signed::one(text.clone(), text.clone()), BadSignature::Armor),
    ];
    for (signed, why) in cases {
        assert_eq!(refused(&world, signed), NotAccepted::Signature(why));
    }
    assert_eq!(refused(&world, Signed { signatures: Vec::new(), ..world.keys[0].sign(&text) }), few(0, 1));
}

#[test]
fn openssh_itself_signs_an_approval_that_releases() {
    let (mut world, folder) = (World::new(), tempfile::tempdir().unwrap());
    let text = Statement::from(world.approval(1, &draft(1), 2)).render();
    let (signers, signed) = sign_with_openssh(folder.path(), &text);
    assert_eq!(refused(&world, signed.clone()), NotAccepted::Signature(BadSignature::UnknownKey));
    world.owners = Owners::new(signers, 1).unwrap();
    assert!(is_released(&world.moved(world.awaiting(1, draft(1)), sign(signed), at(2))));
}

#[test]
fn what_cannot_be_an_approval_is_said() {
    let world = World::new();
    let right = world.signed(1, &draft(1), 2);
    let signed = |statement: String| Signed { statement, ..right.clone() };
    let cut = right.statement.trim_end().to_owned();
    let cases = [
        (signed(String::new()), NotAccepted::Unreadable(BadStatement::Header)),
        (signed(cut), NotAccepted::Unreadable(BadStatement::Field("nonce"))),
        (signed(format!("{}\n", right.statement)), NotAccepted::Unreadable(BadStatement::Trailing)),
        (signed(right.statement.replace('\n', "\r\n")), NotAccepted::Unreadable(BadStatement::Header)),
        (signed("x".repeat(limits::STATEMENT)), NotAccepted::Unreadable(BadStatement::Header)),
        (signed("x".repeat(limits::STATEMENT + 1)), NotAccepted::TooLong),
        (Signed::one(right.statement.clone(), "x".repeat(limits::SIGNATURE + 1)), NotAccepted::TooLong),
        (Signed { signatures: vec![right.signatures[0].clone(); 2], ..right.clone() }, NotAccepted::TooLong),
    ];
    for (signed, why) in cases {
        assert_eq!(refused(&world, signed), why);
    }
}

#[test]
fn a_statement_of_another_kind_approves_nothing() {
    let world = World::new();
    let others = others(&world);
    assert_eq!(others.len(), 9);
    for other in others {
        let kind = other.kind();
        let step = world.step(world.awaiting(1, draft(1)), sign(world.sign(other)), at(2));
        match (kind, step) {
            ("question", Ok(step)) => assert_eq!(outcome(step), "waiting for the visitor: asked: visitor owner"),
            (_, Ok(step)) => panic!("{kind}: {}", outcome(step)),
            ("refusal", Err(rejected)) => assert_eq!(rejected, Rejected::NotAccepted(NotAccepted::Words)),
            ("revocation", Err(rejected)) => assert_eq!(rejected, Rejected::Stage("waiting for approval")),
            (_, Err(rejected)) => assert_eq!(rejected, Rejected::NotAccepted(NotAccepted::Kind(kind))),
        }
    }
}

/// One of each other kind, as close to the approval as it can be.
fn others(world: &World) -> Vec<Statement> {
    let a = world.approval(1, &draft(1), 2);
    let (vault, request, nonce, at, reason) = (a.vault, a.request, a.nonce, a.prepared_at, String::from("none"));
    let (subject, recipient, payload) = (a.subject, a.recipient, a.payload);
    let witness = VerifierKey::of(vault.clone(), &ed25519_dalek::SigningKey::from_bytes(&[4; 32]));
    #[rustfmt::skip]
    let others = vec![
        Publication { vault: vault.clone(), version: 1, bundle: payload, bytes: a.bytes, documents: 1, catalogue: 1,
            prepared_at: at, nonce }.into(),
        Question { vault: vault.clone(), request, subject: subject.clone(), recipient, text: reason.clone(),
            prepared_at: at, nonce }.into(),
        Refusal { vault: vault.clone(), request, subject, recipient, words: None, decided_at: at, nonce }.into(),
        Revocation { vault: vault.clone(), request, statement: payload, reason: reason.clone(), decided_at: at,
            nonce }.into(),
        Keys { vault: vault.clone(), signers: payload, previous: None, threshold: 1, decided_at: at, nonce }.into(),
        Pairing { vault: vault.clone(), action: PairingAction::Pair, reception: "front".into(), pin: Pin([1; 32]),
            witness, decided_at: at, nonce }.into(),
        Freeze { vault: vault.clone(), action: FreezeAction::Thaw, reason: reason.clone(), decided_at: at,
            nonce }.into(),
        Erasure { vault: vault.clone(), request, payload, reason: reason.clone(), decided_at: at, nonce }.into(),
        Recovery { old_origin: vault.clone(), new_origin: vault.clone(), vault, old_size: 1, old_root: payload, reason,
            decided_at: at, nonce }.into(),
    ];
    others
}

#[test]
fn no_approval_of_one_request_or_draft_fits_another() {
    let world = World::new();
    let pairs: Vec<(u8, u8)> = (1..=6).flat_map(|who| (1..=3).map(move |nonce| (who, nonce))).collect();
    let mut released = 0;
    for (who, nonce) in &pairs {
        let signed = world.signed(*who, &draft(*nonce), 1);
        for (other, other_nonce) in &pairs {
            let state = world.awaiting(*other, draft(*other_nonce));
            let fits = world.step(state, sign(signed.clone()), at(2)).is_ok();
            assert_eq!(fits, (who, nonce) == (other, other_nonce));
            released += usize::from(fits);
        }
    }
    assert_eq!(released, pairs.len());
}

#[test]
fn the_longest_words_in_their_longest_spelling_can_still_be_approved() {
    let world = World::new();
    // Two bytes of UTF-8 that are shown as eight.
    let long = |bytes: usize| "\u{ad}".repeat(bytes / 2);
    let mut state = world.asked(1);
    state.request.filing.purpose = shared::text::Text::new(long(limits::PURPOSE - 2) + "ab").unwrap();
    let subject = Line::Question(long(limits::QUESTION - 2) + "ab");
    let media_type = shared::text::Text::new(long(limits::MEDIA_TYPE - 2) + "ab").unwrap();
    let wide = crate::Draft { subject, media_type, ..draft(1) };
    let choice = Choice { shown: Shown::Whole, collections: 1, not_after: at(1000) };
    let origin = format!("vault.example.org/{}", "a".repeat(shared::tlog::ORIGIN_MAX - 18));
    let vault = Origin::new(&origin).unwrap();
    let signed = world.sign(approval(&vault, &state.request, &wide, choice));
    let by = Authority { vault: &vault, ..world.by(sure(at(2))) };
    let state = decide(state, Input::Composed(wide), &by).unwrap().next;
    assert!(is_released(&decide(state, sign(signed), &by).unwrap().next));
}

#[test]
fn a_release_that_cannot_be_described_to_the_visitor_is_not_made() {
    let world = World::new();
    for title in [String::new(), "x".repeat(limits::TITLE + 1), "a\u{7}".into()] {
        let unfit = crate::Draft { subject: Line::Item(title), ..draft(1) };
        let signed = world.signed(1, &unfit, 1);
        let rejected = world.step(world.awaiting(1, unfit), sign(signed), at(2)).err();
        assert_eq!(rejected, Some(Rejected::NotAccepted(NotAccepted::Differs("subject".into()))));
    }
}

#[test]
fn every_refusal_to_approve_says_what_to_look_at() {
    let said = [
        (NotAccepted::TooLong, "too long"),
        (NotAccepted::Unreadable(BadStatement::Header), "cannot be read"),
        (NotAccepted::Words, "1 to 1000 bytes"),
        (NotAccepted::DecidedAt, "15 minutes"),
        (NotAccepted::Signature(BadSignature::Armor), "does not hold"),
        (NotAccepted::Repeated, "another owner's signature"),
        (few(1, 2), "1 of 2 owners"),
        (NotAccepted::Kind("refusal"), "refusal"),
        (NotAccepted::Differs("nonce".into()), "\"nonce\""),
        (NotAccepted::NotAfter, "90 days"),
        (NotAccepted::Collections, "between 1 and 20"),
    ];
    for (why, words) in said {
        assert!(Rejected::from(why.clone()).to_string().contains(words), "{why}");
    }
}
