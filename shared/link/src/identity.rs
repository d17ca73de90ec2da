//! A node's ed25519 key and the self-signed certificate that carries it.

use ed25519_dalek::SigningKey;
use ed25519_dalek::ed25519::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes, spki::der::pem::LineEnding};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use sha2::{Digest, Sha256};
use shared::ids::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const DAY: Duration = Duration::from_secs(86_400);
/// The certificate is made at start-up and never stored, so its life only has to outlast the process; ten years also
/// forgives a peer whose clock is years ahead.
const LIFE: Duration = Duration::from_secs(3650 * 86_400);

/// Who a node is on the link. Clones share one key; there is no `Debug`.
#[derive(Clone)]
pub struct Identity {
    key: Arc<SingleCertAndKey>,
    pin: Pin,
    memory: Arc<Memory>,
}

/// What a listener must remember over a restart, derived from the node key: with it, the packets of links that died with
/// the old process are answered by stateless resets (RFC 9000, section 10.3), and their peers dial again at once.
#[derive(ZeroizeOnDrop)]
struct Memory {
    reset: [u8; 32],
    ids: u64,
}

impl Memory {
    fn of(key: &SigningKey) -> Self {
        let derive = |purpose: &[u8]| -> [u8; 32] {
            let named = Sha256::new().chain_update(b"webizen link ").chain_update(purpose);
            named.chain_update(key.to_bytes()).finalize().into()
        };
        let [a, b, c, d, e, f, g, h, ..] = derive(b"connection ids");
        Self { reset: derive(b"stateless reset"), ids: u64::from_be_bytes([a, b, c, d, e, f, g, h]) }
    }
}

/// Why a node key could not be made or read. None of these quotes the key.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The operating system gave no random bytes.
    #[error("the system's random source failed: {0}")]
    Random(getrandom::Error),
    /// Not an ed25519 key in PKCS#8 PEM.
    #[error("this is not an ed25519 private key in PKCS#8 PEM form (`BEGIN PRIVATE KEY`); restore it from a backup")]
    NotAKey,
    /// The certificate could not be made from the key.
    #[error("no certificate can be made from the node key: {0}")]
    Certificate(rcgen::Error),
    /// The TLS library refuses the key or its certificate.
    #[error("the TLS library refuses the node key: {0}")]
    Tls(rustls::Error),
    /// The clock stands before 1970 or after 9999.
    #[error("the system clock is not set; set it and start again")]
    Clock,
}

impl Identity {
    /// A fresh key as PKCS#8 version 1 PEM (RFC 8410, section 7), the form that OpenSSL 3.0 reads too.
    ///
    /// # Errors
    /// [`IdentityError::Random`]
    pub fn generate() -> Result<Zeroizing<String>, IdentityError> {
        let mut pair = KeypairBytes { secret_key: [0; 32], public_key: None };
        getrandom::fill(&mut pair.secret_key).map_err(IdentityError::Random)?;
        let pem = pair.to_pkcs8_pem(LineEnding::LF).map_err(|_| IdentityError::NotAKey);
        pair.secret_key.zeroize();
        pem
    }

    /// Reads a key that [`Self::generate`] made and signs the certificate for it, valid from a day ago (a peer's clock may
    /// be behind) for ten years. The certificate's name is the same for every node and is never looked at.
    ///
    /// # Errors
    /// [`IdentityError`]
    pub fn from_pem(pem: &str) -> Result<Self, IdentityError> {
        let now = SystemTime::UNIX_EPOCH.elapsed().map_err(|_| IdentityError::Clock)?;
        Self::valid(pem, now.saturating_sub(DAY), now + LIFE)
    }

    /// What peers pin: SHA-256 of the certificate's SubjectPublicKeyInfo.
    pub fn pin(&self) -> Pin {
        self.pin
    }

    /// As [`Self::from_pem`], with a certificate valid between two instants after the epoch.
    pub(crate) fn valid(pem: &str, from: Duration, until: Duration) -> Result<Self, IdentityError> {
        let key = SigningKey::from_pkcs8_pem(pem).map_err(|_| IdentityError::NotAKey)?;
        let mut pair = KeypairBytes { secret_key: key.to_bytes(), public_key: None };
        let der = pair.to_pkcs8_der().map_err(|_| IdentityError::NotAKey);
        pair.secret_key.zeroize();
        let der = PrivatePkcs8KeyDer::from(der?.as_bytes().to_vec());
        let signer = KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ED25519);
        let cert = certificate(&signer.map_err(IdentityError::Certificate)?, from, until)?;
        let spki = crate::tls::spki(&cert).map_err(|_| IdentityError::NotAKey)?;
        let memory = Arc::new(Memory::of(&key));
        let key = CertifiedKey::from_der(vec![cert], PrivateKeyDer::Pkcs8(der), &crate::tls::provider());
        let key = Arc::new(key.map_err(IdentityError::Tls)?.into());
        Ok(Self { key, pin: Pin(Sha256::digest(&spki).into()), memory })
    }

    /// A listener's endpoint, which knows the connection ids of its predecessors.
    pub(crate) fn endpoint(&self) -> quinn::EndpointConfig {
        let reset = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &self.memory.reset);
        let mut config = quinn::EndpointConfig::new(Arc::new(reset));
        let ids = self.memory.ids;
        config.cid_generator(move || Box::new(quinn_proto::HashedConnectionIdGenerator::from_key(ids)));
        config
    }

    /// The key and certificate in the form that rustls asks for, on either side.
    pub(crate) fn resolver(&self) -> Arc<SingleCertAndKey> {
        self.key.clone()
    }
}

fn certificate(key: &KeyPair, from: Duration, until: Duration) -> Result<CertificateDer<'static>, IdentityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "webizen node");
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let at = |after: Duration| i64::try_from(after.as_secs()).ok().filter(|s| *s < 253_000_000_000);
    let (from, until) = at(from).zip(at(until)).ok_or(IdentityError::Clock)?;
    params.not_before = epoch + Duration::from_secs(from.unsigned_abs());
    params.not_after = epoch + Duration::from_secs(until.unsigned_abs());
    Ok(params.self_signed(key).map_err(IdentityError::Certificate)?.der().clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn one_key_has_one_pin_and_two_keys_have_two() {
        let (one, two) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let pin = |pem: &str| Identity::from_pem(pem).unwrap().pin();
        assert_eq!(pin(&one), pin(&one));
        assert_ne!(pin(&one), pin(&two));
    }

    #[test]
    fn what_is_not_a_key_is_refused_without_being_quoted() {
        let broken = Identity::generate().unwrap().replace("MC4CAQAw", "MC4CAQAx");
        for bad in ["", "canary", broken.as_str()] {
            let error = Identity::from_pem(bad).err().unwrap();
            assert!(matches!(error, IdentityError::NotAKey), "{error}");
            assert!(!error.to_string().contains("canary"));
        }
    }

    #[test]
    fn openssl_reads_the_key_and_finds_the_same_pin() {
        let dir = tempfile::tempdir().unwrap();
        let pem = Identity::generate().unwrap();
        std::fs::write(dir.path().join("key.pem"), pem.as_bytes()).unwrap();
        let out = Command::new("openssl")
            .args(["pkey", "-in", "key.pem", "-pubout", "-outform", "DER"])
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        assert_eq!(Pin(Sha256::digest(&out.stdout).into()), Identity::from_pem(&pem).unwrap().pin());
    }
}
