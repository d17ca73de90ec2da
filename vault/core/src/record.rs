//! The stored form of a state. Reading one back verifies the owners' signatures again, so a release on disk is only ever as
//! good as its statement, and so are an open question and words of refusal.

use crate::owners::Owners;
use crate::release::Release;
use crate::signed::{NotAccepted, Signed};
use crate::spoken::{Spoken, Words};
use crate::state::{Asked, Blank, Closing, Cooling, Draft, Exchange, LaneId, Request, Stage, State, Told, Why};
use serde::{Deserialize, Serialize};
use shared::ids::{CollectionId, Nonce};
use shared::message::Filing;
use shared::time::Time;
use shared::tlog::Origin;

/// A [`State`] as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    filing: Filing,
    lane: LaneId,
    filed_at: Time,
    talk: Vec<Exchange>,
    stage: StageRecord,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum StageRecord {
    Received,
    AwaitingAnswer(Blank),
    AwaitingOwner { draft: Draft, pending: Option<Signed> },
    AwaitingVisitor { asked: Signed, draft: Option<Draft>, nonce: Nonce, pending: Option<Signed> },
    Cooling { signed: Signed, cooling: Cooling },
    Released(ReleaseRecord),
    Closed { why: Why, at: Time, told: ToldRecord, release: Option<ReleaseRecord> },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseRecord {
    signed: Signed,
    collections: Vec<CollectionId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum ToldRecord {
    Over,
    Nothing { until: Time, question: Option<Signed> },
    Words { until: Time, refusal: Signed },
}

/// Why a stored state is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// A statement no longer verifies.
    #[error("a stored statement does not verify: {0}")]
    NotAccepted(#[from] NotAccepted),
    /// The statement verifies, for another request.
    #[error("a stored statement belongs to another request")]
    OtherRequest,
    /// The statement verifies, and says something else than what belongs there.
    #[error("there is a question where words of refusal belong, or the reverse")]
    OtherWords,
}

impl From<&State> for Record {
    fn from(state: &State) -> Self {
        let stage = match &state.stage {
            Stage::Received => StageRecord::Received,
            Stage::AwaitingAnswer(blank) => StageRecord::AwaitingAnswer(blank.clone()),
            Stage::AwaitingOwner(draft, pending) => {
                StageRecord::AwaitingOwner { draft: draft.clone(), pending: pending.clone() }
            }
            Stage::AwaitingVisitor(asked) => {
                let Asked { spoken, draft, nonce, pending } = (**asked).clone();
                StageRecord::AwaitingVisitor { asked: spoken.signed().clone(), draft, nonce, pending }
            }
            Stage::Cooling(release, cooling) => {
                StageRecord::Cooling { signed: release.signed().clone(), cooling: *cooling }
            }
            Stage::Released(release) => StageRecord::Released(ReleaseRecord::from(&**release)),
            Stage::Closed(closing) => StageRecord::Closed {
                why: closing.why,
                at: closing.at,
                told: ToldRecord::from(&closing.told),
                release: closing.release.as_deref().map(ReleaseRecord::from),
            },
        };
        let Request { filing, lane, filed_at } = state.request.clone();
        Self { filing, lane, filed_at, talk: state.talk.clone(), stage }
    }
}

impl From<&Release> for ReleaseRecord {
    fn from(release: &Release) -> Self {
        Self { signed: release.signed().clone(), collections: release.collections().to_vec() }
    }
}

impl From<&Told> for ToldRecord {
    fn from(told: &Told) -> Self {
        match told {
            Told::Over => Self::Over,
            Told::Nothing(until, question) => {
                Self::Nothing { until: *until, question: question.as_ref().map(|q| q.signed().clone()) }
            }
            Told::Words(until, refusal) => Self::Words { until: *until, refusal: refusal.signed().clone() },
        }
    }
}

impl Record {
    /// The state, with everything that was signed verified again.
    ///
    /// # Errors
    /// [`BadRecord`] when a stored statement is not the owners', or not about this request.
    pub fn restore(self, vault: &Origin, owners: &Owners) -> Result<State, BadRecord> {
        let request = Request { filing: self.filing, lane: self.lane, filed_at: self.filed_at };
        let again = Again { vault, owners, request: &request };
        let stage = match self.stage {
            StageRecord::Received => Stage::Received,
            StageRecord::AwaitingAnswer(blank) => Stage::AwaitingAnswer(blank),
            StageRecord::AwaitingOwner { draft, pending } => Stage::AwaitingOwner(draft, pending),
            StageRecord::AwaitingVisitor { asked, draft, nonce, pending } => {
                Stage::AwaitingVisitor(Box::new(Asked { spoken: again.question(asked)?, draft, nonce, pending }))
            }
            StageRecord::Cooling { signed, cooling } => Stage::Cooling(Box::new(again.release(signed)?), cooling),
            StageRecord::Released(release) => Stage::Released(Box::new(again.collected(release)?)),
            StageRecord::Closed { why, at, told, release } => {
                let release = release.map(|release| again.collected(release)).transpose()?.map(Box::new);
                Stage::Closed(Box::new(Closing { why, at, told: again.told(told)?, release }))
            }
        };
        Ok(State { request, talk: self.talk, stage })
    }
}

/// What stored statements are verified against.
struct Again<'a> {
    vault: &'a Origin,
    owners: &'a Owners,
    request: &'a Request,
}

impl Again<'_> {
    fn release(&self, signed: Signed) -> Result<Release, BadRecord> {
        let release = Release::verify(signed, self.vault, self.owners)?;
        if release.is_of(self.request) { Ok(release) } else { Err(BadRecord::OtherRequest) }
    }

    fn collected(&self, ReleaseRecord { signed, collections }: ReleaseRecord) -> Result<Release, BadRecord> {
        Ok(self.release(signed)?.with_collections(collections))
    }

    fn spoken(&self, signed: Signed) -> Result<Spoken, BadRecord> {
        let spoken = Spoken::verify(signed, self.vault, self.owners)?;
        if spoken.is_to(self.request) { Ok(spoken) } else { Err(BadRecord::OtherRequest) }
    }

    fn question(&self, signed: Signed) -> Result<Spoken, BadRecord> {
        let spoken = self.spoken(signed)?;
        if matches!(spoken.words(), Words::Question(..)) { Ok(spoken) } else { Err(BadRecord::OtherWords) }
    }

    fn refusal(&self, signed: Signed) -> Result<Spoken, BadRecord> {
        let spoken = self.spoken(signed)?;
        if matches!(spoken.words(), Words::Refusal(_)) { Ok(spoken) } else { Err(BadRecord::OtherWords) }
    }

    fn told(&self, told: ToldRecord) -> Result<Told, BadRecord> {
        Ok(match told {
            ToldRecord::Over => Told::Over,
            ToldRecord::Nothing { until, question } => {
                Told::Nothing(until, question.map(|signed| self.question(signed)).transpose()?)
            }
            ToldRecord::Words { until, refusal } => Told::Words(until, self.refusal(refusal)?),
        })
    }
}
