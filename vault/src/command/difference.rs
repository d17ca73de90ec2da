//! What a publication would change for those who read the page, against the one that is out.

use crate::prompt::Section;
use shared::markdown::Tamed;
use shared::publication::{Bundle, Document, Entry};
use shared::visible;

/// The owner's name, names of pages, titles and what kinds of file these are, in the order of the bundles.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    name_new: Option<String>,
    name_old: Option<String>,
    added: Vec<String>,
    changed: Vec<String>,
    removed: Vec<String>,
    titles_added: Vec<String>,
    titles_removed: Vec<String>,
    types: Vec<String>,
}

impl Difference {
    pub(super) fn between(old: &Bundle, new: &Bundle) -> Self {
        // By name, so that nothing which a bundle comes to hold is left out.
        let Bundle { version: _, name, documents, catalogue } = new;
        let renamed = (*name != old.name).then_some([name, &old.name]);
        let [name_new, name_old] = [0, 1].map(|which| renamed.map(|names| names[which].as_str().to_owned()));
        let held = |page: &Document| old.documents.iter().find(|old| old.path == page.path);
        let (kept, added): (Vec<_>, Vec<_>) = documents.iter().partition(|page| held(page).is_some());
        let gone = old.documents.iter().filter(|old| documents.iter().all(|page| page.path != old.path));
        let paths = |pages: Vec<&Document>| pages.into_iter().map(|page| page.path.clone()).collect();
        Self {
            name_new,
            name_old,
            added: paths(added),
            changed: paths(kept.into_iter().filter(|page| held(page) != Some(page)).collect()),
            removed: paths(gone.collect()),
            titles_added: without(catalogue, &old.catalogue),
            titles_removed: without(&old.catalogue, catalogue),
            types: catalogue.iter().filter_map(|entry| retyped(entry, &old.catalogue)).collect(),
        }
    }

    /// What there is of it, under our words for it.
    fn parts(&self) -> Vec<(&'static str, String)> {
        let parts = [
            ("new name", self.name_new.as_slice()),
            ("old name", self.name_old.as_slice()),
            ("added", &self.added),
            ("changed", &self.changed),
            ("removed", &self.removed),
            ("new titles", &self.titles_added),
            ("old titles", &self.titles_removed),
            ("new types", &self.types),
        ];
        parts
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(label, names)| (label, names.join(", ")))
            .collect()
    }
}

/// The titles of entries that the other list has not, in these words.
fn without(entries: &[Entry], others: &[Entry]) -> Vec<String> {
    let there = |entry: &Entry| others.iter().any(|other| other.id == entry.id && other.title == entry.title);
    entries.iter().filter(|entry| !there(entry)).map(|entry| entry.title.as_str().to_owned()).collect()
}

/// The title of an entry that the other list has as another kind of file, with both kinds.
fn retyped(entry: &Entry, others: &[Entry]) -> Option<String> {
    let Entry { id, title, media_type } = entry;
    let other = others.iter().find(|other| other.id == *id && other.media_type != *media_type)?;
    Some(format!("{} ({}, was {})", title.as_str(), media_type.as_str(), other.media_type.as_str()))
}

/// What the owner has to know before reading a publication: what it changes, and what of it is not shown as it was written.
pub(super) struct Notice {
    /// The version that is out, with what changes.
    difference: Option<(u64, Difference)>,
    /// Pages with links, pictures or HTML.
    tamed: Vec<(String, Tamed)>,
}

impl Notice {
    pub(super) fn of(old: Option<&Bundle>, new: &Bundle) -> Self {
        let tamed = new.documents.iter().map(|page| (page.path.clone(), Tamed::of(&page.markdown)));
        Self {
            difference: old.map(|old| (old.version, Difference::between(old, new))),
            tamed: tamed.filter(|(_, tamed)| !tamed.is_nothing()).collect(),
        }
    }

    /// For the sheet.
    pub(super) fn sections(&self) -> Vec<Section> {
        let mut sections = vec![Section::Note(self.heading())];
        let parts = self.difference.iter().flat_map(|(_, difference)| difference.parts());
        sections.extend(parts.map(|(label, value)| Section::Field { label, value, note: None }));
        if !self.tamed.is_empty() {
            sections.push(Section::Note(TAMED.into()));
        }
        sections.extend(self.tamed.iter().map(|(path, tamed)| Section::Field {
            label: "page",
            value: format!("{path}: {tamed}"),
            note: None,
        }));
        sections
    }

