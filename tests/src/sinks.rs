//! Listening at every sink of a pair of nodes ([`crate::oracle::Sink`]).

use crate::node::Node;
use crate::process::{self, Crash};
use crate::tap::{LinkTap, PageTap};
use crate::{Oracle, Page, Sink, Visitor, World, until};
use reqwest::Method;
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The files that hold keys, below either home; each is for its owner alone.
pub const KEYS: [&str; 7] = [
    "vault/config/owner_ed25519",
    "vault/state/node-key.pem",
    "vault/state/log-key.pem",
    "vault/state/sealing-key.hex",
    "vault/state/store-key.hex",
    "reception/state/node-key.pem",
    "reception/state/witness-key.pem",
];

/// Where programs usually answer with figures about themselves.
const USUAL_PLACES: [&str; 12] = [
    "/metrics",
    "/metrics/",
    "/stats",
    "/status",
    "/health",
    "/healthz",
    "/varz",
    "/debug/vars",
    "/debug/pprof/",
    "/server-status",
    "/actuator/prometheus",
    "/.well-known/metrics",
];

/// A pair of nodes that log all they can, with taps between them and in front.
pub struct Ears {
    /// The nodes.
    pub world: World,
    link: LinkTap,
    page: PageTap,
    /// Where the last panic's words begin in each log.
    begun: [usize; 2],
}

impl Ears {
    /// Both nodes, paired through a tap, started with these variables in their environments.
    pub fn on_a_new_world(variables: &[(&str, &str)]) -> Self {
        let mut world = World::unpaired();
        world.restart_to_debug(variables);
        let link = LinkTap::between(&world);
        let page = PageTap::before(&world);
        Self { world, link, page, begun: [0; 2] }
    }

    /// Somebody new, in front of the tap.
    pub fn visitor(&self) -> Visitor {
        Visitor::at(&self.page.url)
    }

    /// Listens at everything that came out so far and everything that lies about, but for panics and cores, which come of
    /// their own methods, and receipts, which visitors hold.
    pub fn listen(&mut self, oracle: &mut Oracle) {
        oracle.hear(Sink::Calls, &self.link.calls.bytes());
        oracle.hear(Sink::Replies, &self.link.replies.bytes());
        let (requests, responses) = (self.page.requests.bytes(), self.page.responses.bytes());
        oracle.hear(Sink::PageRequests, &requests);
        oracle.hear(Sink::PageResponses, &responses);
        oracle.hear(Sink::Urls, urls(&requests, &responses).as_bytes());
        listen_to_vault(&mut self.world, oracle);
        oracle.hear(Sink::ReceptionLog, self.world.reception_node().log().as_bytes());
        oracle.hear(Sink::ReceptionProcess, &process::shown(self.world.reception_node().pid()));
        let root = self.world.root().to_owned();
        disk(&root, &root.join("reception"), &mut |bytes| oracle.hear(Sink::ReceptionDisk, bytes));
        self.listen_to_scratch(oracle);
        for (place, page) in figures(&self.visitor()) {
            let alive = place == "/healthz" && page.body == b"ok\n";
            assert!(page.status == 404 || alive, "{place} tells figures: {}", page.text());
            listen_to_figures(oracle, &page);
        }
        self.check_sockets();
    }

    /// Listens at the folder that editors and viewers work in: empty, unless one is open.
    pub fn listen_to_scratch(&self, oracle: &mut Oracle) {
        let root = self.world.root();
        disk(root, &root.join("tmp"), &mut |bytes| oracle.hear(Sink::Scratch, bytes));
    }

    /// The vault waits for nobody on the network, and the reception at its page and its link alone.
    fn check_sockets(&mut self) {
        let kinds = |pid| -> Vec<String> {
            let kind = |socket: String| socket.split(' ').next().unwrap().trim_end_matches('6').to_owned();
            process::listens(pid).into_iter().map(kind).collect()
        };
        let vault = kinds(self.world.vault_node().pid());
        // QUIC's own socket is not connected to its peer.
        assert!(vault.len() <= 1 && vault.iter().all(|kind| kind == "udp"), "the vault listens: {vault:?}");
        let reception = kinds(self.world.reception_node().pid());
        assert!(reception == ["tcp", "udp"], "the reception listens elsewhere too: {reception:?}");
    }

    /// Starts the vault to panic at this point with these variables too, does this again and again until it has got there,
    /// and listens to what it says.
    pub fn panic_vault(&mut self, oracle: &mut Oracle, at: &str, words: &[(&str, &str)], mut act: impl FnMut()) {
        // In order, so that the link's other end knows at once.
        self.world.vault_node().stop();
        self.begun[0] = self.world.vault_node().log().len();
        self.world.start_vault(&[words, &[("WEBIZEN_DANGER_PANIC_AT", at)]].concat());
        until(&format!("the vault panics at {at}"), || {
            act();
            panicked(self.world.vault_node(), self.begun[0], at)
        });
        self.listen_to_panics(oracle);
    }

