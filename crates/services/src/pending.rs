//! The messages of one instance that are on their way out. Pure bookkeeping: nothing here waits or writes.

mod left;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use storage::{
    Amendment, Backoff, Claim, Due, EventData, Failure, Message, MessageStatus, StatusUpdate, StorageError,
    StoredClaim, Usage,
};
use tokio::sync::oneshot;
use tokio::time::Instant;
use wa_client::DeviceCount;

use left::Left;

/// Most messages of one instance that are on their way. Their content is held in memory.
pub(crate) const CAPACITY: usize = 1_024;
/// Most of them that may be held. Their content is in memory, too, beside that of the others.
const MOST_HELD: usize = 512;
/// How long an acknowledgement may wait to be recorded together with something else: about as long as the commit takes
/// that it saves.
const LINGER: Duration = Duration::from_millis(5);

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// WhatsApp has acknowledged it: it is delivered without us from now on. With the devices that it was encrypted for,
    /// where this process has sent it.
    Sent(Option<DeviceCount>),
    /// It will never be sent.
    Failed(Failure),
}

/// What whoever waits for a message is told.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Its way has ended.
    Settled(Fate),
    /// Its idempotency key was taken already: nothing was stored.
    Taken(StoredClaim),
    /// It is stored, and waits until WhatsApp lets the account write to its recipient.
    Held,
    /// It could not be stored, and is not sent.
    NotStored(Arc<StorageError>),
}

/// On what condition a message is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Its idempotency key is free.
    Claim(Claim),
    /// It is still scheduled like this.
    Due(Due),
}

/// There are [`CAPACITY`] messages on their way already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Knows every message between the wish to send it and the record of what became of it: what it is, how far it has come
/// and who waits for it.
#[derive(Debug, Default)]
pub(crate) struct PendingMessages {
    /// By WhatsApp's id.
    messages: HashMap<String, Pending>,
    numbers: u64,
    /// To be stored, in the order of the calls.
    submitted: Vec<(String, Option<Condition>)>,
    /// Stored, and to be handed to the companion: ids by order.
    ready: BTreeMap<u64, String>,
    /// Stored, and not allowed to leave: ids by order.
    held: BTreeMap<u64, String>,
    /// Settled, and to be recorded.
    settled: Vec<Settled>,
    /// When what is settled is to be recorded at the latest.
    due: Option<Instant>,
    /// After the store refused that.
    backoff: Backoff,
    waiters: HashMap<String, Vec<oneshot::Sender<Answer>>>,
    /// Those who wait until all that is settled by now is recorded.
    readers: Vec<oneshot::Sender<()>>,
    /// Whether nothing moves any more.
    abandoned: bool,
    /// Whether what an earlier process left is among them.
    complete: bool,
    left: Left,
}

#[derive(Debug)]
struct Pending {
    order: u64,
    message: Arc<Message>,
    stage: Stage,
    /// Whether its event tells its sender what became of it.
    queued: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// Taken from a caller, and not durable yet: it may still be withdrawn.
    Submitted,
    /// Durable; waits for a connection, or for its turn.
    Ready,
    /// Durable; not allowed to leave, as far as is known.
    Held,
    /// In the companion's hands.
    UnderWay,
    /// Settled; what became of it is not durable yet.
    Settled(Fate),
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    /// The chat that it was written to, by a name of the caller's, and the one that it is in.
    pub(crate) moves: Option<(String, String)>,
    /// The message's own progress.
    pub(crate) update: StatusUpdate,
    /// What it changes in an earlier message, now that WhatsApp has it.
    pub(crate) amends: Option<Amendment>,
}

impl From<StatusUpdate> for Settled {
    fn from(update: StatusUpdate) -> Self {
        Self { moves: None, update, amends: None }
    }
}

/// What is to be recorded.
#[derive(Debug, Default)]
pub(crate) struct Unrecorded {
    /// Messages to store as pending, on their conditions.
    pub(crate) submitted: Vec<(Arc<Message>, Option<Condition>)>,
    /// What became of messages that are stored.
    pub(crate) settled: Vec<Settled>,
    /// Those who wait until this is recorded, or could not be. They are told by being dropped.
    pub(crate) readers: Vec<oneshot::Sender<()>>,
}

