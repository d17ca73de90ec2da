use super::*;
use crate::error::{Fault, Refusal};
use crate::testing::{Reception, identity, impatient, knock, loopback, pair, soon, stand};
use quinn::ConnectionError;
use rustls::crypto::{CryptoProvider, aws_lc_rs::kx_group};
use rustls::sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey};
use rustls::{AlertDescription, SignatureAlgorithm, SignatureScheme};
use std::time::SystemTime;

const DAY: Duration = Duration::from_secs(86_400);

/// TLS of an honest dialler, to be spoilt.
fn client(who: &Identity, to: &Reception) -> rustls::ClientConfig {
    tls::client(who, to.identity.pin(), &Verdict::default()).unwrap()
}

fn alert(error: &ConnectionError) -> Option<AlertDescription> {
    let ConnectionError::ConnectionClosed(close) = error else { return None };
    let code = u64::from(close.error_code).checked_sub(0x100)?;
    Some(AlertDescription::from(u8::try_from(code).ok()?))
}

fn fault(error: &LinkError) -> Fault {
    if let LinkError::Refused { fault, .. } = error { fault.clone() } else { unreachable!("{error}") }
}

fn refusal(error: &LinkError) -> Refusal {
    if let LinkError::RefusedByPeer { refusal, .. } = error { *refusal } else { unreachable!("{error}") }
}

/// A key of the honest kind, whose certificate is valid from and until so long after the epoch.
fn aged(from: Duration, until: Duration) -> Identity {
    Identity::valid(&Identity::generate().unwrap(), from, until).unwrap()
}

fn now() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap()
}

/// An ECDSA P-256 key that claims to sign with ed25519, as a hostile peer's might.
#[derive(Debug)]
struct Liar(Arc<dyn SigningKey>);

impl SigningKey for Liar {
    fn choose_scheme(&self, _offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(Lie(self.0.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256])?)))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

#[derive(Debug)]
struct Lie(Box<dyn Signer>);

impl Signer for Lie {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        self.0.sign(message)
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

fn p256() -> Arc<SingleCertAndKey> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let cert = rcgen::CertificateParams::default().self_signed(&key).unwrap();
    let der = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let signer = rustls::crypto::aws_lc_rs::sign::any_supported_type(&der.into()).unwrap();
    Arc::new(CertifiedKey::new(vec![cert.der().clone()], Arc::new(Liar(signer))).into())
}

/// The classical key exchange alone.
fn classical() -> Arc<CryptoProvider> {
    let mut provider = (*tls::provider()).clone();
    provider.kx_groups = vec![kx_group::X25519];
    Arc::new(provider)
}

