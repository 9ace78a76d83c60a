//! What is recorded of one running instance: what its companion tells, the messages that it is to send, and what became
//! of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use parking_lot::Mutex;
use storage::{
    Backoff, Claim, Entry, Epoch, Instance, InstanceId, InstanceStatus, Journal, Message, MessageStatus,
    NewMessage, Outcome, Record, Recorded, StateChange, StatusUpdate, StorageError, Timestamp, Urgency,
    Write,
};
use tokio::sync::{Notify, SetOnce, oneshot};
use tokio::time::{Instant, sleep, sleep_until};
use wa_binary::Jid;
use wa_client::{Event, MessageInfo, Person, ReceivedMessages, SentContent, SentMessages};

use crate::clock::now;
use crate::companion::{Companion, Companions, NotRecorded, Recorder};
use crate::mapping::{self, Facts, Mapped};
use crate::pending::{Answer, Fate, Full, PendingMessages};
use crate::people::People;

/// Pending messages that are read when an instance starts: more than one ever lets through.
const MOST_PENDING: u64 = 10_000;

/// Makes the records of one running instance, one at a time: while one is being committed, all that is to be recorded
/// gathers for the next. So a burst costs a few commits, and their order is that of what happened.
pub(crate) struct InstanceRecorder {
    instance: InstanceId,
    epoch: Epoch,
    journal: Journal,
    companions: Arc<dyn Companions>,
    /// Set before the first event.
    companion: OnceLock<Arc<dyn Companion>>,
    people: Mutex<People>,
    facts: Mutex<Facts>,
    pending: Mutex<PendingMessages>,
    /// Held by whoever makes a record.
    turn: tokio::sync::Mutex<()>,
    /// Whether the record that is being made waits for others to share its commit.
    is_patient: AtomicBool,
    /// Set once it is known what an earlier process left pending.
    loaded: SetOnce<()>,
    /// Set once another process holds the instance.
    fenced: SetOnce<()>,
    /// Set once nothing more will be submitted or settled by this run.
    closed: SetOnce<()>,
    /// Something is to be recorded.
    unrecorded: Notify,
    /// Something is to be sent.
    ready: Notify,
}

/// What a batch adds to a record.
#[derive(Default)]
struct Addition {
    state: Option<StateChange>,
    entries: Vec<Entry>,
}

impl Addition {
    /// Whether nobody waits for it: only for the words of others about what was sent.
    fn is_patient(&self) -> bool {
        self.state.is_none() && self.entries.iter().all(|entry| matches!(entry, Entry::Status(_)))
    }
}

impl InstanceRecorder {
    pub(crate) fn new(
        instance: &Instance,
        epoch: Epoch,
        journal: Journal,
        companions: Arc<dyn Companions>,
    ) -> Self {
        let facts = Facts {
            own_jid: instance.jid.clone(),
            own_lid: instance.lid.clone(),
            qr_codes: 0,
            connected: instance.status == InstanceStatus::Connected,
        };
        Self {
            instance: instance.id,
            epoch,
            journal,
            companions,
            companion: OnceLock::new(),
            people: Mutex::new(People::new()),
            facts: Mutex::new(facts),
            pending: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            is_patient: AtomicBool::new(false),
            loaded: SetOnce::new(),
            fenced: SetOnce::new(),
            closed: SetOnce::new(),
            unrecorded: Notify::new(),
            ready: Notify::new(),
        }
    }

    /// The epoch under which the instance is held.
    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The companion whose events are recorded here.
    pub(crate) fn accompany(&self, companion: Arc<dyn Companion>) {
        // There is one for each recorder.
        let _ = self.companion.set(companion);
    }

    /// The time by WhatsApp's clock, as far as it is known: what is dated with it sorts among what others write.
    pub(crate) fn server_now(&self) -> Timestamp {
        let millis = self.companion.get().and_then(|companion| companion.server_millis());
        millis.map_or_else(now, Timestamp::from_millis)
    }

    /// Who a user is, if the companion has said so lately.
    pub(crate) fn person(&self, user: &Jid) -> Option<Person> {
        self.people.lock().find(user)
    }

    /// The companion has said who a user is.
    pub(crate) fn met(&self, user: &Jid, person: &Person) {
        self.people.lock().remember(user, person);
    }

    /// Own JID by phone number, once paired.
    pub(crate) fn own_jid(&self) -> Option<String> {
        self.facts.lock().own_jid.clone()
    }

