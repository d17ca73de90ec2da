//! The evidence log over a long and mixed life.

use super::{NOON, Place, Running, filing, log_key, next_month, noon, question, reception, ticket};
use crate::evidence::Notary;
use crate::store::{WriteError, frontier, keys_logged};
use rusqlite::Connection;
use shared::ids::{CollectionId, Digest, ItemId, Nonce};
use shared::message::Subject;
use shared::publication::Bundle;
use shared::receipt::{Kind, Receipt};
use shared::sshsig::{PublicKey, Signers};
use shared::statement::{Publication, Statement};
use shared::text::Text;
use shared::tlog::{self, Frontier, Leaf, LeafKind, VerifierKey};
use vault_core::{Doubt, Input, LogEntry, NotPublished, Owners, Signed, Stage};

fn leaves(running: &Running) -> Vec<Vec<u8>> {
    running
        .readers
        .read(|c| {
            let mut rows = c.prepare("SELECT idx, leaf FROM leaf ORDER BY idx")?;
            let rows = rows.query_map([], |r| Ok((r.get::<_, i64>(0)?, r.get(1)?)))?;
            rows.zip(0..).map(|(row, at)| row.map(|(index, leaf)| (assert_eq!(index, at), leaf).1)).collect()
        })
        .map_err(|e: rusqlite::Error| e)
        .unwrap()
}

/// The tree made anew from the stored leaves.
pub(super) fn rebuilt(running: &Running) -> Frontier {
    let mut tree = Frontier::new();
    for leaf in leaves(running) {
        tree.append(tlog::leaf_hash(&leaf));
    }
    tree
}

fn node(connection: &Connection, level: u8, index: u64) -> Result<Digest, rusqlite::Error> {
    let query = "SELECT hash FROM node WHERE level = ?1 AND idx = ?2";
    connection.query_row(query, (level, i64::try_from(index).unwrap()), |r| r.get(0).map(Digest))
}

/// Every leaf is in the tree that the log's key signed, and every earlier tree is a beginning of it.
fn all_proven(place: &Place, running: &Running) {
    let key = VerifierKey::of(place.origin.clone(), &log_key());
    let head = tlog::open_checkpoint(&running.writer.tip().note, &key).unwrap();
    let leaves = leaves(running);
    assert_eq!((head.size, head.root), (leaves.len() as u64, rebuilt(running).root()));
    let mut tree = Frontier::new();
    running
        .readers
        .read(|c| {
            for (leaf, index) in leaves.iter().zip(0..) {
                let hash = tlog::leaf_hash(leaf);
                let path = tlog::inclusion(index, head.size, |level, index| node(c, level, index))?;
                assert_eq!(tlog::verify_inclusion(&hash, index, head.size, &path, &head.root), Ok(()));
                tree.append(hash);
                let path = tlog::consistency(index + 1, head.size, |level, index| node(c, level, index))?;
                let verified = tlog::verify_consistency(index + 1, &tree.root(), head.size, &head.root, &path);
                assert_eq!(verified, Ok(()), "from {}", index + 1);
            }
            Ok::<_, rusqlite::Error>(())
        })
        .unwrap();
}

/// One life of a request, of several kinds; returns how many operations it took.
async fn live(place: &Place, running: &Running, item: ItemId, who: u32) -> usize {
    let lane = running.lane().await;
    let asks_item = !who.is_multiple_of(3);
    let asked = if asks_item { filing(who, Subject::Item(item)) } else { question(who) };
    running.act(move |t| t.file(asked, lane)).await.unwrap();
    if asks_item {
        running.act(move |t| t.prepare(ticket(who))).await.unwrap();
    } else {
        let answer = running.upload(format!("Yes, {who} loaves a day.").as_bytes()).await;
        let compose = running.act(move |t| t.compose(ticket(who), answer, None));
        compose.await.unwrap();
    }
    // This fails at every stage, and leaves no trace.
    assert!(running.act(move |t| t.decide(ticket(who), Input::Tick)).await.is_err());
    match who % 5 {
        0 => drop(running.act(move |t| t.decide(ticket(who), Input::Refused)).await.unwrap()),
        1 => drop(running.act(move |t| t.decide(ticket(who), Input::Withdrawn)).await.unwrap()),
        2 => return 4,
        _ => return 5 + release(place, running, who).await,
    }
    5
}

async fn release(place: &Place, running: &Running, who: u32) -> usize {
    let signed = place.approve(&running.state(place, who).unwrap(), 2);
    running.act(move |t| t.decide(ticket(who), super::signed(signed))).await.unwrap();
    for device in [1, 2, 1, 3] {
        let collect = Input::Collect { collection: CollectionId([device; 16]), offset: 0 };
        let result = running.act(move |t| t.decide(ticket(who), collect)).await;
        assert_eq!(result.is_ok(), device < 3);
    }
    5
}

