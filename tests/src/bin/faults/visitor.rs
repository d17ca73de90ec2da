//! Visitors: each files, takes back or collects, breaks off and goes on, and asks until it is answered.

use crate::door::{Ask, Collected, Door, Standing, request};
use crate::ledger::Ledger;
use crate::life::Plant;
use shared::ids::{CollectionId, ItemId, Ticket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tests::statistics::Dice;

/// Between two tries.
const AGAIN: Duration = Duration::from_millis(6);
/// Filings by one visitor from one address: the reception's limit for one is above that.
const FROM_ONE_ADDRESS: usize = 20;
/// Heads of payloads without a byte behind them, in a row, that no death excuses.
const EMPTY: usize = 10;
/// Filings of which a visitor takes one back.
const TURNS: usize = 6;
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
    pub(crate) plant: Option<Plant>,
    /// What this visitor does goes by turns, and each begins with another: so all of it is done soon.
    pub(crate) turn: usize,
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
                let at = self.dice.below(kept.len());
                self.collect(&kept[at]).await;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// One request's life; the release, if it came to one.
    async fn one(&mut self) -> Option<Release> {
        self.turn += 1;
        let item = self.items[self.turn / 2 % self.items.len()].clone();
        let ask = Ask { seed: self.dice.bytes(), item: item.id };
        let ticket = insist!(self.door.file(&ask));
        self.ledger.filed(request(&ticket));
        if self.turn % TURNS == 2 && self.withdraw(&ticket).await {
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
        let (whole, mut held, mut drought) = (release.item.bytes.clone(), 0, Drought::default());
        while held < whole.len() {
            let offset = if self.door.resumes() { held } else { 0 };
            let enough = self.enough(whole.len());
            let Some(bytes) = self.piece(release, offset, enough).await else { return };
            if drought.goes_on(bytes, self.ledger.deaths()) {
                let id = request(&release.ticket);
                return self.ledger.fault(format!("{id} gave nothing of what was approved, again and again"));
            }
            if bytes == 0 {
                tokio::time::sleep(AGAIN).await;
            }
            held = held.max(offset + bytes);
            let broken_off = held < whole.len();
            self.ledger.count(|c| {
                c.resumed += usize::from(offset > 0);
                c.broken_off += usize::from(broken_off);
                c.collected += usize::from(!broken_off);
            });
        }
    }

    /// After how many bytes of a payload this visitor hangs up.
    fn enough(&mut self, whole: usize) -> usize {
        match self.plant {
            Some(Plant::NoBytes) => 0,
            _ if self.dice.one_in(4) => usize::MAX,
            _ => 1 + self.dice.below(whole),
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

/// Heads of payloads in a row that no byte followed. Each death can bring about one.
#[derive(Default)]
struct Drought {
    heads: usize,
    /// Deaths before it began.
    deaths: usize,
}

impl Drought {
    /// One more piece, after so many deaths in all; whether too many came without a byte.
    fn goes_on(&mut self, bytes: usize, deaths: usize) -> bool {
        if bytes > 0 {
            self.heads = 0;
            return false;
        }
        if self.heads == 0 {
            self.deaths = deaths;
        }
        self.heads += 1;
        self.heads > EMPTY + deaths - self.deaths
    }
}

#[cfg(test)]
mod proofs {
    use super::*;

    #[test]
    fn only_a_byte_ends_a_drought_and_a_death_excuses_one_head() {
        let mut drought = Drought::default();
        let empty = |drought: &mut Drought, deaths, times| (0..times).any(|_| drought.goes_on(0, deaths));
        assert!(!empty(&mut drought, 3, EMPTY) && !drought.goes_on(1, 3));
        assert!(!empty(&mut drought, 4, EMPTY) && !empty(&mut drought, 7, 3));
        assert!(drought.goes_on(0, 7));
    }
}
