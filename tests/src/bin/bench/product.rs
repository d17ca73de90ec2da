//! The product's side of each comparison: the real vault, called over the real link; the real reception's first page.

use link::{Identity, Link, Listener, Pins};
use shared::ids::Ticket;
use shared::limits;
use shared::message::{Call, Filing, Hello, PROTOCOLS, Recipient, Reply, Subject, View};
use shared::pairing::{ReceptionLine, VaultLine};
use shared::text::Text;
use shared::time::Time;
use shared::tlog::{Origin, VerifierKey};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) type Fault = Box<dyn std::error::Error + Send + Sync>;

/// A running vault that ends with this value.
pub(crate) struct Vault {
    home: PathBuf,
    child: Child,
}

impl Drop for Vault {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Vault {
    pub(crate) fn start(folder: &Path) -> Result<Self, Fault> {
        let home = folder.join("vault");
        run(vault(&home).args(["init", "--no-passphrase"]))?;
        let child = vault(&home).arg("serve").stderr(Stdio::null()).spawn()?;
        let vault = Self { home, child };
        until("the vault is ready", || Ok(run(self::vault(&vault.home).arg("status")).is_ok()))?;
        Ok(vault)
    }

    /// The vault's own line, after pairing it with this one.
    fn pair(&self, line: &ReceptionLine) -> Result<VaultLine, Fault> {
        Ok(run(vault(&self.home).args(["pair", &line.to_string()]))?.parse()?)
    }
}

fn vault(home: &Path) -> Command {
    let mut command = Command::new(tests::bins::vault());
    command.arg("--home").arg(home);
    command
}

/// Runs a command to its end; its standard output.
pub(crate) fn run(command: &mut Command) -> Result<String, Fault> {
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Polls until `ready`, for ten seconds at most.
pub(crate) fn until(what: &str, mut ready: impl FnMut() -> Result<bool, Fault>) -> Result<(), Fault> {
    let end = Instant::now() + Duration::from_secs(10);
    while !ready()? {
        if Instant::now() > end {
            return Err(format!("in ten seconds it did not happen that {what}").into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// A reception of the bench's own: the other end of the vault's link.
pub(crate) struct Front {
    _listener: Listener,
    pub(crate) link: Link,
}

impl Front {
    pub(crate) async fn pair(vault: &Vault) -> Result<Self, Fault> {
        let identity = Identity::from_pem(&Identity::generate()?)?;
        let pins = Pins::default();
        let listener = link::listen("127.0.0.1:0".parse()?, &identity, pins.clone())?;
        let witness = VerifierKey::new(Origin::new("bench/witness")?, &witness_key())?;
        let line = ReceptionLine {
            name: "bench".parse()?,
            address: listener.local_addr()?.to_string().parse()?,
            pin: identity.pin(),
            witness,
        };
        pins.insert(vault.pair(&line)?.pin);
        loop {
            // The vault's first dial may come before its pin is known here; it dials again.
            match listener.accept().await.ok_or("the listener has ended")? {
                Ok(link) => {
                    hello(&link).await?;
                    return Ok(Self { _listener: listener, link });
                }
                Err(_) => continue,
            }
        }
    }
}

/// A public key that nobody has the private half of.
fn witness_key() -> [u8; 32] {
    ed25519_dalek::SigningKey::from_bytes(&[3; 32]).verifying_key().to_bytes()
}

async fn hello(link: &Link) -> Result<(), Fault> {
    let hello = Hello {
        protocols: PROTOCOLS.to_vec(),
        name: Text::new("bench")?,
        version: "bench".into(),
        clock: Time::from_unix(0),
    };
    let (reply, _) = link.call(&Call::Hello(hello)).await?;
    if matches!(reply, Reply::Welcome(_)) { Ok(()) } else { Err("no welcome".into()) }
}

/// One `status` of a request that waits.
pub(crate) async fn status(link: &Link, ticket: &Ticket) -> Result<(), Fault> {
    let (reply, _) = link.call(&Call::Status { ticket: ticket.clone() }).await?;
    if matches!(reply, Reply::View(View::Waiting)) { Ok(()) } else { Err("the request does not wait".into()) }
}

/// Files one question, durably.
pub(crate) async fn file(link: &Link) -> Result<Ticket, Fault> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)?;
    let ticket = Ticket::from_random(secret);
    let filing = Filing {
        ticket: ticket.hash(),
        subject: Subject::Question(Text::new("Do you still have the invented photograph?")?),
        purpose: Text::new("A family chronicle")?,
        contact: None,
        recipient: Recipient::Ticket,
    };
    let (reply, _) = link.call(&Call::File(filing)).await?;
    if matches!(reply, Reply::Filed) { Ok(ticket) } else { Err("the request was not filed".into()) }
}

/// The most that one lane takes undecided.
pub(crate) const FILINGS: usize = limits::LANE_DAY - 10;

/// A running reception with a publication of the size of a page.
pub(crate) struct Page {
    child: Child,
    pub(crate) url: String,
}

impl Drop for Page {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Page {
    pub(crate) fn start(folder: &Path) -> Result<Self, Fault> {
        let home = folder.join("reception");
        let reception = || {
            let mut command = Command::new(tests::bins::reception());
            command.arg("--home").arg(&home);
            command
        };
        let any = "127.0.0.1:0";
        run(reception().args(["init", "--link", any, "--advertise", any, "--http", any]))?;
        let child = reception().arg("serve").stderr(Stdio::null()).spawn()?;
        let mut page = Self { child, url: String::new() };
        let addresses = home.join("run/addresses.toml");
        until("the reception is ready", || Ok(addresses.exists()))?;
        let text = std::fs::read_to_string(addresses)?;
        let http = text.lines().find_map(|line| line.strip_prefix("http = ")).ok_or("no address")?;
        page.url = format!("http://{}/", http.trim_matches('"'));
        Ok(page)
    }
}

/// nginx with one page, or why there is none.
pub(crate) struct Nginx {
    child: Child,
    pub(crate) url: String,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

impl Nginx {
    pub(crate) fn start(folder: &Path, page: &Path) -> Result<Self, Fault> {
        let free = std::net::TcpListener::bind("127.0.0.1:0")?;
        let address = free.local_addr()?;
        drop(free);
        let root = page.parent().ok_or("no folder")?.display();
        let folder = folder.display();
        let config = format!(
            "daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.err; worker_processes 2; user root;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; sendfile on; types {{ text/html html; }} keepalive_requests 1000000;\n\
             server {{ listen {address}; root {root}; }} }}\n"
        );
        let file = page.with_file_name("nginx.conf");
        std::fs::write(&file, config)?;
        let child = Command::new("nginx").arg("-c").arg(&file).stderr(Stdio::null()).spawn()?;
        let nginx = Self { child, url: format!("http://{address}/index.html") };
        until("nginx is ready", || Ok(std::net::TcpStream::connect(address).is_ok()))?;
        Ok(nginx)
    }
}