#[tokio::test]
async fn every_leaf_of_200_mixed_operations_is_proven_under_the_signed_checkpoint() {
    let place = Place::new();
    let running = place.run();
    let item = running.add("Curriculum vitae", b"Sam Sample").await;
    let (mut operations, mut who) = (0, 0);
    while operations < 200 {
        operations += live(&place, &running, item, who).await;
        who += 1;
        if who.is_multiple_of(10) {
            let line = reception(&format!("extra-{who}"));
            running.act(move |t| t.pair(&line)).await.unwrap();
            running.act(move |t| t.unpair(&format!("extra-{who}"))).await.unwrap();
        }
    }
    all_proven(&place, &running);
    let tip = running.writer.tip();
    running.stop();
    // A month later everything that time ends is ended, and the log continues the same tree.
    let running = place.run_at(next_month);
    assert_eq!(running.writer.tip().note, tip.note);
    for ticket in running.readers.read(|c| crate::store::due(c, running.now())).unwrap() {
        running.act(move |t| t.decide(ticket, Input::Tick)).await.unwrap();
    }
    assert!(running.writer.tip().size() > tip.size());
    all_proven(&place, &running);
    assert_eq!(
        running.count(
            "SELECT count(*) FROM request WHERE undecided = 1 OR ends_at IS NOT NULL OR waits_until IS NOT NULL"
        ),
        0
    );
}

#[tokio::test]
async fn a_release_has_a_receipt_that_anybody_can_verify() {
    let place = Place::new();
    let running = place.run();
    let item = running.add("Curriculum vitae", b"Sam Sample").await;
    live(&place, &running, item, 4).await;
    live(&place, &running, item, 7).await;
    let Stage::Released(release) = running.state(&place, 4).unwrap().stage else { panic!("not released") };
    let key = VerifierKey::of(place.origin.clone(), &log_key());
    let (notary, request) = (notary(&place, &running), ticket(4).request());
    let receipt = crate::evidence::receipt(&notary, request, Kind::Approved, release.signed()).unwrap();
    let approval = Statement::Approval(release.approval().clone());
    assert_eq!(receipt.verify(place.owners.signers(), &key), Ok(approval));
    // Whatever is logged later, the receipt stays as it is: it tells nobody of it.
    live(&place, &running, item, 10).await;
    let again = crate::evidence::receipt(&notary, request, Kind::Approved, release.signed()).unwrap();
    assert_eq!(again, receipt);
    for (kind, signed) in [(Kind::Refused, release.signed().clone()), (Kind::Approved, other_signed(release.signed()))]
    {
        assert!(crate::evidence::receipt(&notary, request, kind, &signed).is_err(), "{kind:?}");
    }
}

/// "What left, when, to whom, and who said so" is asked after it has expired, too.
#[tokio::test]
async fn the_receipt_stays_when_the_release_is_over() {
    let place = Place::new();
    let running = place.run();
    let item = running.add("Curriculum vitae", b"Sam Sample").await;
    live(&place, &running, item, 4).await;
    let before = receipt(&place, &running, 4);
    running.stop();
    let running = place.run_at(next_month);
    running.act(move |t| t.decide(ticket(4), Input::Tick)).await.unwrap();
    let state = running.state(&place, 4).unwrap();
    assert_eq!((state.stage.name(), state.release().map(|release| release.collections().len())), ("expired", Some(2)));
    assert_eq!(receipt(&place, &running, 4), before);
}

fn receipt(place: &Place, running: &Running, who: u32) -> Receipt {
    let state = running.state(place, who).unwrap();
    let signed = state.release().unwrap().signed();
    crate::evidence::receipt(&notary(place, running), state.request.id(), Kind::Approved, signed).unwrap()
}

fn notary(place: &Place, running: &Running) -> Notary {
    Notary {
        readers: running.readers.clone(),
        origin: place.origin.clone(),
        owners: place.owners.clone(),
        log_key: log_key(),
    }
}

/// The same text under a signature that differs.
fn other_signed(signed: &Signed) -> Signed {
    let signatures = signed.signatures.iter().map(|signature| signature.replace("SSH", "ssh")).collect();
    Signed { signatures, ..signed.clone() }
}

#[tokio::test]
async fn a_stored_approval_that_was_altered_stops_everything_that_reads_it() {
    let place = Place::new();
    let running = place.run();
    let item = running.add("Curriculum vitae", b"Sam Sample").await;
    live(&place, &running, item, 4).await;
    let altered = running.act(|t| {
        let change = "UPDATE request SET record = replace(record, 'collections: 2', 'collections: 9')";
        t.connection.execute(change, [])?;
        Ok(super::Done::quiet(()))
    });
    altered.await.unwrap();
    let found = running.readers.read(|c| crate::store::requests(c, true, &place.origin, &place.owners));
    assert!(matches!(found, Err(WriteError::Record(_))));
    let collect = Input::Collect { collection: CollectionId([1; 16]), offset: 0 };
    assert!(matches!(running.act(|t| t.decide(ticket(4), collect)).await, Err(WriteError::Record(_))));
}

