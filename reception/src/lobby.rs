//! Where vaults arrive: takes links, greets them, listens for their hints, and fetches publications.

use crate::broker::{Broker, Came, Hint, Went};
use crate::library::{Library, LibraryError};
use crate::peer::Peer;
use link::{CallError, EventReceiver, Goodbye, Link, LinkError, Listener, Pins};
use node::{Surroundings, Thinned};
use shared::limits;
use shared::message::{Call, Event, Hello, Name, PROTOCOLS, Refused, Reply, Welcome};
use shared::pairing::NodeName;
use std::convert::Infallible;
use std::mem::{Discriminant, discriminant};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::time::{Instant, timeout};

/// Two clocks further apart than this, in seconds, are worth a warning: releases expire by the vault's.
const SKEW: u64 = 120;
/// After a failed fetch the publication is asked for again.
const RETRY: Duration = Duration::from_secs(30);
/// How long peers are given to hear that this node stops.
const FAREWELL: Duration = Duration::from_secs(1);

/// The paired vault as it changes, `None` while there is none.
pub(crate) type Paired = watch::Sender<Option<Arc<Peer>>>;

/// What every link is taken with. Clones share it.
#[derive(Clone)]
pub(crate) struct Lobby {
    /// This node's name, told to the vault.
    pub(crate) name: NodeName,
    /// Where calls and hints meet.
    pub(crate) broker: Broker,
    /// Where publications go.
    pub(crate) library: Library,
    /// Who may connect.
    pub(crate) pins: Pins,
    /// Whose signatures count.
    pub(crate) paired: Arc<Paired>,
    /// The clock.
    pub(crate) surroundings: Arc<dyn Surroundings>,
}

/// Why a link was not taken.
#[derive(Debug, thiserror::Error)]
enum Unwelcome {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("it refused to greet: {0}")]
    Refused(Refused),
    #[error("it did not answer with a welcome; compare both versions")]
    NoWelcome,
    #[error("it chose protocol {0}, which was not offered")]
    Protocol(u32),
}

/// Why a publication was not fetched.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("fetching the publication failed: {0}")]
    Call(#[from] CallError),
    #[error("the vault refused to send its publication: {0}")]
    Refused(Refused),
    #[error("the vault answered with the reply to another call; compare both versions")]
    OtherReply,
    #[error("the vault announced a publication of {0} bytes and the limit is {limit}", limit = limits::PUBLICATION)]
    TooLarge(u64),
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error("taking the publication failed: {0}")]
    Worker(#[from] JoinError),
}

impl FetchError {
    /// Whether the same question may find another answer later.
    fn passes(&self) -> bool {
        match self {
            Self::Call(_) | Self::Refused(_) => true,
            Self::Library(LibraryError::File(_) | LibraryError::Shelf(_)) => true,
            Self::Library(
                LibraryError::Unverified(_)
                | LibraryError::NotNewer { .. }
                | LibraryError::SetAside { .. }
                | LibraryError::OtherVault(_),
            ) => false,
            Self::OtherReply | Self::TooLarge(_) | Self::Worker(_) => false,
        }
    }
}

impl Lobby {
    /// Takes links until `stop` becomes true, then ends them all.
    pub(crate) async fn run(self, listener: Listener, mut stop: watch::Receiver<bool>) {
        let refusals = refusals();
        let mut flush = tokio::time::interval(node::WINDOW);
        loop {
            tokio::select! {
                // In this order, so that a simulated run can be had again.
                biased;
                // A sender that is gone means stop, too.
                _ = stop.wait_for(|stop| *stop) => break,
                arrived = listener.accept() => match arrived {
                    Some(Ok(link)) => drop(tokio::spawn(self.clone().keep(link))),
                    Some(Err(error)) => refusals.note(discriminant(&error), error.to_string(), Instant::now().into_std()),
                    None => break,
                },
                now = flush.tick() => refusals.flush(now.into_std()),
            }
        }
        listener.close();
        if timeout(FAREWELL, listener.drained()).await.is_err() {
            tracing::debug!("not every peer has heard that this node stops");
        }
    }

