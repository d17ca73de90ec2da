//! When links are dialled, and when pairings are read.

use super::*;
use crate::driver::tests::{Failing, driver};
use shared::ids::Digest;
use shared::time::Time;
use shared::tlog::{Origin, VerifierKey};
use std::net::SocketAddr;
use tokio::time::{sleep, timeout};

const LANE: LaneId = LaneId(1);

fn closed(goodbye: Goodbye) -> Ended {
    Ended::Link(LinkError::Closed(SocketAddr::from(([192, 0, 2, 1], 7443)), goodbye))
}

fn lanes(store: &Failing) -> (Lanes<Failing>, watch::Sender<bool>) {
    let (stop, stopping) = watch::channel(false);
    (Lanes::new(driver(store.clone()), Links::default(), stopping), stop)
}

/// A pairing that an owner has ended must not go on because the disk failed for a moment.
#[tokio::test(start_paused = true)]
async fn pairings_that_could_not_be_read_are_read_again() {
    let store = Failing::default().unread(3);
    let (lanes, stop) = lanes(&store);
    let kept = tokio::spawn(lanes.keep());
    sleep(AGAIN * 60).await;
    assert_eq!(store.asked(), 4, "until it succeeds, and no longer");
    stop.send_replace(true);
    timeout(FAREWELL * 2, kept).await.unwrap().unwrap();
}

#[test]
fn a_reception_that_hangs_up_each_time_is_dialled_ever_more_slowly() {
    let mut pause = PAUSE.0;
    let mut after = |lasted: Duration, ended: Goodbye| {
        pause = before_next(pause, lasted, &closed(ended));
        let waited = pause;
        pause = (pause * 2).min(PAUSE.1);
        waited
    };
    let mut total = Duration::ZERO;
    for _ in 0..20 {
        total += after(Duration::from_millis(5), Goodbye::Done);
    }
    assert!(total > 10 * PAUSE.1, "{total:?}");
    let moment = Duration::from_millis(1);
    assert_eq!(after(PAUSE.1, Goodbye::Done), PAUSE.1);
    // Two copies of one vault would throw each other out for ever.
    assert_eq!(after(PAUSE.1 + moment, Goodbye::Replaced), PAUSE.1);
    assert_eq!(after(PAUSE.1 + moment, Goodbye::Done), PAUSE.0);
}

#[tokio::test]
async fn a_pairing_that_has_ended_leaves_nothing_of_its_link() {
    let (lanes, _stop) = lanes(&Failing::default());
    let key = ed25519_dalek::SigningKey::from_bytes(&[8; 32]);
    let witness = VerifierKey::of(Origin::new("front.example.org/w").unwrap(), &key);
    let lane = |address: &str| {
        let pin = Digest::of(b"front");
        let line = format!("webizen-reception v1 name=front address={address}:7443 pin={pin} witness={witness}");
        Lane { id: LANE, line: line.parse().unwrap(), paired_at: Time::from_unix(0) }
    };
    // To be told the reception: another address is no end of the pairing.
    for (left, ended) in [(vec![], true), (vec![lane("elsewhere.example.org")], false)] {
        let (mut tasks, unpaired) = (JoinSet::new(), Unpaired::default());
        let task = tasks.spawn(std::future::pending());
        let old = Running { lane: lane("front.example.org"), task, unpaired: unpaired.clone() };
        let mut running = HashMap::from([(LANE, old)]);
        assert!(lanes.links.set(LANE, Standing::up("up: front".into())));
        lanes.renew(&mut running, &mut tasks, left.clone());
        assert_eq!((running.len(), unpaired.load(Ordering::Acquire)), (left.len(), ended));
        assert!(tasks.join_next().await.unwrap().unwrap_err().is_cancelled());
        let standing = lanes.links.get(LANE);
        assert_eq!((standing.up, &standing.words[..]), (false, "dialling; no answer yet"));
    }
}

/// Who is given up is not missed; who fails is.
#[tokio::test(start_paused = true)]
async fn a_task_that_fails_is_noticed_and_one_that_is_given_up_is_not() {
    let mut tasks = JoinSet::new();
    tasks.spawn(std::future::pending::<()>()).abort();
    assert!(timeout(AGAIN, failed(&mut tasks)).await.is_err());
    tasks.spawn(std::future::pending());
    tasks.spawn(async { panic!("planted") });
    timeout(AGAIN, failed(&mut tasks)).await.unwrap();
    // One that ends by itself has failed too: none of them has an end.
    tasks.spawn(async {});
    timeout(AGAIN, failed(&mut tasks)).await.unwrap();
}
