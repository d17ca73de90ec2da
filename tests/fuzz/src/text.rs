//! What people type and paste: free text in its visible form, and return codes.

use crate::judge::{Bytes, CANARY, taken, text};
use crate::{Target, Verdict};
use shared::ids::{BadCode, Ticket};
use shared::text::Text;
use shared::visible::{line, rows, unline};

pub(crate) const VISIBLE: Target = Target {
    name: "visible",
    check: visible,
    seeds: visible_seeds,
    words: &["\\{U+202E}", "\\n", "\\\\", "\u{301}", "\u{202E}", "\u{200B}", "\x1b[2J", "\u{FEFF}", "\u{3164}", CANARY],
};
pub(crate) const CODE: Target =
    Target { name: "return-code", check: code, seeds: code_seeds, words: &["-", " ", "O", "I", "L", "\u{a0}", CANARY] };

/// The limit of the texts under test, bytes.
const MAX: usize = 40;

/// The first byte is a width. Text comes back from its visible form, nothing hidden survives in it, and rows keep within
/// their width.
fn visible(data: &[u8]) -> Verdict {
    let mut bytes = Bytes(data);
    let (width, data) = (usize::from(bytes.byte()), bytes.0);
    let text = text(data);
    let shown = line(&text);
    assert_eq!(unline(&shown).as_ref(), Ok(&text));
    assert!(shown.len() <= 9 * text.len() && !shown.chars().any(hidden));
    let unlined = taken(unline(&text));
    assert!(unlined.as_ref().is_none_or(|unlined| line(unlined) == text));
    let bounded = taken(Text::<MAX>::new(text.as_str()));
    assert!(bounded.is_none_or(|bounded| bounded.as_str() == text && text.len() <= MAX));
    let mut unframed: Vec<String> = Vec::new();
    for row in rows(data, width) {
        assert!(!row.chars().any(hidden));
        match (row.strip_prefix("│ "), row.strip_prefix("┊ ")) {
            (Some(start), _) => unframed.push(start.to_owned()),
            (None, Some(more)) => unframed.last_mut().unwrap().push_str(more),
            (None, None) => panic!("a row without a frame"),
        }
    }
    if data == text.as_bytes() {
        assert_eq!(unframed, text.split('\n').map(line).collect::<Vec<_>>());
    }
    Verdict::of(unlined.is_some())
}

/// Moves a cursor, reorders its neighbours, or takes no room and is no mark.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{AD}' | '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

fn visible_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "Curriculum vitae",
        "a\\\\b\\n\\{U+202E}",
        "e\u{301}\u{301}\u{301}\u{301}",
        "👍\u{1F3FD}\u{200D}",
        "Größe 東京 ひらがな\n\tΕλλάδα\r\n",
        CANARY,
    ];
    let bytes = [&b"\xff\xc3\xa9\xed\xa0\x80\xf4\x90\x80\x80"[..], b"\xe2\x82"];
    texts.iter().map(|text| text.as_bytes()).chain(bytes).map(|bytes| [b"\x18", bytes].concat()).collect()
}

/// The first byte says what the rest is: a code, or a ticket. A code is read as its ticket, however it was typed, and as
/// no other.
fn code(data: &[u8]) -> Verdict {
    let mut bytes = Bytes(data);
    if bytes.byte() % 2 == 1 {
        let ticket = Ticket::from_random(std::array::from_fn(|_| bytes.byte()));
        let read = taken(Ticket::from_return_code(&ticket.return_code()));
        assert!(read.is_some_and(|read| read.hash() == ticket.hash()), "a ticket's own code is not taken");
        return Verdict::Taken;
    }
    let typed = text(bytes.0);
    match Ticket::from_return_code(&typed) {
        Ok(ticket) => {
            let digit = |c: char| match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                c => c,
            };
            let digits: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').map(digit).collect();
            assert_eq!(ticket.return_code().replace('-', ""), digits, "a second code of one ticket");
            Verdict::Taken
        }
        Err(error) => {
            // One character that no code has tells nothing of the code.
            assert!(!matches!(error, BadCode::Digit(c) if "0123456789ABCDEFGHJKMNPQRSTVWXYZ".contains(c)));
            taken(Err::<(), _>(error));
            Verdict::Refused
        }
    }
}

fn code_seeds() -> Vec<Vec<u8>> {
    let ticket = Ticket::from_random(std::array::from_fn(|at| (at * 37 + 11) as u8));
    let code = ticket.return_code();
    let sloppy = format!(" {}\n", code.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l"));
    let typed = [code.clone(), sloppy, code.replace('-', ""), CANARY.into(), "A".repeat(54)];
    let seeds = typed.iter().map(|text| [b"\0", text.as_bytes()].concat());
    seeds.chain([[b"\x01", &ticket.expose()[..]].concat()]).collect()
}
