use bytes::Bytes;
use wa_binary::{Jid, Node};
use wa_store::DeviceAddress;

use super::{Sender, audience, encrypt, stanza};
use crate::content::Draft;
use crate::context::Context;
use crate::end::End;
use crate::iq::encrypt::FetchedBundle;
use crate::look_up::Answered;
use crate::request::RequestError;
use crate::retry::RetryRequest;

/// From this count on the session is considered broken even if there is one.
const NEW_SESSION_FROM: u32 = 2;

impl Sender {
    /// A device could not read a message of ours and asks for it again (PROTOCOL.md 14).
    pub(crate) async fn on_retry(
        &mut self,
        context: &mut Context<'_>,
        mut request: RetryRequest,
    ) -> Result<(), End> {
        context.timers.in_use();
        let allowed = context.mirror.retries.may_resend(&request.device, &request.id);
        if !allowed || sent_message(context, &request).await?.is_none() {
            tracing::info!(allowed, "a retry receipt can't be answered");
            return Ok(context.link.send(&request.ack).await?);
        }
        let device = context.signal_jid(&request.device).await?;
        let address = DeviceAddress::from(&device);
        if let Some(keys) = request.keys.take() {
            encrypt::replace_session(context, &keys, &device, address).await?;
            return resend(context, request).await;
        }
        context.mirror.sessions.load(&context.shared.store, std::slice::from_ref(&address)).await?;
        if context.mirror.sessions.contains(&address) && request.count < NEW_SESSION_FROM {
            return resend(context, request).await;
        }
        context.look_up(|asker| async move {
            let bundles = audience::bundles(&asker, &[device]).await;
            Answered::Resend { request: Box::new(request), bundles }
        });
        Ok(())
    }

    /// The keys of a device that asked for a message again are here.
    pub(crate) async fn on_resend_bundles(
        &mut self,
        context: &mut Context<'_>,
        request: RetryRequest,
        bundles: Result<Vec<FetchedBundle>, RequestError>,
    ) -> Result<(), End> {
        match bundles {
            Ok(bundles) => {
                for fetched in &bundles {
                    let device = context.signal_jid(&fetched.device).await?;
                    let address = DeviceAddress::from(&device);
                    encrypt::replace_session(context, fetched, &device, address).await?;
                }
            }
            Err(error) => tracing::warn!(%error, "no keys for a device that asked for a message again"),
        }
        resend(context, request).await
    }
}

async fn resend(context: &mut Context<'_>, request: RetryRequest) -> Result<(), End> {
    let resent = match sent_message(context, &request).await? {
        Some((chat, plain)) => encrypt_again(context, &request, &chat, plain).await?,
        None => None,
    };
    context.commit_if_urgent().await?;
    if let Some(node) = resent {
        context.link.feed(&node).await?;
    }
    context.link.feed(&request.ack).await?;
    Ok(context.link.flush().await?)
}

/// The chat by LID, if that is known, and the message: from the embedder, or from memory or the store.
async fn sent_message(
    context: &mut Context<'_>,
    request: &RetryRequest,
) -> Result<Option<(Jid, Bytes)>, End> {
    let shared = context.shared;
    let by_lid = context.mirror.lids.lid_of(&shared.store, &request.chat).await?;
    for chat in by_lid.into_iter().chain([request.chat.clone()]) {
        let found = match &shared.sent_messages {
            Some(messages) => messages.sent(&chat, &request.id).await,
            None => match context.mirror.sent.find(&chat, &request.id) {
                Some(message) => Some(message),
                None => shared.store.sent_message(&chat, &request.id).await?.map(|sent| sent.message),
            },
        };
        if let Some(message) = found {
            return Ok(Some((chat, message)));
        }
    }
    Ok(None)
}

async fn encrypt_again(
    context: &mut Context<'_>,
    request: &RetryRequest,
    chat: &Jid,
    plain: Bytes,
) -> Result<Option<Node<'static>>, End> {
    let Ok(content) = Draft::from_raw(plain.clone()) else { return Ok(None) };
    let attributes = content.view().attributes();
    let device = context.signal_jid(&request.device).await?;
    let padded = if context.mirror.is_own_user(&request.device) {
        encrypt::padded(context, &content.for_own_devices(chat))
    } else {
        encrypt::padded(context, &plain)
    };
    let address = DeviceAddress::from(&device);
    context.mirror.sessions.load(&context.shared.store, std::slice::from_ref(&address)).await?;
    let Some(ciphertext) = encrypt::seal(context, &address, &padded) else { return Ok(None) };
    let introduces = ciphertext.kind == wa_signal::Kind::PreKey;
    let node = stanza::message(&request.from, &request.id, &attributes)
        .attr("t", context.server_millis() / 1000)
        .opt_attr("participant", request.participant.as_ref())
        .opt_attr("recipient", request.recipient.as_ref())
        .opt_attr("device_fanout", (!request.from.is_group()).then_some("false"))
        .child(stanza::enc(ciphertext, &attributes, Some(request.count)));
    Ok(Some(encrypt::introduced(context, node, introduces)))
}