    /// Makes `peer` the vault that may connect and whose publication is served. Links of another vault end first, what they still
    /// bring the library refuses, and the new vault is let in last: so no publication is ever judged by another vault's keys.
    pub(crate) async fn adopt(&self, peer: Option<Arc<Peer>>) {
        let pin = peer.as_ref().map(|p| p.pin());
        self.pins.replace(pin.filter(|pin| self.pins.contains(pin)));
        let (library, keys) = (self.library.clone(), peer.clone());
        match tokio::task::spawn_blocking(move || library.load(keys.as_deref())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "no publication is served for now"),
            Err(error) => tracing::error!(%error, "no publication is served for now"),
        }
        self.admit(peer);
    }

    /// Lets `peer` in, and nobody else.
    pub(crate) fn admit(&self, peer: Option<Arc<Peer>>) {
        let pin = peer.as_ref().map(|p| p.pin());
        self.paired.send_replace(peer);
        self.pins.replace(pin);
        self.broker.hint(Hint::Publication);
        self.broker.want_publication();
    }

    async fn keep(self, link: Link) {
        let welcome = match self.greet(&link).await {
            Ok(welcome) => welcome,
            Err(error) => {
                tracing::warn!(%error, "the vault was turned away");
                return link.close(Goodbye::Protocol);
            }
        };
        let (serial, came) = self.broker.connect(link.clone());
        if came == Came::InPlaceOfAnother {
            tracing::info!("an older link of the vault's has ended: a newer one takes its place");
        }
        tracing::info!(vault = ?welcome.name.as_str(), version = ?welcome.version, "the vault is connected");
        let reason = tokio::select! {
            biased;
            reason = link.closed() => reason.to_string(),
            error = self.hear(&link) => error.to_string(),
            never = self.keep_fetching(&link) => match never {},
        };
        // Does nothing to a link that has ended; one without hints is of no use, and the vault dials anew.
        link.close(Goodbye::Protocol);
        match self.broker.disconnect(serial) {
            Went::Last => tracing::info!(reason, "the vault's link has ended"),
            // Told when the newer one came, so that the last line about the link is true.
            Went::Replaced => tracing::debug!(reason, "a replaced link of the vault's has ended"),
        }
    }

    async fn greet(&self, link: &Link) -> Result<Welcome, Unwelcome> {
        let name = Name::new(self.name.as_str()).map_err(|_| Unwelcome::NoWelcome)?;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let hello = Hello { protocols: PROTOCOLS.to_vec(), name, version, clock: self.surroundings.wall() };
        let welcome = match link.call(&Call::Hello(hello)).await?.0 {
            Reply::Welcome(welcome) => welcome,
            Reply::Refused(refused) => return Err(Unwelcome::Refused(refused)),
            Reply::Filed | Reply::View(_) | Reply::Words(_) | Reply::Delivery(_) | Reply::Publication(_) => {
                return Err(Unwelcome::NoWelcome);
            }
        };
        if !PROTOCOLS.contains(&welcome.protocol) {
            return Err(Unwelcome::Protocol(welcome.protocol));
        }
        let skew = welcome.clock.unix().abs_diff(self.surroundings.wall().unix());
        if skew > SKEW {
            tracing::warn!(seconds = skew, "the vault's clock and this one differ; set both by NTP");
        }
        Ok(welcome)
    }

    /// Passes hints on until there are no more.
    async fn hear(&self, link: &Link) -> CallError {
        let mut events = EventReceiver::new(link);
        loop {
            match events.next().await {
                Ok(Event::Changed(ticket)) => self.broker.hint(Hint::Request(ticket)),
                Ok(Event::Published(version)) if version > self.library.version() => self.broker.want_publication(),
                Ok(Event::Published(_)) => {}
                Err(error) => return error,
            }
        }
    }

    /// Fetches now, whenever that is wanted, and some time after a failure that may pass.
    async fn keep_fetching(&self, link: &Link) -> Infallible {
        loop {
            let wanted = self.broker.publication_wanted();
            match self.fetch(link).await {
                Ok(()) => wanted.await,
                Err(error) => {
                    tracing::warn!(%error, "the publication stays as it is");
                    if error.passes() {
                        // Whichever comes first, asking again is due.
                        let _ = timeout(RETRY, wanted).await;
                    } else {
                        wanted.await;
                    }
                }
            }
        }
    }

    /// Asks for a publication above the one held, and serves it.
    async fn fetch(&self, link: &Link) -> Result<(), FetchError> {
        let Some(peer) = self.paired.borrow().clone() else { return Ok(()) };
        let have = self.library.version();
        let (reply, mut body) = link.call(&Call::Publications { have }).await?;
        let head = match reply {
            Reply::Publication(None) => return Ok(()),
            Reply::Publication(Some(head)) => head,
            Reply::Refused(refused) => return Err(FetchError::Refused(refused)),
            Reply::Welcome(_) | Reply::Filed | Reply::View(_) | Reply::Words(_) | Reply::Delivery(_) => {
                return Err(FetchError::OtherReply);
            }
        };
        let room = usize::try_from(head.bytes).ok().filter(|bytes| *bytes <= limits::PUBLICATION);
        let mut bundle = Vec::with_capacity(room.ok_or(FetchError::TooLarge(head.bytes))?);
        while let Some(piece) = body.chunk().await? {
            bundle.extend_from_slice(&piece);
        }
        // Goes on to its end even if the link ends meanwhile.
        let (library, broker) = (self.library.clone(), self.broker.clone());
        let take = move || {
            let taken = library.take(&peer, &head, &bundle)?;
            tracing::info!(version = taken.bundle.version, sha256 = %taken.sha256, "a publication is served");
            broker.hint(Hint::Publication);
            Ok::<_, LibraryError>(())
        };
        Ok(tokio::task::spawn_blocking(take).await??)
    }
}

/// Handshakes that failed, which anybody can cause.
fn refusals() -> Thinned<Discriminant<LinkError>> {
    Thinned::new("a link was refused", "more links were refused")
}

#[cfg(test)]
mod tests;
