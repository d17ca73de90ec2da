//! How a request stands, as its page shows it: what the vault says, and the owner's words once they are verified.

use super::error::Failure;
use super::pages::{self, Before, Draft, Notice, Ready, RequestPage, State};
use super::{App, cookies::Held};
use crate::courier::Standing;
use crate::spoken::{self, Spoken};
use axum::http::StatusCode;
use axum::response::Response;
use shared::ids::Ticket;
use shared::message::View;
use shared::receipt::Receipt;

/// The owner's words about a request, with what proves them.
pub(crate) enum Words {
    /// They are the owner's.
    Proven(Box<Receipt>, Spoken),
    /// They are not shown.
    Unproven,
    /// There are none, or none any more.
    None,
}

/// Looks here, and then asks the vault.
///
/// # Errors
/// [`Failure`] when only the vault could tell, and it does not answer.
pub(crate) async fn look(app: &App, ticket: &Ticket) -> Result<State, Failure> {
    let view = match app.courier.standing(ticket).await? {
        Standing::Kept => return Ok(State::Kept),
        Standing::Removed => return Ok(State::Withdrawn(Before::Disk)),
        Standing::SetAside(offered) => return Ok(State::SetAside(offered.into())),
        Standing::Vault(view) => view,
    };
    Ok(match view {
        View::Waiting => State::Waiting,
        View::Ready(manifest) => State::Ready(Ready::from(&manifest)),
        View::Paused => State::Paused,
        View::Closed => State::Closed,
        View::Question | View::Refused => match words(app, ticket).await? {
            Words::Proven(_, spoken) => State::from(&spoken),
            Words::Unproven => State::Unproven,
            // Answered or withdrawn meanwhile, or nothing that a visitor may know.
            Words::None => State::Waiting,
        },
    })
}

/// Asks the vault for the owner's words, and verifies them.
///
/// # Errors
/// [`Failure`] when it does not answer.
pub(crate) async fn words(app: &App, ticket: &Ticket) -> Result<Words, Failure> {
    let peer = app.paired.borrow().clone().ok_or(Failure::Away)?;
    let Some(receipt) = app.broker.words(ticket).await? else { return Ok(Words::None) };
    Ok(match spoken::hear(&peer, &ticket.hash(), &receipt) {
        Ok(Some(spoken)) => Words::Proven(Box::new(receipt), spoken),
        Ok(None) => Words::None,
        Err(error) => {
            tracing::warn!(%error, "words from the vault are not shown: they are not proven to be the owner's");
            Words::Unproven
        }
    })
}

/// A request's page, with what the visitor has written for it.
pub(crate) fn page(app: &App, held: &Held, state: State, notice: Option<Notice>, draft: Draft) -> Response {
    let status = match &state {
        State::Unproven => Failure::Unsigned.status(),
        State::Away => Failure::Away.status(),
        State::Paused => Failure::Paused.status(),
        State::Waiting
        | State::Question(..)
        | State::Refused(_)
        | State::Ready(_)
        | State::Closed
        | State::Kept
        | State::SetAside(_)
        | State::Withdrawn(_)
        | State::Unsent(_) => StatusCode::OK,
    };
    let (id, code) = (held.request(), held.ticket.return_code());
    pages::html(status, &RequestPage { name: app.name(), id, code, state, sent: held.sent, notice, draft })
}

/// The page of a request about which the vault cannot be asked, or whose release it does not serve now.
pub(crate) fn failed(app: &App, held: &Held, failure: Failure) -> Response {
    let state = if failure == Failure::Paused { State::Paused } else { State::Away };
    let mut response = page(app, held, state, None, Draft::default());
    *response.status_mut() = failure.status();
    failure.mark(response)
}
