//! Words of the owner's to one visitor: a question back, or why not. They are released like anything else: signed first.

use crate::owners::Owners;
use crate::signed::{Agreed, NotAccepted, Signed};
use crate::state::Request;
use shared::ids::{Nonce, RequestId};
use shared::statement::{Question, RecipientLine, Refusal, Statement};
use shared::tlog::Origin;

/// A signed question or refusal whose signatures have been verified. Nothing outside this crate can make one.
///
/// ```compile_fail,E0451
/// let forged = vault_core::Spoken { request: todo!(), recipient: todo!(), words: todo!(), agreed: todo!() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    request: RequestId,
    recipient: RecipientLine,
    words: Words,
    agreed: Agreed,
}

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words {
    /// The owner wants to know something first; its nonce names the question.
    Question(String, Nonce),
    /// The owner says no, and why.
    Refusal(String),
}

impl Spoken {
    /// Verifies the owners' signatures over `signed`, and that it is this vault's question or refusal.
    pub(crate) fn verify(signed: Signed, vault: &Origin, owners: &Owners) -> Result<Self, NotAccepted> {
        let statement = signed.parse()?;
        let kind = statement.kind();
        let other_vault = statement.vault() != vault;
        let (request, recipient, words) = if let Statement::Question(said) = statement {
            let Question { request, recipient, text, nonce, .. } = said;
            (request, recipient, Words::Question(text, nonce))
        } else if let Statement::Refusal(Refusal { request, recipient, words: Some(words), .. }) = statement {
            (request, recipient, Words::Refusal(words))
        } else {
            return Err(NotAccepted::Kind(kind));
        };
        if other_vault {
            return Err(NotAccepted::Differs("vault".into()));
        }
        Ok(Self { request, recipient, words, agreed: signed.agreed(owners)? })
    }

    /// Words of which everything has been checked: `agreed` says them, to this request's visitor.
    pub(crate) fn of(agreed: Agreed, request: &Request, words: Words) -> Self {
        Self { request: request.id(), recipient: request.recipient(), words, agreed }
    }

    /// Whether it was said to this request's visitor.
    pub(crate) fn is_to(&self, request: &Request) -> bool {
        self.request == request.id() && self.recipient == request.recipient()
    }

    /// Which request's.
    pub fn request(&self) -> RequestId {
        self.request
    }

    /// What was said.
    pub fn words(&self) -> &Words {
        &self.words
    }

    /// Statement and signatures as the owners made them.
    pub fn signed(&self) -> &Signed {
        self.agreed.signed()
    }

    /// The question's name, if it is one.
    pub fn question(&self) -> Option<Nonce> {
        match self.words {
            Words::Question(_, nonce) => Some(nonce),
            Words::Refusal(_) => None,
        }
    }
}
