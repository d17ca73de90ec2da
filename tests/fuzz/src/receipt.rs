//! What a visitor keeps.

use crate::judge::{Bytes, CANARY, message, taken, text};
use crate::owner::{FIRST, LOG_KEY, SIGNERS, origin};
use crate::{Target, Verdict, samples};
use shared::receipt::Receipt;
use shared::sshsig::Signers;
use shared::statement::Statement;

pub(crate) const RECEIPT: Target = Target {
    name: "receipt",
    check,
    seeds,
    words: &[
        "\"format\":\"webizen receipt v1\"",
        "\"statement\":",
        "\"signatures\":[",
        "\"signers\":",
        "\"log_key\":",
        "\"time\":",
        "\"kind\":\"approved\"",
        "\"salt\":",
        "\"proof\":",
        "index ",
        "kind: approval\n",
        "\\n",
        CANARY,
    ],
};

/// The first byte says what the rest is: a receipt, or a part of one whose other parts are right.
fn check(data: &[u8]) -> Verdict {
    let mut bytes = Bytes(data);
    match bytes.byte() % 4 {
        0 => given(bytes.0),
        1 => signed(&text(bytes.0)),
        2 => with_signers(text(bytes.0)),
        _ => with_proof(text(bytes.0)),
    }
}

/// Only what the owner approved is taken.
fn given(json: &[u8]) -> Verdict {
    let Some(receipt) = message::<Receipt>(json) else { return Verdict::Refused };
    verified(&receipt)
}

fn verified(receipt: &Receipt) -> Verdict {
    let approval = taken(receipt.verify(&SIGNERS, &LOG_KEY));
    let approved = Statement::from(samples::approval());
    assert!(approval.iter().all(|statement| *statement == approved), "nobody has approved this");
    Verdict::of(approval.is_some())
}

/// What an owner has signed and the log has is taken if it is an approval by this vault, and only then.
fn signed(statement: &str) -> Verdict {
    let result = samples::receipt_of(statement).verify(&SIGNERS, &LOG_KEY);
    let said = Statement::parse(statement);
    let right = matches!(&said, Ok(Statement::Approval(approval)) if approval.vault == origin());
    assert_eq!(result.is_ok(), right, "{result:?}");
    let approval = taken(result);
    assert!(approval.iter().all(|said| said.render() == statement));
    Verdict::of(approval.is_some())
}

/// The list that the receipt brings must hold the key that signed.
fn with_signers(signers: String) -> Verdict {
    let right = Signers::parse(&signers).is_ok_and(|list| list.keys().contains(&FIRST.key()));
    let verdict = verified(&Receipt { signers, ..samples::receipt() });
    assert_eq!(verdict, Verdict::of(right));
    verdict
}

fn with_proof(proof: String) -> Verdict {
    verified(&Receipt { proof, ..samples::receipt() })
}

fn seeds() -> Vec<Vec<u8>> {
    let receipt = samples::receipt();
    let json = serde_json::to_string(&receipt).unwrap();
    let mut seeds = vec![
        [b"\0", json.as_bytes()].concat(),
        [b"\x01", receipt.statement.as_bytes()].concat(),
        [b"\x02", receipt.signers.as_bytes()].concat(),
        [b"\x03", receipt.proof.as_bytes()].concat(),
    ];
    seeds.extend(samples::STATEMENTS.iter().map(|text| [b"\x01", text.as_bytes()].concat()));
    seeds
}
