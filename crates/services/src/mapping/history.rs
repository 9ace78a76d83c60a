//! What the phone tells of the time before: stored, and told as one event a piece.

use storage::{Entry, EventData, HistoryData, InstanceAction, MessageStatus};
use wa_client::{HistoryMessage, HistoryPart, HistoryStatus, IncomingMessage};

use super::Mapping;
use super::incoming::Incoming;

impl Mapping<'_> {
    pub(super) fn history(&mut self, part: &HistoryPart) {
        for message in &part.messages {
            self.past(message);
        }
        for chat in &part.chats {
            self.history_chat(chat);
        }
        for (jid, name) in &part.names {
            self.named(jid, name);
        }
        for contact in &part.contacts {
            self.history_contact(contact);
        }
        if part.unreadable > 0 {
            self.mapped.entries.push(Entry::Event(InstanceAction::Unreadable.told_of(&["history"])));
        }
        let count = |items: usize| u64::try_from(items).unwrap_or(u64::MAX);
        let so_far = &mut self.mapped.facts.history;
        so_far.messages = so_far.messages.saturating_add(count(part.messages.len()));
        so_far.chats = so_far.chats.saturating_add(count(part.chats.len()));
        if part.ends {
            let piece = std::mem::take(so_far);
            if piece != HistoryData::default() {
                self.tell(EventData::HistoryProgress(HistoryData { progress: part.progress, ..piece }));
            }
        }
    }

    fn past(&mut self, message: &HistoryMessage) {
        let incoming = IncomingMessage::new(message.info.clone(), message.content.clone());
        if let Some(incoming) = Incoming::of(&incoming) {
            let new = incoming.past(self.instance, message.status.map(status), self.now);
            self.mapped.entries.push(Entry::Message(Box::new(new)));
        }
        self.push_name(&message.info);
    }
}

/// What the phone has not sent by now is the phone's to send: it isn't ours to try.
fn status(status: HistoryStatus) -> MessageStatus {
    match status {
        HistoryStatus::Failed => MessageStatus::Failed,
        HistoryStatus::Pending | HistoryStatus::Sent => MessageStatus::Sent,
        HistoryStatus::Delivered => MessageStatus::Delivered,
        HistoryStatus::Read => MessageStatus::Read,
        HistoryStatus::Played => MessageStatus::Played,
    }
}
