//! What the vault answers to a reception's calls.

use crate::driver::{Driver, Refusal, Store, Told, Trouble, WriteError};
use crate::lanes::Greeted;
use crate::table::{Asked, Filed};
use bytes::Bytes;
use link::{CallError, Handler, PayloadWriter, ReplyWriter};
use shared::ids::{CollectionId, Nonce, RequestId, Ticket, TicketHash};
use shared::limits;
use shared::message::{Call, Delivery, Filing, Hello, PublicationHead, Refused, Reply, View, VisitorAnswer, Welcome};
use shared::seal::Sealed;
use shared::text::Text;
use std::sync::Arc;
use tokio::sync::Semaphore;
use vault_core::{Effect, Input, LaneId, Permit, Rejected};

/// Seconds after which a delivery may be tried again when all places are taken.
const DELIVERY_RETRY: u32 = 10;

/// Answers for one lane.
pub(crate) struct Service<S> {
    pub(crate) driver: Arc<Driver<S>>,
    pub(crate) lane: LaneId,
    pub(crate) greeted: Greeted,
    /// Payloads on their way at once: the reception keeps this bound too, but it is not believed.
    pub(crate) deliveries: Arc<Semaphore>,
}

impl<S> Clone for Service<S> {
    fn clone(&self) -> Self {
        let Self { driver, lane, greeted, deliveries } = self;
        Self { driver: driver.clone(), lane: *lane, greeted: greeted.clone(), deliveries: deliveries.clone() }
    }
}

