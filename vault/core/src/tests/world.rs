//! One vault, its owner, and requests at every stage; all invented.

use super::owner::Owner;
use crate::{
    Authority, Choice, Commit, Draft, Effect, Input, LaneId, Line, Rejected, Signed, Stage, State, Step, Unprepared,
    approval, decide, file,
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

/// A transaction that nothing can go wrong with.
pub(super) struct Durable;

impl Commit for Durable {
    type Error = Infallible;
    fn commit(self) -> Result<(), Infallible> {
        Ok(())
    }
}

pub(super) struct World {
    pub(super) owner: Owner,
    pub(super) vault: Origin,
    pub(super) signers: Signers,
}

pub(super) fn at(seconds: u64) -> Time {
    Time::from_unix(FILED + seconds)
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

pub(super) fn question() -> Subject {
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
pub(super) fn done(step: Step) -> (State, Option<crate::LogEntry>, Vec<Effect>) {
    let Ok(effects) = step.effects.open(Durable);
    (step.next, step.entry, effects)
}

impl World {
    pub(super) fn new() -> Self {
        let owner = Owner::new(1);
        let signers = owner.signers();
        Self { owner, vault: Origin::new("vault.example.org/3f2a").unwrap(), signers }
    }

    pub(super) fn step(&self, state: State, input: Input, now: Time) -> Result<Step, Rejected> {
        decide(state, input, &Authority { vault: &self.vault, signers: &self.signers, now })
    }

    /// The state after `input`, which must be possible.
    pub(super) fn moved(&self, state: State, input: Input, now: Time) -> State {
        self.step(state, input, now).unwrap().next
    }

    pub(super) fn received(&self, who: u8) -> State {
        file(filing(who, item()), LaneId(1), 0, at(0)).unwrap().next
    }

    pub(super) fn asked(&self, who: u8) -> State {
        file(filing(who, question()), LaneId(1), 0, at(0)).unwrap().next
    }

    pub(super) fn unprepared(&self, who: u8) -> State {
        self.moved(self.received(who), Input::Unprepared(Unprepared::NotListed), at(1))
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

    pub(super) fn sign(&self, statement: impl Into<Statement>) -> Signed {
        self.owner.sign(&statement.into().render())
    }

    pub(super) fn signed(&self, who: u8, draft: &Draft, collections: u32) -> Signed {
        self.sign(self.approval(who, draft, collections))
    }

    /// Released at 2 s, collectable until 1000 s, by two devices.
    pub(super) fn released(&self, who: u8) -> State {
        let signed = self.signed(who, &draft(1), 2);
        self.moved(self.awaiting(who, draft(1)), Input::Approved(signed), at(2))
    }

    pub(super) fn collected(&self, who: u8) -> State {
        self.moved(self.released(who), collect(1, 0), at(3))
    }

    /// Every stage, once; all but the lapsed and the expired exist at 10 s.
    pub(super) fn stages(&self) -> Vec<(&'static str, State)> {
        let lapsed = |state| self.moved(state, Input::Tick, at(shared::limits::ASKING_LIFE));
        vec![
            ("received", self.received(1)),
            ("question", self.asked(1)),
            ("unprepared", self.unprepared(1)),
            ("awaiting owner", self.awaiting(1, draft(1))),
            ("released", self.released(1)),
            ("collected", self.collected(1)),
            ("refused", self.moved(self.awaiting(1, draft(1)), Input::Refused, at(2))),
            ("withdrawn", self.moved(self.awaiting(1, draft(1)), Input::Withdrawn, at(2))),
            ("lapsed", lapsed(self.awaiting(1, draft(1)))),
            ("expired", self.moved(self.collected(1), Input::Tick, at(1000))),
        ]
    }
}

/// Whether anything of `state` can be collected.
pub(super) fn is_released(state: &State) -> bool {
    matches!(state.stage, Stage::Released(_))
}
