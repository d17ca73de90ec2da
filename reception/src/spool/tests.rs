use super::*;
use crate::testing::{Captured, without_rights_to_every_file};
use shared::limits;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

const VAULT: Digest = Digest([1; 32]);
/// How often a start flushes.
const OPENING: usize = 4;
/// Names the small disk for the test's second run.
const SMALL_DISK: &str = "WEBIZEN_TEST_SMALL_DISK";

fn ticket(who: u16) -> TicketHash {
    let mut hash = [0; 32];
    hash[..2].copy_from_slice(&who.to_be_bytes());
    TicketHash(hash)
}

fn sealed(fill: u8) -> Sealed {
    Sealed::from_bytes(&vec![fill; Sealed::SIZE]).unwrap()
}

fn entry(who: u16) -> Entry {
    Entry { number: who.into(), vault: VAULT, ticket: ticket(who), body: Digest([2; 32]), sealed: sealed(3) }
}

/// A spool in a folder of its own.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join("spool")
    }

    fn open(&self) -> Spool {
        Spool::open(self.folder()).unwrap()
    }

    fn file(&self, who: u16) -> PathBuf {
        self.folder().join(entry::name(ticket(who).request()))
    }

    /// The names in the folder, or in the one of what was set aside.
    fn names(&self, below: &str) -> Vec<String> {
        let mut names: Vec<_> = listed(&self.folder().join(below)).unwrap().into_iter().map(|(_, name)| name).collect();
        names.sort();
        names
    }
}

fn keep(spool: &Spool, who: u16) {
    spool.keep(VAULT, ticket(who), Digest([2; 32]), sealed(who as u8), Offered::Never).unwrap();
}

/// Takes everything out, oldest first.
fn drain(spool: &Spool) -> Vec<TicketHash> {
    let mut all = Vec::new();
    while let Some(next) = spool.oldest(|_| Some(())) {
        spool.read(&next).unwrap();
        assert!(spool.remove(&next.ticket).unwrap().is_some());
        all.push(next.ticket);
    }
    all
}

#[test]
fn what_is_kept_comes_out_in_its_order_after_a_restart_too() {
    let place = Place::new();
    let spool = place.open();
    // Names alone would sort otherwise.
    for who in [9, 2, 7] {
        keep(&spool, who);
        assert!(spool.holds(&ticket(who)));
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&place.folder()), mode(&place.file(9))), (0o700, 0o600));
    assert_eq!(removed(&spool, 9), Some(Offered::Never));
    let spool = place.open();
    keep(&spool, 1);
    let oldest = spool.oldest(|_| Some(())).unwrap();
    assert_eq!((oldest.ticket, spool.read(&oldest).unwrap()), (ticket(2), sealed(2)));
    assert_eq!(drain(&spool), [ticket(2), ticket(7), ticket(1)]);
    assert!(spool.oldest(|_| Some(())).is_none() && place.names("").is_empty());
    assert_eq!(removed(&spool, 2), None);
}

#[test]
fn the_same_again_is_one_and_another_under_its_name_is_refused() {
    let place = Place::new();
    let spool = place.open();
    keep(&spool, 5);
    let before = fs::read(place.file(5)).unwrap();
    spool.keep(VAULT, ticket(5), Digest([2; 32]), sealed(99), Offered::Never).unwrap();
    let other = spool.keep(VAULT, ticket(5), Digest([8; 32]), sealed(5), Offered::Never);
    assert!(matches!(other, Err(NotKept::Other)), "{other:?}");
    let mut twin = ticket(5);
    twin.0[31] = 1;
    assert_eq!(twin.request(), ticket(5).request());
    assert!(matches!(spool.keep(VAULT, twin, Digest([2; 32]), sealed(5), Offered::Never), Err(NotKept::Other)));
    assert!(!spool.holds(&twin) && spool.remove(&twin).unwrap().is_none());
    assert_eq!((fs::read(place.file(5)).unwrap(), place.names("").len()), (before, 1));
    // A restart forgets neither.
    let spool = place.open();
    keep(&spool, 5);
    assert!(matches!(spool.keep(VAULT, ticket(5), Digest([8; 32]), sealed(5), Offered::Never), Err(NotKept::Other)));
}

