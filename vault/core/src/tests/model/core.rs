//! The shipped release core, asked once for each question that a search puts to it. It is pure, so the answer is kept.

use super::acts::Say;
use super::known::{Kept, Known};
use super::papers::{OWNERS, Papers, Sheet, Text};
use crate::danger::{Danger, Planted};
use crate::{
    Authority, Before, Brake, Commit, Count, Draft, Effect, Full, Going, Input, LaneId, Line, LogEntry, Now, Owners,
    Record, Rejected, State, Step, Unprepared, decide, file,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::ids::{CollectionId, Digest, ItemId, Nonce, Ticket, TicketHash};
use shared::message::{Filing, Recipient, Subject};
use shared::statement::Statement;
use shared::text::Text as Words;
use shared::time::Time;
use shared::tlog::{LeafKind, Origin};
use std::convert::Infallible;

/// How many owners must sign, and how long an approval cools off; fixed for a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Setup {
    pub(super) quorum: usize,
    pub(super) cooling: u64,
}

/// A request as it lies on the disk, and how many nonces were made for it.
pub(super) struct Case {
    pub(super) setup: Setup,
    pub(super) request: usize,
    pub(super) nonces: u8,
    pub(super) state: State,
    /// Whether reading it back from the disk gives the same.
    pub(super) restores: bool,
    /// The owners' words that its visitor may read.
    pub(super) words: Option<Known<Text>>,
}

/// The brake as it lies on the disk, and how many nonces were made for it.
pub(super) struct Handle {
    pub(super) setup: Setup,
    pub(super) nonces: u8,
    pub(super) brake: Brake,
    pub(super) restores: bool,
}

/// What can be put to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Put {
    Prepared,
    Unprepared,
    Composed,
    Signed(Known<Text>, Sheet),
    Refused,
    Answered(Nonce),
    Withdrawn,
    Collect { device: u8, offset: u64 },
    Tick,
}

/// The rest of what an answer depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Moment {
    pub(super) now: Now,
    pub(super) going: Going,
}

/// What a new request meets, in the vault of one setup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Filed {
    pub(super) setup: Setup,
    pub(super) request: usize,
    pub(super) lane: usize,
    pub(super) first: Option<Time>,
    pub(super) refused_at: Option<Time>,
    pub(super) now: Now,
}

/// What is handed in for the brake, and when.
type Braked = (Known<Handle>, Known<Text>, Sheet, Now);

/// The core's answer.
pub(super) type Answer<S> = Result<Moved<S>, Rejected>;

/// A step that the core took.
pub(super) struct Moved<S: 'static> {
    pub(super) next: Known<S>,
    pub(super) entry: Option<Logged>,
    pub(super) effects: Vec<Effected>,
}

/// What the log keeps of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Logged {
    pub(super) kind: LeafKind,
    pub(super) time: Time,
    /// The text that the entry commits to, and whose signatures over it.
    pub(super) says: Option<(Known<Text>, [bool; OWNERS])>,
}

/// An effect, as far as anybody can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effected {
    Prepare,
    TellOwner,
    TellVisitor,
    Serve { payload: Digest, bytes: u64, offset: u64, not_after: Time },
}

/// Stands in for the transaction while an answer is looked at; the drivers' own seal is put on again around it.
struct Looked;

