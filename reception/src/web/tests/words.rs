//! The owner's words on the page, and the visitor's answer to them.

use super::*;
use crate::testing::Captured;
use ::link::Goodbye;

const QUESTION: &str = "Which year do you mean?\nI have <b>several</b>.";

impl Front {
    /// Files a request about which the owner says something; its path and its cookie.
    async fn told(&self, view: &View, words: impl Fn(&Vault, TicketHash) -> Receipt) -> (String, String) {
        let filed = self.file().await;
        self.say(view, words);
        filed
    }

    /// The owner says something about every request.
    fn say(&self, view: &View, words: impl Fn(&Vault, TicketHash) -> Receipt) {
        for filing in self.desk.filed.lock().unwrap().iter() {
            self.desk.words.lock().unwrap().insert(filing.ticket, words(&self.owner, filing.ticket));
        }
        self.turn(view);
    }

    async fn asked() -> (Self, String, String) {
        let front = Self::connected(PAYLOAD).await;
        let (path, cookie) = front.told(&View::Question, |vault, ticket| vault.asked(ticket, QUESTION)).await;
        (front, path, cookie)
    }

    async fn get(&self, path: &str, cookie: &str) -> (String, String) {
        self.send(&format!("GET {path}"), cookie, "").await
    }

    async fn answer(&self, path: &str, cookie: &str, fields: &str) -> (String, String) {
        self.send(&format!("POST {path}/answer"), cookie, fields).await
    }
}

/// The question's nonce with this answer, as the form sends them.
fn form(answer: &str) -> String {
    format!("question={}&answer={answer}", Nonce([6; 16]))
}

#[tokio::test]
async fn a_question_is_shown_answered_and_waited_for_again() {
    let (front, path, cookie) = Front::asked().await;
    let page = front.get(&path, &cookie).await;
    assert_eq!(status(&page), "200");
    for part in [
        "data-state=\"question\"",
        "Which year do you mean?\nI have &#60;b&#62;several&#60;/b&#62;.</blockquote>",
        "signed on 22 November 2026, 09:14 UTC",
        "Nobody has decided yet",
        "<label for=\"answer\">",
        "data-limit=\"2000\"",
        "/withdraw",
        &format!("name=\"question\" value=\"{}\"", Nonce([6; 16])),
    ] {
        assert!(page.1.contains(part), "{part} is not in {}", page.1);
    }
    assert!(!page.1.contains("http-equiv"), "a page with a form does not renew itself under the visitor's hands");
    assert!(!page.1.contains("<title>Which"), "no window's title tells");
    let mut answered = String::new();
    for _ in 0..2 {
        let sent = front.answer(&path, &cookie, &form("2025%0D%0Athe+whole+of+it")).await;
        assert!(status(&sent) == "303" && sent.0.contains(&format!("location: {path}\r\n")), "{}", sent.0);
        answered = set_cookie(&sent);
    }
    let expected = (Nonce([6; 16]), "2025\nthe whole of it".to_owned());
    assert_eq!(*front.desk.answered.lock().unwrap(), [expected.clone(), expected]);
    let waiting = front.get(&path, &answered).await;
    assert!(waiting.1.contains("data-state=\"waiting\"") && !waiting.1.contains("Which year"), "{}", waiting.1);
    assert!(waiting.1.contains("Your answer has been sent") && !waiting.1.contains("2025"), "{}", waiting.1);
    assert!(waiting.1.contains("http-equiv=\"refresh\""), "it goes on without scripts, too");
    // A browser that did not send it is told of the request alone.
    let other = front.get(&path, &cookie).await.1;
    assert!(other.contains("Your request has been filed") && !other.contains("Your answer has been sent"), "{other}");
}

