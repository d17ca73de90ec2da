//! How a request stands, wherever it is, and what takes it back.

use super::Courier;
use crate::broker::BrokerError;
use crate::spool::{Offered, Waiting};
use shared::ids::{Digest, RequestId, Ticket};
use shared::message::{Refused, View};

/// How a request stands, as far as this node can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It waits here, and the vault may have it all the same.
    Kept(Offered),
    /// It waits here for another vault than the one that is paired now.
    KeptForAnother,
    /// It was removed here at its visitor's wish, but the disk did not confirm that: it may be here again after the next start,
    /// and the vault may have it all the same.
    Removed(Offered),
    /// It was set aside here, and the vault does not know it, or knows it no more.
    SetAside(Offered),
    /// As the vault says.
    Vault(View),
}

/// What became of a withdrawal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Withdrawn {
    /// The vault has seen to it, and says so.
    Vault(View),
    /// The request was removed here, and was not sent since it was kept.
    Here,
    /// It was removed here; the vault cannot be asked, and may have received it before.
    HereAtLeast,
}

impl From<Offered> for Withdrawn {
    fn from(offered: Offered) -> Self {
        match offered {
            Offered::Never => Self::Here,
            Offered::Perhaps => Self::HereAtLeast,
        }
    }
}

impl Courier {
    /// How a request stands.
    ///
    /// # Errors
    /// [`BrokerError`] when only the vault could tell.
    pub async fn standing(&self, ticket: &Ticket) -> Result<Standing, BrokerError> {
        let hash = ticket.hash();
        if let Some(Waiting { vault, offered, .. }) = self.spool.held(&hash) {
            return Ok(if self.spool.may_come_back(&hash) {
                self.standing_elsewhere(ticket, Standing::Removed(offered)).await
            } else if self.is_for_another(vault) {
                self.standing_elsewhere(ticket, Standing::KeptForAnother).await
            } else {
                Standing::Kept(offered)
            });
        }
        match (self.ask(ticket).await, self.spool.set_aside_as(hash.request())) {
            (Ok(View::Closed), Some(offered)) => Ok(Standing::SetAside(offered)),
            (Err(_), Some(Offered::Never)) => Ok(Standing::SetAside(Offered::Never)),
            (Ok(view), _) => Ok(Standing::Vault(view)),
            (Err(error), _) => Err(error),
        }
    }

    /// How a request stands that does not go to the paired vault from here: that may have had the same before.
    async fn standing_elsewhere(&self, ticket: &Ticket, here: Standing) -> Standing {
        match self.ask(ticket).await {
            Ok(View::Closed) | Err(_) => here,
            Ok(view) => Standing::Vault(view),
        }
    }

    async fn ask(&self, ticket: &Ticket) -> Result<View, BrokerError> {
        let view = self.broker.status(ticket).await?;
        if view != View::Closed {
            self.spool.is_with_the_vault(ticket.hash().request());
            self.over(ticket.hash().request(), Offered::Perhaps).await;
        }
        Ok(view)
    }

    /// Notes that what was set aside of a request is of no more account: the vault has it, or its visitor took it back.
    pub(super) async fn over(&self, id: RequestId, offered: Offered) {
        if self.spool.is_over(id, offered) {
            let spool = self.spool.clone();
            // `None` when the process is stopping.
            node::blocking(&*self.surroundings, move || spool.mark_over(id)).await;
        }
    }

    pub(super) fn is_for_another(&self, vault: Digest) -> bool {
        self.paired.borrow().as_ref().is_some_and(|peer| peer.mark() != vault)
    }

    /// Takes a request back, wherever it is.
    ///
    /// # Errors
    /// [`BrokerError`] when only the vault could do it; [`Refused::Unavailable`] when this machine's disk does not do it.
    pub async fn withdraw(&self, ticket: &Ticket) -> Result<Withdrawn, BrokerError> {
        let hash = ticket.hash();
        let removed = self.take_out(ticket).await;
        // Whatever was removed, the vault may have the same from an earlier time; and what this disk fails at, the vault need not.
        let answer = self.broker.withdraw(ticket).await;
        let gone = self.spool.may_come_back(&hash);
        let told = match (answer, removed) {
            // The one that it was sealed for cannot be asked.
            (_, Ok(Some(held))) if self.is_for_another(held.vault) => Ok(held.offered.into()),
            (Ok(view), Ok(_)) => Ok(Withdrawn::Vault(view)),
            // Whoever looks at it is told that it may be here again.
            (Ok(view), Err(_)) if gone => Ok(Withdrawn::Vault(view)),
            (Err(_), Ok(Some(held))) => Ok(held.offered.into()),
            (Err(error), Ok(None)) | (_, Err(error)) => Err(error),
        };
        if matches!(told, Ok(Withdrawn::Vault(_))) {
            self.over(hash.request(), Offered::Perhaps).await;
        }
        told
    }

    /// Removes a request that is not being handed over.
    async fn take_out(&self, ticket: &Ticket) -> Result<Option<Waiting>, BrokerError> {
        let _handover = self.handover.lock().await;
        let (spool, hash) = (self.spool.clone(), ticket.hash());
        self.blocking(move || spool.take_back(&hash)).await.map_err(|error| {
            tracing::error!(%error, "a withdrawn request cannot be removed");
            Refused::Unavailable.into()
        })
    }
}
