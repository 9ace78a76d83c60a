//! Receiving: read, tell the embedder, and once that is accepted store the ratchets and acknowledge; in this order
//! and no other (promise 1 of the README).

mod aggregate;
mod backlog;
mod call;
mod decrypt;
mod envelope;
mod group;
mod info;
mod meaning;
mod message;
mod newsletter;
mod notification;
mod opening;
mod peer;
mod receipt;
mod replay;
mod resent;
mod retry;
mod sender_key;

use std::collections::VecDeque;

use bytes::Bytes;
use wa_binary::Node;

use crate::connection::frame::{parsed, unpacked};
use crate::context::Context;
use crate::end::End;
use crate::keeper::Keeper;
use crate::standing;
use backlog::Backlog;
pub(crate) use receipt::proves_arrival;
pub(crate) use replay::replay;
pub(crate) use retry::retry_request;

/// Stanzas that wait unread while a batch is with the embedder; beyond that the socket isn't read, so that the
/// server has to wait.
const MAX_WAITING: usize = 64;
const MAX_WAITING_BYTES: usize = 256 << 10;
/// The same while an answer of the server is awaited, which comes behind them: an embedder may well wait for it
/// before it accepts the batch.
const MAX_WAITING_BEFORE_ANSWER: usize = 4096;
const MAX_WAITING_BYTES_BEFORE_ANSWER: usize = 4 << 20;

/// Reads what may only be acknowledged once the embedder has recorded it.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    /// Frames that came while a batch was with the embedder, unread.
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
    /// What leaves once the batch that is being made, or is with the embedder, has been accepted.
    answers: Vec<Node<'static>>,
    backlog: Backlog,
    /// Whether something of the backlog is among what the answers are for: those leave together.
    has_waited: bool,
    /// Whether senders are to see that their messages are here; decides the type of delivery receipts.
    pub(crate) is_shown: bool,
}

impl Receiver {
    pub(crate) fn new(is_shown: bool) -> Self {
        Self { is_shown, ..Self::default() }
    }

    /// Whether a stanza is one that has to be recorded before it is acknowledged, or comes after such ones.
    pub(crate) fn is_for(node: &Node<'_>) -> bool {
        match node.tag() {
            "ib" => node.get_child("offline").is_some(),
            "ack" | "iq" | "presence" | "chatstate" => false,
            "success" | "failure" | "stream:error" | "xmlstreamend" => false,
            // Whatever else may come from the server's queue, be it known or not.
            _ => true,
        }
    }

    /// Whether more may be read from the socket. `is_awaited`: an answer of the server is.
    pub(crate) fn has_room(&self, is_awaited: bool) -> bool {
        let (most, most_bytes) = if is_awaited {
            (MAX_WAITING_BEFORE_ANSWER, MAX_WAITING_BYTES_BEFORE_ANSWER)
        } else {
            (MAX_WAITING, MAX_WAITING_BYTES)
        };
        self.waiting.len() < most && self.waiting_bytes < most_bytes
    }

