use super::*;
use crate::endpoint::{Goodbye, Timing};
use crate::testing::{impatient, pair, soon};
use shared::ids::Ticket;
use shared::limits;
use shared::message::{PublicationHead, View, Welcome};
use shared::text::Text;
use shared::time::Time;
use std::time::Duration;
use tokio::sync::mpsc;

const LONG: u64 = 10_000_000;

/// What the vault under test does with `publications`, chosen by the number in it.
const WHOLE: u64 = 0;
const DROPPED: u64 = 1;
const SHORT: u64 = 2;
const EXCESS: u64 = 3;
const SILENT: u64 = 4;
const UNANSWERED: u64 = 5;

type Outcome = Result<u64, CallError>;

/// Reports every call's outcome, with the payload bytes that it sent.
#[derive(Clone)]
struct Vault(mpsc::UnboundedSender<Outcome>);

impl Handler for Vault {
    async fn handle(&self, call: Call, out: ReplyWriter) -> Result<(), CallError> {
        let outcome = answer(call, out).await;
        self.0.send(outcome).unwrap();
        Ok(())
    }
}

async fn answer(call: Call, out: ReplyWriter) -> Outcome {
    match call {
        Call::Hello(hello) => out.reply(&welcome(&hello)).await.map(|()| 0),
        Call::Status { .. } => out.reply_padded(&Reply::View(View::Waiting), limits::STATUS_REPLY).await.map(|()| 0),
        Call::Publications { have: SILENT } => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            out.reply(&Reply::Publication(None)).await.map(|()| 0)
        }
        Call::Publications { have: UNANSWERED } => Ok(0),
        Call::Publications { have } => payload(have, out).await,
        Call::File(_)
        | Call::Forward { .. }
        | Call::Words { .. }
        | Call::Answer { .. }
        | Call::Withdraw { .. }
        | Call::Collect { .. } => out.reply(&Reply::Refused(Refused::Unavailable)).await.map(|()| 0),
    }
}

async fn payload(kind: u64, out: ReplyWriter) -> Outcome {
    let mut writer = out.reply_then(&head(LONG)).await?;
    let length = match kind {
        DROPPED | SHORT => LONG - 1,
        EXCESS => LONG + 1,
        _ => LONG,
    };
    let bytes = Bytes::from(pattern(length));
    for at in (0..bytes.len()).step_by(limits::CHUNK) {
        writer.write(bytes.slice(at..bytes.len().min(at + limits::CHUNK))).await?;
    }
    if kind != DROPPED {
        writer.finish();
    }
    Ok(length)
}

