//! PostgreSQL holds no NUL character in a text. What WhatsApp sends may have one, and must be recorded all the same, or it
//! would be delivered again for ever: in ids and names each becomes U+FFFD; what somebody has written is kept as it is (see
//! `text`).

use storage::{Amendment, Change, ContactChange, Entry, NewEvent, NewMessage, Record, StatusUpdate};

/// Makes all texts of a record such as can be stored.
pub(super) fn make_storable(record: &mut Record) {
    for entry in &mut record.entries {
        match entry {
            Entry::Message(new) => of_message(new),
            Entry::Status(update) => of_status(update),
            Entry::Amend(amendment) => of_amendment(amendment),
            Entry::Media(update) => {
                text(&mut update.message.1);
                of_event(update.event.as_mut());
            }
            Entry::MergeChats { from, into } => all([from, into]),
            Entry::Contact(change) => of_contact(change),
            Entry::Event(event) => of_event(Some(event)),
        }
    }
}

fn of_message(new: &mut NewMessage) {
    let message = &mut new.message;
    all([&mut message.chat, &mut message.wire_chat, &mut message.sender, &mut message.message_id]);
    let parts = [&mut message.participant, &mut message.target, &mut message.push_name];
    all(parts.into_iter().flatten());
    of_event(new.event.as_mut());
}

fn of_status(update: &mut StatusUpdate) {
    text(&mut update.message_id);
    all(update.chats.iter_mut().chain(&mut update.member));
    of_event(update.event.as_mut());
}

fn of_amendment(amendment: &mut Amendment) {
    let target = &mut amendment.target;
    text(&mut target.message_id);
    all(target.chats.iter_mut().chain(&mut target.authors));
    match &mut amendment.change {
        Change::Read { target, .. } => all(target),
        Change::Edit { .. } | Change::Revoke | Change::Refer => {}
    }
    amendment.carrier.iter_mut().for_each(|carrier| of_message(carrier));
    of_event(amendment.event.as_mut());
}

fn of_contact(change: &mut ContactChange) {
    text(&mut change.jid);
    all(change.lid.iter_mut().chain(&mut change.verified_name));
    let told = [&mut change.saved_name, &mut change.push_name, &mut change.picture, &mut change.about];
    all(told.into_iter().flatten().flatten());
}

/// What an event tells is JSON, which writes a NUL in other characters.
fn of_event(event: Option<&mut NewEvent>) {
    let Some(chat) = event.and_then(|event| event.chat.as_mut()) else { return };
    text(&mut chat.jid);
    all(chat.pn.iter_mut().chain(&mut chat.lid));
}

fn all<'a>(texts: impl IntoIterator<Item = &'a mut String>) {
    texts.into_iter().for_each(text);
}

fn text(text: &mut String) {
    if text.contains('\0') {
        *text = text.replace('\0', "\u{fffd}");
    }
}
