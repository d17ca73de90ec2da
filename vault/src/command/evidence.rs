//! `vault evidence export`.

use super::{CommandError, Owner, failed, say, unexpected};
use crate::cli::EvidenceCommand;
use crate::desk::{Desk, DeskCall, DeskReply, Fate, Standing};
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use vault_core::Why;

/// What the folder says of itself, but for what came of the approval.
const README: &str = "\
Evidence of one approval
========================

statement            what the owner signed
statement.sig        the owner's SSH signature over it (statement.sig.2 and so on where several owners must sign)
allowed_signers      the owner's public keys, as this vault names them
receipt.json         all of this, and the proof that the vault's log holds the approval
log-key              the public key of the log

To check the signature with OpenSSH alone:

  ssh-keygen -Y verify -f allowed_signers -I owner -n release@webizen -s statement.sig < statement

To check that a file is what was approved, compare its SHA-256 with payload-sha256 in the statement:

  sha256sum FILE

To check the log's proof without this product (Python 3 and openssl): deploy/check-receipt.py in its source, or any tool
that reads C2SP tlog proofs and checkpoints:

  python3 check-receipt.py receipt.json FILE --signers allowed_signers --log-key \"$(cat log-key)\"

Whoever checks should have got allowed_signers and log-key from the owner by another way than with this folder.

What came of it
---------------

All of the above proves that the owner approved, not that anything left. This vault's own account, which nobody has signed:

";

/// What came of an approval, in lines.
fn account(fate: &Fate) -> Vec<String> {
    let (have, most) = (fate.collected, fate.collections);
    let collected = match have {
        0 => "Nobody has begun to collect it.".into(),
        _ => format!("{have} of {most} devices have begun to collect it."),
    };
    let (at, logged) = (fate.at, "as the log has it under the same time");
    match fate.standing {
        Standing::Cooling(until) => {
            vec![format!("On {at} it was cooling off: nobody could collect it before {until}.")]
        }
        Standing::Collectable(until) => {
            vec![format!("On {at} it could be collected; it can be until {until}."), collected]
        }
        Standing::Stopped { since, until } => {
            vec![
                format!(
                    "On {at} all releases were stopped, since {since}: nobody could collect it. It ends on {until}."
                ),
                collected,
            ]
        }
        Standing::Over(until) => vec![format!("On {at} its time was over, since {until}."), collected],
        Standing::Ended { why, at } => vec![format!("It {} on {at}, {logged}.", ended(why)), collected],
        Standing::Unseen { why, at } => vec![
            format!("It {} on {at}, {logged}, before anybody could collect it.", ended(why)),
            "Nothing has left under this approval.".into(),
        ],
    }
}

/// The same word as in the log.
fn ended(why: Why) -> &'static str {
    match why {
        Why::Refused => "was refused",
        Why::Lapsed => "lapsed",
        Why::Withdrawn => "was withdrawn by the visitor",
        Why::Revoked => "was revoked",
        Why::Expired => "expired",
    }
}

impl Owner {
    pub(super) fn evidence(&self, command: EvidenceCommand) -> Result<(), CommandError> {
        let EvidenceCommand::Export { id, folder } = command;
        let id = self.find(&id)?;
        let reply = Desk::ask(&self.socket, &DeskCall::Evidence { id })?;
        let DeskReply::Evidence(evidence) = reply else { return Err(unexpected()) };
        let (receipt, account) = (evidence.receipt, account(&evidence.fate));
        let readme = format!("{README}{}\n", account.join("\n"));
        let json = serde_json::to_string_pretty(&receipt).map_err(|e| CommandError::Failed(e.to_string()))?;
        fs::DirBuilder::new().mode(0o700).create(&folder).map_err(super::new_folder(&folder))?;
        for (name, content) in [
            ("statement", receipt.statement.as_str()),
            ("allowed_signers", &receipt.signers),
            ("receipt.json", &json),
            ("log-key", &format!("{}\n", receipt.log_key)),
            ("README", &readme),
        ] {
            let path = folder.join(name);
            fs::write(&path, content).map_err(failed("write", &path))?;
        }
        for (signature, number) in receipt.signatures.iter().zip(1..) {
            let name = if number == 1 { "statement.sig".into() } else { format!("statement.sig.{number}") };
            let path = folder.join(name);
            fs::write(&path, signature).map_err(failed("write", &path))?;
        }
        say(&format!("wrote {}; its README has the commands that check it", folder.display()))?;
        account.iter().try_for_each(|line| say(line))
    }
}
