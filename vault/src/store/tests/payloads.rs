//! Payloads: written in pieces, visible when whole, read back byte for byte.

use super::{Place, Running, filing, ticket};
use crate::store::{Cursor, Upload, UploadError, Verified, preview, redeem};
use shared::ids::{CollectionId, Digest};
use shared::limits::{CHUNK, ITEM};
use shared::message::Subject;
use vault_core::{Draft, Effect, Input, Permit};

/// Bytes without a pattern that a misplaced chunk could hide in.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..size.div_ceil(8)).flat_map(|_| next()).take(size).collect()
}

fn rest(running: &Running, mut cursor: Cursor) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let piece = running.readers.read(|c| cursor.next(c)).unwrap();
        if piece.is_empty() {
            return all;
        }
        assert!(piece.len() <= CHUNK);
        all.extend(piece);
    }
}

async fn permit(running: &Running, who: u32, offset: u64) -> Permit {
    let collect = Input::Collect { collection: CollectionId([1; 16]), offset };
    let (_, effects) = running.writer.act(move |t| t.decide(ticket(who), collect)).await.unwrap();
    let permit = effects.into_iter().find_map(|effect| match effect {
        Effect::Serve(permit) => Some(permit),
        Effect::Prepare(_) | Effect::TellOwner | Effect::TellVisitor(..) => None,
    });
    permit.unwrap()
}

#[tokio::test]
async fn what_was_uploaded_in_chunks_is_released_byte_for_byte_from_any_offset() {
    let place = Place::new();
    let running = place.run();
    let bytes = noise(3 * CHUNK + CHUNK / 2);
    let lane = running.lane().await;
    let item = running.add("Large", &bytes).await;
    running.act(move |t| t.file(filing(1, Subject::Item(item)), lane)).await.unwrap();
    running.act(|t| t.prepare(ticket(1))).await.unwrap();
    let draft = running.draft(&place, 1);
    assert_eq!((draft.payload, draft.bytes), (Digest::of(&bytes), bytes.len() as u64));
    let seen = running.readers.read(|c| preview(c, &draft)).unwrap().unwrap();
    assert!(rest(&running, seen) == bytes);
    let signed = place.approve(&running.state(&place, 1).unwrap(), 1);
    running.act(|t| t.decide(ticket(1), super::signed(signed))).await.unwrap();
    let end = bytes.len();
    for offset in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 77, 3 * CHUNK, end - 1, end] {
        let permit = permit(&running, 1, offset as u64).await;
        let cursor = running.readers.read(|c| redeem(c, permit, &Verified::default())).unwrap().unwrap();
        assert!(rest(&running, cursor) == bytes[offset..], "from {offset}");
    }
    // After a restart the same device resumes.
    running.stop();
    let running = place.run();
    let permit = permit(&running, 1, 5).await;
    let cursor = running.readers.read(|c| redeem(c, permit, &Verified::default())).unwrap().unwrap();
    assert!(rest(&running, cursor) == bytes[5..]);
}

#[tokio::test]
async fn an_unfinished_upload_is_seen_by_nobody() {
    let place = Place::new();
    let running = place.run();
    running.add("Small", b"small").await;
    let bytes = noise(CHUNK + 5);
    let mut upload = Upload::begin(running.writer.clone()).await.unwrap();
    upload.chunk(bytes[..CHUNK].to_vec()).await.unwrap();
    upload.chunk(bytes[CHUNK..].to_vec()).await.unwrap();
    let whole = upload.finish();
    assert_eq!((whole.sha256, whole.bytes), (Digest::of(&bytes), bytes.len() as u64));
    let draft = Draft {
        subject: vault_core::Line::Item("Unfinished".into()),
        payload: whole.sha256,
        bytes: whole.bytes,
        media_type: shared::text::Text::new("text/plain").unwrap(),
        prepared_at: super::noon(),
        nonce: shared::ids::Nonce([0; 16]),
    };
    assert!(running.readers.read(|c| preview(c, &draft)).unwrap().is_none());
    assert_eq!(running.readers.read(crate::store::items).unwrap().len(), 1);
    assert_eq!(running.count("SELECT count(*) FROM chunk"), 3);
}

