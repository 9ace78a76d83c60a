//! Requests of namespace `encrypt`: the keys that others need to start a session (PROTOCOL.md 9).

use sha1::{Digest, Sha1};
use wa_binary::{Jid, Node};
use wa_crypto::{PublicKey, Signature};
use wa_signal::{Bundle, SignedPreKey};

use super::{big_endian, from_big_endian, get, set};
use crate::request::RequestError;

/// First byte of keys where the key type is written apart.
const KEY_TYPE: [u8; 1] = [5];
/// Most one-time keys that a digest may list: a real server never holds more than a first upload or two.
const MAX_DIGEST_KEYS: usize = 4096;

/// Asks how many one-time keys the server still has.
pub(crate) fn count() -> Node<'static> {
    get("encrypt").child(Node::new("count"))
}

/// Reads the answer to [`count`], or the notification with the same child.
pub(crate) fn parse_count(answer: &Node<'_>) -> Result<u32, RequestError> {
    Ok(answer.require_child("count")?.require_number("value")?)
}

/// Uploads one-time keys, with the identity and the signed prekey.
pub(crate) fn upload<'a>(
    registration_id: u32,
    identity: &PublicKey,
    keys: impl IntoIterator<Item = (u32, PublicKey)>,
    signed: &SignedPreKey,
) -> Node<'a> {
    let keys = keys.into_iter().map(|(id, key)| one_time_key(id, &key));
    set("encrypt")
        .child(Node::new("registration").with_bytes(registration_id.to_be_bytes().to_vec()))
        .child(Node::new("type").with_bytes(KEY_TYPE.to_vec()))
        .child(Node::new("identity").with_bytes(identity.as_bytes().to_vec()))
        .child(Node::new("list").with_children(keys))
        .child(signed_key(signed))
}

/// Replaces the signed prekey.
pub(crate) fn rotate(signed: &SignedPreKey) -> Node<'static> {
    set("encrypt").child(Node::new("rotate").child(signed_key(signed)))
}

/// `<key>` with its id and public half.
pub(crate) fn one_time_key<'a>(id: u32, key: &PublicKey) -> Node<'a> {
    Node::new("key")
        .child(Node::new("id").with_bytes(big_endian::<3>(id).to_vec()))
        .child(Node::new("value").with_bytes(key.as_bytes().to_vec()))
}

/// `<skey>` with id, public half and signature.
pub(crate) fn signed_key<'a>(signed: &SignedPreKey) -> Node<'a> {
    Node::new("skey")
        .child(Node::new("id").with_bytes(big_endian::<3>(signed.id).to_vec()))
        .child(Node::new("value").with_bytes(signed.key.public().as_bytes().to_vec()))
        .child(Node::new("signature").with_bytes(signed.signature.as_bytes().to_vec()))
}

/// Asks what the server holds of us, to compare.
pub(crate) fn digest() -> Node<'static> {
    get("encrypt").child(Node::new("digest"))
}

/// What the server says it holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeyDigest {
    pub(crate) registration_id: u32,
    pub(crate) prekey_ids: Vec<u32>,
    pub(crate) hash: Vec<u8>,
}

/// Reads the answer to [`digest`]; `None` if the server sent no content to compare with.
pub(crate) fn parse_digest(answer: &Node<'_>) -> Result<Option<KeyDigest>, RequestError> {
    let digest = answer.require_child("digest")?;
    let (Some(registration), Some(hash)) = (digest.get_child("registration"), digest.get_child("hash"))
    else {
        return Ok(None);
    };
    let number = |node: &Node<'_>| node.bytes().and_then(|bytes| from_big_endian(&bytes));
    let registration_id = number(registration).ok_or_else(|| malformed("registration"))?;
    let ids = digest.get_child("list").map_or(&[][..], Node::children);
    if ids.len() > MAX_DIGEST_KEYS {
        return Err(malformed("list of prekey ids"));
    }
    let prekey_ids =
        ids.iter().map(|id| number(id).ok_or_else(|| malformed("prekey id"))).collect::<Result<_, _>>()?;
    Ok(Some(KeyDigest { registration_id, prekey_ids, hash: hash.require_bytes()?.into_owned() }))
}

/// SHA-1 over identity, signed prekey, its signature and the one-time keys in the order of the server's list
/// (PROTOCOL.md 9).
pub(crate) fn key_hash(identity: &PublicKey, signed: &SignedPreKey, keys: &[PublicKey]) -> Vec<u8> {
    let mut hash = Sha1::new();
    hash.update(identity.as_bytes());
    hash.update(signed.key.public().as_bytes());
    hash.update(signed.signature.as_bytes());
    for key in keys {
        hash.update(key.as_bytes());
    }
    hash.finalize().to_vec()
}

