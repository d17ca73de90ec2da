//! The daemon's side of the desk.

use super::cases::{Context, fate, pending};
use super::message::{About, BrakeFacts, Case, ClockFacts, DeskCall, DeskReply, Evidence, FailureKind, Reception};
use crate::daemon::Vault;
use crate::disk::blocking;
use crate::evidence;
use crate::lanes::Links;
use crate::store::{self, Cursor, NewItem, Upload, UploadError, Uploaded, WriteError};
use shared::frame::{self, FrameError};
use shared::ids::RequestId;
use shared::limits;
use shared::message::MediaType;
use shared::pairing::ReceptionLine;
use shared::receipt::Kind;
use shared::time::Time;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use vault_core::{Brake, Input, Rejected, Signed, Stage, State};

/// Seconds.
const DAY: u64 = 86_400;

/// Serves the desk until the process ends. Only users that the configuration names are heard.
pub(crate) async fn serve(listener: UnixListener, vault: Arc<Vault>, links: Links) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::error!("the desk cannot accept: {error}");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let uid = stream.peer_cred().map(|c| c.uid());
        let (vault, links) = (vault.clone(), links.clone());
        tokio::spawn(async move {
            let mut desk = Desk { stream, vault, links };
            let allowed = uid.is_ok_and(|uid| desk.vault.config.desk_uids.contains(&uid));
            let served = if allowed { desk.answer().await } else { desk.turn_away().await };
            if let Err(error) = served {
                tracing::debug!("a desk connection ended early: {error}");
            }
        });
    }
}

/// Why a connection ends without its answer.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Why a call is not carried out.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Upload(#[from] UploadError),
    #[error("{0}")]
    Invalid(String),
    #[error("the command ended before all its bytes had arrived; nothing was kept")]
    Cut,
}

impl From<std::io::Error> for Failure {
    fn from(_: std::io::Error) -> Self {
        Self::Cut
    }
}

impl Failure {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Write(error) | Self::Upload(UploadError::Write(error)) => match error {
                error if error.is_integrity() => FailureKind::Integrity,
                WriteError::Rejected(Rejected::NotAccepted(_) | Rejected::Frozen | Rejected::Clock(_))
                | WriteError::Published(_) => FailureKind::Refused,
                WriteError::Rejected(_)
                | WriteError::NoRequest
                | WriteError::Conflict
                | WriteError::Invalid(_)
                | WriteError::Damaged(_)
                | WriteError::Record(_)
                | WriteError::Altered
                | WriteError::Sqlite(_)
                | WriteError::Full
                | WriteError::Random => FailureKind::Failure,
                WriteError::Lost | WriteError::Stopping => FailureKind::Unsettled,
            },
            Self::Upload(UploadError::TooLarge | UploadError::Chunk) | Self::Invalid(_) | Self::Cut => {
                FailureKind::Failure
            }
        }
    }
}

struct Desk {
    stream: UnixStream,
    vault: Arc<Vault>,
    links: Links,
}

impl Desk {
    async fn turn_away(&mut self) -> Result<(), Broken> {
        let message = "your user may not sit at this vault's desk; its configuration names those who may in desk.uids";
        self.send(&DeskReply::Failed { kind: FailureKind::Refused, message: message.into() }).await
    }

    async fn answer(&mut self) -> Result<(), Broken> {
        let mut prefix = [0; frame::PREFIX];
        self.stream.read_exact(&mut prefix).await?;
        let mut json = vec![0; frame::length(prefix)?];
        self.stream.read_exact(&mut json).await?;
        let call = match frame::decode(&json) {
            Ok(call) => call,
            Err(error) => {
                let message = format!("{error}; the command and the daemon are of different versions");
                return self.send(&DeskReply::Failed { kind: FailureKind::Failure, message }).await;
            }
        };
        let reply = match self.carry_out(call).await {
            Ok(Some(reply)) => reply,
            Ok(None) => return Ok(()),
            Err(error) => DeskReply::Failed { kind: error.kind(), message: error.to_string() },
        };
        node::danger::point("desk:reply:before");
        self.send(&reply).await?;
        node::danger::point("desk:reply:after");
        Ok(())
    }

