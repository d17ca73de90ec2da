//! Frames and the messages in them: of the link, of the desk, and as the store keeps them.

use crate::judge::{CANARY, message, taken};
use crate::nodes::desk::{
    About, BrakeFacts, Case, ClockFacts, DeskCall, DeskReply, Evidence, FailureKind, Fate, Pending, Reception,
    ReleaseFacts, Standing, Talk,
};
use crate::nodes::store::{Item, NewItem};
use crate::owner::{LOG_KEY, ORIGIN, OWNERS, origin, sign};
use crate::{Target, Verdict, samples};
use serde::Serialize;
use shared::frame::{PREFIX, encode, encode_padded, length};
use shared::ids::{CollectionId, Digest, ItemId, Nonce, Pin};
use shared::limits;
use shared::message::{
    Call, Delivery, Event, Filing, Hello, PROTOCOLS, PublicationHead, Refused, Reply, Subject, View, Welcome,
};
use shared::statement::{Approval, Statement};
use shared::text::Text;
use vault_core::{Doubt, Draft, Line, Record, Signed};

pub(crate) const CALL: Target = Target {
    name: "call",
    check: call,
    seeds: call_seeds,
    words: &[
        "{\"status\":{\"ticket\":\"",
        "{\"withdraw\":{",
        "{\"forward\":{",
        "\"sealed\":\"",
        "{\"collect\":{",
        "\"offset\":",
        "\"collection\":",
        "{\"publications\":{\"have\":",
        "\"subject\":{\"item\":",
        "{\"question\":\"",
        "\"contact\":null",
        "\"recipient\":\"ticket\"",
        "\\u0000",
        "\\ud83d\\ude00",
        "18446744073709551615",
        "1e9",
        "[[[[[[[[",
        CANARY,
    ],
};
pub(crate) const REPLY: Target = Target {
    name: "reply",
    check: reply,
    seeds: reply_seeds,
    words: &[
        "\"waiting\"",
        "\"closed\"",
        "{\"ready\":{",
        "{\"view\":",
        "{\"publication\":null}",
        "{\"busy\":{\"retry_after\":",
        "\"unavailable\"",
        "{\"changed\":\"",
        "{\"published\":",
        "\"filed\"",
        "253402207201",
        "\\u2028",
        "  ",
        CANARY,
    ],
};
pub(crate) const DESK: Target = Target {
    name: "desk",
    check: desk,
    seeds: desk_seeds,
    words: &[
        "\"about\"",
        "{\"approve\":{\"id\":\"",
        "\"signed\":{\"statement\":\"",
        "\"signatures\":[\"",
        "{\"requests\":{\"all\":true}}",
        "{\"failed\":{\"kind\":\"integrity\"",
        "\"bytes\":",
        "\"listed\":false",
        CANARY,
    ],
};
pub(crate) const RECORD: Target = Target {
    name: "record",
    check: record,
    seeds: record_seeds,
    words: &[
        "\"stage\":",
        "\"received\"",
        "{\"awaiting_answer\":null}",
        "{\"awaiting_owner\":{",
        "{\"released\":{\"signed\":{",
        "\"collections\":[",
        "{\"closed\":{\"why\":\"refused\"",
        "\"told\":\"over\",\"release\":",
        CANARY,
    ],
};

/// The JSON of a frame, as far as it has arrived; none if its length is refused.
fn body(data: &[u8]) -> Option<&[u8]> {
    let (prefix, rest) = data.split_first_chunk::<PREFIX>()?;
    let announced = u32::from_be_bytes(*prefix) as usize;
    let length = taken(length(*prefix));
    assert_eq!(length, (announced <= limits::FRAME).then_some(announced));
    rest.get(..length?.min(rest.len()))
}

fn call(data: &[u8]) -> Verdict {
    let Some(json) = body(data) else { return Verdict::Refused };
    let call = message::<Call>(json);
    assert!(call.is_none() || message::<DeskCall>(json).is_none(), "the link can speak to the desk");
    if let Some(Call::File(filing)) = &call {
        within(filing);
    }
    Verdict::of(call.is_some())
}

