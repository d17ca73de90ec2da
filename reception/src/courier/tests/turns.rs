//! Nobody is held up by others.

use super::*;

/// A vault that files every request but these.
#[derive(Clone)]
struct Sour {
    desk: Desk,
    bad: Vec<TicketHash>,
    /// What it says of them; or nothing, on a link that stays up.
    says: Option<Refused>,
    /// How often.
    said: Arc<AtomicUsize>,
}

impl Sour {
    fn new(bad: impl IntoIterator<Item = u8>, says: Option<Refused>) -> Self {
        let bad = bad.into_iter().map(|who| ticket(who).hash()).collect();
        Self { desk: Desk::default(), bad, says, said: Arc::default() }
    }
}

impl Handler for Sour {
    async fn handle(&self, call: Call, out: ReplyWriter) -> Result<(), CallError> {
        let bad = matches!(&call, Call::Forward { ticket, .. } if self.bad.contains(ticket));
        if !bad {
            return self.desk.handle(call, out).await;
        }
        self.said.fetch_add(1, Ordering::Relaxed);
        match self.says {
            Some(refused) => out.reply(&Reply::Refused(refused)).await,
            None => Ok(()),
        }
    }
}

#[tokio::test]
async fn a_lost_answer_leaves_the_request_here_until_the_vault_says_filed() {
    let mut front = Front::new();
    assert_eq!(front.file(1).await, Ok(Filed::Spool));
    assert_eq!(front.file(2).await, Ok(Filed::Spool));
    front.run();
    let desk = Desk::answering([Answer::Lose]);
    let first = front.connect(&desk).await;
    soon(|| front.courier.waiting() == 1).await;
    assert_eq!(desk.purposes(), purposes([1, 2]), "the link stayed up, and the next one had its turn");
    assert_eq!(
        (front.files().len(), front.courier.standing(&ticket(1)).await),
        (1, Ok(Standing::Kept(Offered::Perhaps)))
    );
    drop(first);
    let _second = front.connect(&desk).await;
    front.emptied().await;
    assert_eq!(desk.purposes(), purposes([1, 2, 1]));
}

#[tokio::test]
async fn what_a_busy_vault_takes_later_holds_up_nobody_else() {
    let mut front = Front::new();
    for who in 1..=3 {
        front.file(who).await.unwrap();
    }
    let desk = Desk::answering([Answer::Refuse(Refused::Busy { retry_after: 1 })]);
    let _linked = front.connect(&desk).await;
    front.run();
    front.emptied().await;
    assert_eq!(desk.purposes(), purposes([2, 3, 1]));
}

#[tokio::test]
async fn a_new_request_does_not_wait_for_one_that_is_taken_later() {
    let mut front = Front::new();
    front.file(1).await.unwrap();
    let busy = Refused::Busy { retry_after: 7000 };
    let desk = Desk::answering([busy, Refused::Unavailable].map(Answer::Refuse));
    let _linked = front.connect(&desk).await;
    let (log, _guard) = Captured::start();
    front.run();
    // Once the first was refused, the vault is not ready for the second, and then is.
    soon(|| desk.answers.lock().unwrap().len() == 1).await;
    assert_eq!(front.file(2).await, Ok(Filed::Spool));
    soon(|| front.courier.waiting() == 1).await;
    assert_eq!(desk.purposes(), purposes([2]));
    let log = log.text();
    for words in ["takes no more requests for now, and expects room in 7000 s", "the vault is asked again in 600 s"] {
        assert!(log.contains(words), "{words} is not in:\n{log}");
    }
}

#[tokio::test]
async fn a_request_that_the_vault_cannot_file_holds_up_nobody_else() {
    let mut front = Front::new();
    for who in 1..=3 {
        front.file(who).await.unwrap();
    }
    let desk = Desk::answering([Answer::Refuse(Refused::Unavailable)]);
    let first = front.connect(&desk).await;
    front.run();
    soon(|| front.courier.waiting() == 1).await;
    assert_eq!(desk.purposes(), purposes([2, 3]));
    drop(first);
    let _second = front.connect(&desk).await;
    front.emptied().await;
    assert_eq!(desk.purposes(), purposes([2, 3, 1]));
}

#[tokio::test]
async fn one_that_is_never_answered_holds_up_nobody_else() {
    let mut front = Front::new();
    for who in 1..=3 {
        front.file(who).await.unwrap();
    }
    let sour = Sour::new([1], None);
    let _linked = linked(&front.courier.broker, sour.clone()).await;
    let (log, _guard) = Captured::start();
    front.run();
    soon(|| front.courier.waiting() == 1).await;
    assert_eq!(sour.desk.purposes(), purposes([2, 3]));
    assert!(front.courier.broker.up());
    soon(|| log.text().contains("the vault gave no answer")).await;
    // What comes later goes first, as long as that one cannot.
    assert_eq!(front.file(4).await, Ok(Filed::Vault));
    assert!(front.courier.spool.holds(&ticket(1).hash()));
}

#[tokio::test]
async fn those_that_the_vault_cannot_file_let_the_others_go_first() {
    for says in [Some(Refused::Unavailable), None] {
        let mut front = Front::new();
        for who in 1..=4 {
            front.file(who).await.unwrap();
        }
        let sour = Sour::new(1..=2, says);
        let first = linked(&front.courier.broker, sour.clone()).await;
        front.run();
        // Two in a row may have their reason in the vault, which is left alone for a while, or for as long as the link lasts.
        soon(|| sour.said.load(Ordering::Relaxed) == 2).await;
        assert_eq!(sour.desk.purposes(), purposes([]));
        drop(first);
        let _second = linked(&front.courier.broker, sour.clone()).await;
        soon(|| front.courier.waiting() == 2).await;
        assert_eq!(sour.desk.purposes(), purposes([3, 4]));
    }
}

#[tokio::test]
async fn one_that_breaks_the_link_does_not_go_first_on_the_next() {
    let mut front = Front::new();
    for who in 1..=3 {
        front.file(who).await.unwrap();
    }
    let desk = Desk::answering([Answer::RefuseLate(Refused::Malformed)]);
    let first = front.connect(&desk).await;
    front.run();
    desk.answered().await;
    drop(first);
    let _second = front.connect(&desk).await;
    front.emptied().await;
    assert_eq!(desk.purposes(), purposes([2, 3, 1]));
}
