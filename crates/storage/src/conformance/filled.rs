use serde_json::json;

use super::samples::{sample_amendment, sample_incoming, sample_outgoing};
use crate::{
    ApiKey, Attempt, AttemptOutcome, Change, Claim, Consumer, ConsumerChange, ContactChange, ContactId,
    Delivery, DeliveryState, DialectAccess, Epoch, EventId, EventKind, InstanceId, Json, Record,
    ScheduleLimits, Scheduled, Settlement, Storage, Timestamp, UserId, Webhook,
};

/// Stores something of everything that belongs to an instance, but for what its companion stores; of messages and events more
/// than a backend removes at once. The instance has its webhook `default`.
pub async fn fill_instance(store: &dyn Storage, owner: UserId, instance: InstanceId, epoch: Epoch) {
    let claim = Claim {
        scope: instance.to_string(),
        key: "key".into(),
        fingerprint: [7; 32],
        answer: Json::from(json!(null)),
        at: Timestamp::from_millis(1),
    };
    let record = Record::new(instance, epoch).claim(Some(claim));
    let record = record.message(sample_outgoing(instance, "1555", "out", 1));
    let record = record.amend(sample_amendment("15550000002", "unknown", Change::Revoke, 1));
    let contact = ContactChange::of(ContactId::generate(), "15550000002@s.whatsapp.net");
    let record = record.contact(ContactChange { archived: Some(true), ..contact });
    let record = (0..1_200).fold(record, |record, n| {
        record.message(sample_incoming(instance, "15550000002", &n.to_string(), n))
    });
    store.record(record).await.unwrap();
    let access = DialectAccess { key: ApiKey::new(instance.to_string()), notes: Json::default() };
    store.put_dialect_access(owner, instance, "one".into(), access).await.unwrap();
    while store.index_messages(1_000).await.unwrap() > 0 {}
    let (at, limits) = (Timestamp::from_millis(1), ScheduleLimits { messages: 1, files: 1 });
    store.schedule(owner, scheduled(instance, at), None, limits).await.unwrap();
    let name = "crm".to_owned();
    store.put_consumer(owner, instance, name, ConsumerChange::default(), 9, at).await.unwrap();
    let consumer = Consumer::webhook(instance, Webhook::DEFAULT);
    let again = Delivery::again(consumer.clone(), 1, None, at);
    let delivery = Delivery { state: DeliveryState::Dead, attempts: 1, replayed: false, ..again };
    let settlement = Settlement {
        cursor: Some(1),
        put: vec![delivery],
        attempts: vec![attempt(at)],
        ..Settlement::new(consumer, epoch)
    };
    store.settle(vec![settlement]).await.unwrap();
}

fn scheduled(instance: InstanceId, at: Timestamp) -> Scheduled {
    Scheduled {
        instance,
        message_id: "later".into(),
        recipient: "15550000002@s.whatsapp.net".into(),
        content: Json::default(),
        file: None,
        send_at: at,
        expire_at: None,
        version: 1,
        created_at: at,
        updated_at: at,
    }
}

fn attempt(at: Timestamp) -> Attempt {
    Attempt {
        seq: 1,
        event: EventId::generate(),
        kind: EventKind::MessageReceived,
        number: 1,
        at,
        millis: 1,
        status_code: None,
        error: None,
        outcome: AttemptOutcome::GivenUp,
        replayed: false,
    }
}
