//! The tests that SECURITY.md names are there and run.

use crate::bins::workspace;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The rows of the table of attacks: what each is shown by.
fn shown_by(security: &str) -> Vec<&str> {
    let numbered = |row: &&str| row.split('|').nth(1).is_some_and(|cell| cell.trim().parse::<u32>().is_ok());
    let rows = security.lines().filter(|line| line.starts_with('|')).filter(numbered);
    rows.map(|row| row.trim_end_matches('|').rsplit('|').next().unwrap()).collect()
}

/// The names of tests among what stands between back quotes: the other things there have no underscore, or more than that.
fn named(shown: &str) -> impl Iterator<Item = &str> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    shown.split('`').skip(1).step_by(2).filter(move |word| word.contains('_') && word.chars().all(plain))
}

/// The tests in a file of Rust: functions, and the rows of macros that make some. What is ignored does not run.
fn tests_in(source: &str, found: &mut BTreeSet<String>) {
    let (mut marked, mut maker) = (false, false);
    for line in source.lines() {
        let word = line.trim_start();
        if word.starts_with("#[test]") || word.starts_with("#[tokio::test") {
            marked = true;
        } else if word.starts_with("#[ignore") {
            marked = false;
        } else if let Some(name) = word.trim_start_matches("async ").strip_prefix("fn ")
            && std::mem::take(&mut marked)
        {
            found.insert(name.split('(').next().unwrap().to_owned());
        }
        if let Some(name) = line.strip_suffix("! {") {
            maker = makes_tests(source, name);
        } else if line == "}" {
            maker = false;
        } else if let Some((name, _)) = word.split_once(": ").filter(|_| maker) {
            found.insert(name.to_owned());
        }
    }
}

/// Whether a macro of this file makes tests.
fn makes_tests(source: &str, name: &str) -> bool {
    let rules = source.split_once(&format!("macro_rules! {name} {{"));
    rules.and_then(|(_, rest)| rest.split_once("\n}")).is_some_and(|(rules, _)| rules.contains("#[test]"))
}

fn tests_below(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            tests_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            tests_in(&fs::read_to_string(&path).unwrap(), found);
        }
    }
}

#[test]
fn every_test_that_the_table_of_attacks_names_is_there() {
    let security = fs::read_to_string(workspace().join("SECURITY.md")).unwrap();
    let mut tests = BTreeSet::new();
    ["shared", "vault", "reception", "tests"].iter().for_each(|name| tests_below(&workspace().join(name), &mut tests));
    let rows = shown_by(&security);
    assert!(rows.len() >= 40, "only {} rows were read", rows.len());
    for row in &rows {
        let shown = named(row).next().is_some() || row.contains("`tests/run ") || row.contains("**open**");
        assert!(shown, "neither a test nor **open**: {row}");
    }
    let missing: Vec<&str> = rows.iter().flat_map(|row| named(row)).filter(|name| !tests.contains(*name)).collect();
    assert!(missing.is_empty(), "SECURITY.md names tests that are not there: {missing:#?}");
}

#[test]
fn only_what_runs_counts_as_a_test() {
    let source = "\
macro_rules! rows {
    ($($name:ident: $word:literal,)*) => { $(#[test] fn $name() {})* };
}
macro_rules! others {
    ($($name:ident: $word:literal,)*) => {};
}
rows! {
    by_a_row: \"1\",
}
others! {
    by_no_row: \"1\",
}
#[test]
fn plain_one() {}
#[tokio::test(start_paused = true)]
async fn waiting_one() {}
#[test]
#[ignore]
fn ignored_one() {}
fn helping_one() {}
";
    let mut tests = BTreeSet::new();
    tests_in(source, &mut tests);
    assert_eq!(tests.iter().map(String::as_str).collect::<Vec<_>>(), ["by_a_row", "plain_one", "waiting_one"]);
}

#[test]
fn names_are_read_from_the_last_column_of_numbered_rows() {
    let table = "\
| # | attack | what must hold | shown by |
|---|---|---|---|
| 1 | `not_this` | nor `that_one` | `first_test` (`tests/run some_part`), `Other_word`, `plain`, `second_test` |
| P1 | `not_here` | `either_way` |
";
    let rows = shown_by(table);
    assert_eq!(rows.iter().flat_map(|row| named(row)).collect::<Vec<_>>(), ["first_test", "second_test"]);
}
