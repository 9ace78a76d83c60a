use serde::Deserialize;
use wa_protobuf::appstate::{
    ArchiveChatAction, ClearChatAction, ContactAction, DeleteChatAction, DeleteMessageForMeAction,
    LabelAssociationAction, LabelEditAction, MarkChatAsReadAction, MuteAction, NctSaltSyncAction, PinAction,
    PushNameSetting, QuickReplyAction, StarAction, SyncActionData, SyncActionMessageRange, SyncActionValue,
};

use super::NAMES;
use crate::ControlError;

const CRITICAL_BLOCK: &str = NAMES[0];
const CRITICAL_UNBLOCK_LOW: &str = NAMES[1];
const REGULAR_HIGH: &str = NAMES[2];
const REGULAR: &str = NAMES[3];
const REGULAR_LOW: &str = NAMES[4];

/// What the person does on the phone that all devices are to know. A chat is a number or a JID.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum StateChange {
    /// A chat makes no noise, until Unix milliseconds or for good; or makes some again.
    Mute {
        /// The chat.
        chat: String,
        /// Or not any more.
        muted: bool,
        /// Until when.
        until: Option<i64>,
    },
    /// A chat stays on top.
    Pin {
        /// The chat.
        chat: String,
        /// Or not any more.
        pinned: bool,
    },
    /// A chat is put away.
    Archive {
        /// The chat.
        chat: String,
        /// Or taken out again.
        archived: bool,
    },
    /// A chat is marked as read, or as not.
    MarkRead {
        /// The chat.
        chat: String,
        /// Which of both.
        read: bool,
    },
    /// A message is starred.
    Star {
        /// The message.
        message: StateMessage,
        /// Or not any more.
        starred: bool,
    },
    /// A message is gone for this account alone.
    DeleteForMe {
        /// The message.
        message: StateMessage,
    },
    /// A chat is gone.
    DeleteChat {
        /// The chat.
        chat: String,
    },
    /// A chat stays, its messages are gone.
    ClearChat {
        /// The chat.
        chat: String,
    },
    /// Somebody is in the address book under these names, or without any is not.
    Contact {
        /// Number of the person.
        contact: String,
        /// The whole name; without one the contact is removed.
        full_name: Option<String>,
        /// The first name.
        first_name: Option<String>,
    },
    /// The name that others see.
    PushName {
        /// The name.
        name: String,
    },
    /// A label is made, changed or deleted.
    Label {
        /// Its id.
        id: String,
        /// What it says.
        name: String,
        /// Number of its colour.
        #[serde(default)]
        color: i32,
        /// Whether it is gone.
        #[serde(default)]
        deleted: bool,
    },
    /// A chat gets a label, or loses it.
    LabelChat {
        /// Id of the label.
        label: String,
        /// The chat.
        chat: String,
        /// Which of both.
        labeled: bool,
    },
    /// A message gets a label, or loses it.
    LabelMessage {
        /// Id of the label.
        label: String,
        /// The chat.
        chat: String,
        /// The message.
        id: String,
        /// Which of both.
        labeled: bool,
    },
    /// A text that is at hand under a shortcut.
    QuickReply {
        /// Its id.
        id: String,
        /// Its shortcut.
        shortcut: String,
        /// The text.
        message: String,
        /// Whether it is gone.
        #[serde(default)]
        deleted: bool,
    },
    /// Anything else, as it is.
    Raw {
        /// The collection.
        collection: String,
        /// The index.
        index: Vec<String>,
        /// An encoded `SyncActionValue`, hexadecimal.
        #[serde(default)]
        value: String,
        /// The version of the action.
        version: i32,
        /// Whether the record is removed.
        #[serde(default)]
        removed: bool,
    },
}

/// Names a message.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct StateMessage {
    /// Its chat.
    pub chat: String,
    /// Its id.
    pub id: String,
    /// Whether the account wrote it.
    #[serde(default)]
    pub from_me: bool,
    /// Who wrote it, in groups.
    pub participant: Option<String>,
}

/// What somebody is called in the app state.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    /// As chats are keyed.
    pub(crate) chat: String,
    /// As contacts are.
    pub(crate) pn: String,
    pub(crate) lid: Option<String>,
}

impl Named {
    /// By this name alone.
    pub(crate) fn only(name: &str) -> Self {
        Self { chat: name.to_owned(), pn: name.to_owned(), lid: None }
    }
}

/// A change as a patch says it.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) collection: &'static str,
    pub(crate) is_removal: bool,
    pub(crate) data: SyncActionData,
}

