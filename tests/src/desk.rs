//! The owner's side of the desk, as the `vault` command speaks it: a frame there, frames and raw bytes back.

use serde_json::{Value, json};
use shared::frame;
use shared::limits;
use shared::statement::{Approval, DeliveryMode, RecipientLine, Shown, Statement, SubjectLine};
use shared::time::Time;
use shared::tlog::Origin;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// Longest that the desk may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// Where a vault's desk is.
#[derive(Debug, Clone)]
pub struct Desk(pub PathBuf);

impl Desk {
    /// The one answer to a call; `more` goes after the call.
    ///
    /// # Errors
    /// When there is none, or none in time.
    pub async fn ask(&self, call: &Value, more: &[u8]) -> io::Result<Value> {
        bounded(async {
            let mut stream = self.send(call, more).await?;
            reply(&mut stream).await
        })
        .await
    }

    /// Every entry of a list, `what` being their name.
    ///
    /// # Errors
    /// As [`Desk::ask`].
    pub async fn list(&self, call: &Value, what: &str) -> io::Result<Vec<Value>> {
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
    ///
    /// # Errors
    /// As [`Desk::ask`].
    pub async fn payload(&self, call: &Value) -> io::Result<Vec<u8>> {
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
    ///
    /// # Errors
    /// As [`Desk::ask`].
    pub async fn cases(&self, all: bool) -> io::Result<Vec<Value>> {
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

/// The approval of what a case waits with.
///
/// # Panics
/// When the case has no draft of an item.
pub fn approval(origin: &Origin, case: &Value, collections: u32) -> Approval {
    let draft = &case["draft"];
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    Approval {
        vault: origin.clone(),
        request: text(case, "id").parse().unwrap(),
        subject: SubjectLine::Item(text(&draft["subject"], "item")),
        recipient: RecipientLine::Ticket(text(case, "ticket").parse().unwrap()),
        delivery: DeliveryMode::Plain,
        purpose: text(case, "purpose"),
        terms: None,
        payload: text(draft, "payload").parse().unwrap(),
        bytes: draft["bytes"].as_u64().unwrap(),
        media_type: text(draft, "media_type"),
        shown: Shown::Whole,
        collections,
        prepared_at: serde_json::from_value(draft["prepared_at"].clone()).unwrap(),
        not_after: Time::from_unix(now + limits::RELEASE_LIFE),
        nonce: text(draft, "nonce").parse().unwrap(),
    }
}

/// A statement with its signature by the real `ssh-keygen`, as the desk takes it; `file` is made for it and removed.
///
/// # Panics
/// When it cannot be signed.
pub fn sign(key: &Path, file: &Path, statement: impl Into<Statement>) -> Value {
    let statement = statement.into().render();
    let name = file.display().to_string();
    std::fs::write(&name, &statement).unwrap();
    crate::tools::sign(key, &name);
    let signature = std::fs::read_to_string(format!("{name}.sig")).unwrap();
    for made in [name.clone(), format!("{name}.sig")] {
        std::fs::remove_file(made).unwrap();
    }
    json!({ "statement": statement, "signatures": [signature] })
}

/// A field of the desk's answer that holds text.
pub fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}
