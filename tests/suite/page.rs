//! What the page does with bad input, bad luck, and visitors who use it in other ways.

use fantoccini::key::Key;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HOST, ORIGIN};
use tests::{Browser, Look, Owner, Visitor, World, bins, sample, until};

const FORM: &str = "application/x-www-form-urlencoded";

/// Files a request by the form.
fn file(world: &World, browser: &Browser) {
    browser.open(&world.url("/requests/new"));
    browser.fill("#question", "May I visit?");
    browser.fill("#purpose", "A school trip");
    browser.click_text("File this request");
}

#[test]
fn words_are_kept_in_the_form_when_the_vault_is_away_and_the_spool_is_full() {
    let mut world = World::published();
    world.fill_spool();
    let mut visitor = Visitor::new(&world);
    let browser = Browser::new(Look::Desk);
    browser.open(&world.url("/requests/new"));
    world.kill_vault();
    until("the page has noticed", || visitor.get("/").text().contains("is away").then_some(()));
    let fields =
        [("question", "May I <b>visit</b>?"), ("purpose", "A \"school\" trip"), ("contact", "ada@example.org")];
    let page = visitor.post("/requests", &fields);
    assert_eq!(page.status, 503, "{}", page.text());
    assert!(!page.header("retry-after").is_empty());
    assert!(visitor.cookies().is_empty(), "nothing was filed, so there is nothing to come back to");
    let text = page.text();
    assert!(text.contains("no more room here") && text.contains("send them again once the machine is back"), "{text}");
    for kept in ["May I &#60;b&#62;visit&#60;/b&#62;?", "A &#34;school&#34; trip", "ada@example.org"] {
        assert!(text.contains(kept), "{kept} is not in:\n{text}");
    }
    browser.fill("#question", "May I visit?");
    browser.fill("#purpose", "A school trip");
    browser.click_text("File this request");
    browser.wait_for("Your words are still below");
    assert_eq!(browser.property("#question", "value"), "May I visit?");
    assert_eq!(browser.property("#purpose", "value"), "A school trip");
    browser.picture("form-no-room");
    world.start_vault(&[]);
    world.wait_for_link();
    browser.click_text("File this request");
    browser.wait_for("With the owner");
}

#[test]
fn request_page_comes_back_by_itself_with_the_vault() {
    let mut world = World::published();
    let browser = Browser::new(Look::Desk);
    file(&world, &browser);
    browser.wait_for("With the owner");
    world.kill_vault();
    browser.wait_for("The owner’s machine is away");
    browser.picture("away");
    browser.open(&world.url("/"));
    browser.wait_for("The owner’s private machine is away at the moment");
    browser.picture("home-away");
    browser.click(".ways a[href^='/requests/'] code");
    browser.wait_for("The owner’s machine is away");
    world.start_vault(&[]);
    browser.wait_for("With the owner");
}

#[test]
fn withdrawn_and_unknown_requests_look_the_same() {
    let world = World::published();
    let browser = Browser::new(Look::Desk);
    file(&world, &browser);
    browser.wait_for("With the owner");
    browser.click("details.key summary");
    let code = browser.text_of("#code");
    browser.picture("waiting-code");
    let (request, address) = (browser.address(), browser.text_of(".eyebrow code"));
    browser.click_text("Withdraw this request");
    browser.click_text("Yes, withdraw it");
    let withdrawn = browser.wait_for("There is nothing to collect here");
    browser.picture("closed");
    assert_eq!(browser.address(), request);
    // A well-formed code that nobody was ever given.
    let mut visitor = Visitor::new(&world);
    let made_up = shared::ids::Ticket::from_random([7; 32]).return_code();
    let page = visitor.post("/return", &[("code", &made_up)]);
    assert_eq!(page.status, 303);
    let unknown = visitor.get(page.header("location"));
    assert_eq!(unknown.status, 200);
    assert!(unknown.text().contains("There is nothing to collect here"));
    // The same code again, as a person would type it, leads to the same page.
    let typed = code.to_lowercase().replace(' ', "-");
    let page = visitor.post("/return", &[("code", &typed)]);
    assert!(request.ends_with(page.header("location")), "{request}");
    let again = visitor.get(page.header("location")).text();
    let other = unknown.text();
    let ids = |text: &str| text.split("data-request=\"").nth(1).unwrap()[..32].to_owned();
    let plain = |text: &str| text.replace(&ids(text), "ID").replace(&ids(text)[..8], "ID");
    assert_eq!(plain(&again), plain(&other), "{address} {withdrawn}");
}

