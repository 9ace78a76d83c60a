//! Whatever is done to it, and through whichever of two handles, the database answers like the store in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use history::{
    A_DAY, Action, LeaseAction, NODES, PEERS, Part, PruneAction, START, WEBHOOKS, WebhookAction, step,
};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use storage::conformance::{
    sample_amendment, sample_event, sample_incoming, sample_instance, sample_outgoing, sample_receipt,
    sample_user, sample_webhook,
};
use storage::{
    ActivityQuery, Amendment, CauseKind, Claim, Clock, Consumer, Day, Delivery, DeliveryQuery, DeliveryState,
    Edit, Epoch, EventKind, EventQuery, EventStart, Instance, InstanceId, InstancePatch, Json, MemoryStorage,
    MessageKind, MessageQuery, NodeId, Record, Settlement, StateChange, StatusUpdate, Storage, Timestamp,
    UserId, WebhookPatch,
};
use storage_sqlite::{MasterKey, Options, SqliteDatabase};

use crate::fixture::KEY;

mod history;

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_database_answers_like_the_store_in_memory(steps in vec(step(), 1..50)) {
        let test = async {
            let mut stage = Stage::start().await;
            for step in steps {
                stage.clock.fetch_add(step.pause, Ordering::Relaxed);
                stage.turn = step.second_handle;
                stage.apply(step.action).await;
            }
            stage.compare().await;
            stage.turn = !stage.turn;
            stage.compare().await;
        };
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }
}

/// Asks the store in memory and one of the two handles the same, and expects the same answer, which is the value.
macro_rules! same {
    ($stage:expr, $store:ident => $answer:expr) => {{
        let $store = &*$stage.memory;
        let expected = $answer;
        let $store = &*$stage.handles[usize::from($stage.turn)];
        assert_eq!($answer, expected, "{}", stringify!($answer));
        expected
    }};
}

/// The same steps on a store in memory and on a database with two handles.
struct Stage {
    memory: Arc<dyn Storage>,
    handles: [Arc<dyn Storage>; 2],
    /// Whether it is the second handle's turn.
    turn: bool,
    /// Unix milliseconds.
    clock: Arc<AtomicI64>,
    owner: UserId,
    instance: InstanceId,
    epoch: Epoch,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn start() -> Self {
        let now = Arc::new(AtomicI64::new(START));
        let reading = Arc::clone(&now);
        let clock = Clock::new(move || Timestamp::from_millis(reading.load(Ordering::Relaxed)));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.db");
        let open = || {
            let mut options = Options::default();
            options.clock = clock.clone();
            let database =
                SqliteDatabase::open_with(path.to_str().unwrap(), MasterKey::from_bytes(KEY), options);
            Arc::new(database.unwrap()) as Arc<dyn Storage>
        };
        let (handles, memory) = ([open(), open()], Arc::new(MemoryStorage::with_clock(clock.clone())));
        let (owner, instance) = (sample_user("owner"), InstanceId::from_bytes([9; 16]));
        let mut stage = Self {
            memory,
            handles,
            turn: false,
            clock: now,
            owner: owner.id,
            instance,
            epoch: Epoch::default(),
            _folder: folder,
        };
        same!(stage, store => store.create_user(owner.clone()).await.unwrap());
        stage.create().await;
        stage
    }

    async fn create(&mut self) {
        let instance = Instance { id: self.instance, ..sample_instance(self.owner, "instance") };
        let webhooks = vec![sample_webhook(self.instance, "default")];
        self.epoch = same!(self, store => {
            store.create_instance(instance.clone(), webhooks.clone(), NODES[0], 1).await.unwrap()
        });
    }

