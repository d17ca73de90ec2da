//! Only the bundle that an owner signed, above the version published, becomes a publication.

use super::owner::Owner;
use super::world::{World, at, draft, sure};
use crate::{Authority, Doubt, Going, NotAccepted, NotPublished, Now, Published, Signed};
use shared::ids::{Digest, ItemId, Nonce};
use shared::publication::{BadBundle, Bundle, Document, Entry};
use shared::sshsig::BadSignature;
use shared::statement::{BadStatement, Publication, Statement};
use shared::text::Text;
use shared::tlog::Origin;

fn bundle(version: u64) -> Bundle {
    let text = |text: &str| Text::new(text).unwrap();
    let document = Document { path: "about.md".into(), title: text("About me"), markdown: "# About me\n".into() };
    let entry = Entry {
        id: ItemId([5; 16]),
        title: text("Curriculum vitae"),
        media_type: Text::new("application/pdf").unwrap(),
    };
    Bundle {
        version,
        name: Text::new("Sam Sample").unwrap(),
        documents: vec![document.clone(), document],
        catalogue: vec![entry],
    }
}

fn statement(world: &World, bytes: &[u8]) -> Publication {
    Publication {
        vault: world.vault.clone(),
        version: 5,
        bundle: Digest::of(bytes),
        bytes: bytes.len() as u64,
        documents: 2,
        catalogue: 1,
        prepared_at: at(0),
        nonce: Nonce([3; 16]),
    }
}

fn verify(world: &World, signed: Signed, bytes: &[u8], newest: u64) -> Result<Published, NotPublished> {
    Published::verify(signed, bytes.to_vec(), newest, &world.vault, &world.owners)
}

#[test]
fn what_the_owner_signed_is_published_as_it_is() {
    let world = World::new();
    let bytes = bundle(5).to_bytes().unwrap();
    let signed = world.sign(statement(&world, &bytes));
    for newest in [0, 4] {
        let published = verify(&world, signed.clone(), &bytes, newest).ok().unwrap();
        assert_eq!((published.version(), published.signed(), published.bundle()), (5, &signed, &bytes[..]));
    }
    for newest in [5, 6, u64::MAX] {
        assert_eq!(verify(&world, signed.clone(), &bytes, newest).err(), Some(NotPublished::Version(5, newest)));
    }
}

type Change = (NotPublished, fn(&mut Publication));

#[test]
fn every_field_of_the_statement_must_fit() {
    let world = World::new();
    let bytes = bundle(5).to_bytes().unwrap();
    let changes: [Change; 6] = [
        (NotPublished::Other, |p| p.vault = Origin::new("other.example.org/3f2a").unwrap()),
        (NotPublished::Bundle, |p| p.version += 1),
        (NotPublished::Bundle, |p| p.bundle.0[0] ^= 1),
        (NotPublished::Bundle, |p| p.bytes += 1),
        (NotPublished::Bundle, |p| p.documents -= 1),
        (NotPublished::Bundle, |p| p.catalogue += 1),
    ];
    for (why, change) in changes {
        let mut changed = statement(&world, &bytes);
        change(&mut changed);
        assert_eq!(verify(&world, world.sign(changed), &bytes, 0).err(), Some(why));
    }
}

