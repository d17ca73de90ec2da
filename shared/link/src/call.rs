//! Calls: one bidirectional stream each, a frame there, a frame and possibly a raw payload back.

use crate::endpoint::Link;
use crate::error::{CallError, LinkError};
use crate::stream::{Inbox, Outbox};
use bytes::Bytes;
use quinn::{RecvStream, SendStream};
use shared::frame::{self, FrameError};
use shared::message::{Call, Hello, PROTOCOLS, Refused, Reply};
use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::time::timeout;

/// Pieces of a payload that are fetched from QUIC at once; each is at most a packet.
const PIECES: usize = 32;

/// The newest protocol version that both sides speak, if there is one.
pub fn negotiate(hello: &Hello) -> Option<u32> {
    PROTOCOLS.iter().copied().find(|version| hello.protocols.contains(version))
}

impl Link {
    /// Asks the peer, and waits for its reply. A payload, if the reply announces one, is in the [`Body`]; after any other
    /// reply the body is empty. Dropping the future takes the call back, which the peer may notice too late.
    ///
    /// # Errors
    /// [`CallError`]; whether the call was carried out is then unknown, unless the error is in our own frame or
    /// [`CallError::Busy`]: then it was not sent.
    pub async fn call(&self, call: &Call) -> Result<(Reply, Body), CallError> {
        let frame = Bytes::from(frame::encode(call)?);
        let limit = self.timing().stall;
        let opened = timeout(limit, self.quic().open_bi()).await.map_err(|_| CallError::Busy(limit))?;
        let (send, receive) = opened.map_err(|e| self.explain(e))?;
        let (mut out, mut inbox) = (Outbox::new(self.clone(), send), Inbox::new(self.clone(), receive));
        let sent = out.write(frame).await;
        if sent.is_ok() {
            out.finish();
        }
        // A peer that stopped reading may have said why.
        let reply = match (inbox.frame(Some(limit)).await, sent) {
            (Ok(reply), _) => reply,
            (Err(_), Err(error)) | (Err(error), Ok(())) => return Err(error),
        };
        let mut body = Body { left: announced(call, &reply)?, inbox: Some(inbox), ready: VecDeque::new() };
        if body.left == 0 {
            body.end().await?;
        }
        Ok((reply, body))
    }
}

/// The length of the payload that follows a reply.
fn announced(call: &Call, reply: &Reply) -> Result<u64, CallError> {
    match (reply, call) {
        (Reply::Delivery(delivery), Call::Collect { offset, .. }) => {
            delivery.manifest.bytes.checked_sub(*offset).ok_or(CallError::Trailing)
        }
        (Reply::Publication(Some(head)), Call::Publications { .. }) => Ok(head.bytes),
        _ => Ok(0),
    }
}

/// The payload after a reply, raw and not yet compared with its hash. Dropped early, it tells the peer to stop.
pub struct Body {
    inbox: Option<Inbox>,
    left: u64,
    ready: VecDeque<Bytes>,
}

impl Body {
    /// Bytes still to come.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next piece, of at most a packet's size; `None` when exactly the announced length has come and the peer has
    /// ended in order. Loses nothing when the future is dropped.
    ///
    /// # Errors
    /// [`CallError::Stalled`] when nothing comes for the stall limit, [`CallError::Cut`] and [`CallError::Short`] when the
    /// payload is not complete, [`CallError::Trailing`] when it is too long, [`CallError::Link`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, CallError> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return self.take(piece).map(Some);
            }
            let Some(inbox) = &mut self.inbox else { return Ok(None) };
            let rest = inbox.rest();
            if !rest.is_empty() {
                return self.take(rest).map(Some);
            }
            if self.left == 0 {
                self.end().await?;
                return Ok(None);
            }
            let mut room = [const { Bytes::new() }; PIECES];
            let count = inbox.pieces(&mut room).await?.ok_or(CallError::Short(self.left))?;
            self.ready.extend(room.into_iter().take(count));
        }
    }

    fn take(&mut self, piece: Bytes) -> Result<Bytes, CallError> {
        self.left = self.left.checked_sub(piece.len() as u64).ok_or(CallError::Trailing)?;
        Ok(piece)
    }

    async fn end(&mut self) -> Result<(), CallError> {
        if let Some(inbox) = &mut self.inbox {
            inbox.end().await?;
            self.inbox = None;
        }
        Ok(())
    }
}

/// What answers the peer's calls.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answers one call through `out`; dropping `out` unanswered breaks the call off. Runs in a task of its own, and goes
    /// on if the link ends meanwhile.
    ///
    /// # Errors
    /// What `out` gave: the peer is gone or too slow. It is logged, nothing else.
    fn handle(&self, call: Call, out: ReplyWriter) -> impl Future<Output = Result<(), CallError>> + Send;
}

