//! The handler of one instance's companion: what it is told is durable before anything is acknowledged.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use storage::{Instance, InstanceId, InstanceStatus, PendingMessage, Storage, StorageError, Write};
use wa_client::{Event, Handler, HandlerError, ReceiptUpdate};
use webhook::Dispatcher;

use super::draft::{Draft, Memory};
use super::incoming::Receipt;
use crate::clock::now;

/// Pending messages that are looked at at once; more than a line ever lets through.
const PENDING_BATCH: u64 = 10_000;

/// Merged chats that are remembered; beyond that all are looked after again.
const MAX_MERGED: usize = 1_024;

/// Records what one companion tells: each batch in one commit.
pub(crate) struct Recorder {
    instance: InstanceId,
    storage: Arc<dyn Storage>,
    dispatcher: Dispatcher,
    memory: Mutex<Memory>,
    unsettled: Mutex<Unsettled>,
    merged: Mutex<HashSet<u64>>,
}

/// The messages of ours that may be pending in the store.
#[derive(Default)]
struct Unsettled {
    ids: HashSet<String>,
    /// Whether those of an earlier process are among them.
    complete: bool,
}

impl Recorder {
    pub(crate) fn new(instance: &Instance, storage: Arc<dyn Storage>, dispatcher: Dispatcher) -> Self {
        let connected = instance.status == InstanceStatus::Connected;
        let memory = Memory { own_jid: instance.jid.clone(), qr_codes: 0, connected };
        Self {
            instance: instance.id,
            storage,
            dispatcher,
            memory: Mutex::new(memory),
            unsettled: Mutex::default(),
            merged: Mutex::default(),
        }
    }

    /// A message of ours was stored as pending.
    pub(crate) fn expect_ack(&self, message_id: &str) {
        self.unsettled().ids.insert(message_id.to_owned());
    }

    /// A record that settles the message has been queued; what is told from now on is recorded after it.
    pub(crate) fn settled(&self, message_id: &str) {
        self.unsettled().ids.remove(message_id);
    }

    /// Own JID by phone number, once paired.
    pub(crate) fn own_jid(&self) -> Option<String> {
        self.memory().own_jid.clone()
    }

