use wa_crypto::kdf;

use super::wrapping::{ROUNDS, crypt, wrap};
use super::*;
use crate::config::Appearance;

#[test]
fn codes_and_keys_are_whatsmeows() {
    // PROTOCOL.md, Appendix B.
    assert_eq!(base32([0x00, 0x01, 0x02, 0xfd, 0xfe]), "111H6ZGY");
    let key = kdf::pbkdf2_sha256(b"ABCD1234", &[2; 32], ROUNDS);
    assert_eq!(key[..4], [0xa2, 0x34, 0xf9, 0xbd]);
    let secret: [u8; 32] = kdf::hkdf(&[3; 96], &[], b"adv_secret");
    assert_eq!(secret[..4], [0x5e, 0x6f, 0xfc, 0xf7]);
}

#[test]
fn a_wrapped_key_is_unwrapped_with_its_code_alone() {
    let key = PublicKey::from_bytes([7; 32]);
    let wrapped = wrap("ABCD1234", [9; 48], &key);
    assert_eq!(crypt("ABCD1234", &wrapped), [7; 32]);
    assert_ne!(crypt("ABCD1235", &wrapped), [7; 32]);
}

#[test]
fn numbers_are_international() {
    assert_eq!(international("+1 (555) 000-0001"), Some(Jid::pn("15550000001")));
    for wrong in ["", "123456", "0155500000", "1234567890123456"] {
        assert_eq!(international(wrong), None, "{wrong}");
    }
}

#[test]
fn the_server_is_told_a_browser_and_a_system_that_it_knows() {
    let of = |os: &str, client_type| {
        display(&Appearance { os: os.to_owned(), client_type, ..Appearance::default() })
    };
    assert_eq!(display(&Appearance::default()), "Chrome (Linux)");
    assert_eq!(of("Our shop", '3'), "Firefox (Linux)");
    assert_eq!(of("Windows 11", '2'), "Edge (Windows)");
    assert_eq!(of("macOS", '6'), "Safari (Mac OS)");
}
