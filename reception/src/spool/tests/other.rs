//! What is sealed for another vault than the paired one.

use super::*;

/// The vault that takes the place of [`VAULT`] for a while.
const NEXT: Digest = Digest([9; 32]);

fn keep_for(spool: &Spool, vault: Digest, who: u16) {
    spool.keep(vault, ticket(who), Digest([2; 32]), sealed(who as u8), Offered::Never).unwrap();
}

fn names(who: &[u16]) -> Vec<String> {
    let mut names: Vec<_> = who.iter().map(|who| entry::name(ticket(*who).request())).collect();
    names.sort();
    names
}

#[test]
fn what_is_for_another_vault_waits_and_comes_back_to_its_place_in_the_order() {
    let place = Place::new();
    let spool = place.open();
    for (vault, who) in [(VAULT, 9), (NEXT, 2), (VAULT, 7), (NEXT, 4)] {
        keep_for(&spool, vault, who);
    }
    let (log, _guard) = Captured::start();
    assert_eq!(spool.arrange(NEXT), [ticket(9), ticket(7)]);
    assert_eq!((place.names(""), place.names(OTHER)), (names(&[2, 4]), names(&[7, 9])));
    assert_eq!((spool.waiting(), spool.held(&ticket(9)).map(|held| held.vault)), (2, Some(VAULT)));
    let others = [VAULT, NEXT, Digest([3; 32])].map(|vault| for_others(&place.folder(), vault).unwrap());
    assert_eq!((others, for_others(&place.folder().join("none"), VAULT).unwrap()), ([2, 2, 4], 0));
    assert_eq!(spool.oldest(|_| Some(())).unwrap().ticket, ticket(2), "the rest is not offered");
    assert!(!spool.is_astray(NEXT) && spool.is_astray(VAULT));
    // In the midst of others, before a restart and after one.
    for again in [spool, place.open()] {
        let mut back = again.arrange(VAULT);
        back.sort_by_key(|ticket| ticket.0);
        assert_eq!(back, [2, 4, 7, 9].map(ticket));
        assert_eq!((place.names(""), place.names(OTHER)), (names(&[7, 9]), names(&[2, 4])));
        again.arrange(NEXT);
    }
    let spool = place.open();
    keep_for(&spool, VAULT, 1);
    spool.arrange(VAULT);
    assert_eq!(drain(&spool), [ticket(9), ticket(7), ticket(1)]);
    assert_eq!(place.names(ASIDE).len(), 0);
    let log = log.text();
    for words in ["until it is paired again", "requests wait for another vault to be paired", "are to be handed over"] {
        assert!(log.contains(words), "{words} is not in:\n{log}");
    }
}

#[test]
fn what_is_back_counts_as_one_that_may_have_left_and_one_that_waits_does_not() {
    let place = Place::new();
    let spool = place.open();
    (1..=2).for_each(|who| keep(&spool, who));
    spool.arrange(NEXT);
    assert_eq!(removed(&spool, 1), Some(Offered::Never));
    assert!(place.names(OTHER) == names(&[2]) && !spool.holds(&ticket(1)));
    spool.arrange(VAULT);
    assert_eq!(removed(&spool, 2), Some(Offered::Perhaps));
}

#[test]
fn the_same_again_is_one_wherever_it_waits() {
    let place = Place::new();
    let spool = place.open();
    keep(&spool, 5);
    spool.arrange(NEXT);
    keep_for(&spool, NEXT, 5);
    let other = spool.keep(NEXT, ticket(5), Digest([8; 32]), sealed(5), Offered::Never);
    assert!(matches!(other, Err(NotKept::Other)), "{other:?}");
    assert_eq!((place.names("").len(), place.names(OTHER)), (0, names(&[5])));
    assert_eq!(spool.held(&ticket(5)).map(|held| held.vault), Some(VAULT));
}

#[test]
fn what_waits_for_another_vault_takes_room_until_it_is_deleted() {
    let place = Place::new();
    let spool = place.open();
    (1..=2).for_each(|who| keep(&spool, who));
    spool.arrange(NEXT);
    let ballast = place.folder().join(ASIDE).join("ballast");
    fs::File::create(ballast).unwrap().set_len(limits::SPOOL_BYTES - 2 * Entry::SIZE as u64).unwrap();
    let spool = place.open();
    let full = spool.keep(NEXT, ticket(3), Digest([2; 32]), sealed(3), Offered::Never);
    assert!(matches!(full, Err(NotKept::TooMuch { bytes: limits::SPOOL_BYTES, .. })), "{full:?}");
    fs::remove_file(place.folder().join(OTHER).join(&names(&[1])[0])).unwrap();
    keep_for(&spool, NEXT, 3);
    assert!(!spool.holds(&ticket(1)) && spool.holds(&ticket(2)));
    fs::remove_file(place.folder().join(OTHER).join(&names(&[2])[0])).unwrap();
    keep_for(&spool, NEXT, 2);
    assert_eq!(place.names(""), names(&[2, 3]), "what is called kept has a file");
}

