//! Requests that are kept here for a vault that is away.

use super::*;
use crate::broker::BrokerError;
use crate::spool::Offered;
use crate::web::cookies;
use crate::web::error::Failure;
use crate::web::letterhead::Letterhead;
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
    for words in [
        "data-state=\"kept\"",
        "not yet handed over",
        "is not handed over",
        "nobody can read it here",
        "/withdraw",
        "http-equiv",
    ] {
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
    let kept = front.send(&format!("GET {path}"), &cookie, "").await.1;
    assert!(kept.contains("data-state=\"kept-perhaps\"") && kept.contains("may have been handed over"), "{kept}");
    for denied in ["not yet handed over", "is not handed over"] {
        assert!(!kept.contains(denied), "{denied} is in {kept}");
    }
    assert!(kept.contains("<details class=\"key\" open>") && kept.contains("/withdraw") && kept.contains("http-equiv"));
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
    // The reception has noticed.
    front.until("GET /", "is away at the moment").await;
    let away = front.send(&format!("POST {path}/withdraw"), &cookie, "").await;
    assert!(status(&away) == "503" && away.1.contains("this has to wait"), "{}", away.1);
}

#[tokio::test]
async fn visitors_can_read_how_long_a_request_stays_here() {
    let about = Front::open(PAYLOAD).await.send("GET /about", "", "").await;
    for words in [
        "It is deleted here once it is there, or when you withdraw it.",
        "it waits here until the one that it was encrypted for is connected again",
        "that machine does not accept it), it is set aside and stays on the disk, still encrypted",
    ] {
        assert!(about.1.contains(words), "{words} is not in {}", about.1);
    }
}

#[test]
fn what_is_here_no_more_is_called_unseen_only_if_it_never_left() {
    let ticket = Ticket::from_random([7; 32]);
    let page = |state| {
        let (id, code) = (ticket.hash().request(), ticket.return_code());
        let (sent, draft) = (cookies::Sent::Nothing, Draft::default());
        RequestPage { name: Letterhead::Owner("Mira".into()), id, code, state, sent, notice: None, draft }
            .render()
            .unwrap()
    };
    let unseen = "the owner has not seen it";
    for (state, words) in [
        (State::SetAside(Before::No), unseen),
        (State::Withdrawn(Before::No), unseen),
        (State::SetAside(Before::Unknown), "cannot be told"),
        (State::Withdrawn(Before::Unknown), "may have reached"),
        (State::Withdrawn(Before::Disk(Offered::Never)), "after a restart the request may be here again"),
        (State::Withdrawn(Before::Disk(Offered::Perhaps)), "may also have reached the owner’s private machine"),
    ] {
        let page = page(state).to_lowercase();
        assert!(page.contains(words) && (page.contains(unseen) == (words == unseen)), "{words} is not in {page}");
        assert!(!(page.contains("not handed over before that") && page.contains("may also have reached")), "{page}");
    }
}

#[test]
fn what_could_not_be_asked_is_not_called_away() {
    let ticket = Ticket::from_random([7; 32]);
    let page = |failure| {
        let (id, code, state) = (ticket.hash().request(), ticket.return_code(), State::Away(failure));
        let (sent, draft) = (cookies::Sent::Nothing, Draft::default());
        let page = RequestPage { name: Letterhead::Owner("Mira".into()), id, code, state, sent, notice: None, draft };
        page.render().unwrap()
    };
    let (away, crowded) = (page(Failure::from(BrokerError::Away)), page(Failure::from(BrokerError::Crowded)));
    for (page, said) in [(&away, "not connected at the moment"), (&crowded, "did not learn it from there just now")] {
        assert!(page.contains(said) && page.contains("data-state=\"away\"") && page.contains("http-equiv"), "{page}");
    }
    assert!(!crowded.contains("is away") && !crowded.contains("not connected"), "{crowded}");
}

