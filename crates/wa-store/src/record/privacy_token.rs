//! Who trusts the account, and whom it trusts.

use crate::PrivacyToken;
use bytes::Bytes;
use prost::Message;

use super::RecordError;

impl PrivacyToken {
    /// The bytes to store; the user is in the key.
    pub(crate) fn to_record(&self) -> Vec<u8> {
        let record = PrivacyTokenRecord {
            token: self.token.clone(),
            received_at: self.received_at,
            given_at: self.given_at,
            met_at: self.met_at,
        };
        record.encode_to_vec()
    }

    /// Reads what [`to_record`](Self::to_record) wrote.
    pub(crate) fn from_record(bytes: Bytes) -> Result<Self, RecordError> {
        let record = PrivacyTokenRecord::decode(bytes)
            .map_err(|cause| RecordError { what: "privacy token", problem: cause.to_string() })?;
        let PrivacyTokenRecord { token, received_at, given_at, met_at } = record;
        Ok(Self { token, received_at, given_at, met_at })
    }
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct PrivacyTokenRecord {
    #[prost(bytes = "bytes", tag = "1")]
    token: Bytes,
    #[prost(int64, tag = "2")]
    received_at: i64,
    #[prost(int64, tag = "3")]
    given_at: i64,
    #[prost(int64, tag = "4")]
    met_at: i64,
}

impl std::fmt::Debug for PrivacyTokenRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrivacyTokenRecord").finish_non_exhaustive()
    }
}
