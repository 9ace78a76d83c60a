//! What was ever written to an event log is read back: `testdata/event-data` pins the texts, one per line, those of each
//! kind in one file and those with each word of a vocabulary in another. A line is never changed; what a format gains is
//! added behind.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use storage::conformance::sample_event_data;
use storage::{
    CallData, CauseKind, ChannelData, ChatStateData, ConnectedData, ContactDetails, Degrees,
    DisconnectedData, EventData, EventKind, Failure, FailureCause, GroupData, InstanceAction, InstanceData,
    InvalidEventData, LimitsData, LinkDetails, LocationDetails, MediaData, MediaFault, MediaState,
    MeetingDetails, MessageData, MessageDetails, MessageKind, MessageMediaData, MessageStatus, NewChatsData,
    PollDetails, PresenceData, QrData, StatusData, TimeLockData, UndecryptableData, UndecryptableReason,
    WebhookData,
};

const FORMAT_1: &str = include_str!("../testdata/event-data/format-1.jsonl");
const WORDS_1: &str = include_str!("../testdata/event-data/format-1-words.jsonl");

#[test]
fn every_kind_is_written_and_read_as_pinned() {
    let pinned: Vec<_> = FORMAT_1.lines().collect();
    let values = values();
    assert_eq!(pinned.len(), values.len());
    for (line, value) in pinned.into_iter().zip(&values) {
        assert_eq!(value.encode().unwrap(), line);
        assert!(EventData::decode(1, value.kind(), line).unwrap() == *value, "{line}");
    }
    let missing = EventKind::ALL.iter().find(|kind| !values.iter().any(|value| value.kind() == **kind));
    assert_eq!(missing, None);
    assert_eq!(EventData::FORMAT, 1, "a new format is pinned in a file of its own");
}

/// Every kind, first with all fields, then with the fewest.
fn values() -> Vec<EventData> {
    let full = MessageData {
        message_id: "3EB0D1F3C5F9BD08655E8F".into(),
        participant: Some("15550100003@s.whatsapp.net".into()),
        kind: MessageKind::Document,
        text: Some("Grüße, 你好 \"quoted\"\n".into()),
        target: Some("3EB000".into()),
        quoted: Some("3EB001".into()),
        timestamp: 1_795_629_993,
        push_name: Some("张三".into()),
        media: Some(MediaData {
            mime_type: Some("application/pdf".into()),
            file_name: Some("a.pdf".into()),
            size: Some(5_000_000_000),
            ..MediaData::default()
        }),
        details: None,
        status: MessageStatus::Received,
        by_us: false,
        queued: false,
    };
    let least = MessageData {
        participant: None,
        kind: MessageKind::Text,
        text: None,
        target: None,
        quoted: None,
        push_name: None,
        media: None,
        status: MessageStatus::Sent,
        ..full.clone()
    };
    let bare_file = MessageData { media: Some(MediaData::default()), ..least.clone() };
    let (least_of_all, left) = (least.clone(), least.clone());
    let mut values: Vec<_> = EventKind::ALL.iter().map(|kind| sample_event_data(*kind)).collect();
    values.extend([
        EventData::MessageReceived(full),
        EventData::MessageSent(least),
        EventData::MessageSent(bare_file),
        EventData::MessageStatus(StatusData {
            message_id: "3EB0".into(),
            status: MessageStatus::Read,
            from_me: false,
            timestamp: 1_795_629_993,
            failure: None,
        }),
        EventData::MessageUndecryptable(UndecryptableData {
            message_id: "3EB0".into(),
            participant: Some("15550100003@s.whatsapp.net".into()),
            from_me: true,
            timestamp: 1_795_629_993,
            push_name: None,
            reason: UndecryptableReason::Unavailable,
            retries: 0,
        }),
        EventData::Connected(ConnectedData { jid: None }),
        EventData::Disconnected(DisconnectedData {
            cause: CauseKind::Network,
            code: None,
            until: None,
            will_reconnect: true,
            raw: None,
        }),
        EventData::WebhookUpdated(WebhookData { name: "archive".into(), enabled: false, deleted: true }),
        EventData::Disconnected(DisconnectedData {
            cause: CauseKind::Failure,
            code: Some(429),
            until: None,
            will_reconnect: true,
            raw: Some("<failure reason=\"429\"/>".into()),
        }),
        EventData::QrReceived(QrData {
            code: "2@ref,a,b,c".into(),
            attempt: 1,
            expires_at: Some(1_795_629_993_000),
        }),
        EventData::LimitsChanged(LimitsData::default()),
        EventData::MessageStatus(StatusData {
            message_id: "3EB0".into(),
            status: MessageStatus::Failed,
            from_me: true,
            timestamp: 1_795_629_993,
            failure: Some(Failure {
                cause: FailureCause::NewChatCap,
                code: Some(475),
                message: "too many".into(),
                until: Some(1_700_000_900_000),
            }),
        }),
        EventData::LimitsChanged(LimitsData {
            time_lock: Some(TimeLockData::default()),
            new_chats: Some(NewChatsData { is_reached: true, ..NewChatsData::default() }),
        }),
        EventData::MessageReceived(MessageData { details: Some(Box::new(details())), ..least_of_all }),
    ]);
    values.extend(happenings());
    values.push(EventData::MessageSent(MessageData { by_us: true, ..left }));
    values
}

