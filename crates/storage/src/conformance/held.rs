use super::{sample_leased, sample_user};
use crate::{Consumer, Epoch, Event, InstanceId, MessageQuery, Record, Settlement, Storage, UserId, Webhook};

/// An instance that a test holds.
#[derive(Clone, Copy)]
pub(super) struct Held {
    pub(super) owner: UserId,
    pub(super) instance: InstanceId,
    pub(super) epoch: Epoch,
}

impl Held {
    /// A new instance of a new user.
    pub(super) async fn new(store: &dyn Storage) -> Self {
        let owner = sample_user(&UserId::generate().to_string());
        store.create_user(owner.clone()).await.unwrap();
        Self::of(store, owner.id, "instance").await
    }

    /// A new instance of this user.
    pub(super) async fn of(store: &dyn Storage, owner: UserId, name: &str) -> Self {
        let (instance, epoch) = sample_leased(store, owner, name).await.unwrap();
        Self { owner, instance: instance.id, epoch }
    }

    /// An empty record.
    pub(super) fn record(&self) -> Record {
        Record::new(self.instance, self.epoch)
    }

    /// Its default webhook.
    pub(super) fn webhook(&self) -> Consumer {
        Consumer::webhook(self.instance, Webhook::DEFAULT)
    }

    /// An empty settlement of its default webhook.
    pub(super) fn settlement(&self) -> Settlement {
        Settlement::new(self.webhook(), self.epoch)
    }

    /// Its whole log.
    pub(super) async fn log(&self, store: &dyn Storage) -> Vec<Event> {
        let mut log: Vec<Event> = Vec::new();
        loop {
            let after = log.last().map_or(0, |last| last.seq);
            let more = store.events_after(self.instance, after, 1_000).await.unwrap();
            if more.is_empty() {
                return log;
            }
            log.extend(more);
        }
    }

    /// Appends this many events, one record each.
    pub(super) async fn append(&self, store: &dyn Storage, count: i64) {
        for n in 0..count {
            let message = super::sample_incoming(self.instance, "15550000002", &format!("A{n}"), 1_000 + n);
            store.record(self.record().message(message)).await.unwrap();
        }
    }

    /// The ids of the messages that a chat lists.
    pub(super) async fn listed(&self, store: &dyn Storage, chat: &str) -> Vec<String> {
        let page =
            store.messages(self.owner, self.instance, &MessageQuery::newest(chat, 1_000)).await.unwrap();
        page.items.into_iter().map(|message| message.message_id).collect()
    }
}
