//! A vault for tests: real keys, real signatures by `ssh-keygen`, and a real link.

use crate::peer::Peer;
use link::Identity;
use shared::ids::{Digest, ItemId, Nonce};
use shared::message::{PublicationHead, Title};
use shared::pairing::VaultLine;
use shared::publication::{Bundle, Document, Entry};
use shared::sshsig::{PublicKey, Signers};
use shared::statement::{NAMESPACE, Publication, Statement};
use shared::text::Text;
use shared::time::Time;
use shared::tlog::{Origin, VerifierKey};
use std::fs;
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tracing_subscriber::fmt::MakeWriter;

/// An owner, as OpenSSH knows one.
pub(crate) struct Owner(TempDir);

impl Owner {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(key).status();
        assert!(made.unwrap().success());
        Self(folder)
    }

    pub(crate) fn key(&self) -> PublicKey {
        PublicKey::from_openssh(fs::read_to_string(self.0.path().join("key.pub")).unwrap().trim()).unwrap()
    }

    pub(crate) fn sign(&self, text: &str) -> String {
        let mut child = Command::new("ssh-keygen")
            .args(["-q", "-Y", "sign", "-n", NAMESPACE, "-f"])
            .arg(self.0.path().join("key"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success());
        String::from_utf8(out.stdout).unwrap()
    }
}

/// A vault with its owner.
pub(crate) struct Vault {
    pub(crate) identity: Identity,
    pub(crate) owner: Owner,
    pub(crate) line: VaultLine,
}

impl Vault {
    pub(crate) fn new(name: &str) -> Self {
        let identity = Identity::from_pem(&Identity::generate().unwrap()).unwrap();
        let owner = Owner::new();
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).unwrap();
        let log = ed25519_dalek::SigningKey::from_bytes(&secret);
        let line = VaultLine {
            name: name.parse().unwrap(),
            pin: identity.pin(),
            log: VerifierKey::of(Origin::new(&format!("{name}.example/1")).unwrap(), &log),
            sealing: [7; 32],
            owner: Signers::of(vec![owner.key()]),
        };
        Self { identity, owner, line }
    }

    pub(crate) fn peer(&self) -> Peer {
        Peer::parse(&self.line.to_string()).unwrap()
    }

    /// What this vault publishes as `version`.
    pub(crate) fn publish(&self, version: u64) -> (PublicationHead, Vec<u8>) {
        let bundle = bundle(version).to_bytes().unwrap();
        (self.head(&self.statement(version, &bundle)), bundle)
    }

    pub(crate) fn statement(&self, version: u64, bundle: &[u8]) -> Publication {
        Publication {
            vault: self.line.log.name().clone(),
            version,
            bundle: Digest::of(bundle),
            bytes: bundle.len() as u64,
            documents: 1,
            catalogue: 1,
            prepared_at: Time::from_unix(1_795_338_843),
            nonce: Nonce([3; 16]),
        }
    }

    pub(crate) fn head(&self, statement: &Publication) -> PublicationHead {
        let bytes = statement.bytes;
        let statement = Statement::Publication(statement.clone()).render();
        PublicationHead { signature: self.owner.sign(&statement), statement, bytes }
    }
}

pub(crate) fn bundle(version: u64) -> Bundle {
    let title = |text: &str| Title::new(text).unwrap();
    Bundle {
        version,
        name: Text::new("Mira Example").unwrap(),
        documents: vec![Document {
            path: "garden.md".into(),
            title: title("Garden"),
            markdown: "# Garden\n\nThe garden is open on Sundays.\n".into(),
        }],
        catalogue: vec![Entry {
            id: ItemId([1; 16]),
            title: title("Curriculum vitae"),
            media_type: Text::new("application/pdf").unwrap(),
        }],
    }
}

/// Everything that is logged by this thread while the guard lives.
#[derive(Clone, Default)]
pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    pub(crate) fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let captured = Self::default();
        let log = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(captured.clone());
        (captured, tracing::subscriber::set_default(log.finish()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