#[test]
fn bad_input_is_refused_with_a_page_that_helps() {
    let world = World::published();
    let visitor = Visitor::new(&world);
    let post = |path: &str, body: &'static [u8]| {
        let request = visitor.request(Method::POST, path).header(ORIGIN, world.url(""));
        visitor.send(request.header(CONTENT_TYPE, FORM).body(body)).unwrap()
    };
    let cases: [(&str, &'static [u8], u16, &str); 9] = [
        ("/requests", b"question=a&purpose=%FF%FE", 400, "is not text"),
        ("/requests", b"question=a&purpose=\xc3\x28", 400, "is not text"),
        ("/requests", b"question=a&question=b&purpose=c", 400, "is not text"),
        ("/requests", b"question=a&purpose=%0", 400, "is not text"),
        ("/requests", b"question=a&purpose=a%00b", 422, "no keyboard types"),
        ("/requests", b"question=a&purpose=", 422, "Please write what you need it for"),
        ("/requests", b"purpose=a", 422, "Please write your question"),
        ("/requests", b"item=x&purpose=a", 404, "nothing here"),
        ("/return", b"code=ABC", 422, "Please check it"),
    ];
    for (path, body, status, words) in cases {
        let page = post(path, body);
        let named = String::from_utf8_lossy(body);
        assert_eq!(page.status, status, "{named}: {}", page.text());
        assert!(page.text().contains(words), "{named}: {words} is not in\n{}", page.text());
        assert!(page.header("content-type").starts_with("text/html"), "{named}");
    }
    let json = visitor.request(Method::POST, "/requests").header(ORIGIN, world.url(""));
    let json = visitor.send(json.header(CONTENT_TYPE, "application/json").body("{}")).unwrap();
    assert_eq!(json.status, 415);
    assert_eq!(visitor.send(visitor.request(Method::PUT, "/requests")).unwrap().status, 403);
    assert_eq!(visitor.get("/ask").status, 405);
}

#[test]
fn too_long_words_are_refused_and_kept() {
    let world = World::published();
    let mut visitor = Visitor::new(&world);
    let (long, fits) = ("ö".repeat(501), "ö".repeat(500));
    let page = visitor.post("/requests", &[("question", "Why?"), ("purpose", &long)]);
    assert_eq!(page.status, 413);
    assert!(page.text().contains("1002 of at most 1000 bytes") && page.text().contains(&long), "{}", page.text());
    let page = visitor.post("/requests", &[("question", &"q".repeat(2001)), ("purpose", "x")]);
    assert_eq!(page.status, 413);
    let page = visitor.post("/requests", &[("question", "Why?"), ("purpose", "x"), ("contact", &"c".repeat(201))]);
    assert_eq!(page.status, 413);
    let huge = visitor.post("/requests", &[("question", &"q".repeat(100_000)), ("purpose", "x")]);
    assert_eq!(huge.status, 413);
    visitor.file_question(&"q".repeat(2000), &fits);
    let browser = Browser::new(Look::Desk);
    browser.open(&world.url("/requests/new"));
    browser.script(&format!("document.getElementById('purpose').value = '{}'", "a".repeat(1005)));
    browser.fill("#question", "Why?");
    browser.fill("#purpose", "b");
    browser.wait_for("6 too many");
    browser.click_text("File this request");
    browser.wait_for("This is too long");
    browser.picture("form-too-long");
}

