//! What a phone has of the time before a companion was linked: its own messages, and where the options say so a past that
//! is made up.

use std::collections::BTreeMap;

use prost::Message as _;
use wa_protobuf::{
    e2e::{Message, MessageKey},
    history::{Conversation, HistorySyncMsg, WebMessageInfo, web_message_info::Status},
};

use super::Phone;
use crate::{Addressing, PastSize, world::Chat};

/// Seconds between two messages of a made-up past.
const PAUSE: u64 = 3607;
/// What people write to each other.
const WORDS: [&str; 16] = [
    "yes", "tomorrow", "at", "the", "station", "I", "will", "bring", "bread", "and", "tea", "for", "all",
    "of", "us", "then",
];

/// A chat of the past.
pub(super) struct PastChat {
    /// As chats are keyed.
    pub(super) id: String,
    pub(super) pn: Option<String>,
    pub(super) lid: Option<String>,
    /// In the address book, or the subject of a group.
    pub(super) name: Option<String>,
    /// How the other calls themself.
    pub(super) push_name: Option<String>,
    /// Newest first.
    pub(super) messages: Vec<WebMessageInfo>,
}

impl PastChat {
    /// Part of it as a piece of history has it; of the whole chat only what is in this piece is new.
    pub(super) fn conversation(&self, messages: &[WebMessageInfo], is_last: bool) -> Conversation {
        let newest = self.messages.first().and_then(|message| message.message_timestamp);
        let numbered = messages.iter().map(|message| HistorySyncMsg {
            message: Some(message.clone()),
            msg_order_id: message.message_timestamp,
        });
        Conversation {
            id: Some(self.id.clone()),
            messages: numbered.collect(),
            last_msg_timestamp: newest,
            conversation_timestamp: newest,
            unread_count: Some(0),
            end_of_history_transfer: Some(is_last),
            name: self.name.clone(),
            pn_jid: self.pn.clone(),
            lid_jid: self.lid.clone(),
            ..Default::default()
        }
    }
}

impl Phone {
    /// All chats, that with the newest message first.
    pub(super) fn past(&self) -> Vec<PastChat> {
        let mut chats = self.own_past();
        let size = self.world.options.behaviour.past;
        chats.extend((0..size.chats).map(|number| self.made_up(number, size)));
        let newest = |chat: &PastChat| chat.messages.first().and_then(|message| message.message_timestamp);
        chats.sort_by_key(|chat| std::cmp::Reverse(newest(chat)));
        chats
    }

    /// What was really written.
    fn own_past(&self) -> Vec<PastChat> {
        let mut chats = BTreeMap::<String, Vec<WebMessageInfo>>::new();
        let outbox = self.state.outbox.borrow();
        for entry in outbox.entries() {
            let Some(sent) = outbox.get(&entry.id) else { continue };
            let message = self.stored(&entry.to, &entry.id, None, entry.timestamp, &sent.content);
            chats.entry(entry.to).or_default().extend(message);
        }
        drop(outbox);
        for entry in self.state.inbox.borrow().entries() {
            let Some(kept) = self.state.contents.get(&entry.id) else { continue };
            let from = (!entry.from_me).then_some(entry.from.as_str());
            let message = self.stored(&entry.chat, &entry.id, from, entry.timestamp, &kept.content);
            let named = message.map(|message| WebMessageInfo {
                push_name: Some(entry.push_name.clone()).filter(|_| !entry.from_me),
                ..message
            });
            chats.entry(entry.chat).or_default().extend(named);
        }
        chats.into_iter().filter_map(|(name, messages)| self.chat_of(&name, messages)).collect()
    }

