//! The one map from what can go wrong to what a visitor sees: a status, a page, and nothing that helps an attacker.

use super::letterhead::Letterhead;
use super::media;
use super::pages::{self, FailurePage, Notice};
use super::stream::Broken;
use crate::broker::BrokerError;
use crate::courier::NotFiled;
use axum::http::{HeaderValue, StatusCode, header::RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use shared::message::Refused;

/// Seconds after which a visitor is told to try again when the vault is away.
const AWAY_RETRY: u32 = 30;
/// Seconds after which a visitor is told to try again when there was no room to ask the vault.
const CROWDED_RETRY: u32 = 10;
/// Seconds after which a visitor is told to try again when a person has stopped all releases.
const PAUSED_RETRY: u32 = 600;

/// Why a page was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// No such page, no such request, or not this browser's: one answer for all.
    #[error("There is nothing here that this browser can open.")]
    NotFound,
    /// A form that did not come from this page.
    #[error("This form was not sent from this page.")]
    Forbidden,
    /// A form from this page, at an address that the page does not know as its own: whoever set it up has to mend that.
    #[error("This page does not know the address at which you opened it.")]
    Misplaced,
    /// The connection would not keep the visitor's cookie.
    #[error("This page needs a secure connection.")]
    Insecure,
    /// A body over the limit.
    #[error("That is more than this page accepts.")]
    TooLarge,
    /// Not UTF-8, not a form, or a field given twice.
    #[error("Something in what was sent is not text.")]
    NotText,
    /// Another content type.
    #[error("This page accepts only its own forms.")]
    NotForm,
    /// A body that came too slowly.
    #[error("The form took too long to arrive.")]
    TooSlow,
    /// Another method.
    #[error("This address does not work that way.")]
    Method,
    /// The rate limit, with the seconds to wait.
    #[error("That was a little too often.")]
    TooOften(u32),
    /// No vault is connected, or the call broke.
    #[error("The owner’s private machine is away.")]
    Away,
    /// No vault is connected, and an answer goes nowhere else.
    #[error("The owner’s private machine is away, and your answer was not sent.")]
    AnswerAway,
    /// No vault was ever there: nothing can be passed on, or sealed for one.
    #[error("This reception has no owner’s machine to bring your request to.")]
    Unpaired,
    /// The vault is away, and there is no room for more sealed requests.
    #[error("The owner’s private machine is away, and there is no more room here to keep requests for it.")]
    NoRoom,
    /// The vault is away, and this machine's disk does not keep the request.
    #[error("The owner’s private machine is away, and your request could not be kept here.")]
    NotKept,
    /// The call broke after it was sent: whether it was carried out is unknown.
    #[error("The connection to the owner’s private machine broke.")]
    Uncertain,
    /// The call broke after it was sent: whether the request was withdrawn is unknown.
    #[error("Whether your request was withdrawn is not known.")]
    PerhapsWithdrawn,
    /// Every place for a call to the vault is taken here.
    #[error("This page is asked too much at once.")]
    Crowded,
    /// The vault's queue is full, with the seconds to wait.
    #[error("Too much is waiting for the owner.")]
    Busy(u32),
    /// The question has an answer already, or another one was asked.
    #[error("This question no longer waits for an answer.")]
    Answered,
    /// The owner has stopped all releases.
    #[error("The owner has stopped all releases for now.")]
    Paused,
    /// Every collection has been used by other devices.
    #[error("This has already been collected.")]
    Collected,
    /// A payload is not the one in its manifest.
    #[error("What arrived is not what the owner signed.")]
    Unsigned,
    /// The vault does not serve now, or this machine cannot.
    #[error("This cannot be done now.")]
    Unavailable,
    /// The two machines do not understand each other.
    #[error("The two machines behind this page do not understand each other.")]
    Broken,
}

