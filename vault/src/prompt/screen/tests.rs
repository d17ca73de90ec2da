//! What stands on the pages and on the decision screen, at many sizes.

use super::*;
use crate::prompt::pty::samples::{cv, freeze, hostile, opaque, publication, question};

#[test]
fn quoted_words_are_kept_whole_whatever_their_signs() {
    let text =
        "A line with a right quote ’ that is “long” … – 東京 and goes on, on a terminal of any width. ".repeat(2);
    let sheet = question(&text);
    for columns in 40..=120 {
        let layout = Layout::new(&sheet, &sheet.check().unwrap(), Size { columns, rows: 200 }).unwrap();
        let shown: Vec<&str> = layout.rows.iter().map(|row| row.text.as_str()).collect();
        let quoted: Vec<String> = visible::rows(text.as_bytes(), columns).collect();
        assert!(shown.windows(quoted.len()).any(|rows| rows == quoted), "{columns}: {shown:#?}");
        let (_, signed) = sheet.statement.split_once("text: ").unwrap();
        let last = signed.lines().next().unwrap().split(' ').next_back().unwrap();
        assert!(shown.iter().all(|row| row.chars().map(visible::columns).sum::<usize>() <= columns));
        assert!(shown.iter().any(|row| row.split(' ').any(|word| word == last)), "{columns}: {last:?}");
    }
}

#[test]
fn a_delay_stands_on_the_decision_screen_too_and_never_in_its_way() {
    let mut sheet = cv();
    let typing = Typing { word: "mmmmmmm-mmmmmmm", typed: "", message: LONGEST_MESSAGE };
    let shown = |sheet: &Sheet, columns, rows| {
        let decision = decision(sheet, &sheet.check().unwrap(), Size { columns, rows }, &typing);
        decision.map(|decision| decision.rows.iter().map(|row| row.text.trim()).collect::<Vec<_>>().join(" "))
    };
    let without: Vec<bool> = (10..=24).map(|rows| shown(&sheet, 40, rows).is_some()).collect();
    sheet.sections.push(Section::Delay("It is held back for 60 seconds.".into()));
    assert!(shown(&sheet, 80, 24).unwrap().contains("It is held back for 60 seconds."));
    assert_eq!((10..=24).map(|rows| shown(&sheet, 40, rows).is_some()).collect::<Vec<_>>(), without);
    let layout = Layout::new(&sheet, &sheet.check().unwrap(), Size { columns: 80, rows: 24 }).unwrap();
    assert!(layout.rows.iter().any(|row| row.text == " It is held back for 60 seconds."));
}

/// A terminal may give two columns to every character of ambiguous width (UAX #11), the frame's and our own among them. It
/// wraps nothing: what did not fit would be signed and never seen.
#[test]
fn no_row_is_wider_than_any_terminal_of_that_width() {
    let cyrillic = question(&"Съешь ещё этих мягких французских булок, да выпей чаю. § 5 … – ±1°. ".repeat(9));
    for sheet in [cv(), opaque(), publication(), freeze(), hostile(), cyrillic] {
        let statement = sheet.check().unwrap();
        for columns in (40..=160).step_by(3) {
            let size = Size { columns, rows: 60 };
            let layout = Layout::new(&sheet, &statement, size).unwrap();
            let typing = Typing { word: "mmmmmmm-mmmmmmm", typed: "mmmmmmm-mmmmmmm", message: LONGEST_MESSAGE };
            let decision = decision(&sheet, &statement, size, &typing).unwrap();
            let bars = [bar(&sheet.title, columns), bar(&status(&sheet, 0, 999, columns), columns)];
            for row in layout.rows.iter().chain(&decision.rows).chain(&bars) {
                let widest: usize = row.text.chars().map(visible::columns).sum();
                assert!(widest <= columns, "{columns}: {:?}", row.text);
            }
        }
    }
}
