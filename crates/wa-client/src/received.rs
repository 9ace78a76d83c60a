use async_trait::async_trait;
use bytes::Bytes;
use wa_binary::Jid;

use crate::event::MessageInfo;

/// Where an embedder keeps what it was told.
#[async_trait]
pub trait ReceivedMessages: Send + Sync + 'static {
    /// Whether a message of this chat, sender and id is recorded in readable form. It is asked about messages whose key
    /// is used up: if it says no, the sender is asked to send again. Must not wait for the batch that is being handed
    /// out.
    async fn is_recorded(&self, message: &MessageInfo) -> bool;

    /// The content of a message in this chat (a user by LID or phone number, or a group), whoever wrote it, as its protobuf
    /// came. It is asked for where something came that is encrypted with the secret in it: an edit or a reaction in some
    /// groups. Must not wait for the batch that is being handed out.
    async fn content(&self, _chat: &Jid, _id: &str) -> Option<ReceivedContent> {
        None
    }
}

/// A message that was received.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceivedContent {
    /// Its protobuf, as [`crate::IncomingMessage`] held it.
    pub message: Bytes,
    /// Who wrote it, by LID or phone number, without device.
    pub author: Jid,
}

impl std::fmt::Debug for ReceivedContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceivedContent").field("bytes", &self.message.len()).finish_non_exhaustive()
    }
}
