//! The floors: the least that each piece of work costs with the same libraries and without this product.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use bytes::Bytes;
use ed25519_dalek::{Signer as _, SigningKey};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{Connection, Endpoint, EndpointConfig, TokioRuntime};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of one echoed message, and of one appended record.
pub(crate) const MESSAGE: usize = 256;
const RECORD: usize = 500;
const ALPN: &[u8] = b"floor";

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// One self-signed certificate and its key, as DER.
pub(crate) struct Certificate {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Certificate {
    pub(crate) fn new() -> Result<Self, Fault> {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
        let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&key)?;
        Ok(Self { certificate: certificate.der().to_vec(), key: key.serialize_der() })
    }

    /// Writes both for a child process.
    pub(crate) fn save(&self, folder: &Path) -> Result<(), Fault> {
        std::fs::write(folder.join("floor.crt"), &self.certificate)?;
        Ok(std::fs::write(folder.join("floor.key"), &self.key)?)
    }

    pub(crate) fn load(folder: &Path) -> Result<Self, Fault> {
        let read = |name: &str| std::fs::read(folder.join(name));
        Ok(Self { certificate: read("floor.crt")?, key: read("floor.key")? })
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![CertificateDer::from(self.certificate.clone())]
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }

    fn roots(&self) -> Result<Arc<rustls::RootCertStore>, Fault> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from(self.certificate.clone()))?;
        Ok(Arc::new(roots))
    }
}

fn provider() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.kx_groups = vec![rustls::crypto::aws_lc_rs::kx_group::X25519MLKEM768];
    Arc::new(provider)
}

fn socket() -> Result<std::net::UdpSocket, Fault> {
    Ok(std::net::UdpSocket::bind("127.0.0.1:0")?)
}

fn transport() -> Arc<quinn::TransportConfig> {
    let mut transport = quinn::TransportConfig::default();
    transport.max_concurrent_bidi_streams(2048u32.into());
    Arc::new(transport)
}

/// Echoes messages until it is killed; prints its port first.
pub(crate) async fn echo(folder: &Path) -> Result<(), Fault> {
    let certificate = Certificate::load(folder)?;
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(certificate.roots()?, provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier.build()?)
        .with_single_cert(certificate.chain(), certificate.key())?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    config.transport_config(transport());
    let endpoint = Endpoint::new(EndpointConfig::default(), Some(config), socket()?, Arc::new(TokioRuntime))?;
    super::print_port(endpoint.local_addr()?.port())?;
    while let Some(incoming) = endpoint.accept().await {
        tokio::spawn(async move {
            let connection = incoming.await?;
            loop {
                let (mut send, mut receive) = connection.accept_bi().await?;
                tokio::spawn(async move {
                    let message = receive.read_to_end(MESSAGE).await?;
                    send.write_chunk(message.into()).await?;
                    send.finish()?;
                    Ok::<_, Fault>(())
                });
            }
            #[allow(unreachable_code)]
            Ok::<_, Fault>(())
        });
    }
    Ok(())
}

/// A connection to [`echo`].
pub(crate) async fn connect(folder: &Path, port: u16) -> Result<(Endpoint, Connection), Fault> {
    let certificate = Certificate::load(folder)?;
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(certificate.roots()?)
        .with_client_auth_cert(certificate.chain(), certificate.key())?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    config.transport_config(transport());
    let endpoint = Endpoint::new(EndpointConfig::default(), None, socket()?, Arc::new(TokioRuntime))?;
    let connection = endpoint.connect_with(config, SocketAddr::from(([127, 0, 0, 1], port)), "localhost")?.await?;
    Ok((endpoint, connection))
}

/// One echoed message.
pub(crate) async fn call(connection: &Connection) -> Result<(), Fault> {
    let (mut send, mut receive) = connection.open_bi().await?;
    send.write_chunk(Bytes::from_static(&[7; MESSAGE])).await?;
    send.finish()?;
    let echoed = receive.read_to_end(MESSAGE).await?;
    if echoed.len() == MESSAGE { Ok(()) } else { Err("a short echo".into()) }
}

/// Times of appending one record with one flush each.
pub(crate) fn append(folder: &Path, count: usize) -> Result<Vec<Duration>, Fault> {
    let mut file = OpenOptions::new().create(true).append(true).open(folder.join("floor.log"))?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        file.write_all(&[9; RECORD])?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    Ok(times)
}

/// Times of one Ed25519 signature.
pub(crate) fn sign(count: usize) -> Vec<Duration> {
    let key = SigningKey::from_bytes(&[7; 32]);
    let mut message = [0u8; 128];
    let mut times = Vec::with_capacity(count);
    for i in 0..count {
        message[..8].copy_from_slice(&(i as u64).to_be_bytes());
        let start = Instant::now();
        std::hint::black_box(key.sign(&message));
        times.push(start.elapsed());
    }
    times
}

/// Serves the file's bytes as a page, bare, until it is killed; prints its port first.
pub(crate) async fn page(file: &Path) -> Result<(), Fault> {
    let body = Bytes::from(std::fs::read(file)?);
    let answer = move || {
        let body = body.clone();
        async move { ([(CONTENT_TYPE, "text/html; charset=utf-8")], body) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    super::print_port(listener.local_addr()?.port())?;
    Ok(axum::serve(listener, Router::new().route("/", get(answer))).await?)
}
