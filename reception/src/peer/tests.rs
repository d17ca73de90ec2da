use super::*;
use crate::testing::{Vault, without_rights_to_every_file};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

fn home(root: &TempDir) -> Home {
    Home::find(Some(root.path()), |_| None).unwrap()
}

#[test]
fn a_vault_is_stored_and_its_fingerprints_are_shown() {
    let (root, vault) = (tempfile::tempdir().unwrap(), Vault::new("vault"));
    let (home, mut out) = (home(&root), Vec::new());
    pair(&home, &format!("\n  {} \n", vault.line), Replace::No, &mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    for part in [vault.line.pin.to_string(), vault.line.log.to_string(), vault.owner.key().fingerprint()] {
        assert!(out.contains(&part), "{part} is not in:\n{out}");
    }
    assert_eq!(Peer::read(&home.vault_line()).unwrap(), Some(vault.peer()));
    pair(&home, &vault.line.to_string(), Replace::No, &mut Vec::new()).unwrap();
}

#[test]
fn another_vault_takes_the_place_only_when_told_to() {
    let (root, one, two) = (tempfile::tempdir().unwrap(), Vault::new("one"), Vault::new("two"));
    let home = home(&root);
    pair(&home, &one.line.to_string(), Replace::No, &mut Vec::new()).unwrap();
    let mut out = Vec::new();
    let error = pair(&home, &two.line.to_string(), Replace::No, &mut out).unwrap_err();
    assert_eq!((error.exit(), out.len()), (node::exit::REFUSED, 0));
    assert!(error.to_string().contains(&one.line.pin.to_string()), "{error}");
    assert_eq!(Peer::read(&home.vault_line()).unwrap(), Some(one.peer()));
    pair(&home, &two.line.to_string(), Replace::Yes, &mut Vec::new()).unwrap();
    assert_eq!(Peer::read(&home.vault_line()).unwrap(), Some(two.peer()));
}

#[test]
fn whoever_replaces_a_vault_is_told_what_waits_for_it_and_how_to_go_back() {
    let (root, one, two) = (tempfile::tempdir().unwrap(), Vault::new("one"), Vault::new("two"));
    let home = home(&root);
    let said = |vault: &Vault| {
        let mut out = Vec::new();
        pair(&home, &vault.line.to_string(), Replace::Yes, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert!(!said(&one).contains("go back") && !said(&one).contains("another vault"));
    let spool = crate::spool::Spool::open(home.spool()).unwrap();
    for who in 1..=2 {
        let (ticket, sealed) = (shared::ids::TicketHash([who; 32]), vec![who; shared::seal::Sealed::SIZE]);
        let sealed = shared::seal::Sealed::from_bytes(&sealed).unwrap();
        spool.keep(one.peer().mark(), ticket, Digest([who; 32]), sealed, crate::spool::Offered::Never).unwrap();
    }
    let replaced = said(&two);
    let back = home.invocation().line(&format!("pair --replace \"{}\"", one.line));
    for words in ["2 requests kept here", "waits until that is paired again", "paired before, one", &back] {
        assert!(replaced.contains(words), "{words} is not in:\n{replaced}");
    }
    assert!(back.contains(" --home ") && !said(&one).contains("kept here"));
    fs::remove_file(home.vault_line()).unwrap();
    let unknown = said(&two);
    assert!(unknown.contains("2 requests kept here") && unknown.contains("pair --replace LINE"), "{unknown}");
}

#[test]
fn a_pairing_that_is_not_on_the_disk_is_not_taken() {
    let (root, vault) = (tempfile::tempdir().unwrap(), Vault::new("vault"));
    let home = home(&root);
    pair(&home, &vault.line.to_string(), Replace::No, &mut Vec::new()).unwrap();
    let mut file = PeerFile::new(home.vault_line());
    file.flush = |folder| Err(files::failed("flush", folder.path())(rustix::io::Errno::IO.into()));
    for _ in 0..2 {
        let error = file.changed().unwrap().unwrap_err();
        assert!(error.to_string().contains("cannot flush"), "{error}");
    }
}

#[test]
fn a_pairing_whose_flush_failed_is_written_anew_before_it_is_believed() {
    static FAILS: AtomicBool = AtomicBool::new(true);
    let (root, vault) = (tempfile::tempdir().unwrap(), Vault::new("vault"));
    let home = home(&root);
    pair(&home, &vault.line.to_string(), Replace::No, &mut Vec::new()).unwrap();
    let mut file = PeerFile::new(home.vault_line());
    file.flush = |folder| match FAILS.swap(false, Ordering::Relaxed) {
        true => Err(files::failed("flush", folder.path())(rustix::io::Errno::IO.into())),
        false => folder.flush(),
    };
    let place = || fs::metadata(home.vault_line()).unwrap().ino();
    let (before, text) = (place(), fs::read(home.vault_line()).unwrap());
    assert!(matches!(file.changed(), Some(Err(PeerError::File(FileError::Io { act: "flush", .. })))));
    assert_eq!(file.changed().unwrap().unwrap(), Some(vault.peer()));
    assert_ne!(place(), before, "another file, whose name the disk has");
    assert_eq!(fs::read(home.vault_line()).unwrap(), text);
    assert!(file.changed().is_none() && place() != before);
    // That it was removed is believed in the same way.
    let changed = || fs::metadata(home.state()).map(|found| (found.mtime(), found.mtime_nsec())).unwrap();
    fs::remove_file(home.vault_line()).unwrap();
    let before = changed();
    FAILS.store(true, Ordering::Relaxed);
    assert!(file.changed().unwrap().is_err());
    assert_eq!(file.changed().unwrap().unwrap(), None);
    assert_ne!(changed(), before, "the folder has something to flush");
    assert!(file.changed().is_none() && fs::read_dir(home.state()).unwrap().count() == 0);
}

#[test]
fn a_folder_that_cannot_be_opened_is_no_flush_that_failed() {
    without_rights_to_every_file();
    let (root, vault) = (tempfile::tempdir().unwrap(), Vault::new("vault"));
    let home = home(&root);
    pair(&home, &vault.line.to_string(), Replace::No, &mut Vec::new()).unwrap();
    let place = || fs::metadata(home.vault_line()).unwrap().ino();
    let (mut file, before) = (PeerFile::new(home.vault_line()), place());
    let allow = |mode| fs::set_permissions(home.state(), fs::Permissions::from_mode(mode)).unwrap();
    allow(0o300);
    assert!(matches!(file.changed(), Some(Err(PeerError::File(FileError::Io { act: "open", .. })))));
    allow(0o700);
    assert_eq!((file.changed().unwrap().unwrap(), place()), (Some(vault.peer()), before));
}

/// A pipe whose reader has gone after so many bytes.
struct Leaky(usize);

impl Write for Leaky {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn whether_it_was_stored_is_said_whenever_printing_fails() {
    let vault = Vault::new("vault");
    let mut whole = Vec::new();
    pair(&home(&tempfile::tempdir().unwrap()), &vault.line.to_string(), Replace::No, &mut whole).unwrap();
    let shortest = String::from_utf8(whole).unwrap().find("\nStored").unwrap();
    for (room, stored) in [(0, false), (shortest - 1, false), (shortest, true), (shortest + 99, true)] {
        let root = tempfile::tempdir().unwrap();
        let home = home(&root);
        let error = pair(&home, &vault.line.to_string(), Replace::No, &mut Leaky(room)).unwrap_err();
        assert_eq!(home.vault_line().exists(), stored, "{room}: {error}");
        let words = if stored { "the vault is stored" } else { "nothing was stored" };
        assert!(error.to_string().contains(words), "{room}: {error}");
        assert_eq!(error.exit(), node::exit::FAILURE);
    }
}

#[test]
fn a_damaged_file_is_reported_and_can_be_replaced() {
    let (root, vault) = (tempfile::tempdir().unwrap(), Vault::new("vault"));
    let home = home(&root);
    files::make_folder(home.state()).unwrap();
    files::write_new(&home.vault_line(), b"webizen-vault v1 name=vault").unwrap();
    let error = pair(&home, &vault.line.to_string(), Replace::No, &mut Vec::new()).unwrap_err();
    assert_eq!(error.exit(), node::exit::INTEGRITY);
    assert!(error.to_string().contains("reception pair --replace LINE"), "{error}");
    pair(&home, &vault.line.to_string(), Replace::Yes, &mut Vec::new()).unwrap();
    assert_eq!(Peer::read(&home.vault_line()).unwrap(), Some(vault.peer()));
}

#[test]
fn a_wrong_line_changes_nothing() {
    let (root, vault) = (tempfile::tempdir().unwrap(), Vault::new("vault"));
    let home = home(&root);
    let cut = vault.line.to_string();
    for bad in ["", "hello", &cut[..cut.len() - 9]] {
        let error = pair(&home, bad, Replace::Yes, &mut Vec::new()).unwrap_err();
        assert!(matches!(error, PairError::Line(_)) && error.exit() == node::exit::USAGE, "{bad}: {error}");
    }
    assert!(!home.vault_line().exists());
}

#[test]
fn each_change_of_the_file_is_seen_once() {
    let (root, one, two) = (tempfile::tempdir().unwrap(), Vault::new("one"), Vault::new("two"));
    let home = home(&root);
    let mut file = PeerFile::new(home.vault_line());
    assert_eq!(file.changed().unwrap().unwrap(), None);
    assert!(file.changed().is_none());
    for vault in [&one, &two] {
        pair(&home, &vault.line.to_string(), Replace::Yes, &mut Vec::new()).unwrap();
        assert_eq!(file.changed().unwrap().unwrap(), Some(vault.peer()));
        assert!(file.changed().is_none());
    }
    files::replace(&home.vault_line(), b"junk").unwrap();
    assert!(file.changed().unwrap().is_err());
    assert!(file.changed().is_none());
    fs::remove_file(home.vault_line()).unwrap();
    assert_eq!(file.changed().unwrap().unwrap(), None);
}

#[test]
fn a_change_that_cannot_be_read_is_tried_again_until_it_is() {
    without_rights_to_every_file();
    let (root, one, two) = (tempfile::tempdir().unwrap(), Vault::new("one"), Vault::new("two"));
    let home = home(&root);
    pair(&home, &one.line.to_string(), Replace::No, &mut Vec::new()).unwrap();
    let mut file = PeerFile::new(home.vault_line());
    assert_eq!(file.changed().unwrap().unwrap(), Some(one.peer()));
    pair(&home, &two.line.to_string(), Replace::Yes, &mut Vec::new()).unwrap();
    let allow = |mode| fs::set_permissions(home.vault_line(), fs::Permissions::from_mode(mode)).unwrap();
    allow(0o000);
    for _ in 0..2 {
        assert!(matches!(file.changed(), Some(Err(PeerError::File(FileError::Io { .. })))));
    }
    allow(0o600);
    assert_eq!(file.changed().unwrap().unwrap(), Some(two.peer()));
    assert!(file.changed().is_none());
}
