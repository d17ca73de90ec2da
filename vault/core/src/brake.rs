//! The brake: one owner stops every release at once; letting them go on takes as many owners as a release does.

use crate::commit::AfterCommit;
use crate::decide::{Authority, Effect, Going, LogEntry, Rejected, Step};
use crate::sign::add;
use crate::signed::{Gathered, NotAccepted, Signed};
use crate::statements::check_instant;
use serde::{Deserialize, Serialize};
use shared::ids::Nonce;
use shared::statement::{Freeze, FreezeAction, Statement};
use shared::time::Time;
use shared::tlog::{LeafKind, Origin};

/// Whether releases go on, and what it takes to change that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brake {
    /// Since when they are stopped.
    frozen: Option<Time>,
    /// What the next statement must bear; used once.
    nonce: Nonce,
    /// A thaw that fewer owners have signed than must.
    pending: Option<Signed>,
}

impl Brake {
    /// Releases go on.
    pub fn off(nonce: Nonce) -> Self {
        Self { frozen: None, nonce, pending: None }
    }

    /// Whether releases go on.
    pub fn going(&self) -> Going {
        if self.frozen.is_some() { Going::Frozen } else { Going::On }
    }

    /// Since when releases are stopped.
    pub fn frozen(&self) -> Option<Time> {
        self.frozen
    }

    /// What the next statement must bear.
    pub fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// The thaw that more owners must sign.
    pub fn pending(&self) -> Option<&Signed> {
        self.pending.as_ref()
    }

    /// What the next statement must do.
    pub fn next(&self) -> FreezeAction {
        if self.frozen.is_some() { FreezeAction::Thaw } else { FreezeAction::Freeze }
    }

    /// The one statement that this brake allows, with this reason, made at this instant.
    pub fn statement(&self, vault: &Origin, reason: String, decided_at: Time) -> Freeze {
        Freeze { vault: vault.clone(), action: self.next(), reason, decided_at, nonce: self.nonce }
    }

    /// The step that a signed freeze or thaw takes. Stopping needs no believable clock; going on does.
    ///
    /// # Errors
    /// [`Rejected`]; nothing changes.
    pub fn decide(self, signed: Signed, fresh: Nonce, by: &Authority<'_>) -> Result<Step<Self>, Rejected> {
        let statement = signed.parse()?;
        let kind = statement.kind();
        let Statement::Freeze(said) = statement else { return Err(NotAccepted::Kind(kind).into()) };
        signed.is(&Statement::Freeze(self.statement(by.vault, said.reason, said.decided_at)))?;
        match self.next() {
            FreezeAction::Freeze => {
                if signed.keys(by.owners)?.is_empty() {
                    return Err(NotAccepted::TooFew { have: 0, need: 1 }.into());
                }
                let next = Self { frozen: Some(by.now.time), nonce: fresh, pending: None };
                Ok(step(next, LeafKind::Frozen, &signed, by))
            }
            FreezeAction::Thaw => self.thaw(signed, said.decided_at, fresh, by),
        }
    }

    fn thaw(self, signed: Signed, at: Time, fresh: Nonce, by: &Authority<'_>) -> Result<Step<Self>, Rejected> {
        if let Some(doubt) = by.now.doubt {
            return Err(Rejected::Clock(doubt));
        }
        // A text that another owner has signed in time was made in time.
        if self.pending.as_ref().is_none_or(|before| before.statement != signed.statement) {
            check_instant(at, by.now.time)?;
        }
        Ok(match add(self.pending.as_ref(), signed, by)? {
            Gathered::Enough(agreed) => step(Self::off(fresh), LeafKind::Thawed, agreed.signed(), by),
            Gathered::Pending(signed, _) => {
                let entry = signed.clone();
                step(Self { pending: Some(signed), ..self }, LeafKind::Signed, &entry, by)
            }
        })
    }
}

fn step(next: Brake, kind: LeafKind, signed: &Signed, by: &Authority<'_>) -> Step<Brake> {
    let entry = Some(LogEntry { kind, time: by.now.time, parts: signed.parts() });
    Step { next, entry, effects: AfterCommit::seal(vec![Effect::TellOwner]) }
}
