//! What requests hold.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    Addressing, Card, ControlError, Event, File, FileKind, Going, GroupChange, Impostor, KeyShare, Place,
    Poll, Press, Restriction, Reuploads, Rich, Say, StateChange,
};
use serde::{Deserialize, Deserializer};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPhone {
    pub(super) number: Number,
    pub(super) name: Option<String>,
    pub(super) count: Option<u64>,
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
    /// `edit` and `react` are encrypted with the secret of what they are about.
    #[serde(default)]
    pub(super) sealed: bool,
    pub(super) rich: Option<Rich>,
    pub(super) place: Option<Place>,
    pub(super) contacts: Option<Vec<Card>>,
    pub(super) poll: Option<Poll>,
    pub(super) vote: Option<Vote>,
    pub(super) event: Option<Event>,
    pub(super) answer: Option<Answer>,
    pub(super) pin: Option<Pin>,
    pub(super) keep: Option<Keep>,
    pub(super) press: Option<Press>,
    pub(super) media: Option<Attached>,
    pub(super) count: Option<usize>,
    #[serde(alias = "intervalMs")]
    pub(super) interval_ms: Option<u64>,
    pub(super) addressing: Option<Addressing>,
}

/// A file, in base64 or hexadecimal, or one that is made up.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Attached {
    #[serde(rename = "type")]
    kind: FileKind,
    base64: Option<String>,
    hex: Option<String>,
    /// So many bytes, none like the one before it.
    size: Option<usize>,
    mime_type: Option<String>,
    file_name: Option<String>,
    caption: Option<String>,
    #[serde(default)]
    view_once: bool,
}

/// Largest file that is made up, in bytes.
const LARGEST_FILE: usize = 100 << 20;

#[allow(clippy::cast_possible_truncation, reason = "the lowest bits are meant")]
fn made_up(size: usize) -> Vec<u8> {
    (0..size).map(|place| (place * 167 + (place >> 8) * 13) as u8).collect()
}

impl Attached {
    fn file(self) -> Result<File, ControlError> {
        let bytes = match (self.base64, self.hex, self.size) {
            (Some(text), None, None) => STANDARD.decode(text).map_err(|error| error.to_string()),
            (None, Some(text), None) => hex::decode(text).map_err(|error| error.to_string()),
            (None, None, Some(size)) if size <= LARGEST_FILE => Ok(made_up(size)),
            (None, None, Some(_)) => Err(format!("`size` is {LARGEST_FILE} at most")),
            _ => Err("one of `base64`, `hex` and `size` is expected".to_owned()),
        };
        let bytes = bytes.map_err(|error| ControlError::InvalidRequest(format!("`media`: {error}")))?;
        Ok(File {
            kind: self.kind,
            bytes: bytes.into(),
            mime_type: self.mime_type,
            file_name: self.file_name,
            caption: self.caption,
            view_once: self.view_once,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerReuploads {
    pub(super) answer: Reuploads,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct React {
    pub(super) id: String,
    pub(super) emoji: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vote {
    pub(super) id: String,
    pub(super) choices: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    pub(super) id: String,
    pub(super) going: Going,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pin {
    pub(super) id: String,
    pub(super) seconds: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keep {
    pub(super) id: String,
    pub(super) keep: bool,
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
pub(super) struct Ring {
    pub(super) to: Number,
    #[serde(default)]
    pub(super) video: bool,
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

/// One change of the app state, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Changes {
    One(StateChange),
    Many(Vec<StateChange>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateKey {
    #[serde(default)]
    pub(super) share: bool,
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
        let mut said = Vec::new();
        let sealed = self.sealed;
        match (self.text, self.edit) {
            (Some(text), None) => said.push(Say::Text(text)),
            (Some(text), Some(id)) => said.push(Say::Edit { id, text, sealed }),
            (None, None) => {}
            (None, Some(_)) => return Err(wrong_content()),
        }
        said.extend(self.revoke.map(|id| Say::Revoke { id }));
        said.extend(self.react.map(|React { id, emoji }| Say::React { id, emoji, sealed }));
        said.extend(self.timer.map(Say::Timer));
        said.extend(self.rich.map(Say::Rich));
        said.extend(self.place.map(Say::Place));
        said.extend(self.contacts.map(Say::Contacts));
        said.extend(self.poll.map(Say::Poll));
        said.extend(self.vote.map(|Vote { id, choices }| Say::Vote { id, choices }));
        said.extend(self.event.map(Say::Event));
        said.extend(self.answer.map(|Answer { id, going }| Say::Answer { id, going }));
        said.extend(self.pin.map(|Pin { id, seconds }| Say::Pin { id, seconds }));
        said.extend(self.keep.map(|Keep { id, keep }| Say::Keep { id, keep }));
        said.extend(self.press.map(Say::Press));
        if let Some(media) = self.media {
            said.push(Say::File(Box::new(media.file()?)));
        }
        if let Some(raw) = self.raw {
            let wrong = |error| ControlError::InvalidRequest(format!("`raw` is not hexadecimal: {error}"));
            said.push(Say::Raw(hex::decode(raw).map_err(wrong)?.into()));
        }
        match (said.pop(), said.is_empty()) {
            (Some(say), true) => Ok(say),
            _ => Err(wrong_content()),
        }
    }
}

fn wrong_content() -> ControlError {
    let reason = "one of `text`, `text` with `edit`, `revoke`, `react`, `timer`, `rich`, `place`, `contacts`, `poll`, `vote`, \
                  `event`, `answer`, `pin`, `keep`, `press`, `media` and `raw` is expected";
    ControlError::InvalidRequest(reason.to_owned())
}
