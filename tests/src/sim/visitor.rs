//! A visitor: files, asks, files again, takes back, reads the owners' words, answers, and collects with several devices that
//! break off and resume.
//!
//! A new act is a variant of `Act`, its weight in `ACTS`, its arm in `act`, and a function that asks the courier or the broker,
//! notes what came, and hands it to the model.

mod receipts;

use super::dice::Dice;
use super::fault::Fault;
use super::front::Front;
use super::model::{Called, Delivered, Left, NoAnswer, Words};
use super::world::{Phase, World};
use reception::driver::{BrokerError, Collected, Filed, NotFiled, Offered, Standing, Withdrawn};
use shared::ids::{CollectionId, ItemId, Nonce, Ticket};
use shared::message::{Delivery, Filing, Recipient, Refused, Subject, View};
use shared::text::Text;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use vault_core::LaneId;

/// Devices of one visitor.
const DEVICES: u64 = 5;

#[derive(Debug, Clone, Copy)]
enum Act {
    Look,
    FileAgain,
    FileOther,
    FileElsewhere,
    Withdraw,
    Collect,
    ReadWords,
    Answer,
    Nobodys,
}

/// QUIC's own numbers and acknowledgements beside an answer, in bytes.
const FRAMING: usize = 32;
/// How often sizes are compared before they count as different.
const LOOKS: usize = 4;

/// How often each is done.
const ACTS: [(u64, Act); 9] = [
    (30, Act::Look),
    (10, Act::FileAgain),
    (6, Act::FileOther),
    (5, Act::FileElsewhere),
    (3, Act::Withdraw),
    (40, Act::Collect),
    (14, Act::ReadWords),
    (14, Act::Answer),
    (6, Act::Nobodys),
];

/// The same of whoever was told that the reception keeps the request.
const PATIENT: [(u64, Act); 4] = [(12, Act::FileAgain), (3, Act::FileOther), (70, Act::Look), (15, Act::Withdraw)];
/// The same of whoever was told that it is nowhere any more.
const DONE: [(u64, Act); 3] = [(80, Act::Look), (10, Act::Withdraw), (10, Act::FileAgain)];
/// The same of whoever has no answer yet.
const EAGER: [(u64, Act); 3] = [(85, Act::FileAgain), (5, Act::FileOther), (10, Act::Look)];

/// One visitor and the request that it files.
pub struct Visitor {
    world: Arc<World>,
    dice: Dice,
    front: usize,
    ticket: Ticket,
    filing: Filing,
    /// What each device holds of the payload.
    held: Vec<(CollectionId, Vec<u8>)>,
    /// The owners' last question.
    question: Option<Nonce>,
}

impl Visitor {
    /// Somebody new at this reception.
    pub fn new(world: Arc<World>, mut dice: Dice, front: usize, items: &[ItemId]) -> Self {
        let ticket = Ticket::from_random(dice.bytes());
        let subject = match dice.from(0..10) {
            0..6 => Subject::Item(*dice.one(items)),
            6 => Subject::Item(ItemId(dice.bytes())),
            _ => Subject::Question(Text::new(format!("Question {}?", dice.from(0..1000))).unwrap()),
        };
        let filing = filing(&ticket, subject, &mut dice);
        let held = (0..DEVICES).map(|_| (CollectionId(dice.bytes()), Vec::new())).collect();
        Self { world, dice, front, ticket, filing, held, question: None }
    }

    /// Files until that is acknowledged, then does this and that until the world is calm.
    pub async fn live(&mut self) {
        let start = self.dice.from(0..20_000);
        sleep(Duration::from_millis(start)).await;
        while self.world.phase() != Phase::Calm {
            let (filing, lane) = (&self.filing, lane(self.front));
            let acts = if self.world.model().is_acknowledged(filing, lane) {
                ACTS.as_slice()
            } else if self.world.model().is_promised(filing.ticket) {
                PATIENT.as_slice()
            } else if self.world.model().is_taken_back(filing.ticket) {
                DONE.as_slice()
            } else {
                EAGER.as_slice()
            };
            let act = self.dice.weighted(acts);
            self.act(act).await;
            let pause = self.dice.from(100..6000);
            sleep(Duration::from_millis(pause)).await;
        }
    }

