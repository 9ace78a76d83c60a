use bytes::Bytes;
use prost::Message as _;
use wa_binary::{Jid, Node};
use wa_protobuf::e2e::Message;

use super::Batch;
use super::decrypt::Decrypted;
use super::envelope::Envelope;
use super::receipt::delivery;
use crate::event::{Event, IncomingMessage, Undecryptable, UndecryptableReason};
use crate::instance::End;
use crate::message::MessageId;
use crate::online::Online;

/// Nack codes (protocol.md 13).
const PARSING: u32 = 487;
const UNRECOGNIZED: u32 = 488;
const INVALID_PROTOBUF: u32 = 491;

impl Online<'_> {
    pub(super) async fn on_message(&mut self, node: &Node<'_>, batch: &mut Batch) -> Result<(), End> {
        let envelope = match Envelope::read(node, self.account) {
            Ok(envelope) => envelope,
            Err(error) => {
                tracing::warn!(%error, "a malformed message was refused");
                batch.answers.push(super::receipt::ack("message", node).attr("error", PARSING));
                return Ok(());
            }
        };
        self.timers.in_use();
        self.learn_addresses(&envelope).await?;
        if !envelope.chat.is_user() || node.get_child("plaintext").is_some() {
            Self::on_unsupported(&envelope, batch);
            return Ok(());
        }
        let encs: Vec<_> = node.children_named("enc").collect();
        if encs.is_empty() {
            Self::on_placeholder(node, &envelope, batch);
            return Ok(());
        }
        for enc in encs {
            self.on_enc(node, enc, &envelope, batch).await?;
        }
        Ok(())
    }

    /// The stanza says the same user's other address: remember both (protocol.md 16).
    async fn learn_addresses(&mut self, envelope: &Envelope) -> Result<(), End> {
        let pairs = [(&envelope.sender, &envelope.sender_alt), (&envelope.chat, &envelope.chat_alt)];
        for (one, other) in pairs {
            let Some(other) = other else { continue };
            let (pn, lid) = if one.is_pn() { (one, other) } else { (other, one) };
            self.account.learn_lid(&*self.shared.store, pn, lid).await?;
        }
        Ok(())
    }

    async fn on_enc(
        &mut self,
        node: &Node<'_>,
        enc: &Node<'_>,
        envelope: &Envelope,
        batch: &mut Batch,
    ) -> Result<(), End> {
        if !enc.attrs.get("type").is_some_and(|kind| *kind == "msg" || *kind == "pkmsg") {
            Self::on_unsupported(envelope, batch);
            return Ok(());
        }
        let sender = self.signal_jid(&envelope.sender).await?;
        match self.decrypt(enc, &sender, batch).await? {
            Decrypted::Plain(plain) => self.on_plain(node, plain.into(), envelope, batch).await,
            Decrypted::Duplicate => {
                batch.answers.push(delivery(envelope, self.available));
                Ok(())
            }
            Decrypted::Failed(reason) => self.on_undecryptable(enc, envelope, reason, batch).await,
        }
    }

    async fn on_plain(
        &mut self,
        node: &Node<'_>,
        raw: Bytes,
        envelope: &Envelope,
        batch: &mut Batch,
    ) -> Result<(), End> {
        let Ok(mut message) = Message::decode(raw.clone()) else {
            batch.answers.push(envelope.ack(Some(INVALID_PROTOBUF)));
            let reason = UndecryptableReason::BadContent;
            batch.events.push(undecryptable(envelope, reason, 0));
            return Ok(());
        };
        self.account.retries.arrived(&envelope.sender, &envelope.id);
        let mut chat = envelope.chat.clone();
        if envelope.from_me
            && let Some(sent) = message.device_sent_message.take()
        {
            let destination = sent.destination_jid.and_then(|jid| jid.parse::<Jid>().ok());
            // Without `recipient` only the wrapper knows where our other device sent it.
            if let Some(destination) = destination.filter(|_| envelope.recipient.is_none()) {
                chat = destination.to_user();
            }
            message = sent.message.map_or_else(Message::default, |message| *message);
        }
        batch.answers.push(delivery(envelope, self.available));
        if envelope.from_me && self.on_own_protocol_message(&message, envelope, batch).await? {
            return Ok(());
        }
        let event = self.incoming(node, envelope, chat, message, raw).await?;
        batch.events.push(Event::Message(Box::new(event)));
        Ok(())
    }

    async fn incoming(
        &mut self,
        node: &Node<'_>,
        envelope: &Envelope,
        chat: Jid,
        message: Message,
        raw: Bytes,
    ) -> Result<IncomingMessage, End> {
        let text = |name: &str| node.attrs.text(name).map(std::borrow::Cow::into_owned);
        let store = &*self.shared.store;
        let lids = &mut self.account.lids;
        let sender = envelope.sender.to_user();
        Ok(IncomingMessage {
            id: MessageId::from(envelope.id.as_str()),
            chat_pn: lids.pn_of(store, &chat).await?,
            chat_lid: lids.lid_of(store, &chat).await?,
            sender_pn: lids.pn_of(store, &sender).await?,
            sender_lid: lids.lid_of(store, &sender).await?,
            chat,
            sender: envelope.sender.clone(),
            from_me: envelope.from_me,
            push_name: text("notify").filter(|name| name != "-"),
            timestamp: envelope.timestamp,
            offline: envelope.offline,
            category: text("category"),
            edit: text("edit"),
            message,
            raw,
        })
    }

    /// The sender is asked to send again, and the server is told that the stanza arrived.
    async fn on_undecryptable(
        &mut self,
        enc: &Node<'_>,
        envelope: &Envelope,
        reason: UndecryptableReason,
        batch: &mut Batch,
    ) -> Result<(), End> {
        let said = enc.attrs.number("count").and_then(Result::ok).unwrap_or(0);
        let count = self.account.retries.ask(&envelope.sender, &envelope.id, said);
        if let Some(count) = count {
            let request = self.retry_receipt(envelope, count).await?;
            batch.answers.push(request);
        }
        batch.answers.push(envelope.ack(None));
        batch.events.push(undecryptable(envelope, reason, count.unwrap_or(0)));
        Ok(())
    }

    /// No `<enc>`: either the server holds nothing but the fact (view-once on another device), or it is malformed.
    fn on_placeholder(node: &Node<'_>, envelope: &Envelope, batch: &mut Batch) {
        if node.get_child("unavailable").is_none() {
            batch.answers.push(envelope.ack(Some(UNRECOGNIZED)));
            return;
        }
        batch.answers.push(envelope.ack(None));
        batch.events.push(undecryptable(envelope, UndecryptableReason::Unavailable, 0));
    }

    /// Groups, broadcasts, channels and bots: acknowledged, so that the server doesn't keep them for ever, and told.
    fn on_unsupported(envelope: &Envelope, batch: &mut Batch) {
        batch.answers.push(envelope.ack(None));
        batch.events.push(undecryptable(envelope, UndecryptableReason::Unsupported, 0));
    }
}

fn undecryptable(envelope: &Envelope, reason: UndecryptableReason, retries: u32) -> Event {
    Event::Undecryptable(Undecryptable {
        id: MessageId::from(envelope.id.as_str()),
        chat: envelope.chat.clone(),
        sender: envelope.sender.clone(),
        from_me: envelope.from_me,
        timestamp: envelope.timestamp,
        reason,
        retries,
    })
}
