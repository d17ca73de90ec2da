//! What makes a yes, and everything that does not.

use super::golden::assert_only_own_codes;
use super::samples::{cv, freeze, hostile, opaque, publication, question, release, text_sheet};
use super::{Desk, PATIENCE};
use crate::prompt::pager::{Answer, Timing, ask};
use crate::prompt::sheet::{Body, Sheet};
use crate::prompt::terminal::Terminal;
use portable_pty::{PtySize, native_pty_system};
use shared::statement::Shown;
use std::io::Read as _;
use std::time::Duration;

fn long_text() -> Sheet {
    text_sheet(&(1..=120).map(|n| format!("line {n} of the text\n")).collect::<String>())
}

#[test]
fn the_word_typed_by_hand_after_the_end_is_a_yes() {
    for (sheet, shown) in [
        (cv(), Shown::Whole),
        (hostile(), Shown::Whole),
        (opaque(), Shown::NotShown),
        (publication(), Shown::Whole),
        (question("Whose question is this?"), Shown::Whole),
        (freeze(), Shown::Whole),
    ] {
        let mut desk = Desk::new(80, 24);
        let asking = desk.ask(&sheet, PATIENCE);
        let word = desk.read_all();
        desk.type_by_hand(&word);
        desk.press("\r");
        let (answer, desk) = desk.answer(asking);
        assert_eq!(answer, Answer::Yes { shown });
        assert!(desk.shown().contains("You said yes."));
    }
}

#[test]
fn the_end_must_be_on_screen_first_at_every_size() {
    for (columns, rows) in [(40, 10), (80, 24), (200, 50)] {
        let sheet = long_text();
        let mut desk = Desk::new(columns, rows);
        let asking = desk.ask(&sheet, PATIENCE);
        desk.until_page(1);
        let of = desk.page().unwrap().1;
        desk.press_again("\x1b[F", 3);
        assert_eq!(desk.page(), Some((1, of)), "the End key skips nothing");
        desk.press(" ");
        desk.until_page(2);
        let mut lines = 0;
        desk.press("\x1b[H");
        desk.until_page(1);
        desk.read_on(|shown| lines += shown.lines().filter(|l| l.starts_with("│ line ")).count());
        assert_eq!(lines, 120, "every line was on one page at {columns} by {rows}");
        assert!(!String::from_utf8_lossy(&desk.bytes).contains("type the word"), "no word before the end");
        desk.press(" ");
        let word = desk.word("");
        desk.type_by_hand(&word);
        desk.press("\r");
        assert_eq!(desk.answer(asking).0, Answer::Yes { shown: Shown::Whole });
    }
}

#[test]
fn a_small_terminal_is_a_no() {
    for (columns, rows) in [(0, 0), (1, 1), (2, 100), (200, 1), (39, 24), (80, 9), (40, 9), (39, 10)] {
        let desk = Desk::new(columns.max(1), rows.max(1));
        desk.master.resize(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }).unwrap();
        let asking = desk.ask(&cv(), PATIENCE);
        let (answer, desk) = desk.answer(asking);
        assert_eq!(answer, Answer::No, "{columns} by {rows}");
        let said = String::from_utf8_lossy(&desk.bytes).into_owned();
        assert!(said.contains("terminal too small") && !said.contains("the word"), "{said:?}");
    }
}

#[test]
fn every_size_either_asks_or_declines() {
    let (text, file) = (cv(), opaque());
    for columns in (1..=200).step_by(7) {
        for rows in (1..=50).step_by(3) {
            let size = crate::prompt::terminal::Size { columns, rows };
            for sheet in [&text, &file] {
                let statement = sheet.check().unwrap();
                let layout = crate::prompt::screen::Layout::new(sheet, &statement, size);
                assert_eq!(layout.is_some(), columns >= 40 && rows >= 10, "{columns} by {rows}");
                assert!(layout.is_none_or(|layout| layout.pages() > 0));
            }
        }
    }
}

#[test]
fn another_size_means_reading_again() {
    let sheet = long_text();
    let mut desk = Desk::new(80, 24);
    let asking = desk.ask(&sheet, PATIENCE);
    let word = desk.read_all();
    desk.type_by_hand(&word);
    desk.resize(80, 30);
    desk.press("\r");
    desk.until_page(1);
    assert!(desk.shown().contains("The window changed"));
    desk.press_again("\x1b[F", 1);
    assert_eq!(desk.page().unwrap().0, 1, "what was seen at another size does not count");
    desk.press(" ");
    desk.until_page(2);
    desk.resize(30, 30);
    desk.press(" ");
    let (answer, desk) = desk.answer(asking);
    assert_eq!(answer, Answer::No);
    assert!(String::from_utf8_lossy(&desk.bytes).contains("terminal too small"));
}

