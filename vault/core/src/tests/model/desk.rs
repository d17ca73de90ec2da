//! The owner's process: it builds each statement from what it displays.

use super::acts::Say;
use super::core::{Case, Core, Handle, ticket};
use super::known::Known;
use super::papers::Text;
use super::plant::Plant;
use super::world::{FOLLOWED, SPAN, World};
use crate::{Choice, Stage, approval, question, refusal, revocation};
use shared::ids::Nonce;
use shared::statement::{Approval, RecipientLine, Shown, Statement};
use shared::time::Time;

impl Core {
    /// What an owner who is looking at `case` signs to say this, when the wall clock shows `wall`.
    pub(super) fn write(&self, case: Known<Case>, say: Say, wall: Time) -> Known<Text> {
        *self.written.of((case, say, wall), || self.papers.text(self.statement(&case, say, wall)))
    }

    /// What an owner signs to stop releases, or to let them go on.
    pub(super) fn pull(&self, handle: Known<Handle>, wall: Time) -> Known<Text> {
        *self
            .pulled
            .of((handle, wall), || self.papers.text(handle.brake.statement(&self.vault, "I wonder.".into(), wall)))
    }

    fn statement(&self, case: &Case, say: Say, wall: Time) -> Statement {
        let (state, vault) = (&case.state, &self.vault);
        let nonce = || state.stage.nonce().unwrap();
        match say {
            Say::Approve => self.approval(case, wall).into(),
            Say::ApproveForOther => {
                let other = ticket((case.request + 1) % FOLLOWED);
                let recipient = RecipientLine::Ticket(other);
                Approval { request: other.request(), recipient, ..self.approval(case, wall) }.into()
            }
            Say::Ask => question(vault, state, "Which bakery?".into(), wall, nonce()).into(),
            Say::RefuseInWords => refusal(vault, state, Some("Not before the spring.".into()), wall, nonce()).into(),
            Say::Revoke => {
                let (Stage::Cooling(release, _) | Stage::Released(release)) = &state.stage else {
                    unreachable!("only a release is revoked")
                };
                revocation(vault, release, "I was wrong.".into(), wall, Nonce([99; 16])).into()
            }
            Say::Brake => unreachable!("the brake is not a request's"),
        }
    }

    /// One collection, until one span after the cooling-off time.
    fn approval(&self, case: &Case, wall: Time) -> Approval {
        let Stage::AwaitingOwner(draft, _) = &case.state.stage else { unreachable!("only a draft is approved") };
        let not_after = wall.plus(case.setup.cooling + SPAN);
        let choice = Choice { shown: Shown::Whole, collections: 1, not_after };
        approval(&self.vault, &case.state.request, draft, choice)
    }
}

/// What is signed comes from the screen, not from the vault's state at that moment.
pub(super) fn sign(core: &Core, plant: Option<Plant>, world: &World, owner: usize, say: Say) -> Option<World> {
    let mut next = world.clone();
    let wall = world.hands.reading().wall;
    next.left.signs[owner] -= 1;
    let paper = match say {
        Say::Brake => {
            next.left.brakes -= 1;
            core.papers.paper(core.pull(world.disk.brake, wall), owner, true)
        }
        Say::Approve | Say::ApproveForOther | Say::Ask | Say::RefuseInWords | Say::Revoke => {
            let displayed = world.desks[owner]?;
            let reread = world.disk.rows[displayed.request]
                .filter(|_| say == Say::Approve && plant == Some(Plant::ReadAfterDisplay));
            let source = reread.filter(|row| matches!(row.state.stage, Stage::AwaitingOwner(..))).unwrap_or(displayed);
            let text = core.write(source, say, wall);
            core.papers.paper(text, owner, is_displayed(&displayed, &text))
        }
    };
    next.desks[owner] = None;
    next.left.words -= u8::from(matches!(say, Say::Ask | Say::RefuseInWords));
    next.left.tricks -= u8::from(say == Say::ApproveForOther);
    next.pile = next.pile.with(paper);
    Some(next)
}

/// Whether the bytes that an approval names are the ones on the screen.
fn is_displayed(displayed: &Case, text: &Text) -> bool {
    let Stage::AwaitingOwner(draft, _) = &displayed.state.stage else { return true };
    super::core::approval(text).is_none_or(|said| said.payload == draft.payload)
}
