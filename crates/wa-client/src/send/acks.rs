use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wa_binary::{Jid, Node, phash};

use super::audience::Audience;
use super::lanes::Queued;
use crate::command::SendReply;
use crate::limit::LimitKind;
use crate::message::{Ack, DeviceCount, Outgoing, SendError};
use crate::server_clock::time_of;

/// The error with which the server refuses a message that names people in the wrong name space (PROTOCOL.md 11.3).
const WRONG_NAME_SPACE: u32 = 400;

/// Messages that have left and wait for WhatsApp's word (PROTOCOL.md 11.3).
#[derive(Debug)]
pub(super) struct Acks {
    waiting: HashMap<String, (Instant, Waiting)>,
    /// How many callers still wait for an answer.
    unanswered: usize,
    /// In the order of their deadlines, since all wait equally long; acknowledged ones stay until theirs.
    deadlines: VecDeque<(Instant, String)>,
    patience: Duration,
}

/// A message that has left.
#[derive(Debug)]
pub(super) struct Waiting {
    message: Box<Outgoing>,
    /// `None` once a receipt has said that the message arrived; the ack may still come.
    reply: Option<SendReply>,
    /// Whom it was encrypted for.
    audience: Arc<Audience>,
    /// For how many of their devices.
    devices: DeviceCount,
    attempt: Try,
}

/// How often a message has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Try {
    First,
    /// It was refused in the name space in which it left first.
    OtherNameSpace,
}

/// What follows from an ack beyond the answer to whoever waits.
#[derive(Debug)]
pub(super) enum Consequence {
    /// The server knows other devices of these people.
    OtherDevices,
    /// The LID of the chat is out of date.
    StaleLid,
    /// The account writes in this name space, and not in the one that was tried before.
    NameSpaceFound,
    /// It is to be sent in the other name space.
    WrongNameSpace(Queued),
    /// It was refused because of a limit, and who waits is to hear more than that.
    Limited(SendReply, LimitKind),
}

impl Waiting {
    pub(super) fn new(
        message: Box<Outgoing>,
        reply: SendReply,
        (audience, devices): (Arc<Audience>, DeviceCount),
        attempt: Try,
    ) -> Self {
        Self { message, reply: Some(reply), audience, devices, attempt }
    }
}

impl Acks {
    pub(super) fn new(patience: Duration) -> Self {
        Self { waiting: HashMap::new(), unanswered: 0, deadlines: VecDeque::new(), patience }
    }

    /// The chats of what has left.
    pub(super) fn chats(&self) -> impl Iterator<Item = &Jid> {
        self.waiting.values().map(|(_, waiting)| &waiting.audience.chat)
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.unanswered == 0
    }

    pub(super) fn insert(&mut self, waiting: Waiting) {
        let (deadline, id) = (Instant::now() + self.patience, waiting.message.id.to_string());
        self.deadlines.push_back((deadline, id.clone()));
        self.unanswered += usize::from(waiting.reply.is_some());
        if let Some((_, earlier)) = self.waiting.insert(id, (deadline, waiting)) {
            self.answer(earlier.reply, Err(SendError::Unacknowledged));
        }
    }

    /// Passes on an `<ack class="message">`, and says what else follows from it, for the audience of the message. `now`
    /// (Unix seconds): the time of an ack that doesn't say a sensible one.
    pub(super) fn complete(&mut self, ack: &Node<'_>, now: i64) -> Option<(Arc<Audience>, Vec<Consequence>)> {
        let (_, Waiting { message, mut reply, audience, devices, attempt }) =
            self.waiting.remove(&*ack.attrs.text("id")?)?;
        let refused = ack.attrs.number::<u32>("error").map(|code| code.unwrap_or(0));
        let mut consequences = Vec::new();
        let outcome = match refused {
            Some(WRONG_NAME_SPACE) if attempt == Try::First && audience.named_otherwise().is_some() => {
                if let Some(reply) = reply.take() {
                    self.unanswered -= 1;
                    consequences.push(Consequence::WrongNameSpace((message, reply)));
                }
                return Some((audience, consequences));
            }
            Some(code) if code != 0 => {
                if let Some(kind) = LimitKind::of_code(code)
                    && let Some(reply) = reply.take()
                {
                    self.unanswered -= 1;
                    consequences.push(Consequence::Limited(reply, kind));
                }
                Err(SendError::Refused { code })
            }
            _ => {
                consequences.extend((attempt == Try::OtherNameSpace).then_some(Consequence::NameSpaceFound));
                Ok(Ack { timestamp: time_of(ack, now).unwrap_or(now), devices, to: audience.person() })
            }
        };
        self.answer(reply, outcome);
        let theirs = ack.attrs.text("phash").filter(|hash| !hash.is_empty());
        let knows_others = theirs.is_some_and(|theirs| phash(&audience.devices()) != *theirs);
        consequences.extend(knows_others.then_some(Consequence::OtherDevices));
        let is_stale = ack.attrs.get("refresh_lid").is_some_and(|stale| *stale == "true");
        consequences.extend(is_stale.then_some(Consequence::StaleLid));
        Some((audience, consequences))
    }

