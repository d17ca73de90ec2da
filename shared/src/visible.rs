//! The visible form of text that a stranger or a document wrote: the only way in which such text reaches a statement or a
//! terminal.
//!
//! It is **injective**: different texts never have the same visible form, so a signature over the form is one over the text.
//! It is **bounded**: one byte of text becomes at most nine bytes. It holds no character that moves a cursor, reorders its
//! neighbours or takes no room.
//!
//! Kept as they are: U+0020 to U+007E except the backslash; every other scalar that is a letter, number, punctuation or
//! symbol (general categories L*, N*, P*, S*; Unicode Standard, section 4.5) and has a width (UAX #11); and at most two
//! combining marks (Mn, Mc) directly after such a scalar. A backslash is `\\`, LF `\n`, TAB `\t`, CR `\r`. All else,
//! default-ignorable and blank scalars of those categories included, is `\{U+XXXX}`.

use std::fmt::Write as _;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory as _};
use unicode_width::UnicodeWidthChar as _;

/// Combining marks kept on one base: enough for the writing systems in use, too few to paint over neighbouring rows.
const MARKS: usize = 2;
/// Terminal columns of a row's frame at the most: the line and the space.
const FRAME: usize = 3;
/// What stands for the rest of a text that is shown in part, and its columns.
const ELLIPSIS: (char, usize) = ('\u{2026}', 2);
/// The narrowest block, in terminal columns: the frame and the longest escape fit.
const NARROWEST: usize = 24;

/// The text is not the visible form of any text, or not its one spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not the visible form of a text: an escape is unknown or unneeded, or a character should be escaped")]
pub struct NotVisible;

/// The visible form of `text`, without any line break. Exact inverse: [`unline`].
pub fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        rest = &rest[unit(rest, &mut out).bytes..];
    }
    out
}

/// As much of the visible form's beginning as fits `columns` (at least 2: less is taken as 2), and `…` where something is left
/// out; a base is never parted from its marks, nor an escape broken. It is not injective: it is for lists, and never for what is decided or signed.
pub fn beginning(text: &str, columns: usize) -> String {
    let (mut out, mut used, mut rest) = (String::new(), 0, text.as_bytes());
    let columns = columns.max(ELLIPSIS.1);
    // Where the form ends if an ellipsis has to follow.
    let mut end = 0;
    while !rest.is_empty() {
        let taken = unit(rest, &mut out);
        used += taken.columns;
        if used > columns {
            out.truncate(end);
            out.push(ELLIPSIS.0);
            return out;
        }
        if used + ELLIPSIS.1 <= columns {
            end = out.len();
        }
        rest = &rest[taken.bytes..];
    }
    out
}

/// The text of which `visible` is the visible form: `unline(v) == Ok(t)` exactly when `line(&t) == v`.
///
/// # Errors
/// [`NotVisible`] for anything that [`line()`] would not have written.
pub fn unline(visible: &str) -> Result<String, NotVisible> {
    let mut text = String::with_capacity(visible.len());
    let mut rest = visible;
    while let Some((kept, escaped)) = rest.split_once('\\') {
        text.push_str(kept);
        let (scalar, after) = unescape(escaped).ok_or(NotVisible)?;
        text.push(scalar);
        rest = after;
    }
    text.push_str(rest);
    if line(&text) == visible { Ok(text) } else { Err(NotVisible) }
}

/// The scalar that an escape stands for, and what follows it; the backslash is already taken.
fn unescape(escaped: &str) -> Option<(char, &str)> {
    if let Some(hex) = escaped.strip_prefix("{U+") {
        let (digits, after) = hex.split_once('}')?;
        let scalar = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)?;
        return Some((scalar, after));
    }
    let mut chars = escaped.chars();
    let scalar = match chars.next()? {
        '\\' => '\\',
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        _ => return None,
    };
    Some((scalar, chars.as_str()))
}

/// `bytes` as framed terminal rows, none of them wider than `width` columns (at least 24: less is taken as 24).
///
/// Each line of the text starts a row with `│ `; what does not fit goes on in rows that start with `┊ `. A final LF starts
/// an empty last row, so that texts with and without it differ. Within rows the rules are those of [`line()`]; a byte that is
/// not part of valid UTF-8 is shown as `\{XX}`. A line is broken after a space, which stays at its row's end; a word is broken
/// only where no row could hold it. A base is never parted from its marks, nor an escape broken. Rows are made one at a time,
/// in time and space of one row.
pub fn rows(bytes: &[u8], width: usize) -> Rows<'_> {
    Rows { rest: Some(bytes), room: width.max(NARROWEST) - FRAME, start: "│ ", ends: LineEnds::Break }
}

/// `text` as framed terminal rows like those of [`rows`], and all of it as one line: an LF is shown as `\n`.
pub fn one_line(text: &str, width: usize) -> Rows<'_> {
    Rows { ends: LineEnds::Escape, ..rows(text.as_bytes(), width) }
}

/// What an LF does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnds {
    /// It starts a row.
    Break,
    /// It is shown.
    Escape,
}

/// The iterator of [`rows`].
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    /// What is still to be shown; `None` after the last row.
    rest: Option<&'a [u8]>,
    /// Columns beside the frame.
    room: usize,
    /// The next row's frame.
    start: &'static str,
    ends: LineEnds,
}