/// The identity's own certificate and key, changed.
fn spoilt(who: &Identity, spoil: impl FnOnce(&mut Vec<CertificateDer<'static>>)) -> Arc<SingleCertAndKey> {
    use rustls::client::ResolvesClientCert;
    let mut key = (*ResolvesClientCert::resolve(&*who.resolver(), &[], &[]).unwrap()).clone();
    spoil(&mut key.cert);
    Arc::new(key.into())
}

#[tokio::test]
async fn paired_peers_know_each_other_over_both_address_families() {
    for any in ["127.0.0.1:0", "[::]:0"] {
        let (vault, reception) = (identity(), identity());
        let listener = listen(any.parse().unwrap(), &reception, Pins::of([vault.pin()])).unwrap();
        let at = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
        let near = soon(Dialler::new(&vault).dial(&at, reception.pin())).await.unwrap();
        let far = soon(listener.accept()).await.unwrap().unwrap();
        assert_eq!((near.peer(), far.peer()), (reception.pin(), vault.pin()));
        assert_eq!((near.side(), far.side()), (Side::Dialler, Side::Listener));
        near.close(Goodbye::Done);
        assert!(matches!(soon(far.closed()).await, LinkError::Closed(_, Goodbye::Done)));
        assert!(matches!(near.close_reason(), Some(LinkError::ClosedHere)));
    }
}

#[tokio::test]
async fn a_stranger_is_refused_and_told_what_to_do() {
    let stranger = identity();
    let reception = Reception::knowing(&identity(), Timing::default());
    let link = Dialler::new(&stranger).dial(&reception.at.to_string(), reception.identity.pin()).await;
    let error = reception.refusal().await;
    assert_eq!(fault(&error), Fault::Stranger { found: stranger.pin() });
    assert!(error.to_string().contains(&stranger.pin().to_string()), "{error}");
    assert!(error.to_string().contains("`reception pair` here"), "{error}");
    let told = match link {
        Ok(link) => soon(link.closed()).await,
        Err(error) => error,
    };
    assert_eq!(refusal(&told), Refusal::NotPaired, "{told}");
    assert!(told.to_string().contains("`reception pair` there"), "{told}");
    assert!(told.to_string().contains(&stranger.pin().to_string()), "{told}");
}

#[tokio::test]
async fn the_dialler_refuses_another_node_at_the_address() {
    let (vault, wanted) = (identity(), identity().pin());
    let reception = Reception::knowing(&vault, Timing::default());
    let error = soon(Dialler::new(&vault).dial(&reception.at.to_string(), wanted)).await.err().unwrap();
    assert_eq!(fault(&error), Fault::WrongPin { expected: wanted, found: reception.identity.pin() });
    assert!(error.to_string().contains("`vault pair` here"), "{error}");
    let told = reception.refusal().await;
    assert_eq!(refusal(&told), Refusal::NotPaired, "{told}");
    assert!(told.to_string().contains("`vault pair` there"), "{told}");
}

#[tokio::test]
async fn certificates_outside_their_time_are_refused_by_both_sides() {
    let cases = [
        (aged(now() - 20 * DAY, now() - DAY), Fault::Expired),
        (aged(now() + DAY, now() + 20 * DAY), Fault::NotYetValid),
    ];
    for (who, wrong) in cases {
        let reception = Reception::knowing(&who, Timing::default());
        let told = knock(client(&who, &reception), reception.at).await;
        assert_eq!(fault(&reception.refusal().await), wrong);
        assert_eq!(alert(&told), Some(AlertDescription::CertificateExpired));

        let vault = identity();
        let at = stand(tls::server(&who, &Pins::of([vault.pin()]), &Verdict::default()).unwrap());
        let error = soon(Dialler::new(&vault).dial(&at.to_string(), who.pin())).await.err().unwrap();
        assert_eq!(fault(&error), wrong);
    }
}

#[tokio::test]
async fn a_p256_certificate_is_refused_by_both_sides() {
    let vault = identity();
    let reception = Reception::knowing(&vault, Timing::default());
    let mut config = client(&vault, &reception);
    config.client_auth_cert_resolver = p256();
    let told = knock(config, reception.at).await;
    assert_eq!(fault(&reception.refusal().await), Fault::KeyType);
    assert_eq!(alert(&told), Some(AlertDescription::UnsupportedCertificate));

    let mut config = tls::server(&identity(), &Pins::of([vault.pin()]), &Verdict::default()).unwrap();
    config.cert_resolver = p256();
    let error = Dialler::new(&vault).dial(&stand(config).to_string(), identity().pin()).await.err().unwrap();
    assert_eq!(fault(&error), Fault::KeyType);
}

#[tokio::test]
async fn no_two_or_tampered_certificates_are_refused() {
    let vault = identity();
    let reception = Reception::knowing(&vault, Timing::default());
    let mut config = client(&vault, &reception);
    config.client_auth_cert_resolver = spoilt(&vault, |certs| certs.push(certs[0].clone()));
    knock(config, reception.at).await;
    assert_eq!(fault(&reception.refusal().await), Fault::Count(2));

    let mut config = client(&vault, &reception);
    config.client_auth_cert_resolver = spoilt(&vault, |certs| {
        let mut der = certs[0].to_vec();
        *der.last_mut().unwrap() ^= 1;
        certs[0] = der.into();
    });
    knock(config, reception.at).await;
    assert_eq!(fault(&reception.refusal().await), Fault::SelfSignature);

    let mut silent = rustls::ClientConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(tls::danger::judge(reception.identity.pin()))
        .with_no_client_auth();
    silent.alpn_protocols = vec![shared::message::ALPN.to_vec()];
    let told = knock(silent, reception.at).await;
    assert!(matches!(reception.refusal().await, LinkError::NoCertificate(_)));
    assert_eq!(alert(&told), Some(AlertDescription::CertificateRequired));
}

#[tokio::test]
async fn a_certificate_without_its_key_is_refused() {
    let (vault, thief) = (identity(), identity());
    let reception = Reception::knowing(&vault, Timing::default());
    let mut config = client(&thief, &reception);
    config.client_auth_cert_resolver = spoilt(&thief, |certs| *certs = certificates(&vault));
    let told = knock(config, reception.at).await;
    assert_eq!(fault(&reception.refusal().await), Fault::Proof);
    assert_eq!(alert(&told), Some(AlertDescription::DecryptError));
}

fn certificates(who: &Identity) -> Vec<CertificateDer<'static>> {
    use rustls::client::ResolvesClientCert;
    ResolvesClientCert::resolve(&*who.resolver(), &[], &[]).unwrap().cert.clone()
}

#[tokio::test]
async fn another_protocol_is_refused_by_both_sides() {
    let vault = identity();
    let reception = Reception::knowing(&vault, Timing::default());
    let mut config = client(&vault, &reception);
    config.alpn_protocols = vec![b"h3".to_vec()];
    let told = knock(config, reception.at).await;
    assert!(matches!(reception.refusal().await, LinkError::NoCommonProtocol(_)));
    assert_eq!(alert(&told), Some(AlertDescription::NoApplicationProtocol));

    let who = identity();
    let mut config = tls::server(&who, &Pins::of([vault.pin()]), &Verdict::default()).unwrap();
    config.alpn_protocols = vec![b"h3".to_vec()];
    let error = Dialler::new(&vault).dial(&stand(config).to_string(), who.pin()).await.err().unwrap();
    assert_eq!(refusal(&error), Refusal::Protocol);
}

