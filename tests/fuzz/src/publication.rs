//! Publications: the bundle, and the statement that lets it leave.

use crate::judge::{Bytes, CANARY, taken, text};
use crate::owner::{OWNERS, origin, sign};
use crate::{Target, Verdict, samples};
use shared::ids::{Digest, ItemId, Nonce};
use shared::limits;
use shared::publication::{Bundle, Document, Entry};
use shared::statement::{Publication, Statement};
use shared::text::Text;
use vault_core::{Published, Signed};

pub(crate) const PUBLICATION: Target = Target {
    name: "publication",
    check,
    seeds,
    words: &[
        "\"version\":",
        "\"name\":",
        "\"documents\":[",
        "\"catalogue\":[",
        "\"path\":",
        "\"title\":",
        "\"markdown\":",
        "\"id\":",
        "\"media_type\":",
        "../",
        "kind: publication\n",
        "18446744073709551615",
        CANARY,
    ],
};

/// The version that is published already.
const NEWEST: u64 = 3;

/// The first byte says what the rest is: a bundle with the statement that belongs to it, or a statement with a bundle.
fn check(data: &[u8]) -> Verdict {
    let mut bytes = Bytes(data);
    if bytes.byte() % 2 == 0 { bundle(bytes.0) } else { statement(text(bytes.0)) }
}

/// A bundle is within its limits, comes back whole, and leaves under a statement that describes it.
fn bundle(bytes: &[u8]) -> Verdict {
    let Some(bundle) = taken(Bundle::from_bytes(bytes)) else { return Verdict::Refused };
    assert!(bundle.documents.iter().all(|document| document.markdown.len() <= limits::DOCUMENT));
    assert!(bundle.documents.len().max(bundle.catalogue.len()) <= limits::PUBLICATION_ENTRIES);
    let again = bundle.to_bytes().unwrap();
    assert_eq!(Bundle::from_bytes(&again).as_ref(), Ok(&bundle));
    let (documents, titles) = (bundle.documents.len() as u32, bundle.catalogue.len() as u32);
    let out = published(describe(bytes, bundle.version, documents, titles), bytes);
    assert_eq!(out.is_some(), bundle.version > NEWEST);
    assert!(out.is_none_or(|out| out.bundle() == bytes && out.version() == bundle.version));
    Verdict::Taken
}

/// Of all that an owner signs, only the statement about this very bundle lets it leave.
fn statement(text: String) -> Verdict {
    let (bytes, said) = (sample(), Statement::parse(&text));
    let right = said.is_ok_and(|said| matches!(said, Statement::Publication(said) if describes(&said, &bytes)));
    let out = published(text, &bytes);
    assert_eq!(out.is_some(), right);
    Verdict::of(out.is_some())
}

fn describes(said: &Publication, bytes: &[u8]) -> bool {
    let counts = (said.documents, said.catalogue);
    said.vault == origin()
        && said.version == 4
        && counts == (1, 1)
        && said.bytes == bytes.len() as u64
        && said.bundle == Digest::of(bytes)
}

fn published(statement: String, bundle: &[u8]) -> Option<Published> {
    let signature = sign(&statement);
    let signed = Signed::one(statement, signature);
    taken(Published::verify(signed, bundle.to_vec(), NEWEST, &origin(), &OWNERS).map_err(|error| error.to_string()))
}

fn describe(bytes: &[u8], version: u64, documents: u32, catalogue: u32) -> String {
    let statement = Publication {
        vault: origin(),
        version,
        bundle: Digest::of(bytes),
        bytes: bytes.len() as u64,
        documents,
        catalogue,
        prepared_at: samples::at(0),
        nonce: Nonce([2; 16]),
    };
    Statement::from(statement).render()
}

fn sample() -> Vec<u8> {
    let title = || Text::new(format!("About {CANARY}")).unwrap();
    let document =
        Document { path: "shop/about.md".into(), title: title(), markdown: format!("# About\n\n{CANARY}\n") };
    let entry = Entry { id: ItemId([5; 16]), title: title(), media_type: Text::new("application/pdf").unwrap() };
    let name = Text::new("Sam Sample").unwrap();
    Bundle { version: 4, name, documents: vec![document], catalogue: vec![entry] }.to_bytes().unwrap()
}

fn seeds() -> Vec<Vec<u8>> {
    let empty = br#"{"version":3,"name":"Sam","documents":[],"catalogue":[]}"#;
    let statement = describe(&sample(), 4, 1, 1);
    vec![
        [b"\0", &sample()[..]].concat(),
        [b"\0", &empty[..]].concat(),
        [b"\x01", statement.as_bytes()].concat(),
        [b"\x01", samples::STATEMENTS[1].as_bytes()].concat(),
    ]
}
