use std::collections::BTreeSet;

use serde_json::Value;
use storage::{
    CallData, CauseKind, ChannelData, Chat, ChatStateData, ConnectedData, DisconnectedData, EventData,
    EventId, ExpiryData, Failure, FailureCause, GroupData, HistoryData, IdentityData, InstanceAction,
    InstanceData, InstanceId, LimitData, LimitsData, MediaData, MediaFault, MediaState, MessageData,
    MessageKind, MessageMediaData, MessageStatus, PersonData, PostFigures, PresenceData, QrData, StatusData,
    TimeLockData, Timestamp, UndecryptableData, UndecryptableReason, UnreadableData, WebhookData,
    WebhookPausedData,
};

use super::*;

const PN: &str = "79001234567@s.whatsapp.net";
const LID: &str = "555000111@lid";
const SECONDS: i64 = 1_672_531_200;
const ID: &str = "11111111-1111-1111-1111-111111111111";

fn event(data: EventData) -> Event {
    let of_a_chat = matches!(
        data.kind(),
        EventKind::MessageReceived
            | EventKind::MessageSent
            | EventKind::MessageStatus
            | EventKind::MessageMedia
            | EventKind::MessageUndecryptable
            | EventKind::IdentityChanged
            | EventKind::HistoryProgress
            | EventKind::GroupUpdated
            | EventKind::PresenceUpdated
            | EventKind::ChatState
            | EventKind::Call
            | EventKind::PostReceived
            | EventKind::ChannelUpdated
    );
    Event {
        seq: 7,
        id: EventId::from_bytes([0x11; 16]),
        instance: InstanceId::from_bytes([0x22; 16]),
        chat: of_a_chat.then(|| Chat {
            jid: PN.to_owned(),
            pn: Some(PN.to_owned()),
            lid: Some(LID.to_owned()),
        }),
        timestamp: Timestamp::from_millis(1_672_574_400_123),
        data,
    }
}

fn message(kind: MessageKind) -> MessageData {
    MessageData {
        message_id: "3EB0".to_owned(),
        participant: None,
        kind,
        text: None,
        target: None,
        quoted: None,
        timestamp: SECONDS,
        push_name: None,
        media: None,
        details: None,
        status: MessageStatus::Received,
        by_us: false,
        queued: false,
    }
}

fn received() -> EventData {
    EventData::MessageReceived(MessageData {
        text: Some("\"你好\"\n".to_owned()),
        push_name: Some("张三".to_owned()),
        quoted: Some("3EB1".to_owned()),
        ..message(MessageKind::Text)
    })
}

fn sent(kind: MessageKind) -> MessageData {
    MessageData { status: MessageStatus::Sent, ..message(kind) }
}

fn failed() -> StatusData {
    let failure = Failure {
        cause: FailureCause::Refused,
        code: Some(463),
        message: "WhatsApp refused it".to_owned(),
        until: None,
    };
    StatusData {
        message_id: "3EB0".to_owned(),
        status: MessageStatus::Failed,
        from_me: true,
        timestamp: SECONDS,
        failure: Some(failure),
    }
}

