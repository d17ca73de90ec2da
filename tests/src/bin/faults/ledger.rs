//! What was promised, and whether it was kept: every acknowledgement and every byte that anybody got is noted here, and held
//! against the vault after each restart.

use crate::log::Log;
use serde_json::Value;
use shared::ids::{CollectionId, RequestId};
use shared::receipt::Receipt;
use shared::sshsig::Signers;
use shared::statement::Statement;
use shared::tlog::{LeafKind, VerifierKey};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

/// One world's promises.
pub(crate) struct Ledger {
    signers: Signers,
    log_key: VerifierKey,
    requests: Mutex<HashMap<String, Promise>>,
    /// The log as it was last seen: it may only grow.
    seen: Mutex<Log>,
    faults: Mutex<Vec<String>>,
    /// Answers of any kind that came back, for the moment of the next death.
    answers: AtomicUsize,
    /// Deaths by plan, so that who was cut short can tell whose doing it was.
    deaths: AtomicUsize,
    counts: Mutex<Counts>,
}

/// What a payload is that was asked for from where it had broken off.
pub(crate) const RESUMED: &str = "resumed by offset";

/// What a campaign counts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) filed: usize,
    pub(crate) approved: usize,
    pub(crate) withdrawn: usize,
    pub(crate) collected: usize,
    pub(crate) resumed: usize,
    pub(crate) broken_off: usize,
    pub(crate) receipts: usize,
    pub(crate) checks: usize,
}

impl Counts {
    /// Each with its name.
    fn named(&self) -> [(usize, &'static str); 8] {
        [
            (self.filed, "filings acknowledged"),
            (self.withdrawn, "withdrawals acknowledged"),
            (self.approved, "approvals acknowledged"),
            (self.collected, "collections whole"),
            (self.broken_off, "broken off"),
            (self.resumed, RESUMED),
            (self.receipts, "receipts verified"),
            (self.checks, "checks of everything"),
        ]
    }

    /// The names of those that are nothing.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        self.named().into_iter().filter(|(count, _)| *count == 0).map(|(_, name)| name).collect()
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.named().map(|(count, name)| format!("{count} {name}")).join(", "))
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |a, b| Self {
            filed: a.filed + b.filed,
            approved: a.approved + b.approved,
            withdrawn: a.withdrawn + b.withdrawn,
            collected: a.collected + b.collected,
            resumed: a.resumed + b.resumed,
            broken_off: a.broken_off + b.broken_off,
            receipts: a.receipts + b.receipts,
            checks: a.checks + b.checks,
        })
    }
}

#[derive(Clone, Default)]
struct Promise {
    filed: bool,
    /// Its visitor takes it back where it may not have left the reception.
    taken_back: bool,
    withdrawn: bool,
    approved: bool,
    /// Devices that got the head of a collection.
    devices: HashSet<CollectionId>,
    receipt: Option<Receipt>,
}

impl Ledger {
    pub(crate) fn new(signers: Signers, log_key: VerifierKey) -> Self {
        Self {
            signers,
            log_key,
            requests: Mutex::default(),
            seen: Mutex::default(),
            faults: Mutex::default(),
            answers: AtomicUsize::new(0),
            deaths: AtomicUsize::new(0),
            counts: Mutex::default(),
        }
    }

    pub(crate) fn fault(&self, words: String) {
        self.faults.lock().unwrap().push(words);
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        self.faults.lock().unwrap().clone()
    }

    pub(crate) fn answers(&self) -> usize {
        self.answers.load(Ordering::Relaxed)
    }

    /// A node was killed.
    pub(crate) fn died(&self) {
        self.deaths.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn deaths(&self) -> usize {
        self.deaths.load(Ordering::Relaxed)
    }

    pub(crate) fn counts(&self) -> Counts {
        *self.counts.lock().unwrap()
    }

    pub(crate) fn count(&self, note: impl FnOnce(&mut Counts)) {
        note(&mut self.counts.lock().unwrap());
    }

    /// A filing was acknowledged.
    pub(crate) fn filed(&self, id: RequestId) {
        self.promise(id.to_string()).filed = true;
        self.count(|c| c.filed += 1);
    }

    /// A withdrawal begins at the reception, which removes what the vault may never have had.
    pub(crate) fn taken_back(&self, id: RequestId) {
        self.requests.lock().unwrap().entry(id.to_string()).or_default().taken_back = true;
    }

    /// A withdrawal was acknowledged as such: the request's view is closed.
    pub(crate) fn withdrawn(&self, id: RequestId) {
        self.promise(id.to_string()).withdrawn = true;
        self.count(|c| c.withdrawn += 1);
    }

    /// An approval was acknowledged; whether for the first time.
    pub(crate) fn approved(&self, id: &str) -> bool {
        let new = !std::mem::replace(&mut self.promise(id.to_owned()).approved, true);
        self.count(|c| c.approved += usize::from(new));
        new
    }

    pub(crate) fn is_approved(&self, id: &str) -> bool {
        self.requests.lock().unwrap().get(id).is_some_and(|promise| promise.approved)
    }

    /// Whether some device is known to be counted for a release that goes on.
    pub(crate) fn knows_a_device(&self) -> bool {
        let goes_on = |promise: &Promise| promise.approved && !promise.withdrawn && !promise.taken_back;
        self.requests.lock().unwrap().values().any(|promise| goes_on(promise) && !promise.devices.is_empty())
    }

    /// A device got bytes, and so is one of those that are counted.
    pub(crate) fn began(&self, id: RequestId, device: CollectionId) {
        self.promise(id.to_string()).devices.insert(device);
    }

    /// A device got bytes, or the right to them, with this receipt.
    pub(crate) fn collecting(&self, id: RequestId, device: CollectionId, receipt: Receipt) {
        let allowed = match receipt.verify(&self.signers, &self.log_key) {
            Ok(Statement::Approval(approval)) if approval.request == id => approval.collections as usize,
            Ok(_) => {
                self.fault(format!("{id} was released with another statement's receipt"));
                0
            }
            Err(error) => {
                self.fault(format!("{id} was released with a receipt that proves nothing: {error}"));
                0
            }
        };
        let mut promise = self.promise(id.to_string());
        promise.devices.insert(device);
        let devices = promise.devices.len();
        let same = promise.receipt.replace(receipt.clone()).is_none_or(|before| before == receipt);
        drop(promise);
        if devices > allowed {
            self.fault(format!("{id} was released to {devices} devices, and {allowed} were allowed"));
        }
        if !same {
            self.fault(format!("{id} came with two receipts"));
        }
        self.count(|c| c.receipts += 1);
    }

    fn promise(&self, id: String) -> impl std::ops::DerefMut<Target = Promise> {
        self.answers.fetch_add(1, Ordering::Relaxed);
        Entry(self.requests.lock().unwrap(), id)
    }

    /// What was promised up to now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot(self.requests.lock().unwrap().clone())
    }