    /// Takes a message to store as pending and to send. Nothing of that depends on whether the answer is waited for.
    ///
    /// # Errors
    /// [`Full`], and nothing was taken.
    pub(crate) fn submit(
        &self,
        message: Message,
        claim: Option<Claim>,
    ) -> Result<oneshot::Receiver<Answer>, Full> {
        let answer = self.pending.lock().submit(message, claim)?;
        self.unrecorded.notify_one();
        self.hurry();
        Ok(answer)
    }

    /// Takes back a message that nobody has begun to store. Returns whether it was one: then it is never sent.
    pub(crate) fn withdraw(&self, message_id: &str) -> bool {
        self.pending.lock().withdraw(message_id)
    }

    /// Whether the message is on its way, be it stored or not.
    pub(crate) fn holds(&self, message_id: &str) -> bool {
        self.pending.lock().holds(message_id)
    }

    /// Waits for a message that is on its way; `None` if it isn't.
    pub(crate) fn wait_for(&self, message_id: &str) -> Option<oneshot::Receiver<Answer>> {
        self.pending.lock().wait(message_id)
    }

    /// Hands out the messages whose turn it is to be sent, in their order.
    pub(crate) fn take_ready(&self) -> Vec<Arc<Message>> {
        self.pending.lock().take_ready()
    }

    /// Resolves when there may be messages to send.
    pub(crate) async fn until_ready(&self) {
        self.ready.notified().await;
    }

    /// Whether the companion's answer about this message still counts.
    pub(crate) fn is_under_way(&self, message_id: &str) -> bool {
        self.pending.lock().is_under_way(message_id)
    }

    /// The message could not be sent now.
    pub(crate) fn postpone(&self, message_id: &str) {
        self.pending.lock().postpone(message_id);
    }

    /// The message may not leave yet.
    pub(crate) fn hold(&self, message_id: &str) {
        self.pending.lock().hold(message_id);
    }

    /// Whether messages are held.
    pub(crate) fn has_held(&self) -> bool {
        self.pending.lock().has_held()
    }

    /// Lets held messages be offered to the companion.
    pub(crate) fn release(&self) {
        self.pending.lock().release();
    }

    /// The companion's last word about a message.
    pub(crate) fn settle(&self, update: StatusUpdate, fate: Fate) {
        self.pending.lock().settle(update, fate, Instant::now());
        self.unrecorded.notify_one();
    }

    /// Lets go of everybody who waits: this instance runs no more.
    pub(crate) fn abandon(&self) {
        self.pending.lock().abandon();
    }

    /// Another process holds the instance: nothing more is to be written for it.
    pub(crate) fn fence(&self) {
        // It may be known already.
        let _ = self.fenced.set(());
    }

    /// Resolves once another process holds the instance.
    pub(crate) async fn until_fenced(&self) {
        self.fenced.wait().await;
    }

    /// Makes sure that no other process holds the instance: under an old epoch even an empty record is refused.
    pub(crate) async fn check_hold(&self) {
        if let Err(error) = self.journal.record(Record::new(self.instance, self.epoch)).await {
            self.note(&error);
        }
    }

    /// Reads what an earlier process left pending. Before that, nothing of a companion is recorded.
    pub(crate) async fn load(&self) {
        let mut backoff = Backoff::default();
        loop {
            match self.journal.storage().pending_messages(self.instance, MOST_PENDING).await {
                Ok(messages) => {
                    self.pending.lock().load(messages);
                    self.ready.notify_one();
                    // Only this sets it, and only once.
                    let _ = self.loaded.set(());
                    return;
                }
                Err(error) => {
                    tracing::warn!(instance = %self.instance, %error, "pending messages can't be read");
                    sleep(backoff.pause()).await;
                }
            }
        }
    }

    /// Records what is submitted and settled, when it is due, until [`Self::close`]. A record that is being made then
    /// is finished first: dropped halfway, it would take along what it took out of the lists.
    pub(crate) async fn keep_recording(&self) {
        while self.closed.get().is_none() {
            let due = self.pending.lock().due(Instant::now());
            match due {
                None => self.unrecorded.notified().await,
                Some(due) if due > Instant::now() => {
                    tokio::select! {
                        () = sleep_until(due) => {}
                        () = self.unrecorded.notified() => {}
                    }
                }
                Some(_) => self.flush().await,
            }
        }
    }

    /// Ends [`Self::keep_recording`].
    pub(crate) fn close(&self) {
        // It may be closed already.
        let _ = self.closed.set(());
        self.unrecorded.notify_one();
    }