fn happenings() -> [EventData; 7] {
    [
        EventData::GroupUpdated(GroupData {
            action: "locked".into(),
            concerns_us: true,
            subject: Some("Tea".into()),
            description: Some("About tea".into()),
            enabled: Some(true),
            expiration: Some(0),
            code: Some("AbC".into()),
            timestamp: 7,
            ..GroupData::default()
        }),
        EventData::GroupUpdated(GroupData {
            action: "linked".into(),
            reason: Some("community".into()),
            other_group: Some("1@g.us".into()),
            timestamp: 7,
            ..GroupData::default()
        }),
        EventData::PresenceUpdated(PresenceData { available: true, last_seen: None }),
        EventData::ChatState(ChatStateData { state: "paused".into(), participant: None }),
        EventData::Call(CallData {
            call_id: "C0".into(),
            action: "terminate".into(),
            group: Some("1@g.us".into()),
            video: false,
            reason: Some("timeout".into()),
            timestamp: 7,
        }),
        EventData::ChannelUpdated(ChannelData {
            action: "followed".into(),
            name: Some("Tea".into()),
            posts: Vec::new(),
            timestamp: 7,
        }),
        instance_changed(InstanceAction::Paired),
    ]
}

fn instance_changed(action: InstanceAction) -> EventData {
    EventData::InstanceChanged(InstanceData { action, fields: Vec::new() })
}

fn details() -> MessageDetails {
    let place = LocationDetails {
        latitude: Degrees(52.5),
        longitude: Degrees(-0.25),
        name: Some("Here".into()),
        address: Some("Street 1".into()),
        url: None,
    };
    MessageDetails {
        mentions: vec!["15550100003@s.whatsapp.net".into()],
        forwarded: true,
        view_once: true,
        expiration: Some(0),
        link: Some(LinkDetails { url: Some("a.test".into()), title: Some("A".into()), description: None }),
        location: Some(place.clone()),
        contacts: vec![ContactDetails { name: Some("Carol".into()), vcard: Some("BEGIN:VCARD".into()) }],
        poll: Some(PollDetails { question: "Tea?".into(), options: vec!["yes".into()], choices: 1 }),
        options: Some(Vec::new()),
        event: Some(MeetingDetails {
            name: "Tea".into(),
            description: None,
            starts_at: 5,
            ends_at: Some(6),
            join_link: None,
            location: Some(place),
            cancelled: true,
        }),
        answer: Some("going".into()),
        guests: Some(1),
        selected_id: Some("row".into()),
        undone: true,
    }
}

#[test]
fn every_word_is_written_and_read_as_pinned() {
    let pinned: BTreeSet<&str> = WORDS_1.lines().collect();
    let mut written = BTreeSet::new();
    for value in worded() {
        let line = value.encode().unwrap();
        assert!(pinned.contains(&*line), "not pinned: {line}");
        assert!(EventData::decode(1, value.kind(), &line).unwrap() == value, "{line}");
        written.insert(line);
    }
    let lost: Vec<_> = pinned.into_iter().filter(|line| !written.contains(*line)).collect();
    assert!(lost.is_empty(), "words that were written and are not known any more: {lost:#?}");
}

