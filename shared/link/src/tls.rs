//! TLS as the link speaks it: version 1.3, X25519MLKEM768, ed25519, one self-signed certificate, pinned.
//!
//! A certificate is judged in this order: there is exactly one, its key is ed25519, the SHA-256 of its
//! SubjectPublicKeyInfo is expected, and then, anchored in itself, it is within its validity period and signed by its own
//! key. The last step proves nothing that the handshake's signature does not, but it keeps the validity period honest.

use crate::endpoint::Pins;
use crate::error::Fault;
use crate::identity::Identity;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig};
use rustls::{SignatureScheme, version::TLS13};
use sha2::{Digest, Sha256};
use shared::ids::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// DER of a SubjectPublicKeyInfo up to the 32 bytes of an ed25519 key (RFC 8410, section 4).
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

static ED25519: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[webpki::aws_lc_rs::ED25519],
    mapping: &[(SignatureScheme::ED25519, &[webpki::aws_lc_rs::ED25519])],
};

/// The only cryptography that the link offers or accepts.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519MLKEM768];
    provider.signature_verification_algorithms = ED25519;
    provider.cipher_suites.retain(|suite| suite.tls13().is_some());
    Arc::new(provider)
}

/// The DER SubjectPublicKeyInfo of a certificate.
pub(crate) fn spki(cert: &CertificateDer<'_>) -> Result<Vec<u8>, Fault> {
    let cert = EndEntityCert::try_from(cert).map_err(|_| Fault::Malformed)?;
    Ok(cert.subject_public_key_info().to_vec())
}

/// The pin of an ed25519 certificate.
pub(crate) fn pin(cert: &CertificateDer<'_>) -> Result<Pin, Fault> {
    let spki = spki(cert)?;
    if spki.len() != ED25519_SPKI.len() + 32 || !spki.starts_with(&ED25519_SPKI) {
        return Err(Fault::KeyType);
    }
    Ok(Pin(Sha256::digest(&spki).into()))
}

/// Whose certificate is acceptable.
#[derive(Debug, Clone)]
pub(crate) enum Expected {
    /// The one that was dialled.
    One(Pin),
    /// Any that is paired at this moment.
    AnyOf(Pins),
}

/// What the judge of one handshake found wrong, for whoever awaits that handshake. The wire carries an alert only.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict(Arc<Mutex<Option<Fault>>>);

impl Verdict {
    /// The fault, if one was found.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, fault: Fault) -> Error {
        let error = wire(&fault);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
        error
    }
}

/// The rustls error whose alert tells the peer what it needs to act on, and nothing about who is expected.
fn wire(fault: &Fault) -> Error {
    Error::InvalidCertificate(match fault {
        Fault::Stranger { .. } | Fault::WrongPin { .. } => CertificateError::UnknownIssuer,
        Fault::Expired => CertificateError::Expired,
        Fault::NotYetValid => CertificateError::NotValidYet,
        Fault::KeyType => CertificateError::InvalidPurpose,
        Fault::SelfSignature | Fault::Proof => CertificateError::BadSignature,
        Fault::Count(_) | Fault::Malformed => CertificateError::BadEncoding,
    })
}

/// Judges the one certificate of one handshake, on either side.
#[derive(Debug)]
struct Judge {
    expected: Expected,
    verdict: Verdict,
}

impl Judge {
    fn judge(
        &self,
        cert: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
    ) -> Result<(), Error> {
        examine(&self.expected, cert, others, now, usage).map_err(|fault| self.verdict.set(fault))
    }

    /// The peer's signature over the handshake (RFC 8446, section 4.4.3).
    fn proof(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &ED25519).map_err(|_| self.verdict.set(Fault::Proof))
    }
}

fn examine(
    expected: &Expected,
    cert: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
    now: UnixTime,
    usage: KeyUsage,
) -> Result<(), Fault> {
    if !others.is_empty() {
        return Err(Fault::Count(others.len() + 1));
    }
    let found = pin(cert)?;
    match expected {
        Expected::One(pin) if *pin != found => return Err(Fault::WrongPin { expected: *pin, found }),
        Expected::AnyOf(pins) if !pins.contains(&found) => return Err(Fault::Stranger { found }),
        Expected::One(_) | Expected::AnyOf(_) => {}
    }
    let anchor = [anchor_from_trusted_cert(cert).map_err(|_| Fault::Malformed)?];
    let entity = EndEntityCert::try_from(cert).map_err(|_| Fault::Malformed)?;
    let checked = entity.verify_for_usage(ED25519.all, &anchor, &[], now, usage, None, None);
    checked.map(|_| ()).map_err(|error| fault(&error))
}

fn fault(error: &webpki::Error) -> Fault {
    use webpki::Error as E;
    if matches!(error, E::CertExpired { .. }) {
        return Fault::Expired;
    }
    if matches!(error, E::CertNotValidYet { .. }) {
        return Fault::NotYetValid;
    }
    if matches!(error, E::InvalidSignatureForPublicKey | E::UnknownIssuer) {
        return Fault::SelfSignature;
    }
    Fault::Malformed
}

fn no_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::General("the link speaks TLS 1.3 only".into()))
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.judge(end_entity, intermediates, now, KeyUsage::server_auth())?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.proof(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ClientCertVerifier for Judge {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.judge(end_entity, intermediates, now, KeyUsage::client_auth())?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.proof(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// TLS for one accepted handshake; the verdict tells afterwards what was wrong with the peer.
pub(crate) fn server(identity: &Identity, pins: &Pins, verdict: &Verdict) -> Result<ServerConfig, Error> {
    server_with(provider(), identity, pins, verdict)
}

pub(crate) fn server_with(
    provider: Arc<CryptoProvider>,
    identity: &Identity,
    pins: &Pins,
    verdict: &Verdict,
) -> Result<ServerConfig, Error> {
    let judge = Judge { expected: Expected::AnyOf(pins.clone()), verdict: verdict.clone() };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(judge))
        .with_cert_resolver(identity.resolver());
    config.alpn_protocols = vec![shared::message::ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// TLS for one dialled handshake; the verdict tells afterwards what was wrong with the peer.
pub(crate) fn client(identity: &Identity, pin: Pin, verdict: &Verdict) -> Result<ClientConfig, Error> {
    client_with(provider(), identity, pin, verdict)
}

pub(crate) fn client_with(
    provider: Arc<CryptoProvider>,
    identity: &Identity,
    pin: Pin,
    verdict: &Verdict,
) -> Result<ClientConfig, Error> {
    let judge = Judge { expected: Expected::One(pin), verdict: verdict.clone() };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(judge))
        .with_client_cert_resolver(identity.resolver());
    config.alpn_protocols = vec![shared::message::ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config.enable_sni = false;
    Ok(config)
}

/// For ends that do not play by the rules.
#[cfg(test)]
pub(crate) mod danger {
    use super::*;

    /// A verifier for TLS that is put together elsewhere.
    pub(crate) fn judge(pin: Pin) -> Arc<dyn ServerCertVerifier> {
        Arc::new(Judge { expected: Expected::One(pin), verdict: Verdict::default() })
    }
}
