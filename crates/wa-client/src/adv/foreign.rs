//! Against what Baileys and its signer made.

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use wa_crypto::{KeyPair, PrivateKey, PublicKey};

use super::*;
use crate::vectors::{array, baileys, hex};

#[test]
fn pairings_that_baileys_accepts_are_accepted_and_its_answers_are_genuine() {
    let vectors = baileys();
    let keys = &vectors["keys"];
    let companion = KeyPair::from_private(PrivateKey::from_bytes(array(&keys["companion"])));
    let account = PublicKey::from_bytes(array(&keys["account"]));
    let secret = array(&keys["secret"]);
    let mut random = ChaCha20Rng::from_seed([1; 32]);
    for pairing in vectors["pairings"].as_array().unwrap() {
        let container = hex(&pairing["container"]);
        let verified = verify(&container, &secret, &companion, &mut random).unwrap();
        assert_eq!(Some(u64::from(verified.key_index)), pairing["keyIndex"].as_u64());
        assert_eq!(verified.account_key, account);
        let answer = hex(&pairing["answer"]);
        let theirs = AdvSignedDeviceIdentity::decode(&answer[..]).unwrap();
        let ours = AdvSignedDeviceIdentity::decode(&verified.answer[..]).unwrap();
        // Signatures are random; what they are of is not.
        assert_eq!((&ours.details, &ours.account_signature), (&theirs.details, &theirs.account_signature));
        let vouched = Vouched { account_key: account, key_index: Some(verified.key_index) };
        for answer in [&answer, &verified.answer] {
            let checked = check_companion(answer, companion.public(), false, Some(&account));
            assert_eq!(checked, Ok(vouched), "{pairing}");
        }
        let mut changed = container.clone();
        *changed.last_mut().unwrap() ^= 1;
        let refused = verify(&changed, &secret, &companion, &mut random).err();
        assert_ne!(refused, None, "the type of the account, or what authenticates it");
    }
}

#[test]
fn a_device_in_the_cloud_is_vouched_for_with_baileys_prefixes() {
    let vectors = baileys();
    let cloud = PublicKey::from_bytes(array(&vectors["keys"]["cloud"]));
    let account = PublicKey::from_bytes(array(&vectors["keys"]["account"]));
    let identity = hex(&vectors["hosted"]);
    let vouched = Vouched { account_key: account, key_index: Some(0) };
    assert_eq!(check_companion(&identity, &cloud, true, None), Ok(vouched));
    assert_eq!(check_companion(&identity, &cloud, false, None), Err(NotGenuine::Signature));
}
