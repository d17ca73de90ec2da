//! What the nodes say to each other.

use super::{digest, holds, id, nonce, text, time, words};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::frame::{PREFIX, decode, encode, length};
use shared::ids::{CollectionId, ItemId, Ticket, TicketHash};
use shared::limits;
use shared::message::{
    Call, Delivery, Event, Filing, Hello, Manifest, PublicationHead, Recipient, Refused, Reply, Subject, View, Welcome,
};
use shared::receipt::{Format, Kind, Receipt};
use shared::seal::Sealed;
use shared::tlog::Salt;
use std::cell::RefCell;
use std::collections::BTreeSet;

fn filing() -> impl Strategy<Value = Filing> {
    let subject = prop_oneof![
        id().prop_map(|item| Subject::Item(ItemId(item))),
        text::<{ limits::QUESTION }>().prop_map(Subject::Question)
    ];
    let purpose = text::<{ limits::PURPOSE }>();
    (id(), subject, purpose, option::of(text::<{ limits::CONTACT }>())).prop_map(
        |(ticket, subject, purpose, contact)| {
            let (ticket, recipient) = (TicketHash(ticket), Recipient::Ticket);
            Filing { ticket, subject, purpose, contact, recipient }
        },
    )
}

/// Gives each variant a word; the list of words says which there are, so that none is left out.
macro_rules! variants {
    ($name:ident, $all:ident: $type:ty { $($variant:pat => $word:literal,)+ }) => {
        fn $name(value: &$type) -> &'static str {
            match value {
                $($variant => $word,)+
            }
        }

        const $all: &[&str] = &[$($word),+];
    };
}

variants!(call_kind, CALLS: Call {
    Call::Hello(_) => "hello",
    Call::File(_) => "file",
    Call::Forward { .. } => "forward",
    Call::Status { .. } => "status",
    Call::Words { .. } => "words",
    Call::Answer { .. } => "answer",
    Call::Withdraw { .. } => "withdraw",
    Call::Collect { .. } => "collect",
    Call::Publications { .. } => "publications",
});

variants!(reply_kind, REPLIES: Reply {
    Reply::Welcome(_) => "welcome",
    Reply::Filed => "filed",
    Reply::View(View::Waiting) => "waiting",
    Reply::View(View::Question) => "question",
    Reply::View(View::Ready(_)) => "ready",
    Reply::View(View::Paused) => "paused",
    Reply::View(View::Refused) => "refused in words",
    Reply::View(View::Closed) => "closed",
    Reply::Words(_) => "words",
    Reply::Delivery(_) => "delivery",
    Reply::Publication(None) => "no publication",
    Reply::Publication(Some(_)) => "publication",
    Reply::Refused(Refused::Malformed) => "malformed",
    Reply::Refused(Refused::TooLarge) => "too large",
    Reply::Refused(Refused::Busy { .. }) => "busy",
    Reply::Refused(Refused::Protocol) => "protocol",
    Reply::Refused(Refused::Unavailable) => "unavailable",
    Reply::Refused(Refused::Collected) => "collected",
    Reply::Refused(Refused::Paused) => "stopped",
    Reply::Refused(Refused::Answered) => "answered",
});

variants!(event_kind, EVENTS: Event {
    Event::Changed(_) => "changed",
    Event::Published(_) => "published",
});