/// Asks for what is needed to start sessions with these devices.
pub(crate) fn fetch<'a>(devices: impl IntoIterator<Item = &'a Jid>) -> Node<'static> {
    let users = devices.into_iter().map(|jid| Node::new("user").attr("jid", jid).attr("reason", "identity"));
    get("encrypt").child(Node::new("key").with_children(users))
}

/// One device of the answer to [`fetch`].
#[derive(Debug)]
pub(crate) struct FetchedBundle {
    pub(crate) device: Jid,
    pub(crate) bundle: Bundle,
    /// What vouches for the device, if the server sent it.
    pub(crate) device_identity: Option<Vec<u8>>,
}

/// Reads the answer to [`fetch`]. A device that the server refuses or garbles is left out: the others can
/// still be reached.
pub(crate) fn parse_fetch(answer: &Node<'_>) -> Result<Vec<FetchedBundle>, RequestError> {
    let list = answer.require_child("list")?;
    let mut bundles = Vec::with_capacity(list.children().len());
    for user in list.children_named("user") {
        match parse_user(user) {
            Ok(bundle) => bundles.push(bundle),
            Err(error) => tracing::warn!(%error, "no usable key bundle for a device"),
        }
    }
    Ok(bundles)
}

fn parse_user(user: &Node<'_>) -> Result<FetchedBundle, RequestError> {
    super::accepted(user)?;
    let device = user.require_jid("jid")?.clone();
    let registration_id = user.require_child("registration")?.require_bytes()?;
    let registration_id: [u8; 4] = registration_id[..].try_into().map_err(|_| malformed("registration"))?;
    let bundle = parse_keys(user.get_child("keys").unwrap_or(user), u32::from_be_bytes(registration_id))?;
    let device_identity = user
        .get_child("device-identity")
        .or_else(|| user.get_child("keys")?.get_child("device-identity"))
        .and_then(Node::bytes)
        .map(std::borrow::Cow::into_owned);
    Ok(FetchedBundle { device, bundle, device_identity })
}

/// Reads `<identity>`, `<skey>` and the optional `<key>` of a bundle or of a retry receipt.
pub(crate) fn parse_keys(keys: &Node<'_>, registration_id: u32) -> Result<Bundle, RequestError> {
    if keys.get_child("type").and_then(Node::bytes).is_some_and(|kind| *kind != KEY_TYPE) {
        return Err(RequestError::Malformed("unknown key type".into()));
    }
    let skey = keys.require_child("skey")?;
    let signature = Signature::from_slice(&skey.require_child("signature")?.require_bytes()?)
        .map_err(|_| malformed("signature"))?;
    Ok(Bundle {
        registration_id,
        identity: public_key(keys.require_child("identity")?)?,
        signed_prekey_id: key_id(skey)?,
        signed_prekey: public_key(skey.require_child("value")?)?,
        signed_prekey_signature: signature,
        prekey: keys.get_child("key").map(parse_one_time_key).transpose()?,
    })
}

fn parse_one_time_key(key: &Node<'_>) -> Result<(u32, PublicKey), RequestError> {
    Ok((key_id(key)?, public_key(key.require_child("value")?)?))
}

fn key_id(key: &Node<'_>) -> Result<u32, RequestError> {
    let bytes = key.require_child("id")?.require_bytes()?;
    let bytes: [u8; 3] = bytes[..].try_into().map_err(|_| malformed("key id"))?;
    from_big_endian(&bytes).ok_or_else(|| malformed("key id"))
}

fn public_key(node: &Node<'_>) -> Result<PublicKey, RequestError> {
    PublicKey::from_slice(&node.require_bytes()?).map_err(|_| malformed("public key"))
}