/// Events, and the `data` that both dialects make of them after `instanceId`.
fn samples() -> Vec<(EventData, &'static str)> {
    vec![
        (
            received(),
            r#""messageId":"3EB0","remoteJid":"79001234567@s.whatsapp.net","from":"79001234567@s.whatsapp.net","fromMe":false,"body":"\"你好\"\n","type":"conversation","timestamp":1672531200,"hasMedia":false,"pushName":"张三","status":"received","pn":"79001234567@s.whatsapp.net","lid":"555000111@lid","quotedMessageId":"3EB1","metadata":{"pushName":"张三","timestamp":1672531200}"#,
        ),
        (
            EventData::MessageReceived(MessageData {
                text: Some("a caption".to_owned()),
                participant: Some("155512345@s.whatsapp.net".to_owned()),
                media: Some(MediaData {
                    mime_type: Some("application/pdf".to_owned()),
                    file_name: Some("bill.pdf".to_owned()),
                    size: Some(9),
                    state: Some(MediaState::Pending),
                    fault: None,
                }),
                ..message(MessageKind::Document)
            }),
            r#""messageId":"3EB0","remoteJid":"79001234567@s.whatsapp.net","from":"155512345@s.whatsapp.net","fromMe":false,"body":"a caption","type":"document","timestamp":1672531200,"hasMedia":true,"status":"received","pn":"79001234567@s.whatsapp.net","lid":"555000111@lid","participant":"155512345@s.whatsapp.net","mimeType":"application/pdf","fileName":"bill.pdf","media":{"type":"document","mimeType":"application/pdf","size":9,"fileName":"bill.pdf","state":"pending","url":"/api/instances/22222222-2222-2222-2222-222222222222/messages/3EB0/media"},"metadata":{"timestamp":1672531200}"#,
        ),
        (
            EventData::MessageMedia(MessageMediaData {
                message_id: "3E/B0 ä".to_owned(),
                from_me: false,
                participant: None,
                kind: MessageKind::Image,
                media: MediaData {
                    state: Some(MediaState::Failed),
                    fault: Some(MediaFault::Expired),
                    file_name: Some("image.jpg".to_owned()),
                    ..MediaData::default()
                },
            }),
            r#""messageId":"3E/B0 ä","remoteJid":"79001234567@s.whatsapp.net","fromMe":false,"pn":"79001234567@s.whatsapp.net","lid":"555000111@lid","media":{"type":"image","mimeType":null,"size":null,"fileName":"image.jpg","state":"failed","error":"expired","url":"/api/instances/22222222-2222-2222-2222-222222222222/messages/3E%2FB0%20%C3%A4/media"}"#,
        ),
        (
            EventData::MessageReceived(MessageData {
                text: Some("new words".to_owned()),
                target: Some("3EB9".to_owned()),
                ..message(MessageKind::Edit)
            }),
            r#""messageId":"3EB0","remoteJid":"79001234567@s.whatsapp.net","from":"79001234567@s.whatsapp.net","fromMe":false,"body":"new words","type":"edit","timestamp":1672531200,"hasMedia":false,"status":"received","pn":"79001234567@s.whatsapp.net","lid":"555000111@lid","targetMessageId":"3EB9","metadata":{"timestamp":1672531200}"#,
        ),
        (
            EventData::MessageReceived(MessageData {
                target: Some("3EB9".to_owned()),
                ..message(MessageKind::Revoke)
            }),
            r#""messageId":"3EB0","remoteJid":"79001234567@s.whatsapp.net","from":"79001234567@s.whatsapp.net","fromMe":false,"body":"","type":"revoke","timestamp":1672531200,"hasMedia":false,"status":"received","pn":"79001234567@s.whatsapp.net","lid":"555000111@lid","targetMessageId":"3EB9","metadata":{"timestamp":1672531200}"#,
        ),
        (
            EventData::MessageReceived(message(MessageKind::Unsupported)),
            r#""messageId":"3EB0","remoteJid":"79001234567@s.whatsapp.net","from":"79001234567@s.whatsapp.net","fromMe":false,"body":null,"type":"unsupported","timestamp":1672531200,"hasMedia":false,"status":"received","pn":"79001234567@s.whatsapp.net","lid":"555000111@lid","metadata":{"timestamp":1672531200}"#,
        ),
        (
            EventData::MessageSent(MessageData { text: Some("hi".to_owned()), ..sent(MessageKind::Text) }),
            r#""messageId":"3EB0","remoteJid":"79001234567@s.whatsapp.net","to":"79001234567@s.whatsapp.net","fromMe":true,"body":"hi","type":"text","timestamp":1672531200,"hasMedia":false,"status":"sent","pn":"79001234567@s.whatsapp.net","lid":"555000111@lid","metadata":{"timestamp":1672531200}"#,
        ),
        (
            EventData::MessageSent(MessageData {
                text: Some("👍".to_owned()),
                target: Some("3EB9".to_owned()),
                ..sent(MessageKind::Reaction)
            }),
            r#""messageId":"3EB0","remoteJid":"79001234567@s.whatsapp.net","to":"79001234567@s.whatsapp.net","fromMe":true,"body":"👍","type":"reaction","timestamp":1672531200,"hasMedia":false,"status":"sent","pn":"79001234567@s.whatsapp.net","lid":"555000111@lid","targetMessageId":"3EB9","metadata":{"timestamp":1672531200}"#,
        ),
        (
            EventData::MessageUndecryptable(UndecryptableData {
                message_id: "3EB0".to_owned(),
                participant: None,
                from_me: false,
                timestamp: SECONDS,
                push_name: Some("张三".to_owned()),
                reason: UndecryptableReason::NoSession,
                retries: 5,
            }),
            r#""messageId":"3EB0","remoteJid":"79001234567@s.whatsapp.net","from":"79001234567@s.whatsapp.net","fromMe":false,"body":null,"type":"undecryptable","timestamp":1672531200,"hasMedia":false,"pushName":"张三","status":"received","pn":"79001234567@s.whatsapp.net","lid":"555000111@lid","reason":"no_session","retries":5,"metadata":{"pushName":"张三","timestamp":1672531200}"#,
        ),
        (
            EventData::MessageUndecryptable(UndecryptableData {
                message_id: "3EB0".to_owned(),
                participant: None,
                from_me: false,
                timestamp: SECONDS,
                push_name: Some("张三".to_owned()),
                reason: UndecryptableReason::Malformed,
                retries: 0,
            }),
            r#""messageId":"3EB0","remoteJid":"79001234567@s.whatsapp.net","from":"79001234567@s.whatsapp.net","fromMe":false,"body":null,"type":"undecryptable","timestamp":1672531200,"hasMedia":false,"pushName":"张三","status":"received","pn":"79001234567@s.whatsapp.net","lid":"555000111@lid","reason":"malformed","retries":0,"metadata":{"pushName":"张三","timestamp":1672531200}"#,
        ),
        (
            EventData::MessageUndecryptable(UndecryptableData {
                message_id: "3EB0".to_owned(),
                participant: None,
                from_me: false,
                timestamp: SECONDS,
                push_name: Some("张三".to_owned()),
                reason: UndecryptableReason::Untrusted,
                retries: 0,
            }),
            r#""messageId":"3EB0","remoteJid":"79001234567@s.whatsapp.net","from":"79001234567@s.whatsapp.net","fromMe":false,"body":null,"type":"undecryptable","timestamp":1672531200,"hasMedia":false,"pushName":"张三","status":"received","pn":"79001234567@s.whatsapp.net","lid":"555000111@lid","reason":"untrusted","retries":0,"metadata":{"pushName":"张三","timestamp":1672531200}"#,
        ),
        (
            EventData::MessageStatus(StatusData {
                status: MessageStatus::Delivered,
                failure: None,
                ..failed()
            }),
            r#""messageId":"3EB0","status":"delivered","from":"79001234567@s.whatsapp.net","remoteJid":"79001234567@s.whatsapp.net","fromMe":true,"timestamp":1672531200,"pn":"79001234567@s.whatsapp.net","lid":"555000111@lid""#,
        ),
        (
            EventData::MessageStatus(failed()),
            r#""messageId":"3EB0","status":"failed","from":"79001234567@s.whatsapp.net","remoteJid":"79001234567@s.whatsapp.net","fromMe":true,"timestamp":1672531200,"pn":"79001234567@s.whatsapp.net","lid":"555000111@lid","cause":"refused","code":463,"error":"WhatsApp refused it""#,
        ),
        (
            EventData::Connected(ConnectedData { jid: Some(PN.to_owned()) }),
            r#""jid":"79001234567@s.whatsapp.net""#,
        ),
        (
            EventData::Disconnected(DisconnectedData {
                cause: CauseKind::LoggedOut,
                code: None,
                until: None,
                will_reconnect: false,
                raw: None,
            }),
            r#""reason":"logout","cause":"logged_out","willReconnect":false"#,
        ),
        (
            EventData::Disconnected(DisconnectedData {
                cause: CauseKind::Banned,
                code: Some(101),
                until: Some(1_672_574_400_000),
                will_reconnect: true,
                raw: Some("<failure/>".to_owned()),
            }),
            r#""reason":"banned","cause":"banned","code":101,"until":"2023-01-01T12:00:00.000Z","willReconnect":true,"raw":"<failure/>""#,
        ),
        (
            EventData::QrReceived(QrData {
                code: "1@HbT1Ye1==,x".to_owned(),
                attempt: 2,
                expires_at: Some(1_672_574_400_000),
            }),
            r#""qrCode":"1@HbT1Ye1==,x","attempt":2,"expiresAt":"2023-01-01T12:00:00.000Z""#,
        ),
        (
            EventData::LimitExceeded(LimitData {
                limit: "maxMessagesSent".to_owned(),
                allowed: 1000,
                used: 1001,
            }),
            r#""exceededLimits":["maxMessagesSent"],"usage":{"messagesSent":1001},"limits":{"maxMessagesSent":1000}"#,
        ),
        (
            EventData::WebhookUpdated(WebhookData {
                name: "default".to_owned(),
                enabled: true,
                deleted: false,
            }),
            r#""timestamp":"2023-01-01T12:00:00.123Z","name":"default","enabled":true,"deleted":false"#,
        ),
        (
            EventData::WebhookPaused(WebhookPausedData {
                name: "crm".to_owned(),
                paused: true,
                failing_since: Some(1_672_574_400_000),
            }),
            r#""name":"crm","paused":true,"failingSince":"2023-01-01T12:00:00.000Z""#,
        ),
        (
            EventData::LimitsChanged(LimitsData {
                time_lock: Some(TimeLockData { until: Some(1_672_574_400_000), kind: "DEFAULT".to_owned() }),
                new_chats: None,
            }),
            r#""timeLock":{"kind":"DEFAULT","until":"2023-01-01T12:00:00.000Z"},"newChats":null"#,
        ),
        (
            EventData::HistoryProgress(HistoryData { progress: Some(100), messages: 7, chats: 2 }),
            r#""progress":100,"messages":7,"chats":2"#,
        ),
        (
            EventData::PresenceUpdated(PresenceData { available: false, last_seen: None }),
            r#""remoteJid":"79001234567@s.whatsapp.net","pn":"79001234567@s.whatsapp.net","lid":"555000111@lid","available":false,"lastSeen":null"#,
        ),
        (
            EventData::ChatState(ChatStateData { state: "typing".to_owned(), participant: None }),
            r#""remoteJid":"79001234567@s.whatsapp.net","pn":"79001234567@s.whatsapp.net","lid":"555000111@lid","state":"typing""#,
        ),
        (
            EventData::Call(CallData {
                call_id: "C1".to_owned(),
                action: "offer".to_owned(),
                group: None,
                video: true,
                reason: None,
                timestamp: 7,
            }),
            r#""remoteJid":"79001234567@s.whatsapp.net","pn":"79001234567@s.whatsapp.net","lid":"555000111@lid","callId":"C1","action":"offer","video":true,"timestamp":7"#,
        ),
        (
            EventData::GroupUpdated(GroupData {
                action: "added".to_owned(),
                by: Some("1@s.whatsapp.net".to_owned()),
                participants: vec![PersonData {
                    jid: "2@s.whatsapp.net".to_owned(),
                    pn: Some("2@s.whatsapp.net".to_owned()),
                    lid: Some("3@lid".to_owned()),
                }],
                concerns_us: true,
                timestamp: 7,
                ..GroupData::default()
            }),
            r#""remoteJid":"79001234567@s.whatsapp.net","pn":"79001234567@s.whatsapp.net","lid":"555000111@lid","action":"added","by":"1@s.whatsapp.net","participants":[{"jid":"2@s.whatsapp.net","pn":"2@s.whatsapp.net","lid":"3@lid"}],"concernsMe":true,"timestamp":7"#,
        ),
        (
            EventData::GroupUpdated(GroupData {
                action: "linked".to_owned(),
                reason: Some("community".to_owned()),
                other_group: Some("1@g.us".to_owned()),
                timestamp: 7,
                ..GroupData::default()
            }),
            r#""remoteJid":"79001234567@s.whatsapp.net","pn":"79001234567@s.whatsapp.net","lid":"555000111@lid","action":"linked","participants":[],"concernsMe":false,"reason":"community","otherGroup":"1@g.us","timestamp":7"#,
        ),
        (
            EventData::IdentityChanged(IdentityData::default()),
            r#""remoteJid":"79001234567@s.whatsapp.net","pn":"79001234567@s.whatsapp.net","lid":"555000111@lid","timestamp":"2023-01-01T12:00:00.123Z""#,
        ),
        (
            EventData::PostReceived(MessageData {
                text: Some("out for tea".to_owned()),
                participant: Some("155512345@s.whatsapp.net".to_owned()),
                ..message(MessageKind::Text)
            }),
            r#""messageId":"3EB0","remoteJid":"79001234567@s.whatsapp.net","from":"155512345@s.whatsapp.net","fromMe":false,"body":"out for tea","type":"conversation","timestamp":1672531200,"hasMedia":false,"status":"received","pn":"79001234567@s.whatsapp.net","lid":"555000111@lid","participant":"155512345@s.whatsapp.net","metadata":{"timestamp":1672531200}"#,
        ),
        (
            EventData::ChannelUpdated(ChannelData {
                action: "counted".to_owned(),
                name: None,
                posts: vec![PostFigures {
                    server_id: 7,
                    message_id: None,
                    views: Some(12),
                    reactions: vec![("👍".to_owned(), 3)],
                }],
                timestamp: 7,
            }),
            r#""remoteJid":"79001234567@s.whatsapp.net","pn":"79001234567@s.whatsapp.net","lid":"555000111@lid","action":"counted","posts":[{"serverId":7,"views":12,"reactions":[{"emoji":"👍","count":3}]}],"timestamp":7"#,
        ),
        (
            EventData::InstanceChanged(InstanceData {
                action: InstanceAction::Updated,
                fields: vec!["name".to_owned()],
            }),
            r#""action":"updated","fields":["name"]"#,
        ),
        (
            EventData::InstanceChanged(InstanceData { action: InstanceAction::Paired, fields: Vec::new() }),
            r#""action":"paired""#,
        ),
        (
            EventData::Unreadable(UnreadableData { kind: Some(EventKind::MessageReceived) }),
            r#""type":"message_received""#,
        ),
        (
            EventData::ClientExpiring(ExpiryData {
                version: "2.3000.1".to_owned(),
                expires_at: 1_672_574_400_000,
            }),
            r#""version":"2.3000.1","expiresAt":"2023-01-01T12:00:00.000Z""#,
        ),
    ]
}

