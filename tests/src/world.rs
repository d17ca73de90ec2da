//! A pair of nodes on this machine, paired as an owner pairs them.

use crate::node::{Node, clean};
use crate::{bins, sample, tools, until};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A vault, a reception, and the folder that both live in. All of it ends and is removed on drop.
///
/// Set `TESTS_KEEP` to keep the folder.
pub struct World {
    // Before the folder, so that nobody writes there any more when it goes.
    vault: Node,
    reception: Node,
    http: String,
    root: TempDir,
}

/// How a command ended, and what it printed.
#[derive(Debug)]
pub struct Ran {
    /// The exit status; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Standard output, without white space around it.
    ///
    /// # Panics
    /// When the command failed.
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:#?}");
        self.stdout.trim().to_owned()
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// Both nodes, running and paired, the link up; nothing is published.
    pub fn new() -> Self {
        let mut world = Self::unpaired();
        world.pair();
        world
    }

    /// [`World::new`], and [`sample::DOCUMENTS`] published.
    pub fn published() -> Self {
        let world = Self::new();
        world.publish(sample::DOCUMENTS);
        world
    }

    /// Both nodes, running and strangers to each other.
    pub fn unpaired() -> Self {
        Self::begun_with(&["--no-passphrase"])
    }

    /// [`World::unpaired`], with these arguments for `vault init`.
    pub fn begun_with(arguments: &[&str]) -> Self {
        let root = tempfile::Builder::new().prefix("webizen-").tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let vault = Node::new(bins::vault(), at("vault"), at("vault.log"));
        let reception = Node::new(bins::reception(), at("reception"), at("reception.log"));
        fs::create_dir(at("tmp")).unwrap();
        let mut world = Self { vault, reception, http: String::new(), root };
        world.vault(&[&["init", "--owner-name", "Mira Example"], arguments].concat()).ok();
        world.reception(&["init", "--name", "front", "--link", "127.0.0.1:0", "--http", "127.0.0.1:0"]).ok();
        world.start_vault(&[]);
        world.start_reception(&[]);
        world.pin_ports();
        world
    }

    /// [`World::unpaired`], with two owners who must both sign; their private keys, the first of which is used unless a
    /// command names another, and the folder that these are in.
    pub fn of_two_owners() -> (Self, [PathBuf; 2], TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let keys = ["one", "two"].map(|name| folder.path().join(name));
        for key in &keys {
            let mut command = Command::new("ssh-keygen");
            assert!(command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(key).status().unwrap().success());
        }
        let [one, two] = keys.each_ref().map(|key| key.with_extension("pub").display().to_string());
        let world = Self::begun_with(&["--owner-key", &one, "--owner-key", &two, "--quorum", "2"]);
        (world, keys, folder)
    }

    /// Carries the two lines.
    pub fn pair(&mut self) {
        let line = self.reception(&["id"]).ok();
        let line = self.vault(&["pair", &line]).ok();
        self.reception(&["pair", &line]).ok();
        self.wait_for_link();
    }