    /// A receipt of the recipient names messages that arrived, so the server has them. Others can prove nothing.
    /// `now`: as for [`Self::complete`].
    pub(super) fn prove(&mut self, receipt: &Node<'_>, now: i64) {
        let Some(from) = receipt.attrs.jid("from").filter(|_| self.unanswered > 0) else { return };
        let items = receipt.get_child("list").map_or(&[][..], Node::children);
        for named in [receipt].into_iter().chain(items) {
            let waiting = named.attrs.text("id").and_then(|id| self.waiting.get_mut(&*id));
            let waiting = waiting.map(|(_, waiting)| waiting);
            if let Some(waiting) = waiting.filter(|waiting| waiting.audience.is_chat_of(from)) {
                let reply = waiting.reply.take();
                let timestamp = time_of(receipt, now).unwrap_or(now);
                let (devices, to) = (waiting.devices, waiting.audience.person());
                self.answer(reply, Ok(Ack { timestamp, devices, to }));
            }
        }
    }

    /// Gives up on those that have waited too long.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((_, id)) = self.deadlines.pop_front_if(|(deadline, _)| *deadline <= now) {
            let overdue = self.waiting.get(&id).is_some_and(|(deadline, _)| *deadline <= now);
            if overdue && let Some((_, waiting)) = self.waiting.remove(&id) {
                self.answer(waiting.reply, Err(SendError::Unacknowledged));
            }
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.front().map(|(deadline, _)| *deadline)
    }

    /// The connection is gone: nobody knows what became of the rest.
    pub(super) fn abandon(&mut self) {
        for (_, waiting) in std::mem::take(&mut self.waiting).into_values() {
            self.answer(waiting.reply, Err(SendError::Unacknowledged));
        }
        self.deadlines.clear();
    }

    /// Gives the memory of past bursts back.
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

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::send::audience::NameSpace;

    const DEVICES: DeviceCount = DeviceCount { reached: 2, failed: 1 };

    /// People whose numbers are known or not.
    fn audience_with(numbers: Option<(Jid, Jid)>) -> Arc<Audience> {
        let (chat, own) = (Jid::lid("1"), Jid::lid("2").with_device(1));
        let (pn, own_pn) = numbers.unzip();
        let (theirs, ours) = (vec![chat.clone()], Vec::new());
        let numbers = Default::default();
        let name_space = NameSpace::Lid;
        Arc::new(Audience { theirs, chat, pn, ours, own, own_pn, numbers, name_space, left_out: 0 })
    }

    fn audience() -> Arc<Audience> {
        audience_with(None)
    }

    fn sent(acks: &mut Acks, id: &str) -> oneshot::Receiver<Result<Ack, SendError>> {
        sent_to(acks, id, audience(), Try::First)
    }

    fn sent_to(
        acks: &mut Acks,
        id: &str,
        audience: Arc<Audience>,
        attempt: Try,
    ) -> oneshot::Receiver<Result<Ack, SendError>> {
        let (reply, answer) = oneshot::channel();
        let message = Outgoing { id: id.into(), ..Outgoing::text(Jid::lid("1"), "hello") };
        acks.insert(Waiting::new(Box::new(message), reply, (audience, DEVICES), attempt));
        answer
    }

    /// What follows from an ack of a message that waits.
    fn completed(acks: &mut Acks, ack: &Node<'_>) -> Vec<Consequence> {
        acks.complete(ack, 18).expect("it waits").1
    }

    fn ack(id: &'static str) -> Node<'static> {
        Node::new("ack").attr("class", "message").attr("id", id).attr("t", 17_u32)
    }

    #[tokio::test]
    async fn acks_may_come_in_any_order() {
        let mut acks = Acks::new(Duration::from_secs(75));
        let (first, second) = (sent(&mut acks, "A"), sent(&mut acks, "B"));
        assert!(completed(&mut acks, &ack("B")).is_empty());
        assert!(completed(&mut acks, &ack("A").attr("error", 479_u32)).is_empty());
        assert_eq!(first.await.unwrap(), Err(SendError::Refused { code: 479 }));
        assert_eq!(
            second.await.unwrap(),
            Ok(Ack { timestamp: 17, devices: DEVICES, to: audience().person() })
        );
        assert!(acks.complete(&ack("A"), 18).is_none());
    }

    #[tokio::test]
    async fn another_hash_than_ours_names_the_devices() {
        let mut acks = Acks::new(Duration::from_secs(75));
        let devices = audience().devices();
        assert_eq!(devices, [Jid::lid("1"), Jid::lid("2").with_device(1)]);
        let _first = sent(&mut acks, "A");
        assert!(completed(&mut acks, &ack("A").attr("phash", phash(&devices))).is_empty());
        let _second = sent(&mut acks, "A");
        let consequences = completed(&mut acks, &ack("A").attr("phash", "2:AAAAAAAA"));
        assert!(matches!(consequences[..], [Consequence::OtherDevices]), "{consequences:?}");
    }

    #[tokio::test]
    async fn a_wrong_name_space_is_tried_the_other_way_once() {
        let mut acks = Acks::new(Duration::from_secs(75));
        let numbers = audience_with(Some((Jid::pn("1555"), Jid::pn("1666"))));
        let refused = || ack("A").attr("error", 400_u32);
        let first = sent_to(&mut acks, "A", numbers.clone(), Try::First);
        let mut consequences = completed(&mut acks, &refused());
        let Some(Consequence::WrongNameSpace((message, reply))) = consequences.pop() else { panic!() };
        assert!(acks.is_empty());
        acks.insert(Waiting::new(message, reply, (numbers.clone(), DEVICES), Try::OtherNameSpace));
        assert!(completed(&mut acks, &refused()).is_empty());
        assert_eq!(first.await.unwrap(), Err(SendError::Refused { code: 400 }));

        let accepted = sent_to(&mut acks, "A", numbers, Try::OtherNameSpace);
        let consequences = completed(&mut acks, &ack("A"));
        assert!(matches!(consequences[..], [Consequence::NameSpaceFound]), "{consequences:?}");
        assert!(accepted.await.unwrap().is_ok());
        let nameless = sent(&mut acks, "A");
        assert!(completed(&mut acks, &refused()).is_empty());
        assert_eq!(nameless.await.unwrap(), Err(SendError::Refused { code: 400 }));
    }

    #[tokio::test]
    async fn a_limit_is_left_to_who_knows_its_end() {
        let mut acks = Acks::new(Duration::from_secs(75));
        let mut waiting = sent(&mut acks, "A");
        let consequences = completed(&mut acks, &ack("A").attr("error", 475_u32));
        assert!(
            matches!(consequences[..], [Consequence::Limited(_, LimitKind::NewChats)]),
            "{consequences:?}"
        );
        assert!(acks.is_empty() && waiting.try_recv().is_err());
    }

    #[tokio::test]
    async fn an_ack_may_call_the_lid_stale() {
        let mut acks = Acks::new(Duration::from_secs(75));
        let _first = sent(&mut acks, "A");
        let consequences = completed(&mut acks, &ack("A").attr("refresh_lid", "true"));
        assert!(matches!(consequences[..], [Consequence::StaleLid]), "{consequences:?}");
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
            acks.prove(&receipt.clone().attr("from", stranger), 18);
        }
        acks.prove(&receipt, 18);
        assert!(!acks.is_empty(), "others prove nothing");
        acks.prove(&receipt.attr("from", Jid::lid("1").with_device(2)), 18);
        assert!(acks.is_empty());
        assert_eq!(
            first.await.unwrap(),
            Ok(Ack { timestamp: 18, devices: DEVICES, to: audience().person() })
        );
        assert_eq!(
            second.await.unwrap(),
            Ok(Ack { timestamp: 18, devices: DEVICES, to: audience().person() })
        );
        assert_eq!(completed(&mut acks, &ack("A").attr("phash", "2:AAAAAAAA")).len(), 1);
        acks.expire(Instant::now() + Duration::from_secs(76));
        assert!(acks.is_empty());
    }
}
