//! The publication that the reception serves: verified before it is stored, stored before it is served, and verified again
//! whenever it is read back.
//!
//! On disk a publication is one folder named after its version, with the statement, the signatures (one armour after the
//! other in the file `signature`) and the bundle exactly as the owners signed them. The file `current` names the version in force and is switched last, so that a crash at any
//! instant leaves the old publication or the new one, whole.

use crate::agent::{Shelf, ShelfError};
use crate::peer::Peer;
use node::files::{self, FileError, failed};
use shared::ids::Digest;
use shared::limits;
use shared::message::PublicationHead;
use shared::publication::{BadBundle, Bundle};
use shared::sshsig::{self, BadSignature, SIGNERS_MAX};
use shared::statement::{self, BadStatement, Publication, Statement};
use shared::time::Time;
use shared::tlog::Origin;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::watch;

/// The file that names the version in force.
const CURRENT: &str = "current";

/// What is served.
pub(crate) struct Published {
    /// The owner's documents and catalogue.
    pub(crate) bundle: Bundle,
    /// The bundle's passages, ready to be searched.
    pub(crate) shelf: Shelf,
    /// The bundle's SHA-256, as the owner signed it.
    pub(crate) sha256: Digest,
    /// When the owner prepared it, by the vault's clock.
    pub(crate) published_at: Time,
    /// Each document as HTML, rendered when it is first asked for.
    pub(crate) pages: Vec<OnceLock<String>>,
}

