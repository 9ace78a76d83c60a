//! What servers begin to send one day, and what nobody can answer.

use std::sync::Arc;

use wa_binary::{Jid, Node};

use crate::{
    account::{Account, Companion},
    queue::{Class, Stanza},
    stanza,
    world::World,
};

/// The tag of a stanza that no client knows.
const UNKNOWN: &str = "novelty";
/// The type of the notification that properties have changed.
const PROPERTIES: &str = "abprops";

/// Queues one of each kind for a device: a status post as it comes since July 2026, application data, a stanza that
/// nobody knows, and a notification that the properties have changed (PROTOCOL.md 7.3).
pub(crate) fn queue_all(world: &World, account: &Arc<Account>, device: u16) {
    for tag in ["status", "appdata", UNKNOWN, "notification"] {
        deliver(world, account, device, tag);
    }
}

/// Delivers a stanza of this kind to a device: through its queue, unless it is a request.
pub(crate) fn deliver(world: &World, account: &Arc<Account>, device: u16, tag: &str) {
    if tag == "iq" {
        let directory = account.directory();
        let link = directory.companions.get(&device).and_then(Companion::live_link);
        return link.into_iter().for_each(|link| link.send(stanza::encode(&question(world)), None));
    }
    let id = world.next_id();
    let node = Node::new(tag.to_owned()).attr("id", id.clone()).attr("t", world.clock.unix_seconds());
    let node = match tag {
        "status" => node
            .attr("from", Jid::status())
            .attr("participant", Jid::lid("100000000000000"))
            .attr("type", "text")
            .child(Node::new("plaintext")),
        "notification" => node.attr("from", Jid::server()).attr("type", PROPERTIES).child(Node::new("props")),
        _ => node.attr("from", Jid::server()),
    };
    let bytes = stanza::encode(&node);
    let class = Class::named(tag);
    let kind = if tag == "notification" { PROPERTIES } else { "" };
    let stanza = Stanza { class, id, kind: kind.into(), is_own_copy: false, bytes };
    world.deliver(account, device, stanza);
}

/// What a server says of the backlog besides its number (PROTOCOL.md 7.2): until when each chat was told, and that what
/// is urgent has been.
pub(crate) fn bulletins(world: &World) -> [Node<'static>; 2] {
    let until =
        Node::new("item").attr("from", Jid::lid("100000000000000")).attr("t", world.clock.unix_seconds());
    let chats = Node::new("thread_metadata").child(until);
    [chats, Node::new("priority_offline_complete")].map(|child| stanza::from_server("ib").child(child))
}

/// A request in a name space that no client knows.
pub(crate) fn question(world: &World) -> Node<'static> {
    Node::new("iq")
        .attr("from", Jid::server())
        .attr("id", world.next_id())
        .attr("type", "get")
        .attr("xmlns", "urn:xmpp:whatsapp:novelty")
        .child(Node::new(UNKNOWN))
}
