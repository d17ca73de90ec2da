//! The owner: composes, approves, approves wrongly, says old approvals again, and refuses, as the desk lets an owner do.

use super::dice::Dice;
use super::keys::KEYS;
use super::model::Terms;
use super::world::World;
use node::Surroundings as _;
use shared::ids::{Digest, Nonce};
use shared::limits;
use shared::statement::{Approval, NAMESPACE, RecipientLine, Shown};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use vault::driver::{Store as _, WriteError};
use vault_core::{Choice, Draft, Input, Line, Rejected, Signed, Stage, State, approval};

#[derive(Debug, Clone, Copy)]
enum Act {
    Approve,
    ApproveWrongly(Wrong),
    Again,
    Ask,
    Refuse,
    Leave,
}

/// What can be wrong with an approval; each alone must be refused.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    Thief,
    Namespace,
    Payload,
    Nonce,
    Request,
    Recipient,
    Purpose,
    Over,
    Never,
    NoCollections,
    OtherVault,
    Byte,
}

impl Wrong {
    fn name(self) -> &'static str {
        match self {
            Self::Thief => "an approval by another key was refused",
            Self::Namespace => "an approval for another purpose was refused",
            Self::Payload => "an approval of other bytes was refused",
            Self::Nonce => "an approval with another nonce was refused",
            Self::Request => "an approval of another request was refused",
            Self::Recipient => "an approval for another recipient was refused",
            Self::Purpose => "an approval with other words was refused",
            Self::Over => "an approval that is over was refused",
            Self::Never => "an approval without a near end was refused",
            Self::NoCollections => "an approval for no or too many devices was refused",
            Self::OtherVault => "an approval by another vault was refused",
            Self::Byte => "an approval with a changed byte was refused",
        }
    }
}

const WRONGS: [Wrong; 12] = [
    Wrong::Thief,
    Wrong::Namespace,
    Wrong::Payload,
    Wrong::Nonce,
    Wrong::Request,
    Wrong::Recipient,
    Wrong::Purpose,
    Wrong::Over,
    Wrong::Never,
    Wrong::NoCollections,
    Wrong::OtherVault,
    Wrong::Byte,
];

/// Decides until the world is calm.
pub async fn decide(world: Arc<World>, mut dice: Dice) {
    let mut old = Vec::new();
    while !world.is_calm() {
        sleep(Duration::from_millis(dice.from(300..6000))).await;
        if dice.chance(400) {
            settle_clock(&world).await;
        }
        let states: Vec<_> = world.disk.states();
        let open: Vec<_> = states.iter().filter(|state| state.stage.is_undecided() || dice.chance(100)).collect();
        if !open.is_empty() {
            let state = *dice.one(&open);
            look(&world, state, &mut dice, &mut old).await;
        }
    }
}

/// Says that the vault's clock is right, if it is in doubt.
pub async fn settle_clock(world: &World) {
    let Some(store) = world.store() else { return };
    if store.told.now().doubt.is_none() {
        return;
    }
    match store.confirm_clock().await {
        Ok(()) => {
            world.note("owner: the clock is right");
            world.saw("a doubtful clock was settled");
        }
        Err(error) => world.note(&format!("owner: the clock is right: {error}")),
    }
}

async fn look(world: &Arc<World>, state: &State, dice: &mut Dice, old: &mut Vec<(Signed, Terms)>) {
    match &state.stage {
        Stage::Received => {}
        Stage::AwaitingVisitor(_) if dice.chance(700) => {}
        Stage::AwaitingVisitor(_) => compose(world, state, dice).await,
        Stage::AwaitingAnswer(_) if dice.chance(150) => ask(world, state, dice).await,
        Stage::AwaitingAnswer(_) => compose(world, state, dice).await,
        Stage::Released(release) if dice.chance(60) => revoke(world, state, release, dice).await,
        Stage::AwaitingOwner(..) if dice.chance(100) => compose(world, state, dice).await,
        Stage::AwaitingOwner(draft, _) => {
            let wrong = Act::ApproveWrongly(*dice.one(&WRONGS));
            let acts =
                [(40, Act::Approve), (30, wrong), (10, Act::Again), (8, Act::Refuse), (12, Act::Ask), (6, Act::Leave)];
            match dice.weighted(&acts) {
                Act::Approve => approve(world, state, draft, dice, old).await,
                Act::ApproveWrongly(wrong) => approve_wrongly(world, state, draft, wrong, dice).await,
                Act::Again => again(world, state, dice, old).await,
                Act::Ask => ask(world, state, dice).await,
                Act::Refuse => drop(said(world, state, "refuse", Input::Refused).await),
                Act::Leave => {}
            }
        }
        Stage::Cooling(..) | Stage::Released(_) | Stage::Closed(_) => again(world, state, dice, old).await,
    }
}