    fn chat_of(&self, name: &str, mut messages: Vec<WebMessageInfo>) -> Option<PastChat> {
        messages.sort_by_key(|message| std::cmp::Reverse(message.message_timestamp));
        let chat = self.world.chat_named(name)?;
        let id = self.named(&chat);
        Some(match chat {
            Chat::Person(account) => PastChat {
                id,
                pn: Some(account.pn().to_string()),
                lid: Some(account.lid().to_string()),
                name: None,
                push_name: Some(account.directory().name.clone()),
                messages,
            },
            Chat::Group(group) => {
                let name = Some(group.subject());
                PastChat { id, pn: None, lid: None, name, push_name: None, messages }
            }
            // Statuses of the past have a place of their own, and none a day later.
            Chat::Status(_) => return None,
        })
    }

    /// A message for people, as it is kept; none for what changes others.
    fn stored(
        &self,
        chat: &str,
        id: &str,
        from: Option<&str>,
        timestamp: u64,
        content: &[u8],
    ) -> Option<WebMessageInfo> {
        let (message, _) = wa_protobuf::lenient::decode::<Message>(content).ok()?;
        if message.protocol_message.is_some() || message.reaction_message.is_some() {
            return None;
        }
        let chat = self.world.chat_named(chat)?;
        let author = from.and_then(|from| self.world.resolve(&from.parse().ok()?));
        let participant = author.zip(chat.addressing());
        let participant = participant.map(|(author, addressing)| author.jid(addressing, 0).to_string());
        Some(WebMessageInfo {
            key: Some(MessageKey {
                remote_jid: Some(self.named(&chat)),
                from_me: Some(from.is_none()),
                id: Some(id.to_owned()),
                participant: participant.clone(),
            }),
            message: Some(message),
            message_timestamp: Some(timestamp),
            status: Some(Status::DeliveryAck.into()),
            participant,
            ..Default::default()
        })
    }

    fn named(&self, chat: &Chat) -> String {
        let is_migrated = self.account.directory().lid_migrated;
        chat.jid(if is_migrated { Addressing::Lid } else { Addressing::Pn }).to_string()
    }

    /// A chat with somebody who isn't there.
    fn made_up(&self, number: usize, size: PastSize) -> PastChat {
        let pn = format!("1999{number:07}@s.whatsapp.net");
        let lid = format!("2{number:014}@lid");
        let is_migrated = self.account.directory().lid_migrated;
        let id = if is_migrated { &lid } else { &pn }.clone();
        let count =
            size.messages / size.chats.max(1) + usize::from(number < size.messages % size.chats.max(1));
        let now = self.world.clock.unix_seconds();
        let messages = (0..count).map(|place| {
            let age = (place as u64 * size.chats as u64 + number as u64 + 1) * PAUSE;
            made_up_message(&id, number, place, now.saturating_sub(age), size.text)
        });
        PastChat {
            messages: messages.collect(),
            // Not everybody is in the address book.
            name: (!number.is_multiple_of(3)).then(|| format!("Contact {number}")),
            push_name: Some(format!("Person {number}")),
            pn: Some(pn),
            lid: Some(lid),
            id,
        }
    }
}

fn made_up_message(chat: &str, number: usize, place: usize, timestamp: u64, length: usize) -> WebMessageInfo {
    let from_me = (number + place).is_multiple_of(2);
    let words = (0..).map(|word| WORDS[(number * 7 + place * 5 + word * (place + 3)) % WORDS.len()]);
    let mut text = format!("{number}.{place}");
    for word in words {
        if text.len() >= length.max(20) {
            break;
        }
        text.push(' ');
        text.push_str(word);
    }
    WebMessageInfo {
        key: Some(MessageKey {
            remote_jid: Some(chat.to_owned()),
            from_me: Some(from_me),
            id: Some(format!("3A{number:08X}{place:010X}")),
            participant: None,
        }),
        message: Some(Message { conversation: Some(text), ..Default::default() }),
        message_timestamp: Some(timestamp),
        status: Some(if from_me { Status::Read } else { Status::DeliveryAck }.into()),
        push_name: (!from_me).then(|| format!("Person {number}")),
        ..Default::default()
    }
}

/// The bytes of a message, about.
pub(super) fn size_of(message: &WebMessageInfo) -> usize {
    message.encoded_len()
}