fn pattern(length: u64) -> Vec<u8> {
    (0..length).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn head(bytes: u64) -> Reply {
    Reply::Publication(Some(PublicationHead { statement: "s".into(), signatures: vec!["g".into()], bytes }))
}

fn hello(protocols: &[u32]) -> Hello {
    let name = Text::new("reception.example").unwrap();
    Hello { protocols: protocols.into(), name, version: "0".into(), clock: Time::from_unix(1) }
}

fn welcome(hello: &Hello) -> Reply {
    let name = Text::new("vault.example").unwrap();
    let protocol = negotiate(hello).unwrap();
    Reply::Welcome(Welcome { protocol, name, version: "0".into(), clock: Time::from_unix(2) })
}

fn status() -> Call {
    Call::Status { ticket: Ticket::from_random([7; 32]) }
}

/// A served vault, as its reception sees it, and what the vault reports. No `hello` yet.
async fn served(reception: Timing, vault: Timing) -> (Link, mpsc::UnboundedReceiver<Outcome>) {
    let (near, far) = pair(reception, vault).await;
    let (report, outcomes) = mpsc::unbounded_channel();
    tokio::spawn(async move { serve(&far, Vault(report)).await });
    (near, outcomes)
}

async fn greeted(reception: Timing, vault: Timing) -> (Link, mpsc::UnboundedReceiver<Outcome>) {
    let (link, mut outcomes) = served(reception, vault).await;
    let (reply, _) = soon(link.call(&Call::Hello(hello(&[1])))).await.unwrap();
    assert!(matches!(reply, Reply::Welcome(_)));
    assert!(soon(outcomes.recv()).await.unwrap().is_ok());
    (link, outcomes)
}

async fn normal() -> (Link, mpsc::UnboundedReceiver<Outcome>) {
    greeted(Timing::default(), Timing::default()).await
}

async fn fetch(link: &Link, have: u64) -> Result<Vec<u8>, CallError> {
    let (reply, mut body) = link.call(&Call::Publications { have }).await?;
    assert_eq!((reply, body.left()), (head(LONG), LONG));
    let mut bytes = Vec::new();
    while let Some(piece) = body.chunk().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Writes raw bytes as a call and ends it; the reply's JSON.
async fn raw(link: &Link, bytes: &[u8]) -> Result<Reply, CallError> {
    let (mut send, receive) = link.quic().open_bi().await.unwrap();
    // The vault may stop reading in the middle; what it says is what counts.
    let _ = send.write_all(bytes).await;
    let _ = send.finish();
    Inbox::new(link.clone(), receive).frame(Some(Duration::from_secs(5))).await
}

#[tokio::test]
async fn a_call_is_answered_and_its_body_is_empty() {
    let (link, _outcomes) = normal().await;
    for _ in 0..3 {
        let (reply, mut body) = soon(link.call(&status())).await.unwrap();
        assert_eq!((reply, body.left()), (Reply::View(View::Waiting), 0));
        assert!(body.chunk().await.unwrap().is_none());
    }
}

#[tokio::test]
async fn many_calls_at_once() {
    let (link, _outcomes) = normal().await;
    let calls: Vec<_> = (0..2 * limits::CALLS)
        .map(|_| {
            let link = link.clone();
            tokio::spawn(async move { link.call(&status()).await.map(|(reply, _)| reply) })
        })
        .collect();
    for call in calls {
        assert_eq!(soon(call).await.unwrap().unwrap(), Reply::View(View::Waiting));
    }
}

#[tokio::test]
async fn before_hello_and_without_a_common_protocol_everything_is_refused() {
    let (link, mut outcomes) = served(Timing::default(), Timing::default()).await;
    let refused = Reply::Refused(Refused::Protocol);
    for call in [status(), Call::Publications { have: WHOLE }, Call::Hello(hello(&[9, 8])), Call::Hello(hello(&[]))] {
        assert_eq!(soon(link.call(&call)).await.unwrap().0, refused);
    }
    assert_eq!(soon(link.call(&status())).await.unwrap().0, refused, "a refused hello opens nothing");
    assert!(outcomes.try_recv().is_err(), "the handler saw none of it");
    assert!(matches!(soon(link.call(&Call::Hello(hello(&[9, 1])))).await.unwrap().0, Reply::Welcome(_)));
    assert_eq!(soon(link.call(&status())).await.unwrap().0, Reply::View(View::Waiting));

    let (other, _outcomes) = served(Timing::default(), Timing::default()).await;
    assert_eq!(soon(other.call(&status())).await.unwrap().0, refused, "each connection greets for itself");
}

#[tokio::test]
async fn what_is_no_call_is_refused_and_never_reaches_the_handler() {
    let (link, mut outcomes) = normal().await;
    let good = frame::encode(&status()).unwrap();
    let framed = |json: &[u8]| [&u32::try_from(json.len()).unwrap().to_be_bytes(), json].concat();
    let over = u32::try_from(limits::FRAME + 1).unwrap().to_be_bytes();
    let cases = [
        (framed(br#"{"approve":{"request":1}}"#), Refused::Malformed),
        (framed(br#"{"publications":{"have":1,"more":2}}"#), Refused::Malformed),
        (framed(&vec![b'['; limits::FRAME]), Refused::Malformed),
        (framed(b""), Refused::Malformed),
        ([good.as_slice(), b"x"].concat(), Refused::Malformed),
        ([good.as_slice(), good.as_slice()].concat(), Refused::Malformed),
        (good[..good.len() - 1].to_vec(), Refused::Malformed),
        (good[..3].to_vec(), Refused::Malformed),
        (Vec::new(), Refused::Malformed),
        (over.to_vec(), Refused::TooLarge),
        ([over.as_slice(), &vec![b' '; limits::FRAME * 20]].concat(), Refused::TooLarge),
    ];
    for (bytes, refused) in cases {
        assert_eq!(soon(raw(&link, &bytes)).await.unwrap(), Reply::Refused(refused), "{} bytes", bytes.len());
    }
    assert!(outcomes.try_recv().is_err());
    assert_eq!(soon(link.call(&status())).await.unwrap().0, Reply::View(View::Waiting), "the link lives on");
}

#[tokio::test]
async fn a_long_payload_arrives_whole_under_back_pressure() {
    let (link, mut outcomes) = normal().await;
    let (reply, mut body) = soon(link.call(&Call::Publications { have: WHOLE })).await.unwrap();
    assert_eq!(reply, head(LONG));
    let first = soon(body.chunk()).await.unwrap().unwrap();
    // Nobody reads on: the writer comes to a stand, and other calls go through.
    for _ in 0..20 {
        assert_eq!(soon(link.call(&status())).await.unwrap().0, Reply::View(View::Waiting));
        assert_eq!(soon(outcomes.recv()).await.unwrap().unwrap(), 0, "the payload's writer has not ended");
    }
    let mut bytes = first.to_vec();
    while let Some(piece) = soon(body.chunk()).await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    assert!(bytes == pattern(LONG));
    assert_eq!(soon(outcomes.recv()).await.unwrap().unwrap(), LONG);
    assert!(body.chunk().await.unwrap().is_none());
}

#[tokio::test]
async fn a_payload_that_is_not_exactly_as_announced_is_an_error() {
    let (link, _outcomes) = normal().await;
    assert!(matches!(soon(fetch(&link, DROPPED)).await, Err(CallError::Cut)));
    assert!(matches!(soon(fetch(&link, SHORT)).await, Err(CallError::Short(1))));
    assert!(matches!(soon(fetch(&link, EXCESS)).await, Err(CallError::Trailing)));
    assert!(soon(fetch(&link, WHOLE)).await.is_ok());
}

#[tokio::test]
async fn an_unwanted_payload_stops_its_writer() {
    let (link, mut outcomes) = normal().await;
    drop(soon(link.call(&Call::Publications { have: WHOLE })).await.unwrap());
    assert!(matches!(soon(outcomes.recv()).await.unwrap(), Err(CallError::Unwanted)));
}

#[tokio::test]
async fn a_slow_reader_is_given_up() {
    let (link, mut outcomes) = greeted(Timing::default(), impatient()).await;
    let (_, mut body) = soon(link.call(&Call::Publications { have: WHOLE })).await.unwrap();
    assert!(matches!(soon(outcomes.recv()).await.unwrap(), Err(CallError::Stalled(_))));
    let end = soon(async {
        while body.chunk().await?.is_some() {}
        Ok::<_, CallError>(())
    })
    .await;
    assert!(matches!(end, Err(CallError::Cut)), "{end:?}");
}

#[tokio::test]
async fn a_slow_caller_is_given_up_but_a_steady_one_is_not() {
    let (link, _outcomes) = greeted(Timing::default(), impatient()).await;
    let bytes = frame::encode(&status()).unwrap();
    let (mut send, receive) = link.quic().open_bi().await.unwrap();
    send.write_all(&bytes[..10]).await.unwrap();
    let mut inbox = Inbox::new(link.clone(), receive);
    let reply = soon(inbox.frame::<Reply>(None)).await;
    assert!(matches!(reply, Err(CallError::Cut)), "{reply:?}");

    // Three times the limit in all, but never long without a byte.
    let (mut send, receive) = link.quic().open_bi().await.unwrap();
    for piece in bytes.chunks(bytes.len() / 9) {
        send.write_all(piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    send.finish().unwrap();
    let mut inbox = Inbox::new(link.clone(), receive);
    assert_eq!(soon(inbox.frame::<Reply>(None)).await.unwrap(), Reply::View(View::Waiting));
}

#[tokio::test]
async fn a_silent_vault_is_given_up_and_an_unanswered_call_is_broken_off() {
    let (link, _outcomes) = greeted(impatient(), Timing::default()).await;
    let error = soon(link.call(&Call::Publications { have: SILENT })).await.err().unwrap();
    assert!(matches!(error, CallError::Stalled(_)), "{error}");
    let error = soon(link.call(&Call::Publications { have: UNANSWERED })).await.err().unwrap();
    assert!(matches!(error, CallError::Cut), "{error}");
}

#[tokio::test]
async fn a_call_that_finds_no_room_was_not_sent_and_the_next_may_be() {
    let (link, mut outcomes) = greeted(impatient(), Timing::default()).await;
    let mut held = Vec::new();
    while let Ok(stream) = timeout(Duration::ZERO, link.quic().open_bi()).await {
        held.push(stream.unwrap());
    }
    let error = soon(link.call(&status())).await.err().unwrap();
    assert!(matches!(error, CallError::Busy(_)), "{error}");
    assert!(outcomes.try_recv().is_err(), "the vault heard nothing");
    drop(held);
    assert_eq!(soon(link.call(&status())).await.unwrap().0, Reply::View(View::Waiting));
}

#[tokio::test]
async fn calls_end_with_the_link() {
    let (near, far) = pair(Timing::default(), Timing::default()).await;
    let (report, _outcomes) = mpsc::unbounded_channel();
    let serving = tokio::spawn({
        let far = far.clone();
        async move { serve(&far, Vault(report)).await }
    });
    soon(near.call(&Call::Hello(hello(&[1])))).await.unwrap();
    let waiting = tokio::spawn({
        let near = near.clone();
        async move { near.call(&Call::Publications { have: SILENT }).await.err() }
    });
    far.close(Goodbye::Stopping);
    let error = soon(waiting).await.unwrap().unwrap();
    assert!(matches!(error, CallError::Link(LinkError::Closed(_, Goodbye::Stopping))), "{error}");
    assert!(matches!(soon(serving).await.unwrap(), LinkError::ClosedHere));
    assert!(matches!(soon(near.call(&status())).await, Err(CallError::Link(_))));
}

#[tokio::test]
async fn a_reply_over_the_frame_limit_is_not_sent() {
    let (link, mut outcomes) = normal().await;
    let version = "v".repeat(limits::FRAME);
    let huge = Call::Hello(Hello { version, ..hello(&[1]) });
    assert!(matches!(soon(link.call(&huge)).await, Err(CallError::Frame(FrameError::TooLong(..)))));
    assert!(outcomes.try_recv().is_err());
}

#[test]
fn the_newest_common_protocol_is_chosen() {
    assert_eq!(negotiate(&hello(&[3, 1])), Some(1));
    assert_eq!(negotiate(&hello(&[0, 2])), None);
    assert_eq!(negotiate(&hello(&[])), None);
}
