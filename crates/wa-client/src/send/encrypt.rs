use bytes::Bytes;
use rand::RngExt;
use wa_binary::{Jid, Node};
use wa_signal::{Ciphertext, Session, pad};
use wa_store::{DeviceAddress, SentMessage};

use super::audience::{Audience, NameSpace};
use super::stanza;
use crate::context::Context;
use crate::end::End;
use crate::iq::encrypt::FetchedBundle;
use crate::message::{DeviceCount, Outgoing, SendError};
use crate::mirror::Holder;
use crate::trust::{self, Claim};

/// Bytes that padding adds at most.
const PADDING: usize = 16;

/// Encrypts a message for every device, and remembers it for retry receipts.
pub(super) fn for_audience(
    context: &mut Context<'_>,
    audience: &Audience,
    message: &Outgoing,
) -> Result<(Node<'static>, DeviceCount), SendError> {
    let attributes = message.content.view().attributes();
    let raw = message.content.encode_once();
    let mut enveloped = Vec::with_capacity(audience.theirs.len() + audience.ours.len());
    let mut introduces = false;
    let mut envelop = |context: &mut Context<'_>, devices: &[Jid], plaintext: &[u8]| {
        for device in devices {
            let Some(ciphertext) = seal(context, &DeviceAddress::from(device), plaintext) else { continue };
            introduces |= ciphertext.kind == wa_signal::Kind::PreKey;
            let enc = stanza::enc(ciphertext, &attributes, None);
            enveloped.push(Node::new("to").attr("jid", audience.on_wire(device)).child(enc));
        }
        enveloped.len()
    };
    let is_for_others = !audience.own.is_same_user(&audience.chat);
    let reached = if is_for_others {
        let plaintext = padded(context, &raw);
        envelop(context, &audience.theirs, &plaintext)
    } else {
        0
    };
    if is_for_others && reached == 0 {
        return Err(SendError::NoDevice);
    }
    let reached = if audience.ours.is_empty() {
        reached
    } else {
        let plaintext = padded(context, &message.content.for_own_devices(&audience.on_wire(&audience.chat)));
        envelop(context, &audience.ours, &plaintext)
    };
    if reached == 0 {
        return Err(SendError::NoDevice);
    }
    let chat = &audience.chat;
    let id = message.id.as_str();
    remember(context, chat, id, raw);
    keep_secret(context, audience, message);
    let participants = Node::new("participants").with_children(enveloped);
    let peer = audience.pn.as_ref().filter(|_| audience.name_space == NameSpace::Lid);
    let node = stanza::message(&audience.on_wire(chat), id, &attributes).opt_attr("peer_recipient_pn", peer);
    let theirs = if is_for_others { audience.theirs.len() } else { 0 };
    let failed = theirs + audience.ours.len() - reached + audience.left_out;
    let count = DeviceCount { reached, failed };
    Ok((introduced(context, node.child(participants), introduces), count))
}

/// Remembers a message for retry receipts, unless the embedder does.
pub(super) fn remember(context: &mut Context<'_>, chat: &Jid, id: &str, message: Bytes) {
    if context.shared.sent_messages.is_none() {
        let timestamp = context.shared.clock.unix_millis();
        let (chat, to) = (chat.clone(), chat.clone());
        context.mirror.remember_sent(SentMessage { chat, id: id.into(), to, message, timestamp });
    }
}

/// Keeps the secret of a poll or an event before it leaves: the votes on it are encrypted with it.
pub(super) fn keep_secret(context: &mut Context<'_>, audience: &Audience, message: &Outgoing) {
    let Some(secret) = message.content.secret() else { return };
    let author = audience.on_wire(&audience.own).to_user();
    let (chat, at) = (&audience.chat, context.server_millis());
    let holder = Holder { chat, id: message.id.as_str(), author: &author, at };
    context.mirror.keep_secret(holder, &message.content.view(), Some(secret));
    context.mirror.must_commit();
}

/// Adds what vouches for this device where a session starts, and only there.
pub(super) fn introduced(context: &Context<'_>, node: Node<'static>, introduces: bool) -> Node<'static> {
    match &context.mirror.device.account {
        Some(mirror) if introduces => node.child(Node::new("device-identity").with_bytes(mirror.to_vec())),
        _ => node,
    }
}

pub(super) fn padded(context: &mut Context<'_>, plain: &[u8]) -> Vec<u8> {
    let mut padded = Vec::with_capacity(plain.len() + PADDING);
    padded.extend_from_slice(plain);
    pad(&mut padded, context.random.random());
    padded
}

/// Encrypts with a session in memory; the session is stored before the result may leave.
pub(super) fn seal(
    context: &mut Context<'_>,
    address: &DeviceAddress,
    plaintext: &[u8],
) -> Option<Ciphertext> {
    let mirror = &mut *context.mirror;
    let session = mirror.sessions.get_mut(address)?;
    let ciphertext = session.encrypt(&mirror.local, plaintext);
    if session.needs_save() {
        mirror.sessions.mark(address);
        mirror.must_commit();
    }
    ciphertext.map_err(|error| tracing::error!(%error, "a message could not be encrypted")).ok()
}

/// Starts a session with a fetched bundle, unless one has come up meanwhile.
pub(super) async fn start_session(context: &mut Context<'_>, fetched: &FetchedBundle) -> Result<(), End> {
    let device = context.signal_jid(&fetched.device).await?;
    let address = DeviceAddress::from(&device);
    context.mirror.sessions.load(&context.shared.store, std::slice::from_ref(&address)).await?;
    if context.mirror.sessions.contains(&address) {
        return Ok(());
    }
    replace_session(context, fetched, &device, address).await?;
    Ok(())
}

/// Starts a session with a bundle in any case; an older one is archived in it. A bundle that doesn't hold what it
/// claims costs its device the message, nothing more. Whether there is a new session.
pub(super) async fn replace_session(
    context: &mut Context<'_>,
    fetched: &FetchedBundle,
    device: &Jid,
    address: DeviceAddress,
) -> Result<bool, End> {
    let identity = &fetched.bundle.identity;
    let claim = Claim { device, identity, device_identity: fetched.device_identity.as_deref() };
    let admission = match trust::judge(context, &claim).await? {
        Ok(admission) => admission,
        Err(error) => {
            tracing::warn!(%error, "a bundle was refused");
            return Ok(false);
        }
    };
    let mirror = &mut *context.mirror;
    mirror.sessions.load(&context.shared.store, std::slice::from_ref(&address)).await?;
    let previous = mirror.sessions.get_mut(&address).filter(|_| !admission.is_change);
    let previous = previous.map(|session| session.clone());
    match Session::initiate(&mirror.local, &fetched.bundle, previous, context.random) {
        Ok(session) => {
            admission.apply(context).await?;
            context.mirror.sessions.put(&address, session);
            context.mirror.save_identity(address, identity);
            Ok(true)
        }
        Err(error) => {
            tracing::warn!(%error, "a bundle was refused");
            Ok(false)
        }
    }
}
