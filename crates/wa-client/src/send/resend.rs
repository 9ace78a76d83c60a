use bytes::Bytes;
use wa_binary::{Jid, Node};
use wa_store::{ChatTimer, DeviceAddress, IdentityChangeKind};

use super::{Sender, audience, encrypt, group, stanza};
use crate::content::Draft;
use crate::context::Context;
use crate::end::End;
use crate::group::has_sender_keys;
use crate::iq::encrypt::FetchedBundle;
use crate::look_up::{Answered, Found};
use crate::request::RequestError;
use crate::retry::RetryRequest;
use crate::sent::SentContent;
use crate::trust;

/// From this count on the session is considered broken even if there is one.
const NEW_SESSION_FROM: u32 = 2;

impl Sender {
    /// A device could not read a message of ours and asks for it again (PROTOCOL.md 14). It gets it if it is one of the
    /// chat's, or an own one, in the list of devices, under keys that are believed to be its own.
    pub(crate) async fn on_retry(
        &mut self,
        context: &mut Context<'_>,
        request: RetryRequest,
    ) -> Result<(), End> {
        context.timers.in_use();
        let device = context.signal_jid(&request.device).await?;
        let is_group = has_sender_keys(&request.chat);
        let is_allowed = context.mirror.retries.may_resend(&device, &request.id)
            && (!is_group || group::has_key(context, &request.chat, &device).await?);
        if !is_allowed || sent_message(context, &request).await?.is_none() {
            tracing::info!(is_allowed, "a retry receipt can't be answered");
            return Ok(context.link.send(&request.ack).await?);
        }
        let is_listed = trust::is_listed(context, &device).await?;
        let user = device.to_user().unhosted();
        let is_vouched = device.device == 0 || trust::account_key(context, &user).await?.is_some();
        if is_listed
            && is_vouched
            && (request.keys.is_some() || can_go_on(context, &request, &device).await?)
        {
            return resend(context, request, None).await;
        }
        if !is_listed {
            context.mirror.expire_device_list(&context.shared.store, &user).await?;
        }
        let sid = (!is_listed).then(|| context.requests.spare_id());
        let now = context.shared.clock.unix_millis() / 1000;
        let mut wanted = Vec::new();
        wanted.extend((!is_vouched).then(|| user.clone()));
        wanted.extend(request.keys.is_none().then(|| device.clone()));
        context.look_up(|asker| async move {
            let found = audience::find(&asker, sid.as_deref().map(|sid| (sid, &user)), &wanted, now).await;
            Answered::Resend { request: Box::new(request), found }
        });
        Ok(())
    }

    /// What had to be asked about a device that asked for a message again is here.
    pub(crate) async fn on_asker(
        &mut self,
        context: &mut Context<'_>,
        request: RetryRequest,
        found: Result<Found, RequestError>,
    ) -> Result<(), End> {
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "nothing is known of a device that asked for a message again");
                return Ok(context.link.send(&request.ack).await?);
            }
        };
        audience::learn_people(context, &found).await?;
        let device = context.signal_jid(&request.device).await?;
        if !trust::is_listed(context, &device).await? {
            tracing::warn!("a device that is not in the list asked for a message");
            return Ok(context.link.send(&request.ack).await?);
        }
        let fetched = found.bundles.into_iter().find(|fetched| fetched.device == device);
        resend(context, request, fetched).await
    }
}

/// The identity keys of phones that are to vouch for companions.
pub(crate) async fn on_primaries(
    context: &mut Context<'_>,
    bundles: Result<Vec<FetchedBundle>, RequestError>,
) -> Result<(), End> {
    for fetched in bundles.unwrap_or_default() {
        let device = context.signal_jid(&fetched.device).await?;
        let address = DeviceAddress::from(&device);
        encrypt::replace_session(context, &fetched, &device, address).await?;
    }
    context.commit_if_urgent().await
}

/// Whether the session that there is may be the one that the device has: what it couldn't read was damaged, perhaps.
async fn can_go_on(context: &mut Context<'_>, request: &RetryRequest, device: &Jid) -> Result<bool, End> {
    let address = DeviceAddress::from(device);
    context.mirror.sessions.load(&context.shared.store, std::slice::from_ref(&address)).await?;
    let known = context.mirror.sessions.get_mut(&address).map(|session| session.remote_registration_id());
    let is_same = |id| request.registration_id.is_none_or(|said| said == id);
    Ok(request.count < NEW_SESSION_FROM && known.is_some_and(is_same))
}

