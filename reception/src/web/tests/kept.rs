//! Requests that are kept here for a vault that is away.

use super::*;
use crate::web::cookies;
use crate::web::pages::{Before, Draft, RequestPage, State};
use askama::Template as _;
use shared::ids::Ticket;

#[tokio::test]
async fn what_is_filed_while_the_vault_is_away_is_kept_said_so_and_handed_over() {
    let mut front = Front::open(PAYLOAD).await;
    let form = front.send("GET /requests/new", "", "").await;
    assert!(form.1.contains("You can file your request all the same"), "{}", form.1);
    let (path, cookie) = front.file().await;
    let kept = front.send(&format!("GET {path}"), &cookie, "").await;
    assert_eq!(status(&kept), "200");
    for words in ["data-state=\"kept\"", "not yet handed over", "nobody can read it here", "/withdraw", "http-equiv"] {
        assert!(kept.1.contains(words), "{words} is not in {}", kept.1);
    }
    assert!(kept.1.contains("<details class=\"key\" open>"), "{}", kept.1);
    tokio::spawn(front.courier.clone().run());
    let mut changes = front.broker.changes();
    front.connect().await;
    while !matches!(timeout(LIMIT, changes.recv()).await.unwrap().unwrap(), Hint::Request(_)) {}
    assert!(front.send(&format!("GET {path}"), &cookie, "").await.1.contains("data-state=\"waiting\""));
    assert_eq!(front.desk.filed.lock().unwrap()[0].purpose.as_str(), "To know");
    front.vault = None;
    let away = front.send(&format!("GET {path}"), &cookie, "").await;
    assert!(status(&away) == "503" && away.1.contains("data-state=\"away\""), "{}", away.1);
    assert!(away.1.contains("this page cannot tell you now"), "{}", away.1);
}

#[tokio::test]
async fn what_is_kept_can_be_taken_back_and_the_page_says_what_happened() {
    let mut front = Front::open(PAYLOAD).await;
    let (path, cookie) = front.file().await;
    let taken = front.send(&format!("POST {path}/withdraw"), &cookie, "").await;
    assert!(status(&taken) == "200" && taken.1.contains("It was not handed over"), "{}", taken.1);
    let away = front.send(&format!("GET {path}"), &cookie, "").await;
    assert!(away.1.contains("data-state=\"away\""), "{}", away.1);
    front.connect().await;
    tokio::spawn(front.courier.clone().run());
    let closed = front.send(&format!("GET {path}"), &cookie, "").await;
    assert!(closed.1.contains("data-state=\"closed\""), "{}", closed.1);
    assert!(front.desk.filed.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_request_on_a_link_that_breaks_is_kept_and_counts_once() {
    let front = Front::connected(PAYLOAD).await;
    front.desk.broken.store(true, Ordering::Relaxed);
    let (path, cookie) = front.file().await;
    assert!(front.send(&format!("GET {path}"), &cookie, "").await.1.contains("data-state=\"kept\""));
    let mut changes = front.broker.changes();
    tokio::spawn(front.courier.clone().run());
    while !matches!(timeout(LIMIT, changes.recv()).await.unwrap().unwrap(), Hint::Request(_)) {}
    let filed = front.desk.filed.lock().unwrap().clone();
    assert!(filed.len() == 2 && filed[0] == filed[1], "the vault sees that it is the same");
}

#[tokio::test]
async fn a_withdrawal_on_a_link_that_breaks_is_called_neither_done_nor_undone() {
    let mut front = Front::connected(PAYLOAD).await;
    let (path, cookie) = front.file().await;
    front.desk.broken.store(true, Ordering::Relaxed);
    let broken = front.send(&format!("POST {path}/withdraw"), &cookie, "").await;
    assert!(status(&broken) == "503" && broken.0.contains("retry-after: "), "{}", broken.0);
    for words in ["was withdrawn is not known", "withdraw it once more, which is safe", "id=\"code\""] {
        assert!(broken.1.contains(words), "{words} is not in {}", broken.1);
    }
    front.vault = None;
    let away = front.send(&format!("POST {path}/withdraw"), &cookie, "").await;
    assert!(status(&away) == "503" && away.1.contains("this has to wait"), "{}", away.1);
}

#[tokio::test]
async fn visitors_can_read_how_long_a_request_stays_here() {
    let about = Front::open(PAYLOAD).await.send("GET /about", "", "").await;
    for words in ["It is deleted here once it is there.", "set aside and stays on the disk, still encrypted"] {
        assert!(about.1.contains(words), "{words} is not in {}", about.1);
    }
}

#[test]
fn what_is_here_no_more_is_called_unseen_only_if_it_never_left() {
    let ticket = Ticket::from_random([7; 32]);
    let page = |state| {
        let (id, code) = (ticket.hash().request(), ticket.return_code());
        let (sent, draft) = (cookies::Sent::Nothing, Draft::default());
        RequestPage { name: "Mira".into(), id, code, state, sent, notice: None, draft }.render().unwrap()
    };
    let unseen = "the owner has not seen it";
    for (state, words) in [
        (State::SetAside(Before::No), unseen),
        (State::Withdrawn(Before::No), unseen),
        (State::SetAside(Before::Unknown), "cannot be told"),
        (State::Withdrawn(Before::Unknown), "may have reached"),
        (State::Withdrawn(Before::Disk), "after a restart the request may be here again"),
    ] {
        let page = page(state).to_lowercase();
        assert!(page.contains(words) && (page.contains(unseen) == (words == unseen)), "{words} is not in {page}");
    }
}
