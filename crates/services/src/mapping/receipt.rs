//! Receipts: what happened to which messages.

use storage::{Entry, EventData, MessageStatus, NewEvent, StatusData, StatusUpdate, Timestamp};
use wa_client::content::Content;
use wa_client::{ReceiptKind, ReceiptUpdate};

use super::Mapped;
use super::names::ChatNames;
use super::outgoing::sent;
use crate::pending::{Fate, PendingMessages};

/// Adds what a receipt says. One for a message of ours whose ack was never seen proves that WhatsApp has it: that is
/// told first.
pub(super) fn add(receipt: &ReceiptUpdate, pending: &PendingMessages, mapped: &mut Mapped) {
    let Some((status, ours)) = meaning(&receipt.kind, receipt.from_me) else { return };
    let names = ChatNames::new(&receipt.chat, receipt.chat_pn.as_ref(), receipt.chat_lid.as_ref());
    for id in &receipt.ids {
        if ours && let Some(message) = pending.find(id.as_str()) {
            let content = Content::decode(message.raw.clone()).ok();
            let view = content.as_ref().map(Content::view);
            mapped.entries.push(Entry::Status(sent(message, view, receipt.timestamp)));
            mapped.finished.push((id.to_string(), Fate::Sent));
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
            status,
            at: Timestamp::from_seconds(receipt.timestamp),
            event: Some(NewEvent::new(Some(names.chat.clone()), EventData::MessageStatus(told))),
        }));
    }
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
