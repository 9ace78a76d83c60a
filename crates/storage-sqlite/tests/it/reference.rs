//! Whatever is done to it, the database answers like the memory stores.

use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use storage::conformance::{
    sample_event, sample_incoming, sample_instance, sample_outgoing, sample_receipt, sample_user,
};
use storage::{
    Claim, Consumer, Delivery, DeliveryState, EventKind, EventQuery, EventStart, InstanceId, InstanceStatus,
    Json, MemoryStorage, MessageQuery, MessageStatus, Record, Settlement, StateChange, StatusUpdate, Storage,
    Timestamp, UserId,
};
use wa_binary::Jid;
use wa_store::conformance::{sample_device, sample_device_list, sample_sent_message};
use wa_store::{Changes, DeviceAddress, MemoryStore, SenderKeyName, Store};

use crate::fixture::Fixture;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_service_store_answers_like_the_one_in_memory(steps in vec(step(), 1..40)) {
        run(async {
            let fixture = Fixture::start();
            let pair = Pair::start(Arc::new(MemoryStorage::new()), Arc::new(fixture.database.clone())).await;
            for step in steps {
                pair.apply(step).await;
            }
            pair.compare().await;
        });
    }

    #[test]
    fn a_companions_store_answers_like_the_one_in_memory(changes in vec(changes(), 1..25)) {
        run(async {
            let fixture = Fixture::start();
            let (_, instance) = fixture.instance().await;
            let (memory, database) = (MemoryStore::new(), fixture.database.companion_store(instance));
            for changes in changes {
                memory.commit(changes.clone()).await.unwrap();
                database.commit(changes).await.unwrap();
                compare_companions(&memory, &*database).await;
            }
        });
    }
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

/// One thing done to a service store.
#[derive(Clone, Debug)]
enum Step {
    Record(Vec<Happening>, Option<usize>),
    Settle { cursor: Option<i64>, put: Vec<(i64, bool)>, done: Vec<i64> },
    Replay(Option<Vec<i64>>),
    Answer(usize),
    PruneEvents { before: i64, limit: u64 },
    PruneClaims { before: i64 },
    Recreate,
}

/// One entry of a record.
#[derive(Clone, Debug)]
enum Happening {
    Incoming { peer: usize, id: usize, at: i64 },
    Outgoing { peer: usize, id: usize, at: i64 },
    Status { peer: usize, id: usize, status: MessageStatus, at: i64, from_me: bool, any_chat: bool },
    Event { kind: EventKind, at: i64 },
    State(InstanceStatus),
}

const PEERS: [&str; 3] = ["15550000002", "15550000003", "15550000004"];