/// Why a publication is not what the owner signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unverified {
    /// A part is longer than any publication's.
    #[error("its {0} is over the size limit")]
    TooLong(&'static str),
    /// A signature is no owner's of the paired vault.
    #[error("its signature does not verify: {0}")]
    Signature(#[from] BadSignature),
    /// No signature, or one owner's twice.
    #[error("it has no signature, or one owner's twice")]
    Signatures,
    /// The signed text is no statement.
    #[error("its statement cannot be read: {0}")]
    Statement(#[from] BadStatement),
    /// The signed text is a statement about something else.
    #[error("its statement is of kind {0}, not publication")]
    Kind(&'static str),
    /// Signed for another vault.
    #[error("it is the publication of {signed}, and this reception is paired with {paired}")]
    Vault {
        /// The vault in the statement.
        signed: Origin,
        /// The vault in the pairing.
        paired: Origin,
    },
    /// The bundle's bytes are not the signed ones.
    #[error("its bundle is not the one that was signed")]
    Altered,
    /// The bundle does not read.
    #[error(transparent)]
    Bundle(#[from] BadBundle),
    /// The statement and the bundle disagree about the version, the documents or the catalogue.
    #[error("its statement counts {0} otherwise than its bundle")]
    Counts(&'static str),
}

/// Why a publication was not taken, or not found on disk.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LibraryError {
    /// Not what the owner signed.
    #[error("the publication was refused: {0}; publish again on the vault")]
    Unverified(#[from] Unverified),
    /// An old one, or the same again.
    #[error(
        "the publication of version {offered} was refused: version {held} is held, and only a higher one replaces it"
    )]
    NotNewer {
        /// What is served.
        held: u64,
        /// What came.
        offered: u64,
    },
    /// The copy on disk is damaged or another vault's.
    #[error(
        "the publication on disk is not served: {reason}. It was set aside as {aside}; the vault sends it again when it is \
         connected",
        aside = aside.display()
    )]
    SetAside {
        /// What is wrong with it.
        reason: Damage,
        /// Where it is now.
        aside: PathBuf,
    },
    /// It came over the link of a vault that has lost its place meanwhile, or never had it.
    #[error("the publication came from {0}, which is not the paired vault; it was not taken")]
    OtherVault(Origin),
    /// It cannot be made searchable.
    #[error("the publication cannot be indexed: {0}")]
    Shelf(#[from] ShelfError),
    /// The disk.
    #[error(transparent)]
    File(#[from] FileError),
}

/// What is wrong with a stored copy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Damage {
    /// Not what the owner signed.
    #[error(transparent)]
    Unverified(#[from] Unverified),
    /// A file is missing or unreadable, or `current` names no version.
    #[error(transparent)]
    File(#[from] FileError),
    /// `current` does not name a version.
    #[error("the file `{CURRENT}` does not name a version")]
    Current,
}

impl Damage {
    /// What may be otherwise at another try.
    fn passing(self) -> Result<FileError, Self> {
        match self {
            Self::File(error) if error.is_passing() => Ok(error),
            Self::File(_) | Self::Unverified(_) | Self::Current => Err(self),
        }
    }
}

/// The publication in force, and where it is kept. Clones share it.
#[derive(Clone)]
pub(crate) struct Library {
    folder: PathBuf,
    current: Arc<watch::Sender<Option<Arc<Published>>>>,
    /// Whose publications are taken. Who changes what is stored or served holds it locked.
    paired: Arc<Mutex<Option<Peer>>>,
}

impl Library {
    /// A library that keeps its publications in `folder`, and takes and serves nothing until [`Self::load`].
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, current: Arc::new(watch::Sender::new(None)), paired: Arc::default() }
    }

    /// What is served, if anything.
    pub(crate) fn current(&self) -> Option<Arc<Published>> {
        self.current.borrow().clone()
    }

    /// The version that is served; 0 for none.
    pub(crate) fn version(&self) -> u64 {
        self.current.borrow().as_ref().map_or(0, |p| p.bundle.version)
    }

    /// Takes only `peer`'s publications from now on, and serves the stored one if it verifies against `peer`, else nothing.
    /// Blocks on the disk.
    ///
    /// # Errors
    /// [`LibraryError::SetAside`] when it does not verify; [`LibraryError::File`] when it cannot be read now, and stays where it
    /// is; [`LibraryError::Shelf`].
    pub(crate) fn load(&self, peer: Option<&Peer>) -> Result<(), LibraryError> {
        let mut paired = self.paired.lock().unwrap_or_else(PoisonError::into_inner);
        *paired = peer.cloned();
        self.current.send_replace(None);
        let Some(peer) = peer else { return Ok(()) };
        files::make_folder(&self.folder)?;
        match self.read(peer).map_err(Damage::passing) {
            Ok(None) => Ok(()),
            Ok(Some((signed, bundle))) => {
                self.current.send_replace(Some(Arc::new(publish(&signed, bundle)?)));
                Ok(())
            }
            Err(Ok(error)) => Err(error.into()),
            Err(Err(reason)) => Err(LibraryError::SetAside { aside: self.set_aside()?, reason }),
        }
    }

    /// Verifies what the vault sent, stores it and serves it. Blocks on the disk.
    ///
    /// # Errors
    /// [`LibraryError`]; what was served before is then still served. [`LibraryError::OtherVault`] unless `peer` is the one that
    /// was last loaded: the pairing may have changed while the bundle was on its way.
    pub(crate) fn take(
        &self,
        peer: &Peer,
        head: &PublicationHead,
        bundle: &[u8],
    ) -> Result<Arc<Published>, LibraryError> {
        let paired = self.paired.lock().unwrap_or_else(PoisonError::into_inner);
        if paired.as_ref() != Some(peer) {
            return Err(LibraryError::OtherVault(peer.origin().clone()));
        }
        let (signed, read) = verify(peer, &head.statement, &head.signatures, bundle)?;
        let held = self.version();
        if signed.version <= held {
            return Err(LibraryError::NotNewer { held, offered: signed.version });
        }
        let published = Arc::new(publish(&signed, read)?);
        node::danger::point("publication:before");
        self.store(peer, &signed, head, bundle)?;
        node::danger::point("publication:after");
        self.current.send_replace(Some(published.clone()));
        if let Err(error) = self.remove_all_but(signed.version) {
            tracing::warn!(%error, "an older publication stays on the disk, unused");
        }
        Ok(published)
    }

    /// The version that is in force on the disk.
    fn named(&self) -> Result<Option<u64>, Damage> {
        let text = files::read_text(&self.folder.join(CURRENT))?;
        text.map(|version| version.trim_end().parse().map_err(|_| Damage::Current)).transpose()
    }

    fn read(&self, peer: &Peer) -> Result<Option<(Publication, Bundle)>, Damage> {
        let Some(version) = self.named()? else { return Ok(None) };
        let folder = self.folder.join(version.to_string());
        let statement = read_text(&folder.join("statement"), limits::STATEMENT, "statement")?;
        let signatures = read_text(&folder.join("signature"), limits::FRAME, "signatures")?;
        let bundle = read_bounded(&folder.join("bundle.json"), limits::PUBLICATION, "bundle")?;
        let (signed, bundle) = verify(peer, &statement, &armours(&signatures), &bundle)?;
        if signed.version == version { Ok(Some((signed, bundle))) } else { Err(Damage::Current) }
    }

    /// Order: the three files and their folder under a temporary name, each flushed; the folder's name; `current`.
    ///
    /// If that last flush failed before, `current` may name this version already. What it names is never taken away.
    fn store(&self, peer: &Peer, signed: &Publication, head: &PublicationHead, bundle: &[u8]) -> Result<(), FileError> {
        files::make_folder(&self.folder)?;
        let version = signed.version;
        if matches!(self.named(), Ok(Some(named)) if named == version) {
            match self.read(peer) {
                Ok(Some((there, _))) if there == *signed => return self.put_in_force(version),
                Ok(_) | Err(_) => remove(&self.folder.join(CURRENT))?,
            }
        }
        let (folder, temporary) = (self.folder.join(version.to_string()), self.folder.join("incoming"));
        for left_by_a_crash in [&folder, &temporary] {
            remove(left_by_a_crash)?;
        }
        files::make_folder(&temporary)?;
        files::write_new(&temporary.join("statement"), head.statement.as_bytes())?;
        files::write_new(&temporary.join("signature"), head.signatures.concat().as_bytes())?;
        files::write_new(&temporary.join("bundle.json"), bundle)?;
        fs::rename(&temporary, &folder).map_err(failed("name", &folder))?;
        files::sync_folder(&folder)?;
        self.put_in_force(version)
    }

    fn put_in_force(&self, version: u64) -> Result<(), FileError> {
        files::replace(&self.folder.join(CURRENT), format!("{version}\n").as_bytes())
    }

    /// Older publications are never served again.
    fn remove_all_but(&self, version: u64) -> Result<(), FileError> {
        let keep = [version.to_string(), CURRENT.to_owned()];
        let entries = fs::read_dir(&self.folder).map_err(failed("list", &self.folder))?;
        for entry in entries {
            let entry = entry.map_err(failed("list", &self.folder))?;
            if !keep.iter().any(|k| entry.file_name() == k.as_str()) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Moves everything stored to `set-aside`, in the place of what was set aside before.
    fn set_aside(&self) -> Result<PathBuf, FileError> {
        let aside = self.folder.with_extension("set-aside");
        remove(&aside)?;
        fs::rename(&self.folder, &aside).map_err(failed("set aside", &self.folder))?;
        files::sync_folder(&self.folder)?;
        Ok(aside)
    }
}

/// The signatures in a file that has one armour after the other. Damage shows when they are verified.
fn armours(text: &str) -> Vec<String> {
    const BEGIN: &str = "-----BEGIN";
    let starts = || text.match_indices(BEGIN).map(|(at, _)| at).skip(1);
    let ends = starts().chain([text.len()]);
    [0].into_iter().chain(starts()).zip(ends).map(|(start, end)| text[start..end].to_owned()).collect()
}

/// What the statement says and what the bundle holds, if owners of the paired vault signed exactly these bytes. How many of
/// them must is known to the vault, which publishes nothing before.
fn verify(
    peer: &Peer,
    statement: &str,
    signatures: &[String],
    bundle: &[u8],
) -> Result<(Publication, Bundle), Unverified> {
    for (part, size, limit) in [
        ("statement", statement.len(), limits::STATEMENT),
        ("list of signatures", signatures.len(), SIGNERS_MAX),
        ("bundle", bundle.len(), limits::PUBLICATION),
    ] {
        if size > limit {
            return Err(Unverified::TooLong(part));
        }
    }
    let check = |s: &String| sshsig::verify(peer.signers(), statement::NAMESPACE, statement.as_bytes(), s);
    let keys = signatures.iter().map(check).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() || keys.iter().enumerate().any(|(i, key)| keys[..i].contains(key)) {
        return Err(Unverified::Signatures);
    }
    let statement = Statement::parse(statement)?;
    let kind = statement.kind();
    let Statement::Publication(signed) = statement else { return Err(Unverified::Kind(kind)) };
    if signed.vault != *peer.origin() {
        return Err(Unverified::Vault { signed: signed.vault, paired: peer.origin().clone() });
    }
    if signed.bytes != bundle.len() as u64 || signed.bundle != Digest::of(bundle) {
        return Err(Unverified::Altered);
    }
    let bundle = Bundle::from_bytes(bundle)?;
    let counts = [
        ("the version", signed.version, bundle.version),
        ("the documents", u64::from(signed.documents), bundle.documents.len() as u64),
        ("the catalogue", u64::from(signed.catalogue), bundle.catalogue.len() as u64),
    ];
    match counts.into_iter().find(|(_, said, is)| said != is) {
        Some((what, ..)) => Err(Unverified::Counts(what)),
        None => Ok((signed, bundle)),
    }
}

fn publish(signed: &Publication, bundle: Bundle) -> Result<Published, ShelfError> {
    let shelf = Shelf::build(&bundle)?;
    let pages = bundle.documents.iter().map(|_| OnceLock::new()).collect();
    Ok(Published { bundle, shelf, pages, sha256: signed.bundle, published_at: signed.prepared_at })
}

fn read_text(path: &Path, limit: usize, part: &'static str) -> Result<String, Damage> {
    let bytes = read_bounded(path, limit, part)?;
    Ok(String::from_utf8(bytes).map_err(|_| FileError::NotText(path.to_owned()))?)
}

fn read_bounded(path: &Path, limit: usize, part: &'static str) -> Result<Vec<u8>, Damage> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed("read", path))?;
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(failed("read", path))?;
    if bytes.len() > limit { Err(Unverified::TooLong(part).into()) } else { Ok(bytes) }
}

/// Removes a file or a folder with all that is in it; nothing there is fine.
fn remove(path: &Path) -> Result<(), FileError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    };
    match removed {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(e)),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
