//! The power fails at every named point; the nodes are started again and everything goes on. Nothing that was acknowledged
//! is lost, and no approval releases twice.

use std::fs;
use tests::{Node, Owner, Visitor, World, until};

const LETTER: &[u8] = b"An invented letter that must arrive once.\n";
/// Rounds of one point: the first hits it at its first passing, the second at its second, and so on.
const ROUNDS: usize = 6;

/// Lives one request at a time, while a node dies at `point`.
struct Drill {
    world: World,
    visitor: Visitor,
    item: String,
    node: Side,
    point: &'static str,
    /// Deaths there that were seen.
    deaths: usize,
    released: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Vault,
    Reception,
}

impl Drill {
    fn new(node: Side, point: &'static str) -> Self {
        let world = World::new();
        let item = world.add("Letter", "letter.txt", LETTER);
        world.publish(&[("about.md", "# About\n\nA workshop.\n")]);
        let visitor = Visitor::new(&world);
        Self { world, visitor, item, node, point, deaths: 0, released: Vec::new() }
    }

    /// One request's whole life with the power failing at the `n`th passing of the point; whether it was passed so often.
    fn round(&mut self, n: usize) -> bool {
        let hits = self.hits();
        self.restart(&[("WEBIZEN_DANGER_KILL_AT", &format!("{}#{n}", self.point))]);
        let request = self.file();
        self.approve(&request);
        self.collect(&request);
        self.released.push(request);
        let hit = self.hits() > hits;
        self.restart(&[]);
        self.check();
        hit
    }

    fn node(&mut self) -> &mut Node {
        match self.node {
            Side::Vault => self.world.vault_node(),
            Side::Reception => self.world.reception_node(),
        }
    }

    fn hits(&mut self) -> usize {
        let words = format!("danger: killed at {}", self.point);
        self.node().log().matches(&words).count()
    }

    fn restart(&mut self, variables: &[(&str, &str)]) {
        self.node().kill().unwrap();
        // It may have died at the point meanwhile.
        self.deaths = self.hits();
        match self.node {
            Side::Vault => self.start_vault(variables),
            Side::Reception => self.start_reception(variables),
        }
    }

    /// Starts the vault, again if it dies while it starts.
    fn start_vault(&mut self, variables: &[(&str, &str)]) {
        self.world.vault_node().start(variables);
        let socket = self.world.vault_node().home().join("run/desk.sock");
        let world = &mut self.world;
        until("the vault answers or dies", || {
            let up = std::os::unix::net::UnixStream::connect(&socket).is_ok();
            (up || !world.vault_node().runs()).then_some(())
        });
        self.revive();
    }

    fn start_reception(&mut self, variables: &[(&str, &str)]) {
        self.world.reception_node().start(variables);
        let (page, world) = (self.world.url("").replace("http://", ""), &mut self.world);
        until("the reception answers or dies", || {
            let up = std::net::TcpStream::connect(&page).is_ok();
            (up || !world.reception_node().runs()).then_some(())
        });
        self.revive();
    }

    /// Starts the node again that has died where it was to, without a fuse.
    fn revive(&mut self) {
        if !self.node().runs() {
            self.node().kill().unwrap();
            self.deaths += 1;
            assert_eq!(self.hits(), self.deaths, "it died elsewhere than at {}", self.point);
            match self.node {
                Side::Vault => self.world.start_vault(&[]),
                Side::Reception => self.world.start_reception(&[]),
            }
        }
        let other = match self.node {
            Side::Vault => self.world.reception_node(),
            Side::Reception => self.world.vault_node(),
        };
        assert!(other.runs(), "the node that was not to die has ended");
    }

