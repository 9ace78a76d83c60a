use wa_protobuf::appstate::SyncActionValue;

use super::{Action, MessageRef, Mute, Unknown};
use crate::{Collection, Mutation, Operation};

impl Action {
    /// What a mutation says. Of a removal only the subject counts: authors leave its value away or empty.
    ///
    /// A record that lacks what its action needs is [`Action::Unknown`], never one with an invented value.
    pub fn read(collection: Collection, mutation: &Mutation) -> Self {
        let value = mutation.data().value.unwrap_or_default();
        let is_removal = mutation.operation() == Operation::Remove;
        let index = mutation.index_parts().unwrap_or_default();
        let index: Vec<&str> = index.iter().map(String::as_str).collect();
        let known = chat(&index, &value, is_removal)
            .or_else(|| message(&index, &value, is_removal))
            .or_else(|| account(&index, &value, is_removal));
        known.unwrap_or_else(|| {
            let (index, raw) = (mutation.index().clone(), mutation.raw().clone());
            Self::Unknown(Unknown { collection, index, raw })
        })
    }
}

/// The field of the action; in a removal an empty one will do.
fn part<T: Clone + Default>(field: &Option<T>, is_removal: bool) -> Option<T> {
    field.clone().or_else(|| is_removal.then(T::default))
}

/// The flag that says what holds.
fn flag(flag: Option<bool>, is_removal: bool) -> Option<bool> {
    part(&flag, is_removal)
}

fn chat(index: &[&str], value: &SyncActionValue, is_removal: bool) -> Option<Action> {
    let owned = |chat: &str| chat.to_owned();
    Some(match *index {
        ["mute", chat] => {
            let action = part(&value.mute_action, is_removal)?;
            let mute = match (flag(action.muted, is_removal)?, action.mute_end_timestamp) {
                (false, _) => Mute::Off,
                (true, Some(until @ 0..)) => Mute::Until(until),
                (true, _) => Mute::Forever,
            };
            Action::Mute { chat: owned(chat), mute }
        }
        ["pin_v1", chat] => {
            let pinned = flag(part(&value.pin_action, is_removal)?.pinned, is_removal)?;
            Action::Pin { chat: owned(chat), pinned }
        }
        ["archive", chat] => {
            let action = part(&value.archive_chat_action, is_removal)?;
            let archived = flag(action.archived, is_removal)?;
            Action::Archive { chat: owned(chat), archived, range: action.message_range }
        }
        ["markChatAsRead", chat] => {
            let action = part(&value.mark_chat_as_read_action, is_removal)?;
            let read = flag(action.read, is_removal)?;
            Action::MarkRead { chat: owned(chat), read, range: action.message_range }
        }
        ["deleteChat", chat, media] => {
            let range = part(&value.delete_chat_action, is_removal)?.message_range;
            Action::DeleteChat { chat: owned(chat), delete_media: media == "1", range }
        }
        ["clearChat", chat, starred, media] => {
            let range = part(&value.clear_chat_action, is_removal)?.message_range;
            let (delete_starred, delete_media) = (starred == "1", media == "1");
            Action::ClearChat { chat: owned(chat), delete_starred, delete_media, range }
        }
        _ => return None,
    })
}

fn message(index: &[&str], value: &SyncActionValue, is_removal: bool) -> Option<Action> {
    Some(match *index {
        ["star", chat, id, from_me, participant] => {
            let starred = flag(part(&value.star_action, is_removal)?.starred, is_removal)?;
            Action::Star { message: message_ref([chat, id, from_me, participant])?, starred }
        }
        ["deleteMessageForMe", chat, id, from_me, participant] => {
            let action = part(&value.delete_message_for_me_action, is_removal)?;
            let message = message_ref([chat, id, from_me, participant])?;
            let delete_media = action.delete_media.unwrap_or(false);
            Action::DeleteForMe { message, delete_media, sent: action.message_timestamp }
        }
        ["label_message", label, chat, id, from_me, participant] => {
            let labeled = flag(part(&value.label_association_action, is_removal)?.labeled, is_removal)?;
            let message = message_ref([chat, id, from_me, participant])?;
            Action::LabelMessage { label: label.to_owned(), message, labeled }
        }
        _ => return None,
    })
}

fn account(index: &[&str], value: &SyncActionValue, is_removal: bool) -> Option<Action> {
    Some(match *index {
        ["contact", jid] => {
            let contact = part(&value.contact_action, is_removal)?;
            Action::Contact { jid: jid.to_owned(), contact }
        }
        ["userStatusMute", author] => {
            let muted = flag(part(&value.user_status_mute_action, is_removal)?.muted, is_removal)?;
            Action::MuteStatus { author: author.to_owned(), muted }
        }
        ["setting_pushName"] => {
            let name = part(&value.push_name_setting, is_removal)?.name;
            Action::PushName(part(&name, is_removal)?)
        }
        ["setting_locale"] => {
            let locale = part(&value.locale_setting, is_removal)?.locale;
            Action::Locale(part(&locale, is_removal)?)
        }
        ["setting_unarchiveChats"] => {
            let setting = part(&value.unarchive_chats_setting, is_removal)?;
            Action::UnarchiveChats(flag(setting.unarchive_chats, is_removal)?)
        }
        ["nct_salt_sync"] => {
            let salt = part(&value.nct_salt_sync_action, is_removal)?.salt;
            Action::NctSalt(part(&salt, is_removal)?)
        }
        ["label_edit", id] => {
            Action::Label { id: id.to_owned(), label: part(&value.label_edit_action, is_removal)? }
        }
        ["label_jid", label, chat] => {
            let labeled = flag(part(&value.label_association_action, is_removal)?.labeled, is_removal)?;
            Action::LabelChat { label: label.to_owned(), chat: chat.to_owned(), labeled }
        }
        ["quick_reply", id] => {
            Action::QuickReply { id: id.to_owned(), reply: part(&value.quick_reply_action, is_removal)? }
        }
        _ => return None,
    })
}

fn message_ref([chat, id, from_me, participant]: [&str; 4]) -> Option<MessageRef> {
    let from_me = match from_me {
        "0" => false,
        "1" => true,
        _ => return None,
    };
    let participant = (participant != "0").then(|| participant.to_owned());
    Some(MessageRef { chat: chat.to_owned(), id: id.to_owned(), from_me, participant })
}
