use sha1::{Digest, Sha1};
use wa_binary::{Jid, Node, ShapeError};
use wa_crypto::{PublicKey, Signature};

use super::{Answer, Answered, Context, IqError, Request, bundles::TakenBundle};
use crate::{
    account::{Companion, SignedKey},
    faults::{BundleFault, FaultKind},
    phone::Task,
};

/// Most prekeys in one upload. Clients send up to 812.
const MAX_UPLOAD: usize = 2_000;
/// Most devices in one fetch of bundles.
const MAX_FETCH: usize = 2_000;

/// Name space `encrypt`: the keys that others need to open sessions (PROTOCOL.md 9).
pub(super) fn answer(context: &Context<'_>, request: &Request<'_>) -> Answered {
    match (request.is_get, request.child()?.tag()) {
        (true, "count") => count(context),
        (true, "key") => fetch(context, request.child()?),
        (true, "digest") => digest(context),
        (false, "rotate") => rotate(context, request.child()?),
        (false, _) => upload(context, request.node),
        (true, _) => Err(IqError::BadRequest("unknown question about keys")),
    }
}

/// `<name><id/><value/></name>`.
pub(crate) fn key_node(name: &'static str, id: u32, key: &PublicKey) -> Node<'static> {
    Node::new(name)
        .child(Node::new("id").with_bytes(id.to_be_bytes()[1..].to_vec()))
        .child(Node::new("value").with_bytes(key.as_bytes().to_vec()))
}

fn with_own<T>(
    context: &Context<'_>,
    f: impl FnOnce(&mut Companion) -> Result<T, IqError>,
) -> Result<T, IqError> {
    let mut directory = context.account.directory();
    f(directory.companions.get_mut(&context.device).ok_or(IqError::Forbidden)?)
}

fn count(context: &Context<'_>) -> Answered {
    let left = with_own(context, |companion| Ok(companion.prekeys.len()))?;
    Ok(Node::new("count").attr("value", left).into())
}

/// Takes an upload whose every part is sound, or nothing of it.
fn upload(context: &Context<'_>, node: &Node<'_>) -> Answered {
    let registration = u32::from_be_bytes(child(node, "registration")?);
    if child::<1>(node, "type")? != [5] {
        return Err(IqError::BadRequest("the key type is not 05"));
    }
    let identity = PublicKey::from_bytes(child(node, "identity")?);
    let signed = signed_key(node.require_child("skey")?)?;
    let keys = node.require_child("list")?.children();
    if keys.is_empty() || keys.len() > MAX_UPLOAD {
        return Err(IqError::BadRequest("an upload has 1 to 2000 prekeys"));
    }
    let keys = keys.iter().map(one_time_key).collect::<Result<Vec<_>, _>>()?;
    check_signature(&signed, &identity)?;
    let limit = context.world.options.limits.prekeys;
    let is_awaited = with_own(context, |companion| {
        if identity != companion.identity || registration != companion.registration_id {
            return Err(IqError::BadRequest("the identity is not the registered one"));
        }
        companion.prekeys.add(&keys, limit)?;
        companion.signed_prekey = signed;
        companion.asked_for_prekeys = false;
        companion.has_keys();
        Ok(companion.takes_bootstrap())
    })?;
    if is_awaited {
        context.account.phone.order(Task::Bootstrap { device: context.device });
    }
    Ok(Answer::empty())
}

fn rotate(context: &Context<'_>, node: &Node<'_>) -> Answered {
    let signed = signed_key(node.require_child("skey")?)?;
    let identity = with_own(context, |companion| Ok(companion.identity))?;
    check_signature(&signed, &identity)?;
    with_own(context, |companion| {
        companion.signed_prekey = signed;
        Ok(Answer::empty())
    })
}

fn check_signature(signed: &SignedKey, identity: &PublicKey) -> Result<(), IqError> {
    signed
        .verify(identity)
        .map_err(|_| IqError::BadRequest("the signed prekey is not signed by the identity"))
}

fn one_time_key(node: &Node<'_>) -> Result<(u32, PublicKey), IqError> {
    if !node.is("key") {
        return Err(IqError::BadRequest("the list holds something else than keys"));
    }
    Ok((key_id(node)?, PublicKey::from_bytes(child(node, "value")?)))
}

fn signed_key(node: &Node<'_>) -> Result<SignedKey, IqError> {
    Ok(SignedKey {
        id: key_id(node)?,
        public: PublicKey::from_bytes(child(node, "value")?),
        signature: Signature::from_bytes(child(node, "signature")?),
    })
}

fn key_id(node: &Node<'_>) -> Result<u32, IqError> {
    let [a, b, c] = child(node, "id")?;
    Ok(u32::from_be_bytes([0, a, b, c]))
}

/// The content of a child that has exactly `N` bytes.
fn child<const N: usize>(node: &Node<'_>, name: &str) -> Result<[u8; N], IqError> {
    let bytes = node.require_child(name)?.require_bytes()?;
    (*bytes).try_into().map_err(|_| ShapeError::content(name, "of the right length").into())
}

/// SHA-1 over the published keys, with the ids in its order (PROTOCOL.md 9).
fn digest(context: &Context<'_>) -> Answered {
    with_own(context, |companion| {
        if companion.prekeys.len() == 0 {
            return Err(IqError::NotFound);
        }
        let signed = &companion.signed_prekey;
        let mut hash = Sha1::new();
        hash.update(companion.identity.as_bytes());
        hash.update(signed.public.as_bytes());
        hash.update(signed.signature.as_bytes());
        companion.prekeys.iter().for_each(|(_, key)| hash.update(key.as_bytes()));
        let ids = companion
            .prekeys
            .iter()
            .map(|(id, _)| Node::new("id").with_bytes(id.to_be_bytes()[1..].to_vec()));
        let digest = Node::new("digest")
            .child(Node::new("registration").with_bytes(companion.registration_id.to_be_bytes().to_vec()))
            .child(Node::new("type").with_bytes(vec![5]))
            .child(Node::new("identity").with_bytes(companion.identity.as_bytes().to_vec()))
            .child(signed_node(signed.id, &signed.public, &signed.signature))
            .child(Node::new("list").with_children(ids))
            .child(Node::new("hash").with_bytes(hash.finalize().to_vec()));
        Ok(digest.into())
    })
}

fn signed_node(id: u32, key: &PublicKey, signature: &Signature) -> Node<'static> {
    key_node("skey", id, key).child(Node::new("signature").with_bytes(signature.as_bytes().to_vec()))
}