    /// As [`Ears::panic_vault`], for the reception.
    pub fn panic_reception(&mut self, oracle: &mut Oracle, at: &str, words: &[(&str, &str)], mut act: impl FnMut()) {
        self.world.reception_node().stop();
        self.begun[1] = self.world.reception_node().log().len();
        self.world.start_reception(&[words, &[("WEBIZEN_DANGER_PANIC_AT", at)]].concat());
        until(&format!("the reception panics at {at}"), || {
            act();
            panicked(self.world.reception_node(), self.begun[1], at)
        });
        self.listen_to_panics(oracle);
    }

    fn listen_to_panics(&mut self, oracle: &mut Oracle) {
        let [vault, reception] = self.begun;
        oracle.hear(Sink::VaultPanic, &self.world.vault_node().log().as_bytes()[vault..]);
        oracle.hear(Sink::ReceptionPanic, &self.world.reception_node().log().as_bytes()[reception..]);
    }

    /// Crashes both nodes, and listens to what they say and leave.
    ///
    /// # Panics
    /// When one of them is dumped.
    pub fn crash(&mut self, oracle: &mut Oracle, signal: Signal) {
        let vault = process::crash(self.world.vault_node(), signal);
        let reception = process::crash(self.world.reception_node(), signal);
        self.listen_to_panics(oracle);
        listen_to_core(oracle, Sink::VaultCore, &vault);
        listen_to_core(oracle, Sink::ReceptionCore, &reception);
        for (name, crash) in [("vault", vault), ("reception", reception)] {
            assert!(!crash.dumped && crash.cores.is_empty(), "the {name} was dumped");
        }
    }
}

/// Listens to what the vault logs, shows of itself, and has on its disk.
pub fn listen_to_vault(world: &mut World, oracle: &mut Oracle) {
    oracle.hear(Sink::VaultLog, world.vault_node().log().as_bytes());
    oracle.hear(Sink::VaultProcess, &process::shown(world.vault_node().pid()));
    let root = world.root();
    disk(root, &root.join("vault"), &mut |bytes| oracle.hear(Sink::VaultDisk, bytes));
}

/// Listens to what a crash has left: nothing, or core files.
pub fn listen_to_core(oracle: &mut Oracle, sink: Sink, crash: &Crash) {
    crash.cores.iter().for_each(|core| oracle.hear(sink, core));
}

/// Whether a node has panicked there since its log had so many bytes.
fn panicked(node: &Node, begun: usize, at: &str) -> Option<()> {
    let point = at.split('#').next().unwrap();
    node.log()[begun..].contains(&format!("danger: panicked at {point}")).then_some(())
}

/// What answers at the usual places for figures.
pub fn figures(visitor: &Visitor) -> Vec<(&'static str, Page)> {
    let answer = |place| (place, visitor.send(visitor.request(Method::GET, place)).unwrap());
    USUAL_PLACES.into_iter().map(answer).collect()
}

/// Listens to such an answer.
pub fn listen_to_figures(oracle: &mut Oracle, page: &Page) {
    oracle.hear(Sink::Metrics, format!("{:?}", page.headers).as_bytes());
    oracle.hear(Sink::Metrics, &page.body);
}

/// The targets and referrers of requests, the locations of responses, and what pages link to.
fn urls(requests: &[u8], responses: &[u8]) -> String {
    let (requests, responses) = (String::from_utf8_lossy(requests), String::from_utf8_lossy(responses));
    let field = |line: &str, name: &str| line.to_ascii_lowercase().starts_with(name);
    let asked = requests.lines().filter(|line| line.ends_with(" HTTP/1.1") || field(line, "referer:"));
    let sent = responses.lines().filter(|line| field(line, "location:") || field(line, "content-location:"));
    let linked = [" href=\"", " src=\"", " action=\"", "url="]
        .into_iter()
        .flat_map(|attribute| responses.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()));
    asked.chain(sent).chain(linked).collect::<Vec<_>>().join("\n")
}

/// Hands over the name and the content of everything below `folder`; of keys, only that they are for their owner alone.
fn disk(root: &Path, folder: &Path, hear: &mut impl FnMut(&[u8])) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        hear(path.as_os_str().as_encoded_bytes());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            disk(root, &path, hear);
        } else if KEYS.iter().any(|key| root.join(key) == path) {
            let mode = fs::metadata(&path).unwrap().mode() & 0o777;
            assert_eq!(mode, 0o600, "{} is for others too", path.display());
        } else if kind.is_file() {
            // It may be gone: nodes replace their files.
            fs::read(&path).iter().for_each(|content| hear(content));
        }
    }
}
