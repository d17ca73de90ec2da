//! The owners: compose, approve, approve wrongly, say old approvals again, ask back, refuse, take back, stop everything and
//! confirm the clock, as the desk lets owners do.
//!
//! A new act is a variant of `Act`, its weights and its arm in `look`, and a function that makes a statement and hands it
//! in.

use super::dice::Dice;
use super::keys::{KEYS, OWNERS};
use super::model::{Deed, Terms};
use super::world::{Phase, World};
use super::wrong::Wrong;
use shared::ids::Nonce;
use shared::limits;
use shared::message::Subject;
use shared::statement::{Approval, FreezeAction, Shown, Statement};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use vault::driver::{Store as _, WriteError};
use vault_core::{Choice, Going, Input, Line, NotAccepted, Rejected, Signed, Stage, State};

#[derive(Debug, Clone, Copy)]
enum Act {
    Approve,
    ApproveWrongly,
    Again,
    Join,
    Compose,
    AskBack,
    Refuse,
    Explain,
    Revoke,
    Leave,
}

/// All owners of a vault, who take turns.
pub struct Owners {
    world: Arc<World>,
    dice: Dice,
    /// Every approval so far, and who signed it.
    old: Vec<(Approval, usize)>,
}

/// Bytes that nobody has seen before.
pub fn payload(dice: &mut Dice) -> Vec<u8> {
    let most = *dice.one(&[40, 3000, 60_000, 200_000]);
    let mut bytes = vec![0; dice.from(9..most) as usize];
    dice.fill(&mut bytes);
    bytes
}

fn words(told: &Result<(), WriteError>) -> String {
    told.as_ref().map_or_else(ToString::to_string, |()| "done".into())
}

impl Owners {
    /// Nobody has signed anything yet.
    pub fn new(world: Arc<World>, dice: Dice) -> Self {
        Self { world, dice, old: Vec::new() }
    }

    /// They decide until everything has healed.
    pub async fn live(&mut self) {
        loop {
            let pause = self.dice.from(300..6000);
            sleep(Duration::from_millis(pause)).await;
            if self.world.phase() != Phase::Storm {
                return;
            }
            let states = self.world.disk.states();
            // To stop what nobody can collect is seldom seen.
            let stops = if states.iter().any(|state| matches!(state.stage, Stage::Released(_))) { 120 } else { 20 };
            if self.dice.chance(stops) {
                self.stop().await;
            } else if self.dice.chance(250) {
                self.settle().await;
            }
            let mut minds = |state: &&State| match state.stage {
                Stage::Cooling(..) => self.dice.chance(500),
                Stage::Released(_) | Stage::Closed(_) => self.dice.chance(150),
                Stage::Received | Stage::AwaitingAnswer(_) | Stage::AwaitingOwner(..) | Stage::AwaitingVisitor(_) => {
                    true
                }
            };
            let open: Vec<_> = states.iter().filter(|state| minds(state)).collect();
            if !open.is_empty() {
                let state = *self.dice.one(&open);
                self.look(state).await;
            }
        }
    }

    /// Says that the clock is right if that is doubted, and lets releases go on if they are stopped; tells whether all is well.
    pub async fn settle(&mut self) -> bool {
        let (Some(store), Some(brake)) = (self.world.store(), self.world.disk.brake()) else { return false };
        if store.told.now().doubt.is_some() {
            let told = store.confirm_clock().await;
            self.world.note(&format!("owner: the clock is right: {}", words(&told)));
            return false;
        }
        if brake.going() == Going::On {
            return true;
        }
        self.turn(brake.pending()).await;
        false
    }

    /// Stops all releases.
    pub async fn stop(&mut self) {
        let going = self.world.disk.brake().map(|brake| brake.going());
        if going == Some(Going::On) {
            self.turn(None).await;
        }
    }

    /// Signs the freeze or the thaw that comes next: the text that another owner has signed, or a new one.
    async fn turn(&mut self, pending: Option<&Signed>) {
        let (Some(store), Some(brake)) = (self.world.store(), self.world.disk.brake()) else { return };
        let new = || brake.statement(&KEYS.origin, "By the dice.".into(), store.told.now().time).into();
        let statement: Statement =
            pending.and_then(|signed| Statement::parse(&signed.statement).ok()).unwrap_or_else(new);
        let (who, text) = (self.one(), statement.render());
        let signatures = pending.map_or(0, |signed| signed.signatures.len()) + 1;
        let action = brake.next();
        match action {
            FreezeAction::Freeze => self.world.model().stopping(),
            FreezeAction::Thaw => self.world.model().starting(who, &text),
        }
        let told = store.turn(KEYS.owners[who].sign(statement)).await;
        self.world.note(&format!("owner: {action:?} by {who}: {}", words(&told)));
        self.count_refusal(&told);
        if told.is_err() {
            return;
        }
        match action {
            FreezeAction::Freeze => self.world.model().stopped(),
            FreezeAction::Thaw => {
                let verdict = self.world.model().started(signatures);
                self.world.judge(verdict);
                if signatures < self.world.rules.quorum {
                    self.world.saw("one of several owners signed that releases go on");
                }
            }
        }
    }

