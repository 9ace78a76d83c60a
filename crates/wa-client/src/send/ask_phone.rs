use std::time::Duration;

use prost::Message as _;
use rand::RngExt;
use tokio::time::Instant;
use wa_binary::{Jid, Node};
use wa_protobuf::e2e::peer_data_operation_request_message::PlaceholderMessageResendRequest;
use wa_protobuf::e2e::protocol_message::Type;
use wa_protobuf::e2e::{
    Message, MessageKey, PeerDataOperationRequestMessage, PeerDataOperationRequestType, ProtocolMessage,
};
use wa_store::DeviceAddress;

use super::{Sender, audience, encrypt, stanza};
use crate::context::Context;
use crate::end::End;
use crate::iq::encrypt::FetchedBundle;
use crate::look_up::Answered;
use crate::message::MessageId;
use crate::missed::MissedMessage;
use crate::request::RequestError;

/// Messages that one request names at most.
const KEYS_PER_REQUEST: usize = 32;

/// No sleep until a time of day is longer.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

impl Sender {
    /// Asks the own phone for the messages that could not be read and whose turn it is, and whatever else it is to be asked
    /// (PROTOCOL.md 11.7).
    pub(crate) async fn ask_phone(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        let now = context.shared.clock.unix_millis();
        context.mirror.missed.hasten(now);
        let due = context.mirror.missed.next_due();
        if context.mirror.letters.is_empty() && due.is_none_or(|due| due > now) {
            if let Some(due) = due {
                wake_at(context, due, now);
            }
            return Ok(());
        }
        let device = &context.mirror.device;
        let (Some(pn), Some(lid)) = (device.jid.clone(), device.lid.clone()) else { return Ok(()) };
        let (to, phone) = (pn.to_user(), lid.to_user());
        let address = DeviceAddress::from(&phone);
        context.mirror.sessions.load(&context.shared.store, std::slice::from_ref(&address)).await?;
        if context.mirror.sessions.contains(&address) {
            return send_requests(context, &to, &address, now).await;
        }
        if !std::mem::replace(&mut self.is_fetching_phone, true) {
            context
                .look_up(|asker| async move { Answered::Phone(audience::bundles(&asker, &[phone]).await) });
        }
        Ok(())
    }

    /// The keys of the own phone are here.
    pub(crate) async fn on_phone_bundle(
        &mut self,
        context: &mut Context<'_>,
        bundles: Result<Vec<FetchedBundle>, RequestError>,
    ) -> Result<(), End> {
        self.is_fetching_phone = false;
        match bundles {
            Ok(bundles) => {
                for bundle in &bundles {
                    encrypt::start_session(context, bundle).await?;
                }
            }
            Err(error) => tracing::warn!(%error, "no keys of the own phone"),
        }
        let Some(phone) = context.mirror.device.lid.as_ref().map(Jid::to_user) else { return Ok(()) };
        if !context.mirror.sessions.contains(&DeviceAddress::from(&phone)) {
            // As if it had not answered.
            context.mirror.missed.ask(context.shared.clock.unix_millis());
            context.mirror.letters.take();
        }
        self.ask_phone(context).await
    }
}

/// Looks again when it is due, and each minute until then: the clock may jump.
fn wake_at(context: &mut Context<'_>, due: i64, now: i64) {
    let pause = Duration::from_millis(due.saturating_sub(now).try_into().unwrap_or(0));
    context.timers.until(Instant::now() + pause.min(LOOK_AGAIN));
}

async fn send_requests(
    context: &mut Context<'_>,
    to: &Jid,
    address: &DeviceAddress,
    now: i64,
) -> Result<(), End> {
    let wanted = context.mirror.missed.ask(now);
    if !wanted.is_empty() {
        tracing::info!(messages = wanted.len(), "the phone is asked for messages that could not be read");
    }
    let contents = wanted.chunks(KEYS_PER_REQUEST).map(content).chain(context.mirror.letters.take());
    let contents: Vec<_> = contents.collect();
    let nodes: Vec<_> =
        contents.iter().filter_map(|content| request(context, to, address, content)).collect();
    context.commit().await?;
    for node in &nodes {
        context.link.feed(node).await?;
    }
    if let Some(due) = context.mirror.missed.next_due() {
        wake_at(context, due, now);
    }
    Ok(context.link.flush().await?)
}

fn request(
    context: &mut Context<'_>,
    to: &Jid,
    address: &DeviceAddress,
    content: &Message,
) -> Option<Node<'static>> {
    let padded = encrypt::padded(context, &content.encode_to_vec());
    let ciphertext = encrypt::seal(context, address, &padded)?;
    let introduces = ciphertext.kind == wa_signal::Kind::PreKey;
    let node = Node::new("message")
        .attr("id", MessageId::from_random(context.random.random()).to_string())
        .attr("to", to)
        .attr("type", "text")
        .attr("category", "peer")
        .attr("push_priority", "high")
        .child(Node::new("meta").attr("appdata", "default"))
        .child(stanza::bare_enc(ciphertext));
    Some(encrypt::introduced(context, node, introduces))
}

fn content(wanted: &[MissedMessage]) -> Message {
    let keys = wanted.iter().map(|message| MessageKey {
        remote_jid: Some(message.chat.clone()),
        from_me: Some(message.from_me),
        id: Some(message.id.clone()),
        participant: message.member(),
    });
    let requests = keys.map(|key| PlaceholderMessageResendRequest { message_key: Some(key) });
    let request = PeerDataOperationRequestMessage {
        peer_data_operation_request_type: Some(PeerDataOperationRequestType::PlaceholderMessageResend.into()),
        placeholder_message_resend_request: requests.collect(),
        ..Default::default()
    };
    let protocol = ProtocolMessage {
        r#type: Some(Type::PeerDataOperationRequestMessage.into()),
        peer_data_operation_request_message: Some(request),
        ..Default::default()
    };
    Message { protocol_message: Some(Box::new(protocol)), ..Default::default() }
}
