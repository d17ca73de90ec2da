//! What a question asks for: its own words, each with the everyday words that mean the same.

use super::words::Words;

/// Everyday words for one thing, and how a passage shows that it tells that thing itself.
struct Class {
    words: &'static str,
    tells: fn(&str) -> bool,
}

/// The closed table of synonyms. They only add words to search for.
const CLASSES: [Class; 6] = [
    Class { words: "cost price fee charge rate tariff expensive", tells: |text| digits(text) > 0 },
    Class { words: "telephone phone call mobile contact", tells: |text| digits(text) > 5 },
    Class { words: "where find address located location directions reach", tells: |_| false },
    Class { words: "open hours when", tells: |text| digits(text) > 0 },
    Class { words: "who about", tells: |_| false },
    Class { words: "email mail", tells: |text| text.contains('@') },
];
const COST: usize = 0;
const TELEPHONE: usize = 1;
const WHERE: usize = 2;
const WHEN: usize = 3;
const WHO: usize = 4;
/// Means a telephone only beside a word for it, or alone.
const NUMBER: &str = "number";
const GREETINGS: [&str; 10] =
    ["hello", "hi", "hey", "morning", "day", "evening", "afternoon", "thanks", "thank", "good"];

/// One thing that is asked for; a text with any of the terms speaks of it.
pub(super) struct Group {
    pub(super) terms: Vec<String>,
    class: Option<usize>,
}

impl Group {
    /// Whether it is one of the everyday things, and not a word of this question only.
    pub(super) fn everyday(&self) -> bool {
        self.class.is_some()
    }

    /// Whether this text tells the thing itself, such as a telephone number, and does not only mention it.
    pub(super) fn told_by(&self, text: &str) -> bool {
        self.class.is_some_and(|class| (CLASSES[class].tells)(text))
    }
}

/// A question, understood as far as it is.
pub(super) struct Asked {
    /// What it asks for. Nothing, when it has form words alone.
    pub(super) groups: Vec<Group>,
    /// What its question words point to, beside the groups: it decides between passages that have as much of them.
    pub(super) hints: Vec<Group>,
    /// It has a word of greeting.
    pub(super) greets: bool,
}

impl Asked {
    pub(super) fn new(words: &Words, question: &str) -> Self {
        let classes: Vec<Vec<String>> = CLASSES.iter().map(|class| words.stems(class.words)).collect();
        let group = |class: usize| Group { terms: classes[class].clone(), class: Some(class) };
        let mut groups: Vec<Group> = Vec::new();
        let (numbers, others): (Vec<_>, Vec<_>) =
            words.of_question(question).into_iter().partition(|word| word == NUMBER);
        for word in others {
            match classes.iter().position(|terms| terms.contains(&word)) {
                Some(class) if groups.iter().any(|g| g.class == Some(class)) => {}
                Some(class) => groups.push(group(class)),
                None => groups.push(Group { terms: vec![word], class: None }),
            }
        }
        for word in numbers {
            match groups.iter().any(|g| g.class == Some(TELEPHONE)) {
                true => {}
                false if groups.is_empty() => groups.push(group(TELEPHONE)),
                false => groups.push(Group { terms: vec![word], class: None }),
            }
        }
        let spoken = words.spoken(question);
        let pointed = pointed(&spoken, groups.is_empty()).filter(|c| groups.iter().all(|g| g.class != Some(*c)));
        let mut hints: Vec<Group> = pointed.map(group).into_iter().collect();
        if groups.is_empty() {
            groups.append(&mut hints);
        }
        Self { groups, hints, greets: spoken.iter().any(|word| GREETINGS.contains(&word.as_str())) }
    }

    /// Every word to search for.
    pub(super) fn terms(&self) -> Vec<String> {
        self.groups.iter().chain(&self.hints).flat_map(|group| group.terms.clone()).collect()
    }
}

/// The class that the question's form points to; some words point only when they stand alone.
fn pointed(spoken: &[String], alone: bool) -> Option<usize> {
    let much = spoken.windows(2).any(|pair| pair[0] == "how" && pair[1] == "much");
    let by_word = |word: &String| match word.as_str() {
        "where" => Some(WHERE),
        "when" => Some(WHEN),
        "find" if alone => Some(WHERE),
        "who" | "about" if alone => Some(WHO),
        _ => None,
    };
    if much { Some(COST) } else { spoken.iter().find_map(by_word) }
}

fn digits(text: &str) -> usize {
    text.bytes().filter(u8::is_ascii_digit).count()
}