impl Commit for Looked {
    type Error = Infallible;
    fn commit(self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// When the first requests are filed.
pub(super) const START: u64 = 1_795_338_843;
pub(super) const LANE: LaneId = LaneId(1);

/// The ticket of a request.
pub(super) fn ticket(request: usize) -> TicketHash {
    Ticket::from_random([u8::try_from(request).unwrap() + 1; 32]).hash()
}

/// One request asks for an item. The others ask a question, all the same one.
pub(super) fn filing(request: usize) -> Filing {
    let subject = match request {
        0 => Subject::Item(ItemId([5; 16])),
        _ => Subject::Question(Words::new("Do you bake rye bread?").unwrap()),
    };
    let purpose = Words::new("I am hiring.").unwrap();
    Filing { ticket: ticket(request), subject, purpose, contact: None, recipient: Recipient::Ticket }
}

/// The number of a nonce within its request.
pub(super) fn number(nonce: Nonce) -> u8 {
    nonce.0[1]
}

fn nonce(owner: usize, number: u8) -> Nonce {
    let mut bytes = [0; 16];
    (bytes[0], bytes[1]) = (u8::try_from(owner).unwrap() + 1, number);
    Nonce(bytes)
}

/// The brake's nonces are told from the requests' by this.
const BRAKE: usize = 100;

/// The core of a vault, and what it was asked.
pub(super) struct Core {
    pub(super) vault: Origin,
    pub(super) papers: Papers,
    planted: Option<Planted>,
    owners: [Owners; OWNERS],
    cases: Kept<(Setup, u8, String), Case>,
    handles: Kept<(Setup, u8, String), Handle>,
    filed: Kept<Filed, Result<Moved<Case>, Full>>,
    moved: Kept<(Known<Case>, Put, Moment), Answer<Case>>,
    braked: Kept<Braked, Answer<Handle>>,
    pub(super) written: Kept<(Known<Case>, Say, Time), Known<Text>>,
    pub(super) pulled: Kept<(Known<Handle>, Time), Known<Text>>,
}

impl Core {
    pub(super) fn new(planted: Option<Planted>) -> Self {
        let papers = Papers::new();
        let mut owners = [papers.owners(1), papers.owners(2)];
        owners.iter_mut().for_each(|owners| owners.danger = Danger { planted });
        Self {
            vault: Origin::new("vault.example.org/3f2a").unwrap(),
            papers,
            planted,
            owners,
            cases: Kept::new(),
            handles: Kept::new(),
            filed: Kept::new(),
            moved: Kept::new(),
            braked: Kept::new(),
            written: Kept::new(),
            pulled: Kept::new(),
        }
    }

    /// How many different questions were put to the core, and how many different rows came out.
    pub(super) fn asked(&self) -> (usize, usize) {
        let questions = self.filed.len() + self.moved.len() + self.braked.len();
        (questions, self.cases.len() + self.handles.len())
    }

    /// The brake of a new vault.
    pub(super) fn off(&self, setup: Setup) -> Known<Handle> {
        self.handle(setup, 0, Brake::off(nonce(BRAKE, 0)))
    }

    /// What filing comes to.
    pub(super) fn file(&self, filed: Filed) -> Known<Result<Moved<Case>, Full>> {
        self.filed.of(filed, || {
            let lane = Count { filed: filed.lane, first: filed.first };
            let before = Before { lane, refused_at: filed.refused_at, ..Before::default() };
            let fresh = nonce(filed.request, 1);
            let step = file(filing(filed.request), LANE, &before, fresh, filed.now)?;
            Ok(self.moved(filed.setup, filed.request, 0, fresh, step))
        })
    }

    /// What putting this to a request comes to.
    pub(super) fn put(&self, case: Known<Case>, put: Put, moment: Moment) -> Known<Answer<Case>> {
        self.moved.of((case, put, moment), || {
            let fresh = nonce(case.request, case.nonces + 1);
            let input = input(&case, put, fresh, moment.now.time);
            let step = decide(case.state.clone(), input, &self.authority(case.setup, moment))?;
            Ok(self.moved(case.setup, case.request, case.nonces, fresh, step))
        })
    }

    /// What putting this to the brake comes to.
    pub(super) fn brake(
        &self,
        handle: Known<Handle>,
        text: Known<Text>,
        sheet: Sheet,
        now: Now,
    ) -> Known<Answer<Handle>> {
        self.braked.of((handle, text, sheet, now), || {
            let moment = Moment { now, going: handle.brake.going() };
            let (fresh, by) = (nonce(BRAKE, handle.nonces + 1), self.authority(handle.setup, moment));
            let Step { next, entry, effects } = handle.brake.clone().decide(text.on(sheet), fresh, &by)?;
            let nonces = handle.nonces + u8::from(next.nonce() == fresh);
            let (entry, effects) = self.look(entry, effects);
            Ok(Moved { next: self.handle(handle.setup, nonces, next), entry, effects })
        })
    }

    fn authority(&self, setup: Setup, moment: Moment) -> Authority<'_> {
        let owners = &self.owners[setup.quorum - 1];
        let by = Authority::new(&self.vault, owners, setup.cooling, moment.going, moment.now);
        Authority { danger: Danger { planted: self.planted }, ..by }
    }

    fn moved(&self, setup: Setup, request: usize, nonces: u8, fresh: Nonce, step: Step) -> Moved<Case> {
        let Step { next, entry, effects } = step;
        let nonces = nonces + u8::from(next.stage.nonce() == Some(fresh));
        let (entry, effects) = self.look(entry, effects);
        Moved { next: self.case(setup, request, nonces, next), entry, effects }
    }

    fn look(
        &self,
        entry: Option<LogEntry>,
        effects: crate::AfterCommit<Vec<Effect>>,
    ) -> (Option<Logged>, Vec<Effected>) {
        let Ok(effects) = effects.open(Looked);
        (entry.map(|entry| self.logged(&entry)), effects.into_iter().map(effected).collect())
    }

    /// Who signed is told by the signatures as the owners made them, not by the core's word.
    fn logged(&self, entry: &LogEntry) -> Logged {
        let text = std::str::from_utf8(&entry.parts[0]).ok().and_then(|words| self.papers.find(words));
        let signed =
            |text: &Text, owner: usize| entry.parts.iter().any(|part| *part == text.signatures[owner].as_bytes());
        let says = text.map(|text| (text, std::array::from_fn(|owner| signed(&text, owner))));
        Logged { kind: entry.kind, time: entry.time, says }
    }

    fn case(&self, setup: Setup, request: usize, nonces: u8, state: State) -> Known<Case> {
        let record = serde_json::to_string(&Record::from(&state)).unwrap();
        let owners = &self.owners[setup.quorum - 1];
        self.cases.of((setup, nonces, record.clone()), || {
            let again = serde_json::from_str::<Record>(&record).unwrap().restore(&self.vault, owners);
            let restores = again.as_ref() == Ok(&state);
            let words = state.words().and_then(|spoken| self.papers.find(&spoken.signed().statement));
            Case { setup, request, nonces, state, restores, words }
        })
    }

    fn handle(&self, setup: Setup, nonces: u8, brake: Brake) -> Known<Handle> {
        let record = serde_json::to_string(&brake).unwrap();
        self.handles.of((setup, nonces, record.clone()), || {
            let restores = again(&brake) == brake;
            Handle { setup, nonces, brake, restores }
        })
    }
}

fn again<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

fn effected(effect: Effect) -> Effected {
    match effect {
        Effect::Prepare(_) => Effected::Prepare,
        Effect::TellOwner => Effected::TellOwner,
        Effect::TellVisitor(..) => Effected::TellVisitor,
        Effect::Serve(permit) => Effected::Serve {
            payload: permit.payload(),
            bytes: permit.bytes(),
            offset: permit.offset(),
            not_after: permit.manifest().not_after,
        },
    }
}

fn input(case: &Case, put: Put, fresh: Nonce, now: Time) -> Input {
    match put {
        Put::Prepared | Put::Composed => {
            let payload = format!("What request {} gets, {}.\n", case.request, number(fresh));
            let subject = match case.request {
                0 => Line::Item("Curriculum vitae".into()),
                _ => Line::Question("Do you bake rye bread?".into()),
            };
            let (bytes, media_type) = (payload.len() as u64, Words::new("text/plain").unwrap());
            let payload = Digest::of(payload.as_bytes());
            let draft = Draft { subject, payload, bytes, media_type, prepared_at: now, nonce: fresh };
            if put == Put::Prepared { Input::Prepared(draft) } else { Input::Composed(draft) }
        }
        Put::Unprepared => Input::Unprepared { why: Unprepared::NotListed, fresh },
        Put::Signed(text, sheet) => Input::Signed { signed: text.on(sheet), fresh },
        Put::Refused => Input::Refused,
        Put::Answered(question) => {
            Input::Answered { question, answer: Words::new("For the bakery in Mill Lane.").unwrap(), fresh }
        }
        Put::Withdrawn => Input::Withdrawn,
        Put::Collect { device, offset } => Input::Collect { collection: CollectionId([device; 16]), offset },
        Put::Tick => Input::Tick,
    }
}

/// The approval that a text is, if it is one.
pub(super) fn approval(text: &Text) -> Option<&shared::statement::Approval> {
    if let Statement::Approval(said) = &text.statement { Some(said) } else { None }
}
