use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use compact_str::CompactString;
use prost::Message as _;
use wa_binary::Jid;
use wa_protobuf::{
    e2e::{
        MessageKey, PeerDataOperationRequestMessage, PeerDataOperationRequestResponseMessage,
        PeerDataOperationRequestType, ProtocolMessage,
        peer_data_operation_request_response_message::{
            PeerDataOperationResult, PlaceholderMessageResendResponse,
        },
        protocol_message::Type,
    },
    history::WebMessageInfo,
};

use super::{Phone, send::put};

/// Messages whose contents one phone keeps; the oldest goes first.
const MAX_KEPT: usize = 1_000;
/// `message` of a `WebMessageInfo`.
const MESSAGE: u32 = 2;

/// What a phone has received lately, for companions that could not read it.
#[derive(Default)]
pub(super) struct Contents {
    by_id: HashMap<CompactString, Kept>,
    order: VecDeque<CompactString>,
}

/// A message as it was received.
pub(super) struct Kept {
    /// An encoded `Message`, without the envelope of copies for own devices.
    pub(super) content: Bytes,
    /// The name of the chat that it is in.
    pub(super) chat: CompactString,
    pub(super) from_me: bool,
    /// Number of who wrote it.
    pub(super) author: CompactString,
    pub(super) timestamp: u64,
    pub(super) push_name: String,
}

impl Contents {
    /// What a message says that was received.
    pub(super) fn get(&self, id: &str) -> Option<&Kept> {
        self.by_id.get(id)
    }

    pub(super) fn keep(&mut self, id: &CompactString, kept: Kept) {
        if self.by_id.insert(id.clone(), kept).is_none() {
            self.order.push_back(id.clone());
        }
        if self.order.len() > MAX_KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
    }
}

impl Contents {
    /// What a message of this chat says.
    pub(super) fn content(&self, id: &str, chat: &str) -> Option<Bytes> {
        self.by_id.get(id).filter(|kept| kept.chat == chat).map(|kept| kept.content.clone())
    }
}

impl Phone {
    /// Gives an own companion the messages that it asks for; those that the phone doesn't have are left empty
    /// (PROTOCOL.md 11.7).
    pub(super) fn resend(&self, request: &PeerDataOperationRequestMessage, id: &str) -> ProtocolMessage {
        let wanted = request.placeholder_message_resend_request.iter();
        let results = wanted.map(|wanted| {
            let found = wanted.message_key.as_ref().and_then(|key| self.held(key));
            let response =
                found.map(|info| PlaceholderMessageResendResponse { web_message_info_bytes: Some(info) });
            PeerDataOperationResult { placeholder_message_resend_response: response, ..Default::default() }
        });
        ProtocolMessage {
            r#type: Some(Type::PeerDataOperationRequestResponseMessage.into()),
            peer_data_operation_request_response_message: Some(PeerDataOperationRequestResponseMessage {
                peer_data_operation_request_type: Some(
                    PeerDataOperationRequestType::PlaceholderMessageResend.into(),
                ),
                stanza_id: Some(id.to_owned()),
                peer_data_operation_result: results.collect(),
            }),
            ..Default::default()
        }
    }

    /// A message as an encoded `WebMessageInfo`, whoever sent it.
    fn held(&self, key: &MessageKey) -> Option<Bytes> {
        let id = key.id.as_deref()?;
        let chat = self.world.chat_named(key.remote_jid.as_deref()?)?.name();
        let outbox = self.state.outbox.borrow();
        let sent = outbox.get(id).filter(|sent| sent.entry.to == chat);
        let kept = self.state.contents.by_id.get(id).filter(|kept| kept.chat == chat);
        // In a group nothing is found without its writer, whom other clients name there (PROTOCOL.md 11.7).
        let by = |kept: &&Kept| kept.from_me || !is_group(&chat) || self.is_number_of(key, &kept.author);
        let kept = kept.filter(by);
        let (content, from_me, timestamp, push_name) = match (sent, kept) {
            (Some(sent), _) => (&sent.content, true, sent.entry.timestamp, None),
            (None, Some(kept)) => (&kept.content, kept.from_me, kept.timestamp, Some(kept.push_name.clone())),
            (None, None) => return None,
        };
        let info = WebMessageInfo {
            key: Some(MessageKey { from_me: Some(from_me), ..key.clone() }),
            message_timestamp: Some(timestamp),
            push_name,
            ..Default::default()
        };
        let mut info = info.encode_to_vec();
        put(&mut info, MESSAGE, content);
        Some(info.into())
    }

    /// Whether the member whom a key names has this number.
    fn is_number_of(&self, key: &MessageKey, number: &str) -> bool {
        let member = key.participant.as_deref().and_then(|member| member.parse::<Jid>().ok());
        member.and_then(|member| self.world.resolve(&member)).is_some_and(|member| member.number == number)
    }
}

/// Whether a chat of this name is a group.
fn is_group(chat: &str) -> bool {
    chat.ends_with("@g.us")
}
