//! What must hold, in words, and the observer who says so. It believes the committed log, the papers that owners signed and
//! what leaves the vault; never the core's own opinion.

use super::acts::Call;
use super::core::{Case, Effected, Logged, Moved, approval, filing, number, ticket};
use super::driver::{OTHERS_AT, OTHERS_FILED};
use super::known::Known;
use super::papers::{Sheet, Text};
use super::world::{Hands, REQUESTS, Seen, World};
use crate::{Now, Rejected, Release, Stage};
use shared::ids::Digest;
use shared::limits;
use shared::statement::{FreezeAction, RecipientLine, Statement};
use shared::time::Time;
use shared::tlog::LeafKind;

macro_rules! invariants {
    ($($name:ident = $words:literal,)+) => {
        /// Something that always holds.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Invariant { $($name,)+ }

        impl Invariant {
            pub(super) const ALL: &[Self] = &[$(Self::$name,)+];

            pub(super) fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)+ }
            }

            /// The check that the search makes in every world.
            pub(super) fn check<M>(self) -> fn(&M, &World) -> bool {
                match self { $(Self::$name => |_, world| !world.is_broken(Self::$name),)+ }
            }
        }
    };
}

invariants! {
    Approved = "no bytes without an approval of exactly them",
    Displayed = "what was displayed is what is released",
    Recipient = "the recipient is the signed one",
    Quorum = "different owners make a quorum",
    Superseded = "a superseded draft is never approved",
    Nonce = "a nonce has an effect once",
    OneRelease = "one approval, one release",
    Collections = "at most the approved collections",
    Expiry = "nothing after the end",
    Revocation = "nothing after a revocation",
    Cooling = "an approval cools off for its whole time",
    Freeze = "nothing while releases are stopped",
    Commit = "effects only after the commit",
    Logged = "nothing is released that the log does not have",
    Acknowledged = "an acknowledged filing is never lost",
    LookAlike = "undecided and silently refused look alike",
    Quota = "quotas survive a restart",
    Forward = "time never goes back",
    Doubt = "a doubtful clock releases nothing",
    Words = "no words to a visitor without signatures",
    Restores = "a restart restores every row",
    Provable = "what was approved stays provable",
    Forged = "a forgery changes nothing",
    Stop = "what stops a release is never refused",
}

impl World {
    pub(super) fn is_broken(&self, invariant: Invariant) -> bool {
        self.broken & 1 << invariant as u32 != 0
    }

    /// Remembers that `invariant` does not hold unless `holds`.
    pub(super) fn must(&mut self, invariant: Invariant, holds: bool) {
        self.broken |= u32::from(!holds) << invariant as u32;
    }
}

/// A decision, as the observer sees it come.
pub(super) struct Judged<'a> {
    pub(super) before: &'a World,
    pub(super) call: Call,
    pub(super) now: Now,
}

