//! Filing, and what receptions keep for the vault.

use super::{Called, Left, Model, NoAnswer, Request, Verdict, must};
use shared::ids::TicketHash;
use shared::message::{Filing, Refused};
use tokio::time::Instant;
use vault_core::LaneId;

/// What is filed, and where.
type This = (Filing, LaneId);

impl Model {
    /// A visitor files.
    pub fn filing(&mut self, filing: &Filing, lane: LaneId) -> Called {
        let now = self.wall.earliest(Instant::now());
        let request = self.requests.entry(filing.ticket).or_default();
        request.tried.push((filing.clone(), lane));
        request.never_left = false;
        request.filed = Some((request.filed.map_or(now, |f| f.0.min(now)), now));
        self.called(filing.ticket)
    }

    /// What is kept may be filed at any instant that the vault goes by until somebody settles the clock.
    pub fn look_at_the_clock(&mut self) {
        let earliest = self.wall.earliest(Instant::now());
        for request in self.requests.values_mut().filter(|request| !request.kept.is_empty()) {
            request.filed = request.filed.map(|(first, last)| (first.min(earliest), last));
        }
    }

    /// The vault has it.
    pub fn filed(&mut self, called: &Called, this: This) -> Verdict {
        let request = self.settled(called)?;
        request.gone = true;
        let other = request.accepted.replace(this.clone()).is_some_and(|accepted| accepted != this);
        must(!other, "two different filings of one id were acknowledged")
    }

    /// A reception keeps it, and promises to hand it over; the visitor's `own` is the one that it asks later.
    pub fn kept_here(&mut self, called: &Called, this: This, own: bool) -> Verdict {
        must(!called.calm, "kept at the reception, though the vault was there")?;
        let request = self.settled(called)?;
        request.kept.push(this);
        request.promised |= own;
        if own && (request.here.is_none() || std::mem::take(&mut request.gone)) {
            request.here = Some(called.at);
        }
        Ok(())
    }

    /// It was not filed.
    pub fn not_filed(&mut self, called: &Called, this: &This, why: NoAnswer) -> Verdict {
        let request = self.settled(called)?;
        if why != NoAnswer::Refused(Refused::Malformed) {
            return self.no_answer(called, why);
        }
        let other_is_kept = request.kept.iter().any(|kept| kept != this);
        must(
            called.before.accepted.as_ref() != Some(this) || other_is_kept,
            "an acknowledged filing was refused when repeated",
        )?;
        must(request.has_rivals(), "a filing without a rival was refused")
    }

    /// It waits at the reception.
    pub fn is_kept(&self, called: &Called) -> Verdict {
        let tried = self.requests.get(&called.ticket).is_some_and(|request| !request.tried.is_empty());
        must(tried, "kept at the reception, though nobody filed it")?;
        must(!called.calm, "kept at the reception, though the vault was there")
    }

    /// It was set aside at the reception: only what the vault refuses for good is, and that is another's rival.
    pub fn is_set_aside(&self, called: &Called) -> Verdict {
        let rivals = self.requests.get(&called.ticket).is_some_and(Request::has_rivals);
        must(rivals, "set aside at the reception without a rival")
    }

    /// The reception says of what it has kept last that it was not handed over. The vault has `heard` filings from it, at an
    /// instant or later; that one not since its visitor was told that it is kept, and nothing else.
    pub fn is_unsent(
        &self,
        called: &Called,
        lane: LaneId,
        heard: impl Fn(&Filing, Option<Instant>) -> bool,
    ) -> Verdict {
        let since = self.requests.get(&called.ticket).and_then(|request| request.here);
        let sent = self.last_kept(called, lane).is_some_and(|filing| heard(filing, since));
        must(!sent, "said not to be handed over, though the vault has heard it")
    }

    /// The reception says that no owner has seen what it has kept last; whatever else its visitor was told, the vault does not
    /// `have` that from it.
    pub fn is_unseen(&self, called: &Called, lane: LaneId, have: impl Fn(&Filing, Option<Instant>) -> bool) -> Verdict {
        let seen = self.last_kept(called, lane).is_some_and(|filing| have(filing, None));
        must(!seen, "said to be seen by no owner, though the vault has it")
    }

    fn last_kept(&self, called: &Called, lane: LaneId) -> Option<&Filing> {
        let kept = &self.requests.get(&called.ticket)?.kept;
        kept.iter().rfind(|(_, place)| *place == lane).map(|(filing, _)| filing)
    }

    /// Its visitor was told something else than that it is kept.
    pub fn is_elsewhere(&mut self, called: &Called) {
        if let Some(request) = self.requests.get_mut(&called.ticket) {
            request.gone = true;
        }
    }

