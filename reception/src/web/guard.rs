//! What every request passes on its way in, and every response on its way out: rate limits, the origin check, security
//! headers. Every number that a stranger can run into here is a constant of this file.

use super::error::Failure;
use super::origin::OwnOrigin;
use super::{App, Shared, answers, replies, requests};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// TCP connections held at once; more wait in the kernel's queue.
pub(crate) const CONNECTIONS: usize = 12_000;
/// Seconds in which a request's head must arrive, and for which an idle connection is kept.
pub(crate) const HEAD_SECONDS: u64 = 10;
/// Seconds in which a form must arrive whole.
pub(crate) const BODY_SECONDS: u64 = 15;
/// Seconds without any progress after which a reader is given up.
pub(crate) const READER_SECONDS: u64 = 60;
/// Seconds that open responses are given when the node stops.
pub(crate) const STOP_SECONDS: u64 = 5;
/// Bytes of one form: the longest fields, percent-encoded, fit several times.
pub(crate) const FORM: usize = shared::limits::FRAME;
/// Streams of events held at once.
pub(crate) const EVENT_STREAMS: usize = 10_000;
/// Requests filed: this many at once, then one every [`FILING_SECONDS`].
pub(crate) const FILINGS: u32 = 30;
/// Seconds for one more filing.
pub(crate) const FILING_SECONDS: u64 = 10;
/// Other forms sent (questions to the page, collections, return codes): at once; then [`ACTS_A_SECOND`].
pub(crate) const ACTS: u32 = 60;
/// Forms a second, lasting.
pub(crate) const ACTS_A_SECOND: u32 = 2;
/// Pages that ask the vault or render a document: at once; then [`LOOKUPS_A_SECOND`].
pub(crate) const LOOKUPS: u32 = 240;
/// Such pages a second, lasting.
pub(crate) const LOOKUPS_A_SECOND: u32 = 20;
/// Checks between two sweeps of clients that have been quiet.
const SWEEP: u32 = 4096;

/// The address at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Whom a limit counts as one: an IPv4 address, or an IPv6 /64, which is one customer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Client {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.octets()),
            IpAddr::V6(v6) => {
                let mut network = [0; 8];
                network.copy_from_slice(&v6.octets()[..8]);
                Self::V6(network)
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Filing,
    Act,
    Lookup,
}

/// The limits' state.
pub(crate) struct Guard {
    trusted: Vec<IpAddr>,
    origin: OwnOrigin,
    filings: DefaultKeyedRateLimiter<Client>,
    acts: DefaultKeyedRateLimiter<Client>,
    lookups: DefaultKeyedRateLimiter<Client>,
    checks: AtomicU32,
    streams: Arc<Semaphore>,
}

impl Guard {
    pub(crate) fn new(trusted: Vec<IpAddr>, public_origin: Option<String>) -> Self {
        let filing =
            Quota::with_period(Duration::from_secs(FILING_SECONDS)).unwrap_or(Quota::per_minute(NonZeroU32::MIN));
        Self {
            trusted: trusted.iter().map(IpAddr::to_canonical).collect(),
            origin: OwnOrigin::new(public_origin),
            filings: RateLimiter::keyed(filing.allow_burst(at_least_one(FILINGS))),
            acts: RateLimiter::keyed(Quota::per_second(at_least_one(ACTS_A_SECOND)).allow_burst(at_least_one(ACTS))),
            lookups: RateLimiter::keyed(
                Quota::per_second(at_least_one(LOOKUPS_A_SECOND)).allow_burst(at_least_one(LOOKUPS)),
            ),
            checks: AtomicU32::new(0),
            streams: Arc::new(Semaphore::new(EVENT_STREAMS)),
        }
    }

    /// A place among the event streams, free again when dropped.
    pub(crate) fn event_stream(&self) -> Result<OwnedSemaphorePermit, Failure> {
        self.streams.clone().try_acquire_owned().map_err(|_| Failure::Unavailable)
    }

