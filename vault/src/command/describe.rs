//! Requests in words, for lists and for reading.

use super::requests::{columns, short};
use super::{CommandError, Invocation, size};
use crate::desk::Case;
use crate::prompt::SMALLEST;
use shared::visible;
use vault_core::Line;

/// Columns that a described request takes at the most, and those before its values.
const WIDTH: usize = 79;
const LABEL: usize = 11;
/// Columns of the longest stage that there is, and of a day.
const STAGE: usize = 27;
const DAY: usize = 10;

/// For whom a list is printed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reader {
    /// For one who reads all of each line.
    Program,
    /// For a person, before so many columns; the longest stage in the list takes so many.
    Person { columns: usize, stage: usize },
}

/// Columns that framed words may take. A terminal would break a wider row itself, and what it breaks off would stand without
/// a frame where our own lines begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Width(usize);

impl Width {
    /// What fits where standard output goes.
    ///
    /// # Errors
    /// [`CommandError::Refused`] when that is a terminal on which nothing would be asked either.
    pub(super) fn of_output() -> Result<Self, CommandError> {
        Self::within(columns())
    }

    /// What fits a terminal of so many columns, or one that nobody knows.
    fn within(columns: Option<usize>) -> Result<Self, CommandError> {
        match columns {
            None => Ok(Self(WIDTH)),
            Some(columns) if columns < SMALLEST.columns => Err(CommandError::Refused(format!(
                "terminal too small: in {columns} columns a visitor's words could pass for ours. Make the window at least {} \
                 columns wide and ask again",
                SMALLEST.columns
            ))),
            // The last column stays free, as in lists.
            Some(columns) => Ok(Self(WIDTH.min(columns - 1))),
        }
    }
}

/// A request in one line of a list, in which a person gets what was asked shortened.
pub(super) fn listed(case: &Case, reader: Reader) -> String {
    let asked = match &case.subject {
        Line::Item(title) => format!("item: {title}"),
        Line::Question(text) => format!("question: {text}"),
    };
    let more =
        |words: &str| if case.repeats == 0 { String::new() } else { format!("  ({words}{} like it)", case.repeats) };
    let (id, filed) = (short(case.id), case.filed_at.to_string());
    match reader {
        Reader::Program => {
            format!("{id}  {filed}  {:<STAGE$}  {}{}", case.stage, visible::line(&asked), more("and "))
        }
        Reader::Person { columns, stage } => {
            let start = format!("{id}  {}  {:<stage$}  ", filed.get(..DAY).unwrap_or_default(), case.stage);
            let more = more("+");
            // The last column stays free: some terminals begin a new row as soon as that is taken.
            let room = columns.saturating_sub(start.len() + more.len() + 1);
            format!("{start}{}{more}", visible::beginning(&asked, room))
        }
    }
}

/// A request in lines to print. What a visitor wrote is framed, so that no line of it can pass for one of ours.
pub(super) fn describe(case: &Case, invocation: &Invocation, width: Width) -> Vec<String> {
    let framed = |label, words: &str| framed(label, words, width);
    let (asked, words) = match &case.subject {
        Line::Item(title) => ("item", title.as_str()),
        Line::Question(text) => ("question", text.as_str()),
    };
    let mut lines = vec![format!("request    {}", case.id), format!("stage      {}", case.stage)];
    lines.extend(framed(asked, words));
    lines.extend(framed("purpose", &case.purpose));
    lines.extend(framed("contact", case.contact.as_deref().unwrap_or("none given")));
    lines.push("           (a visitor's words; nobody has checked them)".into());
    lines.push(format!("through    {}", visible::line(&case.reception)));
    lines.push(format!("filed      {}, lapses {}", case.filed_at, case.lapses_at));
    lines.extend(case.note.iter().map(|note| format!("note       {note}")));
    if case.repeats > 0 {
        lines.push(format!("alike      {} more that wait are in the same words", case.repeats));
    }
    for talk in &case.talk {
        lines.extend(framed("you asked", &talk.question));
        lines.extend(framed("answer", &talk.answer));
        lines.push(format!("           (a visitor's words, {})", talk.at));
    }
    lines.extend(case.question.iter().flat_map(|words| framed("you ask", words)));
    lines.extend(case.refusal.iter().flat_map(|words| framed("you said", words)));
    if let Some(pending) = &case.pending {
        lines.push(format!("signed     by {} of {} owners:", pending.signed_by.len(), pending.quorum));
        lines.extend(pending.signed_by.iter().map(|key| format!("           {key}")));
    }
    if let Some(draft) = &case.draft {
        let media_type = visible::line(draft.media_type.as_str());
        lines.push(format!("draft      {}, {media_type}", size(draft.bytes)));
        lines.push(format!("  sha256   {}", draft.payload));
    }
    if let Some(release) = &case.release {
        let manifest = &release.manifest;
        let (begun, allowed) = (release.collected, release.collections);
        lines.push(format!("released   {}, until {}", size(manifest.bytes), manifest.not_after));
        lines.push(format!("  sha256   {}", manifest.sha256));
        lines.push(format!("  collections begun: {begun} of {allowed}"));
        if let Some(until) = release.cooling_until {
            let revoke = invocation.line(&format!("requests revoke {}", short(case.id)));
            lines.push(format!("  not collectable before {until}; this takes it back: {revoke}"));
        }
    }
    if let Some(ended) = &case.ended {
        let (begun, allowed) = (ended.collected, ended.collections);
        lines.push(format!("approved   {}, until {}", size(ended.manifest.bytes), ended.manifest.not_after));
        lines.push(format!("  sha256   {}", ended.manifest.sha256));
        lines.push(format!("  collections begun: {begun} of {allowed}"));
        let export = invocation.line(&format!("evidence export {} DIR", short(case.id)));
        lines.push(format!("  it can be collected no more; what proves it:\n    {export}"));
    }
    lines
}

