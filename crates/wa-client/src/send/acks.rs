use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use wa_binary::{Jid, Node, phash};

use crate::message::{Ack, SendError};

/// Who is told how a message fared.
pub(crate) type SendReply = oneshot::Sender<Result<Ack, SendError>>;

/// Messages that have left and wait for WhatsApp's word (protocol.md 11.3).
#[derive(Debug)]
pub(crate) struct Acks {
    waiting: HashMap<String, Waiting>,
    /// In the order of their deadlines, since all wait equally long; acknowledged ones stay until theirs.
    deadlines: VecDeque<(Instant, String)>,
    patience: Duration,
}

#[derive(Debug)]
struct Waiting {
    reply: SendReply,
    deadline: Instant,
    /// All devices it was encrypted for, the own one included.
    devices: Vec<Jid>,
}

impl Acks {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { waiting: HashMap::new(), deadlines: VecDeque::new(), patience }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn insert(&mut self, id: String, devices: Vec<Jid>, reply: SendReply) {
        let deadline = Instant::now() + self.patience;
        self.deadlines.push_back((deadline, id.clone()));
        if let Some(earlier) = self.waiting.insert(id, Waiting { reply, deadline, devices }) {
            let _ = earlier.reply.send(Err(SendError::Unacknowledged));
        }
    }

    /// Passes on an `<ack class="message">`. If its hash says that the message was not encrypted for the
    /// devices that the server knows, those it was encrypted for are returned.
    pub(crate) fn complete(&mut self, ack: &Node<'_>) -> Option<Vec<Jid>> {
        let Waiting { reply, devices, .. } = self.waiting.remove(&*ack.attrs.text("id")?)?;
        let refused = ack.attrs.number::<u32>("error").map(|code| code.unwrap_or(0));
        let outcome = match refused {
            Some(code) if code != 0 => Err(SendError::Refused { code }),
            _ => Ok(Ack { timestamp: ack.attrs.number("t").and_then(Result::ok).unwrap_or(0) }),
        };
        let _ = reply.send(outcome);
        let theirs = ack.attrs.text("phash").filter(|hash| !hash.is_empty())?;
        (phash(&devices) != *theirs).then_some(devices)
    }

    /// Gives up on those that have waited too long.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some((_, id)) = self.deadlines.pop_front_if(|(deadline, _)| *deadline <= now) {
            let overdue = self.waiting.get(&id).is_some_and(|waiting| waiting.deadline <= now);
            if overdue && let Some(waiting) = self.waiting.remove(&id) {
                let _ = waiting.reply.send(Err(SendError::Unacknowledged));
            }
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.front().map(|(deadline, _)| *deadline)
    }

    /// The connection is gone: nobody knows what became of the rest.
    pub(crate) fn abandon(&mut self) {
        for (_, waiting) in self.waiting.drain() {
            let _ = waiting.reply.send(Err(SendError::Unacknowledged));
        }
        self.deadlines.clear();
    }

    /// Gives memory back.
    pub(crate) fn shrink(&mut self) {
        self.deadlines.retain(|(_, id)| self.waiting.contains_key(id));
        self.deadlines.shrink_to_fit();
        self.waiting.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(acks: &mut Acks, id: &str) -> oneshot::Receiver<Result<Ack, SendError>> {
        let (reply, answer) = oneshot::channel();
        acks.insert(id.into(), vec![Jid::lid("1"), Jid::lid("2").with_device(1)], reply);
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
        let devices = vec![Jid::lid("1"), Jid::lid("2").with_device(1)];
        let _first = sent(&mut acks, "A");
        assert_eq!(acks.complete(&ack("A").attr("phash", phash(&devices))), None);
        let _second = sent(&mut acks, "A");
        assert_eq!(acks.complete(&ack("A").attr("phash", "2:AAAAAAAA")), Some(devices));
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
}
