use super::*;
use std::collections::HashSet;
use unicode_width::UnicodeWidthStr as _;

/// Every Unicode scalar value: 1,112,064 of them.
fn scalars() -> impl Iterator<Item = char> {
    (0..=0x10_FFFF).filter_map(char::from_u32)
}

/// Scalars that may never survive, from the Unicode files and not from the code under test.
fn forbidden(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c, '\u{AD}' | '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{FEFF}'
            | '\u{2060}'..='\u{206F}' | '\u{FFF0}'..='\u{FFFC}' | '\u{180B}'..='\u{180F}' | '\u{FE00}'..='\u{FE0F}'
            | '\u{1D173}'..='\u{1D17A}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{13430}'..='\u{1343F}' | '\u{34F}'
            | '\u{115F}'..='\u{1160}' | '\u{3164}' | '\u{FFA0}' | '\u{2800}' | '\u{17B4}'..='\u{17B5}'
            | '\u{E000}'..='\u{F8FF}' | '\u{E0000}'..='\u{10FFFF}')
}

#[test]
fn every_scalar_comes_back_and_nothing_hidden_survives() {
    let mut seen = HashSet::new();
    let mut count = 0;
    for c in scalars() {
        count += 1;
        let alone = line(c.encode_utf8(&mut [0; 4]));
        assert_eq!(unline(&alone).as_deref(), Ok(c.encode_utf8(&mut [0; 4]) as &str), "{c:?}");
        assert!(alone.chars().all(|c| !forbidden(c) && c.width() > Some(0)), "{c:?} alone: {alone:?}");
        assert!(alone.len() <= 9 * c.len_utf8(), "{c:?}");
        assert!(seen.insert(alone), "{c:?} is shown as another scalar is");
    }
    assert_eq!(count, 1_112_064);
}

#[test]
fn every_scalar_is_told_apart_among_neighbours() {
    for c in scalars() {
        for text in
            [format!("a{c}"), format!("{c}\u{301}"), format!("a{c}\u{301}{c}\u{302}{c}"), format!("\\{c}{{U+41}}")]
        {
            let visible = line(&text);
            assert_eq!(unline(&visible).as_ref(), Ok(&text), "{visible}");
            assert!(!visible.chars().any(forbidden), "{text:?}: {visible:?}");
        }
    }
}