    /// In a calm world every call is answered, what is ready arrives whole, and an answer to an open question is kept.
    pub async fn conclude(&mut self) {
        // What was acknowledged is there, also before it is filed again.
        self.look().await;
        if self.world.model().is_filed(&self.filing, lane(self.front)) {
            self.act(Act::FileAgain).await;
        }
        let view = self.compare_sizes().await;
        if matches!(view, Some(View::Ready(_))) {
            for device in 0..self.held.len() {
                let from = self.held[device].1.len() as u64;
                self.collect(device, from, usize::MAX).await;
            }
        }
        if view == Some(View::Question) {
            self.question = None;
            self.read_words().await;
            self.answer().await;
        }
        if matches!(view, Some(View::Question | View::Refused)) {
            self.read_words().await;
        }
    }

    /// What is undecided or over must look like what was never there, down to the size of the answer on the wire. The link may
    /// send a longer probe of the path beside an answer, so a difference counts only if it stays.
    async fn compare_sizes(&mut self) -> Option<View> {
        let mut view = None;
        for _ in 0..LOOKS {
            let nobodys = Ticket::from_random(self.dice.bytes());
            let (own, size) = self.world.measured(self.front, self.look()).await;
            let (_, nobodys) = self.world.measured(self.front, self.status(&nobodys)).await;
            self.world.note(&format!("answers of at most {size} and {nobodys} bytes"));
            let ready = matches!(own, Some(View::Ready(_)) | None);
            view = own;
            if ready {
                return view;
            }
            if size.abs_diff(nobodys) <= FRAMING {
                self.world.saw("sizes were compared");
                return view;
            }
        }
        self.world.broken("an undecided request's answer has another size than nobody's");
        view
    }

    async fn act(&mut self, act: Act) {
        match act {
            Act::Look => drop(self.look().await),
            Act::FileAgain => self.file(self.front, self.filing.clone()).await,
            Act::FileOther => {
                let other = filing(&self.ticket, self.filing.subject.clone(), &mut self.dice);
                self.file(self.front, other).await;
            }
            Act::FileElsewhere => self.file((self.front + 1) % self.world.fronts(), self.filing.clone()).await,
            Act::Withdraw => self.withdraw().await,
            Act::Collect => self.collect_something().await,
            Act::ReadWords => self.read_words().await,
            Act::Answer => {
                for _ in 0..self.dice.from(1..4) {
                    self.answer().await;
                }
            }
            Act::Nobodys => {
                let ticket = Ticket::from_random(self.dice.bytes());
                self.status(&ticket).await;
            }
        }
    }

    fn front(&self, front: usize) -> Result<Front, NoAnswer> {
        self.world.front(front).ok_or(NoAnswer::Away)
    }

    async fn file(&self, front: usize, filing: Filing) {
        let called = self.world.model().filing(&filing, lane(front));
        let answer = match self.front(front) {
            Ok(front) => front.courier.file(&self.ticket, filing.clone()).await.map_err(not_filed),
            Err(away) => Err(away),
        };
        self.world.saw(match answer {
            Ok(Filed::Vault) => "a filing was acknowledged",
            Ok(Filed::Spool) => "a filing was kept at the reception",
            Err(NoAnswer::Refused(Refused::Malformed)) => "a filing with other words was refused",
            Err(why) => unanswered(why),
        });
        self.note(&called, &format!("file at {front} {}: {answer:?}", filing.purpose.as_str()));
        let this = (filing, lane(front));
        let verdict = match answer {
            Ok(Filed::Vault) => self.world.model().filed(&called, this),
            Ok(Filed::Spool) => self.world.model().kept_here(&called, this, front == self.front),
            Err(why) => self.world.model().not_filed(&called, &this, why),
        };
        self.world.judge(verdict);
        // The page that a visitor comes to then says where it is.
        if answer == Ok(Filed::Spool) && front == self.front {
            self.look().await;
        }
    }

    async fn look(&self) -> Option<View> {
        self.status(&self.ticket).await
    }

