//! Published Markdown as HTML that cannot do anything: no raw HTML, no images, no links, no attributes beyond a list's start.

use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd, html};
use shared::markdown::dialect;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

const TAGS: [&str; 24] = [
    "blockquote",
    "br",
    "code",
    "del",
    "em",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
];

/// The second wall: whatever the renderer wrote, only these tags pass.
static CLEANER: LazyLock<ammonia::Builder<'static>> = LazyLock::new(|| {
    let mut builder = ammonia::Builder::empty();
    let tags: HashSet<&str> = TAGS.into_iter().chain(["ul"]).collect();
    builder.tags(tags).tag_attributes(HashMap::from([("ol", HashSet::from(["start"]))]));
    builder.clean_content_tags(HashSet::from(["script", "style"]));
    builder
});

type Levels = fn(HeadingLevel) -> HeadingLevel;

/// Safe HTML of `markdown`. Headings begin at the second level, since a page has its own first.
pub(crate) fn render(markdown: &str) -> String {
    render_as(markdown, lower)
}

/// As [`render`], without a leading first-level heading: the page shows the document's title already.
pub(crate) fn render_document(markdown: &str) -> String {
    let mut events = Parser::new_ext(markdown, dialect()).into_offset_iter();
    if !matches!(events.next(), Some((Event::Start(Tag::Heading { level: HeadingLevel::H1, .. }), _))) {
        return render(markdown);
    }
    let end = events.find(|(event, _)| matches!(event, Event::End(TagEnd::Heading(_))));
    render_as(&markdown[end.map_or(0, |(_, range)| range.end)..], |level| level.max(HeadingLevel::H2))
}

fn render_as(markdown: &str, levels: Levels) -> String {
    let mut out = String::new();
    html::push_html(&mut out, Parser::new_ext(markdown, dialect()).filter_map(|event| tame(event, levels)));
    CLEANER.clean(&out).to_string()
}

/// Raw HTML becomes text; links and images become what they say.
fn tame(event: Event<'_>, levels: Levels) -> Option<Event<'_>> {
    Some(match event {
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        Event::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::HtmlBlock)
        | Event::End(TagEnd::Link | TagEnd::Image | TagEnd::HtmlBlock) => return None,
        Event::Start(Tag::Heading { level, .. }) => {
            Event::Start(Tag::Heading { level: levels(level), id: None, classes: Vec::new(), attrs: Vec::new() })
        }
        Event::End(TagEnd::Heading(level)) => Event::End(TagEnd::Heading(levels(level))),
        Event::Start(_)
        | Event::End(_)
        | Event::Text(_)
        | Event::Code(_)
        | Event::InlineMath(_)
        | Event::DisplayMath(_)
        | Event::FootnoteReference(_)
        | Event::SoftBreak
        | Event::HardBreak
        | Event::Rule
        | Event::TaskListMarker(_) => event,
    })
}

fn lower(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H2,
        HeadingLevel::H2 => HeadingLevel::H3,
        HeadingLevel::H3 => HeadingLevel::H4,
        HeadingLevel::H4 => HeadingLevel::H5,
        HeadingLevel::H5 | HeadingLevel::H6 => HeadingLevel::H6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_markdown_survives() {
        let html = render("# A\n\nSome *em* and **strong**, `code`.\n\n3. three\n4. four\n\n| a |\n|:-:|\n| 1 |\n");
        for part in ["<h2>A</h2>", "<em>em</em>", "<strong>strong</strong>", "<ol start=\"3\">", "<td>1</td>"] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert_eq!(render_document("# Title\n\nText\n\n## Part\n"), "<p>Text</p>\n<h2>Part</h2>\n");
        assert_eq!(render_document("Text\n\n# Later\n"), "<p>Text</p>\n<h2>Later</h2>\n");
    }

    #[test]
    fn hostile_markdown_does_nothing() {
        let hostile = [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "![x](https://evil.example/p.png \"t\")",
            "[x](javascript:alert(1))",
            "<https://evil.example/>",
            "[x][r]\n\n[r]: //evil.example",
            "<style>*{display:none}</style>",
            "<form action=//evil.example><input name=p></form>",
            "```\"><script>alert(1)</script>\n</code></pre><script>alert(2)</script>\n```",
            "<svg/onload=alert(1)>",
            "<a href=\"/return\">click</a>",
            "<!-- --!><script>alert(1)</script> -->",
            "&lt;script&gt; &#60;script&#62;",
            "<div id=log class=notice style=\"position:fixed\">x</div>",
        ];
        for markdown in hostile {
            let html = render(markdown);
            let tags: Vec<&str> = html.split('<').skip(1).map(|t| t.split('>').next().unwrap_or_default()).collect();
            let plain = |tag: &&str| TAGS.contains(&tag.trim_start_matches('/')) || *tag == "ul" || *tag == "/ul";
            assert!(tags.iter().all(plain), "{markdown} gave {html}");
        }
        assert_eq!(render("[see *this*](https://evil.example)"), "<p>see <em>this</em></p>\n");
    }
}
