use super::*;
use crate::ids::{Nonce, TicketHash};
use crate::sshsig::PublicKey;
use crate::statement::{Approval, DeliveryMode, Question, RecipientLine, Refusal, Shown, SubjectLine};
use crate::tlog::{BadNote, Checkpoint, Frontier, Origin, inclusion, sign_checkpoint};
use ed25519_dalek::SigningKey;
use std::collections::HashMap;
use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

const PAYLOAD: &[u8] = b"the exact bytes that were approved\n";

fn origin() -> Origin {
    Origin::new("vault.example/3f2a").unwrap()
}

fn approval() -> Approval {
    let ticket = TicketHash([5; 32]);
    Approval {
        vault: origin(),
        request: ticket.request(),
        subject: SubjectLine::Item("Curriculum vitæ".into()),
        recipient: RecipientLine::Ticket(ticket),
        delivery: DeliveryMode::Plain,
        purpose: "an interview\nnext week".into(),
        terms: None,
        payload: Digest::of(PAYLOAD),
        bytes: PAYLOAD.len() as u64,
        media_type: "text/plain".into(),
        shown: Shown::Whole,
        collections: 1,
        prepared_at: Time::from_unix(1_795_338_843),
        not_after: Time::from_unix(1_795_943_643),
        nonce: Nonce([6; 16]),
    }
}

fn question() -> Question {
    let Approval { vault, request, subject, recipient, nonce, prepared_at, .. } = approval();
    Question { vault, request, subject, recipient, text: "Which bakery?\nAnd where?".into(), prepared_at, nonce }
}

fn refusal(words: Option<&str>) -> Refusal {
    let Approval { vault, request, subject, recipient, nonce, prepared_at: decided_at, .. } = approval();
    Refusal { vault, request, subject, recipient, words: words.map(str::to_owned), decided_at, nonce }
}

/// The keys' files.
const KEYS: [&str; 2] = ["key", "other-key"];

/// A vault's log and two owners' keys made by the installed OpenSSH.
struct Vault {
    folder: TempDir,
    log: SigningKey,
    signers: Signers,
}

impl Vault {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = KEYS.map(|name| {
            let key = folder.path().join(name);
            let mut command = Command::new("ssh-keygen");
            let made = command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).output().unwrap();
            assert!(made.status.success());
            PublicKey::from_openssh(&fs::read_to_string(key.with_extension("pub")).unwrap()).unwrap()
        });
        Self { folder, log: SigningKey::from_bytes(&[8; 32]), signers: Signers::of(made.to_vec()) }
    }

    fn key(&self) -> VerifierKey {
        VerifierKey::of(origin(), &self.log)
    }

    /// Both owners' signatures.
    fn sign(&self, text: &str) -> Vec<String> {
        KEYS.map(|key| self.sign_as(key, NAMESPACE, text)).to_vec()
    }

    fn sign_as(&self, key: &str, namespace: &str, text: &str) -> String {
        let path = self.folder.path().join("statement");
        fs::write(&path, text).unwrap();
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-Y", "sign", "-n", namespace, "-f"]).arg(self.folder.path().join(key));
        assert!(command.arg(&path).output().unwrap().status.success());
        let signature = path.with_extension("sig");
        let text = fs::read_to_string(&signature).unwrap();
        fs::remove_file(signature).unwrap();
        text
    }

    /// A receipt for a statement of this kind, logged as number `index` of `size`.
    fn receipt(&self, kind: Kind, statement: impl Into<Statement>, index: u64, size: u64) -> Receipt {
        let statement = statement.into().render();
        let mut receipt = Receipt {
            format: Format::V1,
            signatures: self.sign(&statement),
            statement,
            signers: self.signers.render(),
            log_key: self.key().to_string(),
            time: Time::from_unix(1_795_339_000),
            kind,
            salt: Salt([4; 32]),
            proof: String::new(),
        };
        self.log_into(&mut receipt, index, size);
        receipt
    }

    /// Logs what the receipt says now, among other entries, and puts the proof into it.
    fn log_into(&self, receipt: &mut Receipt, index: u64, size: u64) {
        let (mut frontier, mut nodes) = (Frontier::new(), HashMap::new());
        for at in 0..size {
            let leaf = if at == index { receipt.leaf().hash() } else { Digest::of(&at.to_be_bytes()) };
            nodes.extend(frontier.append(leaf).into_iter().map(|node| ((node.level, node.index), node.hash)));
        }
        let Ok(hashes) = inclusion(index, size, |level, at| Ok::<_, Infallible>(nodes[&(level, at)]));
        let head = Checkpoint { origin: origin(), size, root: frontier.root() };
        receipt.proof = LogProof { index, hashes, checkpoint: sign_checkpoint(&head, &self.log) }.to_string();
    }

    /// What `deploy/check-receipt.py` says of the receipt and the payload, given the vault's true keys.
    fn script(&self, receipt: &Receipt, payload: Option<&[u8]>) -> (bool, String) {
        let file = |name: &str, content: &[u8]| {
            let path = self.folder.path().join(name);
            fs::write(&path, content).unwrap();
            path
        };
        let output = check_receipt()
            .arg(file("receipt.json", serde_json::to_string_pretty(receipt).unwrap().as_bytes()))
            .args(payload.map(|payload| file("payload", payload)))
            .arg("--signers")
            .arg(file("signers", self.signers.render().as_bytes()))
            .args(["--log-key", &self.key().to_string()])
            .output()
            .unwrap();
        said(&output)
    }
}