    /// Holds what had been promised against what the vault says and has in its log.
    pub(crate) fn check(&self, Snapshot(promises): Snapshot, cases: &[Value], log: Log) {
        let cases: HashMap<&str, &Value> = cases.iter().filter_map(|case| Some((case["id"].as_str()?, case))).collect();
        let logged = log.requests();
        for (id, promise) in &promises {
            let entries = logged.get(id.as_str()).map_or(&[][..], Vec::as_slice);
            match cases.get(id.as_str()) {
                Some(case) => self.check_request(id, promise, case, entries),
                None if promise.taken_back && !promise.approved => {}
                None => self.fault(format!("{id} was acknowledged and is lost")),
            }
            if promise.receipt.as_ref().is_some_and(|receipt| !log.holds(receipt)) {
                self.fault(format!("{id} was released, and the log does not have the entry of its receipt"));
            }
        }
        for (id, entries) in logged {
            let of = |kind| entries.iter().filter(|entry| **entry == kind).count();
            if of(LeafKind::Approved) > 1 {
                self.fault(format!("the log has {} approvals of {id}", of(LeafKind::Approved)));
            }
            if of(LeafKind::Filed) != 1 {
                self.fault(format!("the log has {} filings of {id}", of(LeafKind::Filed)));
            }
        }
        let mut seen = self.seen.lock().unwrap();
        if !log.continues(&seen) {
            self.fault("the log is not a continuation of what it was".into());
        }
        *seen = log;
        self.count(|c| c.checks += 1);
    }

    fn check_request(&self, id: &str, promise: &Promise, case: &Value, entries: &[LeafKind]) {
        let release = &case["release"];
        if promise.withdrawn && (!release.is_null() || case["undecided"] != false) {
            self.fault(format!("{id} was withdrawn, and is not"));
        }
        if promise.approved && !promise.withdrawn && release.is_null() && !entries.contains(&LeafKind::Withdrawn) {
            self.fault(format!("the approval of {id} was acknowledged and is lost"));
        }
        let number = |field| release[field].as_u64().unwrap_or_default() as usize;
        let (allowed, counted) = (number("collections"), number("collected"));
        if counted > allowed {
            self.fault(format!("{id} counts {counted} collections, and {allowed} were allowed"));
        }
        if promise.devices.len() > counted {
            self.fault(format!("{id} was collected by {} devices, and {counted} are counted", promise.devices.len()));
        }
        if !release.is_null() && !entries.contains(&LeafKind::Approved) {
            self.fault(format!("{id} is released without an entry in the log"));
        }
    }
}

/// Promises at one moment.
pub(crate) struct Snapshot(HashMap<String, Promise>);

impl Snapshot {
    /// But for those that the reception keeps in this folder, sealed, for the vault to come back. To be called before the vault
    /// is asked what it has: what is not there by then is with the vault.
    pub(crate) fn but_for_those_in(mut self, spool: &Path) -> Self {
        self.0.retain(|id, _| !spool.join(format!("{id}.sealed")).exists());
        self
    }
}

struct Entry<'a>(MutexGuard<'a, HashMap<String, Promise>>, String);

impl std::ops::Deref for Entry<'_> {
    type Target = Promise;
    fn deref(&self) -> &Promise {
        &self.0[&self.1]
    }
}

impl std::ops::DerefMut for Entry<'_> {
    fn deref_mut(&mut self) -> &mut Promise {
        self.0.entry(self.1.clone()).or_default()
    }
}

#[cfg(test)]
mod proofs {
    use super::*;

    #[test]
    fn what_never_happened_is_named() {
        let one =
            Counts { filed: 3, approved: 2, withdrawn: 1, broken_off: 9, receipts: 1, checks: 5, ..Counts::default() };
        assert_eq!(one.missing(), ["collections whole", RESUMED]);
        let other = Counts { collected: 1, resumed: 1, ..Counts::default() };
        assert!([one, other].into_iter().sum::<Counts>().missing().is_empty());
        assert_eq!(Counts::default().missing().len(), one.named().len());
    }
}
