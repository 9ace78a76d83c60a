use std::sync::Arc;

use compact_str::CompactString;
use wa_binary::{Jid, Node};

use super::Sender;
use crate::{
    Addressing,
    account::Account,
    queue::{Class, Stanza},
    stanza,
    world::{Chat, World},
};

/// What the server does with a receipt besides acknowledging it (PROTOCOL.md 13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// For the server alone.
    Settles,
    /// To all devices of the message's sender.
    Forwarded,
    /// To the one own device that sent the message.
    Returned,
    /// Forwarded, and told to the reader's other devices.
    Shared,
    /// Told to the reader's other devices only.
    Private,
    /// To the one device that is to send again.
    Retry,
    /// To the own phone, which has the media.
    Phone,
}

impl Fate {
    fn of(kind: &str) -> Self {
        match kind {
            "" | "inactive" => Self::Forwarded,
            "sender" => Self::Returned,
            "read" | "played" => Self::Shared,
            "read-self" | "played-self" => Self::Private,
            "retry" => Self::Retry,
            "server-error" => Self::Phone,
            _ => Self::Settles,
        }
    }
}

/// Takes a receipt: settles what it acknowledges, passes it on, and returns its `<ack>`.
pub(crate) fn receipt(world: &World, sender: Sender<'_>, node: &Node<'_>) -> Node<'static> {
    let id = stanza::text(&node.attrs, "id");
    let kind = stanza::text(&node.attrs, "type");
    let fate = Fate::of(&kind);
    settle(sender, node, &id, fate);
    let ack = Node::new("ack")
        .attr("class", "receipt")
        .attr("id", id)
        .attr("from", stanza::destination(node))
        .opt_attr("type", (!kind.is_empty()).then(|| kind.clone()))
        .opt_attr("participant", node.attrs.jid("participant").cloned());
    if let Some(newsletter) = node.attrs.jid("to").and_then(|to| world.newsletter(to)) {
        if kind == "view" {
            world.view_in(sender.account, &newsletter, &viewed(node));
        }
        return ack;
    }
    match pass_on(world, sender, node, &kind, fate) {
        Ok(()) => ack,
        Err(Malformed) => ack.attr("error", 479_u16),
    }
}

/// The posts that were looked at: `<list><item server_id/>…</list>`.
fn viewed(node: &Node<'_>) -> Vec<u32> {
    let items = node.get_child("list").map(Node::children).unwrap_or_default().iter();
    items.filter_map(|item| item.attrs.number("server_id")?.ok()).collect()
}

/// The receipt has not the shape of its type.
struct Malformed;

/// Takes the messages out of the sender's queue that it has received.
fn settle(sender: Sender<'_>, node: &Node<'_>, id: &CompactString, fate: Fate) {
    let mut directory = sender.account.directory();
    let Some(companion) = directory.companions.get_mut(&sender.device) else { return };
    if fate == Fate::Retry {
        return companion.queue.settle_by_retry(id);
    }
    companion.queue.settle(id);
    let items = node.get_child("list").map(Node::children).unwrap_or_default();
    for item in items.iter().filter(|item| item.is("item")) {
        companion.queue.settle(&stanza::text(&item.attrs, "id"));
    }
}

fn pass_on(
    world: &World,
    sender: Sender<'_>,
    node: &Node<'_>,
    kind: &CompactString,
    fate: Fate,
) -> Result<(), Malformed> {
    if stanza::text(&node.attrs, "id").is_empty() {
        return Err(Malformed);
    }
    let to = node.attrs.jid("to").ok_or(Malformed)?;
    let shared = world.chat(to).filter(|chat| chat.addressing().is_some());
    // In groups and lists the participant has written.
    let to = node.attrs.jid("participant").filter(|_| Addressing::of(to).is_none()).unwrap_or(to);
    let receipt = Passing { world, sender, node, kind, shared };
    match fate {
        Fate::Settles => {}
        Fate::Phone => {
            check_reupload(sender, node, to)?;
            receipt.deliver(sender.account, 0, &receipt.addressed(Addressing::Lid));
        }
        Fate::Retry => {
            check_retry(node)?;
            if let (Some(account), Some(addressing)) = (world.resolve(to), Addressing::of(to)) {
                receipt.deliver(&account, to.device, &receipt.addressed(addressing));
            }
        }
        Fate::Forwarded => receipt.forward(to),
        Fate::Returned => {
            if let Some(addressing) = Addressing::of(to).filter(|_| sender.account.owns(to)) {
                receipt.deliver(sender.account, to.device, &receipt.addressed(addressing));
            }
        }
        Fate::Shared => {
            receipt.forward(to);
            receipt.share(to);
        }
        Fate::Private => receipt.share(to),
    }
    Ok(())
}

