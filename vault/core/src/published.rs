//! A publication whose owner's signature has been verified: the only bundle that leaves the vault.

use crate::approval::Signed;
use shared::ids::Digest;
use shared::publication::{BadBundle, Bundle};
use shared::sshsig::{self, BadSignature, Signers};
use shared::statement::{BadStatement, NAMESPACE, Publication, Statement};
use shared::tlog::Origin;

/// A bundle with its verified statement.
pub struct Published {
    statement: Publication,
    signed: Signed,
    bundle: Vec<u8>,
}

/// Why a bundle is not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPublished {
    /// Not a statement.
    #[error("the statement cannot be read: {0}")]
    Unreadable(#[from] BadStatement),
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
    /// Not an owner's.
    #[error("the signature does not hold: {0}")]
    Signature(#[from] BadSignature),
}

impl Published {
    /// Checks that an owner signed exactly `bundle`, as a version above `newest`.
    ///
    /// # Errors
    /// [`NotPublished`]
    pub fn verify(
        signed: Signed,
        bundle: Vec<u8>,
        newest: u64,
        vault: &Origin,
        signers: &Signers,
    ) -> Result<Self, NotPublished> {
        let Statement::Publication(statement) = Statement::parse(&signed.statement)? else {
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
        sshsig::verify(signers, NAMESPACE, signed.statement.as_bytes(), &signed.signature)?;
        Ok(Self { statement, signed, bundle })
    }

    /// Its version.
    pub fn version(&self) -> u64 {
        self.statement.version
    }

    /// Statement and signature.
    pub fn signed(&self) -> &Signed {
        &self.signed
    }

    /// The bundle, as signed.
    pub fn bundle(&self) -> &[u8] {
        &self.bundle
    }
}
