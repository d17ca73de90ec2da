//! An owner who signs as `ssh-keygen -Y sign` does (PROTOCOL.sshsig, sections 1 to 3), and once with that very program.

use crate::Signed;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha256, Sha512};
use shared::sshsig::{PRINCIPAL, PublicKey, Signers};
use shared::statement::NAMESPACE;
use std::path::Path;
use std::process::Command;

pub(super) struct Owner(SigningKey);

fn put(out: &mut Vec<u8>, value: &[u8]) {
    out.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
    out.extend(value);
}

fn strings(start: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut out = start.to_vec();
    parts.iter().for_each(|part| put(&mut out, part));
    out
}

impl Owner {
    pub(super) fn new(seed: u8) -> Self {
        Self(SigningKey::from_bytes(&[seed; 32]))
    }

    pub(super) fn key(&self) -> PublicKey {
        PublicKey::Ed25519 { key: self.0.verifying_key() }
    }

    pub(super) fn signers(&self) -> Signers {
        Signers::of(vec![self.key()])
    }

    pub(super) fn sign(&self, statement: &str) -> Signed {
        self.sign_as(NAMESPACE, statement)
    }

    pub(super) fn sign_as(&self, namespace: &str, statement: &str) -> Signed {
        let raw = self.raw(namespace, "sha512", &Sha512::digest(statement));
        Signed::one(statement.to_owned(), self.armored(namespace, "sha512", &raw))
    }

    /// The other hash that SSHSIG knows: another signature by the same key.
    pub(super) fn sign_with_sha256(&self, statement: &str) -> Signed {
        let raw = self.raw(NAMESPACE, "sha256", &Sha256::digest(statement));
        Signed::one(statement.to_owned(), self.armored(NAMESPACE, "sha256", &raw))
    }

    /// The bare Ed25519 signature for a namespace over a text's SHA-512.
    pub(super) fn bare(&self, statement: &str) -> [u8; 64] {
        self.raw(NAMESPACE, "sha512", &Sha512::digest(statement))
    }

    fn raw(&self, namespace: &str, name: &str, hash: &[u8]) -> [u8; 64] {
        let data = strings(b"SSHSIG", &[namespace.as_bytes(), b"", name.as_bytes(), hash]);
        self.0.sign(&data).to_bytes()
    }

    /// The SSHSIG that says of a bare signature that this owner made it.
    pub(super) fn claimed(&self, raw: &[u8; 64]) -> String {
        self.armored(NAMESPACE, "sha512", raw)
    }

    fn armored(&self, namespace: &str, name: &str, raw: &[u8; 64]) -> String {
        let key = strings(b"", &[b"ssh-ed25519", self.0.verifying_key().as_bytes()]);
        let signature = strings(b"", &[b"ssh-ed25519", raw]);
        armor(&strings(b"SSHSIG\0\0\0\x01", &[&key, namespace.as_bytes(), b"", name.as_bytes(), &signature]))
    }
}

/// What the armour of an SSHSIG holds.
pub(super) fn dearmor(armored: &str) -> Vec<u8> {
    let base64: String = armored.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(base64).unwrap()
}

pub(super) fn armor(blob: &[u8]) -> String {
    let base64 = STANDARD.encode(blob);
    let lines: Vec<&str> = base64.as_bytes().chunks(70).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", lines.join("\n"))
}

/// A key that OpenSSH made in `folder`, and its signature over `statement`.
pub(super) fn sign_with_openssh(folder: &Path, statement: &str) -> (Signers, Signed) {
    let (key, text) = (folder.join("owner"), folder.join("statement"));
    std::fs::write(&text, statement).unwrap();
    let ran = |command: &mut Command| assert!(command.status().unwrap().success(), "{command:?}");
    ran(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key));
    ran(Command::new("ssh-keygen").args(["-q", "-Y", "sign", "-n", NAMESPACE, "-f"]).arg(&key).arg(&text));
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    let signature = std::fs::read_to_string(text.with_extension("sig")).unwrap();
    (Signers::of(vec![PublicKey::from_openssh(&public).unwrap()]), Signed::one(statement.to_owned(), signature))
}

#[test]
fn openssh_accepts_what_this_owner_signs() {
    let (owner, folder) = (Owner::new(3), tempfile::tempdir().unwrap());
    let signed = owner.sign("webizen statement v1\n");
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("signers"), owner.signers().render()).unwrap();
    std::fs::write(path("signature"), &signed.signatures[0]).unwrap();
    std::fs::write(path("statement"), &signed.statement).unwrap();
    let mut command = Command::new("ssh-keygen");
    command.args(["-Y", "verify", "-I", PRINCIPAL, "-n", NAMESPACE, "-f"]).arg(path("signers"));
    command.arg("-s").arg(path("signature")).stdin(std::fs::File::open(path("statement")).unwrap());
    assert!(command.output().unwrap().status.success());
}
