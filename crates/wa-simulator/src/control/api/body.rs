//! What requests hold.

use crate::{Addressing, ControlError, GroupChange, Impostor, KeyShare, Restriction, Say};
use serde::{Deserialize, Deserializer};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPhone {
    pub(super) number: Number,
    pub(super) name: Option<String>,
    pub(super) restricted: Option<Restriction>,
    #[serde(alias = "silentPhone")]
    pub(super) silent_phone: Option<bool>,
    pub(super) passkey: Option<bool>,
    pub(super) aliases: Option<Vec<Number>>,
    #[serde(alias = "lidMigrated")]
    pub(super) lid_migrated: Option<bool>,
    #[serde(alias = "hidesLid")]
    pub(super) hides_lid: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewClock {
    #[serde(alias = "offsetMs")]
    pub(super) offset_ms: i64,
}

/// A number, which people write with and without quotes.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Number {
    Text(String),
    Digits(u64),
}

impl Number {
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Text(number) => number,
            Self::Digits(number) => number.to_string(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scan {
    pub(super) qr: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkCode {
    pub(super) code: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Send {
    pub(super) to: String,
    pub(super) text: Option<String>,
    pub(super) edit: Option<String>,
    pub(super) revoke: Option<String>,
    pub(super) react: Option<React>,
    pub(super) timer: Option<u32>,
    pub(super) raw: Option<String>,
    pub(super) count: Option<usize>,
    #[serde(alias = "intervalMs")]
    pub(super) interval_ms: Option<u64>,
    pub(super) addressing: Option<Addressing>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct React {
    pub(super) id: String,
    pub(super) emoji: String,
}

/// Versions of WhatsApp Web, dotted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Publish {
    pub(super) newest: Option<String>,
    pub(super) minimum: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Read {
    pub(super) chat: Option<String>,
    pub(super) ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ban {
    pub(super) seconds: u64,
    pub(super) grows: Option<u64>,
}

/// A limit that is absent stays, `null` lifts it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Limits {
    #[serde(default, deserialize_with = "present")]
    pub(super) time_lock: Option<Option<Lock>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) chat_cap: Option<Option<Cap>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lock {
    pub(super) seconds: Option<u64>,
    pub(super) kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cap {
    pub(super) total: u32,
    pub(super) used: Option<u32>,
    pub(super) seconds: u64,
}

/// Tells `null` from nothing.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(json: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(json).map(Some)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShareKeys {
    pub(super) share: Option<KeyShare>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Claim {
    pub(super) what: Impostor,
    pub(super) chat: String,
    pub(super) message_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reinstall {
    #[serde(default)]
    pub(super) quiet: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Play {
    #[serde(default)]
    pub(super) hosted: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewGroup {
    pub(super) creator: Number,
    pub(super) subject: String,
    pub(super) members: Vec<Number>,
    pub(super) addressing: Option<Addressing>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupChanged {
    pub(super) by: Number,
    pub(super) change: GroupChange,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Text {
    pub(super) to: String,
    pub(super) text: String,
}

impl Send {
    pub(super) fn say(self) -> Result<Say, ControlError> {
        if let (Some(seconds), None, None, None, None, None) =
            (self.timer, &self.text, &self.edit, &self.revoke, &self.react, &self.raw)
        {
            return Ok(Say::Timer(seconds));
        }
        match (self.text, self.edit, self.revoke, self.react, self.raw) {
            _ if self.timer.is_some() => Err(wrong_content()),
            (Some(text), None, None, None, None) => Ok(Say::Text(text)),
            (Some(text), Some(id), None, None, None) => Ok(Say::Edit { id, text }),
            (None, None, Some(id), None, None) => Ok(Say::Revoke { id }),
            (None, None, None, Some(React { id, emoji }), None) => Ok(Say::React { id, emoji }),
            (None, None, None, None, Some(raw)) => match hex::decode(raw) {
                Ok(raw) => Ok(Say::Raw(raw.into())),
                Err(error) => Err(ControlError::InvalidRequest(format!("`raw` is not hexadecimal: {error}"))),
            },
            _ => Err(wrong_content()),
        }
    }
}

fn wrong_content() -> ControlError {
    let reason = "one of `text`, `text` with `edit`, `revoke`, `react`, `timer` and `raw` is expected";
    ControlError::InvalidRequest(reason.to_owned())
}
