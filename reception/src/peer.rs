//! The paired vault: the one line about it that `reception pair` stores, and what follows from it.

use crate::home::Home;
use crate::spool;
use node::files::{self, FileError, Folder, failed};
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
            Self::Line(_) => node::exit::USAGE,
            Self::Terminal(_) | Self::Print(_) => node::exit::FAILURE,
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
    let before = match (Peer::read(&path), replace) {
        (Ok(held), _) => held.filter(|held| *held != peer),
        // It is about to be overwritten.
        (Err(PeerError::Damaged { .. }), Replace::Yes) => None,
        (Err(error), _) => return Err(error.into()),
    };
    if let (Some(held), Replace::No) = (&before, replace) {
        return Err(PairError::Other { name: held.line.name.to_string(), pin: held.pin() });
    }
    let others = spool::for_others(&home.spool(), peer.mark())?;
    peer.fingerprints(out)?;
    files::make_folder(home.state())?;
    files::replace(&path, format!("{}\n", peer.line).as_bytes())?;
    let reported = report(home, &path, out).and_then(|()| way_back(home, before.as_ref(), others, out));
    reported.map_err(PairError::Print)
}

/// What of the vault that was paired before, if another was, and of those that requests are kept for.
fn way_back(home: &Home, before: Option<&Peer>, others: usize, out: &mut impl Write) -> io::Result<()> {
    if others > 0 {
        let requests = if others == 1 { "1 request" } else { &format!("{others} requests") };
        writeln!(
            out,
            "\n{requests} kept here: sealed for another vault than this one, and not lost. What is sealed for a vault waits \
             until that is paired again."
        )?;
    }
    match before {
        Some(before) => {
            let again = home.invocation().line(&format!("pair --replace \"{}\"", before.line));
            writeln!(out, "\nTo go back to the vault that was paired before, {}:\n  {again}", before.line.name)
        }
        None if others > 0 => {
            let again = home.invocation().line("pair --replace LINE");
            writeln!(out, "To pair theirs again, with the line that `vault pair` printed there:\n  {again}")
        }
        None => Ok(()),
    }
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
    last: Flush,
    /// Has the disk keep a folder's names: [`Folder::flush`], outside this module's tests.
    flush: fn(&Folder) -> Result<(), FileError>,
}

/// What became of the last flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flush {
    /// There was none, or it succeeded.
    Sound,
    /// It failed: another would succeed whatever is on the disk (fsync(2)).
    Failed,
}

/// What changes when a file is put in another's place; `None` while there is no file.
type Stamp = Option<(u64, i64, i64, u64)>;

impl PeerFile {
    /// Looks at `path`.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, seen: None, last: Flush::Sound, flush: Folder::flush }
    }

    /// The vault in the file, the first time and whenever the file is another one than at the last look; else `None`. What it
    /// tells is on the disk: others are about to be told of it, and whoever stored or removed it may have died before.
    ///
    /// # Errors
    /// [`PeerError::Damaged`] once for each change; [`PeerError::File`] at each look until the file can be read.
    pub(crate) fn changed(&mut self) -> Option<Result<Option<Peer>, PeerError>> {
        let kept = match self.last {
            Flush::Sound => Ok(()),
            Flush::Failed => self.write_anew(),
        };
        if let Err(error) = kept {
            return Some(Err(error.into()));
        }
        let stamp = match fs::metadata(&self.path) {
            Ok(found) => Some((found.ino(), found.mtime(), found.mtime_nsec(), found.len())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Some(Err(failed("look at", &self.path)(e).into())),
        };
        if self.seen == Some(stamp) {
            return None;
        }
        let read = self.settle().map_err(PeerError::from).and_then(|()| Peer::read(&self.path));
        // What could not be read has not been seen: the same file may be readable at the next look.
        self.seen = if matches!(read, Err(PeerError::File(_))) { None } else { Some(stamp) };
        Some(read)
    }

    /// Has the disk keep what is found.
    fn settle(&mut self) -> Result<(), FileError> {
        let folder = match Folder::of(&self.path) {
            Err(FileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        let flushed = (self.flush)(&folder);
        self.last = if flushed.is_ok() { Flush::Sound } else { Flush::Failed };
        flushed
    }

    /// Does again what a flush that failed may have kept from the disk, so that the next flush has it to write: the line is
    /// stored once more. That there is none is in the folder's names, and so is another file that comes and goes.
    fn write_anew(&self) -> Result<(), FileError> {
        if let Some(line) = files::read_text(&self.path)? {
            return files::replace(&self.path, line.as_bytes());
        }
        let other = files::temporary(&self.path);
        files::replace(&other, b"")?;
        fs::remove_file(&other).map_err(failed("remove", &other))
    }
}

#[cfg(test)]
mod tests;