/// One value for each word that a field may hold.
fn worded() -> Vec<EventData> {
    let message = |kind, status| MessageData {
        message_id: "3EB0".into(),
        participant: None,
        kind,
        text: None,
        target: None,
        quoted: None,
        timestamp: 7,
        push_name: None,
        media: None,
        details: None,
        status,
        by_us: false,
        queued: false,
    };
    let progress = |status, failure| {
        let message_id = "3EB0".into();
        EventData::MessageStatus(StatusData { message_id, status, from_me: true, timestamp: 7, failure })
    };
    let refused = |cause| Failure { cause, code: None, message: "no".into(), until: None };
    let unread = |reason| UndecryptableData {
        message_id: "3EB0".into(),
        participant: None,
        from_me: false,
        timestamp: 7,
        push_name: None,
        reason,
        retries: 1,
    };
    let ended = |cause| DisconnectedData { cause, code: None, until: None, will_reconnect: true, raw: None };
    let mut values = Vec::new();
    for kind in MessageKind::ALL {
        values.push(EventData::MessageReceived(message(*kind, MessageStatus::Received)));
    }
    for status in MessageStatus::ALL {
        values.push(EventData::MessageSent(message(MessageKind::Text, *status)));
        values.push(progress(*status, None));
    }
    for cause in FailureCause::ALL {
        values.push(progress(MessageStatus::Failed, Some(refused(*cause))));
    }
    for reason in UndecryptableReason::ALL {
        values.push(EventData::MessageUndecryptable(unread(*reason)));
    }
    let file = |state, fault| {
        let media = MediaData { state: Some(state), fault, ..MediaData::default() };
        EventData::MessageMedia(MessageMediaData {
            message_id: "3EB0".into(),
            from_me: false,
            participant: None,
            kind: MessageKind::Image,
            media,
        })
    };
    values.extend(MediaState::ALL.iter().map(|state| file(*state, None)));
    values.extend(MediaFault::ALL.iter().map(|fault| file(MediaState::Failed, Some(*fault))));
    for cause in CauseKind::ALL {
        values.push(EventData::Disconnected(ended(*cause)));
    }
    values.extend(InstanceAction::ALL.iter().map(|action| instance_changed(*action)));
    values
}

/// Rows of the first version, as its database has them.
#[test]
fn what_the_first_version_wrote_is_read() {
    let received = json!({
        "instanceId": "01a213e3-4ba0-7620-b2af-84e2b63d94a2", "messageId": "3EB002E98ADF6B3C1252EA",
        "remoteJid": "15550100002@s.whatsapp.net", "from": "15550100002@s.whatsapp.net", "fromMe": false,
        "body": "Hello Alice, Bob answers.", "type": "conversation", "timestamp": 1_795_629_993, "hasMedia": false,
        "pushName": "Bob", "status": "received", "pn": "15550100002@s.whatsapp.net", "lid": "769618600381131@lid",
        "metadata": {"pushName": "Bob", "timestamp": 1_795_629_993},
    });
    let told = MessageData {
        message_id: "3EB002E98ADF6B3C1252EA".into(),
        participant: None,
        kind: MessageKind::Text,
        text: Some("Hello Alice, Bob answers.".into()),
        target: None,
        quoted: None,
        timestamp: 1_795_629_993,
        push_name: Some("Bob".into()),
        media: None,
        details: None,
        status: MessageStatus::Received,
        by_us: false,
        queued: false,
    };
    assert!(old(EventKind::MessageReceived, &received) == EventData::MessageReceived(told));
    let status = json!({
        "instanceId": "01a2", "messageId": "3EB0", "status": "failed", "from": "1@s.whatsapp.net",
        "remoteJid": "1@s.whatsapp.net", "fromMe": true, "timestamp": 7, "cause": "reachout_timelock",
        "error": "refused",
    });
    let EventData::MessageStatus(status) = old(EventKind::MessageStatus, &status) else { panic!() };
    let failure = status.failure.unwrap();
    assert_eq!((status.status, failure.cause), (MessageStatus::Failed, FailureCause::ReachoutTimelock));
    assert_eq!((status.from_me, status.timestamp, &*failure.message), (true, 7, "refused"));
    let ended =
        json!({"instanceId": "01a2", "reason": "logout", "cause": "logged_out", "willReconnect": false});
    let EventData::Disconnected(ended) = old(EventKind::Disconnected, &ended) else { panic!() };
    assert_eq!((ended.cause, ended.will_reconnect), (CauseKind::LoggedOut, false));
    let EventData::Connected(login) = old(EventKind::Connected, &json!({"instanceId": "01a2"})) else {
        panic!()
    };
    assert_eq!(login.jid, None);
    let qr = json!({"instanceId": "01a2", "qrCode": "2@ref,a,b,c", "attempt": 3});
    let EventData::QrReceived(qr) = old(EventKind::QrReceived, &qr) else { panic!() };
    assert_eq!((&*qr.code, qr.attempt), ("2@ref,a,b,c", 3));
}

