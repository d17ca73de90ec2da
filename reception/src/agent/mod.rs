//! The quoting agent: it answers only by quoting what the owner published, with its source, or says that it does not
//! know. It has no model, no memory of visitors, and nothing private to lose.
//!
//! No score tells an answerable question from an unanswerable one, so a quote is always given as the closest thing that
//! was published and never as the answer.

mod answer;
mod asked;
mod index;
mod passages;
#[cfg(test)]
mod sample_tests;
mod sections;
mod words;

pub(crate) use answer::{Answer, Quote};

use index::Index;
use passages::Passage;
use sections::Section;
use shared::publication::{Bundle, Entry};
use std::collections::HashSet;
use words::Words;

/// One publication, cut into passages and indexed in memory.
pub(crate) struct Shelf {
    passages: Vec<Passage>,
    index: Index,
    sections: Vec<Section>,
    words: Words,
    items: Vec<(Entry, HashSet<String>)>,
}

/// Why a publication could not be indexed.
#[derive(Debug, thiserror::Error)]
#[error("the publication could not be indexed; publish it again, and if that fails, with fewer documents: {0}")]
pub(crate) struct ShelfError(#[from] tantivy::TantivyError);

impl Shelf {
    /// Cuts and indexes everything in `bundle`; takes memory of a small multiple of the bundle's size.
    ///
    /// # Errors
    /// [`ShelfError`] when the index cannot be built.
    pub(crate) fn build(bundle: &Bundle) -> Result<Self, ShelfError> {
        let words = Words::new();
        let passages: Vec<Passage> =
            bundle.documents.iter().enumerate().flat_map(|(i, document)| passages::cut(i, document)).collect();
        let index = Index::build(&passages, &words)?;
        let sections = sections::of(&passages, &words);
        let items = bundle.catalogue.iter().map(|e| (e.clone(), words.distinct(e.title.as_str()))).collect();
        Ok(Self { passages, index, sections, words, items })
    }

    /// What was published about `question`. The question is data: no character in it has a meaning to the search.
    pub(crate) fn answer(&self, question: &str) -> Answer {
        answer::answer(self, question)
    }
}