    /// The folder that everything of this world is in.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The page's address with this path, which begins with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.http)
    }

    /// The vault's process.
    pub fn vault_node(&mut self) -> &mut Node {
        &mut self.vault
    }

    /// The reception's process.
    pub fn reception_node(&mut self) -> &mut Node {
        &mut self.reception
    }

    /// Runs a command of the vault without a terminal.
    pub fn vault(&self, arguments: &[&str]) -> Ran {
        self.run(bins::vault(), self.vault.home(), arguments)
    }

    /// Runs a command of the reception.
    pub fn reception(&self, arguments: &[&str]) -> Ran {
        self.run(bins::reception(), self.reception.home(), arguments)
    }

    /// The JSON objects that a command of the vault prints with `--json`, which is added.
    pub fn vault_json(&self, arguments: &[&str]) -> Vec<serde_json::Value> {
        let lines = self.vault(&[arguments, &["--json"]].concat()).ok();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn run(&self, binary: &Path, home: &Path, arguments: &[&str]) -> Ran {
        let mut command = clean(binary);
        command.arg("--home").arg(home).args(arguments).current_dir(self.root());
        command.env("XDG_RUNTIME_DIR", self.root().join("tmp")).stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Starts the vault and waits until its desk answers. `variables` are added to its environment, such as
    /// `("WEBIZEN_DANGER_KILL_AT", "commit:after#2")`.
    pub fn start_vault(&mut self, variables: &[(&str, &str)]) {
        self.vault.start(variables);
        let socket = self.vault.home().join("run/desk.sock");
        let node = &mut self.vault;
        until("the vault's desk answers", || {
            assert!(node.runs(), "the vault has ended:\n{}", node.log_tail());
            std::os::unix::net::UnixStream::connect(&socket).ok()
        });
    }

    /// Starts the reception and waits until its page answers.
    pub fn start_reception(&mut self, variables: &[(&str, &str)]) {
        let file = self.reception.home().join("run/addresses.toml");
        // What a killed reception left there is not true any more.
        drop(fs::remove_file(&file));
        self.reception.start(variables);
        let node = &mut self.reception;
        self.http = until("the reception's page answers", || {
            assert!(node.runs(), "the reception has ended:\n{}", node.log_tail());
            let address = address(&fs::read_to_string(&file).ok()?, "http")?;
            std::net::TcpStream::connect(&address).ok().map(|_| format!("http://{address}"))
        });
    }

    /// Stops both nodes and starts them again, with as much in their logs as can be had, and with these variables in their
    /// environments.
    pub fn restart_to_debug(&mut self, variables: &[(&str, &str)]) {
        for (node, file) in [(&self.vault, "vault.toml"), (&self.reception, "reception.toml")] {
            let path = node.home().join("config").join(file);
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text.replace("level = \"info\"", "level = \"debug\"")).unwrap();
        }
        assert!(self.vault.stop().success() && self.reception.stop().success());
        self.start_vault(variables);
        self.start_reception(variables);
    }

    /// SIGKILL to the vault.
    ///
    /// # Panics
    /// When it had ended by itself.
    pub fn kill_vault(&mut self) {
        self.vault.kill().unwrap();
    }

    /// SIGKILL to the reception.
    ///
    /// # Panics
    /// When it had ended by itself.
    pub fn kill_reception(&mut self) {
        self.reception.kill().unwrap();
    }

    /// Where the reception hears its vault.
    pub fn link_address(&mut self) -> std::net::SocketAddr {
        crate::adversary::link_address(self.reception_node().home())
    }

    /// Waits until both sides say that the link is up.
    pub fn wait_for_link(&self) {
        until("the link is up", || self.link_is_up().then_some(()));
    }

    /// Whether the vault says that the link to every paired reception is up.
    pub fn link_is_up(&self) -> bool {
        let lanes = self.vault_json(&["receptions"]);
        !lanes.is_empty() && lanes.iter().all(|lane| lane["up"] == true)
    }

    /// The file in which the reception keeps a request while the vault is away.
    pub fn spooled(&self, request: &str) -> PathBuf {
        self.reception.home().join("state/spool").join(format!("{request}.sealed"))
    }

    /// Whether the reception keeps no request for the vault.
    pub fn nothing_is_kept(&self) -> bool {
        let kept = std::fs::read_dir(self.reception.home().join("state/spool")).unwrap();
        kept.map(|file| file.unwrap().path()).all(|path| path.extension().is_none_or(|name| name != "sealed"))
    }

    /// Starts the reception again with a spool that takes no more: all its room is taken by what was set aside.
    pub fn fill_spool(&mut self) {
        self.kill_reception();
        let ballast = fs::File::create(self.reception.home().join("state/spool/set-aside/ballast")).unwrap();
        ballast.set_len(shared::limits::SPOOL_BYTES).unwrap();
        self.start_reception(&[]);
        self.wait_for_link();
    }

    /// The vault's store, opened with its key.
    fn store(&self) -> rusqlite::Connection {
        let state = self.vault.home().join("state");
        let key = fs::read_to_string(state.join("store-key.hex")).unwrap();
        let store = rusqlite::Connection::open(state.join("store.db")).unwrap();
        store.execute_batch(&format!("PRAGMA key = \"x'{}'\"", key.trim())).unwrap();
        store
    }

    /// Changes the vault's store behind its back, with its key.
    ///
    /// # Panics
    /// When nothing is changed by these words.
    pub fn change_store(&self, sql: &str) {
        let store = self.store();
        store.busy_timeout(crate::PATIENCE).unwrap();
        assert_ne!(store.execute(sql, []).unwrap(), 0, "{sql}");
    }

    /// Every entry of the evidence log, read from the store with its key; each has lines.
    pub fn leaves(&self) -> Vec<String> {
        let store = self.store();
        let mut rows = store.prepare("SELECT leaf FROM leaf ORDER BY idx").unwrap();
        let leaves = rows.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        leaves.map(|leaf| String::from_utf8(leaf.unwrap()).unwrap()).collect()
    }

    /// Puts a file into the vault, listed under `title`; the item's id.
    pub fn add(&self, title: &str, name: &str, bytes: &[u8]) -> String {
        let path = self.file(name, bytes);
        self.vault(&["add", "--listed", "--title", title, path.to_str().unwrap()]).ok();
        let items = self.vault_json(&["items"]);
        let item = items.iter().rfind(|item| item["title"] == title).expect("the item was added");
        item["id"].as_str().unwrap().to_owned()
    }

    /// Writes a file into this world's folder.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.root().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The owner's private key.
    pub fn owner_key(&self) -> PathBuf {
        self.vault.home().join("config/owner_ed25519")
    }

    /// Publishes these documents (file name, Markdown) and the titles of the listed items, signed with the real
    /// `ssh-keygen`, and waits until the reception serves them.
    pub fn publish(&self, documents: &[(&str, &str)]) {
        let folder = tempfile::tempdir_in(self.root()).unwrap();
        for (name, markdown) in documents {
            fs::write(folder.path().join(name), markdown).unwrap();
        }
        let out = folder.path().join("out");
        let out = out.to_str().unwrap();
        self.vault(&["publish", folder.path().to_str().unwrap(), "--prepare", out]).ok();
        tools::sign(&self.owner_key(), &format!("{out}/statement"));
        self.vault(&["publish", "--submit", out]).ok();
        let statement = fs::read_to_string(format!("{out}/statement")).unwrap();
        self.wait_for_publication(&statement);
    }

    /// Waits until the reception has this publication on its disk and serves it.
    fn wait_for_publication(&self, statement: &str) {
        let state = self.reception.home().join("state");
        until("the reception serves the publication", || tools::holds(&state, statement.as_bytes()).then_some(()));
        let page = crate::Visitor::new(self);
        until("the page shows the publication", || {
            let page = page.get("/").text();
            (!page.contains("Nothing has been published")).then_some(())
        });
    }

    /// Keeps the ports over restarts: the vault knows the reception by one address.
    fn pin_ports(&self) {
        let home = self.reception.home();
        let addresses = fs::read_to_string(home.join("run/addresses.toml")).unwrap();
        let path = home.join("config/reception.toml");
        let mut text = fs::read_to_string(&path).unwrap();
        for section in ["link", "http"] {
            let address = address(&addresses, section).unwrap();
            let at = text.find(&format!("[{section}]")).unwrap();
            let rest = text.split_off(at).replacen("\"127.0.0.1:0\"", &format!("\"{address}\""), 1);
            text.push_str(&rest);
        }
        fs::write(&path, text).unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::env::var_os("TESTS_KEEP").is_some() {
            self.root.disable_cleanup(true);
            eprintln!("kept: {}", self.root.path().display());
        }
    }
}

/// What a log entry is about, such as `filed`.
pub fn kind(leaf: &str) -> &str {
    leaf.split('\n').nth(2).unwrap_or_default()
}

/// The address under `name` in what a running reception writes for tools.
fn address(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_prefix('='))?;
    Some(line.trim().trim_matches('"').to_owned())
}
