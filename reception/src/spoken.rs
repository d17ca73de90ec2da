//! The owner's words to one visitor. They count only as the paired vault's owners signed them, in its log, for this request.

use crate::peer::Peer;
use shared::ids::{Nonce, TicketHash};
use shared::receipt::{BadReceipt, Receipt};
use shared::statement::{Question, RecipientLine, Refusal, Statement};
use shared::time::Time;

/// Words that were verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spoken {
    /// As the owner wrote them.
    pub(crate) words: String,
    /// When, by the clock in the statement.
    pub(crate) at: Time,
    /// What they are.
    pub(crate) kind: Kind,
}

/// What words are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A question, which an answer names by its nonce.
    Question(Nonce),
    /// Why not.
    Refusal,
}

/// Why a receipt holds no words of the owner's for this request. Never names the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unproven {
    /// It proves nothing.
    #[error(transparent)]
    Receipt(#[from] BadReceipt),
    /// It is about another request, or for another ticket.
    #[error("the owners signed these words for another request")]
    OtherRequest,
    /// It is about a release.
    #[error("the owners signed a statement that has no words for a visitor")]
    Kind,
}

/// The words in `receipt` for whoever holds this ticket; `None` for a refusal without words, which is not to be told.
///
/// # Errors
/// [`Unproven`]
pub(crate) fn hear(peer: &Peer, ticket: &TicketHash, receipt: &Receipt) -> Result<Option<Spoken>, Unproven> {
    let statement = receipt.verify(peer.signers(), peer.log_key())?;
    let (request, recipient, spoken) = if let Statement::Question(said) = statement {
        let Question { request, recipient, text, prepared_at, nonce, .. } = said;
        (request, recipient, Some(Spoken { words: text, at: prepared_at, kind: Kind::Question(nonce) }))
    } else if let Statement::Refusal(said) = statement {
        let Refusal { request, recipient, words, decided_at, .. } = said;
        (request, recipient, words.map(|words| Spoken { words, at: decided_at, kind: Kind::Refusal }))
    } else {
        return Err(Unproven::Kind);
    };
    let theirs = request == ticket.request() && recipient == RecipientLine::Ticket(*ticket);
    if theirs { Ok(spoken) } else { Err(Unproven::OtherRequest) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Vault;
    use shared::sshsig::BadSignature;

    #[test]
    fn words_are_heard_as_they_were_signed() {
        let (vault, ticket) = (Vault::new("vault"), TicketHash([5; 32]));
        let heard = |receipt| hear(&vault.peer(), &ticket, &receipt);
        let asked = heard(vault.asked(ticket, "Which year?\nAnd why?")).unwrap().unwrap();
        assert_eq!((asked.words.as_str(), asked.kind), ("Which year?\nAnd why?", Kind::Question(Nonce([6; 16]))));
        let refused = heard(vault.refused(ticket, Some("Not now."))).unwrap().unwrap();
        assert_eq!((refused.words.as_str(), refused.kind), ("Not now.", Kind::Refusal));
        assert_eq!(heard(vault.refused(ticket, None)), Ok(None));
    }

    #[test]
    fn what_is_not_the_owners_for_this_request_is_not_heard() {
        let (vault, other, ticket) = (Vault::new("vault"), Vault::new("vault"), TicketHash([5; 32]));
        let heard = |receipt| hear(&vault.peer(), &ticket, &receipt);
        let question = vault.asked(ticket, "Which year?");
        assert_eq!(heard(other.asked(ticket, "Which year?")), Err(Unproven::Receipt(BadReceipt::OtherLog)));
        assert_eq!(heard(vault.asked(TicketHash([8; 32]), "Which year?")), Err(Unproven::OtherRequest));
        assert_eq!(heard(vault.refused(TicketHash([8; 32]), None)), Err(Unproven::OtherRequest));
        let mut altered = question.clone();
        altered.statement = altered.statement.replace("year", "town");
        assert_eq!(heard(altered), Err(Unproven::Receipt(BadReceipt::Signature(BadSignature::Invalid))));
        let twice = Receipt { signatures: vec![question.signatures[0].clone(); 2], ..question.clone() };
        assert_eq!(heard(twice), Err(Unproven::Receipt(BadReceipt::Signatures)));
        let unsigned = Receipt { signatures: vec![], ..question.clone() };
        assert_eq!(heard(unsigned), Err(Unproven::Receipt(BadReceipt::Signatures)));
        let unlogged = Receipt { time: question.time.plus(1), ..question };
        assert!(matches!(heard(unlogged), Err(Unproven::Receipt(BadReceipt::NotLogged(_)))));
        let approved = vault.receipt(vault.approval(ticket).into(), shared::receipt::Kind::Approved);
        assert_eq!(heard(approved), Err(Unproven::Kind));
    }

    #[test]
    fn several_owners_sign_together() {
        let (vault, ticket) = (Vault::of_two("vault"), TicketHash([5; 32]));
        let receipt = vault.asked(ticket, "Which year?");
        assert_eq!(receipt.signatures.len(), 2);
        assert!(hear(&vault.peer(), &ticket, &receipt).unwrap().is_some());
    }
}