    async fn apply(&mut self, action: Action) {
        let (owner, instance) = (self.owner, self.instance);
        let epoch = |stale: bool| if stale { Epoch::new(77) } else { self.epoch };
        match action {
            Action::Record { parts, key, stale } => {
                let record = Record { epoch: epoch(stale), ..self.record(parts, key) };
                let _ = same!(self, store => store.record(record.clone()).await.map_err(|error| error.to_string()));
            }
            Action::Settle { webhook, cursor, put, done, stale } => {
                let consumer = Consumer::webhook(instance, WEBHOOKS[webhook]);
                let put = put.into_iter().map(|(seq, dead)| delivery(&consumer, seq, dead)).collect();
                let settlement = Settlement { cursor, put, done, ..Settlement::new(consumer, epoch(stale)) };
                same!(self, store => store.settle(vec![settlement.clone()]).await.unwrap());
            }
            Action::Replay(seqs) => {
                let (consumer, now) = (Consumer::webhook(instance, "default"), Timestamp::from_millis(99));
                same!(self, store => store.replay(owner, consumer.clone(), seqs.clone(), 1, 2, now).await.unwrap());
                same!(self, store => store.replay(owner, consumer.clone(), seqs.clone(), 0, 99, now).await.unwrap());
                let earlier = Timestamp::from_millis(50);
                same!(self, store => store.hasten(consumer.clone(), 0, 2, earlier).await.unwrap());
            }
            Action::Webhook(webhook, action) => self.change_webhook(WEBHOOKS[webhook], action).await,
            Action::Lease(node, action) => self.lease(NODES[node], action).await,
            Action::Retain(retention) => {
                let patch = InstancePatch {
                    event_days: Some(retention.event_days),
                    message_days: Some(retention.message_days),
                    media_days: Some(retention.media_days),
                    ..InstancePatch::default()
                };
                let now = Edit::at(Timestamp::from_millis(1));
                same!(self, store => store.update_instance(owner, instance, patch.clone(), now.clone()).await.unwrap());
            }
            Action::Prune(action) => self.prune(action).await,
            Action::Recreate => {
                same!(self, store => store.delete_instance(owner, instance).await.unwrap());
                self.create().await;
            }
        }
    }

    async fn change_webhook(&self, name: &str, action: WebhookAction) {
        let (owner, instance) = (self.owner, self.instance);
        match action {
            WebhookAction::Create => {
                let webhook = sample_webhook(instance, name);
                let _ = same!(self, store => {
                    store.create_webhook(owner, webhook.clone(), 2, Edit::at(Timestamp::default())).await.map_err(|error| error.to_string())
                });
            }
            WebhookAction::Switch(on) => {
                let patch = WebhookPatch { enabled: Some(on), ..WebhookPatch::default() };
                let now = Edit::at(Timestamp::from_millis(5));
                same!(self, store => {
                    store.update_webhook(owner, instance, name.to_owned(), patch.clone(), now.clone()).await.ok()
                });
            }
            WebhookAction::Delete => {
                same!(self, store => store.delete_webhook(owner, instance, name.to_owned(), Edit::at(Timestamp::default())).await.is_ok());
            }
        }
    }

    async fn lease(&mut self, node: NodeId, action: LeaseAction) {
        match action {
            LeaseAction::Acquire { anew, lease } => {
                let lease = Duration::from_millis(lease);
                let leased = same!(self, store => store.acquire(node, anew, 9, lease).await.unwrap());
                if let Some(leased) = leased.first() {
                    self.epoch = leased.epoch;
                }
            }
            LeaseAction::Renew { lease } => {
                let lease = Duration::from_millis(lease);
                same!(self, store => store.renew(node, lease).await.unwrap());
            }
            LeaseAction::Release { all } => {
                let instance = (!all).then_some(self.instance);
                same!(self, store => store.release(node, instance).await.unwrap());
            }
        }
    }

    async fn prune(&self, action: PruneAction) {
        match action {
            PruneAction::Events { limit } => {
                let default = Some(Duration::from_secs(1));
                same!(self, store => store.prune_events(default, limit).await.unwrap());
            }
            PruneAction::Messages { all } => {
                let limit = if all { 100 } else { 0 };
                same!(self, store => store.prune_messages(None, limit).await.unwrap());
            }
            PruneAction::Claims { before } => {
                same!(self, store => store.prune_claims(Timestamp::from_millis(before), 9).await.unwrap());
            }
        }
    }

    fn record(&self, all: Vec<Part>, key: Option<usize>) -> Record {
        let claim = key.map(|key| Claim {
            scope: "send".into(),
            key: key.to_string(),
            fingerprint: [key as u8; 32],
            answer: Json::from(json!({ "of": all.len() })),
            at: Timestamp::from_millis(all.len() as i64 * 12),
        });
        let record = Record::new(self.instance, self.epoch).claim(claim);
        all.into_iter().fold(record, |record, part| self.add(record, part))
    }

