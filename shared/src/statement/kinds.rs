//! The ten kinds of statement. Each field stands here once, in its place, with the name that the text uses.

use super::field::{DeliveryMode, Field as _, FreezeAction, PairingAction, RecipientLine, Shown, SubjectLine};
use super::{BadStatement, Lines, write};
use crate::ids::{Digest, Nonce, Pin, RequestId};
use crate::time::Time;
use crate::tlog::{Origin, VerifierKey};

macro_rules! kinds {
    ($(
        $(#[$doc:meta])*
        $kind:ident $word:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty = $name:literal),+ $(,)? }
    )+) => {
        /// A text that the owner signs, by kind.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Statement {
            $($(#[$doc])* $kind($kind)),+
        }

        impl Statement {
            /// The word in the statement's second line.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => $word),+
                }
            }

            /// The log origin of the vault that the statement speaks of.
            pub fn vault(&self) -> &Origin {
                match self {
                    $(Self::$kind(fields) => &fields.vault),+
                }
            }

            pub(super) fn render_fields(&self, out: &mut String) {
                match self {
                    $(Self::$kind(fields) => fields.render(out)),+
                }
            }

            pub(super) fn read_fields(kind: &str, lines: &mut Lines<'_>) -> Result<Self, BadStatement> {
                match kind {
                    $($word => $kind::read(lines).map(Self::$kind),)+
                    _ => Err(BadStatement::Kind),
                }
            }
        }

        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq)]
            pub struct $kind {
                /// The origin of the vault's log.
                pub vault: Origin,
                $($(#[$field_doc])* pub $field: $type),+
            }

            impl $kind {
                fn render(&self, out: &mut String) {
                    write(out, "vault", &self.vault.text());
                    $(write(out, $name, &self.$field.text());)+
                }

                fn read(lines: &mut Lines<'_>) -> Result<Self, BadStatement> {
                    Ok(Self { vault: lines.field("vault")?, $($field: lines.field($name)?),+ })
                }
            }

            impl From<$kind> for Statement {
                fn from(fields: $kind) -> Self {
                    Self::$kind(fields)
                }
            }
        )+
    };
}

