//! Forged approvals by class: each is right in everything but one thing, and must fail at the check of that thing and at no
//! other. What is tried is drawn from a fixed seed; `ATTEMPTS` says how often (`tests/run forge`).

#![allow(clippy::print_stdout, reason = "the table is the result")]

use super::dice::{Dice, attempts};
use super::owner::{Owner, armor, dearmor};
use super::world::{World, at, draft, filing, is_released, item, sign, sure, together};
use crate::danger::{Danger, Planted};
use crate::{
    Authority, Before, Choice, Draft, Input, LaneId, NotAccepted, Rejected, Signed, Stage, State, Step, approval,
    decide, file,
};
use shared::ids::{Digest, Nonce, Pin, Ticket};
use shared::limits;
use shared::message::Filing;
use shared::sshsig::BadSignature;
use shared::statement::{
    Approval, BadStatement, DeliveryMode, Erasure, Freeze, FreezeAction, Keys, Pairing, PairingAction, Publication,
    RecipientLine, Recovery, Shown, Statement, SubjectLine,
};
use shared::tlog::{Origin, VerifierKey};
use std::sync::Mutex;

/// What an attempt met first.
#[derive(Debug, PartialEq, Eq)]
enum Met {
    Released,
    /// A step that releases nothing; the stage that it leads to.
    Step(&'static str),
    Check(Rejected),
}

impl From<Result<Step, Rejected>> for Met {
    fn from(step: Result<Step, Rejected>) -> Self {
        match step {
            Ok(step) if is_released(&step.next) => Self::Released,
            Ok(step) => Self::Step(step.next.stage.name()),
            Err(rejected) => Self::Check(rejected),
        }
    }
}

fn check(why: impl Into<NotAccepted>) -> Met {
    Met::Check(Rejected::NotAccepted(why.into()))
}

fn differs(field: &str) -> Met {
    check(NotAccepted::Differs(field.into()))
}

/// One vault, with one owner or with two of three who must sign, and a key that was the owner's once.
struct Scene {
    one: World,
    two: World,
    removed: Owner,
    planted: Option<Planted>,
}

impl Scene {
    fn new(planted: Option<Planted>) -> Self {
        let mut scene = Self { one: World::new(), two: World::with(2, 3), removed: Owner::new(77), planted };
        for world in [&mut scene.one, &mut scene.two] {
            world.owners.danger = Danger { planted };
        }
        scene
    }
}

/// A request whose draft waits, and the approval of it that is right in every field.
struct Victim {
    state: State,
    right: Approval,
}

impl Victim {
    /// Of 10 s after the filing.
    fn new(dice: &mut Dice, scene: &Scene) -> Self {
        let filing = Filing { ticket: Ticket::from_random(dice.bytes()).hash(), ..filing(1, item()) };
        let state = file(filing, LaneId(1), &Before::default(), Nonce(dice.bytes()), sure(at(0))).unwrap().next;
        let (payload, nonce) = (Digest(dice.bytes()), Nonce(dice.bytes()));
        let draft = Draft { payload, nonce, bytes: dice.roll() >> 40, ..draft(1) };
        let shown = *dice.one(&[Shown::Whole, Shown::CopyOpened, Shown::NotShown]);
        let collections = u32::try_from(1 + dice.below(limits::COLLECTIONS as usize)).unwrap();
        let choice = Choice { shown, collections, not_after: at(11 + dice.roll() % limits::RELEASE_LIFE_MAX) };
        let right = approval(&scene.one.vault, &state.request, &draft, choice);
        let state = scene.one.moved(state, Input::Prepared(draft), at(1));
        Self { state, right }
    }
}

/// Something signed, where it is brought, when, and what it must meet.
struct Attempt {
    state: State,
    signed: Signed,
    seconds: u64,
    /// Two of three must sign.
    quorum: Quorum,
    expected: Met,
}

#[derive(Clone, Copy)]
enum Quorum {
    One,
    Two,
}

type Class = (&'static str, fn(&mut Dice, &Scene) -> Attempt);

/// The owner's own signature over the right approval, changed in one thing.
fn changed(dice: &mut Dice, scene: &Scene, expected: Met, change: impl FnOnce(&mut Approval, &mut Dice)) -> Attempt {
    let Victim { state, mut right } = Victim::new(dice, scene);
    change(&mut right, dice);
    Attempt { state, signed: scene.one.sign(right), seconds: 10, quorum: Quorum::One, expected }
}

/// Something else than the owner's own signature over the right approval.
fn resigned(
    dice: &mut Dice,
    scene: &Scene,
    expected: Met,
    resign: impl FnOnce(&str, &Approval, &mut Dice) -> Signed,
) -> Attempt {
    let Victim { state, right } = Victim::new(dice, scene);
    let signed = resign(&Statement::from(right.clone()).render(), &right, dice);
    Attempt { state, signed, seconds: 10, quorum: Quorum::One, expected }
}

const OF_THE_STATEMENT: [Class; 14] = [
    ("of another request", |dice, scene| {
        let signed = scene.one.sign(Victim::new(dice, scene).right);
        Attempt { signed, ..changed(dice, scene, differs("request"), |_, _| ()) }
    }),
    ("for another recipient", |dice, scene| {
        changed(dice, scene, differs("recipient"), |a, dice| {
            let RecipientLine::Ticket(mut ticket) = a.recipient else { panic!("{:?}", a.recipient) };
            dice.flip(&mut ticket.0);
            let other = [RecipientLine::Ticket(ticket), RecipientLine::HpkeX25519(Digest(ticket.0))];
            a.recipient = *dice.one(&other);
        })
    }),
    ("of other bytes", |dice, scene| {
        changed(dice, scene, differs("payload-sha256"), |a, dice| dice.flip(&mut a.payload.0))
    }),
    ("with another nonce", |dice, scene| changed(dice, scene, differs("nonce"), |a, dice| dice.flip(&mut a.nonce.0))),
    ("by another vault", |dice, scene| {
        changed(dice, scene, differs("vault"), |a, dice| {
            a.vault = Origin::new(&format!("vault.example.org/{}", Nonce(dice.bytes()))).unwrap();
        })
    }),
    ("already over", |dice, scene| {
        changed(dice, scene, check(NotAccepted::NotAfter), |a, dice| a.not_after = at(dice.roll() % 11))
    }),
    ("for too long", |dice, scene| {
        changed(dice, scene, check(NotAccepted::NotAfter), |a, dice| {
            a.not_after = at(11 + limits::RELEASE_LIFE_MAX + dice.roll() % limits::RELEASE_LIFE_MAX);
        })
    }),
    ("for too many devices", |dice, scene| {
        changed(dice, scene, check(NotAccepted::Collections), |a, dice| {
            let beyond = limits::COLLECTIONS + 1 + u32::try_from(dice.roll() >> 33).unwrap();
            a.collections = *dice.one(&[0, limits::COLLECTIONS + 1, u32::MAX, beyond]);
        })
    }),
    ("of another length", |dice, scene| {
        changed(dice, scene, differs("payload-bytes"), |a, dice| a.bytes ^= 1 << dice.below(24))
    }),
    ("of another subject", |dice, scene| {
        changed(dice, scene, differs("subject"), |a, dice| {
            a.subject = SubjectLine::Item(dice.replaced("Curriculum vitae"));
        })
    }),
    ("for another purpose", |dice, scene| {
        changed(dice, scene, differs("purpose"), |a, dice| a.purpose = dice.replaced(&a.purpose))
    }),
    ("of another type", |dice, scene| {
        changed(dice, scene, differs("media-type"), |a, dice| a.media_type = dice.replaced(&a.media_type))
    }),
    ("of an earlier draft", |dice, scene| {
        changed(dice, scene, differs("prepared-at"), |a, dice| a.prepared_at = at(2 + dice.roll() % 1000))
    }),
    ("for another delivery", |dice, scene| {
        changed(dice, scene, differs("delivery"), |a, _| a.delivery = DeliveryMode::Sealed)
    }),
];

const OF_THE_SIGNATURE: [Class; 11] = [
    ("for another namespace", |dice, scene| {
        let namespaces = ["file", "git", "release@webizen ", "release@webizeN", "release", "x-release@webizen"];
        resigned(dice, scene, check(BadSignature::Namespace), |text, _, dice| {
            scene.one.keys[0].sign_as(dice.one::<&str>(&namespaces), text)
        })
    }),
    ("by a removed key", |dice, scene| {
        resigned(dice, scene, check(BadSignature::UnknownKey), |text, _, _| scene.removed.sign(text))
    }),
    ("by a stranger's key", |dice, scene| {
        resigned(dice, scene, check(BadSignature::UnknownKey), |text, _, dice| {
            Owner::new(u8::try_from(100 + dice.below(150)).unwrap()).sign(text)
        })
    }),
    ("by another key in the owner's name", |dice, scene| {
        resigned(dice, scene, check(BadSignature::Invalid), |text, _, _| {
            Signed::one(text.into(), scene.one.keys[0].claimed(&scene.removed.bare(text)))
        })
    }),
    ("with bits of the signature flipped", |dice, scene| {
        resigned(dice, scene, check(BadSignature::Invalid), |text, _, dice| {
            let mut raw = scene.one.keys[0].bare(text);
            dice.flip(&mut raw);
            Signed::one(text.into(), scene.one.keys[0].claimed(&raw))
        })
    }),
    ("with bits of the key flipped", |dice, scene| {
        // A flipped key is either a stranger's or no point of the curve.
        let mut attempt = resigned(dice, scene, check(BadSignature::UnknownKey), |text, _, dice| {
            let mut blob = dearmor(&scene.one.keys[0].sign(text).signatures[0]);
            // SSHSIG, version, two lengths, the type and the key's length come before it.
            dice.flip(&mut blob[33..65]);
            Signed::one(text.into(), armor(&blob))
        });
        let key: [u8; 32] = dearmor(&attempt.signed.signatures[0])[33..65].try_into().unwrap();
        if ed25519_dalek::VerifyingKey::from_bytes(&key).is_err() {
            attempt.expected = check(BadSignature::Format);
        }
        attempt
    }),
    ("with the second spelling of the signature", |dice, scene| {
        resigned(dice, scene, check(BadSignature::Invalid), |text, _, _| {
            let mut raw = scene.one.keys[0].bare(text);
            add_order(&mut raw);
            Signed::one(text.into(), scene.one.keys[0].claimed(&raw))
        })
    }),
    ("with the text changed afterwards", |dice, scene| {
        resigned(dice, scene, check(BadSignature::Invalid), |text, right, dice| {
            let mut more = right.clone();
            match dice.below(3) {
                0 => more.collections = 1 + more.collections % limits::COLLECTIONS,
                1 => more.not_after = at(11 + (more.not_after.unix() + 1) % limits::RELEASE_LIFE_MAX),
                _ => more.shown = if more.shown == Shown::Whole { Shown::NotShown } else { Shown::Whole },
            }
            let signatures = scene.one.keys[0].sign(text).signatures;
            Signed { statement: Statement::from(more).render(), signatures }
        })
    }),
    ("with a word that nobody knows", |dice, scene| {
        resigned(dice, scene, check(BadStatement::Field("shown")), |text, right, dice| {
            let word = right.shown.as_str();
            let other = dice.replaced(word);
            let other =
                if ["whole", "copy-opened", "not-shown"].contains(&&other[..]) { "Whole".into() } else { other };
            scene.one.keys[0].sign(&text.replace(&format!("\nshown: {word}\n"), &format!("\nshown: {other}\n")))
        })
    }),
    ("by one owner of two", |dice, scene| {
        let met = Met::Step("waiting for more signatures");
        let attempt = resigned(dice, scene, met, |text, _, dice| dice.one(&scene.two.keys).sign(text));
        Attempt { quorum: Quorum::Two, ..attempt }
    }),
    ("by one owner twice", |dice, scene| {
        let attempt = resigned(dice, scene, check(NotAccepted::Repeated), |text, _, dice| {
            let owner = dice.one(&scene.two.keys);
            let again = if dice.below(2) == 0 { owner.sign(text) } else { owner.sign_with_sha256(text) };
            together(&owner.sign(text), &again)
        });
        Attempt { quorum: Quorum::Two, ..attempt }
    }),
];

const OF_THE_MOMENT: [Class; 4] = [
    ("of another kind", |dice, scene| {
        let attempt = changed(dice, scene, Met::Released, |_, _| ());
        let Statement::Approval(right) = Statement::parse(&attempt.signed.statement).unwrap() else {
            panic!("no approval");
        };
        let other = dice.one(&others(&right)).clone();
        let expected = check(NotAccepted::Kind(other.kind()));
        Attempt { signed: scene.one.sign(other), expected, ..attempt }
    }),
    ("after it was used", |dice, scene| {
        let Attempt { state, signed, .. } = changed(dice, scene, Met::Released, |_, _| ());
        let state = scene.one.moved(state, sign(signed.clone()), at(10));
        let expected = Met::Check(Rejected::Stage("released"));
        Attempt { state, signed, seconds: 10, quorum: Quorum::One, expected }
    }),
    ("after the request lapsed", |dice, scene| {
        let seconds = limits::ASKING_LIFE + dice.roll() % limits::ASKING_LIFE;
        let expected = Met::Check(Rejected::Stage("lapsed"));
        let attempt = changed(dice, scene, expected, |a, dice| a.not_after = at(seconds + 1 + dice.roll() % 1000));
        Attempt { seconds, ..attempt }
    }),
    ("after another draft took its place", |dice, scene| {
        let attempt = changed(dice, scene, differs("payload-sha256"), |_, _| ());
        let Stage::AwaitingOwner(old, _) = &attempt.state.stage else { panic!("no draft") };
        let new = Draft { payload: Digest(dice.bytes()), nonce: Nonce(dice.bytes()), ..old.clone() };
        let state = scene.one.moved(attempt.state.clone(), Input::Composed(new), at(5));
        Attempt { state, ..attempt }
    }),
];

/// One of each kind that does nothing to a request, as close to the approval as it can be.
fn others(a: &Approval) -> Vec<Statement> {
    let (vault, request, nonce, at, reason) = (a.vault.clone(), a.request, a.nonce, a.prepared_at, a.purpose.clone());
    let witness = VerifierKey::of(vault.clone(), &ed25519_dalek::SigningKey::from_bytes(&[4; 32]));
    #[rustfmt::skip]
    let others = vec![
        Publication { vault: vault.clone(), version: 1, bundle: a.payload, bytes: a.bytes, documents: 1, catalogue: 1,
            prepared_at: at, nonce }.into(),
        Keys { vault: vault.clone(), signers: a.payload, previous: None, threshold: 1, decided_at: at, nonce }.into(),
        Pairing { vault: vault.clone(), action: PairingAction::Pair, reception: "front".into(), pin: Pin([1; 32]),
            witness, decided_at: at, nonce }.into(),
        Freeze { vault: vault.clone(), action: FreezeAction::Thaw, reason: reason.clone(), decided_at: at,
            nonce }.into(),
        Erasure { vault: vault.clone(), request, payload: a.payload, reason: reason.clone(), decided_at: at,
            nonce }.into(),
        Recovery { old_origin: vault.clone(), new_origin: vault.clone(), vault, old_size: 1, old_root: a.payload, reason,
            decided_at: at, nonce }.into(),
    ];
    others
}

/// Adds the group's order to the scalar (RFC 8032, section 5.1.7, wants it below the order).
fn add_order(raw: &mut [u8; 64]) {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, order) in raw[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        (carry, *byte) = (sum >> 8, sum.to_be_bytes()[1]);
    }
}

/// What became of the attempts of one class.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tally {
    name: &'static str,
    tried: usize,
    /// Met first what they must.
    met: usize,
    released: usize,
    /// What one of them met first.
    check: String,
    /// What one met that met something else.
    stray: Option<String>,
}

