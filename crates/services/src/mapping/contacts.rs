//! Who people are, and what the account has marked their chats with.

use storage::{ContactChange, ContactId, Entry, Timestamp};
use wa_binary::Jid;
use wa_client::{Action, AppStateChange, HistoryChat, HistoryContact, MessageInfo, Mute};

use super::Mapping;
use super::names::{ChatNames, person_names};

/// For good.
const END_OF_TIME: i64 = 253_402_300_799_000;

impl Mapping<'_> {
    /// The name that the writer of a message gave themself, unless it is known.
    pub(super) fn push_name(&mut self, info: &MessageInfo) {
        if let Some(name) = info.push_name.as_deref().filter(|_| !info.from_me) {
            let names = person_names(&info.sender, info.sender_pn.as_ref(), info.sender_lid.as_ref());
            let lid = info.sender_lid.as_ref().map(|lid| lid.to_user().to_string());
            if let Some(jid) = names.into_iter().next() {
                self.call(jid, lid, name);
            }
        }
    }

    /// The name that somebody gave themself.
    pub(super) fn named(&mut self, jid: &Jid, name: &str) {
        self.call(jid.to_user().to_string(), None, name);
    }

    fn call(&mut self, jid: String, lid: Option<String>, name: &str) {
        let is_told = |(known, called): &(String, String)| *known == jid && called == name;
        if !self.names.is_news(&jid, name) || self.mapped.named.iter().any(is_told) {
            return;
        }
        let change = ContactChange {
            lid: lid.filter(|lid| *lid != jid),
            push_name: Some(Some(name.to_owned())),
            ..ContactChange::of(ContactId::generate(), jid.clone())
        };
        self.learn(change);
        self.mapped.named.push((jid, name.to_owned()));
    }

    pub(super) fn history_chat(&mut self, chat: &HistoryChat) {
        let names = ChatNames::new(&chat.chat, chat.chat_pn.as_ref(), chat.chat_lid.as_ref());
        let change = ContactChange {
            lid: names.chat.lid.filter(|lid| *lid != names.chat.jid),
            saved_name: chat.name.clone().map(Some),
            last_activity: chat.last_activity.map(Timestamp::from_seconds),
            archived: chat.archived.then_some(true),
            pinned_at: chat.pinned_at.map(Timestamp::from_seconds).map(Some),
            muted_until: chat.muted_until.map(Timestamp::from_seconds).map(Some),
            ..ContactChange::of(ContactId::generate(), names.chat.jid)
        };
        self.learn(change);
    }

    pub(super) fn history_contact(&mut self, contact: &HistoryContact) {
        let Some(who) = contact.pn.as_ref().or(contact.lid.as_ref()) else { return };
        let lid = contact.lid.as_ref().filter(|_| contact.pn.is_some()).map(|lid| lid.to_user().to_string());
        let name = contact.full_name.clone().or_else(|| contact.first_name.clone());
        let change = ContactChange {
            lid,
            saved_name: name.map(Some),
            ..ContactChange::of(ContactId::generate(), who.to_user().to_string())
        };
        self.learn(change);
    }

    /// A mark of the account, or a name in its address book.
    pub(super) fn app_state(&mut self, change: &AppStateChange) {
        let written = Timestamp::from_millis(change.timestamp);
        let of = |jid: &str| ContactChange::of(ContactId::generate(), jid);
        let learned = match &change.action {
            Action::Contact { jid, contact } => {
                let name = contact.full_name.clone().or_else(|| contact.first_name.clone());
                let (pn, lid) = (contact.pn_jid.as_deref(), contact.lid_jid.clone());
                let name = name.filter(|name| !change.removed && !name.is_empty());
                ContactChange { lid, saved_name: Some(name), ..of(pn.unwrap_or(jid)) }
            }
            Action::Mute { chat, mute } => {
                let until = match mute {
                    Mute::Off => None,
                    Mute::Until(millis) => Some(Timestamp::from_millis(*millis)),
                    Mute::Forever => Some(Timestamp::from_millis(END_OF_TIME)),
                };
                ContactChange { muted_until: Some(until.filter(|_| !change.removed)), ..of(chat) }
            }
            // As phones do it, a chat is on top or put away, never both (PROTOCOL.md 18.5).
            Action::Pin { chat, pinned } => {
                let pinned_at = (*pinned && !change.removed).then_some(written);
                let archived = pinned_at.map(|_| false);
                ContactChange { pinned_at: Some(pinned_at), archived, ..of(chat) }
            }
            Action::Archive { chat, archived, .. } => {
                let archived = *archived && !change.removed;
                ContactChange { archived: Some(archived), pinned_at: archived.then_some(None), ..of(chat) }
            }
            _ => return,
        };
        self.learn(learned);
    }

    fn learn(&mut self, change: ContactChange) {
        self.mapped.entries.push(Entry::Contact(Box::new(change)));
    }
}
