//! What is recorded of one running instance: what its companion tells, the messages that it is to send, and what became
//! of them.

mod commit;
mod look_up;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use parking_lot::Mutex;
use storage::{
    Backoff, Due, Epoch, Failure, HistoryData, Instance, InstanceId, InstanceStatus, Journal, Message,
    NewMessage, Record, StatusUpdate, StorageError, Timestamp, Usage, UserId,
};
use tokio::sync::{Notify, SetOnce, oneshot};
use tokio::time::{Instant, sleep, sleep_until};
use wa_binary::Jid;
use wa_client::{Event, Person};

use crate::clock::now;
use crate::companion::{Companion, Companions, NotRecorded, Recorder};
use crate::mapping::{self, Facts, Mapped};
use crate::pending::{Answer, Condition, Fate, Full, PendingMessages, Settled};
use crate::people::{People, PushNames};

use commit::Addition;

/// Pending messages that are read when an instance starts: more than one ever lets through.
const MOST_PENDING: u64 = 10_000;

/// Makes the records of one running instance, one at a time: while one is being committed, all that is to be recorded
/// gathers for the next. So a burst costs a few commits, and their order is that of what happened.
pub(crate) struct InstanceRecorder {
    instance: InstanceId,
    owner: UserId,
    epoch: Epoch,
    journal: Journal,
    companions: Arc<dyn Companions>,
    /// Set before the first event.
    companion: OnceLock<Arc<dyn Companion>>,
    people: Mutex<People>,
    names: Mutex<PushNames>,
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
            history: HistoryData::default(),
        };
        Self {
            instance: instance.id,
            owner: instance.owner,
            epoch,
            journal,
            companions,
            companion: OnceLock::new(),
            people: Mutex::new(People::new()),
            names: Mutex::default(),
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

    /// Takes a message to store as pending and to send. Nothing of that depends on whether the answer is waited for; its event
    /// says whether it was `queued`.
    ///
    /// # Errors
    /// [`Full`], and nothing was taken.
    pub(crate) fn submit(
        &self,
        message: Message,
        condition: Option<Condition>,
        queued: bool,
    ) -> Result<oneshot::Receiver<Answer>, Full> {
        let answer = self.pending.lock().submit(message, condition, queued)?;
        self.unrecorded.notify_one();
        self.hurry();
        Ok(answer)
    }

    /// What an earlier process has left and has not failed, as long as callers may come back for it.
    pub(crate) async fn left_before(&self) -> Vec<Arc<Message>> {
        self.loaded.wait().await;
        self.pending.lock().left_before(Instant::now())
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
    pub(crate) fn settle(&self, settled: impl Into<Settled>, fate: Fate) {
        self.pending.lock().settle(settled, fate, Instant::now());
        self.unrecorded.notify_one();
    }

    /// What was done to messages of others.
    pub(crate) fn tell(&self, updates: Vec<StatusUpdate>) {
        self.pending.lock().note(updates, Instant::now());
        self.unrecorded.notify_one();
    }

    /// A scheduled message is never sent: it is stored and told as failed.
    pub(crate) async fn record_unsent(
        &self,
        due: Due,
        message: Message,
        failure: &Failure,
    ) -> Result<(), StorageError> {
        let event = mapping::failed(&message, failure, self.server_now()).event;
        let record = Record::new(self.instance, self.epoch).due(Some(due));
        let recorded = self.journal.record(record.message(NewMessage { message, event })).await;
        recorded.inspect_err(|error| self.note(error)).map(drop)
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

    /// What is on its way out and not counted yet.
    pub(crate) fn leaving(&self) -> Usage {
        self.pending.lock().leaving()
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
                    self.pending.lock().load(messages, Instant::now());
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

    /// Draws the consequences of a batch that is durable.
    fn adopt(&self, mapped: Mapped) {
        *self.facts.lock() = mapped.facts;
        if !mapped.merged.is_empty() {
            self.people.lock().forget();
            self.names.lock().forget();
        }
        self.names.lock().learn(mapped.named);
        let mut pending = self.pending.lock();
        mapped.merged.iter().for_each(|(from, into)| pending.rename_chat(from, into));
        mapped.finished.iter().for_each(|(id, fate)| pending.finish(id, fate));
    }

    /// Lets no record be made while the answer lives, like a store that takes its time.
    #[cfg(test)]
    pub(crate) async fn hold_up(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
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
        let mut mapped = {
            let (pending, names) = (self.pending.lock(), self.names.lock());
            mapping::map(self.instance, events, facts, (&pending, &names), now)
        };
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

#[cfg(test)]
mod tests;
