//! The configuration file `reception.toml`, read in two stages: what the file says, then what that means.

use crate::home::Home;
use node::config::Level;
use serde::{Deserialize, Deserializer, de};
use shared::pairing::{Address, BadAddress, NodeName};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Where the link is listened for unless the file says otherwise: every address, so that the vault can dial in.
pub(crate) const LINK_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 7443);
/// Where pages are served unless the file says otherwise: to a proxy on this machine.
pub(crate) const HTTP_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// A configuration that the reception can run with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// What the vault and its owner call this reception.
    pub(crate) name: NodeName,
    /// Where the vault's QUIC packets are received.
    pub(crate) link_listen: SocketAddr,
    /// Where the vault is told to dial.
    pub(crate) link_advertise: Advertised,
    /// Where pages are served, without TLS.
    pub(crate) http_listen: SocketAddr,
    /// Whose word about a visitor's address is taken; nobody else's.
    pub(crate) trusted_proxies: Vec<IpAddr>,
    /// The origin that visitors see, if it is told here.
    pub(crate) public_origin: Option<PublicOrigin>,
    /// How much is logged.
    pub(crate) log_level: Level,
}

/// Why the reception does not start with this configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file.
    #[error(transparent)]
    File(#[from] node::config::ConfigError),
    /// Pages would cross a network unencrypted, and visitors' addresses would be anybody's claim.
    #[error(
        "{path}: http.listen = \"{listen}\" is not a loopback address, and pages are served without TLS; put a proxy that \
         ends TLS in front and name its address in http.trusted_proxies, or listen on 127.0.0.1 or [::1]",
        path = path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// The address.
        listen: SocketAddr,
    },
}

impl ConfigError {
    /// How the process ends.
    pub(crate) fn exit(&self) -> u8 {
        use node::config::ConfigError as File;
        match self {
            Self::Exposed { .. } => node::exit::REFUSED,
            Self::File(File::Read(error)) => error.exit(),
            Self::File(File::Missing { .. } | File::Absent { .. } | File::Syntax { .. } | File::Unknown { .. }) => {
                node::exit::FAILURE
            }
        }
    }
}

impl Config {
    /// Reads and checks the configuration file of `home`.
    ///
    /// # Errors
    /// [`ConfigError`]; nothing is guessed and nothing is ignored.
    pub(crate) fn read(home: &Home) -> Result<Self, ConfigError> {
        let path = home.config_file();
        node::config::read::<RawConfig>("reception", &path)?.check(path)
    }

    /// As [`Self::read`], from text; `path` is for the messages.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub(crate) fn parse(text: &str, path: PathBuf) -> Result<Self, ConfigError> {
        node::config::parse::<RawConfig>(text, &path)?.check(path)
    }
}

/// What the file says. Nothing is required at this stage, so that one reading finds every unknown key.
#[derive(Deserialize)]
struct RawConfig {
    #[serde(default, deserialize_with = "parsed")]
    name: Option<NodeName>,
    #[serde(default)]
    link: RawLink,
    #[serde(default)]
    http: RawHttp,
    #[serde(default)]
    log: RawLog,
}

#[derive(Default, Deserialize)]
struct RawLink {
    listen: Option<SocketAddr>,
    #[serde(default, deserialize_with = "parsed")]
    advertise: Option<Advertised>,
}

#[derive(Default, Deserialize)]
struct RawHttp {
    listen: Option<SocketAddr>,
    #[serde(default)]
    trusted_proxies: Vec<IpAddr>,
    #[serde(default, deserialize_with = "parsed")]
    public_origin: Option<PublicOrigin>,
}

#[derive(Default, Deserialize)]
struct RawLog {
    level: Option<Level>,
}

/// A value written as text.
fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(d: D) -> Result<Option<T>, D::Error> {
    String::deserialize(d)?.parse().map(Some).map_err(de::Error::custom)
}