    /// The last reply, unless all were sent already.
    async fn carry_out(&mut self, call: DeskCall) -> Result<Option<DeskReply>, Failure> {
        match call {
            DeskCall::About => self.about().await.map(|about| Some(DeskReply::About(Box::new(about)))),
            DeskCall::Items => self.items().await,
            DeskCall::Add(new) => self.add(new).await.map(Some),
            DeskCall::Requests { all } => self.requests(all).await,
            DeskCall::Request { id } => self.case(id).await.map(|case| Some(DeskReply::Case(Box::new(case)))),
            DeskCall::Draft { id } => self.draft(id).await,
            DeskCall::Compose { id, media_type, bytes } => self.compose(id, media_type, bytes).await.map(Some),
            DeskCall::Sign { id, signed } => self.sign(id, signed).await.map(Some),
            DeskCall::Refuse { id } => self.refuse(id).await.map(Some),
            DeskCall::Brake => Ok(Some(self.brake(&self.vault.writer.brake()))),
            DeskCall::Turn { signed } => self.turn(signed).await.map(Some),
            DeskCall::Clock => Ok(Some(DeskReply::Clock(self.clock()))),
            DeskCall::ConfirmClock { wall } => self.confirm_clock(wall).await.map(Some),
            DeskCall::Publish { signed, bytes } => self.publish(signed, bytes).await.map(Some),
            DeskCall::Published => self.published().await,
            DeskCall::Pair { line } => self.pair(&line).await.map(Some),
            DeskCall::Unpair { name } => self.unpair(name).await.map(Some),
            DeskCall::Receptions => self.receptions().await,
            DeskCall::Evidence { id } => self.evidence(id).await.map(Some),
            DeskCall::Watch => self.watch().await,
        }
    }

    async fn send(&mut self, reply: &DeskReply) -> Result<(), Broken> {
        let bytes = frame::encode(reply)?;
        self.stream.write_all(&bytes).await?;
        Ok(())
    }

    /// Sends one of several replies.
    async fn item_of_list(&mut self, reply: &DeskReply) -> Result<(), Failure> {
        self.send(reply).await.map_err(|e| Failure::Invalid(e.to_string()))
    }

    async fn about(&self) -> Result<About, Failure> {
        let vault = self.vault.clone();
        let (items, waiting, published) = blocking(move || {
            vault.readers.read(|c| {
                let waiting = store::repeats(c, vault.clock.now().time)?.iter().map(Vec::len).sum::<usize>();
                Ok::<_, WriteError>((store::items(c)?.len(), waiting, store::newest_version(c)?))
            })
        })
        .await?;
        let vault = &self.vault;
        Ok(About {
            name: vault.config.name.to_string(),
            version: env!("CARGO_PKG_VERSION").into(),
            origin: vault.config.origin.clone(),
            log_key: vault.log_key.to_string(),
            log_size: vault.writer.tip().size(),
            signers: vault.owners.signers().keys().iter().map(shared::sshsig::PublicKey::fingerprint).collect(),
            quorum: vault.owners.quorum(),
            cooling: vault.config.cooling,
            uids: vault.config.desk_uids.clone(),
            log_level: vault.config.log_level.as_str().into(),
            frozen: vault.writer.brake().frozen(),
            clock: self.clock(),
            published,
            items: items as u64,
            waiting: waiting as u64,
        })
    }

    async fn items(&mut self) -> Result<Option<DeskReply>, Failure> {
        let vault = self.vault.clone();
        for item in blocking(move || vault.readers.read(store::items).map_err(WriteError::from)).await? {
            self.item_of_list(&DeskReply::Item(item)).await?;
        }
        Ok(Some(DeskReply::Done))
    }

