//! Receipts: what happened to which messages.

use storage::{
    Chat, Entry, EventData, Message, MessageStatus, NewEvent, StatusData, StatusUpdate, Timestamp,
};
use wa_client::content::Content;
use wa_client::{ReceiptKind, ReceiptUpdate};

use super::Mapped;
use super::names::ChatNames;
use super::outgoing::{amends, sent};
use crate::pending::{Fate, PendingMessages};
use crate::recipient::is_shared;

/// Adds what a receipt says. One for a message of ours whose ack was never seen proves that WhatsApp has it: that is
/// told first.
pub(super) fn add(receipt: &ReceiptUpdate, pending: &PendingMessages, mapped: &mut Mapped) {
    let Some((status, ours)) = meaning(&receipt.kind, receipt.from_me) else { return };
    let names = ChatNames::new(&receipt.chat, receipt.chat_pn.as_ref(), receipt.chat_lid.as_ref());
    let is_of_member = ours && is_shared(&receipt.chat) && receipt.participant.is_user();
    let member = is_of_member.then(|| receipt.participant.to_user().to_string());
    for id in &receipt.ids {
        if ours && let Some(message) = pending.find(id.as_str()) {
            let content = Content::decode(message.raw.clone()).ok();
            let view = content.as_ref().map(Content::view);
            let mut sent = sent(message, view, receipt.timestamp);
            pending.tell_if_queued(&mut sent);
            let amends = amends(message, sent.at);
            mapped.entries.push(Entry::Status(sent));
            mapped.entries.extend(amends.map(|amends| Entry::Amend(Box::new(amends))));
            mapped.finished.push((id.to_string(), Fate::Sent(None)));
        }
        let told = StatusData {
            message_id: id.to_string(),
            status,
            from_me: ours,
            timestamp: receipt.timestamp,
            failure: None,
        };
        mapped.entries.push(Entry::Status(StatusUpdate {
            message_id: id.to_string(),
            chats: names.all(),
            from_me: ours,
            member: member.clone(),
            status,
            at: Timestamp::from_seconds(receipt.timestamp),
            event: Some(NewEvent::new(Some(names.chat.clone()), EventData::MessageStatus(told))),
        }));
    }
}

/// A message of another that was read, or listened to, through us.
pub(crate) fn read_by_us(message: &Message, played: bool, now: Timestamp) -> StatusUpdate {
    let status = if played { MessageStatus::Played } else { MessageStatus::Read };
    let told = StatusData {
        message_id: message.message_id.clone(),
        status,
        from_me: false,
        timestamp: now.millis() / 1000,
        failure: None,
    };
    let names = names_of(message);
    StatusUpdate {
        message_id: message.message_id.clone(),
        chats: vec![message.chat.clone(), message.wire_chat.clone()],
        from_me: false,
        member: None,
        status,
        at: now,
        event: Some(NewEvent::new(Some(names), EventData::MessageStatus(told))),
    }
}

fn names_of(message: &Message) -> Chat {
    let of = |suffix: &str| {
        let names = [&message.chat, &message.wire_chat];
        names.into_iter().find(|name| name.ends_with(suffix)).cloned()
    };
    Chat { jid: message.chat.clone(), pn: of("@s.whatsapp.net"), lid: of("@lid") }
}

/// What a receipt says: the new status, and whether the message is ours.
fn meaning(kind: &ReceiptKind, from_me: bool) -> Option<(MessageStatus, bool)> {
    match kind {
        ReceiptKind::Delivered | ReceiptKind::Inactive if !from_me => Some((MessageStatus::Delivered, true)),
        ReceiptKind::Read => Some((MessageStatus::Read, !from_me)),
        ReceiptKind::Played => Some((MessageStatus::Played, !from_me)),
        ReceiptKind::ReadSelf => Some((MessageStatus::Read, false)),
        ReceiptKind::PlayedSelf => Some((MessageStatus::Played, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_say_what_happened_to_whose_messages() {
        use MessageStatus::{Delivered, Played, Read};
        use ReceiptKind as Kind;
        let table = [
            (Kind::Delivered, false, Some((Delivered, true))),
            (Kind::Inactive, false, Some((Delivered, true))),
            (Kind::Read, false, Some((Read, true))),
            (Kind::Played, false, Some((Played, true))),
            (Kind::Read, true, Some((Read, false))),
            (Kind::ReadSelf, true, Some((Read, false))),
            (Kind::PlayedSelf, true, Some((Played, false))),
            (Kind::Delivered, true, None),
            (Kind::Sender, true, None),
            (Kind::ServerError, false, None),
            (Kind::Other("view".to_owned()), false, None),
        ];
        for (kind, from_me, expected) in table {
            assert_eq!(meaning(&kind, from_me), expected, "{kind:?} {from_me}");
        }
    }
}