    /// Does `act` again and again, reviving the nodes between tries, until it succeeds.
    fn insist<T>(&mut self, what: &str, mut act: impl FnMut(&mut Self) -> Option<T>) -> T {
        let deadline = std::time::Instant::now() + tests::PATIENCE;
        loop {
            self.revive();
            if let Some(value) = act(self) {
                return value;
            }
            assert!(std::time::Instant::now() < deadline, "it did not happen that {what}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// Sends one and the same form until it is acknowledged.
    fn file(&mut self) -> String {
        let path = format!("/requests/new?item={}", self.item);
        let get = |drill: &mut Self| {
            let request = drill.visitor.request(reqwest::Method::GET, &path);
            drill.visitor.send(request).ok()?.field("seed")
        };
        let seed = self.insist("the form comes", get);
        self.insist("the request is acknowledged", |drill| {
            let fields = [("seed", seed.as_str()), ("item", &drill.item), ("purpose", "a reference")];
            let page = drill.visitor.send(drill.visitor.form("/requests", &fields)).ok()?;
            let cookie = page.header("set-cookie").split(';').next()?.to_owned();
            let id = page.header("location").strip_prefix("/requests/").filter(|_| page.status == 303)?.to_owned();
            let (name, value) = cookie.split_once('=')?;
            drill.visitor.set_cookies([(name.to_owned(), value.to_owned())].into());
            Some(id)
        })
    }

    /// The request must be in the vault or in the spool, since it was acknowledged; the owner tries until it is released.
    fn approve(&mut self, request: &str) {
        self.insist("the request is released", |drill| {
            // Looked at first: what leaves the spool is in the vault by then.
            let spooled = drill.world.spooled(request).exists();
            let shown = drill.world.vault(&["requests", "show", request, "--json"]);
            if shown.code != 0 {
                let known = spooled || !shown.stderr.contains("no such request");
                assert!(known, "an acknowledged request is lost");
                return None;
            }
            let case: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
            if case["stage"] == "released" {
                return Some(());
            }
            if case["draft"].is_null() {
                return None;
            }
            let mut owner = Owner::run(&drill.world, &["requests", "approve", request]);
            if drill.pages(&mut owner) {
                owner.type_word();
            }
            owner.wait_for_exit();
            None
        });
    }

    /// Whether the request's pages came, rather than the command ending because the vault died.
    fn pages(&self, owner: &mut Owner) -> bool {
        until("the pages come, or the command ends", || {
            let screen = owner.screen();
            let came = screen.contains("page 1 of ");
            (came || screen.contains("vault: ")).then_some(came)
        }) && {
            owner.read_to_the_end();
            true
        }
    }

    fn collect(&mut self, request: &str) {
        let path = format!("/requests/{request}/save");
        self.insist("the release arrives whole", |drill| {
            let page = drill.visitor.send(drill.visitor.form(&path, &[])).ok()?;
            (page.status == 200).then(|| assert_eq!(page.body, LETTER))
        });
    }

    /// Every release so far: once in the log, collected once, with evidence.
    fn check(&mut self) {
        for request in self.released.clone() {
            let case = &self.world.vault_json(&["requests", "show", &request])[0];
            assert_eq!((&case["stage"], &case["release"]["collected"]), (&"released".into(), &1.into()), "{case}");
            let scratch = tempfile::tempdir_in(self.world.root()).unwrap();
            let folder = scratch.path().join("evidence");
            self.world.vault(&["evidence", "export", &request, folder.to_str().unwrap()]).ok();
            let (right, output) = tests::tools::check_receipt(&[&folder.join("receipt.json")]);
            assert!(right, "{output}");
        }
        let log = self.world.leaves();
        for kind in ["filed", "prepared", "approved", "collected"] {
            let count = log.iter().filter(|leaf| tests::world::kind(leaf) == kind).count();
            assert_eq!(count, self.released.len(), "{kind} entries:\n{log:#?}");
        }
    }
}

/// Rounds until the point is passed less often than the round's number.
fn drill(node: Side, point: &'static str) {
    let mut drill = Drill::new(node, point);
    let mut hits = 0;
    for n in 1..=ROUNDS {
        if !drill.round(n) {
            break;
        }
        hits += 1;
    }
    assert!(hits >= 1, "{point} was never passed");
    eprintln!("{point}: killed {hits} times, {} releases, each once", drill.released.len());
}

macro_rules! points {
    ($($name:ident: $side:ident, $point:literal;)*) => {
        $(#[test] fn $name() { drill(Side::$side, $point); })*
    };
}

points! {
    before_a_commit: Vault, "commit:before";
    after_a_commit: Vault, "commit:after";
    after_a_checkpoint: Vault, "checkpoint:after";
    before_a_reply: Vault, "reply:before";
    after_a_reply: Vault, "reply:after";
    before_a_payload: Vault, "payload:first";
    at_the_end_of_a_payload: Vault, "payload:last";
    before_a_reply_to_the_desk: Vault, "desk:reply:before";
    after_a_reply_to_the_desk: Vault, "desk:reply:after";
    before_a_call: Reception, "call:before";
    after_a_call: Reception, "call:after";
}

#[test]
#[should_panic(expected = "vault had ended by itself (exit status: 5)")]
fn a_vault_whose_writer_ended_is_not_taken_for_one_that_lost_power() {
    let mut drill = Drill::new(Side::Vault, "commit:before");
    drill.restart(&[("WEBIZEN_DANGER_PANIC_AT", "commit:before")]);
    // The reception keeps it, where the vault has ended before.
    let request = drill.file();
    drill.approve(&request);
}

#[test]
fn a_vault_that_stops_is_left_by_all_its_threads_before_their_library_is_gone() {
    let mut world = World::new();
    let shim = tests::tools::shim("parting", world.root());
    world.kill_vault();
    world.start_vault(&[("LD_PRELOAD", shim.to_str().unwrap())]);
    // The thread that writes has then used the library.
    world.add("Letter", "letter.txt", LETTER);
    assert!(world.vault_node().stop().success());
    let log = world.vault_node().log();
    let [begun, ended] = ["parting", "parted"].map(|word| log.matches(&format!("libcrypto: {word}\n")).count());
    assert!(begun > 0 && begun == ended, "{begun} threads began to leave, and {ended} had left:\n{log}");
    world.start_vault(&[]);
}

#[test]
fn a_reception_that_dies_while_it_stores_a_publication_serves_it_afterwards() {
    for point in ["publication:before", "publication:after"] {
        let mut world = World::published();
        world.kill_reception();
        world.start_reception(&[("WEBIZEN_DANGER_KILL_AT", point)]);
        world.wait_for_link();
        let folder = tempfile::tempdir_in(world.root()).unwrap();
        fs::write(folder.path().join("new.md"), "# Bees\n\nThe hives stand behind the barn.\n").unwrap();
        let out = folder.path().join("out").display().to_string();
        world.vault(&["publish", folder.path().to_str().unwrap(), "--prepare", &out]).ok();
        tests::tools::sign(&world.owner_key(), &format!("{out}/statement"));
        world.vault(&["publish", "--submit", &out]).ok();
        world.reception_node().wait_for_end();
        assert!(world.reception_node().log().contains(&format!("danger: killed at {point}")));
        world.start_reception(&[]);
        let visitor = Visitor::new(&world);
        until("the new publication is served", || visitor.get("/").text().contains("Bees").then_some(()));
    }
}

#[test]
fn a_reception_that_loses_power_is_found_out_before_the_link_s_idle_time() {
    let mut world = World::new();
    world.kill_reception();
    world.start_reception(&[]);
    let idle = std::time::Duration::from_secs(shared::limits::IDLE);
    tests::within(idle, "the vault dials again", || {
        world.vault_node().log().contains("has restarted; dial again").then_some(())
    });
    world.wait_for_link();
}

/// A vault without one of its parts would be taken for a whole one by whoever looks at its process.
#[test]
fn a_vault_of_which_a_part_has_failed_stops_and_says_so() {
    for point in ["sweep#3", "lanes#2", "lane#2"] {
        let mut world = World::new();
        let paired = world.vault_json(&["receptions"]).remove(0)["name"].as_str().unwrap().to_owned();
        assert!(world.vault_node().stop().success());
        world.start_vault(&[("WEBIZEN_DANGER_PANIC_AT", point)]);
        match point {
            // The pairings are read again, and it stops at once.
            "lanes#2" => drop(world.vault(&["unpair", &paired])),
            // It dials again.
            "lane#2" => world.kill_reception(),
            _ => {}
        }
        let ended = world.vault_node().wait_for_end();
        let log = world.vault_node().log();
        assert_eq!(ended.code(), Some(1), "{point}: {log}");
        assert!(log.contains("a part of the vault has failed, and it stops"), "{point}: {log}");
        world.start_vault(&[]);
        world.vault(&["status"]).ok();
    }
}

#[test]
fn systemd_hears_of_a_vault_that_works() {
    let mut world = World::new();
    assert!(world.vault_node().stop().success());
    let path = world.root().join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    world.start_vault(&[("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "200000")]);
    let (mut heard, mut buffer) = (Vec::new(), [0; 1024]);
    while heard.iter().filter(|words: &&String| words.contains("WATCHDOG=1")).count() < 3 {
        let length = socket.recv(&mut buffer).unwrap();
        heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    assert!(heard.iter().any(|words| words.contains("READY=1")), "{heard:?}");
}
