//! What was stored comes back as it was, or not at all.

use super::owner::Owner;
use super::world::{ASK, NO, World, at, draft, sign, together};
use crate::{BadRecord, NotAccepted, Owners, Record, Signed, State};
use serde_json::{Value, json};
use shared::ids::Digest;
use shared::sshsig::BadSignature;
use shared::statement::{BadStatement, Statement};
use shared::tlog::Origin;

fn stored(state: &State) -> Value {
    serde_json::to_value(Record::from(state)).unwrap()
}

fn restored(world: &World, stored: Value) -> Result<State, BadRecord> {
    serde_json::from_value::<Record>(stored).unwrap().restore(&world.vault, &world.owners)
}

/// Where the stored form of each stage that depends on a signature has it.
const SIGNED: [(&str, &str); 11] = [
    ("asked", "/stage/awaiting_visitor/asked"),
    ("asked about a blank", "/stage/awaiting_visitor/asked"),
    ("cooling", "/stage/cooling/signed"),
    ("released", "/stage/released/signed"),
    ("collected", "/stage/released/signed"),
    ("refused with words", "/stage/closed/told/words/refusal"),
    ("refused while asked", "/stage/closed/told/nothing/question"),
    ("withdrawn unseen", "/stage/closed/release/signed"),
    ("revoked", "/stage/closed/release/signed"),
    ("revoked while cooling", "/stage/closed/release/signed"),
    ("expired", "/stage/closed/release/signed"),
];

/// The stored form of `stage` with `signed` in it.
fn with(world: &World, stage: &str, signed: &Signed) -> Value {
    let mut stored = stored(&world.stage(stage));
    let place = SIGNED.iter().find(|(name, _)| *name == stage).map(|(_, place)| *place).unwrap();
    *stored.pointer_mut(place).unwrap() = serde_json::to_value(signed).unwrap();
    stored
}

/// What is stored at this stage.
fn signed(world: &World, stage: &str) -> Signed {
    let place = SIGNED.iter().find(|(name, _)| *name == stage).map(|(_, place)| *place).unwrap();
    serde_json::from_value(stored(&world.stage(stage)).pointer(place).unwrap().clone()).unwrap()
}

#[test]
fn every_stage_comes_back_as_it_was() {
    let world = World::new();
    for (name, state) in world.stages() {
        let text = serde_json::to_string(&Record::from(&state)).unwrap();
        let record: Record = serde_json::from_str(&text).unwrap();
        assert_eq!(record.restore(&world.vault, &world.owners).as_ref(), Ok(&state), "{name}");
    }
}

#[test]
fn what_few_have_signed_comes_back_as_it_was() {
    let world = World::with(2, 3);
    let asked = {
        let question = world.question(&world.awaiting(1, draft(1)), ASK, at(2));
        let both = together(&world.sign_by(0, question.clone()), &world.sign_by(1, question));
        world.moved(world.awaiting(1, draft(1)), sign(both), at(2))
    };
    for state in [world.awaiting(1, draft(1)), world.asked(1), asked] {
        let refusal = world.refusal(&state, Some(NO), at(3));
        let partly = world.moved(state, sign(world.sign_by(2, refusal)), at(3));
        assert!(partly.stage.pending().is_some());
        assert_eq!(restored(&world, stored(&partly)), Ok(partly));
    }
}

#[test]
fn a_stored_release_is_only_as_good_as_its_signature() {
    let world = World::new();
    for stage in ["cooling", "released", "collected", "withdrawn unseen", "revoked", "revoked while cooling", "expired"]
    {
        let right = world.signed(1, &draft(1), 2);
        assert!(restored(&world, with(&world, stage, &right)).is_ok());
        let mut more = world.approval(1, &draft(1), 2);
        more.collections = 20;
        let more = Statement::from(more).render();
        let mut other_bytes = world.approval(1, &draft(1), 2);
        other_bytes.payload = Digest::of(b"other bytes");
        let other_bytes = Statement::from(other_bytes).render();
        let mut other_vault = world.approval(1, &draft(1), 2);
        other_vault.vault = Origin::new("other.example.org/3f2a").unwrap();
        let mut long = world.approval(1, &draft(1), 2);
        long.media_type = "x".repeat(shared::limits::MEDIA_TYPE + 1);
        let publication = right.statement.replace("kind: approval", "kind: publication");
        let bad = |why| BadRecord::NotAccepted(NotAccepted::Signature(why));
        let swap = |statement: &str| Signed { statement: statement.to_owned(), ..right.clone() };
        let signatures = world.keys[0].sign(&more).signatures;
        let cases = [
            (swap(&more), bad(BadSignature::Invalid)),
            (swap(&other_bytes), bad(BadSignature::Invalid)),
            (Signed { signatures, ..right.clone() }, bad(BadSignature::Invalid)),
            (Owner::new(9).sign(&right.statement), bad(BadSignature::UnknownKey)),
            (world.keys[0].sign_as("file", &right.statement), bad(BadSignature::Namespace)),
            (Signed { signatures: Vec::new(), ..right.clone() }, NotAccepted::TooFew { have: 0, need: 1 }.into()),
            (together(&right, &right), NotAccepted::TooLong.into()),
            (world.sign(other_vault), NotAccepted::Differs("vault".into()).into()),
            (world.sign(long), NotAccepted::Differs("media-type".into()).into()),
            (signed(&world, "asked"), NotAccepted::Kind("question").into()),
            (world.signed(2, &draft(1), 2), BadRecord::OtherRequest),
        ];
        for (signed, why) in cases {
            assert_eq!(restored(&world, with(&world, stage, &signed)), Err(why), "{stage}");
        }
        let unreadable = restored(&world, with(&world, stage, &swap(&publication)));
        assert!(matches!(unreadable, Err(BadRecord::NotAccepted(NotAccepted::Unreadable(_)))));
    }
}