/// A file had its name and type beside it; an empty body meant none.
#[test]
fn files_of_the_first_version_are_read() {
    let sent = json!({
        "instanceId": "01a2", "messageId": "3EB0", "remoteJid": "1@s.whatsapp.net", "to": "1@s.whatsapp.net",
        "fromMe": true, "body": "", "type": "voice", "timestamp": 7, "hasMedia": true, "status": "sent",
        "mimeType": "audio/ogg", "fileName": "a.ogg", "participant": "2@s.whatsapp.net", "metadata": {"timestamp": 7},
    });
    let EventData::MessageSent(sent) = old(EventKind::MessageSent, &sent) else { panic!() };
    let media = sent.media.unwrap();
    assert_eq!((sent.kind, sent.text, media.size), (MessageKind::Voice, None, None));
    assert_eq!((media.mime_type, media.file_name), (Some("audio/ogg".into()), Some("a.ogg".into())));
    assert_eq!(sent.participant, Some("2@s.whatsapp.net".into()));
}

#[test]
fn every_word_that_the_first_version_had_for_a_message_is_known() {
    // Its words for what came in and for what was sent, and ours.
    let words = [
        ("conversation", "text", MessageKind::Text),
        ("extendedTextMessage", "text", MessageKind::Text),
        ("imageMessage", "image", MessageKind::Image),
        ("ptvMessage", "video_note", MessageKind::VideoNote),
        ("audioMessage", "audio", MessageKind::Audio),
        ("stickerMessage", "sticker", MessageKind::Sticker),
        ("liveLocationMessage", "live_location", MessageKind::LiveLocation),
        ("pollCreationMessageV3", "poll", MessageKind::Poll),
        ("pollUpdateMessage", "poll_vote", MessageKind::PollVote),
        ("templateButtonReplyMessage", "buttons_response", MessageKind::ButtonsResponse),
        ("encReactionMessage", "reaction", MessageKind::Reaction),
        ("editedMessage", "edit", MessageKind::Edit),
        ("protocolMessage", "revoke", MessageKind::Revoke),
        ("unknown", "unknown", MessageKind::Unknown),
        ("somethingElse", "something_else", MessageKind::Unknown),
    ];
    for (theirs, ours, expected) in words {
        for word in [theirs, ours] {
            let data = json!({
                "messageId": "3EB0", "body": "", "type": word, "timestamp": 7, "hasMedia": false,
                "status": "received",
            });
            let EventData::MessageReceived(told) = old(EventKind::MessageReceived, &data) else { panic!() };
            assert_eq!(told.kind, expected, "{word}");
        }
    }
}

#[test]
fn a_later_format_is_named_as_the_reason() {
    let refused = EventData::decode(2, EventKind::Connected, "{}").unwrap_err();
    assert!(matches!(refused, InvalidEventData::UnknownFormat(2)), "{refused}");
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(format in 0u32..3, kind in prop::sample::select(EventKind::ALL), text in ".*") {
        let _ = EventData::decode(format, kind, &text);
    }
}

fn old(kind: EventKind, data: &Value) -> EventData {
    EventData::decode(0, kind, &data.to_string()).unwrap()
}