/// A filing that exists is within its limits.
pub(crate) fn within(filing: &Filing) {
    let sizes = [
        (filing.purpose.as_str(), limits::PURPOSE),
        (filing.contact.as_ref().map_or("-", |contact| contact.as_str()), limits::CONTACT),
        match &filing.subject {
            Subject::Item(_) => ("-", limits::QUESTION),
            Subject::Question(text) => (text.as_str(), limits::QUESTION),
        },
    ];
    for (text, limit) in sizes {
        assert!((1..=limit).contains(&text.len()));
        assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
    }
}

/// Views that are undecided, or must look so, have one size.
fn reply(data: &[u8]) -> Verdict {
    let Some(json) = body(data) else { return Verdict::Refused };
    let (reply, event) = (message::<Reply>(json), message::<Event>(json));
    assert!(reply.is_none() || event.is_none(), "a reply that is an event too");
    if let Some(Reply::View(_)) = &reply {
        let frame = encode_padded(reply.as_ref().unwrap(), limits::STATUS_REPLY).unwrap();
        assert_eq!(frame.len(), PREFIX + limits::STATUS_REPLY);
    }
    Verdict::of(reply.is_some() || event.is_some())
}

fn desk(data: &[u8]) -> Verdict {
    let Some(json) = body(data) else { return Verdict::Refused };
    let (call, reply) = (message::<DeskCall>(json), message::<DeskReply>(json));
    assert!(call.is_none() || message::<Call>(json).is_none(), "the link can speak to the desk");
    Verdict::of(call.is_some() || reply.is_some())
}

/// A stored state comes back as it was written, and a release only with an owner's approval of that very request.
fn record(data: &[u8]) -> Verdict {
    let Some(record) = message::<Record>(data) else { return Verdict::Refused };
    let Some(state) = taken(record.clone().restore(&origin(), &OWNERS)) else { return Verdict::Refused };
    assert_eq!(Record::from(&state), record);
    within(&state.request.filing);
    if let Some(release) = state.release() {
        assert_eq!(*release.approval(), approval(), "nobody has approved this");
        assert_eq!(release.approval().request, state.request.id());
    }
    assert!(state.words().is_none(), "the owner has said nothing to anybody");
    Verdict::Taken
}

fn approval() -> Approval {
    samples::approval()
}

fn signed() -> Signed {
    let statement = Statement::from(approval()).render();
    let signature = sign(&statement);
    Signed::one(statement, signature)
}

fn frames<T: Serialize>(messages: impl IntoIterator<Item = T>) -> Vec<Vec<u8>> {
    messages.into_iter().map(|message| encode(&message).unwrap()).collect()
}

fn call_seeds() -> Vec<Vec<u8>> {
    let name = Text::new(CANARY).unwrap();
    let hello = Hello { protocols: PROTOCOLS.to_vec(), name, version: CANARY.into(), clock: samples::at(0) };
    let [item, question] = samples::filings();
    let (ticket, collection) = (samples::ticket, CollectionId([1; 16]));
    frames([
        Call::Hello(hello),
        Call::File(item),
        Call::File(question),
        Call::Forward { ticket: ticket().hash(), sealed: samples::sealed() },
        Call::Status { ticket: ticket() },
        Call::Words { ticket: ticket() },
        Call::Answer { ticket: ticket(), question: Nonce([4; 16]), text: Text::new(CANARY).unwrap() },
        Call::Withdraw { ticket: ticket() },
        Call::Collect { ticket: ticket(), collection, offset: u64::MAX },
        Call::Publications { have: 3 },
    ])
}