    /// For standard error.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.heading()];
        let parts = self.difference.iter().flat_map(|(_, difference)| difference.parts());
        lines.extend(parts.map(|(label, names)| format!("  {label:<10}  {}", visible::line(&names))));
        if !self.tamed.is_empty() {
            lines.push(TAMED.into());
        }
        lines.extend(self.tamed.iter().map(|(path, tamed)| format!("  {}: {tamed}", visible::line(path))));
        lines
    }

    fn heading(&self) -> String {
        match &self.difference {
            None => "Nothing was published before.".into(),
            Some((version, difference)) if *difference == Difference::default() => {
                format!("The same pages and titles are out already, as version {version}.")
            }
            Some((version, _)) => format!("It takes the place of version {version}, which is out now. What changes:"),
        }
    }
}

const TAMED: &str = "The page shows some of this in another way than you may expect:";

#[cfg(test)]
mod tests {
    use super::*;
    use shared::ids::ItemId;
    use shared::text::Text;

    fn bundle(version: u64, pages: &[(&str, &str)], titles: &[(u8, &str)]) -> Bundle {
        let document = |(path, markdown): &(&str, &str)| Document {
            path: (*path).into(),
            title: Text::new("Page").unwrap(),
            markdown: (*markdown).into(),
        };
        let entry = |(id, title): &(u8, &str)| Entry {
            id: ItemId([*id; 16]),
            title: Text::new(*title).unwrap(),
            media_type: Text::new("text/plain").unwrap(),
        };
        Bundle {
            version,
            name: Text::new("Mira").unwrap(),
            documents: pages.iter().map(document).collect(),
            catalogue: titles.iter().map(entry).collect(),
        }
    }

    #[test]
    fn pages_and_titles_are_told_apart_by_what_became_of_them() {
        let old = bundle(3, &[("a.md", "1"), ("b.md", "1"), ("c.md", "1")], &[(1, "CV"), (2, "Letter"), (3, "Old")]);
        let new = bundle(4, &[("a.md", "1"), ("b.md", "2"), ("d/e.md", "1")], &[(1, "CV"), (3, "New"), (4, "Letter")]);
        let lines = Notice::of(Some(&old), &new).lines();
        assert_eq!(
            lines,
            [
                "It takes the place of version 3, which is out now. What changes:",
                "  added       d/e.md",
                "  changed     b.md",
                "  removed     c.md",
                "  new titles  New, Letter",
                "  old titles  Letter, Old",
            ]
        );
        let sections = Notice::of(Some(&old), &new).sections();
        let fields: Vec<_> = sections
            .iter()
            .filter_map(|section| match section {
                Section::Field { label, value, .. } => Some((*label, value.as_str())),
                Section::Note(_) | Section::Delay(_) => None,
            })
            .collect();
        assert_eq!(fields[2..4], [("removed", "c.md"), ("new titles", "New, Letter")]);
    }

    #[test]
    fn the_first_and_the_same_say_so() {
        let one = bundle(1, &[("a.md", "1")], &[(1, "CV")]);
        assert_eq!(Notice::of(None, &one).lines(), ["Nothing was published before."]);
        let again = Bundle { version: 2, ..one.clone() };
        assert_eq!(
            Notice::of(Some(&one), &again).lines(),
            ["The same pages and titles are out already, as version 1."]
        );
    }

    #[test]
    fn another_name_and_other_kinds_of_file_are_said() {
        let old = bundle(3, &[("a.md", "1")], &[(1, "CV"), (2, "Letter"), (3, "Notes")]);
        let mut new = Bundle { version: 4, name: Text::new("Mira Sample").unwrap(), ..old.clone() };
        new.catalogue[0].media_type = Text::new("application/pdf").unwrap();
        new.catalogue[1].media_type = Text::new("text/html").unwrap();
        new.catalogue[1].title = Text::new("Reference").unwrap();
        assert_eq!(
            Notice::of(Some(&old), &new).lines(),
            [
                "It takes the place of version 3, which is out now. What changes:",
                "  new name    Mira Sample",
                "  old name    Mira",
                "  new titles  Reference",
                "  old titles  Letter",
                "  new types   CV (application/pdf, was text/plain), Reference (text/html, was text/plain)",
            ]
        );
        for changed in [
            Bundle { name: new.name.clone(), ..old.clone() },
            Bundle {
                catalogue: vec![new.catalogue[0].clone(), old.catalogue[1].clone(), old.catalogue[2].clone()],
                ..old.clone()
            },
        ] {
            let said = Notice::of(Some(&old), &changed).lines();
            assert!(said.len() > 1 && said[0].ends_with("What changes:"), "{said:?}");
        }
    }

    #[test]
    fn every_page_with_something_that_is_not_shown_is_named() {
        let pages = [("plain.md", "words"), ("prices.md", "[a](/a) [b](/b) ![c](/c)"), ("x\u{202e}.md", "<br>")];
        let lines = Notice::of(None, &bundle(1, &pages, &[])).lines();
        assert_eq!(
            lines[2..],
            [
                "  prices.md: 2 links and 1 picture are shown as words only",
                "  x\\{U+202E}.md: 1 piece of HTML is shown as typed, comments too",
            ]
        );
    }
}