    async fn add(&mut self, new: NewItem) -> Result<DeskReply, Failure> {
        let uploaded = self.upload(new.bytes).await?;
        let sha256 = uploaded.sha256;
        let added = self.vault.writer.act(move |t| {
            let payload = t.keep(&uploaded)?;
            t.add_item(&new, payload)
        });
        let (id, _) = added.await?;
        Ok(DeskReply::Added { id, sha256 })
    }

    /// Takes exactly `bytes` from the owner's process into the store, invisible as yet.
    async fn upload(&mut self, bytes: u64) -> Result<Uploaded, Failure> {
        if bytes > limits::ITEM {
            return Err(UploadError::TooLarge.into());
        }
        let mut upload = Upload::begin(self.vault.writer.clone()).await?;
        let mut left = bytes;
        while left > 0 {
            let size = usize::try_from(left).unwrap_or(usize::MAX).min(limits::CHUNK);
            let mut chunk = vec![0; size];
            self.stream.read_exact(&mut chunk).await?;
            upload.chunk(chunk).await?;
            left -= size as u64;
        }
        Ok(upload.finish())
    }

    /// Of the requests that wait and are alike, the oldest stands for all.
    async fn requests(&mut self, all: bool) -> Result<Option<DeskReply>, Failure> {
        let vault = self.vault.clone();
        let cases = blocking(move || {
            let states = vault.readers.read(|c| store::requests(c, all, &vault.config.origin, &vault.owners))?;
            let context = Context::read(&vault)?;
            let shown = states.iter().filter(|state| all || context.stands_for_others(state));
            Ok(shown.map(|state| context.case(state)).collect::<Vec<_>>())
        });
        for case in cases.await? {
            self.item_of_list(&DeskReply::Case(Box::new(case))).await?;
        }
        Ok(Some(DeskReply::Done))
    }

    async fn state(&self, id: RequestId) -> Result<State, Failure> {
        let vault = self.vault.clone();
        let found = blocking(move || vault.readers.read(|c| store::find(c, id, &vault.config.origin, &vault.owners)));
        found.await?.ok_or(Failure::Write(WriteError::NoRequest))
    }

    async fn case(&self, id: RequestId) -> Result<Case, Failure> {
        let state = self.state(id).await?;
        let vault = self.vault.clone();
        Ok(blocking(move || Context::read(&vault).map(|context| context.case(&state))).await?)
    }

    async fn draft(&mut self, id: RequestId) -> Result<Option<DeskReply>, Failure> {
        let stage = self.state(id).await?.stage;
        let name = stage.name();
        let Stage::AwaitingOwner(draft, _) = stage else {
            return Err(WriteError::Rejected(Rejected::Stage(name)).into());
        };
        let readers = self.vault.readers.clone();
        let bytes = draft.bytes;
        let opened = blocking(move || readers.read(|c| store::preview(c, &draft)).map_err(WriteError::from)).await?;
        let cursor = opened.ok_or_else(|| WriteError::Damaged("the draft's bytes are not in the store".into()))?;
        self.item_of_list(&DeskReply::Payload { bytes }).await?;
        // From here on a reply would pass for bytes of the draft: what fails ends the connection, and the owner's process
        // misses the rest.
        if let Err(error) = self.send_draft(cursor).await {
            tracing::warn!("a draft was not sent whole to the owner's process: {error}");
        }
        Ok(None)
    }

    /// The owner's own view of the draft; this socket leads to nobody else.
    async fn send_draft(&mut self, mut cursor: Cursor) -> Result<(), Failure> {
        let readers = self.vault.readers.clone();
        loop {
            let readers = readers.clone();
            let (data, back) = blocking(move || readers.read(|c| cursor.next(c)).map(|data| (data, cursor))).await?;
            cursor = back;
            if data.is_empty() {
                return Ok(());
            }
            self.stream.write_all(&data).await?;
        }
    }

