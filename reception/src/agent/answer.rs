//! From a question to quotes, or to the plain admission that nothing was published.

use super::Shelf;
use super::asked::{Asked, Group};
use super::index::Hit;
use super::passages::Passage;
use super::sections;
use shared::publication::Entry;
use std::cmp::Reverse;

/// Quotes in one answer.
const QUOTES: usize = 2;
/// Titles from the catalogue named in one answer.
const ITEMS: usize = 3;
/// Passages looked at for one question.
const CANDIDATES: usize = 32;
/// A second quote must score at least this part of the first.
const SECOND: f32 = 0.7;
/// A passage with only one of the question's words must carry this part of what the question says.
const ENOUGH: f32 = 0.5;

/// What the agent says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// The visitor greets, and names no subject.
    Greeting,
    /// The visitor's words name no subject.
    Unclear,
    /// The closest that was published: one or two quotes, never none.
    Quotes {
        /// Best first.
        quotes: Vec<Quote>,
        /// Titles that can be asked for.
        items: Vec<Entry>,
    },
    /// Nothing that was published says so.
    Unknown {
        /// What comes nearest, if anything does: it is no answer.
        nearest: Option<Quote>,
        /// Titles that can be asked for.
        items: Vec<Entry>,
    },
}

/// An excerpt of a published document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Quote {
    /// The document's place in the publication.
    pub(crate) document: usize,
    /// Its title.
    pub(crate) document_title: String,
    /// The headings above the excerpt, outermost first.
    pub(crate) heading: Option<String>,
    /// The excerpt, exactly as published.
    pub(crate) markdown: String,
}

impl From<&Passage> for Quote {
    fn from(passage: &Passage) -> Self {
        Self {
            document: passage.document,
            document_title: passage.title.clone(),
            heading: passage.heading.clone(),
            markdown: passage.markdown.clone(),
        }
    }
}

pub(super) fn answer(shelf: &Shelf, question: &str) -> Answer {
    let asked = Asked::new(&shelf.words, question);
    if asked.groups.is_empty() {
        return if asked.greets { Answer::Greeting } else { Answer::Unclear };
    }
    let items = matching_items(shelf, &shelf.words.of_question(question));
    if let Some(section) = sections::named(&shelf.sections, &asked) {
        let quotes = section.passages.iter().take(QUOTES).map(|p| Quote::from(&shelf.passages[*p]));
        return Answer::Quotes { quotes: quotes.collect(), items };
    }
    // A search in memory fails only if the index is damaged; then there is nothing to quote.
    let candidates = candidates(shelf, &asked).unwrap_or_default();
    let Some(best) = candidates.first() else { return Answer::Unknown { nearest: None, items } };
    if best.words < 2 && best.covered < ENOUGH {
        return Answer::Unknown { nearest: Some(Quote::from(&shelf.passages[best.hit.passage])), items };
    }
    let as_good = |c: &&Candidate| (c.words, c.hinted, c.tells) == (best.words, best.hinted, best.tells);
    let worth = |c: &&Candidate| as_good(c) && c.hit.score >= SECOND * best.hit.score;
    let quotes = candidates.iter().filter(worth).take(QUOTES).map(|c| Quote::from(&shelf.passages[c.hit.passage]));
    Answer::Quotes { quotes: quotes.collect(), items }
}

struct Candidate {
    hit: Hit,
    /// How many of the things asked for it has.
    words: usize,
    /// The part of the question's weight that these carry, a word weighing more the rarer it is.
    covered: f32,
    /// It has what the question's form points to.
    hinted: bool,
    /// It tells the everyday thing that is asked for itself.
    tells: bool,
}

/// Passages with any of the words: those with the most of what was asked first, then by rank.
fn candidates(shelf: &Shelf, asked: &Asked) -> tantivy::Result<Vec<Candidate>> {
    let weights: Vec<f32> = asked.groups.iter().map(|group| rarity(shelf, group)).collect::<Result<_, _>>()?;
    let whole: f32 = weights.iter().sum();
    let mut found = Vec::new();
    for hit in shelf.index.search(&asked.terms(), CANDIDATES)? {
        let passage = &shelf.passages[hit.passage];
        let heading = passage.heading.as_deref().unwrap_or_default();
        let having = shelf.words.distinct(&format!("{}\n{heading}\n{}", passage.title, passage.markdown));
        let has = |group: &Group| group.terms.iter().any(|term| having.contains(term));
        let covered = asked.groups.iter().zip(&weights).filter(|(g, _)| has(g)).map(|(_, w)| w).sum::<f32>() / whole;
        let words = asked.groups.iter().filter(|group| has(group)).count();
        let tells = asked.groups.iter().chain(&asked.hints).any(|group| group.told_by(&passage.markdown));
        // What only the question's form points to is no subject.
        if words > 0 {
            found.push(Candidate { words, covered, hinted: asked.hints.iter().any(has), tells, hit });
        }
    }
    let rank = |c: &Candidate| (c.hinted, c.tells);
    found.sort_by(|a, b| b.covered.total_cmp(&a.covered).then(rank(b).cmp(&rank(a))));
    Ok(found)
}

/// A thing is as common as the most common word for it.
fn rarity(shelf: &Shelf, group: &Group) -> tantivy::Result<f32> {
    let each = group.terms.iter().map(|term| shelf.index.rarity(term));
    each.reduce(|a, b| Ok(a?.min(b?))).unwrap_or(Ok(0.0))
}