#[test]
fn a_full_spool_takes_no_more_until_one_is_gone() {
    let place = Place::new();
    drop(place.open());
    for who in 0..limits::SPOOL as u16 {
        fs::write(place.file(who), entry(who).to_bytes()).unwrap();
    }
    let spool = place.open();
    let next = limits::SPOOL as u16;
    let full = spool.keep(VAULT, ticket(next), Digest([2; 32]), sealed(1), Offered::Never);
    let Err(NotKept::TooMany(limits::SPOOL)) = full else { panic!("{full:?}") };
    let said = full.unwrap_err().to_string();
    assert!(
        said.contains("until the vault is connected") && !said.contains("delete"),
        "deleting would not help: {said}"
    );
    assert!(spool.is_full());
    assert!(!place.file(next).exists());
    // The same as one that waits needs no room.
    keep(&spool, 7);
    spool.remove(&ticket(0)).unwrap();
    assert!(!spool.is_full());
    keep(&spool, next);
    assert_eq!(place.names("").len(), limits::SPOOL);
}

#[test]
fn what_is_set_aside_takes_room_too() {
    let place = Place::new();
    drop(place.open());
    let ballast = place.folder().join(ASIDE).join("ballast");
    fs::File::create(&ballast).unwrap().set_len(limits::SPOOL_BYTES - Entry::SIZE as u64).unwrap();
    let spool = place.open();
    keep(&spool, 1);
    let full = spool.keep(VAULT, ticket(2), Digest([2; 32]), sealed(1), Offered::Never);
    assert!(matches!(full, Err(NotKept::TooMuch { bytes: limits::SPOOL_BYTES, .. })), "{full:?}");
    let said = full.unwrap_err().to_string();
    assert!(said.contains("delete there") && said.contains(place.folder().to_str().unwrap()), "{said}");
    fs::remove_file(ballast).unwrap();
    assert!(spool.is_full() && spool.is_astray(VAULT), "nobody has looked yet");
    spool.arrange(VAULT);
    assert!(!spool.is_full());
    keep(&spool, 2);
}

#[test]
fn what_a_crash_or_a_bad_disk_left_is_told_apart_from_what_is_whole() {
    let place = Place::new();
    let spool = place.open();
    (1..=5).for_each(|who| keep(&spool, who));
    // Cut, torn, altered, and one under another's name.
    let whole = fs::read(place.file(1)).unwrap();
    fs::write(place.file(1), &whole[..700]).unwrap();
    fs::write(place.file(2), b"").unwrap();
    let mut altered = fs::read(place.file(3)).unwrap();
    altered[4000] ^= 1;
    fs::write(place.file(3), altered).unwrap();
    fs::copy(place.file(4), place.file(6)).unwrap();
    fs::write(place.folder().join("notes.txt"), "not an entry").unwrap();
    // Written, but never put into its place: nobody was told that it was kept.
    let unfinished = files::temporary(&place.file(7));
    fs::write(&unfinished, &whole[..100]).unwrap();
    let (log, _guard) = Captured::start();
    let spool = place.open();
    assert_eq!(drain(&spool), [ticket(4), ticket(5)]);
    let name = |who| entry::name(ticket(who).request());
    assert_eq!(place.names(ASIDE), [name(1), name(2), name(3), name(6), "notes.txt".into()]);
    assert!(!unfinished.exists() && place.names("").is_empty());
    for who in [1, 2, 3, 6] {
        assert!(spool.set_aside_as(ticket(who).request()).is_some() && !spool.holds(&ticket(who)));
        assert!(log.text().contains(&name(who)), "{}", log.text());
    }
    let log = log.text();
    for why in ["it has 700 bytes", "not those that were written", "under another name", "name is no entry's"] {
        assert!(log.contains(why), "{why} is not in:\n{log}");
    }
    assert!(log.contains("delete the files once you need them no more"), "{log}");
}

