//! Forms: read strictly, checked with words that help, and kept when something is wrong.

use super::cookies;
use super::error::Failure;
use super::guard::{BODY_SECONDS, FORM};
use crate::library::Published;
use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use futures::StreamExt;
use sha2::{Digest as _, Sha256};
use shared::ids::{ItemId, Ticket, hex, unhex};
use shared::limits;
use shared::message::{Filing, Recipient, Subject};
use shared::publication::Entry;
use shared::text::{BadText, Text};
use std::time::Duration;

/// More fields than any form of ours has; each is compared with all before it.
const FIELDS: usize = 16;

/// The fields of a form, decoded.
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads `application/x-www-form-urlencoded` of at most [`FORM`] bytes within [`BODY_SECONDS`].
    pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Self, Failure> {
        let kind = headers.get(CONTENT_TYPE).and_then(|t| t.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Failure::NotForm);
        }
        let bytes = tokio::time::timeout(Duration::from_secs(BODY_SECONDS), whole(headers, body));
        Self::parse(&bytes.await.map_err(|_| Failure::TooSlow)??)
    }

    fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for pair in bytes.split(|b| *b == b'&').filter(|p| !p.is_empty()) {
            let at = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
            let (name, value) = (decode(&pair[..at])?, decode(pair.get(at + 1..).unwrap_or_default())?);
            if fields.len() == FIELDS {
                return Err(Failure::TooLarge);
            }
            if fields.iter().any(|(other, _)| *other == name) {
                return Err(Failure::NotText);
            }
            fields.push((name, value.replace("\r\n", "\n").replace('\r', "\n")));
        }
        Ok(Self(fields))
    }

    /// A field's value, or nothing.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value.as_str())
    }
}

async fn whole(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Failure> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|l| l.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > FORM) {
        return Err(Failure::TooLarge);
    }
    let (mut bytes, mut pieces) = (Vec::new(), body.into_data_stream());
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Failure::TooSlow)?;
        if bytes.len() + piece.len() > FORM {
            return Err(Failure::TooLarge);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Percent-decoding (WHATWG URL, application/x-www-form-urlencoded), but strict: a broken escape or bad UTF-8 is refused.
fn decode(text: &[u8]) -> Result<String, Failure> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|d| char::from(*d).to_digit(16)).ok_or(Failure::NotText);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high << 4 | low).map_err(|_| Failure::NotText)?
            }
            byte => *byte,
        });
    }
    String::from_utf8(out).map_err(|_| Failure::NotText)
}

/// The item that a form asks for.
pub(crate) struct Wanted {
    pub(crate) id: ItemId,
    /// `None` when it is not in the catalogue, or not any more.
    pub(crate) entry: Option<Entry>,
}

/// What a visitor has written so far in the form that files a request.
pub(crate) struct Ask {
    /// `None` for a question.
    pub(crate) item: Option<Wanted>,
    pub(crate) question: String,
    pub(crate) purpose: String,
    pub(crate) contact: String,
    /// The ticket is made from this and the words, so that sending the same form twice files one request.
    seed: [u8; 32],
}

/// What is wrong with an [`Ask`], field by field.
#[derive(Default)]
pub(crate) struct Faults {
    pub(crate) question: Option<String>,
    pub(crate) purpose: Option<String>,
    pub(crate) contact: Option<String>,
    too_long: bool,
}

impl Faults {
    pub(crate) fn status(&self) -> StatusCode {
        if self.too_long { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::UNPROCESSABLE_ENTITY }
    }

    fn note(&mut self, error: BadText, what: &str) -> Option<String> {
        self.too_long |= matches!(error, BadText::TooLong(..));
        Some(fault(error, what))
    }

    fn any(&self) -> bool {
        self.question.is_some() || self.purpose.is_some() || self.contact.is_some()
    }
}

/// What a visitor reads beside a field that lacks `what`, or holds too much or something strange.
pub(crate) fn fault(error: BadText, what: &str) -> String {
    match error {
        BadText::Empty => format!("Please write {what}."),
        BadText::Control(code) => {
            format!("This has a character in it that no keyboard types (U+{code:04X}). Please write it again.")
        }
        BadText::TooLong(bytes, limit) => {
            format!(
                "This is too long: {bytes} of at most {limit} bytes (a plain letter is one, others are two to four)."
            )
        }
    }
}