fn step() -> impl Strategy<Value = Step> {
    let seqs = || vec(0i64..20, 0..4);
    prop_oneof![
        12 => (vec(happening(), 0..5), prop::option::weighted(0.2, 0usize..3)).prop_map(|(all, key)| Step::Record(all, key)),
        2 => (prop::option::of(0i64..20), vec((0i64..20, any::<bool>()), 0..4), seqs())
            .prop_map(|(cursor, put, done)| Step::Settle { cursor, put, done }),
        1 => prop::option::of(seqs()).prop_map(Step::Replay),
        1 => (0usize..3).prop_map(Step::Answer),
        1 => (0i64..60, 0u64..6).prop_map(|(before, limit)| Step::PruneEvents { before, limit }),
        1 => (0i64..60).prop_map(|before| Step::PruneClaims { before }),
        1 => Just(Step::Recreate),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    let (peer, id, at) = (0..PEERS.len(), 0usize..4, 0i64..50);
    prop_oneof![
        3 => (peer.clone(), id.clone(), at.clone()).prop_map(|(peer, id, at)| Happening::Incoming { peer, id, at }),
        3 => (peer.clone(), id.clone(), at.clone()).prop_map(|(peer, id, at)| Happening::Outgoing { peer, id, at }),
        4 => (peer, id, prop::sample::select(MessageStatus::ALL), at.clone(), any::<bool>(), any::<bool>()).prop_map(
            |(peer, id, status, at, from_me, any_chat)| Happening::Status { peer, id, status, at, from_me, any_chat }
        ),
        2 => (prop::sample::select(EventKind::ALL), at).prop_map(|(kind, at)| Happening::Event { kind, at }),
        1 => prop::sample::select(InstanceStatus::ALL).prop_map(Happening::State),
    ]
}

/// Asks both stores the same and expects the same answer.
macro_rules! same {
    ($pair:expr, $store:ident => $answer:expr) => {{
        let $store = &$pair.stores[0];
        let expected = $answer;
        let $store = &$pair.stores[1];
        assert_eq!($answer, expected, "{}", stringify!($answer));
    }};
}

/// The same steps on two stores.
struct Pair {
    stores: [Arc<dyn Storage>; 2],
    owner: UserId,
    instance: InstanceId,
}

impl Pair {
    async fn start(memory: Arc<dyn Storage>, database: Arc<dyn Storage>) -> Self {
        let user = sample_user("zoe");
        let instance = sample_instance(user.id, "instance");
        let pair = Self { stores: [memory, database], owner: user.id, instance: instance.id };
        for store in &pair.stores {
            store.create_user(user.clone()).await.unwrap();
            store.create_instance(instance.clone()).await.unwrap();
        }
        pair
    }

    async fn apply(&self, step: Step) {
        match step {
            Step::Record(all, key) => {
                let record = self.record(all, key);
                same!(self, store => store.record(record.clone()).await.unwrap());
            }
            Step::Settle { cursor, put, done } => {
                let consumer = Consumer::webhook(self.instance);
                let put = put.into_iter().map(|(seq, dead)| delivery(&consumer, seq, dead)).collect();
                let settlement = Settlement { consumer, cursor, put, done };
                same!(self, store => store.settle(vec![settlement.clone()]).await.unwrap());
            }
            Step::Replay(seqs) => {
                let (consumer, now) = (Consumer::webhook(self.instance), Timestamp::from_millis(99));
                same!(self, store => store.replay(self.owner, consumer.clone(), seqs.clone(), now).await.unwrap());
            }
            Step::Answer(key) => {
                let answer = Json::from(json!("answered"));
                same!(self, store => store.answer_claim("send".into(), key.to_string(), answer.clone()).await.is_ok());
            }
            Step::PruneEvents { before, limit } => {
                let before = Timestamp::from_millis(before);
                same!(self, store => store.prune_events(before, limit).await.unwrap());
            }
            Step::PruneClaims { before } => {
                same!(self, store => store.prune_claims(Timestamp::from_millis(before)).await.unwrap());
            }
            Step::Recreate => {
                same!(self, store => store.delete_instance(self.owner, self.instance).await.is_ok());
                let instance =
                    storage::Instance { id: self.instance, ..sample_instance(self.owner, "again") };
                same!(self, store => store.create_instance(instance.clone()).await.is_ok());
            }
        }
    }

    fn record(&self, all: Vec<Happening>, key: Option<usize>) -> Record {
        let claim = key.map(|key| Claim {
            scope: "send".into(),
            key: key.to_string(),
            fingerprint: [key as u8; 32],
            answer: Json::from(json!({ "of": all.len() })),
            at: Timestamp::from_millis(all.len() as i64 * 12),
        });
        all.into_iter().fold(Record::new(self.instance).claim(claim), |record, happening| match happening {
            Happening::Incoming { peer, id, at } => {
                record.message(sample_incoming(self.instance, PEERS[peer], &id.to_string(), at))
            }
            Happening::Outgoing { peer, id, at } => {
                record.message(sample_outgoing(self.instance, PEERS[peer], &id.to_string(), at))
            }
            Happening::Status { peer, id, status, at, from_me, any_chat } => {
                let receipt = sample_receipt(PEERS[peer], &id.to_string(), status, at);
                let chats = if any_chat { Vec::new() } else { receipt.chats.clone() };
                record.status(StatusUpdate { from_me, chats, ..receipt })
            }
            Happening::Event { kind, at } => record.event(sample_event(kind, None, at)),
            Happening::State(status) => record.state(StateChange::status(status, Some(status.to_string()))),
        })
    }

    /// Asks both stores everything there is to ask.
    async fn compare(&self) {
        let (owner, instance, consumer) = (self.owner, self.instance, Consumer::webhook(self.instance));
        same!(self, store => store.fleet().await.unwrap());
        same!(self, store => store.pending_messages(instance, 100).await.unwrap());
        same!(self, store => store.cursor(&consumer).await.unwrap());
        same!(self, store => store.work(Consumer::WEBHOOK).await.unwrap());
        same!(self, store => store.pending_deliveries(&consumer, 3, 5).await.unwrap());
        for state in [DeliveryState::Pending, DeliveryState::Dead] {
            same!(self, store => store.deliveries(owner, &consumer, state, 3, 1).await.unwrap());
        }
        for id in 0..4 {
            same!(self, store => store.messages_by_id(owner, instance, &id.to_string()).await.unwrap());
            same!(self, store => store.claim("send", &id.to_string()).await.unwrap());
        }
        for peer in PEERS {
            let chat = format!("{peer}@s.whatsapp.net");
            for (start, skip, limit) in [(None, 0, 100), (Some(20), 1, 2)] {
                let start = start.map(Timestamp::from_millis);
                let query = MessageQuery { start, skip, ..MessageQuery::newest(&chat, limit) };
                same!(self, store => store.messages(owner, instance, &query).await.unwrap());
            }
        }
        for limit in [0, 1, 3, 100] {
            for kinds in [vec![], vec![EventKind::MessageReceived, EventKind::Connected]] {
                let times = [-1, 10, 25, 49].map(|time| EventStart::AfterTime(Timestamp::from_millis(time)));
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
        created_at: Timestamp::from_millis(1),
        updated_at: Timestamp::from_millis(2),
    }
}

fn changes() -> impl Strategy<Value = Changes> {
    let record = || prop::option::weighted(0.8, vec(any::<u8>(), 0..20).prop_map(Bytes::from));
    let address =
        || (0..PEERS.len(), 0u32..2).prop_map(|(peer, device)| DeviceAddress::new(PEERS[peer], device));
    let group =
        || (0..2, address()).prop_map(|(group, sender)| SenderKeyName::new(format!("{group}@g.us"), sender));
    let user = || (0..4u8).prop_map(|user| user.to_string().into());
    let list = || prop::option::weighted(0.8, Just(sample_device_list()));
    let signal = (
        vec((address(), record()), 0..3),
        vec((address(), prop::option::of(any::<[u8; 32]>())), 0..3),
        vec((0u32..9, any::<[u8; 32]>()), 0..3),
        vec(0u32..9, 0..3),
        vec((group(), record()), 0..3),
    );
    let others = (
        prop::bool::weighted(0.05),
        prop::option::of((0u32..9).prop_map(|id| wa_store::Device { next_prekey_id: id, ..sample_device() })),
        vec((user(), user()), 0..3),
        vec((jid(), list()), 0..3),
        vec(
            (jid(), 0..4u8, any::<i64>())
                .prop_map(|(chat, id, at)| sample_sent_message(&chat, &id.to_string(), at)),
            0..3,
        ),
    );
    (signal, others).prop_map(|(signal, others)| {
        let (sessions, identities, prekeys_added, prekeys_removed, sender_keys) = signal;
        let (wipe, device, lid_mappings, device_lists, sent_messages) = others;
        Changes {
            device,
            sessions,
            identities,
            prekeys_added,
            prekeys_removed,
            sender_keys,
            lid_mappings,
            device_lists,
            sent_messages,
            wipe,
        }
    })
}

fn jid() -> impl Strategy<Value = Jid> {
    (0..PEERS.len(), any::<bool>())
        .prop_map(|(peer, lid)| if lid { Jid::lid(PEERS[peer]) } else { Jid::pn(PEERS[peer]) })
}

async fn compare_companions(memory: &dyn Store, database: &dyn Store) {
    let addresses: Vec<_> =
        PEERS.iter().flat_map(|peer| (0..2).map(|device| DeviceAddress::new(*peer, device))).collect();
    assert_eq!(database.device().await.unwrap(), memory.device().await.unwrap());
    assert_eq!(database.sessions(&addresses).await.unwrap(), memory.sessions(&addresses).await.unwrap());
    assert_eq!(database.identities(&addresses).await.unwrap(), memory.identities(&addresses).await.unwrap());
    assert_eq!(database.addresses(PEERS[0]).await.unwrap(), memory.addresses(PEERS[0]).await.unwrap());
    assert_eq!(database.prekeys(2, 5).await.unwrap(), memory.prekeys(2, 5).await.unwrap());
    assert_eq!(database.prekey_count().await.unwrap(), memory.prekey_count().await.unwrap());
    for address in &addresses {
        let name = SenderKeyName::new("1@g.us", address.clone());
        assert_eq!(database.sender_key(&name).await.unwrap(), memory.sender_key(&name).await.unwrap());
    }
    for user in ["0", "1", "2", "3"] {
        assert_eq!(database.lid_of(user).await.unwrap(), memory.lid_of(user).await.unwrap());
        assert_eq!(database.pn_of(user).await.unwrap(), memory.pn_of(user).await.unwrap());
    }
    let jids = PEERS.map(Jid::pn);
    assert_eq!(database.device_lists(&jids).await.unwrap(), memory.device_lists(&jids).await.unwrap());
    for id in ["0", "1", "2", "3"] {
        let sent = memory.sent_message(&jids[0], id).await.unwrap();
        assert_eq!(database.sent_message(&jids[0], id).await.unwrap(), sent);
    }
}
