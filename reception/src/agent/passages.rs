//! Passages: the headed blocks of a Markdown document, each the exact source text.

use pulldown_cmark::{Event, Parser, Tag, TagEnd};
use shared::markdown::dialect;
use shared::publication::Document;
use std::ops::Range;

/// A list longer than this is cut into its items.
const WHOLE_LIST: usize = 600;
/// A block longer than this is cut at the last line or word before it.
const LONGEST: usize = 1600;

/// One block that can be quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Passage {
    /// The document's place in the publication.
    pub(super) document: usize,
    pub(super) title: String,
    /// The text of the headings above the block, outermost first, joined; the document's title is not repeated.
    pub(super) heading: Option<String>,
    /// Exactly as in the document.
    pub(super) markdown: String,
}

/// The passages of a document, in their order.
pub(super) fn cut(index: usize, document: &Document) -> Vec<Passage> {
    let mut cutter =
        Cutter { index, document, depth: 0, heading: None, headings: Vec::new(), cut_list: false, out: Vec::new() };
    for (event, range) in Parser::new_ext(&document.markdown, dialect()).into_offset_iter() {
        cutter.event(event, range);
    }
    cutter.out
}

struct Cutter<'a> {
    index: usize,
    document: &'a Document,
    depth: usize,
    /// The heading being read.
    heading: Option<String>,
    /// Level and text of the headings in force.
    headings: Vec<(usize, String)>,
    /// Inside a top-level list that is cut into its items.
    cut_list: bool,
    out: Vec<Passage>,
}

impl Cutter<'_> {
    fn event(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(&tag, range),
            Event::End(end) => self.end(end),
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut self.heading {
                    heading.push_str(&text);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some(heading) = &mut self.heading {
                    heading.push(' ');
                }
            }
            Event::Html(_)
            | Event::InlineHtml(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::Rule
            | Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>, range: Range<usize>) {
        if self.depth == 0 {
            self.heading = matches!(tag, Tag::Heading { .. }).then(String::new);
            self.cut_list = matches!(tag, Tag::List(_)) && range.len() > WHOLE_LIST;
        }
        let silent = matches!(tag, Tag::Heading { .. } | Tag::HtmlBlock | Tag::MetadataBlock(_));
        let item = self.depth == 1 && matches!(tag, Tag::Item);
        if (self.depth == 0 && !silent && !self.cut_list) || (item && self.cut_list) {
            self.passage(range);
        }
        self.depth += 1;
    }

    fn end(&mut self, end: TagEnd) {
        self.depth = self.depth.saturating_sub(1);
        if let (TagEnd::Heading(level), Some(text)) = (end, self.heading.take_if(|_| self.depth == 0)) {
            let level = level as usize;
            self.headings.retain(|(above, _)| *above < level);
            self.headings.push((level, text.trim().to_owned()));
        }
    }

    fn passage(&mut self, range: Range<usize>) {
        let title = self.document.title.as_str();
        let above: Vec<&str> =
            self.headings.iter().map(|(_, t)| t.as_str()).filter(|t| !t.is_empty() && *t != title).collect();
        let markdown = shortened(self.document.markdown[range].trim_end());
        if markdown.is_empty() {
            return;
        }
        self.out.push(Passage {
            document: self.index,
            title: title.to_owned(),
            heading: (!above.is_empty()).then(|| above.join(" · ")),
            markdown: markdown.to_owned(),
        });
    }
}

/// At most [`LONGEST`] bytes, cut at the end of a line, else of a word.
fn shortened(text: &str) -> &str {
    if text.len() <= LONGEST {
        return text;
    }
    let end = (0..=LONGEST).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    let head = &text[..end];
    let cut = head.rfind('\n').or_else(|| head.rfind(' ')).filter(|cut| *cut > LONGEST / 2).unwrap_or(end);
    head[..cut].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::message::Title;

    fn document(markdown: &str) -> Document {
        Document { path: "a.md".into(), title: Title::new("Visits").unwrap(), markdown: markdown.into() }
    }

    #[test]
    fn blocks_keep_their_source_and_their_headings() {
        let cut = cut(
            3,
            &document(
                "# Visits\n\nThe **garden** is `open`.\n\n## Getting *there*\n\n- by tram\n- by bike\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n# Other\n\nEnd.\n",
            ),
        );
        let seen: Vec<(Option<&str>, &str)> = cut.iter().map(|p| (p.heading.as_deref(), p.markdown.as_str())).collect();
        assert_eq!(
            seen,
            [
                (None, "The **garden** is `open`."),
                (Some("Getting there"), "- by tram\n- by bike"),
                (Some("Getting there"), "| a | b |\n|---|---|\n| 1 | 2 |"),
                (Some("Other"), "End."),
            ]
        );
        assert!(cut.iter().all(|p| p.document == 3 && p.title == "Visits"));
    }

    #[test]
    fn long_lists_fall_into_items_and_long_blocks_are_cut_between_words() {
        let items: String = (0..40).map(|i| format!("- item number {i} of a long list\n")).collect();
        let cut_list = cut(0, &document(&items));
        assert_eq!(cut_list.len(), 40);
        assert_eq!(cut_list[39].markdown, "- item number 39 of a long list");
        let cut_words = cut(0, &document(&"wörd ".repeat(1000)));
        assert!(cut_words[0].markdown.len() <= LONGEST && cut_words[0].markdown.ends_with("wörd"));
        assert!(cut(0, &document(&"ß".repeat(2000)))[0].markdown.len() <= LONGEST);
    }

    #[test]
    fn raw_html_is_no_passage() {
        assert_eq!(cut(0, &document("<script>alert(1)</script>\n\n<div>x</div>\n")), []);
        assert_eq!(cut(0, &document("")), []);
    }
}