    /// It was taken back at the reception, and the vault could not be asked. What was filed once alone is then nowhere, if it has
    /// not left; what was filed again may have reached the vault before it was kept.
    pub fn removed(&mut self, called: &Called, left: Left) -> Verdict {
        let request = self.request(called.ticket)?;
        request.promised = false;
        request.never_left = left == Left::Never && request.tried.len() == 1;
        must(!called.calm, "taken back at the reception only, though the vault was there")
    }

    /// Whether this filing was acknowledged.
    pub fn is_acknowledged(&self, filing: &Filing, lane: LaneId) -> bool {
        let accepted = self.requests.get(&filing.ticket).and_then(|request| request.accepted.as_ref());
        accepted.is_some_and(|accepted| *accepted == (filing.clone(), lane))
    }

    /// Whether this filing must be at the vault by the time that everything was handed over.
    pub fn is_filed(&self, filing: &Filing, lane: LaneId) -> bool {
        self.is_promised(filing.ticket) || self.is_acknowledged(filing, lane)
    }

    /// Whether a visitor's own reception has promised to hand its request over.
    pub fn is_promised(&self, ticket: TicketHash) -> bool {
        self.requests.get(&ticket).is_some_and(|request| request.promised)
    }

    /// Whether its visitor was told that it has not left its reception, and is not there any more.
    pub fn is_taken_back(&self, ticket: TicketHash) -> bool {
        self.requests.get(&ticket).is_some_and(|request| request.never_left)
    }

    /// It may have been filed at any time until now, and may still be.
    fn settled(&mut self, called: &Called) -> Result<&mut Request, String> {
        let latest = self.wall.latest();
        let request = self.request(called.ticket)?;
        request.filed = request.filed.map(|(first, last)| (first, last.max(latest)));
        Ok(request)
    }
}

impl Request {
    /// Whether different things were filed under one ticket, of which the vault takes one.
    pub(super) fn has_rivals(&self) -> bool {
        self.tried.iter().any(|tried| *tried != self.tried[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::dice::Dice;
    use crate::sim::model::{Rules, Wall};
    use shared::ids::Ticket;
    use shared::message::{Recipient, Subject};
    use shared::text::Text;
    use std::time::Duration;
    use tokio::time::advance;

    const HERE: LaneId = LaneId(1);

    fn filing(purpose: &str) -> Filing {
        Filing {
            ticket: Ticket::from_random([1; 32]).hash(),
            subject: Subject::Question(Text::new("Are there plums?").unwrap()),
            purpose: Text::new(purpose).unwrap(),
            contact: None,
            recipient: Recipient::Ticket,
        }
    }

    /// Files at the reception, which keeps it; when that was.
    async fn keep(model: &mut Model, filing: &Filing) -> Called {
        advance(Duration::from_secs(10)).await;
        let called = model.filing(filing, HERE);
        model.kept_here(&called, (filing.clone(), HERE), true).unwrap();
        called
    }

    /// Whether the reception may say of what it kept last that it is unsent, and unseen, when the vault has heard this.
    fn may_say(model: &Model, called: &Called, what: &Filing, at: Instant) -> (bool, bool) {
        let heard = |filing: &Filing, from: Option<Instant>| filing == what && from.is_none_or(|from| from <= at);
        (model.is_unsent(called, HERE, heard).is_ok(), model.is_unseen(called, HERE, heard).is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_reception_says_is_held_against_what_the_vault_has_heard() {
        let mut model = Model::new(Wall::new(1_000_000_000, Dice::of(1, 1)), Rules { quorum: 1, cooling: 0 });
        let (plums, pears) = (filing("plums"), filing("pears"));
        let first = keep(&mut model, &plums).await;
        let (second, before) = (Duration::from_secs(1), first.since() - Duration::from_secs(1));
        assert_eq!(may_say(&model, &first, &plums, first.since() + second), (false, false));
        assert_eq!(may_say(&model, &first, &plums, before), (true, false), "an earlier one");
        assert_eq!(may_say(&model, &first, &pears, first.since() + second), (true, true), "another");
        let heard = |_: &Filing, _: Option<Instant>| true;
        assert!(model.is_unsent(&first, LaneId(2), heard).is_ok() && model.is_unseen(&first, LaneId(2), heard).is_ok());
        // The same again, of which nothing else was said meanwhile.
        let again = keep(&mut model, &plums).await;
        assert_eq!(may_say(&model, &again, &plums, first.since() + second), (false, false));
        model.is_elsewhere(&again);
        assert_eq!(may_say(&model, &again, &plums, first.since() + second), (false, false));
        let anew = keep(&mut model, &plums).await;
        assert_eq!(may_say(&model, &anew, &plums, first.since() + second), (true, false));
        assert_eq!(may_say(&model, &anew, &plums, anew.since() + second), (false, false));
        let other = keep(&mut model, &pears).await;
        assert_eq!(may_say(&model, &other, &plums, anew.since() + second), (true, true), "of the last alone");
    }
}
