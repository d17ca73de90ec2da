//! The values of a statement's fields and their one spelling.

use crate::ids::{Digest, Nonce, Pin, RequestId, TicketHash};
use crate::time::Time;
use crate::tlog::{Origin, VerifierKey};
use crate::visible;

/// A value with a text on one line. `read` may accept more than `text` writes: the caller compares.
pub(super) trait Field: Sized {
    fn text(&self) -> String;
    fn read(text: &str) -> Option<Self>;
}

macro_rules! printed {
    ($($type:ty),+) => {$(
        impl Field for $type {
            fn text(&self) -> String {
                self.to_string()
            }
            fn read(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )+};
}

printed!(u32, u64, Digest, Nonce, Pin, RequestId, Time, Origin, VerifierKey);

/// Free text, in its visible form.
impl Field for String {
    fn text(&self) -> String {
        visible::line(self)
    }
    fn read(text: &str) -> Option<Self> {
        visible::unline(text).ok()
    }
}

impl Field for Option<Digest> {
    fn text(&self) -> String {
        self.map_or_else(|| "none".into(), |digest| digest.to_string())
    }
    fn read(text: &str) -> Option<Self> {
        if text == "none" { Some(None) } else { text.parse().ok().map(Some) }
    }
}

/// Optional free text: the prefix tells the word `none` from its absence.
impl Field for Option<String> {
    fn text(&self) -> String {
        self.as_ref().map_or_else(|| "none".into(), |text| format!("text: {}", text.text()))
    }
    fn read(text: &str) -> Option<Self> {
        if text == "none" { Some(None) } else { String::read(text.strip_prefix("text: ")?).map(Some) }
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl $name {
            /// The word that statements use.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl Field for $name {
            fn text(&self) -> String {
                self.as_str().into()
            }
            fn read(text: &str) -> Option<Self> {
                match text {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

words!(
    /// How the payload travels to the recipient.
    DeliveryMode {
        /// Readable by the reception on its way.
        Plain = "plain",
        /// Encrypted to the recipient's key.
        Sealed = "sealed",
    }
);
words!(
    /// How much of the payload the owner saw before signing.
    Shown {
        /// Every byte of it, in visible form.
        Whole = "whole",
        /// A copy of it, opened in another program.
        CopyOpened = "copy-opened",
        /// None of it.
        NotShown = "not-shown",
    }
);
words!(
    /// Whether a pairing begins or ends.
    PairingAction {
        /// It begins.
        Pair = "pair",
        /// It ends.
        Unpair = "unpair",
    }
);
words!(
    /// Whether all releases stop or may go on.
    FreezeAction {
        /// They stop.
        Freeze = "freeze",
        /// They may go on.
        Thaw = "thaw",
    }
);

/// What a request is about, as statements write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectLine {
    /// A catalogue item, by its title; written `item: <visible form>`.
    Item(String),
    /// A question, in the visitor's words; written `question: <visible form>`.
    Question(String),
}

impl Field for SubjectLine {
    fn text(&self) -> String {
        match self {
            Self::Item(title) => format!("item: {}", title.text()),
            Self::Question(words) => format!("question: {}", words.text()),
        }
    }
    fn read(text: &str) -> Option<Self> {
        match text.split_once(": ")? {
            ("item", title) => String::read(title).map(Self::Item),
            ("question", words) => String::read(words).map(Self::Question),
            _ => None,
        }
    }
}

/// Who may collect, as statements write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecipientLine {
    /// Whoever holds the ticket with this hash; written `ticket sha256:<hex>`.
    Ticket(TicketHash),
    /// Whoever holds the X25519 key (RFC 9180, section 7.1) with this SHA-256; written `hpke-x25519 sha256:<hex>`.
    HpkeX25519(Digest),
}

impl Field for RecipientLine {
    fn text(&self) -> String {
        match self {
            Self::Ticket(hash) => format!("ticket sha256:{hash}"),
            Self::HpkeX25519(hash) => format!("hpke-x25519 sha256:{hash}"),
        }
    }
    fn read(text: &str) -> Option<Self> {
        match text.split_once(" sha256:")? {
            ("ticket", hash) => hash.parse().ok().map(Self::Ticket),
            ("hpke-x25519", hash) => hash.parse().ok().map(Self::HpkeX25519),
            _ => None,
        }
    }
}