impl Unrecorded {
    /// Whether somebody waits for it.
    pub(crate) fn is_awaited(&self) -> bool {
        !self.submitted.is_empty() || !self.readers.is_empty()
    }
}

impl PendingMessages {
    /// Takes in what an earlier process left pending, oldest first. Those wait for a companion before all others.
    pub(crate) fn load(&mut self, messages: Vec<Message>, now: Instant) {
        for message in messages {
            let id = message.message_id.clone();
            // Whoever waited for it was not answered.
            let order = self.insert(message, Stage::Ready, true);
            self.left.add(self.messages.get(&id).map(|pending| &pending.message));
            self.ready.insert(order, id);
        }
        self.left.complete(now);
        self.complete = true;
        // Whoever waits for another one would wait in vain.
        self.waiters.retain(|id, _| self.messages.contains_key(id));
    }

    /// What an earlier process has left and has not failed, as long as callers may come back for it.
    pub(crate) fn left_before(&mut self, now: Instant) -> Vec<Arc<Message>> {
        self.left.forget_late(now);
        self.left.messages()
    }

    /// Takes a message to store and to send. The answer comes when its way has ended.
    ///
    /// # Errors
    /// [`Full`], and nothing was taken.
    pub(crate) fn submit(
        &mut self,
        message: Message,
        condition: Option<Condition>,
        queued: bool,
    ) -> Result<oneshot::Receiver<Answer>, Full> {
        let is_held = message.status == MessageStatus::Held;
        let waiting = self.held.len();
        if is_held && waiting >= MOST_HELD || self.messages.len() - waiting >= CAPACITY {
            return Err(Full);
        }
        let id = message.message_id.clone();
        self.insert(message, Stage::Submitted, queued);
        self.submitted.push((id.clone(), condition));
        Ok(self.add_waiter(id))
    }

    /// Takes back a message that nobody has begun to store. Returns whether it was one: then it is never sent.
    pub(crate) fn withdraw(&mut self, id: &str) -> bool {
        let Some(position) = self.submitted.iter().position(|(submitted, _)| submitted == id) else {
            return false;
        };
        self.submitted.remove(position);
        self.messages.remove(id);
        self.waiters.remove(id);
        true
    }

    /// Whether the message is on its way, be it stored or not.
    pub(crate) fn holds(&self, id: &str) -> bool {
        self.messages.contains_key(id)
    }

    /// Waits for a message that is on its way; `None` if it isn't.
    pub(crate) fn wait(&mut self, id: &str) -> Option<oneshot::Receiver<Answer>> {
        match self.messages.get(id) {
            Some(Pending { stage: Stage::Settled(fate @ Fate::Sent(_)), .. }) => {
                let (sender, receiver) = oneshot::channel();
                // The receiver is here.
                let _ = sender.send(Answer::Settled(fate.clone()));
                Some(receiver)
            }
            Some(Pending { stage: Stage::Held, .. }) => {
                let (sender, receiver) = oneshot::channel();
                // The receiver is here.
                let _ = sender.send(Answer::Held);
                Some(receiver)
            }
            Some(_) => Some(self.add_waiter(id.to_owned())),
            None if !self.complete => Some(self.add_waiter(id.to_owned())),
            None => None,
        }
    }

    /// A message that is stored and not settled.
    pub(crate) fn find(&self, id: &str) -> Option<&Message> {
        self.messages.get(id).filter(|pending| pending.is_open()).map(|pending| &*pending.message)
    }

    /// Has the event of a message that was sent say whether its sender waits to be told by it.
    pub(crate) fn tell_if_queued(&self, update: &mut StatusUpdate) {
        let pending = self.messages.get(&update.message_id);
        let event = update.event.as_mut().map(|event| &mut event.data);
        if let (Some(pending), Some(EventData::MessageSent(told))) = (pending, event) {
            told.queued = pending.queued;
        }
    }

    /// All messages that are stored and not settled, in their order.
    pub(crate) fn open(&self) -> Vec<&Message> {
        let mut open: Vec<_> = self.messages.values().filter(|pending| pending.is_open()).collect();
        open.sort_unstable_by_key(|pending| pending.order);
        open.into_iter().map(|pending| &*pending.message).collect()
    }

