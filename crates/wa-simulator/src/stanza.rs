//! Stanzas and their parts, as the server writes them.

use bytes::Bytes;
use compact_str::CompactString;
use wa_binary::{Attrs, Jid, Node};

/// Encodes a stanza of the server (with flag byte 0).
pub(crate) fn encode(node: &Node<'_>) -> Bytes {
    match wa_binary::encode(node) {
        Ok(bytes) => bytes.into(),
        Err(error) => {
            // Every stanza is built here or was decoded before, so this is a defect of ours.
            tracing::error!(tag = node.tag(), %error, "a stanza could not be encoded");
            Bytes::new()
        }
    }
}

/// Strips the flag byte of an encoded stanza that is not compressed.
pub(crate) fn without_flag(encoded: &Bytes) -> Bytes {
    encoded.slice(1.min(encoded.len())..)
}

/// An attribute as text, empty when it is absent.
pub(crate) fn text(attrs: &Attrs<'_>, name: &str) -> CompactString {
    attrs.text(name).map(CompactString::new).unwrap_or_default()
}

/// The attribute `to` as JID; absent or the bare server's name mean the server.
pub(crate) fn destination(node: &Node<'_>) -> Jid {
    node.attrs.parse_jid("to").unwrap_or_else(Jid::server)
}

/// `<tag from="s.whatsapp.net">`, as stanzas of the server itself begin.
pub(crate) fn from_server(tag: &'static str) -> Node<'static> {
    Node::new(tag).attr("from", Jid::server())
}

/// `<stream:error code>`.
pub(crate) fn stream_error(code: &str) -> Node<'static> {
    Node::new("stream:error").attr("code", code.to_owned())
}

/// What an older connection of a device gets when a newer one takes over (PROTOCOL.md 7.5).
pub(crate) fn replaced() -> Node<'static> {
    Node::new("stream:error").child(Node::new("conflict").attr("type", "replaced"))
}

/// What a companion gets that was unlinked (PROTOCOL.md 7.5).
pub(crate) fn device_removed() -> Node<'static> {
    stream_error("401").child(Node::new("conflict").attr("type", "device_removed"))
}
