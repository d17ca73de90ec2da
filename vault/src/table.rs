//! What visitors may be told, in memory. Whatever a reception asks of a request that changes nothing is answered from here, and
//! never from the store: what is stored of a request says how it was decided, and to read it takes a time of its own.

use shared::ids::{Digest, Nonce, TicketHash};
use shared::message::{Filing, Manifest, View, VisitorAnswer};
use shared::time::Time;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use vault_core::{LaneId, Shown, Spoken, State, identity};

/// What is told of one request. Of what its visitor must not know, it holds nothing: it is the same whether nobody has decided,
/// or somebody has in a way that must look so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    shown: Shown,
    /// The owner's words that can be read, while `shown` says that there are some.
    words: Option<Spoken>,
    known: Known,
}

/// What a reception has brought itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    /// Which filing it was.
    filed: Digest,
    /// Each question that was answered, and its answer.
    answered: Vec<(Nonce, Digest)>,
}

impl Row {
    /// What is told of this request.
    pub fn of(state: &State) -> Self {
        let filed = identity(&state.request.filing, state.request.lane);
        let answered = state.talk.iter().map(|said| (said.question, digest(&said.answer))).collect();
        Self { shown: state.shown(), words: state.words().cloned(), known: Known { filed, answered } }
    }
}

fn digest(answer: &VisitorAnswer) -> Digest {
    Digest::of(answer.as_str().as_bytes())
}

/// Whether a filing has come before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filed {
    /// Its ticket has not.
    Never,
    /// This very one has.
    Same,
    /// Its ticket has, with something else.
    Other,
}

/// What an answer to a question back meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The question waits for it.
    Open,
    /// The same answer was taken before.
    Taken,
    /// The question was answered with other words, or is not asked.
    Not,
}

/// A ticket's hash as a number, its most significant half first.
type Key = [u128; 2];

/// One row a request, and one that stands for every ticket without a row.
///
/// The rows lie in order because a hash table fetches a row for a ticket that is in it and none for another, and a tree ends
/// sooner for some: both can be measured over the link. Here each look-up halves the whole table equally often, and both the
/// row that was found and the one that stands for none are fetched before one of them is chosen, without a branch: an answer
/// that waits for the near one alone comes some 15 ns sooner.
pub(crate) struct Table(RwLock<Rows>);

struct Rows {
    /// In order.
    keys: Vec<Key>,
    /// The first stands for every key without a row; after it one for each key.
    told: Vec<Told>,
    /// One for each key.
    known: Vec<Known>,
    /// Of the rows that are [`READY`].
    manifests: BTreeMap<Key, Manifest>,
    /// Of the rows that are [`QUESTION`] or [`REFUSED`].
    words: BTreeMap<Key, Spoken>,
}

/// A row in numbers: of two of them, one can be chosen without a branch.
#[derive(Clone, Copy)]
struct Told {
    kind: u64,
    /// In seconds of Unix time.
    until: u64,
}

const CLOSED: u64 = 0;
const WAITING: u64 = 1;
const QUESTION: u64 = 2;
const REFUSED: u64 = 3;
const READY: u64 = 4;

impl Told {
    fn new(shown: &Shown) -> Self {
        let (kind, until) = match shown {
            Shown::Closed => (CLOSED, Time::from_unix(0)),
            Shown::Waiting(until) => (WAITING, *until),
            Shown::Question(until) => (QUESTION, *until),
            Shown::Refused(until) => (REFUSED, *until),
            Shown::Ready(manifest) => (READY, manifest.not_after),
        };
        Self { kind, until: until.unix() }
    }

    /// What was put into the row; a release's manifest is looked up by `ready`.
    fn shown(self, ready: impl FnOnce() -> Option<Manifest>) -> Shown {
        let until = Time::from_unix(self.until);
        match self.kind {
            WAITING => Shown::Waiting(until),
            QUESTION => Shown::Question(until),
            REFUSED => Shown::Refused(until),
            READY => ready().map_or(Shown::Closed, Shown::Ready),
            _ => Shown::Closed,
        }
    }
}

impl ConditionallySelectable for Told {
    fn conditional_select(a: &Self, b: &Self, choice: Choice) -> Self {
        Self {
            kind: u64::conditional_select(&a.kind, &b.kind, choice),
            until: u64::conditional_select(&a.until, &b.until, choice),
        }
    }
}

fn key(ticket: &TicketHash) -> Key {
    let half = |from: usize| {
        let bytes = ticket.0.iter().skip(from).take(16);
        bytes.fold(0, |sum, byte| sum << 8 | u128::from(*byte))
    };
    [half(0), half(16)]
}

impl Rows {
    /// The place in `told` of the last row that is not above this key, and whether it is the key's own.
    fn find(&self, key: Key) -> (usize, Choice) {
        let [high, low] = key;
        // Without `&&` and `||`, which would branch.
        let place = self.keys.partition_point(|held| (held[0] < high) | ((held[0] == high) & (held[1] <= low)));
        let held = self.keys.get(place.saturating_sub(1));
        (place, held.map_or(Choice::from(0), |held| held.ct_eq(&key)))
    }

    /// What a reception has brought for this key, if it has a row.
    fn known(&self, key: Key) -> Option<&Known> {
        let (place, own) = self.find(key);
        if own.into() { self.known.get(place.saturating_sub(1)) } else { None }
    }