impl RawConfig {
    fn check(self, path: PathBuf) -> Result<Config, ConfigError> {
        let listen = self.http.listen.unwrap_or(HTTP_LISTEN);
        if !listen.ip().is_loopback() && self.http.trusted_proxies.is_empty() {
            return Err(ConfigError::Exposed { path, listen });
        }
        let absent = |key| node::config::ConfigError::Absent { path: path.clone(), key };
        Ok(Config {
            name: self.name.ok_or_else(|| absent("name"))?,
            link_listen: self.link.listen.unwrap_or(LINK_LISTEN),
            link_advertise: self.link.advertise.ok_or_else(|| absent("link.advertise"))?,
            http_listen: listen,
            trusted_proxies: self.http.trusted_proxies,
            public_origin: self.http.public_origin,
            log_level: self.log.level.unwrap_or_default(),
        })
    }
}

/// A host name or address and a UDP port, as the vault is told to dial it: `host:port`, IPv6 in brackets. Port 0 stands
/// for the port that the running reception listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Advertised {
    host: String,
    port: u16,
}

/// Not an address to dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an address to dial is written like reception.example.org:7443, 192.0.2.7:7443 or [2001:db8::7]:7443")]
pub(crate) struct BadAdvertised;

impl FromStr for Advertised {
    type Err = BadAdvertised;
    fn from_str(text: &str) -> Result<Self, BadAdvertised> {
        let (host, port) = text.rsplit_once(':').ok_or(BadAdvertised)?;
        let address = Self { host: host.to_owned(), port: port.parse().map_err(|_| BadAdvertised)? };
        // A port that stands for another one must not decide.
        match address.on_port(address.port.max(1)) {
            Ok(_) if address.to_string() == text => Ok(address),
            Ok(_) | Err(_) => Err(BadAdvertised),
        }
    }
}

impl Advertised {
    /// The port; 0 for the one that the running reception listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The host with this port, as a pairing line has it.
    ///
    /// # Errors
    /// [`BadAddress`] for port 0.
    pub(crate) fn on_port(&self, port: u16) -> Result<Address, BadAddress> {
        Self { host: self.host.clone(), port }.to_string().parse()
    }
}

impl fmt::Display for Advertised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// What a browser calls the page's origin (RFC 6454, section 6.2): `https://`, a host, and a port unless it is the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicOrigin(String);

/// Not an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an origin is written like https://ask.example.org or https://ask.example.org:8443, in lower case, without the port that \
     the scheme has anyway, and without anything after that"
)]
pub(crate) struct BadOrigin;

impl FromStr for PublicOrigin {
    type Err = BadOrigin;
    fn from_str(text: &str) -> Result<Self, BadOrigin> {
        let (host, usual) = match text.strip_prefix("https://") {
            Some(host) => (host, "443"),
            None => (text.strip_prefix("http://").ok_or(BadOrigin)?, "80"),
        };
        let port = host.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.contains(']'));
        let dialled = if port.is_some() { host.to_owned() } else { format!("{host}:{usual}") };
        // No browser writes the scheme's own port, so with it no form would ever be taken.
        let right =
            dialled.parse::<Address>().is_ok() && port != Some(usual) && !text.bytes().any(|c| c.is_ascii_uppercase());
        if right { Ok(Self(text.to_owned())) } else { Err(BadOrigin) }
    }
}

