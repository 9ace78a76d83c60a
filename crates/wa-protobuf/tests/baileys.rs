//! Pins encodings to bytes that Baileys' WAProto produced (see `testdata/PROVENANCE`), in both directions.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use bytes::Bytes;
use std::fmt::Debug;
use wa_protobuf::{adv, appstate, cert, companion, e2e, handshake, history, payload};

fn vector(name: &str) -> Vec<u8> {
    let json: serde_json::Value = serde_json::from_str(include_str!("../testdata/baileys.json")).unwrap();
    hex::decode(json[name].as_str().unwrap_or_else(|| panic!("no vector {name}"))).unwrap()
}

fn assert_encodes<M: prost::Message + Default + PartialEq + Debug>(name: &str, message: &M) {
    let expected = vector(name);
    assert_eq!(hex::encode(message.encode_to_vec()), hex::encode(&expected), "{name}");
    assert_eq!(&M::decode(Bytes::from(expected)).unwrap(), message, "{name}");
}

fn fill(length: usize, byte: u8) -> Option<Bytes> {
    Some(Bytes::from(vec![byte; length]))
}

fn some<T>(text: T) -> Option<String>
where
    T: Into<String>,
{
    Some(text.into())
}

const LID: &str = "100000000000001@lid";
const PN: &str = "15550000001@s.whatsapp.net";
const MILLIS: i64 = 1_700_000_000_123;
const SECONDS: u64 = 1_700_000_000;

fn key() -> Option<e2e::MessageKey> {
    Some(e2e::MessageKey {
        remote_jid: some(LID),
        from_me: Some(true),
        id: some("3EB0AAAA"),
        participant: None,
    })
}

fn conversation(text: &str) -> e2e::Message {
    e2e::Message { conversation: some(text), ..Default::default() }
}

fn protocol(protocol_message: e2e::ProtocolMessage) -> e2e::Message {
    e2e::Message { protocol_message: Some(Box::new(protocol_message)), ..Default::default() }
}

