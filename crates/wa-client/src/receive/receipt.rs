//! Receipts in, receipts and acks out (protocol.md 13).

use wa_binary::{Jid, Node, Server};

use super::Batch;
use super::envelope::Envelope;
use super::retry::RetryRequest;
use crate::event::{Event, ReceiptKind, ReceiptUpdate};
use crate::instance::End;
use crate::message::MessageId;
use crate::online::Online;

/// Ids that one receipt may name.
const MAX_IDS: usize = 4096;

/// The acknowledgement of a receipt, notification, call or malformed message.
pub(super) fn ack(class: &'static str, node: &Node<'_>) -> Node<'static> {
    let text = |name: &str| node.attrs.text(name).map(std::borrow::Cow::into_owned);
    let jid = |name: &str| node.attrs.jid(name);
    Node::new("ack")
        .attr("class", class)
        .opt_attr("id", text("id"))
        .opt_attr("to", jid("from"))
        .opt_attr("participant", jid("participant"))
        .opt_attr("recipient", jid("recipient"))
        .opt_attr("type", text("type").filter(|_| class != "message"))
}

/// What tells the server, and mostly the sender, that a message is here.
pub(super) fn delivery(envelope: &Envelope, available: bool) -> Node<'static> {
    let kind = match () {
        () if envelope.peer => Some("peer_msg"),
        () if envelope.from_me => Some("sender"),
        () if !available => Some("inactive"),
        () => None,
    };
    envelope.answer("receipt").opt_attr("type", kind)
}

impl Online<'_> {
    pub(super) async fn on_receipt(&mut self, node: &Node<'_>, batch: &mut Batch) -> Result<(), End> {
        if node.attrs.get("type").is_some_and(|kind| *kind == "retry") {
            match RetryRequest::read(node, self.account) {
                // Acknowledged once it has been answered.
                Ok(request) => batch.retries.push(request),
                Err(error) => {
                    tracing::warn!(%error, "a malformed retry receipt was dropped");
                    batch.answers.push(ack("receipt", node));
                }
            }
            return Ok(());
        }
        batch.answers.push(ack("receipt", node));
        match self.receipt_updates(node).await? {
            Some(updates) => batch.events.extend(updates.into_iter().map(Event::Receipt)),
            None => tracing::warn!("a malformed receipt was dropped"),
        }
        Ok(())
    }

    /// What a receipt says; `None` if it is malformed.
    async fn receipt_updates(&mut self, node: &Node<'_>) -> Result<Option<Vec<ReceiptUpdate>>, End> {
        let grouped: Vec<_> = node.children_named("participants").collect();
        let from = node.attrs.jid("from").cloned();
        let timestamp = node.attrs.number::<i64>("t").and_then(Result::ok);
        let (Some(from), timestamp) = (from, timestamp.unwrap_or(self.server_millis() / 1000)) else {
            return Ok(None);
        };
        let kind = kind_of(node);
        let mut updates = Vec::new();
        if grouped.is_empty() {
            let Some(ids) = ids_of(node) else { return Ok(None) };
            let participant = node.attrs.jid("participant").unwrap_or(&from).clone();
            let recipient = node.attrs.jid("recipient");
            let from_me = self.account.is_own_user(&participant);
            let chat = match recipient {
                Some(recipient) if from_me => recipient.to_user(),
                _ => from.to_user(),
            };
            updates.push(self.receipt_update(chat, ids, kind, participant, timestamp).await?);
            return Ok(Some(updates));
        }
        // Groups and status: many users, one message (protocol.md 13, grouped form).
        for participants in grouped {
            let Some(id) = participants.attrs.text("key") else { continue };
            for user in participants.children_named("user").take(MAX_IDS) {
                let Some(participant) = user.attrs.jid("jid").cloned() else { continue };
                let timestamp = user.attrs.number("t").and_then(Result::ok).unwrap_or(timestamp);
                let ids = vec![MessageId::from(&*id)];
                let chat = from.to_user();
                updates.push(self.receipt_update(chat, ids, kind.clone(), participant, timestamp).await?);
            }
        }
        Ok(Some(updates))
    }

    async fn receipt_update(
        &mut self,
        chat: Jid,
        ids: Vec<MessageId>,
        kind: ReceiptKind,
        participant: Jid,
        timestamp: i64,
    ) -> Result<ReceiptUpdate, End> {
        let (store, lids) = (&*self.shared.store, &mut self.account.lids);
        let chat_pn = lids.pn_of(store, &chat).await?;
        let chat_lid = lids.lid_of(store, &chat).await?;
        let from_me = self.account.is_own_user(&participant);
        Ok(ReceiptUpdate { chat, chat_pn, chat_lid, ids, kind, participant, from_me, timestamp })
    }

    /// Tells who wrote these messages that they were read (protocol.md 13).
    pub(crate) async fn send_read_receipt(
        &mut self,
        read: &crate::handle::ReadReceipt,
        kind: &'static str,
    ) -> Result<(), End> {
        let Some((first, rest)) = read.ids.split_first() else { return Ok(()) };
        let shared = matches!(read.chat.server, Server::Group | Server::Broadcast);
        let participant = read.sender.as_ref().filter(|_| shared).map(Jid::to_user);
        let receipt = Node::new("receipt")
            .attr("id", first.as_str())
            .attr("to", read.chat.to_user())
            .attr("type", kind)
            .attr("t", self.server_millis() / 1000)
            .opt_attr("participant", participant);
        let items = rest.iter().map(|id| Node::new("item").attr("id", id.as_str()));
        let list = Node::new("list").with_children(items);
        let receipt = if rest.is_empty() { receipt } else { receipt.child(list) };
        Ok(self.link.send(&receipt).await?)
    }
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
