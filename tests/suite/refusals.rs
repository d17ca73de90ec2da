//! Who gets an answer on the link, and who does not: the real reception against strangers of every kind.

use link::{Dialler, Identity, LinkError};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use shared::ids::Pin;
use shared::message::ALPN;
use std::net::SocketAddr;
use std::sync::Arc;
use tests::anybody::Anybody;
use tests::{World, until};

fn reception_pin(world: &World) -> Pin {
    let line: shared::pairing::ReceptionLine = world.reception(&["id"]).ok().parse().unwrap();
    line.pin
}

fn log_says(world: &mut World, words: &str) {
    until(&format!("the reception's log says {words:?}"), || {
        world.reception_node().log().contains(words).then_some(())
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn stranger() -> Identity {
    Identity::from_pem(&Identity::generate().unwrap()).unwrap()
}

#[test]
fn a_stranger_is_refused_and_both_sides_say_why() {
    let mut world = World::new();
    // A reception that has refused nobody yet says every reason at once.
    let connected = |world: &mut World| world.reception_node().log().matches("the vault is connected").count();
    let before = connected(&mut world);
    world.kill_reception();
    world.start_reception(&[]);
    // The vault may not have noticed yet that the first link is dead.
    until("the vault is connected again", || (connected(&mut world) > before).then_some(()));
    world.wait_for_link();
    let (address, pin) = (world.link_address(), reception_pin(&world));
    let own = stranger();
    let error = runtime().block_on(async {
        match Dialler::new(&own).dial(&address.to_string(), pin).await {
            Ok(link) => link.closed().await,
            Err(error) => error,
        }
    });
    assert!(matches!(error, LinkError::RefusedByPeer { .. }), "{error}");
    assert!(error.to_string().contains("reception pair"), "{error}");
    log_says(&mut world, &own.pin().to_string());
    assert!(world.link_is_up(), "the paired vault is still answered");
}

#[test]
fn a_reception_with_another_pin_is_refused_by_the_vault() {
    let mut world = World::new();
    let address = world.link_address();
    let (dialler, address) = (Dialler::new(&stranger()), address.to_string());
    let error = runtime().block_on(dialler.dial(&address, Pin([7; 32])));
    let error = error.err().expect("the pin is another").to_string();
    assert!(error.contains(&reception_pin(&world).to_string()), "{error}");
    assert!(error.contains(&Pin([7; 32]).to_string()), "{error}");
}

#[test]
fn a_half_paired_node_is_refused_and_both_sides_say_what_to_do() {
    let mut world = World::unpaired();
    let line = world.reception(&["id"]).ok();
    let vault_line: shared::pairing::VaultLine = world.vault(&["pair", &line]).ok().parse().unwrap();
    log_says(&mut world, &vault_line.pin.to_string());
    until("the vault says what to do", || {
        let lanes = world.vault_json(&["receptions"]);
        lanes[0]["link"].as_str().unwrap().contains("run `reception pair` there").then_some(())
    });
    assert!(!world.link_is_up());
    world.reception(&["pair", &vault_line.to_string()]).ok();
    world.wait_for_link();
}

/// What a raw client offers; it takes any server, to see what the server takes.
struct Offer {
    key: &'static rcgen::SignatureAlgorithm,
    groups: Vec<&'static dyn rustls::crypto::SupportedKxGroup>,
    alpn: &'static [u8],
}

impl Offer {
    fn right() -> Self {
        Self { key: &rcgen::PKCS_ED25519, groups: vec![aws_lc_rs::kx_group::X25519MLKEM768], alpn: ALPN }
    }

    /// Why the reception at `address` closes a connection that offers this.
    fn make(self, address: SocketAddr) -> String {
        runtime().block_on(async {
            let mut provider = aws_lc_rs::default_provider();
            provider.kx_groups = self.groups;
            let provider = Arc::new(provider);
            let key = rcgen::KeyPair::generate_for(self.key).unwrap();
            let params = rcgen::CertificateParams::new(vec!["node.invalid".to_owned()]).unwrap();
            let certificate = params.self_signed(&key).unwrap();
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
            let mut tls = rustls::ClientConfig::builder_with_provider(provider.clone())
                .with_protocol_versions(&[&rustls::version::TLS13])
                .unwrap()
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
                .with_client_auth_cert(vec![certificate.der().clone()], key)
                .unwrap();
            tls.alpn_protocols = vec![self.alpn.to_vec()];
            let config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
            let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
            match endpoint.connect_with(config, address, "node.invalid").unwrap().await {
                Ok(connection) => connection.closed().await.to_string(),
                Err(error) => error.to_string(),
            }
        })
    }
}

#[test]
fn another_kind_of_key_is_refused() {
    let mut world = World::new();
    let address = world.link_address();
    let reason = Offer { key: &rcgen::PKCS_ECDSA_P256_SHA256, ..Offer::right() }.make(address);
    assert!(!reason.is_empty());
    log_says(&mut world, "ed25519");
}

#[test]
fn another_protocol_is_refused() {
    let mut world = World::new();
    let address = world.link_address();
    let reason = Offer { alpn: b"h3", ..Offer::right() }.make(address);
    assert!(reason.contains("120") || reason.contains("application protocol") || reason.contains("0x178"), "{reason}");
    log_says(&mut world, "does not speak this link's protocol");
}

#[test]
fn a_hello_without_the_post_quantum_exchange_is_refused() {
    let mut world = World::new();
    let address = world.link_address();
    let reason = Offer { groups: vec![aws_lc_rs::kx_group::X25519], ..Offer::right() }.make(address);
    assert!(!reason.is_empty());
    log_says(&mut world, "X25519MLKEM768");
    assert!(world.link_is_up(), "the paired vault is still answered");
}
