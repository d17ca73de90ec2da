//! What was stored comes back as it was, or not at all.

use super::owner::Owner;
use super::world::{World, at, draft};
use crate::{BadRecord, NotApproved, Record, Signed, State};
use serde_json::Value;
use shared::ids::Digest;
use shared::sshsig::BadSignature;
use shared::statement::Statement;
use shared::tlog::Origin;

fn stored(state: &State) -> Value {
    serde_json::to_value(Record::from(state)).unwrap()
}

fn restored(world: &World, stored: Value) -> Result<State, BadRecord> {
    serde_json::from_value::<Record>(stored).unwrap().restore(&world.vault, &world.signers)
}

/// The stored release of request 1 with this statement and signature in it.
fn with(world: &World, signed: &Signed) -> Value {
    let mut stored = stored(&world.collected(1));
    stored["stage"]["released"]["signed"] = serde_json::to_value(signed).unwrap();
    stored
}

#[test]
fn every_stage_comes_back_as_it_was() {
    let world = World::new();
    for (name, state) in world.stages() {
        let text = serde_json::to_string(&Record::from(&state)).unwrap();
        let record: Record = serde_json::from_str(&text).unwrap();
        assert_eq!(record.restore(&world.vault, &world.signers).as_ref(), Ok(&state), "{name}");
    }
}

#[test]
fn a_stored_release_is_only_as_good_as_its_signature() {
    let world = World::new();
    let right = world.signed(1, &draft(1), 2);
    assert!(restored(&world, with(&world, &right)).is_ok());
    let mut more = world.approval(1, &draft(1), 2);
    more.collections = 20;
    let more = Statement::from(more).render();
    let mut other_bytes = world.approval(1, &draft(1), 2);
    other_bytes.payload = Digest::of(b"other bytes");
    let other_bytes = Statement::from(other_bytes).render();
    let mut other_vault = world.approval(1, &draft(1), 2);
    other_vault.vault = Origin::new("other.example.org/3f2a").unwrap();
    let publication = right.statement.replace("kind: approval", "kind: publication");
    let bad = |why| BadRecord::Release(NotApproved::Signature(why));
    let swap = |statement: &str| Signed { statement: statement.to_owned(), ..right.clone() };
    let cases = [
        (swap(&more), bad(BadSignature::Invalid)),
        (swap(&other_bytes), bad(BadSignature::Invalid)),
        (Signed { signature: world.owner.sign(&more).signature, ..right.clone() }, bad(BadSignature::Invalid)),
        (Owner::new(9).sign(&right.statement), bad(BadSignature::UnknownKey)),
        (world.owner.sign_as("file", &right.statement), bad(BadSignature::Namespace)),
        (world.sign(other_vault), BadRecord::Release(NotApproved::Differs("vault"))),
        (world.signed(2, &draft(1), 2), BadRecord::OtherRequest),
    ];
    for (signed, why) in cases {
        assert_eq!(restored(&world, with(&world, &signed)), Err(why));
    }
    let unreadable = restored(&world, with(&world, &swap(&publication)));
    assert!(matches!(unreadable, Err(BadRecord::Release(NotApproved::Unreadable(_)))));
}

#[test]
fn a_release_does_not_come_back_under_another_owners_keys() {
    let world = World::new();
    let record = Record::from(&world.released(1));
    let restored = record.restore(&world.vault, &Owner::new(9).signers());
    assert_eq!(restored, Err(BadRecord::Release(NotApproved::Signature(BadSignature::UnknownKey))));
}

#[test]
fn another_requests_filing_does_not_take_over_a_release() {
    let world = World::new();
    let mut moved = stored(&world.released(1));
    moved["filing"] = stored(&world.received(2))["filing"].clone();
    assert_eq!(restored(&world, moved), Err(BadRecord::OtherRequest));
}

#[test]
fn a_record_in_another_form_is_not_read() {
    let world = World::new();
    let good = stored(&world.released(1));
    assert_eq!(good["filed_at"], at(0).unix());
    let changes: [fn(&mut Value); 5] = [
        |v| v["extra"] = true.into(),
        |v| v["filing"]["extra"] = true.into(),
        |v| v["stage"]["released"]["extra"] = true.into(),
        |v| v["stage"]["released"]["signed"]["extra"] = true.into(),
        |v| v["stage"] = "released".into(),
    ];
    for change in changes {
        let mut changed = good.clone();
        change(&mut changed);
        assert!(serde_json::from_value::<Record>(changed.clone()).is_err(), "{changed}");
    }
}

#[test]
fn a_release_comes_back_only_for_the_ticket_it_names() {
    let world = World::new();
    let mut moved = stored(&world.released(1));
    let ticket = moved["filing"]["ticket"].as_str().unwrap().to_owned();
    let last = if ticket.ends_with('0') { '1' } else { '0' };
    moved["filing"]["ticket"] = format!("{}{last}", &ticket[..63]).into();
    assert!(restored(&world, moved).is_err());
}
