//! `vault evidence export`.

use super::{CommandError, Owner, failed, say, unexpected};
use crate::cli::EvidenceCommand;
use crate::desk::{Desk, DeskCall, DeskReply};
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;

/// What the folder says of itself.
const README: &str = "\
Evidence of one release
=======================

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
";

impl Owner {
    pub(super) fn evidence(&self, command: EvidenceCommand) -> Result<(), CommandError> {
        let EvidenceCommand::Export { id, folder } = command;
        let id = self.find(&id)?;
        let reply = Desk::ask(&self.socket, &DeskCall::Evidence { id })?;
        let DeskReply::Evidence(evidence) = reply else { return Err(unexpected()) };
        let receipt = evidence.receipt;
        let json = serde_json::to_string_pretty(&receipt).map_err(|e| CommandError::Failed(e.to_string()))?;
        fs::DirBuilder::new().mode(0o700).create(&folder).map_err(super::new_folder(&folder))?;
        for (name, content) in [
            ("statement", receipt.statement.as_str()),
            ("allowed_signers", &receipt.signers),
            ("receipt.json", &json),
            ("log-key", &format!("{}\n", receipt.log_key)),
            ("README", README),
        ] {
            let path = folder.join(name);
            fs::write(&path, content).map_err(failed("write", &path))?;
        }
        for (signature, number) in receipt.signatures.iter().zip(1..) {
            let name = if number == 1 { "statement.sig".into() } else { format!("statement.sig.{number}") };
            let path = folder.join(name);
            fs::write(&path, signature).map_err(failed("write", &path))?;
        }
        say(&format!("wrote {}; its README has the commands that check it", folder.display()))
    }
}
