use std::fmt;

use super::user::set;
use crate::{InstanceId, Json, StoredMessageId, Timestamp};

/// A message that is to be sent later. `Debug` shows neither its content nor whom it is for.
#[derive(Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// The instance that sends it.
    pub instance: InstanceId,
    /// WhatsApp's id, which it will have.
    pub message_id: String,
    /// Whom it is for: a JID.
    pub recipient: String,
    /// What it says, in the words of whoever sends it.
    pub content: Json,
    /// The name of its file, if it has one.
    pub file: Option<StoredMessageId>,
    /// When it is to be sent.
    pub send_at: Timestamp,
    /// When it is not to be sent any more.
    pub expire_at: Option<Timestamp>,
    /// Grows with each change, from 1.
    pub version: i64,
    /// When it was scheduled.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Scheduled {
    /// What it counts in a page.
    pub fn size(&self) -> usize {
        self.content.text().len()
    }

    /// When it is to be sent, in Unix milliseconds.
    pub(crate) fn send_millis(&self) -> i64 {
        self.send_at.millis()
    }

    /// It as it stands now, for a record that sends it.
    pub fn due(&self) -> Due {
        Due { message_id: self.message_id.clone(), version: self.version }
    }
}

impl fmt::Debug for Scheduled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduled")
            .field("instance", &self.instance)
            .field("message_id", &self.message_id)
            .field("send_at", &self.send_at)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Changes to a scheduled message; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScheduledPatch {
    /// What it says from now on.
    pub content: Option<Json>,
    /// Another time.
    pub send_at: Option<Timestamp>,
    /// Another end; `Some(None)` removes it.
    pub expire_at: Option<Option<Timestamp>>,
}

impl ScheduledPatch {
    /// Applies the changes as of `now`.
    pub fn apply(self, scheduled: &mut Scheduled, now: Timestamp) {
        set(&mut scheduled.content, self.content);
        set(&mut scheduled.send_at, self.send_at);
        set(&mut scheduled.expire_at, self.expire_at);
        scheduled.version += 1;
        scheduled.updated_at = scheduled.updated_at.max(now);
    }
}

/// How many messages of an instance may be scheduled at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduleLimits {
    /// All of them.
    pub messages: u64,
    /// Those with a file.
    pub files: u64,
}

/// A scheduled message whose time has come, as somebody has read it: part of a [`Record`](crate::Record), which is
/// stored only if it is still there in this version, and takes it away.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Due {
    /// WhatsApp's id of the message.
    pub message_id: String,
    /// Its version.
    pub version: i64,
}
