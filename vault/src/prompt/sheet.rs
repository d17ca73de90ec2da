//! What the owner is asked, and the check that it is one and the same thing throughout.

use shared::ids::Digest;
use shared::publication::Bundle;
use shared::statement::{Shown, Statement};
use std::path::PathBuf;

/// One question to the owner: who asks for what, the payload, and the statement to be signed.
#[derive(Debug, Clone)]
pub(crate) struct Sheet {
    /// A few words of our own; shown on every page.
    pub(crate) title: String,
    /// In the order in which a reader needs them.
    pub(crate) sections: Vec<Section>,
    /// What would be released.
    pub(crate) body: Body,
    /// Exactly what would be signed.
    pub(crate) statement: String,
    /// What a yes does.
    pub(crate) deed: Deed,
    /// How many more requests, in the same words, a refusal refuses with the one that is shown.
    pub(crate) alike: u32,
}

/// A piece of the header.
#[derive(Debug, Clone)]
pub(crate) enum Section {
    /// A named value.
    Field {
        /// Our word for it, in ASCII; best at most 11 columns.
        label: &'static str,
        /// May be hostile; shown in its visible form, framed.
        value: String,
        /// Our remark on it, such as `unverified`.
        note: Option<&'static str>,
    },
    /// Our own words, without anything hostile in them.
    Note(String),
    /// Our own words on when a yes takes effect; they stand on the decision screen, too.
    Delay(String),
}

/// What would be released.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// Shown whole, byte for byte.
    Text {
        /// Exactly the bytes to be released.
        bytes: Vec<u8>,
    },
    /// Not text: described, and opened as a copy if the owner wants.
    Opaque {
        /// As it would be announced.
        media_type: String,
        /// Its length.
        bytes: u64,
        /// SHA-256 over all of it, computed by the owner's process.
        sha256: Digest,
        /// Where the copy is, once one has been opened.
        opened: Option<PathBuf>,
    },
    /// A publication's bundle: every document and title of it is shown.
    Bundle {
        /// Exactly the bytes to be published.
        bytes: Vec<u8>,
    },
    /// The statement releases nothing.
    Nothing,
}

/// What a yes does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Something goes to one visitor: an approval, a question, or words of refusal.
    Release,
    /// Something goes to everybody: a publication.
    Publish,
    /// Nothing is released: every other statement.
    Declare,
}

/// The parts of a sheet contradict each other, so nobody may be asked to sign it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Mismatch {
    /// It does not parse.
    #[error("the text to be signed is not a statement ({0}); nothing was signed - this is a fault in this program")]
    Statement(#[from] shared::statement::BadStatement),
    /// It names other bytes than the ones to be shown.
    #[error("the text to be signed does not name the bytes to be shown; nothing was signed - prepare it afresh")]
    Payload,
    /// It says another thing about what the owner saw.
    #[error("the text to be signed does not say how the bytes are shown; nothing was signed - prepare it afresh")]
    Shown,
    /// It is of another kind than the question.
    #[error(
        "the text to be signed is of another kind than the question; nothing was signed - this is a fault in this program"
    )]
    Deed,
    /// The bundle does not parse, or says things that would not be shown.
    #[error("the publication cannot be shown whole; nothing was signed - prepare it afresh")]
    Bundle,
}

impl Sheet {
    /// The statement, if it says exactly what the rest of the sheet shows.
    ///
    /// # Errors
    /// [`Mismatch`]
    pub(crate) fn check(&self) -> Result<Statement, Mismatch> {
        let statement = Statement::parse(&self.statement)?;
        let deed = match &statement {
            Statement::Approval(_) | Statement::Question(_) | Statement::Refusal(_) => Deed::Release,
            Statement::Publication(_) => Deed::Publish,
            Statement::Revocation(_)
            | Statement::Keys(_)
            | Statement::Pairing(_)
            | Statement::Freeze(_)
            | Statement::Erasure(_)
            | Statement::Recovery(_) => Deed::Declare,
        };
        if deed != self.deed {
            return Err(Mismatch::Deed);
        }
        if !self.body.is_named_by(&statement)? {
            return Err(Mismatch::Payload);
        }
        if let Statement::Approval(approval) = &statement
            && approval.shown != self.body.shown()
        {
            return Err(Mismatch::Shown);
        }
        Ok(statement)
    }
}

impl Body {
    /// How much of it the owner sees.
    pub(crate) fn shown(&self) -> Shown {
        match self {
            Self::Text { .. } | Self::Bundle { .. } | Self::Nothing => Shown::Whole,
            Self::Opaque { opened: Some(_), .. } => Shown::CopyOpened,
            Self::Opaque { opened: None, .. } => Shown::NotShown,
        }
    }

    /// Its length and SHA-256, over the very bytes that are shown.
    pub(crate) fn measure(&self) -> Option<(u64, Digest)> {
        match self {
            Self::Text { bytes } | Self::Bundle { bytes } => Some((bytes.len() as u64, Digest::of(bytes))),
            Self::Opaque { bytes, sha256, .. } => Some((*bytes, *sha256)),
            Self::Nothing => None,
        }
    }