fn malformed(what: &str) -> RequestError {
    RequestError::Malformed(format!("{what} of wrong length"))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;
    use wa_crypto::KeyPair;
    use wa_signal::LocalIdentity;

    use super::*;

    fn own() -> (LocalIdentity, SignedPreKey) {
        let mut random = ChaCha20Rng::from_seed([6; 32]);
        let local = LocalIdentity { key: KeyPair::generate(&mut random), registration_id: 83 };
        let signed = SignedPreKey::generate(&local, 1, &mut random);
        (local, signed)
    }

    /// The shape that other clients send (PROTOCOL.md 9).
    #[test]
    fn an_upload_has_registration_type_identity_list_and_signed_key() {
        let (local, signed) = own();
        let key = PublicKey::from_bytes([9; 32]);
        let upload = upload(local.registration_id, local.key.public(), [(1, key), (2, key)], &signed);
        assert_eq!(
            upload.to_string(),
            "<iq to=\"s.whatsapp.net\" type=\"set\" xmlns=\"encrypt\"><registration>[4B]</registration>\
             <type>[1B]</type><identity>[32B]</identity><list><key><id>[3B]</id><value>[32B]</value></key>\
             <key><id>[3B]</id><value>[32B]</value></key></list><skey><id>[3B]</id><value>[32B]</value>\
             <signature>[64B]</signature></skey></iq>"
        );
        assert_eq!(upload.get_child("registration").unwrap().bytes().unwrap()[..], [0, 0, 0, 83]);
    }

    fn user(device: &Jid) -> Node<'static> {
        let (local, signed) = own();
        Node::new("user")
            .attr("jid", device)
            .child(Node::new("registration").with_bytes(vec![0, 0, 0, 83]))
            .child(Node::new("type").with_bytes(KEY_TYPE.to_vec()))
            .child(Node::new("identity").with_bytes(local.key.public().as_bytes().to_vec()))
            .child(signed_key(&signed))
            .child(one_time_key(812, &PublicKey::from_bytes([9; 32])))
    }

    fn answer(users: impl IntoIterator<Item = Node<'static>>) -> Node<'static> {
        Node::new("iq").attr("type", "result").child(Node::new("list").with_children(users))
    }

    #[test]
    fn bundles_are_read_and_bad_ones_left_out() {
        let (first, second) = (Jid::lid("1"), Jid::lid("2").with_device(3));
        let error = Node::new("error").attr("code", 404_u32).attr("text", "item-not-found");
        let refused = Node::new("user").attr("jid", Jid::lid("3")).child(error);
        let bundles = parse_fetch(&answer([user(&first), refused, user(&second)])).unwrap();
        let devices: Vec<_> = bundles.iter().map(|fetched| fetched.device.clone()).collect();
        assert_eq!(devices, [first, second]);
        let bundle = &bundles[0].bundle;
        assert_eq!((bundle.registration_id, bundle.signed_prekey_id), (83, 1));
        assert_eq!(bundle.prekey, Some((812, PublicKey::from_bytes([9; 32]))));
        assert!(bundle.verify().is_ok());
    }

    #[test]
    fn keys_may_be_nested_and_one_time_keys_absent() {
        let flat = user(&Jid::lid("1"));
        let (keys, registration): (Vec<_>, Vec<_>) = flat
            .children()
            .iter()
            .filter(|child| !child.is("key"))
            .cloned()
            .partition(|child| !child.is("registration"));
        let nested = Node::new("user")
            .attr("jid", Jid::lid("1"))
            .with_children(registration)
            .child(Node::new("keys").with_children(keys));
        let bundles = parse_fetch(&answer([nested])).unwrap();
        assert_eq!(bundles[0].bundle.prekey, None);
    }

    #[test]
    fn a_digest_lists_ids_and_a_hash() {
        let id = |id: u32| Node::new("id").with_bytes(big_endian::<3>(id).to_vec());
        let digest = Node::new("digest")
            .child(Node::new("registration").with_bytes(vec![0, 0, 0, 83]))
            .child(Node::new("list").child(id(1)).child(id(812)))
            .child(Node::new("hash").with_bytes(vec![7; 20]));
        let answer = Node::new("iq").child(digest);
        let expected = KeyDigest { registration_id: 83, prekey_ids: vec![1, 812], hash: vec![7; 20] };
        assert_eq!(parse_digest(&answer), Ok(Some(expected)));
        assert_eq!(parse_digest(&Node::new("iq").child(Node::new("digest"))), Ok(None));
        assert!(parse_digest(&Node::new("iq")).is_err());
    }

    #[test]
    fn the_hash_covers_the_keys_in_their_order() {
        let (local, signed) = own();
        let (one, two) = (PublicKey::from_bytes([1; 32]), PublicKey::from_bytes([2; 32]));
        let hash = |keys: &[PublicKey]| key_hash(local.key.public(), &signed, keys);
        assert_eq!(hash(&[one, two]).len(), 20);
        assert_ne!(hash(&[one, two]), hash(&[two, one]));
    }

    #[test]
    fn a_count_is_a_number() {
        let count = |value: &'static str| Node::new("iq").child(Node::new("count").attr("value", value));
        assert_eq!(parse_count(&count("12")), Ok(12));
        assert!(parse_count(&count("many")).is_err());
    }
}
