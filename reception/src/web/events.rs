//! Server-sent events (WHATWG HTML, section 9.2).

use super::error::Failure;
use super::{Shared, cookies, standing};
use crate::broker::Hint;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use shared::ids::{Ticket, TicketHash};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// A quiet stream says that it lives, and asks the vault again, this often.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// One event. Lines of `data` can not end it early: each is marked as data.
pub(crate) fn event(name: &str, data: &str) -> Bytes {
    let lines: String = data.split(['\n', '\r']).map(|line| format!("data: {line}\n")).collect();
    Bytes::from(format!("event: {name}\n{lines}\n"))
}

/// A comment, which keeps proxies from taking the stream for dead.
pub(crate) fn heartbeat() -> Bytes {
    Bytes::from_static(b": here\n\n")
}

/// A stream of events as a response.
pub(crate) fn response(body: Body) -> Response {
    let head = [(CONTENT_TYPE, "text/event-stream"), (HeaderName::from_static("x-accel-buffering"), "no")];
    (head, body).into_response()
}

/// Sends `changed` with the state's word at once and whenever it becomes another; ends when there is no more to wait for.
pub(crate) async fn watch(
    State(app): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let held = cookies::held(&headers, &id)?;
    let place = app.guard.event_stream()?;
    let watcher = Watcher {
        changes: app.broker.changes(),
        app,
        hash: held.ticket.hash(),
        ticket: held.ticket,
        told: None,
        _place: place,
    };
    let events = stream::unfold(watcher, |watcher| async move { watcher.next().await });
    Ok(response(Body::from_stream(events)))
}

struct Watcher {
    app: Shared,
    changes: Receiver<Hint>,
    ticket: Ticket,
    hash: TicketHash,
    told: Option<&'static str>,
    _place: OwnedSemaphorePermit,
}

impl Watcher {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if matches!(self.told, Some("ready" | "refused" | "closed" | "set-aside")) {
            return None;
        }
        if self.told.is_some() && !self.hinted().await {
            return None;
        }
        let look = async { standing::look(&self.app, &self.ticket).await.word() };
        let word = self.app.looks.share(self.hash, look).await;
        let sent = if self.told == Some(word) { heartbeat() } else { event("changed", word) };
        self.told = Some(word);
        Some((Ok(sent), self))
    }

    /// Waits until the state may have changed; false when there will be no more hints.
    async fn hinted(&mut self) -> bool {
        let hint = async {
            loop {
                match self.changes.recv().await {
                    Ok(Hint::Request(hash)) if hash != self.hash => {}
                    Ok(Hint::Publication) => {}
                    Ok(Hint::Request(_) | Hint::Link) | Err(RecvError::Lagged(_)) => return true,
                    Err(RecvError::Closed) => return false,
                }
            }
        };
        tokio::time::timeout(HEARTBEAT, hint).await.unwrap_or(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_begin_another_event() {
        assert_eq!(
            event("quote", "<p>a\n\nevent: done</p>\r"),
            "event: quote\ndata: <p>a\ndata: \ndata: event: done</p>\ndata: \n\n"
        );
    }
}
