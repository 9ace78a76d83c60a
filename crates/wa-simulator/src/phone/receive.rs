use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use compact_str::CompactString;
use prost::Message as _;
use wa_binary::{Jid, Node};
use wa_protobuf::{e2e::Message, lenient};
use wa_signal::PreKeyMessage;

use super::{
    InboxEntry, Phone, content,
    contents::Kept,
    sessions::{Address, OpenError},
};
use crate::{
    Addressing, ControlError,
    account::{Account, CLOUD},
    adv, stanza,
    world::Chat,
};

/// Messages whose retries are counted; past that the counts begin anew.
const MAX_ATTEMPTS: usize = 10_000;

/// How often each message was asked for again, by sender and id.
pub(super) type Attempts = HashMap<(Address, CompactString), u32>;

/// Why a phone can't read a message.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("it has no ciphertext")]
    Empty,
    #[error("it is not encrypted as a message")]
    Kind,
    #[error("its prekey message is malformed: {0}")]
    PreKeyMessage(wa_signal::ParseError),
    #[error("its sender's identity is another")]
    Identity,
    #[error("its sender's device identity is wrong: {0}")]
    DeviceIdentity(#[from] adv::AdvError),
    #[error("it can't be decrypted: {0}")]
    Open(#[from] OpenError),
    #[error("its sender has not handed out the group's key")]
    NoKey,
    #[error("it can't be decrypted with the sender's key: {0}")]
    Sealed(wa_signal::sender_key::DecryptError),
    #[error("its padding is wrong")]
    Padding,
}

/// Where a message comes from.
pub(super) struct Source {
    account: Arc<Account>,
    device: u16,
    jid: Jid,
    id: CompactString,
    /// Where it was written, if not to this account alone.
    shared: Option<Chat>,
}

impl Phone {
    /// Reads a message and answers with a receipt: it was received, or is to be sent again.
    pub(super) fn receive(&mut self, node: &Node<'_>) {
        let Some(source) = self.source(node) else { return };
        match self.open(&source, node) {
            Ok(plain) => {
                self.state.attempts.remove(&source.key());
                if let Some(plain) = plain {
                    self.take_in(&source, node, plain);
                }
                self.acknowledge(&source, node);
            }
            Err(ReadError::Open(OpenError::Repeated)) => {
                // Either it came before, or its sender has used a key twice.
                if is_peer(node) || self.is_shown(&source) {
                    self.acknowledge(&source, node);
                } else {
                    self.ask_again(&source, node);
                }
            }
            Err(error) => {
                tracing::debug!(%error, device = source.device, "a phone can't read a message");
                let number = &source.account.number;
                self.state.inbox.send_modify(|inbox| inbox.count_undecryptable(number, source.device));
                self.ask_again(&source, node);
            }
        }
    }

    /// Whether the inbox has the message, which has come again.
    fn is_shown(&self, source: &Source) -> bool {
        let from = source.account.pn().to_string();
        let mut is_shown = false;
        self.state.inbox.send_modify(|inbox| is_shown = inbox.repeat_sealed(&from, &source.id));
        is_shown
    }

    fn source(&self, node: &Node<'_>) -> Option<Source> {
        let from = node.attrs.jid("from")?;
        let shared = self.world.chat(from).filter(|chat| chat.addressing().is_some());
        let jid = if shared.is_some() { node.attrs.jid("participant")? } else { from }.clone();
        let account = self.world.resolve(&jid)?;
        Some(Source { account, device: jid.device, jid, id: stanza::text(&node.attrs, "id"), shared })
    }

    /// The content of a message; none if it only handed out a key.
    fn open(&mut self, source: &Source, node: &Node<'_>) -> Result<Option<Bytes>, ReadError> {
        match source.shared.as_ref().and_then(Chat::circle) {
            Some(circle) => self.open_in_circle(&circle, source, node),
            None => {
                let enc = node.get_child("enc").ok_or(ReadError::Empty)?;
                self.open_one(source, node, enc).map(Some)
            }
        }
    }

    /// Decrypts what was encrypted for this device alone.
    pub(super) fn open_one(
        &mut self,
        source: &Source,
        node: &Node<'_>,
        enc: &Node<'_>,
    ) -> Result<Bytes, ReadError> {
        let bytes = enc.bytes().ok_or(ReadError::Empty)?;
        let padded = match &*stanza::text(&enc.attrs, "type") {
            "pkmsg" => self.open_first(source, node, &bytes)?,
            "msg" => {
                let state = &mut self.state;
                state.sessions.open(&state.keys, &source.address(), &bytes, &mut state.rng)?
            }
            _ => return Err(ReadError::Kind),
        };
        let plaintext = wa_signal::unpad(&padded).map_err(|_| ReadError::Padding)?;
        Ok(Bytes::copy_from_slice(plaintext))
    }

    /// Decrypts a `pkmsg`, once it is sure that it comes from a device of the sender's account.
    fn open_first(&mut self, source: &Source, node: &Node<'_>, bytes: &[u8]) -> Result<Vec<u8>, ReadError> {
        let message = PreKeyMessage::parse(bytes).map_err(ReadError::PreKeyMessage)?;
        let address = source.address();
        let state = &mut self.state;
        if !state.sessions.recognizes(&address, &message) {
            match (source.device, node.get_child("device-identity").and_then(Node::bytes)) {
                (0, _) if message.identity == source.account.identity() => {}
                (0, _) => return Err(ReadError::Identity),
                (_, None) => return Err(adv::AdvError::Malformed.into()),
                (_, Some(identity)) => {
                    let (account, is_hosted) = (source.account.identity(), source.device == CLOUD);
                    adv::check_device_identity(&identity, &message.identity, &account, is_hosted)?;
                }
            }
        }
        Ok(state.sessions.accept(&state.keys, &address, &message, &mut state.rng)?)
    }

    /// Shows a message, or does what it asks for. Phones don't mind texts that are no UTF-8, nor contents that they don't
    /// know.
    fn take_in(&mut self, source: &Source, node: &Node<'_>, plain: Bytes) {
        let message: Message = lenient::decode(&plain).map(|(message, _)| message).unwrap_or_default();
        let is_own = source.account == self.account;
        if is_own && is_peer(node) {
            return self.take_in_peer(source.device, &source.id, &message);
        }
        let (chat, shown, content) = match message.device_sent_message {
            Some(sent) if is_own => {
                let chat = sent.destination_jid.and_then(|jid| self.world.chat_named(&jid));
                let shown = sent.message.unwrap_or_default();
                let content = shown.encode_to_vec().into();
                (chat, *shown, content)
            }
            _ => (Some(source.chat()), message, plain),
        };
        let Some(place) = chat else { return };
        let chat = place.name();
        let timestamp = node.attrs.number("t").and_then(Result::ok).unwrap_or_default();
        let push_name = stanza::text(&node.attrs, "notify").into_string();
        let (judged, ignored) = self.judged(&place, &source.account, timestamp, &shown);
        let author = source.account.number.clone();
        let (from_me, push_name_kept) = (is_own, push_name.clone());
        let kept =
            Kept { content, chat: chat.clone(), from_me, author, timestamp, push_name: push_name_kept };
        self.state.contents.keep(&source.id, kept);
        if let Some(timer) = content::timer(&shown) {
            self.state.timers.insert(chat.clone(), timer);
        }
        let media = self.received_file(&shown);
        let content::Described { kind, text, target, chosen } = judged;
        let context = content::context(&shown);
        let entry = InboxEntry {
            id: source.id.to_string(),
            from: source.account.pn().to_string(),
            chat: chat.into_string(),
            device: source.device,
            text,
            kind,
            target,
            chosen,
            quoted: context.and_then(|context| context.stanza_id.clone()),
            mentions: context.map(|context| context.mentioned_jid.clone()).unwrap_or_default(),
            forwarded: context.map_or(0, |context| context.forwarding_score()),
            ignored,
            expiration: content::expiration(&shown),
            timestamp,
            media,
            from_me: is_own,
            push_name,
            repeats: 0,
        };
        self.state.inbox.send_modify(|inbox| inbox.show(entry));
    }

    /// Tells the server that a message was received (PROTOCOL.md 13).
    fn acknowledge(&self, source: &Source, node: &Node<'_>) {
        let kind = match (source.account == self.account, is_peer(node)) {
            (true, true) => Some("peer_msg"),
            (true, false) => Some("sender"),
            (false, _) => None,
        };
        let receipt =
            source.receipt().opt_attr("type", kind).opt_attr("recipient", node.attrs.jid("recipient"));
        self.submit_receipt(&receipt);
    }

    /// Asks the sender to send a message again, with a new bundle from the second time on (PROTOCOL.md 14).
    fn ask_again(&mut self, source: &Source, node: &Node<'_>) {
        let sent =
            node.get_child("enc").and_then(|enc| enc.attrs.number::<u32>("count")).and_then(Result::ok);
        if self.state.attempts.len() > MAX_ATTEMPTS {
            self.state.attempts.clear();
        }
        let attempts = self.state.attempts.entry(source.key()).or_default();
        let count = sent.unwrap_or(*attempts).max(*attempts) + 1;
        if count > 5 {
            return;
        }
        *attempts = count;
        let keys = &self.state.keys;
        let retry = Node::new("retry")
            .attr("count", count)
            .attr("id", source.id.clone())
            .attr("t", stanza::text(&node.attrs, "t"))
            .attr("v", "1");
        let registration = keys.identity.registration_id.to_be_bytes().to_vec();
        let receipt = source
            .receipt()
            .attr("type", "retry")
            .opt_attr("category", is_peer(node).then_some("peer"))
            .opt_attr("recipient", node.attrs.jid("recipient"))
            .child(retry)
            .child(Node::new("registration").with_bytes(registration))
            .with_children((count > 1).then(|| self.bundle_node()));
        self.submit_receipt(&receipt);
    }

    /// `<keys>` of a retry receipt.
    fn bundle_node(&self) -> Node<'static> {
        let keys = &self.state.keys;
        let id = self.account.directory().take_phone_prekey();
        let prekey = keys.prekey(id);
        let signed = &keys.signed_prekey;
        let played = self.account.directory().played.get(&self.state.device).cloned();
        Node::new("keys")
            .child(Node::new("type").with_bytes(vec![5]))
            .child(Node::new("identity").with_bytes(keys.identity.key.public().as_bytes().to_vec()))
            .child(crate::iq::key_node("key", id, prekey.public()))
            .child(
                crate::iq::key_node("skey", signed.id, signed.key.public())
                    .child(Node::new("signature").with_bytes(signed.signature.as_bytes().to_vec())),
            )
            .with_children(
                played.map(|played| Node::new("device-identity").with_bytes(played.device_identity.to_vec())),
            )
    }

    /// Where a read receipt for a message goes: to its chat, and in groups to its author there.
    fn read_receipt_for(&self, chat: Option<&Chat>, id: &str) -> Result<(Jid, Option<Jid>), ControlError> {
        let inbox = self.state.inbox.borrow();
        let entry = inbox.find(id).ok_or_else(|| ControlError::UnknownMessage(id.to_owned()))?;
        let chat = chat.cloned().or_else(|| self.world.chat_named(&entry.chat));
        let chat = chat.ok_or_else(|| ControlError::UnknownRecipient(entry.chat.clone()))?;
        let author = self.world.resolve(&entry.from.parse().unwrap_or_else(|_| Jid::server()));
        let author = author.zip(chat.addressing()).map(|(author, addressing)| author.jid(addressing, 0));
        Ok((chat.jid(Addressing::Lid), author))
    }

    /// Tells senders that their messages were read. Without a chat, each message's own is taken.
    pub(super) fn mark_read(&mut self, chat: Option<&Chat>, ids: &[String]) -> Result<(), ControlError> {
        let mut by_author = BTreeMap::<_, Vec<&str>>::new();
        for id in ids {
            by_author.entry(self.read_receipt_for(chat, id)?).or_default().push(id);
        }
        for ((chat, author), ids) in by_author {
            let Some((first, rest)) = ids.split_first() else { continue };
            let items = rest.iter().map(|id| Node::new("item").attr("id", (*id).to_owned()));
            let list = (!rest.is_empty()).then(|| Node::new("list").with_children(items));
            let receipt = Node::new("receipt")
                .attr("id", (*first).to_owned())
                .attr("to", chat)
                .opt_attr("participant", author)
                .attr("type", "read")
                .attr("t", self.world.clock.unix_seconds())
                .with_children(list);
            self.submit_receipt(&receipt);
        }
        Ok(())
    }
}

impl Source {
    /// The chat that a message which was not sent by an own device belongs to.
    fn chat(&self) -> Chat {
        self.shared.clone().unwrap_or_else(|| Chat::Person(self.account.clone()))
    }

    /// `<receipt>` for who wrote it.
    fn receipt<'n>(&self) -> Node<'n> {
        let node = Node::new("receipt").attr("id", self.id.clone());
        match &self.shared {
            Some(chat) => node.attr("to", chat.jid(Addressing::Lid)).attr("participant", &self.jid),
            None => node.attr("to", &self.jid),
        }
    }

    pub(super) fn address(&self) -> Address {
        Address { number: self.account.number.clone(), device: self.device }
    }

    fn key(&self) -> (Address, CompactString) {
        (self.address(), self.id.clone())
    }
}

/// Whether it is about the account, from device to device.
fn is_peer(node: &Node<'_>) -> bool {
    stanza::text(&node.attrs, "category") == "peer"
}

/// Bytes of a node's child, for readers of bundles.
pub(super) fn child_bytes(node: &Node<'_>, name: &str) -> Option<Bytes> {
    Some(Bytes::from(node.get_child(name)?.bytes()?.into_owned()))
}
