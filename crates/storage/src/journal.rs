//! Record, then ring: the one way by which events come into the log.

use std::fmt;
use std::sync::Arc;

use crate::{InstanceId, Record, Recorded, Storage, Write};

/// Hears of every record with events, once it is durable. Called from whichever task waits for the record: it must not
/// block.
pub trait Listener: Send + Sync + 'static {
    /// Events were appended to this instance's log: those of [`Recorded::events`], after [`Recorded::after`].
    fn rang(&self, instance: InstanceId, recorded: &Recorded);
}

/// Stores records and rings for those who read the log: webhooks, long polls, streams. Clones are the same journal.
#[derive(Clone)]
pub struct Journal {
    storage: Arc<dyn Storage>,
    listeners: Arc<[Arc<dyn Listener>]>,
}

impl Journal {
    /// A journal over this store, heard by these.
    pub fn new(storage: Arc<dyn Storage>, listeners: impl IntoIterator<Item = Arc<dyn Listener>>) -> Self {
        Self { storage, listeners: listeners.into_iter().collect() }
    }

    /// Stores the record; when it is durable, the listeners hear of its events, and then the answer is there. The call
    /// itself queues the write; a dropped future rings for nobody.
    pub fn record(&self, record: Record) -> Write<Recorded> {
        let instance = record.instance;
        let write = self.storage.record(record);
        let listeners = Arc::clone(&self.listeners);
        Box::pin(async move {
            let recorded = write.await?;
            if !recorded.events.is_empty() {
                listeners.iter().for_each(|listener| listener.rang(instance, &recorded));
            }
            Ok(recorded)
        })
    }

    /// To be called when what was recorded by other means than [`Self::record`] is durable: the listeners hear of its events.
    pub fn ring(&self, instance: InstanceId, recorded: &Recorded) {
        if !recorded.events.is_empty() {
            self.listeners.iter().for_each(|listener| listener.rang(instance, recorded));
        }
    }

    /// The store below, for what is no record.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("listeners", &self.listeners.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::conformance::{sample_event, sample_leased, sample_user};
    use crate::{EventKind, MemoryStorage};

    /// Notes the positions that it heard of.
    #[derive(Default)]
    struct Ear(Mutex<Vec<(i64, Vec<i64>)>>);

    impl Listener for Ear {
        fn rang(&self, _instance: InstanceId, recorded: &Recorded) {
            let seqs = recorded.events.iter().map(|event| event.seq).collect();
            self.0.lock().push((recorded.after, seqs));
        }
    }

    #[tokio::test]
    async fn every_listener_hears_of_every_event_once_and_of_nothing_else() {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let user = sample_user("zoe");
        storage.create_user(user.clone()).await.unwrap();
        let (instance, epoch) = sample_leased(&*storage, user.id, "shop").await.unwrap();
        let ears = [Arc::new(Ear::default()), Arc::new(Ear::default())];
        let listeners = ears.clone().map(|ear| ear as Arc<dyn Listener>);
        let journal = Journal::new(storage, listeners);
        let record = || Record::new(instance.id, epoch);
        let connected = || sample_event(EventKind::Connected, None);

        journal.record(record()).await.unwrap();
        journal.record(record().event(connected()).event(connected())).await.unwrap();
        let unheard = journal.record(record().event(connected()));
        drop(unheard);
        journal.record(Record::new(instance.id, epoch.next()).event(connected())).await.unwrap_err();
        journal.record(record().event(connected())).await.unwrap();
        for ear in ears {
            assert_eq!(*ear.0.lock(), [(0, vec![1, 2]), (3, vec![4])]);
        }
    }
}