    /// Records what is submitted and settled, now. Must not be dropped halfway.
    pub(crate) async fn flush(&self) {
        // In a box, so that the task of an idle instance holds no room for it.
        if let Err(error) = Box::pin(self.commit(Addition::default())).await {
            tracing::warn!(instance = %self.instance, %error, "what became of messages could not be stored");
        }
    }

    /// Returns when all that callers have been told is recorded, or could not be. Only waits for the instance's own
    /// task, so that a caller who hangs up drops no record.
    pub(crate) async fn catch_up(&self) {
        let caught_up = self.pending.lock().catch_up();
        if let Some(caught_up) = caught_up {
            self.unrecorded.notify_one();
            self.hurry();
            // It ends without a word.
            let _ = caught_up.await;
        }
    }

    /// Makes one record of what is submitted, what is settled, and what a batch adds; answers the outcomes of the
    /// latter. Runs in the instance's own task only, which outlives it.
    async fn commit(&self, batch: Addition) -> Result<Vec<Outcome>, NotRecorded> {
        let patient = batch.is_patient();
        if !patient {
            self.hurry();
        }
        let _turn = self.turn.lock().await;
        let waiting = self.pending.lock().take_unrecorded();
        let urgency = if patient && !waiting.is_awaited() { Urgency::Soon } else { Urgency::Now };
        self.is_patient.store(urgency == Urgency::Soon, Ordering::Release);
        let (keyed, plain): (Vec<_>, Vec<_>) =
            waiting.submitted.into_iter().partition(|(_, claim)| claim.is_some());

        let mut record =
            Record { state: batch.state, ..Record::new(self.instance, self.epoch).urgency(urgency) };
        record.entries.extend(waiting.settled.iter().cloned().map(Entry::Status));
        record.entries.extend(plain.iter().map(|(message, _)| stored(message)));
        let before = record.entries.len();
        record.entries.extend(batch.entries);

        // All are queued before the first is waited for, so that they share a commit.
        let record =
            (record.state.is_some() || !record.entries.is_empty()).then(|| self.journal.record(record));
        let keyed: Vec<_> =
            keyed.into_iter().map(|(message, claim)| (self.record_keyed(&message, claim), message)).collect();

        let recorded = match record {
            Some(record) => record.await,
            None => Ok(Recorded::default()),
        };
        let outcomes = self.apply(recorded, waiting.settled, &plain, before);
        for (write, message) in keyed {
            self.apply_keyed(&message, write.await);
        }
        drop(waiting.readers);
        outcomes
    }

    /// Lets a record that waits for others to share its commit wait no longer.
    fn hurry(&self) {
        if self.is_patient.swap(false, Ordering::AcqRel) {
            self.journal.storage().hurry();
        }
    }

    /// A message with an idempotency key is a record of its own: it is stored only if the key is free.
    fn record_keyed(&self, message: &Arc<Message>, claim: Option<Claim>) -> Write<Recorded> {
        let mut record = Record::new(self.instance, self.epoch).claim(claim);
        record.entries.push(stored(message));
        self.journal.record(record)
    }

    /// Takes note of what became of a record.
    fn apply(
        &self,
        recorded: Result<Recorded, StorageError>,
        settled: Vec<StatusUpdate>,
        submitted: &[(Arc<Message>, Option<Claim>)],
        before: usize,
    ) -> Result<Vec<Outcome>, NotRecorded> {
        let mut pending = self.pending.lock();
        match recorded {
            Ok(recorded) => {
                pending.recorded(&settled);
                for (message, _) in submitted {
                    pending.stored(&message.message_id);
                }
                self.ready.notify_one();
                Ok(recorded.outcomes.into_iter().skip(before).collect())
            }
            Err(error) => {
                self.note(&error);
                pending.put_back(settled, Instant::now());
                self.unrecorded.notify_one();
                let error = Arc::new(error);
                for (message, _) in submitted {
                    pending.refused(&message.message_id, Answer::NotStored(Arc::clone(&error)));
                }
                Err(NotRecorded(error))
            }
        }
    }

    fn apply_keyed(&self, message: &Message, recorded: Result<Recorded, StorageError>) {
        let mut pending = self.pending.lock();
        match recorded {
            Ok(Recorded { taken: Some(earlier), .. }) => {
                pending.refused(&message.message_id, Answer::Taken(earlier));
            }
            Ok(_) => {
                pending.stored(&message.message_id);
                self.ready.notify_one();
            }
            Err(error) => {
                self.note(&error);
                pending.refused(&message.message_id, Answer::NotStored(Arc::new(error)));
            }
        }
    }

