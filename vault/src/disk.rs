//! The driver's store as the daemon has it: the writer's thread, and readers beside the runtime.

use crate::daemon::Vault;
use crate::driver::{Lane, Store, WriteError};
use crate::evidence;
use crate::store::{self, Cursor};
use shared::ids::{Nonce, RequestId, TicketHash};
use shared::message::{Filing, VisitorAnswer};
use shared::receipt::{Kind, Receipt};
use std::sync::Arc;
use vault_core::{Effect, Input, LaneId, Now, Permit, Spoken, Stage, Words};

/// The real store of one vault.
#[derive(Clone)]
pub(crate) struct Disk(pub(crate) Arc<Vault>);

impl Store for Disk {
    type Cursor = Cursor;

    async fn file(&self, filing: Filing, lane: LaneId) -> Result<(), WriteError> {
        self.0.writer.act(move |t| t.file(filing, lane)).await.map(drop)
    }

    async fn decide(&self, ticket: TicketHash, input: Input) -> Result<Vec<Effect>, WriteError> {
        self.0.writer.act(move |t| t.decide(ticket, input)).await.map(|(_, effects)| effects)
    }

    async fn answer(&self, ticket: TicketHash, question: Nonce, answer: VisitorAnswer) -> Result<(), WriteError> {
        let answered = self.0.writer.act(move |t| {
            let input = Input::Answered { question, answer, fresh: store::nonce()? };
            t.decide(ticket, input)
        });
        answered.await.map(drop)
    }

    async fn words(&self, spoken: Spoken) -> Result<Receipt, WriteError> {
        let vault = self.0.clone();
        blocking(move || words(&vault, &spoken)).await
    }

    async fn keep_clock(&self) -> Result<(), WriteError> {
        self.0.writer.act(|t| t.keep_clock()).await.map(drop)
    }

    async fn prepare(&self, ticket: TicketHash) -> Result<(), WriteError> {
        self.0.writer.act(move |t| t.prepare(ticket)).await.map(drop)
    }

    async fn due(&self, now: Now) -> Result<Vec<TicketHash>, WriteError> {
        let readers = self.0.readers.clone();
        blocking(move || readers.read(|c| store::due(c, now)).map_err(WriteError::from)).await
    }

    async fn open(&self, permit: Permit, request: RequestId) -> Result<(Receipt, Cursor), WriteError> {
        let vault = self.0.clone();
        blocking(move || open(&vault, permit, request)).await
    }

    async fn next(&self, mut cursor: Cursor) -> Result<(Vec<u8>, Cursor), WriteError> {
        let readers = self.0.readers.clone();
        blocking(move || readers.read(|c| cursor.next(c)).map(|data| (data, cursor))).await
    }

    async fn lanes(&self) -> Result<Vec<Lane>, WriteError> {
        let readers = self.0.readers.clone();
        blocking(move || readers.read(store::lanes)).await
    }
}

fn open(vault: &Vault, permit: Permit, request: RequestId) -> Result<(Receipt, Cursor), WriteError> {
    let state = vault.readers.read(|c| store::find(c, request, &vault.config.origin, &vault.owners))?;
    let Some(Stage::Released(release)) = state.map(|s| s.stage) else { return Err(WriteError::NoRequest) };
    let receipt = evidence::receipt(&vault.notary, request, Kind::Approved, release.signed())?;
    let cursor = vault.readers.read(|c| store::redeem(c, permit, &vault.verified))?;
    let missing = || WriteError::Damaged("the released payload is not in the store".into());
    Ok((receipt, cursor.ok_or_else(missing)?))
}

fn words(vault: &Vault, spoken: &Spoken) -> Result<Receipt, WriteError> {
    let kind = match spoken.words() {
        Words::Question(..) => Kind::Asked,
        Words::Refusal(_) => Kind::Refused,
    };
    evidence::receipt(&vault.notary, spoken.request(), kind, spoken.signed())
}

/// Runs blocking store work beside the runtime.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WriteError> + Send + 'static,
) -> Result<T, WriteError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(WriteError::Stopping))
}
