//! The keys of a simulated pair; invented, and the same in every run.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::{Signer as _, SigningKey};
use link::Identity;
use sha2::{Digest as _, Sha512};
use shared::pairing::{ReceptionLine, VaultLine};
use shared::sshsig::{PublicKey, Signers};
use shared::statement::{NAMESPACE, Statement};
use shared::tlog::{Origin, VerifierKey};
use std::sync::LazyLock;
use vault::driver::SealingKey;
use vault_core::{Owners, Signed};
use zeroize::Zeroizing;

/// Receptions in a world, at most.
pub const FRONTS: usize = 2;
/// Owners.
pub const OWNERS: usize = 3;

/// Everybody's keys.
pub struct Keys {
    /// The vault's on the link.
    pub vault: Identity,
    /// Each reception's.
    pub fronts: [Identity; FRONTS],
    /// The log's name.
    pub origin: Origin,
    /// The log's key.
    pub log: SigningKey,
    /// Who may approve.
    pub owners: [Signer; OWNERS],
    /// Who may not.
    pub thief: Signer,
}

/// Everybody's keys, made once.
pub static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys {
    vault: identity(1),
    fronts: [identity(2), identity(3)],
    origin: Origin::new("vault.example.org/3f2a").unwrap(),
    log: SigningKey::from_bytes(&[4; 32]),
    owners: [5, 7, 8].map(|seed| Signer(SigningKey::from_bytes(&[seed; 32]))),
    thief: Signer(SigningKey::from_bytes(&[6; 32])),
});

fn identity(seed: u8) -> Identity {
    Identity::from_pem(&SigningKey::from_bytes(&[seed; 32]).to_pkcs8_pem(LineEnding::LF).unwrap()).unwrap()
}

impl Keys {
    /// The owners' public keys.
    pub fn signers(&self) -> Signers {
        Signers::of(self.owners.iter().map(|owner| PublicKey::Ed25519 { key: owner.0.verifying_key() }).collect())
    }

    /// The owners, so many of whom must sign.
    pub fn owners(&self, quorum: usize) -> Owners {
        Owners::new(self.signers(), quorum).unwrap()
    }

    /// The log's public key.
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey::of(self.origin.clone(), &self.log)
    }

    /// The key that opens what receptions seal.
    pub fn sealing(&self) -> SealingKey {
        SealingKey::new(Zeroizing::new([10; 32])).unwrap()
    }

    /// What the vault prints for its receptions.
    pub fn vault_line(&self) -> VaultLine {
        let (log, owner) = (self.verifier(), self.signers());
        VaultLine {
            name: "vault".parse().unwrap(),
            pin: self.vault.pin(),
            log,
            sealing: self.sealing().public(),
            owner,
        }
    }

    /// What a reception prints for the vault.
    pub fn front_line(&self, front: usize, address: &str) -> ReceptionLine {
        let witness = VerifierKey::of(Origin::new("front.example.org/w").unwrap(), &SigningKey::from_bytes(&[9; 32]));
        let (name, pin) = (format!("front{front}").parse().unwrap(), self.fronts[front].pin());
        ReceptionLine { name, address: address.parse().unwrap(), pin, witness }
    }
}

/// Signs as `ssh-keygen -Y sign` does (OpenSSH, PROTOCOL.sshsig, sections 1 to 3).
pub struct Signer(SigningKey);

impl Signer {
    /// A signed statement.
    pub fn sign(&self, statement: impl Into<Statement>) -> Signed {
        self.sign_as(NAMESPACE, statement.into().render())
    }

    /// A signed text, for any purpose.
    pub fn sign_as(&self, namespace: &str, statement: String) -> Signed {
        let hash = Sha512::digest(&statement);
        let data = strings(b"SSHSIG", &[namespace.as_bytes(), b"", b"sha512", &hash]);
        let key = strings(b"", &[b"ssh-ed25519", self.0.verifying_key().as_bytes()]);
        let signature = strings(b"", &[b"ssh-ed25519", &self.0.sign(&data).to_bytes()]);
        let blob = strings(b"SSHSIG\0\0\0\x01", &[&key, namespace.as_bytes(), b"", b"sha512", &signature]);
        let text = STANDARD.encode(blob);
        let lines: Vec<_> = text.as_bytes().chunks(70).map(String::from_utf8_lossy).collect();
        let signature = format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", lines.join("\n"));
        Signed::one(statement, signature)
    }
}

fn strings(start: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut out = start.to_vec();
    for part in parts {
        out.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}