    /// What counts when all of it has left: messages that are stored or about to be, until what became of them is recorded.
    pub(crate) fn leaving(&self) -> Usage {
        let messages = self.messages.values().map(|pending| &pending.message);
        let size = |message: &Message| message.media.as_ref().and_then(|media| media.size).unwrap_or(0);
        messages
            .filter(|message| !message.kind.amends())
            .map(|message| Usage { messages_sent: 1, media_size: size(message), ..Usage::default() })
            .sum()
    }

    /// Whether the message is with the companion, so that its answer still counts.
    pub(crate) fn is_under_way(&self, id: &str) -> bool {
        self.messages.get(id).is_some_and(|pending| pending.stage == Stage::UnderWay)
    }

    /// Where somebody may have been told what is not recorded yet, all of it is due now. The answer ends when it is
    /// recorded, or could not be; `None` if there is nothing to wait for.
    pub(crate) fn catch_up(&mut self) -> Option<oneshot::Receiver<()>> {
        let is_ahead = self.messages.values().any(|pending| matches!(pending.stage, Stage::Settled(_)));
        if self.abandoned || !is_ahead {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        self.readers.push(sender);
        Some(receiver)
    }

    /// When something is to be recorded: at once where somebody waits for it.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let somebody_waits = !self.submitted.is_empty() || !self.readers.is_empty();
        if somebody_waits { Some(now) } else { self.due }
    }

    /// Hands out what is to be recorded. Each part comes back by one of the next four calls.
    pub(crate) fn take_unrecorded(&mut self) -> Unrecorded {
        self.due = None;
        self.left.forget_late(Instant::now());
        let submitted = std::mem::take(&mut self.submitted);
        let messages = &self.messages;
        let submitted =
            submitted.into_iter().filter_map(|(id, on)| Some((messages.get(&id)?.message.clone(), on)));
        Unrecorded {
            submitted: submitted.collect(),
            settled: std::mem::take(&mut self.settled),
            readers: std::mem::take(&mut self.readers),
        }
    }

    /// The message is durable as pending.
    pub(crate) fn stored(&mut self, id: &str) {
        let status = self.messages.get(id).map(|pending| pending.message.status);
        match status {
            Some(MessageStatus::Held) => self.become_held(id, &Stage::Submitted),
            _ => self.become_ready(id, &Stage::Submitted),
        }
    }

    /// The message may not leave yet.
    pub(crate) fn hold(&mut self, id: &str) {
        self.become_held(id, &Stage::UnderWay);
    }

    /// Whether messages are held.
    pub(crate) fn has_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// Those that are held may leave, as far as is known here.
    pub(crate) fn release(&mut self) {
        for id in std::mem::take(&mut self.held).into_values() {
            self.become_ready(&id, &Stage::Held);
        }
    }

    /// The message is not stored, and whoever wanted it is told why.
    pub(crate) fn refused(&mut self, id: &str, answer: Answer) {
        self.messages.remove(id);
        if let Some(waiter) = self.waiters.remove(id).and_then(|mut waiters| waiters.pop()) {
            // Whoever has left needs no answer.
            let _ = waiter.send(answer);
        }
    }

    /// What became of these messages is durable.
    pub(crate) fn recorded(&mut self, settled: &[Settled]) {
        self.backoff.reset();
        for Settled { update, .. } in settled {
            if let Some(Pending { stage: Stage::Settled(fate), .. }) =
                self.messages.remove(&update.message_id)
            {
                self.tell(&update.message_id, &fate);
            }
        }
    }

    /// What became of these messages could not be stored. It stays to be recorded, before what was settled since.
    pub(crate) fn put_back(&mut self, settled: Vec<Settled>, now: Instant) {
        if !settled.is_empty() {
            self.settled.splice(0..0, settled);
            self.due = Some(now + self.backoff.pause());
        }
    }

