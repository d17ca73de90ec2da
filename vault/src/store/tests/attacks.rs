//! What a hostile reception, or a hostile disk, would try.

use super::super::{OpenError, open};
use super::{Done, Place, question, ticket};
use crate::store::{Verified, WriteError, redeem};
use shared::ids::{CollectionId, Pin};
use shared::message::Subject;
use vault_core::{Effect, Input};

#[tokio::test]
async fn another_ticket_with_the_same_first_half_does_not_overwrite_a_request() {
    let place = Place::new();
    let running = place.run();
    let lane = running.lane().await;
    running.act(move |t| t.file(question(1), lane)).await.unwrap();
    let mut twin = question(1);
    twin.ticket.0[31] ^= 1;
    let forged = twin.ticket;
    assert!(matches!(running.act(move |t| t.file(twin, lane)).await, Err(WriteError::Conflict)));
    let withdrawn = running.act(move |t| t.decide(forged, Input::Withdrawn)).await;
    assert!(matches!(withdrawn, Err(WriteError::NoRequest)));
    assert_eq!(running.state(&place, 1).unwrap().ticket(), ticket(1));
}

#[test]
fn an_empty_store_is_refused_with_the_way_back_and_its_log_is_left_alone() {
    for left in [b"".as_slice(), b"S"] {
        let place = Place::new();
        std::fs::write(place.file(), left).unwrap();
        let log = place.file().with_extension("db-wal");
        std::fs::write(&log, b"all there is").unwrap();
        let why = open(&place.file(), &place.key()).err().unwrap();
        assert!(matches!(why, OpenError::Empty(_)) && why.is_integrity(), "{why}");
        assert!(why.to_string().contains("restore the store from a backup"), "{why}");
        assert_eq!(std::fs::read(log).unwrap(), b"all there is");
        assert_eq!(std::fs::read(place.file()).unwrap(), left);
    }
}

#[tokio::test]
async fn two_receptions_cannot_have_one_name() {
    let place = Place::new();
    let running = place.run();
    running.lane().await;
    let mut other = super::reception("front");
    other.pin = Pin([7; 32]);
    let error = running.act(move |t| t.pair(&other)).await.unwrap_err().to_string();
    assert!(error.contains("vault unpair front"), "{error}");
}

#[tokio::test]
async fn a_chunk_that_was_swapped_after_the_approval_is_not_served() {
    let place = Place::new();
    let running = place.run();
    let lane = running.lane().await;
    let item = running.add("Letter", b"approved bytes").await;
    running.act(move |t| t.file(super::filing(1, Subject::Item(item)), lane)).await.unwrap();
    running.act(|t| t.prepare(ticket(1))).await.unwrap();
    let signed = place.approve(&running.state(&place, 1).unwrap(), 1);
    running.act(|t| t.decide(ticket(1), super::signed(signed))).await.unwrap();
    let collect = |id: u8| {
        let input = Input::Collect { collection: CollectionId([id; 16]), offset: 0 };
        running.writer.act(move |t| t.decide(ticket(1), input))
    };
    let permit = |effects: Vec<Effect>| {
        effects.into_iter().find_map(|effect| if let Effect::Serve(permit) = effect { Some(permit) } else { None })
    };
    let known = Verified::default();
    // While it is being read: the first chunk was verified, and is verified again.
    let first = permit(collect(1).await.unwrap().1).unwrap();
    let mut cursor = running.readers.read(|c| redeem(c, first, &known)).unwrap().unwrap();
    let swap = running.act(|t| {
        t.connection.execute("UPDATE chunk SET data = CAST('another secret' AS BLOB)", [])?;
        Ok(Done::quiet(()))
    });
    swap.await.unwrap();
    assert!(matches!(running.readers.read(|c| cursor.next(c)), Err(WriteError::Altered)));
    // And from then on nothing of it is given out.
    let again = permit(collect(1).await.unwrap().1).unwrap();
    let mut cursor = running.readers.read(|c| redeem(c, again, &known)).unwrap().unwrap();
    assert!(matches!(running.readers.read(|c| cursor.next(c)), Err(WriteError::Altered)));
    let afresh = permit(collect(1).await.unwrap().1).unwrap();
    let verified = running.readers.read(|c| redeem(c, afresh, &Verified::default()));
    assert!(matches!(verified, Err(WriteError::Altered)));
}
