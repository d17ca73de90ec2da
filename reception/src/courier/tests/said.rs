//! What is said of a request is so, whatever became of it before.

use super::*;

#[tokio::test]
async fn what_was_set_aside_and_kept_anew_is_with_the_vault_once_it_is_handed_over() {
    let mut front = Front::new();
    front.run();
    refused_for_good(&front, 1).await;
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::SetAside(Offered::Never)));
    assert_eq!(front.file(1).await, Ok(Filed::Spool));
    let desk = Desk::default();
    let linked = front.connect(&desk).await;
    front.emptied().await;
    assert_eq!(desk.purposes(), purposes([1]));
    gone(&front, linked).await;
    assert_eq!(front.courier.standing(&ticket(1)).await, Err(BrokerError::Away), "the owner may have seen it");
    let _over = front.connect(&Desk::default()).await;
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::Vault(View::Closed)));
}

#[tokio::test]
async fn what_the_vault_has_had_is_not_called_unseen_when_others_are_set_aside() {
    let mut front = Front::new();
    front.run();
    refused_for_good(&front, 1).await;
    let linked = front.connect(&Desk::default()).await;
    assert_eq!(front.file(1).await, Ok(Filed::Vault));
    gone(&front, linked).await;
    refused_for_good(&front, 2).await;
    assert_eq!(front.courier.standing(&ticket(2)).await, Ok(Standing::SetAside(Offered::Never)));
    assert_eq!(front.courier.standing(&ticket(1)).await, Err(BrokerError::Away));
    // Refused once more, now by a vault where it is over.
    refused_for_good(&front, 1).await;
    let _over = front.connect(&Desk::default()).await;
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::SetAside(Offered::Perhaps)));
    assert_eq!(front.courier.standing(&ticket(2)).await, Ok(Standing::SetAside(Offered::Never)));
}

#[tokio::test]
async fn what_was_set_aside_and_then_sent_without_an_answer_is_not_called_unseen() {
    let mut front = Front::new();
    front.run();
    refused_for_good(&front, 1).await;
    let desk = Desk::answering([Answer::Lose]);
    let linked = front.connect(&desk).await;
    front.courier.paired.send_replace(None);
    assert_eq!(front.file(1).await, Err(NotFiled::Uncertain));
    assert_eq!(desk.purposes(), purposes([1]));
    gone(&front, linked).await;
    assert_eq!(front.courier.standing(&ticket(1)).await, Err(BrokerError::Away));
}

#[tokio::test]
async fn what_may_have_arrived_is_not_called_kept_alone() {
    let front = Front::new();
    let desk = Desk::answering([Answer::Lose]);
    let linked = front.connect(&desk).await;
    assert_eq!(front.file(1).await, Ok(Filed::Spool));
    assert_eq!(desk.purposes(), purposes([1]));
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::Kept(Offered::Perhaps)));
    gone(&front, linked).await;
    assert_eq!(front.file(2).await, Ok(Filed::Spool));
    assert_eq!(front.courier.standing(&ticket(2)).await, Ok(Standing::Kept(Offered::Never)));
    let spool = Spool::open(front.root.path().join("spool")).unwrap();
    let restarted = Courier { spool, ..front.courier.clone() };
    for who in 1..=2 {
        assert_eq!(
            restarted.standing(&ticket(who)).await,
            Ok(Standing::Kept(Offered::Perhaps)),
            "nobody knows any more"
        );
    }
}

#[tokio::test]
async fn what_is_kept_is_kept_whether_or_not_a_vault_is_paired() {
    let mut front = Front::new();
    assert_eq!(front.file(1).await, Ok(Filed::Spool));
    let paired = front.courier.paired.send_replace(None);
    assert_eq!(front.file(1).await, Ok(Filed::Spool), "it is still here");
    let other = Filing { purpose: Text::new("Another").unwrap(), ..filing(1) };
    assert_eq!(front.courier.file(&ticket(1), other).await, Err(NotFiled::Refused(Refused::Malformed)));
    assert_eq!(front.file(2).await, Err(NotFiled::Unpaired));
    assert_eq!(front.files().len(), 1);
    front.courier.paired.send_replace(paired);
    front.run();
    let desk = Desk::default();
    let _linked = front.connect(&desk).await;
    front.emptied().await;
    assert_eq!(desk.purposes(), purposes([1]));
}

