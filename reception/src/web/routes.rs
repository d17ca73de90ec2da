//! The pages that anybody can read.

use super::error::Failure;
use super::pages::{self, AboutPage, Contents, DocumentPage, Exchange, HomePage, Notice};
use super::{App, Shared, cookies, guard, markdown, media};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

/// The first page, with a question and its answer when there was one.
pub(crate) fn home_page(app: &App, headers: &HeaderMap, exchange: Option<Exchange>) -> Response {
    pages::html(StatusCode::OK, &first(app, headers, exchange, None))
}

/// The first page with a question that was not answered still in its field.
pub(crate) fn home_page_kept(app: &App, headers: &HeaderMap, failure: Failure, question: String) -> Response {
    let kept = Some((failure.notice(), question));
    pages::html(failure.status(), &first(app, headers, None, kept))
}

fn first(app: &App, headers: &HeaderMap, exchange: Option<Exchange>, kept: Option<(Notice, String)>) -> HomePage {
    let contents = app.published().map(|p| Contents::new(&p.bundle, media::moment(p.published_at)));
    HomePage { name: app.name(), contents, reach: app.reach(), requests: cookies::remembered(headers), exchange, kept }
}

pub(crate) async fn home(State(app): State<Shared>, headers: HeaderMap) -> Response {
    home_page(&app, &headers, None)
}

pub(crate) async fn about(State(app): State<Shared>) -> Response {
    guard::shareable(pages::html(StatusCode::OK, &AboutPage { name: app.name() }))
}

/// A published document, rendered as its quotes are.
pub(crate) async fn document(State(app): State<Shared>, Path(index): Path<String>) -> Result<Response, Failure> {
    let index: usize = index.parse().map_err(|_| Failure::NotFound)?;
    let published = app.published().ok_or(Failure::NotFound)?;
    let document = published.bundle.documents.get(index).ok_or(Failure::NotFound)?;
    let page = published.pages.get(index).ok_or(Failure::NotFound)?;
    let html = page.get_or_init(|| markdown::render_document(&document.markdown)).clone();
    let title = document.title.as_str().to_owned();
    Ok(guard::shareable(pages::html(StatusCode::OK, &DocumentPage { name: app.name(), title, html })))
}
