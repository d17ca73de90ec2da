//! The forms in which bytes travel.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use shared::ids::hex;

/// The bytes as they are, and in every form that a program might put them in by mistake, each with its name.
///
/// Text in which some characters are escaped and others are not holds the canary's plain form, as long as that is made of
/// letters and digits alone.
pub fn disguises(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let hexadecimal = hex(bytes);
    let mut all = vec![
        ("plain", bytes.to_vec()),
        ("hexadecimal", hexadecimal.clone().into_bytes()),
        ("upper-case hexadecimal", hexadecimal.to_ascii_uppercase().into_bytes()),
        ("percent-encoding", each(bytes, |byte| format!("%{byte:02x}"))),
        ("upper-case percent-encoding", each(bytes, |byte| format!("%{byte:02X}"))),
        ("backslash escapes", each(bytes, |byte| format!("\\x{byte:02x}"))),
        ("JSON escapes", each(bytes, |byte| format!("\\u00{byte:02x}"))),
        ("upper-case JSON escapes", each(bytes, |byte| format!("\\u00{byte:02X}"))),
        ("HTML references", each(bytes, |byte| format!("&#{byte};"))),
        ("hexadecimal HTML references", each(bytes, |byte| format!("&#x{byte:x};"))),
        ("UTF-16LE", bytes.iter().flat_map(|byte| [*byte, 0]).collect()),
        ("UTF-16BE", bytes.iter().flat_map(|byte| [0, *byte]).collect()),
        ("a list of numbers", list(bytes, ",")),
        ("a spaced list of numbers", list(bytes, ", ")),
        ("reversed", bytes.iter().rev().copied().collect()),
    ];
    for offset in 0..3 {
        all.push(("base64", base64(bytes, offset, |all| STANDARD_NO_PAD.encode(all))));
        all.push(("base64url", base64(bytes, offset, |all| URL_SAFE_NO_PAD.encode(all))));
    }
    all
}

fn each(bytes: &[u8], form: impl Fn(u8) -> String) -> Vec<u8> {
    bytes.iter().map(|byte| form(*byte)).collect::<String>().into_bytes()
}

fn list(bytes: &[u8], separator: &str) -> Vec<u8> {
    bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(separator).into_bytes()
}

/// The part of base64 (RFC 4648, section 4) that depends on `bytes` alone when `offset` bytes stand before their group of
/// three: any base64 of something around them has it.
fn base64(bytes: &[u8], offset: usize, encode: impl Fn(&[u8]) -> String) -> Vec<u8> {
    let all = [vec![0; offset], bytes.to_vec()].concat();
    let whole = encode(&all).into_bytes();
    let (first, last) = ((offset * 8).div_ceil(6), all.len() * 8 / 6);
    whole[first..last].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::contains;

    #[test]
    fn any_base64_of_something_around_the_bytes_holds_one_of_the_three() {
        let secret = b"\x00a secret\xff of\xfe bytes";
        for before in 0..7 {
            for after in 0..7 {
                let all = [vec![0xa5; before], secret.to_vec(), vec![0x5a; after]].concat();
                for (name, text) in
                    [("base64", STANDARD_NO_PAD.encode(&all)), ("base64url", URL_SAFE_NO_PAD.encode(&all))]
                {
                    let found = disguises(secret).iter().any(|(d, form)| *d == name && contains(text.as_bytes(), form));
                    assert!(found, "{name} with {before} bytes before and {after} after");
                }
            }
        }
    }

    #[test]
    fn disguises_are_what_their_names_say() {
        let secret = b"w0rd\n";
        let json = serde_json::to_vec(secret).unwrap();
        assert!(disguises(secret).iter().any(|(_, form)| contains(&json, form)));
        let debug = format!("{secret:?}").into_bytes();
        assert!(disguises(secret).iter().any(|(_, form)| contains(&debug, form)));
    }
}
