//! What the owner signs: plain UTF-8 text that can be read aloud and has exactly one spelling.
//!
//! A statement is LF-terminated lines. The first is [`HEADER`], then `kind: …`, `vault: …` and the kind's own fields in
//! their fixed order, each `name: value`. Nothing is left out: what is absent is written `none`. Free text is written in its
//! visible form ([`crate::visible`]), so a value is always one line. For every text of at most [`limits::STATEMENT`] bytes,
//! [`Statement::parse`] gives `s` exactly when `s.render()` is that text.
//!
//! Each kind's fields are listed once; rendering and parsing are both made from that list.

mod field;
mod kinds;
#[cfg(test)]
mod tests;

pub use field::{DeliveryMode, FreezeAction, PairingAction, RecipientLine, Shown, SubjectLine};
pub use kinds::{
    Approval, Erasure, Freeze, Keys, Pairing, Publication, Question, Recovery, Refusal, Revocation, Statement,
};

#[cfg(test)]
pub(crate) use tests::VECTORS;

use crate::limits;
use field::Field;

/// The SSHSIG namespace of every statement (PROTOCOL.sshsig, section 3).
pub const NAMESPACE: &str = "release@webizen";
/// The first line of every statement, without its LF.
pub const HEADER: &str = "webizen statement v1";

/// Why a text is not a statement. Names the place, never the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadStatement {
    /// More bytes than [`limits::STATEMENT`].
    #[error("the text has {0} bytes and a statement has at most {limit}", limit = limits::STATEMENT)]
    TooLong(usize),
    /// The first line is another.
    #[error("the first line is not \"{HEADER}\": this is no statement, or one of a newer version")]
    Header,
    /// Not one of the ten kinds.
    #[error("the second line names no kind of statement that this version knows")]
    Kind,
    /// This field is missing, out of order, or not in its one spelling.
    #[error("the field \"{0}\" is missing, not in its place, or not spelt in the one way that statements spell it")]
    Field(&'static str),
    /// Something follows the last field.
    #[error("there is more text after the statement's last field")]
    Trailing,
}

impl Statement {
    /// The exact text to be signed. It fits [`limits::STATEMENT`] unless its free texts need many escapes.
    pub fn render(&self) -> String {
        let mut out = format!("{HEADER}\n");
        write(&mut out, "kind", self.kind());
        self.render_fields(&mut out);
        out
    }

    /// Reads a statement strictly: `parse(t) == Ok(s)` exactly when `s.render() == t`, for every `t` within the limit.
    ///
    /// # Errors
    /// [`BadStatement`] for any other text.
    pub fn parse(text: &str) -> Result<Self, BadStatement> {
        if text.len() > limits::STATEMENT {
            return Err(BadStatement::TooLong(text.len()));
        }
        let rest = text.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('\n')).ok_or(BadStatement::Header)?;
        let mut lines = Lines { rest };
        let kind = lines.value("kind").map_err(|_| BadStatement::Kind)?;
        let statement = Self::read_fields(kind, &mut lines)?;
        if lines.rest.is_empty() { Ok(statement) } else { Err(BadStatement::Trailing) }
    }
}

/// Appends one field.
fn write(out: &mut String, name: &str, value: &str) {
    for part in [name, ": ", value, "\n"] {
        out.push_str(part);
    }
}

/// The fields not yet read.
struct Lines<'a> {
    rest: &'a str,
}

impl<'a> Lines<'a> {
    /// The next line's value, if the line is this field's.
    fn value(&mut self, name: &'static str) -> Result<&'a str, BadStatement> {
        let value = self.rest.strip_prefix(name).and_then(|rest| rest.strip_prefix(": "));
        let (value, rest) = value.and_then(|value| value.split_once('\n')).ok_or(BadStatement::Field(name))?;
        self.rest = rest;
        Ok(value)
    }

    /// The next field, in its one spelling.
    fn field<T: Field>(&mut self, name: &'static str) -> Result<T, BadStatement> {
        let text = self.value(name)?;
        T::read(text).filter(|value| value.text() == text).ok_or(BadStatement::Field(name))
    }
}
