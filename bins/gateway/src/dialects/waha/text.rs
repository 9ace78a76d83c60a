//! How this API writes ids and states.

use services::{InstanceView, Status};
use storage::{CauseKind, InstanceId};

use crate::error::ApiError;
use crate::extract::Call;

/// Under which name the store knows this API.
pub(super) const DIALECT: &str = "waha";

/// People are at `c.us` here.
pub(super) fn chat_id(jid: &str) -> String {
    jid.strip_suffix("@s.whatsapp.net").map_or_else(|| jid.to_owned(), |number| format!("{number}@c.us"))
}

/// The chat and WhatsApp's id in the name of a message, `true_79001234567@c.us_3EB0…`; one that stands alone is the id.
pub(super) fn message_of(name: &str) -> (Option<&str>, &str) {
    let mut parts = name.splitn(3, '_').skip(1);
    match (parts.next(), parts.next()) {
        (Some(chat), Some(rest)) => (Some(chat), rest.split('_').next().unwrap_or(rest)),
        _ => (None, name),
    }
}

/// Where a session stands.
pub(super) fn status(view: &InstanceView) -> &'static str {
    let connection = &view.connection;
    let cause = connection.cause.map(|cause| cause.kind);
    match connection.status {
        Status::Connected => "WORKING",
        Status::Qr => "SCAN_QR_CODE",
        Status::Passkey => "PASSKEY_REQUIRED",
        Status::Connecting => "STARTING",
        Status::Paused => "STOPPED",
        Status::LoggedOut => "FAILED",
        Status::Disconnected if connection.retry_at.is_some() || cause == Some(CauseKind::Shutdown) => {
            "STARTING"
        }
        Status::Disconnected => "FAILED",
    }
}

/// The caller's instance that is called like this session.
pub(super) async fn session_of<S>(call: &Call<S>, session: &str) -> Result<InstanceId, ApiError> {
    Ok(call.services().dialects.named(&call.caller, DIALECT, session).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_messages_hold_their_chat_and_id() {
        for (name, chat, id) in [
            ("true_79001234567@c.us_3EB0", Some("79001234567@c.us"), "3EB0"),
            ("false_1203@g.us_3EB0_79001234567@c.us", Some("1203@g.us"), "3EB0"),
            ("3EB0", None, "3EB0"),
        ] {
            assert_eq!(message_of(name), (chat, id));
        }
        assert_eq!(chat_id("79001234567@s.whatsapp.net"), "79001234567@c.us");
    }
}
