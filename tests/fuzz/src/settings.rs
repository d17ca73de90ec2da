//! Both nodes' configurations. They are the operator's own files, so their errors may quote them, within bounds.

use crate::judge::text;
use crate::nodes::reception_config;
use crate::nodes::vault_config::{self, Raw, render};
use crate::{Target, Verdict};
use shared::pairing::Address;
use std::fmt::Display;
use std::path::{Path, PathBuf};

pub(crate) const VAULT: Target = Target {
    name: "vault-config",
    check: vault,
    seeds: vault_seeds,
    words: &[
        "name = ",
        "origin = ",
        "[owner]\n",
        "key = ",
        "[desk]\n",
        "uids = [",
        "[log]\n",
        "level = \"debug\"",
        "\"\"\"",
        "'''",
        "\\u0000",
        "[[",
        "4294967295",
        "inf",
        "1979-05-27T07:32:00Z",
    ],
};
pub(crate) const RECEPTION: Target = Target {
    name: "reception-config",
    check: reception,
    seeds: reception_seeds,
    words: &[
        "name = ",
        "[link]\n",
        "listen = ",
        "advertise = ",
        "[http]\n",
        "trusted_proxies = [",
        "public_origin = ",
        "https://",
        "http://",
        "[::1]:0",
        "0.0.0.0:80",
        "127.0.0.1:8080",
        ":443",
        "[log]\n",
        "level = \"warn\"",
    ],
};

/// What is taken comes back out of the file that `init` would write of it.
fn vault(data: &[u8]) -> Verdict {
    let text = text(data);
    match read(&text) {
        Err(error) => explained(&error, &text, "vault.toml"),
        Ok(config) => {
            let again = read(&render(&config)).unwrap();
            assert_eq!(format!("{again:?}"), format!("{config:?}"));
            Verdict::Taken
        }
    }
}

fn read(text: &str) -> Result<vault_config::Config, node::config::ConfigError> {
    let path = Path::new("vault.toml");
    node::config::parse::<Raw>(text, path)?.check(path)
}

/// What is taken serves no page without TLS to a network, and every address in it can be used.
fn reception(data: &[u8]) -> Verdict {
    let text = text(data);
    match reception_config::Config::parse(&text, PathBuf::from("reception.toml")) {
        Err(error) => {
            assert!([node::exit::FAILURE, node::exit::REFUSED].contains(&error.exit()));
            explained(&error, &text, "reception.toml")
        }
        Ok(config) => {
            assert!(config.http_listen.ip().is_loopback() || !config.trusted_proxies.is_empty());
            let advertised = config.link_advertise.to_string();
            assert_eq!(advertised.parse().as_ref(), Ok(&config.link_advertise));
            assert!(config.link_advertise.on_port(7443).is_ok());
            assert_eq!(advertised.parse::<Address>().is_ok(), config.link_advertise.port() != 0);
            let origin = config.public_origin.as_ref().map(|origin| origin.as_str());
            assert!(origin.is_none_or(as_browsers_write_it), "no browser sends {origin:?}");
            Verdict::Taken
        }
    }
}

/// RFC 6454, section 6.2: a scheme, a host and a port that is not the scheme's own, all in lower case.
fn as_browsers_write_it(origin: &str) -> bool {
    let (scheme, rest) = origin.split_once("://").unwrap();
    let usual = if scheme == "https" { ":443" } else { ":80" };
    let host = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-:[]".contains(c);
    ["https", "http"].contains(&scheme) && !rest.ends_with(usual) && rest.chars().all(host)
}

/// An error names the file, and is no longer than what it quotes makes it.
fn explained(error: &impl Display, text: &str, path: &str) -> Verdict {
    let said = error.to_string();
    assert!(said.contains(path), "{said}");
    assert!(said.len() <= 8 * text.len() + 400, "an error of {} bytes about {}", said.len(), text.len());
    Verdict::Refused
}

fn vault_seeds() -> Vec<Vec<u8>> {
    let written = "name = \"study\"\norigin = \"vault.example/3f2a\"\n[owner]\nname = 'Sam \"S\"'\nkey = \"/home/sam/k\\\"\"\n\
                   [desk]\nuids = [1000, 0]\n[log]\nlevel = \"debug\"\n";
    let inline = "name='a'\norigin='a/b'\nowner={name='S',key='''\nk'''}\ndesk.uids=[]\n";
    let unknown = "colour = 1\n[desk]\nuid = [1]\n[log]\nlevle = \"info\"\n";
    let config = read(written).unwrap();
    [written, inline, unknown, &render(&config)].map(|text| text.as_bytes().to_vec()).to_vec()
}

fn reception_seeds() -> Vec<Vec<u8>> {
    let short = "name = \"front\"\n[link]\nadvertise = \"reception.example.org:7443\"\n";
    let whole = "name = \"front\"\n[link]\nlisten = \"[::]:7443\"\nadvertise = \"[2001:db8::7]:0\"\n[http]\n\
                 listen = \"0.0.0.0:80\"\ntrusted_proxies = [\"192.0.2.1\", \"::1\"]\n\
                 public_origin = \"https://ask.example.org:8443\"\n[log]\nlevel = \"warn\"\n";
    let exposed = format!("{short}[http]\nlisten = \"0.0.0.0:80\"\n");
    let unknown = format!("colour = 1\n{short}lisen = \"x\"\n");
    let usual = whole.replace(":8443", ":443");
    [short, whole, &exposed, &unknown, &usual].map(|text| text.as_bytes().to_vec()).to_vec()
}
