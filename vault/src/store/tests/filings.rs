//! Filing: once, again, and with other words.

use super::{Done, Heard, NOON, Place, Running, filing, next_month, noon, question, reading, reception, ticket};
use crate::store::{WriteError, due};
use shared::ids::ItemId;
use shared::limits;
use shared::message::{Filing, Subject};
use shared::text::Text;
use shared::time::Time;
use vault_core::{Doubt, Input, LaneId, Now, Rejected};

async fn file(running: &Running, filing: Filing, lane: LaneId) -> Result<(), WriteError> {
    running.act(move |t| t.file(filing, lane)).await
}

#[tokio::test]
async fn the_same_filing_again_changes_nothing_and_other_words_are_refused() {
    let place = Place::new();
    let running = place.run();
    let lane = running.lane().await;
    let other = running.act(|t| t.pair(&reception("second"))).await.unwrap();
    file(&running, question(1), lane).await.unwrap();
    assert!(matches!(running.heard()[..], [Heard::Shown(t), Heard::Effect("owner")] if t == ticket(1)));
    let size = running.writer.tip().size();
    for _ in 0..3 {
        file(&running, question(1), lane).await.unwrap();
    }
    let changes: [fn(&mut Filing); 3] = [
        |f| f.subject = Subject::Item(ItemId([1; 16])),
        |f| f.purpose = Text::new("Another purpose.").unwrap(),
        |f| f.contact = Some(Text::new("jo@example.org").unwrap()),
    ];
    for change in changes {
        let mut changed = question(1);
        change(&mut changed);
        assert!(matches!(file(&running, changed, lane).await, Err(WriteError::Conflict)));
    }
    assert!(matches!(file(&running, question(1), other).await, Err(WriteError::Conflict)));
    assert_eq!((running.writer.tip().size(), running.heard().len()), (size, 0));
    assert_eq!(running.state(&place, 1).unwrap().request.filing, question(1));
}

#[tokio::test]
async fn filing_again_says_the_same_at_every_later_stage() {
    let place = Place::new();
    let running = place.run();
    let lane = running.lane().await;
    for (who, input) in [(1, Input::Refused), (2, Input::Withdrawn)] {
        file(&running, question(who), lane).await.unwrap();
        running.act(move |t| t.decide(ticket(who), input)).await.unwrap();
        let size = running.writer.tip().size();
        file(&running, question(who), lane).await.unwrap();
        assert_eq!(running.writer.tip().size(), size);
    }
}

#[tokio::test]
async fn a_full_lane_takes_no_more_and_harms_no_other() {
    let place = Place::new();
    let running = place.run();
    let lane = running.lane().await;
    let other = running.act(|t| t.pair(&reception("second"))).await.unwrap();
    let most = u32::try_from(limits::LANE_DAY).unwrap();
    for who in 0..most {
        file(&running, question(who), lane).await.unwrap();
    }
    let full = file(&running, question(most), lane).await;
    assert!(matches!(full, Err(WriteError::Rejected(Rejected::Full(_)))));
    // What is there may be filed again, and other lanes go on; an end makes no room, or the room would tell of it.
    let filed = running.writer.tip().size();
    file(&running, question(0), lane).await.unwrap();
    file(&running, question(most + 1), other).await.unwrap();
    assert_eq!(running.writer.tip().size(), filed + 1);
    running.act(|t| t.decide(ticket(3), Input::Withdrawn)).await.unwrap();
    running.act(|t| t.decide(ticket(4), Input::Refused)).await.unwrap();
    let full = file(&running, question(most), lane).await;
    assert!(matches!(full, Err(WriteError::Rejected(Rejected::Full(_)))));
}

#[tokio::test]
async fn what_is_not_listed_comes_to_the_owner_with_the_reason() {
    let place = Place::new();
    let running = place.run();
    let lane = running.lane().await;
    let item = running.add("Curriculum vitae", b"Sam Sample").await;
    for (who, id, stage) in [(1, item, "waiting for approval"), (2, ItemId([0; 16]), "waiting for an answer")] {
        file(&running, filing(who, Subject::Item(id)), lane).await.unwrap();
        assert_eq!(running.act(move |t| t.prepare(ticket(who))).await.unwrap(), stage);
        let again = running.act(move |t| t.prepare(ticket(who))).await;
        assert!(matches!(again, Err(WriteError::Rejected(Rejected::Stage(found))) if found == stage));
    }
    file(&running, question(3), lane).await.unwrap();
    assert!(matches!(running.act(|t| t.prepare(ticket(3))).await, Err(WriteError::Rejected(_))));
    assert!(matches!(running.act(|t| t.prepare(ticket(4))).await, Err(WriteError::NoRequest)));
    assert!(matches!(running.act(|t| t.decide(ticket(4), Input::Refused)).await, Err(WriteError::NoRequest)));
}

