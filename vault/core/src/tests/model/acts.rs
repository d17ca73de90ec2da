//! What may happen next: everything that a reception, a thief of papers, two owners, a failing disk, a power cut and a clock
//! can do.

use super::core::{Case, Core, number};
use super::known::Known;
use super::papers::{OWNERS, Sheet, Text};
use super::world::{Bounds, FOLLOWED, Wall, World};
use crate::Stage;
use shared::statement::{FreezeAction, Statement};
use std::fmt;

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// The vault is called, and its transaction ends in this way.
    Call(Call, Fate),
    /// An owner looks at a request.
    Display(usize, usize),
    /// An owner signs.
    Sign(usize, Say),
    /// The power fails while nothing is half done, or before a commit, which comes to the same.
    Crash,
    /// The vault starts again, on the same boot of the machine or on another.
    Start,
    Reboot,
    /// Time passes, to the next instant.
    Wait,
    /// The wall clock is set.
    Set(Wall),
    /// An owner says that the clock is right.
    Confirm,
}

/// What the vault is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// A request is filed, for the first time or again.
    File(usize),
    Prepare(usize),
    Unprepare(usize),
    Compose(usize),
    Refuse(usize),
    /// A paper is handed in for a request.
    Submit(usize, Known<Text>, Sheet),
    /// A paper is handed in for the brake.
    Brake(Known<Text>, Sheet),
    /// A question is answered, whether it was asked here or not.
    Answer(usize, Known<Text>),
    Withdraw(usize),
    /// A device asks for the bytes from an offset.
    Collect(usize, u8, u64),
    Tick(usize),
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Committed; then what follows from it.
    Done,
    /// The commit fails.
    Failed,
    /// Committed; then the power fails.
    Cut,
}

/// What an owner signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Say {
    Approve,
    /// The right bytes, for another request's visitor.
    ApproveForOther,
    Ask,
    RefuseInWords,
    Revoke,
    Brake,
}

/// A collection's offset that no payload has.
pub(super) const BEYOND: u64 = 1 << 20;

/// Everything that may happen in `world`, in a fixed order.
pub(super) fn all(world: &World, bounds: &Bounds, core: &Core, acts: &mut Vec<Act>) {
    // A history in which something has gone wrong ends there.
    if world.broken != 0 {
        return;
    }
    clocks(world, bounds, acts);
    if !world.up {
        acts.extend([Act::Start]);
        acts.extend((world.left.reboots > 0).then_some(Act::Reboot));
        return;
    }
    acts.extend((world.left.crashes > 0).then_some(Act::Crash));
    owners(world, bounds, acts);
    let mut calls = Vec::new();
    filings(world, bounds, &mut calls);
    for request in 0..FOLLOWED {
        if let Some(case) = world.disk.rows[request] {
            steps(world, case, &mut calls);
            papers(world, case, core, &mut calls);
        }
    }
    brakes(world, &mut calls);
    for call in calls {
        acts.extend([Act::Call(call, Fate::Done), Act::Call(call, Fate::Failed)]);
        acts.extend((world.left.crashes > 0).then_some(Act::Call(call, Fate::Cut)));
    }
}

fn clocks(world: &World, bounds: &Bounds, acts: &mut Vec<Act>) {
    if usize::from(world.hands.at) + 1 < bounds.instants {
        acts.push(Act::Wait);
    }
    if world.hands.wall != Wall::Right {
        acts.push(Act::Set(Wall::Right));
    } else if world.left.jumps > 0 {
        acts.extend([Wall::Back, Wall::Soon, Wall::Ahead].map(Act::Set));
    }
    // An owner who is asked looks at another clock first.
    if world.up && world.hands.wall == Wall::Right && world.now().doubt.is_some() {
        acts.push(Act::Confirm);
    }
}

fn owners(world: &World, bounds: &Bounds, acts: &mut Vec<Act>) {
    for owner in 0..OWNERS {
        // Nothing tells owners apart but their keys, so the first to do anything is called the first.
        let first = owner == 0 || world.desks[0].is_some() || world.left.signs[0] < bounds.signs;
        if world.left.signs[owner] == 0 || !first {
            continue;
        }
        for request in 0..FOLLOWED {
            let case = world.disk.rows[request].filter(|case| !says(world, *case).is_empty());
            if case.is_some() && case != world.desks[owner] {
                acts.push(Act::Display(owner, request));
            }
        }
        if let Some(case) = world.desks[owner] {
            acts.extend(says(world, case).into_iter().map(|say| Act::Sign(owner, say)));
        }
        if world.left.brakes > 0 {
            acts.push(Act::Sign(owner, Say::Brake));
        }
    }
}

/// What can be signed about a request.
fn says(world: &World, case: Known<Case>) -> Vec<Say> {
    let mut says = Vec::new();
    match &case.state.stage {
        Stage::AwaitingOwner(..) => {
            says.push(Say::Approve);
            says.extend((world.left.tricks > 0).then_some(Say::ApproveForOther));
        }
        Stage::Cooling(..) | Stage::Released(_) => says.push(Say::Revoke),
        Stage::Received | Stage::AwaitingAnswer(_) | Stage::AwaitingVisitor(_) | Stage::Closed(_) => {}
    }
    if case.state.stage.nonce().is_some() && world.left.words > 0 {
        says.extend([Say::Ask, Say::RefuseInWords]);
    }
    says
}

fn filings(world: &World, bounds: &Bounds, calls: &mut Vec<Call>) {
    for request in 0..bounds.filings {
        // The vault cannot tell one from the other, so the first is filed first.
        let before = request == 0 || world.disk.rows[request - 1].is_some();
        calls.extend(before.then_some(Call::File(request)));
    }
}

