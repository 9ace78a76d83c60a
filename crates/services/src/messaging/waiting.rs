//! Waiting until a message has come as far as its sender wants to know.

use std::time::Duration;

use storage::{InstanceId, MessageStatus};
use tokio::time::{Instant, timeout_at};

use super::{MessagingService, Progress, Sent};
use crate::auth::Caller;
use crate::error::ServiceError;

/// How often the store is asked while another process carries the instance: its bell isn't heard here.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How far a message is to have come before its sender is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitFor {
    /// WhatsApp has it.
    Server,
    /// A device of the recipient has it; in a group, of any member.
    Delivered,
    /// The recipient has seen it; in a group, any member. Who has read receipts switched off never tells.
    Read,
}

/// How far a message has come within the wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// What the send itself found.
    pub sent: Sent,
    /// How far the message is.
    pub status: MessageStatus,
    /// Whether that is as far as was wanted.
    pub in_time: bool,
}

impl WaitFor {
    fn is_reached(self, status: MessageStatus) -> bool {
        use MessageStatus::{Delivered, Played, Read, Sent};
        match self {
            Self::Server => matches!(status, Sent | Delivered | Read | Played),
            Self::Delivered => matches!(status, Delivered | Read | Played),
            Self::Read => matches!(status, Read | Played),
        }
    }
}

impl MessagingService {
    /// Waits until a message that was handed in has come so far, or the time is over. Where this process carries the
    /// instance, the store is asked only when something has happened to the message.
    ///
    /// # Errors
    /// `NotFound` when the instance has gone meanwhile; `Refused` when the message has failed.
    pub async fn wait(
        &self,
        caller: &Caller,
        instance: InstanceId,
        sent: Sent,
        wanted: WaitFor,
        deadline: Instant,
    ) -> Result<Reached, ServiceError> {
        loop {
            // Listening comes first, so that nothing falls between the look and the wait.
            let mut ring = self.bell.listen_to_message(instance, &sent.id);
            let status = self.status_of(caller, instance, &sent).await?;
            let in_time = wanted.is_reached(status);
            if in_time || Instant::now() >= deadline {
                return Ok(Reached { sent, status, in_time });
            }
            let is_here = self.supervisor.holds(instance);
            let until = if is_here { deadline } else { deadline.min(Instant::now() + LOOK_AGAIN) };
            // Whether it rang or the time is up, the next look shows how far it is.
            let _ = timeout_at(until, ring.rung()).await;
        }
    }

    /// How far a message is; no less than its sender has been told.
    async fn status_of(
        &self,
        caller: &Caller,
        instance: InstanceId,
        sent: &Sent,
    ) -> Result<MessageStatus, ServiceError> {
        let found = self.storage.messages_by_id(caller.user, instance, &sent.id).await?;
        let stored = found.into_iter().find(|message| message.from_me).map(|message| message.status);
        match (stored, sent.progress) {
            (Some(MessageStatus::Failed), _) => Err(ServiceError::failed_earlier()),
            (Some(MessageStatus::Pending | MessageStatus::Held) | None, Progress::Sent) => {
                Ok(MessageStatus::Sent)
            }
            (Some(status), _) => Ok(status),
            (None, Progress::Pending) => Ok(MessageStatus::Pending),
            (None, Progress::Held { .. } | Progress::Scheduled { .. }) => Ok(MessageStatus::Held),
        }
    }
}
