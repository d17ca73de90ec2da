//! What can go wrong, said precisely on the side that refuses and as far as the alert tells on the side that is refused.

use crate::endpoint::Goodbye;
use crate::tls::Verdict;
use quinn::ConnectionError;
use rustls::{AlertDescription, PeerIncompatible};
use shared::frame::FrameError;
use shared::ids::Pin;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Which end of a link this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The reception: it listens and calls.
    Listener,
    /// The vault: it dials and serves.
    Dialler,
}

impl Side {
    /// The command that makes the peer know us, run at the peer.
    fn pair_there(self) -> &'static str {
        match self {
            Self::Listener => "vault pair",
            Self::Dialler => "reception pair",
        }
    }

    /// The command that makes us know the peer, run here.
    fn pair_here(self) -> &'static str {
        match self {
            Self::Listener => "reception pair",
            Self::Dialler => "vault pair",
        }
    }
}

/// What we found wrong with the peer's certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Its pin is not among the paired ones.
    #[error("its pin {found} is not paired with this node")]
    Stranger {
        /// The pin that was presented.
        found: Pin,
    },
    /// Not the node that was dialled.
    #[error(
        "its pin is {found} and not the paired {expected}: another node answers at this address, or its key changed"
    )]
    WrongPin {
        /// The pin from the pairing.
        expected: Pin,
        /// The pin that was presented.
        found: Pin,
    },
    /// The validity period is over.
    #[error("its certificate has expired: compare both clocks, and restart the peer, which makes a new certificate")]
    Expired,
    /// The validity period has not begun.
    #[error("its certificate is not valid yet: compare both clocks")]
    NotYetValid,
    /// The key is not an ed25519 key.
    #[error("its key is not an ed25519 key, so it is no node of this kind")]
    KeyType,
    /// Not exactly one certificate.
    #[error("it sent {0} certificates where one is allowed")]
    Count(usize),
    /// Not a certificate that a node makes.
    #[error("its certificate is malformed")]
    Malformed,
    /// Not signed by its own key.
    #[error("its certificate is not signed by its own key")]
    SelfSignature,
    /// The handshake is not signed by the certificate's key: somebody shows another node's certificate.
    #[error("it cannot prove that it holds its certificate's key, so the certificate is somebody else's")]
    Proof,
}

/// Why the peer turned us away, as far as its TLS alert (RFC 8446, section 6) tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// `unknown_ca`: the peer does not know our pin.
    NotPaired,
    /// `certificate_expired`: our certificate is outside its validity period by the peer's clock.
    Expired,
    /// `unsupported_certificate`: our key is of the wrong type.
    KeyType,
    /// `bad_certificate`, `decrypt_error` or `certificate_required`: our certificate or its proof is unusable.
    Certificate,
    /// `no_application_protocol`: the peer does not speak this link's protocol.
    Protocol,
    /// `handshake_failure` or `protocol_version`: no common key exchange, signature or TLS version.
    Handshake,
    /// Any other alert, by number.
    Alert(u8),
}

impl Refusal {
    fn of(alert: u8) -> Self {
        let is = |known: &[AlertDescription]| known.iter().any(|a| u8::from(*a) == alert);
        use AlertDescription as A;
        if is(&[A::UnknownCA]) {
            Self::NotPaired
        } else if is(&[A::CertificateExpired]) {
            Self::Expired
        } else if is(&[A::UnsupportedCertificate]) {
            Self::KeyType
        } else if is(&[A::BadCertificate, A::DecryptError, A::CertificateRequired]) {
            Self::Certificate
        } else if is(&[A::NoApplicationProtocol]) {
            Self::Protocol
        } else if is(&[A::HandshakeFailure, A::ProtocolVersion]) {
            Self::Handshake
        } else {
            Self::Alert(alert)
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPaired => f.write_str("it does not know this node"),
            Self::Expired => {
                f.write_str("by its clock our certificate is not valid: compare both clocks, then restart here")
            }
            Self::KeyType => f.write_str("it wants another kind of key: is it a node of this kind and version?"),
            Self::Certificate => f.write_str("it cannot use our certificate: are both nodes of one version?"),
            Self::Protocol => f.write_str("it does not speak this protocol: is it a node, and is the port right?"),
            Self::Handshake => {
                f.write_str("no common cryptography: TLS 1.3, X25519MLKEM768 and ed25519 are needed; update it")
            }
            Self::Alert(number) => write!(f, "it gave TLS alert {number}; its own log tells more"),
        }
    }
}