    fn set(&mut self, key: Key, Row { shown, words, known }: Row) {
        let told = Told::new(&shown);
        let (place, own) = self.find(key);
        if own.into() {
            self.told[place] = told;
            self.known[place - 1] = known;
        } else {
            self.keys.insert(place, key);
            self.told.insert(place + 1, told);
            self.known.insert(place, known);
        }
        match shown {
            Shown::Ready(manifest) => self.manifests.insert(key, manifest),
            Shown::Waiting(_) | Shown::Question(_) | Shown::Refused(_) | Shown::Closed => self.manifests.remove(&key),
        };
        match words {
            Some(words) => self.words.insert(key, words),
            None => self.words.remove(&key),
        };
    }
}

impl Table {
    pub(crate) fn new(rows: impl IntoIterator<Item = (TicketHash, Row)>) -> Self {
        let told = vec![Told::new(&Shown::Closed)];
        let (manifests, words) = (BTreeMap::new(), BTreeMap::new());
        let mut table = Rows { keys: Vec::new(), told, known: Vec::new(), manifests, words };
        let mut rows: Vec<_> = rows.into_iter().map(|(ticket, row)| (key(&ticket), row)).collect();
        // So that each is put at the end.
        rows.sort_by_key(|(key, _)| *key);
        rows.into_iter().for_each(|(key, row)| table.set(key, row));
        Self(RwLock::new(table))
    }

    pub(crate) fn set(&self, ticket: TicketHash, row: Row) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).set(key(&ticket), row);
    }

    pub(crate) fn view(&self, ticket: TicketHash, now: Time) -> View {
        let rows = self.rows();
        let key = key(&ticket);
        let (place, own) = rows.find(key);
        let told = Told::conditional_select(&rows.told[0], &rows.told[place], own);
        told.shown(|| rows.manifests.get(&key).cloned()).view(now)
    }

    pub(crate) fn filed(&self, filing: &Filing, lane: LaneId) -> Filed {
        match self.rows().known(key(&filing.ticket)) {
            None => Filed::Never,
            Some(known) if known.filed == identity(filing, lane) => Filed::Same,
            Some(_) => Filed::Other,
        }
    }

    /// What an answer meets whose request is not over: that is asked before.
    pub(crate) fn asked(&self, ticket: TicketHash, question: Nonce, answer: &VisitorAnswer) -> Asked {
        let (rows, key) = (self.rows(), key(&ticket));
        let mut answered = rows.known(key).into_iter().flat_map(|known| &known.answered);
        match answered.find(|(earlier, _)| *earlier == question) {
            Some((_, same)) if *same == digest(answer) => Asked::Taken,
            Some(_) => Asked::Not,
            None if rows.words.get(&key).and_then(Spoken::question) == Some(question) => Asked::Open,
            None => Asked::Not,
        }
    }

    /// The owner's words that its visitor can read, while the view says that there are some.
    pub(crate) fn words(&self, ticket: TicketHash) -> Option<Spoken> {
        self.rows().words.get(&key(&ticket)).cloned()
    }

    /// Whether a ticket has a row; for a fault that a test plants.
    pub(crate) fn has(&self, ticket: TicketHash) -> bool {
        self.rows().find(key(&ticket)).1.into()
    }

    fn rows(&self) -> RwLockReadGuard<'_, Rows> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::text::Text;

    fn ticket(who: u8) -> TicketHash {
        TicketHash([who; 32])
    }

    fn at(seconds: u64) -> Time {
        Time::from_unix(seconds)
    }

    fn row(shown: Shown) -> Row {
        Row { shown, words: None, known: Known { filed: Digest([0; 32]), answered: Vec::new() } }
    }

    #[test]
    fn what_was_never_there_is_closed_like_what_is_over() {
        let table = Table::new([(ticket(1), row(Shown::Closed)), (ticket(2), row(Shown::Waiting(at(50))))]);
        for who in [0, 3, 9, 255] {
            assert_eq!(table.view(ticket(1), at(49)), table.view(ticket(who), at(49)));
            assert_eq!(Table::new([]).view(ticket(who), at(49)), View::Closed);
        }
        assert_eq!((table.view(ticket(2), at(49)), table.view(ticket(2), at(50))), (View::Waiting, View::Closed));
    }

    #[test]
    fn the_lowest_ticket_of_all_speaks_for_itself_only() {
        let table = Table::new([]);
        table.set(ticket(0), row(Shown::Question(at(50))));
        let told = [0, 1, 255].map(|who| table.view(ticket(who), at(49)));
        assert_eq!(told, [View::Question, View::Closed, View::Closed]);
        table.set(ticket(0), row(Shown::Refused(at(50))));
        assert_eq!((table.view(ticket(0), at(49)), table.view(ticket(0), at(50))), (View::Refused, View::Closed));
    }

    #[test]
    fn a_row_set_is_the_row_shown_and_no_other_changes() {
        let table = Table::new([(ticket(1), row(Shown::Waiting(at(50))))]);
        let (title, media_type) = (Text::new("Curriculum vitae").unwrap(), Text::new("text/plain").unwrap());
        let manifest = Manifest { title, media_type, bytes: 1, sha256: Digest([3; 32]), not_after: at(60) };
        table.set(ticket(2), row(Shown::Ready(manifest.clone())));
        assert_eq!(table.view(ticket(2), at(59)), View::Ready(manifest));
        assert_eq!(table.view(ticket(2), at(60)), View::Closed);
        assert_eq!(table.view(ticket(1), at(49)), View::Waiting);
        table.set(ticket(2), row(Shown::Closed));
        assert_eq!(table.view(ticket(2), at(59)), View::Closed);
    }
}
