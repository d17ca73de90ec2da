use super::*;
use crate::statement::{NAMESPACE, VECTORS};
use ed25519_dalek::{Signer as _, SigningKey};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

/// A folder with one key, made and used by the installed OpenSSH.
struct Owner {
    folder: TempDir,
    key: PublicKey,
}

fn ran(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

impl Owner {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        ran(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "a comment", "-f"]).arg(&path));
        let line = fs::read_to_string(path.with_extension("pub")).unwrap();
        Self { folder, key: PublicKey::from_openssh(&line).unwrap() }
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn sign_as(&self, namespace: &str, hash: &str, message: &[u8]) -> String {
        let message = self.file("message", message);
        let signature = message.with_extension("sig");
        let _ = fs::remove_file(&signature);
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-Y", "sign", "-n", namespace, "-O", &format!("hashalg={hash}"), "-f"]);
        ran(command.arg(self.folder.path().join("key")).arg(&message));
        fs::read_to_string(signature).unwrap()
    }

    fn sign(&self, message: &[u8]) -> String {
        self.sign_as(NAMESPACE, "sha512", message)
    }

    fn signers(&self) -> Signers {
        Signers::of(vec![self.key.clone()])
    }
}

/// Whether the installed `ssh-keygen -Y verify` accepts.
fn openssh_accepts(signers: &Signers, message: &[u8], armored: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-Y", "verify", "-I", PRINCIPAL, "-n", NAMESPACE, "-f"])
        .arg(file("signers", signers.render().as_bytes()));
    command.arg("-s").arg(file("signature", armored.as_bytes()));
    command.stdin(fs::File::open(file("message", message)).unwrap()).output().unwrap().status.success()
}

/// A security key, in software: signs as PROTOCOL.u2f says.
struct SecurityKey {
    secret: SigningKey,
    key: PublicKey,
}

impl SecurityKey {
    fn new(application: &str) -> Self {
        let secret = SigningKey::from_bytes(&random());
        let key = PublicKey::SkEd25519 { key: secret.verifying_key(), application: application.into() };
        Self { secret, key }
    }

    fn sign(&self, flags: u8, message: &[u8]) -> String {
        let PublicKey::SkEd25519 { application, .. } = &self.key else { unreachable!("made above") };
        let mut data = b"SSHSIG".to_vec();
        for part in [NAMESPACE.as_bytes(), b"", b"sha512", &Sha512::digest(message)] {
            put(&mut data, part);
        }
        let counter = [0, 0, 1, 7];
        let signed = [&Sha256::digest(application)[..], &[flags], &counter, &Sha256::digest(&data)[..]].concat();
        let mut signature = Vec::new();
        put(&mut signature, b"sk-ssh-ed25519@openssh.com");
        put(&mut signature, &self.secret.sign(&signed).to_bytes());
        signature.push(flags);
        signature.extend(counter);
        armor(&blob(1, &[&self.key.blob(), NAMESPACE.as_bytes(), b"", b"sha512", &signature]))
    }
}

fn blob(version: u32, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = b"SSHSIG".to_vec();
    out.extend(version.to_be_bytes());
    parts.iter().for_each(|part| put(&mut out, part));
    out
}

fn armor(blob: &[u8]) -> String {
    let base64 = STANDARD.encode(blob);
    let lines: Vec<&str> = base64.as_bytes().chunks(70).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("{BEGIN}{}\n{END}", lines.join("\n"))
}

#[test]
fn real_signatures_over_every_vector_verify() {
    let owner = Owner::new();
    let signers = Signers::of(vec![Owner::new().key, owner.key.clone()]);
    for (kind, text) in VECTORS {
        for hash in ["sha256", "sha512"] {
            let signature = owner.sign_as(NAMESPACE, hash, text.as_bytes());
            assert_eq!(verify(&signers, NAMESPACE, text.as_bytes(), &signature), Ok(&owner.key), "{kind} {hash}");
            assert!(openssh_accepts(&signers, text.as_bytes(), &signature), "{kind} {hash}");
        }
    }
}

