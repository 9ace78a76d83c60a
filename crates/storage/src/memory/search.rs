//! Lists of messages without a count.

use super::messages::size;
use super::{InstanceTables, MemoryStorage};
use crate::{
    Budget, ChatSummary, Cursor, InstanceId, ListFrom, MAX_UNREAD, Message, MessageFilter, MessageStatus,
    SearchTerms, Slice, StorageError, UserId,
};

impl MemoryStorage {
    pub(super) fn slice(
        &self,
        owner: UserId,
        instance: InstanceId,
        filter: &MessageFilter,
        terms: Option<&SearchTerms>,
        from: ListFrom,
        limit: u64,
    ) -> Result<Slice<Message>, StorageError> {
        let tables = self.lock();
        let is_it = |message: &Message| {
            let has_terms =
                |terms: &SearchTerms| message.text.as_ref().is_some_and(|text| terms.are_in(text));
            filter.admits(message) && terms.is_none_or(has_terms)
        };
        let placed =
            tables.owned(owner, instance)?.messages.iter().map(|(key, message)| (place(*key), message));
        let wanted = placed.filter(|(_, message)| is_it(message));
        let mut found: Vec<_> = match from {
            ListFrom::Newest => wanted.collect(),
            ListFrom::Before(end) => wanted.filter(|(place, _)| place.minor < end.minor).collect(),
            ListFrom::After(start) => wanted.filter(|(place, _)| place.minor > start.minor).collect(),
        };
        if !matches!(from, ListFrom::After(_)) {
            found.reverse();
        }
        let (mut items, mut budget, mut next) = (Vec::new(), Budget::default(), None);
        for (place, message) in found {
            if items.len() == size(limit) || !budget.has_room() {
                return Ok(Slice { items, has_more: true, next });
            }
            budget.take(message.size());
            next = Some(place);
            items.push(message.clone());
        }
        Ok(Slice { items, has_more: false, next })
    }

    pub(super) fn chat_list(
        &self,
        owner: UserId,
        instance: InstanceId,
        before: Option<Cursor>,
        limit: u64,
    ) -> Result<Slice<ChatSummary>, StorageError> {
        let tables = self.lock();
        let tables = tables.owned(owner, instance)?;
        let (mut items, mut next) = (Vec::new(), None);
        let is_older = |place: &Cursor| before.is_none_or(|before| place.minor < before.minor);
        let listed = tables.messages.iter().rev().map(|(key, message)| (place(*key), message));
        for (place, message) in listed.filter(|(place, message)| is_older(place) && !message.kind.amends()) {
            let of_chat = tables.newest_of(&message.chat);
            if of_chat.first().is_none_or(|newest| newest.id != message.id) {
                continue;
            }
            if items.len() == size(limit) {
                return Ok(Slice { items, has_more: true, next });
            }
            next = Some(place);
            let name = tables.contacts.get(&message.chat).map(|contact| contact.name().to_owned());
            let unread =
                of_chat.iter().take(size(MAX_UNREAD)).take_while(|message| is_unread(message)).count();
            let last = message.clone();
            items.push(ChatSummary { chat: message.chat.clone(), name, last, unread: unread as u64 });
        }
        Ok(Slice { items, has_more: false, next })
    }
}

impl InstanceTables {
    /// The messages of a chat as it lists them.
    fn newest_of(&self, chat: &str) -> Vec<&Message> {
        let of_chat = self.messages.values().rev();
        let mut found: Vec<_> =
            of_chat.filter(|message| message.chat == chat && !message.kind.amends()).collect();
        found.sort_by_key(|message| std::cmp::Reverse(message.created_at));
        found
    }
}

/// Places begin with 1, as in a database.
fn place(key: u64) -> Cursor {
    Cursor { major: 0, minor: key as i64 + 1 }
}

fn is_unread(message: &Message) -> bool {
    !message.from_me && !message.history && message.status == MessageStatus::Received
}