impl Judged<'_> {
    /// A step was committed.
    pub(super) fn committed(&self, next: &mut World, entry: Option<&Logged>) {
        let (Call::Submit(_, _, sheet) | Call::Brake(_, sheet)) = self.call else { return self.logged(next, entry) };
        next.must(Invariant::Forged, !sheet.is_forged());
        self.logged(next, entry);
    }

    fn logged(&self, next: &mut World, entry: Option<&Logged>) {
        let Some(entry) = entry else { return };
        next.must(Invariant::Forward, entry.time == self.now.time && entry.time >= self.before.disk.clock.high());
        match (self.call, entry.says) {
            (Call::Brake(..), Some((text, signed))) => self.braked(next, entry.kind, text, signed),
            (Call::Submit(request, ..), Some((text, signed))) => {
                self.signed(next, request, entry.kind, text, signed);
            }
            (Call::Tick(request), None) if entry.kind == LeafKind::Released => {
                self.cooled(next, request);
                self.releases(next);
            }
            (Call::Collect(request, device, _), None) => {
                next.seen[request].collected |= 1 << device;
                self.releases(next);
            }
            _ => next.must(Invariant::Logged, !matches!(entry.kind, LeafKind::Approved | LeafKind::Released)),
        }
    }

    /// Something is let go on, which neither a stop nor a doubt allows.
    fn releases(&self, next: &mut World) {
        next.must(Invariant::Freeze, !self.before.frozen);
        next.must(Invariant::Doubt, self.now.doubt.is_none());
    }

    /// Across two boots nobody knows how much time has passed.
    fn cooled(&self, next: &mut World, request: usize) {
        let (hands, (at, boot)) = (self.before.hands, next.seen[request].approved_at);
        let until = Hands { at, ..hands }.true_time().plus(next.setup().cooling);
        next.must(Invariant::Cooling, boot != hands.boot || hands.true_time() >= until);
    }

    fn signed(&self, next: &mut World, request: usize, kind: LeafKind, text: Known<Text>, signed: [bool; 2]) {
        if kind == LeafKind::Revoked {
            next.seen[request].revoked = true;
            return next.must(Invariant::Quorum, signed.contains(&true));
        }
        self.releases(next);
        if kind == LeafKind::Signed {
            return;
        }
        next.must(Invariant::Quorum, enough(next, signed));
        let spent = 1 << text.nonce().map_or(0, number);
        next.must(Invariant::Nonce, next.seen[request].spent & spent == 0);
        next.seen[request].spent |= spent;
        if kind == LeafKind::Approved {
            self.approved(next, request, text, signed);
        }
    }

    fn approved(&self, next: &mut World, request: usize, text: Known<Text>, signed: [bool; 2]) {
        let before = self.before.disk.rows[request];
        let (Some(said), Some(Stage::AwaitingOwner(draft, _))) =
            (approval(&text), before.as_ref().map(|case| &case.state.stage))
        else {
            return next.must(Invariant::Approved, false);
        };
        let same = (said.payload, said.bytes, said.prepared_at, said.nonce)
            == (draft.payload, draft.bytes, draft.prepared_at, draft.nonce);
        next.must(Invariant::Superseded, same);
        next.must(Invariant::Recipient, is_for(&text, request));
        next.must(Invariant::OneRelease, next.seen[request].approved.is_none());
        next.must(Invariant::Displayed, is_displayed(next, text, signed));
        next.seen[request].approved = Some(text);
        next.seen[request].approved_at = (self.before.hands.at, self.before.hands.boot);
    }

    fn braked(&self, next: &mut World, kind: LeafKind, text: Known<Text>, signed: [bool; 2]) {
        if kind == LeafKind::Signed {
            return;
        }
        let spent = 1 << text.nonce().map_or(0, number);
        next.must(Invariant::Nonce, next.braked & spent == 0);
        next.braked |= spent;
        if kind == LeafKind::Thawed {
            next.must(Invariant::Quorum, enough(next, signed));
            next.must(Invariant::Doubt, self.now.doubt.is_none());
        }
        next.frozen = kind == LeafKind::Frozen;
    }

    /// An effect happens.
    pub(super) fn happens(&self, next: &mut World, durable: bool, effect: Effected) {
        next.must(Invariant::Commit, durable);
        let Call::Collect(request, device, _) = self.call else { return };
        let Effected::Serve { payload, bytes, offset, not_after } = effect else { return };
        next.must(Invariant::Approved, offset <= bytes);
        self.served(next, request, payload, bytes, not_after);
        next.must(Invariant::Logged, next.seen[request].collected & 1 << device != 0);
        next.seen[request].served = true;
    }

    fn served(&self, next: &mut World, request: usize, payload: Digest, bytes: u64, not_after: Time) {
        let Seen { approved, collected, revoked, .. } = next.seen[request];
        let Some((text, said)) = approved.and_then(|text| approval(text.get()).map(|said| (text, said))) else {
            next.must(Invariant::Logged, false);
            return next.must(Invariant::Approved, false);
        };
        let exact = (said.payload, said.bytes, said.not_after) == (payload, bytes, not_after);
        next.must(Invariant::Approved, exact && next.pile.count(text) >= 1);
        next.must(Invariant::Quorum, next.pile.count(text) >= next.setup().quorum);
        next.must(Invariant::Recipient, is_for(&text, request));
        let displayed = next.pile.signers(text).all(|paper| paper.as_displayed);
        next.must(Invariant::Displayed, displayed);
        next.must(Invariant::Collections, collected.count_ones() <= said.collections);
        next.must(Invariant::Revocation, !revoked);
        // Within one boot no wall clock hides how much time has passed.
        let late = self.before.hands.boot == 0 && self.before.hands.true_time() >= said.not_after;
        next.must(Invariant::Expiry, self.now.time < said.not_after && !late);
        self.cooled(next, request);
        self.releases(next);
    }

    /// Somebody was answered.
    pub(super) fn answered(&self, next: &mut World, durable: bool) {
        next.must(Invariant::Commit, durable);
        if let Call::File(request) = self.call {
            next.seen[request].acknowledged = true;
        }
    }

    /// Whether the core may refuse this: never to stop a release.
    pub(super) fn is_rightly_rejected(&self) -> bool {
        let stops = if let Call::Submit(request, text, Sheet::One(_)) = self.call {
            self.revokes(request, &text)
        } else if let Call::Brake(text, Sheet::One(_)) = self.call {
            self.freezes(&text)
        } else {
            false
        };
        !stops
    }

    /// Whether an owner takes back, just now, what is released or cooling off.
    fn revokes(&self, request: usize, text: &Text) -> bool {
        let Statement::Revocation(said) = &text.statement else { return false };
        let case = self.before.disk.rows[request];
        let stage = case.as_ref().map(|case| &case.state.stage);
        let Some(Stage::Cooling(release, _) | Stage::Released(release)) = stage else { return false };
        let skew = said.decided_at.unix().abs_diff(self.now.time.unix());
        let timely = self.now.doubt.is_some() || skew <= limits::DECISION_SKEW;
        timely && said.statement == Digest::of(release.signed().statement.as_bytes())
    }

    /// Whether an owner stops all releases, which go on.
    fn freezes(&self, text: &Text) -> bool {
        let Statement::Freeze(said) = &text.statement else { return false };
        said.action == FreezeAction::Freeze && said.nonce == self.before.disk.brake.brake.nonce()
    }
}

