//! The canary oracle: what must not be heard, where, and in which disguises.
//!
//! A canary is something private, with a name. It may be heard at no [`Sink`] until the test says that the owner's approval,
//! or the way that a visitor's own words take, allows it there. Whatever leaves a node is handed to the oracle, sink by
//! sink, and each canary in it that is not allowed is a [`Leak`].
//!
//! Every canary is looked for as it is and as text, JSON, URLs, base64, hexadecimal and the like would carry it; not
//! compressed or encrypted, which nothing here does but TLS and the store.

use aho_corasick::AhoCorasick;
use std::collections::{BTreeMap, BTreeSet};

mod disguise;

pub use disguise::disguises;

/// Where something can come out of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sink {
    /// The link, towards the vault.
    Calls,
    /// The link, from the vault: replies, payloads and hints.
    Replies,
    /// HTTP, towards the reception.
    PageRequests,
    /// HTTP, from the reception.
    PageResponses,
    /// Targets and referrers that browsers send, locations that they are sent to, and links.
    Urls,
    /// What the vault logs, for debugging.
    VaultLog,
    /// What the reception logs, for debugging.
    ReceptionLog,
    /// What the vault writes when it panics or is aborted.
    VaultPanic,
    /// What the reception writes when it panics or is aborted.
    ReceptionPanic,
    /// The vault's core files.
    VaultCore,
    /// The reception's core files.
    ReceptionCore,
    /// The vault's files but for its keys' own.
    VaultDisk,
    /// The reception's files but for its keys' own.
    ReceptionDisk,
    /// The folder that editors and viewers work in.
    Scratch,
    /// What visitors keep as proof.
    Receipts,
    /// The vault's name, command line and environment, as the system shows them.
    VaultProcess,
    /// The reception's name, command line and environment.
    ReceptionProcess,
    /// Whatever answers at another address than the page's and the link's, and at the page's usual places for figures.
    Metrics,
}

impl Sink {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Calls,
        Self::Replies,
        Self::PageRequests,
        Self::PageResponses,
        Self::Urls,
        Self::VaultLog,
        Self::ReceptionLog,
        Self::VaultPanic,
        Self::ReceptionPanic,
        Self::VaultCore,
        Self::ReceptionCore,
        Self::VaultDisk,
        Self::ReceptionDisk,
        Self::Scratch,
        Self::Receipts,
        Self::VaultProcess,
        Self::ReceptionProcess,
        Self::Metrics,
    ];
}

/// A canary heard where nothing allows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leak {
    /// The canary's name.
    pub canary: &'static str,
    /// Where it was heard.
    pub sink: Sink,
    /// In which disguise.
    pub disguise: &'static str,
}

/// Knows the canaries and their rules, and has heard what it was handed.
#[derive(Clone, Default)]
pub struct Oracle {
    rules: BTreeMap<&'static str, BTreeSet<Sink>>,
    patterns: Vec<Pattern>,
    search: Option<AhoCorasick>,
    heard: BTreeSet<(&'static str, Sink)>,
    leaks: BTreeSet<Leak>,
    bytes: BTreeMap<Sink, u64>,
}

#[derive(Clone)]
struct Pattern {
    canary: &'static str,
    disguise: &'static str,
    bytes: Vec<u8>,
}

impl Oracle {
    /// Plants a canary that may be heard at these sinks from the beginning.
    ///
    /// # Panics
    /// When it is so short that chance would say it, or its name is taken.
    pub fn plant(&mut self, canary: &'static str, bytes: &[u8], allowed: &[Sink]) {
        assert!(bytes.len() >= 16, "{canary}: chance says {} bytes", bytes.len());
        let before = self.rules.insert(canary, allowed.iter().copied().collect());
        assert!(before.is_none(), "{canary} is planted already");
        self.spell(canary, disguises(bytes));
    }

    /// Adds spellings that are the canary's own.
    pub fn spell(&mut self, canary: &'static str, spellings: impl IntoIterator<Item = (&'static str, Vec<u8>)>) {
        let spelled = spellings.into_iter().map(|(disguise, bytes)| Pattern { canary, disguise, bytes });
        self.patterns.extend(spelled);
        let all = self.patterns.iter().map(|pattern| &pattern.bytes);
        self.search = Some(AhoCorasick::new(all).expect("so few patterns fit"));
    }

    /// From now on the canary may be heard at these sinks too.
    pub fn allow(&mut self, canary: &str, sinks: &[Sink]) {
        self.rules.get_mut(canary).expect("the canary is planted").extend(sinks);
    }

