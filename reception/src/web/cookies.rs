//! The visitor's keys: one cookie for each request, with its ticket and this device's collection id.

use super::error::Failure;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use shared::ids::{CollectionId, RequestId, Ticket, hex, unhex};
use shared::limits;
use zeroize::Zeroize;

/// Requests that one browser remembers; the oldest is forgotten for a new one.
pub(crate) const REMEMBERED: usize = 20;
/// Seconds for which a browser remembers: as long as a request can live.
const LIFE: u64 = limits::ASKING_LIFE + limits::RELEASE_LIFE_MAX;
/// RFC 6265bis 4.1.3: only over HTTPS, only for this host, only with `Path=/`.
const PREFIX: &str = "__Host-r-";
const TICKET: usize = 32;
const VALUE: usize = TICKET + 16;
/// Ends the value once an answer has been sent. RFC 6265 section 4.1.1 allows the sign, and no hexadecimal digit is like it.
const ANSWERED: &str = ".answered";

/// What a browser holds for one request. The same collection id, however often it opens a release, is one collection.
pub(crate) struct Held {
    pub(crate) ticket: Ticket,
    pub(crate) collection: CollectionId,
    pub(crate) sent: Sent,
}

/// Whether this browser has sent an answer to a question of the owner's. Only the browser remembers it: the vault's reply is the
/// same for everything undecided, and nothing is kept here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    Nothing,
    Answer,
}

impl Held {
    /// This browser's hold on `ticket`: the one that it has, since the owner counts a new one as another device.
    pub(crate) fn on(ticket: Ticket, headers: &HeaderMap) -> Result<Self, Failure> {
        match held(headers, &ticket.hash().request().to_string()) {
            Ok(held) => Ok(held),
            Err(_) => Ok(Self { ticket, collection: CollectionId(random()?), sent: Sent::Nothing }),
        }
    }

    pub(crate) fn request(&self) -> RequestId {
        self.ticket.hash().request()
    }

    fn to_value(&self) -> String {
        let sent = match self.sent {
            Sent::Nothing => "",
            Sent::Answer => ANSWERED,
        };
        hex(self.ticket.expose()) + &hex(&self.collection.0) + sent
    }

    fn from_value(value: &str) -> Option<Self> {
        let (value, sent) = match value.strip_suffix(ANSWERED) {
            Some(value) => (value, Sent::Answer),
            None => (value, Sent::Nothing),
        };
        let mut bytes = unhex::<VALUE>(value).ok()?;
        let (mut ticket, mut collection) = ([0; TICKET], [0; 16]);
        ticket.copy_from_slice(&bytes[..TICKET]);
        collection.copy_from_slice(&bytes[TICKET..]);
        bytes.zeroize();
        Some(Self { ticket: Ticket::from_random(ticket), collection: CollectionId(collection), sent })
    }
}

/// Bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Failure::Unavailable)?;
    Ok(bytes)
}

/// What this browser holds for the request named in a path.
pub(crate) fn held(headers: &HeaderMap, id: &str) -> Result<Held, Failure> {
    let id: RequestId = id.parse().map_err(|_| Failure::NotFound)?;
    let value = cookies(headers).find(|(request, _)| *request == id).map(|(_, value)| value);
    let held = value.and_then(Held::from_value).ok_or(Failure::NotFound)?;
    if held.request() == id { Ok(held) } else { Err(Failure::NotFound) }
}

/// The requests that this browser remembers, oldest first, as browsers send them (RFC 6265 section 5.4).
pub(crate) fn remembered(headers: &HeaderMap) -> Vec<RequestId> {
    cookies(headers).map(|(request, _)| request).collect()
}

/// Makes the browser remember this request, and forget the oldest beyond [`REMEMBERED`].
pub(crate) fn remember(response: &mut Response, headers: &HeaderMap, held: &Held) {
    let others: Vec<RequestId> = remembered(headers).into_iter().filter(|id| *id != held.request()).collect();
    let surplus = (others.len() + 1).saturating_sub(REMEMBERED);
    for id in &others[..surplus] {
        set(response, &format!("{PREFIX}{id}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"));
    }
    let (id, mut value) = (held.request(), held.to_value());
    set(response, &format!("{PREFIX}{id}={value}; Max-Age={LIFE}; Path=/; Secure; HttpOnly; SameSite=Lax"));
    value.zeroize();
}

