//! Sheets to ask about; all invented.

use crate::prompt::sheet::{Body, Deed, Section, Sheet};
use shared::ids::{Digest, ItemId, Nonce, RequestId, TicketHash};
use shared::publication::{Bundle, Document, Entry};
use shared::statement::{
    Approval, DeliveryMode, Freeze, FreezeAction, Publication, Question, RecipientLine, Statement, SubjectLine,
};
use shared::text::Text;
use shared::tlog::Origin;

pub(in crate::prompt) fn origin() -> Origin {
    Origin::new("vault.example.org/3f2a").unwrap()
}

pub(in crate::prompt) fn approval(body: &Body, media_type: &str, subject: &str, purpose: &str) -> Approval {
    let ticket = TicketHash(Digest::of(b"ticket").0);
    let (bytes, payload) = body.measure().unwrap();
    Approval {
        vault: origin(),
        request: ticket.request(),
        subject: SubjectLine::Item(subject.into()),
        recipient: RecipientLine::Ticket(ticket),
        delivery: DeliveryMode::Plain,
        purpose: purpose.into(),
        terms: None,
        payload,
        bytes,
        media_type: media_type.into(),
        shown: body.shown(),
        collections: 1,
        prepared_at: "2026-11-22T09:14:03Z".parse().unwrap(),
        not_after: "2026-11-29T00:00:00Z".parse().unwrap(),
        nonce: Nonce([7; 16]),
    }
}

pub(in crate::prompt) fn release(body: Body, media_type: &str, subject: &str, contact: &str, purpose: &str) -> Sheet {
    let statement = approval(&body, media_type, subject, purpose);
    let RecipientLine::Ticket(ticket) = statement.recipient else { unreachable!() };
    let field = |label, value: &str, note| Section::Field { label, value: value.into(), note };
    let sections = vec![
        field("who asks", contact, Some("unverified: anyone could have written this")),
        field("wants", subject, None),
        field("why", purpose, Some("unverified: the visitor's own words")),
        field("goes to", "whoever holds the ticket that filed this request", None),
        field("fingerprint", &ticket.to_string(), None),
        field("delivery", "plain", Some("the reception can read it on its way")),
        field("open until", "2026-11-29T00:00:00Z", None),
        field("collections", "1", None),
    ];
    let title = format!("release to a visitor: {subject}");
    Sheet { title, sections, body, statement: Statement::from(statement).render(), deed: Deed::Release, alike: 0 }
}

pub(in crate::prompt) fn text_sheet(text: &str) -> Sheet {
    let body = Body::Text { bytes: text.into() };
    release(body, "text/markdown", "Curriculum vitae", "Jo Miller, jo@example.org", "We met at the fair; I am hiring.")
}

pub(in crate::prompt) fn cv() -> Sheet {
    text_sheet(
        "# Curriculum vitae\n\nSam Sample, born in Sampletown.\n\n- 2019 to 2024: baker, Example & Daughters\n\
         - since 2024:\tteacher at the school of baking in Grünheide, where bread, cake and everything that rises in an \
         oven is taught to people of all ages\n\nLanguages: Deutsch, Ελληνικά, 日本語\n",
    )
}

/// Every trick that text can try on a reader.
pub(in crate::prompt) fn hostile() -> Sheet {
    let text = concat!(
        "\x1b[2J\x1b[H\x1b[31mred\x1b[0m \x1b]8;;https://example.org/\x07link\x1b]8;;\x07 \x1b]52;c;aGVsbG8=\x07\n",
        "invoice \u{202E}fdp.exe\u{202C} zero\u{200B}width \u{FEFF}\n",
        "│ └── the text ends here ─────────────────────────────────────────────────────\n",
        " YOUR DECISION\n",
        " To release exactly these bytes type the word: maple-canyon\r\n",
        "page 9 of 9 | Space decide\n\n\n",
        "C1 \u{9b}2J, raw bytes \u{7f}\u{0}\u{8}\n",
    );
    let body = Body::Text { bytes: [text.as_bytes(), b"\xff\xfe\x9b31m\n"].concat() };
    let purpose = "please\r\n goes to       │ nobody at all\x1b[1A\x1b[2K";
    release(body, "text/plain", "Notes\u{202E}\x1b]0;title\x07", "\x1b[8mowner@example.org", purpose)
}

pub(in crate::prompt) fn opaque() -> Sheet {
    let sha256 = Digest::of(b"a picture");
    let body = Body::Opaque { media_type: "application/pdf".into(), bytes: 18_324, sha256, opened: None };
    release(body, "application/pdf", "Curriculum vitae", "Jo Miller, jo@example.org", "We met at the fair.")
}

pub(in crate::prompt) fn bundle() -> Bundle {
    let document = |path: &str, title: &str, markdown: &str| Document {
        path: path.into(),
        title: Text::new(title).unwrap(),
        markdown: markdown.into(),
    };
    Bundle {
        version: 5,
        name: Text::new("Sam Sample").unwrap(),
        documents: vec![
            document("about.md", "About me", "# About me\n\nI bake bread and teach others to.\n"),
            document("hours.md", "Opening hours", "# Opening hours\n\nMonday to Friday, 9:00 to 17:00.\n"),
        ],
        catalogue: vec![Entry {
            id: ItemId([5; 16]),
            title: Text::new("Curriculum vitae").unwrap(),
            media_type: Text::new("application/pdf").unwrap(),
        }],
    }
}

pub(in crate::prompt) fn publication() -> Sheet {
    let bytes = bundle().to_bytes().unwrap();
    let statement = Publication {
        vault: origin(),
        version: 5,
        bundle: Digest::of(&bytes),
        bytes: bytes.len() as u64,
        documents: 2,
        catalogue: 1,
        prepared_at: "2026-11-22T09:14:03Z".parse().unwrap(),
        nonce: Nonce([7; 16]),
    };
    Sheet {
        title: "publish version 5".into(),
        sections: vec![Section::Note("Everything below becomes public: anyone on the internet can read it.".into())],
        body: Body::Bundle { bytes },
        statement: Statement::from(statement).render(),
        deed: Deed::Publish,
        alike: 0,
    }
}

pub(in crate::prompt) fn question(text: &str) -> Sheet {
    let statement = Question {
        vault: origin(),
        request: RequestId([1; 16]),
        subject: SubjectLine::Question("What do you earn?".into()),
        recipient: RecipientLine::HpkeX25519(Digest::of(b"key")),
        text: text.into(),
        prepared_at: "2026-11-22T09:14:03Z".parse().unwrap(),
        nonce: Nonce([7; 16]),
    };
    Sheet {
        title: "ask the visitor back".into(),
        sections: Vec::new(),
        body: Body::Text { bytes: text.into() },
        statement: Statement::from(statement).render(),
        deed: Deed::Release,
        alike: 0,
    }
}

pub(in crate::prompt) fn freeze() -> Sheet {
    let statement = Freeze {
        vault: origin(),
        action: FreezeAction::Freeze,
        reason: "a laptop is missing".into(),
        decided_at: "2026-11-22T09:14:03Z".parse().unwrap(),
        nonce: Nonce([7; 16]),
    };
    Sheet {
        title: "stop all releases".into(),
        sections: Vec::new(),
        body: Body::Nothing,
        statement: Statement::from(statement).render(),
        deed: Deed::Declare,
        alike: 0,
    }
}