fn check_receipt() -> Command {
    let mut command = Command::new("python3");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/check-receipt.py"));
    command
}

fn said(output: &Output) -> (bool, String) {
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.success(), String::from_utf8(output.stdout.clone()).unwrap())
}

fn at(receipt: &Receipt) -> LogProof {
    LogProof::parse(&receipt.proof).unwrap()
}

#[test]
fn a_true_receipt_holds_wherever_the_log_has_it() {
    let vault = Vault::new();
    for (index, size) in [(0, 1), (0, 2), (6, 7), (2, 7), (70, 130)] {
        let receipt = vault.receipt(Kind::Approved, approval(), index, size);
        assert_eq!(receipt.verify(&vault.signers, &vault.key()), Ok(approval().into()));
        let (good, text) = vault.script(&receipt, Some(PAYLOAD));
        assert!(good, "{text}");
        assert!(text.is_ascii() && text.lines().all(|line| line.starts_with("ok  ") || line == "Every check holds."));
        let json = serde_json::to_string(&receipt).unwrap();
        assert_eq!(serde_json::from_str::<Receipt>(&json).unwrap(), receipt);
    }
}

#[test]
fn words_to_a_visitor_have_a_receipt_like_a_release() {
    let vault = Vault::new();
    let said: [(Kind, &str, Statement); 3] = [
        (Kind::Asked, "a question", question().into()),
        (Kind::Refused, "a refusal", refusal(Some("Not before the spring.")).into()),
        (Kind::Refused, "a refusal", refusal(None).into()),
    ];
    for (kind, word, statement) in said {
        let receipt = vault.receipt(kind, statement.clone(), 3, 9);
        assert_eq!(receipt.verify(&vault.signers, &vault.key()), Ok(statement));
        let (good, text) = vault.script(&receipt, None);
        assert!(good && text.contains(&format!("ok      statement: {word} for request ")), "{text}");
        assert!(!text.contains("payload"), "{text}");
        let (good, text) = vault.script(&receipt, Some(PAYLOAD));
        assert!(!good && text.contains("FAILED  payload: there is none: "), "{text}");
        let json = serde_json::to_string(&receipt).unwrap();
        assert_eq!(serde_json::from_str::<Receipt>(&json).unwrap(), receipt);
    }
}

#[test]
fn one_signature_or_all_of_them_each_by_another_key() {
    let vault = Vault::new();
    for keep in [0..1, 1..2, 0..2] {
        let mut receipt = vault.receipt(Kind::Approved, approval(), 3, 9);
        receipt.signatures = receipt.signatures[keep.clone()].to_vec();
        vault.log_into(&mut receipt, 3, 9);
        assert_eq!(receipt.verify(&vault.signers, &vault.key()), Ok(approval().into()));
        let (good, text) = vault.script(&receipt, Some(PAYLOAD));
        assert!(good, "{text}");
        for (at, key) in vault.signers.keys().iter().enumerate() {
            assert_eq!(text.contains(&key.fingerprint()), keep.contains(&at), "{text}");
        }
    }
}

