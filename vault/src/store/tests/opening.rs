//! What opens, what does not, and what is said of it.

use super::super::{OpenError, StoreKey, create, open};
use super::{Place, Readers, filing, question};
use shared::ids::ItemId;
use shared::message::Subject;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

fn refused(place: &Place, key: &StoreKey) -> OpenError {
    match open(&place.file(), key) {
        Ok(_) => panic!("it opened"),
        Err(why) => why,
    }
}

#[test]
fn another_key_does_not_open_it_and_the_right_one_still_does() {
    let place = Place::new();
    let before = std::fs::read(place.file()).unwrap();
    let why = refused(&place, &StoreKey::new([7; 32]));
    assert!(matches!(why, OpenError::Key(_)) && why.is_integrity(), "{why}");
    assert!(Readers::new(&place.file(), Arc::new(StoreKey::new([7; 32]))).read(super::super::items).is_err());
    assert_eq!(std::fs::read(place.file()).unwrap(), before);
    assert!(open(&place.file(), &place.key()).is_ok());
}

#[test]
fn nothing_there_is_said_and_not_made() {
    let place = Place::new();
    std::fs::remove_file(place.file()).unwrap();
    let why = refused(&place, &place.key());
    assert!(matches!(why, OpenError::Missing(_)) && why.to_string().contains("vault init"), "{why}");
    assert!(!place.file().exists());
}

#[test]
fn an_existing_store_is_never_made_anew() {
    let place = Place::new();
    let before = std::fs::read(place.file()).unwrap();
    assert!(matches!(create(&place.file(), &place.key()), Err(OpenError::Exists(_))));
    assert_eq!(std::fs::read(place.file()).unwrap(), before);
    assert_eq!(std::fs::metadata(place.file()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_store_of_another_version_is_left_to_that_version() {
    let place = Place::new();
    let set = |version: u32| {
        let write = "PRAGMA user_version";
        crate::store::open::connection(&place.file(), &place.key())
            .execute_batch(&format!("{write} = {version}"))
            .unwrap();
        refused(&place, &place.key())
    };
    let why = set(5);
    assert!(matches!(why, OpenError::Newer { found: 5, .. }) && !why.is_integrity(), "{why}");
    for early in [1, 2, 3] {
        let why = set(early);
        assert!(matches!(why, OpenError::Early(_)) && !why.is_integrity(), "{why}");
    }
}

#[test]
fn a_file_that_is_no_store_is_refused() {
    let place = Place::new();
    for content in [&b"not a database"[..], &[0; 16_384], &b"SQLite format 3\0".repeat(1024)] {
        std::fs::write(place.file(), content).unwrap();
        let why = refused(&place, &place.key());
        assert!(why.is_integrity(), "{why}");
        assert_eq!(std::fs::read(place.file()).unwrap(), content);
    }
}

#[tokio::test]
async fn a_flipped_byte_on_any_page_is_found_at_the_next_start() {
    let place = Place::new();
    let running = place.run();
    let lane = running.lane().await;
    for who in 0..40 {
        running.act(move |t| t.file(question(who), lane)).await.unwrap();
    }
    running.stop();
    let good = std::fs::read(place.file()).unwrap();
    assert!(good.len() > 10 * 4096);
    for page in 0..good.len() / 4096 {
        let mut bad = good.clone();
        bad[page * 4096 + 1000] ^= 0x10;
        std::fs::write(place.file(), &bad).unwrap();
        let why = refused(&place, &place.key());
        assert!(why.is_integrity(), "page {page}: {why:?}");
        assert_eq!(std::fs::read(place.file()).unwrap(), bad);
    }
    std::fs::write(place.file(), &good).unwrap();
    assert!(open(&place.file(), &place.key()).is_ok());
}

#[tokio::test]
async fn nothing_readable_is_on_the_disk_and_readers_cannot_write() {
    let place = Place::new();
    let running = place.run();
    let lane = running.lane().await;
    running.add("Curriculum vitae", b"Sam Sample bakes rye bread.").await;
    running.act(move |t| t.file(filing(1, Subject::Item(ItemId([1; 16]))), lane)).await.unwrap();
    let words = ["Curriculum vitae", "Sam Sample", "at the fair", "front.example.org", "CREATE TABLE"];
    for entry in std::fs::read_dir(&place.folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("store.db") {
            let bytes = std::fs::read(&path).unwrap();
            let found = words.iter().find(|word| bytes.windows(word.len()).any(|w| w == word.as_bytes()));
            assert_eq!(found, None, "{}", path.display());
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
    assert!(running.readers.read(|c| c.execute("DELETE FROM leaf", [])).is_err());
    assert_eq!(running.count("SELECT count(*) FROM item"), 1);
}
