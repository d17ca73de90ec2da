//! What owners have signed, and what the store says of it in the end.

use super::{Called, Model, Request, Terms, Verdict, must};
use shared::ids::{Nonce, TicketHash};
use shared::time::Time;
use std::collections::BTreeSet;
use tokio::time::Instant;

/// What a signed text about one request does.
#[derive(Debug, Clone)]
pub enum Deed {
    /// Releases.
    Approve(Terms),
    /// Asks back, in these words.
    Ask(Nonce, String),
    /// Refuses, in these words.
    Refuse(String),
    /// Takes a release back; one owner is enough.
    Revoke,
}

impl Model {
    /// An owner writes something to be released instead.
    pub fn composing(&mut self, ticket: TicketHash) {
        self.requests.entry(ticket).or_default().composing = true;
    }

    /// An owner signs this text, which is right in every field, and hands it in.
    pub fn handing_in(&mut self, ticket: TicketHash, who: usize, text: &str, deed: &Deed) -> Called {
        let since = self.wall.earliest(Instant::now());
        let agreed = self.agreed(who, text);
        let request = self.requests.entry(ticket).or_default();
        match deed {
            Deed::Approve(terms) if agreed && !request.is_approved(terms) => {
                request.approvals.push((terms.clone(), since));
            }
            Deed::Ask(nonce, words) if agreed => drop(request.questions.insert(*nonce, words.clone())),
            Deed::Refuse(words) if agreed => drop(request.refusals.insert(words.clone())),
            // Until it was handed in, it may be taken at any time.
            Deed::Revoke => request.revoking = Some(Time::from_unix(u64::MAX)),
            Deed::Approve(_) | Deed::Ask(..) | Deed::Refuse(_) => {}
        }
        self.called(ticket)
    }

    /// What came of it: with how many signatures it was taken, if it was.
    pub fn handed_in(&mut self, called: &Called, deed: &Deed, taken: Option<usize>) -> Verdict {
        let (latest, quorum, stopped) = (self.wall.latest(), self.rules.quorum, self.was_stopped(called));
        let request = self.request(called.ticket)?;
        if matches!(deed, Deed::Revoke) {
            request.revoking = Some(latest);
            request.revoked |= taken.is_some();
            return Ok(());
        }
        must(taken.is_none() || !stopped, "a signed text was taken, though all releases were stopped")?;
        if taken.is_none_or(|signatures| signatures < quorum) {
            return Ok(());
        }
        match deed {
            Deed::Approve(terms) => {
                must(request.approved.is_none(), "two approvals of one request were taken")?;
                must(request.is_approved(terms), "an approval was taken that too few owners signed")?;
                request.approved = Some(latest);
                request.approvals.retain(|(known, _)| known.is(terms));
            }
            Deed::Refuse(_) => request.refused = true,
            Deed::Ask(..) | Deed::Revoke => {}
        }
        Ok(())
    }

    /// An owner signs this text; tells whether as many owners as must have by now.
    fn agreed(&mut self, who: usize, text: &str) -> bool {
        let owners = self.signed.entry(text.to_owned()).or_default();
        owners.insert(who);
        owners.len() >= self.rules.quorum
    }

    /// An owner stops all releases.
    pub fn stopping(&mut self) {
        self.brake.stopping = true;
        self.brake.tries += 1;
    }

    /// That was taken.
    pub fn stopped(&mut self) {
        self.brake.stops += 1;
        self.brake.stopped = Some(self.brake.stops);
    }

    /// An owner signs this text, which lets them go on.
    pub fn starting(&mut self, who: usize, text: &str) {
        if self.agreed(who, text) {
            self.brake.stopped = None;
        }
    }

    /// That was taken, with so many signatures.
    pub fn started(&mut self, signatures: usize) -> Verdict {
        if signatures < self.rules.quorum {
            return Ok(());
        }
        self.brake.stopping = false;
        must(self.brake.stopped.is_none(), "releases go on, though too few owners signed that")
    }

    /// The log has an approval with this nonce: one that owners made. Called once for each.
    pub fn logged(&self, ticket: TicketHash, nonce: Nonce, nonces: &mut BTreeSet<Nonce>) -> Verdict {
        let request = self.requests.get(&ticket).ok_or("the log has an approval of what nobody filed")?;
        let made = request.approvals.iter().any(|(terms, _)| terms.nonce == nonce);
        must(made, "the log has an approval that nobody made")?;
        must(nonces.insert(nonce), "one nonce was used twice")
    }

    /// The store has these answers in the end.
    pub fn kept(&self, ticket: TicketHash, answers: &BTreeSet<(Nonce, String)>) -> Verdict {
        let request = self.requests.get(&ticket).ok_or("the store has what nobody filed")?;
        must(answers.is_subset(&request.answers), "the store has an answer that no visitor gave")?;
        must(request.lasting.is_subset(answers), "an acknowledged answer was lost")
    }
}

impl Request {
    /// Whether this approval may have been taken.
    fn is_approved(&self, terms: &Terms) -> bool {
        self.approvals.iter().any(|(known, _)| known.is(terms))
    }
}
