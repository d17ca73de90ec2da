//! One vault, its owners, and requests at every stage; all invented.

use super::owner::Owner;
use crate::{
    Authority, Before, Choice, Commit, Draft, Effect, Going, Input, LaneId, Line, Now, Owners, Rejected, Signed, Stage,
    State, Step, Unprepared, approval, decide, file, question, refusal, revocation,
};
use shared::ids::{CollectionId, Digest, ItemId, Nonce, Ticket, TicketHash};
use shared::message::{Filing, Recipient, Subject};
use shared::sshsig::Signers;
use shared::statement::{Approval, Shown, Statement};
use shared::text::Text;
use shared::time::Time;
use shared::tlog::Origin;
use std::convert::Infallible;

/// When the requests of these tests are filed.
pub(super) const FILED: u64 = 1_795_338_843;
pub(super) const PAYLOAD: &[u8] = b"# Curriculum vitae\n\nSam Sample, baker and teacher.\n";
pub(super) const ASK: &str = "Which bakery do you hire for?";
pub(super) const NO: &str = "Not before the spring; ask me again then.";
/// What a stage that follows a signed text or an answer bears.
pub(super) const FRESH: Nonce = Nonce([200; 16]);
/// What the first draft or blank of a request bears.
pub(super) const FIRST: Nonce = Nonce([1; 16]);

/// A transaction that nothing can go wrong with.
pub(super) struct Durable;

impl Commit for Durable {
    type Error = Infallible;
    fn commit(self) -> Result<(), Infallible> {
        Ok(())
    }
}

pub(super) struct World {
    pub(super) keys: Vec<Owner>,
    pub(super) vault: Origin,
    pub(super) owners: Owners,
    pub(super) cooling: u64,
    pub(super) brake: Going,
}

pub(super) fn at(seconds: u64) -> Time {
    Time::from_unix(FILED + seconds)
}

/// An instant that nobody doubts.
pub(super) fn sure(time: Time) -> Now {
    Now { time, waited: time.unix() - FILED, doubt: None }
}

pub(super) fn ticket(who: u8) -> TicketHash {
    Ticket::from_random([who; 32]).hash()
}

pub(super) fn filing(who: u8, subject: Subject) -> Filing {
    let purpose = Text::new("We met at the fair; I am hiring.").unwrap();
    let contact = Some(Text::new("jo@example.org").unwrap());
    Filing { ticket: ticket(who), subject, purpose, contact, recipient: Recipient::Ticket }
}

pub(super) fn item() -> Subject {
    Subject::Item(ItemId([5; 16]))
}

pub(super) fn asks() -> Subject {
    Subject::Question(Text::new("Do you bake rye bread?").unwrap())
}

pub(super) fn draft(nonce: u8) -> Draft {
    Draft {
        subject: Line::Item("Curriculum vitae".into()),
        payload: Digest::of(PAYLOAD),
        bytes: PAYLOAD.len() as u64,
        media_type: Text::new("text/markdown").unwrap(),
        prepared_at: at(1),
        nonce: Nonce([nonce; 16]),
    }
}

pub(super) fn collect(device: u8, offset: u64) -> Input {
    Input::Collect { collection: CollectionId([device; 16]), offset }
}

pub(super) fn sign(signed: Signed) -> Input {
    Input::Signed { signed, fresh: FRESH }
}

pub(super) fn answer(question: Nonce, words: &str) -> Input {
    Input::Answered { question, answer: Text::new(words).unwrap(), fresh: FRESH }
}

/// The effects' names, in their order.
pub(super) fn named(effects: &[Effect]) -> String {
    let name = |effect: &Effect| match effect {
        Effect::Prepare(_) => "prepare",
        Effect::TellOwner => "owner",
        Effect::TellVisitor(..) => "visitor",
        Effect::Serve(_) => "serve",
    };
    effects.iter().map(name).collect::<Vec<_>>().join(" ")
}

