//! Requests: filing one, looking at it, taking it back, and coming back to it from another device.

use super::cookies::{self, Held};
use super::error::Failure;
use super::forms::{self, Ask, Faults, Fields};
use super::pages::{self, AskOwnerPage, Before, Draft, ItemLine, ReturnPage, State as Shown};
use super::{App, Shared, guard, standing};
use crate::broker::BrokerError;
use crate::courier::{Filed, Withdrawn};
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use shared::ids::Ticket;

/// What a link to the form may name: an item, never words.
#[derive(Deserialize)]
pub(crate) struct About {
    item: Option<String>,
}

pub(crate) async fn new(State(app): State<Shared>, Query(about): Query<About>) -> Result<Response, Failure> {
    let published = app.published();
    let item = about.item.map(|id| forms::listed(published.as_deref(), &id)).transpose()?;
    Ok(form(&app, StatusCode::OK, Ask::new(item, String::new())?, Faults::default(), None))
}

/// The form for a question that was put to the page before; its words come in the body, so that no URL has them.
pub(crate) async fn new_with_words(
    State(app): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let fields = Fields::read(&headers, body).await?;
    let ask = Ask::new(None, fields.get("question").to_owned())?;
    Ok(form(&app, StatusCode::OK, ask, Faults::default(), None))
}

/// Files a request. Whatever goes wrong, the visitor's words are in the form that comes back.
pub(crate) async fn file(State(app): State<Shared>, headers: HeaderMap, body: Body) -> Result<Response, Failure> {
    let fields = Fields::read(&headers, body).await?;
    if !guard::keeps_cookies(&headers) {
        return Err(Failure::Insecure);
    }
    let ask = Ask::from_fields(&fields, app.published().as_deref())?;
    let (ticket, filing) = match ask.filing() {
        Ok(filed) => filed,
        Err(faults) => return Ok(form(&app, faults.status(), ask, faults, None)),
    };
    match app.courier.file(&ticket, filing).await {
        // The request's page says which.
        Ok(Filed::Vault | Filed::Spool) => open(&headers, Held::on(ticket, &headers)?),
        Err(error) => {
            let failure = Failure::from(error);
            Ok(failure.mark(form(&app, failure.status(), ask, Faults::default(), Some(failure))))
        }
    }
}

/// The form again, for one that came too often: its words are still in it.
pub(crate) async fn given_back(
    app: &App,
    headers: &HeaderMap,
    body: Body,
    failure: Failure,
) -> Result<Response, Failure> {
    let fields = Fields::read(headers, body).await?;
    let ask = Ask::from_fields(&fields, app.published().as_deref())?;
    Ok(failure.mark(form(app, failure.status(), ask, Faults::default(), Some(failure))))
}

fn form(app: &App, status: StatusCode, ask: Ask, faults: Faults, failure: Option<Failure>) -> Response {
    let page = AskOwnerPage {
        name: app.name(),
        item: ask.item.as_ref().and_then(|wanted| wanted.entry.as_ref()).map(ItemLine::from),
        ask,
        faults,
        notice: failure.map(Failure::notice),
        reach: app.reach(),
    };
    pages::html(status, &page)
}

/// Sends the browser to its request, with the key to it.
fn open(headers: &HeaderMap, held: Held) -> Result<Response, Failure> {
    let mut response = back(&held);
    cookies::remember(&mut response, headers, &held);
    Ok(response)
}

pub(crate) async fn page(
    State(app): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let held = cookies::held(&headers, &id)?;
    let state = standing::look(&app, &held.ticket).await;
    Ok(standing::page(&app, &held, state, None, Draft::default()))
}

pub(crate) async fn withdraw(
    State(app): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let held = cookies::held(&headers, &id)?;
    let before = match app.courier.withdraw(&held.ticket).await {
        Ok(Withdrawn::Vault(_)) => return Ok(back(&held)),
        Ok(Withdrawn::Here) => Before::No,
        Ok(Withdrawn::HereAtLeast) => Before::Unknown,
        Err(BrokerError::Broken) => {
            let failure = Failure::PerhapsWithdrawn;
            let (state, notice) = (Shown::Away(failure), Some(failure.notice()));
            return Ok(standing::page(&app, &held, state, notice, Draft::default()));
        }
        Err(error) => return Err(error.into()),
    };
    Ok(standing::page(&app, &held, Shown::Withdrawn(before), None, Draft::default()))
}

/// Sends the browser to the request's own page.
pub(crate) fn back(held: &Held) -> Response {
    Redirect::to(&format!("/requests/{}", held.request())).into_response()
}

pub(crate) async fn return_form(State(app): State<Shared>, headers: HeaderMap) -> Response {
    return_page(&app, &headers, StatusCode::OK, None)
}

/// Takes a return code for the key that it spells. Whether such a request exists shows on its own page, as ever.
pub(crate) async fn come_back(State(app): State<Shared>, headers: HeaderMap, body: Body) -> Result<Response, Failure> {
    let fields = Fields::read(&headers, body).await?;
    if !guard::keeps_cookies(&headers) {
        return Err(Failure::Insecure);
    }
    match Ticket::from_return_code(fields.get("code")) {
        Ok(ticket) => open(&headers, Held::on(ticket, &headers)?),
        Err(bad) => Ok(return_page(
            &app,
            &headers,
            StatusCode::UNPROCESSABLE_ENTITY,
            Some(format!("{}. Please check it.", capital(&bad.to_string()))),
        )),
    }
}

/// The sentence with a capital at its beginning.
fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn return_page(app: &App, headers: &HeaderMap, status: StatusCode, fault: Option<String>) -> Response {
    pages::html(status, &ReturnPage { name: app.name(), requests: cookies::remembered(headers), fault })
}
