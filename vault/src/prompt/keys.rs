//! What was pressed, from the bytes that a terminal sends (ECMA-48 section 5.4, and xterm's bracketed paste).

use std::collections::VecDeque;

/// More bytes than this in one read were not typed by a hand: a key sends at most eight.
const BURST: usize = 8;
/// The longest escape sequence that a key sends; longer ones are thrown away.
const SEQUENCE: usize = 16;
const ESCAPE: u8 = 0x1b;
const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// One press.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// A printable ASCII character, the space included.
    Char(char),
    Enter,
    Backspace,
    /// Ctrl-U: the typed line is to be forgotten.
    Wipe,
    Escape,
    /// Ctrl-C or Ctrl-D.
    Leave,
    /// Also the arrows down and right.
    Next,
    /// Also the arrows up and left.
    Previous,
    Home,
    End,
    /// Anything else.
    Other,
    /// Not a press: text arrived from a clipboard or a program, and was thrown away.
    Paste,
}

/// Turns bursts of bytes, as single reads return them, into keys.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// The start of a sequence whose rest has not come.
    pending: Vec<u8>,
    /// A bracketed paste has begun and not ended.
    pasting: bool,
}

impl Decoder {
    /// The keys that a burst completes.
    pub(super) fn feed(&mut self, burst: &[u8]) -> VecDeque<Key> {
        self.pending.extend_from_slice(burst);
        if let Some(at) = find(&self.pending, PASTE_BEGINS) {
            self.pasting = true;
            self.pending.drain(..at);
        }
        if self.pasting {
            return self.paste();
        }
        if burst.len() > BURST {
            self.pending.clear();
            return VecDeque::from([Key::Paste]);
        }
        let mut keys = VecDeque::new();
        while let Some((key, taken)) = first(&self.pending) {
            self.pending.drain(..taken);
            keys.push_back(key);
        }
        keys
    }

    /// Whether the meaning of the bytes so far depends on what follows soon.
    pub(super) fn is_unsure(&self) -> bool {
        !self.pasting && !self.pending.is_empty()
    }

    /// Nothing followed: a lone escape was the Escape key, an unfinished sequence nothing known.
    pub(super) fn settle(&mut self) -> Key {
        let lone = self.pending == [ESCAPE];
        self.pending.clear();
        if lone { Key::Escape } else { Key::Other }
    }

    /// Throws a paste away up to its end, and with it all that came in the same read.
    fn paste(&mut self) -> VecDeque<Key> {
        if find(&self.pending, PASTE_ENDS).is_some() {
            self.pasting = false;
            self.pending.clear();
        } else {
            let tail = self.pending.len().saturating_sub(PASTE_ENDS.len() - 1);
            self.pending.drain(..tail);
        }
        VecDeque::from([Key::Paste])
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// The key at the start of `bytes` and its length; `None` when there is none, or not yet the whole of it.
fn first(bytes: &[u8]) -> Option<(Key, usize)> {
    let key = match *bytes.first()? {
        ESCAPE => return sequence(bytes),
        b'\r' | b'\n' => Key::Enter,
        0x7f | 0x08 => Key::Backspace,
        0x15 => Key::Wipe,
        0x03 | 0x04 => Key::Leave,
        byte @ 0x20..=0x7e => Key::Char(char::from(byte)),
        _ => Key::Other,
    };
    Some((key, 1))
}

/// `ESC [ parameters final`, `ESC O final`, or Alt with a key.
fn sequence(bytes: &[u8]) -> Option<(Key, usize)> {
    match bytes.get(1)? {
        b'[' => {
            let Some(length) = bytes[2..].iter().position(|b| (0x40..=0x7e).contains(b)) else {
                return (bytes.len() > SEQUENCE).then_some((Key::Other, bytes.len()));
            };
            Some((control(&bytes[2..length + 3]), length + 3))
        }
        b'O' => bytes.get(2).map(|last| (control(&[*last]), 3)),
        _ => Some((Key::Other, 2)),
    }
}

fn control(sequence: &[u8]) -> Key {
    match sequence {
        b"6~" | b"B" | b"C" => Key::Next,
        b"5~" | b"A" | b"D" => Key::Previous,
        b"H" | b"1~" | b"7~" => Key::Home,
        b"F" | b"4~" | b"8~" => Key::End,
        _ => Key::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bursts: &[&[u8]]) -> Vec<Key> {
        let mut decoder = Decoder::default();
        let mut keys: Vec<Key> = bursts.iter().flat_map(|burst| decoder.feed(burst)).collect();
        if decoder.is_unsure() {
            keys.push(decoder.settle());
        }
        keys
    }

    #[test]
    fn keys_as_terminals_send_them() {
        use Key::{Backspace, Char, End, Enter, Escape, Home, Leave, Next, Other, Previous, Wipe};
        for (bytes, key) in [
            (&b" "[..], Char(' ')),
            (b"a", Char('a')),
            (b"\r", Enter),
            (b"\n", Enter),
            (b"\x7f", Backspace),
            (b"\x15", Wipe),
            (b"\x1b", Escape),
            (b"\x03", Leave),
            (b"\x1b[6~", Next),
            (b"\x1b[B", Next),
            (b"\x1bOB", Next),
            (b"\x1b[5~", Previous),
            (b"\x1b[H", Home),
            (b"\x1b[F", End),
            (b"\x1b[1;5C", Other),
            (b"\x1bx", Other),
            (b"\xff", Other),
            (b"\x1b[1;2;3", Other),
        ] {
            assert_eq!(keys(&[bytes]), [key], "{bytes:?}");
        }
        assert_eq!(keys(&[b"\x1b", b"[", b"6", b"~", b"q"]), [Next, Char('q')], "a key in pieces");
        assert_eq!(keys(&[b"ab\r"]), [Char('a'), Char('b'), Enter]);
    }

    #[test]
    fn what_was_not_typed_is_a_paste() {
        use Key::{Char, Paste};
        assert_eq!(keys(&[b"maple-can"]), [Paste]);
        assert_eq!(keys(&[b"maple-ca"]).len(), 8);
        assert_eq!(keys(&[b"\x1b[200~yes\r\x1b[201~"]), [Paste]);
        assert_eq!(keys(&[b"\x1b[20", b"0~y", b"es\r", b"\x1b[2", b"01~", b"a"])[3..], [Paste, Paste, Char('a')][1..]);
        assert_eq!(keys(&[b"\x1b[200~a", b"q", b"\r"]), [Paste, Paste, Paste], "an unfinished paste swallows all");
        assert_eq!(keys(&[b"\x1b[200~\x1b[201~yes\r"]), [Paste], "what follows in the same read is not typed either");
        let long = vec![b'x'; 100_000];
        let mut decoder = Decoder::default();
        decoder.feed(b"\x1b[200~");
        decoder.feed(&long);
        assert!(decoder.pending.len() < 6, "a paste is not kept");
    }

    #[test]
    fn no_bytes_make_a_key_of_nothing_or_grow_without_bound() {
        let mut decoder = Decoder::default();
        let mut state = 1u32;
        for _ in 0..200_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let byte = [b"\x1b[O2016;~ab\x00\xff\x9b"[(state >> 16) as usize % 14]];
            decoder.feed(&byte);
            assert!(decoder.pending.len() <= SEQUENCE + 1);
        }
    }
}