#[tokio::test]
async fn a_start_removes_what_a_killed_vault_left_of_an_upload_and_nothing_else() {
    let place = Place::new();
    let running = place.run();
    running.add("Whole", &noise(CHUNK + 3)).await;
    running.stop();
    let killed = "INSERT INTO payload (id, bytes, complete) VALUES (77, 0, 0); \
                  INSERT INTO chunk (id, data) VALUES (77 * 1024, x'01'), (77 * 1024 + 1, x'02')";
    crate::store::open::connection(&place.file(), &place.key()).execute_batch(killed).unwrap();
    let running = place.run();
    running.until("SELECT count(*) FROM payload WHERE complete = 0", 0);
    let kept = ["SELECT count(*) FROM chunk", "SELECT count(*) FROM payload"].map(|query| running.count(query));
    assert_eq!(kept, [2, 1]);
    // Nor does a look that failed, and so took what is visible for what is left.
    let whole: i64 = running.count("SELECT id FROM payload");
    running.act(move |t| t.forget_piece(whole)).await.unwrap();
    assert_eq!(["SELECT count(*) FROM chunk", "SELECT count(*) FROM payload"].map(|q| running.count(q)), kept);
}

#[tokio::test]
async fn nothing_is_left_of_an_upload_that_is_cut_or_whose_use_is_refused() {
    let place = Place::new();
    let running = place.run();
    let bytes = noise(2 * CHUNK + 5);
    let gone = || ["SELECT count(*) FROM chunk", "SELECT count(*) FROM payload"].map(|query| running.until(query, 0));
    let mut cut = Upload::begin(running.writer.clone()).await.unwrap();
    cut.chunk(bytes[..CHUNK].to_vec()).await.unwrap();
    cut.chunk(bytes[CHUNK..2 * CHUNK].to_vec()).await.unwrap();
    assert_eq!(running.count("SELECT count(*) FROM chunk"), 2);
    drop(cut);
    gone();
    // Nobody has filed it.
    let whole = running.upload(&bytes).await;
    assert!(running.act(move |t| t.compose(ticket(1), whole, None)).await.is_err());
    gone();
    // What somebody still holds stays, and what was used.
    let (whole, kept) = (running.upload(&bytes).await, running.upload(b"kept").await);
    let held = whole.clone();
    running.act(move |t| t.keep(&kept).map(super::Done::quiet)).await.unwrap();
    assert!(running.act(move |t| t.compose(ticket(1), whole, None)).await.is_err());
    running.act(move |t| t.keep(&held).map(super::Done::quiet)).await.unwrap();
    drop(running.upload(b"another").await);
    running.until("SELECT count(*) FROM payload", 2);
    assert_eq!(running.count("SELECT count(*) FROM chunk"), 4);
}

#[tokio::test]
async fn the_same_bytes_are_kept_once() {
    let place = Place::new();
    let running = place.run();
    let bytes = noise(CHUNK + 1);
    let ids = [running.add("First", &bytes).await, running.add("Second", &bytes).await];
    assert_ne!(ids[0], ids[1]);
    let other = running.add("Other", &bytes[1..]).await;
    let items = running.readers.read(crate::store::items).unwrap();
    let titles: Vec<&str> = items.iter().map(|item| item.title.as_str()).collect();
    assert_eq!(titles, ["First", "Other", "Second"]);
    assert_eq!((items[0].sha256, items[2].sha256, items[1].id), (Digest::of(&bytes), Digest::of(&bytes), other));
    running.until("SELECT count(*) FROM payload", 2);
    assert_eq!(running.count("SELECT count(*) FROM chunk"), 3);
}

#[tokio::test]
async fn nothing_over_the_limits_is_taken() {
    let place = Place::new();
    let running = place.run();
    let mut upload = Upload::begin(running.writer.clone()).await.unwrap();
    assert!(matches!(upload.chunk(vec![0; CHUNK + 1]).await, Err(UploadError::TooLarge)));
    upload = Upload::begin(running.writer.clone()).await.unwrap();
    for _ in 0..ITEM / CHUNK as u64 {
        upload.chunk(vec![0; CHUNK]).await.unwrap();
    }
    assert!(matches!(upload.chunk(vec![0]).await, Err(UploadError::TooLarge)));
    drop(upload);
    running.until("SELECT count(*) FROM payload", 0);
    assert_eq!(running.count("SELECT count(*) FROM chunk"), 0);
}

#[tokio::test]
async fn nothing_at_all_is_a_payload_too() {
    let place = Place::new();
    let running = place.run();
    running.add("Empty", b"").await;
    let item = running.readers.read(crate::store::items).unwrap().remove(0);
    assert_eq!((item.bytes, item.sha256), (0, Digest::of(b"")));
}
