use std::fmt;

use compact_str::CompactString;
use wa_binary::Jid;

/// The secret of a poll or an event: votes and answers are encrypted with it.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageSecret {
    /// The chat that it is in, without device, as the stanza named it.
    pub chat: Jid,
    /// WhatsApp's message id.
    pub id: CompactString,
    /// Who wrote it, without device.
    pub author: Jid,
    /// The secret.
    pub secret: [u8; 32],
    /// What there is to choose from; empty for an event.
    pub options: Vec<String>,
    /// How many options one person may choose; 0 means all.
    pub most: u32,
    /// When it was written, in Unix milliseconds.
    pub timestamp: i64,
}

impl MessageSecret {
    /// This many of the newest are kept. With the longest options they are a few megabytes.
    pub const KEPT: usize = 2_048;
}

impl fmt::Debug for MessageSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageSecret")
            .field("id", &self.id)
            .field("options", &self.options.len())
            .finish_non_exhaustive()
    }
}