    async fn status(&self, ticket: &Ticket) -> Option<View> {
        let called = self.world.model().called(ticket.hash());
        let (front, since) = (self.front(self.front), self.since());
        let answer = match front {
            Ok(front) => front.standing(ticket).await.map_err(no_answer),
            Err(away) => Err(away),
        };
        self.world.saw(match answer {
            Ok(Standing::Kept(_)) => "a kept request was looked at",
            Ok(Standing::KeptForAnother) => "a request was kept for another vault",
            Ok(Standing::SetAside(_)) => "a request was set aside",
            Ok(Standing::Removed(_)) => "a removal was not confirmed",
            Ok(Standing::Vault(View::Waiting)) => "waiting",
            Ok(Standing::Vault(View::Question)) => "a question",
            Ok(Standing::Vault(View::Ready(_))) => "ready",
            Ok(Standing::Vault(View::Paused)) => "stopped",
            Ok(Standing::Vault(View::Refused)) => "refused in words",
            Ok(Standing::Vault(View::Closed)) => "closed",
            Err(why) => unanswered(why),
        });
        self.note(&called, &format!("status: {answer:?}"));
        if !matches!(answer, Ok(Standing::Kept(_))) {
            self.world.model().is_elsewhere(&called);
        }
        let (view, verdict) = match answer {
            Ok(Standing::Vault(view)) => {
                let verdict = self.world.model().viewed(&called, &view);
                (Some(view), verdict)
            }
            Ok(Standing::Kept(offered)) => (None, self.kept(&called, offered, self.heard(since))),
            Ok(Standing::SetAside(offered)) => (None, self.set_aside(&called, offered, self.heard(since))),
            Ok(Standing::KeptForAnother) => (None, Err("kept for another vault, where there is one alone".into())),
            Ok(Standing::Removed(_)) => (None, Err("a disk that does not fail did not confirm a removal".into())),
            Err(why) => (None, self.world.model().no_answer(&called, why)),
        };
        self.world.judge(verdict);
        view
    }

    fn kept(
        &self,
        called: &Called,
        offered: Offered,
        heard: impl Fn(&Filing, Option<Instant>) -> bool,
    ) -> Result<(), String> {
        let model = self.world.model();
        model.is_kept(called)?;
        if offered == Offered::Never { model.is_unsent(called, lane(self.front), heard) } else { Ok(()) }
    }

    fn set_aside(
        &self,
        called: &Called,
        offered: Offered,
        heard: impl Fn(&Filing, Option<Instant>) -> bool,
    ) -> Result<(), String> {
        let model = self.world.model();
        model.is_set_aside(called)?;
        let (disk, lane) = (&self.world.disk, lane(self.front));
        // Where the vault has a rival, it does not have this, whether a commit had failed or not.
        let seen = |filing: &Filing, from| disk.has(filing, lane) && heard(filing, from);
        if offered == Offered::Never { model.is_unseen(called, lane, seen) } else { Ok(()) }
    }

    /// From when on the vault hears nothing older of this visitor's reception than its last start.
    fn since(&self) -> Option<Instant> {
        self.world.front(self.front).map(|front| front.since)
    }

    /// Whether the vault has heard a filing from this visitor's reception since that is up, or from then on.
    fn heard(&self, up: Option<Instant>) -> impl Fn(&Filing, Option<Instant>) -> bool {
        let (disk, lane) = (self.world.disk.clone(), lane(self.front));
        move |filing, from| up.is_some_and(|up| disk.has_heard(filing, lane, from.map_or(up, |from| up.max(from))))
    }

