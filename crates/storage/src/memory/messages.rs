use async_trait::async_trait;

use super::{InstanceTables, MemoryStorage};
use crate::{InstanceId, Message, MessageQuery, MessageStore, Page, StorageError, UserId};

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
            .values()
            .filter(|message| message.chat == query.chat && !message.kind.amends())
            .filter(|message| query.start.is_none_or(|start| message.created_at >= start))
            .filter(|message| query.end.is_none_or(|end| message.created_at <= end))
            .collect();
        found.reverse();
        // Stable: of messages of the same time, the one stored last stays first.
        found.sort_by_key(|message| std::cmp::Reverse(message.created_at));
        let total = found.len() as u64;
        let items = found.into_iter().skip(size(query.skip)).take(size(query.limit)).cloned().collect();
        Ok(Page { items, total })
    }

    async fn messages_by_id(
        &self,
        owner: UserId,
        instance: InstanceId,
        message_id: &str,
    ) -> Result<Vec<Message>, StorageError> {
        Ok(self.lock().owned(owner, instance)?.messages_by_id(message_id))
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
