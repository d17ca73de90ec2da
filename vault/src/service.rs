//! What the vault answers to a reception's calls.

use crate::daemon::{Vault, now};
use crate::evidence;
use crate::lanes::Greeted;
use crate::store::{self, Filed, WriteError};
use bytes::Bytes;
use link::{CallError, Handler, PayloadWriter, ReplyWriter};
use shared::ids::{CollectionId, Ticket};
use shared::limits;
use shared::message::{Call, Delivery, Filing, Hello, PublicationHead, Refused, Reply, View, Welcome};
use shared::text::Text;
use std::sync::Arc;
use tokio::sync::Semaphore;
use vault_core::{Effect, Input, LaneId, Permit, Rejected, Stage};

/// Seconds after which a full lane may be tried again.
const LANE_FULL_RETRY: u32 = 3600;
/// Seconds after which a delivery may be tried again when all places are taken.
const DELIVERY_RETRY: u32 = 10;

/// Answers for one lane.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) vault: Arc<Vault>,
    pub(crate) lane: LaneId,
    pub(crate) greeted: Greeted,
    /// Payloads on their way at once: the reception keeps this bound too, but it is not believed.
    pub(crate) deliveries: Arc<Semaphore>,
}

impl Handler for Service {
    async fn handle(&self, call: Call, out: ReplyWriter) -> Result<(), CallError> {
        node::danger::point("reply:before");
        match call {
            Call::Hello(hello) => out.reply(&self.welcome(&hello)).await,
            Call::File(filing) => out.reply(&self.file(filing).await).await,
            Call::Status { ticket } => padded(out, &self.view(&ticket)).await,
            Call::Withdraw { ticket } => self.withdraw(&ticket, out).await,
            Call::Collect { ticket, collection, offset } => self.collect(&ticket, collection, offset, out).await,
            Call::Publications { have } => self.publications(have, out).await,
        }?;
        node::danger::point("reply:after");
        Ok(())
    }
}

/// One size for every answer about a request, whatever it says.
async fn padded(out: ReplyWriter, view: &View) -> Result<(), CallError> {
    out.reply_padded(&Reply::View(view.clone()), limits::STATUS_REPLY).await
}

impl Service {
    fn welcome(&self, hello: &Hello) -> Reply {
        let name = Text::new(self.vault.config.name.as_str());
        match (link::negotiate(hello), name) {
            (Some(protocol), Ok(name)) => {
                self.greeted.hello();
                Reply::Welcome(Welcome { protocol, name, version: env!("CARGO_PKG_VERSION").into(), clock: now() })
            }
            _ => Reply::Refused(Refused::Protocol),
        }
    }

    async fn file(&self, filing: Filing) -> Reply {
        let lane = self.lane;
        match self.vault.writer.act(move |t| t.file(filing, lane)).await {
            Ok((Filed::New | Filed::Before, _)) => Reply::Filed,
            Err(error) => Reply::Refused(refused(&error)),
        }
    }

    fn view(&self, ticket: &Ticket) -> View {
        self.vault.table.view(ticket.hash(), now())
    }

    /// Answers with the view in any case: whether there was something to withdraw is not told, and what is closed or was never
    /// there takes one path.
    async fn withdraw(&self, ticket: &Ticket, out: ReplyWriter) -> Result<(), CallError> {
        if self.view(ticket) == View::Closed {
            return padded(out, &View::Closed).await;
        }
        let hash = ticket.hash();
        match self.vault.writer.act(move |t| t.decide(hash, Input::Withdrawn)).await {
            Ok(_) | Err(WriteError::NoRequest | WriteError::Rejected(_)) => padded(out, &self.view(ticket)).await,
            Err(error) => out.reply(&Reply::Refused(refused(&error))).await,
        }
    }

    async fn collect(
        &self,
        ticket: &Ticket,
        collection: CollectionId,
        offset: u64,
        out: ReplyWriter,
    ) -> Result<(), CallError> {
        // Undecided requests are answered from the table alone, like `status`.
        let view = self.view(ticket);
        if !matches!(view, View::Ready(_)) {
            return padded(out, &view).await;
        }
        let Ok(_place) = self.deliveries.clone().try_acquire_owned() else {
            return out.reply(&Reply::Refused(Refused::Busy { retry_after: DELIVERY_RETRY })).await;
        };
        let hash = ticket.hash();
        match self.vault.writer.act(move |t| t.decide(hash, Input::Collect { collection, offset })).await {
            Ok((_, effects)) => match effects.into_iter().find_map(permit) {
                Some(permit) => self.deliver(permit, ticket, out).await,
                None => padded(out, &self.view(ticket)).await,
            },
            Err(WriteError::Rejected(Rejected::Stage(_))) => padded(out, &self.view(ticket)).await,
            Err(error) => out.reply(&Reply::Refused(refused(&error))).await,
        }
    }

