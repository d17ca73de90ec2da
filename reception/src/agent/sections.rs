//! Sections: the passages under one title or heading, found by what the heading says.

use super::asked::{Asked, Group};
use super::passages::Passage;
use super::words::Words;
use std::collections::HashSet;

/// A document's beginning, or what stands under one heading.
pub(super) struct Section {
    /// Stems of the title, the form words among them.
    words: Vec<String>,
    /// The stems without the form words.
    content: HashSet<String>,
    /// In their order.
    pub(super) passages: Vec<usize>,
}

/// Every section, in the order of publication.
pub(super) fn of(passages: &[Passage], words: &Words) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut before = None;
    for (number, passage) in passages.iter().enumerate() {
        let place = (passage.document, passage.heading.as_deref());
        if before != Some(place) {
            let title = passage.heading.as_deref().and_then(|h| h.rsplit(" · ").next()).unwrap_or(&passage.title);
            let section = Section { words: words.stems(title), content: words.distinct(title), passages: vec![number] };
            sections.push(section);
        } else if let Some(section) = sections.last_mut() {
            section.passages.push(number);
        }
        before = Some(place);
    }
    sections
}

/// The section whose title is what was asked, or nearly: the title has all that was asked, and half of its words or more
/// were asked. For one everyday thing it is enough that the title has a word for it.
pub(super) fn named<'a>(sections: &'a [Section], asked: &Asked) -> Option<&'a Section> {
    let single = asked.groups.len() == 1 && asked.groups[0].everyday();
    let mut best: Option<(f32, &Section)> = None;
    for section in sections {
        let part = section.part(asked, single);
        if part > best.map_or(0.0, |(part, _)| part) {
            best = Some((part, section));
        }
    }
    best.map(|(_, section)| section)
}

impl Section {
    /// How much of the title was asked, 0 to 1; 0 when it does not name what was asked.
    fn part(&self, asked: &Asked, single: bool) -> f32 {
        let groups = || asked.groups.iter().chain(&asked.hints);
        let has = |group: &Group| group.terms.iter().any(|term| self.words.contains(term));
        if !groups().all(has) {
            return 0.0;
        }
        let was_asked = |word: &&String| groups().any(|group| group.terms.contains(word));
        let content = self.content.iter().filter(was_asked).count();
        if !single && 2 * content < self.content.len() {
            return 0.0;
        }
        self.words.iter().filter(was_asked).count() as f32 / self.words.len().max(1) as f32
    }
}