/// The status of a page with one such field.
pub(crate) fn status(error: BadText) -> StatusCode {
    match error {
        BadText::TooLong(..) => StatusCode::PAYLOAD_TOO_LARGE,
        BadText::Empty | BadText::Control(_) => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

impl Ask {
    /// A fresh form.
    pub(crate) fn new(entry: Option<Entry>, question: String) -> Result<Self, Failure> {
        let item = entry.map(|entry| Wanted { id: entry.id, entry: Some(entry) });
        Ok(Self { item, question, purpose: String::new(), contact: String::new(), seed: cookies::random()? })
    }

    /// The form as it was sent. The item need not be in the catalogue, which may be another one than when the form was made: what
    /// was filed once must be the same when it is sent again, and what is released the vault decides.
    pub(crate) fn from_fields(fields: &Fields, published: Option<&Published>) -> Result<Self, Failure> {
        let item = match fields.get("item") {
            "" => None,
            id => Some(Wanted::find(published, id)?),
        };
        Ok(Self {
            item,
            question: fields.get("question").to_owned(),
            purpose: fields.get("purpose").to_owned(),
            contact: fields.get("contact").to_owned(),
            seed: unhex(fields.get("seed")).or_else(|_| cookies::random())?,
        })
    }

    /// The form's seed, as the form carries it.
    pub(crate) fn seed(&self) -> String {
        hex(&self.seed)
    }

    /// The request that this files, and its ticket.
    pub(crate) fn filing(&self) -> Result<(Ticket, Filing), Faults> {
        let mut faults = Faults::default();
        let subject = match &self.item {
            Some(wanted) => Some(Subject::Item(wanted.id)),
            None => match Text::new(self.question.as_str()) {
                Ok(question) => Some(Subject::Question(question)),
                Err(e) => {
                    faults.question = faults.note(e, "your question");
                    None
                }
            },
        };
        let purpose = Text::<{ limits::PURPOSE }>::new(self.purpose.as_str());
        let purpose = purpose.map_err(|e| faults.purpose = faults.note(e, "what you need it for"));
        let contact = match self.contact.trim() {
            "" => Ok(None),
            contact => Text::<{ limits::CONTACT }>::new(contact).map(Some),
        };
        let contact = contact.map_err(|e| faults.contact = faults.note(e, "how to reach you"));
        match (subject, purpose, contact) {
            (Some(subject), Ok(purpose), Ok(contact)) if !faults.any() => {
                let ticket = self.ticket();
                let filing = Filing { ticket: ticket.hash(), subject, purpose, contact, recipient: Recipient::Ticket };
                Ok((ticket, filing))
            }
            _ => Err(faults),
        }
    }

    fn ticket(&self) -> Ticket {
        let mut hash = Sha256::new().chain_update(b"webizen ticket").chain_update(self.seed);
        let item = self.item.as_ref().map(|wanted| wanted.id.to_string()).unwrap_or_default();
        for field in [&item, &self.question, &self.purpose, &self.contact] {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field.as_bytes());
        }
        Ticket::from_random(hash.finalize().into())
    }
}

impl Wanted {
    fn find(published: Option<&Published>, id: &str) -> Result<Self, Failure> {
        let id: ItemId = id.parse().map_err(|_| Failure::NotFound)?;
        let entry = published.and_then(|p| p.bundle.catalogue.iter().find(|e| e.id == id));
        Ok(Self { id, entry: entry.cloned() })
    }
}

/// The catalogue's entry of this id.
pub(crate) fn listed(published: Option<&Published>, id: &str) -> Result<Entry, Failure> {
    Wanted::find(published, id)?.entry.ok_or(Failure::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(question: &str, purpose: &str, contact: &str) -> Ask {
        Ask { item: None, question: question.into(), purpose: purpose.into(), contact: contact.into(), seed: [7; 32] }
    }

    #[test]
    fn forms_are_decoded_strictly() {
        let fields = Fields::parse(b"a=x+y%21&b=%C3%A9%0D%0Az&c&&d==").ok().unwrap();
        assert_eq!((fields.get("a"), fields.get("b"), fields.get("c"), fields.get("d")), ("x y!", "é\nz", "", "="));
        for bad in [b"a=%".as_slice(), b"a=%4", b"a=%zz", b"a=%ff", b"a=\xff", b"a=1&a=2", b"%c3=1", b"a=%+1"] {
            assert_eq!(Fields::parse(bad).err(), Some(Failure::NotText), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn bodies_are_bounded_and_typed() {
        let mut headers = HeaderMap::new();
        assert_eq!(Fields::read(&headers, Body::from("a=1")).await.err(), Some(Failure::NotForm));
        headers.insert(CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8".parse().unwrap());
        assert_eq!(Fields::read(&headers, Body::from("a=1")).await.ok().unwrap().get("a"), "1");
        assert_eq!(Fields::read(&headers, Body::from(vec![b'a'; FORM + 1])).await.err(), Some(Failure::TooLarge));
        headers.insert(CONTENT_LENGTH, "999999".parse().unwrap());
        assert_eq!(Fields::read(&headers, Body::empty()).await.err(), Some(Failure::TooLarge));
    }

    #[test]
    fn each_fault_is_named_beside_its_field() {
        let faults = ask("", " ", &"c".repeat(limits::CONTACT + 1)).filing().err().unwrap();
        assert_eq!(faults.question.as_deref(), Some("Please write your question."));
        assert_eq!(faults.purpose.as_deref(), Some("Please write what you need it for."));
        assert!(faults.contact.as_deref().unwrap().starts_with("This is too long: 201 of at most 200 bytes"));
        assert_eq!(faults.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(ask("", "p", "").filing().err().unwrap().status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert!(ask(&"q".repeat(limits::QUESTION), &"p".repeat(limits::PURPOSE), "").filing().is_ok());
    }

    #[test]
    fn the_same_form_has_the_same_ticket_and_any_other_has_another() {
        let hash = |ask: Ask| ask.filing().ok().unwrap().1.ticket;
        let first = hash(ask("q", "p", "c"));
        assert_eq!(hash(ask("q", "p", "c")), first);
        for other in [ask("q2", "p", "c"), ask("q", "p2", "c"), ask("q", "p", ""), ask("qp", "p", "c")] {
            assert_ne!(hash(other), first);
        }
        assert_ne!(hash(Ask { seed: [8; 32], ..ask("q", "p", "c") }), first);
        assert_ne!(hash(Ask::new(None, "q".into()).map(|a| Ask { purpose: "p".into(), ..a }).ok().unwrap()), first);
    }

    #[test]
    fn a_form_for_an_item_has_the_same_ticket_whether_it_is_still_listed_or_not() {
        let entry = crate::testing::bundle(1).catalogue.remove(0);
        let filing = |entry| {
            let item = Some(Wanted { id: ItemId([1; 16]), entry });
            Ask { item, ..ask("", "p", "c") }.filing().ok().unwrap()
        };
        let (before, after) = (filing(Some(entry)), filing(None));
        assert!(before.0.hash() == after.0.hash() && before.1 == after.1);
    }
}