    /// Reads what the owners say, with its proof.
    async fn read_words(&mut self) {
        let called = self.world.model().called(self.ticket.hash());
        let answer = match self.front(self.front) {
            Ok(front) => front.broker.words(&self.ticket).await.map_err(no_answer),
            Err(away) => Err(away),
        };
        let (words, verdict) = match answer {
            Ok(None) => return self.note(&called, "words: none"),
            Ok(Some(receipt)) => match self.hear(&receipt) {
                Ok(words) => (Ok(words.clone()), self.world.model().heard(&called, &words)),
                Err(error) => return self.world.broken(&error),
            },
            Err(why) => (Err(why), self.world.model().not_heard(&called, why)),
        };
        self.note(&called, &format!("words: {words:?}"));
        self.world.judge(verdict);
        self.world.saw(match words {
            Ok(Words::Question(question, _)) => {
                self.question = Some(question);
                "a question was read"
            }
            Ok(Words::Refusal(_)) => "words of refusal were read",
            Err(NoAnswer::Refused(Refused::Paused)) => "words were kept back while all was stopped",
            Err(why) => unanswered(why),
        });
    }

    /// Answers the last question that was read, whether it is still open or not, sometimes with other words than before.
    async fn answer(&mut self) {
        let Some(question) = self.question else { return };
        let words = format!("Answer {}.", self.dice.from(0..3));
        let called = self.world.model().answering(self.ticket.hash(), question, &words);
        let answer = match self.front(self.front) {
            Ok(front) => {
                let text = Text::new(words.clone()).unwrap();
                front.broker.answer(&self.ticket, question, text).await.map_err(no_answer)
            }
            Err(away) => Err(away),
        };
        self.world.saw(match answer {
            Ok(()) => "an answer was acknowledged",
            Err(NoAnswer::Refused(Refused::Answered)) => "another answer was refused",
            Err(why) => unanswered(why),
        });
        self.note(&called, &format!("answer: {answer:?}"));
        let verdict = self.world.model().answered(&called, question, &words, answer);
        self.world.judge(verdict);
    }

    async fn withdraw(&self) {
        let (called, since) = (self.world.model().withdrawing(self.ticket.hash()), self.since());
        let answer = match self.front(self.front) {
            Ok(front) => {
                let answer = front.courier.withdraw(&self.ticket).await.map_err(no_answer);
                if front.fault == Fault::TakenBackInVain && answer == Ok(Withdrawn::Here) {
                    // Of no matter: it is there again, or it is not.
                    let _ = front.courier.file(&self.ticket, self.filing.clone()).await;
                }
                answer
            }
            Err(away) => Err(away),
        };
        self.note(&called, &format!("withdraw: {answer:?}"));
        let verdict = match &answer {
            Ok(Withdrawn::Vault(view)) => self.world.model().withdrawn(&called, view),
            Ok(Withdrawn::Here) => {
                let mut model = self.world.model();
                let unsent = model.is_unsent(&called, lane(self.front), self.heard(since));
                unsent.and_then(|()| model.removed(&called, Left::Never))
            }
            Ok(Withdrawn::HereAtLeast) => self.world.model().removed(&called, Left::Perhaps),
            Err(why) => self.world.model().no_answer(&called, *why),
        };
        self.world.judge(verdict);
        self.world.model().is_elsewhere(&called);
        match answer {
            Ok(Withdrawn::Here) => self.world.saw("a kept request was taken back"),
            Ok(Withdrawn::HereAtLeast) => self.world.saw("a request that may have left was taken back"),
            Ok(Withdrawn::Vault(_)) | Err(_) => {}
        }
    }

    /// With any device, from where it is or from anywhere, to the end or not.
    async fn collect_something(&mut self) {
        let device = self.dice.from(0..self.held.len() as u64) as usize;
        let held = self.held[device].1.len() as u64;
        let offset = match self.dice.from(0..10) {
            0..7 => held,
            7 => 0,
            8 => self.dice.from(0..held + 1),
            _ => held + self.dice.from(0..300_000),
        };
        let pieces = *self.dice.one(&[0, 1, 3, 20, usize::MAX]);
        self.collect(device, offset, pieces).await;
    }