fn reply_seeds() -> Vec<Vec<u8>> {
    let name = Text::new(CANARY).unwrap();
    let welcome = Welcome { protocol: 1, name, version: "0.1.0".into(), clock: samples::at(0) };
    let head = PublicationHead { statement: CANARY.into(), signatures: vec![sign("text")], bytes: 100 };
    let delivery = Delivery { manifest: samples::manifest(), receipt: samples::receipt() };
    let mut seeds = frames([
        Reply::Welcome(welcome),
        Reply::Filed,
        Reply::View(View::Waiting),
        Reply::View(View::Ready(samples::manifest())),
        Reply::View(View::Question),
        Reply::View(View::Paused),
        Reply::View(View::Refused),
        Reply::View(View::Closed),
        Reply::Words(Box::new(samples::receipt())),
        Reply::Delivery(Box::new(delivery)),
        Reply::Publication(None),
        Reply::Publication(Some(head)),
    ]);
    let refused = [
        Refused::Malformed,
        Refused::TooLarge,
        Refused::Busy { retry_after: 30 },
        Refused::Protocol,
        Refused::Unavailable,
        Refused::Collected,
        Refused::Paused,
        Refused::Answered,
    ];
    seeds.extend(frames(refused.map(Reply::Refused)));
    seeds.push(encode_padded(&Reply::View(View::Closed), limits::STATUS_REPLY).unwrap());
    seeds.extend(frames([Event::Changed(samples::ticket().hash()), Event::Published(4)]));
    seeds
}

fn draft() -> Draft {
    Draft {
        subject: Line::Item(CANARY.into()),
        payload: Digest([6; 32]),
        bytes: 18_324,
        media_type: Text::new("application/pdf").unwrap(),
        prepared_at: samples::at(1),
        nonce: Nonce([4; 16]),
    }
}

fn desk_seeds() -> Vec<Vec<u8>> {
    let (id, title, media_type) =
        (samples::ticket().hash().request(), Text::new(CANARY).unwrap(), Text::new("text/plain").unwrap());
    let new = NewItem { title, listed: true, media_type, bytes: 5 };
    let calls = frames([
        DeskCall::About,
        DeskCall::Items,
        DeskCall::Add(new),
        DeskCall::Requests { all: true },
        DeskCall::Request { id },
        DeskCall::Draft { id },
        DeskCall::Compose { id, media_type: Some(Text::new("text/plain").unwrap()), bytes: 5 },
        DeskCall::Sign { id, signed: signed() },
        DeskCall::Brake,
        DeskCall::Turn { signed: signed() },
        DeskCall::Clock,
        DeskCall::ConfirmClock { wall: samples::at(0) },
        DeskCall::Refuse { id },
        DeskCall::Publish { signed: signed(), bytes: 5 },
        DeskCall::Pair { line: CANARY.into() },
        DeskCall::Unpair { name: CANARY.into() },
        DeskCall::Receptions,
        DeskCall::Evidence { id },
        DeskCall::Watch,
    ]);
    [calls, desk_replies()].concat()
}

fn desk_replies() -> Vec<Vec<u8>> {
    let (id, sha256) = (ItemId([5; 16]), Digest([6; 32]));
    let title = || Text::new(CANARY).unwrap();
    let media_type = Text::new("text/plain").unwrap();
    let item = Item { id, title: title(), listed: true, media_type, bytes: 5, sha256, added_at: samples::at(0) };
    let failed = DeskReply::Failed { kind: FailureKind::Integrity, message: CANARY.into() };
    let standing = Standing::Unseen { why: vault_core::Why::Revoked, at: samples::at(0) };
    let fate = Fate { at: samples::at(0), standing, collections: 1, collected: 0 };
    let evidence = Evidence { manifest: samples::manifest(), receipt: samples::receipt(), fate };
    frames([
        DeskReply::About(Box::new(about())),
        DeskReply::Item(item),
        DeskReply::Case(Box::new(case())),
        DeskReply::Payload { bytes: 5 },
        DeskReply::Added { id, sha256 },
        DeskReply::Stage("released".into()),
        DeskReply::Refused { requests: 3 },
        DeskReply::Brake(Box::new(BrakeFacts { frozen: None, nonce: Nonce([4; 16]), pending: Some(pending()) })),
        DeskReply::Clock(clock()),
        DeskReply::Published { version: 4 },
        DeskReply::Line(CANARY.into()),
        DeskReply::Reception(Box::new(reception())),
        DeskReply::Evidence(Box::new(evidence)),
        DeskReply::Changed,
        DeskReply::Done,
        failed,
    ])
}

fn about() -> About {
    About {
        name: CANARY.into(),
        version: "0.1.0".into(),
        origin: origin(),
        log_key: LOG_KEY.to_string(),
        log_size: 6,
        signers: vec![CANARY.into()],
        quorum: 1,
        cooling: 600,
        uids: vec![1000],
        log_level: "info".into(),
        frozen: Some(samples::at(2)),
        clock: clock(),
        published: 4,
        items: 1,
        waiting: 1,
    }
}

