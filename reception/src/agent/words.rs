//! Content words: what a question and a passage are compared by.

use std::collections::HashSet;
use tantivy::tokenizer::{
    AsciiFoldingFilter, Language, LowerCaser, RemoveLongFilter, SimpleTokenizer, Stemmer, StopWordFilter, TextAnalyzer,
};

/// Words of one question beyond this many are not looked at.
pub(super) const QUESTION_WORDS: usize = 32;
/// A longer run of letters is no word.
const LONGEST_WORD: usize = 40;

/// Words that carry the form of a question or of politeness, not its subject; lower case, no accents.
const FORM_WORDS: &str = "\
    a able about all also am an and any anyone anything are as ask asking at be been being but by can come could d day did do \
    does doing done dear e each else evening afternoon ever find for from get give given go good got had has have having he hello her \
    here hers hey hi him his how i if in into is it its just kind kindly know let like ll look looking m many may \
    maybe me might mine morning much must my need no not of off ok okay on or our ours out please re s say see shall \
    she should show so some something sorry such t tell than thank thanks that the their them then there these they \
    thing things this those to too up us ve very want was we were what whats when where whether which who whom whose \
    why will wish with wonder wondering would yes you your yours";

/// Cuts text into lower-case English stems without the words that only carry a question's form.
pub(super) struct Words {
    content: TextAnalyzer,
    /// The same stems, with the form words.
    all: TextAnalyzer,
    /// The words as they are spoken, in lower case.
    spoken: TextAnalyzer,
}

impl Words {
    pub(super) fn new() -> Self {
        let form = StopWordFilter::remove(FORM_WORDS.split_whitespace().map(str::to_owned));
        let lower = || {
            TextAnalyzer::builder(SimpleTokenizer::default())
                .filter(RemoveLongFilter::limit(LONGEST_WORD))
                .filter(LowerCaser)
                .filter(AsciiFoldingFilter)
        };
        Self {
            content: lower().filter(form).filter(Stemmer::new(Language::English)).build(),
            all: lower().filter(Stemmer::new(Language::English)).build(),
            spoken: lower().build(),
        }
    }

    /// The analyzer itself, for the index to use the same words.
    pub(super) fn analyzer(&self) -> TextAnalyzer {
        self.content.clone()
    }

    /// The distinct words of a text.
    pub(super) fn distinct(&self, text: &str) -> HashSet<String> {
        let mut found = HashSet::new();
        self.content.clone().token_stream(text).process(&mut |token| {
            found.insert(token.text.clone());
        });
        found
    }

    /// The stems of a text in their order, form words among them.
    pub(super) fn stems(&self, text: &str) -> Vec<String> {
        collected(&self.all, text)
    }

    /// The words of a question in their order, as they were said.
    pub(super) fn spoken(&self, question: &str) -> Vec<String> {
        collected(&self.spoken, question)
    }

    /// The first [`QUESTION_WORDS`] distinct words of a question, in their order.
    pub(super) fn of_question(&self, question: &str) -> Vec<String> {
        let mut found = Vec::new();
        self.content.clone().token_stream(question).process(&mut |token| {
            if found.len() < QUESTION_WORDS && !found.contains(&token.text) {
                found.push(token.text.clone());
            }
        });
        found
    }
}

fn collected(analyzer: &TextAnalyzer, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    analyzer.clone().token_stream(text).process(&mut |token| found.push(token.text.clone()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_words_fall_away_and_stems_remain() {
        let words = Words::new();
        assert_eq!(words.of_question("When is the GARDEN open, please?"), ["garden", "open"]);
        assert_eq!(words.of_question("Hello! Could you tell me...?"), Vec::<String>::new());
        assert_eq!(words.of_question("cafés CAFE café"), ["cafe"]);
        assert!(words.distinct("Opening hours").contains("open"));
    }

    #[test]
    fn a_question_has_a_bounded_number_of_words() {
        let long: String = (0..500).map(|i| format!("word{i} ")).collect();
        assert_eq!(Words::new().of_question(&long).len(), QUESTION_WORDS);
        assert!(Words::new().of_question(&"x".repeat(2000)).is_empty());
    }
}