    /// Draws the consequences of a batch that is durable.
    fn adopt(&self, mapped: Mapped) {
        *self.facts.lock() = mapped.facts;
        if !mapped.merged.is_empty() {
            self.people.lock().forget();
        }
        let mut pending = self.pending.lock();
        mapped.merged.iter().for_each(|(from, into)| pending.rename_chat(from, into));
        mapped.finished.iter().for_each(|(id, fate)| pending.finish(id, fate));
    }

    /// Lets no record be made while the answer lives, like a store that takes its time.
    #[cfg(test)]
    pub(crate) async fn hold_up(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    fn note(&self, error: &StorageError) {
        if matches!(error, StorageError::Fenced) {
            self.fence();
        }
    }
}

/// Whether an event may let held messages leave: limits have changed, or somebody trusts the account.
fn may_release(event: &Event) -> bool {
    match event {
        Event::Limits(_) => true,
        Event::Notification(notification) => notification.kind == "privacy_token",
        _ => false,
    }
}

#[async_trait]
impl Recorder for InstanceRecorder {
    async fn record(&self, events: &[Event]) -> Result<(), NotRecorded> {
        self.loaded.wait().await;
        let now = self.server_now();
        let facts = self.facts.lock().clone();
        let mut mapped = mapping::map(self.instance, events, facts, &self.pending.lock(), now);
        let addition = Addition { state: mapped.state.take(), entries: std::mem::take(&mut mapped.entries) };
        let outcomes = match addition {
            Addition { state: None, entries } if entries.is_empty() => Vec::new(),
            addition => self.commit(addition).await?,
        };
        let late = mapped.late(self.instance, events, &outcomes, now);
        // It holds from now on, whatever becomes of what is late.
        self.adopt(mapped);
        if events.iter().any(may_release) {
            self.release();
            self.ready.notify_one();
        }
        if !late.is_empty() {
            self.commit(Addition { state: None, entries: late }).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl SentMessages for InstanceRecorder {
    async fn sent(&self, chat: &Jid, id: &str) -> Option<SentContent> {
        // A device is given nothing of another chat, whichever id it names.
        let mut names = vec![chat.to_user().to_string()];
        if chat.is_lid() {
            let number = self.companions.number_of(self.instance, &chat.user).await;
            names.extend(number.map(|number| Jid::pn(number).to_string()));
        }
        let is_it = |message: &Message| {
            message.from_me && names.iter().any(|name| *name == message.chat || *name == message.wire_chat)
        };
        let under_way = self.pending.lock().find(id).filter(|message| is_it(message)).map(sent_content);
        if under_way.is_some() {
            return under_way;
        }
        match self.journal.storage().fleet_messages_by_id(self.instance, id).await {
            Ok(messages) => {
                messages.iter().find(|message| is_it(message) && !message.raw.is_empty()).map(sent_content)
            }
            Err(error) => {
                tracing::warn!(instance = %self.instance, %error, "a message that was sent can't be read");
                None
            }
        }
    }
}

fn sent_content(message: &Message) -> SentContent {
    use MessageStatus::{Delivered, Played, Read};
    SentContent {
        message: message.raw.clone(),
        timestamp: message.created_at.millis(),
        is_delivered: matches!(message.status, Delivered | Read | Played),
    }
}

#[async_trait]
impl ReceivedMessages for InstanceRecorder {
    async fn is_recorded(&self, message: &MessageInfo) -> bool {
        let (chat, sender) = (message.chat.to_user().to_string(), message.sender.to_user().to_string());
        // The chat of a copy of our own may be named inside it only.
        let is_it = |stored: &Message| {
            stored.sender == sender
                && (message.from_me || stored.wire_chat == chat)
                && !stored.kind.is_unread()
        };
        match self.journal.storage().fleet_messages_by_id(self.instance, message.id.as_str()).await {
            Ok(messages) => messages.iter().any(is_it),
            Err(error) => {
                tracing::warn!(instance = %self.instance, %error, "a received message can't be looked up");
                false
            }
        }
    }
}

fn stored(message: &Arc<Message>) -> Entry {
    Entry::Message(Box::new(NewMessage { message: Message::clone(message), event: None }))
}

#[cfg(test)]
mod tests;
