//! The Markdown of published documents: which extensions it has, and what a page does not show as it was written.

use pulldown_cmark::{Event, Options, Parser, Tag};
use std::fmt;

/// The extensions of Markdown that documents may use, wherever one is read.
pub fn dialect() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH
}

/// What a page shows of a document in another way than its writer may expect: links and pictures lead elsewhere, and HTML could
/// do anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tamed {
    /// Links, of which only the words are shown.
    pub links: usize,
    /// Pictures, of which only the words are shown.
    pub pictures: usize,
    /// Tags, comments and blocks of HTML, which are shown as they are typed.
    pub html: usize,
}

impl Tamed {
    /// What there is of it in a document.
    pub fn of(markdown: &str) -> Self {
        let mut found = Self::default();
        for event in Parser::new_ext(markdown, dialect()) {
            found.links += usize::from(matches!(event, Event::Start(Tag::Link { .. })));
            found.pictures += usize::from(matches!(event, Event::Start(Tag::Image { .. })));
            found.html += usize::from(matches!(event, Event::Start(Tag::HtmlBlock) | Event::InlineHtml(_)));
        }
        found
    }

    /// Whether the page shows all of it as it was written.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// A sentence without its end, such as `2 links and 1 picture are shown as words only`.
impl fmt::Display for Tamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |n: usize, one: &str, more: &str| match n {
            0 => None,
            1 => Some(format!("1 {one}")),
            n => Some(format!("{n} {more}")),
        };
        let verb = |n: usize| if n == 1 { "is" } else { "are" };
        let elsewhere = [count(self.links, "link", "links"), count(self.pictures, "picture", "pictures")];
        let elsewhere: Vec<String> = elsewhere.into_iter().flatten().collect();
        let words = (!elsewhere.is_empty())
            .then(|| format!("{} {} shown as words only", elsewhere.join(" and "), verb(self.links + self.pictures)));
        let html = count(self.html, "piece of HTML", "pieces of HTML");
        let typed = html.map(|html| format!("{html} {} shown as typed, comments too", verb(self.html)));
        f.write_str(&words.into_iter().chain(typed).collect::<Vec<_>>().join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_shown_as_it_was_written_is_counted() {
        for (markdown, said) in [
            ("# A\n\nPlain *words*, `<b>`, and\n\n    <i>\n", ""),
            (
                "[a](https://a.example), <https://b.example> and ![c](c.png)",
                "2 links and 1 picture are shown as words only",
            ),
            ("[a][r]\n\n[r]: /a", "1 link is shown as words only"),
            ("[![c](c.png)](/c)", "1 link and 1 picture are shown as words only"),
            ("<!-- not for others -->\n\nx <b>y</b>\n", "3 pieces of HTML are shown as typed, comments too"),
            (
                "![c](c.png)\n\n<div>\n",
                "1 picture is shown as words only; 1 piece of HTML is shown as typed, comments too",
            ),
        ] {
            let tamed = Tamed::of(markdown);
            assert_eq!(tamed.to_string(), said, "{markdown}");
            assert_eq!(tamed.is_nothing(), said.is_empty(), "{markdown}");
        }
    }
}