/// Which variants a property has seen.
#[derive(Default)]
struct Seen(RefCell<BTreeSet<&'static str>>);

impl Seen {
    fn see(&self, variant: &'static str) {
        self.0.borrow_mut().insert(variant);
    }

    fn check(self, all: &[&'static str]) {
        let missing: Vec<_> = all.iter().filter(|variant| !self.0.borrow().contains(*variant)).collect();
        assert!(missing.is_empty(), "never made: {missing:?}");
    }
}

/// Of any bytes, as many as a seal has.
fn sealed() -> impl Strategy<Value = Sealed> {
    id().prop_map(|bytes: [u8; 32]| {
        let bytes = bytes.iter().copied().cycle().take(Sealed::SIZE).collect::<Vec<_>>();
        Sealed::from_bytes(&bytes).unwrap()
    })
}

/// Calls as they are sent: they hold tickets, which are never shown, so the values that are shown are frames.
fn call() -> impl Strategy<Value = Vec<u8>> {
    let sent = |call: Call| encode(&call).unwrap();
    let hello = (vec(any::<u32>(), 0..9), text(), words(), time())
        .prop_map(|(protocols, name, version, clock)| Hello { protocols, name, version, clock });
    let ticket = Ticket::from_random;
    prop_oneof![
        hello.prop_map(move |hello| sent(Call::Hello(hello))),
        filing().prop_map(move |filing| sent(Call::File(filing))),
        (id(), sealed()).prop_map(move |(hash, sealed)| sent(Call::Forward { ticket: TicketHash(hash), sealed })),
        id().prop_map(move |secret| sent(Call::Status { ticket: ticket(secret) })),
        id().prop_map(move |secret| sent(Call::Words { ticket: ticket(secret) })),
        (id(), nonce(), text()).prop_map(move |(secret, question, text)| {
            sent(Call::Answer { ticket: ticket(secret), question, text })
        }),
        id().prop_map(move |secret| sent(Call::Withdraw { ticket: ticket(secret) })),
        (id(), id(), any::<u64>()).prop_map(move |(secret, collection, offset)| {
            sent(Call::Collect { ticket: ticket(secret), collection: CollectionId(collection), offset })
        }),
        any::<u64>().prop_map(move |have| sent(Call::Publications { have })),
    ]
}

fn manifest() -> impl Strategy<Value = Manifest> {
    (text(), text(), any::<u64>(), digest(), time()).prop_map(|(title, media_type, bytes, sha256, not_after)| {
        Manifest { title, media_type, bytes, sha256, not_after }
    })
}

/// Of any texts: what they say is checked by whoever verifies it.
fn receipt() -> impl Strategy<Value = Receipt> {
    let kind = prop::sample::select(vec![Kind::Approved, Kind::Asked, Kind::Refused]);
    let texts = (words(), vec(words(), 0..4), words(), words(), words());
    (texts, time(), kind, id()).prop_map(|((statement, signatures, signers, log_key, proof), time, kind, salt)| {
        let (format, salt) = (Format::V1, Salt(salt));
        Receipt { format, statement, signatures, signers, log_key, time, kind, salt, proof }
    })
}

fn view() -> impl Strategy<Value = View> {
    prop_oneof![
        Just(View::Waiting),
        Just(View::Question),
        manifest().prop_map(View::Ready),
        Just(View::Paused),
        Just(View::Refused),
        Just(View::Closed),
    ]
}

fn refused() -> impl Strategy<Value = Refused> {
    prop_oneof![
        Just(Refused::Malformed),
        Just(Refused::TooLarge),
        any::<u32>().prop_map(|retry_after| Refused::Busy { retry_after }),
        Just(Refused::Protocol),
        Just(Refused::Unavailable),
        Just(Refused::Collected),
        Just(Refused::Paused),
        Just(Refused::Answered),
    ]
}

fn reply() -> impl Strategy<Value = Reply> {
    let welcome = (any::<u32>(), text(), words(), time()).prop_map(|(protocol, name, version, clock)| Welcome {
        protocol,
        name,
        version,
        clock,
    });
    let head = (words(), vec(words(), 0..4), any::<u64>()).prop_map(|(statement, signatures, bytes)| PublicationHead {
        statement,
        signatures,
        bytes,
    });
    let delivery = (manifest(), receipt()).prop_map(|(manifest, receipt)| Delivery { manifest, receipt });
    prop_oneof![
        welcome.prop_map(Reply::Welcome),
        Just(Reply::Filed),
        view().prop_map(Reply::View),
        receipt().prop_map(|receipt| Reply::Words(Box::new(receipt))),
        delivery.prop_map(|delivery| Reply::Delivery(Box::new(delivery))),
        option::of(head).prop_map(Reply::Publication),
        refused().prop_map(Reply::Refused),
    ]
}

/// A frame's length and message, as both ends have them.
fn framed<T: Serialize + DeserializeOwned>(message: &T) -> Result<T, TestCaseError> {
    let frame = encode(message).unwrap();
    let (prefix, json) = frame.split_first_chunk::<PREFIX>().unwrap();
    prop_assert_eq!(length(*prefix), Ok(json.len()));
    // A message is whole or it is none: no part of it is one, and nothing may follow it.
    for cut in [1, json.len() / 2, json.len() - 1] {
        prop_assert!(decode::<T>(&json[..cut]).is_err());
    }
    prop_assert!(decode::<T>(&[json, b"0"].concat()).is_err());
    let message = decode(json).unwrap();
    prop_assert_eq!(encode(&message).unwrap(), frame.clone());
    Ok(message)
}

#[test]
fn every_call_is_read_as_it_was_sent() {
    let seen = Seen::default();
    holds(call(), |frame| {
        let call: Call = decode(&frame[PREFIX..]).unwrap();
        seen.see(call_kind(&call));
        prop_assert_eq!(encode(&framed(&call)?).unwrap(), frame);
        Ok(())
    });
    seen.check(CALLS);
}

#[test]
fn every_reply_and_event_is_read_as_it_was_sent() {
    let event =
        prop_oneof![id().prop_map(|hash| Event::Changed(TicketHash(hash))), any::<u64>().prop_map(Event::Published)];
    let (replies, events) = (Seen::default(), Seen::default());
    holds((reply(), event), |(reply, event)| {
        replies.see(reply_kind(&reply));
        events.see(event_kind(&event));
        prop_assert_eq!(framed(&reply)?, reply);
        prop_assert_eq!(framed(&event)?, event);
        Ok(())
    });
    replies.check(REPLIES);
    events.check(EVENTS);
}

/// A search begins at each of them.
#[test]
fn every_call_and_reply_is_among_the_seeds() {
    let (calls, replies, events) = (Seen::default(), Seen::default(), Seen::default());
    for seed in fuzz::TARGETS.iter().filter(|target| ["call", "reply"].contains(&target.name)).flat_map(|t| (t.seeds)())
    {
        let json = &seed[PREFIX..];
        decode(json).iter().for_each(|call| calls.see(call_kind(call)));
        decode(json).iter().for_each(|reply| replies.see(reply_kind(reply)));
        decode(json).iter().for_each(|event| events.see(event_kind(event)));
    }
    calls.check(CALLS);
    replies.check(REPLIES);
    events.check(EVENTS);
}

/// A field that the protocol does not have is refused, wherever it stands.
#[test]
fn a_field_too_many_is_refused_in_every_object() {
    holds((call(), any::<prop::sample::Index>()), |(call, at)| {
        let json = String::from_utf8(call[PREFIX..].to_vec()).unwrap();
        let objects: Vec<usize> = json.match_indices("{\"").map(|(at, _)| at).collect();
        let at = objects[at.index(objects.len())];
        prop_assume!(!within_a_string(&json, at));
        let more = format!("{}\"more\":1,{}", &json[..=at], &json[at + 1..]);
        prop_assert!(decode::<Call>(more.as_bytes()).is_err(), "{}", more);
        Ok(())
    });
}

/// Whether an odd number of quotation marks that are not escaped stands before a place.
fn within_a_string(json: &str, at: usize) -> bool {
    let (mut within, mut escaped) = (false, false);
    for byte in json[..at].bytes() {
        (within, escaped) = match byte {
            _ if escaped => (within, false),
            b'\\' => (within, within),
            b'"' => (!within, false),
            _ => (within, false),
        };
    }
    within
}
