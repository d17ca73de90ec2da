//! The pages: what each template needs, and nothing else.

use super::cookies;
use super::error::Failure;
use super::forms::{Ask, Faults};
use super::letterhead::Letterhead;
use super::media;
use crate::spoken::{Kind, Spoken};
use crate::spool::Offered;
use askama::Template;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use shared::ids::{Nonce, RequestId};
use shared::message::Manifest;
use shared::publication::{Bundle, Entry};
use shared::visible;

/// A page as a response. A template that does not render is a fault of the program: it gives an empty 500.
pub(crate) fn html(status: StatusCode, page: &impl Template) -> Response {
    let Ok(text) = page.render() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let mut response = (status, text).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

/// What went wrong, and what the visitor can do.
pub(crate) type Notice = (String, String);

/// Where a request would go if it were filed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// To the vault.
    Vault,
    /// It would be kept here, sealed, until the vault is back.
    Spool,
    /// Nowhere: the vault is away, and there is no room to keep another.
    Full,
    /// There is no vault to pass it on to, or to seal it for.
    Nowhere,
}

/// Something that may be asked for, as a visitor sees it.
pub(crate) struct ItemLine {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) kind: String,
}

impl From<&Entry> for ItemLine {
    fn from(entry: &Entry) -> Self {
        let kind = media::words(entry.media_type.as_str());
        Self { id: entry.id.to_string(), title: entry.title.as_str().to_owned(), kind }
    }
}

/// What was published, as the first page lists it.
pub(crate) struct Contents {
    pub(crate) documents: Vec<String>,
    pub(crate) items: Vec<ItemLine>,
    pub(crate) since: String,
}

impl Contents {
    pub(crate) fn new(bundle: &Bundle, since: String) -> Self {
        Self { documents: titles(bundle), items: bundle.catalogue.iter().map(ItemLine::from).collect(), since }
    }
}

/// The titles of what was published, in the order of their addresses.
pub(crate) fn titles(bundle: &Bundle) -> Vec<String> {
    bundle.documents.iter().map(|d| d.title.as_str().to_owned()).collect()
}

/// The first page.
#[derive(Template)]
#[template(path = "home.html")]
pub(crate) struct HomePage {
    pub(crate) name: Letterhead,
    pub(crate) contents: Option<Contents>,
    pub(crate) reach: Reach,
    pub(crate) requests: Vec<RequestId>,
    /// Without scripts, a question and its answer are on this page.
    pub(crate) exchange: Option<Exchange>,
    /// Why a question was not answered, and the question.
    pub(crate) kept: Option<(Notice, String)>,
}

/// One question and what was said to it.
pub(crate) struct Exchange {
    pub(crate) question: String,
    pub(crate) reply: Reply,
}

/// What the agent says, ready to be shown.
pub(crate) struct Reply {
    pub(crate) lead: &'static str,
    /// Said after the lead, before the quotes.
    pub(crate) bridge: Option<&'static str>,
    pub(crate) quotes: Vec<QuoteView>,
    pub(crate) offer: Option<Offer>,
}

/// An excerpt with its source.
pub(crate) struct QuoteView {
    pub(crate) document: usize,
    pub(crate) title: String,
    pub(crate) heading: Option<String>,
    /// Sanitised.
    pub(crate) html: String,
}

/// What can be asked for, and the way to the owner with the question in a form.
pub(crate) struct Offer {
    pub(crate) question: String,
    pub(crate) items: Vec<ItemLine>,
    /// What is published, where that may help.
    pub(crate) documents: Vec<String>,
}

/// The lead of a reply, for a stream.
#[derive(Template)]
#[template(path = "_lead.html")]
pub(crate) struct LeadPart<'a> {
    pub(crate) reply: &'a Reply,
}

/// One quote, for a stream.
#[derive(Template)]
#[template(path = "_quote.html")]
pub(crate) struct QuotePart<'a> {
    pub(crate) quote: &'a QuoteView,
}

/// The offer, for a stream.
#[derive(Template)]
#[template(path = "_offer.html")]
pub(crate) struct OfferPart<'a> {
    pub(crate) offer: &'a Offer,
}

