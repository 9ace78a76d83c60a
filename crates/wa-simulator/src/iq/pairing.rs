use prost::Message as _;
use wa_binary::Node;
use wa_proto::companion::ClientPairingProps;

use crate::{pairing::Waiting, stanza, world::World};

/// The `client-props` of pair-success (protocol.md 6.2).
pub(crate) fn client_props(world: &World) -> Vec<u8> {
    let props = ClientPairingProps {
        is_chat_db_lid_migrated: Some(world.options.lid_migrated),
        is_syncd_pure_lid_session: Some(false),
        ..Default::default()
    };
    props.encode_to_vec()
}

/// Answers what a client may say before it is paired. None if there is nothing to answer.
pub(crate) fn answer_unpaired(_world: &World, _waiting: &Waiting, node: &Node<'_>) -> Option<Node<'static>> {
    let kind = stanza::text(&node.attrs, "type");
    if !node.is("iq") || kind == "result" || kind == "error" {
        return None;
    }
    let reply =
        Node::new("iq").attr("from", stanza::destination(node)).attr("id", stanza::text(&node.attrs, "id"));
    if stanza::text(&node.attrs, "xmlns") == "w:p" {
        return Some(reply.attr("type", "result"));
    }
    let error = Node::new("error").attr("code", 501_u16).attr("text", "feature-not-implemented");
    Some(reply.attr("type", "error").child(error))
}
