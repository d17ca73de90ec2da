//! How many requests there may be, and what becomes of one that was refused already.

use super::world::{FIRST, World, answer, asks, at, collect, done, draft, filing, item, named, outcome, sure, ticket};
use crate::{
    Before, Count, Effect, Full, Input, LaneId, Quota, Rejected, Stage, State, Step, contact, file, identity, likeness,
};
use shared::limits::{ASKING_LIFE, CONTACT_DAY, LANE_DAY, REFUSAL_LIFE, VAULT_DAY};
use shared::message::{Filing, Subject};
use shared::text::Text;
use shared::time::Time;

fn file_at(before: &Before, now: Time) -> Result<Step, Full> {
    file(filing(7, item()), LaneId(1), before, FIRST, sure(now))
}

#[test]
fn filing_says_what_is_to_be_done() {
    for (subject, expected) in
        [(item(), "being prepared: filed: prepare"), (asks(), "waiting for an answer: filed: owner")]
    {
        let step = file(filing(7, subject), LaneId(1), &Before::default(), FIRST, sure(at(0))).unwrap();
        assert_eq!(outcome(step), expected);
    }
    let (state, _, effects) = done(file_at(&Before::default(), at(0)).unwrap());
    assert!(matches!(effects[..], [Effect::Prepare(hash)] if hash == ticket(7)));
    assert_eq!((state.request.filed_at, state.request.lane, state.talk.len()), (at(0), LaneId(1), 0));
    let State { stage, .. } = file(filing(7, asks()), LaneId(1), &Before::default(), FIRST, sure(at(0))).unwrap().next;
    assert_eq!((stage.nonce(), stage.pending()), (Some(FIRST), None));
}

type Counted = fn(&mut Before) -> &mut Count;

#[test]
fn each_quota_is_full_on_its_number_and_says_when_there_is_room() {
    const DAY: u64 = 86_400;
    let make: [(Quota, usize, Counted); 3] = [
        (Quota::Lane, LANE_DAY, |before| &mut before.lane),
        (Quota::Contact, CONTACT_DAY, |before| &mut before.contact),
        (Quota::Vault, VAULT_DAY, |before| &mut before.vault),
    ];
    for (quota, most, count) in make {
        assert_eq!(quota.most(), most);
        let filed = |filed| {
            let mut before = Before::default();
            *count(&mut before) = Count { filed, first: Some(at(100)) };
            file_at(&before, at(50_000)).map(outcome)
        };
        for few in [0, 1, most - 1] {
            assert_eq!(filed(few), Ok("being prepared: filed: prepare".into()), "{quota:?}");
        }
        for many in [most, most + 1, usize::MAX] {
            // What others filed is not told to the second.
            let room_at = if quota == Quota::Lane { at(100 + DAY) } else { at(50_000 + DAY) };
            assert_eq!(filed(many), Err(Full { quota, room_at }), "{quota:?}");
        }
        // Nobody knows since when: a day from now at the latest.
        let mut before = Before::default();
        *count(&mut before) = Count { filed: most, first: None };
        assert_eq!(file_at(&before, at(7)).err(), Some(Full { quota, room_at: at(7 + DAY) }));
    }
}

#[test]
fn the_narrower_quota_is_named_first() {
    let full = |first| Count { filed: usize::MAX, first: Some(at(first)) };
    let mut before = Before { lane: full(1), contact: full(2), vault: full(3), refused_at: Some(at(0)) };
    let quota = |before: &Before| file_at(before, at(10)).err().map(|full| full.quota);
    assert_eq!(quota(&before), Some(Quota::Lane));
    before.lane = Count::default();
    assert_eq!(quota(&before), Some(Quota::Contact));
    before.contact = Count::default();
    assert_eq!(quota(&before), Some(Quota::Vault));
    let said = [
        (Quota::Lane, "this reception has filed 500 requests within a day, which is the limit"),
        (Quota::Contact, "whoever named this contact has filed 20 requests within a day, which is the limit"),
        (Quota::Vault, "all receptions together have filed 2000 requests within a day, which is the limit"),
    ];
    for (quota, words) in said {
        let full = Full { quota, room_at: Time::from_unix(0) };
        let expected = format!("{words}; there is room again at 1970-01-01T00:00:00Z");
        assert_eq!([full.to_string(), Rejected::from(full).to_string()], [expected.clone(), expected]);
    }
}

#[test]
fn what_is_like_a_refused_request_is_refused_for_as_long_to_the_second() {
    for (now, sticky) in
        [(0, true), (1, true), (REFUSAL_LIFE - 1, true), (REFUSAL_LIFE, false), (REFUSAL_LIFE + 1, false)]
    {
        for subject in [item(), asks()] {
            let before = Before { refused_at: Some(at(0)), ..Before::default() };
            let fresh = file(filing(7, subject.clone()), LaneId(1), &Before::default(), FIRST, sure(at(now))).unwrap();
            let step = file(filing(7, subject), LaneId(1), &before, FIRST, sure(at(now))).unwrap();
            assert_eq!(step.entry, fresh.entry);
            let ((state, _, effects), (waiting, _, told)) = (done(step), done(fresh));
            assert_eq!(matches!(state.stage, Stage::Closed(_)), sticky, "{now}");
            assert_eq!(named(&effects), if sticky { String::new() } else { named(&told) });
            assert_eq!((state.shown(), state.words(), state.ends_at()), (waiting.shown(), None, waiting.ends_at()));
        }
    }
}

