//! What a companion tells, under the names that the API uses.

use storage::MessageStatus;
use wa_binary::Jid;
use wa_client::{IncomingMessage, MessageId, ReceiptKind, ReceiptUpdate};
use wa_protobuf::e2e;

/// A chat under all its names; `name` is the one that the API uses: the phone number where known.
pub(crate) struct Chat {
    pub(crate) name: String,
    pub(crate) wire: String,
    pub(crate) pn: Option<String>,
    pub(crate) lid: Option<String>,
}

impl Chat {
    pub(crate) fn new(chat: &Jid, pn: Option<&Jid>, lid: Option<&Jid>) -> Self {
        let text = |jid: &Jid| jid.to_user().to_string();
        let chat = chat.to_user();
        let pn = pn.map(text).or_else(|| chat.is_pn().then(|| chat.to_string()));
        let lid = lid.map(text).or_else(|| chat.is_lid().then(|| chat.to_string()));
        let wire = chat.to_string();
        let name = pn.clone().unwrap_or_else(|| wire.clone());
        Self { name, wire, pn, lid }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = vec![self.name.clone(), self.wire.clone()];
        names.extend(self.lid.clone());
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// A message, with chat and people under the names that the API uses.
pub(crate) struct Incoming<'a> {
    pub(crate) id: &'a str,
    pub(crate) chat: Chat,
    /// As it stood on the wire, without device.
    pub(crate) sender: String,
    /// Who wrote it, in a group.
    pub(crate) participant: Option<String>,
    pub(crate) from_me: bool,
    pub(crate) push_name: Option<&'a str>,
    /// Unix seconds.
    pub(crate) timestamp: i64,
    pub(crate) message: &'a e2e::Message,
}

impl<'a> Incoming<'a> {
    pub(crate) fn of(message: &'a IncomingMessage) -> Self {
        let sender = message.sender_pn.as_ref().or(message.sender_lid.as_ref()).unwrap_or(&message.sender);
        Self {
            id: message.id.as_str(),
            chat: Chat::new(&message.chat, message.chat_pn.as_ref(), message.chat_lid.as_ref()),
            sender: message.sender.to_user().to_string(),
            participant: message.chat.is_group().then(|| sender.to_user().to_string()),
            from_me: message.from_me,
            push_name: message.push_name.as_deref(),
            timestamp: message.timestamp,
            message: &message.message,
        }
    }
}

/// A receipt that says something about messages.
pub(crate) struct Receipt<'a> {
    pub(crate) chat: Chat,
    pub(crate) ids: Vec<&'a str>,
    pub(crate) status: MessageStatus,
    /// Whether the messages are ours.
    pub(crate) ours: bool,
    /// Unix seconds.
    pub(crate) timestamp: i64,
}

impl<'a> Receipt<'a> {
    pub(crate) fn of(receipt: &'a ReceiptUpdate) -> Option<Self> {
        let (status, ours) = meaning(&receipt.kind, receipt.from_me)?;
        Some(Self {
            chat: Chat::new(&receipt.chat, receipt.chat_pn.as_ref(), receipt.chat_lid.as_ref()),
            ids: receipt.ids.iter().map(MessageId::as_str).collect(),
            status,
            ours,
            timestamp: receipt.timestamp,
        })
    }
}

/// What a receipt says: the new status, and whether the message is ours.
pub(super) fn meaning(kind: &ReceiptKind, from_me: bool) -> Option<(MessageStatus, bool)> {
    match kind {
        ReceiptKind::Delivered | ReceiptKind::Inactive if !from_me => Some((MessageStatus::Delivered, true)),
        ReceiptKind::Read => Some((MessageStatus::Read, !from_me)),
        ReceiptKind::Played => Some((MessageStatus::Played, !from_me)),
        ReceiptKind::ReadSelf => Some((MessageStatus::Read, false)),
        ReceiptKind::PlayedSelf => Some((MessageStatus::Played, false)),
        _ => None,
    }
}
