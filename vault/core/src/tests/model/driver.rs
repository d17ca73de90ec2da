//! The vault's driver, as `vault/src/store` has it: a transaction reads the row and the clock, asks the core, writes state,
//! entry and clock, and commits; what follows from the decision is sealed until then.

use super::acts::{Act, Call, Fate};
use super::core::{Case, Core, Effected, Filed, Handle, LANE, Logged, Moment, Moved, Put, START};
use super::judge::{self, Invariant, Judged};
use super::known::Known;
use super::plant::Plant;
use super::world::{Disk, ROOM, World};
use crate::{AfterCommit, Clock, Commit, Now, Rejected, Stage, Why, likeness};
use shared::limits;
use shared::time::Time;

/// When all but [`ROOM`] of a day's requests were filed by others, and how many that are.
pub(super) const OTHERS_AT: u64 = START - 3600;
pub(super) const OTHERS_FILED: usize = limits::LANE_DAY - ROOM;

/// An open transaction: the disk as it will be.
struct Transaction<'a> {
    written: Disk,
    disk: &'a mut Disk,
    fate: Fate,
}

/// Nothing was made durable.
struct Lost;

impl Commit for Transaction<'_> {
    type Error = Lost;
    fn commit(self) -> Result<(), Lost> {
        if self.fate == Fate::Failed {
            return Err(Lost);
        }
        *self.disk = self.written;
        Ok(())
    }
}

/// A commit that is not one: for a plant.
struct Early;

impl Commit for Early {
    type Error = std::convert::Infallible;
    fn commit(self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// What a transaction writes.
enum Row {
    Request(Known<Case>),
    Brake(Known<Handle>),
}

/// A decision to be written.
struct Decided<'a> {
    row: Row,
    entry: Option<&'a Logged>,
    effects: &'a [Effected],
}

impl<'a> Decided<'a> {
    fn request(moved: &'a Moved<Case>) -> Self {
        Self { row: Row::Request(moved.next), entry: moved.entry.as_ref(), effects: &moved.effects }
    }
}

pub(super) struct Driver<'a> {
    pub(super) core: &'a Core,
    pub(super) plant: Option<Plant>,
    /// How many crashes there may be in all.
    pub(super) crashes: u8,
}