/// Asks the visitor back.
async fn ask(world: &Arc<World>, state: &State, dice: &mut Dice) {
    let Some(nonce) = state.stage.nonce() else { return };
    let text = format!("Question back {}?", dice.from(0..1000));
    let question = vault_core::question(&KEYS.origin, state, text, world.wall.wall(), nonce);
    world.model().asking(state.ticket(), &question);
    let signed = KEYS.owner.sign(question);
    if said(world, state, "ask back", handed(world, signed)).await.is_ok() {
        world.saw("a question was asked back");
    }
}

/// Takes a release back.
async fn revoke(world: &Arc<World>, state: &State, release: &vault_core::Release, dice: &mut Dice) {
    let reason = "by the dice".to_owned();
    let nonce = Nonce(dice.bytes());
    let revocation = vault_core::revocation(&KEYS.origin, release, reason, world.wall.wall(), nonce);
    world.model().revoking(state.ticket());
    let signed = KEYS.owner.sign(revocation);
    if said(world, state, "revoke", handed(world, signed)).await.is_ok() {
        world.saw("a release was revoked");
        world.model().revoked(state.ticket());
    }
}

async fn compose(world: &Arc<World>, state: &State, dice: &mut Dice) {
    let Some(store) = world.store() else { return };
    let payload = world.disk.keep(payload(dice));
    let subject = match &state.request.filing.subject {
        shared::message::Subject::Item(_) => Line::Item("In place of the item".into()),
        shared::message::Subject::Question(text) => Line::Question(text.as_str().to_owned()),
    };
    let draft = store.draft(subject, payload, world.wall.wall());
    match draft {
        Ok(draft) => drop(said(world, state, "compose", Input::Composed(draft)).await),
        Err(error) => world.broken(&format!("no draft: {error}")),
    }
}

/// Bytes that nobody has seen before.
pub fn payload(dice: &mut Dice) -> Vec<u8> {
    let most = *dice.one(&[40, 3000, 60_000, 200_000]);
    let mut bytes = vec![0; dice.from(9..most) as usize];
    dice.fill(&mut bytes);
    bytes
}

async fn approve(world: &Arc<World>, state: &State, draft: &Draft, dice: &mut Dice, old: &mut Vec<(Signed, Terms)>) {
    let Some(approval) = right(world, state, draft, dice) else { return };
    let Some(terms) = terms(world, &approval) else { return };
    let signed = KEYS.owner.sign(approval);
    old.push((signed.clone(), terms.clone()));
    hand_in(world, state, signed, terms).await;
}

async fn hand_in(world: &Arc<World>, state: &State, signed: Signed, terms: Terms) {
    let ticket = state.ticket();
    world.model().approving(ticket, &terms);
    if said(world, state, "approve", handed(world, signed)).await.is_ok() {
        world.saw("an approval was taken");
        let verdict = world.model().approved(ticket, terms);
        world.judge(verdict);
    }
}

/// The same signed text once more; it counts only while its own draft still waits.
async fn again(world: &Arc<World>, state: &State, dice: &mut Dice, old: &[(Signed, Terms)]) {
    if old.is_empty() {
        return;
    }
    let (signed, terms) = dice.one(old).clone();
    let fits = matches!(&state.stage, Stage::AwaitingOwner(draft, _) if draft.nonce == terms.nonce);
    if fits {
        hand_in(world, state, signed, terms).await;
    } else {
        match said(world, state, "approve again", handed(world, signed)).await {
            Ok(()) => world.broken("an old approval was taken again"),
            Err(WriteError::Rejected(_)) => world.saw("an old approval was refused"),
            Err(_) => {}
        }
    }
}

