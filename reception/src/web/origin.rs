//! Whether a form comes from this page itself. Browsers state where a request comes from (Fetch standard, section 3.2, and Fetch
//! Metadata, section 2.4); whoever states nothing is refused.

use super::error::Failure;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue};
use node::Thinned;
use shared::visible;
use std::time::Instant;

/// Columns of the log that an address out of a header field gets.
const ADDRESS: usize = 80;

/// The page's own address, and what is told of forms that came from another one.
pub(super) struct OwnOrigin {
    /// As configured; without it, the `Host` header decides.
    public: Option<String>,
    refusals: Thinned<Foreign>,
}

/// Where a refused form came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Foreign {
    /// From the page itself, says the browser, so the page does not know its own address: a fault of the set-up.
    Ourselves,
    /// From elsewhere, or from nobody knows where: what the check is for.
    Elsewhere,
}

impl OwnOrigin {
    pub(super) fn new(public: Option<String>) -> Self {
        Self {
            public: public.map(|origin| origin.trim_end_matches('/').to_owned()),
            refusals: Thinned::new("a form was refused", "more forms were refused"),
        }
    }

    /// Whether visitors come by TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.public.as_ref().is_some_and(|origin| origin.starts_with("https://"))
    }

    /// Refuses a form that came from elsewhere. One that the browser vouches for is logged, so that whoever set the page up
    /// learns what is wrong; of others not even the address is logged, which says where a visitor has been.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Failure> {
        self.refusals.flush(Instant::now());
        match self.foreign(headers) {
            None => Ok(()),
            Some(Foreign::Elsewhere) => Err(Failure::Forbidden),
            Some(Foreign::Ourselves) => {
                self.refusals.note(Foreign::Ourselves, self.mistake(headers), Instant::now());
                Err(Failure::Misplaced)
            }
        }
    }

    fn foreign(&self, headers: &HeaderMap) -> Option<Foreign> {
        let origin = headers.get(ORIGIN).map(|origin| self.is_own(origin, headers));
        let site = headers.get("sec-fetch-site").map(|site| site == "same-origin");
        match (origin, site) {
            (Some(true) | None, Some(true)) | (Some(true), None) => None,
            (Some(false), Some(true)) => Some(Foreign::Ourselves),
            (_, Some(false)) | (Some(false) | None, None) => Some(Foreign::Elsewhere),
        }
    }

    fn is_own(&self, origin: &HeaderValue, headers: &HeaderMap) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        if let Some(own) = &self.public {
            return origin.eq_ignore_ascii_case(own);
        }
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let named = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        named.zip(host).is_some_and(|(named, host)| named.eq_ignore_ascii_case(host))
    }

    /// What was expected, what came, and what to change.
    fn mistake(&self, headers: &HeaderMap) -> String {
        let field = |name| headers.get(name).map_or(String::new(), |value: &HeaderValue| address(value.as_bytes()));
        let came = field(ORIGIN);
        match &self.public {
            Some(own) => format!(
                "the visitor's browser has this page at {came}, and http.public_origin in reception.toml says {}. If {came} is \
                 yours, have the proxy send its visitors on to the other, or change http.public_origin and restart the reception",
                address(own.as_bytes())
            ),
            None => format!(
                "the visitor's browser has this page at {came}, and the Host header that the proxy passed on says {}. If {came} \
                 is yours, have the proxy pass Host on as it came (nginx: proxy_set_header Host $http_host), or set \
                 http.public_origin in reception.toml to it and restart the reception",
                field(HOST)
            ),
        }
    }
}

/// What a stranger may have written, as the log may show it.
fn address(bytes: &[u8]) -> String {
    visible::beginning(&String::from_utf8_lossy(bytes), ADDRESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Captured, headers};

    #[test]
    fn only_forms_from_the_page_itself_pass() {
        let own = OwnOrigin::new(None);
        let pass = |pairs: &[(&'static str, &'static str)]| own.check(&headers(pairs)).is_ok();
        assert!(pass(&[("host", "ask.example.org"), ("origin", "https://ask.example.org")]));
        assert!(pass(&[
            ("host", "localhost:8080"),
            ("origin", "http://LOCALHOST:8080"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(pass(&[("host", "a.example"), ("sec-fetch-site", "same-origin")]));
        assert!(!pass(&[("host", "a.example")]), "silence");
        for origin in
            ["https://evil.example", "null", "", "https://a.example.evil", "https://a.example:444", "ftp://a.example"]
        {
            assert!(!pass(&[("host", "a.example"), ("origin", origin)]), "{origin}");
        }
        for site in ["cross-site", "same-site", "none", ""] {
            assert!(
                !pass(&[("host", "a.example"), ("origin", "https://a.example"), ("sec-fetch-site", site)]),
                "{site}"
            );
        }
        assert!(!pass(&[("origin", "https://evil.example"), ("host", "a.example"), ("sec-fetch-site", "same-origin")]));
    }

    #[test]
    fn a_configured_origin_is_the_only_one() {
        let own = OwnOrigin::new(Some("https://ask.example.org/".into()));
        let pass = |origin| own.check(&headers(&[("host", "inner:8080"), ("origin", origin)])).is_ok();
        assert!(pass("https://ask.example.org"));
        assert!(!pass("http://ask.example.org") && !pass("https://inner:8080"));
        assert!(own.is_secure() && !OwnOrigin::new(None).is_secure());
    }

    #[test]
    fn a_page_that_does_not_know_its_address_says_so_once_in_a_while() {
        let (captured, _guard) = Captured::start();
        let form =
            [("host", "127.0.0.1:8080"), ("origin", "https://ask.example.org"), ("sec-fetch-site", "same-origin")];
        let behind = OwnOrigin::new(None);
        for _ in 0..100 {
            assert_eq!(behind.check(&headers(&form)), Err(Failure::Misplaced));
        }
        let moved = OwnOrigin::new(Some("https://old.example.org".into()));
        assert_eq!(moved.check(&headers(&form)), Err(Failure::Misplaced));
        let text = captured.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        for words in
            ["page at https://ask.example.org,", "says 127.0.0.1:8080.", "proxy_set_header Host", "http.public_origin"]
        {
            assert!(lines[0].contains(words), "{words} is not in {}", lines[0]);
        }
        assert!(lines[1].contains("says https://old.example.org.") && !lines[1].contains("127.0.0.1"), "{}", lines[1]);
    }

    #[test]
    fn where_a_visitor_has_been_is_not_logged_and_what_is_logged_is_bounded() {
        let (captured, _guard) = Captured::start();
        let own = OwnOrigin::new(None);
        let elsewhere =
            [("host", "a.example"), ("origin", "https://private.example"), ("sec-fetch-site", "cross-site")];
        assert_eq!(own.check(&headers(&elsewhere)), Err(Failure::Forbidden));
        assert_eq!(own.check(&headers(&elsewhere[..2])), Err(Failure::Forbidden));
        assert_eq!(captured.text(), "");
        let mut hostile = headers(&[("host", "a.example"), ("sec-fetch-site", "same-origin")]);
        hostile
            .insert(ORIGIN, HeaderValue::from_bytes(&[b"https://\t\xff".to_vec(), vec![b'x'; 9000]].concat()).unwrap());
        assert_eq!(own.check(&hostile), Err(Failure::Misplaced));
        let text = captured.text();
        assert!(text.len() < 1000 && text.contains(r"https://\t"), "{text}");
        assert!(!text.trim_end().contains(['\t', '\n']), "{text}");
    }
}