impl Driver<'_> {
    /// The world after `act`, if it is another one.
    pub(super) fn act(&self, world: &World, act: Act) -> Option<World> {
        let mut next = match act {
            Act::Call(call, fate) => self.call(world, call, fate)?,
            Act::Sign(owner, say) => super::desk::sign(self.core, self.plant, world, owner, say)?,
            Act::Display(..) | Act::Crash | Act::Start | Act::Reboot | Act::Wait | Act::Set(_) | Act::Confirm => {
                around(world, act)
            }
        };
        judge::world(&mut next);
        (next != *world).then_some(next)
    }

    fn call(&self, world: &World, call: Call, fate: Fate) -> Option<World> {
        let (clock, now) = world.disk.clock.read(world.hands.reading());
        let moment = Moment { now, going: world.disk.brake.brake.going() };
        let judged = Judged { before: world, call, now };
        if let Call::File(request) = call {
            return self.file(&judged, request, clock, fate);
        }
        if let Call::Brake(text, sheet) = call {
            let answer = self.core.brake(world.disk.brake, text, sheet, now);
            return match &*answer {
                Ok(Moved { next, entry, effects }) => {
                    let decided = Decided { row: Row::Brake(*next), entry: entry.as_ref(), effects };
                    Some(self.write(&judged, clock, fate, &decided))
                }
                Err(_) => refused(&judged, fate),
            };
        }
        let (request, put) = put(call)?;
        let case = world.disk.rows[request]?;
        let answer = self.core.put(case, put, moment);
        let mut next = match &*answer {
            Ok(moved) => self.write(&judged, clock, fate, &Decided::request(moved)),
            Err(_) if world.seen[request].twin.is_some() && fate == Fate::Done => world.clone(),
            Err(_) => return refused(&judged, fate),
        };
        let committed = next.disk != world.disk;
        next.left.drafts -= u8::from(committed && put == Put::Composed);
        self.twin(&judged, &mut next, (request, put), moment, answer.as_ref().map(|moved| (moved, committed)));
        Some(next)
    }

    /// The same filing again changes nothing, and is acknowledged again.
    fn file(&self, judged: &Judged<'_>, request: usize, clock: Clock, fate: Fate) -> Option<World> {
        let world = judged.before;
        if let Some(case) = world.disk.rows[request] {
            let mut next = world.clone();
            if judge::is_same_filing(&case) && fate == Fate::Done {
                judged.answered(&mut next, true);
            }
            return Some(next);
        }
        let filed = self.before(world, request, judged.now);
        let answer = self.core.file(filed);
        let Ok(moved) = &*answer else { return None };
        let mut next = self.write(judged, clock, fate, &Decided::request(moved));
        if next.disk != world.disk && matches!(moved.next.state.stage, Stage::Closed(_)) {
            // Refused at once: it must look like one that is not.
            let twin = self.core.file(Filed { refused_at: None, ..filed });
            next.seen[request].twin = twin.as_ref().ok().map(|twin| twin.next);
            let same = twin.as_ref().is_ok_and(|twin| judge::told(twin) == judge::told(moved));
            next.must(Invariant::LookAlike, same);
        }
        Some(next)
    }

    /// What the store counts before a filing.
    fn before(&self, world: &World, request: usize, now: Now) -> Filed {
        let rows = || world.disk.rows.iter().flatten();
        let within = |at: &Time| now.time < at.plus(86_400);
        let mut times: Vec<Time> = rows().map(|case| case.state.request.filed_at).filter(within).collect();
        let others = Time::from_unix(OTHERS_AT);
        let (mut lane, mut first) = (times.len(), times.drain(..).min());
        if within(&others) {
            (lane, first) = (lane + OTHERS_FILED, Some(others));
        }
        if self.plant == Some(Plant::QuotaReset) && world.left.crashes < self.crashes {
            lane = 0;
        }
        let like = likeness(&super::core::filing(request), LANE);
        let refused = |case: &&Known<Case>| likeness(&case.state.request.filing, LANE) == like;
        let refused_at = rows().filter(refused).filter_map(|case| refused_at(case)).max();
        Filed { setup: world.setup(), request, lane, first, refused_at, now }
    }

    /// Writes a decision, commits, and then lets follow what follows.
    fn write(&self, judged: &Judged<'_>, clock: Clock, fate: Fate, decided: &Decided<'_>) -> World {
        let mut next = judged.before.clone();
        let mut written = Disk { clock, ..next.disk.clone() };
        if decided.entry.is_some() {
            match decided.row {
                Row::Request(case) => written.rows[case.request] = Some(case),
                Row::Brake(handle) => written.brake = handle,
            }
        }
        let sealed = AfterCommit::seal(decided.effects);
        let transaction = Transaction { written, disk: &mut next.disk, fate };
        let (durable, opened) = if self.plant == Some(Plant::EffectBeforeCommit) {
            let Ok(effects) = sealed.open(Early);
            (transaction.commit().is_ok(), Some(effects))
        } else {
            let opened = sealed.open(transaction).ok();
            // A power cut takes what the process held.
            (opened.is_some(), opened.filter(|_| fate == Fate::Done))
        };
        if durable {
            judged.committed(&mut next, decided.entry);
        }
        if let Some(effects) = opened {
            effects.iter().for_each(|effect| judged.happens(&mut next, durable, *effect));
            judged.answered(&mut next, durable);
        }
        if fate == Fate::Cut {
            next.left.crashes -= 1;
            next.up = false;
        }
        next
    }

    /// Keeps beside a silently decided request the same one undecided, and lets the visitor do the same to both.
    fn twin(
        &self,
        judged: &Judged<'_>,
        next: &mut World,
        (request, put): (usize, Put),
        moment: Moment,
        outcome: Result<(&Moved<Case>, bool), &Rejected>,
    ) {
        if matches!(outcome, Ok((_, false))) {
            return;
        }
        let Some(twin) = judged.before.seen[request].twin else {
            if let Ok((moved, _)) = outcome
                && judge::is_hidden(moved.entry.as_ref(), &moved.next)
            {
                next.must(Invariant::LookAlike, judge::told(moved) == 0);
                next.seen[request].twin = judged.before.disk.rows[request];
            }
            return;
        };
        if matches!(outcome, Ok((moved, _)) if matches!(moved.next.state.stage, Stage::Released(_))) {
            next.seen[request].twin = None;
            return;
        }
        let told = outcome.as_ref().map_or(0, |(moved, _)| judge::told(moved));
        let alike = self.core.put(twin, put, moment);
        if put == Put::Tick {
            // Time is passed on to both in the same instant, at the deadline too.
            next.must(Invariant::LookAlike, told == alike.as_ref().as_ref().map_or(0, |moved| judge::told(moved)));
        } else if !matches!(put, Put::Answered(_) | Put::Withdrawn | Put::Collect { .. }) {
            return next.must(Invariant::LookAlike, told == 0);
        }
        let late = moment.now.time >= twin.state.request.lapses_at();
        match (outcome, &*alike) {
            (Ok((moved, _)), Ok(other)) => {
                next.must(Invariant::LookAlike, late || told == judge::told(other));
                next.seen[request].twin = Some(other.next).filter(|_| !is_over(&moved.next));
            }
            (Err(why), Err(other)) if put != Put::Tick => {
                next.must(Invariant::LookAlike, late || judge::same_refusal(why, other))
            }
            (Err(_), Ok(other)) if put == Put::Tick => next.seen[request].twin = Some(other.next),
            (Ok(_) | Err(_), Ok(_) | Err(_)) => next.must(Invariant::LookAlike, late || put == Put::Tick),
        }
    }
}

