//! Many visitors who watch their requests at once.

use super::*;
use shared::ids::{RequestId, Ticket, hex};
use std::collections::HashSet;
use std::sync::atomic::AtomicUsize;
use tokio::sync::Semaphore;

/// A desk that says how the watched requests stand only when it is let.
#[derive(Clone)]
struct Slow {
    desk: Desk,
    watched: Arc<HashSet<TicketHash>>,
    asked: Arc<AtomicUsize>,
    let_go: Arc<Semaphore>,
}

impl Handler for Slow {
    async fn handle(&self, call: Call, out: ReplyWriter) -> Result<(), CallError> {
        if let Call::Status { ticket } = &call
            && self.watched.contains(&ticket.hash())
        {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let _let = self.let_go.acquire().await.unwrap();
        }
        self.desk.handle(call, out).await
    }
}

fn ticket(who: usize) -> Ticket {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&who.to_be_bytes());
    Ticket::from_random(bytes)
}

/// The request's id and this browser's cookie for it.
fn held(ticket: &Ticket) -> (RequestId, String) {
    let id = ticket.hash().request();
    (id, format!("__Host-r-{id}={}{}", hex(ticket.expose()), "00".repeat(16)))
}

impl Front {
    async fn watch(&self, ticket: &Ticket) -> TcpStream {
        let (id, cookie) = held(ticket);
        let mut tcp = TcpStream::connect(self.address).await.unwrap();
        let request =
            format!("GET /requests/{id}/events HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
        tcp.write_all(request.as_bytes()).await.unwrap();
        tcp
    }
}

/// Reads until the event is there.
async fn hears(tcp: &mut TcpStream, word: &str) {
    let (mut seen, wanted) = (Vec::new(), format!("event: changed\ndata: {word}\n\n"));
    while !String::from_utf8_lossy(&seen).contains(&wanted) {
        assert_ne!(timeout(LIMIT, tcp.read_buf(&mut seen)).await.unwrap().unwrap(), 0, "{word}");
    }
}

#[tokio::test]
async fn watchers_who_all_wake_at_once_leave_room_for_pages_and_are_all_told() {
    let mut front = Front::open(PAYLOAD).await;
    let tickets: Vec<Ticket> = (0..limits::WATCHERS_LOOKS + 40).map(ticket).collect();
    let mut watching = Vec::new();
    for ticket in &tickets {
        let mut tcp = front.watch(ticket).await;
        hears(&mut tcp, "away").await;
        watching.push(tcp);
    }
    let slow = Slow {
        desk: front.desk.clone(),
        watched: Arc::new(tickets.iter().map(Ticket::hash).collect()),
        asked: Arc::default(),
        let_go: Arc::new(Semaphore::new(0)),
    };
    // The link that comes wakes them all.
    front.vault = Some(linked(&front.broker, slow.clone()).await);
    let asked = || slow.asked.load(Ordering::Relaxed);
    let wait = async {
        while asked() < limits::WATCHERS_LOOKS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, wait).await.unwrap();
    let (id, cookie) = held(&ticket(usize::MAX));
    let page = front.send(&format!("GET /requests/{id}"), &cookie, "").await;
    assert!(status(&page) == "200" && page.1.contains("data-state=\"closed\""), "{}", page.1);
    assert_eq!(asked(), limits::WATCHERS_LOOKS, "no more at once, and a page in between");
    slow.let_go.add_permits(tickets.len());
    for mut tcp in watching {
        hears(&mut tcp, "closed").await;
    }
    assert!(front.broker.up());
}
