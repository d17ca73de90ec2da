//! Whose turn it is: which requests are put off and until when, and who goes first of the others.

use super::RETRY;
use shared::ids::TicketHash;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// The longest that a request is not offered on one link.
pub(super) const LATER: Duration = Duration::from_secs(600);

/// The requests that were offered in vain.
#[derive(Clone, Default)]
pub(super) struct Later(HashMap<TicketHash, Turn>);

#[derive(Clone, Copy)]
struct Turn {
    /// When it is offered again.
    from: Instant,
    /// How often it was not filed.
    failures: u32,
    /// How often another was filed right after it, so that the reason was its own.
    own: u32,
}

impl Later {
    /// Forgets those that do not wait here any more.
    pub(super) fn keep(&mut self, waits: impl Fn(&TicketHash) -> bool) {
        self.0.retain(|ticket, _| waits(ticket));
    }

    /// A request is to be offered again after this time, which is cut to what it may be at most.
    pub(super) fn put_off(&mut self, ticket: TicketHash, time: Duration, now: Instant) -> Duration {
        let time = time.min(LATER);
        let turn = self.0.entry(ticket).or_insert(Turn { from: now, failures: 0, own: 0 });
        turn.from = now + time;
        time
    }

    /// A request was not filed; when it is offered again.
    pub(super) fn failed(&mut self, ticket: TicketHash, now: Instant) -> Duration {
        let own = self.0.get(&ticket).map_or(0, |turn| turn.own);
        let time = RETRY.saturating_mul(2_u32.saturating_pow(own));
        let time = self.put_off(ticket, time, now);
        if let Some(turn) = self.0.get_mut(&ticket) {
            turn.failures = turn.failures.saturating_add(1);
        }
        time
    }

    /// That a request was not filed had its reason in itself: the next time it waits longer.
    pub(super) fn blame(&mut self, ticket: TicketHash) {
        if let Some(turn) = self.0.get_mut(&ticket) {
            turn.own = turn.own.saturating_add(1);
        }
    }

    /// Another link, another try for each; but whoever failed more often still goes after the others.
    pub(super) fn renew(&mut self, now: Instant) {
        self.0.values_mut().for_each(|turn| turn.from = now);
    }

    /// How often a request was not filed, fewest going first, unless it is put off.
    pub(super) fn turn(&self, ticket: &TicketHash, now: Instant) -> Option<u32> {
        self.0.get(ticket).map_or(Some(0), |turn| (turn.from <= now).then_some(turn.failures))
    }

    /// When the first of those that are put off is offered again.
    pub(super) fn soonest(&self, now: Instant) -> Option<Duration> {
        let times = self.0.values().map(|turn| turn.from.saturating_duration_since(now));
        times.filter(|time| !time.is_zero()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: TicketHash = TicketHash([1; 32]);
    const TWO: TicketHash = TicketHash([2; 32]);

    fn seconds(time: u64) -> Duration {
        Duration::from_secs(time)
    }

    #[test]
    fn who_fails_for_reasons_of_its_own_waits_longer_up_to_a_bound() {
        let (mut later, now) = (Later::default(), Instant::now());
        assert_eq!((later.failed(ONE, now), later.failed(ONE, now)), (RETRY, RETRY), "the vault may be the reason");
        for time in [60, 120, 240, 480, 600, 600] {
            later.blame(ONE);
            assert_eq!(later.failed(ONE, now), seconds(time));
        }
        (0..40).for_each(|_| later.blame(ONE));
        assert_eq!(later.failed(ONE, now), LATER);
        assert_eq!((later.turn(&ONE, now), later.turn(&ONE, now + LATER)), (None, Some(9)));
    }

    #[test]
    fn who_was_put_off_has_a_turn_then_or_on_another_link() {
        let (mut later, now) = (Later::default(), Instant::now());
        assert_eq!((later.turn(&ONE, now), later.soonest(now)), (Some(0), None));
        assert_eq!(later.put_off(ONE, seconds(7000), now), LATER);
        assert_eq!(later.put_off(ONE, seconds(5), now), seconds(5));
        later.failed(TWO, now);
        assert_eq!((later.turn(&ONE, now), later.soonest(now)), (None, Some(seconds(5))));
        let then = now + seconds(5);
        assert_eq!((later.turn(&ONE, then), later.turn(&TWO, then)), (Some(0), None), "a quota is no failure");
        assert_eq!(later.soonest(then), Some(seconds(25)));
        later.renew(then);
        assert_eq!((later.turn(&ONE, then), later.turn(&TWO, then), later.soonest(then)), (Some(0), Some(1), None));
        later.keep(|ticket| *ticket == ONE);
        assert_eq!(later.turn(&TWO, then), Some(0));
    }
}
