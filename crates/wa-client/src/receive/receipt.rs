//! Receipts in, receipts and acks out (PROTOCOL.md 13).

use wa_binary::{Jid, Node};

use super::Receiver;
use super::envelope::Envelope;
use crate::context::Context;
use crate::end::End;
use crate::event::{Event, ReceiptKind, ReceiptUpdate};
use crate::message::MessageId;
use crate::server_clock::time_of;

/// Ids that one receipt may name.
const MAX_IDS: usize = 4096;

/// The acknowledgement of a stanza, whose class is its tag (PROTOCOL.md 7.3). For messages only where they are malformed.
pub(super) fn ack(class: &str, node: &Node<'_>) -> Node<'static> {
    let text = |name: &str| node.attrs.text(name).map(std::borrow::Cow::into_owned);
    let jid = |name: &str| node.attrs.jid(name);
    Node::new("ack")
        .attr("class", class.to_owned())
        .opt_attr("id", text("id"))
        .opt_attr("to", jid("from"))
        .opt_attr("participant", jid("participant"))
        .opt_attr("recipient", jid("recipient"))
        .opt_attr("type", text("type").filter(|_| class != "message"))
}

/// What tells the server, and mostly the sender, that a message is here. `is_shown`: the sender is to see it.
pub(super) fn delivery(envelope: &Envelope, is_shown: bool) -> Node<'static> {
    let kind = match () {
        () if envelope.peer => Some("peer_msg"),
        () if envelope.from_me => Some("sender"),
        () if !is_shown => Some("inactive"),
        () => None,
    };
    envelope.answer("receipt").opt_attr("type", kind)
}

impl Receiver {
    pub(super) async fn on_receipt(&mut self, context: &mut Context<'_>, node: &Node<'_>) -> Result<(), End> {
        self.answers.push(ack("receipt", node));
        match updates(context, node).await? {
            Some(updates) => {
                updates.into_iter().for_each(|update| context.mirror.inbox.push(Event::Receipt(update)));
            }
            None => tracing::warn!("a malformed receipt was dropped"),
        }
        Ok(())
    }
}

/// Whether a receipt proves that the server has our message: somebody else's device says that it arrived.
pub(crate) fn proves_arrival(node: &Node<'_>) -> bool {
    use ReceiptKind::{Delivered, Inactive, Played, Read};
    matches!(kind_of(node), Delivered | Read | Played | Inactive)
}

/// What a receipt says; `None` if it is malformed.
async fn updates(context: &mut Context<'_>, node: &Node<'_>) -> Result<Option<Vec<ReceiptUpdate>>, End> {
    let now = context.server_millis() / 1000;
    let timestamp = time_of(node, now).unwrap_or(now);
    let Some(from) = node.attrs.jid("from") else { return Ok(None) };
    let kind = kind_of(node);
    if node.get_child("participants").is_some() {
        return grouped_updates(context, node, from, &kind, timestamp).await.map(Some);
    }
    let Some(ids) = ids_of(node) else { return Ok(None) };
    let participant = node.attrs.jid("participant").unwrap_or(from).clone();
    let chat = match node.attrs.jid("recipient") {
        Some(recipient) if context.mirror.is_own_user(&participant) => recipient.to_user().unhosted(),
        _ => from.to_user().unhosted(),
    };
    Ok(Some(vec![update(context, chat, ids, kind, participant, timestamp).await?]))
}

/// Groups and status: many users, one message (PROTOCOL.md 13, grouped form).
async fn grouped_updates(
    context: &mut Context<'_>,
    node: &Node<'_>,
    from: &Jid,
    kind: &ReceiptKind,
    timestamp: i64,
) -> Result<Vec<ReceiptUpdate>, End> {
    let now = context.server_millis() / 1000;
    let mut updates = Vec::new();
    for participants in node.children_named("participants") {
        let Some(id) = participants.attrs.text("key") else { continue };
        for user in participants.children_named("user").take(MAX_IDS) {
            let Some(participant) = user.attrs.jid("jid").cloned() else { continue };
            let timestamp = time_of(user, now).unwrap_or(timestamp);
            let ids = vec![MessageId::from(&*id)];
            updates.push(update(context, from.to_user(), ids, kind.clone(), participant, timestamp).await?);
        }
    }
    Ok(updates)
}

async fn update(
    context: &mut Context<'_>,
    chat: Jid,
    ids: Vec<MessageId>,
    kind: ReceiptKind,
    participant: Jid,
    timestamp: i64,
) -> Result<ReceiptUpdate, End> {
    let (store, mirror) = (&context.shared.store, &mut *context.mirror);
    let chat_pn = mirror.lids.pn_of(store, &chat).await?;
    let chat_lid = mirror.lids.lid_of(store, &chat).await?;
    let from_me = mirror.is_own_user(&participant);
    let arrived = matches!(
        kind,
        ReceiptKind::Delivered | ReceiptKind::Read | ReceiptKind::Played | ReceiptKind::Inactive
    );
    if arrived && !from_me {
        let chat = chat_lid.as_ref().unwrap_or(&chat);
        ids.iter().for_each(|id| mirror.delivered(chat, id.as_str()));
    }
    Ok(ReceiptUpdate { chat, chat_pn, chat_lid, ids, kind, participant, from_me, timestamp })
}

fn ids_of(node: &Node<'_>) -> Option<Vec<MessageId>> {
    let mut ids = vec![MessageId::from(&*node.attrs.text("id")?)];
    let items = node.get_child("list").map_or(&[][..], Node::children);
    ids.extend(
        items.iter().take(MAX_IDS).filter_map(|item| item.attrs.text("id")).map(|id| MessageId::from(&*id)),
    );
    Some(ids)
}

fn kind_of(node: &Node<'_>) -> ReceiptKind {
    // The device got something that it can't use: that is no delivery.
    if let Some(kind) = node.get_child("error").and_then(|error| error.attrs.text("type")) {
        return ReceiptKind::Other(kind.into_owned());
    }
    match node.attrs.text("type").as_deref() {
        None | Some("" | "delivery") => ReceiptKind::Delivered,
        Some("read") => ReceiptKind::Read,
        Some("read-self") => ReceiptKind::ReadSelf,
        Some("played") => ReceiptKind::Played,
        Some("played-self") => ReceiptKind::PlayedSelf,
        Some("sender") => ReceiptKind::Sender,
        Some("inactive") => ReceiptKind::Inactive,
        Some("server-error") => ReceiptKind::ServerError,
        Some(other) => ReceiptKind::Other(other.to_owned()),
    }
}