fn run(class: &Class, seed: u64, tried: usize, scene: &Scene) -> Tally {
    let (name, make) = *class;
    let mut dice = Dice::new(seed);
    let mut tally = Tally { name, tried, met: 0, released: 0, check: String::new(), stray: None };
    for _ in 0..tried {
        let Attempt { state, signed, seconds, quorum, expected } = make(&mut dice, scene);
        let world = match quorum {
            Quorum::One => &scene.one,
            Quorum::Two => &scene.two,
        };
        let by = Authority { danger: Danger { planted: scene.planted }, ..world.by(sure(at(seconds))) };
        let met = Met::from(decide(state, sign(signed), &by));
        tally.released += usize::from(met == Met::Released);
        if met == expected {
            tally.met += 1;
            tally.check = format!("{met:?}");
        } else {
            tally.stray = Some(format!("{met:?}"));
        }
    }
    tally
}

fn classes() -> Vec<Class> {
    [&OF_THE_STATEMENT[..], &OF_THE_SIGNATURE, &OF_THE_MOMENT].concat()
}

/// Every class, on as many threads as there are processors.
fn run_all(tried: usize, planted: Option<Planted>) -> Vec<Tally> {
    let (scene, classes) = (Scene::new(planted), classes());
    let todo = Mutex::new((1..).zip(&classes));
    let done = Mutex::new(Vec::new());
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().unwrap().get() {
            threads.spawn(|| {
                loop {
                    let Some((seed, class)) = todo.lock().unwrap().next() else { return };
                    let tally = run(class, seed, tried, &scene);
                    done.lock().unwrap().push((seed, tally));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(seed, _)| *seed);
    done.into_iter().map(|(_, tally)| tally).collect()
}

#[test]
fn every_class_of_forgery_fails_at_its_own_check_and_none_releases() {
    let tallies = run_all(attempts(5000), None);
    println!("{:<42} {:>8} {:>8} {:>8}  first failed check", "forged approval", "tried", "met it", "released");
    for Tally { name, tried, met, released, check, .. } in &tallies {
        println!("{name:<42} {tried:>8} {met:>8} {released:>8}  {check}");
    }
    assert_eq!(tallies.len(), 29);
    for tally in tallies {
        assert_eq!((tally.met, tally.released, &tally.stray), (tally.tried, 0, &None), "{}", tally.name);
    }
}

/// The same approvals, unchanged, all release: nothing else is wrong with the forged ones.
#[test]
fn what_is_not_forged_releases_every_time() {
    let scene = Scene::new(None);
    let right: Class = ("right", |dice, scene| changed(dice, scene, Met::Released, |_, _| ()));
    let both: Class = ("right, by two", |dice, scene| {
        let attempt = resigned(dice, scene, Met::Released, |text, _, dice| {
            let first = dice.below(3);
            let [one, two] = [first, (first + 1 + dice.below(2)) % 3].map(|owner| scene.two.keys[owner].sign(text));
            together(&one, &two)
        });
        Attempt { quorum: Quorum::Two, ..attempt }
    });
    for class in [right, both] {
        let tally = run(&class, 1, 2000, &scene);
        assert_eq!((tally.met, tally.released), (2000, 2000), "{:?}", tally.stray);
    }
}

/// With a check planted wrong, exactly the forgeries that it should stop come through, and are seen.
#[test]
fn a_check_that_is_left_out_is_found() {
    for (planted, caught) in [
        (Planted::SkippedNonce, &["with another nonce"][..]),
        (Planted::WrongRecipient, &["for another recipient"]),
        (
            Planted::SupersededDraft,
            &[
                "of other bytes",
                "with another nonce",
                "of another length",
                "of another type",
                "of an earlier draft",
                "after another draft took its place",
            ],
        ),
        (Planted::OwnerCountedTwice, &["by one owner twice"]),
    ] {
        let tallies = run_all(50, Some(planted));
        let released: Vec<&str> = tallies.iter().filter(|t| t.released > 0).map(|t| t.name).collect();
        assert_eq!(released, caught, "{planted:?}");
        assert!(tallies.iter().all(|t| t.released == 0 || t.released + t.met == t.tried), "{planted:?}: {tallies:?}");
    }
}
