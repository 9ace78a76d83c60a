//! Whose a number is that was asked for.

use crate::Alias;
use prost::Message;

use super::RecordError;

impl Alias {
    /// The bytes to store; the number that was asked is the key.
    pub(crate) fn to_record(&self) -> Vec<u8> {
        AliasRecord { number: self.number.to_string(), found_at: self.found_at }.encode_to_vec()
    }

    /// Reads what [`to_record`](Self::to_record) wrote.
    pub(crate) fn from_record(bytes: &[u8]) -> Result<Self, RecordError> {
        let record = AliasRecord::decode(bytes)
            .map_err(|cause| RecordError { what: "alias", problem: cause.to_string() })?;
        Ok(Self { number: record.number.into(), found_at: record.found_at })
    }
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct AliasRecord {
    #[prost(string, tag = "1")]
    number: String,
    #[prost(int64, tag = "2")]
    found_at: i64,
}

impl std::fmt::Debug for AliasRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AliasRecord").finish_non_exhaustive()
    }
}
