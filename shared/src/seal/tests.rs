use super::*;
use crate::ids::{ItemId, hex, unhex};
use crate::limits;
use crate::message::{Call, Recipient, Subject};
use crate::text::Text;
use hpke::aead::AesGcm128;

/// One vector: base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256; the first encryption.
struct Vector {
    ikm_e: &'static str,
    sk_r: &'static str,
    pk_r: &'static str,
    enc: &'static str,
    ct: &'static str,
}

const INFO: &str = "4f6465206f6e2061204772656369616e2055726e";
const AAD: &str = "436f756e742d30";
const TEXT: &str = "4265617574792069732074727574682c20747275746820626561757479";

/// RFC 9180, appendix A.1.1: the suite but for the length of the AES key.
const A_1_1: Vector = Vector {
    ikm_e: "7268600d403fce431561aef583ee1613527cff655c1343f29812e66706df3234",
    sk_r: "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8",
    pk_r: "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d",
    enc: "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431",
    ct: "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a",
};

/// The suite itself, which appendix A does not print: from the RFC's complete vectors, to which appendix A points
/// (cfrg/draft-irtf-cfrg-hpke, test-vectors.json; mode 0, kem 32, kdf 1, aead 2).
const COMPLETE: Vector = Vector {
    ikm_e: "2cd7c601cefb3d42a62b04b7a9041494c06c7843818e0ce28a8f704ae7ab20f9",
    sk_r: "497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d",
    pk_r: "430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c",
    enc: "6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256",
    ct: "e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be9931980a41de125a925cdad859d5b7a",
};

fn check<A: Aead>(vector: &Vector) {
    let (info, aad, text) = (unhex::<20>(INFO).unwrap(), unhex::<7>(AAD).unwrap(), unhex::<29>(TEXT).unwrap());
    let public = unhex(vector.pk_r).unwrap();
    let sealed = encrypt::<A>(&public, &info, &aad, &text, unhex(vector.ikm_e).unwrap()).unwrap();
    assert_eq!(hex(&sealed), format!("{}{}", vector.enc, vector.ct));
    let opened = decrypt::<A>(&unhex(vector.sk_r).unwrap(), &info, &aad, &sealed).unwrap();
    assert_eq!(*opened, text);
}

#[test]
fn the_vectors_of_the_rfc_come_out() {
    check::<AesGcm128>(&A_1_1);
    check::<AesGcm256>(&COMPLETE);
}

fn keys() -> ([u8; 32], [u8; 32]) {
    (unhex(COMPLETE.sk_r).unwrap(), unhex(COMPLETE.pk_r).unwrap())
}

fn vault() -> Origin {
    Origin::new("vault.example/3f2a").unwrap()
}

fn filing() -> Filing {
    Filing {
        ticket: TicketHash([5; 32]),
        subject: Subject::Question(Text::new("May I \"visit\"?").unwrap()),
        purpose: Text::new("A school trip").unwrap(),
        contact: None,
        recipient: Recipient::Ticket,
    }
}

fn sealed() -> Sealed {
    seal(&keys().1, &vault(), &filing(), [9; 32]).unwrap()
}

#[test]
fn what_was_sealed_opens_and_shows_neither_words_nor_length() {
    let long = Filing {
        subject: Subject::Question(Text::new("\"".repeat(limits::QUESTION)).unwrap()),
        purpose: Text::new("\n".repeat(limits::PURPOSE - 1) + "x").unwrap(),
        contact: Some(Text::new("\\".repeat(limits::CONTACT)).unwrap()),
        ..filing()
    };
    let item = Filing { subject: Subject::Item(ItemId([7; 16])), ..filing() };
    for (filing, random) in [(filing(), [1; 32]), (long, [2; 32]), (item, [3; 32])] {
        let sealed = seal(&keys().1, &vault(), &filing, random).unwrap();
        assert_eq!(sealed.as_bytes().len(), Sealed::SIZE);
        assert_eq!(open(&keys().0, &vault(), &filing.ticket, &sealed), Ok(filing));
        assert!(!sealed.as_bytes().windows(6).any(|part| part == b"school"));
        let call =
            crate::frame::encode(&Call::Forward { ticket: TicketHash([5; 32]), sealed: sealed.clone() }).unwrap();
        let Ok(Call::Forward { sealed: back, .. }) = serde_json::from_slice(&call[crate::frame::PREFIX..]) else {
            panic!("another call came back")
        };
        assert_eq!(back, sealed);
        assert_eq!(Sealed::from_bytes(sealed.as_bytes()), Ok(sealed));
    }
}

