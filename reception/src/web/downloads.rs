//! Opening a release: on the page, as a file, and its receipt.

use super::cookies::{self, Held};
use super::error::Failure;
use super::media;
use super::pages::{Ready, ShowPage};
use super::stream::Checked;
use super::{App, Shared};
use crate::broker::{Collected, Payload};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Redirect, Response};

use shared::message::{Delivery, Manifest, View};

/// A download is no page: it may do nothing at all.
const SANDBOX: &str = "default-src 'none'; sandbox";

/// Shows a text on the page as it flows.
pub(crate) async fn show(
    State(app): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let held = cookies::held(&headers, &id)?;
    match manifest(&app, &held).await? {
        Some(manifest) if media::is_text(manifest.media_type.as_str()) => {}
        Some(_) | None => return Ok(back(&held)),
    }
    let Some((delivery, payload)) = collect(&app, &held, 0).await? else { return Ok(back(&held)) };
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
    let Some((delivery, payload)) = collect(&app, &held, 0).await? else { return Ok(back(&held)) };
    let Manifest { title, media_type, bytes, sha256, .. } = delivery.manifest;
    let body = Body::from_stream(Checked::new(payload, bytes, sha256).begin().await?);
    let name = media::attachment(title.as_str(), media_type.as_str());
    let mut response = file(body, &media::content_type(media_type.as_str()), &name);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    Ok(response)
}

/// Sends the receipt as a file: asks the vault for the payload's end, where nothing but the receipt is left.
pub(crate) async fn receipt(
    State(app): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let held = cookies::held(&headers, &id)?;
    let Some(manifest) = manifest(&app, &held).await? else { return Ok(back(&held)) };
    let Some((delivery, _)) = collect(&app, &held, manifest.bytes).await? else { return Ok(back(&held)) };
    let mut json = serde_json::to_string_pretty(&delivery.receipt).map_err(|_| Failure::Unavailable)?;
    json.push('\n');
    Ok(file(Body::from(json), "application/json", &media::disposition(&format!("Receipt {}", held.request()), "json")))
}

/// What can be collected, if anything can.
async fn manifest(app: &App, held: &Held) -> Result<Option<Manifest>, Failure> {
    Ok(match app.broker.status(&held.ticket).await? {
        View::Ready(manifest) => Some(manifest),
        View::Waiting | View::Closed => None,
    })
}

async fn collect(app: &App, held: &Held, offset: u64) -> Result<Option<(Delivery, Payload)>, Failure> {
    Ok(match app.broker.collect(&held.ticket, held.collection, offset).await? {
        Collected::Delivery(delivery, payload) => Some((*delivery, payload)),
        Collected::Nothing => None,
    })
}

/// Nothing to open: the request's page says why.
fn back(held: &Held) -> Response {
    Redirect::to(&format!("/requests/{}", held.request())).into_response()
}

fn file(body: Body, kind: &str, disposition: &str) -> Response {
    let head = [(CONTENT_TYPE, kind), (CONTENT_DISPOSITION, disposition), (CONTENT_SECURITY_POLICY, SANDBOX)];
    (head, body).into_response()
}
