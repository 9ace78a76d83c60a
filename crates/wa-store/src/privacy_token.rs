use std::fmt;

use bytes::Bytes;

/// The trust between this account and another person, as WhatsApp's tokens state it. `Debug` shows no token.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PrivacyToken {
    /// What the person gave us: shown with what we send them. Empty if they gave nothing.
    pub token: Bytes,
    /// When they gave it, in Unix seconds; 0 if they gave nothing.
    pub received_at: i64,
    /// When we last gave them ours, in Unix seconds; 0 if we never did.
    pub given_at: i64,
    /// When a message between the two was first seen, in Unix seconds; 0 if none was.
    pub met_at: i64,
}

impl fmt::Debug for PrivacyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivacyToken")
            .field("bytes", &self.token.len())
            .field("received_at", &self.received_at)
            .field("given_at", &self.given_at)
            .field("met_at", &self.met_at)
            .finish()
    }
}