fn set(response: &mut Response, cookie: &str) {
    if let Ok(mut value) = HeaderValue::from_str(cookie) {
        value.set_sensitive(true);
        response.headers_mut().append(SET_COOKIE, value);
    }
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (RequestId, &str)> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|v| v.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        Some((name.strip_prefix(PREFIX)?.parse().ok()?, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    fn held_by(n: u8) -> Held {
        Held { ticket: Ticket::from_random([n; 32]), collection: CollectionId([n; 16]), sent: Sent::Nothing }
    }

    fn browser(cookies: &[String]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_str(&cookies.join("; ")).unwrap());
        headers
    }

    fn cookie(held: &Held) -> String {
        format!("{PREFIX}{}={}", held.request(), held.to_value())
    }

    fn set_by(headers: &HeaderMap, held: &Held) -> Vec<String> {
        let mut response = ().into_response();
        remember(&mut response, headers, held);
        response.headers().get_all(SET_COOKIE).iter().map(|v| v.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_browser_gets_back_what_it_was_given() {
        let held_one = held_by(1);
        let set = set_by(&HeaderMap::new(), &held_one);
        assert_eq!(set.len(), 1);
        assert!(
            set[0].starts_with("__Host-r-") && set[0].ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"),
            "{set:?}"
        );
        let headers = browser(&["other=1".into(), set[0].split(';').next().unwrap().into()]);
        let back = held(&headers, &held_one.request().to_string()).ok().unwrap();
        assert!(back.ticket.hash() == held_one.ticket.hash() && back.collection == held_one.collection);
    }

    #[test]
    fn a_browser_remembers_that_it_has_answered() {
        let answered = Held { sent: Sent::Answer, ..held_by(1) };
        let id = answered.request().to_string();
        let back = held(&browser(&[cookie(&answered)]), &id).ok().unwrap();
        assert!(back.ticket.hash() == answered.ticket.hash() && back.collection == answered.collection);
        assert_eq!(back.sent, Sent::Answer);
        assert_eq!(held(&browser(&[cookie(&held_by(1))]), &id).ok().unwrap().sent, Sent::Nothing);
        for end in [".", ".answer", ".answered.answered", ".answeredx"] {
            let cookie = cookie(&held_by(1)) + end;
            assert_eq!(held(&browser(&[cookie]), &id).err(), Some(Failure::NotFound), "{end}");
        }
    }

    #[test]
    fn another_requests_ticket_and_damaged_values_open_nothing() {
        let (one, two) = (held_by(1), held_by(2));
        let id = one.request().to_string();
        let swapped = format!("{PREFIX}{id}={}", two.to_value());
        for cookie in
            [swapped, format!("{PREFIX}{id}=00"), format!("{PREFIX}{id}="), format!("r-{id}={}", one.to_value())]
        {
            assert_eq!(held(&browser(&[cookie]), &id).err(), Some(Failure::NotFound));
        }
        for path in ["", "xyz", &id.to_uppercase()] {
            assert_eq!(held(&browser(&[cookie(&one)]), path).err(), Some(Failure::NotFound));
        }
    }

    #[test]
    fn the_oldest_is_forgotten_for_a_new_one() {
        let all: Vec<Held> = (0..REMEMBERED as u8).map(held_by).collect();
        let headers = browser(&all.iter().map(cookie).collect::<Vec<_>>());
        let set = set_by(&headers, &held_by(99));
        assert_eq!(set.len(), 2);
        assert!(set[0].starts_with(&format!("{PREFIX}{}=; Max-Age=0;", all[0].request())), "{set:?}");
        assert_eq!(set_by(&headers, &all[5]).len(), 1, "one that is remembered already displaces none");
    }
}
