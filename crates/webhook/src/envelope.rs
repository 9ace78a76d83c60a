//! The body of a webhook request.

use std::fmt::Write as _;

use bytes::Bytes;
use storage::Event;

/// Writes `{"id", "event", "data", "timestamp"}`: the documented envelope and our stable event id.
///
/// `data` is JSON already and is copied as it is, so the same event gives the same bytes, at each attempt and
/// after a restart.
pub(crate) fn body(event: &Event) -> Bytes {
    let data = event.data.text();
    let mut body = String::with_capacity(data.len() + 160);
    // Ids, kinds and times are ASCII without quotes.
    let _ = write!(body, r#"{{"id":"{}","event":"{}","data":"#, event.id, event.kind);
    body.push_str(data);
    let _ = write!(body, r#","timestamp":"{}"}}"#, event.timestamp);
    body.into()
}

#[cfg(test)]
mod tests {
    use storage::{EventId, EventKind, InstanceId, Json, Timestamp};

    use super::*;

    #[test]
    fn the_envelope_is_json_with_the_data_untouched() {
        let data = r#"{"instanceId":"i","body":"\"hi\" 你好","n":1.50}"#;
        let event = Event {
            seq: 7,
            id: EventId::from_bytes([0x11; 16]),
            instance: InstanceId::generate(),
            kind: EventKind::MessageReceived,
            chat: None,
            timestamp: Timestamp::from_millis(1_672_574_400_123),
            data: Json::from_text(data.to_owned()).unwrap(),
        };
        let body = body(&event);
        let id = "11111111-1111-1111-1111-111111111111";
        assert_eq!(
            std::str::from_utf8(&body).unwrap(),
            format!(
                r#"{{"id":"{id}","event":"message_received","data":{data},"timestamp":"2023-01-01T12:00:00.123Z"}}"#
            )
        );
        assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok());
    }
}
