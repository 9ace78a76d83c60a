//! What the phone sent for later layers.

use crate::{PeerData, PeerDataSort};
use bytes::Bytes;
use prost::Message;

use super::RecordError;

impl PeerData {
    /// The bytes to store.
    pub(crate) fn to_record(&self) -> Vec<u8> {
        let record = PeerDataRecord {
            sort: self.sort.number(),
            id: self.id.to_string(),
            timestamp: self.timestamp,
            raw: self.raw.clone(),
        };
        record.encode_to_vec()
    }

    /// Reads what [`to_record`](Self::to_record) wrote.
    pub(crate) fn from_record(bytes: Bytes) -> Result<Self, RecordError> {
        let error = |problem: String| RecordError { what: "peer data", problem };
        let record = PeerDataRecord::decode(bytes).map_err(|cause| error(cause.to_string()))?;
        let sort = PeerDataSort::from_number(record.sort)
            .ok_or_else(|| error(format!("unknown sort {}", record.sort)))?;
        Ok(Self { sort, id: record.id.into(), timestamp: record.timestamp, raw: record.raw })
    }
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct PeerDataRecord {
    #[prost(uint32, tag = "1")]
    sort: u32,
    #[prost(string, tag = "2")]
    id: String,
    #[prost(int64, tag = "3")]
    timestamp: i64,
    #[prost(bytes = "bytes", tag = "4")]
    raw: Bytes,
}

impl std::fmt::Debug for PeerDataRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeerDataRecord").finish_non_exhaustive()
    }
}
