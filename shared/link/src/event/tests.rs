use super::*;
use crate::endpoint::{Goodbye, Timing};
use crate::error::LinkError;
use crate::testing::{pair, soon};

fn changed(number: u16) -> Event {
    let mut hash = [0; 32];
    hash[..2].copy_from_slice(&number.to_be_bytes());
    Event::Changed(TicketHash(hash))
}

#[tokio::test]
async fn equal_hints_are_sent_once_and_in_order() {
    let (reception, vault) = pair(Timing::default(), Timing::default()).await;
    let sender = EventSender::new(&vault);
    // One thread: nothing is sent before the first await, so all of these wait together.
    for event in [changed(1), Event::Published(7), changed(2), changed(1), Event::Published(7), changed(3), changed(2)]
    {
        sender.clone().send(event);
    }
    let mut receiver = EventReceiver::new(&reception);
    for expected in [changed(1), Event::Published(7), changed(2), changed(3)] {
        assert_eq!(soon(receiver.next()).await.unwrap(), expected);
    }
    sender.send(changed(1));
    assert_eq!(soon(receiver.next()).await.unwrap(), changed(1), "sent hints are forgotten");
    drop(sender);
    assert!(matches!(soon(receiver.next()).await, Err(CallError::Short(_))));
}

#[test]
fn a_full_queue_drops_the_oldest() {
    let mut queue = Queue::default();
    for number in 0..=4096 {
        queue.push(changed(number));
        queue.push(changed(number));
    }
    assert_eq!((queue.order.len(), queue.waiting.len()), (QUEUE, QUEUE));
    assert_eq!(queue.take_oldest(), Some(changed(1)));
    queue.push(changed(0));
    assert_eq!(queue.order.back(), Some(&changed(0)));
    queue.close();
    queue.push(changed(5));
    assert!(queue.order.is_empty());
}

#[tokio::test]
async fn a_reader_that_went_away_mid_wait_loses_nothing() {
    let (reception, vault) = pair(Timing::default(), Timing::default()).await;
    let sender = EventSender::new(&vault);
    let mut receiver = EventReceiver::new(&reception);
    for number in 0..200 {
        sender.send(changed(number));
        // Polls once and drops the future.
        let early = tokio::select! { biased; event = receiver.next() => Some(event.unwrap()), () = async {} => None };
        let event = match early {
            Some(event) => event,
            None => soon(receiver.next()).await.unwrap(),
        };
        assert_eq!(event, changed(number));
    }
}

#[tokio::test]
async fn hints_end_with_the_link() {
    let (reception, vault) = pair(Timing::default(), Timing::default()).await;
    let (sender, mut receiver) = (EventSender::new(&vault), EventReceiver::new(&reception));
    vault.close(Goodbye::Stopping);
    let error = soon(receiver.next()).await.err().unwrap();
    assert!(matches!(error, CallError::Link(LinkError::Closed(_, Goodbye::Stopping))), "{error}");
    sender.send(changed(1));
}

#[tokio::test]
async fn junk_among_the_hints_is_an_error() {
    let (reception, vault) = pair(Timing::default(), Timing::default()).await;
    let mut stream = vault.quic().open_uni().await.unwrap();
    stream.write_all(b"\0\0\0\x09\"approve\"").await.unwrap();
    assert!(matches!(soon(EventReceiver::new(&reception).next()).await, Err(CallError::Frame(_))));
}
