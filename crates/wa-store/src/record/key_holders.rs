//! Who has the own sender key of a group.

use prost::Message;

use super::RecordError;
use crate::{DeviceAddress, KeyHolders};

impl KeyHolders {
    /// The bytes to store; the group is the key.
    pub(crate) fn to_record(&self) -> Vec<u8> {
        let holder =
            |holder: &DeviceAddress| HolderRecord { name: holder.name.to_string(), device: holder.device };
        HoldersRecord { holders: self.iter().map(holder).collect() }.encode_to_vec()
    }

    /// Reads what [`to_record`](Self::to_record) wrote.
    pub(crate) fn from_record(bytes: &[u8]) -> Result<Self, RecordError> {
        let record = HoldersRecord::decode(bytes)
            .map_err(|cause| RecordError { what: "key holders", problem: cause.to_string() })?;
        let holder = |holder: HolderRecord| DeviceAddress::new(holder.name, holder.device);
        Ok(record.holders.into_iter().map(holder).collect())
    }
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct HoldersRecord {
    #[prost(message, repeated, tag = "1")]
    holders: Vec<HolderRecord>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct HolderRecord {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint32, tag = "2")]
    device: u32,
}

impl std::fmt::Debug for HoldersRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HoldersRecord").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for HolderRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HolderRecord").finish_non_exhaustive()
    }
}
