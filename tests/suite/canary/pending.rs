//! What one owner has signed and another has not lies in the vault, and is heard by nobody.

use super::{Item, Names, RELEASED, compose, put};
use shared::frame;
use shared::ids::{CollectionId, Nonce, Ticket};
use shared::message::{Call, Filing, Recipient, Reply, Subject, View};
use shared::text::Text;
use tests::adversary::{Ending, first};
use tests::owner::sign;
use tests::statistics::Dice;
use tests::{Adversary, Oracle, Sink, World};

const LETTER: Names = Names { content: "letter", digest: "letter's digest", file: "letter's file name" };

/// A request about which the owners sign something.
struct Said {
    ticket: Ticket,
    /// Command and words.
    command: Vec<String>,
    canary: &'static str,
}

impl Said {
    fn request(&self) -> String {
        self.ticket.hash().request().to_string()
    }

    /// Everything that a visitor may say about the request, and all that comes back.
    fn ask(&self, adversary: &Adversary, oracle: &mut Oracle) -> Vec<Reply> {
        let ticket = || self.ticket.clone();
        let calls = [
            Call::Status { ticket: ticket() },
            Call::Words { ticket: ticket() },
            Call::Answer { ticket: ticket(), question: Nonce([1; 16]), text: Text::new("Yes.").unwrap() },
            Call::Collect { ticket: ticket(), collection: CollectionId([1; 16]), offset: 0 },
        ];
        let say = |call: &Call| {
            let answer = adversary.say(&frame::encode(call).unwrap(), Ending::Finished);
            oracle.hear(Sink::Replies, &answer);
            first(&answer).unwrap()
        };
        calls.iter().map(say).collect()
    }
}

/// Files three requests, and says what the owners will sign about each.
fn file(world: &World, adversary: &Adversary, oracle: &mut Oracle, dice: &mut Dice, letter: &Item) -> [Said; 3] {
    let mut words = |name| {
        let word = dice.word();
        oracle.plant(name, word.as_bytes(), &[]);
        format!("Between us: {word}")
    };
    let (back, refusal, draft) = (words("question back"), words("refusal"), words("answer"));
    let command = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let question = || Subject::Question(Text::new("Where were you born?").unwrap());
    let said = [
        (Subject::Item(letter.id.parse().unwrap()), command(&["approve"]), LETTER.content),
        (question(), command(&["ask", "--words", &back]), "question back"),
        (question(), command(&["refuse", "--words", &refusal]), "refusal"),
    ];
    said.map(|(subject, command, canary)| {
        let ticket = Ticket::from_random(dice.bytes());
        let purpose = Text::new("curiosity").unwrap();
        let answerable = matches!(subject, Subject::Question(_));
        let filing = Filing { ticket: ticket.hash(), subject, purpose, contact: None, recipient: Recipient::Ticket };
        assert_eq!(adversary.ask(&Call::File(filing)), Some(Reply::Filed));
        let said = Said { ticket, command, canary };
        if answerable {
            compose(world, &said.request(), &draft);
        }
        said
    })
}

#[test]
fn what_one_of_two_owners_has_signed_is_heard_by_nobody() {
    let (mut world, [_, second], _keys) = World::of_two_owners();
    world.pair();
    let (mut dice, mut oracle) = (Dice::from_environment("pending"), Oracle::default());
    let letter = put(&world, &mut oracle, &mut dice, &LETTER, "Medical letter");
    let adversary = Adversary::in_place_of_the_reception(&mut world);
    let all = file(&world, &adversary, &mut oracle, &mut dice, &letter);
    let second = second.display().to_string();
    for said in &all {
        let request = said.request();
        let (command, words) = said.command.split_first().unwrap();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        sign(&world, &[&["requests", command, &request], &words[..]].concat());
        for reply in said.ask(&adversary, &mut oracle) {
            let told = matches!(reply, Reply::View(View::Waiting) | Reply::Refused(_));
            assert!(told && oracle.leaks().is_empty(), "{reply:?} {:#?}", oracle.leaks());
        }
        // The other signature lets it go.
        sign(&world, &["requests", "sign", &request, "--key", &second]);
        oracle.allow(said.canary, RELEASED);
        if said.canary == LETTER.content {
            oracle.allow(LETTER.digest, RELEASED);
        }
        said.ask(&adversary, &mut oracle);
        assert!(oracle.heard(said.canary, Sink::Replies), "{} is heard, since both have signed", said.canary);
        assert!(oracle.leaks().is_empty(), "{:#?}", oracle.leaks());
    }
}
