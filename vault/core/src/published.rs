//! A publication whose signatures have been verified: the only bundle that leaves the vault.

use crate::clock::Doubt;
use crate::decide::{Authority, Going};
use crate::owners::Owners;
use crate::signed::{Agreed, NotAccepted, Signed};
use shared::ids::Digest;
use shared::publication::{BadBundle, Bundle};
use shared::statement::{Publication, Statement};
use shared::tlog::Origin;

/// A bundle with its verified statement.
///
/// ```no_run
/// fn seen(published: &vault_core::Published) -> (u64, &[u8]) { (published.version(), published.bundle()) }
/// ```
/// ```compile_fail,E0451
/// use shared::statement::Publication;
/// use vault_core::Published;
/// fn forge(statement: Publication, bundle: Vec<u8>) -> Published {
///     Published { statement, agreed: unreachable!(), bundle }
/// }
/// ```
/// ```compile_fail,E0616
/// fn swap(published: &mut vault_core::Published, bundle: Vec<u8>) { published.bundle = bundle; }
/// ```
pub struct Published {
    statement: Publication,
    agreed: Agreed,
    bundle: Vec<u8>,
}

/// Why a bundle is not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPublished {
    /// Of another kind, or another vault's.
    #[error("the statement is not a publication by this vault")]
    Other,
    /// The statement names other bytes.
    #[error("the statement names another bundle")]
    Bundle,
    /// The bundle cannot be read.
    #[error(transparent)]
    BadBundle(#[from] BadBundle),
    /// Not above what is published.
    #[error("version {0} is not above the published version {1}; publish again to get the next number")]
    Version(u64, u64),
    /// Not a statement, or not signed by as many owners as must.
    #[error(transparent)]
    NotAccepted(#[from] NotAccepted),
    /// An owner has stopped all releases, and a publication is one.
    #[error("all releases are stopped; `vault thaw` lets them go on")]
    Frozen,
    /// Nothing leaves while nobody knows what time it is.
    #[error("{0}; set it right, or, if it is right, say so with `vault clock --confirm`")]
    Clock(Doubt),
}

impl Published {
    /// Checks that the owners signed exactly `bundle`, as a version above `newest`, and that it may leave now.
    ///
    /// # Errors
    /// [`NotPublished`]
    pub fn decide(signed: Signed, bundle: Vec<u8>, newest: u64, by: &Authority<'_>) -> Result<Self, NotPublished> {
        if by.brake == Going::Frozen {
            return Err(NotPublished::Frozen);
        }
        if let Some(doubt) = by.now.doubt {
            return Err(NotPublished::Clock(doubt));
        }
        Self::verify(signed, bundle, newest, by.vault, by.owners)
    }

    /// Checks that the owners signed exactly `bundle`, as a version above `newest`.
    ///
    /// # Errors
    /// [`NotPublished`]
    pub fn verify(
        signed: Signed,
        bundle: Vec<u8>,
        newest: u64,
        vault: &Origin,
        owners: &Owners,
    ) -> Result<Self, NotPublished> {
        let Statement::Publication(statement) = signed.parse()? else {
            return Err(NotPublished::Other);
        };
        if statement.vault != *vault {
            return Err(NotPublished::Other);
        }
        let contents = Bundle::from_bytes(&bundle)?;
        let described =
            (statement.bundle, statement.bytes, statement.version, statement.documents, statement.catalogue);
        let counts = (contents.documents.len() as u32, contents.catalogue.len() as u32);
        if described != (Digest::of(&bundle), bundle.len() as u64, contents.version, counts.0, counts.1) {
            return Err(NotPublished::Bundle);
        }
        if statement.version <= newest {
            return Err(NotPublished::Version(statement.version, newest));
        }
        Ok(Self { statement, agreed: signed.agreed(owners)?, bundle })
    }

    /// Its version.
    pub fn version(&self) -> u64 {
        self.statement.version
    }

    /// Statement and signatures.
    pub fn signed(&self) -> &Signed {
        self.agreed.signed()
    }

    /// The bundle, as signed.
    pub fn bundle(&self) -> &[u8] {
        &self.bundle
    }
}
