//! Signed texts: how many owners signed one, and whether it says what it must.

use crate::danger::Planted;
use crate::owners::Owners;
use serde::{Deserialize, Serialize};
use shared::limits;
use shared::sshsig::{self, BadSignature, PublicKey};
use shared::statement::{BadStatement, NAMESPACE, Statement};

/// A statement and its armoured SSH signatures, byte for byte as the owners made them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The text.
    pub statement: String,
    /// SSHSIG over the text, one an owner.
    pub signatures: Vec<String>,
}

/// Why a signed text has no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAccepted {
    /// Over [`limits::STATEMENT`] or [`limits::SIGNATURE`], or more signatures than owners.
    #[error("the statement or a signature is too long, or there are more signatures than owners")]
    TooLong,
    /// Not a statement.
    #[error("the statement cannot be read: {0}")]
    Unreadable(#[from] BadStatement),
    /// A statement of a kind that does nothing here.
    #[error("a statement of kind {0} does nothing here")]
    Kind(&'static str),
    /// It speaks of something else; names the first field that differs.
    #[error("the statement does not match in its field {0:?}; look at it again")]
    Differs(String),
    /// Already over, or further away than allowed.
    #[error(
        "not-after must lie between the end of the cooling-off time and {max} days from now",
        max = limits::RELEASE_LIFE_MAX / 86_400
    )]
    NotAfter,
    /// None, or more than allowed.
    #[error("collections must lie between 1 and {max}", max = limits::COLLECTIONS)]
    Collections,
    /// No words, or too many.
    #[error("the words must have 1 to {max} bytes and no control characters", max = limits::WORDS)]
    Words,
    /// Signed at another time than now.
    #[error(
        "the statement was made more than {max} minutes from now; set both clocks and sign again",
        max = limits::DECISION_SKEW / 60
    )]
    DecidedAt,
    /// A signature is not an owner's over this text.
    #[error("a signature does not hold: {0}")]
    Signature(#[from] BadSignature),
    /// One owner's key signed more than once, which counts once.
    #[error("this key has signed already; another owner's signature is needed")]
    Repeated,
    /// Fewer owners signed than must.
    #[error("{have} of {need} owners have signed")]
    TooFew {
        /// Signatures by different keys.
        have: usize,
        /// Wanted.
        need: usize,
    },
}

/// A text with the signatures so far, all of which hold.
pub(crate) enum Gathered {
    /// As many owners signed as must.
    Enough(Agreed),
    /// So many did; others must sign the same text.
    Pending(Signed, usize),
}

/// A text that as many owners have signed as must. Only [`Signed::gathered`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agreed(Signed);

impl Agreed {
    /// The text and its signatures.
    pub(crate) fn signed(&self) -> &Signed {
        &self.0
    }
}

impl Signed {
    /// A text with one signature.
    pub fn one(statement: String, signature: String) -> Self {
        Self { statement, signatures: vec![signature] }
    }

    /// What the log commits to: the text, then each signature.
    pub fn parts(&self) -> Vec<Vec<u8>> {
        [&self.statement].into_iter().chain(&self.signatures).map(|part| part.clone().into_bytes()).collect()
    }

    pub(crate) fn parse(&self) -> Result<Statement, NotAccepted> {
        if self.statement.len() > limits::STATEMENT || self.signatures.iter().any(|s| s.len() > limits::SIGNATURE) {
            return Err(NotAccepted::TooLong);
        }
        Ok(Statement::parse(&self.statement)?)
    }

    /// The keys that signed, each once.
    ///
    /// # Errors
    /// [`NotAccepted`] when any signature does not hold, or two are by one key.
    pub fn keys<'a>(&self, owners: &'a Owners) -> Result<Vec<&'a PublicKey>, NotAccepted> {
        let signers = owners.signers();
        if self.signatures.len() > signers.keys().len() {
            return Err(NotAccepted::TooLong);
        }
        let mut keys = Vec::with_capacity(self.signatures.len());
        for signature in &self.signatures {
            let key = sshsig::verify(signers, NAMESPACE, self.statement.as_bytes(), signature)?;
            if keys.contains(&key) && !owners.danger.is(Planted::OwnerCountedTwice) {
                return Err(NotAccepted::Repeated);
            }
            keys.push(key);
        }
        Ok(keys)
    }

    /// Whether as many owners signed as must.
    pub(crate) fn gathered(self, owners: &Owners) -> Result<Gathered, NotAccepted> {
        let have = self.keys(owners)?.len();
        Ok(if have < owners.quorum() { Gathered::Pending(self, have) } else { Gathered::Enough(Agreed(self)) })
    }

    /// As [`Self::gathered`], where too few are none.
    pub(crate) fn agreed(self, owners: &Owners) -> Result<Agreed, NotAccepted> {
        match self.gathered(owners)? {
            Gathered::Enough(agreed) => Ok(agreed),
            Gathered::Pending(_, have) => Err(NotAccepted::TooFew { have, need: owners.quorum() }),
        }
    }

    /// Whether the text is `expected`, byte for byte.
    pub(crate) fn is(&self, expected: &Statement) -> Result<(), NotAccepted> {
        let expected = expected.render();
        if self.statement == expected {
            Ok(())
        } else {
            Err(NotAccepted::Differs(difference(&self.statement, &expected)))
        }
    }
}

/// The name of the first line that differs; both texts are statements, so their lines are fields.
fn difference(said: &str, expected: &str) -> String {
    let mut lines = expected.lines().zip(said.lines());
    let field = lines.find(|(expected, said)| expected != said).and_then(|(expected, _)| expected.split_once(": "));
    field.map_or("kind", |(name, _)| name).to_owned()
}
