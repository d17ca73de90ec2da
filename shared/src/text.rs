//! Bounded text: the length limit is part of the type, so a value that exists is within it.

use serde::{Deserialize, Deserializer, Serialize, de};

/// UTF-8 text of 1 to `MAX` bytes that is not only white space and has no control characters other than LF and TAB. It may
/// still hold anything else that deceives the eye, so it is shown through [`crate::visible`] and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Text<const MAX: usize>(String);

/// Why a text was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadText {
    /// Nothing but white space.
    #[error("it is empty")]
    Empty,
    /// A control character: no keyboard types it, and its visible form is nine times as long.
    #[error("it contains a control character, U+{0:04X}")]
    Control(u32),
    /// More bytes of UTF-8 than the limit.
    #[error("it has {0} bytes and the limit is {1}")]
    TooLong(usize, usize),
}

impl<const MAX: usize> Text<MAX> {
    /// # Errors
    /// [`BadText`] when empty, over `MAX` bytes, or with a control character other than LF and TAB.
    pub fn new(text: impl Into<String>) -> Result<Self, BadText> {
        let text = text.into();
        if text.trim().is_empty() {
            return Err(BadText::Empty);
        }
        if text.len() > MAX {
            return Err(BadText::TooLong(text.len(), MAX));
        }
        match text.chars().find(|c| c.is_control() && *c != '\n' && *c != '\t') {
            Some(control) => Err(BadText::Control(u32::from(control))),
            None => Ok(Self(text)),
        }
    }

    /// The text as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(d)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        assert_eq!(Text::<4>::new(" \n\t "), Err(BadText::Empty));
        assert_eq!(Text::<4>::new("ééé"), Err(BadText::TooLong(6, 4)));
        assert_eq!(Text::<4>::new("a\r"), Err(BadText::Control(13)));
        assert_eq!(Text::<4>::new("a\u{85}"), Err(BadText::Control(0x85)));
        assert!(Text::<4>::new("a\nb\t").is_ok());
        assert!(serde_json::from_str::<Text<4>>("\"12345\"").is_err());
    }
}
