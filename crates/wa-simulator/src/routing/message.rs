use std::sync::Arc;

use wa_binary::{Jid, Node, phash};

use super::{
    Sender, admission, group,
    letter::{Coverage, Letter, Refusal, Route},
    newsletter, stale, status,
};
use crate::{
    Addressing,
    account::{Account, CLOUD},
    faults::FaultKind,
    queue::{Class, Stanza},
    stanza,
    world::{World, without_ciphertext},
};

/// Children that travel with a message to every device; the others are for the server.
pub(super) const FORWARDED: [&str; 5] = ["meta", "biz", "bot", "reporting", "franking"];

/// Takes a message: delivers each device's copy, and returns the `<ack>` for the sender.
pub(crate) fn message(world: &World, sender: Sender<'_>, node: &Node<'_>) -> Node<'static> {
    let to = stanza::destination(node);
    let ack = Node::new("ack")
        .attr("class", "message")
        .attr("id", stanza::text(&node.attrs, "id"))
        .attr("from", to)
        .attr("t", world.clock.unix_seconds());
    let taken = refused_by_fault(world, sender).and_then(|()| take(world, sender, node));
    let wrong = world.faults.strike(&sender.account.number, sender.device, |kind| {
        (*kind == FaultKind::WrongPhash).then(|| "2:AAAAAAAA".to_owned())
    });
    match taken {
        Ok(Taken { expected, is_stale, server_id }) => ack
            .opt_attr("phash", wrong.or(expected))
            .opt_attr("refresh_lid", is_stale.then_some("true"))
            .opt_attr("server_id", server_id),
        Err(refusal) => {
            tracing::debug!(%refusal, "a message is refused");
            ack.attr("error", refusal.code())
        }
    }
}

fn refused_by_fault(world: &World, sender: Sender<'_>) -> Result<(), Refusal> {
    let refusal = world.faults.strike(&sender.account.number, sender.device, |kind| match kind {
        FaultKind::RefuseSend { error } => Some(Refusal::Fault(*error)),
        _ => None,
    });
    refusal.map_or(Ok(()), Err)
}

/// What the sender hears of a message that was taken.
#[derive(Default)]
pub(super) struct Taken {
    /// The hash of the devices that there are, if the sender thought of others.
    pub(super) expected: Option<String>,
    /// The recipient's LID is to be asked for again.
    pub(super) is_stale: bool,
    /// The number of a post in its newsletter.
    pub(super) server_id: Option<u32>,
}

/// Delivers a message.
fn take(world: &World, sender: Sender<'_>, node: &Node<'_>) -> Result<Taken, Refusal> {
    if node.attrs.jid("to").is_some_and(Jid::is_group) {
        return group::take(world, sender, node);
    }
    if node.attrs.jid("to").is_some_and(Jid::is_status) {
        return status::take(world, sender, node);
    }
    if node.attrs.jid("to").is_some_and(Jid::is_newsletter) {
        return newsletter::take(world, sender, node);
    }
    let letter = Letter::parse(sender, node)?;
    let recipient = world.resolve(&letter.to).ok_or(Refusal::Nobody)?;
    letter.check_name_space(sender)?;
    let post = Post { world, sender, letter: &letter, recipient: &recipient };
    match letter.route {
        Route::Fanout => {
            admission::admit(world, sender, &recipient, node)?;
            let expected = post.fan_out()?;
            let is_stale = stale::is_stale(world, sender, &recipient, &letter);
            Ok(Taken { expected, is_stale, ..Taken::default() })
        }
        Route::Again | Route::Peer => post.single().map(|()| Taken::default()),
    }
}

/// A message on its way.
struct Post<'a> {
    world: &'a World,
    sender: Sender<'a>,
    letter: &'a Letter<'a>,
    recipient: &'a Arc<Account>,
}

