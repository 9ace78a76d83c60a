use std::sync::Arc;

use bytes::Bytes;
use compact_str::{CompactString, format_compact};
use prost::{
    Message as _,
    encoding::{WireType, encode_key, encode_varint},
};
use rand::Rng;
use wa_binary::{Jid, Node};
use wa_protobuf::{
    e2e::{DeviceSentMessage, Message},
    lenient,
};
use wa_signal::Kind;

use super::{
    OutboxEntry, Phone, Say, Timer,
    outbox::Sent,
    say::{Composed, Envelope},
    sessions::Address,
};
use crate::{
    Addressing, ControlError,
    account::{Account, CLOUD, Directory},
    faults::FaultKind,
    world::Chat,
};

/// `device_sent_message` of a `Message`, and `message` of that.
const DEVICE_SENT: u32 = 31;
const SENT_MESSAGE: u32 = 2;

/// A message that a phone is to send.
#[derive(Clone)]
pub(crate) struct Letter {
    /// Chosen by the caller, who is told it before the message leaves.
    pub(crate) id: CompactString,
    pub(crate) to: Chat,
    pub(crate) say: Say,
    pub(crate) addressing: Addressing,
}

/// An id like those of iPhones: `3A` and 18 hexadecimal digits.
pub(crate) fn message_id(rng: &mut impl Rng) -> CompactString {
    format_compact!("3A{:016X}{:02X}", rng.next_u64(), rng.next_u32() & 0xff)
}

impl Phone {
    /// Encrypts a message for all who are in the chat and the own companions, and sends it.
    pub(super) fn send(&mut self, letter: &Letter) -> Result<(), ControlError> {
        let Letter { id, to, say, addressing } = letter;
        let composed = self.compose(to, say, *addressing)?;
        let node = match to {
            Chat::Person(account) => self.sealed_for_person(account, id, &composed, *addressing),
            Chat::Group(_) | Chat::Status(_) => {
                let circle = to.circle().ok_or(ControlError::Reset)?;
                self.sealed_for_circle(&circle, id, &composed)?
            }
        };
        let node = self.introduced(node);
        // Receipts may come back while the message is still being handed over.
        self.remember(id, to, &composed);
        self.submit(&node).map_err(ControlError::Refused)?;
        if let Say::Timer(seconds) = *say {
            let set_at = i64::try_from(self.world.clock.unix_seconds()).unwrap_or(i64::MAX);
            self.state.timers.insert(to.name(), Timer { seconds, set_at });
        }
        if let Chat::Person(account) = to
            && self.world.options.behaviour.tokens
        {
            self.trust(account);
        }
        if matches!(to, Chat::Person(_)) {
            self.is_replaced_when_due();
        }
        Ok(())
    }

    /// The person has a new phone now and then. One with companions keeps it: they would be gone.
    fn is_replaced_when_due(&mut self) {
        self.state.written = self.state.written.wrapping_add(1);
        let every = self.world.options.behaviour.identity_changes.filter(|every| *every > 0);
        let is_due = every.is_some_and(|every| self.state.written.is_multiple_of(every));
        let is_alone = |directory: &Directory| directory.companions.is_empty() && directory.played.is_empty();
        if is_due && self.state.device == 0 && is_alone(&self.account.directory()) {
            self.world.reinstall(&self.account, true);
        }
    }

