//! The primitives against vectors of independent origin; see `testdata/PROVENANCE`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use serde_json::Value;
use wa_crypto::{AgreementError, PrivateKey, PublicKey, Signature, aead::Aes256Gcm, cbc, ctr, kdf, mac};

fn load(name: &str) -> Value {
    let path = format!("{}/testdata/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

fn list(value: &Value) -> &[Value] {
    let list = value.as_array().unwrap();
    assert!(!list.is_empty());
    list
}

fn agree(scalar: [u8; 32], u: [u8; 32]) -> [u8; 32] {
    let secret = PrivateKey::from_bytes(scalar).agree(&PublicKey::from_bytes(u));
    *secret.unwrap().expose()
}

/// Gives out exactly the bytes it was made of.
struct Fixed(Vec<u8>);

impl TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("signing draws bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("signing draws bytes")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        let rest = self.0.split_off(out.len());
        out.copy_from_slice(&self.0);
        self.0 = rest;
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}

#[test]
fn scalar_multiplication_is_rfc_7748s() {
    let vectors = load("x25519.json");
    for vector in list(&vectors["scalar_multiplication"]) {
        let out = agree(array(&vector["scalar"]), array(&vector["u"]));
        assert_eq!(out, array(&vector["out"]));
    }
    let iterated = &vectors["iterated"];
    let (mut scalar, mut u) = (array(&iterated["start"]), array(&iterated["start"]));
    for round in 1..=1000 {
        (scalar, u) = (agree(scalar, u), scalar);
        if round == 1 {
            assert_eq!(scalar, array(&iterated["after_1"]));
        }
    }
    assert_eq!(scalar, array(&iterated["after_1000"]));
}

#[test]
fn public_keys_and_the_agreed_secret_are_rfc_7748s() {
    let vector = &load("x25519.json")["agreement"];
    let alice = PrivateKey::from_bytes(array(&vector["alice_private"]));
    let bob = PrivateKey::from_bytes(array(&vector["bob_private"]));
    assert_eq!(alice.public_key().as_bytes(), &array(&vector["alice_public"]));
    assert_eq!(bob.public_key().as_bytes(), &array(&vector["bob_public"]));
    for secret in [alice.agree(&bob.public_key()), bob.agree(&alice.public_key())] {
        assert_eq!(secret.unwrap().expose(), &array(&vector["shared"]));
    }
}

#[test]
fn no_secret_is_agreed_with_a_point_of_small_order() {
    let vectors = load("x25519.json");
    let private = PrivateKey::from_bytes(array(&vectors["agreement"]["bob_private"]));
    for point in list(&vectors["small_order"]) {
        let mut u: [u8; 32] = array(point);
        assert_eq!(private.agree(&PublicKey::from_bytes(u)), Err(AgreementError));
        // The top bit is no part of the coordinate (RFC 7748, section 5).
        u[31] |= 0x80;
        assert_eq!(private.agree(&PublicKey::from_bytes(u)), Err(AgreementError));
    }
}

#[test]
fn signatures_of_other_implementations_verify() {
    let vectors = load("xeddsa.json");
    let mut sign_bits = [0; 2];
    for origin in ["libsignal", "npm_libsignal", "curve25519_js"] {
        for vector in list(&vectors[origin]) {
            let key = PublicKey::from_bytes(array(&vector["public"]));
            let signature = Signature::from_bytes(array(&vector["signature"]));
            key.verify(&[&bytes(&vector["message"])], &signature).unwrap();
            sign_bits[usize::from(signature.as_bytes()[63] >> 7)] += 1;
        }
    }
    assert!(sign_bits.iter().all(|count| *count > 3), "{sign_bits:?}");
}

#[test]
fn the_same_random_bytes_give_libsignals_signature() {
    for vector in list(&load("xeddsa.json")["curve25519_js"]) {
        let key = PrivateKey::from_bytes(array(&vector["private"]));
        assert_eq!(key.public_key().as_bytes(), &array(&vector["public"]));
        let signature = key.sign(&[&bytes(&vector["message"])], &mut Fixed(bytes(&vector["random"])));
        assert_eq!(signature.as_bytes(), &array(&vector["signature"]));
    }
}

#[test]
fn gcm_is_nists() {
    let vectors = load("aes.json");
    let gcm = list(&vectors["gcm"]).iter();
    for vector in gcm.chain([&vectors["whatsmeow_poll_vote"]]) {
        let cipher = Aes256Gcm::new(&array(&vector["key"]));
        let (nonce, aad) = (array(&vector["nonce"]), bytes(&vector["aad"]));
        let mut buf = bytes(&vector["plain"]);
        cipher.seal(&nonce, &aad, &mut buf);
        assert_eq!(buf, [bytes(&vector["cipher"]), bytes(&vector["tag"])].concat());
        cipher.open(&nonce, &aad, &mut buf).unwrap();
        assert_eq!(buf, bytes(&vector["plain"]));
    }
}

#[test]
fn cbc_and_ctr_are_nists() {
    let vectors = load("aes.json");
    let vector = &vectors["cbc"];
    let (key, iv) = (array(&vector["key"]), array(&vector["iv"]));
    let cipher = cbc::encrypt(&key, &iv, &bytes(&vector["plain"]));
    assert_eq!(cipher, bytes(&vector["padded_cipher"]));
    assert_eq!(cbc::decrypt(&key, &iv, &cipher).unwrap(), bytes(&vector["plain"]));

    let vector = &vectors["ctr"];
    let mut data = bytes(&vector["plain"]);
    ctr::apply(&array(&vector["key"]), &array(&vector["iv"]), &mut data);
    assert_eq!(data, bytes(&vector["cipher"]));
}

#[test]
fn whatsmeows_media_file_opens() {
    let vector = &load("aes.json")["whatsmeow_media"];
    let info = vector["info"].as_str().unwrap();
    let okm: [u8; 112] = kdf::hkdf(&bytes(&vector["media_key"]), b"", info.as_bytes());
    assert_eq!(okm[..16], bytes(&vector["iv"]));
    assert_eq!(okm[16..48], bytes(&vector["cipher_key"]));
    assert_eq!(okm[48..80], bytes(&vector["mac_key"]));

    let (iv, key) = (array(&vector["iv"]), array(&vector["cipher_key"]));
    let blob = bytes(&vector["blob"]);
    let (cipher, tag) = blob.split_last_chunk::<10>().unwrap();
    mac::verify_truncated_hmac_sha256(&okm[48..80], &[&iv, cipher], tag).unwrap();
    assert_eq!(cbc::decrypt(&key, &iv, cipher).unwrap(), bytes(&vector["plain"]));
    assert_eq!(cbc::encrypt(&key, &iv, &bytes(&vector["plain"])), cipher);
}

#[test]
fn hashes_and_key_derivation_are_the_standards() {
    let vectors = load("hash.json");
    for vector in list(&vectors["sha256"]) {
        assert_eq!(mac::sha256(&[&bytes(&vector["data"])]), array(&vector["digest"]));
    }
    for vector in list(&vectors["hmac_sha256"]) {
        let (key, data) = (bytes(&vector["key"]), bytes(&vector["data"]));
        assert_eq!(mac::hmac_sha256(&key, &[&data]), array(&vector["tag"]));
        mac::verify_hmac_sha256(&key, &[&data], &bytes(&vector["tag"])).unwrap();
    }
    for vector in list(&vectors["hmac_sha512"]) {
        let (key, data) = (bytes(&vector["key"]), bytes(&vector["data"]));
        assert_eq!(mac::hmac_sha512::<64>(&key, &[&data]), array(&vector["tag"]));
    }
    for vector in list(&vectors["hkdf_sha256"]) {
        let okm: [u8; 82] =
            kdf::hkdf(&bytes(&vector["ikm"]), &bytes(&vector["salt"]), &bytes(&vector["info"]));
        let expected = bytes(&vector["okm"]);
        assert_eq!(okm[..expected.len()], expected);
    }
    for vector in list(&vectors["pbkdf2_sha256"]) {
        let rounds = vector["rounds"].as_u64().unwrap().try_into().unwrap();
        let key = kdf::pbkdf2_sha256(&bytes(&vector["password"]), &bytes(&vector["salt"]), rounds);
        assert_eq!(key, array(&vector["key"]));
    }
}
