//! A disk without room: refused, nothing half written, and all well once there is room again.

use super::batches::{busy, finish, send};
use super::{Place, Running, WriteError, again, question};
use crate::store::{Upload, UploadError};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the small disk for the test's second run.
pub(super) const SMALL_DISK: &str = "WEBIZEN_TEST_SMALL_DISK";

/// Runs `test` on a file system of `size` in a mount namespace of its own.
fn on_a_small_disk(name: &str, size: &str, test: impl AsyncFnOnce(PathBuf)) {
    if let Some(disk) = std::env::var_os(SMALL_DISK) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        return runtime.block_on(test(disk.into()));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("unshare");
    // Who is not root becomes it inside a user namespace.
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let script = format!("mount -t tmpfs -o size={size} tmpfs \"${SMALL_DISK}\" && exec \"$@\"");
    command.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]);
    again(command, name, folder.path());
}

/// Takes all the room there is.
fn fill(disk: &Path) -> PathBuf {
    use std::io::Write as _;
    let path = disk.join("filler");
    let mut file = std::fs::File::create(&path).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    path
}

/// Files requests from `first` on until the disk is full; the number of the one that did not fit.
async fn file_until_full(running: &Running, first: u32) -> u32 {
    let lane = running.lane().await;
    for who in first..first + 400 {
        match running.act(move |t| t.file(question(who), lane)).await {
            Ok(_) => {}
            Err(WriteError::Full) => return who,
            Err(other) => panic!("request {who}: {other:?}"),
        }
    }
    panic!("the disk was never full");
}

fn log_is_whole(place: &Place, running: &Running) {
    let tip = running.writer.tip();
    assert_eq!(super::logs::rebuilt(running), *tip.frontier());
    let connection = crate::store::reader(&place.file(), &place.key()).unwrap();
    assert_eq!(&crate::store::frontier(&connection).unwrap(), tip.frontier());
}

#[test]
fn a_full_disk_refuses_requests_and_loses_none() {
    on_a_small_disk("store::tests::full::a_full_disk_refuses_requests_and_loses_none", "2m", async |disk| {
        let place = Place::within(disk.clone(), tempfile::tempdir_in("/tmp").unwrap());
        let running = place.run();
        running.lane().await;
        let filler = fill(&disk);
        let lost = file_until_full(&running, 0).await;
        let (tip, shown) = (running.writer.tip(), running.heard().len());
        // Again and again: still refused, still nothing of it there.
        for _ in 0..3 {
            assert_eq!(file_until_full(&running, lost).await, lost);
        }
        assert_eq!((running.writer.tip().note, running.heard().len()), (tip.note, 0));
        assert_eq!(shown, lost as usize * 2);
        assert!(running.state(&place, lost).is_none());
        assert_eq!(running.count("SELECT count(*) FROM request"), i64::from(lost));
        log_is_whole(&place, &running);
        std::fs::remove_file(filler).unwrap();
        let lane = running.lane().await;
        running.act(move |t| t.file(question(lost), lane)).await.unwrap();
        log_is_whole(&place, &running);
        let size = running.writer.tip().size();
        running.stop();
        let running = place.run();
        assert_eq!(running.writer.tip().size(), size);
        assert_eq!(running.count("SELECT count(*) FROM request"), i64::from(lost) + 1);
        log_is_whole(&place, &running);
    });
}

#[test]
fn a_full_disk_refuses_an_upload_and_forgets_it() {
    on_a_small_disk("store::tests::full::a_full_disk_refuses_an_upload_and_forgets_it", "4m", async |disk| {
        let place = Place::within(disk.clone(), tempfile::tempdir_in("/tmp").unwrap());
        let running = place.run();
        let filler = disk.join("filler");
        std::fs::write(&filler, vec![0; 2 << 20]).unwrap();
        let mut upload = Upload::begin(running.writer.clone()).await.unwrap();
        let mut taken = 0;
        let stopped = loop {
            match upload.chunk(vec![7; shared::limits::CHUNK]).await {
                Ok(()) => taken += 1,
                Err(why) => break why,
            }
            assert!(taken < 10);
        };
        assert!(matches!(stopped, UploadError::Write(WriteError::Full)), "{stopped:?}");
        assert_eq!(running.count("SELECT count(*) FROM chunk"), taken);
        log_is_whole(&place, &running);
        // It is tried until there is room for it, and needs nobody.
        drop(upload);
        std::fs::remove_file(filler).unwrap();
        running.until("SELECT count(*) FROM payload", 0);
        running.add("Fits", &[1; 1000]).await;
        assert_eq!(running.count("SELECT count(*) FROM chunk"), 1);
        log_is_whole(&place, &running);
    });
}

/// More in one transaction than the cache holds: SQLite writes early, meets the full disk in the middle of a job, and gives
/// the whole transaction up by itself. Jobs before and after it in the batch must not be committed alone.
#[test]
fn a_disk_that_fills_up_in_the_middle_of_a_batch_takes_the_whole_batch_back() {
    let name = "store::tests::full::a_disk_that_fills_up_in_the_middle_of_a_batch_takes_the_whole_batch_back";
    on_a_small_disk(name, "6m", async |disk| {
        let place = Place::within(disk.clone(), tempfile::tempdir_in("/tmp").unwrap());
        let running = place.run();
        let lane = running.lane().await;
        let tip = running.writer.tip();
        let _ = running.heard();
        let release = busy(&running).await;
        let mut answers = vec![send(&running, move |t| t.file(question(1), lane))];
        answers.push(send(&running, |t| {
            for id in 0..12 {
                t.connection.execute("INSERT INTO chunk VALUES (?1, zeroblob(1000000))", [id])?;
            }
            Ok(super::Done::quiet(()))
        }));
        answers.push(send(&running, move |t| t.file(question(2), lane)));
        let results = finish(release, answers).await;
        assert!(matches!(results[1], Err(WriteError::Full)), "{results:?}");
        for result in [&results[0], &results[2]] {
            assert!(matches!(result, Err(WriteError::Lost)), "{results:?}");
        }
        assert_eq!((running.writer.tip().note, running.heard().len()), (tip.note, 0));
        let left = ["SELECT count(*) FROM request", "SELECT count(*) FROM chunk"].map(|query| running.count(query));
        assert_eq!(left, [0, 0]);
        log_is_whole(&place, &running);
        running.act(move |t| t.file(question(3), lane)).await.unwrap();
        log_is_whole(&place, &running);
        running.stop();
        log_is_whole(&place, &place.run());
    });
}