/// Opens a step as if it had been committed.
pub(super) fn done<S>(step: Step<S>) -> (S, Option<crate::LogEntry>, Vec<Effect>) {
    let Ok(effects) = step.effects.open(Durable);
    (step.next, step.entry, effects)
}

/// A step in words: the stage that it leads to, the entry's kind, the effects.
pub(super) fn outcome(step: Step) -> String {
    let (next, entry, effects) = done(step);
    let kind = entry.map_or("-", |entry| entry.kind.as_str());
    format!("{}: {kind}: {}", next.stage.name(), named(&effects))
}

/// Both signatures over one text, in this order.
pub(super) fn together(first: &Signed, second: &Signed) -> Signed {
    assert_eq!(first.statement, second.statement);
    let signatures = [&first.signatures[..], &second.signatures[..]].concat();
    Signed { signatures, ..first.clone() }
}

impl World {
    /// One owner, whose signature releases at once.
    pub(super) fn new() -> Self {
        Self::with(1, 1)
    }

    /// `quorum` of `keys` owners must sign.
    pub(super) fn with(quorum: usize, keys: u8) -> Self {
        let keys: Vec<Owner> = (1..=keys).map(Owner::new).collect();
        let owners = Self::owners(&keys, quorum);
        let vault = Origin::new("vault.example.org/3f2a").unwrap();
        Self { keys, vault, owners, cooling: 0, brake: Going::On }
    }

    pub(super) fn owners(keys: &[Owner], quorum: usize) -> Owners {
        Owners::new(Signers::of(keys.iter().map(Owner::key).collect()), quorum).unwrap()
    }

