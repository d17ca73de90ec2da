//! The two public lines by which a pair is made: `reception id` prints a [`ReceptionLine`], the vault takes it and
//! prints a [`VaultLine`], the reception takes that. Nothing in them is secret; both sides show fingerprints to
//! compare.
//!
//! A line is words with white space between them. Each word but the first two is `name=value`, all of them are present
//! and in their order. However it was wrapped or indented on its way, its `Display` is one spelling.

use crate::ids::{Pin, hex, unhex};
use crate::limits;
use crate::sshsig::{BadKey, PublicKey, Signers};
use crate::tlog::{BadVerifierKey, VerifierKey};
use serde::Deserialize;
use std::fmt;
use std::str::{FromStr, SplitWhitespace};

/// The longest line, bytes, white space included.
pub const LINE_MAX: usize = 4096;
const VERSION: &str = "v1";
/// The longest host name (RFC 1035, section 2.3.4), bytes.
const HOST_MAX: usize = 253;

/// A node's name in a pairing line: 1 to 64 of `A-Z a-z 0-9 . _ -`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct NodeName(String);

/// Not a node's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a node's name is 1 to {max} of the letters A to Z and a to z, digits, and . - _", max = limits::NAME)]
pub struct BadNodeName;

impl NodeName {
    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeName {
    type Err = BadNodeName;
    fn from_str(text: &str) -> Result<Self, BadNodeName> {
        let right = (1..=limits::NAME).contains(&text.len())
            && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-".contains(&c));
        if right { Ok(Self(text.to_owned())) } else { Err(BadNodeName) }
    }
}

impl TryFrom<String> for NodeName {
    type Error = BadNodeName;
    fn try_from(text: String) -> Result<Self, BadNodeName> {
        text.parse()
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a node listens: `host:port`, the host a DNS name, an IPv4 address, or an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Address(String);

/// Not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an address is a host and a port from 1 to 65535, such as reception.example:4433 or [2001:db8::1]:4433")]
pub struct BadAddress;

impl Address {
    /// The address as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Address {
    type Err = BadAddress;
    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let (host, port) = text.rsplit_once(':').ok_or(BadAddress)?;
        let port_right = port.parse().is_ok_and(|n: u16| n != 0 && n.to_string() == port);
        let host_right = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
            None => host.len() <= HOST_MAX && host.split('.').all(host_label),
        };
        if port_right && host_right { Ok(Self(text.to_owned())) } else { Err(BadAddress) }
    }
}

/// RFC 1123, section 2.1.
fn host_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl TryFrom<String> for Address {
    type Error = BadAddress;
    fn try_from(text: String) -> Result<Self, BadAddress> {
        text.parse()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which of the two nodes a line is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// The one that faces the internet.
    Reception,
    /// The one that holds the data.
    Vault,
}

impl Node {
    fn first_word(self) -> &'static str {
        match self {
            Self::Reception => "webizen-reception",
            Self::Vault => "webizen-vault",
        }
    }

    fn where_printed(self) -> &'static str {
        match self {
            Self::Reception => "`reception id`, on the reception, prints it",
            Self::Vault => "`vault pair`, on the vault, prints it",
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reception => "reception",
            Self::Vault => "vault",
        })
    }
}