    /// Hands out the messages whose turn it is, in their order; they are under way from now on.
    pub(crate) fn take_ready(&mut self) -> Vec<Arc<Message>> {
        let ready = std::mem::take(&mut self.ready);
        let mut messages = Vec::with_capacity(ready.len());
        for id in ready.into_values() {
            if let Some(pending) = self.messages.get_mut(&id) {
                pending.stage = Stage::UnderWay;
                messages.push(pending.message.clone());
            }
        }
        messages
    }

    /// The message could not be sent now: it waits, before those that came later.
    pub(crate) fn postpone(&mut self, id: &str) {
        self.become_ready(id, &Stage::UnderWay);
    }

    /// The way of a message that is under way has ended. Who waits hears of a success at once, since WhatsApp's word
    /// holds whatever becomes of ours; of a failure when it is durable.
    pub(crate) fn settle(&mut self, settled: impl Into<Settled>, fate: Fate, now: Instant) {
        let mut settled = settled.into();
        let id = settled.update.message_id.clone();
        if !self.messages.contains_key(&id) {
            return;
        }
        self.tell_if_queued(&mut settled.update);
        let is_sent = matches!(fate, Fate::Sent(_));
        let due = if is_sent { now + LINGER } else { now };
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
        if is_sent {
            self.tell(&id, &fate);
        } else {
            self.left.forget(&id);
        }
        if let Some(pending) = self.messages.get_mut(&id) {
            pending.stage = Stage::Settled(fate);
        }
        self.settled.push(settled);
    }

    /// What we know of messages of others is to be recorded.
    pub(crate) fn note(&mut self, updates: impl IntoIterator<Item = StatusUpdate>, now: Instant) {
        self.settled.extend(updates.into_iter().map(Settled::from));
        self.due = Some(now);
    }

    /// The way of a message has ended, and that is durable.
    pub(crate) fn finish(&mut self, id: &str, fate: &Fate) {
        if let Some(pending) = self.messages.remove(id) {
            self.ready.remove(&pending.order);
            self.held.remove(&pending.order);
        }
        if matches!(fate, Fate::Failed(_)) {
            self.left.forget(id);
        }
        self.tell(id, fate);
    }

    /// A chat goes by another name from now on.
    pub(crate) fn rename_chat(&mut self, from: &str, into: &str) {
        for pending in self.messages.values_mut().filter(|pending| pending.message.chat == from) {
            into.clone_into(&mut Arc::make_mut(&mut pending.message).chat);
        }
    }

    /// Lets go of everybody who waits: nothing moves any more.
    pub(crate) fn abandon(&mut self) {
        self.abandoned = true;
        self.readers.clear();
        self.waiters.clear();
    }

    fn insert(&mut self, message: Message, stage: Stage, queued: bool) -> u64 {
        self.numbers += 1;
        let order = self.numbers;
        let id = message.message_id.clone();
        self.messages.insert(id, Pending { order, message: Arc::new(message), stage, queued });
        order
    }

    fn become_ready(&mut self, id: &str, from: &Stage) {
        if let Some(pending) = self.messages.get_mut(id).filter(|pending| pending.stage == *from) {
            pending.stage = Stage::Ready;
            self.ready.insert(pending.order, id.to_owned());
        }
    }

    fn become_held(&mut self, id: &str, from: &Stage) {
        let Some(pending) = self.messages.get_mut(id).filter(|pending| pending.stage == *from) else {
            return;
        };
        pending.stage = Stage::Held;
        self.held.insert(pending.order, id.to_owned());
        for waiter in self.waiters.remove(id).into_iter().flatten() {
            // Whoever has stopped waiting finds it in the store.
            let _ = waiter.send(Answer::Held);
        }
    }

    fn add_waiter(&mut self, id: String) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        if self.abandoned {
            return receiver;
        }
        let waiters = self.waiters.entry(id).or_default();
        waiters.retain(|waiter| !waiter.is_closed());
        waiters.push(sender);
        receiver
    }

    fn tell(&mut self, id: &str, fate: &Fate) {
        for waiter in self.waiters.remove(id).into_iter().flatten() {
            // Whoever has stopped waiting finds the answer in the store.
            let _ = waiter.send(Answer::Settled(fate.clone()));
        }
    }
}

impl Pending {
    fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Ready | Stage::Held | Stage::UnderWay)
    }
}

#[cfg(test)]
mod tests;
