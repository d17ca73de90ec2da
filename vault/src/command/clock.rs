//! `vault clock`: what the vault thinks of the machine's clock, and the owner's word that it is right.

use super::requests::open;
use super::{CommandError, Invocation, Owner, say, unexpected, watch};
use crate::cli::Clock;
use crate::desk::{ClockFacts, Desk, DeskCall, DeskReply};

impl Owner {
    pub(super) fn clock(&self, options: Clock) -> Result<(), CommandError> {
        let facts = clock(Desk::ask(&self.socket, &DeskCall::Clock)?)?;
        if options.output.json {
            return super::say_json(&facts);
        }
        describe(&facts, &self.invocation).iter().try_for_each(|line| say(line))?;
        if !options.confirm {
            return Ok(());
        }
        if facts.doubt.is_none() {
            return say("There is nothing to confirm.");
        }
        say(
            "If this is the right time, look at another clock first, then type yes and Enter; anything else does nothing.",
        )?;
        if watch::typed(&open()?)? != "yes" {
            return Err(CommandError::Refused("Nothing was changed. The vault still doubts its clock.".into()));
        }
        let facts = clock(Desk::ask(&self.socket, &DeskCall::ConfirmClock { wall: facts.wall })?)?;
        say(&format!("The vault goes by {} from now on.", facts.time))
    }
}

fn clock(reply: DeskReply) -> Result<ClockFacts, CommandError> {
    let DeskReply::Clock(facts) = reply else { return Err(unexpected()) };
    Ok(facts)
}

/// The clock, and what its doubt holds up.
pub(super) fn describe(facts: &ClockFacts, invocation: &Invocation) -> Vec<String> {
    let mut lines = vec![format!("clock        {} (this machine)", facts.wall)];
    if let Some(doubt) = facts.doubt {
        lines.push(format!("             {doubt}: the vault knows of {}", facts.time));
        lines.push("             Nothing is approved, collected or ended by time until that is settled.".into());
        let confirm = invocation.line("clock --confirm");
        lines.push(format!("             Set the clock right, or say that it is: {confirm}"));
    }
    lines
}