#[test]
fn what_cannot_be_moved_aside_is_known_until_it_is_gone() {
    let place = Place::new();
    let spool = place.open();
    (1..=2).for_each(|who| keep(&spool, who));
    let in_the_way = place.folder().join(ASIDE).join(entry::name(ticket(1).request()));
    fs::create_dir(&in_the_way).unwrap();
    let aside = |spool: &Spool, who| spool.set_aside_as(ticket(who).request());
    for who in 1..=2 {
        spool.set_aside(&ticket(who), &Unusable::Refused);
        assert!(
            !spool.holds(&ticket(who)) && spool.oldest(|next| (next.ticket == ticket(who)).then_some(())).is_none()
        );
    }
    assert_eq!((aside(&spool, 1), aside(&spool, 2)), (Some(Offered::Never), Some(Offered::Never)));
    assert!(place.file(1).exists() && !place.file(2).exists());
    assert_eq!(spool.index().aside_bytes, 2 * Entry::SIZE as u64, "it takes room where it is");
    // At a start too, where it is found to be damaged.
    fs::write(place.file(1), "torn").unwrap();
    let spool = place.open();
    assert!(aside(&spool, 1).is_some() && place.file(1).exists());
    fs::remove_dir(&in_the_way).unwrap();
    let spool = place.open();
    assert!(aside(&spool, 1).is_some() && in_the_way.exists() && !place.file(1).exists());
    fs::remove_file(in_the_way).unwrap();
    spool.count_again().unwrap();
    assert_eq!((aside(&spool, 1), aside(&spool, 2)), (None, Some(Offered::Perhaps)));
}

#[test]
fn damage_while_it_waits_is_found_before_it_is_sent() {
    let place = Place::new();
    let spool = place.open();
    (1..=2).for_each(|who| keep(&spool, who));
    fs::write(place.file(1), entry(1).to_bytes()).unwrap();
    let first = spool.oldest(|_| Some(())).unwrap();
    let why = spool.read(&first).unwrap_err();
    assert!(matches!(why, Unusable::Damaged(Damage::Altered)), "whole, but not what was kept: {why}");
    spool.set_aside(&first.ticket, &why);
    assert!(place.folder().join(ASIDE).join(entry::name(ticket(1).request())).exists());
    assert_eq!(drain(&spool), [ticket(2)]);
    keep(&spool, 3);
    fs::remove_file(place.file(3)).unwrap();
    let why = spool.read(&spool.oldest(|_| Some(())).unwrap()).unwrap_err();
    assert!(matches!(why, Unusable::File(_)), "{why}");
    spool.set_aside(&ticket(3), &why);
    assert!(spool.oldest(|_| Some(())).is_none(), "a file that is gone holds nobody up");
}

/// A spool whose first flush after its start fails, and the count of those flushes.
macro_rules! open_failing_once {
    ($place:expr) => {{
        static FLUSHES: AtomicUsize = AtomicUsize::new(0);
        let fails_once = |folder: &Folder| match FLUSHES.fetch_add(1, Ordering::Relaxed) {
            OPENING => Err(failed("flush", folder.path())(rustix::io::Errno::IO.into())),
            _ => folder.flush(),
        };
        (Spool::open_with($place.folder(), fails_once).unwrap(), &FLUSHES)
    }};
}

/// Removes a request; whether it may have left before.
fn removed(spool: &Spool, who: u16) -> Option<Offered> {
    spool.remove(&ticket(who)).unwrap().map(|held| held.offered)
}

fn refused(spool: &Spool, who: u16, why: &str) {
    let error = spool.remove(&ticket(who)).unwrap_err().to_string();
    assert!(error.contains(why), "{error}");
}

#[test]
fn a_removal_whose_flush_failed_is_not_called_done_by_a_later_flush() {
    let place = Place::new();
    let (spool, flushes) = open_failing_once!(place);
    (1..=2).for_each(|who| keep(&spool, who));
    refused(&spool, 1, "cannot flush");
    for _ in 0..2 {
        refused(&spool, 1, "cannot remove for good");
        assert!(spool.holds(&ticket(1)));
    }
    assert_eq!(flushes.load(Ordering::Relaxed), OPENING + 1, "nothing was flushed again");
    assert_eq!(removed(&spool, 2), Some(Offered::Never));
}

#[test]
fn what_was_removed_without_a_flush_and_is_filed_again_is_written_anew() {
    let place = Place::new();
    let (spool, _) = open_failing_once!(place);
    (1..=2).for_each(|who| keep(&spool, who));
    spool.mark(&ticket(1), Offered::Perhaps);
    refused(&spool, 1, "cannot flush");
    assert!(!place.file(1).exists());
    let other = spool.keep(VAULT, ticket(1), Digest([8; 32]), sealed(5), Offered::Never);
    assert!(matches!(other, Err(NotKept::Other)), "{other:?}");
    keep(&spool, 1);
    assert_eq!(place.names("").len(), 2, "what is called kept has a file");
    let next = spool.oldest(|held| (held.ticket == ticket(1)).then_some(())).unwrap();
    assert_eq!(spool.read(&next).unwrap(), sealed(1));
    let again = place.open();
    assert!(again.holds(&ticket(1)), "and it is there after a restart");
    assert_eq!(removed(&spool, 1), Some(Offered::Perhaps), "it may have left before");
    assert!(!place.file(1).exists() && spool.remove(&ticket(1)).unwrap().is_none());
}

