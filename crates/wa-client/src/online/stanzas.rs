//! What the server sends, and who is in charge of it.

use crate::cause::Cause;
use crate::connection::frame::{parsed, unpacked};
use crate::connection::stream_error::{of_failure, of_stream_error};
use crate::end::End;
use crate::iq;
use crate::receive::{self, Receiver};
use crate::send::Left;
use bytes::Bytes;
use wa_binary::Node;

use super::{Online, Phase};

impl Online<'_> {
    pub(super) async fn on_frames(&mut self, frames: Vec<Vec<u8>>) -> Result<(), End> {
        self.context.timers.heard();
        let outcome = self.read_frames(frames).await;
        // What came before the end is told all the same, unless sessions are half changed.
        if outcome.as_ref().is_err_and(|end| end.cause != Cause::StoreFailed) {
            let _ = self.hand_out().await;
        }
        outcome
    }

    async fn read_frames(&mut self, frames: Vec<Vec<u8>>) -> Result<(), End> {
        for frame in frames {
            let frame = Bytes::from(frame);
            let Some(data) = unpacked(&frame, self.context.shared.config.max_stanza) else { continue };
            let Some(node) = parsed(&data) else { continue };
            tracing::trace!(stanza = %node, "received");
            self.on_stanza(node, &frame).await?;
        }
        Ok(())
    }

    async fn on_stanza(&mut self, node: Node<'_>, frame: &Bytes) -> Result<(), End> {
        self.context.shared.server_clock.heard(&node);
        if node.is("receipt") {
            if node.attrs.get("type").is_some_and(|kind| *kind == "retry") {
                return Box::pin(self.on_retry_receipt(&node)).await;
            }
            if receive::proves_arrival(&node) {
                self.sender.on_receipt(&self.context, &node);
            }
        }
        if Receiver::is_for(&node) {
            let is_free = self.embedder.outlet.is_free() && self.leaving.is_none();
            if is_free && self.receiver.is_up_to_date() {
                return self.receiver.read(&mut self.context, &mut self.keeper, &node, frame).await;
            }
            self.receiver.keep(frame.clone());
            return Ok(());
        }
        match node.tag() {
            "ack" => {
                let Some(ack) = self.context.requests.answer(node) else { return Ok(()) };
                let left = self.sender.on_ack(&mut self.context, &ack).await?;
                self.has_achieved_something();
                match left {
                    Some(Left::WrongNameSpace(refused)) => {
                        Box::pin(self.sender.send_otherwise(&mut self.context, refused)).await
                    }
                    Some(Left::Limited(reply, kind)) => {
                        self.standing.on_refusal(&mut self.context, reply, kind);
                        Ok(())
                    }
                    None => Ok(()),
                }
            }
            "iq" => self.on_iq(node).await,
            "ib" => self.receiver.read(&mut self.context, &mut self.keeper, &node, frame).await,
            "success" => self.on_success(&node).await,
            "failure" => {
                let cause = of_failure(&node, self.context.shared.clock.unix_millis());
                Err(End::said(cause, &node))
            }
            "stream:error" => Err(End::said(of_stream_error(&node), &node)),
            "xmlstreamend" => Err(End::of(Cause::Network)),
            "presence" => self.on_presence(&node).await,
            "chatstate" => self.on_chat_state(&node).await,
            // Everything else was the receiver's.
            _ => Ok(()),
        }
    }

    /// A connection that something was done with is a success, however soon it ends: the next failure starts with a
    /// short pause again.
    pub(super) fn has_achieved_something(&mut self) {
        if self.phase == Phase::Ready {
            self.backoff.achieved();
        }
    }

    /// A device could not read a message of ours. Nothing has to be recorded, so it need not wait.
    async fn on_retry_receipt(&mut self, node: &Node<'_>) -> Result<(), End> {
        match receive::retry_request(node, self.context.mirror) {
            Ok(request) => self.sender.on_retry(&mut self.context, request).await,
            Err(ack) => Ok(self.context.link.send(&ack).await?),
        }
    }

    async fn on_iq(&mut self, node: Node<'_>) -> Result<(), End> {
        if let Some(answer) = iq::answer(&node) {
            self.context.link.send(&answer).await?;
        } else {
            self.context.requests.answer(node);
        }
        Ok(())
    }
}