impl Iterator for Rows<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut rest = self.rest?;
        let mut row = String::from(self.start);
        let mut used = 0;
        // After the last space: how long the row is there, and what follows.
        let mut space = None;
        loop {
            match rest {
                [] => {
                    self.rest = None;
                    return Some(row);
                }
                [b'\n', after @ ..] if self.ends == LineEnds::Break => {
                    (self.rest, self.start) = (Some(after), "│ ");
                    return Some(row);
                }
                _ => {}
            }
            let end = row.len();
            let taken = unit(rest, &mut row);
            if used + taken.columns > self.room {
                let (end, rest) = space.unwrap_or((end, rest));
                row.truncate(end);
                (self.rest, self.start) = (Some(rest), "┊ ");
                return Some(row);
            }
            used += taken.columns;
            let blank = rest[0] == b' ';
            rest = &rest[taken.bytes..];
            if blank {
                space = Some((row.len(), rest));
            }
        }
    }
}

/// What stays together: a kept base with its marks, or one escape.
struct Unit {
    /// Bytes of the source.
    bytes: usize,
    /// Terminal columns of what was written: the sum of [`columns`] over its characters, which no terminal's ligatures exceed.
    columns: usize,
}

/// Writes the visible form of the unit at the start of `source`, which is not empty.
fn unit(source: &[u8], out: &mut String) -> Unit {
    let Some(base) = scalar(source) else {
        return escape(1, out, |out| write!(out, "\\{{{:02X}}}", source[0]));
    };
    let bytes = base.len_utf8();
    match base {
        '\\' => escape(bytes, out, |out| out.write_str("\\\\")),
        '\n' => escape(bytes, out, |out| out.write_str("\\n")),
        '\t' => escape(bytes, out, |out| out.write_str("\\t")),
        '\r' => escape(bytes, out, |out| out.write_str("\\r")),
        _ if is_base(base) => with_marks(base, &source[bytes..], out),
        ' ' => escape(bytes, out, |out| out.write_str(" ")),
        _ => escape(bytes, out, |out| write!(out, "\\{{U+{:04X}}}", u32::from(base))),
    }
}

/// Writes ASCII that stands for `bytes` of the source.
fn escape(bytes: usize, out: &mut String, write: impl FnOnce(&mut String) -> std::fmt::Result) -> Unit {
    let start = out.len();
    // Writing to a `String` cannot fail.
    let _ = write(out);
    Unit { bytes, columns: out.len() - start }
}

fn with_marks(base: char, mut after: &[u8], out: &mut String) -> Unit {
    out.push(base);
    let mut unit = Unit { bytes: base.len_utf8(), columns: columns(base) };
    for _ in 0..MARKS {
        let Some(mark) = scalar(after).filter(|c| is_mark(*c)) else { break };
        out.push(mark);
        unit.bytes += mark.len_utf8();
        unit.columns += columns(mark);
        after = &after[mark.len_utf8()..];
    }
    unit
}

/// The scalar at the start of `source`, if its first bytes are one's UTF-8.
fn scalar(source: &[u8]) -> Option<char> {
    let size = match source.first()? {
        0x00..=0x7F => 1,
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return None,
    };
    std::str::from_utf8(source.get(..size)?).ok()?.chars().next()
}

/// The most columns that a terminal may give a character. All rows are measured by this: one that is wider than thought would
/// lose its end, and the owner would sign what nobody has seen.
///
/// Terminals that are set up for East Asian text give two to characters of ambiguous width (UAX #11): much of Latin beyond ASCII,
/// of Greek and of Cyrillic, typographic marks, the frame itself. A terminal is not asked: not each answers, and one inside
/// another (tmux) answers for itself. So these blocks count as two, as does all outside ASCII that is no letter, because
/// terminals disagree about it.
pub fn columns(c: char) -> usize {
    let widest = c.width_cjk().unwrap_or(0);
    match u32::from(c) {
        _ if c.width().unwrap_or(0) == 0 => 0,
        0x20..=0x7e => 1,
        0xa0..=0x52f | 0x2000..=0x2e7f | 0x1_f000.. => widest.max(2),
        _ if c.is_alphabetic() => widest,
        _ => widest.max(2),
    }
}

/// Kept, and may carry marks. A space may not: a mark on it would seem to stand alone.
fn is_base(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_graphic() && c != '\\';
    }
    let group = c.general_category_group();
    let visible = matches!(
        group,
        GeneralCategoryGroup::Letter
            | GeneralCategoryGroup::Number
            | GeneralCategoryGroup::Punctuation
            | GeneralCategoryGroup::Symbol
    );
    visible && columns(c) > 0 && !is_blank(c)
}

fn is_mark(c: char) -> bool {
    let category = c.general_category();
    matches!(category, GeneralCategory::NonspacingMark | GeneralCategory::SpacingMark) && !is_blank(c)
}

/// Scalars that fonts leave blank although their category says otherwise: the default-ignorable letters and marks
/// (DerivedCoreProperties.txt), the blank Braille pattern, the Egyptian blanks, the null notehead, the Khitan filler, and
/// the object replacement character.
fn is_blank(c: char) -> bool {
    matches!(c,
        '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{2065}'
        | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}' | '\u{FFFC}'
        | '\u{13441}' | '\u{13442}' | '\u{16FE4}' | '\u{1D159}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests;
