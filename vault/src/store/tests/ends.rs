//! What time ends is found when it is over, by the clock that measures it, and not before.

use super::{NOON, Place, Running, filing, next_month, noon, signed, ticket};
use shared::ids::TicketHash;
use shared::message::Subject;
use shared::time::Time;
use vault_core::{Input, Now};

/// Less than an hour: what cools off so long outlasts it.
const COOLING: u64 = 3_000;

fn due(running: &Running, time: u64, waited: u64) -> Vec<TicketHash> {
    let now = Now { time: Time::from_unix(NOON + time), waited, doubt: None };
    running.readers.read(|c| crate::store::due(c, now)).unwrap()
}

/// A request whose approval cools off.
async fn cooling(place: &Place, running: &Running) {
    let lane = running.lane().await;
    let item = running.add("Curriculum vitae", b"Sam Sample").await;
    running.act(move |t| t.file(filing(1, Subject::Item(item)), lane)).await.unwrap();
    running.act(move |t| t.prepare(ticket(1))).await.unwrap();
    let approved = place.approve(&running.state(place, 1).unwrap(), 1);
    let stage = running.act(move |t| t.decide(ticket(1), signed(approved))).await.unwrap();
    assert_eq!(stage, "approved, cooling off");
}

#[tokio::test]
async fn what_cools_off_is_due_once_it_was_waited_for_and_not_every_second_before() {
    let place = Place { cooling: COOLING, ..Place::new() };
    let running = place.run();
    cooling(&place, &running).await;
    // The wall clock says nothing of it, until the release's end, a day later.
    let seen = [(COOLING, 0), (86_399, COOLING - 1), (0, COOLING), (86_400, 0)].map(|(t, w)| due(&running, t, w).len());
    assert_eq!(seen, [0, 0, 1, 1]);
    running.stop();
    let running = place.run_at(|| Time::from_unix(NOON + COOLING));
    for ticket in running.readers.read(|c| crate::store::due(c, running.now())).unwrap() {
        assert_eq!(running.act(move |t| t.decide(ticket, Input::Tick)).await.unwrap(), "released");
    }
    assert_eq!(running.state(&place, 1).unwrap().stage.name(), "released");
    // From now on the wall clock alone ends it.
    let seen = [(86_399, u64::MAX >> 1), (86_400, 0)].map(|(time, waited)| due(&running, time, waited).len());
    assert_eq!(seen, [0, 1]);
}

#[tokio::test]
async fn an_owner_who_lists_what_waits_sees_what_cools_off_and_nothing_that_is_over() {
    let place = Place { cooling: COOLING, ..Place::new() };
    let running = place.run();
    cooling(&place, &running).await;
    let listed = |running: &Running| {
        let states = running.readers.read(|c| crate::store::requests(c, false, &place.origin, &place.owners)).unwrap();
        states.iter().map(|state| state.stage.name()).collect::<Vec<_>>()
    };
    assert_eq!(listed(&running), ["approved, cooling off"]);
    running.stop();
    let running = place.run_at(next_month);
    // It lapses before its visitor's eyes, and then expires, as it was never released.
    for stage in ["approved, cooling off", "expired"] {
        let tickets = running.readers.read(|c| crate::store::due(c, running.now())).unwrap();
        assert_eq!(tickets, [ticket(1)]);
        assert_eq!(running.act(move |t| t.decide(ticket(1), Input::Tick)).await.unwrap(), stage);
    }
    assert_eq!((listed(&running).len(), due(&running, u64::MAX >> 2, u64::MAX >> 2).len()), (0, 0));
    assert!(running.state(&place, 1).unwrap().release().is_some());
    assert!(running.now().time > noon());
}
