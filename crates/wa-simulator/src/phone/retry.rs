use std::sync::Arc;

use bytes::Bytes;
use wa_binary::{Jid, Node};
use wa_crypto::{PublicKey, Signature};
use wa_signal::Bundle;

use super::{Phone, Receipt, receive::child_bytes, say::Envelope, send::device_sent, sessions::Address};
use crate::{Addressing, account::Account, stanza, world::Chat};

/// How often one device gets one message again.
const MAX_AGAIN: u32 = 5;

impl Phone {
    /// Reads a receipt for what the phone sent.
    pub(super) fn receipt(&mut self, node: &Node<'_>) {
        let Some(from) = node.attrs.jid("from") else { return };
        let is_shared = from.is_group() || from.is_status();
        let from = node.attrs.jid("participant").filter(|_| is_shared).unwrap_or(from);
        let Some(account) = self.world.resolve(from) else { return };
        match &*stanza::text(&node.attrs, "type") {
            "retry" => self.send_again(&account, from, node),
            kind => self.note(&account, from.device, kind, node),
        }
    }

    /// Notes a delivery, a reading or a playing.
    fn note(&self, account: &Account, device: u16, kind: &str, node: &Node<'_>) {
        let kind = if kind.is_empty() { "delivered" } else { kind };
        let receipt = Receipt {
            from: account.pn().to_string(),
            device,
            kind: kind.to_owned(),
            timestamp: node.attrs.number("t").and_then(Result::ok).unwrap_or_default(),
        };
        let items = node.get_child("list").map(Node::children).unwrap_or_default();
        let ids = items.iter().map(|item| stanza::text(&item.attrs, "id"));
        let ids: Vec<_> = std::iter::once(stanza::text(&node.attrs, "id")).chain(ids).collect();
        self.state.outbox.send_modify(|outbox| {
            for id in &ids {
                if let Some(sent) = outbox.get_mut(id) {
                    sent.entry.receipts.push(receipt.clone());
                }
            }
        });
    }

    /// Encrypts a message once more for a device that could not read it (PROTOCOL.md 14).
    fn send_again(&mut self, account: &Arc<Account>, from: &Jid, node: &Node<'_>) {
        let id = stanza::text(&node.attrs, "id");
        let retry = node.get_child("retry");
        let count: u32 =
            retry.and_then(|retry| retry.attrs.number("count")).and_then(Result::ok).unwrap_or(1);
        let key = (account.number.clone(), from.device);
        let mut found = None;
        self.state.outbox.send_modify(|outbox| {
            let Some(sent) = outbox.get_mut(&id) else { return };
            let again = sent.again.entry(key).or_default();
            *again += 1;
            if *again <= MAX_AGAIN {
                sent.entry.resent += 1;
                found = Some((sent.content.clone(), sent.entry.to.clone(), sent.envelope));
            }
        });
        let Some((content, chat, envelope)) = found else { return };
        let Some(chat) = self.world.chat_named(&chat) else { return };
        if self.renew_session(account, from.device, count, node).is_none() {
            return;
        }
        for _ in 0..if self.world.options.behaviour.resent_twice { 2 } else { 1 } {
            let Some(message) = self.sealed_again(&chat, (account, from), (&id, count), &content, envelope)
            else {
                return;
            };
            let message = self.introduced(message);
            if let Err(error) = self.submit(&message) {
                tracing::debug!(error, "a message that was sent again is refused");
            }
        }
    }

    /// `<message>` for one device alone.
    fn sealed_again(
        &mut self,
        chat: &Chat,
        (account, device): (&Arc<Account>, &Jid),
        (id, count): (&str, u32),
        content: &Bytes,
        envelope: Envelope,
    ) -> Option<Node<'static>> {
        let is_own = *account == self.account;
        let jid = chat.jid(Addressing::of(device).unwrap_or(Addressing::Lid));
        let content = match chat.circle() {
            None => content.clone(),
            Some(circle) => self.with_key(&circle, content)?,
        };
        let plaintext = if is_own { device_sent(&jid, &content) } else { content };
        let enc = self.encrypted(account, device.device, &plaintext)?;
        let enc = envelope.sealed(enc).attr("count", count);
        Some(match chat.addressing() {
            None => envelope
                .message(device, id)
                .attr("device_fanout", "false")
                .opt_attr("recipient", is_own.then_some(jid))
                .child(enc),
            Some(addressing) => envelope
                .message(&jid, id)
                .attr("participant", device)
                .opt_attr("addressing_mode", (addressing == Addressing::Lid).then_some("lid"))
                .child(enc),
        })
    }

    /// Opens a new session: from the keys in the receipt, or from the server's bundle when the device asks
    /// for the second time. The first time, only the one message may have been damaged.
    fn renew_session(
        &mut self,
        account: &Arc<Account>,
        device: u16,
        count: u32,
        node: &Node<'_>,
    ) -> Option<()> {
        let identity = self.world.identity_of(account, device)?;
        if let Some(keys) = node.get_child("keys") {
            let bundle = bundle(keys, &child_bytes(node, "registration")?)?;
            if bundle.identity != identity {
                return None;
            }
            let address = Address { number: account.number.clone(), device };
            let state = &mut self.state;
            return state.sessions.initiate(&state.keys, &address, &bundle, &mut state.rng).ok();
        }
        if count > 1 { self.open_session(account, device) } else { Some(()) }
    }
}

/// The bundle in the `<keys>` of a retry receipt; the registration id is beside it.
fn bundle(keys: &Node<'_>, registration: &[u8]) -> Option<Bundle> {
    let signed = keys.get_child("skey")?;
    let prekey = match keys.get_child("key") {
        Some(key) => Some((id(&child_bytes(key, "id")?)?, public_key(&child_bytes(key, "value")?)?)),
        None => None,
    };
    (child_bytes(keys, "type")?[..] == [5]).then_some(())?;
    Some(Bundle {
        registration_id: u32::from_be_bytes(registration.try_into().ok()?),
        identity: public_key(&child_bytes(keys, "identity")?)?,
        signed_prekey_id: id(&child_bytes(signed, "id")?)?,
        signed_prekey: public_key(&child_bytes(signed, "value")?)?,
        signed_prekey_signature: Signature::from_slice(&child_bytes(signed, "signature")?).ok()?,
        prekey,
    })
}

fn id(bytes: &[u8]) -> Option<u32> {
    let [a, b, c] = *bytes else { return None };
    Some(u32::from_be_bytes([0, a, b, c]))
}

fn public_key(bytes: &[u8]) -> Option<PublicKey> {
    PublicKey::from_slice(bytes).ok()
}