/// How all this protects the visitor.
#[derive(Template)]
#[template(path = "about.html")]
pub(crate) struct AboutPage {
    pub(crate) name: Letterhead,
}

/// A published document.
#[derive(Template)]
#[template(path = "document.html")]
pub(crate) struct DocumentPage {
    pub(crate) name: Letterhead,
    pub(crate) title: String,
    /// Sanitised.
    pub(crate) html: String,
}

/// The form that files a request.
#[derive(Template)]
#[template(path = "ask_owner.html")]
pub(crate) struct AskOwnerPage {
    pub(crate) name: Letterhead,
    pub(crate) item: Option<ItemLine>,
    pub(crate) ask: Ask,
    pub(crate) faults: Faults,
    /// Why it was not filed, other than a fault in a field.
    pub(crate) notice: Option<Notice>,
    pub(crate) reach: Reach,
}

/// One request.
#[derive(Template)]
#[template(path = "request.html")]
pub(crate) struct RequestPage {
    pub(crate) name: Letterhead,
    pub(crate) id: RequestId,
    pub(crate) code: String,
    pub(crate) state: State,
    /// What this browser has sent since.
    pub(crate) sent: cookies::Sent,
    /// Why what the visitor did was not done.
    pub(crate) notice: Option<Notice>,
    pub(crate) draft: Draft,
}

impl RequestPage {
    /// Whether the page renews itself without scripts: nothing on it could be lost by that.
    fn turns(&self) -> bool {
        let turns = match self.state {
            State::Waiting
            | State::Away(_)
            | State::Unproven
            | State::Kept(_)
            | State::KeptForAnother
            | State::Paused
            | State::Withheld => true,
            State::Question(..)
            | State::Refused(_)
            | State::Ready(_)
            | State::Closed
            | State::Unsent(..)
            | State::SetAside(_)
            | State::Withdrawn(_) => false,
        };
        turns && self.draft.text.is_empty()
    }

    /// The question that the form on the page answers.
    fn question(&self) -> Option<&Nonce> {
        match &self.state {
            State::Question(_, question) | State::Unsent(question, _) => Some(question),
            State::Waiting
            | State::Refused(_)
            | State::Ready(_)
            | State::Closed
            | State::Paused
            | State::Withheld
            | State::Unproven
            | State::Away(_)
            | State::Kept(_)
            | State::KeptForAnother
            | State::SetAside(_)
            | State::Withdrawn(_) => None,
        }
    }
}

/// What a visitor has written so far in answer to a question.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) text: String,
    pub(crate) fault: Option<String>,
}

/// How a request stands, as a visitor sees it.
pub(crate) enum State {
    Waiting,
    /// The owner asks something first.
    Question(Said, Nonce),
    /// With the owner's words.
    Refused(Said),
    Ready(Ready),
    Closed,
    /// There is a release, and the owner has stopped them all.
    Paused,
    /// There are words of the owner's, and they wait like every release that the owner has stopped.
    Withheld,
    /// There are words that are not proven to be the owner's.
    Unproven,
    /// An answer to this question was not sent, or perhaps was; and how the request stands was not asked.
    Unsent(Nonce, Offered),
    /// The vault cannot tell now, and why.
    Away(Failure),
    /// It is here, sealed, and is to be handed over: for the first time, or once more.
    Kept(Offered),
    /// It is here, sealed for another machine of the owner's than the one that this page is connected to.
    KeptForAnother,
    /// It was here, and can never be handed over from here.
    SetAside(Before),
    /// It was here, and was removed at the visitor's wish.
    Withdrawn(Before),
}

/// Whether a request that is here no more had been handed over before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// It had not.
    No,
    /// Only the vault could tell, and it is away, or knows it no more.
    Unknown,
    /// It may be here again, since the disk did not confirm its removal; and it may have been handed over or not.
    Disk(Offered),
}

impl From<Offered> for Before {
    fn from(offered: Offered) -> Self {
        match offered {
            Offered::Never => Self::No,
            Offered::Perhaps => Self::Unknown,
        }
    }
}