/// Bundles of devices. Devices that are not there are left out, unless the behaviour has errors for them: Baileys
/// gives up a whole message for one `<error>` (PROTOCOL.md 9).
fn fetch(context: &Context<'_>, node: &Node<'_>) -> Answered {
    let users = node.children();
    if users.is_empty() || users.len() > MAX_FETCH {
        return Err(IqError::BadRequest("1 to 2000 devices are asked for at once"));
    }
    let mut list = Vec::with_capacity(users.len());
    for user in users {
        let jid = user.require_jid("jid")?;
        list.extend(bundle_node(context, jid));
    }
    Ok(Node::new("list").with_children(list).into())
}

fn bundle_node(context: &Context<'_>, jid: &Jid) -> Option<Node<'static>> {
    let world = context.world;
    let node = || Node::new("user").attr("jid", jid).attr("t", world.clock.unix_seconds());
    if let Some(claimed) = world.claimed_bundle(context.account, context.device, jid) {
        return Some(node().with_children(parts(&claimed, None)));
    }
    let found = world.resolve(jid).and_then(|account| {
        let bundle = world.take_bundle(&account, jid.device)?;
        Some((account, bundle))
    });
    let Some((account, bundle)) = found else {
        let error = Node::new("error").attr("code", 404_u16).attr("text", "item-not-found");
        return world.options.behaviour.key_errors.then(|| node().child(error));
    };
    let fault = world.faults.strike(&account.number, jid.device, |kind| match kind {
        FaultKind::Bundle { what } => Some(*what),
        _ => None,
    });
    if fault == Some(BundleFault::Refused) {
        return Some(node().child(Node::new("error").attr("code", 406_u16).attr("text", "not-acceptable")));
    }
    Some(node().with_children(parts(&bundle, fault)))
}

/// The children of a bundle, wrong in the one point of a fault.
fn parts(bundle: &TakenBundle, fault: Option<BundleFault>) -> Vec<Node<'static>> {
    use BundleFault as F;
    let keys = &bundle.keys;
    let cut = |bytes: &[u8], by: BundleFault| {
        let end = if fault == Some(by) { bytes.len() - 1 } else { bytes.len() };
        bytes[..end].to_vec()
    };
    let lengthen = |bytes: &[u8], by: BundleFault| {
        let mut bytes = bytes.to_vec();
        if fault == Some(by) {
            bytes.insert(0, 5);
        }
        bytes
    };
    let mut signature = cut(keys.signed_prekey_signature.as_bytes(), F::SignatureLength);
    if fault == Some(F::Signature) {
        signature[9] ^= 1;
    }
    let registration = keys.registration_id.to_be_bytes();
    let mut nodes = vec![
        Node::new("registration").with_bytes(cut(&registration, F::RegistrationLength)),
        Node::new("type").with_bytes(vec![if fault == Some(F::KeyType) { 4 } else { 5 }]),
        Node::new("identity").with_bytes(cut(keys.identity.as_bytes(), F::IdentityLength)),
    ];
    let id = |id: u32| id.to_be_bytes()[1..].to_vec();
    nodes.push(
        Node::new("skey")
            .child(Node::new("id").with_bytes(id(keys.signed_prekey_id)))
            .child(
                Node::new("value").with_bytes(lengthen(keys.signed_prekey.as_bytes(), F::SignedPrekeyLength)),
            )
            .child(Node::new("signature").with_bytes(signature)),
    );
    if let Some((number, key)) = &keys.prekey {
        nodes.push(
            Node::new("key")
                .child(Node::new("id").with_bytes(lengthen(&id(*number), F::PrekeyIdLength)))
                .child(Node::new("value").with_bytes(cut(key.as_bytes(), F::PrekeyLength))),
        );
    }
    if let Some(identity) = &bundle.device_identity {
        let mut bytes = identity.to_vec();
        if fault == Some(F::DeviceIdentity)
            && let Some(byte) = bytes.last_mut()
        {
            *byte ^= 1;
        }
        nodes.push(Node::new("device-identity").with_bytes(bytes));
    }
    nodes
}
