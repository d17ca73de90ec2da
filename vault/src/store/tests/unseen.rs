//! What a visitor must not know leaves what is told of a request as it was, and nothing that tells reads what is stored of it.

use super::{Done, Ground, NOON, Place, Running, WriteError, filing, log_key, noon, question, ticket};
use crate::evidence::{self, Notary};
use crate::table::{Asked, Filed, Row, Table};
use shared::ids::Nonce;
use shared::message::{Subject, View, VisitorAnswer};
use shared::receipt::Kind;
use shared::text::Text;
use shared::time::Time;
use vault_core::{Input, LaneId, Stage, revocation};

/// Every approval cools off for an hour.
fn cooling(place: &Place) -> Running {
    place.run_on(Ground { cooling: 3600, ..place.ground() }, noon)
}

fn after_the_release() -> Time {
    Time::from_unix(NOON + 86_401)
}

fn row(place: &Place, running: &Running, who: u32) -> Row {
    Row::of(&running.state(place, who).unwrap())
}

async fn decide(running: &Running, who: u32, input: Input) {
    running.act(move |t| t.decide(ticket(who), input)).await.unwrap();
}

async fn file(running: &Running, lane: LaneId, who: u32, subject: Subject) {
    running.act(move |t| t.file(filing(who, subject), lane)).await.unwrap();
}

/// The owner asks back; the question's name.
async fn ask(place: &Place, running: &Running, who: u32) -> Nonce {
    let state = running.state(place, who).unwrap();
    let nonce = state.stage.nonce().unwrap();
    let said = vault_core::question(&place.origin, &state, "Which one?".into(), noon(), nonce);
    decide(running, who, super::signed(place.sign(said))).await;
    nonce
}

fn words(text: &str) -> VisitorAnswer {
    Text::new(text).unwrap()
}

fn answer(question: Nonce, text: &str) -> Input {
    Input::Answered { question, answer: words(text), fresh: crate::store::nonce().unwrap() }
}

#[tokio::test]
async fn an_item_s_row_is_the_same_from_its_filing_to_the_end_of_what_is_hidden() {
    let place = Place::new();
    let running = cooling(&place);
    let (lane, item) = (running.lane().await, running.add("Letter", b"approved bytes").await);
    for who in 0..3 {
        file(&running, lane, who, Subject::Item(item)).await;
    }
    let filed = [0, 1, 2].map(|who| row(&place, &running, who));
    let as_filed = |running: &Running| [0, 1, 2].map(|who| row(&place, running, who)) == filed;
    for who in 0..3 {
        running.act(move |t| t.prepare(ticket(who))).await.unwrap();
    }
    assert!(as_filed(&running), "waiting for the owner");
    decide(&running, 0, Input::Refused).await;
    for who in [1, 2] {
        decide(&running, who, super::signed(place.approve(&running.state(&place, who).unwrap(), 1))).await;
    }
    let Stage::Cooling(release, _) = running.state(&place, 1).unwrap().stage else { panic!("does not cool off") };
    assert!(as_filed(&running), "refused, cooling off");
    let taken_back = revocation(&place.origin, &release, "An error".into(), noon(), Nonce([7; 16]));
    decide(&running, 1, super::signed(place.sign(taken_back))).await;
    assert!(as_filed(&running), "revoked");
    running.stop();
    // What cooled off until its release was over.
    let running = place.run_at(after_the_release);
    decide(&running, 2, Input::Tick).await;
    assert_eq!(running.state(&place, 2).unwrap().stage.name(), "expired");
    assert!(as_filed(&running), "over");
}

