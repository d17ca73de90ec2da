//! Forms for an item that the owner has taken off the list since.

use super::*;
use shared::ids::ItemId;
use shared::message::Subject;

/// An item that the publication does not list.
const GONE: ItemId = ItemId([2; 16]);

fn form(purpose: &str) -> String {
    format!("seed={}&item={GONE}&purpose={purpose}&contact=canary-contact", "5a".repeat(32))
}

#[tokio::test]
async fn what_was_filed_before_the_list_changed_is_the_same_when_it_is_sent_again() {
    let mut front = Front::new(PAYLOAD, Pairing::Gone).await;
    front.connect().await;
    front.desk.broken.store(true, Ordering::Relaxed);
    let broken = front.send("POST /requests", "", &form("canary-purpose")).await;
    assert!(status(&broken) == "503" && broken.1.contains("unchanged is safe"), "{}", broken.1);
    for kept in ["canary-purpose", "canary-contact", &format!("name=\"item\" value=\"{GONE}\""), "not listed any more"]
    {
        assert!(broken.1.contains(kept), "{kept} is not in {}", broken.1);
    }
    front.desk.broken.store(false, Ordering::Relaxed);
    front.connect().await;
    assert_eq!(status(&front.send("POST /requests", "", &form("canary-purpose")).await), "303");
    let filed = front.desk.filed.lock().unwrap();
    assert!(filed.len() == 2 && filed[0] == filed[1], "the vault sees that it is the same");
    assert_eq!((&filed[0].subject, filed[0].purpose.as_str()), (&Subject::Item(GONE), "canary-purpose"));
}

#[tokio::test]
async fn a_fault_in_the_form_is_said_with_its_words_kept() {
    let front = Front::connected(PAYLOAD).await;
    let faulty = front.send("POST /requests", "", &form("+")).await;
    assert!(status(&faulty) == "422" && faulty.1.contains("Please write what you need it for."), "{}", faulty.1);
    assert!(faulty.1.contains("canary-contact") && !faulty.1.contains("name=\"question\""), "{}", faulty.1);
    assert!(faulty.1.contains("the owner decides about it"), "{}", faulty.1);
}