impl<S: Store> Handler for Service<S> {
    async fn handle(&self, call: Call, out: ReplyWriter) -> Result<(), CallError> {
        node::danger::point("reply:before");
        match call {
            Call::Hello(hello) => out.reply(&self.welcome(&hello)).await,
            Call::File(filing) => out.reply(&self.file(filing).await).await,
            Call::Forward { ticket, sealed } => out.reply(&self.forward(ticket, &sealed).await).await,
            Call::Status { ticket } => self.status(&ticket, out).await,
            Call::Words { ticket } => self.words(&ticket, out).await,
            Call::Answer { ticket, question, text } => self.answer(&ticket, question, text, out).await,
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

impl<S: Store> Service<S> {
    fn welcome(&self, hello: &Hello) -> Reply {
        let name = Text::new(self.driver.name.as_str());
        match (link::negotiate(hello), name) {
            (Some(protocol), Ok(name)) => {
                self.greeted.hello();
                let clock = self.driver.surroundings.wall();
                Reply::Welcome(Welcome { protocol, name, version: env!("CARGO_PKG_VERSION").into(), clock })
            }
            _ => Reply::Refused(Refused::Protocol),
        }
    }

    /// What has come before is answered from memory.
    async fn file(&self, filing: Filing) -> Reply {
        self.slip(filing.ticket).await;
        match self.driver.told.table.filed(&filing, self.lane) {
            Filed::Never => {}
            Filed::Same => return Reply::Filed,
            Filed::Other => return Reply::Refused(self.refused(&WriteError::Conflict)),
        }
        match self.driver.store.file(filing, self.lane).await {
            Ok(()) => Reply::Filed,
            Err(error) => Reply::Refused(self.refused(&error)),
        }
    }

    /// A sealed request goes the way of any other once it is open.
    async fn forward(&self, ticket: TicketHash, sealed: &Sealed) -> Reply {
        match self.driver.sealing.open(&self.driver.origin, &ticket, sealed) {
            Ok(filing) => self.file(filing).await,
            Err(error) => {
                self.driver
                    .told
                    .refused(Refusal::Sealed, format!("what was sealed for request {}: {error}", ticket.request()));
                Reply::Refused(Refused::Malformed)
            }
        }
    }

    fn refused(&self, error: &WriteError) -> Refused {
        refused(error, &self.driver.told)
    }

    fn view(&self, ticket: &Ticket) -> View {
        self.driver.told.view(ticket.hash())
    }

    /// What is planted here reads the stored record for an answer that needs none of it: times tell how the request stands.
    async fn slip(&self, ticket: TicketHash) {
        if node::danger::is_planted("record-read") {
            // Changes nothing before a deadline.
            drop(self.driver.store.decide(ticket, Input::Tick).await);
        }
    }

    /// One path, whatever there is. What is planted is a shorter way for tickets of which nothing is known, which sizes and times
    /// tell, or a little more work for those of which something is, which times alone tell.
    async fn status(&self, ticket: &Ticket, out: ReplyWriter) -> Result<(), CallError> {
        if node::danger::is_planted("early-return") && !self.driver.told.table.has(ticket.hash()) {
            return out.reply(&Reply::View(View::Closed)).await;
        }
        if node::danger::is_planted("delay") && self.driver.told.table.has(ticket.hash()) {
            node::danger::delay();
        }
        padded(out, &self.view(ticket)).await
    }

    /// Answers with the view in any case: whether there was something to withdraw is not told, and what is closed or was never
    /// there takes one path.
    async fn withdraw(&self, ticket: &Ticket, out: ReplyWriter) -> Result<(), CallError> {
        if self.view(ticket) == View::Closed {
            return padded(out, &View::Closed).await;
        }
        match self.driver.store.decide(ticket.hash(), Input::Withdrawn).await {
            Ok(_) | Err(WriteError::NoRequest | WriteError::Rejected(_)) => padded(out, &self.view(ticket)).await,
            Err(error) => out.reply(&Reply::Refused(self.refused(&error))).await,
        }
    }

    /// The owner's words are a release: they are proven by the log, and only while the visitor may know that there are some.
    async fn words(&self, ticket: &Ticket, out: ReplyWriter) -> Result<(), CallError> {
        let view = self.view(ticket);
        if !matches!(view, View::Question | View::Refused) {
            return padded(out, &view).await;
        }
        if self.driver.told.is_frozen() {
            return out.reply(&Reply::Refused(Refused::Paused)).await;
        }
        // Whether the time for them is over is not known.
        if let Some(doubt) = self.driver.told.now().doubt {
            return out.reply(&Reply::Refused(self.refused(&Rejected::Clock(doubt).into()))).await;
        }
        self.slip(ticket.hash()).await;
        // Closed since.
        let Some(spoken) = self.driver.told.table.words(ticket.hash()) else {
            return padded(out, &self.view(ticket)).await;
        };
        match self.driver.store.words(spoken).await {
            Ok(receipt) => out.reply(&Reply::Words(Box::new(receipt))).await,
            Err(error) => out.reply(&Reply::Refused(self.refused(&error))).await,
        }
    }

    /// Answers with the view: that of a closed request, or the one after the answer was taken. One that is not taken is refused in
    /// one way, whatever else has come of the request, and from memory: only what an open question waits for meets the store.
    async fn answer(
        &self,
        ticket: &Ticket,
        question: Nonce,
        text: VisitorAnswer,
        out: ReplyWriter,
    ) -> Result<(), CallError> {
        let view = self.view(ticket);
        if view == View::Closed {
            return padded(out, &view).await;
        }
        self.slip(ticket.hash()).await;
        match self.driver.told.table.asked(ticket.hash(), question, &text) {
            Asked::Open => {}
            Asked::Taken => return padded(out, &view).await,
            Asked::Not => return out.reply(&Reply::Refused(Refused::Answered)).await,
        }
        match self.driver.store.answer(ticket.hash(), question, text).await {
            Ok(()) => padded(out, &self.view(ticket)).await,
            Err(WriteError::NoRequest | WriteError::Rejected(Rejected::Stage(_))) => {
                out.reply(&Reply::Refused(Refused::Answered)).await
            }
            Err(error) => out.reply(&Reply::Refused(self.refused(&error))).await,
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
        if view == View::Paused {
            return out.reply(&Reply::Refused(Refused::Paused)).await;
        }
        if !matches!(view, View::Ready(_)) {
            return padded(out, &view).await;
        }
        let Ok(_place) = self.deliveries.clone().try_acquire_owned() else {
            return out.reply(&Reply::Refused(Refused::Busy { retry_after: DELIVERY_RETRY })).await;
        };
        match self.driver.store.decide(ticket.hash(), Input::Collect { collection, offset }).await {
            Ok(effects) => match effects.into_iter().find_map(permit) {
                Some(permit) => self.deliver(permit, ticket, out).await,
                None => padded(out, &self.view(ticket)).await,
            },
            Err(WriteError::Rejected(Rejected::Stage(_))) => padded(out, &self.view(ticket)).await,
            Err(error) => out.reply(&Reply::Refused(self.refused(&error))).await,
        }
    }

    async fn deliver(&self, permit: Permit, ticket: &Ticket, out: ReplyWriter) -> Result<(), CallError> {
        let request = ticket.hash().request();
        let manifest = permit.manifest().clone();
        let (receipt, cursor) = match self.driver.store.open(permit, request).await {
            Ok(prepared) => prepared,
            Err(error) => {
                self.unserved(request, &error);
                return out.reply(&Reply::Refused(Refused::Unavailable)).await;
            }
        };
        let head = Reply::Delivery(Box::new(Delivery { manifest, receipt }));
        let writer = out.reply_then(&head).await?;
        self.stream(cursor, writer, ticket.hash()).await
    }

    /// Sends the payload a chunk at a time; one that cannot be read breaks the stream off, and so does an owner who revokes the
    /// release or stops all.
    async fn stream(
        &self,
        mut cursor: S::Cursor,
        mut writer: PayloadWriter,
        ticket: TicketHash,
    ) -> Result<(), CallError> {
        let request = ticket.request();
        node::danger::point("payload:first");
        loop {
            if !matches!(self.driver.told.view(ticket), View::Ready(_)) {
                tracing::info!(%request, "a delivery was broken off: the release has ended or is stopped");
                return Ok(());
            }
            let data = match self.driver.store.next(cursor).await {
                Ok((data, back)) => {
                    cursor = back;
                    data
                }
                Err(error) => {
                    self.unserved(request, &error);
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

    fn unserved(&self, request: RequestId, error: &WriteError) {
        let what = format!("the release of request {request} cannot be served: {error}");
        self.driver.told.troubled(Trouble::Serving, what);
    }

    async fn publications(&self, have: u64, out: ReplyWriter) -> Result<(), CallError> {
        if self.driver.told.is_frozen() {
            return out.reply(&Reply::Refused(Refused::Paused)).await;
        }
        let Some(published) = self.driver.told.published().filter(|p| p.version() > have) else {
            return out.reply(&Reply::Publication(None)).await;
        };
        let signed = published.signed();
        let bundle = published.bundle();
        let head = PublicationHead {
            statement: signed.statement.clone(),
            signatures: signed.signatures.clone(),
            bytes: bundle.len() as u64,
        };
        let mut writer = out.reply_then(&Reply::Publication(Some(head))).await?;
        for piece in bundle.chunks(limits::CHUNK) {
            if self.driver.told.is_frozen() {
                return Ok(());
            }
            writer.write(Bytes::copy_from_slice(piece)).await?;
        }
        writer.finish();
        Ok(())
    }
}

fn permit(effect: Effect) -> Option<Permit> {
    match effect {
        Effect::Serve(permit) => Some(permit),
        Effect::Prepare(_) | Effect::TellOwner | Effect::TellVisitor(..) => None,
    }
}

/// What a reception may know of a failure.
fn refused(error: &WriteError, told: &Told) -> Refused {
    match error {
        WriteError::Conflict | WriteError::Rejected(Rejected::Offset) => Refused::Malformed,
        WriteError::Rejected(Rejected::Full(full)) => {
            told.refused(Refusal::Full, full.to_string());
            let seconds = full.room_at.unix().saturating_sub(told.now().time.unix()).max(1);
            Refused::Busy { retry_after: u32::try_from(seconds).unwrap_or(u32::MAX) }
        }
        WriteError::Rejected(Rejected::Spent) => Refused::Collected,
        WriteError::Rejected(Rejected::Frozen) => Refused::Paused,
        WriteError::Rejected(Rejected::OtherQuestion) => Refused::Answered,
        WriteError::Rejected(
            Rejected::Stage(_) | Rejected::NotAccepted(_) | Rejected::Clock(_) | Rejected::Questions,
        )
        | WriteError::Published(_)
        | WriteError::NoRequest
        | WriteError::Invalid(_)
        | WriteError::Damaged(_)
        | WriteError::Record(_)
        | WriteError::Altered
        | WriteError::Full
        | WriteError::Lost
        | WriteError::Random
        | WriteError::Stopping
        | WriteError::Sqlite(_) => {
            told.refused(Refusal::Other, error.to_string());
            Refused::Unavailable
        }
    }
}