/// Titles that share words with the question, most first, else in the catalogue's order.
fn matching_items(shelf: &Shelf, asked: &[String]) -> Vec<Entry> {
    let shared = |words: &std::collections::HashSet<String>| asked.iter().filter(|w| words.contains(*w)).count();
    let mut matching: Vec<(usize, &Entry)> =
        shelf.items.iter().map(|(entry, words)| (shared(words), entry)).filter(|(n, _)| *n > 0).collect();
    matching.sort_by_key(|(n, _)| Reverse(*n));
    matching.into_iter().take(ITEMS).map(|(_, entry)| entry.clone()).collect()
}

#[cfg(test)]
#[allow(clippy::wildcard_enum_match_arm)]
mod tests {
    use super::*;
    use shared::ids::ItemId;
    use shared::message::{MediaType, Name, Title};
    use shared::publication::{Bundle, Document};

    fn document(path: &str, title: &str, markdown: &str) -> Document {
        Document { path: path.into(), title: Title::new(title).unwrap(), markdown: markdown.into() }
    }

    fn shelf() -> Shelf {
        let entry = |id, title| Entry {
            id: ItemId([id; 16]),
            title: Title::new(title).unwrap(),
            media_type: MediaType::new("application/pdf").unwrap(),
        };
        Shelf::build(&Bundle {
            version: 1,
            name: Name::new("Mira").unwrap(),
            documents: vec![
                document(
                    "garden.md",
                    "The garden",
                    "# The garden\n\n## Visiting\n\nThe garden is open on Saturdays from ten to four.\n\nDogs are welcome on a lead.\n\n## Honey\n\nThe garden's bees make honey; a jar costs six euros.\n",
                ),
                document("about.md", "About me", "# About me\n\nI teach botany in Ghent and keep an account of every bird I see.\n"),
            ],
            catalogue: vec![entry(1, "Curriculum vitae"), entry(2, "Planting plan of the garden")],
        })
        .unwrap()
    }

    fn quoted(answer: Answer) -> Vec<String> {
        match answer {
            Answer::Quotes { quotes, .. } => quotes.into_iter().map(|q| q.markdown).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_published_answer_is_quoted_exactly_with_its_source() {
        let Answer::Quotes { quotes, items } = shelf().answer("When is the garden open?") else { panic!() };
        assert_eq!(quotes[0].markdown, "The garden is open on Saturdays from ten to four.");
        assert_eq!((quotes[0].document_title.as_str(), quotes[0].heading.as_deref()), ("The garden", Some("Visiting")));
        assert_eq!(quotes[0].document, 0);
        assert_eq!(items.iter().map(|i| i.title.as_str()).collect::<Vec<_>>(), ["Planting plan of the garden"]);
        assert!(quoted(shelf().answer("are DOGS welcome?"))[0].starts_with("Dogs are welcome"));
        assert!(quoted(shelf().answer("How much does honey cost"))[0].contains("six euros"));
        assert!(quoted(shelf().answer("what do you teach?"))[0].contains("botany"));
        assert!(quoted(shelf().answer("visiting"))[0].contains("Saturdays"), "a heading's word finds its passage");
    }

    #[test]
    fn what_was_never_published_is_not_known() {
        for question in ["What is your diagnosis?", "salary", "quelle heure", "Wie spät ist es?"] {
            assert_eq!(shelf().answer(question), Answer::Unknown { nearest: None, items: vec![] }, "{question}");
        }
        let Answer::Unknown { nearest, .. } = shelf().answer("What is the bank account balance?") else { panic!() };
        assert!(nearest.unwrap().markdown.contains("account of every bird"), "shown as the nearest, not as an answer");
        assert!(matches!(shelf().answer("Where did you bury the garden's treasure chest?"), Answer::Unknown { .. }));
    }

    #[test]
    fn no_subject_is_a_greeting_or_unclear() {
        for words in ["hello", "Hi, how are you?", "Good day!"] {
            assert_eq!(shelf().answer(words), Answer::Greeting, "{words:?}");
        }
        for words in ["", "?!?", "\u{0}\u{202e}", "Could you tell me?"] {
            assert_eq!(shelf().answer(words), Answer::Unclear, "{words:?}");
        }
    }

    #[test]
    fn query_syntax_in_a_question_is_only_words() {
        for question in ["title:garden AND -dogs", "garden* OR \"open\"^9", "/ga.*/ [a TO z] (((", "+number:0 garden"] {
            assert!(!matches!(shelf().answer(question), Answer::Greeting | Answer::Unclear), "{question}");
        }
        assert_eq!(shelf().answer("*:*"), Answer::Unclear);
        assert!(matches!(shelf().answer("number:0"), Answer::Unknown { nearest: None, .. }));
    }

    #[test]
    fn titles_of_items_are_named() {
        let Answer::Unknown { items, .. } = shelf().answer("May I have your curriculum?") else { panic!() };
        assert_eq!(items[0].title.as_str(), "Curriculum vitae");
    }

    #[test]
    fn an_empty_publication_knows_nothing() {
        let bundle = Bundle { version: 1, name: Name::new("Mira").unwrap(), documents: vec![], catalogue: vec![] };
        let shelf = Shelf::build(&bundle).unwrap();
        assert_eq!(shelf.answer("garden"), Answer::Unknown { nearest: None, items: vec![] });
        assert_eq!(shelf.answer("hello"), Answer::Greeting);
    }
}
