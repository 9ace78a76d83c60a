//! Retry receipts: asking for a message again, and being asked (PROTOCOL.md 14).

use wa_binary::{Jid, Node, ShapeError};
use wa_signal::PreKey;

use super::envelope::Envelope;
use super::receipt::ack;
use crate::context::Context;
use crate::end::End;
use crate::group::has_sender_keys;
use crate::iq;
use crate::iq::encrypt::{self, FetchedBundle};
use crate::keeper::Keeper;
use crate::mirror::Mirror;
use crate::retry::RetryRequest;

/// From this count on the receipt brings keys for a new session.
const KEYS_FROM: u32 = 2;

/// Reads a retry receipt. Of one that can't be answered its acknowledgement is left.
pub(crate) fn retry_request(node: &Node<'_>, mirror: &Mirror) -> Result<RetryRequest, Node<'static>> {
    match read(node, mirror) {
        Ok(Some(request)) => Ok(request),
        Ok(None) => {
            tracing::warn!("a retry receipt came from nobody who was sent anything");
            Err(ack("receipt", node))
        }
        Err(error) => {
            tracing::warn!(%error, "a malformed retry receipt was dropped");
            Err(ack("receipt", node))
        }
    }
}

/// `None` if it isn't a device of a person that asks. Between two people `from` alone says who it is: whose the keys are
/// that come with another name can't be known. In groups it is `participant`.
fn read(node: &Node<'_>, mirror: &Mirror) -> Result<Option<RetryRequest>, ShapeError> {
    let from = node.require_jid("from")?.clone();
    let group = has_sender_keys(&from).then(|| from.clone());
    let device = if group.is_some() { node.require_jid("participant")?.clone() } else { from };
    let itself = [&mirror.device.jid, &mirror.device.lid];
    let has_other_name = node.attrs.jid("participant").is_some_and(|participant| *participant != device);
    if has_other_name
        || !device.is_user()
        || device.agent != 0
        || itself.into_iter().flatten().any(|own| *own == device)
    {
        return Ok(None);
    }
    let is_own_copy = group.is_none() && mirror.is_own_user(&device);
    let recipient = node.attrs.jid("recipient").filter(|_| is_own_copy).cloned();
    let chat = recipient.as_ref().unwrap_or(&device).to_user().unhosted();
    if !chat.is_user() {
        return Ok(None);
    }
    let chat = group.unwrap_or(chat);
    let retry = node.require_child("retry")?;
    let registration = node.get_child("registration").and_then(Node::bytes);
    Ok(Some(RetryRequest {
        keys: read_keys(node, &device),
        chat,
        device,
        recipient,
        id: retry.require_text("id")?.into_owned(),
        count: retry.attrs.number("count").and_then(Result::ok).unwrap_or(1),
        registration_id: registration.and_then(|registration| iq::from_big_endian(&registration)),
        ack: ack("receipt", node),
    }))
}

fn read_keys(node: &Node<'_>, device: &Jid) -> Option<FetchedBundle> {
    let keys = node.get_child("keys")?;
    let registration = node.get_child("registration")?.bytes()?;
    let registration_id = iq::from_big_endian(&registration)?;
    let bundle = encrypt::parse_keys(keys, registration_id)
        .map_err(|error| tracing::warn!(%error, "the keys of a retry receipt are malformed"))
        .ok()?;
    let device_identity =
        keys.get_child("device-identity").and_then(Node::bytes).map(std::borrow::Cow::into_owned);
    // Nobody vouches for such keys of a companion: those that the server has are asked for.
    let is_vouched = device.device == 0 || device_identity.is_some();
    is_vouched.then(|| FetchedBundle { device: device.clone(), bundle, device_identity })
}

/// The receipt that asks a sender to send a message again. The key that it may bring is stored before it leaves, with
/// the rest of the batch.
pub(super) async fn retry_receipt(
    context: &mut Context<'_>,
    keeper: &Keeper,
    envelope: &Envelope,
    count: u32,
) -> Result<Node<'static>, End> {
    let retry = Node::new("retry")
        .attr("count", count)
        .attr("id", envelope.id.clone())
        .attr("t", envelope.timestamp)
        .attr("v", "1");
    let registration = context.mirror.local.registration_id.to_be_bytes().to_vec();
    let receipt = envelope
        .answer("receipt")
        .attr("type", "retry")
        .opt_attr("category", envelope.peer.then_some("peer"))
        .child(retry)
        .child(Node::new("registration").with_bytes(registration));
    if count < KEYS_FROM {
        return Ok(receipt);
    }
    let Some(prekey) = keeper.spare_prekey(context).await? else { return Ok(receipt) };
    Ok(receipt.child(keys_node(context.mirror, &prekey)))
}

fn keys_node(mirror: &Mirror, prekey: &PreKey) -> Node<'static> {
    let identity = mirror.local.key.public().as_bytes().to_vec();
    let vouched = mirror.device.account.as_ref();
    Node::new("keys")
        .child(Node::new("type").with_bytes(vec![wa_crypto::SIGNAL_KEY_TYPE]))
        .child(Node::new("identity").with_bytes(identity))
        .child(encrypt::one_time_key(prekey.id, prekey.key.public()))
        .child(encrypt::signed_key(&mirror.signed_prekey()))
        .with_children(vouched.map(|mirror| Node::new("device-identity").with_bytes(mirror.to_vec())))
}
