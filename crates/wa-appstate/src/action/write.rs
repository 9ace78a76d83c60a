use bytes::Bytes;
use prost::Message;
use wa_protobuf::appstate::{
    ArchiveChatAction, ClearChatAction, DeleteChatAction, DeleteMessageForMeAction, LabelAssociationAction,
    LocaleSetting, MarkChatAsReadAction, MuteAction, NctSaltSyncAction, PinAction, PushNameSetting,
    StarAction, SyncActionData, SyncActionValue, UnarchiveChatsSetting, UserStatusMuteAction,
};

use super::{Action, MessageRef, Mute};
use crate::Collection::{self, CriticalBlock, CriticalUnblockLow, Regular, RegularHigh, RegularLow};
use crate::{Mutation, Operation};

impl Action {
    /// The collection that the action belongs to.
    pub const fn collection(&self) -> Collection {
        self.kind().0
    }

    /// A mutation that says it, at `now` in Unix milliseconds.
    pub(crate) fn write(&self, operation: Operation, now: i64) -> Mutation {
        if let Self::Unknown(unknown) = self {
            let (index, raw) = (unknown.index.clone(), unknown.raw.clone());
            return Mutation { operation, index, raw };
        }
        let index: Bytes = serde_json::Value::from(self.index()).to_string().into();
        let data = SyncActionData {
            index: Some(index.clone()),
            value: Some(SyncActionValue { timestamp: Some(now), ..self.value() }),
            // There, and empty: all known clients write it so.
            padding: Some(Bytes::new()),
            version: Some(self.kind().1),
        };
        Mutation { operation, index, raw: data.encode_to_vec().into() }
    }

    /// Collection and version.
    const fn kind(&self) -> (Collection, i32) {
        match self {
            Self::Mute { .. } | Self::Star { .. } => (RegularHigh, 2),
            Self::DeleteForMe { .. } => (RegularHigh, 3),
            Self::DeleteChat { .. } | Self::ClearChat { .. } => (RegularHigh, 6),
            Self::MuteStatus { .. } => (RegularHigh, 7),
            Self::NctSalt(_) => (RegularHigh, 1),
            Self::Pin { .. } => (RegularLow, 5),
            Self::Archive { .. } | Self::MarkRead { .. } => (RegularLow, 3),
            Self::UnarchiveChats(_) => (RegularLow, 4),
            Self::Label { .. } | Self::LabelChat { .. } | Self::LabelMessage { .. } => (Regular, 3),
            Self::QuickReply { .. } => (Regular, 2),
            Self::Contact { .. } => (CriticalUnblockLow, 2),
            Self::PushName(_) => (CriticalBlock, 1),
            Self::Locale(_) => (CriticalBlock, 3),
            Self::Unknown(unknown) => (unknown.collection, 0),
        }
    }

    fn index(&self) -> Vec<&str> {
        match self {
            Self::Mute { chat, .. } => vec!["mute", chat],
            Self::Pin { chat, .. } => vec!["pin_v1", chat],
            Self::Archive { chat, .. } => vec!["archive", chat],
            Self::MarkRead { chat, .. } => vec!["markChatAsRead", chat],
            Self::Star { message, .. } => message.index(vec!["star"]),
            Self::DeleteForMe { message, .. } => message.index(vec!["deleteMessageForMe"]),
            Self::DeleteChat { chat, delete_media, .. } => vec!["deleteChat", chat, digit(*delete_media)],
            Self::ClearChat { chat, delete_starred, delete_media, .. } => {
                vec!["clearChat", chat, digit(*delete_starred), digit(*delete_media)]
            }
            Self::Contact { jid, .. } => vec!["contact", jid],
            Self::MuteStatus { author, .. } => vec!["userStatusMute", author],
            Self::PushName(_) => vec!["setting_pushName"],
            Self::Locale(_) => vec!["setting_locale"],
            Self::UnarchiveChats(_) => vec!["setting_unarchiveChats"],
            Self::NctSalt(_) => vec!["nct_salt_sync"],
            Self::Label { id, .. } => vec!["label_edit", id],
            Self::LabelChat { label, chat, .. } => vec!["label_jid", label, chat],
            Self::LabelMessage { label, message, .. } => message.index(vec!["label_message", label]),
            Self::QuickReply { id, .. } => vec!["quick_reply", id],
            Self::Unknown(_) => Vec::new(),
        }
    }

    /// The value, without its time.
    fn value(&self) -> SyncActionValue {
        let mut value = SyncActionValue::default();
        match self.clone() {
            Self::Mute { mute, .. } => value.mute_action = Some(mute.value()),
            Self::Pin { pinned, .. } => value.pin_action = Some(PinAction { pinned: Some(pinned) }),
            Self::Archive { archived, range, .. } => {
                value.archive_chat_action =
                    Some(ArchiveChatAction { archived: Some(archived), message_range: range });
            }
            Self::MarkRead { read, range, .. } => {
                value.mark_chat_as_read_action =
                    Some(MarkChatAsReadAction { read: Some(read), message_range: range });
            }
            Self::Star { starred, .. } => value.star_action = Some(StarAction { starred: Some(starred) }),
            Self::DeleteForMe { delete_media, sent, .. } => {
                value.delete_message_for_me_action = Some(DeleteMessageForMeAction {
                    delete_media: Some(delete_media),
                    message_timestamp: sent,
                });
            }
            Self::DeleteChat { range, .. } => {
                value.delete_chat_action = Some(DeleteChatAction { message_range: range });
            }
            Self::ClearChat { range, .. } => {
                value.clear_chat_action = Some(ClearChatAction { message_range: range });
            }
            Self::Contact { contact, .. } => value.contact_action = Some(contact),
            Self::MuteStatus { muted, .. } => {
                value.user_status_mute_action = Some(UserStatusMuteAction { muted: Some(muted) });
            }
            Self::PushName(name) => value.push_name_setting = Some(PushNameSetting { name: Some(name) }),
            Self::Locale(locale) => value.locale_setting = Some(LocaleSetting { locale: Some(locale) }),
            Self::UnarchiveChats(unarchive) => {
                value.unarchive_chats_setting =
                    Some(UnarchiveChatsSetting { unarchive_chats: Some(unarchive) });
            }
            Self::NctSalt(salt) => value.nct_salt_sync_action = Some(NctSaltSyncAction { salt: Some(salt) }),
            Self::Label { label, .. } => value.label_edit_action = Some(label),
            Self::LabelChat { labeled, .. } | Self::LabelMessage { labeled, .. } => {
                value.label_association_action = Some(LabelAssociationAction { labeled: Some(labeled) });
            }
            Self::QuickReply { reply, .. } => value.quick_reply_action = Some(reply),
            Self::Unknown(_) => {}
        }
        value
    }
}

impl Mute {
    fn value(self) -> MuteAction {
        let (muted, mute_end_timestamp) = match self {
            Self::Off => (false, None),
            Self::Until(time) => (true, Some(time)),
            Self::Forever => (true, Some(-1)),
        };
        MuteAction { muted: Some(muted), mute_end_timestamp, auto_muted: None }
    }
}

impl MessageRef {
    /// The parts of an index that name a message, after those that there are.
    fn index<'a>(&'a self, mut parts: Vec<&'a str>) -> Vec<&'a str> {
        let participant = self.participant.as_deref().unwrap_or("0");
        parts.extend([&self.chat, &self.id, digit(self.from_me), participant]);
        parts
    }
}

const fn digit(flag: bool) -> &'static str {
    if flag { "1" } else { "0" }
}