    async fn compose(
        &mut self,
        id: RequestId,
        media_type: Option<MediaType>,
        bytes: u64,
    ) -> Result<DeskReply, Failure> {
        if bytes == 0 {
            return Err(Failure::Invalid("there is nothing in it; an answer has at least one byte".into()));
        }
        let ticket = self.state(id).await?.ticket();
        let uploaded = self.upload(bytes).await?;
        let composed = self.vault.writer.act(move |t| t.compose(ticket, uploaded, media_type)).await?;
        Ok(DeskReply::Stage(composed.0.into()))
    }

    async fn sign(&self, id: RequestId, signed: Signed) -> Result<DeskReply, Failure> {
        let ticket = self.state(id).await?.ticket();
        let acted = self.vault.writer.act(move |t| {
            let input = Input::Signed { signed, fresh: store::nonce()? };
            t.decide(ticket, input)
        });
        Ok(DeskReply::Stage(acted.await?.0.into()))
    }

    async fn refuse(&self, id: RequestId) -> Result<DeskReply, Failure> {
        let ticket = self.state(id).await?.ticket();
        let (refused, _) = self.vault.writer.act(move |t| t.refuse(ticket)).await?;
        Ok(DeskReply::Refused { requests: refused })
    }

    fn brake(&self, brake: &Brake) -> DeskReply {
        let pending = brake.pending().map(|signed| pending(signed, &self.vault.owners));
        DeskReply::Brake(Box::new(BrakeFacts { frozen: brake.frozen(), nonce: brake.nonce(), pending }))
    }

    async fn turn(&self, signed: Signed) -> Result<DeskReply, Failure> {
        let (brake, _) = self.vault.writer.act(move |t| t.turn(signed)).await?;
        Ok(self.brake(&brake))
    }

    fn clock(&self) -> ClockFacts {
        let now = self.vault.clock.now();
        ClockFacts { wall: self.vault.clock.wall(), time: now.time, doubt: now.doubt }
    }

    /// The owner was asked about a time; if the clock has jumped since, the answer was about another one.
    async fn confirm_clock(&self, wall: Time) -> Result<DeskReply, Failure> {
        let clock = self.vault.told.right_clock();
        if clock.high().unix().abs_diff(wall.unix()) > limits::DECISION_SKEW {
            return Err(Failure::Invalid("the clock has changed while you were asked; look at it again".into()));
        }
        self.vault.writer.act(move |t| t.confirm_clock(&clock)).await?;
        Ok(DeskReply::Clock(self.clock()))
    }

    async fn publish(&mut self, signed: Signed, bytes: u64) -> Result<DeskReply, Failure> {
        if bytes > limits::PUBLICATION as u64 {
            return Err(Failure::Invalid(format!("a publication has at most {} bytes", limits::PUBLICATION)));
        }
        let mut bundle = vec![0; usize::try_from(bytes).unwrap_or(limits::PUBLICATION)];
        self.stream.read_exact(&mut bundle).await?;
        let (published, _) = self.vault.writer.act(move |t| t.publish(signed, bundle)).await?;
        let version = published.version();
        self.vault.told.announce(published);
        Ok(DeskReply::Published { version })
    }

    /// It is public.
    async fn published(&mut self) -> Result<Option<DeskReply>, Failure> {
        let published = self.vault.told.published();
        let bundle = published.as_ref().map_or(&[][..], |published| published.bundle());
        self.item_of_list(&DeskReply::Payload { bytes: bundle.len() as u64 }).await?;
        self.stream.write_all(bundle).await?;
        Ok(None)
    }

    async fn pair(&self, line: &str) -> Result<DeskReply, Failure> {
        let line: ReceptionLine = line.parse().map_err(|e| Failure::Invalid(format!("{e}")))?;
        self.vault.writer.act(move |t| t.pair(&line)).await?;
        self.vault.told.news.lanes.send_modify(|n| *n += 1);
        Ok(DeskReply::Line(self.vault.line.to_string()))
    }

