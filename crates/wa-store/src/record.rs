//! The stored form of what a companion keeps, above all backends.
//!
//! Protobuf, because it lets fields be added without touching what is stored. Field numbers are never reused.

use bytes::Bytes;
use prost::Message;
use wa_binary::Jid;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    Alias, AppStateKey, Ban, Device, DeviceList, LidMigration, Limits, ListedDevice, NewChats, PeerData,
    PeerDataSort, PrivacyToken, SentMessage, SignedPreKeyRecord, TimeLock,
};

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

impl Device {
    /// The bytes to store. They hold private keys in the clear and are wiped from memory when dropped.
    pub fn to_record(&self) -> Zeroizing<Vec<u8>> {
        let mut record = DeviceRecord {
            noise_key: self.noise_key.to_vec(),
            identity_key: self.identity_key.to_vec(),
            registration_id: self.registration_id,
            adv_secret: self.adv_secret.to_vec(),
            signed_prekeys: std::iter::once(&self.signed_prekey)
                .chain(&self.previous_signed_prekeys)
                .map(SignedPreKeyRecord::to_record)
                .collect(),
            signed_prekey_rotated_at: self.signed_prekey_rotated_at,
            next_prekey_id: self.next_prekey_id,
            first_unuploaded_prekey_id: self.first_unuploaded_prekey_id,
            jid: self.jid.as_ref().map(Jid::to_string),
            lid: self.lid.as_ref().map(Jid::to_string),
            account: self.account.clone(),
            push_name: self.push_name.clone(),
            chosen_name: self.chosen_name.clone(),
            nct_salt: self.nct_salt.clone(),
            platform: self.platform.clone(),
            business_name: self.business_name.clone(),
            routing_info: self.routing_info.clone(),
            server_clock_offset: self.server_clock_offset,
            logins: self.logins,
            ban: self.ban.map(|Ban { code, until }| BanParts { code, until }),
            lid_migration: self.lid_migration.number(),
        };
        // One allocation of the right size: a vector that grows leaves copies of keys behind.
        let bytes = Zeroizing::new(record.encode_to_vec());
        record.wipe();
        bytes
    }

    /// Reads what [`to_record`](Self::to_record) wrote.
    pub fn from_record(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut record =
            DeviceRecord::decode(bytes).map_err(|error| RecordError::device(error.to_string()))?;
        let device = Self::from_parts(&record);
        record.wipe();
        device
    }

    fn from_parts(record: &DeviceRecord) -> Result<Self, RecordError> {
        let (current, previous) =
            record.signed_prekeys.split_first().ok_or_else(|| RecordError::device("no signed prekey"))?;
        Ok(Self {
            noise_key: array(&record.noise_key, "noise key")?,
            identity_key: array(&record.identity_key, "identity key")?,
            registration_id: record.registration_id,
            adv_secret: array(&record.adv_secret, "ADV secret")?,
            signed_prekey: SignedPreKeyRecord::from_parts(current)?,
            previous_signed_prekeys: previous
                .iter()
                .map(SignedPreKeyRecord::from_parts)
                .collect::<Result<_, _>>()?,
            signed_prekey_rotated_at: record.signed_prekey_rotated_at,
            next_prekey_id: record.next_prekey_id,
            first_unuploaded_prekey_id: record.first_unuploaded_prekey_id,
            jid: record.jid.as_deref().map(parse_jid).transpose()?,
            lid: record.lid.as_deref().map(parse_jid).transpose()?,
            account: record.account.clone(),
            push_name: record.push_name.clone(),
            chosen_name: record.chosen_name.clone(),
            nct_salt: record.nct_salt.clone(),
            platform: record.platform.clone(),
            business_name: record.business_name.clone(),
            routing_info: record.routing_info.clone(),
            server_clock_offset: record.server_clock_offset,
            logins: record.logins,
            ban: record.ban.as_ref().map(|ban| Ban { code: ban.code, until: ban.until }),
            lid_migration: LidMigration::from_number(record.lid_migration),
        })
    }
}

impl SignedPreKeyRecord {
    fn to_record(&self) -> SignedPreKeyParts {
        SignedPreKeyParts {
            id: self.id,
            private_key: self.private_key.to_vec(),
            signature: self.signature.to_vec(),
        }
    }

    fn from_parts(parts: &SignedPreKeyParts) -> Result<Self, RecordError> {
        Ok(Self {
            id: parts.id,
            private_key: array(&parts.private_key, "signed prekey")?,
            signature: array(&parts.signature, "signed prekey signature")?,
        })
    }
}

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

impl PrivacyToken {
    /// The bytes to store; the user is in the key.
    pub(crate) fn to_record(&self) -> Vec<u8> {
        let record = PrivacyTokenRecord {
            token: self.token.clone(),
            received_at: self.received_at,
            given_at: self.given_at,
        };
        record.encode_to_vec()
    }

