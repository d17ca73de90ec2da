//! The owner asks back and the visitor answers, before anything is decided.

use super::world::{ASK, FIRST, FRESH, World, answer, at, done, draft, is_released, named, outcome, sign, ticket};
use crate::{Effect, Input, NotAccepted, Rejected, Stage, State, Words};
use shared::ids::Nonce;
use shared::limits;
use shared::message::View;
use shared::statement::{Question, RecipientLine, Statement, SubjectLine};
use shared::time::Time;

/// The question back that is right in every field.
fn question(world: &World, state: &State, words: &str, now: Time) -> Question {
    let Statement::Question(question) = world.question(state, words, now) else { panic!("no question") };
    question
}

#[test]
fn what_the_owner_signed_is_what_the_visitor_reads() {
    let world = World::new();
    for state in [world.awaiting(1, draft(1)), world.asked(1), world.unprepared(1)] {
        assert_eq!(state.words(), None);
        let signed = world.sign(world.question(&state, ASK, at(2)));
        let step = world.step(state, sign(signed.clone()), at(2)).unwrap();
        let (state, entry, effects) = done(step);
        let entry = entry.unwrap();
        assert_eq!(
            (entry.kind.as_str(), entry.parts, named(&effects)),
            ("asked", signed.parts(), "visitor owner".into())
        );
        assert!(matches!(effects[0], Effect::TellVisitor(crate::LaneId(1), hash) if hash == ticket(1)));
        let spoken = state.words().unwrap();
        assert_eq!((spoken.signed(), spoken.request()), (&signed, ticket(1).request()));
        assert_eq!(spoken.words(), &Words::Question(ASK.into(), FIRST));
        let end = limits::ASKING_LIFE;
        let views = [2, end - 1, end].map(|now| state.shown().view(at(now)));
        assert_eq!(views, [View::Question, View::Question, View::Closed]);
    }
}

