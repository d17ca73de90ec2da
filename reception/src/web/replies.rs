//! A visitor's answer to a question of the owner's. Whatever goes wrong, the words are in the form that comes back.

use super::cookies::{self, Held, Sent};
use super::error::Failure;
use super::forms::{self, Fields};
use super::pages::{Draft, State as Standing};
use super::{App, Shared, requests, standing};
use crate::courier::reached;
use crate::spool::Offered;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use shared::ids::Nonce;
use shared::message::VisitorAnswer;
use shared::text::BadText;

/// Sends an answer to the vault.
pub(crate) async fn answer(
    State(app): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let held = cookies::held(&headers, &id)?;
    let (question, text) = read(&headers, body).await?;
    let words = match VisitorAnswer::new(text.as_str()) {
        Ok(words) => words,
        Err(bad) => return Ok(faulty(&app, &held, question, text, bad).await),
    };
    let Err(error) = app.broker.answer(&held.ticket, question, words).await else {
        let held = Held { sent: Sent::Answer, ..held };
        let mut response = requests::back(&held);
        cookies::remember(&mut response, &headers, &held);
        return Ok(response);
    };
    let (sent, failure) = (reached(Err(error)), Failure::of_answering(error));
    if failure == Failure::Answered {
        return Ok(overtaken(&app, &held, question, text).await);
    }
    Ok(unsent(&app, &held, Standing::Unsent(question, sent), text, failure))
}

/// The form again, for an answer that came too often.
pub(crate) async fn given_back(
    app: &App,
    headers: &HeaderMap,
    id: &str,
    body: Body,
    failure: Failure,
) -> Result<Response, Failure> {
    let held = cookies::held(headers, id)?;
    let (question, text) = read(headers, body).await?;
    Ok(unsent(app, &held, Standing::Unsent(question, Offered::Never), text, failure))
}

async fn read(headers: &HeaderMap, body: Body) -> Result<(Nonce, String), Failure> {
    let fields = Fields::read(headers, body).await?;
    let question = fields.get("question").parse().map_err(|_| Failure::NotText)?;
    Ok((question, fields.get("answer").to_owned()))
}

/// The question again, with what is wrong with the answer beside it.
async fn faulty(app: &App, held: &Held, question: Nonce, text: String, bad: BadText) -> Response {
    let status = forms::status(bad);
    let draft = Draft { text, fault: Some(forms::fault(bad, "your answer")) };
    let state = match standing::look(app, &held.ticket).await {
        state @ Standing::Question(..) => state,
        Standing::Waiting
        | Standing::Refused(_)
        | Standing::Ready(_)
        | Standing::Closed
        | Standing::Paused
        | Standing::Withheld
        | Standing::Unproven
        | Standing::Unsent(..)
        | Standing::Away(_)
        | Standing::Kept(_)
        | Standing::KeptForAnother
        | Standing::SetAside(_)
        | Standing::Withdrawn(_) => Standing::Unsent(question, Offered::Never),
    };
    with_status(status, standing::page(app, held, state, None, draft))
}

/// How the request stands now that its question waits for no answer, or for that to another one.
async fn overtaken(app: &App, held: &Held, question: Nonce, text: String) -> Response {
    let state = standing::look(app, &held.ticket).await;
    if let Standing::Away(failure) = state {
        let failure = if failure == Failure::Away { Failure::AnswerAway } else { failure };
        return unsent(app, held, Standing::Unsent(question, Offered::Never), text, failure);
    }
    let (failure, draft) = (Failure::Answered, Draft { text, fault: None });
    with_status(failure.status(), standing::page(app, held, state, Some(failure.notice()), draft))
}

/// The form alone: how the request stands is not known here.
fn unsent(app: &App, held: &Held, state: Standing, text: String, failure: Failure) -> Response {
    let draft = Draft { text, fault: None };
    let page = standing::page(app, held, state, Some(failure.notice()), draft);
    failure.mark(with_status(failure.status(), page))
}

fn with_status(status: StatusCode, mut response: Response) -> Response {
    *response.status_mut() = status;
    response
}