/// Why there is no link, or no longer one.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The UDP socket could not be opened.
    #[error("cannot open UDP {address}: {source}; is the address this machine's, and the port free?")]
    Socket {
        /// Where.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The peer's host name could not be resolved.
    #[error("cannot find {address}: {source}; check the address in the pairing, and name resolution")]
    Resolve {
        /// As configured.
        address: String,
        /// The resolver's reason.
        source: io::Error,
    },
    /// The name has no address, or none that can be dialled.
    #[error("{0} has no address that can be dialled; check the address in the pairing")]
    NoAddress(String),
    /// Our own TLS set-up does not work.
    #[error("TLS cannot be set up here: {0}")]
    Tls(String),
    /// We refused the peer's certificate.
    #[error("the peer at {from} was refused: {fault}{}", advice(fault, *side))]
    Refused {
        /// Where it calls from, or was dialled.
        from: SocketAddr,
        /// What is wrong with it.
        fault: Fault,
        /// Which end we are.
        side: Side,
    },
    /// The peer presented no certificate, or none with an ed25519 key.
    #[error("the peer at {0} was refused: it presented no ed25519 certificate, so it is no node of this kind")]
    NoCertificate(SocketAddr),
    /// The peer's protocol (ALPN, RFC 7301) is another one.
    #[error("the peer at {0} was refused: it does not speak this link's protocol; is it a node?")]
    NoCommonProtocol(SocketAddr),
    /// The peer offers no X25519MLKEM768.
    #[error("the peer at {0} was refused: it does not offer X25519MLKEM768, the only key exchange here; update it")]
    NoKeyExchange(SocketAddr),
    /// The peer refused us.
    #[error("the peer at {from} refused this node: {refusal}{}", remedy(*refusal, *side, own))]
    RefusedByPeer {
        /// The peer.
        from: SocketAddr,
        /// What its alert tells.
        refusal: Refusal,
        /// Which end we are.
        side: Side,
        /// Our own pin.
        own: Pin,
    },
    /// Nothing was heard in time.
    #[error("nothing heard from {0} in time; is the peer running, and does UDP get through to it?")]
    TimedOut(SocketAddr),
    /// The peer ended the link in order.
    #[error("the peer at {0} closed the link: {1}")]
    Closed(SocketAddr, Goodbye),
    /// This side ended the link.
    #[error("the link was closed here")]
    ClosedHere,
    /// The peer restarted and has forgotten the link.
    #[error("the peer at {0} has restarted; dial again")]
    Reset(SocketAddr),
    /// A breach of QUIC by the peer or on the way.
    #[error("the link to {from} broke with QUIC error {code:#x}; if it recurs, compare both versions")]
    Transport {
        /// The peer.
        from: SocketAddr,
        /// RFC 9000, section 20.1.
        code: u64,
    },
}

fn advice(fault: &Fault, side: Side) -> String {
    match fault {
        Fault::Stranger { .. } | Fault::WrongPin { .. } => {
            format!("; if it is yours, run `{}` here with the line that it prints", side.pair_here())
        }
        Fault::Expired
        | Fault::NotYetValid
        | Fault::KeyType
        | Fault::Count(_)
        | Fault::Malformed
        | Fault::SelfSignature
        | Fault::Proof => String::new(),
    }
}