#[test]
fn forms_from_elsewhere_are_refused() {
    let world = World::published();
    let visitor = Visitor::new(&world);
    let own = world.url("");
    let post = |origin: Option<&str>, site: Option<&str>| {
        let mut request = visitor.request(Method::POST, "/requests").header(CONTENT_TYPE, FORM);
        request = request.body("question=May+I+visit%3F&purpose=trip");
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        if let Some(site) = site {
            request = request.header("sec-fetch-site", site);
        }
        visitor.send(request).unwrap().status
    };
    assert_eq!(post(Some("https://elsewhere.example"), None), 403);
    assert_eq!(post(Some("null"), None), 403);
    assert_eq!(post(Some(&own), Some("cross-site")), 403);
    assert_eq!(post(None, Some("same-site")), 403);
    assert_eq!(post(None, None), 403);
    assert_eq!(post(Some(&own), Some("same-origin")), 303);
    assert_eq!(world.vault_json(&["requests", "ls"]).len(), 1, "only the last one was filed");
}

#[test]
fn strangers_pages_are_not_found() {
    let world = World::published();
    let mut visitor = Visitor::new(&world);
    let request = visitor.file_question("May I visit?", "trip");
    let stranger = Visitor::new(&world);
    let paths = [format!("/requests/{request}"), format!("/requests/{}", "0".repeat(32)), "/requests/x".into()];
    let pages: Vec<String> = paths
        .iter()
        .map(|path| {
            let page = stranger.get(path);
            assert_eq!(page.status, 404, "{path}");
            page.text()
        })
        .collect();
    assert!(pages.iter().all(|page| *page == pages[0]), "a request that exists and one that does not");
    for path in ["/nothing", "/published/99", "/published/x", "/published/%FF", "/assets/../x", "/requests/new?item=x"]
    {
        let status = stranger.get(path).status;
        assert!(matches!(status, 400 | 404), "{path}: {status}");
    }
    let browser = Browser::new(Look::Desk);
    browser.open(&world.url("/requests/x"));
    browser.wait_for("There is nothing here that this browser can open");
    browser.picture("not-found");
}