#[test]
fn spellings() {
    for (text, visible) in [
        ("Curriculum vitae", "Curriculum vitae"),
        ("", ""),
        ("a\\b", "a\\\\b"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x1b[2J", "\\{U+001B}[2J"),
        ("a\u{202E}b", "a\\{U+202E}b"),
        ("e\u{301}", "e\u{301}"),
        ("e\u{301}\u{301}\u{301}\u{301}", "e\u{301}\u{301}\\{U+0301}\\{U+0301}"),
        (" \u{301}", " \\{U+0301}"),
        ("\\\u{301}", "\\\\\\{U+0301}"),
        ("a\u{20DD}", "a\\{U+20DD}"),
        ("Größe 東京 ひらがな Ελλάδα", "Größe 東京 ひらがな Ελλάδα"),
        ("👍\u{1F3FD}\u{200D}", "👍\u{1F3FD}\\{U+200D}"),
        ("\u{E0041}", "\\{U+E0041}"),
    ] {
        assert_eq!(line(text), visible);
        assert_eq!(unline(visible).as_deref(), Ok(text));
    }
}

#[test]
fn beginnings_fit_and_are_those_of_the_visible_form() {
    let texts = ["", "abc", "東京 क्षि e\u{301}\u{302}\u{301}x", "\x1b[2J a\u{202E}b\n", "\\\\", "👍\u{1F3FD}\u{200D}!"];
    for (text, columns) in texts.iter().flat_map(|text| (2..40).map(move |columns| (text, columns))) {
        let (whole, short) = (line(text), beginning(text, columns));
        assert!(short.chars().map(super::columns).sum::<usize>() <= columns, "{columns}: {short}");
        if whole.chars().map(super::columns).sum::<usize>() <= columns {
            assert_eq!(short, whole);
        } else {
            let kept = short.strip_suffix('\u{2026}').unwrap();
            // What was kept is some text's whole visible form, so nothing in it is broken.
            assert!(whole.starts_with(kept) && unline(kept).is_ok_and(|kept| text.starts_with(&kept)), "{short}");
        }
    }
    assert_eq!(beginning("abcdef", 4), "ab\u{2026}");
    assert_eq!(beginning("abcd", 4), "abcd");
    assert_eq!(beginning("abcd", 0), "\u{2026}");
    assert_eq!(beginning("ab\x1bcdefghij", 10), "ab\u{2026}");
    assert_eq!(beginning("東京東京", 6), "東京\u{2026}");
    assert_eq!(beginning("Привет", 7), "Пр\u{2026}");
}

#[test]
fn other_spellings_are_refused() {
    for bad in [
        "\\",
        "\\x",
        "\\{",
        "\\{U+1b}",
        "\\{U+001b}",
        "\\{U+1B}",
        "\\{U+0001B}",
        "\\{U++001B}",
        "\\{U+001B",
        "\\{1B}",
        "\\{U+000A}",
        "\\{U+0041}",
        "\\{U+D800}",
        "\\{U+110000}",
        "\\{U+}",
        "\n",
        "\x1b",
        "a\u{200B}",
        "\u{301}",
        "a\\{U+0301}",
        "e\u{301}\u{301}\u{301}",
        "\u{AD}",
    ] {
        assert_eq!(unline(bad), Err(NotVisible), "{bad:?}");
    }
}

/// The rows' text without frames, one string for each line of the source.
fn unframed(bytes: &[u8], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for row in rows(bytes, width) {
        assert!(row.width_cjk() <= width.max(NARROWEST), "{row:?}");
        assert!(row.chars().map(columns).sum::<usize>() <= width.max(NARROWEST), "{row:?}");
        if let Some(start) = row.strip_prefix("│ ") {
            lines.push(start.into());
        } else {
            lines.last_mut().unwrap().push_str(row.strip_prefix("┊ ").unwrap());
        }
    }
    lines
}

#[test]
fn rows_hold_every_scalar_within_every_width() {
    let text: String = scalars().flat_map(|c| [c, '\u{301}', 'a', c, c, c]).collect();
    let lines: Vec<String> = text.split('\n').map(line).collect();
    for width in [0, 24, 25, 80] {
        assert_eq!(unframed(text.as_bytes(), width), lines);
    }
}

#[test]
fn rows_at_every_width() {
    let text = "東京\u{301}\tpurpose: \\ \u{10FFFF}x\n\u{17D8}\u{17D8}क्षि\n".repeat(20);
    let lines: Vec<String> = text.split('\n').map(line).collect();
    for width in 0..=200 {
        assert_eq!(unframed(text.as_bytes(), width), lines);
    }
}

#[test]
fn rows_break_at_the_edge_and_at_line_ends() {
    let show = |text: &str| rows(text.as_bytes(), 25).collect::<Vec<_>>();
    assert_eq!(show(""), ["│ "]);
    assert_eq!(show("a"), ["│ a"]);
    assert_eq!(show("a\n"), ["│ a", "│ "]);
    assert_eq!(show("a\r\nb"), ["│ a\\r", "│ b"]);
    assert_eq!(show(&"x".repeat(22)), [format!("│ {}", "x".repeat(22))]);
    assert_eq!(show(&"x".repeat(23)), [format!("│ {}", "x".repeat(22)), "┊ x".into()]);
    assert_eq!(show(&format!("{}\u{202E}", "x".repeat(20))), [format!("│ {}", "x".repeat(20)), "┊ \\{U+202E}".into()]);
    let accent = format!("{}e\u{301}\u{302}", "x".repeat(21));
    assert_eq!(show(&accent), [format!("│ {accent}")]);
    assert_eq!(show("│ fake\n┊ fake"), ["│ │ fake", "│ ┊ fake"]);
}

/// Each row but a line's last is so full that the next word would not have fitted, and ends between words.
#[test]
fn words_are_kept_whole_at_every_width() {
    let wide = |text: &str| text.chars().map(columns).sum::<usize>();
    let text =
        "A line with a right quote ’ that is “long enough”, and goes on … – so it is wrapped 東京 タワー é. ".repeat(3);
    for (text, width) in [text.as_str(), text.trim_end()].into_iter().flat_map(|t| (24..=120).map(move |w| (t, w))) {
        let shown: Vec<String> = rows(text.as_bytes(), width).collect();
        for pair in shown.windows(2) {
            let next = pair[1].strip_prefix("┊ ").unwrap().split_inclusive(' ').next().unwrap();
            assert!(pair[0].ends_with(' '), "{width}: a word is broken: {pair:?}");
            assert!(wide(&pair[0]) <= width && wide(&pair[0]) + wide(next) > width, "{width}: {pair:?}");
        }
        assert_eq!(unframed(text.as_bytes(), width), [text]);
        assert_eq!(one_line(text, width).collect::<Vec<_>>(), shown);
    }
    let show = |text: &str| rows(text.as_bytes(), 25).collect::<Vec<_>>();
    let long = "x".repeat(23);
    assert_eq!(show(&format!("a {long} b")), ["│ a ", &format!("┊ {}", &long[1..]), "┊ x b"]);
    assert_eq!(show(&" ".repeat(23)), [format!("│ {}", " ".repeat(22)), "┊  ".into()]);
    assert_eq!(one_line("a\nb", 25).collect::<Vec<_>>(), ["│ a\\nb"]);
}

/// What UAX #11 calls ambiguous: the lines `A` of EastAsianWidth.txt.
const AMBIGUOUS: &str = "
    A1 A4 A7-A8 AA AD-AE B0-B4 B6-BA BC-BF C6 D0 D7-D8 DE-E1 E6 E8-EA EC-ED F0 F2-F3 F7-FA FC FE 101 111 113 11B 126-127
    12B 131-133 138 13F-142 144 148-14B 14D 152-153 166-167 16B 1CE 1D0 1D2 1D4 1D6 1D8 1DA 1DC 251 261 2C4 2C7 2C9-2CB
    2CD 2D0 2D8-2DB 2DD 2DF 391-3A1 3A3-3A9 3B1-3C1 3C3-3C9 401 410-44F 451 2010 2013-2016 2018-2019 201C-201D
    2020-2022 2024-2027 2030 2032-2033 2035 203B 203E 2074 207F 2081-2084 20AC 2103 2105 2109 2113 2116 2121-2122 2126
    212B 2153-2154 215B-215E 2160-216B 2170-2179 2189 2190-2199 21B8-21B9 21D2 21D4 21E7 2200 2202-2203 2207-2208 220B
    220F 2211 2215 221A 221D-2220 2223 2225 2227-222C 222E 2234-2237 223C-223D 2248 224C 2252 2260-2261 2264-2267
    226A-226B 226E-226F 2282-2283 2286-2287 2295 2299 22A5 22BF 2312 2460-24E9 24EB-254B 2550-2573 2580-258F 2592-2595
    25A0-25A1 25A3-25A9 25B2-25B3 25B6-25B7 25BC-25BD 25C0-25C1 25C6-25C8 25CB 25CE-25D1 25E2-25E5 25EF 2605-2606 2609
    260E-260F 261C 261E 2640 2642 2660-2661 2663-2665 2667-266A 266C-266D 266F 269E-269F 26BF 26C6-26CD 26CF-26D3
    26D5-26E1 26E3 26E8-26E9 26EB-26F1 26F4 26F6-26F9 26FB-26FC 26FE-26FF 273D 2776-277F 2B56-2B59 3248-324F E000-F8FF
    FE00-FE0F FFFD 1F100-1F10A 1F110-1F12D 1F130-1F169 1F170-1F18D 1F18F-1F190 1F19B-1F1AC E0100-E01EF F0000-FFFFD
    100000-10FFFD
";

/// All of it, as a terminal that is set up for East Asian text shows it.
fn east_asian(text: &str, ambiguous: &HashSet<char>) -> usize {
    text.chars().map(|c| if ambiguous.contains(&c) { 2 } else { c.width_cjk().unwrap_or(0) }).sum()
}

#[test]
fn no_terminal_gives_a_character_more_columns_than_are_counted() {
    let scalar = |hex| u32::from_str_radix(hex, 16).unwrap();
    let ranges = AMBIGUOUS.split_whitespace().map(|range| range.split_once('-').unwrap_or((range, range)));
    let ambiguous: HashSet<char> =
        ranges.flat_map(|(from, to)| scalar(from)..=scalar(to)).filter_map(char::from_u32).collect();
    for c in scalars().filter(|c| columns(*c) > 0) {
        assert!(
            columns(c) >= east_asian(c.encode_utf8(&mut [0; 4]), &ambiguous) && Some(columns(c)) >= c.width(),
            "{c:?}"
        );
    }
    assert!(ambiguous.iter().all(|c| columns(*c) == 2 || !is_base(*c)));
    for c in "aZ~שﺍកẫ".chars() {
        assert_eq!(columns(c), 1, "{c}");
    }
    let texts = ["Съешь ещё этих мягких булок. ", "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. ", "§§ 1, 2 … – ┌──┐ ÿ ×± "];
    for (text, width) in texts.iter().flat_map(|text| (24..=200).map(move |width| (text.repeat(20), width))) {
        assert!(rows(text.as_bytes(), width).all(|row| east_asian(&row, &ambiguous) <= width), "{width}");
    }
}

#[test]
fn invalid_utf8_is_shown_byte_by_byte() {
    let show = |bytes: &[u8]| rows(bytes, 80).collect::<Vec<_>>().join("|");
    assert_eq!(show(b"a\xFF\xC3\xA9"), "│ a\\{FF}é");
    assert_eq!(show(b"\xC3"), "│ \\{C3}");
    assert_eq!(show(b"\xE2\x82"), "│ \\{E2}\\{82}");
    assert_eq!(show(b"\xED\xA0\x80"), "│ \\{ED}\\{A0}\\{80}");
    assert_eq!(show(b"\xC0\x8A"), "│ \\{C0}\\{8A}");
    assert_eq!(show(b"\xF4\x90\x80\x80"), "│ \\{F4}\\{90}\\{80}\\{80}");
    assert_eq!(show(b"e\xFF\xCC\x81"), "│ e\\{FF}\\{U+0301}");
    assert_eq!(show(b"\\{FF}"), "│ \\\\{FF}");
    assert_eq!(show(b"\xE2\nx"), "│ \\{E2}|│ x");
}

#[test]
fn every_pair_of_bytes_is_shown_as_none_other_is() {
    let mut seen = HashSet::new();
    for pair in 0..=u16::MAX {
        let shown: Vec<_> = rows(&pair.to_be_bytes(), 40).collect();
        assert!(shown.iter().flat_map(|row| row.chars()).all(|c| !forbidden(c)), "{pair:04x}");
        assert!(seen.insert(shown), "{pair:04x}");
    }
}

#[test]
fn rows_are_made_lazily() {
    let flood = vec![b'x'; 1 << 20];
    let mut rows = rows(&flood, 80);
    assert_eq!(rows.next().unwrap().width_cjk(), 80);
    assert_eq!(rows.rest.unwrap().len(), flood.len() - 77);
}