    /// Whether an account is linked, as far as is known.
    pub(crate) fn is_paired(&self) -> bool {
        self.memory().own_jid.is_some()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unsettled(&self) -> MutexGuard<'_, Unsettled> {
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The messages that this receipt proves to be sent although WhatsApp's ack was never seen: the process
    /// ended between the two, or the receipt was faster.
    async fn proven_by(&self, receipt: &ReceiptUpdate) -> Result<Vec<PendingMessage>, StorageError> {
        if !self.unsettled().complete {
            let pending = self.storage.pending_messages(self.instance, PENDING_BATCH).await?;
            let mut unsettled = self.unsettled();
            unsettled.ids.extend(pending.into_iter().map(|pending| pending.message.message_id));
            unsettled.complete = true;
        }
        let is_named = |id: &str| receipt.ids.iter().any(|named| named.as_str() == id);
        if !self.unsettled().ids.iter().any(|id| is_named(id)) {
            return Ok(Vec::new());
        }
        let mut pending = self.storage.pending_messages(self.instance, PENDING_BATCH).await?;
        pending.retain(|pending| is_named(&pending.message.message_id));
        Ok(pending)
    }

    /// A person's messages may lie under their LID from before their number was known: they belong to one
    /// chat. Each pair is looked after once in the life of this recorder. The writes are queued, and stored
    /// in one commit with what follows.
    fn merge(&self, pairs: Vec<(String, String)>) -> Vec<(u64, Write<u64>)> {
        let mut merges = Vec::new();
        for (lid, number) in pairs {
            let pair = fingerprint(&(&lid, &number));
            if !self.merged().contains(&pair) && merges.iter().all(|(queued, _)| *queued != pair) {
                merges.push((pair, self.storage.merge_chats(self.instance, lid, number)));
            }
        }
        merges
    }

    fn note_merged(&self, pair: u64) {
        let mut merged = self.merged();
        if merged.len() >= MAX_MERGED {
            merged.clear();
        }
        merged.insert(pair);
    }

    fn merged(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.merged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pending messages that end with this event, and why.
    async fn ended_by(&self, event: &Event) -> Result<(Vec<PendingMessage>, &'static str), StorageError> {
        let cause = match event {
            Event::Paired(_) => "paired_anew",
            Event::Disconnected { cause, .. } if cause.wipes_credentials() => cause.name(),
            _ => return Ok((Vec::new(), "")),
        };
        Ok((self.storage.pending_messages(self.instance, PENDING_BATCH).await?, cause))
    }

    async fn record(&self, events: Vec<Event>) -> Result<(), StorageError> {
        let mut draft = Draft::new(self.instance, self.memory().clone(), now());
        for event in &events {
            let (pending, cause) = self.ended_by(event).await?;
            draft.give_up(&pending, cause);
            if let Event::Receipt(receipt) = event
                && Receipt::of(receipt).is_some_and(|receipt| receipt.ours)
            {
                draft.prove(&self.proven_by(receipt).await?, receipt.timestamp);
            }
            draft.add(event);
            if let Event::Undecryptable(message) = event {
                let (reason, retries) = (&message.reason, message.retries);
                tracing::info!(instance = %self.instance, ?reason, retries, "a message can't be decrypted yet");
            }
        }
        let merges = self.merge(draft.same_person());
        let (record, memory) = draft.finish();
        if let Some(record) = record {
            let recorded = self.storage.record(record).await?;
            if recorded.last_seq.is_some() {
                self.dispatcher.notify(self.instance);
            }
        }
        for (pair, merge) in merges {
            merge.await?;
            self.note_merged(pair);
        }
        *self.memory() = memory;
        Ok(())
    }
}

#[async_trait]
impl Handler for Recorder {
    async fn handle(&self, events: Vec<Event>) -> Result<(), HandlerError> {
        self.record(events).await.map_err(|error| {
            tracing::warn!(instance = %self.instance, %error, "what a companion told could not be stored");
            HandlerError::new(error.to_string())
        })
    }
}

/// Enough to tell pairs apart; a collision leaves a chat unmerged until the next start.
fn fingerprint(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use storage::{
        Fleet as _, InstanceStore as _, MemoryStorage, MessageQuery, MessageStore as _, Record,
        UserStore as _,
    };
    use webhook::Options;

    use super::*;
    use crate::testing;

    #[tokio::test]
    async fn chats_that_are_one_persons_are_merged_once() {
        let storage = Arc::new(MemoryStorage::new());
        let instance = testing::instance();
        storage.create_user(testing::user(instance.owner)).await.unwrap();
        storage.create_instance(instance.clone()).await.unwrap();
        let dispatcher = Dispatcher::new(storage.clone(), Options::default()).unwrap();
        let recorder = Recorder::new(&instance, storage.clone(), dispatcher);
        let (lid, number) = ("900001@lid", "79001234567@s.whatsapp.net");
        let mut early = storage::conformance::sample_incoming(instance.id, "79001234567", "A", 1_000);
        early.message.chat = lid.to_owned();
        storage.record(Record::new(instance.id).message(early)).await.unwrap();

        let pair = || (lid.to_owned(), number.to_owned());
        let merges = recorder.merge(vec![pair(), pair()]);
        assert_eq!(merges.len(), 1);
        for (pair, merge) in merges {
            assert_eq!(merge.await.unwrap(), 1);
            recorder.note_merged(pair);
        }
        assert!(recorder.merge(vec![pair()]).is_empty());
        let query = MessageQuery::newest(number, 10);
        assert_eq!(storage.messages(instance.owner, instance.id, &query).await.unwrap().total, 1);
    }
}