    async fn look(&mut self, state: &State) {
        let joined = if state.stage.pending().is_some() { 60 } else { 0 };
        let join = (joined, Act::Join);
        let acts: &[(u64, Act)] = match &state.stage {
            Stage::Received => &[(1, Act::Leave)],
            Stage::AwaitingAnswer(_) => {
                &[join, (70, Act::Compose), (25, Act::AskBack), (5, Act::Refuse), (10, Act::Explain)]
            }
            Stage::AwaitingOwner(..) => &[
                join,
                (40, Act::Approve),
                (25, Act::ApproveWrongly),
                (10, Act::Again),
                (8, Act::Compose),
                (12, Act::AskBack),
                (5, Act::Refuse),
                (5, Act::Explain),
                (9, Act::Leave),
            ],
            Stage::AwaitingVisitor(_) => {
                &[join, (30, Act::Compose), (10, Act::AskBack), (5, Act::Refuse), (5, Act::Explain), (50, Act::Leave)]
            }
            Stage::Cooling(..) => &[(50, Act::Revoke), (50, Act::Again)],
            Stage::Released(_) => &[(25, Act::Revoke), (75, Act::Again)],
            Stage::Closed(_) => &[(1, Act::Again)],
        };
        match self.dice.weighted(acts) {
            Act::Approve => self.approve(state).await,
            Act::ApproveWrongly => self.approve_wrongly(state).await,
            Act::Again => self.again(state).await,
            Act::Join => self.join(state).await,
            Act::Compose => self.compose(state).await,
            Act::AskBack => self.ask_back(state).await,
            Act::Refuse => drop(self.said(state, "refuse", Input::Refused).await),
            Act::Explain => self.explain(state).await,
            Act::Revoke => self.revoke(state).await,
            Act::Leave => {}
        }
    }

    fn one(&mut self) -> usize {
        self.dice.from(0..OWNERS as u64) as usize
    }

    async fn compose(&mut self, state: &State) {
        let Some(store) = self.world.store() else { return };
        let payload = self.world.disk.keep(payload(&mut self.dice));
        let subject = match &state.request.filing.subject {
            Subject::Item(_) => Line::Item("In place of the item".into()),
            Subject::Question(text) => Line::Question(text.as_str().to_owned()),
        };
        match store.draft(subject, payload, store.told.now().time) {
            Ok(draft) => {
                self.world.model().composing(state.ticket());
                drop(self.said(state, "compose", Input::Composed(draft)).await);
            }
            Err(error) => self.world.broken(&format!("no draft: {error}")),
        }
    }

    async fn ask_back(&mut self, state: &State) {
        let (Some(now), Some(nonce)) = (self.world.vault_now(), state.stage.nonce()) else { return };
        let text = format!("What for, in {} words?", self.dice.from(1..100));
        let who = self.one();
        self.hand_in(state, vault_core::question(&KEYS.origin, state, text, now, nonce).into(), who).await;
    }

    async fn explain(&mut self, state: &State) {
        let (Some(now), Some(nonce)) = (self.world.vault_now(), state.stage.nonce()) else { return };
        let words = Some(format!("Not before {}.", self.dice.from(2027..2100)));
        let who = self.one();
        self.hand_in(state, vault_core::refusal(&KEYS.origin, state, words, now, nonce).into(), who).await;
    }

    async fn revoke(&mut self, state: &State) {
        let (Stage::Released(release) | Stage::Cooling(release, _)) = &state.stage else { return };
        let Some(now) = self.world.vault_now() else { return };
        let (who, nonce) = (self.one(), Nonce(self.dice.bytes()));
        let revocation = vault_core::revocation(&KEYS.origin, release, "By the dice.".into(), now, nonce);
        self.hand_in(state, revocation.into(), who).await;
    }

    async fn approve(&mut self, state: &State) {
        let (Some(approval), who) = (self.right(state), self.one()) else { return };
        self.old.push((approval.clone(), who));
        self.hand_in(state, approval.into(), who).await;
    }

    /// The one approval that this draft allows under some choice.
    fn right(&mut self, state: &State) -> Option<Approval> {
        let Stage::AwaitingOwner(draft, _) = &state.stage else { return None };
        let life = *self.dice.one(&[30, 3600, limits::RELEASE_LIFE]);
        let not_after = self.world.vault_now()?.plus(self.world.rules.cooling + life);
        let choice = Choice { shown: Shown::Whole, collections: self.dice.from(1..4) as u32, not_after };
        Some(vault_core::approval(&KEYS.origin, &state.request, draft, choice))
    }

