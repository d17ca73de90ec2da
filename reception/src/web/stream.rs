//! A payload on its way to the visitor: never held whole, hashed as it flows, and cut off when it is not what was signed.

use crate::broker::Payload;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use sha2::{Digest as _, Sha256};
use shared::ids::Digest;
use std::convert::Infallible;

/// A payload was not what its manifest says, or did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// Its length or its SHA-256 is another.
    #[error("what arrived is not what was signed; nothing of it should be relied upon")]
    Other,
    /// The link broke.
    #[error("the transfer was interrupted")]
    Cut,
}

/// Where a payload's pieces come from.
pub(crate) trait Source: Send {
    /// The next piece, `None` at the end.
    fn piece(&mut self) -> impl Future<Output = Result<Option<Bytes>, Broken>> + Send;
}

impl Source for Payload {
    async fn piece(&mut self) -> Result<Option<Bytes>, Broken> {
        self.chunk().await.map_err(|_| Broken::Cut)
    }
}

/// Checks a payload as it flows. The last piece is given out only when length and hash are right, so that a browser that was
/// told the length never takes a wrong payload for whole.
pub(crate) struct Checked<S> {
    source: S,
    expected: Digest,
    left: u64,
    hash: Sha256,
    held: Option<Bytes>,
}

impl<S: Source> Checked<S> {
    pub(crate) fn new(source: S, bytes: u64, expected: Digest) -> Self {
        Self { source, expected, left: bytes, hash: Sha256::new(), held: None }
    }

    /// The next piece that may be given out.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        while let Some(piece) = self.source.piece().await? {
            self.left = self.left.checked_sub(piece.len() as u64).ok_or(Broken::Other)?;
            self.hash.update(&piece);
            if let Some(ready) = self.held.replace(piece) {
                return Ok(Some(ready));
            }
        }
        let right = self.left == 0 && Digest(self.hash.clone().finalize().into()) == self.expected;
        if right { Ok(self.held.take()) } else { Err(Broken::Other) }
    }

    /// The payload as it is, once its beginning has come; it ends in an error when it is not what was signed.
    pub(crate) async fn begin(mut self) -> Result<impl Stream<Item = Result<Bytes, Broken>> + Send, Broken>
    where
        S: 'static,
    {
        let first = self.next().await?;
        let rest = first.is_some().then_some(self);
        let rest = stream::unfold(rest, |checked| async {
            let mut checked = checked?;
            match checked.next().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(checked))),
                Ok(None) => None,
                Err(broken) => Some((Err(broken), None)),
            }
        });
        Ok(stream::iter(first.map(Ok)).chain(rest))
    }

    /// The payload as text inside an HTML page. When it breaks, the page ends in a warning in place of `foot`: a response that
    /// failed would let a browser throw the warning away.
    pub(crate) fn page(self, head: String, foot: String) -> impl Stream<Item = Result<Bytes, Infallible>> + Send
    where
        S: 'static,
    {
        let begin = Step::Head { head, body: Text { checked: self, escape: Escape::default(), foot } };
        stream::unfold(Some(begin), |step| async { step?.take().await })
    }
}

struct Text<S> {
    checked: Checked<S>,
    escape: Escape,
    foot: String,
}

enum Step<S> {
    Head { head: String, body: Text<S> },
    Body(Text<S>),
}

type Taken<S> = Option<(Result<Bytes, Infallible>, Option<Step<S>>)>;

impl<S: Source> Step<S> {
    async fn take(self) -> Taken<S> {
        let mut body = match self {
            Self::Head { head, body } => return Some((Ok(head.into()), Some(Self::Body(body)))),
            Self::Body(body) => body,
        };
        match body.checked.next().await {
            Ok(Some(piece)) => Some((Ok(body.escape.text(&piece).into()), Some(Self::Body(body)))),
            Ok(None) => Some((Ok((body.escape.end() + &body.foot).into()), None)),
            Err(broken) => {
                let warning = format!("</pre><p class=\"notice fault stop\" role=\"alert\">Stop: {broken}.</p>");
                Some((Ok(warning.into()), None))
            }
        }
    }
}

/// Bytes to escaped text, piece by piece; a character cut in two by a piece's end is put together again.
#[derive(Default)]
struct Escape {
    /// The beginning of a character: at most three bytes.
    cut: Vec<u8>,
}