/// What is wrong with a pasted line, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// Over [`LINE_MAX`].
    #[error("the line has {0} bytes and a pairing line at most {LINE_MAX}; paste that line alone")]
    TooLong(usize),
    /// Nothing but white space.
    #[error("no line was given; paste the {0}'s pairing line: {printed}", printed = .0.where_printed())]
    Empty(Node),
    /// The line of the node that should have read it.
    #[error("this is the {0}'s own line; paste the {1}'s line here: {printed}", printed = .1.where_printed())]
    OtherNode(Node, Node),
    /// Begins otherwise.
    #[error(
        "a {0}'s pairing line begins with \"{first}\"; paste the whole of it: {printed}",
        first = .0.first_word(), printed = .0.where_printed()
    )]
    NotALine(Node),
    /// Made by another version.
    #[error("the line is of another version than {VERSION}; update the older of the two nodes")]
    Version,
    /// Ends before this field.
    #[error("the line ends before \"{0}=\": it was cut off; copy the whole line and paste it again")]
    CutOff(&'static str),
    /// Something else stands where this field should.
    #[error("\"{0}=\" is not in its place in the line; copy the whole line again, unchanged")]
    Misplaced(&'static str),
    /// Goes on after its last field.
    #[error("there is more text after the end of the line; paste the pairing line alone")]
    Trailing,
    /// The name.
    #[error("the line's name is damaged: {0}; copy the whole line again")]
    Name(#[from] BadNodeName),
    /// The address.
    #[error("the line's address is damaged: {0}; copy the whole line again, or correct the reception's configuration")]
    Address(#[from] BadAddress),
    /// Not 64 hexadecimal digits.
    #[error(
        "\"{0}=\" is not followed by 64 lower-case hexadecimal digits: the line is damaged; copy the whole line again"
    )]
    Hex(&'static str),
    /// A verifier key.
    #[error("\"{0}=\" is not followed by a sound key: {1}; the line is damaged or cut off: copy the whole line again")]
    LogKey(&'static str, BadVerifierKey),
    /// An owner's key.
    #[error("owner key {0} in the line is not sound: {1}; the line is damaged or cut off: copy the whole line again")]
    OwnerKey(usize, BadKey),
    /// An owner's key twice.
    #[error("owner key {0} in the line repeats an earlier one; copy the whole line again")]
    RepeatedOwner(usize),
}

/// What a vault needs to know of a reception.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceptionLine {
    /// What the reception calls itself.
    pub name: NodeName,
    /// Where it listens for the vault.
    pub address: Address,
    /// Its node key.
    pub pin: Pin,
    /// The key of its cosignatures.
    pub witness: VerifierKey,
}

impl fmt::Display for ReceptionLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, address, pin, witness } = self;
        let first = Node::Reception.first_word();
        write!(f, "{first} {VERSION} name={name} address={address} pin={pin} witness={witness}")
    }
}

impl FromStr for ReceptionLine {
    type Err = BadLine;
    fn from_str(line: &str) -> Result<Self, BadLine> {
        let mut words = Words::of(line, Node::Reception, Node::Vault)?;
        let read = Self {
            name: words.value("name")?.parse()?,
            address: words.value("address")?.parse()?,
            pin: Pin(words.bytes("pin")?),
            witness: words.log_key("witness")?,
        };
        words.end()?;
        Ok(read)
    }
}

/// What a reception needs to know of a vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultLine {
    /// What the vault calls itself.
    pub name: NodeName,
    /// Its node key.
    pub pin: Pin,
    /// The key of its log's checkpoints; the key's name is the log's origin.
    pub log: VerifierKey,
    /// An X25519 public key (RFC 7748) to seal requests for the vault with.
    pub sealing: [u8; 32],
    /// The keys that speak for the owner, one or more. Compare each fingerprint: a line that lost its last keys whole
    /// still reads as one.
    pub owner: Signers,
}

impl fmt::Display for VaultLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, pin, log, sealing, owner } = self;
        let (first, sealing) = (Node::Vault.first_word(), hex(sealing));
        let owner: Vec<_> = owner.keys().iter().map(|key| key.to_openssh().replace(' ', ":")).collect();
        let owner = owner.join(",");
        write!(f, "{first} {VERSION} name={name} pin={pin} log={log} sealing={sealing} owner={owner}")
    }
}

impl FromStr for VaultLine {
    type Err = BadLine;
    fn from_str(line: &str) -> Result<Self, BadLine> {
        let mut words = Words::of(line, Node::Vault, Node::Reception)?;
        let read = Self {
            name: words.value("name")?.parse()?,
            pin: Pin(words.bytes("pin")?),
            log: words.log_key("log")?,
            sealing: words.bytes("sealing")?,
            owner: owner_keys(words.value("owner")?)?,
        };
        words.end()?;
        Ok(read)
    }
}

/// `type:base64`, one or more with commas between them.
fn owner_keys(text: &str) -> Result<Signers, BadLine> {
    let mut keys = Vec::new();
    for (key, number) in text.split(',').zip(1..) {
        let spaced = key.replacen(':', " ", 1);
        let key = PublicKey::from_openssh(&spaced).map_err(|error| BadLine::OwnerKey(number, error))?;
        if keys.contains(&key) {
            return Err(BadLine::RepeatedOwner(number));
        }
        keys.push(key);
    }
    Ok(Signers::of(keys))
}

/// The words of a line that are still to be read.
struct Words<'a>(SplitWhitespace<'a>);