#[test]
fn a_statement_with_any_bit_changed_is_refused() {
    let owner = Owner::new();
    let signers = owner.signers();
    for (kind, text) in VECTORS {
        let signature = owner.sign(text.as_bytes());
        let mut bytes = text.as_bytes().to_vec();
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                verify(&signers, NAMESPACE, &bytes, &signature),
                Err(BadSignature::Invalid),
                "{kind}, bit {bit}"
            );
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(verify(&signers, NAMESPACE, &bytes, &signature), Ok(&owner.key));
        assert!(!openssh_accepts(&signers, &bytes[1..], &signature));
    }
}

#[test]
fn a_signature_with_any_byte_changed_or_lost_is_refused() {
    let (owner, key) = (Owner::new(), SecurityKey::new("ssh:"));
    let signers = Signers::of(vec![owner.key.clone(), key.key.clone()]);
    let message = VECTORS[0].1.as_bytes();
    for signature in [owner.sign(message), key.sign(USER_PRESENT, message)] {
        assert!(verify(&signers, NAMESPACE, message, &signature).is_ok());
        for at in 0..signature.len() {
            assert_eq!(verify(&signers, NAMESPACE, message, &signature[..at]), Err(BadSignature::Armor), "{at}");
            for byte in (0..128).filter(|byte| *byte != signature.as_bytes()[at]) {
                let mut bytes = signature.clone().into_bytes();
                bytes[at] = byte;
                let changed = String::from_utf8(bytes).unwrap();
                assert!(verify(&signers, NAMESPACE, message, &changed).is_err(), "{at}: {byte:#x}");
            }
        }
    }
}

#[test]
fn a_signature_blob_with_any_bit_changed_or_any_byte_lost_is_refused() {
    let (owner, key) = (Owner::new(), SecurityKey::new("ssh:"));
    let signers = Signers::of(vec![owner.key.clone(), key.key.clone()]);
    let message = VECTORS[1].1.as_bytes();
    for signature in [owner.sign(message), key.sign(USER_PRESENT, message)] {
        let mut blob = dearmor(&signature).unwrap();
        assert_eq!(armor(&blob), signature);
        for bit in 0..blob.len() * 8 {
            blob[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(&signers, NAMESPACE, message, &armor(&blob)).is_err(), "bit {bit}");
            blob[bit / 8] ^= 1 << (bit % 8);
        }
        for end in 0..blob.len() {
            assert!(verify(&signers, NAMESPACE, message, &armor(&blob[..end])).is_err(), "{end}");
        }
        blob.push(0);
        assert_eq!(verify(&signers, NAMESPACE, message, &armor(&blob)), Err(BadSignature::Format));
    }
}

#[test]
fn other_namespaces_and_keys_are_refused() {
    let owner = Owner::new();
    let message = b"a message";
    let signature = owner.sign_as("file", "sha512", message);
    assert_eq!(verify(&owner.signers(), NAMESPACE, message, &signature), Err(BadSignature::Namespace));
    assert_eq!(verify(&owner.signers(), "file", message, &signature), Ok(&owner.key));
    let signature = owner.sign(message);
    assert_eq!(verify(&Owner::new().signers(), NAMESPACE, message, &signature), Err(BadSignature::UnknownKey));
    assert_eq!(verify(&Signers::of(vec![]), NAMESPACE, message, &signature), Err(BadSignature::UnknownKey));
    assert_eq!(verify(&owner.signers(), NAMESPACE, b"another", &signature), Err(BadSignature::Invalid));
}