impl Failure {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Forbidden | Self::Misplaced => StatusCode::FORBIDDEN,
            Self::Insecure | Self::NotText => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotForm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Away
            | Self::AnswerAway
            | Self::Unpaired
            | Self::NoRoom
            | Self::NotKept
            | Self::Uncertain
            | Self::PerhapsWithdrawn
            | Self::Crowded
            | Self::Busy(_)
            | Self::Paused
            | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Answered => StatusCode::CONFLICT,
            Self::Collected => StatusCode::GONE,
            Self::Unsigned | Self::Broken => StatusCode::BAD_GATEWAY,
        }
    }

    /// Whether it is because no vault is connected, or that is over which was.
    pub(crate) fn is_away(self) -> bool {
        matches!(self, Self::Away | Self::AnswerAway | Self::Uncertain | Self::PerhapsWithdrawn)
    }

    /// Why an answer did not reach the vault: over a link that broke, it may have arrived.
    pub(crate) fn of_answering(error: BrokerError) -> Self {
        match error {
            BrokerError::Away => Self::AnswerAway,
            BrokerError::Broken => Self::Uncertain,
            BrokerError::Crowded => Self::Crowded,
            BrokerError::Refused(refused) => refused.into(),
        }
    }

    /// What the visitor can do.
    pub(crate) fn advice(self) -> String {
        if let Self::TooOften(seconds) = self {
            return format!("Please wait {} and send it again.", media::span(seconds));
        }
        if let Self::Busy(seconds) = self {
            return format!("Please try again in {}.", media::span(seconds));
        }
        if self == Self::Crowded {
            let time = media::span(CROWDED_RETRY);
            return format!("Nothing was passed on to the owner’s private machine. Please try again in {time}.");
        }
        self.fixed_advice().to_owned()
    }

    /// What it is and what the visitor can do.
    pub(crate) fn notice(self) -> Notice {
        (self.to_string(), self.advice())
    }

    fn fixed_advice(self) -> &'static str {
        match self {
            Self::NotFound => {
                "The address may be mistyped, or the request was filed from another browser. With its return code you can open \
                 it here."
            }
            Self::Forbidden => {
                "Open the page again and send the form from there. If that is refused too, your browser does not say where a form \
                 comes from: try another one."
            }
            Self::Misplaced => {
                "So it takes no forms here, and nothing was sent on. It is no fault of yours, and trying again will not help. Go \
                 back and copy your words, and tell the owner by another way: the log of this machine says what to change."
            }
            Self::Insecure => {
                "Over this connection your browser would not keep the key to your request, and it would be lost. Open this page \
                 with an address that begins with https://. Nothing was filed."
            }
            Self::TooLarge => "Go back and shorten your words. Nothing was kept.",
            Self::NotText | Self::NotForm => "Go back, write it again, and send it from this page. Nothing was kept.",
            Self::TooSlow => "Go back and send it again.",
            Self::Method => "Start again from the first page.",
            Self::Away => {
                "It is where everything is decided, so this has to wait until it is connected again. Nothing of yours is lost: \
                 try again in a while."
            }
            Self::AnswerAway => "Your words are still below. Send them again once that machine is back.",
            Self::Unpaired => {
                "Nothing was filed. If you know the owner, tell them by another way; or try again another day."
            }
            Self::NoRoom | Self::NotKept => {
                "Nothing was filed. Leave this page open, or copy your words, and send them again once the machine is back."
            }
            Self::Collected => {
                "The owner allowed it to be opened on a certain number of devices, and other devices have used them all. If you \
                 opened it before, use that device; else file a new request."
            }
            Self::Answered => {
                "It was answered with other words, from here or from another device, or the owner has asked something else \
                 since or wants to know nothing more. What you sent now was not passed on."
            }
            Self::Paused => {
                "Nothing is lost, and nothing is wrong with your request. Come back later; the time until which the owner lets \
                 you collect it goes on meanwhile."
            }
            Self::Unsigned => "So it was not passed on to you. Try again; if it recurs, tell the owner by another way.",
            Self::Uncertain => {
                "It is not known whether your words arrived. Sending them again unchanged is safe: they count once."
            }
            Self::PerhapsWithdrawn => {
                "The connection to the owner’s private machine broke while it was told. Look at your request again once that machine \
                 is back: if it still waits there, withdraw it once more, which is safe."
            }
            Self::TooOften(_) | Self::Busy(_) | Self::Crowded | Self::Unavailable | Self::Broken => {
                "Please try again later."
            }
        }
    }

    fn retry_after(self) -> Option<u32> {
        match self {
            Self::TooOften(seconds) | Self::Busy(seconds) => Some(seconds),
            Self::Away
            | Self::AnswerAway
            | Self::Unpaired
            | Self::NoRoom
            | Self::NotKept
            | Self::Uncertain
            | Self::PerhapsWithdrawn
            | Self::Unavailable => Some(AWAY_RETRY),
            Self::Crowded => Some(CROWDED_RETRY),
            Self::Paused => Some(PAUSED_RETRY),
            Self::NotFound
            | Self::Forbidden
            | Self::Misplaced
            | Self::Insecure
            | Self::TooLarge
            | Self::NotText
            | Self::NotForm
            | Self::TooSlow
            | Self::Method
            | Self::Answered
            | Self::Collected
            | Self::Unsigned
            | Self::Broken => None,
        }
    }

    /// The page itself, under this name.
    pub(crate) fn page(self, name: Letterhead) -> Response {
        let page = FailurePage { name, title: self.to_string(), advice: self.advice(), code: self == Self::NotFound };
        self.mark(pages::html(self.status(), &page))
    }

    /// Sets `Retry-After` where it belongs.
    pub(crate) fn mark(self, mut response: Response) -> Response {
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The page is made where the name is known, by [`super::guard::watch`].
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<BrokerError> for Failure {
    fn from(error: BrokerError) -> Self {
        match error {
            BrokerError::Away | BrokerError::Broken => Self::Away,
            BrokerError::Crowded => Self::Crowded,
            BrokerError::Refused(refused) => refused.into(),
        }
    }
}

impl From<NotFiled> for Failure {
    fn from(error: NotFiled) -> Self {
        match error {
            NotFiled::Refused(refused) => refused.into(),
            NotFiled::Crowded => Self::Crowded,
            NotFiled::Unpaired => Self::Unpaired,
            NotFiled::NoRoom => Self::NoRoom,
            NotFiled::NotKept => Self::NotKept,
            NotFiled::Uncertain => Self::Uncertain,
        }
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Other => Self::Unsigned,
            Broken::Cut => Self::Away,
        }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Malformed | Refused::Protocol => Self::Broken,
            Refused::TooLarge => Self::TooLarge,
            Refused::Busy { retry_after } => Self::Busy(retry_after),
            Refused::Unavailable => Self::Unavailable,
            Refused::Collected => Self::Collected,
            Refused::Paused => Self::Paused,
            Refused::Answered => Self::Answered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broker_errors_have_one_status_each() {
        let status = |error| Failure::from(error).status().as_u16();
        assert_eq!(status(BrokerError::Away), 503);
        assert_eq!(status(BrokerError::Broken), 503);
        assert_eq!(status(BrokerError::Crowded), 503);
        assert_eq!(status(BrokerError::Refused(Refused::Busy { retry_after: 9 })), 503);
        assert_eq!(status(BrokerError::Refused(Refused::Unavailable)), 503);
        assert_eq!(status(BrokerError::Refused(Refused::Malformed)), 502);
        assert_eq!(status(BrokerError::Refused(Refused::Protocol)), 502);
        assert_eq!(status(BrokerError::Refused(Refused::TooLarge)), 413);
        assert_eq!(status(BrokerError::Refused(Refused::Collected)), 410);
        assert_eq!(status(BrokerError::Refused(Refused::Paused)), 503);
        assert_eq!(status(BrokerError::Refused(Refused::Answered)), 409);
    }

    #[test]
    fn waiting_times_reach_the_header() {
        let retry =
            |failure: Failure| failure.page(Letterhead::Owner("Mira".into())).headers().get(RETRY_AFTER).cloned();
        assert_eq!(retry(Failure::Busy(9)), Some(HeaderValue::from(9)));
        assert_eq!(retry(Failure::Crowded), Some(HeaderValue::from(CROWDED_RETRY)));
        assert_eq!(retry(Failure::TooOften(3)), Some(HeaderValue::from(3)));
        assert_eq!(retry(Failure::Away), Some(HeaderValue::from(AWAY_RETRY)));
        assert_eq!(retry(Failure::Unavailable), Some(HeaderValue::from(AWAY_RETRY)));
        assert_eq!(retry(Failure::Paused), Some(HeaderValue::from(PAUSED_RETRY)));
        assert_eq!(retry(Failure::NotFound), None);
    }

    #[test]
    fn waiting_times_are_said_in_words() {
        assert_eq!(Failure::TooOften(1).advice(), "Please wait 1 second and send it again.");
        assert!(Failure::Crowded.advice().ends_with("Please try again in 10 seconds."));
        assert_eq!(Failure::Busy(9).advice(), "Please try again in 9 seconds.");
        assert_eq!(Failure::Busy(3 * 3600).advice(), "Please try again in 3 hours.");
    }
}