    /// From now on the canary must not be heard at this sink any more.
    pub fn forbid(&mut self, canary: &str, sink: Sink) {
        self.rules.get_mut(canary).expect("the canary is planted").remove(&sink);
    }

    /// Hears what came out at a sink.
    pub fn hear(&mut self, sink: Sink, bytes: &[u8]) {
        *self.bytes.entry(sink).or_default() += bytes.len() as u64;
        let Some(search) = &self.search else { return };
        for found in search.find_overlapping_iter(bytes) {
            let pattern = &self.patterns[found.pattern().as_usize()];
            self.heard.insert((pattern.canary, sink));
            if !self.rules[pattern.canary].contains(&sink) {
                self.leaks.insert(Leak { canary: pattern.canary, sink, disguise: pattern.disguise });
            }
        }
    }

    /// Whether a canary was heard at a sink, allowed or not.
    pub fn heard(&self, canary: &'static str, sink: Sink) -> bool {
        self.heard.contains(&(canary, sink))
    }

    /// What was heard and must not be.
    pub fn leaks(&self) -> &BTreeSet<Leak> {
        &self.leaks
    }

    /// Takes over what another has heard.
    pub fn join(&mut self, other: &Self) {
        self.heard.extend(&other.heard);
        self.leaks.extend(other.leaks.iter().cloned());
        other.bytes.iter().for_each(|(sink, bytes)| *self.bytes.entry(*sink).or_default() += bytes);
    }

    /// The sinks at which there was nothing to hear.
    pub fn silent(&self) -> Vec<Sink> {
        Sink::ALL.into_iter().filter(|sink| self.bytes.get(sink).is_none_or(|bytes| *bytes == 0)).collect()
    }

    /// The sinks that said something, and the number of canaries, of spellings and of bytes.
    pub fn figures(&self) -> String {
        let bytes: u64 = self.bytes.values().sum();
        let (canaries, spellings) = (self.rules.len(), self.patterns.len());
        let sinks = Sink::ALL.len() - self.silent().len();
        format!("{sinks} sinks, {canaries} canaries in {spellings} spellings, {bytes} bytes searched")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"a word that nobody says: kestrel";

    fn oracle() -> Oracle {
        let mut oracle = Oracle::default();
        oracle.plant("word", SECRET, &[Sink::Calls]);
        oracle
    }

    #[test]
    fn a_canary_leaks_where_nothing_allows_it_and_nowhere_else() {
        let mut oracle = oracle();
        oracle.hear(Sink::Replies, b"nothing of the kind");
        oracle.hear(Sink::Calls, SECRET);
        assert!(oracle.leaks().is_empty() && oracle.heard("word", Sink::Calls) && !oracle.heard("word", Sink::Replies));
        oracle.hear(Sink::Replies, SECRET);
        let leak = Leak { canary: "word", sink: Sink::Replies, disguise: "plain" };
        assert_eq!(oracle.leaks().iter().collect::<Vec<_>>(), [&leak]);
    }

    #[test]
    fn an_approval_opens_one_sink() {
        let mut oracle = oracle();
        oracle.allow("word", &[Sink::Replies]);
        oracle.hear(Sink::Replies, SECRET);
        assert!(oracle.leaks().is_empty());
        oracle.hear(Sink::VaultLog, SECRET);
        assert_eq!(oracle.leaks().len(), 1);
    }

    #[test]
    fn what_is_forbidden_again_leaks_again() {
        let mut oracle = oracle();
        oracle.forbid("word", Sink::Calls);
        oracle.hear(Sink::Calls, SECRET);
        assert_eq!(oracle.leaks().len(), 1);
    }

    #[test]
    fn a_sink_is_silent_until_it_says_something() {
        let mut oracle = oracle();
        oracle.hear(Sink::Scratch, b"");
        assert_eq!(oracle.silent(), Sink::ALL);
        assert!(oracle.figures().starts_with("0 sinks"));
        oracle.hear(Sink::Scratch, b"a name");
        assert!(!oracle.silent().contains(&Sink::Scratch) && oracle.figures().starts_with("1 sinks"));
    }

    #[test]
    fn it_is_heard_in_every_disguise_and_at_every_place() {
        for (disguise, bytes) in disguises(SECRET) {
            let mut oracle = oracle();
            oracle.hear(Sink::Urls, &[b"before", bytes.as_slice(), b"after"].concat());
            assert!(oracle.leaks().iter().any(|leak| leak.disguise == disguise), "{disguise}");
        }
    }
}
