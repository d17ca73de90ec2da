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
use std::mem::discriminant;
use std::time::Instant;

/// The owner's words about a request, with what proves them.
pub(crate) enum Words {
    /// They are the owner's.
    Proven(Box<Receipt>, Spoken),
    /// They are not shown.
    Unproven,
    /// There are none, or none any more.
    None,
}

/// Looks here, and then asks the vault. The page and its events both say what this finds: a page that is told of another state
/// renews itself.
pub(crate) async fn look(app: &App, ticket: &Ticket) -> State {
    let view = match app.courier.standing(ticket).await {
        Ok(Standing::Kept(offered)) => return State::Kept(offered),
        Ok(Standing::KeptForAnother) => return State::KeptForAnother,
        Ok(Standing::Removed(offered)) => return State::Withdrawn(Before::Disk(offered)),
        Ok(Standing::SetAside(offered)) => return State::SetAside(offered.into()),
        Ok(Standing::Vault(view)) => view,
        Err(error) => return State::Away(error.into()),
    };
    match view {
        View::Waiting => State::Waiting,
        View::Ready(manifest) => State::Ready(Ready::from(&manifest)),
        View::Paused => State::Paused,
        View::Closed => State::Closed,
        View::Question | View::Refused => match words(app, ticket).await {
            Ok(Words::Proven(_, spoken)) => State::from(&spoken),
            Ok(Words::Unproven) => State::Unproven,
            // Answered or withdrawn meanwhile, or nothing that a visitor may know.
            Ok(Words::None) => State::Waiting,
            Err(Failure::Paused) => State::Withheld,
            Err(failure) => State::Away(failure),
        },
    }
}

/// Asks the vault for the owner's words, and verifies them.
///
/// # Errors
/// [`Failure`] when it does not answer.
pub(crate) async fn words(app: &App, ticket: &Ticket) -> Result<Words, Failure> {
    let peer = app.paired.borrow().clone().ok_or(Failure::Away)?;
    let Some(receipt) = app.broker.words(ticket).await? else { return Ok(Words::None) };
    let heard = spoken::hear(&peer, &ticket.hash(), &receipt);
    app.unproven.flush(Instant::now());
    Ok(match heard {
        Ok(Some(spoken)) => Words::Proven(Box::new(receipt), spoken),
        Ok(None) => Words::None,
        Err(error) => {
            app.unproven.note(discriminant(&error), error.to_string(), Instant::now());
            Words::Unproven
        }
    })
}

/// A request's page, with what the visitor has written for it.
pub(crate) fn page(app: &App, held: &Held, state: State, notice: Option<Notice>, draft: Draft) -> Response {
    let failure = match &state {
        State::Unproven => Some(Failure::Unsigned),
        State::Away(failure) => Some(*failure),
        State::Paused | State::Withheld => Some(Failure::Paused),
        State::Waiting
        | State::Question(..)
        | State::Refused(_)
        | State::Ready(_)
        | State::Closed
        | State::Kept(_)
        | State::KeptForAnother
        | State::SetAside(_)
        | State::Withdrawn(_)
        | State::Unsent(..) => None,
    };
    let (id, code) = (held.request(), held.ticket.return_code());
    let page = RequestPage { name: app.name(), id, code, state, sent: held.sent, notice, draft };
    match failure {
        Some(failure) => failure.mark(pages::html(failure.status(), &page)),
        None => pages::html(StatusCode::OK, &page),
    }
}