#[test]
fn a_power_loss_in_the_midst_of_a_move_neither_loses_nor_doubles() {
    let place = Place::new();
    let spool = place.open();
    (1..=4).for_each(|who| keep(&spool, who));
    // One has moved, and one is in both folders; another of its own is under a third one's name.
    let (from, to) =
        (|who| place.file(who), |who| place.folder().join(OTHER).join(place.file(who).file_name().unwrap()));
    fs::rename(from(1), to(1)).unwrap();
    fs::copy(from(2), to(2)).unwrap();
    fs::write(to(3), entry(3).to_bytes()).unwrap();
    let spool = place.open();
    assert_eq!((place.names(OTHER), place.names(ASIDE)), (names(&[1]), names(&[3])));
    spool.arrange(VAULT);
    assert_eq!(drain(&spool), [1, 2, 3, 4].map(ticket));
    assert_eq!(place.names(OTHER).len(), 0);
}

#[test]
fn after_a_move_without_a_flush_no_removal_is_called_done() {
    let place = Place::new();
    let (spool, _) = open_failing_once!(place);
    (1..=2).for_each(|who| keep(&spool, who));
    let (log, _guard) = Captured::start();
    spool.arrange(NEXT);
    assert!(log.text().contains("may not stay there"), "{}", log.text());
    assert_eq!(place.names(OTHER), names(&[1, 2]));
    for why in ["disk failed when that was flushed", "cannot remove for good"] {
        refused(&spool, 1, why);
    }
    assert!(spool.may_come_back(&ticket(1)) && !place.names(OTHER).contains(&names(&[1])[0]));
    spool.arrange(VAULT);
    assert_eq!((place.names(""), drain_all(&place)), (names(&[2]), vec![ticket(2)]));
}

#[test]
fn a_folder_that_cannot_be_opened_is_no_flush_that_failed() {
    without_rights_to_every_file();
    let place = Place::new();
    let spool = place.open();
    (1..=2).for_each(|who| keep(&spool, who));
    let allow = |folder: &str, mode| {
        fs::set_permissions(place.folder().join(folder), fs::Permissions::from_mode(mode)).unwrap();
    };
    allow("", 0o300);
    refused(&spool, 1, "cannot open");
    allow("", 0o700);
    assert!(place.file(1).exists() && !spool.may_come_back(&ticket(1)), "it is as it was");
    assert_eq!(removed(&spool, 1), Some(Offered::Never));
    allow(OTHER, 0o300);
    let (log, _guard) = Captured::start();
    assert_eq!(spool.arrange(NEXT), []);
    assert!(log.text().contains("cannot be moved for another pairing"), "{}", log.text());
    allow(OTHER, 0o700);
    assert!(place.file(2).exists() && spool.is_astray(NEXT));
    assert_eq!(spool.arrange(NEXT), [ticket(2)]);
    assert_eq!(removed(&spool, 2), Some(Offered::Never), "no flush failed");
}

/// What a start of its own would hand over.
fn drain_all(place: &Place) -> Vec<TicketHash> {
    let spool = place.open();
    spool.arrange(VAULT);
    drain(&spool)
}

#[test]
fn one_that_cannot_be_moved_is_not_offered_to_another_vault_and_one_that_is_gone_holds_nobody_up() {
    let place = Place::new();
    let spool = place.open();
    (1..=3).for_each(|who| keep(&spool, who));
    let in_the_way = place.folder().join(OTHER).join(&names(&[1])[0]);
    fs::create_dir(&in_the_way).unwrap();
    fs::remove_file(place.file(2)).unwrap();
    let (log, _guard) = Captured::start();
    assert_eq!(spool.arrange(NEXT), [ticket(3)]);
    assert!(log.text().contains("cannot be moved for another pairing"), "{}", log.text());
    assert!(
        spool.oldest(|next| (next.vault == NEXT).then_some(())).is_none()
            && spool.holds(&ticket(1))
            && !spool.holds(&ticket(2))
    );
    fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(spool.arrange(NEXT), [ticket(1)]);
}

#[test]
fn nothing_is_believed_before_what_was_found_is_on_the_disk() {
    static FLUSHES: AtomicUsize = AtomicUsize::new(0);
    static FAILS_AT: AtomicUsize = AtomicUsize::new(usize::MAX);
    let flush = |folder: &Folder| match FLUSHES.fetch_add(1, Ordering::Relaxed) == FAILS_AT.load(Ordering::Relaxed) {
        true => Err(failed("flush", folder.path())(rustix::io::Errno::IO.into())),
        false => folder.flush(),
    };
    let place = Place::new();
    keep(&place.open(), 1);
    // What a start would tidy up, were it to go on.
    let half = files::temporary(&place.file(2));
    fs::write(&half, "half").unwrap();
    let mut folders = Vec::new();
    for at in 0..OPENING {
        FLUSHES.store(0, Ordering::Relaxed);
        FAILS_AT.store(at, Ordering::Relaxed);
        let error = Spool::open_with(place.folder(), flush).err().unwrap();
        let FileError::Io { act: "flush", path, .. } = error else { panic!("{error}") };
        folders.push(path);
        assert!(half.exists(), "nothing was touched");
    }
    let folder = place.folder();
    let all = [place.0.path().to_owned(), folder.clone(), folder.join(ASIDE), folder.join(OTHER)];
    assert_eq!(folders, all, "each folder, and the one that it is in");
    FAILS_AT.store(usize::MAX, Ordering::Relaxed);
    assert!(Spool::open_with(folder, flush).unwrap().holds(&ticket(1)));
}
