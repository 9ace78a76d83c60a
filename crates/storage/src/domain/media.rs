use serde::{Deserialize, Serialize};

use super::word::words;
use crate::{NewEvent, StoredMessageId, Timestamp};

words! {
    /// When the files of messages that come in are fetched.
    MediaDownload, "media download" {
        /// As they come: WhatsApp's hosts forget them after some weeks, and phones may then not have them either.
        Arrival = "arrival",
        /// When somebody asks for them.
        Demand = "demand",
        /// Never.
        Never = "never",
    }
}

words! {
    /// How far the file of a message has come.
    MediaState, "media state" {
        /// It is to be fetched, or can be.
        Pending = "pending",
        /// The gateway has it, verified.
        Ready = "ready",
        /// It can't be had.
        Failed = "failed",
    }
}

words! {
    /// Why the file of a message can't be had.
    MediaFault, "media error" {
        /// WhatsApp has it no more, and the phone doesn't upload it again.
        Expired = "expired",
        /// What was uploaded isn't what the message says.
        Damaged = "damaged",
        /// The message doesn't say enough to fetch it.
        Incomplete = "incomplete",
        /// It is larger than is taken.
        TooLarge = "too_large",
        /// WhatsApp's media hosts could not be reached, however often that was tried.
        Unreachable = "unreachable",
        /// The gateway could not keep it.
        NotStored = "not_stored",
        /// The gateway has kept it for as long as it was told to, and has forgotten it.
        Forgotten = "forgotten",
    }
}

/// The file of a message, as far as the gateway has it. Stored as JSON: fields are only ever added, as optional ones.
/// `Debug` shows neither names nor types.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMedia {
    /// How far it has come.
    pub state: MediaState,
    /// Why it can't be had; there only beside `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<MediaFault>,
    /// Its MIME type: what its content says, once that is known; before, what the sender says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Its name, made up where the sender gave none. Never a path.
    pub file_name: String,
    /// Its length in bytes: as it is, once it is there; before, what the sender says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Under which name the object store has it, once it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
}

impl StoredMedia {
    /// What is left of it once it was kept for long enough.
    #[must_use]
    pub fn forgotten(self) -> Self {
        Self { state: MediaState::Failed, fault: Some(MediaFault::Forgotten), object: None, ..self }
    }
}

impl std::fmt::Debug for StoredMedia {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredMedia")
            .field("state", &self.state)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

/// The file of a stored message has come further. Does nothing to a message that was taken back or is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaUpdate {
    /// The message, and WhatsApp's id of it, by which it is found.
    pub message: (StoredMessageId, String),
    /// How far its file has come.
    pub media: StoredMedia,
    /// When this was found out.
    pub at: Timestamp,
    /// Added to the log only if the message is there.
    pub event: Option<NewEvent>,
}
