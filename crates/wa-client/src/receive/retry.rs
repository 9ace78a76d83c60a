//! Retry receipts: asking for a message again, and being asked (protocol.md 14).

use wa_binary::{Jid, Node, ShapeError};
use wa_signal::PreKey;

use super::envelope::Envelope;
use crate::account::Account;
use crate::instance::End;
use crate::iq::encrypt::{self, FetchedBundle};
use crate::online::Online;

/// From this count on the receipt brings keys for a new session.
const KEYS_FROM: u32 = 2;

/// A device asks for a message again.
pub(crate) struct RetryRequest {
    /// The device that asks.
    pub(crate) device: Jid,
    /// The chat of the message, as addressed in the receipt.
    pub(crate) chat: Jid,
    /// `from`, to which the resend goes.
    pub(crate) from: Jid,
    pub(crate) participant: Option<Jid>,
    pub(crate) recipient: Option<Jid>,
    pub(crate) id: String,
    /// How often this device has asked.
    pub(crate) count: u32,
    /// Keys for a new session, if the device sent some.
    pub(crate) keys: Option<FetchedBundle>,
    /// The acknowledgement that is due once the request has been answered.
    pub(crate) ack: Node<'static>,
}

impl RetryRequest {
    pub(super) fn read(node: &Node<'_>, account: &Account) -> Result<Self, ShapeError> {
        let from = node.require_jid("from")?.clone();
        let participant = node.attrs.jid("participant").cloned();
        let recipient = node.attrs.jid("recipient").cloned();
        let retry = node.require_child("retry")?;
        let device = participant.clone().unwrap_or_else(|| from.clone());
        let chat = match &recipient {
            Some(recipient) if account.is_own_user(&device) => recipient.to_user(),
            _ => from.to_user(),
        };
        Ok(Self {
            keys: read_keys(node, &device),
            chat,
            device,
            participant,
            recipient,
            from,
            id: retry.require_text("id")?.into_owned(),
            count: retry.attrs.number("count").and_then(Result::ok).unwrap_or(1),
            ack: super::receipt::ack("receipt", node),
        })
    }
}

fn read_keys(node: &Node<'_>, device: &Jid) -> Option<FetchedBundle> {
    let keys = node.get_child("keys")?;
    let registration = node.get_child("registration")?.bytes()?;
    let registration_id = crate::iq::from_big_endian(&registration)?;
    let bundle = encrypt::parse_keys(keys, registration_id)
        .map_err(|error| tracing::warn!(%error, "the keys of a retry receipt are malformed"))
        .ok()?;
    let device_identity =
        keys.get_child("device-identity").and_then(Node::bytes).map(std::borrow::Cow::into_owned);
    Some(FetchedBundle { device: device.clone(), bundle, device_identity })
}

impl Online<'_> {
    /// The receipt that asks a sender to send a message again. The key that it may bring is stored before it
    /// leaves, with the rest of the batch.
    pub(super) async fn retry_receipt(
        &mut self,
        envelope: &Envelope,
        count: u32,
    ) -> Result<Node<'static>, End> {
        let retry = Node::new("retry")
            .attr("count", count)
            .attr("id", envelope.id.clone())
            .attr("t", envelope.timestamp)
            .attr("v", "1");
        let registration = self.account.local.registration_id.to_be_bytes().to_vec();
        let receipt = envelope
            .answer("receipt")
            .attr("type", "retry")
            .opt_attr("category", envelope.peer.then_some("peer"))
            .child(retry)
            .child(Node::new("registration").with_bytes(registration));
        if count < KEYS_FROM {
            return Ok(receipt);
        }
        let Some(prekey) = self.spare_prekey().await? else { return Ok(receipt) };
        Ok(receipt.child(self.keys_node(&prekey)))
    }

    fn keys_node(&self, prekey: &PreKey) -> Node<'static> {
        let identity = self.account.local.key.public().as_bytes().to_vec();
        let account = self.account.device.account.as_ref();
        Node::new("keys")
            .child(Node::new("type").with_bytes(vec![wa_crypto::SIGNAL_KEY_TYPE]))
            .child(Node::new("identity").with_bytes(identity))
            .child(encrypt::one_time_key(prekey.id, prekey.key.public()))
            .child(encrypt::signed_key(&self.account.signed_prekey()))
            .with_children(account.map(|account| Node::new("device-identity").with_bytes(account.to_vec())))
    }
}