/// Serves the peer's calls, each in a task of its own, until the link ends; then tells why. No more than
/// [`shared::limits::CALLS`] run at once: QUIC holds the peer back.
///
/// Until a `hello` was answered with a welcome, anything else is refused here. A `hello` without a common protocol version
/// is refused here too, so the handler sees only those with one.
pub async fn serve<H: Handler>(link: &Link, handler: H) -> LinkError {
    let session = Arc::new(Session { greeted: AtomicBool::new(false) });
    loop {
        let (send, receive) = match link.quic().accept_bi().await {
            Ok(streams) => streams,
            Err(error) => return link.explain(error),
        };
        let (link, handler, session) = (link.clone(), handler.clone(), session.clone());
        tokio::spawn(async move {
            if let Err(error) = answer(link, handler, session, send, receive).await {
                tracing::debug!(%error, "a call failed");
            }
        });
    }
}

/// What one connection has agreed.
struct Session {
    greeted: AtomicBool,
}

async fn answer<H: Handler>(
    link: Link,
    handler: H,
    session: Arc<Session>,
    send: SendStream,
    receive: RecvStream,
) -> Result<(), CallError> {
    let mut inbox = Inbox::new(link.clone(), receive);
    let out = ReplyWriter { out: Outbox::new(link, send), session };
    let call = match read(&mut inbox).await {
        Ok(call) => call,
        Err(CallError::Frame(FrameError::TooLong(..))) => return out.reply(&Reply::Refused(Refused::TooLarge)).await,
        Err(CallError::Frame(FrameError::Malformed { .. }) | CallError::Trailing | CallError::Short(_)) => {
            return out.reply(&Reply::Refused(Refused::Malformed)).await;
        }
        Err(error) => return Err(error),
    };
    let welcome = match &call {
        Call::Hello(hello) => negotiate(hello).is_some(),
        Call::File(_)
        | Call::Forward { .. }
        | Call::Status { .. }
        | Call::Words { .. }
        | Call::Answer { .. }
        | Call::Withdraw { .. }
        | Call::Collect { .. }
        | Call::Publications { .. } => out.session.greeted.load(Ordering::Acquire),
    };
    if welcome { handler.handle(call, out).await } else { out.reply(&Reply::Refused(Refused::Protocol)).await }
}

async fn read(inbox: &mut Inbox) -> Result<Call, CallError> {
    let call = inbox.frame(Some(inbox.stall())).await?;
    inbox.end().await?;
    Ok(call)
}

/// The way back for one reply. Dropped unused, it breaks the call off.
pub struct ReplyWriter {
    out: Outbox,
    session: Arc<Session>,
}

impl ReplyWriter {
    /// Sends the reply, with nothing after it.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn reply(self, reply: &Reply) -> Result<(), CallError> {
        self.reply_padded(reply, 0).await
    }

    /// As [`Self::reply`], padded so that the frame's JSON has `size` bytes, whatever it says.
    ///
    /// # Errors
    /// [`CallError::Frame`] when the reply does not fit, and the others.
    pub async fn reply_padded(self, reply: &Reply, size: usize) -> Result<(), CallError> {
        self.send(reply, size).await?.finish();
        Ok(())
    }

    /// Sends a reply that announces a payload, which is then to be written.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn reply_then(self, reply: &Reply) -> Result<PayloadWriter, CallError> {
        Ok(PayloadWriter(self.send(reply, 0).await?))
    }

    async fn send(mut self, reply: &Reply, size: usize) -> Result<Outbox, CallError> {
        let frame = frame::encode_padded(reply, size)?;
        if matches!(reply, Reply::Welcome(_)) {
            // Before the bytes go: the next call may arrive as soon as they have.
            self.session.greeted.store(true, Ordering::Release);
        }
        self.out.write(frame.into()).await?;
        Ok(self.out)
    }
}

/// The payload after a reply. Dropped before [`Self::finish`], it breaks the stream off, so that the reader knows that the
/// payload is not complete.
pub struct PayloadWriter(Outbox);

impl PayloadWriter {
    /// Sends bytes, as fast as the reader takes them.
    ///
    /// # Errors
    /// [`CallError::Stalled`] when the reader takes nothing for the limit of a pause, [`CallError::Unwanted`] when it has gone,
    /// [`CallError::Link`].
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), CallError> {
        self.0.write_patiently(bytes).await
    }

    /// Ends the payload: it is complete.
    pub fn finish(self) {
        self.0.finish();
    }
}

#[cfg(test)]
mod tests;
