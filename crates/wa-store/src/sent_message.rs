use std::fmt;

use bytes::Bytes;
use compact_str::CompactString;
use wa_binary::Jid;

/// A message that left, as a retry receipt needs it.
#[derive(Clone, PartialEq, Eq)]
pub struct SentMessage {
    /// The chat as the recipient's retry receipt will name it (user or group JID).
    pub chat: Jid,
    /// WhatsApp's message id.
    pub id: CompactString,
    /// The JID that stood in the stanza's `to`.
    pub to: Jid,
    /// The `Message` protobuf, unpadded, as the recipient decrypts it.
    pub message: Bytes,
    /// When it was sent, in Unix milliseconds.
    pub timestamp: i64,
}

impl SentMessage {
    /// This many of the newest are kept at least: enough for the retry receipts of a busy hour.
    pub const KEPT: usize = 1_024;
    /// Older ones are removed once for so many new ones, since each time costs as much as storing several.
    pub(crate) const TRIMMED_EVERY: usize = 128;
}

impl fmt::Debug for SentMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentMessage")
            .field("id", &self.id)
            .field("bytes", &self.message.len())
            .finish_non_exhaustive()
    }
}