    fn add(&self, record: Record, part: Part) -> Record {
        let chat = |peer: usize| format!("{}@s.whatsapp.net", PEERS[peer]);
        match part {
            Part::Incoming { peer, id, at, kind } => {
                let mut new = sample_incoming(self.instance, PEERS[peer], &id.to_string(), START + at);
                new.message.kind = kind;
                record.message(new)
            }
            Part::Outgoing { peer, id, at } => {
                record.message(sample_outgoing(self.instance, PEERS[peer], &id.to_string(), START + at))
            }
            Part::Status { peer, id, status, at, from_me, any_chat } => {
                let receipt = sample_receipt(PEERS[peer], &id.to_string(), status, START + at);
                let chats = if any_chat { Vec::new() } else { receipt.chats.clone() };
                record.status(StatusUpdate { from_me, chats, ..receipt })
            }
            Part::Amend { peer, id, at, change, carrier, by } => {
                let carrier = carrier.map(|id| {
                    let mut new = sample_incoming(self.instance, PEERS[by], &id.to_string(), START + at);
                    new.message.kind = MessageKind::Edit;
                    Box::new(new)
                });
                let mut amendment = Amendment {
                    carrier,
                    event: Some(sample_event(EventKind::MessageReceived, Some(PEERS[by]))),
                    ..sample_amendment(PEERS[peer], &id.to_string(), change, START + at)
                };
                amendment.target.authors = vec![chat(by)];
                record.amend(amendment)
            }
            Part::Merge { from, into } => record.merge_chats(chat(from), chat(into)),
            Part::Event { kind, peer } => record.event(sample_event(kind, peer.map(|peer| PEERS[peer]))),
            Part::State(status) => record.state(StateChange::status(status, Some(CauseKind::Paused.into()))),
        }
    }

    /// Asks everything there is to ask.
    async fn compare(&self) {
        let (owner, instance) = (self.owner, self.instance);
        same!(self, store => store.instances(owner, 10, 0).await.unwrap());
        same!(self, store => store.instance_counts().await.unwrap());
        same!(self, store => store.webhooks(owner, instance).await.unwrap());
        same!(self, store => store.pending_messages(instance, 100).await.unwrap());
        same!(self, store => store.work(instance).await.unwrap());
        for node in NODES {
            same!(self, store => store.held_by_others(node).await.unwrap());
        }
        for name in WEBHOOKS {
            let consumer = Consumer::webhook(instance, name);
            same!(self, store => store.cursor(&consumer).await.unwrap());
            same!(self, store => store.pending_deliveries(&consumer, 3, 5).await.unwrap());
            for state in [DeliveryState::Pending, DeliveryState::Dead] {
                let query = DeliveryQuery { skip: 1, ..DeliveryQuery::first(state, 3) };
                same!(self, store => store.deliveries(owner, &consumer, &query).await.unwrap());
            }
        }
        for id in 0..7 {
            same!(self, store => store.messages_by_id(owner, instance, &id.to_string()).await.unwrap());
            same!(self, store => store.claim("send", &id.to_string()).await.unwrap());
        }
        for peer in PEERS {
            let chat = format!("{peer}@s.whatsapp.net");
            for (start, skip, limit) in [(None, 0, 100), (Some(START + 20), 1, 2)] {
                let start = start.map(Timestamp::from_millis);
                let query = MessageQuery { start, skip, ..MessageQuery::newest(&chat, limit) };
                same!(self, store => {
                    // Places are each store's own.
                    let page = store.messages(owner, instance, &query).await.unwrap();
                    (page.items, page.total, page.has_more, page.next.is_some())
                });
            }
        }
        self.compare_logs().await;
    }

    async fn compare_logs(&self) {
        let (owner, instance) = (self.owner, self.instance);
        let log = same!(self, store => store.events_after(instance, 0, 1_000).await.unwrap());
        let middle = log.get(log.len() / 2).map_or(START, |event| event.timestamp.millis());
        same!(self, store => store.usage_by_day(owner, instance, Day::from_number(i64::MIN)).await.unwrap());
        for (start, skip, limit) in [(None, 0, 100), (Some(Timestamp::from_millis(middle)), 1, 2)] {
            let query = ActivityQuery { only: None, start, end: None, limit, skip };
            same!(self, store => store.activity(owner, instance, &query).await.unwrap());
        }
        for limit in [0, 1, 3, 100] {
            for kinds in [vec![], vec![EventKind::MessageReceived, EventKind::Connected]] {
                let times = [-1, middle - 1, middle, middle + A_DAY]
                    .map(|time| EventStart::AfterTime(Timestamp::from_millis(time)));
                let others = [
                    EventStart::Oldest,
                    EventStart::Newest,
                    EventStart::AfterSeq(4),
                    EventStart::AfterSeq(99),
                ];
                for start in times.into_iter().chain(others) {
                    let query = EventQuery { start, kinds: kinds.clone(), limit };
                    same!(self, store => store.events(owner, instance, &query).await.unwrap());
                }
            }
        }
    }
}

fn delivery(consumer: &Consumer, seq: i64, dead: bool) -> Delivery {
    Delivery {
        consumer: consumer.clone(),
        seq,
        chat: None,
        state: if dead { DeliveryState::Dead } else { DeliveryState::Pending },
        attempts: seq as u32,
        next_attempt: Timestamp::from_millis(100 - seq),
        last_error: Some("timed out".into()),
        status_code: Some(504),
        replayed: false,
        created_at: Timestamp::from_millis(1),
        updated_at: Timestamp::from_millis(2),
    }
}