#[test]
fn stored_words_are_only_as_good_as_their_signature() {
    let world = World::new();
    for stage in ["asked", "asked about a blank", "refused with words", "refused while asked"] {
        let right = signed(&world, stage);
        assert!(restored(&world, with(&world, stage, &right)).is_ok(), "{stage}");
        let altered = right.statement.replace(ASK, "Who are you?").replace(NO, "Never.");
        assert_ne!(altered, right.statement);
        let of = |who: u8, words: Option<&str>| world.refusal(&world.awaiting(who, draft(1)), words, at(2));
        let question = |who: u8| world.question(&world.awaiting(who, draft(1)), ASK, at(2));
        let words = stage == "refused with words";
        let (own, other) = if words { (of(1, Some(NO)), of(2, Some(NO))) } else { (question(1), question(2)) };
        let mut elsewhere = World::new();
        elsewhere.vault = Origin::new("other.example.org/3f2a").unwrap();
        let elsewhere = match words {
            true => elsewhere.refusal(&elsewhere.awaiting(1, draft(1)), Some(NO), at(2)),
            false => elsewhere.question(&elsewhere.awaiting(1, draft(1)), ASK, at(2)),
        };
        let cases = [
            (Signed { statement: altered, ..right.clone() }, NotAccepted::Signature(BadSignature::Invalid).into()),
            (Owner::new(9).sign(&right.statement), NotAccepted::Signature(BadSignature::UnknownKey).into()),
            (Signed { signatures: Vec::new(), ..right }, NotAccepted::TooFew { have: 0, need: 1 }.into()),
            (world.sign(of(1, None)), NotAccepted::Kind("refusal").into()),
            (world.signed(1, &draft(1), 2), NotAccepted::Kind("approval").into()),
            (world.sign(elsewhere), NotAccepted::Differs("vault".into()).into()),
            (world.sign(other), BadRecord::OtherRequest),
            (world.keys[0].sign("no statement\n"), NotAccepted::Unreadable(BadStatement::Header).into()),
            // The owners' words about this request, in the place of other words.
            (world.sign(if words { question(1) } else { of(1, Some(NO)) }), BadRecord::OtherWords),
        ];
        assert!(restored(&world, with(&world, stage, &world.sign(own))).is_ok(), "{stage}");
        for (signed, why) in cases {
            assert_eq!(restored(&world, with(&world, stage, &signed)), Err(why), "{stage}");
        }
    }
}

#[test]
fn nothing_comes_back_under_other_keys_or_a_higher_number() {
    let world = World::new();
    let others = World::owners(&[Owner::new(9)], 1);
    let more = World::owners(&[Owner::new(1), Owner::new(2)], 2);
    for (stage, _) in SIGNED {
        let record = || Record::from(&world.stage(stage));
        let unknown = NotAccepted::Signature(BadSignature::UnknownKey);
        assert_eq!(record().restore(&world.vault, &others), Err(unknown.into()), "{stage}");
        let few = NotAccepted::TooFew { have: 1, need: 2 };
        assert_eq!(record().restore(&world.vault, &more), Err(few.into()), "{stage}");
        let wider = Owners::new(more.signers().clone(), 1).unwrap();
        assert_eq!(record().restore(&world.vault, &wider), Ok(world.stage(stage)), "{stage}");
    }
}

#[test]
fn another_requests_filing_does_not_take_over_what_was_signed() {
    let world = World::new();
    for (stage, _) in SIGNED {
        let mut moved = stored(&world.stage(stage));
        moved["filing"] = stored(&world.received(2))["filing"].clone();
        assert_eq!(restored(&world, moved), Err(BadRecord::OtherRequest), "{stage}");
    }
}

#[test]
fn a_record_in_another_form_is_not_read() {
    let world = World::new();
    let good = stored(&world.released(1));
    assert_eq!(good["filed_at"], at(0).unix());
    let changes: [fn(&mut Value); 7] = [
        |v| v["extra"] = true.into(),
        |v| v["filing"]["extra"] = true.into(),
        |v| v["stage"]["released"]["extra"] = true.into(),
        |v| v["stage"]["released"]["signed"]["extra"] = true.into(),
        |v| v["stage"] = "released".into(),
        |v| v["stage"] = json!({"closed": {"why": "expired", "at": 0, "told": "over", "release": {"extra": true}}}),
        |v| v["talk"] = json!([{"question": "00"}]),
    ];
    for change in changes {
        let mut changed = good.clone();
        change(&mut changed);
        assert!(serde_json::from_value::<Record>(changed.clone()).is_err(), "{changed}");
    }
}

/// The ticket's last byte is not in the request's name: the recipient is what differs.
#[test]
fn what_was_signed_comes_back_only_for_the_ticket_that_it_names() {
    let world = World::new();
    for (stage, _) in SIGNED {
        let mut moved = stored(&world.stage(stage));
        let ticket = moved["filing"]["ticket"].as_str().unwrap().to_owned();
        let last = if ticket.ends_with('0') { '1' } else { '0' };
        moved["filing"]["ticket"] = format!("{}{last}", &ticket[..63]).into();
        assert_eq!(restored(&world, moved), Err(BadRecord::OtherRequest), "{stage}");
    }
}

#[test]
fn what_is_wrong_with_a_record_is_said() {
    for (why, words) in [
        (BadRecord::from(NotAccepted::Repeated), "does not verify: this key has signed already"),
        (BadRecord::OtherRequest, "belongs to another request"),
        (BadRecord::OtherWords, "a question where words of refusal belong, or the reverse"),
    ] {
        assert!(why.to_string().contains(words), "{why}");
    }
}
