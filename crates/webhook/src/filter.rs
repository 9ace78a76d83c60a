//! Which events a webhook is told of.

use std::borrow::Cow;

use serde::Deserialize;
use storage::{Event, EventKind, MessageStatus, WebhookSettings};

/// True if the settings ask for this event. What tells of the connection is always sent.
///
/// A refused message belongs to what was sent; played is a form of read.
pub(crate) fn is_wanted(settings: &WebhookSettings, event: &Event) -> bool {
    match event.kind {
        EventKind::MessageReceived => settings.notify_received,
        EventKind::MessageSent => settings.notify_sent,
        EventKind::MessageStatus => match status(event) {
            Some(MessageStatus::Delivered) => settings.notify_delivery,
            Some(MessageStatus::Read | MessageStatus::Played) => settings.notify_read,
            _ => settings.notify_sent,
        },
        _ => true,
    }
}

fn status(event: &Event) -> Option<MessageStatus> {
    #[derive(Deserialize)]
    struct Data<'a> {
        #[serde(borrow)]
        status: Cow<'a, str>,
    }
    event.data.parse::<Data<'_>>().ok()?.status.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use storage::{EventId, InstanceId, Json, Timestamp};

    fn event(kind: EventKind, status: &str) -> Event {
        Event {
            seq: 1,
            id: EventId::generate(),
            instance: InstanceId::generate(),
            kind,
            chat: None,
            timestamp: Timestamp::default(),
            data: Json::from(serde_json::json!({ "status": status })),
        }
    }

    #[test]
    fn each_setting_governs_its_events() {
        use EventKind::{Connected, Disconnected, MessageReceived, MessageSent, MessageStatus, QrReceived};
        let off = || WebhookSettings {
            notify_received: false,
            notify_sent: false,
            notify_delivery: false,
            notify_read: false,
            ..WebhookSettings::default()
        };
        let received = WebhookSettings { notify_received: true, ..off() };
        let sent = WebhookSettings { notify_sent: true, ..off() };
        let delivery = WebhookSettings { notify_delivery: true, ..off() };
        let read = WebhookSettings { notify_read: true, ..off() };
        let table = [
            (MessageReceived, "received", &received),
            (MessageSent, "sent", &sent),
            (MessageStatus, "failed", &sent),
            (MessageStatus, "delivered", &delivery),
            (MessageStatus, "read", &read),
            (MessageStatus, "played", &read),
        ];
        for (kind, status, governing) in table {
            for settings in [&received, &sent, &delivery, &read, &off()] {
                let wanted = is_wanted(settings, &event(kind, status));
                assert_eq!(wanted, settings == governing, "{kind} {status}");
            }
        }
        for kind in [Connected, Disconnected, QrReceived] {
            assert!(is_wanted(&off(), &event(kind, "")), "{kind}");
        }
    }
}