    fn is_named_by(&self, statement: &Statement) -> Result<bool, Mismatch> {
        let measure = self.measure();
        Ok(match (statement, self) {
            (Statement::Approval(a), Self::Text { .. }) => measure == Some((a.bytes, a.payload)),
            (Statement::Approval(a), Self::Opaque { media_type, .. }) => {
                measure == Some((a.bytes, a.payload)) && *media_type == a.media_type
            }
            (Statement::Publication(p), Self::Bundle { bytes }) => {
                let bundle = whole_bundle(bytes)?;
                let counts = (bundle.documents.len() as u64, bundle.catalogue.len() as u64);
                let same = (u64::from(p.documents), u64::from(p.catalogue)) == counts && p.version == bundle.version;
                same && measure == Some((p.bytes, p.bundle))
            }
            (Statement::Question(q), Self::Text { bytes }) => q.text.as_bytes() == bytes,
            (Statement::Refusal(r), Self::Text { bytes }) => r.words.as_ref().is_some_and(|w| w.as_bytes() == bytes),
            (Statement::Refusal(r), Self::Nothing) => r.words.is_none(),
            (
                Statement::Approval(_) | Statement::Publication(_) | Statement::Question(_) | Statement::Refusal(_),
                _,
            ) => false,
            (_, body) => matches!(body, Self::Nothing),
        })
    }
}

/// The bundle, if its bytes hold nothing beside what is shown of it: they are the ones that it is written as.
///
/// # Errors
/// [`Mismatch::Bundle`]
pub(super) fn whole_bundle(bytes: &[u8]) -> Result<Bundle, Mismatch> {
    let bundle = Bundle::from_bytes(bytes).map_err(|_| Mismatch::Bundle)?;
    if bundle.to_bytes().is_ok_and(|written| written == bytes) { Ok(bundle) } else { Err(Mismatch::Bundle) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::pty::samples::{approval, bundle, cv, freeze, opaque, publication, question};

    #[test]
    fn whole_sheets_pass() {
        for sheet in [cv(), opaque(), publication(), question("Why?"), freeze()] {
            assert!(sheet.check().is_ok(), "{}", sheet.title);
        }
    }

    #[test]
    fn bytes_other_than_the_named_ones_are_never_asked_about() {
        let mut sheet = cv();
        let Body::Text { bytes } = &mut sheet.body else { unreachable!() };
        bytes[0] ^= 1;
        assert_eq!(sheet.check(), Err(Mismatch::Payload));
        assert_eq!(Sheet { body: Body::Nothing, ..cv() }.check(), Err(Mismatch::Payload));
        assert_eq!(Sheet { body: opaque().body, ..cv() }.check(), Err(Mismatch::Payload));
        assert_eq!(Sheet { body: cv().body, ..freeze() }.check(), Err(Mismatch::Payload));
        assert_eq!(
            Sheet { statement: question("Other?").statement, ..question("Why?") }.check(),
            Err(Mismatch::Payload)
        );
        let Body::Opaque { bytes, sha256, .. } = opaque().body else { unreachable!() };
        let body = Body::Opaque { media_type: "image/png".into(), bytes, sha256, opened: None };
        assert_eq!(Sheet { body, ..opaque() }.check(), Err(Mismatch::Payload), "another type");
    }

    #[test]
    fn the_statement_says_how_it_was_shown() {
        let Body::Opaque { media_type, bytes, sha256, .. } = opaque().body else { unreachable!() };
        let body = Body::Opaque { media_type, bytes, sha256, opened: Some("/tmp/copy".into()) };
        assert_eq!(Sheet { body: body.clone(), ..opaque() }.check(), Err(Mismatch::Shown));
        let statement = Statement::from(approval(&body, "application/pdf", "CV", "hiring")).render();
        assert!(Sheet { body, statement, ..opaque() }.check().is_ok());
    }

    #[test]
    fn other_kinds_and_other_texts_are_never_asked_about() {
        assert_eq!(Sheet { deed: Deed::Release, ..freeze() }.check(), Err(Mismatch::Deed));
        assert_eq!(Sheet { deed: Deed::Declare, ..cv() }.check(), Err(Mismatch::Deed));
        let statement = format!("{} ", cv().statement);
        assert!(matches!(Sheet { statement, ..cv() }.check(), Err(Mismatch::Statement(_))));
    }

    #[test]
    fn a_bundle_with_anything_that_would_not_be_shown_is_never_asked_about() {
        let written = bundle().to_bytes().unwrap();
        let text = String::from_utf8(written).unwrap();
        for other in [format!(" {text}"), text.replace("about.md", "\\u0061bout.md"), "{}".into()] {
            let body = Body::Bundle { bytes: other.into_bytes() };
            assert_eq!(Sheet { body, ..publication() }.check(), Err(Mismatch::Bundle));
        }
        let mut more = bundle();
        more.catalogue.push(more.catalogue[0].clone());
        let body = Body::Bundle { bytes: more.to_bytes().unwrap() };
        assert_eq!(Sheet { body, ..publication() }.check(), Err(Mismatch::Payload));
    }
}
