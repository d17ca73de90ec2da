//! Many jobs in one commit: one that fails takes back its own rows and nothing else.

use super::super::transaction::Transaction;
use super::logs::rebuilt;
use super::{DEADLINE, Done, Place, Running, WriteError, noon, question, ticket};
use crate::store::frontier;
use rusqlite::Connection;
use shared::tlog::LeafKind;
use std::sync::mpsc::{Sender, channel};
use tokio::task::JoinHandle;
use vault_core::{Input, LogEntry};

/// Keeps the writer busy, so that what is sent meanwhile shares the next commit.
pub(super) async fn busy(running: &Running) -> Sender<()> {
    let ((started, start), (release, held)) = (channel(), channel::<()>());
    let job = move |_: &mut Transaction<'_>| {
        started.send(()).unwrap();
        // The other end is dropped when the batch is complete.
        let _ = held.recv_timeout(DEADLINE);
        Ok(Done::quiet(()))
    };
    let writer = running.writer.clone();
    tokio::spawn(async move { writer.act(job).await.map(|((), _)| ()) });
    // The task has queued the job when this one runs again.
    tokio::task::yield_now().await;
    start.recv_timeout(DEADLINE).unwrap();
    release
}

pub(super) type Answer = JoinHandle<Result<(), WriteError>>;

pub(super) fn send<T: Send + 'static>(
    running: &Running,
    job: impl FnOnce(&mut Transaction<'_>) -> Result<Done<T>, WriteError> + Send + 'static,
) -> Answer {
    let writer = running.writer.clone();
    tokio::spawn(async move { writer.act(job).await.map(|_| ()) })
}

/// Logs twice and then gives up.
fn failing(t: &mut Transaction<'_>) -> Result<Done<()>, WriteError> {
    for part in ["one", "two"] {
        t.log(&LogEntry { kind: LeafKind::Frozen, time: noon(), parts: vec![part.into()] }, None)?;
    }
    Err(WriteError::Invalid("on purpose".into()))
}

/// Sends nothing more; waits for every answer.
pub(super) async fn finish(release: Sender<()>, answers: Vec<Answer>) -> Vec<Result<(), WriteError>> {
    // Each task has been polled once, and so has queued its job, when this one runs again.
    tokio::task::yield_now().await;
    drop(release);
    let mut results = Vec::new();
    for answer in answers {
        results.push(tokio::time::timeout(DEADLINE, answer).await.unwrap().unwrap());
    }
    results
}

fn stored_frontier(place: &Place) -> shared::tlog::Frontier {
    let connection: Connection = crate::store::reader(&place.file(), &place.key()).unwrap();
    frontier(&connection).unwrap()
}

#[tokio::test]
async fn a_failing_job_leaves_the_others_and_the_log_right() {
    let place = Place::new();
    let running = place.run();
    let lane = running.lane().await;
    let size = running.writer.tip().size();
    let release = busy(&running).await;
    let answers = vec![
        send(&running, move |t| t.file(question(1), lane)),
        send(&running, failing),
        send(&running, |t| t.decide(ticket(99), Input::Refused)),
        send(&running, move |t| t.file(question(2), lane)),
        send(&running, move |t| t.file(question(1), lane)),
        send(&running, |t| t.decide(ticket(1), Input::Withdrawn)),
        send(&running, |t| t.decide(ticket(1), Input::Refused)),
        send(&running, failing),
        send(&running, move |t| t.file(question(3), lane)),
    ];
    let results = finish(release, answers).await;
    let passed: Vec<bool> = results.iter().map(Result::is_ok).collect();
    assert_eq!(passed, [true, false, false, true, true, true, false, false, true]);
    assert_eq!(running.writer.tip().size(), size + 4);
    assert_eq!(&stored_frontier(&place), running.writer.tip().frontier());
    assert_eq!(rebuilt(&running), *running.writer.tip().frontier());
    let stages = [1, 2, 3].map(|who| running.state(&place, who).unwrap().stage.name());
    assert_eq!(stages, ["withdrawn", "waiting for an answer", "waiting for an answer"]);
    assert_eq!(running.count("SELECT count(*) FROM leaf"), i64::try_from(size + 4).unwrap());
}

#[tokio::test]
async fn a_commit_that_fails_takes_everything_back_and_tells_nobody() {
    let place = Place::new();
    let running = place.run();
    let lane = running.lane().await;
    let _ = running.heard();
    let before = running.writer.tip();
    let release = busy(&running).await;
    let answers = vec![
        send(&running, move |t| t.file(question(1), lane)),
        // A row that refers to nothing, checked only by the commit.
        send(&running, |t| {
            t.connection.execute_batch("PRAGMA defer_foreign_keys = ON")?;
            let orphan = "INSERT INTO item VALUES (x'00', 'orphan', 1, 'text/plain', 999999, 0)";
            t.connection.execute(orphan, [])?;
            Ok(Done::quiet(()))
        }),
        send(&running, move |t| t.file(question(2), lane)),
        // Rejected because of what an earlier job of the batch wrote, which is not there.
        send(&running, |t| t.decide(ticket(2), Input::Withdrawn)),
        send(&running, |t| t.decide(ticket(2), Input::Withdrawn)),
    ];
    for result in finish(release, answers).await {
        assert!(matches!(result, Err(WriteError::Lost)), "{result:?}");
    }
    assert_eq!((running.heard().len(), running.writer.tip().note), (0, before.note.clone()));
    assert_eq!(&stored_frontier(&place), before.frontier());
    assert!(running.state(&place, 1).is_none() && running.state(&place, 2).is_none());
    let filed = running.act(move |t| t.file(question(1), lane)).await;
    assert!(filed.is_ok() && running.state(&place, 1).is_some(), "{filed:?}");
    assert_eq!(&stored_frontier(&place), running.writer.tip().frontier());
}

#[tokio::test]
async fn what_does_not_fit_one_commit_takes_more_of_them() {
    let place = Place::new();
    let running = place.run();
    let lane = running.lane().await;
    let release = busy(&running).await;
    let most = 200;
    let answers = (0..most).map(|who| send(&running, move |t| t.file(question(who), lane))).collect();
    assert!(finish(release, answers).await.iter().all(Result::is_ok));
    assert_eq!(running.count("SELECT count(*) FROM request"), i64::from(most));
    assert_eq!(rebuilt(&running), *running.writer.tip().frontier());
}

#[tokio::test]
async fn a_caller_that_goes_away_loses_nothing_that_was_begun() {
    let place = Place::new();
    let running = place.run();
    let lane = running.lane().await;
    let release = busy(&running).await;
    let gone = send(&running, move |t| t.file(question(1), lane));
    let last = send(&running, move |t| t.file(question(2), lane));
    tokio::task::yield_now().await;
    gone.abort();
    assert!(finish(release, vec![last]).await[0].is_ok());
    assert!(running.state(&place, 1).is_some());
}

/// The watchdog asks this: a thread that hangs must not pass for one that works.
#[tokio::test]
async fn the_writer_answers_when_it_has_ended_what_it_was_given_and_not_before() {
    let place = Place::new();
    let running = place.run();
    let release = busy(&running).await;
    let writer = running.writer.clone();
    let asked = tokio::spawn(async move { writer.answers().await });
    tokio::task::yield_now().await;
    assert!(!asked.is_finished(), "it hangs, and nobody can know that it will go on");
    drop(release);
    assert!(asked.await.unwrap());
}