impl<'a> Words<'a> {
    /// Reads the first two words of a line from `node` that `reader` was given.
    fn of(line: &'a str, node: Node, reader: Node) -> Result<Self, BadLine> {
        if line.len() > LINE_MAX {
            return Err(BadLine::TooLong(line.len()));
        }
        let mut words = line.split_whitespace();
        match words.next() {
            None => return Err(BadLine::Empty(node)),
            Some(first) if first == node.first_word() => {}
            Some(first) if first == reader.first_word() => return Err(BadLine::OtherNode(reader, node)),
            Some(_) => return Err(BadLine::NotALine(node)),
        }
        match words.next() {
            None => Err(BadLine::CutOff("name")),
            Some(VERSION) => Ok(Self(words)),
            Some(_) => Err(BadLine::Version),
        }
    }

    fn value(&mut self, field: &'static str) -> Result<&'a str, BadLine> {
        let word = self.0.next().ok_or(BadLine::CutOff(field))?;
        word.strip_prefix(field).and_then(|word| word.strip_prefix('=')).ok_or(BadLine::Misplaced(field))
    }

    fn bytes(&mut self, field: &'static str) -> Result<[u8; 32], BadLine> {
        unhex(self.value(field)?).map_err(|_| BadLine::Hex(field))
    }

    fn log_key(&mut self, field: &'static str) -> Result<VerifierKey, BadLine> {
        self.value(field)?.parse().map_err(|error| BadLine::LogKey(field, error))
    }

    fn end(mut self) -> Result<(), BadLine> {
        self.0.next().map_or(Ok(()), |_| Err(BadLine::Trailing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tlog::Origin;
    use ed25519_dalek::SigningKey;

    fn log_key(name: &str) -> VerifierKey {
        VerifierKey::of(Origin::new(name).unwrap(), &SigningKey::from_bytes(&[1; 32]))
    }

    fn reception() -> ReceptionLine {
        ReceptionLine {
            name: "front-box.1".parse().unwrap(),
            address: "reception.example:4433".parse().unwrap(),
            pin: Pin([0xab; 32]),
            witness: log_key("reception.example/witness"),
        }
    }

    fn vault() -> VaultLine {
        let key = |seed| SigningKey::from_bytes(&[seed; 32]).verifying_key();
        let owner = Signers::of(vec![
            PublicKey::Ed25519 { key: key(2) },
            PublicKey::SkEd25519 { key: key(3), application: "ssh:".into() },
        ]);
        VaultLine {
            name: "study".parse().unwrap(),
            pin: Pin([0xcd; 32]),
            log: log_key("vault.example/3f2a"),
            sealing: [7; 32],
            owner,
        }
    }

    #[test]
    fn lines_have_the_agreed_form_and_are_read_back() {
        let line = reception().to_string();
        let start = format!(
            "webizen-reception v1 name=front-box.1 address=reception.example:4433 pin={} witness={}+",
            "ab".repeat(32),
            "reception.example/witness"
        );
        assert!(line.starts_with(&start), "{line}");
        assert_eq!(line.parse(), Ok(reception()));
        let line = vault().to_string();
        let start = format!("webizen-vault v1 name=study pin={} log=vault.example/3f2a+", "cd".repeat(32));
        assert!(line.starts_with(&start), "{line}");
        assert!(line.contains(&format!(" sealing={} owner=ssh-ed25519:AAAA", "07".repeat(32))), "{line}");
        assert!(line.contains(",sk-ssh-ed25519@openssh.com:AAAA"), "{line}");
        assert_eq!(line.parse(), Ok(vault()));
    }

    #[test]
    fn white_space_from_pasting_does_not_matter() {
        for (before, between, after) in [("", "  ", "\n"), ("\n  ", "\n", "\r\n"), ("\t", " \u{a0}", "  ")] {
            let paste = |line: String| format!("{before}{}{after}", line.replace(' ', between));
            assert_eq!(paste(reception().to_string()).parse(), Ok(reception()));
            assert_eq!(paste(vault().to_string()).parse(), Ok(vault()));
        }
    }

    #[test]
    fn a_line_of_the_wrong_node_or_none_says_so() {
        let own = vault().to_string().parse::<ReceptionLine>().unwrap_err();
        assert_eq!(own, BadLine::OtherNode(Node::Vault, Node::Reception));
        assert_eq!(
            own.to_string(),
            "this is the vault's own line; paste the reception's line here: `reception id`, on the reception, prints it"
        );
        let own = reception().to_string().parse::<VaultLine>();
        assert_eq!(own, Err(BadLine::OtherNode(Node::Reception, Node::Vault)));
        assert_eq!(" \n".parse::<VaultLine>(), Err(BadLine::Empty(Node::Vault)));
        assert_eq!("ssh-ed25519 AAAA".parse::<VaultLine>(), Err(BadLine::NotALine(Node::Vault)));
        let newer = vault().to_string().replace(" v1 ", " v2 ");
        assert_eq!(newer.parse::<VaultLine>(), Err(BadLine::Version));
        let long = format!("{}{}", vault(), " ".repeat(LINE_MAX));
        assert_eq!(long.parse::<VaultLine>(), Err(BadLine::TooLong(long.len())));
    }

    #[test]
    fn a_line_cut_off_anywhere_is_refused() {
        let line = reception().to_string();
        for end in 0..line.len() {
            assert!(line[..end].parse::<ReceptionLine>().is_err(), "{end}");
        }
        let cut = |at: &str| line[..line.find(at).unwrap()].parse::<ReceptionLine>().unwrap_err();
        assert_eq!(cut("v1"), BadLine::CutOff("name"));
        assert_eq!(cut("address="), BadLine::CutOff("address"));
        assert_eq!(cut("witness="), BadLine::CutOff("witness"));
        let line = vault().to_string();
        let whole_keys = line.find(',').unwrap();
        for end in (0..line.len()).filter(|end| *end != whole_keys) {
            assert!(line[..end].parse::<VaultLine>().is_err(), "{end}");
        }
    }

    #[test]
    fn anything_else_in_a_line_is_refused() {
        let line = reception().to_string();
        let read = |line: String| line.parse::<ReceptionLine>().unwrap_err();
        assert_eq!(read(format!("{line} x")), BadLine::Trailing);
        assert_eq!(read(line.replace("name=front-box.1 ", "")), BadLine::Misplaced("name"));
        assert_eq!(read(line.replace("pin=", "PIN=")), BadLine::Misplaced("pin"));
        assert_eq!(read(line.replace("front-box.1", "front/box")), BadLine::Name(BadNodeName));
        assert_eq!(read(line.replace(":4433", "")), BadLine::Address(BadAddress));
        assert_eq!(read(line.replace("abab", "ABAB")), BadLine::Hex("pin"));
        assert_eq!(read(line.replace("witness+", "witnesz+")), BadLine::LogKey("witness", BadVerifierKey::Id));
        let line = vault().to_string();
        let read = |line: String| line.parse::<VaultLine>().unwrap_err();
        assert_eq!(read(line.replace("0707", "07")), BadLine::Hex("sealing"));
        assert_eq!(read(format!("{line},")), BadLine::OwnerKey(3, BadKey::Line));
        assert_eq!(read(line.replace("owner=ssh-ed25519", "owner=ssh-rsa")), BadLine::OwnerKey(1, BadKey::Type));
        let (_, first) = line.split_once("owner=").unwrap();
        assert_eq!(read(format!("{line},{first}")), BadLine::RepeatedOwner(3));
    }

    #[test]
    fn names_and_addresses() {
        for good in
            ["r.example:1", "192.0.2.7:65535", "[2001:db8::1]:4433", "localhost:4433", "xn--bcher-kva.example:4433"]
        {
            assert_eq!(good.parse::<Address>().unwrap().as_str(), good);
        }
        let long = format!("{}.example:1", "a".repeat(64));
        let deep = format!("{}example:1", "a.".repeat(130));
        for bad in [
            "",
            ":",
            "r.example",
            "r.example:",
            "r.example:0",
            "r.example:65536",
            "r.example:01",
            "r.example:+1",
            ":4433",
            "r..example:1",
            "-r.example:1",
            "r-:1",
            "2001:db8::1:4433",
            "[2001:db8::g]:1",
            "[]:1",
            "r/x:1",
            "ü:1",
            &long,
            &deep,
        ] {
            assert_eq!(bad.parse::<Address>(), Err(BadAddress), "{bad}");
        }
        assert!("a".repeat(64).parse::<NodeName>().is_ok());
        for bad in ["", "a b", "a=b", "ü", &"a".repeat(65)] {
            assert_eq!(bad.parse::<NodeName>(), Err(BadNodeName), "{bad}");
        }
    }
}
