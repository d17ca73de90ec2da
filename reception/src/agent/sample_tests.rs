//! Everyday questions to the sample publication.

use super::{Answer, Shelf};
use shared::message::{Name, Title};
use shared::publication::{Bundle, Document};

macro_rules! page {
    ($title:literal, $path:literal) => {
        Document {
            path: $path.into(),
            title: Title::new($title).unwrap(),
            markdown: include_str!(concat!("../../../deploy/sample/publication/", $path)).into(),
        }
    };
}

fn shelf() -> Shelf {
    let documents = vec![
        page!("About the practice", "about.md"),
        page!("Opening hours of the practice", "opening-hours.md"),
        page!("Prices", "prices.md"),
        page!("How to reach the practice", "reaching-us.md"),
        page!("How requests work", "requests.md"),
        page!("Services", "services.md"),
    ];
    Shelf::build(&Bundle { version: 1, name: Name::new("Marta").unwrap(), documents, catalogue: vec![] }).unwrap()
}

#[test]
fn everyday_questions_are_answered_by_quotes() {
    let shelf = shelf();
    for (question, part) in [
        ("Prices", "75 pounds"),
        ("prices?", "75 pounds"),
        ("What are your fees?", "75 pounds"),
        ("What does it cost?", "75 pounds"),
        ("How much is it?", "75 pounds"),
        ("What does the first appointment cost?", "75 pounds"),
        ("how much is the first appointment", "75 pounds"),
        ("What does a home visit cost?", "68 pounds"),
        ("telephone", "01632 960 142"),
        ("what is your phone number", "01632 960 142"),
        ("Can I call you?", "01632 960 142"),
        ("What is your e-mail?", "practice@example.org"),
        ("email", "practice@example.org"),
        ("Where are you?", "Weir Lane"),
        ("Where do I find you?", "Weir Lane"),
        ("Where is the practice?", "Weir Lane"),
        ("address", "Weir Lane"),
        ("How do I reach the practice?", "Weir Lane"),
        ("Who are you?", "Marta Lindqvist"),
        ("Hello, who are you?", "Marta Lindqvist"),
        ("When can I come?", "8:00 to 17:00"),
        ("When are you open?", "8:00 to 17:00"),
        ("When is the practice open?", "8:00 to 17:00"),
        ("Opening hours", "8:00 to 17:00"),
        ("Home visits", "Thursday mornings"),
        ("Which languages do you speak?", "Swedish"),
    ] {
        let answer = shelf.answer(question);
        let Answer::Quotes { quotes, .. } = &answer else { panic!("{question}: {answer:?}") };
        assert!(quotes[0].markdown.contains(part), "{question}: {quotes:?}");
        let source = shelf.passages.iter().find(|p| p.markdown == quotes[0].markdown).unwrap();
        assert_eq!((source.document, &source.title), (quotes[0].document, &quotes[0].document_title));
    }
}

#[test]
fn private_questions_are_not_known() {
    let shelf = shelf();
    for question in
        ["Which medicine does Mira take?", "What is your bank account number?", "What is the diagnosis of Anna?"]
    {
        let answer = shelf.answer(question);
        assert!(matches!(answer, Answer::Unknown { .. }), "{question}: {answer:?}");
    }
}