    /// Reads what [`to_record`](Self::to_record) wrote.
    pub(crate) fn from_record(bytes: Bytes) -> Result<Self, RecordError> {
        let record = PrivacyTokenRecord::decode(bytes)
            .map_err(|cause| RecordError { what: "privacy token", problem: cause.to_string() })?;
        let PrivacyTokenRecord { token, received_at, given_at } = record;
        Ok(Self { token, received_at, given_at })
    }
}

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

fn array<const N: usize>(bytes: &[u8], what: &str) -> Result<[u8; N], RecordError> {
    bytes
        .try_into()
        .map_err(|_| RecordError::device(format!("{what} of {} bytes instead of {N}", bytes.len())))
}

fn parse_jid(text: &str) -> Result<Jid, RecordError> {
    text.parse().map_err(|_| RecordError::device("malformed JID"))
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct DeviceRecord {
    #[prost(bytes = "vec", tag = "1")]
    noise_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    identity_key: Vec<u8>,
    #[prost(uint32, tag = "3")]
    registration_id: u32,
    #[prost(bytes = "vec", tag = "4")]
    adv_secret: Vec<u8>,
    /// The current one first.
    #[prost(message, repeated, tag = "5")]
    signed_prekeys: Vec<SignedPreKeyParts>,
    #[prost(int64, tag = "6")]
    signed_prekey_rotated_at: i64,
    #[prost(uint32, tag = "7")]
    next_prekey_id: u32,
    #[prost(uint32, tag = "8")]
    first_unuploaded_prekey_id: u32,
    #[prost(string, optional, tag = "9")]
    jid: Option<String>,
    #[prost(string, optional, tag = "10")]
    lid: Option<String>,
    #[prost(bytes = "bytes", optional, tag = "11")]
    account: Option<Bytes>,
    #[prost(string, tag = "12")]
    push_name: String,
    #[prost(string, tag = "13")]
    platform: String,
    #[prost(string, optional, tag = "14")]
    business_name: Option<String>,
    #[prost(bytes = "bytes", optional, tag = "15")]
    routing_info: Option<Bytes>,
    #[prost(sint64, tag = "16")]
    server_clock_offset: i64,
    #[prost(uint32, tag = "20")]
    logins: u32,
    #[prost(message, optional, tag = "21")]
    ban: Option<BanParts>,
    #[prost(uint32, tag = "30")]
    lid_migration: u32,
    #[prost(string, optional, tag = "25")]
    chosen_name: Option<String>,
    #[prost(bytes = "bytes", optional, tag = "26")]
    nct_salt: Option<Bytes>,
}

impl DeviceRecord {
    fn wipe(&mut self) {
        self.noise_key.zeroize();
        self.identity_key.zeroize();
        self.adv_secret.zeroize();
        self.signed_prekeys.iter_mut().for_each(|key| key.private_key.zeroize());
    }
}

impl std::fmt::Debug for DeviceRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceRecord").finish_non_exhaustive()
    }
}

#[derive(Clone, PartialEq, Message)]
struct BanParts {
    #[prost(uint32, tag = "1")]
    code: u32,
    #[prost(sint64, tag = "2")]
    until: i64,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct SignedPreKeyParts {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(bytes = "vec", tag = "2")]
    private_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    signature: Vec<u8>,
}

impl std::fmt::Debug for SignedPreKeyParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignedPreKeyParts").finish_non_exhaustive()
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
}

impl std::fmt::Debug for PrivacyTokenRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrivacyTokenRecord").finish_non_exhaustive()
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conformance::{sample_device, sample_device_list};

    #[test]
    fn a_device_survives_its_record() {
        let mut device = sample_device();
        assert_eq!(Device::from_record(&device.to_record()), Ok(device.clone()));
        device.jid = None;
        device.lid = None;
        device.account = None;
        device.previous_signed_prekeys.clear();
        assert_eq!(Device::from_record(&device.to_record()), Ok(device));
    }

    #[test]
    fn a_device_list_survives_its_record() {
        let list = sample_device_list();
        assert_eq!(DeviceList::from_record(&list.to_record()), Ok(list));
    }

    #[test]
    fn a_short_key_is_named() {
        let record =
            DeviceRecord { signed_prekeys: vec![SignedPreKeyParts::default()], ..Default::default() };
        let error = Device::from_record(&record.encode_to_vec()).unwrap_err();
        assert_eq!(error.to_string(), "device record: noise key of 0 bytes instead of 32");
        let error = Device::from_record(&[]).unwrap_err();
        assert_eq!(error.to_string(), "device record: no signed prekey");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Device::from_record(&bytes);
            let _ = DeviceList::from_record(&bytes);
            let _ = Alias::from_record(&bytes);
            let bytes = Bytes::from(bytes);
            let _ = SentMessage::from_record(bytes.clone());
            let _ = AppStateKey::from_record(bytes.clone());
            let _ = PeerData::from_record(bytes);
        }
    }
}
