//! Events that are worth something for a while only: codes to scan. One that has run out, or that a newer one or the
//! connection has replaced, is dropped instead of delivered.

use storage::{Event, EventData, Timestamp};

/// Whether it loses its worth.
pub(crate) fn is_perishable(event: &Event) -> bool {
    matches!(event.data, EventData::QrReceived(_))
}

/// Whether codes from before it are of no use any more.
pub(crate) fn replaces_codes(event: &Event) -> bool {
    matches!(event.data, EventData::QrReceived(_) | EventData::Connected(_))
}

/// Whether nobody has any use for it at this time; `replaced` is the position of the newest event that
/// [replaces codes](replaces_codes).
pub(crate) fn is_void(event: &Event, replaced: i64, now: Timestamp) -> bool {
    let EventData::QrReceived(code) = &event.data else { return false };
    // The log forgets a code that something later has made void: known after a restart, too.
    let is_forgotten = code.code.is_empty();
    is_forgotten || event.seq < replaced || code.expires_at.is_some_and(|end| end <= now.millis())
}

#[cfg(test)]
mod tests {
    use storage::{ConnectedData, EventId, InstanceId, QrData};

    use super::*;

    fn event(seq: i64, data: EventData) -> Event {
        let (id, instance) = (EventId::generate(), InstanceId::generate());
        Event { seq, id, instance, chat: None, timestamp: Timestamp::default(), data }
    }

    fn code(seq: i64, expires_at: Option<i64>) -> Event {
        event(seq, EventData::QrReceived(QrData { code: "code".to_owned(), attempt: 1, expires_at }))
    }

    #[test]
    fn a_code_is_void_when_it_has_run_out_or_was_replaced() {
        let at = Timestamp::from_millis;
        assert!(!is_void(&code(5, Some(1_000)), 5, at(999)));
        assert!(is_void(&code(5, Some(1_000)), 5, at(1_000)));
        assert!(is_void(&code(5, Some(1_000)), 6, at(0)));
        assert!(!is_void(&code(5, None), 0, at(i64::MAX)), "its end is unknown");
        let mut forgotten = code(5, None);
        forgotten.data.forget_code();
        assert!(is_void(&forgotten, 0, at(0)));
        let connected = event(1, EventData::Connected(ConnectedData { jid: None }));
        assert!(!is_void(&connected, 9, at(i64::MAX)) && !is_perishable(&connected));
        assert!(replaces_codes(&connected) && replaces_codes(&code(1, None)));
    }
}
