//! Whom WhatsApp lets the account write to.

use crate::{Limits, NewChats, TimeLock};
use prost::Message;

use super::RecordError;

impl Limits {
    /// The bytes to store.
    pub fn to_record(&self) -> Vec<u8> {
        let lock = self.time_lock.as_ref();
        let lock = lock.map(|lock| TimeLockParts { until: lock.until, kind: lock.kind.clone() });
        let chats = self.new_chats.as_ref().map(|chats| NewChatsParts {
            total: chats.total,
            used: chats.used,
            until: chats.until,
            is_reached: chats.is_reached,
        });
        LimitsRecord { time_lock: lock, new_chats: chats, asked_at: self.asked_at }.encode_to_vec()
    }

    /// Reads what [`to_record`](Self::to_record) wrote.
    pub fn from_record(bytes: &[u8]) -> Result<Self, RecordError> {
        let record = LimitsRecord::decode(bytes)
            .map_err(|cause| RecordError { what: "limits", problem: cause.to_string() })?;
        let lock = record.time_lock.map(|lock| TimeLock { until: lock.until, kind: lock.kind });
        let chats = record.new_chats.map(|chats| NewChats {
            total: chats.total,
            used: chats.used,
            until: chats.until,
            is_reached: chats.is_reached,
        });
        Ok(Self { time_lock: lock, new_chats: chats, asked_at: record.asked_at })
    }
}

#[derive(Clone, PartialEq, Message)]
struct LimitsRecord {
    #[prost(message, optional, tag = "1")]
    time_lock: Option<TimeLockParts>,
    #[prost(message, optional, tag = "2")]
    new_chats: Option<NewChatsParts>,
    #[prost(int64, tag = "3")]
    asked_at: i64,
}

#[derive(Clone, PartialEq, Message)]
struct TimeLockParts {
    #[prost(int64, optional, tag = "1")]
    until: Option<i64>,
    #[prost(string, tag = "2")]
    kind: String,
}

#[derive(Clone, PartialEq, Message)]
struct NewChatsParts {
    #[prost(uint32, optional, tag = "1")]
    total: Option<u32>,
    #[prost(uint32, optional, tag = "2")]
    used: Option<u32>,
    #[prost(int64, optional, tag = "3")]
    until: Option<i64>,
    #[prost(bool, tag = "4")]
    is_reached: bool,
}