#[tokio::test]
async fn time_ends_requests_on_their_second() {
    let place = Place::new();
    let running = place.run();
    let lane = running.lane().await;
    for who in 0..3 {
        file(&running, question(who), lane).await.unwrap();
    }
    running.act(|t| t.decide(ticket(2), Input::Refused)).await.unwrap();
    let end = noon().plus(limits::ASKING_LIFE);
    let found = |time: Time| running.readers.read(|c| due(c, Now { time, ..running.now() })).unwrap();
    assert_eq!(found(Time::from_unix(end.unix() - 1)), []);
    // The silent refusal comes out with the others, or the time would tell of it.
    assert_eq!(found(end).len(), 3);
    running.stop();
    let running = place.run_at(super::next_month);
    for (who, end) in [(0, "lapsed"), (1, "lapsed"), (2, "refused")] {
        assert_eq!(running.act(move |t| t.decide(ticket(who), Input::Tick)).await.unwrap(), end);
    }
    assert_eq!(running.readers.read(|c| due(c, running.now())).unwrap(), []);
}

#[tokio::test]
async fn pairing_again_changes_nothing_and_unpairing_keeps_requests() {
    let place = Place::new();
    let running = place.run();
    let lane = running.lane().await;
    let size = running.writer.tip().size();
    assert_eq!((running.lane().await, running.writer.tip().size()), (lane, size));
    file(&running, question(1), lane).await.unwrap();
    assert_eq!(running.act(|t| t.unpair("front")).await.unwrap(), lane);
    assert!(running.readers.read(crate::store::lanes).unwrap().is_empty());
    assert!(matches!(running.act(|t| t.unpair("front")).await, Err(WriteError::Invalid(_))));
    assert_eq!(running.state(&place, 1).unwrap().request.lane, lane);
    assert_eq!(running.lane().await, lane);
    assert_eq!(running.readers.read(crate::store::lanes).unwrap()[0].line, reception("front"));
}

/// A wait that has begun is not measured by an earlier reading after a restart.
#[tokio::test]
async fn what_is_known_of_the_clock_is_written_with_whatever_else_is() {
    let place = Place::new();
    let known = |running: &Running| running.readers.read(super::super::standing).unwrap().clock;
    let running = place.run_at(next_month);
    let lane = running.lane().await;
    assert_eq!(known(&running).high(), next_month());
    let (_, now) = known(&running).read(reading(next_month()));
    assert_eq!(now.waited, next_month().unix() - NOON);
    running.act(|t| t.keep_clock()).await.unwrap();
    file(&running, question(1), lane).await.unwrap();
    assert_eq!(known(&running).high(), next_month());
}

#[tokio::test]
async fn a_clock_that_the_owner_confirms_is_gone_by_in_the_very_next_commit() {
    let place = Place::new();
    let known = |running: &Running| running.readers.read(super::super::standing).unwrap().clock;
    let running = place.run_at(next_month);
    let lane = running.lane().await;
    running.stop();
    let running = place.run_at(noon);
    let believed = || running.act(|t| Ok(Done::quiet(t.now.doubt)));
    assert_eq!(believed().await.unwrap(), Some(Doubt::Back));
    let right = known(&running).confirmed(reading(noon()));
    // One that fails confirms nothing.
    let failed = running.act(move |t| {
        t.confirm_clock(&right)?;
        Err::<Done<()>, _>(WriteError::NoRequest)
    });
    assert!(matches!(failed.await, Err(WriteError::NoRequest)));
    assert_eq!(believed().await.unwrap(), Some(Doubt::Back));
    running.act(move |t| t.confirm_clock(&right)).await.unwrap();
    assert_eq!(known(&running), right);
    file(&running, question(1), lane).await.unwrap();
    assert_eq!((known(&running).high(), believed().await.unwrap()), (noon(), None));
}