#[tokio::test]
async fn no_classical_key_exchange() {
    let vault = identity();
    let reception = Reception::knowing(&vault, Timing::default());
    let config = tls::client_with(classical(), &vault, reception.identity.pin(), &Verdict::default()).unwrap();
    let told = knock(config, reception.at).await;
    assert!(matches!(reception.refusal().await, LinkError::NoKeyExchange(_)));
    assert_eq!(alert(&told), Some(AlertDescription::HandshakeFailure));

    let who = identity();
    let config = tls::server_with(classical(), &who, &Pins::of([vault.pin()]), &Verdict::default()).unwrap();
    let error = Dialler::new(&vault).dial(&stand(config).to_string(), who.pin()).await.err().unwrap();
    assert_eq!(refusal(&error), Refusal::Handshake);
}

#[tokio::test]
async fn nothing_is_resumed_and_no_early_data_goes_out() {
    let vault = identity();
    let reception = Reception::knowing(&vault, Timing::default());
    let mut config = client(&vault, &reception);
    config.resumption = rustls::client::Resumption::in_memory_sessions(8);
    config.enable_early_data = true;
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).unwrap()));
    let endpoint = Endpoint::client(loopback()).unwrap();
    for _ in 0..2 {
        let connecting = endpoint.connect_with(config.clone(), reception.at, "example.org").unwrap();
        let Err(connecting) = connecting.into_0rtt() else { unreachable!("a session was resumed") };
        let connection = soon(connecting).await.unwrap();
        let far = reception.accept().await.unwrap();
        // A round trip after the handshake, in which a ticket would have come.
        let mut hint = soon(connection.open_uni()).await.unwrap();
        hint.write_all(b"x").await.unwrap();
        soon(far.quic().accept_uni()).await.unwrap();
        connection.close(0u32.into(), b"");
        soon(far.closed()).await;
    }
}

#[tokio::test]
async fn a_crowd_must_prove_its_addresses_and_the_rest_is_not_answered() {
    let (vault, reception) = (identity(), identity());
    let hasty = Timing { handshake: Duration::from_millis(500), ..Timing::default() };
    for (crowd, welcome) in [(Crowd { proof: 0, most: 256 }, 1), (Crowd { proof: 0, most: 0 }, 0)] {
        let listener = admit(&System, loopback(), &reception, Pins::of([vault.pin()]), hasty, crowd).unwrap();
        let at = listener.local_addr().unwrap().to_string();
        let dialled = soon(Dialler::with(&vault, hasty).dial(&at, reception.pin())).await;
        assert_eq!(dialled.iter().count(), welcome);
        if let Err(error) = dialled {
            assert!(matches!(error, LinkError::TimedOut(_)), "{error}");
        }
    }
}

#[tokio::test]
async fn taking_a_pin_out_ends_its_link_at_once() {
    let vault = identity();
    let reception = Reception::knowing(&vault, Timing::default());
    let near = Dialler::new(&vault).dial(&reception.at.to_string(), reception.identity.pin()).await.unwrap();
    let far = reception.accept().await.unwrap();
    assert!(!reception.pins.insert(vault.pin()));
    assert!(far.close_reason().is_none());
    assert!(reception.pins.remove(&vault.pin()));
    assert!(matches!(soon(near.closed()).await, LinkError::Closed(_, Goodbye::Unpaired)));
}

#[tokio::test]
async fn the_last_clone_ends_the_link_and_close_ends_the_listener() {
    let (far, near) = pair(Timing::default(), Timing::default()).await;
    drop(far);
    assert!(matches!(soon(near.closed()).await, LinkError::Closed(_, Goodbye::Done)));

    let vault = identity();
    let reception = Reception::knowing(&vault, Timing::default());
    let near = Dialler::new(&vault).dial(&reception.at.to_string(), reception.identity.pin()).await.unwrap();
    let _far = reception.accept().await.unwrap();
    reception.listener.close();
    assert!(matches!(soon(near.closed()).await, LinkError::Closed(_, Goodbye::Stopping)));
    assert!(soon(reception.listener.accept()).await.is_none());
    soon(reception.listener.drained()).await;
}

#[tokio::test]
async fn addresses_that_lead_nowhere() {
    let dialler = Dialler::with(&identity(), Timing { handshake: Duration::from_millis(200), ..impatient() });
    let pin = identity().pin();
    let silent = std::net::UdpSocket::bind(loopback()).unwrap();
    let at = silent.local_addr().unwrap().to_string();
    assert!(matches!(soon(dialler.dial(&at, pin)).await, Err(LinkError::TimedOut(_))));
    assert!(matches!(soon(dialler.dial("no port here", pin)).await, Err(LinkError::Resolve { .. })));
    let taken = listen(silent.local_addr().unwrap(), &identity(), Pins::default());
    assert!(matches!(taken, Err(LinkError::Socket { .. })));
}