#[tokio::test]
async fn a_question_s_row_is_the_same_whether_it_waits_or_was_refused_before_or_after_its_answer() {
    let place = Place::new();
    let running = place.run();
    let lane = running.lane().await;
    for who in 0..2 {
        running.act(move |t| t.file(question(who), lane)).await.unwrap();
        let asked = ask(&place, &running, who).await;
        let table = Table::new([(ticket(who), row(&place, &running, who))]);
        let meets = |question, text| table.asked(ticket(who), question, &words(text));
        assert_eq!((meets(asked, "The red one."), meets(Nonce([9; 16]), "The red one.")), (Asked::Open, Asked::Not));
        assert_eq!(table.asked(ticket(9), asked, &words("The red one.")), Asked::Not);
        assert_eq!(table.words(ticket(who)).and_then(|spoken| spoken.question()), Some(asked));
        assert_eq!((table.view(ticket(who), noon()), table.words(ticket(9))), (View::Question, None));
        if who == 1 {
            decide(&running, who, Input::Refused).await;
            assert_eq!(
                Table::new([(ticket(who), row(&place, &running, who))]).words(ticket(who)),
                table.words(ticket(who))
            );
        }
        let open = row(&place, &running, who);
        decide(&running, who, answer(asked, "The red one.")).await;
        assert_ne!(row(&place, &running, who), open);
        let answered = row(&place, &running, who);
        table.set(ticket(who), answered.clone());
        let meets = |question, text| table.asked(ticket(who), question, &words(text));
        assert_eq!((meets(asked, "The red one."), meets(asked, "The blue one.")), (Asked::Taken, Asked::Not));
        assert_eq!((table.view(ticket(who), noon()), table.words(ticket(who))), (View::Waiting, None));
        if who == 0 {
            decide(&running, who, Input::Refused).await;
        }
        assert_eq!(row(&place, &running, who), answered);
    }
}

/// What was filed, with a record that nobody can read.
async fn unreadable(running: &Running) {
    running
        .act(|t| {
            t.connection.execute("UPDATE request SET record = 'unreadable'", [])?;
            Ok(Done::quiet(()))
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn what_is_filed_again_is_told_without_reading_what_is_stored_of_it() {
    let place = Place::new();
    let running = place.run();
    let (lane, other) = (running.lane().await, LaneId(9));
    running.act(move |t| t.file(question(1), lane)).await.unwrap();
    let table = Table::new([(ticket(1), row(&place, &running, 1))]);
    assert_eq!([table.filed(&question(1), lane), table.filed(&question(2), lane)], [Filed::Same, Filed::Never]);
    assert_eq!(table.filed(&question(1), other), Filed::Other);
    unreadable(&running).await;
    // The writer has the last word on what is on its way twice, and on an id that two tickets share.
    running.act(move |t| t.file(question(1), lane)).await.unwrap();
    let mut twin = question(1);
    twin.ticket.0[31] ^= 1;
    assert_eq!(table.filed(&twin, lane), Filed::Never);
    assert!(matches!(running.act(move |t| t.file(twin, lane)).await, Err(WriteError::Conflict)));
    let mut reworded = question(1);
    reworded.purpose = Text::new("Another purpose.").unwrap();
    assert_eq!(table.filed(&reworded, lane), Filed::Other);
    assert!(matches!(running.act(move |t| t.file(reworded, lane)).await, Err(WriteError::Conflict)));
}

#[tokio::test]
async fn words_are_proven_without_reading_what_came_after_them() {
    let place = Place::new();
    let running = place.run();
    let lane = running.lane().await;
    running.act(move |t| t.file(question(1), lane)).await.unwrap();
    ask(&place, &running, 1).await;
    let spoken = running.state(&place, 1).unwrap().words().unwrap().clone();
    let (readers, origin, owners) = (running.readers.clone(), place.origin.clone(), place.owners.clone());
    let notary = Notary { readers, origin, owners, log_key: log_key() };
    let receipt = || evidence::receipt(&notary, spoken.request(), Kind::Asked, spoken.signed());
    let before = receipt().unwrap();
    decide(&running, 1, Input::Refused).await;
    // Whoever reads the newest entry now fails.
    running
        .act(|t| {
            t.connection.execute("UPDATE leaf SET salt = x'00' WHERE idx = (SELECT max(idx) FROM leaf)", [])?;
            Ok(Done::quiet(()))
        })
        .await
        .unwrap();
    assert_eq!(receipt().unwrap(), before);
    unreadable(&running).await;
    assert_eq!(receipt().unwrap(), before);
}
