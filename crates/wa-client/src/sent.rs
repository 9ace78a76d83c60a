use std::collections::VecDeque;

use async_trait::async_trait;
use bytes::Bytes;
use wa_binary::Jid;
use wa_store::SentMessage;

/// Once this many bytes wait to be stored, they are.
const STORE_AFTER_BYTES: usize = 128 << 10;

/// Where an embedder keeps what it has sent, so that the companion's store need not.
#[async_trait]
pub trait SentMessages: Send + Sync + 'static {
    /// A message that was sent to this chat (a user by LID or phone number, or a group). `None` if there is none: the
    /// device that asks for it gets nothing.
    async fn sent(&self, chat: &Jid, id: &str) -> Option<SentContent>;
}

/// A message that was sent.
#[derive(Clone, PartialEq, Eq)]
pub struct SentContent {
    /// Its protobuf, as [`crate::Outgoing`] held it.
    pub message: Bytes,
    /// When it was sent: Unix milliseconds.
    pub timestamp: i64,
    /// Whether a device of the recipient has it. It isn't encrypted again for an identity that came later.
    pub is_delivered: bool,
}

impl std::fmt::Debug for SentContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SentContent")
            .field("timestamp", &self.timestamp)
            .field("is_delivered", &self.is_delivered)
            .finish_non_exhaustive()
    }
}

/// Messages that left lately, for retry receipts. They reach the store with the next commit that happens
/// anyway, so that sending a text to a warm session costs no write.
#[derive(Debug)]
pub(crate) struct RecentlySent {
    waiting: VecDeque<SentMessage>,
    bytes: usize,
    most: usize,
}

impl RecentlySent {
    pub(crate) fn new(most: usize) -> Self {
        Self { waiting: VecDeque::new(), bytes: 0, most: most.max(1) }
    }

    pub(crate) fn push(&mut self, sent: SentMessage) {
        self.bytes += sent.message.len();
        self.waiting.push_back(sent);
    }

    /// Whether it is time to store them.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= self.most || self.bytes >= STORE_AFTER_BYTES
    }

    /// Hands them over to a commit.
    pub(crate) fn take(&mut self) -> Vec<SentMessage> {
        self.bytes = 0;
        std::mem::take(&mut self.waiting).into()
    }

    /// One that has not been stored yet.
    pub(crate) fn find(&self, chat: &Jid, id: &str) -> Option<&SentMessage> {
        let mut newest_first = self.waiting.iter().rev();
        newest_first.find(|sent| sent.id == id && sent.chat == *chat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(id: &str, size: usize) -> SentMessage {
        let chat = Jid::lid("1");
        SentMessage {
            chat: chat.clone(),
            id: id.into(),
            to: chat,
            message: vec![7; size].into(),
            timestamp: 0,
        }
    }

    #[test]
    fn messages_are_found_until_they_are_handed_over() {
        let mut messages = RecentlySent::new(10);
        messages.push(sent("A", 1));
        messages.push(sent("B", 2));
        assert_eq!(messages.find(&Jid::lid("1"), "B").map(|sent| sent.message.len()), Some(2));
        assert_eq!(messages.find(&Jid::lid("2"), "B"), None);
        assert_eq!(messages.take().len(), 2);
        assert_eq!(messages.find(&Jid::lid("1"), "B"), None);
    }

    #[test]
    fn number_and_size_are_bounded() {
        let mut messages = RecentlySent::new(2);
        messages.push(sent("A", 1));
        assert!(!messages.is_full());
        messages.push(sent("B", 1));
        assert!(messages.is_full());
        messages.take();
        messages.push(sent("C", STORE_AFTER_BYTES));
        assert!(messages.is_full());
    }
}
