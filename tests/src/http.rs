//! A visitor with a bare HTTP client: what the pages' forms send, without a browser's help or hindrance.

use crate::{World, until};
use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderMap, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tokio::runtime::Runtime;

/// A client with a cookie jar for one reception. Redirects are not followed.
pub struct Visitor {
    runtime: Runtime,
    client: Client,
    base: String,
    jar: BTreeMap<String, String>,
}

/// A response, read to its end.
#[derive(Debug)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Page {
    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first value of a header field, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The value of the form's hidden or text field `name`.
    pub fn field(&self, name: &str) -> Option<String> {
        let text = self.text();
        let tag = text.split("<input").find(|tag| tag.contains(&format!("name=\"{name}\"")))?;
        Some(tag.split("value=\"").nth(1)?.split('"').next()?.to_owned())
    }
}

impl Visitor {
    /// Somebody new, without cookies.
    pub fn new(world: &World) -> Self {
        Self::at(&world.url(""))
    }

    /// As [`Visitor::new`], at this address of a page, such as a tap's.
    pub fn at(base: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = Client::builder().redirect(Policy::none()).no_proxy().pool_max_idle_per_host(0).build().unwrap();
        Self { runtime, client, base: base.to_owned(), jar: BTreeMap::new() }
    }

    /// The cookies held, by name.
    pub fn cookies(&self) -> &BTreeMap<String, String> {
        &self.jar
    }

    /// Takes another's cookies.
    pub fn set_cookies(&mut self, cookies: BTreeMap<String, String>) {
        self.jar = cookies;
    }

    /// A request to send with [`Visitor::send`]: no cookies, no `Origin`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// Sends as it is, and reads the whole response.
    ///
    /// # Errors
    /// reqwest's, when there is no whole response.
    pub fn send(&self, request: RequestBuilder) -> Result<Page, reqwest::Error> {
        self.runtime.block_on(async {
            let response = request.send().await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            Ok(Page { status, headers, body: response.bytes().await?.to_vec() })
        })
    }

    /// Sends and hands each piece of the body to `take` as it comes; the status.
    ///
    /// # Errors
    /// reqwest's, when there is no whole response.
    pub fn stream(&self, request: RequestBuilder, mut take: impl FnMut(&[u8])) -> Result<u16, reqwest::Error> {
        self.runtime.block_on(async {
            let mut response = request.send().await?;
            while let Some(piece) = response.chunk().await? {
                take(&piece);
            }
            Ok(response.status().as_u16())
        })
    }

    /// Sends, takes at least `enough` bytes of the body (or all of it), and hangs up; the bytes taken.
    pub fn break_off(&self, request: RequestBuilder, enough: usize) -> Vec<u8> {
        self.runtime.block_on(async {
            let (mut response, mut taken) = (request.send().await.unwrap(), Vec::new());
            while taken.len() < enough {
                match response.chunk().await.unwrap() {
                    Some(piece) => taken.extend_from_slice(&piece),
                    None => break,
                }
            }
            taken
        })
    }

    /// GET with the cookies.
    pub fn get(&self, path: &str) -> Page {
        self.send(self.with_cookies(self.request(Method::GET, path))).unwrap()
    }

    /// POST of a form from this page, with the cookies; takes the cookies that come.
    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let page = self.send(self.form(path, fields)).unwrap();
        for cookie in page.headers.get_all(SET_COOKIE) {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                self.jar.remove(name)
            } else {
                self.jar.insert(name.into(), value.into())
            };
        }
        page
    }

    /// What [`Visitor::post`] sends.
    pub fn form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let request = self.with_cookies(self.request(Method::POST, path)).header(ORIGIN, &self.base);
        request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(encode(fields))
    }

    fn with_cookies(&self, request: RequestBuilder) -> RequestBuilder {
        if self.jar.is_empty() {
            return request;
        }
        let pairs: Vec<String> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request.header(COOKIE, pairs.join("; "))
    }

    /// Files a question through the form; the request's id.
    ///
    /// # Panics
    /// When it is not filed.
    pub fn file_question(&mut self, question: &str, purpose: &str) -> String {
        let seed = self.get("/requests/new").field("seed").unwrap();
        let page = self.post("/requests", &[("seed", &seed), ("question", question), ("purpose", purpose)]);
        filed(&page)
    }

    /// Files a request for a listed item through the form; the request's id.
    ///
    /// # Panics
    /// When it is not filed.
    pub fn file_item(&mut self, item: &str, purpose: &str) -> String {
        self.file_item_for(item, purpose, "")
    }

    /// As [`Self::file_item`], naming a contact.
    pub fn file_item_for(&mut self, item: &str, purpose: &str, contact: &str) -> String {
        let seed = self.get(&format!("/requests/new?item={item}")).field("seed").unwrap();
        let fields = [("seed", seed.as_str()), ("item", item), ("purpose", purpose), ("contact", contact)];
        let page = self.post("/requests", &fields);
        filed(&page)
    }

    /// The owner's words on a request's page, as a browser would show them; nothing when there are none.
    pub fn words(&self, request: &str) -> String {
        let text = self.get(&format!("/requests/{request}")).text();
        let words = text.split("<blockquote dir=\"auto\">").nth(1).and_then(|rest| rest.split("</blockquote>").next());
        unescape(words.unwrap_or_default())
    }

    /// Answers the owner's question through the form on the request's page; the page that comes.
    ///
    /// # Panics
    /// When the page has no such form.
    pub fn answer(&mut self, request: &str, text: &str) -> Page {
        let page = self.get(&format!("/requests/{request}"));
        let question = page.field("question").unwrap_or_else(|| panic!("no question: {}", page.text()));
        self.post(&format!("/requests/{request}/answer"), &[("question", &question), ("answer", text)])
    }

    /// How a request stands, as its page says: `waiting`, `question`, `refused`, `ready`, `closed`, `away` or `unproven`.
    pub fn state(&self, request: &str) -> String {
        let text = self.get(&format!("/requests/{request}")).text();
        text.split("data-state=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned()
    }

    /// Waits until the page says so.
    ///
    /// # Panics
    /// After [`crate::PATIENCE`].
    pub fn wait_until(&self, request: &str, state: &str) {
        until(&format!("the request is {state}"), || (self.state(request) == state).then_some(()));
    }

    /// Collects a release as a file.
    pub fn save(&mut self, request: &str) -> Page {
        self.post(&format!("/requests/{request}/save"), &[])
    }

    /// Collects the receipt as a file: the release's, or that of the owner's words.
    pub fn receipt(&mut self, request: &str) -> Page {
        self.post(&format!("/requests/{request}/receipt"), &[])
    }
}

fn filed(page: &Page) -> String {
    let location = page.headers.get(LOCATION).and_then(|l| l.to_str().ok()).unwrap_or_default();
    let id = location.strip_prefix("/requests/").filter(|_| page.status == 303);
    id.unwrap_or_else(|| panic!("not filed: {} {}", page.status, page.text())).to_owned()
}

/// The text that the page's templates have escaped.
fn unescape(html: &str) -> String {
    let escapes = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    escapes.iter().fold(html.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

/// application/x-www-form-urlencoded (WHATWG URL, section 5.2).
pub fn encode(fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter().map(|(name, value)| format!("{}={}", percent(name), percent(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            _ => write!(out, "%{byte:02X}").unwrap(),
        }
    }
    out
}
