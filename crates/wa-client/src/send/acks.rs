use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wa_binary::{Node, phash};

use super::audience::Audience;
use crate::command::SendReply;
use crate::message::{Ack, SendError};

/// Messages that have left and wait for WhatsApp's word (PROTOCOL.md 11.3).
#[derive(Debug)]
pub(super) struct Acks {
    waiting: HashMap<String, Waiting>,
    /// Callers that wait.
    unanswered: usize,
    /// In the order of their deadlines, since all wait equally long; acknowledged ones stay until theirs.
    deadlines: VecDeque<(Instant, String)>,
    patience: Duration,
}

#[derive(Debug)]
struct Waiting {
    /// `None` once a receipt has said that the message arrived; the ack may still come.
    reply: Option<SendReply>,
    deadline: Instant,
    /// Whom it was encrypted for.
    audience: Arc<Audience>,
}

impl Acks {
    pub(super) fn new(patience: Duration) -> Self {
        Self { waiting: HashMap::new(), unanswered: 0, deadlines: VecDeque::new(), patience }
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.unanswered == 0
    }

    pub(super) fn insert(&mut self, id: String, audience: Arc<Audience>, reply: SendReply) {
        let deadline = Instant::now() + self.patience;
        self.deadlines.push_back((deadline, id.clone()));
        self.unanswered += 1;
        if let Some(earlier) = self.waiting.insert(id, Waiting { reply: Some(reply), deadline, audience }) {
            self.answer(earlier.reply, Err(SendError::Unacknowledged));
        }
    }

    /// Passes on an `<ack class="message">`. If its hash says that the message was not encrypted for the
    /// devices that the server knows, those it was encrypted for are returned.
    pub(super) fn complete(&mut self, ack: &Node<'_>) -> Option<Arc<Audience>> {
        let Waiting { reply, audience, .. } = self.waiting.remove(&*ack.attrs.text("id")?)?;
        let refused = ack.attrs.number::<u32>("error").map(|code| code.unwrap_or(0));
        let outcome = match refused {
            Some(code) if code != 0 => Err(SendError::Refused { code }),
            _ => Ok(Ack { timestamp: timestamp(ack) }),
        };
        self.answer(reply, outcome);
        let theirs = ack.attrs.text("phash").filter(|hash| !hash.is_empty())?;
        (phash(&audience.devices()) != *theirs).then_some(audience)
    }

    /// A receipt of the recipient names messages that arrived, so the server has them. Others can prove nothing.
    pub(super) fn prove(&mut self, receipt: &Node<'_>) {
        let Some(from) = receipt.attrs.jid("from").filter(|_| self.unanswered > 0) else { return };
        let items = receipt.get_child("list").map_or(&[][..], Node::children);
        for named in [receipt].into_iter().chain(items) {
            let waiting = named.attrs.text("id").and_then(|id| self.waiting.get_mut(&*id));
            if let Some(waiting) = waiting.filter(|waiting| waiting.audience.is_chat_of(from)) {
                let reply = waiting.reply.take();
                self.answer(reply, Ok(Ack { timestamp: timestamp(receipt) }));
            }
        }
    }

    /// Gives up on those that have waited too long.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((_, id)) = self.deadlines.pop_front_if(|(deadline, _)| *deadline <= now) {
            let overdue = self.waiting.get(&id).is_some_and(|waiting| waiting.deadline <= now);
            if overdue && let Some(waiting) = self.waiting.remove(&id) {
                self.answer(waiting.reply, Err(SendError::Unacknowledged));
            }
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.front().map(|(deadline, _)| *deadline)
    }

    /// The connection is gone: nobody knows what became of the rest.
    pub(super) fn abandon(&mut self) {
        for (_, waiting) in std::mem::take(&mut self.waiting) {
            self.answer(waiting.reply, Err(SendError::Unacknowledged));
        }
        self.deadlines.clear();
    }

    /// Gives memory back.
    pub(super) fn shrink(&mut self) {
        self.deadlines.retain(|(_, id)| self.waiting.contains_key(id));
        self.deadlines.shrink_to_fit();
        self.waiting.shrink_to_fit();
    }

    fn answer(&mut self, reply: Option<SendReply>, outcome: Result<Ack, SendError>) {
        if let Some(reply) = reply {
            self.unanswered -= 1;
            let _ = reply.send(outcome);
        }
    }
}

