//! The stanza of a message (PROTOCOL.md 11.1, 11.4).

use wa_binary::{Jid, Node};
use wa_signal::Ciphertext;

use crate::content::{Attributes, EditCode};

/// `<message>` without content.
pub(super) fn message(to: &Jid, id: &str, attributes: &Attributes) -> Node<'static> {
    Node::new("message")
        .attr("id", id.to_owned())
        .attr("to", to)
        .attr("type", attributes.kind)
        .opt_attr("edit", attributes.edit.map(EditCode::as_str))
        .with_children(attributes.meta.map(|(name, value)| Node::new("meta").attr(name, value)))
}

/// `<enc>` for one device; `count` is that of a resend.
pub(super) fn enc(ciphertext: Ciphertext, attributes: &Attributes, count: Option<u32>) -> Node<'static> {
    sealed(ciphertext.kind.as_str(), attributes, count).with_bytes(ciphertext.bytes)
}

/// `<enc>` for one device of what has no content that a person sees.
pub(super) fn bare_enc(ciphertext: Ciphertext) -> Node<'static> {
    Node::new("enc").attr("v", "2").attr("type", ciphertext.kind.as_str()).with_bytes(ciphertext.bytes)
}

/// `<enc>` for all members of a group.
pub(super) fn enc_for_all(ciphertext: Vec<u8>, attributes: &Attributes) -> Node<'static> {
    sealed("skmsg", attributes, None).with_bytes(ciphertext)
}

fn sealed(kind: &'static str, attributes: &Attributes, count: Option<u32>) -> Node<'static> {
    Node::new("enc")
        .attr("v", "2")
        .attr("type", kind)
        .opt_attr("count", count)
        .opt_attr("mediatype", attributes.media_type)
        .opt_attr("decrypt-fail", attributes.is_hidden.then_some("hide"))
}
