//! The owner's side of the desk, as the `vault` command speaks it: a frame there, frames and raw bytes back.

use serde_json::{Value, json};
use shared::frame;
use std::io;
use std::path::PathBuf;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// Longest that the desk may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// Where a vault's desk is.
#[derive(Debug, Clone)]
pub(crate) struct Desk(pub(crate) PathBuf);

impl Desk {
    /// The one answer to a call; `more` goes after the call.
    pub(crate) async fn ask(&self, call: &Value, more: &[u8]) -> io::Result<Value> {
        bounded(async {
            let mut stream = self.send(call, more).await?;
            reply(&mut stream).await
        })
        .await
    }

    /// Every entry of a list, `what` being their name.
    pub(crate) async fn list(&self, call: &Value, what: &str) -> io::Result<Vec<Value>> {
        bounded(async {
            let (mut stream, mut entries) = (self.send(call, &[]).await?, Vec::new());
            loop {
                let mut entry = reply(&mut stream).await?;
                if entry == json!("done") {
                    return Ok(entries);
                }
                entries.push(entry[what].take());
            }
        })
        .await
    }

    /// The bytes that follow the answer to a call.
    pub(crate) async fn payload(&self, call: &Value) -> io::Result<Vec<u8>> {
        bounded(async {
            let mut stream = self.send(call, &[]).await?;
            let head = reply(&mut stream).await?;
            let bytes = head["payload"]["bytes"].as_u64().ok_or_else(|| io::Error::other(head.to_string()))?;
            let mut payload = vec![0; bytes as usize];
            stream.read_exact(&mut payload).await?;
            Ok(payload)
        })
        .await
    }

    /// Every request.
    pub(crate) async fn cases(&self, all: bool) -> io::Result<Vec<Value>> {
        self.list(&json!({ "requests": { "all": all } }), "case").await
    }

    async fn send(&self, call: &Value, more: &[u8]) -> io::Result<UnixStream> {
        let mut stream = UnixStream::connect(&self.0).await?;
        stream.write_all(&frame::encode(call).map_err(io::Error::other)?).await?;
        stream.write_all(more).await?;
        Ok(stream)
    }
}

async fn bounded<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(PATIENCE, work).await?
}

async fn reply(stream: &mut UnixStream) -> io::Result<Value> {
    let mut prefix = [0; frame::PREFIX];
    stream.read_exact(&mut prefix).await?;
    let mut json = vec![0; frame::length(prefix).map_err(io::Error::other)?];
    stream.read_exact(&mut json).await?;
    frame::decode(&json).map_err(io::Error::other)
}
