//! Every page of typical and of hostile sheets at 80 by 24, as a terminal shows them.

use super::samples::{cv, freeze, hostile, opaque, publication};
use super::{Desk, PATIENCE};
use crate::prompt::pager::Answer;
use crate::prompt::sheet::Sheet;
use crate::prompt::terminal::{
    ALARM, BELL, BOLD, CLEAR, CLEAR_ROW, CURSOR_ON, NEW_ROW, PASTE_MARKED, PASTE_PLAIN, PLAIN, RESET, REVERSE,
    WRAP_OFF, WRAP_ON,
};

/// Pages and decision, each row in bars; the word is masked.
fn screens(sheet: &Sheet) -> String {
    let mut desk = Desk::new(80, 24);
    let asking = desk.ask(sheet, PATIENCE);
    let mut out = String::new();
    desk.until_page(1);
    desk.read_on(|shown| out.push_str(&framed(shown)));
    desk.press(" ");
    let word = desk.word("");
    out.push_str(&framed(&desk.shown().replace(&word, "WORD-WORD")));
    desk.press("\x1b");
    let (answer, desk) = desk.answer(asking);
    assert_eq!(answer, Answer::No);
    assert_only_own_codes(&desk.bytes);
    out
}

fn framed(shown: &str) -> String {
    format!("{}\n{shown}", "=".repeat(80))
}

/// No control character is left once our own codes are taken out.
pub(super) fn assert_only_own_codes(bytes: &[u8]) {
    let mut rest = std::str::from_utf8(bytes).unwrap();
    let own = [
        RESET,
        CLEAR,
        CLEAR_ROW,
        WRAP_OFF,
        WRAP_ON,
        PASTE_MARKED,
        PASTE_PLAIN,
        CURSOR_ON,
        PLAIN,
        BOLD,
        REVERSE,
        ALARM,
        NEW_ROW,
        BELL,
    ];
    while let Some(at) = rest.find(char::is_control) {
        let code = &rest[at..];
        let length = own.iter().find(|own| code.starts_with(**own)).map(|own| own.len()).or_else(|| goto(code));
        let context: String = code.chars().take(20).collect();
        rest = &code[length.unwrap_or_else(|| panic!("a code that is not ours: {context:?}"))..];
    }
}

/// The length of `ESC [ row ; 1 H`.
fn goto(code: &str) -> Option<usize> {
    let parameters = code.strip_prefix("\x1b[")?;
    let digits = parameters.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0 && parameters[digits..].starts_with(";1H")).then_some(2 + digits + 3)
}

/// Compares with the committed screens; `WEBIZEN_BLESS=1` writes them.
fn assert_golden(name: &str, actual: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/prompt/golden").join(name);
    if std::env::var_os("WEBIZEN_BLESS").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert!(actual == expected, "{name} differs; it is now\n{actual}");
}

#[test]
fn release_of_text() {
    assert_golden("text.txt", &screens(&cv()));
}

#[test]
fn release_of_a_file_that_is_not_text() {
    assert_golden("opaque.txt", &screens(&opaque()));
}

#[test]
fn publication_shows_every_document_and_title() {
    assert_golden("publication.txt", &screens(&publication()));
}

#[test]
fn statement_that_releases_nothing() {
    assert_golden("freeze.txt", &screens(&freeze()));
}

#[test]
fn hostile_text_stays_inside_its_frame() {
    let screens = screens(&hostile());
    assert_golden("hostile.txt", &screens);
    let imitations: Vec<&str> =
        screens.lines().filter(|l| l.contains("maple-canyon") || l.contains("page 9 of 9")).collect();
    assert!(imitations.len() >= 2 && imitations.iter().all(|l| l.starts_with(['│', '┊'])), "{imitations:?}");
    let promises = screens.lines().filter(|l| l.starts_with(" goes to "));
    assert_eq!(promises.count(), 1, "a purpose cannot add a field");
    assert!(!screens.contains('\u{202E}') && !screens.contains('\u{200B}') && !screens.contains('\u{FFFD}'));
}

#[test]
#[should_panic(expected = "a code that is not ours")]
fn a_foreign_code_is_found() {
    assert_only_own_codes(b"\x1b[1;1Hfine\x1b[2;2Hnot");
}