/// `<retry count id t v>` and a registration id of four bytes are what the sender goes by (PROTOCOL.md 14).
fn check_retry(node: &Node<'_>) -> Result<(), Malformed> {
    let retry = node.get_child("retry").ok_or(Malformed)?;
    let has_count = matches!(retry.attrs.number::<u8>("count"), Some(Ok(1..)));
    let same_id = stanza::text(&retry.attrs, "id") == stanza::text(&node.attrs, "id");
    let registration = node.get_child("registration").and_then(Node::bytes);
    let has_registration = registration.is_some_and(|registration| registration.len() == 4);
    if has_count && same_id && has_registration { Ok(()) } else { Err(Malformed) }
}

/// `<encrypt><enc_p/><enc_iv/></encrypt>` for the own phone, and which message it is about (PROTOCOL.md 19.6).
fn check_reupload(sender: Sender<'_>, node: &Node<'_>, to: &Jid) -> Result<(), Malformed> {
    let encrypt = node.get_child("encrypt").ok_or(Malformed)?;
    let part = |name| encrypt.get_child(name).and_then(Node::bytes).map_or(0, |bytes| bytes.len());
    let is_sealed = part("enc_p") > 0 && part("enc_iv") == 12;
    let is_of_history = stanza::text(&node.attrs, "category") == "peer";
    let names_message = node.get_child("rmr").is_some_and(|rmr| {
        rmr.attrs.jid("jid").is_some() && matches!(&*stanza::text(&rmr.attrs, "from_me"), "true" | "false")
    });
    let is_right = is_sealed && (names_message || is_of_history) && to.device == 0 && sender.account.owns(to);
    if is_right { Ok(()) } else { Err(Malformed) }
}

/// A receipt on its way.
struct Passing<'a> {
    world: &'a World,
    sender: Sender<'a>,
    node: &'a Node<'a>,
    kind: &'a CompactString,
    /// Where the message was written, if not to the reader alone.
    shared: Option<Chat>,
}

impl Passing<'_> {
    /// To all devices of the account, whichever of them wrote: each shows what became of the message.
    fn forward(&self, to: &Jid) {
        let (Some(account), Some(addressing)) = (self.world.resolve(to), Addressing::of(to)) else { return };
        let node = self.addressed(addressing);
        let is_own = account == *self.sender.account;
        let devices: Vec<_> = account.directory().devices();
        for (device, _) in
            devices.into_iter().filter(|(device, _)| !(is_own && *device == self.sender.device))
        {
            self.deliver(&account, device, &node);
        }
    }

    /// Tells the reader's other devices that a chat was read, in the words of the one where it was.
    fn share(&self, chat: &Jid) {
        let Some(addressing) = Addressing::of(chat) else { return };
        let recipient = self.shared.is_none().then(|| chat.to_user());
        let node = self.addressed(addressing).opt_attr("recipient", recipient);
        let account = self.sender.account;
        let devices = account.directory().devices();
        for (device, _) in devices.into_iter().filter(|(device, _)| *device != self.sender.device) {
            self.deliver(account, device, &node);
        }
    }

    /// The receipt as its receiver sees it, from the sending device in the receiver's name space.
    fn addressed(&self, addressing: Addressing) -> Node<'_> {
        let children = self.node.children().iter().cloned();
        let names_chat = matches!(&**self.kind, "retry" | "sender");
        let (account, device) = (self.sender.account, self.sender.device);
        let shared = self.shared.as_ref().and_then(|chat| Some((chat.jid(addressing), chat.addressing()?)));
        let (from, participant) = match shared {
            Some((chat, named)) => (chat, Some(account.jid(named, device))),
            None => (account.jid(addressing, device), None),
        };
        Node::new("receipt")
            .attr("from", from)
            .opt_attr("participant", participant)
            .attr("id", stanza::text(&self.node.attrs, "id"))
            .opt_attr("type", (!self.kind.is_empty()).then(|| self.kind.clone()))
            .attr("t", self.world.clock.unix_seconds())
            .opt_attr("recipient", self.node.attrs.jid("recipient").filter(|_| names_chat).cloned())
            .with_children(children)
    }

    /// Named by the LID that a companion has written to, until it has asked for the one of today. What real servers do is
    /// not known.
    fn as_known_to<'n>(&self, account: &Arc<Account>, device: u16, mut node: Node<'n>) -> Node<'n> {
        let directory = account.directory();
        let companion = directory.companions.get(&device);
        let stale = companion.and_then(|companion| companion.stale.get(&self.sender.account.number));
        let from = node.attrs.jid("from").filter(|from| from.is_lid()).cloned();
        if let (Some(stale), Some(from)) = (stale, from) {
            node.attrs.remove("from");
            return node.attr("from", Jid::new(stale.lid.clone(), from.server).with_device(from.device));
        }
        node
    }

    fn deliver(&self, account: &Arc<Account>, device: u16, node: &Node<'_>) {
        let node = &self.as_known_to(account, device, node.clone());
        let stanza = Stanza {
            class: Class::Receipt,
            id: stanza::text(&node.attrs, "id"),
            kind: stanza::text(&node.attrs, "type"),
            is_own_copy: false,
            bytes: stanza::encode(node),
        };
        self.world.deliver(account, device, stanza);
    }
}
