//! What a stanza and its plaintext tell. Nothing here touches a connection, so that what an earlier life of this
//! companion has decrypted can be told again.

use std::borrow::Cow;

use bytes::Bytes;
use wa_binary::{Jid, Node};
use wa_store::{Store, StoreError};

use super::envelope::Envelope;
use super::opening::opened;
use super::peer;
use crate::content::Content;
use crate::event::{Event, IncomingMessage, MessageInfo, Undecryptable, UndecryptableReason};
use crate::message::MessageId;
use crate::mirror::{Holder, Mirror};
use crate::shared::Shared;

/// What a plaintext leads to.
pub(super) struct Meaning {
    /// What the embedder is told, if anything.
    pub(super) event: Option<Event>,
    /// What the server is told.
    pub(super) answer: Answer,
}

/// How a message that was decrypted is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// A receipt: it is here.
    Receipt,
    /// The same for a piece of the history, which has a receipt of its own besides.
    HistoryReceipt,
}

/// Reads a plaintext; what the phone shares with its companions is noted in the mirror.
pub(super) async fn of(
    mirror: &mut Mirror,
    shared: &Shared,
    node: &Node<'_>,
    envelope: &Envelope,
    raw: Bytes,
) -> Result<Meaning, StoreError> {
    let store = &shared.store;
    let content = Content::decode(raw.clone()).unwrap_or_else(|error| {
        tracing::warn!(%error, "what a message holds is not known");
        Content::unknown(raw)
    });
    if envelope.from_me
        && let Some(meaning) = peer::of(mirror, store, &content, envelope).await?
    {
        return Ok(meaning);
    }
    let (chat, content) = unwrapped(envelope, content);
    let info = info(mirror, store, node, envelope, chat).await?;
    let author = info.sender.to_user();
    let at = info.timestamp.saturating_mul(1000);
    let holder = Holder { chat: &info.chat, id: info.id.as_str(), author: &author, at };
    mirror.keep_secret(holder, &content.view(), content.secret());
    let (content, opened) = opened(mirror, shared, &info, content).await?;
    let event = Event::Message(Box::new(IncomingMessage { info, content, opened }));
    Ok(Meaning { event: Some(event), answer: Answer::Receipt })
}

/// A message of which no more can be told than where it came from.
pub(super) async fn unreadable(
    mirror: &mut Mirror,
    store: &Store,
    node: &Node<'_>,
    envelope: &Envelope,
    reason: UndecryptableReason,
    retries: u32,
) -> Result<Event, StoreError> {
    let info = info(mirror, store, node, envelope, envelope.chat.clone()).await?;
    Ok(Event::Undecryptable(Box::new(Undecryptable { info, reason, retries })))
}

/// Who wrote it, where and when.
pub(super) async fn info(
    mirror: &mut Mirror,
    store: &Store,
    node: &Node<'_>,
    envelope: &Envelope,
    chat: Jid,
) -> Result<MessageInfo, StoreError> {
    let text = |name: &str| node.attrs.text(name).map(Cow::into_owned);
    let lids = &mut mirror.lids;
    let sender = envelope.sender.to_user();
    let (sender_pn, sender_lid) = (lids.pn_of(store, &sender).await?, lids.lid_of(store, &sender).await?);
    let (chat_pn, chat_lid) = if chat == sender {
        (sender_pn.clone(), sender_lid.clone())
    } else {
        (lids.pn_of(store, &chat).await?, lids.lid_of(store, &chat).await?)
    };
    Ok(MessageInfo {
        id: MessageId::from(envelope.id.as_str()),
        chat,
        sender: envelope.sender.clone(),
        chat_pn,
        chat_lid,
        sender_pn,
        sender_lid,
        // What own devices post in the name of a newsletter comes from that.
        from_me: envelope.from_me || (envelope.chat.is_newsletter() && is_sender(node)),
        push_name: text("notify").filter(|name| name != "-"),
        timestamp: envelope.timestamp,
        offline: envelope.offline,
        category: text("category"),
        edit: text("edit"),
        server_id: node.attrs.number("server_id").and_then(Result::ok),
    })
}

fn is_sender(node: &Node<'_>) -> bool {
    node.attrs.get("is_sender").is_some_and(|is_sender| *is_sender == "true")
}

/// The conversation of a message and its content, taken out of the envelope that copies for own devices come in. Where
/// the stanza of such a copy doesn't name its recipient, the envelope does.
fn unwrapped(envelope: &Envelope, content: Content) -> (Jid, Content) {
    let chat = envelope.chat.clone();
    if !envelope.from_me {
        return (chat, content);
    }
    match content.into_own_copy() {
        Ok(copy) => {
            let destination = copy.destination.filter(|_| envelope.recipient.is_none());
            let destination = destination.and_then(|jid| jid.parse::<Jid>().ok());
            (destination.map_or(chat, |jid| jid.to_user()), copy.content)
        }
        Err(content) => (chat, content),
    }
}
