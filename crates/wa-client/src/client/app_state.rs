//! Settings and marks that all devices of the account keep in step. Chats are users, by LID or phone number as the account
//! keys them, or groups. Each call resolves when the server has taken the change, which is told as [`crate::Event::AppState`].

use wa_appstate::{Action, Draft, MessageRef, Mute};
use wa_binary::Jid;
use wa_protobuf::appstate::{
    ContactAction, LabelEditAction, QuickReplyAction, SyncActionMessage, SyncActionMessageRange,
};
use wa_protobuf::e2e::MessageKey;

use super::{Client, MAX_PUSH_NAME};
use crate::command::Command;
use crate::request::RequestError;

/// Longest name of a contact or label, and longest shortcut, in characters; what phones take is not known to be longer.
const MAX_NAME: usize = 256;

/// The last message of a chat that the caller knows of: what a change of the chat holds for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastMessage {
    /// Which it is.
    pub message: MessageRef,
    /// When it was sent, in Unix seconds.
    pub timestamp: i64,
}

impl Client {
    /// Mutes a chat, or lets it be heard again.
    pub async fn mute(&self, chat: &Jid, mute: Mute) -> Result<(), RequestError> {
        self.set_state(Action::Mute { chat: named(chat), mute }).await
    }

    /// Keeps a chat on top, which takes it out of the archive, or doesn't any more.
    pub async fn pin(&self, chat: &Jid, pinned: bool) -> Result<(), RequestError> {
        let mut actions = vec![Action::Pin { chat: named(chat), pinned }];
        let range = Some(self.range(None));
        actions.extend(pinned.then(|| Action::Archive { chat: named(chat), archived: false, range }));
        self.change_state(&actions, &[]).await
    }

    /// Puts a chat away, which unpins it, or takes it out again.
    pub async fn archive(
        &self,
        chat: &Jid,
        archived: bool,
        last: Option<&LastMessage>,
    ) -> Result<(), RequestError> {
        let range = Some(self.range(last));
        let mut actions = vec![Action::Archive { chat: named(chat), archived, range }];
        actions.extend(archived.then(|| Action::Pin { chat: named(chat), pinned: false }));
        self.change_state(&actions, &[]).await
    }

    /// Marks a chat as read on the account's devices, or as unread. Who wrote in it hears nothing of that: see
    /// [`Client::mark_read`].
    pub async fn mark_chat_read(
        &self,
        chat: &Jid,
        read: bool,
        last: Option<&LastMessage>,
    ) -> Result<(), RequestError> {
        let range = Some(self.range(last));
        self.set_state(Action::MarkRead { chat: named(chat), read, range }).await
    }

    /// Stars a message, or doesn't any more.
    pub async fn star(&self, message: MessageRef, starred: bool) -> Result<(), RequestError> {
        self.set_state(Action::Star { message, starred }).await
    }

    /// Deletes a chat up to its last message, with its media, on the account's own devices.
    pub async fn delete_chat(&self, chat: &Jid, last: Option<&LastMessage>) -> Result<(), RequestError> {
        let range = Some(self.range(last));
        self.set_state(Action::DeleteChat { chat: named(chat), delete_media: true, range }).await
    }

    /// Deletes a message with its media on the account's own devices; `sent` in Unix seconds. For others it stays.
    pub async fn delete_for_me(&self, message: MessageRef, sent: Option<i64>) -> Result<(), RequestError> {
        self.set_state(Action::DeleteForMe { message, delete_media: true, sent }).await
    }

    /// Gives the account itself another name, on all of its devices. See [`Client::set_push_name`] for one that only this
    /// companion shows.
    pub async fn rename_account(&self, name: &str) -> Result<(), RequestError> {
        check(name, MAX_PUSH_NAME)?;
        self.set_state(Action::PushName(name.to_owned())).await
    }

    /// Puts somebody into the account's address book, or renames them there. `lid`: their LID, where it is known and
    /// `contact` is their phone number. The phone is asked to keep them in its own address book, too.
    pub async fn save_contact(
        &self,
        contact: &Jid,
        lid: Option<&Jid>,
        full_name: &str,
        first_name: Option<&str>,
    ) -> Result<(), RequestError> {
        check(full_name, MAX_NAME)?;
        let action = ContactAction {
            full_name: Some(full_name.to_owned()),
            first_name: first_name.map(str::to_owned),
            lid_jid: lid.map(named),
            save_on_primary_addressbook: Some(true),
            ..Default::default()
        };
        self.set_state(Action::Contact { jid: named(contact), contact: action }).await
    }

