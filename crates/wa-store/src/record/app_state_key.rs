//! A key of the app state collections.

use crate::AppStateKey;
use bytes::Bytes;
use prost::Message;
use zeroize::Zeroizing;

use super::RecordError;

impl AppStateKey {
    /// The bytes to store.
    pub(crate) fn to_record(&self) -> Zeroizing<Vec<u8>> {
        let record = AppStateKeyRecord {
            id: self.id.clone(),
            data: self.data.clone(),
            fingerprint: self.fingerprint.clone(),
            timestamp: self.timestamp,
        };
        Zeroizing::new(record.encode_to_vec())
    }

    /// Reads what [`to_record`](Self::to_record) wrote.
    pub(crate) fn from_record(bytes: Bytes) -> Result<Self, RecordError> {
        let record = AppStateKeyRecord::decode(bytes)
            .map_err(|cause| RecordError { what: "app state key", problem: cause.to_string() })?;
        let AppStateKeyRecord { id, data, fingerprint, timestamp } = record;
        Ok(Self { id, data, fingerprint, timestamp })
    }
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct AppStateKeyRecord {
    #[prost(bytes = "bytes", tag = "1")]
    id: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    data: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    fingerprint: Bytes,
    #[prost(int64, tag = "4")]
    timestamp: i64,
}

impl std::fmt::Debug for AppStateKeyRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppStateKeyRecord").finish_non_exhaustive()
    }
}
