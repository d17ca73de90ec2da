//! The stored form of a state. Reading one back verifies the owner's signature again, so a release on disk is only ever
//! as good as its statement.

use crate::approval::{NotApproved, Signed};
use crate::release::Release;
use crate::state::{Closing, Draft, LaneId, Request, Stage, State, Unprepared};
use serde::{Deserialize, Serialize};
use shared::ids::CollectionId;
use shared::message::Filing;
use shared::sshsig::Signers;
use shared::statement::RecipientLine;
use shared::time::Time;
use shared::tlog::Origin;

/// A [`State`] as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    filing: Filing,
    lane: LaneId,
    filed_at: Time,
    stage: StageRecord,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum StageRecord {
    Received,
    AwaitingAnswer(Option<Unprepared>),
    AwaitingOwner(Draft),
    Released { signed: Signed, collections: Vec<CollectionId> },
    Closed(Closing),
}

/// Why a stored state is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// The release's statement no longer verifies against the request.
    #[error("the stored release does not verify: {0}")]
    Release(#[from] NotApproved),
    /// The statement verifies, for another request.
    #[error("the stored release belongs to another request")]
    OtherRequest,
}

impl From<&State> for Record {
    fn from(state: &State) -> Self {
        let stage = match &state.stage {
            Stage::Received => StageRecord::Received,
            Stage::AwaitingAnswer(why) => StageRecord::AwaitingAnswer(*why),
            Stage::AwaitingOwner(draft) => StageRecord::AwaitingOwner(draft.clone()),
            Stage::Released(release) => {
                StageRecord::Released { signed: release.signed().clone(), collections: release.collections().to_vec() }
            }
            Stage::Closed(closing) => StageRecord::Closed(*closing),
        };
        let Request { filing, lane, filed_at } = state.request.clone();
        Self { filing, lane, filed_at, stage }
    }
}

impl Record {
    /// The state, with its release verified again.
    ///
    /// # Errors
    /// [`BadRecord`] when the stored statement is not an owner's approval of this request.
    pub fn restore(self, vault: &Origin, signers: &Signers) -> Result<State, BadRecord> {
        let request = Request { filing: self.filing, lane: self.lane, filed_at: self.filed_at };
        let stage = match self.stage {
            StageRecord::Received => Stage::Received,
            StageRecord::AwaitingAnswer(why) => Stage::AwaitingAnswer(why),
            StageRecord::AwaitingOwner(draft) => Stage::AwaitingOwner(draft),
            StageRecord::Released { signed, collections } => {
                let release = Release::verify(signed, vault, signers)?;
                let recipient = RecipientLine::Ticket(request.filing.ticket);
                if release.approval().request != request.id() || release.approval().recipient != recipient {
                    return Err(BadRecord::OtherRequest);
                }
                Stage::Released(Box::new(release.with_collections(collections)))
            }
            StageRecord::Closed(closing) => Stage::Closed(closing),
        };
        Ok(State { request, stage })
    }
}
