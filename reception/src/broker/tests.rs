use super::*;
use crate::courier::{Courier, Filed, NotFiled};
use crate::lobby::Paired;
use crate::spool::Spool;
use crate::testing::{Captured, Vault, linked};
use link::{Handler, ReplyWriter};
use shared::message::{PROTOCOLS, PublicationHead, Recipient, Subject, Welcome};
use shared::text::Text;
use shared::time::Time;
use std::time::Duration;
use tokio::time::timeout;

/// Far longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(30);

/// Answers everything, and ends no publication before it is let.
#[derive(Clone)]
struct Desk(Arc<Semaphore>);

impl Handler for Desk {
    async fn handle(&self, call: Call, out: ReplyWriter) -> Result<(), CallError> {
        match call {
            Call::Hello(_) => {
                let (name, clock) = (Text::new("vault").unwrap(), Time::from_unix(0));
                out.reply(&Reply::Welcome(Welcome { protocol: PROTOCOLS[0], name, version: "0".into(), clock })).await
            }
            Call::Publications { .. } => {
                let head = PublicationHead { statement: "s".into(), signatures: vec![], bytes: 1 };
                let _unfinished = out.reply_then(&Reply::Publication(Some(head))).await?;
                let _let = self.0.acquire().await;
                Ok(())
            }
            Call::Status { .. } => out.reply_padded(&Reply::View(View::Waiting), limits::STATUS_REPLY).await,
            Call::File(_)
            | Call::Forward { .. }
            | Call::Words { .. }
            | Call::Answer { .. }
            | Call::Withdraw { .. }
            | Call::Collect { .. } => out.reply(&Reply::Refused(Refused::Malformed)).await,
        }
    }
}

/// What is filed is not called too much for the owner, and what waits does not try one after the other.
async fn nothing_goes_on_for_want_of_room(broker: &Broker) {
    let (root, alone) = (tempfile::tempdir().unwrap(), Broker::default());
    let spool = Spool::open(root.path().join("spool")).unwrap();
    let paired = Arc::new(Paired::new(Some(Arc::new(Vault::new("vault").peer()))));
    let courier =
        |broker: &Broker| Courier::new(broker.clone(), spool.clone(), paired.clone(), Arc::new(node::Machine));
    let filing = |who| {
        let ticket = Ticket::from_random([who; 32]);
        let (purpose, text) = (Text::new("p").unwrap(), Text::new("q").unwrap());
        let (hash, subject) = (ticket.hash(), Subject::Question(text));
        (ticket, Filing { ticket: hash, subject, purpose, contact: None, recipient: Recipient::Ticket })
    };
    for who in 1..=2 {
        let (ticket, filing) = filing(who);
        assert_eq!(courier(&alone).file(&ticket, filing).await, Ok(Filed::Spool));
    }
    let (ticket, filing) = filing(3);
    let crowded = timeout(LIMIT, courier(broker).file(&ticket, filing)).await.unwrap();
    assert_eq!(crowded, Err(NotFiled::Crowded));
    let (log, _guard) = Captured::start();
    let running = tokio::spawn(courier(broker).run());
    let paused = async {
        while !log.text().contains("they are offered to the vault again") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, paused).await.unwrap();
    let log = log.text();
    assert!(log.contains("there is no room for more") && !log.contains("takes no more requests"), "{log}");
    assert_eq!(log.matches("had no room for another call").count(), 1, "only one has waited for it: {log}");
    assert_eq!(courier(broker).waiting(), 2);
    running.abort();
}

#[tokio::test]
async fn a_link_without_room_for_another_call_is_busy_and_stays() {
    let (broker, ticket) = (Broker::default(), Ticket::from_random([7; 32]));
    let desk = Desk(Arc::new(Semaphore::new(0)));
    let _linked = linked(&broker, desk.clone()).await;
    let link = broker.link().unwrap();
    let mut open = Vec::new();
    let full = loop {
        match timeout(LIMIT, link.call(&Call::Publications { have: 0 })).await.unwrap() {
            Ok(unfinished) => open.push(unfinished),
            Err(error) => break error,
        }
    };
    assert!(matches!(full, CallError::Busy(_)) && open.len() > limits::DELIVERIES, "{full}");
    let mut hints = broker.changes();
    let busy = timeout(LIMIT, broker.status(&ticket)).await.unwrap();
    assert_eq!(busy, Err(BrokerError::Crowded));
    assert!(broker.up() && hints.try_recv().is_err(), "the link is as it was, and nobody is told to ask again");
    nothing_goes_on_for_want_of_room(&broker).await;
    desk.0.add_permits(1);
    assert_eq!(timeout(LIMIT, broker.status(&ticket)).await.unwrap(), Ok(View::Waiting));
}
