//! What stands on the pages and on the decision screen, at many sizes.

use super::*;
use crate::prompt::pty::samples::{cv, question};

#[test]
fn quoted_words_are_kept_whole_whatever_their_signs() {
    let text =
        "A line with a right quote ’ that is “long” … – 東京 and goes on, on a terminal of any width. ".repeat(2);
    let sheet = question(&text);
    for columns in 40..=120 {
        let layout = Layout::new(&sheet, &sheet.check().unwrap(), Size { columns, rows: 200 }).unwrap();
        let shown: Vec<&str> = layout.rows.iter().map(|row| row.text.as_str()).collect();
        let quoted: Vec<String> = visible::rows(text.as_bytes(), columns - 1).collect();
        assert!(shown.windows(quoted.len()).any(|rows| rows == quoted), "{columns}: {shown:#?}");
        let (_, signed) = sheet.statement.split_once("text: ").unwrap();
        let last = signed.lines().next().unwrap().split(' ').next_back().unwrap();
        assert!(shown.iter().all(|row| row.chars().map(visible::columns).sum::<usize>() < columns));
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
