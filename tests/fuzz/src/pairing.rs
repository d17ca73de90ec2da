//! The two lines by which a pair is made, and the names and addresses in them.

use crate::judge::{CANARY, taken, text};
use crate::owner::{LOG_KEY, SIGNERS};
use crate::{Target, Verdict};
use shared::ids::Pin;
use shared::limits;
use shared::pairing::{Address, LINE_MAX, NodeName, ReceptionLine, VaultLine};
use shared::sshsig::SIGNERS_MAX;
use std::fmt::{Debug, Display};
use std::str::FromStr;

pub(crate) const PAIRING: Target = Target {
    name: "pairing",
    check,
    seeds,
    words: &[
        "webizen-reception",
        "webizen-vault",
        " v1 ",
        " name=",
        " address=",
        " pin=",
        " witness=",
        " log=",
        " sealing=",
        " owner=",
        "ssh-ed25519:",
        "sk-ssh-ed25519@openssh.com:",
        "[2001:db8::1]:4433",
        ":65535",
        "\u{a0}",
        "\u{2028}",
        CANARY,
    ],
};

fn check(data: &[u8]) -> Verdict {
    let text = text(data);
    let vault: Option<VaultLine> = line(&text);
    if let Some(vault) = &vault {
        assert!((1..=SIGNERS_MAX).contains(&vault.owner.keys().len()));
    }
    let lines = vault.is_some() || line::<ReceptionLine>(&text).is_some();
    let name = taken(text.parse::<NodeName>());
    if let Some(name) = &name {
        assert!(name.as_str() == text && (1..=limits::NAME).contains(&text.len()) && text.is_ascii());
    }
    let address = taken(text.parse::<Address>());
    if let Some(address) = &address {
        assert!(address.as_str() == text && text.is_ascii() && !text.contains(char::is_whitespace));
    }
    Verdict::of(lines || name.is_some() || address.is_some())
}

/// But for the white space between its words, a line has one spelling.
fn line<T: FromStr<Err: Display + Debug> + Display + Debug + PartialEq>(text: &str) -> Option<T> {
    let line: T = taken(text.parse())?;
    let spelt = line.to_string();
    assert_eq!(spelt, text.split_whitespace().collect::<Vec<_>>().join(" "));
    assert!(text.len() <= LINE_MAX && spelt.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
    assert_eq!(taken(spelt.parse::<T>()).as_ref(), Some(&line));
    Some(line)
}

fn seeds() -> Vec<Vec<u8>> {
    let (name, pin) = (CANARY.parse::<NodeName>().unwrap(), Pin([0xab; 32]));
    let addresses = [format!("{CANARY}.example:4433"), "192.0.2.7:1".into(), "[2001:db8::1]:65535".into()];
    let reception = |address: &String| {
        let address = address.parse().unwrap();
        ReceptionLine { name: name.clone(), address, pin, witness: LOG_KEY.clone() }.to_string()
    };
    let vault = VaultLine { name: name.clone(), pin, log: LOG_KEY.clone(), sealing: [7; 32], owner: SIGNERS.clone() };
    let pasted = format!("\n\t{}\r\n", vault.to_string().replace(' ', "\u{a0} \n"));
    let lines = addresses.iter().map(reception).chain([vault.to_string(), pasted]);
    lines.chain(addresses.clone()).chain([CANARY.into()]).map(String::into_bytes).collect()
}
