//! Messages that the own phone sends in the place of those that could not be read (PROTOCOL.md 11.7).

use bytes::Bytes;
use prost::Message as _;
use wa_protobuf::e2e::{MessageKey, PeerDataOperationRequestResponseMessage};

use super::envelope::Envelope;
use super::replay::told;
use crate::content::Content;
use crate::context::Context;
use crate::end::End;
use crate::inbox::EventSource;

/// Takes the messages in an answer of the phone as if their senders had sent them again. What was not asked for is not
/// taken.
pub(super) async fn take_in(
    context: &mut Context<'_>,
    envelope: &Envelope,
    plain: &Bytes,
) -> Result<(), End> {
    let is_of_phone = envelope.peer && envelope.from_me && envelope.sender.device == 0;
    if !is_of_phone || context.mirror.missed.next_due().is_none() {
        return Ok(());
    }
    let Ok(content) = Content::decode(plain.clone()) else { return Ok(()) };
    let answer = content.message().protocol_message.as_ref();
    let answer = answer.and_then(|protocol| protocol.peer_data_operation_request_response_message.as_ref());
    for found in answer.into_iter().flat_map(messages) {
        let (Some(key), Some(message)) = (found.key, found.message) else { continue };
        let missed = &mut context.mirror.missed;
        let Some(missed) = missed.take(&key.id.unwrap_or_default(), key.from_me.unwrap_or(false)) else {
            continue;
        };
        let source = EventSource::Message { frame: missed.frame, plain: message };
        let event = told(context.mirror, context.shared, &source).await?;
        context.mirror.inbox.push_once(event, source);
    }
    context.mirror.must_commit();
    Ok(())
}

fn messages(answer: &PeerDataOperationRequestResponseMessage) -> impl Iterator<Item = RawMessageInfo> {
    let results = answer.peer_data_operation_result.iter();
    let found = results.filter_map(|result| result.placeholder_message_resend_response.as_ref());
    found.filter_map(|found| RawMessageInfo::decode(found.web_message_info_bytes.clone()?).ok())
}

/// What counts in a `WebMessageInfo`, with the message as its bytes.
#[derive(Clone, PartialEq, prost::Message)]
struct RawMessageInfo {
    #[prost(message, optional, tag = "1")]
    key: Option<MessageKey>,
    #[prost(bytes = "bytes", optional, tag = "2")]
    message: Option<Bytes>,
}