#[test]
fn typeahead_counts_for_nothing() {
    let sheet = long_text();
    let mut desk = Desk::new(80, 24);
    desk.press(" ".repeat(50));
    desk.press("maple-canyon\rrr\r");
    let asking = desk.ask(&sheet, PATIENCE);
    desk.until_page(1);
    assert_eq!(desk.page().unwrap().0, 1);
    desk.press("  \r\r \r\r");
    desk.until_page(2);
    desk.press("\x1b[H");
    desk.until_page(1);
    assert!(!String::from_utf8_lossy(&desk.bytes).contains("page 3 of "), "one key, one page");
    desk.read_on(|_| {});
    desk.press(" maple-r");
    desk.word("");
    assert!(desk.shown().contains("then Enter:\n"), "nothing is typed yet:\n{}", desk.shown());
    desk.press("q");
    assert_eq!(desk.answer(asking).0, Answer::No);
}

#[test]
fn pasted_words_count_for_nothing() {
    let mut desk = Desk::new(80, 24);
    let asking = desk.ask(&cv(), PATIENCE);
    let mut word = desk.read_all();
    for marked in [true, false] {
        let paste = format!("{word}\r");
        desk.press(if marked { format!("\x1b[200~{paste}\x1b[201~") } else { paste });
        desk.until("A paste does not count");
        let next = desk.word(&word);
        assert_ne!(next, word, "the word on screen is not good any more");
        word = next;
    }
    desk.type_by_hand(&word[..2]);
    desk.press(format!("{}\r", &word[2..]));
    desk.press("\x15");
    desk.until("A paste does not count");
    word = desk.word(&word);
    desk.type_by_hand(&word);
    desk.press("\r");
    assert_eq!(desk.answer(asking).0, Answer::Yes { shown: Shown::Whole });
}

#[test]
fn three_wrong_words_are_a_no() {
    let mut desk = Desk::new(80, 24);
    let asking = desk.ask(&cv(), PATIENCE);
    let mut word = desk.read_all();
    for left in [2, 1] {
        desk.type_by_hand("wrong");
        desk.press("\r");
        desk.until(&format!("({left} left)"));
        let next = desk.word(&word);
        assert_ne!(next, word);
        word = next;
        desk.press("b");
        desk.until_page(3);
        desk.press(" ");
        word = desk.word(&word);
    }
    desk.type_by_hand("wrong");
    desk.press("\r");
    let (answer, desk) = desk.answer(asking);
    assert_eq!(answer, Answer::No);
    assert!(desk.shown().contains("Three wrong words"));
}

#[test]
fn typing_can_be_mended() {
    let mut desk = Desk::new(80, 24);
    let asking = desk.ask(&cv(), PATIENCE);
    let word = desk.read_all();
    desk.press("\r\r");
    desk.type_by_hand("zz");
    desk.press("\x7f");
    desk.until("Enter: z\n");
    desk.press("\x15");
    desk.until("Enter:\n");
    desk.type_by_hand(&word);
    desk.press("\r");
    assert_eq!(desk.answer(asking).0, Answer::Yes { shown: Shown::Whole });
}

#[test]
fn refusing_takes_two_presses_and_is_offered_for_requests_only() {
    let mut desk = Desk::new(80, 24);
    let asking = desk.ask(&cv(), PATIENCE);
    let word = desk.read_all();
    desk.press("r");
    desk.until("Any other key goes back");
    assert!(!desk.shown().contains("With it"));
    desk.press("x");
    desk.word(&word);
    desk.press("rrrr");
    desk.until("Any other key goes back");
    desk.press("R");
    assert_eq!(desk.answer(asking).0, Answer::Refuse);

    // Those alike go with it, and that is said at every size.
    let mut desk = Desk::new(40, 10);
    let asking = desk.ask(&Sheet { alike: 1999, ..cv() }, PATIENCE);
    desk.read_all();
    desk.press("r");
    desk.until("Any other key goes back");
    assert!(desk.shown().contains(" With it 1999 more in the same words.\n None can be approved any more.\n"));
    desk.press("r");
    assert_eq!(desk.answer(asking).0, Answer::Refuse);

    let mut desk = Desk::new(80, 24);
    let asking = desk.ask(&publication(), PATIENCE);
    desk.read_all();
    assert!(!desk.shown().contains("refuse"));
    desk.press("r");
    desk.until("then Enter: r\n");
    desk.press("\x1b");
    assert_eq!(desk.answer(asking).0, Answer::No);
}