#[test]
fn every_part_of_the_format_is_checked() {
    let owner = Owner::new();
    let message = b"a message";
    let real = dearmor(&owner.sign(message)).unwrap();
    let part = Envelope::read(&real).unwrap();
    let (key, space, inner) = (part.key, part.namespace, part.signature);
    let signers = owner.signers();
    let judge = |blob: &[u8]| verify(&signers, NAMESPACE, message, &armor(blob));
    assert_eq!(judge(&blob(1, &[key, space, b"", b"sha512", inner])), Ok(&owner.key));
    assert_eq!(judge(&blob(2, &[key, space, b"", b"sha512", inner])), Err(BadSignature::Version));
    assert_eq!(judge(&blob(1, &[key, b"file", b"", b"sha512", inner])), Err(BadSignature::Namespace));
    assert_eq!(judge(&blob(1, &[key, space, b"x", b"sha512", inner])), Err(BadSignature::Format));
    assert_eq!(judge(&blob(1, &[key, space, b"", b"sha1", inner])), Err(BadSignature::Hash));
    assert_eq!(judge(&blob(1, &[key, space, b"", b"sha256", inner])), Err(BadSignature::Invalid));
    assert_eq!(judge(&blob(1, &[b"", space, b"", b"sha512", inner])), Err(BadSignature::Format));
    let mut rsa = Vec::new();
    put(&mut rsa, b"ssh-rsa");
    assert_eq!(judge(&blob(1, &[&rsa, space, b"", b"sha512", inner])), Err(BadSignature::Algorithm));
    for (name, raw, more, wrong) in [
        ("ssh-ed25519", 63, 0, BadSignature::Format),
        ("ssh-ed25519", 64, 1, BadSignature::Format),
        ("ssh-ed25519", 64, 0, BadSignature::Invalid),
        ("sk-ssh-ed25519@openssh.com", 64, 5, BadSignature::Algorithm),
        ("rsa-sha2-512", 64, 0, BadSignature::Algorithm),
    ] {
        let mut inner = Vec::new();
        put(&mut inner, name.as_bytes());
        put(&mut inner, &vec![0; raw]);
        inner.resize(inner.len() + more, 0);
        assert_eq!(judge(&blob(1, &[key, space, b"", b"sha512", &inner])), Err(wrong), "{name} {raw} {more}");
    }
}

#[test]
fn only_the_armour_of_ssh_keygen_is_read() {
    let owner = Owner::new();
    let message = b"a message";
    let signature = owner.sign(message);
    let signers = owner.signers();
    let judge = |text: &str| verify(&signers, NAMESPACE, message, text);
    let body = signature.strip_prefix(BEGIN).unwrap().strip_suffix(END).unwrap().replace('\n', "");
    assert_eq!(judge(&format!("{BEGIN}{body}\n{END}")), Ok(&owner.key));
    for bad in [
        String::new(),
        body.clone(),
        format!("{BEGIN}{END}"),
        format!("{BEGIN}\n{END}"),
        format!("\n{signature}"),
        format!("{signature}\n"),
        format!("{signature}{signature}"),
        signature.replace('\n', "\r\n"),
        signature.replace("\n-----END", "\n\n-----END"),
        signature.replace("SSH", "PGP"),
        format!("{BEGIN}{body} \n{END}"),
        format!("{BEGIN}{body}=\n{END}"),
        format!("{BEGIN}{}\n{END}", body.trim_end_matches('=').to_owned() + "!"),
        format!("{BEGIN}{}\n{END}", "A".repeat(limits::SIGNATURE)),
    ] {
        assert_eq!(judge(&bad), Err(BadSignature::Armor), "{bad}");
    }
    for _ in 0..10_000 {
        let noise: [u8; 60] = random();
        assert!(judge(&armor(&noise)).is_err());
        assert!(judge(&armor(&[&b"SSHSIG\0\0\0\x01\0\0\0\x33"[..], &noise].concat())).is_err());
    }
}

#[test]
fn a_security_key_counts_only_when_touched() {
    let message = VECTORS[1].1.as_bytes();
    for application in ["ssh:", "ssh:release"] {
        let key = SecurityKey::new(application);
        let signers = Signers::of(vec![key.key.clone()]);
        for flags in 0..=u8::MAX {
            let expected = if flags & 1 == 1 { Ok(&key.key) } else { Err(BadSignature::TouchMissing) };
            assert_eq!(verify(&signers, NAMESPACE, message, &key.sign(flags, message)), expected, "{flags:#x}");
        }
        let signature = key.sign(0x05, message);
        assert!(openssh_accepts(&signers, message, &signature));
        assert_eq!(verify(&signers, NAMESPACE, &message[1..], &signature), Err(BadSignature::Invalid));
        let PublicKey::SkEd25519 { key: point, .. } = key.key.clone() else { unreachable!("made above") };
        let renamed = Signers::of(vec![PublicKey::SkEd25519 { key: point, application: "ssh:other".into() }]);
        assert_eq!(verify(&renamed, NAMESPACE, message, &signature), Err(BadSignature::UnknownKey));
        let plain = Signers::of(vec![PublicKey::Ed25519 { key: point }]);
        assert_eq!(verify(&plain, NAMESPACE, message, &signature), Err(BadSignature::UnknownKey));
    }
}

