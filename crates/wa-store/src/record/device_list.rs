//! A user's devices.

use crate::{DeviceList, ListedDevice};
use prost::Message;

use super::RecordError;

impl DeviceList {
    /// The bytes to store.
    pub fn to_record(&self) -> Vec<u8> {
        let devices = self.devices.iter().map(|device| ListedDeviceParts {
            id: u32::from(device.id),
            key_index: device.key_index,
            is_hosted: device.is_hosted,
        });
        DeviceListRecord {
            devices: devices.collect(),
            hash: self.hash.as_ref().map(ToString::to_string),
            timestamp: self.timestamp,
            fetched_at: self.fetched_at,
        }
        .encode_to_vec()
    }

    /// Reads what [`to_record`](Self::to_record) wrote.
    pub fn from_record(bytes: &[u8]) -> Result<Self, RecordError> {
        let error = |problem: String| RecordError { what: "device list", problem };
        let record = DeviceListRecord::decode(bytes).map_err(|cause| error(cause.to_string()))?;
        let devices = record.devices.iter().map(|device| {
            let id = u16::try_from(device.id).map_err(|_| error(format!("device number {}", device.id)))?;
            Ok(ListedDevice { id, key_index: device.key_index, is_hosted: device.is_hosted })
        });
        Ok(Self {
            devices: devices.collect::<Result<_, _>>()?,
            hash: record.hash.map(Into::into),
            timestamp: record.timestamp,
            fetched_at: record.fetched_at,
        })
    }
}

#[derive(Clone, PartialEq, Message)]
struct DeviceListRecord {
    #[prost(message, repeated, tag = "1")]
    devices: Vec<ListedDeviceParts>,
    #[prost(string, optional, tag = "2")]
    hash: Option<String>,
    #[prost(int64, tag = "3")]
    timestamp: i64,
    #[prost(int64, tag = "4")]
    fetched_at: i64,
}

#[derive(Clone, PartialEq, Message)]
struct ListedDeviceParts {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(uint32, optional, tag = "2")]
    key_index: Option<u32>,
    #[prost(bool, tag = "3")]
    is_hosted: bool,
}