    /// `<message>` for somebody, with a copy for each device.
    fn sealed_for_person(
        &mut self,
        to: &Arc<Account>,
        id: &str,
        composed: &Composed,
        addressing: Addressing,
    ) -> Node<'static> {
        let chat = to.jid(addressing, 0);
        let participants = self.encrypted_for_all(to, &chat, composed, addressing);
        composed.envelope.message(&chat, id).child(Node::new("participants").with_children(participants))
    }

    /// Issues a token to whom it writes to, once a week (PROTOCOL.md 22).
    fn trust(&self, to: &Arc<Account>) {
        let now = self.world.clock.unix_seconds();
        if *to != self.account && self.account.directory().trust.owes(&to.number, now) {
            self.world.issue_token(&self.account, to, now);
        }
    }

    fn remember(&self, id: &CompactString, to: &Chat, composed: &Composed) {
        let entry = OutboxEntry {
            id: id.to_string(),
            to: to.name().into_string(),
            timestamp: self.world.clock.unix_seconds(),
            receipts: Vec::new(),
            resent: 0,
        };
        let sent = Sent {
            entry,
            content: composed.content.clone(),
            envelope: composed.envelope,
            again: Default::default(),
        };
        self.state.outbox.send_modify(|outbox| outbox.add(sent));
    }

    /// `<to jid><enc/></to>` for every device that should have the message and can get it.
    fn encrypted_for_all(
        &mut self,
        to: &Arc<Account>,
        chat: &Jid,
        composed: &Composed,
        addressing: Addressing,
    ) -> Vec<Node<'static>> {
        let Composed { content, envelope } = composed;
        let own = self.account.clone();
        let is_self_chat = *to == own;
        let theirs = if is_self_chat { Vec::new() } else { to.directory().devices() };
        let ours = own.directory().devices().into_iter().map(|(device, _)| device);
        let ours: Vec<u16> = ours.filter(|device| *device != self.state.device).collect();
        let copy = if ours.is_empty() { Bytes::new() } else { device_sent(chat, content) };
        let theirs = theirs.into_iter().map(|(device, _)| (to, device, content));
        let ours = ours.into_iter().map(|device| (&own, device, &copy));
        let mut participants = Vec::new();
        for (account, device, plaintext) in theirs.chain(ours) {
            match self.encrypted(account, device, plaintext) {
                Some(enc) => {
                    let jid = account.jid(addressing, device);
                    participants.push(Node::new("to").attr("jid", jid).child(envelope.sealed(enc)));
                }
                None => tracing::debug!(device, "a device can't be encrypted for and is left out"),
            }
        }
        participants
    }

    /// `<enc>` for one device, in a session that is opened if there is none. None if its bundle is bad.
    pub(super) fn encrypted(
        &mut self,
        account: &Arc<Account>,
        device: u16,
        plaintext: &[u8],
    ) -> Option<Node<'static>> {
        let address = Address { number: account.number.clone(), device };
        let identity = self.world.identity_of(account, device)?;
        if !self.state.sessions.is_open(&address, &identity) {
            self.open_session(account, device)?;
        }
        let mut padded = plaintext.to_vec();
        wa_signal::pad(&mut padded, self.state.rng.next_u32().to_le_bytes()[0]);
        let forgets = self
            .world
            .faults
            .strike(&account.number, device, |kind| (*kind == FaultKind::ReusedCounter).then_some(()));
        let sessions = &mut self.state.sessions;
        let every = self.world.options.behaviour.reused_counters.filter(|_| device != 0);
        let forgets = sessions.forgets(&address, every) || forgets.is_some();
        let ciphertext = match sessions.encrypt(&self.state.keys, &address, &padded, forgets)? {
            Ok(ciphertext) => ciphertext,
            Err(error) => {
                tracing::debug!(%error, device, "a phone can't encrypt");
                return None;
            }
        };
        let kind = match ciphertext.kind {
            Kind::PreKey => "pkmsg",
            Kind::Message => "msg",
        };
        Some(Node::new("enc").attr("v", "2").attr("type", kind).with_bytes(ciphertext.bytes))
    }

    /// Opens a session from the bundle that the server has.
    pub(super) fn open_session(&mut self, account: &Arc<Account>, device: u16) -> Option<()> {
        let bundle = self.world.take_bundle(account, device)?;
        if let Some(identity) = &bundle.device_identity
            && let Err(error) = crate::adv::check_device_identity(
                identity,
                &bundle.keys.identity,
                &account.identity(),
                device == CLOUD,
            )
        {
            tracing::debug!(%error, device, "a bundle's device identity is wrong");
            return None;
        }
        let address = Address { number: account.number.clone(), device };
        let state = &mut self.state;
        match state.sessions.initiate(&state.keys, &address, &bundle.keys, &mut state.rng) {
            Ok(()) => Some(()),
            Err(error) => {
                tracing::debug!(%error, device, "a bundle is wrong");
                None
            }
        }
    }
}

impl Envelope {
    /// `<message>` without content.
    pub(super) fn message(&self, to: &Jid, id: &str) -> Node<'static> {
        Node::new("message")
            .attr("id", id.to_owned())
            .attr("to", to)
            .attr("type", self.kind)
            .opt_attr("edit", self.edit)
            .with_children(self.meta.map(|(name, value)| Node::new("meta").attr(name, value)))
    }

    /// Whether it is something new, and not about another message.
    pub(super) fn is_post(&self) -> bool {
        self.kind != "reaction" && self.edit.is_none()
    }

    /// `<enc>` with what it says about its content.
    pub(super) fn sealed(&self, enc: Node<'static>) -> Node<'static> {
        enc.opt_attr("mediatype", self.media).opt_attr("decrypt-fail", self.is_hidden.then_some("hide"))
    }
}

/// The copy of a message for an own companion (PROTOCOL.md 11.1), around its bytes as they are.
pub(super) fn device_sent(chat: &Jid, content: &[u8]) -> Bytes {
    let destination = DeviceSentMessage { destination_jid: Some(chat.to_string()), ..Default::default() };
    let mut sent = destination.encode_to_vec();
    put(&mut sent, SENT_MESSAGE, content);
    let context = lenient::decode::<Message>(content).ok();
    let context = context.and_then(|(message, _)| message.message_context_info);
    let mut copy = Message { message_context_info: context, ..Default::default() }.encode_to_vec();
    put(&mut copy, DEVICE_SENT, &sent);
    copy.into()
}

/// Appends a field with a length to a protobuf.
pub(super) fn put(out: &mut Vec<u8>, tag: u32, value: &[u8]) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(value.len() as u64, out);
    out.extend_from_slice(value);
}