/// Unix seconds of a stanza; 0 if it has none.
fn timestamp(node: &Node<'_>) -> i64 {
    node.attrs.number("t").and_then(Result::ok).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;
    use wa_binary::Jid;

    use super::*;

    fn audience() -> Arc<Audience> {
        let (chat, own) = (Jid::lid("1"), Jid::lid("2").with_device(1));
        Arc::new(Audience { theirs: vec![chat.clone()], chat, pn: None, ours: Vec::new(), own })
    }

    fn sent(acks: &mut Acks, id: &str) -> oneshot::Receiver<Result<Ack, SendError>> {
        let (reply, answer) = oneshot::channel();
        acks.insert(id.into(), audience(), reply);
        answer
    }

    fn ack(id: &'static str) -> Node<'static> {
        Node::new("ack").attr("class", "message").attr("id", id).attr("t", 17_u32)
    }

    #[tokio::test]
    async fn acks_may_come_in_any_order() {
        let mut acks = Acks::new(Duration::from_secs(75));
        let (first, second) = (sent(&mut acks, "A"), sent(&mut acks, "B"));
        assert_eq!(acks.complete(&ack("B")), None);
        assert_eq!(acks.complete(&ack("A").attr("error", 463_u32)), None);
        assert_eq!(first.await.unwrap(), Err(SendError::Refused { code: 463 }));
        assert_eq!(second.await.unwrap(), Ok(Ack { timestamp: 17 }));
        assert_eq!(acks.complete(&ack("A")), None);
    }

    #[tokio::test]
    async fn another_hash_than_ours_names_the_devices() {
        let mut acks = Acks::new(Duration::from_secs(75));
        let devices = audience().devices();
        assert_eq!(devices, [Jid::lid("1"), Jid::lid("2").with_device(1)]);
        let _first = sent(&mut acks, "A");
        assert_eq!(acks.complete(&ack("A").attr("phash", phash(&devices))), None);
        let _second = sent(&mut acks, "A");
        assert_eq!(acks.complete(&ack("A").attr("phash", "2:AAAAAAAA")), Some(audience()));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_leaves_the_outcome_unknown() {
        let mut acks = Acks::new(Duration::from_secs(75));
        let answer = sent(&mut acks, "A");
        acks.expire(Instant::now() + Duration::from_secs(74));
        assert!(!acks.is_empty());
        acks.expire(Instant::now() + Duration::from_secs(75));
        assert!(acks.is_empty());
        assert_eq!(answer.await.unwrap(), Err(SendError::Unacknowledged));
    }

    #[tokio::test]
    async fn a_receipt_answers_and_leaves_the_hash_to_the_ack() {
        let mut acks = Acks::new(Duration::from_secs(75));
        let (first, second) = (sent(&mut acks, "A"), sent(&mut acks, "B"));
        let item = Node::new("item").attr("id", "B");
        let receipt = Node::new("receipt").attr("id", "A").attr("t", 18_u32);
        let receipt = receipt.child(Node::new("list").child(item));
        for stranger in [Jid::lid("3"), Jid::pn("1"), Jid::group("1")] {
            acks.prove(&receipt.clone().attr("from", stranger));
        }
        acks.prove(&receipt);
        assert!(!acks.is_empty(), "others prove nothing");
        acks.prove(&receipt.attr("from", Jid::lid("1").with_device(2)));
        assert!(acks.is_empty());
        assert_eq!(first.await.unwrap(), Ok(Ack { timestamp: 18 }));
        assert_eq!(second.await.unwrap(), Ok(Ack { timestamp: 18 }));
        assert_eq!(acks.complete(&ack("A").attr("phash", "2:AAAAAAAA")), Some(audience()));
        acks.expire(Instant::now() + Duration::from_secs(76));
        assert!(acks.is_empty());
    }
}
