//! Calls that come again because a process ended before it could answer them.

use std::sync::Arc;

use storage::Message;
use wa_client::content::Content;

use super::{MessagingService, Repeats, SendTerms, Sent};
use crate::auth::Caller;
use crate::error::ServiceError;
use crate::mapping::details_of;
use crate::running::RunningInstance;

impl MessagingService {
    /// The answer about the message that an earlier process has left and that this one equals, if there is one. Whoever
    /// gives an idempotency key says by it what is a repeat and what isn't.
    pub(super) async fn left_before(
        &self,
        caller: &Caller,
        running: &RunningInstance,
        message: &Message,
        terms: &SendTerms,
    ) -> Result<Option<Sent>, ServiceError> {
        if terms.idempotency_key.is_some() || terms.repeats == Repeats::Send {
            return Ok(None);
        }
        let left = running.recorder.left_before().await;
        let Some(first) = left.into_iter().find(|left| is_repeated(left, message)) else { return Ok(None) };
        let (id, chat) = (first.message_id.clone(), Some(first.chat.clone()));
        tracing::info!(instance = %running.instance, id, "a send equals one that was pending before a restart");
        self.awaited(caller, running.instance, Some(running), (id, chat), terms.patience).await.map(Some)
    }
}

/// Whether both say the same to the same.
fn is_repeated(left: &Arc<Message>, message: &Message) -> bool {
    let is_same_chat = left.chat == message.chat || left.wire_chat == message.wire_chat;
    let says_the_same =
        left.kind == message.kind && left.text == message.text && left.target == message.target;
    is_same_chat
        && says_the_same
        && details_of(left) == details_of(message)
        && file_hash(left) == file_hash(message)
}

/// What tells one file from another.
fn file_hash(message: &Message) -> Option<Vec<u8>> {
    let content = Content::decode(message.raw.clone()).ok()?;
    Some(content.view().media()?.sha256?.to_vec())
}