type Change = (&'static str, fn(&mut Question));

/// The fields in the order in which they are checked.
const CHANGES: [Change; 7] = [
    ("vault", |q| q.vault = shared::tlog::Origin::new("other.example.org/3f2a").unwrap()),
    ("request", |q| q.request = ticket(2).request()),
    ("subject", |q| q.subject = SubjectLine::Item("Curriculum vitæ".into())),
    ("recipient", |q| q.recipient = RecipientLine::Ticket(ticket(2))),
    ("nonce", |q| q.nonce.0[15] ^= 1),
    ("vault", |q| (q.vault, q.nonce) = (shared::tlog::Origin::new("vault.example.org/3f2").unwrap(), FRESH)),
    ("request", |q| (q.request, q.recipient) = (ticket(3).request(), RecipientLine::Ticket(ticket(3)))),
];

#[test]
fn a_question_about_anything_else_is_not_asked() {
    let world = World::new();
    for (field, change) in CHANGES {
        let state = world.awaiting(1, draft(1));
        let mut changed = question(&world, &state, ASK, at(2));
        change(&mut changed);
        let rejected = world.step(state, sign(world.sign(changed)), at(2)).err();
        assert_eq!(rejected, Some(Rejected::NotAccepted(NotAccepted::Differs(field.into()))));
    }
}

#[test]
fn words_and_instant_lie_within_their_limits() {
    let world = World::new();
    let skew = limits::DECISION_SKEW;
    let ask = |words: &str, made: u64| {
        let state = world.awaiting(1, draft(1));
        let signed = world.sign(world.question(&state, words, at(made)));
        world.step(state, sign(signed), at(1000)).map(outcome)
    };
    let fine = || Ok("waiting for the visitor: asked: visitor owner".to_owned());
    let long = "x".repeat(limits::WORDS);
    for (words, made, expected) in [
        (ASK, 1000, fine()),
        (ASK, 1000 - skew, fine()),
        (ASK, 1000 + skew, fine()),
        (&long[..], 1000, fine()),
        ("x", 1000, fine()),
        (ASK, 999 - skew, Err(NotAccepted::DecidedAt)),
        (ASK, 1001 + skew, Err(NotAccepted::DecidedAt)),
        ("", 1000, Err(NotAccepted::Words)),
        (" \n", 1000, Err(NotAccepted::Words)),
        ("a\u{1b}[2J", 1000, Err(NotAccepted::Words)),
        (&format!("{long}x"), 1000, Err(NotAccepted::Words)),
    ] {
        assert_eq!(ask(words, made), expected.map_err(Rejected::NotAccepted), "{} at {made}", words.len());
    }
}

#[test]
fn the_same_answer_again_changes_nothing_and_other_words_are_refused() {
    let world = World::new();
    let asked = world.stage("asked");
    let answered = world.moved(asked, answer(FIRST, "Main Street."), at(3));
    let [exchange] = &answered.talk[..] else { panic!("{} exchanges", answered.talk.len()) };
    assert_eq!((exchange.question, exchange.answer.as_str(), exchange.at), (FIRST, "Main Street.", at(3)));
    assert_eq!(&exchange.asked, world.stage("asked").words().unwrap().signed());
    let again = world.step(answered.clone(), answer(FIRST, "Main Street."), at(4)).unwrap();
    let (same, entry, effects) = done(again);
    assert_eq!((same, entry, effects.len()), (answered.clone(), None, 0));
    let rejected = world.step(answered, answer(FIRST, "main street."), at(4)).err();
    assert_eq!(rejected, Some(Rejected::OtherQuestion));
    // Whatever became of the request since, the visitor whose first answer was lost on its way hears the same.
    let released = {
        let state = world.stage("answered");
        let signed = world.signed(1, &Draft::of(&state), 1);
        world.moved(state, sign(signed), at(4))
    };
    assert!(is_released(&released));
    let (same, entry, _) = done(world.step(released.clone(), answer(FIRST, "Main Street."), at(5)).unwrap());
    assert_eq!((same, entry), (released, None));
}

/// The draft that waits for the owner.
struct Draft;

impl Draft {
    fn of(state: &State) -> crate::Draft {
        let Stage::AwaitingOwner(draft, _) = &state.stage else { panic!("{}", state.stage.name()) };
        draft.clone()
    }
}

#[test]
fn an_answer_to_another_question_is_refused() {
    let world = World::new();
    let rejected = world.step(world.stage("asked"), answer(FRESH, "Main Street."), at(3)).err();
    assert_eq!(rejected, Some(Rejected::OtherQuestion));
    // The owner put it in another way before the answer came.
    let other = world.question(&world.stage("asked"), "Which street?", at(3));
    let asked = world.moved(world.stage("asked"), sign(world.sign(other)), at(3));
    let rejected = world.step(asked.clone(), answer(FIRST, "Main Street."), at(4)).err();
    assert_eq!(rejected, Some(Rejected::OtherQuestion));
    let answered = world.moved(asked, answer(FRESH, "Main Street."), at(4));
    assert_eq!((answered.talk.len(), answered.stage.name()), (1, "waiting for approval"));
}

#[test]
fn after_the_answer_the_draft_waits_as_it_was_under_a_fresh_nonce() {
    let world = World::new();
    let before = world.signed(1, &draft(1), 2);
    let answered = world.stage("answered");
    let kept = Draft::of(&answered);
    assert_eq!(kept, crate::Draft { nonce: FRESH, prepared_at: at(3), ..draft(1) });
    // What was signed before the question says nothing any more, nor does it while the question waits.
    let rejected = world.step(world.stage("asked"), sign(before.clone()), at(3)).err();
    assert_eq!(rejected, Some(Rejected::Stage("waiting for the visitor")));
    let rejected = world.step(answered.clone(), sign(before), at(4)).err();
    assert_eq!(rejected, Some(Rejected::NotAccepted(NotAccepted::Differs("prepared-at".into()))));
    let mut old = world.approval(1, &kept, 2);
    old.nonce = FIRST;
    let rejected = world.step(answered.clone(), sign(world.sign(old)), at(4)).err();
    assert_eq!(rejected, Some(Rejected::NotAccepted(NotAccepted::Differs("nonce".into()))));
    assert!(is_released(&world.moved(answered, sign(world.signed(1, &kept, 2)), at(4))));
}

#[test]
fn a_blank_stays_blank_under_a_fresh_nonce() {
    let world = World::new();
    let answered = world.stage("answered to a blank");
    let Stage::AwaitingAnswer(blank) = &answered.stage else { panic!("{}", answered.stage.name()) };
    assert_eq!((blank.nonce, blank.why, &blank.pending), (FRESH, None, &None));
}

#[test]
fn five_questions_are_the_limit() {
    let world = World::new();
    let mut state = world.awaiting(1, draft(1));
    for round in 0..limits::QUESTIONS_BACK {
        // A question that is put in another way counts once.
        for fresh in [2 * round, 2 * round + 1] {
            let fresh = Nonce([u8::try_from(100 + fresh).unwrap(); 16]);
            let signed = world.sign(world.question(&state, ASK, at(2)));
            state = world.moved(state, Input::Signed { signed, fresh }, at(2));
        }
        let asked = state.words().unwrap().question().unwrap();
        let fresh = Nonce([u8::try_from(50 + round).unwrap(); 16]);
        let text = shared::text::Text::new(format!("Answer {round}.")).unwrap();
        state = world.moved(state, Input::Answered { question: asked, answer: text, fresh }, at(3));
        assert_eq!(state.talk.len(), round + 1);
    }
    let signed = world.sign(world.question(&state, ASK, at(4)));
    assert_eq!(world.step(state.clone(), sign(signed), at(4)).err(), Some(Rejected::Questions));
    assert!(Rejected::Questions.to_string().starts_with("5 questions about one request"));
    let kept = Draft::of(&state);
    assert!(is_released(&world.moved(state, sign(world.signed(1, &kept, 1)), at(4))));
}

#[test]
fn another_draft_takes_an_open_question_back() {
    let world = World::new();
    let state = world.moved(world.stage("asked"), Input::Composed(draft(7)), at(3));
    assert_eq!((state.words(), state.shown().view(at(3))), (None, View::Waiting));
    let rejected = world.step(state, answer(FIRST, "Main Street."), at(4)).err();
    assert_eq!(rejected, Some(Rejected::Stage("waiting for approval")));
}

#[test]
fn nobody_answers_what_was_never_asked() {
    let world = World::new();
    for stage in ["received", "question", "awaiting owner", "cooling", "released", "withdrawn", "lapsed", "refused"] {
        let rejected = world.step(world.stage(stage), answer(FIRST, "Main Street."), at(10)).err();
        assert!(matches!(rejected, Some(Rejected::Stage(_))), "{stage}: {rejected:?}");
    }
    assert_eq!(
        Rejected::OtherQuestion.to_string(),
        "the question has been answered already, or another one was asked since"
    );
}

#[test]
fn the_subject_stays_that_of_the_draft_while_a_question_is_open() {
    let world = World::new();
    let title = SubjectLine::Item("Curriculum vitae".into());
    assert_eq!(
        [world.stage("awaiting owner"), world.stage("asked")].map(|state| SubjectLine::from(&state.named())),
        [title.clone(), title]
    );
    let own = SubjectLine::Question("Do you bake rye bread?".into());
    assert_eq!(
        [world.asked(1), world.stage("asked about a blank")].map(|state| SubjectLine::from(&state.named())),
        [own.clone(), own]
    );
    let id = SubjectLine::Item("05".repeat(16));
    for stage in ["received", "unprepared", "released", "cooling", "refused"] {
        assert_eq!(SubjectLine::from(&world.stage(stage).named()), id, "{stage}");
    }
}