    /// Whether nothing waits, so that what comes may be read at once.
    pub(crate) fn is_up_to_date(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether something has been read that is to be acknowledged.
    pub(crate) fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Keeps a frame until there is a verdict on the batch that is with the embedder.
    pub(crate) fn keep(&mut self, frame: Bytes) {
        self.waiting_bytes += frame.len();
        self.waiting.push_back(frame);
    }

    /// Reads what waits, as much as makes a batch.
    pub(crate) async fn read_waiting(
        &mut self,
        context: &mut Context<'_>,
        keeper: &mut Keeper,
    ) -> Result<(), End> {
        for _ in 0..context.shared.config.batch {
            let Some(frame) = self.waiting.pop_front() else { break };
            self.waiting_bytes -= frame.len();
            let Some(data) = unpacked(&frame, context.shared.config.max_stanza) else { continue };
            let Some(node) = parsed(&data) else { continue };
            self.read(context, keeper, &node, &frame).await?;
        }
        Ok(())
    }

    /// Reads a stanza into the batch that is being made.
    pub(crate) async fn read(
        &mut self,
        context: &mut Context<'_>,
        keeper: &mut Keeper,
        node: &Node<'_>,
        frame: &Bytes,
    ) -> Result<(), End> {
        match node.tag() {
            "message" => {
                let first = self.answers.len();
                self.on_message(context, keeper, node, frame).await?;
                self.answer_once(first);
                Ok(())
            }
            "receipt" => self.on_receipt(context, node).await,
            "notification" => self.on_notification(context, keeper, node).await,
            "status" => {
                let first = self.answers.len();
                self.on_message(context, keeper, node, frame).await?;
                self.answer_status(first, node);
                Ok(())
            }
            "call" => self.on_call(context, node).await,
            tag @ "appdata" => {
                self.answers.push(receipt::ack(tag, node));
                context.mirror.inbox.push(notification::passed_on(node, tag));
                Ok(())
            }
            "ib" => self.on_info(context, node).await,
            _ => {
                self.on_unknown(node);
                Ok(())
            }
        }?;
        if node.attrs.contains("offline") {
            self.has_waited = true;
            self.on_waited(context).await?;
        }
        Ok(())
    }

    /// One stanza is answered once, however many ciphertexts it holds.
    fn answer_once(&mut self, first: usize) {
        if self.answers.len() > first + 1 {
            for answer in self.answers.split_off(first) {
                if !self.answers.iter().skip(first).any(|known| *known == answer) {
                    self.answers.push(answer);
                }
            }
        }
    }

    /// A status in the form of its own that it has by now (PROTOCOL.md 7.3) is acknowledged by its tag besides, whatever it
    /// holds: one that isn't holds everything behind it back.
    fn answer_status(&mut self, first: usize, node: &Node<'_>) {
        let answers = self.answers.split_off(first);
        self.answers.extend(answers.into_iter().filter(|answer| !answer.is("ack")));
        self.answers.push(receipt::ack("status", node));
        self.answer_once(first);
    }

    /// What no client of today knows: the server is told so, since what it hears nothing of it sends for ever
    /// (PROTOCOL.md 7.3).
    fn on_unknown(&mut self, node: &Node<'_>) {
        tracing::info!(tag = node.tag(), "a stanza of unknown kind was refused");
        if node.attrs.contains("id") && node.attrs.contains("from") {
            self.answers.push(receipt::ack(node.tag(), node).attr("error", message::UNRECOGNIZED));
        }
    }

    /// The batch has been accepted, or there was nothing to tell: what follows from it is stored, and then
    /// acknowledged.
    pub(crate) async fn store_accepted(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        if context.mirror.accept() {
            context.commit().await?;
        } else if context.mirror.has_changes() {
            // What may wait is stored once the companion is idle, at the latest.
            context.timers.in_use();
        }
        Ok(())
    }

    /// Lets the answers leave that waited for the batch to be accepted.
    pub(crate) async fn acknowledge(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        if self.answers.is_empty() {
            return Ok(());
        }
        let mut answers = std::mem::take(&mut self.answers);
        if std::mem::take(&mut self.has_waited) {
            answers = aggregate::aggregated(answers);
        }
        for answer in answers {
            context.link.feed(&answer).await?;
        }
        if context.mirror.take_name_news()
            && let Some(announcement) = standing::name_announcement(context)
        {
            context.link.feed(&announcement).await?;
        }
        Ok(context.link.flush().await?)
    }

    /// Gives memory back while nothing is under way.
    pub(crate) fn shrink(&mut self) {
        self.waiting.shrink_to_fit();
        self.answers.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stanza_with_several_ciphertexts_is_answered_once() {
        let receipt = |id: &'static str| Node::new("receipt").attr("id", id);
        let mut receiver = Receiver::new(true);
        receiver.answers = vec![receipt("1")];
        receiver.answers.extend([receipt("1"), receipt("1").attr("type", "retry"), receipt("1")]);
        receiver.answer_once(1);
        assert_eq!(
            receiver.answers,
            [receipt("1"), receipt("1"), receipt("1").attr("type", "retry")],
            "that of the stanza before stays"
        );
    }
}
