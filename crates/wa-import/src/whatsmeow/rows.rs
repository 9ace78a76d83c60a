//! Rows, with the names of their columns. What is told of them is what whatsmeow's schema tells.

use std::fmt;

/// A row of `whatsmeow_device`.
#[derive(Clone, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the columns")]
pub struct DeviceRow {
    pub jid: String,
    pub lid: Option<String>,
    pub registration_id: i64,
    pub noise_key: Vec<u8>,
    pub identity_key: Vec<u8>,
    pub signed_pre_key: Vec<u8>,
    pub signed_pre_key_id: i64,
    pub signed_pre_key_sig: Vec<u8>,
    pub adv_key: Vec<u8>,
    pub adv_details: Vec<u8>,
    pub adv_account_sig: Vec<u8>,
    pub adv_account_sig_key: Vec<u8>,
    pub adv_device_sig: Vec<u8>,
    pub platform: String,
    pub business_name: String,
    pub push_name: String,
    /// Since version 10.
    pub lid_migration_ts: Option<i64>,
}

/// A row of `whatsmeow_pre_keys`.
#[derive(Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the columns")]
pub struct PreKeyRow {
    pub key_id: i64,
    pub key: Vec<u8>,
    pub uploaded: bool,
}

/// A row of `whatsmeow_sender_keys`.
#[derive(Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the columns")]
pub struct SenderKeyRow {
    pub chat_id: String,
    pub sender_id: String,
    pub sender_key: Vec<u8>,
}

/// A row of `whatsmeow_app_state_sync_keys`.
#[derive(Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the columns")]
pub struct AppStateKeyRow {
    pub key_id: Vec<u8>,
    pub key_data: Vec<u8>,
    pub timestamp: i64,
    pub fingerprint: Vec<u8>,
}

/// A row of `whatsmeow_app_state_version`.
#[derive(Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the columns")]
pub struct AppStateVersionRow {
    pub name: String,
    pub version: i64,
    pub hash: Vec<u8>,
}

/// A row of `whatsmeow_app_state_mutation_macs`.
#[derive(Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the columns")]
pub struct AppStateMacRow {
    pub name: String,
    pub version: i64,
    pub index_mac: Vec<u8>,
    pub value_mac: Vec<u8>,
}

/// A row of `whatsmeow_privacy_tokens`.
#[derive(Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the columns")]
pub struct TokenRow {
    pub their_jid: String,
    pub token: Vec<u8>,
    pub timestamp: i64,
    /// Since version 12.
    pub sender_timestamp: Option<i64>,
}

/// A row of `whatsmeow_contacts`.
#[derive(Clone, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the columns")]
pub struct ContactRow {
    pub their_jid: String,
    pub first_name: Option<String>,
    pub full_name: Option<String>,
    pub push_name: Option<String>,
    pub business_name: Option<String>,
}

/// A row of `whatsmeow_chat_settings`.
#[derive(Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the columns")]
pub struct ChatSettingsRow {
    pub chat_jid: String,
    /// Unix seconds; 0 where it isn't muted, -1 for good.
    pub muted_until: i64,
    pub pinned: bool,
    pub archived: bool,
}

/// Rows hold keys and numbers: only that they are there is shown.
macro_rules! opaque {
    ($($row:ident)+) => {$(
        impl fmt::Debug for $row {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($row)).finish_non_exhaustive()
            }
        }
    )+};
}

opaque!(
    DeviceRow PreKeyRow SenderKeyRow AppStateKeyRow AppStateVersionRow AppStateMacRow TokenRow ContactRow ChatSettingsRow
);