/// A way to falsify a receipt, what the product says to it, and which checks of the script fail.
type Falsification = (&'static str, Falsify, BadReceipt, &'static [&'static str]);
type Falsify = fn(&Vault, &mut Receipt);

fn of_the_signature() -> Vec<Falsification> {
    vec![
        (
            "altered statement",
            |_, r| r.statement = r.statement.replace("collections: 1", "collections: 9"),
            BadReceipt::Signature(BadSignature::Invalid),
            &["owners' signatures", "receipt's own list of keys", "log entry"],
        ),
        (
            "signature of another owner",
            |_, r| r.signatures[1] = Vault::new().sign(&r.statement).remove(0),
            BadReceipt::Signature(BadSignature::UnknownKey),
            &["owners' signatures", "receipt's own list of keys", "log entry"],
        ),
        (
            "another owner in whole",
            |vault, r| {
                let other = Vault::new();
                (r.signatures, r.signers) = (other.sign(&r.statement), other.signers.render());
                vault.log_into(r, 3, 9);
            },
            BadReceipt::Signature(BadSignature::UnknownKey),
            &["owners' signatures"],
        ),
        (
            "other keys listed",
            |_, r| r.signers = Vault::new().signers.render(),
            BadReceipt::OwnSigners(BadSignature::UnknownKey),
            &["receipt's own list of keys"],
        ),
        (
            "signature of another namespace",
            |vault, r| {
                r.signatures[0] = vault.sign_as(KEYS[0], "file", &r.statement);
                vault.log_into(r, 3, 9);
            },
            BadReceipt::Signature(BadSignature::Namespace),
            &["owners' signatures", "receipt's own list of keys"],
        ),
    ]
}

fn of_the_number_of_signatures() -> Vec<Falsification> {
    vec![
        (
            "one owner's signature twice",
            |vault, r| {
                r.signatures[1] = r.signatures[0].clone();
                vault.log_into(r, 3, 9);
            },
            BadReceipt::Signatures,
            &["owners' signatures", "receipt's own list of keys"],
        ),
        (
            "no signature",
            |vault, r| {
                r.signatures.clear();
                vault.log_into(r, 3, 9);
            },
            BadReceipt::Signatures,
            &["receipt"],
        ),
        (
            "the signatures in another order",
            |_, r| r.signatures.reverse(),
            BadReceipt::NotLogged(BadProof::Root),
            &["log entry"],
        ),
        (
            "a signature left out",
            |_, r| drop(r.signatures.remove(1)),
            BadReceipt::NotLogged(BadProof::Root),
            &["log entry"],
        ),
    ]
}

fn of_the_log_entry() -> Vec<Falsification> {
    vec![
        ("another time", |_, r| r.time = r.time.plus(1), BadReceipt::NotLogged(BadProof::Root), &["log entry"]),
        ("another salt", |_, r| r.salt.0[31] ^= 1, BadReceipt::NotLogged(BadProof::Root), &["log entry"]),
        (
            "another place in the log",
            |_, r| r.proof = LogProof { index: 2, ..at(r) }.to_string(),
            BadReceipt::NotLogged(BadProof::Root),
            &["log entry"],
        ),
        (
            "a place beyond the log",
            |_, r| r.proof = LogProof { index: 9, ..at(r) }.to_string(),
            BadReceipt::NotLogged(BadProof::Range),
            &["log entry"],
        ),
        (
            "a hash left out",
            |_, r| r.proof = LogProof { hashes: at(r).hashes[1..].to_vec(), ..at(r) }.to_string(),
            BadReceipt::NotLogged(BadProof::Length),
            &["log entry"],
        ),
        (
            "a hash too many",
            |_, r| r.proof = LogProof { hashes: [at(r).hashes, vec![Digest([1; 32])]].concat(), ..at(r) }.to_string(),
            BadReceipt::NotLogged(BadProof::Length),
            &["log entry"],
        ),
        (
            "an altered hash",
            |_, r| {
                let mut proof = at(r);
                proof.hashes[1].0[0] ^= 1;
                r.proof = proof.to_string();
            },
            BadReceipt::NotLogged(BadProof::Root),
            &["log entry"],
        ),
    ]
}

fn of_the_log() -> Vec<Falsification> {
    vec![
        (
            "an altered checkpoint",
            |_, r| r.proof = r.proof.replace("\n9\n", "\n8\n"),
            BadReceipt::Checkpoint(BadNote::Signature),
            &["checkpoint"],
        ),
        (
            "another log's checkpoint",
            |_, r| Vault { log: SigningKey::from_bytes(&[1; 32]), ..Vault::new() }.log_into(r, 3, 9),
            BadReceipt::Checkpoint(BadNote::UnknownKey),
            &["checkpoint"],
        ),
        (
            "another log in whole",
            |_, r| {
                let other = Vault { log: SigningKey::from_bytes(&[1; 32]), ..Vault::new() };
                r.log_key = other.key().to_string();
                other.log_into(r, 3, 9);
            },
            BadReceipt::OtherLog,
            &["trusted log key"],
        ),
    ]
}

fn of_the_kind() -> Vec<Falsification> {
    let others: [(&'static str, Falsify); 4] = [
        ("a refusal as an approval", |vault, r| *r = vault.receipt(Kind::Approved, refusal(None), 3, 9)),
        ("an approval as a refusal", |vault, r| *r = vault.receipt(Kind::Refused, approval(), 3, 9)),
        ("a refusal as a question", |vault, r| *r = vault.receipt(Kind::Asked, refusal(Some("No.")), 3, 9)),
        ("a question as a refusal", |vault, r| *r = vault.receipt(Kind::Refused, question(), 3, 9)),
    ];
    others.map(|(name, falsify)| (name, falsify, BadReceipt::OtherKind, &["statement"][..])).to_vec()
}

fn of_what_was_signed() -> Vec<Falsification> {
    vec![
        (
            "an approval for another vault",
            |vault, r| {
                let elsewhere = Approval { vault: Origin::new("vault.example/other").unwrap(), ..approval() };
                *r = vault.receipt(Kind::Approved, elsewhere, 3, 9);
            },
            BadReceipt::OtherVault,
            &["vault"],
        ),
        (
            "an approval logged as something else",
            |_, r| r.kind = Kind::Asked,
            BadReceipt::OtherKind,
            &["statement", "log entry"],
        ),
        ("a cut proof", |_, r| r.proof.truncate(100), BadReceipt::Proof(BadLogProof::CutOff), &["proof"]),
    ]
}

#[test]
fn every_falsification_is_found_by_the_product_and_by_the_script() {
    let vault = Vault::new();
    let receipt = vault.receipt(Kind::Approved, approval(), 3, 9);
    let signed = [of_the_signature(), of_the_number_of_signatures(), of_the_kind(), of_what_was_signed()].concat();
    let all = [signed, of_the_log_entry(), of_the_log()].concat();
    for (name, falsify, error, failing) in all {
        let mut false_one = receipt.clone();
        falsify(&vault, &mut false_one);
        assert_ne!(false_one, receipt, "{name}");
        assert_eq!(false_one.verify(&vault.signers, &vault.key()), Err(error), "{name}");
        let (good, text) = vault.script(&false_one, Some(PAYLOAD));
        let failed: Vec<_> =
            text.lines().filter_map(|line| line.strip_prefix("FAILED  ")?.split(": ").next()).collect();
        assert_eq!((good, &failed[..]), (false, failing), "{name}:\n{text}");
    }
}

#[test]
fn the_script_compares_the_payload() {
    let vault = Vault::new();
    let receipt = vault.receipt(Kind::Approved, approval(), 3, 9);
    let mut altered = PAYLOAD.to_vec();
    altered[0] ^= 1;
    for (payload, why) in [(&altered[..], "its SHA-256 differs"), (&PAYLOAD[1..], "has 34 bytes"), (b"", "has 0 bytes")]
    {
        let (good, text) = vault.script(&receipt, Some(payload));
        assert!(!good && text.contains("FAILED  payload: ") && text.contains(why), "{text}");
    }
}

#[test]
fn the_script_says_what_it_took_on_trust_and_reads_strictly() {
    let vault = Vault::new();
    let json = serde_json::to_string(&vault.receipt(Kind::Approved, approval(), 3, 9)).unwrap();
    let path = vault.folder.path().join("receipt.json");
    let read = |text: &str| {
        fs::write(&path, text).unwrap();
        said(&check_receipt().arg(&path).output().unwrap())
    };
    let (good, text) = read(&json);
    assert!(good, "{text}");
    for line in ["note    trusted keys: ", "note    trusted log key: ", "note    payload: not given"] {
        assert!(text.contains(line), "{text}");
    }
    assert!(vault.signers.keys().iter().all(|key| text.contains(&key.fingerprint())), "{text}");
    let bad = [
        String::new(),
        json[..json.len() - 1].to_owned(),
        json.replace("receipt v1", "receipt v2"),
        json.replace("\"approved\"", "\"revoked\""),
        json.replacen("\"signatures\":[", "\"signatures\":[1,", 1),
        json.replacen("\"signatures\":[", "\"signatures\":[[],", 1),
        json.replacen("\"signatures\"", "\"signature\"", 1),
        json.replacen('{', "{\"more\":1,", 1),
        json.replacen('{', "{\"kind\":\"approved\",", 1),
        json.replacen("\"time\":", "\"time\":-", 1),
        json.replacen("\"salt\":\"04", "\"salt\":\"\\ud80004", 1),
    ];
    for bad in bad {
        let (good, text) = read(&bad);
        assert!(!good && text.starts_with("FAILED  receipt: "), "{text}");
        assert!(serde_json::from_str::<Receipt>(&bad).is_err(), "{bad}");
    }
    let absent = check_receipt().arg(vault.folder.path().join("absent")).output().unwrap();
    let text = String::from_utf8_lossy(&absent.stderr);
    assert!(absent.status.code() == Some(2) && absent.stdout.is_empty() && text.contains("cannot be read"), "{text}");
}

#[test]
fn an_overlong_statement_is_refused_before_anything_is_computed() {
    let vault = Vault::new();
    let mut receipt = vault.receipt(Kind::Approved, approval(), 0, 1);
    receipt.statement = "x".repeat(limits::STATEMENT + 1);
    let error = BadReceipt::Statement(BadStatement::TooLong(limits::STATEMENT + 1));
    assert_eq!(receipt.verify(&vault.signers, &vault.key()), Err(error));
}

#[test]
fn a_log_proof_has_one_spelling() {
    let proof =
        LogProof { index: 0, hashes: vec![Digest([0; 32]), Digest([255; 32])], checkpoint: "any\n\ntext\n".into() };
    let text = proof.to_string();
    let (zeroes, ones) = ("A".repeat(43), "/".repeat(42));
    assert_eq!(text, format!("c2sp.org/tlog-proof@v1\nindex 0\n{zeroes}=\n{ones}8=\n\nany\n\ntext\n"));
    assert_eq!(LogProof::parse(&text), Ok(proof.clone()));
    let bare = LogProof { hashes: vec![], ..proof.clone() };
    assert_eq!(LogProof::parse(&bare.to_string()), Ok(bare));
    let over = LogProof { hashes: vec![Digest([0; 32]); PROOF_MAX + 1], ..proof };
    let cases = [
        (String::new(), BadLogProof::Header),
        (text.replace("@v1", "@v2"), BadLogProof::Header),
        (text.replace("index", "extra AAAA\nindex"), BadLogProof::Index),
        (text.replace("index 0", "index 00"), BadLogProof::Index),
        (text.replace("index 0", "index +0"), BadLogProof::Index),
        (text.replace("index 0", "index 18446744073709551616"), BadLogProof::Index),
        (text.replace("8=", "9="), BadLogProof::Hash),
        (text.replace('=', ""), BadLogProof::Hash),
        (text.replace('\n', "\r\n"), BadLogProof::Header),
        (text[..40].to_owned(), BadLogProof::CutOff),
        ("c2sp.org/tlog-proof@v1\nindex 0".to_owned(), BadLogProof::CutOff),
        (over.to_string(), BadLogProof::TooMany),
    ];
    for (text, error) in cases {
        assert_eq!(LogProof::parse(&text), Err(error), "{text:?}");
    }
}
