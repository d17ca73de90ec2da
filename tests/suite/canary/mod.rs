//! No private word is heard at any sink without its approval, and the ears do hear.

use shared::ids::{Digest, Ticket};
use std::fs;
use tests::statistics::Dice;
use tests::{Oracle, Owner, Sink, Visitor, World};

mod adversary;
mod everywhere;
mod pending;
mod planted;

/// Where a visitor's own words go on their way to the vault.
const ON_THE_WAY: &[Sink] = &[Sink::Calls, Sink::PageRequests];
/// Where an approval lets go what it names.
const RELEASED: &[Sink] = &[Sink::Replies, Sink::PageResponses, Sink::Receipts];
/// Where tickets are: the visitor's browser keeps them, and the reception passes them on.
const TICKETS: &[Sink] = &[Sink::Calls, Sink::PageRequests, Sink::PageResponses];

/// An item whose content, content's digest, title and file name are canaries.
struct Item {
    id: String,
    content: Vec<u8>,
}

/// The names under which an item's canaries are planted.
struct Names {
    content: &'static str,
    digest: &'static str,
    file: &'static str,
}

/// Plants the canaries of a new item, and puts it into the vault; a `listed` title is published, so it is none.
fn put(world: &World, oracle: &mut Oracle, dice: &mut Dice, names: &Names, listed: &str) -> Item {
    let (word, file) = (dice.word(), dice.word());
    let content = format!("Between us: {word}\n").into_bytes();
    oracle.plant(names.content, word.as_bytes(), &[]);
    oracle.plant(names.digest, &Digest::of(&content).0, &[]);
    oracle.plant(names.file, file.as_bytes(), &[]);
    let id = world.add(listed, &format!("{file}.txt"), &content);
    Item { id, content }
}

/// Plants every key of both nodes, which are to be heard nowhere.
fn plant_keys(world: &World, oracle: &mut Oracle) {
    use ed25519_dalek::pkcs8::DecodePrivateKey as _;
    let names = ["owner", "vault's node", "log", "sealing", "store", "reception's node", "witness"];
    for (name, file) in names.into_iter().zip(tests::sinks::KEYS) {
        let text = fs::read_to_string(world.root().join(file)).unwrap();
        let seed: [u8; 32] = match file.rsplit('.').next().unwrap() {
            "pem" => ed25519_dalek::SigningKey::from_pkcs8_pem(&text).unwrap().to_bytes(),
            "hex" => shared::ids::unhex(text.trim_end()).unwrap(),
            _ => openssh_seed(&text),
        };
        oracle.plant(name, &seed, &[]);
    }
}

/// The seed in an OpenSSH private key file without passphrase (PROTOCOL.key): the first half of its one string of 64 bytes.
fn openssh_seed(text: &str) -> [u8; 32] {
    use base64::Engine as _;
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    let body = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
    let at = body.windows(4).position(|window| window == [0, 0, 0, 64]).unwrap() + 4;
    body[at..at + 32].try_into().unwrap()
}

/// Plants a ticket in every spelling that it has.
fn plant_ticket(oracle: &mut Oracle, name: &'static str, ticket: &Ticket, allowed: &[Sink]) {
    oracle.plant(name, ticket.expose(), allowed);
    let code = ticket.return_code();
    let bare = code.replace('-', "");
    let spellings = [&code, &code.to_ascii_lowercase(), &bare, &bare.to_ascii_lowercase(), &code.replace('-', " ")];
    oracle.spell(name, spellings.map(|code| ("return code", code.clone().into_bytes())));
}

/// The ticket that a visitor's browser holds for a request.
fn ticket(visitor: &Visitor, request: &str) -> Ticket {
    let value = visitor.cookies().iter().find(|(name, _)| name.ends_with(request)).unwrap().1;
    Ticket::from_random(shared::ids::unhex(&value[..64]).unwrap())
}

/// The owner writes an answer, and decides later.
fn compose(world: &World, request: &str, words: &str) {
    let editor = tests::owner::editor(world, &format!("By the river. {words}\n"));
    let mut owner = Owner::run_with(world, &["requests", "answer", request], &[("EDITOR", &editor)]);
    owner.read_to_the_end();
    owner.type_keys("q");
    assert_eq!(owner.wait_for_exit(), 3);
}