#[test]
fn keys_are_read_written_and_fingerprinted_as_openssh_does() {
    let owner = Owner::new();
    let path = owner.folder.path().join("key.pub");
    let line = fs::read_to_string(&path).unwrap();
    assert_eq!(format!("{} a comment\n", owner.key.to_openssh()), line);
    let security = SecurityKey::new("ssh:").key;
    for (key, path) in [(&owner.key, path), (&security, owner.file("sk.pub", security.to_openssh().as_bytes()))] {
        let listed = ran(Command::new("ssh-keygen").arg("-lf").arg(path)).stdout;
        let listed = String::from_utf8(listed).unwrap();
        assert_eq!(listed.split(' ').nth(1), Some(key.fingerprint().as_str()));
        assert_eq!(PublicKey::from_openssh(&key.to_openssh()).as_ref(), Ok(key));
    }
}

/// A key line over this blob.
fn line(name: &str, parts: &[&[u8]]) -> String {
    let mut blob = Vec::new();
    parts.iter().for_each(|part| put(&mut blob, part));
    format!("{name} {}", STANDARD.encode(blob))
}

#[test]
fn other_keys_are_refused() {
    let point = SigningKey::from_bytes(&random()).verifying_key().to_bytes();
    let (plain, sk): (&[u8], &[u8]) = (b"ssh-ed25519", b"sk-ssh-ed25519@openssh.com");
    let (plain_name, sk_name) = ("ssh-ed25519", "sk-ssh-ed25519@openssh.com");
    let good = line(plain_name, &[plain, &point]);
    assert!(PublicKey::from_openssh(&good).is_ok());
    let mut identity = [0; 32];
    identity[0] = 1;
    // y = p + 3: the second encoding of a point of full order.
    let mut second = [0xff; 32];
    (second[0], second[31]) = (0xf0, 0x7f);
    for (bad, why) in [
        (String::new(), BadKey::Line),
        (plain_name.into(), BadKey::Line),
        (format!("{good}\n\n"), BadKey::Line),
        (format!("{good}\r\n"), BadKey::Line),
        (format!("{good} a\u{1B}[2J"), BadKey::Line),
        (format!(" {good}"), BadKey::Type),
        (good.replace(plain_name, "ssh-rsa"), BadKey::Type),
        (good.replace(' ', "  "), BadKey::Blob),
        (format!("{good}="), BadKey::Base64),
        (good.replace(plain_name, sk_name), BadKey::Blob),
        (line(plain_name, &[b"ssh-rsa", &point]), BadKey::Type),
        (line(plain_name, &[plain, &point[1..]]), BadKey::Blob),
        (line(plain_name, &[plain, &point, b""]), BadKey::Blob),
        (line(plain_name, &[plain, &identity]), BadKey::Point),
        (line(plain_name, &[plain, &[2; 32]]), BadKey::Point),
        (line(plain_name, &[plain, &second]), BadKey::Point),
        (line(sk_name, &[sk, &point]), BadKey::Blob),
        (line(sk_name, &[sk, &point, b"example.org"]), BadKey::Application),
        (line(sk_name, &[sk, &point, b"ssh:\xFF"]), BadKey::Application),
        (line(sk_name, &[sk, &point, b"ssh:\n"]), BadKey::Application),
        (line(sk_name, &[sk, &point, &[&b"ssh:"[..], &[b'x'; APPLICATION_MAX]].concat()]), BadKey::Application),
    ] {
        assert_eq!(PublicKey::from_openssh(&bad), Err(why), "{bad}");
    }
}
