use super::*;
use crate::testing::{Owner, Vault, bundle, without_rights_to_every_file};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tempfile::TempDir;

fn library(root: &TempDir) -> Library {
    Library::new(root.path().join("publications"))
}

/// A library that takes this vault's publications.
fn paired(root: &TempDir, vault: &Vault) -> Library {
    let library = library(root);
    library.load(Some(&vault.peer())).unwrap();
    library
}

/// What a new process serves from the same disk.
fn restarted(root: &TempDir, peer: &Peer) -> (Library, Result<(), LibraryError>) {
    let library = library(root);
    let loaded = library.load(Some(peer));
    (library, loaded)
}

fn stored(root: &TempDir, version: u64, file: &str) -> PathBuf {
    root.path().join("publications").join(version.to_string()).join(file)
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn a_signed_publication_is_served_and_survives_a_restart() {
    let (root, vault) = (tempfile::tempdir().unwrap(), Vault::new("vault"));
    let library = paired(&root, &vault);
    assert!(library.current().is_none());
    for version in [3, 4] {
        let (head, bytes) = vault.publish(version);
        assert_eq!(library.take(&vault.peer(), &head, &bytes).unwrap().bundle.version, version);
        let (again, loaded) = restarted(&root, &vault.peer());
        loaded.unwrap();
        for served in [library.current().unwrap(), again.current().unwrap()] {
            assert_eq!((&served.bundle, served.sha256), (&bundle(version), Digest::of(&bytes)));
            assert_eq!(served.published_at.to_string(), "2026-11-22T09:14:03Z");
        }
    }
    assert_eq!(names(&root.path().join("publications")), ["4", "current"]);
}

#[test]
fn only_a_higher_version_replaces_what_is_held() {
    let (root, vault) = (tempfile::tempdir().unwrap(), Vault::new("vault"));
    let library = paired(&root, &vault);
    let (head, bytes) = vault.publish(5);
    library.take(&vault.peer(), &head, &bytes).unwrap();
    for version in [5, 4, 0] {
        let (head, bytes) = vault.publish(version);
        let error = library.take(&vault.peer(), &head, &bytes).err().unwrap();
        assert!(matches!(error, LibraryError::NotNewer { held: 5, offered } if offered == version), "{error}");
    }
    assert_eq!(library.version(), 5);
}

#[test]
fn what_is_in_force_on_the_disk_is_not_taken_away_to_be_stored_again() {
    let (root, vault) = (tempfile::tempdir().unwrap(), Vault::new("vault"));
    let (first, bytes) = vault.publish(1);
    // As after a flush that failed once `current` was switched: the old version is served, and the new one is named.
    let serves_the_old = || {
        remove(&root.path().join("publications")).unwrap();
        let library = paired(&root, &vault);
        library.take(&vault.peer(), &first, &bytes).unwrap();
        let (head, bytes) = vault.publish(2);
        restarted(&root, &vault.peer()).0.take(&vault.peer(), &head, &bytes).unwrap();
        (library, head, bytes)
    };
    let (library, head, bytes) = serves_the_old();
    fs::write(stored(&root, 2, "mark"), "").unwrap();
    assert_eq!(library.version(), 1);
    library.take(&vault.peer(), &head, &bytes).unwrap();
    assert!(stored(&root, 2, "mark").exists());
    assert_eq!(restarted(&root, &vault.peer()).0.version(), 2);
    // What is named and not whole is stored anew.
    let (library, head, bytes) = serves_the_old();
    fs::write(stored(&root, 2, "bundle.json"), "{}").unwrap();
    library.take(&vault.peer(), &head, &bytes).unwrap();
    let (again, loaded) = restarted(&root, &vault.peer());
    loaded.unwrap();
    assert_eq!((library.version(), again.version()), (2, 2));
}

#[test]
fn what_the_owner_did_not_sign_is_refused() {
    let (root, vault, other) = (tempfile::tempdir().unwrap(), Vault::new("vault"), Vault::new("other"));
    let library = paired(&root, &vault);
    let refused = |head: &PublicationHead, bytes: &[u8]| {
        let refused = library.take(&vault.peer(), head, bytes);
        let Err(LibraryError::Unverified(reason)) = refused else { panic!("not refused, or for another reason") };
        reason
    };
    let (head, bytes) = vault.publish(1);
    for at in [0, bytes.len() / 2, bytes.len() - 1] {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        assert!(matches!(refused(&head, &altered), Unverified::Altered));
    }
    assert!(matches!(refused(&head, &bytes[1..]), Unverified::Altered));
    let stranger = PublicationHead { signatures: other.sign(&head.statement), ..head.clone() };
    assert!(matches!(refused(&stranger, &bytes), Unverified::Signature(BadSignature::UnknownKey)));
    let edited = PublicationHead { statement: head.statement.replace("version: 1", "version: 9"), ..head.clone() };
    assert!(matches!(refused(&edited, &bytes), Unverified::Signature(BadSignature::Invalid)));
    let long = PublicationHead { statement: "x".repeat(limits::STATEMENT + 1), ..head };
    assert!(matches!(refused(&long, &bytes), Unverified::TooLong("statement")));
    assert!(library.current().is_none() && names(&root.path().join("publications")).is_empty());
}

#[test]
fn each_signature_counts_and_each_is_another_owners() {
    let (root, vault) = (tempfile::tempdir().unwrap(), Vault::of_two("vault"));
    let library = paired(&root, &vault);
    let (head, bytes) = vault.publish(1);
    let [one, two] = &head.signatures[..] else { panic!("two owners sign") };
    let stranger = Owner::new().sign(&head.statement);
    for (signatures, why) in [
        (vec![], "no signature"),
        (vec![one.clone(), one.clone()], "one owner's twice"),
        (vec![one.clone(), stranger], "not one of the owner's"),
        (vec![two.clone(), one.trim_end().to_owned()], "no SSH signature"),
        (vec![one.clone(); SIGNERS_MAX + 1], "list of signatures is over the size limit"),
    ] {
        let wrong = PublicationHead { signatures, ..head.clone() };
        let error = library.take(&vault.peer(), &wrong, &bytes).err().unwrap().to_string();
        assert!(error.contains(why), "{error}");
    }
    library.take(&vault.peer(), &head, &bytes).unwrap();
    let (again, loaded) = restarted(&root, &vault.peer());
    loaded.unwrap();
    assert_eq!(again.version(), 1);
    let kept = fs::read_to_string(stored(&root, 1, "signature")).unwrap();
    assert_eq!(armours(&kept), head.signatures);
    fs::write(stored(&root, 1, "signature"), format!("{one}{one}")).unwrap();
    assert!(matches!(
        restarted(&root, &vault.peer()).1,
        Err(LibraryError::SetAside { reason: Damage::Unverified(Unverified::Signatures), .. })
    ));
}

#[test]
fn what_was_signed_for_another_purpose_vault_or_bundle_is_refused() {
    let (root, vault) = (tempfile::tempdir().unwrap(), Vault::new("vault"));
    let library = paired(&root, &vault);
    let refused =
        |head: &PublicationHead, bytes: &[u8]| library.take(&vault.peer(), head, bytes).err().unwrap().to_string();
    let bytes = bundle(1).to_bytes().unwrap();
    let right = vault.statement(1, &bytes);
    let elsewhere = Publication { vault: Origin::new("elsewhere.example/1").unwrap(), ..right.clone() };
    assert!(refused(&vault.head(&elsewhere), &bytes).contains("elsewhere.example/1"));
    for (wrong, what) in [
        (Publication { version: 2, ..right.clone() }, "the version"),
        (Publication { documents: 2, ..right.clone() }, "the documents"),
        (Publication { catalogue: 0, ..right.clone() }, "the catalogue"),
    ] {
        assert!(refused(&vault.head(&wrong), &bytes).contains(what), "{what}");
    }
    let freeze = statement::Freeze {
        vault: right.vault.clone(),
        action: statement::FreezeAction::Freeze,
        reason: "a drill".into(),
        decided_at: right.prepared_at,
        nonce: right.nonce,
    };
    let text = Statement::Freeze(freeze).render();
    let head = PublicationHead { signatures: vault.sign(&text), statement: text, bytes: bytes.len() as u64 };
    assert!(refused(&head, &bytes).contains("of kind freeze"));
    let (junk, signed) = (b"{}", vault.statement(1, b"{}"));
    assert!(refused(&vault.head(&signed), junk).contains("not in a form"));
}

#[test]
fn a_damaged_copy_is_set_aside_and_the_next_one_is_taken() {
    type Damager = fn(&TempDir);
    let cases: [(&str, Damager); 6] = [
        ("altered bundle", |root| {
            let path = stored(root, 1, "bundle.json");
            let text = fs::read_to_string(&path).unwrap().replace("Sundays", "Mondays");
            fs::write(path, text).unwrap();
        }),
        ("cut signature", |root| fs::write(stored(root, 1, "signature"), "-----BEGIN").unwrap()),
        ("statement gone", |root| fs::remove_file(stored(root, 1, "statement")).unwrap()),
        ("statement not text", |root| fs::write(stored(root, 1, "statement"), [0xff]).unwrap()),
        ("current names nothing", |root| fs::write(root.path().join("publications/current"), "one\n").unwrap()),
        ("current names another", |root| fs::write(root.path().join("publications/current"), "2\n").unwrap()),
    ];
    for (case, damage) in cases {
        let (root, vault) = (tempfile::tempdir().unwrap(), Vault::new("vault"));
        let (head, bytes) = vault.publish(1);
        paired(&root, &vault).take(&vault.peer(), &head, &bytes).unwrap();
        damage(&root);
        let (library, loaded) = restarted(&root, &vault.peer());
        let error = loaded.unwrap_err();
        assert!(matches!(error, LibraryError::SetAside { .. }), "{case}: {error}");
        assert!(error.to_string().contains("publications.set-aside"), "{case}: {error}");
        assert!(library.current().is_none(), "{case}");
        assert!(root.path().join("publications.set-aside/current").exists(), "{case}");
        library.take(&vault.peer(), &head, &bytes).unwrap();
        let (library, loaded) = restarted(&root, &vault.peer());
        loaded.unwrap();
        assert_eq!(library.version(), 1, "{case}");
    }
}

#[test]
fn a_copy_that_cannot_be_read_now_stays_and_is_served_when_it_can() {
    without_rights_to_every_file();
    let (root, vault) = (tempfile::tempdir().unwrap(), Vault::new("vault"));
    let (head, bytes) = vault.publish(1);
    paired(&root, &vault).take(&vault.peer(), &head, &bytes).unwrap();
    let allow = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for path in
        [root.path().join("publications/current"), stored(&root, 1, "statement"), stored(&root, 1, "bundle.json")]
    {
        allow(&path, 0o000);
        let (library, loaded) = restarted(&root, &vault.peer());
        let error = loaded.unwrap_err();
        assert!(matches!(error, LibraryError::File(FileError::Io { .. })), "{}: {error}", path.display());
        assert!(library.current().is_none() && !root.path().join("publications.set-aside").exists());
        allow(&path, 0o600);
        library.load(Some(&vault.peer())).unwrap();
        assert_eq!(library.version(), 1);
    }
}

#[test]
fn another_vault_or_none_does_not_inherit_a_publication() {
    let (root, vault) = (tempfile::tempdir().unwrap(), Vault::new("vault"));
    let library = paired(&root, &vault);
    let (head, bytes) = vault.publish(7);
    library.take(&vault.peer(), &head, &bytes).unwrap();
    library.load(None).unwrap();
    assert!(library.current().is_none());
    library.load(Some(&vault.peer())).unwrap();
    assert_eq!(library.version(), 7);
    assert!(matches!(library.load(Some(&Vault::new("new").peer())), Err(LibraryError::SetAside { .. })));
    assert_eq!(library.version(), 0);
}

#[test]
fn what_comes_late_from_the_vault_before_is_neither_stored_nor_served() {
    let (root, before, now) = (tempfile::tempdir().unwrap(), Vault::new("before"), Vault::new("now"));
    let library = library(&root);
    let (late, bytes) = before.publish(9);
    let refused = |library: &Library| library.take(&before.peer(), &late, &bytes).err().unwrap().to_string();
    assert!(refused(&library).contains("not the paired vault"), "none is paired yet");
    library.load(Some(&before.peer())).unwrap();
    library.load(Some(&now.peer())).unwrap();
    assert!(refused(&library).contains("not the paired vault; it was not taken"));
    assert_eq!((library.version(), names(&root.path().join("publications"))), (0, vec![]));
    let (head, bundle) = now.publish(1);
    assert_eq!(library.take(&now.peer(), &head, &bundle).unwrap().bundle.version, 1);
    library.load(None).unwrap();
    assert!(library.take(&now.peer(), &head, &bundle).is_err() && library.current().is_none());
}

#[test]
fn what_a_crash_leaves_behind_is_in_nobodys_way() {
    let (root, vault) = (tempfile::tempdir().unwrap(), Vault::new("vault"));
    let library = paired(&root, &vault);
    let (head, bytes) = vault.publish(1);
    library.take(&vault.peer(), &head, &bytes).unwrap();
    let folder = root.path().join("publications");
    // Before the rename, after it but before the switch, and in the middle of the switch.
    fs::create_dir(folder.join("incoming")).unwrap();
    fs::write(folder.join("incoming/statement"), "half").unwrap();
    fs::create_dir(folder.join("2")).unwrap();
    fs::write(folder.join("current.new"), "2").unwrap();
    let (library, loaded) = restarted(&root, &vault.peer());
    loaded.unwrap();
    assert_eq!(library.version(), 1);
    let (head, bytes) = vault.publish(2);
    library.take(&vault.peer(), &head, &bytes).unwrap();
    assert_eq!(restarted(&root, &vault.peer()).0.version(), 2);
    assert_eq!(names(&folder), ["2", "current"]);
}