#[tokio::test]
async fn reopening_finds_the_same_edge_and_a_missing_node_is_noticed() {
    let place = Place::new();
    let running = place.run();
    let lane = running.lane().await;
    for who in 0..11 {
        running.act(move |t| t.file(question(who), lane)).await.unwrap();
        let edge = running.readers.read(|c| Ok::<_, rusqlite::Error>(frontier(c))).unwrap().unwrap();
        assert_eq!(&edge, running.writer.tip().frontier());
    }
    let tip = running.writer.tip();
    running.stop();
    let running = place.run();
    assert_eq!((running.writer.tip().note, running.writer.tip().frontier()), (tip.note.clone(), tip.frontier()));
    assert_eq!(tip.size(), 13);
    let cut = running.act(|t| {
        t.connection.execute("DELETE FROM node WHERE level = 3", [])?;
        Ok(super::Done::quiet(()))
    });
    cut.await.unwrap();
    let edge = running.readers.read(|c| Ok::<_, rusqlite::Error>(frontier(c))).unwrap();
    assert!(edge.unwrap_err().contains("a tree node is missing"));
}

#[tokio::test]
async fn the_newest_entry_about_keys_says_whose_they_are() {
    let place = Place::new();
    let running = place.run();
    let key = ed25519_dalek::SigningKey::from_bytes(&[9; 32]).verifying_key();
    let new = Owners::new(Signers::of(vec![PublicKey::Ed25519 { key }]), 1).unwrap();
    let logged = |owners: &Owners| {
        let parts = place.own().named_with(owners);
        running.readers.read(|c| keys_logged(c, &parts)).unwrap()
    };
    assert_eq!((logged(&place.owners), logged(&new)), (true, false));
    running.lane().await;
    assert_eq!((logged(&place.owners), logged(&new)), (true, false));
    let parts = place.own().named_with(&new);
    let entry = LogEntry { kind: LeafKind::Keys, time: noon(), parts };
    running.act(move |t| t.log(&entry, None).map(super::Done::quiet)).await.unwrap();
    assert_eq!((logged(&place.owners), logged(&new)), (false, true));
    let bytes = leaves(&running).pop().unwrap();
    assert_eq!(Leaf::parse(&bytes).map(|leaf| (leaf.kind, leaf.time.unix())), Ok((LeafKind::Keys, NOON)));
}

pub(super) fn publication(place: &Place, version: u64) -> (Signed, Vec<u8>) {
    let name = Text::new("Sam Sample").unwrap();
    let bundle = Bundle { version, name, documents: Vec::new(), catalogue: Vec::new() }.to_bytes().unwrap();
    let statement = Publication {
        vault: place.origin.clone(),
        version,
        bundle: Digest::of(&bundle),
        bytes: bundle.len() as u64,
        documents: 0,
        catalogue: 0,
        prepared_at: noon(),
        nonce: Nonce([1; 16]),
    };
    (place.sign(statement), bundle)
}

#[tokio::test]
async fn publications_only_rise_and_come_back_as_signed() {
    let place = Place::new();
    let running = place.run();
    for (version, newest, rises) in [(1, 1, true), (5, 5, true), (5, 5, false), (2, 5, false), (6, 6, true)] {
        let (signed, bundle) = publication(&place, version);
        let size = running.writer.tip().size();
        let (sent, content) = (signed.clone(), bundle.clone());
        let result = running.act(move |t| t.publish(sent, content)).await;
        assert_eq!((result.is_ok(), running.writer.tip().size() - size), (rises, u64::from(rises)), "{version}");
        assert_eq!(running.readers.read(crate::store::newest_version).unwrap(), newest);
        if rises {
            let mut stored = Vec::new();
            let each = |c: &Connection| {
                crate::store::each_publication(c, |one| {
                    stored.push((one.signed, one.bundle));
                    Ok::<_, WriteError>(())
                })
            };
            running.readers.read(each).unwrap();
            assert_eq!(stored.pop(), Some((signed, bundle)));
        }
    }
    all_proven(&place, &running);
}

#[tokio::test]
async fn nothing_is_published_while_the_clock_is_in_doubt() {
    let place = Place::new();
    let running = place.run_at(next_month);
    running.lane().await;
    running.stop();
    let running = place.run();
    let size = running.writer.tip().size();
    let (signed, bundle) = publication(&place, 1);
    let refused = running.act(move |t| t.publish(signed, bundle)).await;
    assert!(matches!(refused, Err(WriteError::Published(NotPublished::Clock(Doubt::Back)))), "published in doubt");
    assert_eq!((running.writer.tip().size(), running.readers.read(crate::store::newest_version).unwrap()), (size, 0));
}
