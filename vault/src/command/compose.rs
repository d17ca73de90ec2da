//! `vault requests answer`, `edit` and `redact`: a new draft in place of the old one, which is then read and signed.

use super::add::{HEAD, detect};
use super::approve::nothing_yet;
use super::describe::{Width, framed};
use super::requests::{Outcome, open, short};
use super::{CommandError, Owner, failed, say, size, tell, unexpected};
use crate::cli::Terms;
use crate::desk::{Case, Desk, DeskCall, DeskReply};
use crate::editor;
use crate::scratch::Scratch;
use shared::limits;
use shared::message::MediaType;
use std::path::Path;
use vault_core::Line;

/// What is below this line in the editor is not sent.
const CUT: &str = "---- what stands from this line on is not sent ----";
/// What stands in place of words that were taken out.
const MARK: &str = "[removed by the owner]";

impl Owner {
    pub(super) fn answer(&self, id: &str, terms: &Terms) -> Result<(), CommandError> {
        let case = self.open_case(id)?;
        let mut terminal = open()?;
        let composed = self.compose(&case, terms)?;
        conclude_composed(self.decide(&mut terminal, &composed, terms)?, &case)
    }

    /// Has the owner write the answer; the request with its new draft.
    pub(super) fn compose(&self, case: &Case, terms: &Terms) -> Result<Case, CommandError> {
        self.ready(terms.key.as_deref())?;
        warn(case)?;
        let plain = MediaType::new("text/plain; charset=utf-8").map_err(|e| CommandError::Failed(e.to_string()))?;
        self.write(&self.template(case)?, "txt", |text| self.replace(case, text.as_bytes(), Some(plain)))
    }

    /// Changes what would be released: in the editor, or by a file's bytes.
    pub(super) fn edit(&self, id: &str, file: Option<&Path>, terms: &Terms) -> Result<(), CommandError> {
        let case = self.open_case(id)?;
        let mut terminal = open()?;
        self.ready(terms.key.as_deref())?;
        warn(&case)?;
        let composed = match file {
            Some(path) => {
                let (bytes, media_type) = read(path)?;
                self.replace(&case, &bytes, Some(media_type))?
            }
            None => {
                let before = self.editable_draft(&case)?;
                let initial = format!("{before}{CUT}\nChange the text above.\n");
                self.write(&initial, "txt", |text| self.replace(&case, text.as_bytes(), None))?
            }
        };
        conclude_composed(self.decide(&mut terminal, &composed, terms)?, &case)
    }

    /// Takes words out of what would be released, everywhere, leaving a visible mark.
    pub(super) fn redact(&self, id: &str, hide: &[String], terms: &Terms) -> Result<(), CommandError> {
        let case = self.open_case(id)?;
        let mut terminal = open()?;
        self.ready(terms.key.as_deref())?;
        let (text, count) = without(&self.text_draft(&case)?, hide).map_err(CommandError::Failed)?;
        let composed = self.replace(&case, text.as_bytes(), None)?;
        tell(&format!("{count} places were replaced by {MARK}."))?;
        conclude_composed(self.decide(&mut terminal, &composed, terms)?, &case)
    }

    /// Has the owner change `initial` in an editor, and hands on what stands above the cut. If nothing comes of that, what was
    /// written is kept, and the error says where.
    pub(super) fn write<T>(
        &self,
        initial: &str,
        extension: &str,
        hand_on: impl FnOnce(&str) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let scratch = scratch()?;
        let written = editor::compose(&scratch, initial, extension)?;
        let lost = |what: &str| {
            Err(CommandError::Refused(format!(
                "{what} stands below the line that cuts the text off, so nothing was changed."
            )))
        };
        let handed_on = match (above_the_cut(&written.text), adds_below_the_cut(&written.text, initial)) {
            (Some(text), false) => hand_on(&text),
            (None, false) => {
                return Err(CommandError::Refused("The text is empty, so nothing was changed.".into()));
            }
            (Some(_), true) => lost("Some of what you wrote"),
            (None, true) => lost("All that you wrote"),
        };
        handed_on.map_err(|error| match scratch.keep(&written.file) {
            Ok(kept) => CommandError::Kept { error: Box::new(error), kept },
            Err(unkept) => CommandError::Unkept { error: Box::new(error), unkept },
        })
    }