#[tokio::test]
async fn after_an_answer_everything_undecided_looks_the_same() {
    let (front, path, cookie) = Front::asked().await;
    let answered = set_cookie(&front.answer(&path, &cookie, &form("2025")).await);
    let waiting = front.get(&path, &answered).await;
    assert!(waiting.1.contains("Your answer has been sent"), "{}", waiting.1);
    // Refused without a word: the vault says the same, or what it says is not passed on.
    front.say(&View::Refused, |vault, ticket| vault.refused(ticket, None));
    assert_eq!(front.get(&path, &answered).await.1, waiting.1);
    // The owner asks something else: that is shown, and another answer is said to have been sent like the first.
    front.say(&View::Question, |vault, ticket| vault.asked(ticket, "And which month?"));
    let asked = front.get(&path, &answered).await.1;
    assert!(asked.contains("And which month?") && !asked.contains("Your answer has been sent"), "{asked}");
    front.turn(&View::Waiting);
    assert_eq!(front.get(&path, &answered).await.1, waiting.1);
}

/// What a response sets as the request's cookie.
fn set_cookie(response: &(String, String)) -> String {
    let line = response.0.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    line.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_refusal_is_shown_with_its_words_and_without_words_not_at_all() {
    let front = Front::connected(PAYLOAD).await;
    let (path, cookie) = front.told(&View::Refused, |vault, ticket| vault.refused(ticket, Some("Not now."))).await;
    let page = front.get(&path, &cookie).await;
    assert!(status(&page) == "200" && page.1.contains("data-state=\"refused\""), "{}", page.1);
    assert!(page.1.contains("<blockquote dir=\"auto\">Not now.</blockquote>") && !page.1.contains("name=\"answer\""));
    let before = front.desk.words.lock().unwrap().clone();
    front.desk.words.lock().unwrap().clear();
    front.turn(&View::Waiting);
    let waiting = front.get(&path, &cookie).await;
    // Whatever a vault says about it, a refusal without words looks like a request that nobody has decided.
    front.say(&View::Refused, |vault, ticket| vault.refused(ticket, None));
    let wordless = front.get(&path, &cookie).await;
    assert_eq!((status(&wordless), &wordless.1), ("200", &waiting.1));
    assert_eq!(front.get_event(&path, &cookie).await, "waiting");
    let saved = front.send(&format!("POST {path}/receipt"), &cookie, "").await;
    assert_eq!((status(&saved), before.len()), ("303", 1));
}

impl Front {
    /// The first event of the request's stream: how it stands.
    async fn get_event(&self, path: &str, cookie: &str) -> String {
        let mut tcp = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path}/events HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
        tcp.write_all(request.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        loop {
            assert_ne!(timeout(LIMIT, tcp.read_buf(&mut seen)).await.unwrap().unwrap(), 0);
            let text = String::from_utf8_lossy(&seen);
            if let Some((word, _)) = text.split("event: changed\ndata: ").nth(1).and_then(|t| t.split_once('\n')) {
                return word.to_owned();
            }
        }
    }
}

#[tokio::test]
async fn the_page_hears_of_words_by_itself() {
    let (front, path, cookie) = Front::asked().await;
    assert_eq!(front.get_event(&path, &cookie).await, "question");
    front.say(&View::Refused, |vault, ticket| vault.refused(ticket, Some("Not now.")));
    assert_eq!(front.get_event(&path, &cookie).await, "refused");
}

#[tokio::test]
async fn what_deceives_the_eye_is_spelt_out() {
    let front = Front::connected(PAYLOAD).await;
    let hostile = "pay \u{202e}001\u{202c}</blockquote><script>alert(1)</script>\nשלום, a\u{200b}b \\ \"x\" &amp;";
    let (path, cookie) = front.told(&View::Question, |vault, ticket| vault.asked(ticket, hostile)).await;
    let page = front.get(&path, &cookie).await.1;
    let shown = "<blockquote dir=\"auto\">pay \\{U+202E}001\\{U+202C}&#60;/blockquote&#62;&#60;script&#62;alert(1)\
                 &#60;/script&#62;\nשלום, a\\{U+200B}b \\\\ &#34;x&#34; &#38;amp;</blockquote>";
    assert!(page.contains(shown), "{page}");
    assert!(!page.contains("<script>") && !page.contains('\u{202e}'));
    front.say(&View::Refused, |vault, ticket| vault.refused(ticket, Some(hostile)));
    assert!(front.get(&path, &cookie).await.1.contains(shown));
}

#[tokio::test]
async fn words_that_are_not_proven_are_not_shown() {
    type Forge = fn(&Vault, TicketHash) -> Receipt;
    let (captured, _guard) = Captured::start();
    let forgeries: [(&str, Forge); 5] = [
        ("another vault's", |_, ticket| Vault::new("vault").asked(ticket, "canary-words")),
        ("another request's", |vault, _| vault.asked(TicketHash([9; 32]), "canary-words")),
        ("altered", |vault, ticket| {
            let mut receipt = vault.asked(ticket, "canary-word");
            receipt.statement = receipt.statement.replace("canary-word", "canary-words");
            receipt
        }),
        ("unsigned", |vault, ticket| Receipt { signatures: vec![], ..vault.asked(ticket, "canary-words") }),
        ("not logged", |vault, ticket| Receipt { salt: Salt([0; 32]), ..vault.refused(ticket, Some("canary-words")) }),
    ];
    let front = Front::connected(PAYLOAD).await;
    let (path, cookie) = front.file().await;
    for (name, forge) in forgeries {
        front.say(&View::Question, forge);
        let page = front.get(&path, &cookie).await;
        assert!(status(&page) == "502" && page.1.contains("data-state=\"unproven\""), "{name}: {}", page.1);
        assert!(!page.1.contains("canary") && page.1.contains("do not bear the owner’s signature"), "{name}");
        let saved = front.send(&format!("POST {path}/receipt"), &cookie, "").await;
        assert!(status(&saved) == "303" && !saved.1.contains("canary"), "{name}");
        assert_eq!(front.get_event(&path, &cookie).await, "unproven", "{name}");
    }
    let log = captured.text();
    assert!(log.contains("words from the vault are not shown") && !log.contains("canary"), "{log}");
    // Each forgery was looked at three times, by whoever cared to.
    for reason in ["another request", "another log"] {
        assert_eq!(log.matches(reason).count(), 1, "{reason}: {log}");
    }
}

#[tokio::test]
async fn question_and_refusal_are_saved_as_signed() {
    let (front, path, cookie) = Front::asked().await;
    let saved = front.send(&format!("POST {path}/receipt"), &cookie, "").await;
    assert!(
        saved.0.contains("attachment; filename=\"Receipt of question ") && saved.0.contains("sandbox"),
        "{}",
        saved.0
    );
    let receipt: Receipt = serde_json::from_str(&saved.1).unwrap();
    let peer = front.owner.peer();
    let statement = receipt.verify(peer.signers(), peer.log_key()).unwrap();
    assert_eq!((statement.kind(), receipt.kind), ("question", Kind::Asked));
    front.say(&View::Refused, |vault, ticket| vault.refused(ticket, Some("Not now.")));
    let saved = front.send(&format!("POST {path}/receipt"), &cookie, "").await;
    assert!(saved.0.contains("attachment; filename=\"Receipt of refusal "), "{}", saved.0);
    assert_eq!(serde_json::from_str::<Receipt>(&saved.1).unwrap().kind, Kind::Refused);
}

#[tokio::test]
async fn a_faulty_answer_comes_back_with_its_words() {
    let (front, path, cookie) = Front::asked().await;
    let long = "é".repeat(1001);
    for (answer, expected, fault) in [
        ("", "422", "Please write your answer."),
        ("+%0A+", "422", "Please write your answer."),
        ("canary%01", "422", "no keyboard types (U+0001)"),
        (&long, "413", "2002 of at most 2000 bytes"),
    ] {
        let page = front.answer(&path, &cookie, &form(answer)).await;
        assert_eq!(status(&page), expected, "{fault}: {}", page.1);
        assert!(
            page.1.contains(fault) && page.1.contains("aria-invalid") && page.1.contains("Which year"),
            "{}",
            page.1
        );
        assert!(answer != long || page.1.contains(&long));
    }
    for (body, expected) in [
        ("answer=x".to_owned(), "400"),
        ("question=00&answer=x".to_owned(), "400"),
        (form("%ff"), "400"),
        (form(&"a".repeat(guard::FORM)), "413"),
    ] {
        assert_eq!(status(&front.answer(&path, &cookie, &body).await), expected);
    }
    assert!(front.desk.answered.lock().unwrap().is_empty());
    let fits = "é".repeat(1000);
    assert_eq!(status(&front.answer(&path, &cookie, &form(&fits)).await), "303");
}

#[tokio::test]
async fn a_question_that_waits_no_more_says_so_and_keeps_the_words() {
    let (front, path, cookie) = Front::asked().await;
    *front.desk.refusal.lock().unwrap() = Some(Refused::Answered);
    let again = front.answer(&path, &cookie, &form("canary-answer")).await;
    assert!(status(&again) == "409" && again.1.contains("no longer waits for an answer"), "{}", again.1);
    assert!(again.1.contains("Which year") && again.1.contains("canary-answer</textarea>"), "another was asked since");
    front.turn(&View::Waiting);
    let waiting = front.answer(&path, &cookie, &form("canary-answer")).await;
    assert!(status(&waiting) == "409" && waiting.1.contains("data-state=\"waiting\""), "{}", waiting.1);
    assert!(waiting.1.contains("<p class=\"mine\">canary-answer</p>") && !waiting.1.contains("http-equiv"));
}

#[tokio::test]
async fn an_answer_that_does_not_arrive_is_kept_in_its_form() {
    let (mut front, path, cookie) = Front::asked().await;
    let kept = |page: &(String, String), expected: &str, words: &str| {
        assert!(status(page) == expected && page.0.contains("retry-after: "), "{}", page.0);
        for part in [words, "canary-answer</textarea>", &form("")[9..41], "data-state=\"unsent\"", "Send this answer"] {
            assert!(page.1.contains(part), "{part} is not in {}", page.1);
        }
    };
    *front.desk.refusal.lock().unwrap() = Some(Refused::Busy { retry_after: 9 });
    let busy = front.answer(&path, &cookie, &form("canary-answer")).await;
    kept(&busy, "503", "Too much is waiting");
    assert!(busy.1.contains("went nowhere else") && !busy.1.contains("It may have reached"), "{}", busy.1);
    let perhaps = |page: &(String, String)| {
        let says = page.1.contains("It may have reached the owner’s private machine as well");
        assert!(says && page.1.contains("it counts once") && !page.1.contains("went nowhere else"), "{}", page.1);
    };
    // A vault whose disk failed may find it there.
    *front.desk.refusal.lock().unwrap() = Some(Refused::Unavailable);
    let failed = front.answer(&path, &cookie, &form("canary-answer")).await;
    kept(&failed, "503", "cannot be done now");
    perhaps(&failed);
    *front.desk.refusal.lock().unwrap() = None;
    front.desk.broken.store(true, Ordering::Relaxed);
    let broken = front.answer(&path, &cookie, &form("canary-answer")).await;
    kept(&broken, "503", "not known whether your words arrived");
    perhaps(&broken);
    let linked = front.vault.take().unwrap();
    linked.link.close(Goodbye::Done);
    let gone = async {
        while front.broker.up() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, gone).await.unwrap();
    let away = front.answer(&path, &cookie, &form("canary-answer")).await;
    kept(&away, "503", "machine is away, and your answer was not sent");
    assert!(!away.1.contains("Nothing of yours is lost") && away.1.contains("went nowhere else"), "{}", away.1);
    let mut often = front.answer(&path, &cookie, &form("canary-answer")).await;
    for _ in 0..2 * guard::ACTS {
        if status(&often) == "429" {
            break;
        }
        often = front.answer(&path, &cookie, &form("canary-answer")).await;
    }
    kept(&often, "429", "Please wait");
}

#[tokio::test]
async fn answers_come_from_the_page_and_the_browser_that_asked() {
    let (front, path, cookie) = Front::asked().await;
    assert_eq!(status(&front.answer(&path, "", &form("x")).await), "404");
    let body = form("x");
    let foreign = format!(
        "POST {path}/answer HTTP/1.1\r\nHost: {0}\r\nOrigin: https://evil.example\r\nCookie: {cookie}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {1}\r\nConnection: close\r\n\r\n{body}",
        front.address,
        body.len()
    );
    assert_eq!(status(&front.raw(foreign.as_bytes()).await), "403");
    assert_eq!(status(&front.get(&format!("{path}/answer"), &cookie).await), "405");
    assert!(front.desk.answered.lock().unwrap().is_empty());
}

#[tokio::test]
async fn stopped_releases_are_told_clearly() {
    let front = Front::connected(PAYLOAD).await;
    let (path, cookie) = front.file().await;
    front.release();
    *front.desk.refusal.lock().unwrap() = Some(Refused::Paused);
    for act in ["show", "save", "receipt"] {
        let page = front.send(&format!("POST {path}/{act}"), &cookie, "").await;
        assert!(status(&page) == "503" && page.0.contains("retry-after: "), "{act}: {}", page.0);
        assert!(page.1.contains("Releases are stopped for now") && page.1.contains("Nothing is lost"), "{act}");
        assert!(page.1.contains(&format!("url={path}\"")), "it goes on by itself, {act}: {}", page.1);
    }
    *front.desk.refusal.lock().unwrap() = None;
    assert_eq!(front.send(&format!("POST {path}/save"), &cookie, "").await.1.as_bytes(), PAYLOAD);
}

/// A page that is told of another state than its own renews itself: if it were told so at once, it would do so without end.
#[tokio::test]
async fn words_that_are_held_back_are_told_in_one_way_on_the_page_and_in_its_events() {
    let (front, path, cookie) = Front::asked().await;
    let refusals = [
        (Refused::Paused, "withheld", "503"),
        (Refused::Busy { retry_after: 9 }, "away", "503"),
        (Refused::Unavailable, "away", "503"),
        (Refused::Malformed, "away", "502"),
    ];
    for (refused, word, expected) in refusals {
        *front.desk.hushed.lock().unwrap() = Some(refused);
        let page = front.get(&path, &cookie).await;
        assert!(status(&page) == expected && page.1.contains(&format!("data-state=\"{word}\"")), "{}", page.1);
        assert!(page.1.contains("http-equiv=\"refresh\""), "it goes on without scripts, too");
        assert!(!page.1.contains("not connected at the moment"), "{}", page.1);
        assert_eq!(front.get_event(&path, &cookie).await, word, "{refused:?}");
    }
    for view in [View::Question, View::Refused] {
        *front.desk.hushed.lock().unwrap() = Some(Refused::Paused);
        front.turn(&view);
        let page = front.get(&path, &cookie).await;
        assert!(page.0.contains("retry-after: ") && page.1.contains("The owner’s words wait for now"), "{}", page.1);
        assert!(!page.1.contains("yours among them") && !page.1.contains("Which year"), "{}", page.1);
        let saved = front.send(&format!("POST {path}/receipt"), &cookie, "").await;
        assert!(status(&saved) == "503" && saved.1.contains("data-state=\"withheld\""), "{}", saved.1);
    }
    *front.desk.hushed.lock().unwrap() = None;
    front.turn(&View::Question);
    assert_eq!(front.get_event(&path, &cookie).await, "question");
}

#[tokio::test]
async fn a_stopped_release_is_told_in_one_way_on_the_page_and_in_its_events() {
    let front = Front::connected(PAYLOAD).await;
    let (path, cookie) = front.file().await;
    front.turn(&View::Paused);
    let page = front.get(&path, &cookie).await;
    assert!(status(&page) == "503" && page.0.contains("retry-after: "), "{}", page.0);
    assert!(page.1.contains("data-state=\"paused\"") && page.1.contains("yours among them"), "{}", page.1);
    assert!(!page.1.contains("the time on its page") && page.1.contains("goes on meanwhile"), "{}", page.1);
    assert_eq!(front.get_event(&path, &cookie).await, "paused");
}
