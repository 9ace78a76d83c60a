//! The companion itself.

use crate::{Ban, Device, LidMigration, SignedPreKeyRecord};
use bytes::Bytes;
use prost::Message;
use wa_binary::Jid;
use zeroize::{Zeroize, Zeroizing};

use super::{RecordError, array, parse_jid};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_key_is_named() {
        let record =
            DeviceRecord { signed_prekeys: vec![SignedPreKeyParts::default()], ..Default::default() };
        let error = Device::from_record(&record.encode_to_vec()).unwrap_err();
        assert_eq!(error.to_string(), "device record: noise key of 0 bytes instead of 32");
        let error = Device::from_record(&[]).unwrap_err();
        assert_eq!(error.to_string(), "device record: no signed prekey");
    }
}