    async fn deliver(&self, permit: Permit, ticket: &Ticket, out: ReplyWriter) -> Result<(), CallError> {
        let (vault, request) = (self.vault.clone(), ticket.hash().request());
        let manifest = permit.manifest().clone();
        let prepared = blocking(move || vault.open(permit, request)).await;
        let (receipt, cursor) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                tracing::error!(request = %request, "a release cannot be served: {error}");
                return out.reply(&Reply::Refused(Refused::Unavailable)).await;
            }
        };
        let head = Reply::Delivery(Box::new(Delivery { manifest, receipt }));
        let writer = out.reply_then(&head).await?;
        self.stream(cursor, writer, request).await
    }

    /// Sends the payload a chunk at a time; one that cannot be read breaks the stream off.
    async fn stream(
        &self,
        mut cursor: store::Cursor,
        mut writer: PayloadWriter,
        request: shared::ids::RequestId,
    ) -> Result<(), CallError> {
        node::danger::point("payload:first");
        loop {
            let readers = self.vault.readers.clone();
            let read = blocking(move || readers.read(|c| cursor.next(c)).map(|data| (data, cursor)));
            let data = match read.await {
                Ok((data, back)) => {
                    cursor = back;
                    data
                }
                Err(error) => {
                    tracing::error!(%request, "a payload cannot be read: {error}");
                    return Ok(());
                }
            };
            if data.is_empty() {
                node::danger::point("payload:last");
                writer.finish();
                return Ok(());
            }
            writer.write(Bytes::from(data)).await?;
        }
    }

    async fn publications(&self, have: u64, out: ReplyWriter) -> Result<(), CallError> {
        let Some(published) = self.vault.published().filter(|p| p.version() > have) else {
            return out.reply(&Reply::Publication(None)).await;
        };
        let signed = published.signed();
        let bundle = published.bundle();
        let head = PublicationHead {
            statement: signed.statement.clone(),
            signature: signed.signature.clone(),
            bytes: bundle.len() as u64,
        };
        let mut writer = out.reply_then(&Reply::Publication(Some(head))).await?;
        for piece in bundle.chunks(limits::CHUNK) {
            writer.write(Bytes::copy_from_slice(piece)).await?;
        }
        writer.finish();
        Ok(())
    }
}

impl Vault {
    /// The receipt and the payload that a permit opens.
    fn open(
        &self,
        permit: Permit,
        request: shared::ids::RequestId,
    ) -> Result<(shared::receipt::Receipt, store::Cursor), WriteError> {
        let state = self.readers.read(|c| store::find(c, request, &self.config.origin, &self.signers))?;
        let Some(Stage::Released(release)) = state.map(|s| s.stage) else { return Err(WriteError::NoRequest) };
        let receipt = evidence::receipt(&self.notary, &release)?;
        let cursor = self.readers.read(|c| store::redeem(c, permit, &self.verified))?;
        let missing = || WriteError::Invalid("the released payload is not in the store".into());
        Ok((receipt, cursor.ok_or_else(missing)?))
    }
}

/// Runs blocking store work beside the runtime.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WriteError> + Send + 'static,
) -> Result<T, WriteError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(WriteError::Stopping))
}

fn permit(effect: Effect) -> Option<Permit> {
    match effect {
        Effect::Serve(permit) => Some(permit),
        Effect::Prepare(_) | Effect::TellOwner | Effect::TellVisitor(..) => None,
    }
}

/// What a reception may know of a failure.
fn refused(error: &WriteError) -> Refused {
    match error {
        WriteError::Conflict | WriteError::Rejected(Rejected::Offset) => Refused::Malformed,
        WriteError::Rejected(Rejected::LaneFull) => Refused::Busy { retry_after: LANE_FULL_RETRY },
        WriteError::Rejected(Rejected::Spent) => Refused::Collected,
        WriteError::Rejected(Rejected::Stage(_) | Rejected::NotApproved(_))
        | WriteError::Published(_)
        | WriteError::NoRequest
        | WriteError::Invalid(_)
        | WriteError::Record(_)
        | WriteError::Altered
        | WriteError::Full
        | WriteError::Lost
        | WriteError::Random
        | WriteError::Stopping
        | WriteError::Sqlite(_) => {
            tracing::warn!("a call was refused: {error}");
            Refused::Unavailable
        }
    }
}
