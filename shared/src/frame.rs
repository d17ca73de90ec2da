//! One message on the wire: a big-endian `u32` length and that many bytes of JSON.

use crate::limits;
use serde::{Serialize, de::DeserializeOwned};

/// Bytes of the length prefix.
pub const PREFIX: usize = 4;

/// Why bytes are not a frame, or a message does not fit one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Longer than allowed here.
    #[error("a frame of {0} bytes is over the limit of {1}")]
    TooLong(usize, usize),
    /// Not the expected message: bad JSON, an unknown field or verb, trailing bytes, a value out of bounds. The text names
    /// the place and never the content.
    #[error("not a message of this protocol (line {line}, column {column})")]
    Malformed {
        /// Where, as the JSON parser counts.
        line: usize,
        /// Where, as the JSON parser counts.
        column: usize,
    },
}

/// Prefix and JSON of `message`, at most [`limits::FRAME`] bytes of JSON.
///
/// # Errors
/// [`FrameError::TooLong`] when it does not fit.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    encode_padded(message, 0)
}

/// As [`encode`], with spaces after the JSON up to `size` bytes, so that messages of different content have one length.
///
/// # Errors
/// [`FrameError::TooLong`] when the JSON is longer than `size` (unless `size` is 0) or than [`limits::FRAME`].
pub fn encode_padded<T: Serialize>(message: &T, size: usize) -> Result<Vec<u8>, FrameError> {
    let mut out = vec![0; PREFIX];
    serde_json::to_writer(&mut out, message).map_err(malformed)?;
    let limit = if size == 0 { limits::FRAME } else { size };
    let length = out.len() - PREFIX;
    if length > limit {
        return Err(FrameError::TooLong(length, limit));
    }
    out.resize(PREFIX + length.max(size), b' ');
    let length = u32::try_from(out.len() - PREFIX).map_err(|_| FrameError::TooLong(length, limit))?;
    out[..PREFIX].copy_from_slice(&length.to_be_bytes());
    Ok(out)
}

/// The length that a prefix announces.
///
/// # Errors
/// [`FrameError::TooLong`] above [`limits::FRAME`]: the reader must give the peer up, not skip.
pub fn length(prefix: [u8; PREFIX]) -> Result<usize, FrameError> {
    let length = u32::from_be_bytes(prefix) as usize;
    if length > limits::FRAME { Err(FrameError::TooLong(length, limits::FRAME)) } else { Ok(length) }
}

/// The message in a frame's JSON.
///
/// # Errors
/// [`FrameError::Malformed`]
pub fn decode<T: DeserializeOwned>(json: &[u8]) -> Result<T, FrameError> {
    serde_json::from_slice(json).map_err(malformed)
}

#[allow(clippy::needless_pass_by_value)]
fn malformed(e: serde_json::Error) -> FrameError {
    FrameError::Malformed { line: e.line(), column: e.column() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Call, Reply, View};

    #[test]
    fn round_trip_and_padding() {
        let frame = encode_padded(&Reply::View(View::Waiting), limits::STATUS_REPLY).unwrap();
        let closed = encode_padded(&Reply::View(View::Closed), limits::STATUS_REPLY).unwrap();
        assert_eq!((frame.len(), closed.len()), (PREFIX + limits::STATUS_REPLY, PREFIX + limits::STATUS_REPLY));
        assert_eq!(length(frame[..4].try_into().unwrap()), Ok(limits::STATUS_REPLY));
        assert_eq!(decode::<Reply>(&frame[4..]), Ok(Reply::View(View::Waiting)));
        assert_eq!(encode_padded(&"four", 5), Err(FrameError::TooLong(6, 5)));
    }

    #[test]
    fn strange_messages_are_refused() {
        let ticket = "ab".repeat(32);
        let good = format!(r#"{{"status":{{"ticket":"{ticket}"}}}}"#);
        assert!(decode::<Call>(good.as_bytes()).is_ok());
        for bad in [
            format!(r#"{{"status":{{"ticket":"{ticket}","more":1}}}}"#),
            format!(r#"{{"status":{{"ticket":"{}"}}}}"#, ticket.to_uppercase()),
            format!("{good} x"),
            r#"{"approve":{}}"#.into(),
            String::new(),
        ] {
            assert!(matches!(decode::<Call>(bad.as_bytes()), Err(FrameError::Malformed { .. })), "{bad}");
        }
        assert_eq!(length([0, 1, 0, 1]), Err(FrameError::TooLong(65_537, limits::FRAME)));
        assert_eq!(length([0, 1, 0, 0]), Ok(limits::FRAME));
    }

    #[test]
    fn errors_do_not_quote_content() {
        let error = decode::<Call>(br#"{"canary-7f3a":1}"#).err().unwrap();
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}
