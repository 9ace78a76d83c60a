//! The secret of a poll or an event.

use bytes::Bytes;
use prost::Message;

use super::{RecordError, array, parse_jid};
use crate::MessageSecret;

impl MessageSecret {
    /// The bytes to store; id and time are in the key.
    pub(crate) fn to_record(&self) -> Vec<u8> {
        let record = MessageSecretRecord {
            chat: self.chat.to_string(),
            author: self.author.to_string(),
            secret: Bytes::copy_from_slice(&self.secret),
            options: self.options.clone(),
            most: self.most,
        };
        record.encode_to_vec()
    }

    /// Reads what [`to_record`](Self::to_record) wrote.
    pub(crate) fn from_record(bytes: Bytes, id: &str, timestamp: i64) -> Result<Self, RecordError> {
        let error = |problem: String| RecordError { what: "message secret", problem };
        let record = MessageSecretRecord::decode(bytes).map_err(|cause| error(cause.to_string()))?;
        Ok(Self {
            chat: parse_jid(&record.chat)?,
            id: id.into(),
            author: parse_jid(&record.author)?,
            secret: array(&record.secret, "message secret")?,
            options: record.options,
            most: record.most,
            timestamp,
        })
    }
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct MessageSecretRecord {
    #[prost(string, tag = "1")]
    chat: String,
    #[prost(string, tag = "2")]
    author: String,
    #[prost(bytes = "bytes", tag = "3")]
    secret: Bytes,
    #[prost(string, repeated, tag = "4")]
    options: Vec<String>,
    #[prost(uint32, tag = "5")]
    most: u32,
}

impl std::fmt::Debug for MessageSecretRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageSecretRecord").finish_non_exhaustive()
    }
}
