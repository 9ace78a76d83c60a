//! Requests of namespace `encrypt`: the keys that others need to start a session (protocol.md 9).

use sha1::{Digest, Sha1};
use wa_binary::{Jid, Node};
use wa_crypto::{PublicKey, Signature};
use wa_signal::{Bundle, SignedPreKey};

use super::{big_endian, from_big_endian, get, set};
use crate::handle::RequestError;

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
/// (whatsapp-rust.md, "Small ones").
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
