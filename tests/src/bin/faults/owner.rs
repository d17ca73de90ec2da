//! The owner by script: reads each draft's bytes, compares them with what the desk says of them, signs the statement with the
//! real `ssh-keygen`, and hands it in, sometimes twice, and sometimes again after a restart.

use crate::desk::Desk;
use crate::ledger::Ledger;
use serde_json::{Value, json};
use shared::ids::{Digest, Nonce, RequestId, TicketHash};
use shared::limits;
use shared::statement::{Approval, DeliveryMode, RecipientLine, Shown, Statement, SubjectLine};
use shared::time::Time;
use shared::tlog::Origin;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
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
        let statement = Statement::from(self.statement(case, collections)).render();
        let file = self.folder.join(format!("statement-{}", text(&case["draft"], "nonce")));
        let (key, content) = (self.key.clone(), statement.clone());
        let signature = tokio::task::spawn_blocking(move || {
            let name = file.display().to_string();
            std::fs::write(&file, content).unwrap();
            tests::tools::sign(&key, &name);
            let signature = std::fs::read_to_string(format!("{name}.sig")).unwrap();
            for made in [name.clone(), format!("{name}.sig")] {
                std::fs::remove_file(made).unwrap();
            }
            signature
        });
        json!({ "statement": statement, "signatures": [signature.await.unwrap()] })
    }

    fn statement(&self, case: &Value, collections: u32) -> Approval {
        let draft = &case["draft"];
        let ticket: TicketHash = text(case, "ticket").parse().unwrap();
        let request: RequestId = text(case, "id").parse().unwrap();
        let nonce: Nonce = text(draft, "nonce").parse().unwrap();
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        Approval {
            vault: self.origin.clone(),
            request,
            subject: SubjectLine::Item(text(&draft["subject"], "item")),
            recipient: RecipientLine::Ticket(ticket),
            delivery: DeliveryMode::Plain,
            purpose: text(case, "purpose"),
            terms: None,
            payload: text(draft, "payload").parse().unwrap(),
            bytes: draft["bytes"].as_u64().unwrap(),
            media_type: text(draft, "media_type"),
            shown: Shown::Whole,
            collections,
            prepared_at: serde_json::from_value(draft["prepared_at"].clone()).unwrap(),
            not_after: Time::from_unix(now + limits::RELEASE_LIFE),
            nonce,
        }
    }
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}