fn enough(world: &World, signed: [bool; 2]) -> bool {
    signed.iter().filter(|signed| **signed).count() >= world.setup().quorum
}

fn is_for(text: &Text, request: usize) -> bool {
    let ticket = ticket(request);
    let right = |said: &shared::statement::Approval| {
        (said.request, said.recipient) == (ticket.request(), RecipientLine::Ticket(ticket))
    };
    approval(text).is_some_and(right)
}

/// Whether every owner who signed `text` was looking at the bytes that it names.
fn is_displayed(world: &World, text: Known<Text>, signed: [bool; 2]) -> bool {
    (0..2).filter(|owner| signed[*owner]).all(|owner| {
        let mut papers = world.pile.signers(text).filter(|paper| paper.owner == owner);
        papers.any(|paper| paper.as_displayed)
    })
}

/// What must hold of every world by itself.
pub(super) fn world(next: &mut World) {
    for request in 0..REQUESTS {
        let (row, seen) = (next.disk.rows[request], next.seen[request]);
        next.must(Invariant::Acknowledged, row.is_some() || !seen.acknowledged);
        let Some(case) = row else { continue };
        next.must(Invariant::Restores, case.restores);
        let words =
            case.state.words().is_none() || case.words.is_some_and(|text| next.pile.count(text) >= next.setup().quorum);
        next.must(Invariant::Words, words);
        next.must(Invariant::Provable, seen.approved.is_none_or(|text| is_kept(&case, &text, &seen)));
        next.must(Invariant::LookAlike, seen.twin.is_none_or(|twin| alike(&case, &twin, next.now().time)));
    }
    next.must(Invariant::Restores, next.disk.brake.restores);
    next.must(Invariant::Quota, within_quota(next));
}

/// Whether the row still has what owners approved, and how often that was collected.
fn is_kept(case: &Case, text: &Text, seen: &Seen) -> bool {
    let right = |release: &Release| {
        let begun = u32::try_from(release.collections().len()).unwrap_or(u32::MAX);
        Some(release.approval()) == approval(text) && begun == seen.collected.count_ones()
    };
    case.state.release().is_some_and(right)
}

/// Whether a visitor sees the same of both, until the request's own deadline.
fn alike(case: &Case, twin: &Case, now: Time) -> bool {
    if now >= case.state.request.lapses_at() {
        return true;
    }
    let view = |case: &Case| (case.state.shown().view(now), case.state.words().cloned());
    view(case) == view(twin)
}

fn within_quota(world: &World) -> bool {
    let rows = || world.disk.rows.iter().flatten().map(|case| case.state.request.filed_at);
    rows().all(|to| {
        let within = |at: Time| at <= to && to < at.plus(86_400);
        let others = if within(Time::from_unix(OTHERS_AT)) { OTHERS_FILED } else { 0 };
        rows().filter(|at| within(*at)).count() + others <= limits::LANE_DAY
    })
}

/// What a visitor can tell of a step: that it was taken, and whether there was a hint.
pub(super) fn told(moved: &Moved<Case>) -> usize {
    moved.effects.iter().filter(|effect| **effect == Effected::TellVisitor).count()
}

/// Whether a decision was taken that its visitor must not notice.
pub(super) fn is_hidden(entry: Option<&Logged>, after: &Case) -> bool {
    match (entry.map(|entry| (entry.kind, entry.says)), &after.state.stage) {
        (Some((LeafKind::Approved, _)), Stage::Cooling(..)) => true,
        (Some((LeafKind::Refused, says)), Stage::Closed(_)) => says.is_none(),
        _ => false,
    }
}

/// Whether two refusals look alike to whoever is refused.
pub(super) fn same_refusal(one: &Rejected, other: &Rejected) -> bool {
    matches!((one, other), (Rejected::Stage(_), Rejected::Stage(_))) || one == other
}

/// Whether the same words are filed under one ticket.
pub(super) fn is_same_filing(case: &Case) -> bool {
    case.state.request.filing == filing(case.request)
}
