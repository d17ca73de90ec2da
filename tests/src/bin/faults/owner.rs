//! The owner by script: reads each draft's bytes, compares them with what the desk says of them, signs the statement with the
//! real `ssh-keygen`, and hands it in, sometimes twice, and sometimes again after a restart.

use crate::ledger::Ledger;
use serde_json::{Value, json};
use shared::ids::Digest;
use shared::tlog::Origin;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tests::desk::{Desk, approval, text};
use tests::statistics::Dice;

/// Between two looks at the desk.
const LOOK: Duration = Duration::from_millis(20);

/// What the owner knows and has.
pub(crate) struct Owner {
    pub(crate) desk: Desk,
    pub(crate) origin: Origin,
    pub(crate) key: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) dice: Dice,
    /// What was signed of each draft, by its nonce: a draft is signed once.
    pub(crate) signed: HashMap<String, Value>,
}

impl Owner {
    /// Approves until the task is ended.
    pub(crate) async fn work(mut self) {
        loop {
            // A vault that has just died answers at the next look.
            let _ = self.approve_all().await;
            let _ = self.again().await;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Approves whatever waits.
    pub(crate) async fn approve_all(&mut self) -> std::io::Result<()> {
        for case in self.desk.cases(false).await? {
            self.approve(&case).await?;
        }
        Ok(())
    }

    async fn approve(&mut self, case: &Value) -> std::io::Result<()> {
        let draft = &case["draft"];
        if draft.is_null() {
            return Ok(());
        }
        let id = text(case, "id");
        let nonce = text(draft, "nonce");
        if !self.signed.contains_key(&nonce) {
            let bytes = self.desk.payload(&json!({ "draft": { "id": id } })).await?;
            if Digest::of(&bytes).to_string() != text(draft, "payload") {
                self.ledger.fault(format!("the draft of {id} has other bytes than the desk says"));
                return Ok(());
            }
            let collections = 1 + self.dice.below(2) as u32;
            let signed = self.sign(case, collections).await;
            self.signed.insert(nonce.clone(), json!({ "id": id, "signed": signed }));
        }
        let call = json!({ "sign": self.signed[&nonce] });
        let times = if self.dice.one_in(4) { 2 } else { 1 };
        for _ in 0..times {
            let reply = self.desk.ask(&call, &[]).await?;
            if reply.get("stage").is_some() && !self.ledger.approved(&id) {
                self.ledger.fault(format!("one approval of {id} was taken twice"));
            }
        }
        Ok(())
    }

    /// An approval that was taken is offered again, perhaps to a vault that has been restarted since.
    async fn again(&mut self) -> std::io::Result<()> {
        if self.signed.is_empty() || !self.dice.one_in(8) {
            return Ok(());
        }
        let at = self.dice.below(self.signed.len());
        let Some(call) = self.signed.values().nth(at).cloned() else { return Ok(()) };
        let id = text(&call, "id");
        let taken_before = self.ledger.is_approved(&id);
        let reply = self.desk.ask(&json!({ "sign": call }), &[]).await?;
        if reply.get("stage").is_some() && (!self.ledger.approved(&id) || taken_before) {
            self.ledger.fault(format!("one approval of {id} was taken again after a restart"));
        }
        Ok(())
    }

    async fn sign(&mut self, case: &Value, collections: u32) -> Value {
        let statement = approval(&self.origin, case, collections);
        let file = self.folder.join(format!("statement-{}", text(&case["draft"], "nonce")));
        let key = self.key.clone();
        tokio::task::spawn_blocking(move || tests::desk::sign(&key, &file, statement)).await.unwrap()
    }
}
