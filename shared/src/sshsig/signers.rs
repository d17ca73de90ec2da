//! The owner's public keys as a file for `ssh-keygen -Y verify -f` (ssh-keygen(1), "ALLOWED SIGNERS").

use super::key::{BadKey, PublicKey};
use crate::ids::Digest;
use crate::statement::NAMESPACE;

/// The principal of every line: `-I` of `ssh-keygen -Y verify`.
pub const PRINCIPAL: &str = "owner";
/// The most keys that one owner may have.
pub const SIGNERS_MAX: usize = 64;
/// The longest file, bytes.
const TEXT_MAX: usize = 64 * 1024;

/// The owner's public keys, each once, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signers {
    keys: Vec<PublicKey>,
}

/// Why a file is not such a list. Lines are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSigners {
    /// No key at all.
    #[error("the list of signers holds no key; add a line for one")]
    Empty,
    /// Over a limit.
    #[error("the list of signers is over {TEXT_MAX} bytes or {SIGNERS_MAX} keys; remove some")]
    TooLong,
    /// A line of another form. Options are refused, not ignored: they would change what the line means.
    #[error("line {0} of the list of signers must read: {PRINCIPAL} namespaces=\"{NAMESPACE}\" ssh-ed25519 AAAA…")]
    Line(usize),
    /// A line whose key is refused.
    #[error("line {0} of the list of signers: {1}")]
    Key(usize, BadKey),
    /// A key that an earlier line has: it would count twice.
    #[error("line {0} of the list of signers repeats an earlier line's key; remove it")]
    Repeated(usize),
}

impl Signers {
    /// These keys; later repetitions are dropped.
    pub fn of(keys: Vec<PublicKey>) -> Self {
        let mut once: Vec<PublicKey> = Vec::with_capacity(keys.len());
        for key in keys {
            if !once.contains(&key) {
                once.push(key);
            }
        }
        Self { keys: once }
    }

    /// Reads the one accepted form: a line for each key, as [`Self::render`] writes it, with or without a comment after
    /// the key; lines that start with `#` are skipped; the last LF may be missing.
    ///
    /// # Errors
    /// [`BadSigners`] for anything else.
    pub fn parse(text: &str) -> Result<Self, BadSigners> {
        if text.len() > TEXT_MAX {
            return Err(BadSigners::TooLong);
        }
        let mut keys = Vec::new();
        let text = text.strip_suffix('\n').unwrap_or(text);
        let lines = text.split('\n').zip(1..).filter(|(line, _)| !text.is_empty() && !line.starts_with('#'));
        for (line, number) in lines {
            let key = line.strip_prefix(&start()).ok_or(BadSigners::Line(number))?;
            let key = PublicKey::from_openssh(key).map_err(|error| BadSigners::Key(number, error))?;
            if keys.contains(&key) {
                return Err(BadSigners::Repeated(number));
            }
            keys.push(key);
        }
        match keys.len() {
            0 => Err(BadSigners::Empty),
            1..=SIGNERS_MAX => Ok(Self { keys }),
            _ => Err(BadSigners::TooLong),
        }
    }

    /// The canonical file, without comments.
    pub fn render(&self) -> String {
        self.keys.iter().map(|key| format!("{}{}\n", start(), key.to_openssh())).collect()
    }

    /// SHA-256 of [`Self::render`]: names this list in statements and in the log.
    pub fn digest(&self) -> Digest {
        Digest::of(self.render().as_bytes())
    }

    /// The keys in their order.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    pub(super) fn find(&self, blob: &[u8]) -> Option<&PublicKey> {
        self.keys.iter().find(|key| key.blob() == blob)
    }
}

/// What every line starts with.
fn start() -> String {
    format!("{PRINCIPAL} namespaces=\"{NAMESPACE}\" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;

    fn key(seed: u8) -> PublicKey {
        PublicKey::Ed25519 { key: SigningKey::from_bytes(&[seed; 32]).verifying_key() }
    }

    fn security_key(seed: u8) -> PublicKey {
        let key = SigningKey::from_bytes(&[seed; 32]).verifying_key();
        PublicKey::SkEd25519 { key, application: "ssh:".into() }
    }

    #[test]
    fn one_form_and_back() {
        let signers = Signers::of(vec![key(1), security_key(1), key(1), key(2)]);
        assert_eq!(signers.keys(), [key(1), security_key(1), key(2)]);
        let text = signers.render();
        assert_eq!(text.lines().count(), 3);
        assert!(text.starts_with("owner namespaces=\"release@webizen\" ssh-ed25519 AAAA"));
        assert_eq!(Signers::parse(&text).as_ref(), Ok(&signers));
        assert_eq!(signers.digest(), Digest::of(text.as_bytes()));
        let commented = format!("# owner's keys\n{}", text.replace('\n', " laptop, 2026\n"));
        assert_eq!(Signers::parse(&commented).as_ref(), Ok(&signers));
        assert_eq!(Signers::parse(commented.trim_end()).map(|signers| signers.digest()), Ok(signers.digest()));
    }

    #[test]
    fn anything_else_is_refused() {
        let good = Signers::of(vec![key(1)]).render();
        for (bad, why) in [
            (String::new(), BadSigners::Empty),
            ("\n".into(), BadSigners::Empty),
            ("# nothing\n".into(), BadSigners::Empty),
            (format!("{good}\n"), BadSigners::Line(2)),
            (format!(" {good}"), BadSigners::Line(1)),
            (format!(" # comment\n{good}"), BadSigners::Line(1)),
            (good.replace("owner ", "* "), BadSigners::Line(1)),
            (good.replace("owner ", "owner,guest "), BadSigners::Line(1)),
            (good.replace("release@webizen", "*"), BadSigners::Line(1)),
            (good.replace("namespaces=\"release@webizen\" ", ""), BadSigners::Line(1)),
            (good.replace("owner ", "owner cert-authority,"), BadSigners::Line(1)),
            (good.replace(" ssh-", ",valid-before=\"20300101\" ssh-"), BadSigners::Line(1)),
            (good.replace(" ssh-", "  ssh-"), BadSigners::Key(1, BadKey::Type)),
            (good.replace('\n', "\r\n"), BadSigners::Key(1, BadKey::Line)),
            (good.replace("ssh-ed25519 A", "ssh-rsa A"), BadSigners::Key(1, BadKey::Type)),
            (good.replace("AAAA", "AAA"), BadSigners::Key(1, BadKey::Base64)),
            (format!("#\n{good}{good}"), BadSigners::Repeated(3)),
            ("#".repeat(TEXT_MAX + 1), BadSigners::TooLong),
        ] {
            assert_eq!(Signers::parse(&bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn the_limit_holds_exactly() {
        let of = |count: usize| Signers::of((0..count).map(|seed| key(u8::try_from(seed).unwrap())).collect());
        assert_eq!(Signers::parse(&of(SIGNERS_MAX).render()), Ok(of(SIGNERS_MAX)));
        assert_eq!(Signers::parse(&of(SIGNERS_MAX + 1).render()), Err(BadSigners::TooLong));
    }
}