    async fn unpair(&self, name: String) -> Result<DeskReply, Failure> {
        self.vault.writer.act(move |t| t.unpair(&name)).await?;
        self.vault.told.news.lanes.send_modify(|n| *n += 1);
        Ok(DeskReply::Done)
    }

    async fn receptions(&mut self) -> Result<Option<DeskReply>, Failure> {
        let vault = self.vault.clone();
        let now = vault.clock.now().time;
        let counted = move |c: &rusqlite::Connection| {
            let lanes = store::lanes(c)?.into_iter();
            lanes.map(|lane| Ok((store::filed_today(c, lane.id, now)?, lane))).collect::<Result<Vec<_>, _>>()
        };
        for (count, lane) in blocking(move || vault.readers.read(counted)).await? {
            let standing = self.links.get(lane.id);
            let reception = Reception {
                name: lane.line.name.as_str().into(),
                address: lane.line.address.to_string(),
                pin: lane.line.pin,
                paired_at: lane.paired_at,
                link: standing.words,
                up: standing.up,
                filed: count.filed,
                room_at: count.first.filter(|_| count.filed >= limits::LANE_DAY).map(|first| first.plus(DAY)),
            };
            self.item_of_list(&DeskReply::Reception(Box::new(reception))).await?;
        }
        Ok(Some(DeskReply::Done))
    }

    async fn evidence(&self, id: RequestId) -> Result<DeskReply, Failure> {
        let state = self.state(id).await?;
        let name = state.stage.name();
        let vault = self.vault.clone();
        let evidence = blocking(move || {
            let Some(release) = state.release() else { return Ok(None) };
            let receipt = evidence::receipt(&vault.notary, id, Kind::Approved, release.signed())?;
            let fate = fate(&state, release, vault.writer.brake().frozen(), vault.clock.now());
            Ok(Some(Evidence { manifest: release.manifest().clone(), receipt, fate }))
        });
        let none = || Failure::Invalid(format!("there is evidence of approvals; this request is {name}, without one"));
        Ok(DeskReply::Evidence(Box::new(evidence.await?.ok_or_else(none)?)))
    }

    /// Tells of changes until the owner's process goes away.
    async fn watch(&mut self) -> Result<Option<DeskReply>, Failure> {
        let mut news = self.vault.told.news.owner.subscribe();
        loop {
            self.item_of_list(&DeskReply::Changed).await?;
            let mut byte = [0; 1];
            tokio::select! {
                changed = news.changed() => if changed.is_err() { return Ok(None) },
                _ = self.stream.read(&mut byte) => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::StartError;
    use rusqlite::{Error, ffi};

    /// The same failure has the same exit code when the vault starts and when a command meets it.
    #[test]
    fn damage_is_told_from_a_failing_disk_here_as_at_the_start() {
        let sqlite = |code| WriteError::from(Error::SqliteFailure(ffi::Error::new(code), None));
        for (error, damage) in [
            (WriteError::Damaged("a stored request cannot be read".into()), true),
            (WriteError::Altered, true),
            (sqlite(ffi::SQLITE_CORRUPT), true),
            (sqlite(ffi::SQLITE_NOTADB), true),
            (WriteError::from(Error::QueryReturnedNoRows), true),
            (sqlite(ffi::SQLITE_IOERR), false),
            (sqlite(ffi::SQLITE_BUSY), false),
            (sqlite(ffi::SQLITE_CANTOPEN), false),
            (sqlite(ffi::SQLITE_FULL), false),
            (WriteError::Invalid("no reception of that name is paired".into()), false),
            (WriteError::NoRequest, false),
        ] {
            let words = error.to_string();
            assert_eq!(error.is_integrity(), damage, "{words}");
            let failure = Failure::Write(error);
            assert_eq!(failure.kind() == FailureKind::Integrity, damage, "{words}");
            let Failure::Write(error) = failure else { continue };
            assert_eq!(StartError::from(error).code() == node::exit::INTEGRITY, damage, "{words}");
        }
    }
}