    /// Freezes these bytes as the request's draft; the request with it.
    fn replace(&self, case: &Case, bytes: &[u8], media_type: Option<MediaType>) -> Result<Case, CommandError> {
        let call = DeskCall::Compose { id: case.id, media_type, bytes: bytes.len() as u64 };
        let mut desk = Desk::call(&self.socket, &call)?;
        desk.send(bytes)?;
        let DeskReply::Stage(_) = desk.reply()? else { return Err(unexpected()) };
        if case.pending.is_some() {
            say("What other owners had signed of the earlier draft does not count any more.")?;
        }
        self.case(case.id)
    }

    /// The draft, if it is text.
    fn text_draft(&self, case: &Case) -> Result<String, CommandError> {
        let Some(draft) = &case.draft else {
            return Err(CommandError::Failed(nothing_yet("change", case)));
        };
        let bytes = self.fetch(case.id, draft)?;
        text(bytes).ok_or_else(|| {
            let id = short(case.id);
            CommandError::Failed(format!(
                "what would be released is no text ({}) and cannot be changed here; change a copy in its own program, then \
                 give that: `vault requests edit {id} --file FILE`",
                shared::visible::line(draft.media_type.as_str())
            ))
        })
    }

    /// As [`Self::text_draft`], if an editor may take it and give it back.
    fn editable_draft(&self, case: &Case) -> Result<String, CommandError> {
        let text = self.text_draft(case)?;
        if text.len() > limits::ANSWER {
            let (id, have, limit) = (short(case.id), size(text.len() as u64), size(limits::ANSWER as u64));
            return Err(CommandError::Failed(format!(
                "what would be released has {have}, and what is written in the editor here has at most {limit}; change a copy \
                 in a program of your own, then give that: `vault requests edit {id} --file FILE`"
            )));
        }
        Ok(text)
    }

    /// What the editor opens with: what was written before, and what is asked below a line that cuts it off.
    fn template(&self, case: &Case) -> Result<String, CommandError> {
        let earlier = match &case.draft {
            Some(draft) if matches!(draft.subject, Line::Question(_)) => self.editable_draft(case)?,
            Some(_) | None => String::new(),
        };
        Ok(format!("{earlier}\n{CUT}\nWrite your answer above.\n\n{}", asked(case, Width::of_output()?)))
    }
}

/// The bytes as text, unless their beginning or a byte of them says that they are something else: a PDF may well be ASCII.
fn text(bytes: Vec<u8>) -> Option<String> {
    let kind = detect(&bytes[..bytes.len().min(HEAD)], Path::new("")).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    (kind.as_str().starts_with("text/") && !text.contains('\0')).then_some(text)
}

/// Says that a question which waits for the visitor's answer will not wait any more.
fn warn(case: &Case) -> Result<(), CommandError> {
    match case.question {
        Some(_) => tell("Your question to the visitor waits for its answer. Going on takes it back."),
        None => Ok(()),
    }
}

/// For a command that stored a draft and asked then; the request as it was before.
fn conclude_composed(outcome: Outcome, before: &Case) -> Result<(), CommandError> {
    match outcome {
        Outcome::Signed | Outcome::Refused => Ok(()),
        Outcome::Later => Err(CommandError::Refused(if before.question.is_some() {
            "Nothing was decided here. What you wrote was kept as the draft; the question to the visitor was taken back."
                .into()
        } else {
            "Nothing was decided here. What you wrote was kept as the draft.".into()
        })),
    }
}

/// What is asked, and what was said so far, framed.
fn asked(case: &Case, width: Width) -> String {
    let framed = |label, words: &str| framed(label, words, width);
    let (label, words) = match &case.subject {
        Line::Item(title) => ("item", title),
        Line::Question(text) => ("question", text),
    };
    let mut lines = framed(label, words);
    lines.extend(framed("purpose", &case.purpose));
    for talk in &case.talk {
        lines.extend(framed("you asked", &talk.question));
        lines.extend(framed("answer", &talk.answer));
    }
    lines.join("\n") + "\n"
}

/// An editor's text for words to a visitor.
pub(super) fn blank(invitation: &str, case: &Case, width: Width) -> String {
    format!("\n{CUT}\n{invitation}\n\n{}", asked(case, width))
}

/// A place for clear text, after the owner was told where it is if that matters.
pub(super) fn scratch() -> Result<Scratch, CommandError> {
    let scratch = Scratch::new().map_err(|e| CommandError::Failed(e.to_string()))?;
    scratch.notice().iter().try_for_each(|notice| tell(notice))?;
    Ok(scratch)
}