/// A stranger's or the owner's words, framed so that no line of them can pass for one of ours.
pub(super) fn framed(label: &str, words: &str, width: Width) -> Vec<String> {
    let rows = visible::rows(words.as_bytes(), width.0.saturating_sub(LABEL)).enumerate();
    rows.map(|(i, row)| format!("{:<LABEL$}{row}", if i == 0 { label } else { "" })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::ids::{RequestId, TicketHash};
    use shared::time::Time;
    use unicode_width::UnicodeWidthStr as _;

    fn case(stage: &str, asked: &str, repeats: u32) -> Case {
        Case {
            id: RequestId([0xab; 16]),
            reception: "front".into(),
            filed_at: Time::from_unix(1_795_000_000),
            lapses_at: Time::from_unix(1_796_000_000),
            stage: stage.into(),
            undecided: true,
            subject: Line::Question(asked.into()),
            named: Line::Question(asked.into()),
            nonce: None,
            repeats,
            talk: vec![],
            question: None,
            refusal: None,
            pending: None,
            purpose: "hiring".into(),
            contact: None,
            ticket: TicketHash([0xab; 32]),
            note: None,
            draft: None,
            release: None,
            ended: None,
        }
    }

    #[test]
    fn a_list_fits_a_terminal_and_keeps_id_stage_and_count() {
        let long = "May I bring my dog, who likes sawdust very much, to the workshop?";
        for asked in [long, &"東京".repeat(40), &"\x1b[2J\u{202e}".repeat(40), "Why?"] {
            for (stage, repeats) in [("waiting for more signatures", 999), ("released", 0)] {
                let line = listed(&case(stage, asked, repeats), Reader::Person { columns: 80, stage: STAGE });
                assert!(line.width() < 80, "{} columns: {line}", line.width());
                assert!(line.starts_with("abababab  2026-11-18  ") && line.contains(stage), "{line}");
                assert!(line.contains("  question: ") && !line.contains(char::is_control), "{line}");
                assert_eq!(line.contains("(+999 like it)"), repeats == 999, "{line}");
                assert_eq!(line.contains('\u{2026}'), asked != "Why?" || repeats == 999, "{line}");
            }
        }
        let wide = listed(&case("released", long, 0), Reader::Person { columns: 200, stage: 8 });
        assert!(wide.ends_with(long), "{wide}");
    }

    #[test]
    fn described_words_fit_the_terminal_and_stay_framed() {
        let invocation = Invocation::new("vault", None);
        let words = format!("maple {} {}\nmaple", "\u{6771}maple\u{301}".repeat(40), "maple ".repeat(60));
        for (columns, most) in [(Some(40), 39), (Some(60), 59), (Some(80), 79), (Some(200), 79), (None, 79)] {
            let width = Width::within(columns).unwrap();
            let mut case = case("released", &words, 0);
            (case.purpose, case.contact) = (words.clone(), Some(words.clone()));
            (case.question, case.refusal) = (Some(words.clone()), Some(words.clone()));
            let talk = serde_json::json!([{ "question": words, "answer": words, "at": Time::from_unix(0) }]);
            case.talk = serde_json::from_value(talk).unwrap();
            let lines = describe(&case, &invocation, width);
            let quoted: Vec<&String> = lines.iter().filter(|line| line.contains(['\u{2502}', '\u{250a}'])).collect();
            assert!(lines.iter().all(|line| !line.contains("maple") || quoted.contains(&line)), "{lines:#?}");
            let widest = quoted.iter().map(|line| line.chars().map(visible::columns).sum::<usize>()).max().unwrap();
            assert!((most - 10..=most).contains(&widest), "{widest} of {columns:?}: {quoted:#?}");
        }
        for columns in [1, 11, 34, 39] {
            let error = Width::within(Some(columns)).unwrap_err();
            assert_eq!(error.code(), node::exit::REFUSED);
            assert!(error.to_string().contains("at least 40 columns wide"), "{error}");
        }
    }

    #[test]
    fn a_program_gets_the_whole_line() {
        let asked = "x".repeat(200);
        let line = listed(&case("released", &asked, 3), Reader::Program);
        let whole = format!("abababab  2026-11-18T11:06:40Z  {:<27}  question: {asked}  (and 3 like it)", "released");
        assert_eq!(line, whole);
    }
}
