//! What faults do to a message.

use crate::stanza;
use bytes::Bytes;
use wa_binary::{Content, Jid, Node};
use wa_signal::PreKeyMessage;

/// The same message with a bit changed in the MAC of every ciphertext, so that nothing but a whole
/// decryption finds it.
pub(super) fn damaged(bytes: &Bytes) -> Bytes {
    let plain = stanza::without_flag(bytes);
    let Ok(mut node) = wa_binary::decode(&plain) else { return bytes.clone() };
    if let Content::Nodes(children) = &mut node.content {
        for child in children.iter_mut().filter(|child| child.is("enc")) {
            if let Content::Bytes(content) = &mut child.content {
                let mac = mac_position(content);
                if let Some(byte) = content.to_mut().get_mut(mac) {
                    *byte ^= 1;
                }
            }
        }
    }
    stanza::encode(&node)
}

/// The same stanza with another value of an attribute, or without it.
pub(super) fn changed_in(bytes: &Bytes, name: &str, value: Option<String>) -> Bytes {
    let plain = stanza::without_flag(bytes);
    let Ok(mut node) = wa_binary::decode(&plain) else { return bytes.clone() };
    node.attrs.remove(name);
    let node = match value.as_deref().map(|value| (value.contains('@'), value.parse::<Jid>())) {
        Some((true, Ok(jid))) => node.attr(name, jid),
        _ => node.opt_attr(name, value),
    };
    stanza::encode(&node)
}

/// The same message in a chat that its sender shares with others (PROTOCOL.md 12).
pub(super) fn shared_in(bytes: &Bytes, chat: &Jid) -> Bytes {
    let plain = stanza::without_flag(bytes);
    let Ok(mut node) = wa_binary::decode(&plain) else { return bytes.clone() };
    let jid = |name: &str| node.attrs.jid(name).cloned();
    let (sender, pn, lid) = (jid("from"), jid("sender_pn"), jid("sender_lid"));
    for name in ["from", "sender_pn", "sender_lid"] {
        node.attrs.remove(name);
    }
    let node = node
        .attr("from", chat)
        .opt_attr("participant", sender)
        .opt_attr("participant_pn", pn)
        .opt_attr("participant_lid", lid);
    stanza::encode(&node)
}

/// The same message with `<unavailable>`, or nothing, in the place of its ciphertext (PROTOCOL.md 12).
pub(crate) fn without_ciphertext(bytes: &Bytes, unavailable: Option<String>) -> Bytes {
    let plain = stanza::without_flag(bytes);
    let Ok(node) = wa_binary::decode(&plain) else { return bytes.clone() };
    let kept = node.children().iter().filter(|child| !child.is("enc")).cloned();
    let said = unavailable.map(|kind| Node::new("unavailable").attr("type", kind));
    let children: Vec<_> = kept.chain(said).collect();
    let mut empty = Node::new("message").with_children(children);
    empty.attrs = node.attrs.clone();
    stanza::encode(&empty)
}

/// Whether a message is about the account, from device to device.
pub(super) fn is_peer(bytes: &Bytes) -> bool {
    let plain = stanza::without_flag(bytes);
    wa_binary::decode(&plain).is_ok_and(|node| stanza::text(&node.attrs, "category") == "peer")
}

/// The last byte of a `msg`, or of the `msg` inside a `pkmsg`.
fn mac_position(ciphertext: &[u8]) -> usize {
    let inner = PreKeyMessage::parse(ciphertext).ok().map(|message| message.inner);
    let position = inner.and_then(|inner| {
        ciphertext
            .windows(inner.len().max(1))
            .position(|window| window == inner)
            .map(|start| start + inner.len())
    });
    position.unwrap_or(ciphertext.len()).saturating_sub(1)
}
