use async_trait::async_trait;

use crate::event::MessageInfo;

/// Where an embedder keeps what it was told.
#[async_trait]
pub trait ReceivedMessages: Send + Sync + 'static {
    /// Whether a message of this chat, sender and id is recorded in readable form. It is asked about messages whose key
    /// is used up: if it says no, the sender is asked to send again. Must not wait for the batch that is being handed
    /// out.
    async fn is_recorded(&self, message: &MessageInfo) -> bool;
}