fn name(kind: EventKind, format: WebhookFormat) -> &'static str {
    match (format, kind) {
        (WebhookFormat::Seed0, EventKind::Connected) => "connection_opened",
        (WebhookFormat::Seed0, EventKind::Disconnected) => "connection_closed",
        (_, kind) => kind.as_str(),
    }
}

/// The formats that have the envelope of seed 1.
const OF_SEED_1: [WebhookFormat; 3] = [WebhookFormat::Seed1, WebhookFormat::Seed0, WebhookFormat::Witi];

#[test]
fn every_kind_of_event_has_exactly_these_bytes_in_every_dialect() {
    for format in OF_SEED_1 {
        let dialect = dialect(format);
        for (data, fields) in samples() {
            let event = event(data);
            let name = name(event.kind(), format);
            let data = format!(r#"{{"instanceId":"22222222-2222-2222-2222-222222222222",{fields}}}"#);
            let timestamp = "2023-01-01T12:00:00.123Z";
            let body = format!(r#"{{"id":"{ID}","event":"{name}","data":{data},"timestamp":"{timestamp}"}}"#);
            let listed =
                format!(r#"{{"id":"{ID}","type":"{name}","timestamp":"{timestamp}","data":{data}}}"#);
            let call = dialect.webhook(&event, &Telling::default());
            assert_eq!(call.content_type, "application/json");
            assert_eq!((call.event, std::str::from_utf8(&call.body).unwrap()), (name, body.as_str()));
            assert_eq!(dialect.listed(&event).text(), listed);
            assert_eq!(dialect.data(&event).text(), data);
            assert_eq!(dialect.webhook(&event, &Telling::default()), call, "the same bytes again");
            assert!(serde_json::from_str::<Value>(&body).unwrap().is_object());
            assert!(serde_json::from_str::<Value>(&listed).unwrap().is_object());
        }
    }
}

#[test]
fn every_kind_has_a_sample_and_a_name_of_its_own() {
    let sampled: BTreeSet<EventKind> = samples().iter().map(|(data, _)| data.kind()).collect();
    assert!(sampled.iter().eq(EventKind::ALL.iter().collect::<BTreeSet<_>>()));
    for format in WebhookFormat::ALL {
        let names: BTreeSet<_> = EventKind::ALL.iter().map(|kind| dialect(*format).name(*kind)).collect();
        assert_eq!(names.len(), EventKind::ALL.len(), "{format}");
    }
}

/// Webhooks and event log of seed 1 name these; whatever else is told, they are there.
#[test]
fn what_the_api_documents_is_there() {
    let table: &[(EventKind, &[&str])] = &[
        (
            EventKind::MessageReceived,
            &[
                "messageId",
                "from",
                "body",
                "type",
                "timestamp",
                "hasMedia",
                "remoteJid",
                "fromMe",
                "status",
                "metadata",
            ],
        ),
        (EventKind::MessageSent, &["messageId", "to", "body", "type", "timestamp", "hasMedia"]),
        (EventKind::MessageStatus, &["messageId", "status", "from", "fromMe"]),
        (EventKind::Connected, &[]),
        (EventKind::Disconnected, &["reason", "willReconnect"]),
        (EventKind::QrReceived, &["qrCode"]),
        (EventKind::LimitExceeded, &["exceededLimits", "usage"]),
        (EventKind::WebhookUpdated, &["timestamp"]),
    ];
    for format in OF_SEED_1 {
        for (data, _) in samples() {
            let event = event(data);
            let told: Value = dialect(format).data(&event).parse().unwrap();
            let documented =
                table.iter().find(|(kind, _)| *kind == event.kind()).map_or(&[][..], |(_, fields)| fields);
            for field in documented.iter().chain(&["instanceId"]) {
                assert!(told.get(field).is_some(), "{format} {} {field}", event.kind());
            }
        }
    }
}

#[test]
fn a_name_that_is_known_is_told_in_both_places() {
    let told: Value = Seed1.data(&event(received())).parse().unwrap();
    assert_eq!((&told["pushName"], &told["metadata"]["pushName"]), (&"张三".into(), &"张三".into()));
}

#[test]
fn debug_shows_no_body() {
    let shown = format!("{:?}", Seed1.webhook(&event(received()), &Telling::default()));
    assert!(
        shown.starts_with("Call { event: \"message_received\", bytes: ") && !shown.contains("你好"),
        "{shown}"
    );
}

#[test]
fn the_bulk_forms_hold_the_same_event() {
    use std::io::Read as _;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    let event = event(received());
    let raw = Witi::Raw.webhook(&event, &Telling::default()).body;
    let opened = |list: &[u8]| {
        let list: Vec<String> = serde_json::from_slice(list).unwrap();
        assert_eq!(list.len(), 1);
        STANDARD.decode(&list[0]).unwrap()
    };
    let bulk = Witi::Bulk.webhook(&event, &Telling::default());
    assert_eq!(opened(bulk.body.strip_prefix(b"BULK,").unwrap()), raw);
    let zipped = Witi::BulkGz.webhook(&event, &Telling::default());
    let zlib = STANDARD.decode(zipped.body.strip_prefix(b"BULKGZ,").unwrap()).unwrap();
    let mut list = Vec::new();
    flate2::read::ZlibDecoder::new(&zlib[..]).read_to_end(&mut list).unwrap();
    assert_eq!(opened(&list), raw);
    assert_eq!((bulk.content_type, zipped.content_type), ("text/plain", "text/plain"));
    assert_eq!(Witi::BulkGz.webhook(&event, &Telling::default()), zipped, "the same bytes again");
}

/// What these dialects tell of a message that came in, with the account that it came to.
#[test]
fn other_apis_have_their_own_envelopes() {
    let account = Account {
        name: "shop".to_owned(),
        phone: Some("79990000000".to_owned()),
        push_name: Some("Shop".to_owned()),
    };
    let to = Telling {
        webhook: "x",
        url: "https://bot.example/hook",
        account: Some(&account),
        public_url: "https://gateway.example",
    };
    let event = event(received());
    let told = |format| -> Value {
        let call = dialect(format).webhook(&event, &to);
        assert_eq!(call, dialect(format).webhook(&event, &to), "the same bytes again");
        serde_json::from_slice(&call.body).unwrap()
    };
    let waha = told(WebhookFormat::Waha);
    assert_eq!((&waha["event"], &waha["session"]), (&"message".into(), &"shop".into()));
    assert_eq!(waha["id"], format!("evt_{}", ID.replace('-', "")));
    assert_eq!((&waha["me"]["id"], &waha["me"]["pushName"]), (&"79990000000@c.us".into(), &"Shop".into()));
    let payload = &waha["payload"];
    assert_eq!((&payload["from"], &payload["to"]), (&"79001234567@c.us".into(), &"79990000000@c.us".into()));
    assert_eq!((&payload["fromMe"], &payload["body"]), (&false.into(), &"\"你好\"\n".into()));
    assert_eq!(told(WebhookFormat::WahaAny)["event"], "message.any");
    let evolution = told(WebhookFormat::Evolution);
    assert_eq!((&evolution["event"], &evolution["instance"]), (&"messages.upsert".into(), &"shop".into()));
    assert_eq!(evolution["destination"], "https://bot.example/hook");
    assert_eq!(evolution["data"]["key"]["remoteJid"], PN);
    let standard = told(WebhookFormat::Standard);
    assert_eq!(
        (&standard["type"], &standard["data"]["body"]),
        (&"message_received".into(), &"\"你好\"\n".into())
    );
}

/// Every kind of event is told or passed over, and what is told is JSON with a name that its API knows.
#[test]
fn other_apis_tell_what_they_know() {
    for format in [WebhookFormat::Waha, WebhookFormat::WahaAny, WebhookFormat::Evolution] {
        let dialect = dialect(format);
        for (data, _) in samples() {
            let event = event(data);
            let call = dialect.webhook(&event, &Telling::default());
            let told: Value = serde_json::from_slice(&call.body).unwrap();
            assert_eq!(told["event"], call.event);
            let is_theirs = call.event.contains('.') || ["message", "call"].contains(&call.event);
            assert!(is_theirs || !dialect.tells(&event), "{format} {}", event.kind());
            assert!(dialect.listed(&event).parse::<Value>().unwrap().is_object());
        }
    }
    assert!(!Waha::Any.tells(&event(EventData::Connected(ConnectedData { jid: None }))));
}

#[test]
fn headers_are_those_of_the_api() {
    let (signer, next) = (Signer::new("a secret of mine"), Signer::new("another secret of mine"));
    let attempt = Attempt {
        id: ID.parse().unwrap(),
        at: Timestamp::from_millis(1_672_574_400_123),
        body: b"{}",
        signer: Some(&signer),
        next: Some(&next),
    };
    let value = |format, name: &str| {
        let headers = dialect(format).headers(&attempt);
        headers.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    };
    assert_eq!(value(WebhookFormat::Seed1, "webhook-id"), None);
    assert_eq!(value(WebhookFormat::Waha, "x-webhook-timestamp").as_deref(), Some("1672574400123"));
    assert_eq!(value(WebhookFormat::Waha, "x-webhook-hmac"), Some(signer.sign_sha512(b"{}")));
    assert_eq!(value(WebhookFormat::Standard, "webhook-timestamp").as_deref(), Some("1672574400"));
    let both = [&signer, &next].map(|signer| signer.sign_standard(ID, 1_672_574_400, b"{}")).join(" ");
    assert_eq!(value(WebhookFormat::Standard, "webhook-signature"), Some(both));
    let unsigned = Attempt { signer: None, next: None, ..attempt };
    let named =
        |headers: Vec<(&'static str, String)>| headers.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(named(Standard.headers(&unsigned)), ["webhook-id", "webhook-timestamp"]);
}