#[test]
fn a_copy_is_asked_for_and_then_said_to_be_opened() {
    let blind = |desk: &Desk| desk.shown().replace('\n', "").contains(", which you have not opened,");
    let mut desk = Desk::new(80, 24);
    let asking = desk.ask(&opaque(), PATIENCE);
    desk.until(" | o open a copy");
    desk.read_all();
    assert!(blind(&desk), "{}", desk.shown());
    desk.press("b");
    desk.until(" | o open a copy");
    desk.press("o");
    assert_eq!(desk.answer(asking).0, Answer::Copy);

    let Body::Opaque { media_type, bytes, sha256, .. } = opaque().body else { unreachable!() };
    let opened = Some("/run/user/1000/webizen-scratch-x/copy.pdf".into());
    let body = Body::Opaque { media_type, bytes, sha256, opened };
    let mut desk = Desk::new(80, 24);
    let asking = desk.ask(&release(body, "application/pdf", "CV", "Jo", "hiring"), PATIENCE);
    let word = desk.read_all();
    assert!(!blind(&desk), "{}", desk.shown());
    desk.type_by_hand(&word);
    desk.press("\r");
    assert_eq!(desk.answer(asking).0, Answer::Yes { shown: Shown::CopyOpened });
}

#[test]
fn silence_is_a_no() {
    let desk = Desk::new(80, 24);
    let asking = desk.ask(&cv(), Duration::from_millis(50));
    let (answer, desk) = desk.answer(asking);
    assert_eq!(answer, Answer::No);
    assert!(desk.shown().contains("No key was pressed"));
}

#[test]
fn leaving_keys_are_a_no() {
    for key in ["q", "\x1b", "\x03", "\x04"] {
        let mut desk = Desk::new(80, 24);
        let asking = desk.ask(&cv(), PATIENCE);
        desk.until_page(1);
        desk.press(key);
        assert_eq!(desk.answer(asking).0, Answer::No, "{key:?}");
    }
}

#[test]
fn hang_up_is_a_no() {
    let pair = native_pty_system().openpty(PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 }).unwrap();
    let path = pair.master.tty_name().unwrap();
    let mut reader = pair.master.try_clone_reader().unwrap();
    let asking =
        std::thread::spawn(move || ask(&mut Terminal::open_at(&path).unwrap(), &cv(), Timing { silence: PATIENCE }));
    let (mut seen, mut bytes) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&seen).contains("page 1 of ") {
        let length = reader.read(&mut bytes).unwrap();
        seen.extend_from_slice(&bytes[..length]);
    }
    drop((reader, pair));
    assert_eq!(asking.join().unwrap().unwrap(), Answer::No);
}

#[test]
fn a_terminal_that_takes_no_output_is_a_no() {
    let pair = native_pty_system().openpty(PtySize { rows: 50, cols: 200, pixel_width: 0, pixel_height: 0 }).unwrap();
    let mut terminal = Terminal::open_at(&pair.master.tty_name().unwrap()).unwrap();
    let timing = Timing { silence: Duration::from_millis(100) };
    let sheet = text_sheet(&"a wide line that fills the buffer of a terminal nobody reads\n".repeat(2000));
    assert_eq!(ask(&mut terminal, &sheet, timing).unwrap(), Answer::No);
}

/// A generator that gives the same bytes every time.
struct Bytes(u64);

impl Bytes {
    fn next(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u8
    }
}

/// All 256 bytes alone, then 20,000 sequences: raw bytes, and what terminals' parsers look for.
fn nasty() -> Vec<u8> {
    let mut random = Bytes(1);
    let mut out: Vec<u8> = (0..=255).flat_map(|byte| [byte, b'\n']).collect();
    let starts: [&[u8]; 8] = [b"", b"\x1b[", b"\x1b]", b"\x1bP", b"\x9b", b"\xc2\x9b", b"\x1b", b"\xe2\x80"];
    for _ in 0..20_000 {
        out.extend_from_slice(starts[usize::from(random.next() % 8)]);
        for _ in 0..random.next() % 8 {
            out.push(if random.next().is_multiple_of(2) {
                random.next()
            } else {
                b"0123456789;?mhlHJKr\x07\x1b\\\x9c"[usize::from(random.next() % 23)]
            });
        }
        out.push(b'\n');
    }
    out
}

#[test]
fn no_payload_puts_a_foreign_code_on_the_terminal() {
    let bytes = nasty();
    let hostile = String::from_utf8_lossy(&bytes[..900]).into_owned();
    let sheet = release(Body::Text { bytes }, "text/plain", &hostile[..300.min(hostile.len())], &hostile, &hostile);
    let mut desk = Desk::new(200, 50);
    let asking = desk.ask(&sheet, PATIENCE);
    desk.read_all();
    desk.press("q");
    let (answer, desk) = desk.answer(asking);
    assert_eq!(answer, Answer::No);
    assert!(desk.bytes.len() > 300_000, "all of it was on screen");
    assert_only_own_codes(&desk.bytes);
}