#[tokio::test]
async fn what_cannot_be_kept_for_want_of_room_is_not_promised() {
    let mut front = Front::open(PAYLOAD).await;
    let promised = ["they are kept here, sealed", "You can file your request all the same"];
    let pages = ["GET /", "GET /requests/new"];
    for (page, promise) in pages.iter().zip(promised) {
        assert!(front.send(page, "", "").await.1.contains(promise));
    }
    // A damaged request is set aside beside something large, and all of it is counted.
    let (path, cookie) = front.file().await;
    let spool = front._root.path().join("spool");
    let ballast = spool.join("set-aside/ballast");
    std::fs::File::create(&ballast).unwrap().set_len(shared::limits::SPOOL_BYTES).unwrap();
    let kept = spool.join(path.trim_start_matches("/requests/")).with_extension("sealed");
    std::fs::write(kept, "torn").unwrap();
    tokio::spawn(front.courier.clone().run());
    let mut changes = front.broker.changes();
    front.connect().await;
    while !matches!(timeout(LIMIT, changes.recv()).await.unwrap().unwrap(), Hint::Request(_)) {}
    assert!(front.send(&format!("GET {path}"), &cookie, "").await.1.contains("data-state=\"set-aside\""));
    front.vault = None;
    for (page, said) in pages.iter().zip(["no more can be filed", "Yours cannot be filed before it is back"]) {
        let shown = front.until(page, said).await;
        assert!(promised.iter().all(|promise| !shown.contains(promise)), "{shown}");
    }
    let refused = front.send("POST /requests", "", "question=Why&purpose=canary-purpose&contact=").await;
    assert!(status(&refused) == "503" && refused.1.contains("no more room here"), "{}", refused.1);
    std::fs::remove_file(ballast).unwrap();
    front.until("GET /", promised[0]).await;
}

impl Front {
    /// Asks for a page until it says this.
    async fn until(&self, page: &str, words: &str) -> String {
        let said = async {
            loop {
                let shown = self.send(page, "", "").await.1;
                if shown.contains(words) {
                    return shown;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(LIMIT, said).await.unwrap()
    }
}

#[test]
fn whose_page_it_is_is_not_guessed() {
    let ticket = Ticket::from_random([7; 32]);
    let page = |name, state| {
        let (id, code) = (ticket.hash().request(), ticket.return_code());
        let (sent, draft) = (cookies::Sent::Nothing, Draft::default());
        RequestPage { name, id, code, state, sent, notice: None, draft }.render().unwrap()
    };
    let mira = || Letterhead::Owner("Mira".into());
    let desk = || Letterhead::Reception("front-desk".into());
    assert!(page(mira(), State::Waiting).contains("waiting for Mira, the owner, to read it"));
    assert!(page(mira(), State::Kept(Offered::Never)).contains("handed over, Mira, the owner, can read it"));
    assert!(page(desk(), State::Waiting).contains("waiting for the owner to read it"));
    assert!(page(desk(), State::Kept(Offered::Never)).contains("handed over, the owner can read it"));
    assert!(page(mira(), State::Kept(Offered::Perhaps)).contains("If it was, Mira, the owner, can read it"));
    assert!(page(desk(), State::Unproven).contains("tell the owner by another way"));
}

#[test]
fn what_waits_for_another_machine_is_not_called_lost() {
    let ticket = Ticket::from_random([7; 32]);
    let (id, code, name) = (ticket.hash().request(), ticket.return_code(), Letterhead::Owner("Mira".into()));
    let (sent, draft, state) = (cookies::Sent::Nothing, Draft::default(), State::KeptForAnother);
    let page = RequestPage { name, id, code, state, sent, notice: None, draft }.render().unwrap();
    for part in ["not connected to this page at present", "/withdraw", "<details class=\"key\" open>", "http-equiv"] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    assert!(!page.contains("any more") && !page.contains("could not be handed over"), "{page}");
}
