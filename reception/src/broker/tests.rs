use super::*;
use crate::testing::linked;
use link::{Handler, ReplyWriter};
use shared::message::{PROTOCOLS, PublicationHead, Welcome};
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
    assert_eq!(busy, Err(BrokerError::Refused(BUSY)));
    assert!(broker.up() && hints.try_recv().is_err(), "the link is as it was, and nobody is told to ask again");
    desk.0.add_permits(1);
    assert_eq!(timeout(LIMIT, broker.status(&ticket)).await.unwrap(), Ok(View::Waiting));
}