impl PublicOrigin {
    /// The origin as written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, PathBuf::from("/etc/reception/reception.toml"))
    }

    const SHORTEST: &str = "name = \"front\"\n[link]\nadvertise = \"reception.example.org:7443\"\n";

    #[test]
    fn what_is_left_out_has_a_safe_default() {
        let config = parse(SHORTEST).unwrap();
        assert_eq!((config.link_listen, config.http_listen), (LINK_LISTEN, HTTP_LISTEN));
        assert_eq!((config.log_level, config.trusted_proxies), (Level::Info, vec![]));
        assert_eq!(config.link_advertise.to_string(), "reception.example.org:7443");
    }

    #[test]
    fn every_unknown_key_is_listed_at_once() {
        let text = format!("colour = 1\n{SHORTEST}lisen = \"x\"\n[http]\nport = 80\n[metrics]\non = true\n");
        let error = parse(&text).unwrap_err().to_string();
        for part in ["/etc/reception/reception.toml", "colour", "link.lisen", "http.port", "metrics"] {
            assert!(error.contains(part), "{part} is not in: {error}");
        }
    }

    #[test]
    fn pages_leave_this_machine_only_through_a_named_proxy() {
        let exposed = format!("{SHORTEST}[http]\nlisten = \"0.0.0.0:80\"\n");
        let error = parse(&exposed).unwrap_err();
        assert!(matches!(error, ConfigError::Exposed { .. }));
        assert!(error.to_string().contains("http.trusted_proxies"), "{error}");
        assert!(parse(&format!("{exposed}trusted_proxies = [\"192.0.2.1\"]\n")).is_ok());
        assert!(parse(&format!("{SHORTEST}[http]\nlisten = \"[::1]:0\"\n")).is_ok());
    }

    #[test]
    fn wrong_values_are_refused_with_their_place() {
        for (line, hint) in [
            ("name = \"two words\"\n[link]\nadvertise = \"a:1\"", "node's name"),
            ("name = \"a\"\n[link]\nadvertise = \"a\"", "reception.example.org:7443"),
            ("name = \"a\"\n[link]\nadvertise = \"a:1\"\nlisten = \"7443\"", "listen"),
            ("name = \"a\"\n[link]\nadvertise = \"a:1\"\n[log]\nlevel = \"all\"", "level"),
            ("name = ", "line 1"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(matches!(error, ConfigError::File(node::config::ConfigError::Syntax { .. })), "{line}: {error}");
            let error = error.to_string();
            assert!(error.contains(hint) && error.contains("reception.toml"), "{line}: {error}");
        }
    }

    #[test]
    fn keys_without_a_default_must_be_there() {
        for (text, key) in [("name = \"a\"", "link.advertise"), ("[link]\nadvertise = \"a:1\"", "name")] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.ends_with(&format!("does not set {key}; add it")), "{error}");
        }
        let error = parse("nam = \"a\"\n[link]\nadvertize = \"a:1\"\n[log]\nlvl = 1").unwrap_err().to_string();
        assert!(error.contains("link.advertize, log.lvl, nam") || error.contains("nam, "), "{error}");
    }

    #[test]
    fn origins_are_those_that_browsers_send() {
        for good in [
            "https://ask.example.org",
            "http://127.0.0.1:8080",
            "https://[2001:db8::7]",
            "https://[2001:db8::7]:8443",
            "http://a:443",
        ] {
            assert_eq!(good.parse::<PublicOrigin>().unwrap().as_str(), good);
        }
        for bad in [
            "ask.example.org",
            "https://",
            "https://a/",
            "https://A.example.org",
            "ftp://a",
            "https://a b",
            "null",
            "https://a:443",
            "http://a:80",
            "https://[::1]:443",
        ] {
            assert_eq!(bad.parse::<PublicOrigin>(), Err(BadOrigin), "{bad}");
        }
    }

    #[test]
    fn addresses_to_dial() {
        for good in ["a:1", "reception.example.org:7443", "192.0.2.7:0", "[2001:db8::7]:65535"] {
            assert_eq!(good.parse::<Advertised>().unwrap().to_string(), good);
        }
        for bad in ["", "a", ":1", "a:", "a:65536", "a b:1", "a..b:1", "2001:db8::7:1", "[a]:1", "a:1\n", "é:1"] {
            assert_eq!(bad.parse::<Advertised>(), Err(BadAdvertised), "{bad}");
        }
    }
}