/// What each phone writes before anything else: its name, and the salt of tokens (PROTOCOL.md 22).
pub(super) fn first(name: &str, salt: &[u8], now: i64) -> Vec<Written> {
    let name = PushNameSetting { name: Some(name.to_owned()) };
    let salt = NctSaltSyncAction { salt: Some(salt.to_vec().into()) };
    vec![
        written(CRITICAL_BLOCK, 1, now, &["setting_pushName"], |value| value.push_name_setting = Some(name)),
        written(REGULAR_HIGH, 1, now, &["nct_salt_sync"], |value| value.nct_salt_sync_action = Some(salt)),
    ]
}

/// What phones write now and then, and nobody sees.
pub(crate) fn sentinel(collection: &'static str, now: i64) -> Written {
    written(collection, 1, now, &["sentinel"], |value| value.key_expiration = Some(Default::default()))
}

fn written(
    collection: &'static str,
    version: i32,
    now: i64,
    index: &[&str],
    set: impl FnOnce(&mut SyncActionValue),
) -> Written {
    let mut value = SyncActionValue { timestamp: Some(now), ..Default::default() };
    set(&mut value);
    let data = SyncActionData {
        index: Some(serde_json::Value::from(index).to_string().into()),
        value: Some(value),
        padding: Some(bytes::Bytes::new()),
        version: Some(version),
    };
    Written { collection, is_removal: false, data }
}

impl StateChange {
    /// What phones change with it: who is archived is unpinned, who is pinned is archived no more (PROTOCOL.md 18.5).
    pub(crate) fn implied(&self) -> Option<Self> {
        match self {
            Self::Pin { chat, pinned: true } => Some(Self::Archive { chat: chat.clone(), archived: false }),
            Self::Archive { chat, archived: true } => Some(Self::Pin { chat: chat.clone(), pinned: false }),
            _ => None,
        }
    }

    /// As patches say it, at `now` in Unix milliseconds. `chat` knows what a chat is called in them.
    pub(crate) fn written(
        &self,
        now: i64,
        chat: &impl Fn(&str) -> Result<Named, ControlError>,
    ) -> Result<Written, ControlError> {
        let range = || {
            let last_message_timestamp = Some(now / 1000);
            Some(SyncActionMessageRange { last_message_timestamp, ..Default::default() })
        };
        Ok(match self {
            Self::Mute { chat: of, muted, until } => {
                let end = until.or(Some(-1)).filter(|_| *muted);
                let mute = MuteAction { muted: Some(*muted), mute_end_timestamp: end, auto_muted: None };
                written(REGULAR_HIGH, 2, now, &["mute", &chat(of)?.chat], |value| {
                    value.mute_action = Some(mute)
                })
            }
            Self::Pin { chat: of, pinned } => {
                let pin = PinAction { pinned: Some(*pinned) };
                written(REGULAR_LOW, 5, now, &["pin_v1", &chat(of)?.chat], |value| {
                    value.pin_action = Some(pin)
                })
            }
            Self::Archive { chat: of, archived } => {
                let action = ArchiveChatAction { archived: Some(*archived), message_range: range() };
                let index = ["archive", &chat(of)?.chat];
                written(REGULAR_LOW, 3, now, &index, |value| value.archive_chat_action = Some(action))
            }
            Self::MarkRead { chat: of, read } => {
                let action = MarkChatAsReadAction { read: Some(*read), message_range: range() };
                let index = ["markChatAsRead", &chat(of)?.chat];
                written(REGULAR_LOW, 3, now, &index, |value| value.mark_chat_as_read_action = Some(action))
            }
            Self::DeleteChat { chat: of } => {
                let action = DeleteChatAction { message_range: range() };
                let index = ["deleteChat", &chat(of)?.chat, "1"];
                written(REGULAR_HIGH, 6, now, &index, |value| value.delete_chat_action = Some(action))
            }
            Self::ClearChat { chat: of } => {
                let action = ClearChatAction { message_range: range() };
                let index = ["clearChat", &chat(of)?.chat, "1", "1"];
                written(REGULAR_HIGH, 6, now, &index, |value| value.clear_chat_action = Some(action))
            }
            Self::Star { .. } | Self::DeleteForMe { .. } => self.of_message(now, chat)?,
            Self::Contact { .. } => self.contact(now, chat)?,
            Self::PushName { name } => {
                let name = PushNameSetting { name: Some(name.clone()) };
                let index = ["setting_pushName"];
                written(CRITICAL_BLOCK, 1, now, &index, |value| value.push_name_setting = Some(name))
            }
            Self::Label { .. } | Self::LabelChat { .. } | Self::LabelMessage { .. } => {
                self.label(now, chat)?
            }
            Self::QuickReply { id, shortcut, message, deleted } => {
                let reply = QuickReplyAction {
                    shortcut: Some(shortcut.clone()),
                    message: Some(message.clone()),
                    deleted: Some(*deleted),
                    ..Default::default()
                };
                written(REGULAR, 2, now, &["quick_reply", id], |value| value.quick_reply_action = Some(reply))
            }
            Self::Raw { .. } => self.raw()?,
        })
    }