    /// Signs what another owner has signed; or the same owner again, which is refused.
    async fn join(&mut self, state: &State) {
        let Some(statement) = state.stage.pending().and_then(|signed| Statement::parse(&signed.statement).ok()) else {
            return;
        };
        let who = self.one();
        self.hand_in(state, statement, who).await;
    }

    /// The same signed text once more; it counts only while its own draft still waits.
    async fn again(&mut self, state: &State) {
        if self.old.is_empty() {
            return;
        }
        let (approval, who) = self.dice.one(&self.old).clone();
        if matches!(&state.stage, Stage::AwaitingOwner(draft, _) if draft.nonce == approval.nonce) {
            return self.hand_in(state, approval.into(), who).await;
        }
        let signed = self.input(KEYS.owners[who].sign(approval));
        match self.said(state, "approve again", signed).await {
            Ok(()) => self.world.broken("an old approval was taken again"),
            Err(WriteError::Rejected(_)) => self.world.saw("an old approval was refused"),
            Err(_) => {}
        }
    }

    async fn approve_wrongly(&mut self, state: &State) {
        let Some(right) = self.right(state) else { return };
        let wrong = *self.dice.one(&Wrong::ALL);
        let signed = wrong.sign(right, &self.world, &mut self.dice);
        let signed = self.input(signed);
        match self.said(state, &format!("approve with {wrong:?} wrong"), signed).await {
            Ok(()) => self.world.broken(&format!("an approval with {wrong:?} wrong was taken")),
            Err(WriteError::Rejected(Rejected::NotAccepted(_))) => self.world.saw(wrong.name()),
            // Decided otherwise meanwhile, or nothing is written at all just now.
            Err(_) => {}
        }
    }

    /// One owner signs what is right in every field. The model hears of it before, and of what came of it afterwards.
    async fn hand_in(&mut self, state: &State, statement: Statement, who: usize) {
        let Some(deed) = self.deed(&statement) else { return };
        let (ticket, text, act) = (state.ticket(), statement.render(), format!("{} by {who}", statement.kind()));
        let called = self.world.model().handing_in(ticket, who, &text, &deed);
        let signed = self.input(KEYS.owners[who].sign(statement));
        let told = self.said(state, &act, signed).await;
        self.count_refusal(&told);
        let before = state.stage.pending().filter(|signed| signed.statement == text);
        let signatures = before.map_or(0, |signed| signed.signatures.len()) + 1;
        let verdict = self.world.model().handed_in(&called, &deed, told.as_ref().ok().map(|()| signatures));
        self.world.judge(verdict);
        match (&told, &deed) {
            (Err(_), _) => {}
            (Ok(()), Deed::Revoke) if matches!(state.stage, Stage::Cooling(..)) => {
                self.world.saw("an approval was revoked while it cooled off");
            }
            (Ok(()), Deed::Revoke) => {}
            _ if signatures < self.world.rules.quorum => self.world.saw("one of several owners signed"),
            (Ok(()), Deed::Approve(_)) => self.world.saw("an approval was taken"),
            (Ok(()), Deed::Ask(..) | Deed::Refuse(_)) => {}
        }
    }

    /// What a statement does; nothing, if its payload is not there.
    fn deed(&self, statement: &Statement) -> Option<Deed> {
        match statement {
            Statement::Approval(approval) => Some(Deed::Approve(Terms {
                payload: self.world.disk.payload(&approval.payload)?,
                not_after: approval.not_after,
                collections: approval.collections as usize,
                nonce: approval.nonce,
            })),
            Statement::Question(question) => Some(Deed::Ask(question.nonce, question.text.clone())),
            Statement::Refusal(refusal) => Some(Deed::Refuse(refusal.words.clone()?)),
            Statement::Revocation(_) => Some(Deed::Revoke),
            Statement::Publication(_)
            | Statement::Keys(_)
            | Statement::Pairing(_)
            | Statement::Freeze(_)
            | Statement::Erasure(_)
            | Statement::Recovery(_) => None,
        }
    }

    fn count_refusal(&self, told: &Result<(), WriteError>) {
        match told {
            Err(WriteError::Rejected(Rejected::NotAccepted(NotAccepted::Repeated))) => {
                self.world.saw("an owner's second signature was refused");
            }
            Err(WriteError::Rejected(Rejected::Frozen)) => self.world.saw("nothing was signed while all was stopped"),
            _ => {}
        }
    }

    fn input(&self, signed: Signed) -> Input {
        Input::Signed { signed, fresh: self.world.disk.nonce() }
    }

    /// One act at the desk. While the vault is down there is no desk.
    async fn said(&self, state: &State, act: &str, input: Input) -> Result<(), WriteError> {
        let Some(store) = self.world.store() else { return Err(WriteError::Stopping) };
        let told = store.decide(state.ticket(), input).await.map(drop);
        self.world.note(&format!("owner: {act} {}: {}", state.request.id(), words(&told)));
        told
    }
}
