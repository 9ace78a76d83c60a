//! What an earlier process has left, for callers who come back for it.

use std::sync::Arc;
use std::time::Duration;

use storage::Message;
use tokio::time::Instant;

/// How long after the start of an instance a send that equals one of those that were pending then is taken for its repeat:
/// callers who have heard no answer come back within seconds.
const COME_BACK: Duration = Duration::from_secs(2 * 60);

/// Messages that were pending when the instance was started, whatever has become of them since, unless they have failed.
#[derive(Debug, Default)]
pub(super) struct Left {
    messages: Vec<Arc<Message>>,
    /// Until when somebody may come back for them.
    until: Option<Instant>,
}

impl Left {
    pub(super) fn add(&mut self, message: Option<&Arc<Message>>) {
        self.messages.extend(message.cloned());
    }

    /// All are there.
    pub(super) fn complete(&mut self, now: Instant) {
        self.until = Some(now + COME_BACK);
    }

    pub(super) fn messages(&self) -> Vec<Arc<Message>> {
        self.messages.clone()
    }

    /// This one has failed: whoever comes back for it wants it sent.
    pub(super) fn forget(&mut self, id: &str) {
        self.messages.retain(|message| message.message_id != id);
    }

    /// Gives the memory back once nobody may come back any more.
    pub(super) fn forget_late(&mut self, now: Instant) {
        if self.until.is_some_and(|until| now >= until) {
            *self = Self::default();
        }
    }
}