impl Post<'_> {
    fn fan_out(&self) -> Result<Option<String>, Refusal> {
        let (expected, is_blocked) = self.expected();
        let mut covered = Coverage::new();
        let mut due = Vec::with_capacity(self.letter.copies.len());
        let mut strangers = false;
        for copy in &self.letter.copies {
            let target = self.target(&copy.device)?;
            let key = (target == self.recipient, copy.device.device);
            let is_sender = target == self.sender.account && copy.device.device == self.sender.device;
            // Baileys 6 lists a device twice; Baileys 7 lists itself in groups (PROTOCOL.md 31.1, 31.2).
            if is_sender || covered.contains(&key) {
                continue;
            }
            if !expected.contains(&key) {
                strangers = true;
                continue;
            }
            covered.insert(key);
            if !(is_blocked && target == self.recipient) {
                due.push((target, copy.device.device, self.delivery(copy.enc, target)));
            }
        }
        self.remember_acquaintance();
        admission::remember_chat(self.sender.account, self.recipient);
        for (target, device, mut stanza) in due {
            if self.arrives_empty(target, device) {
                stanza.bytes = without_ciphertext(&stanza.bytes, None);
            }
            self.world.deliver(target, device, stanza);
        }
        let is_complete = covered == expected && !strangers;
        Ok((!is_complete).then(|| self.participants_hash(&expected)))
    }

    /// Whether the content of a copy is only on the phone.
    fn arrives_empty(&self, target: &Arc<Account>, device: u16) -> bool {
        if self.sender.device != 0 || target == self.sender.account {
            return false;
        }
        let mut directory = target.directory();
        let companion = directory.companions.get_mut(&device);
        companion.is_some_and(|companion| companion.heard.beats(self.world.options.behaviour.empty_messages))
    }

    fn single(&self) -> Result<(), Refusal> {
        let device = self.letter.to.device;
        if !self.recipient.directory().has_device(device) {
            return Err(Refusal::Nobody);
        }
        for copy in &self.letter.copies {
            let stanza = self.delivery(copy.enc, self.recipient);
            self.world.deliver(self.recipient, device, stanza);
        }
        Ok(())
    }

    /// The account of a participant: the recipient's or the sender's.
    fn target(&self, device: &Jid) -> Result<&Arc<Account>, Refusal> {
        if device.is_hosted() != (device.device == CLOUD) {
            return Err(Refusal::Stranger);
        }
        if self.recipient.owns(device) {
            Ok(self.recipient)
        } else if self.sender.account.owns(device) {
            Ok(self.sender.account)
        } else {
            Err(Refusal::Stranger)
        }
    }

    /// The devices that a message should be encrypted for, and whether the recipient blocks the sender.
    fn expected(&self) -> (Coverage, bool) {
        let mut expected = Coverage::new();
        let is_blocked = {
            let directory = self.recipient.directory();
            expected.extend(directory.devices().into_iter().map(|(device, _)| (true, device)));
            directory.blocked.contains(&self.sender.account.number)
        };
        let is_self_chat = self.recipient == self.sender.account;
        if !is_self_chat {
            let own = self.sender.account.directory().devices();
            expected.extend(own.into_iter().map(|(device, _)| (false, device)));
        }
        expected.remove(&(is_self_chat, self.sender.device));
        (expected, is_blocked)
    }

    /// The participant hash of all devices, the sending one included (PROTOCOL.md 11.2).
    fn participants_hash(&self, expected: &Coverage) -> String {
        let addressing = self.letter.addressing;
        let sending = self.sender.account.jid(addressing, self.sender.device);
        let devices = expected.iter().map(|(is_recipient, device)| {
            let account = if *is_recipient { self.recipient } else { self.sender.account };
            account.jid(addressing, *device)
        });
        phash(&devices.chain([sending]).collect::<Vec<_>>())
    }

    /// Both know each other's devices from now on, and are told of changes.
    fn remember_acquaintance(&self) {
        let (sender, recipient) = (self.sender.account, self.recipient);
        recipient.directory().watch(&sender.number);
        sender.directory().watch(&recipient.number);
    }

    /// The stanza for one device of `target`.
    fn delivery(&self, enc: &Node<'_>, target: &Arc<Account>) -> Stanza {
        let source = &self.letter.node.attrs;
        let name = self.sender.account.directory().announced_name(self.sender.device);
        let mut node = self
            .addressed(target)
            .attr("id", self.letter.id.clone())
            .attr("type", stanza::text(source, "type"))
            .attr("t", self.world.clock.unix_seconds())
            .attr("notify", name)
            .opt_attr("edit", source.text("edit").map(|edit| edit.into_owned()))
            .child(enc.clone());
        let opens = stanza::text(&enc.attrs, "type") == "pkmsg";
        let identity = self.letter.node.get_child("device-identity").filter(|_| opens);
        let forwarded = self.letter.node.children().iter().filter(|child| FORWARDED.contains(&child.tag()));
        node = node.with_children(identity.into_iter().chain(forwarded).cloned());
        Stanza {
            class: Class::Message,
            id: self.letter.id.clone(),
            kind: Default::default(),
            is_own_copy: target == self.sender.account && self.letter.route != Route::Peer,
            bytes: stanza::encode(&node),
        }
    }

    /// Who it is from, in the name space it was sent in, with the sender's other address (PROTOCOL.md 12).
    fn addressed<'n>(&self, target: &Arc<Account>) -> Node<'n> {
        let from = self.sender.account;
        if self.letter.route == Route::Peer {
            // The answer goes to `from`, and it must be a LID (PROTOCOL.md 11.7).
            return Node::new("message")
                .attr("from", from.jid(Addressing::Lid, self.sender.device))
                .attr("category", "peer");
        }
        let addressing = self.letter.addressing;
        let node = Node::new("message").attr("from", from.jid(addressing, self.sender.device));
        if target == self.sender.account {
            let (chat, other) = self.chat();
            return match addressing {
                Addressing::Lid => node.attr("recipient", chat).opt_attr("peer_recipient_pn", other),
                Addressing::Pn => node.attr("recipient", chat).opt_attr("peer_recipient_lid", other),
            };
        }
        match addressing {
            Addressing::Lid => node.attr("sender_pn", from.pn()),
            Addressing::Pn => node.attr("sender_lid", from.lid()),
        }
    }

    /// The chat that a copy for an own device belongs to, by both of its addresses.
    fn chat(&self) -> (Jid, Option<Jid>) {
        if self.letter.route == Route::Fanout {
            let other = self.recipient.jid(self.letter.addressing.other(), 0);
            return (self.letter.to.to_user(), Some(other));
        }
        // A message sent again to an own device names its chat.
        match self.letter.node.attrs.jid("recipient") {
            None => (self.letter.to.to_user(), None),
            Some(chat) => {
                let other = self.world.resolve(chat).zip(Addressing::of(chat));
                (chat.to_user(), other.map(|(account, addressing)| account.jid(addressing.other(), 0)))
            }
        }
    }
}
