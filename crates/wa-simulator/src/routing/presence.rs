use std::sync::Arc;

use wa_binary::{Jid, Node};

use super::Sender;
use crate::{
    Addressing,
    account::{Account, Presence, Restriction},
    stanza,
    world::World,
};

/// Takes `<presence>`: the own one, or a subscription, which is answered at once with the present state.
pub(crate) fn presence(world: &World, sender: Sender<'_>, node: &Node<'_>) -> Option<Node<'static>> {
    if stanza::text(&node.attrs, "type") == "subscribe" {
        let to = node.attrs.jid("to")?;
        let account = world.resolve(to)?;
        let is_restricted = account.directory().restriction != Restriction::None;
        if is_restricted && !world.tokens_in(node, sender.account, &account).is_trusted {
            return None;
        }
        let addressing = Addressing::of(to)?;
        let mut directory = account.directory();
        directory.subscribers.insert(sender.account.number.clone(), addressing);
        return Some(described(&account.jid(addressing, 0), directory.presence()));
    }
    let changed = {
        let mut directory = sender.account.directory();
        let before = directory.presence();
        let name = Some(stanza::text(&node.attrs, "name")).filter(|name| !name.is_empty());
        let is_available = match &*stanza::text(&node.attrs, "type") {
            "available" => Some(true),
            "unavailable" => Some(false),
            // Baileys sends `<presence/>` whenever its credentials change (PROTOCOL.md 31.1).
            _ => None,
        };
        let companion = directory.companions.get_mut(&sender.device);
        if let Some(live) = companion.and_then(|companion| companion.connection.as_mut()) {
            live.name = name.or_else(|| live.name.take());
            live.is_available = is_available.unwrap_or(live.is_available);
            if is_available == Some(false) {
                directory.last_seen = Some(world.clock.unix_seconds());
            }
        }
        before != directory.presence()
    };
    if changed {
        announce_presence(world, sender.account);
    }
    None
}

/// Tells those who subscribed that an account came or went.
pub(crate) fn announce_presence(world: &World, account: &Arc<Account>) {
    let (subscribers, presence) = {
        let directory = account.directory();
        (directory.subscribers.clone(), directory.presence())
    };
    for (number, addressing) in subscribers {
        if let Some(subscriber) = world.account(&number) {
            send_live(&subscriber, &described(&account.jid(addressing, 0), presence));
        }
    }
}

fn described(from: &Jid, presence: Presence) -> Node<'static> {
    let node = Node::new("presence").attr("from", from);
    match presence {
        Presence::Available => node.attr("type", "available"),
        Presence::Unavailable { last_seen } => {
            let node = node.attr("type", "unavailable");
            match last_seen {
                Some(seconds) => node.attr("last", seconds),
                None => node.attr("last", "deny"),
            }
        }
    }
}

/// Passes `<chatstate>` on to the devices that are there.
pub(crate) fn chatstate(world: &World, sender: Sender<'_>, node: &Node<'_>) {
    let Some(to) = node.attrs.jid("to") else { return };
    let (Some(account), Some(addressing)) = (world.resolve(to), Addressing::of(to)) else { return };
    let [state] = node.children() else { return };
    if !(state.is("composing") || state.is("paused"))
        || account.directory().blocked.contains(&sender.account.lid)
    {
        return;
    }
    let node = Node::new("chatstate").attr("from", sender.account.jid(addressing, 0)).child(state.clone());
    send_live(&account, &node);
}

/// Writes a stanza to the companions that are there; the others miss it.
fn send_live(account: &Account, node: &Node<'_>) {
    let bytes = stanza::encode(node);
    let directory = account.directory();
    for link in directory.companions.values().filter_map(|companion| companion.active_link()) {
        link.send(bytes.clone(), None);
    }
}
