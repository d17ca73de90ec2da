//! Requests in words, for lists and for reading.

use super::requests::short;
use super::{Invocation, size};
use crate::desk::Case;
use shared::visible;
use vault_core::Line;

/// Columns that a described request takes, and those before its values.
const WIDTH: usize = 79;
const LABEL: usize = 11;

pub(super) fn subject(line: &Line) -> String {
    match line {
        Line::Item(title) => format!("item: {}", visible::line(title)),
        Line::Question(text) => format!("question: {}", visible::line(text)),
    }
}

/// A request in lines to print. What a visitor wrote is framed, so that no line of it can pass for one of ours.
pub(super) fn describe(case: &Case, invocation: &Invocation) -> Vec<String> {
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
    lines
}

/// A stranger's or the owner's words, framed so that no line of them can pass for one of ours.
pub(super) fn framed(label: &str, words: &str) -> Vec<String> {
    let rows = visible::rows(words.as_bytes(), WIDTH - LABEL).enumerate();
    rows.map(|(i, row)| format!("{:<LABEL$}{row}", if i == 0 { label } else { "" })).collect()
}
