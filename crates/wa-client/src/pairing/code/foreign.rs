//! Against what Baileys computes while it links by code.

use super::wrapping::wrap;
use super::*;
use crate::vectors::{array, baileys, hex};

#[test]
fn keys_are_wrapped_and_bundles_sealed_as_baileys_does() {
    let vectors = baileys();
    let (link, code) = (&vectors["linkCode"], vectors["linkCode"]["code"].as_str().unwrap());
    let ephemeral = KeyPair::from_private(PrivateKey::from_bytes(array(&link["ephemeral"])));
    let salt: [u8; 48] = [hex(&link["salt"]), hex(&link["iv"])].concat().try_into().unwrap();
    assert_eq!(wrap(code, salt, ephemeral.public()).to_vec(), hex(&link["wrappedCompanion"]));

    let phone = PublicKey::from_bytes(array(&link["phone"]));
    let finishing = Finishing {
        secrets: Secrets { code: code.to_owned(), ephemeral },
        number: Jid::pn("15550000001"),
        identity: KeyPair::from_private(PrivateKey::from_bytes(array(&vectors["keys"]["companion"]))),
        hello: Hello { reference: b"ref".to_vec(), wrapped: array(&link["wrappedPrimary"]), identity: phone },
        salt: array(&link["bundleSalt"]),
        nonce: array(&link["nonce"]),
        random: array(&link["random"]),
    };
    let (secret, finish) = finishing.derive().unwrap();
    assert_eq!(secret.to_vec(), hex(&link["advSecret"]));
    let bundle =
        finish.require_child("link_code_pairing_wrapped_key_bundle").unwrap().require_bytes().unwrap();
    assert_eq!(bundle.to_vec(), hex(&link["bundle"]));
}