#[test]
fn no_byte_of_it_can_change() {
    let sealed = sealed();
    for at in 0..Sealed::SIZE {
        let mut bytes = sealed.as_bytes().to_vec();
        // X25519 ignores the last bit of a key, byte 31's highest (RFC 7748, section 5); the key schedule does not.
        bytes[at] ^= 1 << (at % 8);
        let changed = Sealed::from_bytes(&bytes).unwrap();
        assert_eq!(open(&keys().0, &vault(), &filing().ticket, &changed), Err(NotOpened), "byte {at}");
    }
}

#[test]
fn it_opens_for_no_other_key_vault_or_ticket() {
    let sealed = sealed();
    let ticket = filing().ticket;
    let opened = |private: &[u8; 32], vault: &str, ticket: TicketHash| {
        open(private, &Origin::new(vault).unwrap(), &ticket, &sealed)
    };
    assert_eq!(opened(&keys().0, "vault.example/3f2a", ticket), Ok(filing()));
    assert_eq!(opened(&unhex(A_1_1.sk_r).unwrap(), "vault.example/3f2a", ticket), Err(NotOpened));
    assert_eq!(opened(&keys().0, "vault.example/3f2b", ticket), Err(NotOpened));
    for bit in 0..256 {
        let mut other = ticket;
        other.0[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(opened(&keys().0, "vault.example/3f2a", other), Err(NotOpened), "bit {bit}");
    }
}

#[test]
fn a_request_of_another_ticket_inside_is_refused() {
    let (outer, inner) = (TicketHash([6; 32]), filing());
    let mut text = serde_json::to_vec(&inner).unwrap();
    text.resize(SEALED_TEXT, b' ');
    let forged = encrypt::<AesGcm256>(&keys().1, &info(&vault()), &outer.0, &text, [9; 32]).map(Sealed).unwrap();
    assert!(decrypt::<AesGcm256>(&keys().0, &info(&vault()), &outer.0, forged.as_bytes()).is_ok(), "the seal is sound");
    assert_eq!(open(&keys().0, &vault(), &outer, &forged), Err(NotOpened));
    let junk = encrypt::<AesGcm256>(&keys().1, &info(&vault()), &outer.0, &[b'x'; SEALED_TEXT], [9; 32]);
    assert_eq!(open(&keys().0, &vault(), &outer, &junk.map(Sealed).unwrap()), Err(NotOpened));
}

#[test]
fn only_the_one_length_is_read() {
    let text = serde_json::to_string(&sealed()).unwrap();
    assert!(serde_json::from_str::<Sealed>(&text).is_ok());
    for bad in ["\"\"".to_owned(), text.replacen(&text[1..5], "", 1), text.replacen(&text[1..5], "****", 1)] {
        assert!(serde_json::from_str::<Sealed>(&bad).is_err(), "{} characters", bad.len());
    }
    assert_eq!(Sealed::from_bytes(&[0; 5]), Err(BadSealed(5)));
    assert_eq!(format!("{:?}", sealed()), "Sealed");
}

#[test]
fn a_key_that_hides_nothing_is_refused() {
    for low_order in [[0; 32], core::array::from_fn(|i| u8::from(i == 0))] {
        assert_eq!(seal(&low_order, &vault(), &filing(), [9; 32]), Err(NotSealed::Key));
    }
}

#[test]
fn other_randomness_gives_another_seal() {
    let again = seal(&keys().1, &vault(), &filing(), [8; 32]).unwrap();
    assert!(again.as_bytes()[..KEY] != sealed().as_bytes()[..KEY]);
    assert!(again.as_bytes()[KEY..] != sealed().as_bytes()[KEY..]);
}
