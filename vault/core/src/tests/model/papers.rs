//! What the owners sign, and what an adversary makes of it.

use super::known::{Kept, Known};
use crate::tests::owner::Owner;
use crate::{Owners, Signed};
use shared::ids::Nonce;
use shared::sshsig::Signers;
use shared::statement::Statement;

/// How many owners there are.
pub(super) const OWNERS: usize = 2;

/// A text that somebody wants to be signed, with every signature over it that anybody could make.
pub(super) struct Text {
    pub(super) statement: Statement,
    pub(super) words: String,
    /// Each owner's.
    pub(super) signatures: [String; OWNERS],
    /// Of a key that is no owner's.
    stranger: String,
}

/// A text that an owner signed.
pub(super) struct Paper {
    pub(super) text: Known<Text>,
    pub(super) owner: usize,
    /// Whether the text names the bytes that this owner was looking at.
    pub(super) as_displayed: bool,
}

/// How a text comes with signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Sheet {
    /// With this owner's.
    One(usize),
    /// With both owners'.
    Both,
    /// With this owner's, twice.
    Twice(usize),
    /// With a stranger's.
    Stranger,
    /// With what an owner signed of another text.
    Stolen(Known<Paper>),
    /// With none.
    Bare,
}

impl Sheet {
    /// Whether no owner signed this text.
    pub(super) fn is_forged(self) -> bool {
        matches!(self, Self::Stranger | Self::Stolen(_) | Self::Bare)
    }
}

impl Text {
    /// The text as it is handed in.
    pub(super) fn on(&self, sheet: Sheet) -> Signed {
        let signatures = match sheet {
            Sheet::One(owner) => vec![self.signatures[owner].clone()],
            Sheet::Both => self.signatures.to_vec(),
            Sheet::Twice(owner) => vec![self.signatures[owner].clone(); 2],
            Sheet::Stranger => vec![self.stranger.clone()],
            Sheet::Stolen(paper) => vec![paper.text.signatures[paper.owner].clone()],
            Sheet::Bare => Vec::new(),
        };
        Signed { statement: self.words.clone(), signatures }
    }

    /// What the text bears.
    pub(super) fn nonce(&self) -> Option<Nonce> {
        match &self.statement {
            Statement::Approval(said) => Some(said.nonce),
            Statement::Question(said) => Some(said.nonce),
            Statement::Refusal(said) => Some(said.nonce),
            Statement::Freeze(said) => Some(said.nonce),
            Statement::Publication(_)
            | Statement::Revocation(_)
            | Statement::Keys(_)
            | Statement::Pairing(_)
            | Statement::Erasure(_)
            | Statement::Recovery(_) => None,
        }
    }
}

/// Every text and every paper of a search.
pub(super) struct Papers {
    owners: [Owner; OWNERS],
    stranger: Owner,
    texts: Kept<String, Text>,
    papers: Kept<(Known<Text>, usize, bool), Paper>,
}

impl Papers {
    pub(super) fn new() -> Self {
        let owners = [Owner::new(1), Owner::new(2)];
        Self { owners, stranger: Owner::new(3), texts: Kept::new(), papers: Kept::new() }
    }

    /// The owners, of whom so many must sign.
    pub(super) fn owners(&self, quorum: usize) -> Owners {
        Owners::new(Signers::of(self.owners.iter().map(Owner::key).collect()), quorum).unwrap()
    }

    pub(super) fn text(&self, statement: impl Into<Statement>) -> Known<Text> {
        let statement = statement.into();
        let words = statement.render();
        self.texts.of(words.clone(), || {
            let sign = |owner: &Owner| owner.sign(&words).signatures.concat();
            let signatures = std::array::from_fn(|owner| sign(&self.owners[owner]));
            Text { statement, signatures, stranger: sign(&self.stranger), words: words.clone() }
        })
    }

    pub(super) fn find(&self, words: &str) -> Option<Known<Text>> {
        self.texts.find(&words.to_owned())
    }

    pub(super) fn paper(&self, text: Known<Text>, owner: usize, as_displayed: bool) -> Known<Paper> {
        self.papers.of((text, owner, as_displayed), || Paper { text, owner, as_displayed })
    }
}

/// The most papers that there can be at once.
pub(super) const PAPERS: usize = 6;

/// Papers that exist, and that an adversary may hand in as often as it likes: a set, in a fixed order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Pile([Option<Known<Paper>>; PAPERS]);

impl Pile {
    pub(super) fn empty() -> Self {
        Self([None; PAPERS])
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Known<Paper>> + '_ {
        self.0.iter().filter_map(|paper| *paper)
    }

    /// Each text once.
    pub(super) fn texts(&self) -> impl Iterator<Item = Known<Text>> + '_ {
        let first = |at: usize, text| self.all().take(at).all(|earlier| earlier.text != text);
        self.all().enumerate().filter(move |(at, paper)| first(*at, paper.text)).map(|(_, paper)| paper.text)
    }

    /// Who signed `text`.
    pub(super) fn signers(&self, text: Known<Text>) -> impl Iterator<Item = Known<Paper>> + '_ {
        self.all().filter(move |paper| paper.text == text)
    }

    /// How many different owners signed `text`.
    pub(super) fn count(&self, text: Known<Text>) -> usize {
        (0..OWNERS).filter(|owner| self.signers(text).any(|paper| paper.owner == *owner)).count()
    }

    /// With one more; the same one again is no more.
    pub(super) fn with(mut self, paper: Known<Paper>) -> Self {
        if self.all().all(|one| one != paper) {
            *self.0.iter_mut().find(|place| place.is_none()).unwrap() = Some(paper);
            self.0.sort_by_key(|place| (place.is_none(), *place));
        }
        self
    }
}
