//! What is taken back is taken back wherever it may be, whatever fails meanwhile.

use super::*;
use node::files;
use std::sync::atomic::AtomicBool;

/// A disk whose flushes fail as long as they are told to: its flush, and what tells it.
macro_rules! failing_disk {
    () => {{
        static FAILS: AtomicBool = AtomicBool::new(false);
        let flush = |folder: &Folder| match FAILS.load(Ordering::Relaxed) {
            true => Err(files::failed("flush", folder.path())(rustix::io::Errno::IO.into())),
            false => folder.flush(),
        };
        (flush, |fails| FAILS.store(fails, Ordering::Relaxed))
    }};
}

const UNAVAILABLE: BrokerError = BrokerError::Refused(Refused::Unavailable);

/// Has the vault take a request over whose answer is lost.
async fn sent_without_an_answer(front: &Front, desk: &Desk, who: u8) -> Linked {
    desk.answers.lock().unwrap().push_back(Answer::Lose);
    let linked = front.connect(desk).await;
    assert_eq!(front.file(who).await, Ok(Filed::Spool));
    assert_eq!(front.courier.standing(&ticket(who)).await, Ok(Standing::Kept(Offered::Perhaps)));
    linked
}

#[tokio::test]
async fn a_disk_that_fails_keeps_no_withdrawal_from_the_vault() {
    let (flush, fails) = failing_disk!();
    let (front, desk) = (Front::flushing(flush), Desk::default());
    let linked = sent_without_an_answer(&front, &desk, 1).await;
    fails(true);
    assert_eq!(front.courier.withdraw(&ticket(1)).await, Ok(Withdrawn::Vault(View::Closed)));
    fails(false);
    assert_eq!(*desk.withdrawn.lock().unwrap(), HashSet::from([ticket(1).hash()]));
    desk.filed.lock().unwrap().clear();
    let removed = Ok(Standing::Removed(Offered::Perhaps));
    assert_eq!(front.courier.standing(&ticket(1)).await, removed, "it may be here again");
    gone(&front, linked).await;
    assert_eq!(front.courier.standing(&ticket(1)).await, removed);
}

#[tokio::test]
async fn what_the_vault_has_is_shown_and_taken_back_though_its_removal_here_was_not_confirmed() {
    let (flush, fails) = failing_disk!();
    let (front, desk) = (Front::flushing(flush), Desk::default());
    let linked = sent_without_an_answer(&front, &desk, 1).await;
    gone(&front, linked).await;
    fails(true);
    assert_eq!(front.courier.withdraw(&ticket(1)).await, Err(UNAVAILABLE), "the vault was not asked");
    fails(false);
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::Removed(Offered::Perhaps)));
    let _linked = front.connect(&desk).await;
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::Vault(View::Waiting)));
    assert!(desk.withdrawn.lock().unwrap().is_empty());
    assert_eq!(front.courier.withdraw(&ticket(1)).await, Ok(Withdrawn::Vault(View::Closed)));
    assert_eq!(*desk.withdrawn.lock().unwrap(), HashSet::from([ticket(1).hash()]));
}

#[tokio::test]
async fn what_cannot_be_removed_at_all_is_not_called_taken_back() {
    let front = Front::new();
    assert_eq!(front.file(1).await, Ok(Filed::Spool));
    let file = front.root.path().join("spool").join(format!("{}.sealed", ticket(1).hash().request()));
    std::fs::remove_file(&file).unwrap();
    // A folder is no file that could be removed.
    std::fs::create_dir(&file).unwrap();
    let desk = Desk::default();
    let _linked = front.connect(&desk).await;
    assert_eq!(front.courier.withdraw(&ticket(1)).await, Err(UNAVAILABLE));
    assert_eq!(*desk.withdrawn.lock().unwrap(), HashSet::from([ticket(1).hash()]), "the vault need not fail too");
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::Kept(Offered::Never)));
}

#[tokio::test]
async fn what_another_vault_says_that_came_meanwhile_is_not_taken_for_the_first_ones() {
    let front = Front::new();
    assert_eq!(front.file(1).await, Ok(Filed::Spool));
    front.courier.spool.mark(&ticket(1).hash(), Offered::Perhaps);
    // It is being handed over.
    let handover = front.courier.handover.clone();
    let handover = handover.lock().await;
    let courier = front.courier.clone();
    let visitor = tokio::spawn(async move { courier.withdraw(&ticket(1)).await });
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
    front.courier.paired.send_replace(Some(Arc::new(Vault::new("other").peer())));
    let desk = Desk::default();
    let _linked = front.connect(&desk).await;
    drop(handover);
    let told = timeout(LIMIT, visitor).await.unwrap().unwrap();
    assert_eq!(told, Ok(Withdrawn::HereAtLeast), "the first one may have it, and was not asked");
}

#[tokio::test]
async fn what_is_filed_again_while_it_is_removed_counts_as_handed_over_or_as_it_was() {
    let (flush, fails) = failing_disk!();
    let mut front = Front::flushing(flush);
    for who in 1..=2 {
        assert_eq!(front.file(who).await, Ok(Filed::Spool));
    }
    let slow = Slow { disk: Arc::new(Semaphore::new(0)), asked: Arc::default() };
    front.courier.surroundings = Arc::new(slow.clone());
    let courier = front.courier.clone();
    let visitor = tokio::spawn(async move { courier.file(&ticket(1), filing(1)).await });
    soon(|| slow.asked.load(Ordering::Relaxed) == 1).await;
    // The vault has it.
    front.courier.spool.leaves(ticket(1).hash()).came(Offered::Perhaps);
    assert!(front.courier.spool.remove(&ticket(1).hash()).unwrap().is_some());
    slow.disk.add_permits(8);
    assert_eq!(timeout(LIMIT, visitor).await.unwrap().unwrap(), Ok(Filed::Spool));
    assert_eq!(front.courier.standing(&ticket(1)).await, Ok(Standing::Kept(Offered::Perhaps)));
    fails(true);
    assert_eq!(front.courier.withdraw(&ticket(2)).await, Err(UNAVAILABLE));
    fails(false);
    assert_eq!(front.courier.standing(&ticket(2)).await, Ok(Standing::Removed(Offered::Never)));
    assert_eq!(front.file(2).await, Ok(Filed::Spool));
    assert_eq!(front.courier.standing(&ticket(2)).await, Ok(Standing::Kept(Offered::Never)), "it never left");
}

#[tokio::test]
async fn what_the_vault_had_and_is_filed_again_in_its_absence_may_be_there() {
    let (mut front, desk) = (Front::new(), Desk::default());
    front.run();
    assert_eq!(front.file(1).await, Ok(Filed::Spool));
    let linked = front.connect(&desk).await;
    front.emptied().await;
    assert_eq!(front.file(2).await, Ok(Filed::Vault));
    // As it may have come there through another life of this node.
    desk.filed.lock().unwrap().push(filing(3));
    assert_eq!(front.courier.standing(&ticket(3)).await, Ok(Standing::Vault(View::Waiting)));
    gone(&front, linked).await;
    for who in 1..=3 {
        assert_eq!(front.file(who).await, Ok(Filed::Spool));
        assert_eq!(front.courier.standing(&ticket(who)).await, Ok(Standing::Kept(Offered::Perhaps)), "{who}");
        assert_eq!(front.courier.withdraw(&ticket(who)).await, Ok(Withdrawn::HereAtLeast), "{who}");
    }
    assert_eq!(front.file(4).await, Ok(Filed::Spool));
    assert_eq!(front.courier.standing(&ticket(4)).await, Ok(Standing::Kept(Offered::Never)));
}
