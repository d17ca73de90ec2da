//! The pages that anybody can read.

use super::error::Failure;
use super::pages::{self, AboutPage, Contents, DocumentPage, Exchange, HomePage};
use super::{App, Shared, cookies, guard, markdown, media};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

/// The first page, with a question and its answer when there was one.
pub(crate) fn home_page(app: &App, headers: &HeaderMap, exchange: Option<Exchange>) -> Response {
    let contents = app.published().map(|p| Contents::new(&p.bundle, media::moment(p.published_at)));
    let page = HomePage {
        name: app.name(),
        contents,
        away: !app.broker.up(),
        requests: cookies::remembered(headers),
        exchange,
    };
    pages::html(StatusCode::OK, &page)
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
    let (title, html) = (document.title.as_str().to_owned(), markdown::render_document(&document.markdown));
    Ok(guard::shareable(pages::html(StatusCode::OK, &DocumentPage { name: app.name(), title, html })))
}
