//! What a visitor finds proven by what the owners signed.

use super::Visitor;
use crate::sim::keys::KEYS;
use crate::sim::model::Words;
use shared::ids::RequestId;
use shared::message::Delivery;
use shared::receipt::Receipt;
use shared::statement::{RecipientLine, Refusal, Statement};

impl Visitor {
    /// What a receipt proves, if enough owners signed it.
    fn proven(&self, receipt: &Receipt) -> Result<Statement, String> {
        let said = receipt.verify(&KEYS.signers(), &KEYS.verifier()).map_err(|e| format!("a receipt: {e}"))?;
        let enough = receipt.signatures.len() >= self.world.rules.quorum;
        if enough { Ok(said) } else { Err("a receipt of what too few owners signed".into()) }
    }

    fn is_own(&self, request: RequestId, recipient: RecipientLine) -> bool {
        let ticket = self.ticket.hash();
        request == ticket.request() && recipient == RecipientLine::Ticket(ticket)
    }

    pub(super) fn hear(&self, receipt: &Receipt) -> Result<Words, String> {
        let said = self.proven(receipt)?;
        let (request, recipient, words) = if let Statement::Question(said) = said {
            (said.request, said.recipient, Words::Question(said.nonce, said.text))
        } else if let Statement::Refusal(Refusal { request, recipient, words: Some(words), .. }) = said {
            (request, recipient, Words::Refusal(words))
        } else {
            return Err(format!("a receipt of no words, but of a {}", said.kind()));
        };
        if self.is_own(request, recipient) { Ok(words) } else { Err("words to somebody else".into()) }
    }

    pub(super) fn proves(&self, receipt: &Receipt, delivery: &Delivery) -> Result<(), String> {
        let Statement::Approval(approval) = self.proven(receipt)? else {
            return Err("a receipt of no approval".into());
        };
        let named = self.is_own(approval.request, approval.recipient)
            && approval.payload == delivery.manifest.sha256
            && approval.bytes == delivery.manifest.bytes
            && approval.not_after == delivery.manifest.not_after;
        if named { Ok(()) } else { Err("a receipt of another release".into()) }
    }
}
