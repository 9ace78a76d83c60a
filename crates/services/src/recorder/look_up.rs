//! What is recorded of messages, for the companion's questions.

use async_trait::async_trait;
use storage::{Contact, ContactQuery, Message, MessageStatus, StorageError};
use wa_binary::Jid;
use wa_client::{AddressBook, MessageInfo, ReceivedContent, ReceivedMessages, SentContent, SentMessages};

use super::InstanceRecorder;
use crate::mapping::person_names;
use crate::page::MAX_PAGE;

#[async_trait]
impl SentMessages for InstanceRecorder {
    async fn sent(&self, chat: &Jid, id: &str) -> Option<SentContent> {
        // A device is given nothing of another chat, whichever id it names.
        let mut names = vec![chat.to_user().to_string()];
        if chat.is_lid() {
            let number = self.companions.number_of(self.instance, &chat.user).await;
            names.extend(number.map(|number| Jid::pn(number).to_string()));
        }
        let is_it = |message: &Message| {
            message.from_me && names.iter().any(|name| *name == message.chat || *name == message.wire_chat)
        };
        let under_way = self.pending.lock().find(id).filter(|message| is_it(message)).map(sent_content);
        if under_way.is_some() {
            return under_way;
        }
        match self.journal.storage().fleet_messages_by_id(self.instance, id).await {
            Ok(messages) => {
                messages.iter().find(|message| is_it(message) && !message.raw.is_empty()).map(sent_content)
            }
            Err(error) => {
                tracing::warn!(instance = %self.instance, %error, "a message that was sent can't be read");
                None
            }
        }
    }
}

fn sent_content(message: &Message) -> SentContent {
    use MessageStatus::{Delivered, Played, Read};
    SentContent {
        message: message.raw.clone(),
        timestamp: message.created_at.millis(),
        is_delivered: matches!(message.status, Delivered | Read | Played),
    }
}

#[async_trait]
impl ReceivedMessages for InstanceRecorder {
    async fn is_recorded(&self, message: &MessageInfo) -> bool {
        // It may come again under the other address of whoever wrote it.
        let MessageInfo { chat, chat_pn, chat_lid, sender, sender_pn, sender_lid, .. } = message;
        let chats = person_names(chat, chat_pn.as_ref(), chat_lid.as_ref());
        let writers = person_names(sender, sender_pn.as_ref(), sender_lid.as_ref());
        let is_there = |stored: &Message| chats.contains(&stored.chat) || chats.contains(&stored.wire_chat);
        // The chat of a copy of our own may be named inside it only.
        let is_it = |stored: &Message| {
            writers.contains(&stored.sender)
                && (message.from_me || is_there(stored))
                && !stored.kind.is_unread()
        };
        match self.journal.storage().fleet_messages_by_id(self.instance, message.id.as_str()).await {
            Ok(messages) => messages.iter().any(is_it),
            Err(error) => {
                tracing::warn!(instance = %self.instance, %error, "a received message can't be looked up");
                false
            }
        }
    }

    async fn content(&self, chat: &Jid, id: &str) -> Option<ReceivedContent> {
        let chat = chat.to_user().to_string();
        let is_it =
            |stored: &&Message| (stored.chat == chat || stored.wire_chat == chat) && !stored.raw.is_empty();
        match self.journal.storage().fleet_messages_by_id(self.instance, id).await {
            Ok(messages) => {
                let found = messages.iter().find(is_it)?;
                Some(ReceivedContent { message: found.raw.clone(), author: found.sender.parse().ok()? })
            }
            Err(error) => {
                tracing::warn!(instance = %self.instance, %error, "a received message can't be looked up");
                None
            }
        }
    }
}

#[async_trait]
impl AddressBook for InstanceRecorder {
    async fn contacts(&self) -> Vec<Jid> {
        match self.saved().await {
            Ok(saved) => saved,
            Err(error) => {
                tracing::warn!(instance = %self.instance, %error, "the address book can't be read");
                Vec::new()
            }
        }
    }
}

impl InstanceRecorder {
    /// Those who have a name in the address book, by LID where that is known.
    async fn saved(&self) -> Result<Vec<Jid>, StorageError> {
        let mut saved = Vec::new();
        let mut query = ContactQuery { groups: Some(false), limit: MAX_PAGE, ..ContactQuery::default() };
        loop {
            let page = self.journal.storage().contacts(self.owner, self.instance, &query).await?;
            let (count, has_more) = (page.items.len() as u64, page.has_more);
            let has_name =
                |contact: &Contact| contact.saved_name.as_ref().is_some_and(|name| !name.is_empty());
            let named = page.items.into_iter().filter(has_name);
            saved.extend(named.filter_map(|contact| contact.lid.unwrap_or(contact.jid).parse::<Jid>().ok()));
            query.skip += count;
            if !has_more || count == 0 {
                return Ok(saved);
            }
        }
    }
}
