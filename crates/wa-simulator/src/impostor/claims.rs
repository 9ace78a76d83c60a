use wa_binary::{Jid, Node, Server};

use super::{Active, Impostor, STRANGER, UNLINKED};
use crate::{
    account::CLOUD,
    iq::{TakenBundle, key_node},
    world::World,
};

/// The count from which a retry receipt brings keys (PROTOCOL.md 14).
const WITH_KEYS: u32 = 2;

/// The stanzas that make the claim, the last of which asks for the message.
pub(super) fn of(world: &World, active: &Active, id: &str) -> Vec<Node<'static>> {
    let (lid, pn) = &active.chat;
    let own = &active.own.0;
    let receipt = |from: Jid| retry(world, active.what, from, id);
    let hosted = Jid::new(&lid.user, Server::HostedLid).with_device(CLOUD);
    let companion = lid.clone().with_device(UNLINKED);
    let request = match active.what {
        Impostor::Participant => receipt(lid.clone()).attr("participant", Jid::lid(STRANGER)),
        Impostor::Companion | Impostor::UnlistedCompanion | Impostor::ForgedCompanion => receipt(companion),
        Impostor::Hosted => receipt(hosted),
        Impostor::Group => {
            receipt(Jid::group("120363000000000001")).attr("participant", companion).attr("recipient", lid)
        }
        Impostor::Broadcast => receipt(Jid::status()).attr("participant", companion).attr("recipient", lid),
        Impostor::OwnCompanion => receipt(own.clone().with_device(UNLINKED)).attr("recipient", lid),
        Impostor::OwnPhone => receipt(own.clone()).attr("recipient", lid),
        Impostor::Agent => receipt(Jid { agent: 7, ..pn.clone() }),
        Impostor::Legacy => receipt(Jid::new(&pn.user, Server::Legacy)),
        Impostor::Pair => receipt(Jid::lid(STRANGER)),
        Impostor::Phone => receipt(lid.clone()),
    };
    let pair = (active.what == Impostor::Pair).then(|| {
        Node::new("notification")
            .attr("id", world.next_id())
            .attr("type", "devices")
            .attr("t", world.clock.unix_seconds())
            .attr("from", pn)
            .attr("lid", Jid::lid(STRANGER))
    });
    pair.into_iter().chain([request]).collect()
}

/// A retry receipt with the server's keys.
fn retry(world: &World, what: Impostor, from: Jid, id: &str) -> Node<'static> {
    let TakenBundle { keys, device_identity } = bundle(world, what);
    let retry = Node::new("retry")
        .attr("count", WITH_KEYS)
        .attr("id", id.to_owned())
        .attr("t", world.clock.unix_seconds())
        .attr("v", "1");
    let signed = key_node("skey", keys.signed_prekey_id, &keys.signed_prekey)
        .child(Node::new("signature").with_bytes(keys.signed_prekey_signature.as_bytes().to_vec()));
    let node = Node::new("keys")
        .child(Node::new("type").with_bytes(vec![5]))
        .child(Node::new("identity").with_bytes(keys.identity.as_bytes().to_vec()))
        .with_children(keys.prekey.map(|(id, key)| key_node("key", id, &key)))
        .child(signed)
        .with_children(device_identity.map(|bytes| Node::new("device-identity").with_bytes(bytes.to_vec())));
    Node::new("receipt")
        .attr("from", from)
        .attr("id", id.to_owned())
        .attr("type", "retry")
        .attr("t", world.clock.unix_seconds())
        .child(retry)
        .child(Node::new("registration").with_bytes(keys.registration_id.to_be_bytes().to_vec()))
        .child(node)
}

/// The server's keys, vouched for where that is part of the claim.
pub(super) fn bundle(world: &World, what: Impostor) -> TakenBundle {
    let keys = world.impostor();
    let device_identity = match what {
        Impostor::ForgedCompanion | Impostor::OwnCompanion => {
            Some(keys.device_identity(UNLINKED, false, world))
        }
        Impostor::Hosted => Some(keys.device_identity(CLOUD, true, world)),
        _ => None,
    };
    TakenBundle { keys: keys.bundle(), device_identity }
}
