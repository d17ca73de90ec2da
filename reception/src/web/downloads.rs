//! Opening a release: on the page, as a file, and its receipt.

use super::cookies::{self, Held};
use super::error::Failure;
use super::media;
use super::pages::{Draft, Ready, ShowPage, State as Standing};
use super::standing::{self, Words};
use super::stream::Checked;
use super::{App, Shared, requests};
use crate::broker::{Collected, Payload};
use crate::spoken::Kind;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use shared::message::{Delivery, Manifest, View};
use shared::receipt::Receipt;

/// A download is no page: it may do nothing at all.
const SANDBOX: &str = "default-src 'none'; sandbox";

/// Shows a text on the page as it flows.
pub(crate) async fn show(
    State(app): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let held = cookies::held(&headers, &id)?;
    match app.broker.status(&held.ticket).await? {
        View::Ready(manifest) if media::is_text(manifest.media_type.as_str()) => {}
        View::Ready(_) | View::Waiting | View::Question | View::Paused | View::Refused | View::Closed => {
            return Ok(requests::back(&held));
        }
    }
    let (delivery, payload) = match collect(&app, &held, 0).await? {
        Opened::Delivery(delivery, payload) => (delivery, payload),
        Opened::Not(page) => return Ok(page),
    };
    let Manifest { bytes, sha256, .. } = delivery.manifest;
    let page = ShowPage { name: app.name(), id: held.request(), ready: Ready::from(&delivery.manifest) };
    let (head, foot) = page.halves().ok_or(Failure::Unavailable)?;
    let body = Body::from_stream(Checked::new(payload, bytes, sha256).page(head, foot));
    Ok(([(CONTENT_TYPE, "text/html; charset=utf-8")], body).into_response())
}

/// Sends the payload as a file.
pub(crate) async fn save(
    State(app): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let held = cookies::held(&headers, &id)?;
    let (delivery, payload) = match collect(&app, &held, 0).await? {
        Opened::Delivery(delivery, payload) => (delivery, payload),
        Opened::Not(page) => return Ok(page),
    };
    let Manifest { title, media_type, bytes, sha256, .. } = delivery.manifest;
    let body = Body::from_stream(Checked::new(payload, bytes, sha256).begin().await?);
    let name = media::attachment(title.as_str(), media_type.as_str());
    let mut response = file(body, &media::content_type(media_type.as_str()), &name);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    Ok(response)
}

/// Sends the receipt as a file: that of a release, or that of the owner's words.
pub(crate) async fn receipt(
    State(app): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let held = cookies::held(&headers, &id)?;
    match app.broker.status(&held.ticket).await? {
        // The payload's end, where nothing but the receipt is left.
        View::Ready(manifest) => match collect(&app, &held, manifest.bytes).await? {
            Opened::Delivery(delivery, _) => receipt_file(&held, &delivery.receipt, "Receipt"),
            Opened::Not(page) => Ok(page),
        },
        View::Question | View::Refused => match standing::words(&app, &held.ticket).await {
            Ok(Words::Proven(receipt, spoken)) => {
                let name = if spoken.kind == Kind::Refusal { "Receipt of refusal" } else { "Receipt of question" };
                receipt_file(&held, &receipt, name)
            }
            Ok(Words::Unproven | Words::None) => Ok(requests::back(&held)),
            Err(Failure::Paused) => Ok(stopped(&app, &held, Standing::Withheld)),
            Err(failure) => Err(failure),
        },
        View::Waiting | View::Paused | View::Closed => Ok(requests::back(&held)),
    }
}

fn receipt_file(held: &Held, receipt: &Receipt, name: &str) -> Result<Response, Failure> {
    let mut json = serde_json::to_string_pretty(receipt).map_err(|_| Failure::Unavailable)?;
    json.push('\n');
    let disposition = media::disposition(&format!("{name} {}", held.request()), "json");
    Ok(file(Body::from(json), "application/json", &disposition))
}

/// What came of opening a release.
enum Opened {
    Delivery(Box<Delivery>, Payload),
    /// Nothing can be opened now: the page that says why.
    Not(Response),
}

async fn collect(app: &App, held: &Held, offset: u64) -> Result<Opened, Failure> {
    let collected = app.broker.collect(&held.ticket, held.collection, offset).await;
    Ok(match collected.map_err(Failure::from) {
        Ok(Collected::Delivery(delivery, payload)) => Opened::Delivery(delivery, payload),
        Ok(Collected::Nothing) => Opened::Not(requests::back(held)),
        Err(Failure::Paused) => Opened::Not(stopped(app, held, Standing::Paused)),
        Err(failure) => return Err(failure),
    })
}

/// The request's page, which tells what the owner has stopped.
fn stopped(app: &App, held: &Held, state: Standing) -> Response {
    standing::page(app, held, state, None, Draft::default())
}

fn file(body: Body, kind: &str, disposition: &str) -> Response {
    let head = [(CONTENT_TYPE, kind), (CONTENT_DISPOSITION, disposition), (CONTENT_SECURITY_POLICY, SANDBOX)];
    (head, body).into_response()
}
