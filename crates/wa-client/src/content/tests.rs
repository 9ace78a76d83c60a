use proptest::prelude::*;
use prost::Message as _;
use wa_binary::Jid;
use wa_protobuf::e2e::keep_in_chat_message::KeepType;
use wa_protobuf::e2e::pin_in_chat_message::Type as PinType;
use wa_protobuf::e2e::protocol_message::Type;
use wa_protobuf::e2e::secret_encrypted_message::SecretEncType;
use wa_protobuf::e2e::*;

use super::*;

const CHAT: &str = "15550000001@s.whatsapp.net";
const MEMBER: &str = "100000000000002@lid";

mod drafts;
mod fields;
mod hostile;
mod kinds;

/// A message with one field set.
macro_rules! message {
    ($field:ident: $content:expr) => {
        Message { $field: Some(Box::new($content)), ..Message::default() }
    };
}
use message;

fn text(text: &str) -> Message {
    Message { conversation: Some(text.to_owned()), ..Message::default() }
}

fn key(id: &str, from_me: bool) -> Option<MessageKey> {
    Some(Target::of(CHAT, id, from_me).key())
}

fn protocol(kind: Option<Type>, key: Option<MessageKey>, content: Option<Message>) -> Message {
    message!(protocol_message: ProtocolMessage {
        key,
        r#type: kind.map(Into::into),
        edited_message: content.map(Box::new),
        ..ProtocolMessage::default()
    })
}

fn wrapped(message: Message) -> FutureProofMessage {
    FutureProofMessage { message: Some(Box::new(message)) }
}

fn image(caption: &str) -> ImageMessage {
    ImageMessage { caption: Some(caption.to_owned()), ..ImageMessage::default() }
}
