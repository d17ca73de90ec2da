//! Visitors: each files, takes back or collects, breaks off and goes on, and asks until it is answered.

use crate::dice::Dice;
use crate::door::{Ask, Collected, Door, Standing, request};
use crate::ledger::Ledger;
use shared::ids::{CollectionId, ItemId, Ticket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Between two tries.
const AGAIN: Duration = Duration::from_millis(6);
/// Filings by one visitor from one address: the reception's limit for one is above that.
const FROM_ONE_ADDRESS: usize = 20;
/// Releases that a visitor keeps going back to.
const KEPT: usize = 12;

/// Tries until there is an answer.
macro_rules! insist {
    ($act:expr) => {
        loop {
            if let Ok(answer) = $act.await {
                break answer;
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
}

/// Something that can be asked for.
#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) id: ItemId,
    pub(crate) bytes: Arc<Vec<u8>>,
}

/// One of a world's visitors.
pub(crate) struct Visitor {
    pub(crate) door: Door,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) items: Vec<Item>,
    pub(crate) dice: Dice,
    /// Filings that all visitors together may still make.
    pub(crate) allowance: Arc<AtomicUsize>,
}

struct Release {
    ticket: Ticket,
    item: Item,
    device: CollectionId,
}

impl Visitor {
    /// Lives until the task is ended.
    pub(crate) async fn work(mut self) {
        let (mut kept, mut filed): (Vec<Release>, usize) = (Vec::new(), 0);
        loop {
            let free = self.allowance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
            if free.is_ok() {
                filed += 1;
                if filed.is_multiple_of(FROM_ONE_ADDRESS)
                    && let Door::Page(page) = &self.door
                {
                    self.door = Door::Page(page.moved(&mut self.dice));
                }
                kept.extend(self.one().await);
                kept.truncate(KEPT);
            } else if !kept.is_empty() {
                let at = self.dice.below(kept.len() as u64) as usize;
                self.collect(&kept[at]).await;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// One request's life; the release, if it came to one.
    async fn one(&mut self) -> Option<Release> {
        let item = self.items[self.dice.below(self.items.len() as u64) as usize].clone();
        let ask = Ask { seed: self.dice.bytes(), item: item.id };
        let ticket = insist!(self.door.file(&ask));
        self.ledger.filed(request(&ticket));
        if self.dice.one_in(6) && self.withdraw(&ticket).await {
            return None;
        }
        while insist!(self.door.standing(&ticket)) != Standing::Ready {
            tokio::time::sleep(AGAIN).await;
        }
        let release = Release { ticket, item, device: CollectionId(self.dice.bytes()) };
        self.collect(&release).await;
        self.receipt(&release).await;
        self.other_devices(&release).await;
        Some(release)
    }

    /// Whether it is taken back; a release that was collected already is not.
    async fn withdraw(&mut self, ticket: &Ticket) -> bool {
        if self.door.keeps() {
            self.ledger.taken_back(request(ticket));
        }
        let closed = insist!(self.door.withdraw(ticket)) == Standing::Closed;
        if closed {
            self.ledger.withdrawn(request(ticket));
        }
        closed
    }

    /// Takes the whole payload, in as many pieces as it takes, and compares every byte.
    async fn collect(&mut self, release: &Release) {
        let (whole, mut held) = (release.item.bytes.clone(), 0);
        while held < whole.len() {
            let enough =
                if self.dice.one_in(2) { 1 + self.dice.below(whole.len() as u64) as usize } else { usize::MAX };
            let offset = if self.door.resumes() { held } else { 0 };
            let Some(bytes) = self.piece(release, offset, enough).await else { return };
            held = held.max(offset + bytes);
            let broken_off = held < whole.len();
            self.ledger.count(|c| {
                c.resumed += usize::from(offset > 0);
                c.broken_off += usize::from(broken_off);
                c.collected += usize::from(!broken_off);
            });
        }
    }

    /// The number of bytes that came from `offset` on; nothing when the release is not what was promised.
    async fn piece(&mut self, release: &Release, offset: usize, enough: usize) -> Option<usize> {
        let (ticket, device) = (&release.ticket, release.device);
        let id = request(ticket);
        match insist!(self.door.collect(ticket, device, offset as u64, enough)) {
            Collected::Bytes(bytes, receipt) => {
                self.ledger.began(id, device);
                if let Some(receipt) = receipt {
                    self.ledger.collecting(id, device, *receipt);
                }
                if release.item.bytes.get(offset..offset + bytes.len()) != Some(&bytes) {
                    self.ledger.fault(format!("{id} gave other bytes from {offset} on than were approved"));
                    return None;
                }
                Some(bytes.len())
            }
            Collected::Spent => {
                self.ledger.fault(format!("{id} was refused to a device that had begun to collect it"));
                None
            }
            Collected::Nothing => {
                self.ledger.fault(format!("{id} was released and is closed"));
                None
            }
        }
    }

    /// Bytes without a receipt are a fault, so this asks until it comes.
    async fn receipt(&mut self, release: &Release) {
        let (ticket, end) = (&release.ticket, release.item.bytes.len() as u64);
        let receipt = insist!(self.door.receipt(ticket, release.device, end));
        self.ledger.collecting(request(ticket), release.device, receipt);
    }

    /// Other devices take what is left of the allowed collections; the ledger judges how many that were.
    async fn other_devices(&mut self, release: &Release) {
        for _ in 0..shared::limits::COLLECTIONS {
            let device = CollectionId(self.dice.bytes());
            let answer = insist!(self.door.collect(&release.ticket, device, 0, 1));
            let Collected::Bytes(_, receipt) = answer else { return };
            self.ledger.began(request(&release.ticket), device);
            if let Some(receipt) = receipt {
                self.ledger.collecting(request(&release.ticket), device, *receipt);
            }
        }
    }
}
