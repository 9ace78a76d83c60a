use async_trait::async_trait;

use super::{InstanceTables, MemoryStorage};
use crate::{
    Budget, ChatSummary, Cursor, InstanceId, ListFrom, Message, MessageFilter, MessageQuery, MessageStore,
    Page, Receipt, SearchTerms, Slice, StorageError, Timestamp, UserId,
};

#[async_trait]
impl MessageStore for MemoryStorage {
    async fn messages(
        &self,
        owner: UserId,
        instance: InstanceId,
        query: &MessageQuery,
    ) -> Result<Page<Message>, StorageError> {
        let tables = self.lock();
        let mut found: Vec<_> = tables
            .owned(owner, instance)?
            .messages
            .iter()
            .filter(|(_, message)| message.chat == query.chat && !message.kind.amends())
            .filter(|(_, message)| query.start.is_none_or(|start| message.created_at >= start))
            .filter(|(_, message)| query.end.is_none_or(|end| message.created_at <= end))
            .collect();
        found.reverse();
        // Stable: of messages of the same time, the one stored last stays first.
        found.sort_by_key(|(_, message)| std::cmp::Reverse(message.created_at));
        let total = found.len() as u64;
        let place = |(key, message): (&u64, &Message)| Cursor {
            major: message.created_at.millis(),
            minor: *key as i64,
        };
        let is_older = |found: &(&u64, &Message)| {
            let place = place(*found);
            query.before.is_none_or(|before| (place.major, place.minor) < (before.major, before.minor))
        };
        let (mut items, mut budget, mut next) = (Vec::new(), Budget::default(), None);
        for found in found.into_iter().filter(is_older).skip(size(query.skip)) {
            if !budget.has_room() || items.len() == size(query.limit) {
                return Ok(Page { items, total, has_more: true, next });
            }
            budget.take(found.1.size());
            next = Some(place(found));
            items.push(found.1.clone());
        }
        Ok(Page { items, total, has_more: false, next: None })
    }

    async fn list_messages(
        &self,
        owner: UserId,
        instance: InstanceId,
        filter: &MessageFilter,
        from: ListFrom,
        limit: u64,
    ) -> Result<Slice<Message>, StorageError> {
        self.slice(owner, instance, filter, None, from, limit)
    }

    async fn search_messages(
        &self,
        owner: UserId,
        instance: InstanceId,
        terms: &SearchTerms,
        filter: &MessageFilter,
        before: Option<Cursor>,
        limit: u64,
    ) -> Result<Slice<Message>, StorageError> {
        let from = before.map_or(ListFrom::Newest, ListFrom::Before);
        self.slice(owner, instance, filter, Some(terms), from, limit)
    }

    async fn chats(
        &self,
        owner: UserId,
        instance: InstanceId,
        before: Option<Cursor>,
        limit: u64,
    ) -> Result<Slice<ChatSummary>, StorageError> {
        self.chat_list(owner, instance, before, limit)
    }

    async fn receipts(
        &self,
        owner: UserId,
        instance: InstanceId,
        message_id: &str,
    ) -> Result<Vec<Receipt>, StorageError> {
        let tables = self.lock();
        let tables = tables.owned(owner, instance)?;
        let keys = tables.by_message_id.get(message_id).into_iter().flatten();
        let ours = keys.copied().find(|key| tables.messages.get(key).is_some_and(|message| message.from_me));
        let receipts = ours.and_then(|key| tables.receipts.get(&key));
        Ok(receipts.into_iter().flat_map(|receipts| receipts.values().cloned()).collect())
    }

    async fn messages_by_id(
        &self,
        owner: UserId,
        instance: InstanceId,
        message_id: &str,
    ) -> Result<Vec<Message>, StorageError> {
        Ok(self.lock().owned(owner, instance)?.messages_by_id(message_id))
    }

    async fn clear_messages(
        &self,
        owner: UserId,
        instance: InstanceId,
        limit: u64,
    ) -> Result<u64, StorageError> {
        let mut tables = self.lock();
        Ok(tables.owned_mut(owner, instance)?.prune_messages(Timestamp::from_millis(i64::MAX), limit))
    }
}

impl InstanceTables {
    pub(super) fn messages_by_id(&self, message_id: &str) -> Vec<Message> {
        let keys = self.by_message_id.get(message_id).into_iter().flatten();
        keys.filter_map(|key| self.messages.get(key)).cloned().collect()
    }
}

pub(super) fn size(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
