//! The owner's statements.

use crate::judge::{CANARY, taken, text};
use crate::{Target, Verdict, samples};
use shared::limits;
use shared::statement::Statement;

pub(crate) const STATEMENT: Target = Target {
    name: "statement",
    check,
    seeds,
    words: &[
        "none",
        "text: ",
        "item: ",
        "question: ",
        "ticket sha256:",
        "hpke-x25519 sha256:",
        "sealed",
        "plain",
        "copy-opened",
        "not-shown",
        "pair",
        "unpair",
        "thaw",
        "\\{U+202E}",
        "\\n",
        "\\\\",
        "kind: approval",
        "18446744073709551615",
        "9999-12-30T22:00:00Z",
        CANARY,
    ],
};

/// One statement has one text, within the limit, and every line of it is printable.
fn check(data: &[u8]) -> Verdict {
    let text = text(data);
    let Some(statement) = taken(Statement::parse(&text)) else { return Verdict::Refused };
    assert_eq!(statement.render(), text);
    assert!(text.len() <= limits::STATEMENT && text.ends_with('\n'));
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "a control character in a statement");
    assert!(text.lines().nth(1).is_some_and(|line| line == format!("kind: {}", statement.kind())));
    Verdict::Taken
}

fn seeds() -> Vec<Vec<u8>> {
    let canary = Statement::from(samples::approval()).render();
    samples::STATEMENTS.iter().map(|text| text.as_bytes().to_vec()).chain([canary.into_bytes()]).collect()
}