#[test]
fn handshake_and_certificate() {
    let hello = handshake::ClientHello { ephemeral: fill(32, 1), ..Default::default() };
    assert_encodes(
        "client_hello",
        &handshake::HandshakeMessage { client_hello: Some(hello), ..Default::default() },
    );
    let finish = handshake::ClientFinish { r#static: fill(48, 2), payload: fill(3, 3), ..Default::default() };
    assert_encodes(
        "client_finish",
        &handshake::HandshakeMessage { client_finish: Some(finish), ..Default::default() },
    );
    let details = cert::noise_certificate::Details {
        serial: Some(7),
        issuer_serial: Some(0),
        key: fill(32, 4),
        not_before: Some(1_700_000_000),
        not_after: Some(1_800_000_000),
    };
    assert_encodes("certificate_details", &details);
}

#[test]
fn registration() {
    use payload::{client_payload, user_agent, web_info};
    let user_agent = payload::UserAgent {
        platform: Some(user_agent::Platform::Web.into()),
        release_channel: Some(user_agent::ReleaseChannel::Release.into()),
        app_version: Some(payload::AppVersion {
            primary: Some(2),
            secondary: Some(3000),
            tertiary: Some(1_045_649_367),
            ..Default::default()
        }),
        mcc: some("000"),
        mnc: some("000"),
        os_version: some("0.1"),
        manufacturer: some(""),
        device: some("Desktop"),
        os_build_number: some("0.1"),
        locale_language_iso6391: some("en"),
        locale_country_iso31661_alpha2: some("US"),
        ..Default::default()
    };
    let pairing = payload::DevicePairingRegistrationData {
        e_regid: Some(Bytes::from_static(&[0, 0, 4, 210])),
        e_keytype: Some(Bytes::from_static(&[5])),
        e_ident: fill(32, 5),
        e_skey_id: Some(Bytes::from_static(&[0, 0, 1])),
        e_skey_val: fill(32, 6),
        e_skey_sig: fill(64, 7),
        build_hash: fill(16, 8),
        device_props: fill(2, 9),
    };
    let payload = payload::ClientPayload {
        passive: Some(false),
        pull: Some(false),
        connect_type: Some(client_payload::ConnectType::WifiUnknown.into()),
        connect_reason: Some(client_payload::ConnectReason::UserActivated.into()),
        user_agent: Some(user_agent),
        web_info: Some(payload::WebInfo {
            web_sub_platform: Some(web_info::WebSubPlatform::WebBrowser.into()),
            ..Default::default()
        }),
        device_pairing_data: Some(pairing),
        ..Default::default()
    };
    assert_encodes("registration", &payload);
}

#[test]
fn login_and_device_props() {
    let login = payload::ClientPayload {
        username: Some(15_550_000_001),
        passive: Some(true),
        device: Some(3),
        lc: Some(1),
        pull: Some(true),
        lid_db_migrated: Some(true),
        session_id: Some(-2),
        ..Default::default()
    };
    assert_encodes("login", &login);

    let props = companion::DeviceProps {
        os: some("Mac OS"),
        version: Some(companion::AppVersion {
            primary: Some(10),
            secondary: Some(15),
            tertiary: Some(7),
            ..Default::default()
        }),
        platform_type: Some(companion::device_props::PlatformType::Chrome.into()),
        require_full_sync: Some(false),
        history_sync_config: Some(companion::HistorySyncConfig {
            storage_quota_mb: Some(10_240),
            inline_initial_payload_in_e2ee_msg: Some(true),
            support_group_history: Some(true),
            thumbnail_sync_days_limit: Some(60),
            ..Default::default()
        }),
    };
    assert_encodes("device_props", &props);
}

#[test]
fn account_device_verification() {
    let hmac = adv::AdvSignedDeviceIdentityHmac {
        details: fill(4, 10),
        hmac: fill(32, 11),
        account_type: Some(adv::AdvEncryptionType::E2ee.into()),
    };
    assert_encodes("adv_hmac", &hmac);
    let device = adv::AdvDeviceIdentity {
        raw_id: Some(12),
        timestamp: Some(SECONDS),
        key_index: Some(0),
        account_type: Some(adv::AdvEncryptionType::E2ee.into()),
        device_type: Some(adv::AdvEncryptionType::Hosted.into()),
    };
    assert_encodes("adv_device", &device);
    let list = adv::AdvKeyIndexList {
        raw_id: Some(12),
        timestamp: Some(SECONDS),
        current_index: Some(3),
        valid_indexes: vec![0, 1, 3],
        account_type: None,
    };
    assert_encodes("adv_key_indexes", &list);
}

#[test]
fn text_messages() {
    assert_encodes("text", &conversation("héllo"));

    let context_info = e2e::ContextInfo {
        stanza_id: some("3EB0BBBB"),
        participant: some(PN),
        quoted_message: Some(Box::new(conversation("well?"))),
        mentioned_jid: vec!["15550000002@s.whatsapp.net".into()],
        expiration: Some(0),
        ephemeral_setting_timestamp: Some(1_700_000_000),
        ..Default::default()
    };
    let quoting = e2e::Message {
        extended_text_message: Some(Box::new(e2e::ExtendedTextMessage {
            text: some("@15550000002 yes"),
            background_argb: Some(0xff00_00ff),
            context_info: Some(Box::new(context_info)),
            ..Default::default()
        })),
        message_context_info: Some(Box::new(e2e::MessageContextInfo {
            message_secret: fill(32, 12),
            ..Default::default()
        })),
        ..Default::default()
    };
    assert_encodes("quoting_text", &quoting);

    let sent = e2e::Message {
        device_sent_message: Some(Box::new(e2e::DeviceSentMessage {
            destination_jid: some(PN),
            message: Some(Box::new(conversation("x"))),
            phash: None,
        })),
        message_context_info: Some(Box::new(e2e::MessageContextInfo {
            device_list_metadata: Some(e2e::DeviceListMetadata {
                sender_key_hash: fill(8, 13),
                sender_timestamp: Some(SECONDS),
                recipient_key_indexes: vec![1, 2],
                ..Default::default()
            }),
            device_list_metadata_version: Some(2),
            ..Default::default()
        })),
        ..Default::default()
    };
    assert_encodes("sent_from_another_device", &sent);
}

#[test]
fn changes_of_messages() {
    use e2e::protocol_message::Type;
    let revoke = e2e::ProtocolMessage { key: key(), r#type: Some(Type::Revoke.into()), ..Default::default() };
    assert_encodes("revoke", &protocol(revoke));

    let edit = e2e::ProtocolMessage {
        key: key(),
        r#type: Some(Type::MessageEdit.into()),
        edited_message: Some(Box::new(conversation("new"))),
        timestamp_ms: Some(MILLIS),
        ..Default::default()
    };
    let wrapper = e2e::FutureProofMessage { message: Some(Box::new(protocol(edit))) };
    assert_encodes("edit", &e2e::Message { edited_message: Some(Box::new(wrapper)), ..Default::default() });

    let reaction = e2e::ReactionMessage {
        key: key(),
        text: some(""),
        sender_timestamp_ms: Some(MILLIS),
        ..Default::default()
    };
    assert_encodes(
        "reaction_removed",
        &e2e::Message { reaction_message: Some(Box::new(reaction)), ..Default::default() },
    );
}

#[test]
fn peer_messages() {
    use e2e::protocol_message::Type;
    let app_state_key = e2e::AppStateSyncKey {
        key_id: Some(e2e::AppStateSyncKeyId { key_id: fill(6, 14) }),
        key_data: Some(e2e::AppStateSyncKeyData {
            key_data: fill(32, 15),
            fingerprint: Some(e2e::AppStateSyncKeyFingerprint {
                raw_id: Some(12),
                current_index: Some(3),
                device_indexes: vec![0, 1],
            }),
            timestamp: Some(MILLIS),
        }),
    };
    let share = e2e::ProtocolMessage {
        r#type: Some(Type::AppStateSyncKeyShare.into()),
        app_state_sync_key_share: Some(e2e::AppStateSyncKeyShare { keys: vec![app_state_key] }),
        ..Default::default()
    };
    assert_encodes("key_share", &protocol(share));

    let notification = e2e::HistorySyncNotification {
        sync_type: Some(e2e::HistorySyncType::InitialBootstrap.into()),
        chunk_order: Some(1),
        progress: Some(100),
        initial_hist_bootstrap_inline_payload: fill(5, 16),
        ..Default::default()
    };
    let notification = e2e::ProtocolMessage {
        r#type: Some(Type::HistorySyncNotification.into()),
        history_sync_notification: Some(notification),
        ..Default::default()
    };
    assert_encodes("history_notification", &protocol(notification));
}

#[test]
fn peer_data_operations() {
    use e2e::PeerDataOperationRequestType as Operation;
    use e2e::peer_data_operation_request_message::HistorySyncOnDemandRequest;
    use e2e::peer_data_operation_request_response_message::{
        PeerDataOperationResult, PlaceholderMessageResendResponse,
    };
    use e2e::protocol_message::Type;
    let on_demand = HistorySyncOnDemandRequest {
        chat_jid: some(LID),
        oldest_msg_id: some("A"),
        oldest_msg_from_me: Some(false),
        on_demand_msg_count: Some(50),
        oldest_msg_timestamp_ms: Some(1_700_000_000_000),
        ..Default::default()
    };
    let request = e2e::PeerDataOperationRequestMessage {
        peer_data_operation_request_type: Some(Operation::HistorySyncOnDemand.into()),
        history_sync_on_demand_request: Some(on_demand),
        ..Default::default()
    };
    let request = e2e::ProtocolMessage {
        r#type: Some(Type::PeerDataOperationRequestMessage.into()),
        peer_data_operation_request_message: Some(request),
        ..Default::default()
    };
    assert_encodes("history_on_demand", &protocol(request));

    let result = PeerDataOperationResult {
        placeholder_message_resend_response: Some(PlaceholderMessageResendResponse {
            web_message_info_bytes: fill(4, 17),
        }),
        ..Default::default()
    };
    let response = e2e::PeerDataOperationRequestResponseMessage {
        peer_data_operation_request_type: Some(Operation::PlaceholderMessageResend.into()),
        stanza_id: some("B"),
        peer_data_operation_result: vec![result],
    };
    let response = e2e::ProtocolMessage {
        r#type: Some(Type::PeerDataOperationRequestResponseMessage.into()),
        peer_data_operation_request_response_message: Some(response),
        ..Default::default()
    };
    assert_encodes("placeholder_answer", &protocol(response));
}

#[test]
fn media_and_location() {
    let image = e2e::ImageMessage {
        url: some("https://127.0.0.1/x"),
        mimetype: some("image/jpeg"),
        caption: some("c"),
        file_sha256: fill(32, 18),
        file_length: Some(123_456),
        height: Some(480),
        width: Some(640),
        media_key: fill(32, 19),
        file_enc_sha256: fill(32, 20),
        direct_path: some("/v/x?y"),
        media_key_timestamp: Some(1_700_000_000),
        jpeg_thumbnail: fill(3, 21),
        view_once: Some(true),
        ..Default::default()
    };
    assert_encodes("image", &e2e::Message { image_message: Some(Box::new(image)), ..Default::default() });

    let voice = e2e::AudioMessage {
        mimetype: some("audio/ogg; codecs=opus"),
        seconds: Some(0),
        ptt: Some(true),
        media_key: fill(32, 22),
        waveform: fill(64, 23),
        ..Default::default()
    };
    assert_encodes("voice", &e2e::Message { audio_message: Some(Box::new(voice)), ..Default::default() });

    let location = e2e::LocationMessage {
        degrees_latitude: Some(52.52),
        degrees_longitude: Some(-13.4),
        name: some("here"),
        speed_in_mps: Some(1.5),
        ..Default::default()
    };
    assert_encodes(
        "location",
        &e2e::Message { location_message: Some(Box::new(location)), ..Default::default() },
    );
}

#[test]
fn poll_sender_key_and_buttons() {
    use e2e::buttons_message::{Button, HeaderType, button};
    use e2e::poll_creation_message::Option as Choice;
    let choice = |name: &str| Choice { option_name: some(name), option_hash: None };
    let poll = e2e::PollCreationMessage {
        name: some("when?"),
        options: vec![choice("now"), choice("later")],
        selectable_options_count: Some(0),
        ..Default::default()
    };
    assert_encodes(
        "poll",
        &e2e::Message { poll_creation_message_v3: Some(Box::new(poll)), ..Default::default() },
    );

    let sender_key = e2e::SenderKeyDistributionMessage {
        group_id: some("120363000000000001@g.us"),
        axolotl_sender_key_distribution_message: fill(5, 24),
    };
    assert_encodes(
        "sender_key",
        &e2e::Message { sender_key_distribution_message: Some(Box::new(sender_key)), ..Default::default() },
    );

    let ok = Button {
        button_id: some("1"),
        button_text: Some(button::ButtonText { display_text: some("ok") }),
        r#type: Some(button::Type::Response.into()),
        native_flow_info: None,
    };
    let buttons = e2e::ButtonsMessage {
        text: some("head"),
        content_text: some("body"),
        buttons: vec![ok],
        header_type: Some(HeaderType::Text.into()),
        ..Default::default()
    };
    assert_encodes(
        "buttons",
        &e2e::Message { buttons_message: Some(Box::new(buttons)), ..Default::default() },
    );
}

#[test]
fn history_chunk() {
    let message = history::WebMessageInfo {
        key: key(),
        message: Some(conversation("old")),
        message_timestamp: Some(SECONDS),
        status: Some(history::web_message_info::Status::Read.into()),
        ..Default::default()
    };
    let chat = history::Conversation {
        id: some(LID),
        messages: vec![history::HistorySyncMsg { message: Some(message), msg_order_id: Some(9) }],
        unread_count: Some(0),
        pn_jid: some(PN),
        ..Default::default()
    };
    let chunk = history::HistorySync {
        sync_type: Some(e2e::HistorySyncType::InitialBootstrap.into()),
        conversations: vec![chat],
        pushnames: vec![history::Pushname { id: some(PN), pushname: some("Bob") }],
        phone_number_to_lid_mappings: vec![history::PhoneNumberToLidMapping {
            pn_jid: some(PN),
            lid_jid: some(LID),
        }],
        ..Default::default()
    };
    assert_encodes("history", &chunk);
}

#[test]
fn app_state() {
    use appstate::syncd_mutation::SyncdOperation;
    let key_id = || Some(appstate::KeyId { id: fill(6, 27) });
    let record = appstate::SyncdRecord {
        index: Some(appstate::SyncdIndex { blob: fill(32, 25) }),
        value: Some(appstate::SyncdValue { blob: fill(80, 26) }),
        key_id: key_id(),
    };
    let patch = appstate::SyncdPatch {
        version: Some(appstate::SyncdVersion { version: Some(1) }),
        mutations: vec![appstate::SyncdMutation {
            operation: Some(SyncdOperation::Set.into()),
            record: Some(record),
        }],
        snapshot_mac: fill(32, 28),
        patch_mac: fill(32, 29),
        key_id: key_id(),
        device_index: Some(0),
        ..Default::default()
    };
    assert_encodes("patch", &patch);

    let mute = appstate::SyncActionData {
        index: Some(Bytes::from_static(br#"["mute","15550000001@s.whatsapp.net"]"#)),
        value: Some(appstate::SyncActionValue {
            timestamp: Some(MILLIS),
            mute_action: Some(appstate::MuteAction {
                muted: Some(true),
                mute_end_timestamp: Some(-1),
                auto_muted: None,
            }),
            ..Default::default()
        }),
        padding: Some(Bytes::new()),
        version: Some(2),
    };
    assert_encodes("mute", &mute);
}

#[test]
fn a_message_stays_small_in_memory() {
    assert!(size_of::<e2e::Message>() < 1024, "{}", size_of::<e2e::Message>());
}