impl Escape {
    fn text(&mut self, piece: &[u8]) -> String {
        let mut bytes = std::mem::take(&mut self.cut);
        bytes.extend_from_slice(piece);
        let mut out = String::with_capacity(bytes.len() + bytes.len() / 16);
        let mut rest = bytes.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    escape(text, &mut out);
                    return out;
                }
                Err(error) => {
                    let (good, bad) = rest.split_at(error.valid_up_to());
                    escape(&String::from_utf8_lossy(good), &mut out);
                    let Some(length) = error.error_len() else {
                        self.cut = bad.to_vec();
                        return out;
                    };
                    out.push(char::REPLACEMENT_CHARACTER);
                    rest = &bad[length..];
                }
            }
        }
    }

    fn end(&mut self) -> String {
        if std::mem::take(&mut self.cut).is_empty() { String::new() } else { char::REPLACEMENT_CHARACTER.into() }
    }
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\0' => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    impl Source for VecDeque<Result<Bytes, Broken>> {
        async fn piece(&mut self) -> Result<Option<Bytes>, Broken> {
            self.pop_front().transpose()
        }
    }

    fn pieces(text: &[u8], size: usize) -> VecDeque<Result<Bytes, Broken>> {
        text.chunks(size).map(|c| Ok(Bytes::copy_from_slice(c))).collect()
    }

    async fn raw(source: VecDeque<Result<Bytes, Broken>>, bytes: u64, digest: Digest) -> (Vec<u8>, Option<Broken>) {
        let mut stream = match Checked::new(source, bytes, digest).begin().await {
            Ok(stream) => Box::pin(stream),
            Err(broken) => return (vec![], Some(broken)),
        };
        let mut out = Vec::new();
        while let Some(piece) = stream.next().await {
            match piece {
                Ok(piece) => out.extend_from_slice(&piece),
                Err(broken) => return (out, Some(broken)),
            }
        }
        (out, None)
    }

    #[tokio::test]
    async fn what_was_signed_passes_whole() {
        let text = b"one two three four";
        for size in 1..=text.len() {
            assert_eq!(raw(pieces(text, size), 18, Digest::of(text)).await, (text.to_vec(), None));
        }
        assert_eq!(raw(pieces(b"", 1), 0, Digest::of(b"")).await, (vec![], None));
    }

    #[tokio::test]
    async fn anything_else_never_arrives_whole() {
        let (text, digest) = (b"one two three four", Digest::of(b"one two three four"));
        let mut flipped = *text;
        flipped[3] ^= 1;
        let mut cut = pieces(&text[..9], 3);
        cut.push_back(Err(Broken::Cut));
        for (source, broken) in [
            (pieces(&flipped, 5), Broken::Other),
            (pieces(&text[..17], 5), Broken::Other),
            (pieces(b"one two three four five", 5), Broken::Other),
            (pieces(b"", 1), Broken::Other),
            (cut, Broken::Cut),
        ] {
            let (out, error) = raw(source, 18, digest).await;
            assert!(out.len() < 18 && error == Some(broken), "{} {error:?}", out.len());
        }
        assert_eq!(raw(pieces(b"", 1), 0, digest).await, (vec![], Some(Broken::Other)));
    }

    #[tokio::test]
    async fn text_is_escaped_however_it_is_cut() {
        let text = "a<b>&\"'é€😀</pre>\u{0}z".as_bytes();
        let expected = "HEADa&lt;b&gt;&amp;&quot;&#39;é€😀&lt;/pre&gt;\u{fffd}zFOOT";
        for size in 1..=text.len() {
            let stream = Checked::new(pieces(text, size), text.len() as u64, Digest::of(text))
                .page("HEAD".into(), "FOOT".into());
            let out: Vec<u8> = stream.map(Result::unwrap).collect::<Vec<_>>().await.concat();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn bytes_that_are_no_text_are_marked_and_a_broken_page_says_so() {
        let text = b"\xff\xe2\x82a\xf0\x9f";
        let stream = Checked::new(pieces(text, 2), 6, Digest::of(text)).page(String::new(), String::new());
        let out = stream.map(Result::unwrap).collect::<Vec<_>>().await.concat();
        assert_eq!(String::from_utf8(out).unwrap(), "\u{fffd}\u{fffd}a\u{fffd}");
        let stream = Checked::new(pieces(b"abc", 1), 3, Digest::of(b"abd")).page(String::new(), "FOOT".into());
        let out = String::from_utf8(stream.map(Result::unwrap).collect::<Vec<_>>().await.concat()).unwrap();
        assert!(out.contains("not what was signed") && !out.contains("FOOT"));
    }
}
