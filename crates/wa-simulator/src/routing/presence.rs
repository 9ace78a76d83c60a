use std::sync::Arc;

use compact_str::CompactString;
use wa_binary::{Jid, Node};

use super::Sender;
use crate::{
    Addressing,
    account::{Account, Companion, Presence, Restriction, Subscription},
    stanza,
    world::World,
};

/// Takes `<presence>`: the own one, or a subscription, which is answered at once with the present state. It
/// lasts as long as the connection, and is that of the one device (PROTOCOL.md 26).
pub(crate) fn presence(world: &World, sender: Sender<'_>, node: &Node<'_>) -> Option<Node<'static>> {
    match &*stanza::text(&node.attrs, "type") {
        "subscribe" => return subscribe(world, sender, node),
        "unsubscribe" => {
            let account = world.resolve(node.attrs.jid("to")?)?;
            account.directory().subscribers.remove(&key(sender));
            return None;
        }
        _ => {}
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

fn subscribe(world: &World, sender: Sender<'_>, node: &Node<'_>) -> Option<Node<'static>> {
    let to = node.attrs.jid("to")?;
    let (account, addressing) = (world.resolve(to)?, Addressing::of(to)?);
    let is_restricted = account.directory().restriction != Restriction::None;
    if is_restricted && !world.tokens_in(node, sender.account, &account).is_trusted {
        return None;
    }
    let connection = connection_of(sender.account, sender.device)?;
    let mut directory = account.directory();
    directory.subscribers.insert(key(sender), Subscription { addressing, connection });
    Some(described(&account.jid(addressing, 0), directory.presence()))
}

fn key(sender: Sender<'_>) -> (CompactString, u16) {
    (sender.account.number.clone(), sender.device)
}

/// The present connection of a companion.
fn connection_of(account: &Account, device: u16) -> Option<u64> {
    let directory = account.directory();
    Some(directory.companions.get(&device)?.connection.as_ref()?.link.connection)
}

/// Tells those who subscribed, and are still there, that an account came or went.
pub(crate) fn announce_presence(world: &World, account: &Arc<Account>) {
    let (subscribers, presence) = {
        let directory = account.directory();
        (directory.subscribers.clone(), directory.presence())
    };
    for ((number, device), Subscription { addressing, connection }) in subscribers {
        let subscriber = world.account(&number);
        let subscriber = subscriber.filter(|account| connection_of(account, device) == Some(connection));
        match subscriber {
            Some(subscriber) => {
                let bytes = stanza::encode(&described(&account.jid(addressing, 0), presence));
                let directory = subscriber.directory();
                let link = directory.companions.get(&device).and_then(Companion::live_link);
                link.into_iter().for_each(|link| link.send(bytes.clone(), None));
            }
            None => drop(account.directory().subscribers.remove(&(number, device))),
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
        || account.directory().blocked.contains(&sender.account.number)
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
    for link in directory.companions.values().filter_map(|companion| companion.live_link()) {
        link.send(bytes.clone(), None);
    }
}
