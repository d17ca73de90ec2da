//! What is asked of every decoder.

use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::frame::{self, FrameError, PREFIX};
use shared::limits;
use std::fmt::{Debug, Display};

/// Stands for what a stranger wrote or an owner keeps, in every seed that has a place for it.
pub const CANARY: &str = "canary-7f3a91d2";
/// More than any error says that names a place and what to do about it, bytes.
const ERROR_MAX: usize = 400;

/// An error says where and what to do, and nothing of the content.
pub fn quiet(error: &(impl Display + Debug)) {
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(text.len() <= ERROR_MAX, "an error of {} bytes", text.len());
        assert!(!text.contains(CANARY), "an error quotes what it was given");
    }
}

/// The value, if there is one; an error must be [`quiet`].
pub fn taken<T, E: Display + Debug>(result: Result<T, E>) -> Option<T> {
    result.inspect_err(quiet).ok()
}

/// As text; what is not UTF-8 does not reach a decoder of text.
pub fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// Decodes a message; what is taken is encoded within the limit, and decoded to what is encoded to the same bytes.
pub fn message<T: Serialize + DeserializeOwned>(json: &[u8]) -> Option<T> {
    let message: T = taken(frame::decode(json))?;
    match frame::encode(&message) {
        Ok(encoded) => {
            let prefix = *encoded.first_chunk::<PREFIX>().unwrap();
            assert_eq!(frame::length(prefix), Ok(encoded.len() - PREFIX));
            let again: T = frame::decode(&encoded[PREFIX..]).unwrap();
            assert_eq!(frame::encode(&again).unwrap(), encoded);
        }
        // Field names and absent fields that the sender left out make a message longer, by less than a thousand bytes.
        Err(error) => {
            assert!(matches!(error, FrameError::TooLong(..)) && json.len() + 1000 > limits::FRAME, "{error}");
        }
    }
    Some(message)
}

/// Takes values off the front of an input, by which it says how it is to be used; zeroes follow its end.
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// The next eight bytes as a number.
    pub fn number(&mut self) -> u64 {
        (0..8).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    /// What comes before the next zero byte, which is dropped.
    pub fn field(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        let (field, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        field
    }
}
