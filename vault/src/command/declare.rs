//! `vault requests revoke`, `vault freeze` and `vault thaw`: what releases nothing, and is signed all the same.

use super::approve::who_asks;
use super::requests::{open, short};
use super::{CommandError, Owner, say, unexpected};
use crate::cli::Declaration;
use crate::desk::{BrakeFacts, Desk, DeskCall, DeskError, DeskReply};
use crate::prompt::{self, Answer, Body, Deed, Section, Sheet, Timing};
use shared::ids::Nonce;
use shared::statement::{Freeze, FreezeAction, NAMESPACE, Revocation, Statement};
use std::path::Path;
use vault_core::Signed;

impl Owner {
    /// Ends a release, or one that is still thought over.
    pub(super) fn revoke(&self, id: &str, reason: &str, key: Option<&Path>) -> Result<(), CommandError> {
        let case = self.case(self.find(id)?)?;
        let Some(release) = &case.release else {
            return Err(CommandError::Failed(format!("there is nothing to revoke: this request is {}", case.stage)));
        };
        let mut sections = who_asks(&case);
        let begun = format!("{} of {} devices have begun to collect it", release.collected, release.collections);
        sections.push(Section::Field { label: "collected", value: begun, note: None });
        sections.push(Section::Field { label: "reason", value: reason.into(), note: Some("for your own log") });
        sections.push(Section::Note(
            "From now on nobody can collect it, and whoever is just collecting it is cut off. What has left cannot be called \
             back."
                .into(),
        ));
        let statement = Statement::Revocation(Revocation {
            vault: self.config.origin.clone(),
            request: case.id,
            statement: release.statement,
            reason: reason.into(),
            decided_at: crate::daemon::now(),
            nonce: fresh()?,
        });
        let signed = self.declare(format!("Revoke request {}", short(case.id)), sections, &statement, key)?;
        self.hand_in(case.id, signed)?;
        say("Revoked. Nobody can collect it any more.")
    }

    /// Stops every release at once.
    pub(super) fn freeze(&self, declaration: &Declaration) -> Result<(), CommandError> {
        let facts = self.brake()?;
        if let Some(since) = facts.frozen {
            return Err(CommandError::Failed(format!("all releases are stopped already, since {since}")));
        }
        self.turn(FreezeAction::Freeze, &facts, declaration)?;
        say(&format!("Stopped. Requests are still taken, and wait. Nothing leaves until:\n  {}", self.line("thaw")))
    }

    /// Lets releases go on.
    pub(super) fn thaw(&self, declaration: &Declaration) -> Result<(), CommandError> {
        let facts = self.brake()?;
        if facts.frozen.is_none() {
            return Err(CommandError::Failed("releases are not stopped; there is nothing to thaw".into()));
        }
        let after = self.turn(FreezeAction::Thaw, &facts, declaration)?;
        match (&after.pending, after.frozen) {
            (Some(pending), Some(_)) => say(&format!(
                "{} of {} owners have signed; releases are still stopped. Another owner signs with:\n  {}",
                pending.signed_by.len(),
                pending.quorum,
                self.line("thaw --key FILE")
            )),
            (_, _) => say("Releases go on."),
        }
    }

    pub(super) fn brake(&self) -> Result<BrakeFacts, CommandError> {
        let DeskReply::Brake(facts) = Desk::ask(&self.socket, &DeskCall::Brake)? else { return Err(unexpected()) };
        Ok(*facts)
    }

    fn turn(
        &self,
        action: FreezeAction,
        facts: &BrakeFacts,
        declaration: &Declaration,
    ) -> Result<BrakeFacts, CommandError> {
        let own = Freeze {
            vault: self.config.origin.clone(),
            action,
            reason: declaration.reason.clone(),
            decided_at: crate::daemon::now(),
            nonce: facts.nonce,
        };
        let (freeze, note) = joined(own, facts);
        let mut sections = vec![Section::Note(effect(action).into())];
        let note_of_reason = Some("for your own log");
        sections.push(Section::Field { label: "reason", value: freeze.reason.clone(), note: note_of_reason });
        sections.extend(note.map(Section::Note));
        let title = match action {
            FreezeAction::Freeze => "Stop all releases",
            FreezeAction::Thaw => "Let releases go on",
        };
        let statement = Statement::Freeze(freeze);
        let signed = self.declare(title.into(), sections, &statement, declaration.key.as_deref())?;
        match Desk::ask(&self.socket, &DeskCall::Turn { signed }) {
            Ok(DeskReply::Brake(after)) => Ok(*after),
            Ok(_) => Err(CommandError::handing_in(DeskError::Unexpected, "status")),
            Err(error) => Err(CommandError::handing_in(error, "status")),
        }
    }

    /// Shows a statement that releases nothing, and signs it if the owner says so.
    fn declare(
        &self,
        title: String,
        sections: Vec<Section>,
        statement: &Statement,
        key: Option<&Path>,
    ) -> Result<Signed, CommandError> {
        let key = self.key(key)?;
        let sheet = Sheet {
            title,
            sections,
            body: Body::Nothing,
            statement: statement.render(),
            deed: Deed::Declare,
            alike: 0,
        };
        let answer = prompt::ask(&mut open()?, &sheet, Timing::default())?;
        if !matches!(answer, Answer::Yes { .. }) {
            return Err(CommandError::Refused("Nothing was signed, and nothing has changed.".into()));
        }
        let signature = key.sign(NAMESPACE, sheet.statement.as_bytes())?;
        Ok(Signed::one(sheet.statement, signature))
    }
}

/// This owner's statement, or the one that others have signed, if it does the same: its reason and instant are taken over, and
/// everything else is this owner's own.
fn joined(own: Freeze, facts: &BrakeFacts) -> (Freeze, Option<String>) {
    let Some(pending) = &facts.pending else { return (own, None) };
    if let Ok(Statement::Freeze(said)) = Statement::parse(&pending.statement) {
        let same = Freeze { reason: said.reason, decided_at: said.decided_at, ..own.clone() };
        if Statement::Freeze(same.clone()).render() == pending.statement {
            let (have, need) = (pending.signed_by.len(), pending.quorum);
            let note = format!("{have} of {need} owners have signed exactly this: {}.", pending.signed_by.join(", "));
            return (same, Some(note));
        }
    }
    (own, None)
}

fn effect(action: FreezeAction) -> &'static str {
    match action {
        FreezeAction::Freeze => {
            "Nothing more leaves: no new release, no publication, no question or refusal in words, and nothing that was \
             released and is not collected yet; whoever is just collecting is cut off. Requests are still taken."
        }
        FreezeAction::Thaw => {
            "What was released before and has not ended can be collected again, and you can release anew. If you stopped \
             because of a key or a machine, change that first."
        }
    }
}

fn fresh() -> Result<Nonce, CommandError> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|e| CommandError::Failed(e.to_string()))?;
    Ok(Nonce(nonce))
}
