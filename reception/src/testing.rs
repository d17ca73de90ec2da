//! A vault for tests: real keys, real signatures by `ssh-keygen`, and a real link.

use crate::broker::Broker;
use crate::peer::Peer;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use ed25519_dalek::SigningKey;
use link::{Dialler, Goodbye, Handler, Identity, Link, Pins};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use shared::ids::{Digest, ItemId, Nonce, TicketHash, unhex};
use shared::message::{Call, Hello, PROTOCOLS, PublicationHead, Title};
use shared::pairing::VaultLine;
use shared::publication::{Bundle, Document, Entry};
use shared::receipt::{Format, Kind, LogProof, Receipt};
use shared::sshsig::{PublicKey, Signers};
use shared::statement::{
    Approval, DeliveryMode, NAMESPACE, Publication, Question, RecipientLine, Refusal, Shown, Statement, SubjectLine,
};
use shared::text::Text;
use shared::time::Time;
use shared::tlog::{Checkpoint, Frontier, Origin, Salt, VerifierKey, sign_checkpoint};
use std::fs;
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tracing_subscriber::fmt::MakeWriter;

/// These headers of a request.
pub(crate) fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
}

/// Takes root's rights to read and write whatever it likes from this thread, so that the mode of a file counts.
pub(crate) fn without_rights_to_every_file() {
    let mut sets = capabilities(None).unwrap();
    sets.effective.remove(CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
    set_capabilities(None, sets).unwrap();
}

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

/// A sealing key's private and public half.
pub(crate) const SEALING: (&str, &str) = (
    "497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d",
    "430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c",
);

/// The vault's end of a link, which ends when this is dropped, and what keeps the link's socket open.
pub(crate) struct Linked {
    _dialler: Dialler,
    pub(crate) link: Link,
    listening: tokio::task::JoinHandle<()>,
}

impl Drop for Linked {
    fn drop(&mut self) {
        self.link.close(Goodbye::Stopping);
        self.listening.abort();
    }
}

/// Connects `broker` by a real link to a vault that answers with `desk`.
pub(crate) async fn linked(broker: &Broker, desk: impl Handler) -> Linked {
    let identity = || Identity::from_pem(&Identity::generate().unwrap()).unwrap();
    let (front, vault, pins) = (identity(), identity(), Pins::default());
    pins.insert(vault.pin());
    let listener = link::listen("127.0.0.1:0".parse().unwrap(), &front, pins).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let dialler = Dialler::new(&vault);
    let (dialled, accepted) = tokio::join!(dialler.dial(&address, front.pin()), listener.accept());
    let (link, accepted) = (dialled.unwrap(), accepted.unwrap().unwrap());
    let serving = link.clone();
    tokio::spawn(async move { link::serve(&serving, desk).await });
    let (name, clock) = (Text::new("front").unwrap(), Time::from_unix(0));
    let hello = Hello { protocols: PROTOCOLS.to_vec(), name, version: "0".into(), clock };
    accepted.call(&Call::Hello(hello)).await.unwrap();
    broker.connect(accepted);
    let listening = tokio::spawn(async move { while listener.accept().await.is_some() {} });
    Linked { _dialler: dialler, link, listening }
}

/// A vault with its owners.
pub(crate) struct Vault {
    pub(crate) identity: Identity,
    pub(crate) owner: Owner,
    /// Another owner, who signs everything too.
    second: Option<Owner>,
    log: SigningKey,
    pub(crate) line: VaultLine,
}

impl Vault {
    /// With one owner.
    pub(crate) fn new(name: &str) -> Self {
        Self::owned(name, None)
    }

    /// With two owners, both of whom sign.
    pub(crate) fn of_two(name: &str) -> Self {
        Self::owned(name, Some(Owner::new()))
    }

    fn owned(name: &str, second: Option<Owner>) -> Self {
        let identity = Identity::from_pem(&Identity::generate().unwrap()).unwrap();
        let owner = Owner::new();
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).unwrap();
        let log = SigningKey::from_bytes(&secret);
        let owners = [Some(&owner), second.as_ref()].into_iter().flatten().map(Owner::key).collect();
        let line = VaultLine {
            name: name.parse().unwrap(),
            pin: identity.pin(),
            log: VerifierKey::of(Origin::new(&format!("{name}.example/1")).unwrap(), &log),
            sealing: unhex(SEALING.1).unwrap(),
            owner: Signers::of(owners),
        };
        Self { identity, owner, second, log, line }
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
        PublicationHead { signatures: self.sign(&statement), statement, bytes }
    }

    /// Every owner's signature.
    pub(crate) fn sign(&self, text: &str) -> Vec<String> {
        [Some(&self.owner), self.second.as_ref()].into_iter().flatten().map(|owner| owner.sign(text)).collect()
    }

    /// A question to whoever holds this ticket, signed and logged.
    pub(crate) fn asked(&self, ticket: TicketHash, words: &str) -> Receipt {
        let Approval { vault, request, subject, recipient, prepared_at, nonce, .. } = self.approval(ticket);
        let question = Question { vault, request, subject, recipient, text: words.into(), prepared_at, nonce };
        self.receipt(question.into(), Kind::Asked)
    }

    /// A refusal to whoever holds this ticket, signed and logged.
    pub(crate) fn refused(&self, ticket: TicketHash, words: Option<&str>) -> Receipt {
        let Approval { vault, request, subject, recipient, prepared_at: decided_at, nonce, .. } = self.approval(ticket);
        let words = words.map(Into::into);
        self.receipt(Refusal { vault, request, subject, recipient, words, decided_at, nonce }.into(), Kind::Refused)
    }

    /// An approval of nothing in particular.
    pub(crate) fn approval(&self, ticket: TicketHash) -> Approval {
        Approval {
            vault: self.line.log.name().clone(),
            request: ticket.request(),
            subject: SubjectLine::Question("Why?".into()),
            recipient: RecipientLine::Ticket(ticket),
            delivery: DeliveryMode::Plain,
            purpose: "To know".into(),
            terms: None,
            payload: Digest::of(b""),
            bytes: 0,
            media_type: "text/plain".into(),
            shown: Shown::Whole,
            collections: 1,
            prepared_at: Time::from_unix(1_795_338_843),
            not_after: Time::MAX,
            nonce: Nonce([6; 16]),
        }
    }

    /// The statement signed by every owner, as the only entry of the log.
    pub(crate) fn receipt(&self, statement: Statement, kind: Kind) -> Receipt {
        let statement = statement.render();
        let mut receipt = Receipt {
            format: Format::V1,
            signatures: self.sign(&statement),
            statement,
            signers: self.line.owner.render(),
            log_key: self.line.log.to_string(),
            time: Time::from_unix(1_795_338_850),
            kind,
            salt: Salt([4; 32]),
            proof: String::new(),
        };
        let mut frontier = Frontier::new();
        frontier.append(receipt.leaf().hash());
        let head = Checkpoint { origin: self.line.log.name().clone(), size: 1, root: frontier.root() };
        let checkpoint = sign_checkpoint(&head, &self.log);
        receipt.proof = LogProof { index: 0, hashes: vec![], checkpoint }.to_string();
        receipt
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