    pub(super) fn by(&self, now: Now) -> Authority<'_> {
        Authority::new(&self.vault, &self.owners, self.cooling, self.brake, now)
    }

    pub(super) fn step(&self, state: State, input: Input, now: Time) -> Result<Step, Rejected> {
        decide(state, input, &self.by(sure(now)))
    }

    /// The state after `input`, which must be possible.
    pub(super) fn moved(&self, state: State, input: Input, now: Time) -> State {
        self.step(state, input, now).unwrap().next
    }

    pub(super) fn filed(&self, who: u8, subject: Subject) -> State {
        file(filing(who, subject), LaneId(1), &Before::default(), FIRST, sure(at(0))).unwrap().next
    }

    pub(super) fn received(&self, who: u8) -> State {
        self.filed(who, item())
    }

    pub(super) fn asked(&self, who: u8) -> State {
        self.filed(who, asks())
    }

    pub(super) fn unprepared(&self, who: u8) -> State {
        let input = Input::Unprepared { why: Unprepared::NotListed, fresh: FIRST };
        self.moved(self.received(who), input, at(1))
    }

    pub(super) fn awaiting(&self, who: u8, draft: Draft) -> State {
        self.moved(self.received(who), Input::Prepared(draft), at(1))
    }

    /// The approval of `draft` for `who` that is right in every field.
    pub(super) fn approval(&self, who: u8, draft: &Draft, collections: u32) -> Approval {
        let request = self.received(who).request;
        let choice = Choice { shown: Shown::Whole, collections, not_after: at(1000) };
        approval(&self.vault, &request, draft, choice)
    }

    /// The first owner's signature.
    pub(super) fn sign(&self, statement: impl Into<Statement>) -> Signed {
        self.sign_by(0, statement)
    }

    pub(super) fn sign_by(&self, owner: usize, statement: impl Into<Statement>) -> Signed {
        self.keys[owner].sign(&statement.into().render())
    }

    pub(super) fn signed(&self, who: u8, draft: &Draft, collections: u32) -> Signed {
        self.sign(self.approval(who, draft, collections))
    }

    /// The question back that this state allows now.
    pub(super) fn question(&self, state: &State, words: &str, now: Time) -> Statement {
        let nonce = state.stage.nonce().unwrap_or(FIRST);
        question(&self.vault, state, words.into(), now, nonce).into()
    }

    /// The refusal that this state allows now.
    pub(super) fn refusal(&self, state: &State, words: Option<&str>, now: Time) -> Statement {
        let nonce = state.stage.nonce().unwrap_or(FIRST);
        refusal(&self.vault, state, words.map(str::to_owned), now, nonce).into()
    }

    /// The revocation of this state's release.
    pub(super) fn revocation(&self, state: &State, now: Time) -> Statement {
        let (Stage::Cooling(release, _) | Stage::Released(release)) = &state.stage else { panic!("no release") };
        revocation(&self.vault, release, "sent to the wrong person".into(), now, Nonce([9; 16])).into()
    }

    /// The owner asks [`ASK`] back.
    pub(super) fn asked_back(&self, state: State, now: Time) -> State {
        let signed = self.sign(self.question(&state, ASK, now));
        self.moved(state, sign(signed), now)
    }

    /// Released at 2 s, collectable until 1000 s, by two devices.
    pub(super) fn released(&self, who: u8) -> State {
        let signed = self.signed(who, &draft(1), 2);
        self.moved(self.awaiting(who, draft(1)), sign(signed), at(2))
    }

    /// As [`Self::released`], but not before 100 s.
    pub(super) fn cooling(&self, who: u8) -> State {
        let by = Authority { cooling: 98, ..self.by(sure(at(2))) };
        decide(self.awaiting(who, draft(1)), sign(self.signed(who, &draft(1), 2)), &by).unwrap().next
    }

    pub(super) fn collected(&self, who: u8) -> State {
        self.moved(self.released(who), collect(1, 0), at(3))
    }

    pub(super) fn revoked(&self, state: State, now: Time) -> State {
        let signed = self.sign(self.revocation(&state, now));
        self.moved(state, sign(signed), now)
    }

    /// Every stage, once; all but the lapsed and the expired exist at 10 s.
    pub(super) fn stages(&self) -> Vec<(&'static str, State)> {
        let awaiting = || self.awaiting(1, draft(1));
        let asked = || self.asked_back(awaiting(), at(2));
        let refused = self.sign(self.refusal(&awaiting(), Some(NO), at(2)));
        vec![
            ("received", self.received(1)),
            ("question", self.asked(1)),
            ("unprepared", self.unprepared(1)),
            ("awaiting owner", awaiting()),
            ("asked", asked()),
            ("asked about a blank", self.asked_back(self.asked(1), at(2))),
            ("answered", self.moved(asked(), answer(FIRST, "Main Street."), at(3))),
            ("answered to a blank", {
                let asked = self.asked_back(self.asked(1), at(2));
                self.moved(asked, answer(FIRST, "Main Street."), at(3))
            }),
            ("cooling", self.cooling(1)),
            ("released", self.released(1)),
            ("collected", self.collected(1)),
            ("refused", self.moved(awaiting(), Input::Refused, at(2))),
            ("refused with words", self.moved(awaiting(), sign(refused), at(2))),
            ("refused while asked", self.moved(asked(), Input::Refused, at(3))),
            ("withdrawn", self.moved(awaiting(), Input::Withdrawn, at(2))),
            ("withdrawn unseen", self.moved(self.cooling(1), Input::Withdrawn, at(4))),
            ("revoked", self.revoked(self.released(1), at(4))),
            ("revoked while cooling", self.revoked(self.cooling(1), at(4))),
            ("lapsed", self.moved(awaiting(), Input::Tick, at(shared::limits::ASKING_LIFE))),
            ("expired", self.moved(self.collected(1), Input::Tick, at(1000))),
        ]
    }

    /// The stage of this name.
    pub(super) fn stage(&self, name: &str) -> State {
        self.stages().into_iter().find(|(stage, _)| *stage == name).map(|(_, state)| state).unwrap()
    }
}

/// Whether anything of `state` can be collected.
pub(super) fn is_released(state: &State) -> bool {
    matches!(state.stage, Stage::Released(_))
}