/// Sends the message again, with a new session where there are keys for one, and acknowledges the request.
async fn resend(
    context: &mut Context<'_>,
    mut request: RetryRequest,
    fetched: Option<FetchedBundle>,
) -> Result<(), End> {
    let device = context.signal_jid(&request.device).await?;
    let keys = request.keys.take().or(fetched);
    let resent = match sent_message(context, &request).await? {
        Some((chat, sent)) if is_for(context, &chat, &sent, &device, keys.as_ref()).await? => {
            let is_open = match keys {
                Some(keys) => {
                    let address = DeviceAddress::from(&device);
                    encrypt::replace_session(context, &keys, &device, address).await?
                }
                None => can_go_on(context, &request, &device).await?,
            };
            if is_open { encrypt_again(context, &request, &chat, sent.message).await? } else { None }
        }
        _ => None,
    };
    context.commit_if_urgent().await?;
    match resent {
        Some(node) => context.link.feed(&node).await?,
        None => tracing::warn!("a message that was asked for again does not leave"),
    }
    context.link.feed(&request.ack).await?;
    Ok(context.link.flush().await?)
}

/// Whether the people of a chat are still those that a message went to: what they have had isn't encrypted for an
/// identity that came later, be it known already or just claimed, and what went to a number isn't for another LID at all.
async fn is_for(
    context: &mut Context<'_>,
    chat: &Jid,
    sent: &SentContent,
    device: &Jid,
    keys: Option<&FetchedBundle>,
) -> Result<bool, End> {
    // Of a message in a group it isn't known who has it: everybody, to be sure.
    let is_delivered = sent.is_delivered || has_sender_keys(chat);
    let person = if has_sender_keys(chat) { &device.to_user().unhosted() } else { chat };
    if let Some(keys) = keys.filter(|_| is_delivered && device.device == 0) {
        let known = trust::account_key(context, device).await?;
        if known.is_some_and(|known| known != keys.bundle.identity) {
            return Ok(false);
        }
    }
    let Some(change) = context.mirror.identity_change(&context.shared.store, person).await? else {
        return Ok(true);
    };
    let is_moved = change.kind == IdentityChangeKind::Lid;
    Ok(sent.timestamp > change.at || !(is_moved || is_delivered))
}

/// The chat by LID, if that is known, and the message: from the embedder, or from memory or the store.
async fn sent_message(
    context: &mut Context<'_>,
    request: &RetryRequest,
) -> Result<Option<(Jid, SentContent)>, End> {
    let shared = context.shared;
    let by_lid = context.mirror.lids.lid_of(&shared.store, &request.chat).await?;
    for chat in by_lid.into_iter().chain([request.chat.clone()]) {
        let found = match &shared.sent_messages {
            Some(messages) => messages.sent(&chat, &request.id).await,
            None => kept(context, &chat, &request.id).await?,
        };
        if let Some(message) = found {
            return Ok(Some((chat, message)));
        }
    }
    Ok(None)
}

async fn kept(context: &mut Context<'_>, chat: &Jid, id: &str) -> Result<Option<SentContent>, End> {
    let mirror = &*context.mirror;
    let sent = match mirror.sent.find(chat, id) {
        Some(sent) => Some(sent.clone()),
        None => context.shared.store.sent_message(chat, id).await?,
    };
    let is_delivered = mirror.is_delivered(chat, id);
    Ok(sent.map(|sent| SentContent { message: sent.message, timestamp: sent.timestamp, is_delivered }))
}

async fn encrypt_again(
    context: &mut Context<'_>,
    request: &RetryRequest,
    chat: &Jid,
    plain: Bytes,
) -> Result<Option<Node<'static>>, End> {
    let (plain, timer) = if has_sender_keys(chat) {
        let Some(with_key) = group::with_key(context, chat, &plain).await? else { return Ok(None) };
        (with_key, ChatTimer::default())
    } else {
        (plain, context.mirror.chat_timer(&context.shared.store, chat).await?)
    };
    let Ok(content) = Draft::from_raw(plain) else { return Ok(None) };
    let content = content.timed(timer.seconds, timer.set_at);
    let attributes = content.view().attributes();
    let device = context.signal_jid(&request.device).await?;
    let padded = if context.mirror.is_own_user(&request.device) {
        encrypt::padded(context, &content.for_own_devices(chat))
    } else {
        encrypt::padded(context, &content.encode_once())
    };
    let address = DeviceAddress::from(&device);
    context.mirror.sessions.load(&context.shared.store, std::slice::from_ref(&address)).await?;
    let Some(ciphertext) = encrypt::seal(context, &address, &padded) else { return Ok(None) };
    let introduces = ciphertext.kind == wa_signal::Kind::PreKey;
    let enc = stanza::enc(ciphertext, &attributes, Some(request.count));
    let node = if has_sender_keys(chat) {
        group::was_handed_key(context, chat, &device);
        stanza::message(chat, &request.id, &attributes)
            .attr("participant", &request.device)
            .opt_attr("addressing_mode", request.device.is_lid().then_some("lid"))
    } else {
        stanza::message(&request.device, &request.id, &attributes)
            .opt_attr("recipient", request.recipient.as_ref())
            .attr("device_fanout", "false")
    };
    let node = node.attr("t", context.server_millis() / 1000).child(enc);
    Ok(Some(encrypt::introduced(context, node, introduces)))
}