#[test]
fn what_was_removed_without_a_flush_is_neither_offered_nor_set_aside() {
    let place = Place::new();
    let (spool, _) = open_failing_once!(place);
    (1..=2).for_each(|who| keep(&spool, who));
    let first = spool.oldest(|_| Some(())).unwrap();
    refused(&spool, 1, "cannot flush");
    assert_eq!(spool.oldest(|_| Some(())).unwrap().ticket, ticket(2));
    spool.set_aside(&ticket(1), &spool.read(&first).unwrap_err());
    assert!(spool.holds(&ticket(1)) && spool.set_aside_as(ticket(1).request()).is_none());
    assert!(spool.may_come_back(&ticket(1)) && !spool.may_come_back(&ticket(2)));
    refused(&spool, 1, "cannot remove for good");
}

#[test]
fn what_the_vault_has_and_is_filed_again_can_be_removed() {
    let place = Place::new();
    let (spool, _) = open_failing_once!(place);
    keep(&spool, 1);
    refused(&spool, 1, "cannot flush");
    spool.forget(&ticket(1));
    assert!(!spool.may_come_back(&ticket(1)), "it is with the vault");
    assert!(!spool.holds(&ticket(1)) && spool.remove(&ticket(1)).unwrap().is_none());
    keep(&spool, 1);
    assert!(place.file(1).exists() && spool.oldest(|_| Some(())).is_some());
    assert_eq!(removed(&spool, 1), Some(Offered::Never));
}

#[test]
fn a_request_that_may_have_left_is_known_as_such() {
    let place = Place::new();
    let spool = place.open();
    keep(&spool, 1);
    spool.mark(&ticket(1), Offered::Perhaps);
    keep(&spool, 2);
    assert_eq!(removed(&spool, 1), Some(Offered::Perhaps));
    let spool = place.open();
    assert_eq!(removed(&spool, 2), Some(Offered::Perhaps), "nobody knows after a restart");
}

#[test]
fn a_full_disk_keeps_nothing_half_and_goes_on_when_there_is_room() {
    let name = "spool::tests::a_full_disk_keeps_nothing_half_and_goes_on_when_there_is_room";
    let Some(disk) = std::env::var_os(SMALL_DISK).map(PathBuf::from) else { return on_a_small_disk(name) };
    let spool = Spool::open(disk.join("spool")).unwrap();
    let kept = (0..200).take_while(|who| {
        let kept = spool.keep(VAULT, ticket(*who), Digest([2; 32]), sealed(1), Offered::Never);
        if let Err(error) = &kept {
            assert!(error.to_string().contains("No space left"), "{error}");
        }
        kept.is_ok()
    });
    let kept = kept.count() as u16;
    assert!(kept > 3 && kept < 200, "{kept}");
    let names = || listed(&disk.join("spool")).unwrap().len();
    assert_eq!((names(), spool.holds(&ticket(kept))), (kept.into(), false));
    assert!(spool.keep(VAULT, ticket(kept), Digest([2; 32]), sealed(1), Offered::Never).is_err());
    assert_eq!(names(), usize::from(kept));
    spool.remove(&ticket(0)).unwrap();
    keep(&spool, kept);
    let spool = Spool::open(disk.join("spool")).unwrap();
    assert_eq!(drain(&spool), (1..=kept).map(ticket).collect::<Vec<_>>());
}

/// Runs this test again on a file system of 256 KiB in a mount namespace of its own.
fn on_a_small_disk(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("unshare");
    // Who is not root becomes it inside a user namespace.
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let script = format!("mount -t tmpfs -o size=256k tmpfs \"${SMALL_DISK}\" && exec \"$@\"");
    command.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]);
    command.arg(std::env::current_exe().unwrap()).args(["--exact", name, "--nocapture"]);
    let output = command.env(SMALL_DISK, folder.path()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

mod other;