    /// Takes somebody out of the account's address book.
    pub async fn remove_contact(&self, contact: &Jid) -> Result<(), RequestError> {
        let action = Action::Contact { jid: named(contact), contact: ContactAction::default() };
        self.change_state(&[], &[action]).await
    }

    /// Makes a label or changes it; `color` is the number of one of WhatsApp's colours.
    pub async fn edit_label(&self, id: &str, name: &str, color: i32) -> Result<(), RequestError> {
        check(name, MAX_NAME)?;
        let label = LabelEditAction {
            name: Some(name.to_owned()),
            color: Some(color),
            deleted: Some(false),
            ..Default::default()
        };
        self.set_state(Action::Label { id: id.to_owned(), label }).await
    }

    /// Deletes a label.
    pub async fn delete_label(&self, id: &str) -> Result<(), RequestError> {
        let label = LabelEditAction { deleted: Some(true), ..Default::default() };
        self.set_state(Action::Label { id: id.to_owned(), label }).await
    }

    /// Gives a label to a chat, or takes it away.
    pub async fn label_chat(&self, label: &str, chat: &Jid, labeled: bool) -> Result<(), RequestError> {
        self.set_state(Action::LabelChat { label: label.to_owned(), chat: named(chat), labeled }).await
    }

    /// Gives a label to a message, or takes it away.
    pub async fn label_message(
        &self,
        label: &str,
        message: MessageRef,
        labeled: bool,
    ) -> Result<(), RequestError> {
        let message = MessageRef { from_me: false, participant: None, ..message };
        self.set_state(Action::LabelMessage { label: label.to_owned(), message, labeled }).await
    }

    /// Keeps a text at hand under a shortcut. `id`: when it was made, in Unix seconds.
    pub async fn save_quick_reply(&self, id: &str, shortcut: &str, text: &str) -> Result<(), RequestError> {
        check(shortcut, MAX_NAME)?;
        let reply = QuickReplyAction {
            shortcut: Some(shortcut.to_owned()),
            message: Some(text.to_owned()),
            deleted: Some(false),
            ..Default::default()
        };
        self.set_state(Action::QuickReply { id: id.to_owned(), reply }).await
    }

    /// Forgets such a text.
    pub async fn delete_quick_reply(&self, id: &str) -> Result<(), RequestError> {
        let reply = QuickReplyAction { deleted: Some(true), ..Default::default() };
        self.set_state(Action::QuickReply { id: id.to_owned(), reply }).await
    }

    async fn set_state(&self, action: Action) -> Result<(), RequestError> {
        self.change_state(&[action], &[]).await
    }

    /// Has these actions hold from now on, and nothing any more for what the others are about: one patch for each collection
    /// that they concern.
    ///
    /// # Errors
    /// `Invalid` where the phone has not shared the account's keys yet; `Refused` by the server, with 409 if others were
    /// faster twelve times in a row.
    pub async fn change_state(&self, set: &[Action], removed: &[Action]) -> Result<(), RequestError> {
        let now = self.server_millis();
        let set = set.iter().map(|action| Draft::set(action, now));
        let drafts = set.chain(removed.iter().map(|action| Draft::remove(action, now))).collect();
        self.request(|reply| Command::AppState(drafts, reply)).await
    }

    fn range(&self, last: Option<&LastMessage>) -> SyncActionMessageRange {
        let timestamp = last.map_or_else(|| self.server_millis() / 1000, |last| last.timestamp);
        let messages = last.map(|last| SyncActionMessage {
            key: Some(MessageKey {
                remote_jid: Some(last.message.chat.clone()),
                from_me: Some(last.message.from_me),
                id: Some(last.message.id.clone()),
                participant: last.message.participant.clone(),
            }),
            timestamp: Some(last.timestamp),
        });
        SyncActionMessageRange {
            last_message_timestamp: Some(timestamp),
            messages: messages.into_iter().collect(),
            ..Default::default()
        }
    }
}

fn named(chat: &Jid) -> String {
    chat.to_user().to_string()
}

fn check(name: &str, longest: usize) -> Result<(), RequestError> {
    if name.trim().is_empty() || name.chars().count() > longest {
        return Err(RequestError::Invalid(format!("a name has 1 to {longest} characters")));
    }
    Ok(())
}
