//! A publication's bundle: everything public that the reception may quote, and the titles that visitors may ask for.

use crate::ids::ItemId;
use crate::limits;
use crate::message::{MediaType, Name, Title};
use serde::{Deserialize, Serialize};

/// What the owner signs over as a whole: the JSON of this, byte for byte as it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// Rises by at least one with each publication; a lower one is refused.
    pub version: u64,
    /// Whose reception this is.
    pub name: Name,
    /// In the order of their paths.
    pub documents: Vec<Document>,
    /// Listed items, in the order of their titles.
    pub catalogue: Vec<Entry>,
}

/// One Markdown file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The path below the published folder, with `/` between its parts.
    pub path: String,
    /// The first heading, or the file's name.
    pub title: Title,
    /// The file.
    pub markdown: String,
}

/// One thing that may be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What a request names.
    pub id: ItemId,
    /// What a visitor reads.
    pub title: Title,
    /// What kind of file it is.
    pub media_type: MediaType,
}

/// Why bytes are not a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadBundle {
    /// Over [`limits::PUBLICATION`].
    #[error("the publication has {0} bytes and the limit is {limit}; publish fewer or shorter documents", limit = limits::PUBLICATION)]
    TooLarge(usize),
    /// Over [`limits::PUBLICATION_ENTRIES`].
    #[error("the publication has {0} documents and titles and the limit is {limit} of each", limit = limits::PUBLICATION_ENTRIES)]
    TooMany(usize),
    /// A document over [`limits::DOCUMENT`].
    #[error("a document has {0} bytes and the limit is {limit}; split it", limit = limits::DOCUMENT)]
    DocumentTooLarge(usize),
    /// Not this format.
    #[error("the publication is not in a form that this version reads; update this node")]
    Malformed,
}

impl Bundle {
    /// The bytes that are hashed, signed and sent.
    ///
    /// # Errors
    /// [`BadBundle`] when over a limit.
    pub fn to_bytes(&self) -> Result<Vec<u8>, BadBundle> {
        self.check_counts()?;
        let bytes = serde_json::to_vec(self).map_err(|_| BadBundle::Malformed)?;
        if bytes.len() > limits::PUBLICATION { Err(BadBundle::TooLarge(bytes.len())) } else { Ok(bytes) }
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`BadBundle`]
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadBundle> {
        if bytes.len() > limits::PUBLICATION {
            return Err(BadBundle::TooLarge(bytes.len()));
        }
        let bundle: Self = serde_json::from_slice(bytes).map_err(|_| BadBundle::Malformed)?;
        bundle.check_counts()?;
        Ok(bundle)
    }

    fn check_counts(&self) -> Result<(), BadBundle> {
        let most = self.documents.len().max(self.catalogue.len());
        if most > limits::PUBLICATION_ENTRIES {
            return Err(BadBundle::TooMany(most));
        }
        match self.documents.iter().map(|d| d.markdown.len()).find(|length| *length > limits::DOCUMENT) {
            Some(length) => Err(BadBundle::DocumentTooLarge(length)),
            None => Ok(()),
        }
    }
}