#[tokio::test]
async fn what_cannot_be_moved_aside_is_said_to_be_set_aside() {
    let mut front = Front::new();
    front.run();
    let in_the_way = front.root.path().join("spool/set-aside").join(format!("{}.sealed", ticket(1).hash().request()));
    std::fs::create_dir(&in_the_way).unwrap();
    for who in 1..=2 {
        refused_for_good(&front, who).await;
    }
    assert_eq!((front.files().len(), std::fs::read_dir(&in_the_way).unwrap().count()), (2, 0));
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::SetAside(Offered::Never)));
    let desk = Desk::default();
    let _linked = front.connect(&desk).await;
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::SetAside(Offered::Never)));
    assert_eq!(front.file(1).await, Ok(Filed::Vault));
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::Vault(View::Waiting)));
}

#[tokio::test]
async fn what_was_handed_over_without_an_answer_is_not_taken_back_here_alone() {
    let mut front = Front::new();
    assert_eq!(front.file(1).await, Ok(Filed::Spool));
    let desk = Desk::answering([Answer::Lose]);
    let linked = front.connect(&desk).await;
    front.run();
    desk.taken(1).await;
    gone(&front, linked).await;
    assert_eq!(front.courier.withdraw(&ticket(1)).await, Ok(Withdrawn::HereAtLeast));
    assert!(front.files().is_empty());
}

/// A vault that files, and of which no withdrawal's answer arrives.
#[derive(Clone)]
struct Silent(Desk);

impl Handler for Silent {
    async fn handle(&self, call: Call, out: ReplyWriter) -> Result<(), CallError> {
        if matches!(call, Call::Withdraw { .. }) { Ok(()) } else { self.0.handle(call, out).await }
    }
}

#[tokio::test]
async fn what_is_being_handed_over_is_not_taken_back_in_the_middle_of_it() {
    let mut front = Front::new();
    assert_eq!(front.file(1).await, Ok(Filed::Spool));
    let slow = Slow { disk: Arc::new(Semaphore::new(0)), asked: Arc::default() };
    front.courier.surroundings = Arc::new(slow.clone());
    let desk = Desk::default();
    let _linked = linked(&front.courier.broker, Silent(desk.clone())).await;
    front.run();
    // It is about to be read, and nothing says yet that it leaves.
    soon(|| slow.asked.load(Ordering::Relaxed) == 1).await;
    let courier = front.courier.clone();
    let visitor = tokio::spawn(async move { courier.withdraw(&ticket(1)).await });
    // The one thread of this runtime goes on with the visitor as far as that can go.
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
    assert_eq!(slow.asked.load(Ordering::Relaxed), 1, "nothing is removed meanwhile");
    slow.disk.add_permits(1);
    let told = timeout(LIMIT, visitor).await.unwrap().unwrap();
    assert_eq!(
        (told, desk.purposes()),
        (Err(BrokerError::Broken), purposes([1])),
        "whether it was taken back, nobody knows"
    );
}

#[tokio::test]
async fn what_one_try_may_have_done_is_not_undone_by_another() {
    let mut front = Front::new();
    assert_eq!(front.file(1).await, Ok(Filed::Spool));
    let desk = Desk::answering([Answer::RefuseLate(Refused::Busy { retry_after: 60 })]);
    let linked = front.connect(&desk).await;
    front.run();
    desk.answered().await;
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::Kept(Offered::Perhaps)), "it is on its way");
    // The same form, sent before that, broke on its own way.
    front.courier.keep(ticket(1), filing(1), Offered::Perhaps).await.unwrap();
    desk.late.notify_one();
    // Whoever hands over is done with it then.
    drop(timeout(LIMIT, front.courier.handover.lock()).await.unwrap());
    gone(&front, linked).await;
    assert_eq!(front.courier.withdraw(&ticket(1)).await, Ok(Withdrawn::HereAtLeast));
}

#[tokio::test]
async fn what_the_vault_only_refused_has_not_left() {
    let mut front = Front::new();
    assert_eq!(front.file(1).await, Ok(Filed::Spool));
    let desk = Desk::answering([Answer::Refuse(Refused::Busy { retry_after: 60 })]);
    let linked = front.connect(&desk).await;
    let (log, _guard) = Captured::start();
    front.run();
    soon(|| log.text().contains("expects room in 60 s")).await;
    gone(&front, linked).await;
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::Kept(Offered::Never)));
    assert_eq!(front.courier.withdraw(&ticket(1)).await, Ok(Withdrawn::Here));
}