/// The text without what stands below the cut; `None` if that is none.
fn above_the_cut(text: &str) -> Option<String> {
    let answer = match text.split_once(CUT) {
        Some((answer, _)) => format!("{}\n", answer.trim_end()),
        None => text.to_owned(),
    };
    (!answer.trim().is_empty()).then_some(answer)
}

/// Whether a line stands below the cut that did not stand there in `initial`; ends of lines may be cut or changed.
fn adds_below_the_cut(text: &str, initial: &str) -> bool {
    let below = |text| str::split_once(text, CUT).map_or("", |(_, rest)| rest);
    let given: Vec<&str> = below(initial).lines().map(str::trim).collect();
    below(text).lines().map(str::trim).any(|line| !line.is_empty() && !given.contains(&line))
}

/// `text` with every one of `hide` replaced by a mark, and how often; or what was not found.
fn without(text: &str, hide: &[String]) -> Result<(String, usize), String> {
    // Neither text nor words have this character, so that no words are found in a mark.
    const TAKEN: &str = "\0";
    let (mut out, mut count) = (text.replace(MARK, TAKEN), 0);
    for words in hide {
        let found = if words.is_empty() { 0 } else { out.matches(words.as_str()).count() };
        if found == 0 {
            return Err(format!(
                "{:?} does not stand in the text, or no more once the words before it are taken out, so nothing was changed; \
                 letters' case and line breaks matter",
                shared::visible::line(words)
            ));
        }
        out = out.replace(words.as_str(), TAKEN);
        count += found;
    }
    Ok((out.replace(TAKEN, MARK), count))
}

fn read(path: &Path) -> Result<(Vec<u8>, MediaType), CommandError> {
    let length = std::fs::metadata(path).map_err(failed("read", path))?.len();
    if length == 0 || length > limits::ITEM {
        let what = format!("{} has {}; what is released has 1 byte to 64 MiB", path.display(), size(length));
        return Err(CommandError::Failed(what));
    }
    let bytes = std::fs::read(path).map_err(failed("read", path))?;
    let media_type = detect(&bytes[..bytes.len().min(HEAD)], path);
    let media_type = media_type.map_err(|e| CommandError::Failed(format!("{}: {e}", path.display())))?;
    Ok((bytes, media_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_out_everywhere_or_nothing_is_changed() {
        let text = "Anna lives in Bern. Anna works.\n";
        let hidden = without(text, &["Anna".into(), "Bern".into()]).unwrap();
        assert_eq!(hidden, (format!("{MARK} lives in {MARK}. {MARK} works.\n"), 3));
        for missing in ["anna", "Basel", "", "owner", "Anna works"] {
            assert!(without(text, &["Anna".into(), missing.into()]).unwrap_err().contains("nothing was changed"));
            assert!(without(&hidden.0, &[missing.into()]).unwrap_err().contains("nothing was changed"));
        }
    }

    #[test]
    fn only_text_goes_to_an_editor() {
        for bytes in [&b"# A letter\n"[..], "Gr\u{fc}\u{df}e".as_bytes(), b"{}", b"<html><body>x</body></html>"] {
            assert_eq!(text(bytes.to_vec()).unwrap().as_bytes(), bytes);
        }
        for bytes in [&b"%PDF-1.4\nonly ASCII in it\n"[..], b"\x89PNG\r\n\x1a\n", b"caf\xe9", b"a\0b"] {
            assert_eq!(text(bytes.to_vec()), None, "{bytes:?}");
        }
    }

    #[test]
    fn what_stands_below_the_cut_is_not_sent() {
        assert_eq!(above_the_cut(&format!("Yes.\n\n{CUT}\nquestion")).unwrap(), "Yes.\n");
        assert_eq!(above_the_cut("Yes.").unwrap(), "Yes.");
        assert_eq!(above_the_cut(&format!(" \n{CUT}\nquestion")), None);
        let initial = format!("\n{CUT}\nWrite above.\n\n\u{2502} a question \n\u{2502} of two rows\n");
        let ends = initial.replace(" \n", "\n").replace('\n', "\r\n");
        for unchanged in [&initial, &ends, "Yes.", &format!("Yes.\n{CUT}\n"), &format!("Yes.{initial}\n\n")] {
            assert!(!adds_below_the_cut(unchanged, &initial), "{unchanged}");
        }
        for added in
            [format!("{initial}Yes."), format!("Yes.{CUT}\nNo."), initial.replace("a question", "a question? Yes.")]
        {
            assert!(adds_below_the_cut(&added, &initial), "{added}");
        }
    }
}
