//! A message of ours, for devices that ask for it again.

use crate::SentMessage;
use bytes::Bytes;
use prost::Message;
use wa_binary::Jid;

use super::RecordError;

impl SentMessage {
    /// The bytes to store; chat, id and time are in the key.
    pub(crate) fn to_record(&self) -> Vec<u8> {
        SentMessageRecord { to: self.to.to_string(), message: self.message.clone() }.encode_to_vec()
    }

    /// Reads what [`to_record`](Self::to_record) wrote: the recipient and the message.
    pub(crate) fn from_record(bytes: Bytes) -> Result<(Jid, Bytes), RecordError> {
        let error = |problem: String| RecordError { what: "sent message", problem };
        let record = SentMessageRecord::decode(bytes).map_err(|cause| error(cause.to_string()))?;
        let to = record.to.parse().map_err(|_| error("malformed recipient".into()))?;
        Ok((to, record.message))
    }
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct SentMessageRecord {
    #[prost(string, tag = "1")]
    to: String,
    #[prost(bytes = "bytes", tag = "2")]
    message: Bytes,
}

impl std::fmt::Debug for SentMessageRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SentMessageRecord").finish_non_exhaustive()
    }
}
