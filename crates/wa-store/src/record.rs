//! The stored form of what a companion keeps, above all backends.
//!
//! Protobuf, because it lets fields be added without touching what is stored. Field numbers are never reused.

mod alias;
mod app_state_key;
mod device;
mod device_list;
mod key_holders;
mod limits;
mod message_secret;
mod peer_data;
mod privacy_token;
mod sent_message;

use wa_binary::Jid;

/// A stored record that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {problem}")]
pub struct RecordError {
    what: &'static str,
    problem: String,
}

impl RecordError {
    /// The kind of record.
    pub fn what(&self) -> &'static str {
        self.what
    }

    fn device(problem: impl Into<String>) -> Self {
        Self { what: "device record", problem: problem.into() }
    }
}

fn array<const N: usize>(bytes: &[u8], what: &str) -> Result<[u8; N], RecordError> {
    bytes
        .try_into()
        .map_err(|_| RecordError::device(format!("{what} of {} bytes instead of {N}", bytes.len())))
}

fn parse_jid(text: &str) -> Result<Jid, RecordError> {
    text.parse().map_err(|_| RecordError::device("malformed JID"))
}

#[cfg(test)]
mod tests;
