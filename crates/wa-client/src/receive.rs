//! Receiving: read a batch, tell the embedder, store the ratchets, acknowledge; in this order and no other
//! (design promise 1).

mod decrypt;
mod envelope;
mod info;
mod message;
mod notification;
mod peer;
mod receipt;
pub(crate) mod retry;

use wa_binary::{Node, decode, unpack};

use crate::connection::stream_error::{of_failure, of_stream_error};
use crate::event::Event;
use crate::instance::End;
use crate::iq;
use crate::look_up::Answered;
use crate::online::{Online, Phase};
use crate::state::Cause;

/// What a batch of stanzas leads to. The answers leave once the events are recorded and the changes stored.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) events: Vec<Event>,
    pub(crate) answers: Vec<Node<'static>>,
    /// Messages that devices asked for again.
    pub(crate) retries: Vec<retry::RetryRequest>,
    /// One-time prekeys that messages of this batch have used.
    pub(crate) used_prekeys: Vec<u32>,
}

impl Online<'_> {
    /// Handles what one drain of the socket brought.
    pub(crate) async fn on_frames(&mut self, frames: Vec<Vec<u8>>) -> Result<(), End> {
        self.timers.heard();
        let mut batch = Batch::default();
        let mut outcome = Ok(());
        for frame in &frames {
            outcome = self.on_frame(frame, &mut batch).await;
            if outcome.is_err() {
                break;
            }
        }
        // After a failed read of the store nothing may be settled: sessions may be half changed.
        if matches!(&outcome, Err(end) if end.cause == Cause::StoreFailed) {
            return outcome;
        }
        self.settle(batch).await?;
        outcome
    }

    async fn on_frame(&mut self, frame: &[u8], batch: &mut Batch) -> Result<(), End> {
        let data = match unpack(frame) {
            Ok(data) => data,
            Err(error) => {
                tracing::warn!(%error, "an unreadable stanza was skipped");
                return Ok(());
            }
        };
        match decode(&data) {
            Ok(node) => {
                tracing::trace!(stanza = %node, "received");
                self.on_stanza(node, batch).await
            }
            Err(error) => {
                tracing::warn!(%error, "an unreadable stanza was skipped");
                Ok(())
            }
        }
    }

    async fn on_stanza(&mut self, node: Node<'_>, batch: &mut Batch) -> Result<(), End> {
        match node.tag() {
            "message" => self.on_message(&node, batch).await,
            "receipt" => self.on_receipt(&node, batch).await,
            "notification" => self.on_notification(&node, batch).await,
            "ack" => {
                self.on_ack(node);
                Ok(())
            }
            "iq" => self.on_iq(node).await,
            "ib" => self.on_info(&node, batch).await,
            "call" => {
                batch.answers.push(receipt::ack("call", &node));
                batch.events.push(notification::passed_on(&node, "call"));
                Ok(())
            }
            "success" => self.on_success(&node).await,
            "failure" => Err(End::of(of_failure(&node, self.shared.clock.unix_millis()))),
            "stream:error" => Err(End::of(of_stream_error(&node))),
            "xmlstreamend" => Err(End::of(Cause::Network)),
            "presence" | "chatstate" => Ok(()),
            tag => {
                tracing::debug!(tag, "a stanza of unknown kind was ignored");
                Ok(())
            }
        }
    }

    /// Event first, then ratchet, then receipt.
    async fn settle(&mut self, batch: Batch) -> Result<(), End> {
        let Batch { events, answers, retries, used_prekeys } = batch;
        self.emit(events).await?;
        if !used_prekeys.is_empty() {
            self.account.changes.prekeys_removed.extend(used_prekeys);
            self.account.must_commit();
        }
        self.commit_if_urgent().await?;
        if !self.account.changes.is_empty() {
            // What may wait is stored once the instance is idle, at the latest.
            self.timers.in_use();
        }
        for answer in &answers {
            self.link.feed(answer).await?;
        }
        for request in retries {
            self.on_retry(request).await?;
        }
        Ok(self.link.flush().await?)
    }

    fn on_ack(&mut self, node: Node<'_>) {
        let Some(node) = self.requests.answer(node) else { return };
        if !node.attrs.get("class").is_some_and(|class| *class == "message") {
            return;
        }
        // The server knows other devices than we do: ask again before the next message.
        for device in self.acks.complete(&node).unwrap_or_default() {
            self.account.drop_device_list(&device.to_user());
        }
    }

    async fn on_iq(&mut self, node: Node<'_>) -> Result<(), End> {
        let is = |name, value: &str| node.attrs.get(name).is_some_and(|found| *found == *value);
        if is("type", "get") || is("type", "set") {
            if is("xmlns", "urn:xmpp:ping")
                && let Some(id) = node.attrs.text("id")
            {
                self.link.send(&iq::result(&id)).await?;
            }
            return Ok(());
        }
        self.requests.answer(node);
        Ok(())
    }

    async fn on_success(&mut self, node: &Node<'_>) -> Result<(), End> {
        if let Some(Ok(server)) = node.attrs.number::<i64>("t") {
            self.account.device.server_clock_offset =
                server.saturating_sub(self.shared.clock.unix_millis() / 1000);
        }
        let lid = node.attrs.jid("lid").filter(|lid| lid.is_lid()).cloned();
        if let Some(lid) = lid.filter(|lid| self.account.device.lid.as_ref() != Some(lid)) {
            if let Some(pn) = self.account.device.jid.clone() {
                self.account.learn_lid(&*self.shared.store, &pn, &lid).await?;
            }
            self.account.device.lid = Some(lid);
            self.account.device_changed();
            self.account.must_commit();
        }
        if self.phase == Phase::AwaitSuccess {
            self.phase = Phase::LoggingIn;
        }
        Ok(())
    }

    pub(crate) async fn on_looked_up(&mut self, answered: Answered) -> Result<(), End> {
        match answered {
            Answered::Recipients { lane, found } => self.on_recipients(lane, found).await,
            Answered::Resend { request, bundles } => self.on_resend_bundles(*request, bundles).await,
            Answered::Contacts { contacts, reply } => self.on_contacts(contacts, reply).await,
            Answered::Privacy { answer, read, reply } => self.on_privacy(&answer, *read, reply).await,
        }
    }
}
