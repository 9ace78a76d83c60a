//! What the client says about itself inside the handshake (PROTOCOL.md 3).

use bytes::Bytes;
use md5::{Digest, Md5};
use prost::Message;
use wa_crypto::{PrivateKey, SIGNAL_KEY_TYPE};
use wa_protobuf::companion::{AppVersion as CompanionVersion, DeviceProps, HistorySyncConfig};
use wa_protobuf::payload::client_payload::{ConnectReason, ConnectType};
use wa_protobuf::payload::user_agent::{Platform, ReleaseChannel};
use wa_protobuf::payload::web_info::WebSubPlatform;
use wa_protobuf::payload::{AppVersion, ClientPayload, DevicePairingRegistrationData, UserAgent, WebInfo};
use wa_store::Device;

use crate::config::{Appearance, Config, HistoryDepth};
use crate::iq::big_endian;
use crate::version::Version;

/// The login payload of a paired device, else the registration payload.
pub(crate) fn client_payload(config: &Config, version: Version, device: &Device) -> Vec<u8> {
    let appearance = &config.appearance;
    let payload = match &device.jid {
        Some(jid) => ClientPayload {
            username: jid.user.parse().ok(),
            device: Some(u32::from(jid.device)),
            passive: Some(true),
            pull: Some(true),
            lid_db_migrated: Some(true),
            // WhatsApp Web counts its logins (PROTOCOL.md 3).
            lc: Some(i32::try_from(device.logins.saturating_add(1)).unwrap_or(i32::MAX)),
            ..common(appearance, version)
        },
        None => ClientPayload {
            passive: Some(false),
            pull: Some(false),
            device_pairing_data: Some(registration(config, version, device)),
            ..common(appearance, version)
        },
    };
    payload.encode_to_vec()
}

fn common(appearance: &Appearance, version: Version) -> ClientPayload {
    let version = AppVersion {
        primary: Some(version.primary),
        secondary: Some(version.secondary),
        tertiary: Some(version.tertiary),
        ..Default::default()
    };
    let user_agent = UserAgent {
        platform: Some(Platform::Web.into()),
        release_channel: Some(ReleaseChannel::Release.into()),
        app_version: Some(version),
        mcc: Some("000".into()),
        mnc: Some("000".into()),
        os_version: Some("0.1".into()),
        manufacturer: Some(String::new()),
        device: Some("Desktop".into()),
        os_build_number: Some("0.1".into()),
        locale_language_iso6391: Some(appearance.language.clone()),
        locale_country_iso31661_alpha2: Some(appearance.country.clone()),
        ..Default::default()
    };
    ClientPayload {
        user_agent: Some(user_agent),
        web_info: Some(WebInfo {
            web_sub_platform: Some(WebSubPlatform::WebBrowser.into()),
            ..Default::default()
        }),
        connect_type: Some(ConnectType::WifiUnknown.into()),
        connect_reason: Some(ConnectReason::UserActivated.into()),
        ..Default::default()
    }
}

fn registration(config: &Config, version: Version, device: &Device) -> DevicePairingRegistrationData {
    let signed = &device.signed_prekey;
    let public =
        |private: [u8; 32]| Bytes::copy_from_slice(PrivateKey::from_bytes(private).public_key().as_bytes());
    let build = Md5::digest(version.to_string());
    DevicePairingRegistrationData {
        e_regid: Some(Bytes::copy_from_slice(&device.registration_id.to_be_bytes())),
        e_keytype: Some(Bytes::from_static(&[SIGNAL_KEY_TYPE])),
        e_ident: Some(public(device.identity_key)),
        e_skey_id: Some(Bytes::copy_from_slice(&big_endian::<3>(signed.id))),
        e_skey_val: Some(public(signed.private_key)),
        e_skey_sig: Some(Bytes::copy_from_slice(&signed.signature)),
        build_hash: Some(Bytes::copy_from_slice(&build)),
        device_props: Some(device_props(config).encode_to_vec().into()),
    }
}

fn device_props(config: &Config) -> DeviceProps {
    let (appearance, days) = (&config.appearance, config.history.days());
    // The version of the companion's own software, which WhatsApp Web leaves at 0.1.0.
    let version =
        CompanionVersion { primary: Some(0), secondary: Some(1), tertiary: Some(0), ..Default::default() };
    let history = HistorySyncConfig {
        storage_quota_mb: Some(10_240),
        full_sync_days_limit: days,
        recent_sync_days_limit: days,
        on_demand_ready: Some(true),
        inline_initial_payload_in_e2ee_msg: Some(true),
        support_call_log_history: Some(true),
        support_bot_user_agent_chat_history: Some(true),
        support_cag_reactions_and_polls: Some(true),
        support_biz_hosted_msg: Some(true),
        support_recent_sync_chunk_message_count_tuning: Some(true),
        support_hosted_group_msg: Some(true),
        support_fbid_bot_chat_history: Some(true),
        support_message_association: Some(true),
        support_group_history: Some(true),
        thumbnail_sync_days_limit: Some(60),
        support_manus_history: Some(true),
        support_hatch_history: Some(true),
        ..Default::default()
    };
    DeviceProps {
        os: Some(appearance.os.clone()),
        version: Some(version),
        platform_type: Some(appearance.platform.into()),
        require_full_sync: Some(matches!(config.history, HistoryDepth::Full | HistoryDepth::Days(_))),
        history_sync_config: Some(history),
    }
}
