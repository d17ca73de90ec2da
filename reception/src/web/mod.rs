//! The visitor's page: server-rendered HTML that works without scripts, and a little script for comfort.
//!
//! Nothing that a visitor says is put into a URL or a log, nor into a file unless it is sealed for the vault. The ticket lives in the visitor's cookie and in the
//! return code, and passes through this machine only while a call is made with it.

mod answers;
mod assets;
mod cookies;
mod downloads;
mod error;
mod events;
mod forms;
mod guard;
mod looks;
mod markdown;
mod media;
mod origin;
mod pages;
mod replies;
mod requests;
mod routes;
mod serve;
mod standing;
mod stream;

pub(crate) use serve::serve;

use crate::broker::Broker;
use crate::courier::Courier;
use crate::library::{Library, Published};
use crate::lobby::Paired;
use crate::spoken::Unproven;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use guard::Guard;
use looks::Looks;
use node::Thinned;
use pages::Reach;
use shared::message::Name;
use std::mem::Discriminant;
use std::net::IpAddr;
use std::sync::Arc;

/// What the page is made from.
pub(crate) struct Site {
    /// The way to the vault.
    pub(crate) broker: Broker,
    /// The way of requests there.
    pub(crate) courier: Courier,
    /// What the owner published.
    pub(crate) library: Library,
    /// Whose words count as the owner's.
    pub(crate) paired: Arc<Paired>,
    /// How the page is reached.
    pub(crate) settings: WebSettings,
}

/// How the page is reached.
pub(crate) struct WebSettings {
    /// Whose reception this is, until a publication says so.
    pub(crate) name: Name,
    /// Peers whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: Vec<IpAddr>,
    /// The origin that visitors see, such as `https://ask.example.org`; without it, the `Host` header decides.
    pub(crate) secure_cookies_public_origin: Option<String>,
}

/// What every handler shares.
struct App {
    broker: Broker,
    courier: Courier,
    library: Library,
    paired: Arc<Paired>,
    guard: Guard,
    looks: Looks,
    /// Words that were not proven: whoever looks at a request has them asked for again.
    unproven: Thinned<Discriminant<Unproven>>,
    name: String,
}

type Shared = Arc<App>;

impl App {
    fn published(&self) -> Option<Arc<Published>> {
        self.library.current()
    }

    /// Where a request would go now.
    fn reach(&self) -> Reach {
        if self.broker.up() {
            Reach::Vault
        } else if self.courier.seals() {
            Reach::Spool
        } else {
            Reach::Nowhere
        }
    }

    /// The name on the letterhead: as the owner signed it, else as configured.
    fn name(&self) -> String {
        self.published().map_or_else(|| self.name.clone(), |p| p.bundle.name.as_str().to_owned())
    }
}

/// Every route of the page, guarded.
pub(crate) fn router(site: Site) -> Router {
    let Site { broker, courier, library, paired, settings } = site;
    let guard = Guard::new(settings.trusted_proxies, settings.secure_cookies_public_origin);
    let name = settings.name.as_str().to_owned();
    let unproven = Thinned::new(
        "words from the vault are not shown: they are not proven to be the owner's",
        "more words from the vault were not shown",
    );
    let app: Shared =
        Arc::new(App { broker, courier, library, paired, guard, looks: Looks::default(), unproven, name });
    Router::new()
        .route("/", get(routes::home))
        .route("/about", get(routes::about))
        .route("/published/{index}", get(routes::document))
        .route("/ask", post(answers::ask))
        .route("/chat", post(answers::chat))
        .route("/requests", post(requests::file))
        .route("/requests/new", get(requests::new).post(requests::new_with_words))
        .route("/requests/{id}", get(requests::page))
        .route("/requests/{id}/events", get(events::watch))
        .route("/requests/{id}/show", post(downloads::show))
        .route("/requests/{id}/save", post(downloads::save))
        .route("/requests/{id}/receipt", post(downloads::receipt))
        .route("/requests/{id}/answer", post(replies::answer))
        .route("/requests/{id}/withdraw", post(requests::withdraw))
        .route("/return", get(requests::return_form).post(requests::come_back))
        .route("/assets/{file}", get(assets::file))
        .route("/healthz", get(|| async { "ok\n" }))
        .fallback(|| async { error::Failure::NotFound })
        .method_not_allowed_fallback(|| async { error::Failure::Method })
        .layer(from_fn_with_state(app.clone(), guard::watch))
        .with_state(app)
}

#[cfg(test)]
mod tests;