impl State {
    /// What the window and the browser's history show: nothing of what was asked or said.
    pub(crate) fn title(&self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::Question(..) => "A question to you",
            Self::Refused(_) => "Not released",
            Self::Ready(_) => "Ready",
            Self::Closed => "Closed",
            Self::Paused | Self::Withheld => "Stopped for now",
            Self::Unproven => "Not shown",
            Self::Unsent(_, Offered::Never) => "Not sent",
            Self::Unsent(_, Offered::Perhaps) => "Perhaps not sent",
            Self::Away(failure) if failure.is_away() => "Away",
            Self::Away(_) => "Not known now",
            Self::Kept(_) | Self::KeptForAnother => "Kept here",
            Self::SetAside(_) => "Not handed over",
            Self::Withdrawn(_) => "Withdrawn",
        }
    }

    /// The word in the page and in the events.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Question(..) => "question",
            Self::Refused(_) => "refused",
            Self::Ready(_) => "ready",
            Self::Closed => "closed",
            Self::Paused => "paused",
            Self::Withheld => "withheld",
            Self::Unproven => "unproven",
            Self::Unsent(..) => "unsent",
            Self::Away(_) => "away",
            Self::Kept(Offered::Never) => "kept",
            Self::Kept(Offered::Perhaps) => "kept-perhaps",
            Self::KeptForAnother => "kept-for-another",
            Self::SetAside(_) => "set-aside",
            Self::Withdrawn(_) => "withdrawn",
        }
    }
}

impl From<&Spoken> for State {
    fn from(spoken: &Spoken) -> Self {
        let said = Said::from(spoken);
        match spoken.kind {
            Kind::Question(nonce) => Self::Question(said, nonce),
            Kind::Refusal => Self::Refused(said),
        }
    }
}

/// The owner's words.
pub(crate) struct Said {
    /// In their visible form, line by line, as the owner's own screen showed them.
    pub(crate) words: String,
    pub(crate) at: String,
}

impl From<&Spoken> for Said {
    fn from(spoken: &Spoken) -> Self {
        let lines: Vec<String> = spoken.words.split('\n').map(visible::line).collect();
        Self { words: lines.join("\n"), at: media::moment(spoken.at) }
    }
}

/// A release, before it is opened.
pub(crate) struct Ready {
    pub(crate) title: String,
    pub(crate) kind: String,
    pub(crate) size: String,
    pub(crate) until: String,
    pub(crate) sha256: String,
    pub(crate) readable: bool,
}

impl From<&Manifest> for Ready {
    fn from(manifest: &Manifest) -> Self {
        let media_type = manifest.media_type.as_str();
        Self {
            title: manifest.title.as_str().to_owned(),
            kind: media::words(media_type),
            size: media::size(manifest.bytes),
            until: media::moment(manifest.not_after),
            sha256: manifest.sha256.to_string(),
            readable: media::is_text(media_type),
        }
    }
}

/// A release as it is read on the page; the text flows in where [`ShowPage::PLACE`] stands.
#[derive(Template)]
#[template(path = "show.html")]
pub(crate) struct ShowPage {
    pub(crate) name: Letterhead,
    pub(crate) id: RequestId,
    pub(crate) ready: Ready,
}

impl ShowPage {
    /// Nothing that a template escapes can spell this.
    const PLACE: &'static str = "<!--payload-->";

    /// The page before and after the text.
    pub(crate) fn halves(&self) -> Option<(String, String)> {
        let page = self.render().ok()?;
        page.split_once(Self::PLACE).map(|(head, foot)| (head.to_owned(), foot.to_owned()))
    }
}

/// Where a return code is typed.
#[derive(Template)]
#[template(path = "return.html")]
pub(crate) struct ReturnPage {
    pub(crate) name: Letterhead,
    pub(crate) requests: Vec<RequestId>,
    pub(crate) fault: Option<String>,
}

/// Anything that went wrong.
#[derive(Template)]
#[template(path = "failure.html")]
pub(crate) struct FailurePage {
    pub(crate) name: Letterhead,
    pub(crate) title: String,
    pub(crate) advice: String,
    /// Whether a return code may help.
    pub(crate) code: bool,
}