#[test]
fn another_bundle_or_another_signature_is_refused() {
    let world = World::new();
    let bytes = bundle(5).to_bytes().unwrap();
    let signed = world.sign(statement(&world, &bytes));
    let mut other = bundle(5);
    other.documents[0].markdown.push('!');
    let refused = verify(&world, signed.clone(), &other.to_bytes().unwrap(), 0).err();
    assert_eq!(refused, Some(NotPublished::Bundle));
    let broken = verify(&world, signed.clone(), &bytes[1..], 0).err();
    assert_eq!(broken, Some(NotPublished::BadBundle(BadBundle::Malformed)));
    // The same content with a space after it is not what was signed.
    let spaced = [&bytes[..], b" "].concat();
    assert_eq!(verify(&world, signed.clone(), &spaced, 0).err(), Some(NotPublished::Bundle));
    let mut later = statement(&world, &bytes);
    later.prepared_at = at(1);
    let signatures = [
        (world.sign(later), NotAccepted::Signature(BadSignature::Invalid)),
        (Owner::new(9).sign(&signed.statement), NotAccepted::Signature(BadSignature::UnknownKey)),
        (world.keys[0].sign_as("file", &signed.statement), NotAccepted::Signature(BadSignature::Namespace)),
        (
            Signed::one(String::new(), "x".repeat(shared::limits::SIGNATURE)),
            NotAccepted::Signature(BadSignature::Armor),
        ),
        (Signed::one(String::new(), "x".repeat(shared::limits::SIGNATURE + 1)), NotAccepted::TooLong),
        (Signed { signatures: Vec::new(), ..signed.clone() }, NotAccepted::TooFew { have: 0, need: 1 }),
        (super::world::together(&signed, &signed), NotAccepted::TooLong),
    ];
    for (Signed { signatures, .. }, why) in signatures {
        let refused = verify(&world, Signed { signatures, ..signed.clone() }, &bytes, 0).err();
        assert_eq!(refused, Some(NotPublished::NotAccepted(why)));
    }
}

#[test]
fn an_approval_or_a_broken_statement_publishes_nothing() {
    let world = World::new();
    let bytes = bundle(5).to_bytes().unwrap();
    let approval = world.sign(Statement::from(world.approval(1, &draft(1), 1)));
    assert_eq!(verify(&world, approval, &bytes, 0).err(), Some(NotPublished::Other));
    let mut signed = world.sign(statement(&world, &bytes));
    signed.statement.push('\n');
    let refused = verify(&world, signed, &bytes, 0).err();
    assert_eq!(refused, Some(NotPublished::NotAccepted(NotAccepted::Unreadable(BadStatement::Trailing))));
}

#[test]
fn a_publication_takes_as_many_owners_as_a_release() {
    let world = World::with(2, 3);
    let bytes = bundle(5).to_bytes().unwrap();
    let [one, two] = [0, 1].map(|owner| world.sign_by(owner, statement(&world, &bytes)));
    let both = super::world::together(&one, &two);
    assert_eq!(verify(&world, both.clone(), &bytes, 0).ok().unwrap().signed(), &both);
    for (signed, why) in [
        (one.clone(), NotAccepted::TooFew { have: 1, need: 2 }),
        (super::world::together(&one, &one), NotAccepted::Repeated),
    ] {
        assert_eq!(verify(&world, signed, &bytes, 0).err(), Some(NotPublished::NotAccepted(why)));
    }
}

#[test]
fn what_is_wrong_with_a_publication_is_said() {
    for (why, words) in [
        (NotPublished::Other, "not a publication by this vault"),
        (NotPublished::Bundle, "another bundle"),
        (NotPublished::Version(3, 4), "version 3 is not above the published version 4"),
        (NotPublished::BadBundle(BadBundle::Malformed), "update this node"),
        (NotPublished::NotAccepted(NotAccepted::Repeated), "another owner's signature"),
        (NotPublished::Frozen, "`vault thaw`"),
        (NotPublished::Clock(Doubt::Back), "`vault clock --confirm`"),
    ] {
        assert!(why.to_string().contains(words), "{why}");
    }
}

#[test]
fn nothing_is_published_while_releases_are_stopped_or_the_clock_is_in_doubt() {
    let world = World::new();
    let bytes = bundle(5).to_bytes().unwrap();
    let signed = world.sign(statement(&world, &bytes));
    let decide = |brake, doubt| {
        let now = Now { doubt, ..sure(at(0)) };
        let by = Authority::new(&world.vault, &world.owners, 0, brake, now);
        Published::decide(signed.clone(), bytes.clone(), 0, &by).map(|published| published.version())
    };
    for doubt in [None, Some(Doubt::Back), Some(Doubt::Ahead)] {
        assert_eq!(decide(Going::Frozen, doubt), Err(NotPublished::Frozen));
        assert_eq!(decide(Going::On, doubt), doubt.map_or(Ok(5), |doubt| Err(NotPublished::Clock(doubt))));
    }
    let by = Authority::new(&world.vault, &world.owners, 0, Going::On, sure(at(0)));
    let old = Published::decide(signed.clone(), bytes.clone(), 5, &by);
    assert_eq!(old.err(), Some(NotPublished::Version(5, 5)));
}