#[test]
fn every_response_has_the_security_headers() {
    let world = World::published();
    let mut visitor = Visitor::new(&world);
    let request = visitor.file_question("May I visit?", "trip");
    let own = format!("/requests/{request}");
    for path in ["/", "/about", "/published/0", "/requests/new", "/return", "/nothing", "/assets/style.css", &own] {
        let page = visitor.get(path);
        let policy = page.header("content-security-policy");
        for part in ["default-src 'none'", "script-src 'self'", "form-action 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{path}: {part} is not in {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(page.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(page.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(page.header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert!(page.header("server").is_empty(), "{path}");
    }
    assert_eq!(visitor.get(&own).header("cache-control"), "no-store");
    let page = visitor.send(visitor.form("/requests", &[("question", "Again?"), ("purpose", "trip")])).unwrap();
    let cookie = page.header("set-cookie");
    assert!(cookie.starts_with("__Host-"), "{cookie}");
    for part in ["Secure", "HttpOnly", "SameSite=", "Path=/"] {
        assert!(cookie.contains(part), "{part} is not in {cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    let other = visitor.request(Method::GET, "/").header(HOST, "elsewhere.example");
    assert_eq!(visitor.send(other).unwrap().header("access-control-allow-origin"), "");
}

#[test]
fn first_page_helps_before_anything_is_published() {
    let world = World::new();
    let browser = Browser::new(Look::Desk);
    browser.open(&world.url("/"));
    browser.wait_for("Nothing has been published here yet");
    browser.picture("home-empty");
    browser.fill("#question", "Who are you?\u{E007}");
    browser.wait_for("I do not know");
    browser.click_text("Ask the owner this question");
    browser.wait_for("Before you write");
    browser.fill("#purpose", "I met you at the fair");
    browser.click_text("File this request");
    browser.wait_for("With the owner");
    assert_eq!(world.vault_json(&["requests", "ls"]).len(), 1);
}

#[test]
fn request_is_filed_with_the_keyboard_alone() {
    let world = World::new();
    world.add("Letter of recommendation", "letter.txt", b"A good carpenter.\n");
    world.publish(sample::DOCUMENTS);
    let browser = Browser::new(Look::Desk);
    browser.open(&world.url("/"));
    let (tab, enter) = (char::from(Key::Tab).to_string(), char::from(Key::Enter).to_string());
    let focused = "return (document.activeElement.textContent || document.activeElement.id).trim()";
    let tab_to = |words: &str| {
        let mut passed = Vec::new();
        for _ in 0..20 {
            browser.press(&tab);
            passed.push(browser.script(focused).as_str().unwrap_or_default().to_owned());
            if passed.last().is_some_and(|last| last.contains(words)) {
                return;
            }
        }
        panic!("Tab does not get to {words}: {passed:?}");
    };
    tab_to("Skip to the text");
    tab_to("Ask for this");
    browser.picture("keyboard-focus");
    browser.press(&enter);
    browser.wait_for("Before you write");
    tab_to("purpose");
    browser.press("To show my landlord");
    tab_to("contact");
    browser.press(&enter);
    browser.wait_for("With the owner");
    tab_to("Return code");
    browser.press(&enter);
    browser.wait_for("Whoever has this code");
    let case = world.vault_json(&["requests", "ls"]).remove(0);
    assert!(case.to_string().contains("To show my landlord"), "{case}");
}

#[test]
fn visitor_is_told_that_the_answer_has_been_sent() {
    let world = World::published();
    for look in [Look::Desk, Look::DeskWithoutScript, Look::DeskInTheDark, Look::Phone] {
        let browser = Browser::new(look);
        file(&world, &browser);
        browser.wait_for("Your request has been filed");
        let request = browser.address().rsplit('/').next().unwrap().to_owned();
        let mut owner = Owner::run(&world, &["requests", "ask", &request, "--words", "How many are you?"]);
        owner.read_to_the_end();
        owner.type_word();
        assert_eq!(owner.wait_for_exit(), 0, "{}", owner.screen());
        browser.wait_for("The owner asks you something");
        browser.fill("#answer", "Twenty-five of us");
        browser.click_text("Send this answer");
        browser.wait_for("Your answer has been sent");
        // It is still said when the page has renewed itself.
        browser.reload();
        let text = browser.wait_for("Your answer has been sent");
        assert!(text.contains("waiting for Mira Example, the owner") && !text.contains("Twenty-five"), "{text}");
        browser.picture(&format!("{look:?}-answered"));
    }
}

#[test]
fn words_wait_while_all_is_stopped_and_their_page_stands_still() {
    let world = World::published();
    let browser = Browser::new(Look::Desk);
    file(&world, &browser);
    browser.wait_for("Your request has been filed");
    let request = browser.address().rsplit('/').next().unwrap().to_owned();
    Owner::declare(&world, &["requests", "ask", &request, "--words", "How many are you?"]);
    browser.wait_for("The owner asks you something");
    Owner::declare(&world, &["freeze", "--reason", "a lost laptop"]);
    browser.reload();
    let text = browser.wait_for("The owner’s words wait for now");
    assert!(!text.contains("How many are you?"), "{text}");
    // What the page is told of the request before this, it is told again now: it must not make it begin anew.
    let told = browser.script_with_answer(
        "window.still = true;
        const ask = () => {
            const source = new EventSource(`${location.pathname}/events`);
            source.addEventListener('changed', (event) => { source.close(); arguments[0](event.data); });
        };
        document.readyState === 'complete' ? ask() : addEventListener('load', ask);",
    );
    assert_eq!((told.as_str(), browser.script("return window.still").as_bool()), (Some("withheld"), Some(true)));
    browser.picture("withheld");
    Owner::declare(&world, &["thaw"]);
    browser.wait_within(std::time::Duration::from_secs(60), "The owner asks you something");
}

#[test]
fn telephone_needs_no_sideways_scrolling() {
    let world = World::new();
    let long = "A title of one very long word: Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz";
    world.add(long, "law.txt", b"Repealed.\n");
    world.publish(sample::DOCUMENTS);
    let browser = Browser::new(Look::Phone);
    let look = |name: &str| {
        let width = browser.script("return [innerWidth, document.documentElement.scrollWidth]");
        assert_eq!(width.to_string(), "[390,390]", "{name}");
        browser.picture(&format!("phone-{name}"));
    };
    browser.open(&world.url("/"));
    look("home");
    browser.fill("#question", "When is the workshop open?\u{E007}");
    browser.wait_for("Tuesday to Friday");
    look("answer");
    for (path, name) in [("/about", "about"), ("/published/0", "document"), ("/return", "return"), ("/nothing", "gone")]
    {
        browser.open(&world.url(path));
        look(name);
    }
    browser.open(&world.url("/"));
    browser.click(".catalogue a.act");
    browser.wait_for("Before you write");
    look("form");
    browser.fill("#purpose", "To read it");
    browser.click_text("File this request");
    browser.wait_for("With the owner");
    browser.click("details.key summary");
    look("waiting");
    let request = browser.address().rsplit('/').next().unwrap().to_owned();
    let mut owner = Owner::run(&world, &["requests", "approve", &request]);
    owner.read_to_the_end();
    owner.type_word();
    browser.wait_for("The owner has approved this for you");
    browser.click("details summary");
    look("ready");
    browser.click_text("Read it here");
    browser.wait_for("Complete.");
    look("show");
}

#[test]
fn axe_finds_nothing_to_complain_about() {
    let path = bins::target().join("axe/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(&path);
    let axe = axe.unwrap_or_else(|error| panic!("{}: {error}; `tests/run suite` fetches it", path.display()));
    let mut world = World::new();
    world.add("Letter of recommendation", "letter.txt", b"A good carpenter.\n");
    world.publish(sample::DOCUMENTS);
    for look in [Look::Desk, Look::DeskInTheDark] {
        let browser = Browser::new(look);
        let check = |name: &str| {
            browser.script(&format!("{axe}\nwindow.axe = axe;"));
            let found = browser.script_with_answer(
                "axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'] }).then(result => \
                 arguments[0](result.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' | '))))",
            );
            assert_eq!(found, serde_json::json!([]), "{name}, {look:?}");
            browser.picture(&format!("{look:?}-{name}"));
        };
        browser.open(&world.url("/"));
        browser.fill("#question", "When is the workshop open?\u{E007}");
        browser.wait_for("Tuesday to Friday");
        check("answer");
        for (path, name) in [("/about", "about"), ("/published/0", "document"), ("/return", "return"), ("/no", "gone")]
        {
            browser.open(&world.url(path));
            check(name);
        }
        browser.open(&world.url("/requests/new"));
        browser.script("document.getElementById('purpose').required = false");
        browser.fill("#question", "May I visit?");
        browser.click_text("File this request");
        browser.wait_for("Please write what you need it for");
        check("form-fault");
        browser.fill("#purpose", "A school trip");
        browser.click_text("File this request");
        browser.wait_for("With the owner");
        browser.click("details.key summary");
        check("waiting");
        assert!(world.vault_node().stop().success());
        browser.open(&world.url("/requests/new"));
        check("form-away");
        browser.fill("#question", "May I visit?");
        browser.fill("#purpose", "A school trip");
        browser.click_text("File this request");
        browser.wait_for("Kept here, not yet handed over");
        check("kept");
        world.start_vault(&[]);
        world.wait_for_link();
    }
}
