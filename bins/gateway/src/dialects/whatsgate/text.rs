//! How this API writes ids, times and states.

use serde::Deserialize;
use services::{InstanceView, Status};
use storage::{InstanceId, Timestamp};

use crate::error::ApiError;
use crate::extract::Call;
use crate::language::Language;

/// Bits of an id that is a number: those that every language's numbers hold exactly.
const ID_BITS: u32 = 53;

/// The number of a session: the random part of its instance's id.
pub(super) fn session_number(instance: InstanceId) -> u64 {
    let [.., a, b, c, d, e, f, g, h] = *instance.as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h]) & ((1 << ID_BITS) - 1)
}

/// `YYYY-MM-DD HH:MM:SS` in UTC.
pub(super) fn date(time: Timestamp) -> String {
    let iso = time.to_string();
    iso.get(..19).unwrap_or(&iso).replace('T', " ")
}

/// People are at `c.us` here.
pub(super) fn chat_id(jid: &str) -> String {
    jid.strip_suffix("@s.whatsapp.net").map_or_else(|| jid.to_owned(), |number| format!("{number}@c.us"))
}

/// The WhatsApp id in the name of a message, `true_79001234567@c.us_3EB0…`; one that stands alone is it.
pub(super) fn message_id(name: &str) -> &str {
    name.splitn(3, '_').nth(2).map_or(name, |rest| rest.split('_').next().unwrap_or(rest))
}

/// A whole number, as one or as text: programs write both.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum WgNumber {
    Number(u64),
    Text(String),
}

impl WgNumber {
    /// The number that a field holds; what it is without one.
    ///
    /// # Errors
    /// 400 for a text that is none.
    pub(super) fn or(field: &'static str, given: Option<Self>, default: u64) -> Result<u64, ApiError> {
        match given {
            Some(Self::Number(number)) => Ok(number),
            Some(Self::Text(text)) if text.is_empty() => Ok(default),
            Some(Self::Text(text)) => text.parse().map_err(|_| {
                ApiError::invalid(format!("{field:?} must be a whole number.")).with_field(field)
            }),
            None => Ok(default),
        }
    }
}

/// What a session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionStatus {
    Pending,
    Auth,
    Ready,
    Destroying,
}

impl SessionStatus {
    const ALL: [Self; 4] = [Self::Pending, Self::Auth, Self::Ready, Self::Destroying];

    pub(super) fn of(view: &InstanceView) -> Self {
        let linked = view.instance.jid.is_some();
        match view.connection.status {
            Status::Connected => Self::Ready,
            Status::Qr | Status::Passkey | Status::LoggedOut => Self::Auth,
            Status::Disconnected if !linked && view.connection.retry_at.is_none() => Self::Auth,
            _ => Self::Pending,
        }
    }

    pub(super) fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Auth => "AUTH",
            Self::Ready => "READY",
            Self::Destroying => "DESTROYING",
        }
    }

    /// The same for people; in Russian unless they ask for English.
    pub(super) const fn name(self, language: Language) -> &'static str {
        match (language, self) {
            (Language::Russian, Self::Pending) => "Инициализация",
            (Language::Russian, Self::Auth) => "Ожидает авторизации",
            (Language::Russian, Self::Ready) => "Готов к работе",
            (Language::Russian, Self::Destroying) => "Удаляется",
            (Language::English, Self::Pending) => "Initialising",
            (Language::English, Self::Auth) => "Waiting for authorisation",
            (Language::English, Self::Ready) => "Ready",
            (Language::English, Self::Destroying) => "Being deleted",
        }
    }
}

/// The caller's instance that a body names as `WhatsappID`.
pub(super) async fn instance_of(call: &Call, whatsapp_id: &str) -> Result<InstanceId, ApiError> {
    let id = shown_instance(call, whatsapp_id).await?;
    call.count(id).await?;
    Ok(id)
}

/// The same for a call that shows the instance or deletes it, which goes on when its calls are used up.
pub(super) async fn shown_instance(call: &Call, whatsapp_id: &str) -> Result<InstanceId, ApiError> {
    Ok(call.services().qr_pages.by_unique_id(&call.caller, whatsapp_id).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_messages_hold_their_id() {
        for (name, id) in [
            ("true_79001234567@c.us_3EB0", "3EB0"),
            ("false_1203@g.us_3EB0_79001234567@c.us", "3EB0"),
            ("3EB0", "3EB0"),
        ] {
            assert_eq!(message_id(name), id);
        }
        assert_eq!(chat_id("79001234567@s.whatsapp.net"), "79001234567@c.us");
        assert_eq!(chat_id("1203@g.us"), "1203@g.us");
        assert_eq!(date(Timestamp::from_millis(1_672_574_400_123)), "2023-01-01 12:00:00");
        assert!(session_number(InstanceId::from_bytes([0xff; 16])) < 1 << ID_BITS);
    }

    #[test]
    fn every_status_has_its_word() {
        for status in SessionStatus::ALL {
            assert_eq!(SessionStatus::of_word(status.as_str()), Some(status));
        }
        assert_eq!(SessionStatus::of_word("OPEN"), None);
    }
}