    /// Takes at most so many pieces.
    async fn collect(&mut self, device: usize, offset: u64, pieces: usize) {
        let collection = self.held[device].0;
        let called = self.world.model().collecting(self.ticket.hash(), collection);
        let answer = match self.front(self.front) {
            Ok(front) => front.broker.collect(&self.ticket, collection, offset).await.map_err(no_answer),
            Err(away) => Err(away),
        };
        let why = match answer {
            Ok(Collected::Delivery(delivery, mut payload)) => {
                let (mut bytes, mut whole, mut left) = (Vec::new(), false, pieces);
                while left > 0 {
                    match payload.chunk().await {
                        Ok(Some(piece)) => bytes.extend_from_slice(&piece),
                        Ok(None) => whole = true,
                        // The rest is asked for another time.
                        Err(_) => break,
                    }
                    left = if whole { 0 } else { left - 1 };
                }
                return self.received(&called, device, offset, &delivery, bytes, whole);
            }
            Ok(Collected::Nothing) => None,
            Err(why) => Some(why),
        };
        self.note(&called, &format!("collect {device} from {offset}: {why:?}"));
        self.world.saw(match why {
            None => "nothing was there to collect",
            Some(NoAnswer::Refused(Refused::Collected)) => "every collection was used",
            Some(NoAnswer::Refused(Refused::Paused)) => "a payload was kept back while all was stopped",
            Some(NoAnswer::Refused(Refused::Malformed)) => "an offset beyond the end was refused",
            Some(why) => unanswered(why),
        });
        let verdict = self.world.model().not_delivered(&called, collection, offset, why);
        self.world.judge(verdict);
    }

    fn received(
        &mut self,
        called: &Called,
        device: usize,
        offset: u64,
        delivery: &Delivery,
        bytes: Vec<u8>,
        whole: bool,
    ) {
        let line = format!("collect {device} from {offset}: {} bytes, whole: {whole}", bytes.len());
        self.note(called, &line);
        let proven = self.proves(&delivery.receipt, delivery);
        let got = Delivered { manifest: &delivery.manifest, proven, offset, bytes: &bytes, whole };
        let (collection, held) = &mut self.held[device];
        let verdict = self.world.model().delivered(called, *collection, &got);
        self.world.judge(verdict);
        // What a device holds already never changes.
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        if from <= held.len() {
            let overlap = bytes.len().min(held.len() - from);
            if held[from..from + overlap] != bytes[..overlap] {
                self.world.broken("a collection did not resume with the same bytes");
            }
            held.extend_from_slice(&bytes[overlap..]);
        }
        self.world.saw(match (whole, offset, bytes.len()) {
            (true, 0, _) => "a payload came whole",
            (true, _, 0) => "a receipt came alone",
            (true, ..) => "a payload was resumed to its end",
            (false, ..) => "a payload was broken off",
        });
    }

    fn note(&self, called: &Called, what: &str) {
        let id = self.ticket.hash().request().to_string();
        self.world.answered(called, &format!("visitor {}: {what}", &id[..8]));
    }
}

fn filing(ticket: &Ticket, subject: Subject, dice: &mut Dice) -> Filing {
    let purpose = Text::new(format!("Purpose {}", dice.from(0..1_000_000))).unwrap();
    Filing { ticket: ticket.hash(), subject, purpose, contact: None, recipient: Recipient::Ticket }
}

/// The vault counts its pairings from one.
pub fn lane(front: usize) -> LaneId {
    LaneId(front as i64 + 1)
}

fn unanswered(why: NoAnswer) -> &'static str {
    match why {
        NoAnswer::Away => "the vault was away",
        NoAnswer::Refused(_) => "the vault could not",
    }
}

fn no_answer(error: BrokerError) -> NoAnswer {
    match error {
        BrokerError::Away | BrokerError::Broken => NoAnswer::Away,
        BrokerError::Crowded => NoAnswer::Refused(Refused::Busy { retry_after: 0 }),
        BrokerError::Refused(refused) => NoAnswer::Refused(refused),
    }
}

fn not_filed(error: NotFiled) -> NoAnswer {
    match error {
        NotFiled::Crowded => NoAnswer::Refused(Refused::Busy { retry_after: 0 }),
        NotFiled::Refused(refused) => NoAnswer::Refused(refused),
        // The reception's power went.
        NotFiled::NotKept | NotFiled::Uncertain => NoAnswer::Away,
        // Neither comes about here, and the model takes it for a fault.
        NotFiled::Unpaired | NotFiled::NoRoom => NoAnswer::Refused(Refused::TooLarge),
    }
}