async fn approve_wrongly(world: &Arc<World>, state: &State, draft: &Draft, wrong: Wrong, dice: &mut Dice) {
    let Some(right) = right(world, state, draft, dice) else { return };
    let signed = match wrong {
        Wrong::Thief => KEYS.thief.sign(right),
        Wrong::Namespace => {
            let statement = shared::statement::Statement::from(right).render();
            KEYS.owner.sign_as(&NAMESPACE.replace("release", "file"), statement)
        }
        Wrong::Byte => {
            let mut signed = KEYS.owner.sign(right);
            let at = dice.from(0..signed.statement.len() as u64) as usize;
            let changed: Vec<u8> =
                signed.statement.bytes().enumerate().map(|(i, b)| if i == at { b ^ 1 } else { b }).collect();
            signed.statement = String::from_utf8_lossy(&changed).into_owned();
            signed
        }
        Wrong::Payload
        | Wrong::Nonce
        | Wrong::Request
        | Wrong::Recipient
        | Wrong::Purpose
        | Wrong::Over
        | Wrong::Never
        | Wrong::NoCollections
        | Wrong::OtherVault => KEYS.owner.sign(spoilt(right, wrong, world, dice)),
    };
    let act = format!("approve with {wrong:?} wrong");
    match said(world, state, &act, handed(world, signed)).await {
        Ok(()) => world.broken(&format!("an approval with {wrong:?} wrong was taken")),
        Err(WriteError::Rejected(Rejected::NotAccepted(_))) => world.saw(wrong.name()),
        // Decided otherwise meanwhile, or nothing is written at all just now.
        Err(_) => {}
    }
}

/// The approval with one field wrong.
fn spoilt(mut approval: Approval, wrong: Wrong, world: &World, dice: &mut Dice) -> Approval {
    match wrong {
        Wrong::Payload => approval.payload = Digest(dice.bytes()),
        Wrong::Nonce => approval.nonce = Nonce(dice.bytes()),
        Wrong::Request => approval.request = shared::ids::RequestId(dice.bytes()),
        Wrong::Recipient => approval.recipient = RecipientLine::Ticket(shared::ids::TicketHash(dice.bytes())),
        Wrong::Purpose => approval.purpose.push('!'),
        Wrong::Over => approval.not_after = world.wall.earliest(tokio::time::Instant::now()),
        Wrong::Never => approval.not_after = world.wall.latest().plus(limits::RELEASE_LIFE_MAX + 86_400),
        Wrong::NoCollections => approval.collections = *dice.one(&[0, limits::COLLECTIONS + 1]),
        Wrong::OtherVault => approval.vault = shared::tlog::Origin::new("other.example.org/1").unwrap(),
        // What is wrong with these is not a field.
        Wrong::Thief | Wrong::Namespace | Wrong::Byte => {}
    }
    approval
}

fn right(world: &World, state: &State, draft: &Draft, dice: &mut Dice) -> Option<Approval> {
    let life = *dice.one(&[30, 3600, limits::RELEASE_LIFE]);
    let not_after = world.wall.wall().plus(life);
    let choice = Choice { shown: Shown::Whole, collections: dice.from(1..4) as u32, not_after };
    Some(approval(&KEYS.origin, &state.request, draft, choice))
}

fn terms(world: &World, approval: &Approval) -> Option<Terms> {
    Some(Terms {
        payload: world.disk.payload(&approval.payload)?,
        not_after: approval.not_after,
        collections: approval.collections as usize,
        nonce: approval.nonce,
    })
}

fn handed(world: &World, signed: Signed) -> Input {
    Input::Signed { signed, fresh: world.disk.nonce() }
}

/// One act at the desk. While the vault is down there is no desk.
async fn said(world: &Arc<World>, state: &State, act: &str, input: Input) -> Result<(), WriteError> {
    let Some(store) = world.store() else { return Err(WriteError::Stopping) };
    let result = store.decide(state.ticket(), input).await;
    let told = result.as_ref().map_or_else(ToString::to_string, |_| "done".into());
    world.note(&format!("owner: {act} {}: {told}", state.request.id()));
    result.map(drop)
}
