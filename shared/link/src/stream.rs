//! One direction of a QUIC stream each, with a deadline by progress and errors in this crate's words.

use crate::endpoint::Link;
use crate::error::CallError;
use bytes::{Buf, Bytes, BytesMut};
use quinn::{ReadError, RecvStream, SendStream, VarInt, WriteError};
use serde::de::DeserializeOwned;
use shared::frame;
use std::future::Future;
use std::time::Duration;
use tokio::time::timeout;

/// The application error code of a reset stream: what was sent of it is not complete.
const BROKEN_OFF: VarInt = VarInt::from_u32(1);

/// Waits for `work`, but not longer than `limit` without any of it done; `work` is one step, so each step starts anew.
pub(crate) async fn progress<T, E>(
    limit: Option<Duration>,
    work: impl Future<Output = Result<T, E>>,
) -> Result<Result<T, E>, CallError> {
    match limit {
        None => Ok(work.await),
        Some(limit) => timeout(limit, work).await.map_err(|_| CallError::Stalled(limit)),
    }
}

/// The reading half. Dropped early, it tells the peer to stop.
pub(crate) struct Inbox {
    link: Link,
    stream: RecvStream,
    held: BytesMut,
}

impl Inbox {
    pub(crate) fn new(link: Link, stream: RecvStream) -> Self {
        Self { link, stream, held: BytesMut::new() }
    }

    /// How long a peer may make no progress.
    pub(crate) fn stall(&self) -> Duration {
        self.link.timing().stall
    }

    /// The next frame; `patience` bounds the wait for its first byte, and the stall limit every later one. Loses nothing
    /// when the future is dropped.
    pub(crate) async fn frame<T: DeserializeOwned>(&mut self, patience: Option<Duration>) -> Result<T, CallError> {
        self.fill(frame::PREFIX, patience).await?;
        let mut prefix = [0; frame::PREFIX];
        prefix.copy_from_slice(&self.held[..frame::PREFIX]);
        let whole = frame::PREFIX + frame::length(prefix)?;
        self.fill(whole, patience).await?;
        let message = frame::decode(&self.held[frame::PREFIX..whole]);
        self.held.advance(whole);
        Ok(message?)
    }

    /// Reads until at least `need` bytes are held; never asks for much more.
    async fn fill(&mut self, need: usize, patience: Option<Duration>) -> Result<(), CallError> {
        while self.held.len() < need {
            let limit = if self.held.is_empty() { patience } else { Some(self.stall()) };
            let missing = need - self.held.len();
            let room = missing.max(4096);
            match progress(limit, self.stream.read_chunk(room, true)).await?.map_err(|e| read(&self.link, e))? {
                Some(chunk) => self.held.extend_from_slice(&chunk.bytes),
                None => return Err(CallError::Short(missing as u64)),
            }
        }
        Ok(())
    }

    /// Requires that nothing follows.
    pub(crate) async fn end(&mut self) -> Result<(), CallError> {
        if !self.held.is_empty() {
            return Err(CallError::Trailing);
        }
        let limit = Some(self.stall());
        match progress(limit, self.stream.read_chunk(1, true)).await?.map_err(|e| read(&self.link, e))? {
            Some(_) => Err(CallError::Trailing),
            None => Ok(()),
        }
    }

    /// What was read beyond the last frame.
    pub(crate) fn rest(&mut self) -> Bytes {
        self.held.split().freeze()
    }

    /// Raw bytes into `room`, as many pieces as have come; `None` at the stream's end.
    pub(crate) async fn pieces(&mut self, room: &mut [Bytes]) -> Result<Option<usize>, CallError> {
        let limit = Some(self.stall());
        progress(limit, self.stream.read_chunks(room)).await?.map_err(|e| read(&self.link, e))
    }
}

fn read(link: &Link, error: ReadError) -> CallError {
    match error {
        ReadError::Reset(_) => CallError::Cut,
        ReadError::ConnectionLost(e) => link.explain(e).into(),
        ReadError::ClosedStream | ReadError::IllegalOrderedRead | ReadError::ZeroRttRejected => CallError::Cut,
    }
}

/// The writing half. Dropped before [`Self::finish`], it resets the stream, so that what was sent can never look whole.
pub(crate) struct Outbox {
    link: Link,
    stream: SendStream,
    whole: Whole,
}

#[derive(PartialEq, Eq)]
enum Whole {
    NotYet,
    Yes,
}

impl Outbox {
    pub(crate) fn new(link: Link, stream: SendStream) -> Self {
        Self { link, stream, whole: Whole::NotYet }
    }

    /// Writes all of `bytes` of a payload, giving up when the reader takes none of it for the limit of a pause.
    pub(crate) async fn write_patiently(&mut self, bytes: Bytes) -> Result<(), CallError> {
        let pause = self.link.timing().pause;
        self.write_within(bytes, Some(pause)).await
    }

    /// Writes all of `bytes`, giving up when the peer takes none of it for the stall limit.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), CallError> {
        let stall = self.link.timing().stall;
        self.write_within(bytes, Some(stall)).await
    }

    /// As [`Self::write`], with another limit, or none.
    pub(crate) async fn write_within(&mut self, bytes: Bytes, limit: Option<Duration>) -> Result<(), CallError> {
        let mut left = [bytes];
        while !left[0].is_empty() {
            progress(limit, self.stream.write_chunks(&mut left)).await?.map_err(|e| write(&self.link, e))?;
        }
        Ok(())
    }

    /// Ends the stream: everything was said.
    pub(crate) fn finish(mut self) {
        // Fails only on a stream that is closed already, and this one is closed nowhere else.
        if self.stream.finish().is_ok() {
            self.whole = Whole::Yes;
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        if self.whole == Whole::NotYet {
            // Fails only when the stream is closed already, which is what it is for.
            let _ = self.stream.reset(BROKEN_OFF);
        }
    }
}

fn write(link: &Link, error: WriteError) -> CallError {
    match error {
        WriteError::ConnectionLost(e) => link.explain(e).into(),
        WriteError::Stopped(_) | WriteError::ClosedStream | WriteError::ZeroRttRejected => CallError::Unwanted,
    }
}
