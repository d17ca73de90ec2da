//! Questions to the page itself, answered from what was published.

use super::error::Failure;
use super::forms::Fields;
use super::pages::{Exchange, ItemLine, LeadPart, Offer, OfferPart, QuotePart, QuoteView, Reply};
use super::{App, Shared, events, markdown, pages, routes};
use crate::agent::{Answer, Quote};
use askama::Template;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use shared::limits;
use std::convert::Infallible;

/// The answer as a page, for browsers without scripts.
pub(crate) async fn ask(State(app): State<Shared>, headers: HeaderMap, body: Body) -> Result<Response, Failure> {
    let question = question(&headers, body).await?;
    let reply = reply(&app, &question);
    Ok(routes::home_page(&app, &headers, Some(Exchange { question, reply })))
}

/// The first page again, for a question that came too often: its words are still in the field.
pub(crate) async fn given_back(
    app: &App,
    headers: &HeaderMap,
    body: Body,
    failure: Failure,
) -> Result<Response, Failure> {
    let kept = question(headers, body).await?;
    Ok(failure.mark(routes::home_page_kept(app, headers, failure, kept)))
}

/// The answer as a stream of events: `lead`, `quote`s and `offer` carry HTML that is safe to insert, then comes `done`.
pub(crate) async fn chat(State(app): State<Shared>, headers: HeaderMap, body: Body) -> Result<Response, Failure> {
    let question = question(&headers, body).await?;
    let parts = parts(&reply(&app, &question)).map_err(|_| Failure::Unavailable)?;
    let parts = parts.into_iter().map(Ok::<Bytes, Infallible>);
    Ok(events::response(Body::from_stream(stream::iter(parts))))
}

async fn question(headers: &HeaderMap, body: Body) -> Result<String, Failure> {
    let fields = Fields::read(headers, body).await?;
    let question = fields.get("question");
    if question.len() > limits::QUESTION { Err(Failure::TooLarge) } else { Ok(question.trim().to_owned()) }
}

fn reply(app: &App, question: &str) -> Reply {
    let answer = app.published().map_or(Answer::Unknown { nearest: None, items: vec![] }, |p| p.shelf.answer(question));
    let documents = app.published().map(|p| pages::titles(&p.bundle)).unwrap_or_default();
    phrase(answer, question, documents)
}

fn phrase(answer: Answer, question: &str, documents: Vec<String>) -> Reply {
    let offer = |items: Vec<_>| {
        let items = items.iter().map(ItemLine::from).collect();
        Some(Offer { question: question.to_owned(), items, documents: vec![] })
    };
    match answer {
        Answer::Greeting => Reply {
            lead: "Good day. Ask me about anything that is published here. For anything else I can take a question to the owner.",
            bridge: None,
            quotes: vec![],
            offer: None,
        },
        Answer::Unclear => Reply {
            lead: "I did not understand what you would like to know. Please name a subject.",
            bridge: None,
            quotes: vec![],
            offer: offer(vec![]).map(|offer| Offer { documents, ..offer }),
        },
        Answer::Quotes { quotes, items } => Reply {
            lead: "The closest thing published is this:",
            bridge: None,
            quotes: quotes.into_iter().map(view).collect(),
            offer: offer(items),
        },
        Answer::Unknown { nearest, items } => Reply {
            lead: "I do not know: nothing that was published says so.",
            bridge: nearest.is_some().then_some("What comes nearest, though it may be no answer:"),
            quotes: nearest.into_iter().map(view).collect(),
            offer: offer(items),
        },
    }
}

fn view(quote: Quote) -> QuoteView {
    let Quote { document, document_title, heading, markdown } = quote;
    QuoteView { document, title: document_title, heading, html: markdown::render(&markdown) }
}

fn parts(reply: &Reply) -> askama::Result<Vec<Bytes>> {
    let mut parts = vec![events::heartbeat(), events::event("lead", &LeadPart { reply }.render()?)];
    for quote in &reply.quotes {
        parts.push(events::event("quote", &QuotePart { quote }.render()?));
    }
    if let Some(offer) = &reply.offer {
        parts.push(events::event("offer", &OfferPart { offer }.render()?));
    }
    parts.push(events::event("done", ""));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streamed(answer: Answer, question: &str) -> String {
        let parts = parts(&phrase(answer, question, vec!["Garden & bees".into()])).unwrap();
        parts.iter().map(|p| String::from_utf8_lossy(p).into_owned()).collect()
    }

    #[test]
    fn a_visitors_words_come_back_as_text() {
        let stream = streamed(Answer::Unknown { nearest: None, items: vec![] }, "<img src=x>\"\n\nevent: done\nx");
        assert!(stream.contains("I do not know") && !stream.contains("<img"), "{stream}");
        assert_eq!(stream.matches("\nevent: done").count(), 1, "{stream}");
        assert!(stream.ends_with("event: done\ndata: \n\n"));
    }

    #[test]
    fn what_was_not_understood_is_said_and_what_is_published_is_listed() {
        let stream = streamed(Answer::Unclear, "could you?");
        assert!(stream.contains("I did not understand") && !stream.contains("Good day"), "{stream}");
        assert!(stream.contains("<a href=\"/published/0\">Garden &#38; bees</a>"), "{stream}");
    }

    #[test]
    fn a_quote_has_its_source_and_is_followed_by_the_offer() {
        let quote = Quote {
            document: 4,
            document_title: "Garden & bees".into(),
            heading: Some("Honey".into()),
            markdown: "A *jar* <script>x</script>".into(),
        };
        let stream = streamed(Answer::Quotes { quotes: vec![quote], items: vec![] }, "honey?");
        assert!(stream.contains("<em>jar</em>") && !stream.contains("<script"), "{stream}");
        assert!(stream.contains("/published/4") && stream.contains("Garden &#38; bees"), "{stream}");
        let (quoted, offered) = (stream.find("event: quote").unwrap(), stream.find("event: offer").unwrap());
        assert!(quoted < offered && stream.contains("action=\"/requests/new\""));
    }
}