#[test]
fn a_refusal_at_once_behaves_as_a_request_that_nobody_has_decided() {
    let world = World::new();
    let before = Before { refused_at: Some(at(0)), ..Before::default() };
    let refused = || file(filing(1, item()), LaneId(1), &before, FIRST, sure(at(0))).unwrap().next;
    assert_eq!(refused().stage.name(), "refused");
    for now in [0, 1, ASKING_LIFE - 1, ASKING_LIFE, ASKING_LIFE + 1] {
        assert_eq!(refused().shown().view(at(now)), world.received(1).shown().view(at(now)));
    }
    let end = at(ASKING_LIFE);
    for input in [Input::Withdrawn, Input::Tick, collect(1, 0), answer(FIRST, "Main Street.")] {
        let now = if matches!(input, Input::Tick) { end } else { at(5) };
        let [twin, own] = [world.received(1), refused()].map(|state| {
            let step = world.step(state, input.clone(), now);
            // Which stage it is, no visitor is told.
            let unnamed = |why| if let Rejected::Stage(_) = why { Rejected::Stage("") } else { why };
            step.map(|step| (step.entry, step.next.shown())).map_err(unnamed)
        });
        assert_eq!(twin, own);
    }
    // For the owner it is over: what comes too late for it changes nothing.
    let rejected = world.step(refused(), Input::Prepared(draft(1)), at(1)).err();
    assert_eq!(rejected, Some(Rejected::Stage("refused")));
}

fn with(change: impl FnOnce(&mut Filing)) -> Filing {
    let mut filing = filing(7, item());
    change(&mut filing);
    filing
}

#[test]
fn case_white_space_and_ticket_make_no_difference() {
    let words = |text: &str| Text::new(text).unwrap();
    let own = likeness(&filing(7, item()), LaneId(1));
    let alike = [
        with(|f| f.ticket = ticket(8)),
        with(|f| f.purpose = words("we MET at  the\n\tfair; i am hiring. ")),
        with(|f| f.contact = Some(Text::new(" JO@example.ORG").unwrap())),
    ];
    for other in alike {
        assert_eq!(likeness(&other, LaneId(1)), own, "{other:?}");
    }
    let others = [
        with(|f| f.purpose = words("We met at the fair; I am hiring")),
        with(|f| f.purpose = words("Wemet at the fair; I am hiring.")),
        with(|f| f.contact = None),
        with(|f| f.contact = Some(Text::new("jo@example.com").unwrap())),
        with(|f| f.subject = Subject::Item(shared::ids::ItemId([6; 16]))),
        with(|f| f.subject = asks()),
        with(|f| f.subject = Subject::Question(Text::new("05".repeat(16)).unwrap())),
    ];
    let mut seen = vec![own, likeness(&filing(7, item()), LaneId(2))];
    for other in others {
        let likeness = likeness(&other, LaneId(1));
        assert!(!seen.contains(&likeness), "{other:?}");
        seen.push(likeness);
    }
    let question = |text| likeness(&with(|f| f.subject = Subject::Question(Text::new(text).unwrap())), LaneId(1));
    assert_eq!(question("Do you bake rye bread?"), question("do  you bake RYE bread?"));
    assert_ne!(question("Do you bake rye bread?"), question("Do you bake bread?"));
}

#[test]
fn the_same_filing_has_one_identity_and_no_other_has_it() {
    let words = |text: &str| Text::new(text).unwrap();
    let own = identity(&filing(7, item()), LaneId(1));
    assert_eq!(identity(&filing(7, item()), LaneId(1)), own);
    let others = [
        with(|f| f.ticket = ticket(8)),
        with(|f| f.purpose = words("We met at the fair; i am hiring.")),
        with(|f| f.purpose = words("We met at the fair; I am hiring. ")),
        with(|f| f.contact = None),
        with(|f| f.contact = Some(Text::new("JO@example.org").unwrap())),
        with(|f| f.subject = Subject::Item(shared::ids::ItemId([6; 16]))),
        with(|f| f.subject = asks()),
        with(|f| f.subject = Subject::Question(Text::new("05".repeat(16)).unwrap())),
        // What one field ends with, the next one begins with.
        with(|f| (f.subject, f.purpose) = (Subject::Question(Text::new("one").unwrap()), words("two"))),
        with(|f| (f.subject, f.purpose) = (Subject::Question(Text::new("onet").unwrap()), words("wo"))),
    ];
    let mut seen = vec![own, identity(&filing(7, item()), LaneId(2)), identity(&filing(7, item()), LaneId(-1))];
    for other in others {
        let identity = identity(&other, LaneId(1));
        assert!(!seen.contains(&identity), "{other:?}");
        seen.push(identity);
    }
}

#[test]
fn a_contact_is_counted_within_its_reception() {
    let named = |contact: &str| with(|f| f.contact = Some(Text::new(contact).unwrap()));
    let own = contact(&named("jo@example.org"), LaneId(1));
    assert!(own.is_some());
    assert_eq!(contact(&named(" Jo@Example.org "), LaneId(1)), own);
    assert_ne!(contact(&named("jo@example.org"), LaneId(2)), own);
    assert_ne!(contact(&named("joe@example.org"), LaneId(1)), own);
    assert_eq!(contact(&with(|f| f.contact = None), LaneId(1)), None);
}

#[test]
fn who_names_no_contact_is_never_refused_for_what_another_asked() {
    let before = Before { refused_at: Some(at(0)), ..Before::default() };
    let anonymous = with(|f| f.contact = None);
    let step = file(anonymous, LaneId(1), &before, FIRST, sure(at(1))).unwrap();
    assert!(step.next.stage.is_undecided(), "{}", step.next.stage.name());
}
