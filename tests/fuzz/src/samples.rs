//! One of everything, invented: what the seeds and the properties begin from.

use crate::judge::CANARY;
use crate::owner::{LOG_KEY, SIGNERS, log_secret, origin, sign};
use shared::ids::{Digest, ItemId, Nonce, Ticket};
use shared::message::{Filing, Manifest, Recipient, Subject};
use shared::receipt::{Format, Kind, LogProof, Receipt};
use shared::seal::{Sealed, seal};
use shared::statement::{Approval, DeliveryMode, RecipientLine, Shown, Statement, SubjectLine};
use shared::text::Text;
use shared::time::Time;
use shared::tlog::{Checkpoint, Frontier, Salt, inclusion, sign_checkpoint};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::LazyLock;

/// Every kind's committed text.
pub const STATEMENTS: [&str; 10] = [
    include_str!("../../../shared/tests/vectors/publication.txt"),
    include_str!("../../../shared/tests/vectors/approval.txt"),
    include_str!("../../../shared/tests/vectors/question.txt"),
    include_str!("../../../shared/tests/vectors/refusal.txt"),
    include_str!("../../../shared/tests/vectors/revocation.txt"),
    include_str!("../../../shared/tests/vectors/keys.txt"),
    include_str!("../../../shared/tests/vectors/pairing.txt"),
    include_str!("../../../shared/tests/vectors/freeze.txt"),
    include_str!("../../../shared/tests/vectors/erasure.txt"),
    include_str!("../../../shared/tests/vectors/recovery.txt"),
];

pub(crate) fn ticket() -> Ticket {
    Ticket::from_random([9; 32])
}

pub(crate) fn at(seconds: u64) -> Time {
    Time::from_unix(1_795_338_843 + seconds)
}

fn text<const MAX: usize>(text: impl Into<String>) -> Text<MAX> {
    Text::new(text).unwrap()
}

pub(crate) fn filings() -> [Filing; 2] {
    let item = Filing {
        ticket: ticket().hash(),
        subject: Subject::Item(ItemId([5; 16])),
        purpose: text(format!("An interview.\n\t{CANARY} \u{202E}\u{e9}")),
        contact: Some(text(format!("{CANARY}@example.org"))),
        recipient: Recipient::Ticket,
    };
    let question = Filing { subject: Subject::Question(text(CANARY)), contact: None, ..item.clone() };
    [item, question]
}

/// The key with which the vault opens what was sealed for it.
pub(crate) const SEALING_KEY: [u8; 32] = [7; 32];

/// The first of the [`filings`], sealed for the vault under its own ticket.
pub(crate) fn sealed() -> Sealed {
    static SEALED: LazyLock<Sealed> =
        LazyLock::new(|| seal(&crate::sealed::public(), &origin(), &filings()[0], [6; 32]).unwrap());
    SEALED.clone()
}

pub(crate) fn manifest() -> Manifest {
    Manifest {
        title: text(format!("Curriculum vitae {CANARY}")),
        media_type: text("application/pdf"),
        bytes: 18_324,
        sha256: Digest([6; 32]),
        not_after: at(604_800),
    }
}

/// What the owner approved.
pub(crate) fn approval() -> Approval {
    Approval {
        vault: origin(),
        request: ticket().hash().request(),
        subject: SubjectLine::Item(format!("Curriculum vitae {CANARY}")),
        recipient: RecipientLine::Ticket(ticket().hash()),
        delivery: DeliveryMode::Plain,
        purpose: format!("An interview\n{CANARY}"),
        terms: None,
        payload: Digest([6; 32]),
        bytes: 18_324,
        media_type: "application/pdf".into(),
        shown: Shown::Whole,
        collections: 1,
        prepared_at: at(1),
        not_after: at(604_800),
        nonce: Nonce([4; 16]),
    }
}

/// The receipt of the approval.
pub(crate) fn receipt() -> Receipt {
    static RECEIPT: LazyLock<Receipt> = LazyLock::new(|| receipt_of(&Statement::from(approval()).render()));
    RECEIPT.clone()
}

/// A receipt of any text: signed by the owner and logged, among other entries.
pub(crate) fn receipt_of(statement: &str) -> Receipt {
    let mut receipt = Receipt {
        format: Format::V1,
        statement: statement.to_owned(),
        signatures: vec![sign(statement)],
        signers: SIGNERS.render(),
        log_key: LOG_KEY.to_string(),
        time: at(2),
        kind: Kind::Approved,
        salt: Salt([3; 32]),
        proof: String::new(),
    };
    receipt.proof = logged(&receipt, 3, 6).to_string();
    receipt
}

/// The proof that the log has the receipt's leaf as number `index` of `size`.
fn logged(receipt: &Receipt, index: u64, size: u64) -> LogProof {
    let (mut frontier, mut nodes) = (Frontier::new(), HashMap::new());
    for at in 0..size {
        let leaf = if at == index { receipt.leaf().hash() } else { Digest::of(&at.to_be_bytes()) };
        nodes.extend(frontier.append(leaf).into_iter().map(|node| ((node.level, node.index), node.hash)));
    }
    let Ok(hashes) = inclusion(index, size, |level, at| Ok::<_, Infallible>(nodes[&(level, at)]));
    let head = Checkpoint { origin: origin(), size, root: frontier.root() };
    LogProof { index, hashes, checkpoint: sign_checkpoint(&head, &log_secret()) }
}
