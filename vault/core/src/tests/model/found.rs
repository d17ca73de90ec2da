//! What the search has found in the core, as plain tests.

use super::acts::Say;
use super::core::{Case, Core, Effected, Filed, Moment, Moved, Put, START, Setup};
use super::known::Known;
use super::papers::Sheet;
use super::world::SPAN;
use crate::{Going, Now, Rejected, Stage, Why};
use shared::limits;
use shared::message::View;
use shared::time::Time;

const SETUP: Setup = Setup { quorum: 1, cooling: SPAN };

fn at(seconds: u64) -> Now {
    let time = Time::from_unix(START + seconds);
    Now { time, waited: seconds, doubt: None }
}

fn put(core: &Core, case: Known<Case>, put: Put, now: Now, going: Going) -> &'static Result<Moved<Case>, Rejected> {
    core.put(case, put, Moment { now, going }).get()
}

/// An item's request that was approved at its filing; it cools off for a span and would be over after two.
fn cooling(core: &Core) -> Known<Case> {
    let filed = Filed { setup: SETUP, request: 0, lane: 0, first: None, refused_at: None, now: at(0) };
    let received = core.file(filed).as_ref().unwrap().next;
    let awaiting = put(core, received, Put::Prepared, at(0), Going::On).as_ref().unwrap().next;
    let text = core.write(awaiting, Say::Approve, at(0).time);
    put(core, awaiting, Put::Signed(text, Sheet::One(0)), at(0), Going::On).as_ref().unwrap().next
}

#[test]
fn an_approval_whose_time_is_over_before_it_cooled_off_looks_undecided() {
    let core = Core::new(None);
    let case = cooling(&core);
    assert!(matches!(case.state.stage, Stage::Cooling(..)));
    // Releases are stopped, or the vault was away: nobody looked at it in time.
    for seconds in [0, SPAN, 2 * SPAN, limits::ASKING_LIFE - 1] {
        assert_eq!(case.state.shown().view(at(seconds).time), View::Waiting, "{seconds}");
    }
    for going in [Going::On, Going::Frozen] {
        let Moved { next, effects, .. } = put(&core, case, Put::Tick, at(2 * SPAN), going).as_ref().unwrap();
        assert!(matches!(&next.state.stage, Stage::Closed(closing) if closing.why == Why::Expired));
        assert_eq!(effects, &[Effected::TellOwner]);
        assert_eq!(next.state.shown().view(at(limits::ASKING_LIFE - 1).time), View::Waiting);
        assert_eq!(next.state.shown().view(at(limits::ASKING_LIFE).time), View::Closed);
        assert!(next.restores);
    }
    let stopped = put(&core, case, Put::Tick, at(SPAN), Going::Frozen);
    assert_eq!(stopped.as_ref().err(), Some(&Rejected::Frozen));
}