kinds! {
    /// Knowledge and a catalogue for the reception to serve to everybody.
    Publication "publication" {
        /// Counts up; a reception takes only a higher one.
        version: u64 = "version",
        /// SHA-256 of the bundle.
        bundle: Digest = "bundle-sha256",
        /// The bundle's length.
        bytes: u64 = "bundle-bytes",
        /// How many documents the bundle holds.
        documents: u32 = "documents",
        /// How many titles the bundle's catalogue lists.
        catalogue: u32 = "catalogue",
        /// The vault's clock when the bundle was frozen.
        prepared_at: Time = "prepared-at",
        /// Used once.
        nonce: Nonce = "nonce",
    }
    /// Exactly these bytes may leave, for this recipient, for this long.
    Approval "approval" {
        /// The request that is answered.
        request: RequestId = "request",
        /// What it asked for.
        subject: SubjectLine = "subject",
        /// Who may collect.
        recipient: RecipientLine = "recipient",
        /// How the payload travels.
        delivery: DeliveryMode = "delivery",
        /// Why the visitor asked, as written.
        purpose: String = "purpose",
        /// SHA-256 of the terms that the visitor accepted.
        terms: Option<Digest> = "terms-sha256",
        /// SHA-256 of the payload.
        payload: Digest = "payload-sha256",
        /// The payload's length.
        bytes: u64 = "payload-bytes",
        /// The payload's media type (RFC 6838).
        media_type: String = "media-type",
        /// How much of the payload the owner saw.
        shown: Shown = "shown",
        /// How often it may be collected.
        collections: u32 = "collections",
        /// The vault's clock when the draft was frozen.
        prepared_at: Time = "prepared-at",
        /// Collectable until.
        not_after: Time = "not-after",
        /// Belongs to the draft and dies with it.
        nonce: Nonce = "nonce",
    }
    /// The owner asks the visitor something before deciding.
    Question "question" {
        /// The request that it is about.
        request: RequestId = "request",
        /// What it asked for.
        subject: SubjectLine = "subject",
        /// Who may read the question.
        recipient: RecipientLine = "recipient",
        /// The owner's words.
        text: String = "text",
        /// The vault's clock when the words were frozen.
        prepared_at: Time = "prepared-at",
        /// Used once.
        nonce: Nonce = "nonce",
    }
    /// The owner says no, with or without words.
    Refusal "refusal" {
        /// The request that is refused.
        request: RequestId = "request",
        /// What it asked for.
        subject: SubjectLine = "subject",
        /// Who may read the words.
        recipient: RecipientLine = "recipient",
        /// What the visitor is told; without words, nothing ever is.
        words: Option<String> = "words",
        /// The owner's clock at the decision.
        decided_at: Time = "decided-at",
        /// Used once.
        nonce: Nonce = "nonce",
    }
    /// An approval no longer holds.
    Revocation "revocation" {
        /// The request that it answered.
        request: RequestId = "request",
        /// SHA-256 of the approval's text.
        statement: Digest = "statement-sha256",
        /// The owner's words, for the log's keeper.
        reason: String = "reason",
        /// The owner's clock at the decision.
        decided_at: Time = "decided-at",
        /// Used once.
        nonce: Nonce = "nonce",
    }
    /// Which keys speak for the owner from now on.
    Keys "keys" {
        /// Digest of the new keys ([`crate::sshsig::Signers::digest`]).
        signers: Digest = "signers-sha256",
        /// Digest of the keys before; none for the first.
        previous: Option<Digest> = "previous-sha256",
        /// How many of them must sign.
        threshold: u32 = "threshold",
        /// The owner's clock at the decision.
        decided_at: Time = "decided-at",
        /// Used once.
        nonce: Nonce = "nonce",
    }
    /// A reception is trusted to carry requests, or no longer.
    Pairing "pairing" {
        /// Which of both.
        action: PairingAction = "action",
        /// The reception's name.
        reception: String = "reception",
        /// The reception's node key.
        pin: Pin = "pin",
        /// The reception's witness key.
        witness: VerifierKey = "witness",
        /// The owner's clock at the decision.
        decided_at: Time = "decided-at",
        /// Used once.
        nonce: Nonce = "nonce",
    }
    /// All releases stop, or may go on.
    Freeze "freeze" {
        /// Which of both.
        action: FreezeAction = "action",
        /// The owner's words, for the log's keeper.
        reason: String = "reason",
        /// The owner's clock at the decision.
        decided_at: Time = "decided-at",
        /// Used once.
        nonce: Nonce = "nonce",
    }
    /// A request's payload and words are deleted; its log entries stay.
    Erasure "erasure" {
        /// The request.
        request: RequestId = "request",
        /// SHA-256 of the payload that is deleted.
        payload: Digest = "payload-sha256",
        /// The owner's words, for the log's keeper.
        reason: String = "reason",
        /// The owner's clock at the decision.
        decided_at: Time = "decided-at",
        /// Used once.
        nonce: Nonce = "nonce",
    }
    /// The log begins anew after a loss, naming the last head that a witness saw.
    Recovery "recovery" {
        /// The lost log.
        old_origin: Origin = "old-origin",
        /// Its last known size, in leaves.
        old_size: u64 = "old-size",
        /// Its last known root (RFC 6962, section 2.1).
        old_root: Digest = "old-root",
        /// The log that follows it.
        new_origin: Origin = "new-origin",
        /// The owner's words, for the log's keeper.
        reason: String = "reason",
        /// The owner's clock at the decision.
        decided_at: Time = "decided-at",
        /// Used once.
        nonce: Nonce = "nonce",
    }
}