fn clock() -> ClockFacts {
    ClockFacts { wall: samples::at(0), time: samples::at(1), doubt: Some(Doubt::Back) }
}

fn pending() -> Pending {
    Pending { statement: CANARY.into(), signed_by: vec![CANARY.into()], quorum: 2 }
}

fn case() -> Case {
    Case {
        id: samples::ticket().hash().request(),
        reception: "front".into(),
        filed_at: samples::at(0),
        lapses_at: samples::at(9),
        stage: "released".into(),
        undecided: false,
        subject: Line::Question(CANARY.into()),
        named: Line::Question(CANARY.into()),
        nonce: Some(Nonce([4; 16])),
        repeats: 2,
        talk: vec![Talk { question: CANARY.into(), answer: CANARY.into(), at: samples::at(2) }],
        question: Some(CANARY.into()),
        refusal: Some(CANARY.into()),
        pending: Some(pending()),
        purpose: CANARY.into(),
        contact: None,
        ticket: samples::ticket().hash(),
        note: Some(CANARY.into()),
        draft: Some(draft()),
        release: Some(ReleaseFacts {
            manifest: samples::manifest(),
            collections: 1,
            collected: 0,
            statement: Digest([7; 32]),
            cooling_until: None,
        }),
        ended: None,
    }
}

fn reception() -> Reception {
    Reception {
        name: "front".into(),
        address: "reception.example:4433".into(),
        pin: Pin([0xab; 32]),
        paired_at: samples::at(0),
        link: "up".into(),
        up: true,
        filed: 500,
        room_at: Some(samples::at(0)),
    }
}

/// As the store has them; their types are the store's alone, so the text is written here.
fn record_seeds() -> Vec<Vec<u8>> {
    let filing = serde_json::to_string(&samples::filings()[0]).unwrap();
    let (draft, signed) = (serde_json::to_string(&draft()).unwrap(), serde_json::to_string(&signed()).unwrap());
    let nonce = Nonce([4; 16]);
    let (at, closed) = (samples::at(1).unix(), r#"{"closed":{"why":"refused","at":"#);
    let stages = [
        r#""received""#.to_owned(),
        format!(r#"{{"awaiting_answer":{{"why":null,"nonce":"{nonce}","pending":null}}}}"#),
        format!(r#"{{"awaiting_answer":{{"why":"not_listed","nonce":"{nonce}","pending":{signed}}}}}"#),
        format!(r#"{{"awaiting_owner":{{"draft":{draft},"pending":null}}}}"#),
        format!(r#"{{"awaiting_visitor":{{"asked":{signed},"draft":{draft},"nonce":"{nonce}","pending":null}}}}"#),
        format!(r#"{{"cooling":{{"signed":{signed},"cooling":{{"until":90,"lapsed":false}}}}}}"#),
        format!(r#"{{"released":{{"signed":{signed},"collections":["{}"]}}}}"#, CollectionId([1; 16])),
        format!(r#"{{"released":{{"signed":{signed},"collections":[]}}}}"#).replace(ORIGIN, "vault.example/0000"),
        format!(r#"{closed}{at},"told":"over","release":null}}}}"#),
        format!(r#"{closed}{at},"told":"over","release":{{"signed":{signed},"collections":[]}}}}}}"#),
        format!(r#"{closed}{at},"told":{{"nothing":{{"until":{at},"question":null}}}},"release":null}}}}"#),
        format!(r#"{closed}{at},"told":{{"words":{{"until":{at},"refusal":{signed}}}}},"release":null}}}}"#),
    ];
    let talk = format!(r#"{{"question":"{nonce}","asked":{signed},"answer":"{CANARY}","at":{at}}}"#);
    let record = |stage: String| {
        let filed = samples::at(0).unix();
        format!(r#"{{"filing":{filing},"lane":1,"filed_at":{filed},"talk":[{talk}],"stage":{stage}}}"#).into_bytes()
    };
    stages.map(record).to_vec()
}
