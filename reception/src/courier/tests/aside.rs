//! What was set aside here is called unseen only as long as it is, and set aside no longer than until it is over.

use super::*;

#[tokio::test]
async fn what_was_kept_anew_sent_without_an_answer_and_taken_back_is_not_called_unseen() {
    let mut front = Front::new();
    front.run();
    refused_for_good(&front, 1).await;
    assert_eq!(front.file(1).await, Ok(Filed::Spool));
    let desk = Desk::answering([Answer::Lose]);
    let linked = front.connect(&desk).await;
    desk.taken(1).await;
    gone(&front, linked).await;
    // Whoever hands over is done with it then.
    drop(timeout(LIMIT, front.courier.handover.lock()).await.unwrap());
    let id = ticket(1).hash().request();
    assert_eq!(front.courier.spool.set_aside_as(id), Some(Offered::Perhaps));
    assert_eq!(front.courier.withdraw(&ticket(1)).await, Ok(Withdrawn::HereAtLeast));
    assert_eq!(front.courier.standing(&ticket(1)).await, Err(BrokerError::Away));
    let _over = front.connect(&Desk::default()).await;
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::Vault(View::Closed)));
}

#[tokio::test]
async fn what_a_visitor_sent_who_went_away_before_the_answer_is_not_called_unseen() {
    let mut front = Front::new();
    front.run();
    refused_for_good(&front, 1).await;
    let busy = Refused::Busy { retry_after: 60 };
    let desk = Desk::answering([Answer::RefuseLate(busy), Answer::RefuseLate(busy)]);
    let linked = front.connect(&desk).await;
    let send = || {
        let courier = front.courier.clone();
        tokio::spawn(async move { courier.file(&ticket(1), filing(1)).await })
    };
    let patient = send();
    soon(|| desk.answers.lock().unwrap().len() == 1).await;
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::SetAside(Offered::Perhaps)), "it is on its way");
    desk.late.notify_one();
    assert_eq!(timeout(LIMIT, patient).await.unwrap().unwrap(), Err(NotFiled::Refused(busy)));
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::SetAside(Offered::Never)), "it was refused");
    let hasty = send();
    desk.answered().await;
    hasty.abort();
    assert!(hasty.await.unwrap_err().is_cancelled());
    gone(&front, linked).await;
    assert_eq!(front.courier.standing(&ticket(1)).await, Err(BrokerError::Away));
}

#[tokio::test]
async fn what_was_kept_anew_and_taken_back_is_not_called_set_aside() {
    let mut front = Front::new();
    front.run();
    refused_for_good(&front, 1).await;
    assert_eq!(front.file(1).await, Ok(Filed::Spool));
    assert_eq!(front.courier.withdraw(&ticket(1)).await, Ok(Withdrawn::Here));
    assert_eq!(front.courier.standing(&ticket(1)).await, Err(BrokerError::Away));
    let linked = front.connect(&Desk::default()).await;
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::Vault(View::Closed)));
    gone(&front, linked).await;
    assert_eq!(front.file(1).await, Ok(Filed::Spool));
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::Kept(Offered::Never)), "it never left");
}

#[tokio::test]
async fn what_was_seen_at_the_vault_is_not_called_unseen_when_that_is_away() {
    let mut front = Front::new();
    front.run();
    refused_for_good(&front, 1).await;
    let desk = Desk::default();
    // By a way that is not known here.
    desk.filed.lock().unwrap().push(filing(1));
    let linked = front.connect(&desk).await;
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::Vault(View::Waiting)));
    gone(&front, linked).await;
    assert_eq!(front.courier.standing(&ticket(1)).await, Err(BrokerError::Away));
}

#[tokio::test]
async fn what_is_over_is_not_called_set_aside_after_a_restart() {
    let mut front = Front::new();
    front.run();
    for who in 1..=3 {
        refused_for_good(&front, who).await;
    }
    let desk = Desk::default();
    let _linked = front.connect(&desk).await;
    assert_eq!(front.file(1).await, Ok(Filed::Vault));
    desk.filed.lock().unwrap().clear();
    assert_eq!(front.courier.withdraw(&ticket(2)).await, Ok(Withdrawn::Vault(View::Closed)));
    let restart = || Courier { spool: Spool::open(front.root.path().join("spool")).unwrap(), ..front.courier.clone() };
    for courier in [front.courier.clone(), restart()] {
        for who in 1..=2 {
            assert_eq!(courier.standing(&ticket(who)).await, Ok(Standing::Vault(View::Closed)));
        }
        assert!(matches!(courier.standing(&ticket(3)).await, Ok(Standing::SetAside(_))));
    }
    assert_eq!((front.aside(), front.files().len()), (3, 3), "nothing was deleted");
}