fn remedy(refusal: Refusal, side: Side, own: &Pin) -> String {
    match refusal {
        Refusal::NotPaired => {
            format!("; run `{}` there with this node's line (our pin is {own})", side.pair_there())
        }
        Refusal::Expired
        | Refusal::KeyType
        | Refusal::Certificate
        | Refusal::Protocol
        | Refusal::Handshake
        | Refusal::Alert(_) => String::new(),
    }
}

/// Turns QUIC's reasons into ours, for one connection.
#[derive(Debug, Clone)]
pub(crate) struct Explainer {
    pub(crate) from: SocketAddr,
    pub(crate) side: Side,
    pub(crate) own: Pin,
    pub(crate) verdict: Verdict,
}

impl Explainer {
    /// The reason for which a connection ended, or never began.
    pub(crate) fn explain(&self, error: ConnectionError) -> LinkError {
        let from = self.from;
        match error {
            ConnectionError::TransportError(e) => self.found_here(e.code.into(), &e.reason),
            ConnectionError::ConnectionClosed(close) => self.told_by_peer(close.error_code.into()),
            ConnectionError::ApplicationClosed(close) => {
                LinkError::Closed(from, Goodbye::of(close.error_code.into_inner()))
            }
            ConnectionError::Reset => LinkError::Reset(from),
            ConnectionError::TimedOut => LinkError::TimedOut(from),
            ConnectionError::LocallyClosed => LinkError::ClosedHere,
            ConnectionError::VersionMismatch | ConnectionError::CidsExhausted => {
                LinkError::Transport { from, code: quinn::TransportErrorCode::PROTOCOL_VIOLATION.into() }
            }
        }
    }

    /// We ended it: the verdict knows about certificates, and the text of our own TLS library about the rest.
    fn found_here(&self, code: u64, reason: &str) -> LinkError {
        let (from, side) = (self.from, self.side);
        let is = |error: rustls::Error| reason.ends_with(&error.to_string());
        if let Some(fault) = self.verdict.fault() {
            LinkError::Refused { from, fault, side }
        } else if is(PeerIncompatible::NoKxGroupsInCommon.into()) {
            LinkError::NoKeyExchange(from)
        } else if is(rustls::Error::NoCertificatesPresented) || is(PeerIncompatible::NoSignatureSchemesInCommon.into())
        {
            LinkError::NoCertificate(from)
        } else if alert(code) == Some(AlertDescription::NoApplicationProtocol.into()) {
            LinkError::NoCommonProtocol(from)
        } else {
            LinkError::Transport { from, code }
        }
    }

    fn told_by_peer(&self, code: u64) -> LinkError {
        let from = self.from;
        match alert(code) {
            Some(alert) => {
                LinkError::RefusedByPeer { from, refusal: Refusal::of(alert), side: self.side, own: self.own }
            }
            None => LinkError::Transport { from, code },
        }
    }
}

/// The TLS alert in a QUIC error code (RFC 9001, section 4.8).
fn alert(code: u64) -> Option<u8> {
    u8::try_from(code.checked_sub(0x100)?).ok()
}

/// Why one call, or one stream of events, failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The link is gone.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// What we would send, or what the peer sent, is no frame of this protocol.
    #[error("the link carried {0}; if it recurs, compare both versions")]
    Frame(#[from] FrameError),
    /// No stream was free for so long: [`shared::limits::CALLS`] are in progress. Nothing was sent.
    #[error("the link had no room for another call for {} s; ask again", .0.as_secs_f32())]
    Busy(Duration),
    /// No byte moved for so long.
    #[error("the peer made no progress for {} s and was given up", .0.as_secs_f32())]
    Stalled(Duration),
    /// The peer broke the stream off: what was read so far is not complete.
    #[error("the peer broke off in the middle; ask again")]
    Cut,
    /// The peer ended the stream before the message or the payload was complete.
    #[error("the peer ended {0} bytes short; ask again")]
    Short(u64),
    /// Bytes follow where nothing may.
    #[error("the peer sent more than it announced; compare both versions")]
    Trailing,
    /// The peer wants no more of it.
    #[error("the peer wants no more of the reply")]
    Unwanted,
}