    fn of_message(
        &self,
        now: i64,
        chat: &impl Fn(&str) -> Result<Named, ControlError>,
    ) -> Result<Written, ControlError> {
        let index = |name: &str, message: &StateMessage| -> Result<[String; 5], ControlError> {
            let from_me = if message.from_me { "1" } else { "0" };
            let participant = match &message.participant {
                Some(participant) => chat(participant)?.chat,
                None => "0".to_owned(),
            };
            Ok([
                name.to_owned(),
                chat(&message.chat)?.chat,
                message.id.clone(),
                from_me.to_owned(),
                participant,
            ])
        };
        Ok(match self {
            Self::Star { message, starred } => {
                let index = index("star", message)?;
                let star = StarAction { starred: Some(*starred) };
                let index: Vec<&str> = index.iter().map(String::as_str).collect();
                written(REGULAR_HIGH, 2, now, &index, |value| value.star_action = Some(star))
            }
            Self::DeleteForMe { message } => {
                let index = index("deleteMessageForMe", message)?;
                let index: Vec<&str> = index.iter().map(String::as_str).collect();
                let delete = DeleteMessageForMeAction { delete_media: Some(true), message_timestamp: None };
                written(REGULAR_HIGH, 3, now, &index, |value| {
                    value.delete_message_for_me_action = Some(delete);
                })
            }
            _ => return Err(wrong("this is about no message")),
        })
    }

    fn contact(
        &self,
        now: i64,
        chat: &impl Fn(&str) -> Result<Named, ControlError>,
    ) -> Result<Written, ControlError> {
        let Self::Contact { contact, full_name, first_name } = self else {
            return Err(wrong("this is no contact"));
        };
        let Named { pn, lid, .. } = chat(contact)?;
        let action = ContactAction {
            lid_jid: lid,
            full_name: full_name.clone(),
            first_name: first_name.clone(),
            save_on_primary_addressbook: Some(true),
            ..Default::default()
        };
        let index = ["contact", pn.as_str()];
        let written =
            written(CRITICAL_UNBLOCK_LOW, 2, now, &index, |value| value.contact_action = Some(action));
        Ok(Written { is_removal: full_name.is_none(), ..written })
    }

    fn label(
        &self,
        now: i64,
        chat: &impl Fn(&str) -> Result<Named, ControlError>,
    ) -> Result<Written, ControlError> {
        let labeled = |labeled: &bool| Some(LabelAssociationAction { labeled: Some(*labeled) });
        Ok(match self {
            Self::Label { id, name, color, deleted } => {
                let label = LabelEditAction {
                    name: Some(name.clone()),
                    color: Some(*color),
                    deleted: Some(*deleted),
                    ..Default::default()
                };
                written(REGULAR, 3, now, &["label_edit", id], |value| value.label_edit_action = Some(label))
            }
            Self::LabelChat { label, chat: of, labeled: is } => {
                let index = ["label_jid", label, &chat(of)?.chat];
                written(REGULAR, 3, now, &index, |value| value.label_association_action = labeled(is))
            }
            Self::LabelMessage { label, chat: of, id, labeled: is } => {
                let index = ["label_message", label, &chat(of)?.chat, id, "0", "0"];
                written(REGULAR, 3, now, &index, |value| value.label_association_action = labeled(is))
            }
            _ => return Err(wrong("this is no label")),
        })
    }

    fn raw(&self) -> Result<Written, ControlError> {
        let Self::Raw { collection, index, value, version, removed } = self else {
            return Err(wrong("this is nothing raw"));
        };
        let known = NAMES.into_iter().find(|name| name == collection);
        let value = hex::decode(value).map_err(|error| wrong(&format!("`value`: {error}")))?;
        let value = <SyncActionValue as prost::Message>::decode(&value[..])
            .map_err(|error| wrong(&format!("`value` is no SyncActionValue: {error}")))?;
        let data = SyncActionData {
            index: Some(serde_json::Value::from(index.as_slice()).to_string().into()),
            value: Some(value),
            padding: Some(bytes::Bytes::new()),
            version: Some(*version),
        };
        let collection = known.ok_or_else(|| wrong("there is no such collection"))?;
        Ok(Written { collection, is_removal: *removed, data })
    }
}

fn wrong(reason: &str) -> ControlError {
    ControlError::InvalidRequest(reason.to_owned())
}