/// A request that its visitor sees as closed.
fn is_over(case: &Case) -> bool {
    case.state.ends_at().is_none()
}

fn refused_at(case: &Case) -> Option<Time> {
    if let Stage::Closed(closing) = &case.state.stage {
        Some(closing.at).filter(|_| closing.why == Why::Refused)
    } else {
        None
    }
}

/// Nothing is written, so it does not matter how the transaction ends.
fn refused(judged: &Judged<'_>, fate: Fate) -> Option<World> {
    if fate != Fate::Done || judged.is_rightly_rejected() {
        return None;
    }
    let mut next = judged.before.clone();
    next.must(Invariant::Stop, false);
    Some(next)
}

/// Which request a call is about, and what the writer puts to it.
fn put(call: Call) -> Option<(usize, Put)> {
    Some(match call {
        Call::Prepare(request) => (request, Put::Prepared),
        Call::Unprepare(request) => (request, Put::Unprepared),
        Call::Compose(request) => (request, Put::Composed),
        Call::Refuse(request) => (request, Put::Refused),
        Call::Submit(request, text, sheet) => (request, Put::Signed(text, sheet)),
        Call::Answer(request, text) => (request, Put::Answered(text.nonce()?)),
        Call::Withdraw(request) => (request, Put::Withdrawn),
        Call::Collect(request, device, offset) => (request, Put::Collect { device, offset }),
        Call::Tick(request) => (request, Put::Tick),
        Call::File(_) | Call::Brake(..) => return None,
    })
}

/// What happens without a transaction that decides something.
fn around(world: &World, act: Act) -> World {
    let mut next = world.clone();
    match act {
        Act::Display(owner, request) => next.desks[owner] = world.disk.rows[request],
        Act::Crash => {
            next.left.crashes -= 1;
            next.up = false;
        }
        Act::Start => next.up = true,
        Act::Reboot => {
            next.left.reboots -= 1;
            next.hands.boot += 1;
            next.hands.booted = world.hands.at;
            next.up = true;
        }
        Act::Wait => next.hands.at += 1,
        Act::Set(wall) => {
            next.left.jumps -= u8::from(wall != super::world::Wall::Right);
            next.hands.wall = wall;
        }
        Act::Confirm => next.disk.clock = world.disk.clock.confirmed(world.hands.reading()),
        Act::Call(..) | Act::Sign(..) => {}
    }
    next
}