fn steps(world: &World, case: Known<Case>, calls: &mut Vec<Call>) {
    let request = case.request;
    if case.state.stage == Stage::Received {
        calls.extend([Call::Prepare(request), Call::Unprepare(request)]);
    }
    if world.left.drafts > 0 && case.state.stage.is_undecided() {
        calls.push(Call::Compose(request));
    }
    calls.extend([Call::Refuse(request), Call::Withdraw(request), Call::Tick(request)]);
    // Devices name their collections as they like, so the first to come is called the first.
    for device in 0..=u8::from(world.seen[request].collected != 0) {
        calls.extend([Call::Collect(request, device, 0), Call::Collect(request, device, BEYOND)]);
    }
}

fn papers(world: &World, case: Known<Case>, core: &Core, calls: &mut Vec<Call>) {
    let request = case.request;
    for text in world.pile.texts() {
        calls.extend(sheets(world, text).map(|sheet| Call::Submit(request, text, sheet)));
        if matches!(text.statement, Statement::Question(_)) {
            calls.push(Call::Answer(request, text));
        }
    }
    // The approval that a thief would like to have, with whatever signatures can be found.
    if matches!(case.state.stage, Stage::AwaitingOwner(..)) {
        let text = core.write(case, Say::Approve, world.hands.reading().wall);
        let stolen = world.pile.all().filter(|paper| paper.text != text).map(Sheet::Stolen);
        let forged = [Sheet::Bare, Sheet::Stranger].into_iter().chain(stolen);
        calls.extend(forged.map(|sheet| Call::Submit(request, text, sheet)));
    }
}

fn brakes(world: &World, calls: &mut Vec<Call>) {
    for text in world.pile.texts() {
        calls.extend(sheets(world, text).map(|sheet| Call::Brake(text, sheet)));
    }
}

/// The ways in which a text can be handed in by whoever holds the papers.
fn sheets(world: &World, text: Known<Text>) -> impl Iterator<Item = Sheet> {
    let signed: [bool; OWNERS] = std::array::from_fn(|owner| world.pile.signers(text).any(|p| p.owner == owner));
    let alone = (0..OWNERS).filter(move |owner| signed[*owner]).flat_map(|o| [Sheet::One(o), Sheet::Twice(o)]);
    alone.chain(signed.iter().all(|signed| *signed).then_some(Sheet::Both))
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(call, Fate::Done) => write!(f, "{call}"),
            Self::Call(call, Fate::Failed) => write!(f, "{call}, and the commit fails"),
            Self::Call(call, Fate::Cut) => write!(f, "{call}, and the power fails after the commit"),
            Self::Display(owner, request) => write!(f, "owner {owner} looks at request {request}"),
            Self::Sign(owner, say) => write!(f, "owner {owner} signs {say}"),
            Self::Crash => f.write_str("the power fails"),
            Self::Start => f.write_str("the vault starts again"),
            Self::Reboot => f.write_str("the machine and the vault start again"),
            Self::Wait => f.write_str("time passes"),
            Self::Set(Wall::Right) => f.write_str("the wall clock is set right"),
            Self::Set(Wall::Back) => f.write_str("the wall clock is set back"),
            Self::Set(Wall::Soon) => f.write_str("the wall clock is set a little ahead"),
            Self::Set(Wall::Ahead) => f.write_str("the wall clock is set ahead"),
            Self::Confirm => f.write_str("an owner confirms the clock"),
        }
    }
}

impl fmt::Display for Say {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Approve => "the approval",
            Self::ApproveForOther => "an approval for another's visitor",
            Self::Ask => "a question back",
            Self::RefuseInWords => "words of refusal",
            Self::Revoke => "a revocation",
            Self::Brake => "a freeze or thaw",
        })
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(request) => write!(f, "request {request} is filed"),
            Self::Prepare(request) => write!(f, "request {request} is prepared"),
            Self::Unprepare(request) => write!(f, "request {request} cannot be prepared"),
            Self::Compose(request) => write!(f, "an owner writes a draft for request {request}"),
            Self::Refuse(request) => write!(f, "an owner refuses request {request} without a word"),
            Self::Submit(request, text, sheet) => write!(f, "{} for request {request}", Handed(*text, *sheet)),
            Self::Brake(text, sheet) => write!(f, "{} for the brake", Handed(*text, *sheet)),
            Self::Answer(request, _) => write!(f, "a question is answered for request {request}"),
            Self::Withdraw(request) => write!(f, "request {request} is withdrawn"),
            Self::Collect(request, device, offset) => {
                write!(f, "device {device} collects request {request} from byte {offset}")
            }
            Self::Tick(request) => write!(f, "the vault sees whether time ends request {request}"),
        }
    }
}

/// A text with its signatures, in words.
struct Handed(Known<Text>, Sheet);

impl fmt::Display for Handed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text, sheet) = self;
        let thaw = matches!(&text.statement, Statement::Freeze(said) if said.action == FreezeAction::Thaw);
        let kind = if thaw { "thaw" } else { text.statement.kind() };
        write!(f, "a paper of kind {kind}")?;
        if let Some(nonce) = text.nonce() {
            write!(f, " under nonce {}", number(nonce))?;
        }
        match sheet {
            Sheet::One(owner) => write!(f, " by owner {owner}")?,
            Sheet::Both => write!(f, " by both owners")?,
            Sheet::Twice(owner) => write!(f, " with owner {owner}'s signature twice")?,
            Sheet::Stranger => write!(f, " with a stranger's signature")?,
            Sheet::Stolen(_) => write!(f, " with a signature from another text")?,
            Sheet::Bare => write!(f, " without a signature")?,
        }
        write!(f, " is handed in")
    }
}