    fn admit(&self, request: &Request) -> Result<(), Failure> {
        let (method, headers) = (request.method(), request.headers());
        if method != Method::GET && method != Method::HEAD {
            self.origin.check(headers)?;
        }
        let Some(kind) = kind(method, request.uri().path()) else { return Ok(()) };
        let peer = request.extensions().get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |p| p.0);
        self.check_rate(kind, self.client(peer, headers))
    }

    fn check_rate(&self, kind: Kind, client: Client) -> Result<(), Failure> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            for limiter in [&self.filings, &self.acts, &self.lookups] {
                limiter.retain_recent();
            }
        }
        let limiter = match kind {
            Kind::Filing => &self.filings,
            Kind::Act => &self.acts,
            Kind::Lookup => &self.lookups,
        };
        limiter.check_key(&client).map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now()).as_secs() + 1;
            Failure::TooOften(u32::try_from(wait).unwrap_or(u32::MAX))
        })
    }

    /// The visitor's address: the peer's, or, behind trusted proxies, the last one that none of them has.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        let mut client = peer.to_canonical();
        let named = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok());
        let chain: Vec<&str> = named.flat_map(|v| v.split(',')).collect();
        for entry in chain.iter().rev() {
            if !self.trusted.contains(&client) {
                break;
            }
            let Ok(address) = entry.trim().parse::<IpAddr>() else { break };
            client = address.to_canonical();
        }
        client.into()
    }
}

fn at_least_one(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN)
}

/// What a request counts as; pages that cost next to nothing are not counted.
fn kind(method: &Method, path: &str) -> Option<Kind> {
    match (method == Method::POST, path) {
        (true, "/requests") => Some(Kind::Filing),
        (true, _) => Some(Kind::Act),
        (false, path) if path.starts_with("/requests/") || path.starts_with("/published/") => Some(Kind::Lookup),
        (false, _) => None,
    }
}

/// Whether the browser keeps a `Secure` cookie from here: over HTTPS, or on the visitor's own machine.
pub(crate) fn keeps_cookies(headers: &HeaderMap) -> bool {
    let origin = headers.get(ORIGIN).and_then(|o| o.to_str().ok());
    let Some(authority) = origin.and_then(|o| o.strip_prefix("http://")) else { return true };
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next(),
        None => authority.split(':').next(),
    };
    let host = host.unwrap_or_default();
    let loopback = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    loopback || host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost")
}

/// Admits or refuses a request, and gives the response its headers.
pub(crate) async fn watch(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let mut response = match app.guard.admit(&request) {
        Ok(()) => next.run(request).await,
        Err(failure) => refuse(&app, request, failure).await,
    };
    let failure = response.extensions_mut().remove::<Failure>();
    // A path or query that is no text is refused before any handler of ours, with status 400.
    let unread = || (response.status() == StatusCode::BAD_REQUEST && !is_html(&response)).then_some(Failure::NotText);
    if let Some(failure) = failure.or_else(unread) {
        response = failure.page(app.name());
    }
    dress(&app, response.headers_mut());
    response
}

/// A form that came too often goes back with the words in it; anything else is refused without being read.
async fn refuse(app: &App, request: Request, failure: Failure) -> Response {
    if !matches!(failure, Failure::TooOften(_)) || request.method() != Method::POST {
        return failure.into_response();
    }
    let (parts, body) = request.into_parts();
    let given_back = match parts.uri.path() {
        "/requests" | "/requests/new" => requests::given_back(app, &parts.headers, body, failure).await,
        "/ask" => answers::given_back(app, &parts.headers, body, failure).await,
        path => match path.strip_prefix("/requests/").and_then(|rest| rest.strip_suffix("/answer")) {
            Some(id) => replies::given_back(app, &parts.headers, id, body, failure).await,
            None => Err(failure),
        },
    };
    given_back.unwrap_or_else(|_| failure.into_response())
}

fn is_html(response: &Response) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

const CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                   form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const HEADERS: [(&str, &str); 8] = [
    ("content-security-policy", CSP),
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("cache-control", "no-store"),
];

fn dress(app: &App, headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
    }
    if app.guard.origin.is_secure() {
        headers.insert("strict-transport-security", HeaderValue::from_static("max-age=31536000"));
    }
}

/// Lets a page that shows nothing personal be kept, if it is checked before each use.
pub(crate) fn shareable(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::headers;

    #[test]
    fn forwarded_addresses_are_believed_from_trusted_proxies_only() {
        let guard = Guard::new(vec!["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()], None);
        let client = |peer: &str, forwarded: &'static str| {
            guard.client(peer.parse().unwrap(), &headers(&[("x-forwarded-for", forwarded)]))
        };
        let v4 = |text: &str| Client::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(client("198.51.100.7", "203.0.113.9"), v4("198.51.100.7"), "a stranger's claim");
        assert_eq!(client("10.0.0.1", "192.0.2.1, 203.0.113.9"), v4("203.0.113.9"), "the rightmost");
        assert_eq!(client("10.0.0.1", "203.0.113.9, 10.0.0.2"), v4("203.0.113.9"), "through two proxies");
        assert_eq!(client("::ffff:10.0.0.1", "203.0.113.9"), v4("203.0.113.9"));
        assert_eq!(client("10.0.0.1", "junk"), v4("10.0.0.1"));
        assert_eq!(client("10.0.0.1", "203.0.113.9, junk"), v4("10.0.0.1"), "nothing left of junk is believed");
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let client = |text: &str| Client::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(client("2001:db8:1:2::1"), client("2001:db8:1:2:ffff::9"));
        assert_ne!(client("2001:db8:1:2::1"), client("2001:db8:1:3::1"));
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
    }

    #[test]
    fn the_rate_limit_bites_one_client_and_says_how_long() {
        let guard = Guard::new(vec![], None);
        let (one, other) = (Client::V4([192, 0, 2, 1]), Client::V4([192, 0, 2, 2]));
        for _ in 0..FILINGS {
            assert_eq!(guard.check_rate(Kind::Filing, one), Ok(()));
        }
        let Err(Failure::TooOften(seconds)) = guard.check_rate(Kind::Filing, one) else { panic!() };
        assert!((1..=FILING_SECONDS as u32 + 1).contains(&seconds), "{seconds}");
        assert_eq!(guard.check_rate(Kind::Filing, other), Ok(()));
        assert_eq!(guard.check_rate(Kind::Act, one), Ok(()));
    }

    #[test]
    fn quiet_clients_are_forgotten() {
        let guard = Guard::new(vec![], None);
        for i in 0..10_000u32 {
            guard.lookups.check_key(&Client::V4(i.to_be_bytes())).unwrap();
        }
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while guard.lookups.len() >= 10 {
            assert!(std::time::Instant::now() < deadline, "{} are remembered", guard.lookups.len());
            for _ in 0..SWEEP {
                let _ = guard.check_rate(Kind::Lookup, Client::V6([0; 8]));
            }
        }
    }

    #[test]
    fn what_is_counted() {
        assert_eq!(kind(&Method::POST, "/requests"), Some(Kind::Filing));
        assert_eq!(kind(&Method::POST, "/chat"), Some(Kind::Act));
        assert_eq!(kind(&Method::GET, "/requests/00/events"), Some(Kind::Lookup));
        assert_eq!(kind(&Method::GET, "/"), None);
    }

    #[test]
    fn cookies_hold_over_https_and_at_home() {
        for origin in [
            "https://a.example",
            "http://localhost:80",
            "http://127.0.0.1:8080",
            "http://[::1]:1",
            "http://x.localhost",
        ] {
            assert!(keeps_cookies(&headers(&[("origin", origin)])), "{origin}");
        }
        assert!(!keeps_cookies(&headers(&[("origin", "http://192.0.2.1:8080")])));
        assert!(!keeps_cookies(&headers(&[("origin", "http://localhost.example")])));
    }
}
