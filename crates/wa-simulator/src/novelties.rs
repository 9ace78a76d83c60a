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

/// Queues one of each kind for a device: a status post as it comes since July 2026, application data, and a
/// stanza that nobody knows (PROTOCOL.md 7.3).
pub(crate) fn queue_all(world: &World, account: &Arc<Account>, device: u16) {
    for tag in ["status", "appdata", UNKNOWN] {
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
        _ => node.attr("from", Jid::server()),
    };
    let bytes = stanza::encode(&node);
    let class = Class::named(tag);
    let stanza = Stanza { class, id, kind: Default::default(), is_own_copy: false, bytes };
    world.deliver(account, device, stanza);
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
