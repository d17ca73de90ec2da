//! The paired vault: the one line about it that `reception pair` stores, and what follows from it.

use crate::home::Home;
use node::files::{self, FileError, failed};
use shared::ids::{Digest, Pin};
use shared::pairing::{BadLine, VaultLine};
use shared::sshsig::Signers;
use shared::tlog::{Origin, VerifierKey};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The vault that may connect, and whose owner's signatures count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    line: VaultLine,
}

/// Why the stored vault cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeerError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file does not hold a vault's line.
    #[error("{path} is damaged: {reason}. Pair again: `reception pair --replace LINE`", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with the line in it.
        reason: BadLine,
    },
}

/// Why `reception pair` stored nothing, or did not say so.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PairError {
    /// What was pasted.
    #[error("{0}")]
    Line(#[from] BadLine),
    /// Another vault is paired.
    #[error(
        "this reception is paired with another vault ({name}, {pin}), and nothing was changed; to put the new one in its \
         place: `reception pair --replace LINE`"
    )]
    Other {
        /// The other vault's name.
        name: String,
        /// Its pin.
        pin: Pin,
    },
    /// The stored vault is unreadable.
    #[error(transparent)]
    Stored(#[from] PeerError),
    /// Standard input or output.
    #[error("cannot read the line or print the fingerprints, and nothing was stored: {0}")]
    Terminal(#[from] io::Error),
    /// What was done could not be printed; it was done.
    #[error(
        "the vault is stored, but that cannot be reported: {0}. To compare the fingerprints: `reception pair LINE` again"
    )]
    Print(io::Error),
    /// The disk.
    #[error(transparent)]
    File(#[from] FileError),
}

impl PeerError {
    /// How the process ends.
    pub(crate) fn exit(&self) -> u8 {
        match self {
            Self::File(error) => error.exit(),
            Self::Damaged { .. } => node::exit::INTEGRITY,
        }
    }
}

impl PairError {
    /// How the process ends.
    pub(crate) fn exit(&self) -> u8 {
        match self {
            Self::Other { .. } => node::exit::REFUSED,
            Self::Stored(error) => error.exit(),
            Self::File(error) => error.exit(),
            Self::Line(_) | Self::Terminal(_) | Self::Print(_) => node::exit::FAILURE,
        }
    }
}

/// Whether another vault may lose its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replace {
    /// It stays, and the command fails.
    No,
    /// It goes.
    Yes,
}

impl Peer {
    /// Reads a vault's line; white space around it does not matter.
    ///
    /// # Errors
    /// [`BadLine`]
    pub(crate) fn parse(text: &str) -> Result<Self, BadLine> {
        Ok(Self { line: text.parse()? })
    }

    /// The vault in `path`, or `None` when there is no such file.
    ///
    /// # Errors
    /// [`PeerError`]
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, PeerError> {
        let damaged = |reason| PeerError::Damaged { path: path.to_owned(), reason };
        files::read_text(path)?.map(|text| Self::parse(&text).map_err(damaged)).transpose()
    }

    /// What the vault's node key must hash to.
    pub(crate) fn pin(&self) -> Pin {
        self.line.pin
    }

    /// The vault's log, which its owner's statements name.
    pub(crate) fn origin(&self) -> &Origin {
        self.line.log.name()
    }

    /// The vault's log key, by which receipts are checked.
    pub(crate) fn log_key(&self) -> &VerifierKey {
        &self.line.log
    }

    /// The owner's keys.
    pub(crate) fn signers(&self) -> &Signers {
        &self.line.owner
    }

    /// The key to seal requests with.
    pub(crate) fn sealing(&self) -> &[u8; 32] {
        &self.line.sealing
    }

    /// Tells apart vaults that cannot open each other's sealed requests: by sealing key and log.
    pub(crate) fn mark(&self) -> Digest {
        Digest::of(&[b"webizen sealed for ", self.sealing().as_slice(), self.origin().as_str().as_bytes()].concat())
    }

    fn fingerprints(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "vault      {}", self.line.name)?;
        writeln!(out, "pin        {}", self.line.pin)?;
        writeln!(out, "log key    {}", self.line.log)?;
        for key in self.signers().keys() {
            writeln!(out, "owner key  {} ({})", key.fingerprint(), key.algorithm())?;
        }
        Ok(())
    }
}

/// Stores the vault's line in `home` and shows on `out` what to compare with the vault's own screen.
///
/// # Errors
/// [`PairError`]; what was stored before is then unchanged, but for [`PairError::Print`], and as [`files::replace`] says.
pub(crate) fn pair(home: &Home, text: &str, replace: Replace, out: &mut impl Write) -> Result<(), PairError> {
    let peer = Peer::parse(text)?;
    let path = home.vault_line();
    if replace == Replace::No {
        match Peer::read(&path)? {
            Some(held) if held != peer => {
                return Err(PairError::Other { name: held.line.name.to_string(), pin: held.pin() });
            }
            Some(_) | None => {}
        }
    }
    peer.fingerprints(out)?;
    files::make_folder(home.state())?;
    files::replace(&path, format!("{}\n", peer.line).as_bytes())?;
    report(home, &path, out).map_err(PairError::Print)
}

fn report(home: &Home, path: &Path, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "\nStored. Compare each of these with what the vault shows. If one differs, take the pairing back with:"
    )?;
    writeln!(out, "  rm {}", path.display())?;
    let serve = home.invocation().line("serve");
    writeln!(out, "A running reception takes the vault within two seconds; start one with: {serve}")
}

/// The stored vault as it changes.
pub(crate) struct PeerFile {
    path: PathBuf,
    seen: Option<Stamp>,
}

/// What changes when a file is put in another's place; `None` while there is no file.
type Stamp = Option<(u64, i64, i64, u64)>;

impl PeerFile {
    /// Looks at `path`.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, seen: None }
    }

    /// The vault in the file, the first time and whenever the file is another one than at the last look; else `None`.
    ///
    /// # Errors
    /// [`PeerError::Damaged`] once for each change; [`PeerError::File`] at each look until the file can be read.
    pub(crate) fn changed(&mut self) -> Option<Result<Option<Peer>, PeerError>> {
        let stamp = match fs::metadata(&self.path) {
            Ok(found) => Some((found.ino(), found.mtime(), found.mtime_nsec(), found.len())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Some(Err(failed("look at", &self.path)(e).into())),
        };
        if self.seen == Some(stamp) {
            return None;
        }
        let read = Peer::read(&self.path);
        // What could not be read has not been seen: the same file may be readable at the next look.
        self.seen = if matches!(read, Err(PeerError::File(_))) { None } else { Some(stamp) };
        Some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Vault, without_rights_to_every_file};
    use std::os::unix::fs::PermissionsExt as _;
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
            assert!(matches!(error, PairError::Line(_)), "{bad}: {error}");
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
}
