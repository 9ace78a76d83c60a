//! A row that can't be read keeps nothing that comes after it from being recorded.

use std::time::Duration;

use storage::conformance::{
    SAMPLE_NODE, sample_amendment, sample_incoming, sample_outgoing, sample_receipt, sample_webhook,
};
use storage::{
    Change, Edit, Fleet, Instance, InstancePatch, InstanceStatus, InstanceStore, LeaseStore, MessageStatus,
    Outcome, Part, StateChange, StorageError, Timestamp, Webhook, WebhookPatch, WebhookStore,
};

use crate::fixture::Fixture;

const PEER: &str = "15550000002";

#[tokio::test]
async fn an_unreadable_message_is_left_as_it_is_by_what_would_change_it() {
    let mut fixture = Fixture::start();
    let held = fixture.instance().await;
    let messages = held
        .record()
        .message(sample_incoming(held.id, PEER, "in", 1))
        .message(sample_outgoing(held.id, PEER, "out", 1));
    fixture.database.record(messages).await.unwrap();
    fixture.sql("UPDATE messages SET kind = 'x' WHERE message_id = 'in'");
    fixture.sql("UPDATE messages SET status = 'x' WHERE message_id = 'out'");
    fixture.restart().await;

    let record = held
        .record()
        .amend(sample_amendment(PEER, "in", Change::Revoke, 2))
        .status(sample_receipt(PEER, "out", MessageStatus::Read, 2))
        .message(sample_incoming(held.id, PEER, "next", 3));
    let recorded = fixture.database.record(record).await.unwrap();
    use Outcome::{Added, Unchanged};
    assert_eq!(recorded.outcomes, [Unchanged, Unchanged, Added]);
    assert_eq!(recorded.events.len(), 1);
    let read = fixture.database.fleet_messages_by_id(held.id, "in").await;
    assert!(matches!(read, Err(StorageError::Corrupt { .. })), "{read:?}");
}

#[tokio::test]
async fn an_unreadable_change_is_left_out_when_its_message_comes() {
    let mut fixture = Fixture::start();
    let held = fixture.instance().await;
    let early = held
        .record()
        .amend(sample_amendment(PEER, "A", Change::Edit { text: None, raw: "new".into() }, 2))
        .amend(sample_amendment(PEER, "A", Change::Revoke, 3));
    fixture.database.record(early).await.unwrap();
    fixture.sql("UPDATE early_changes SET chats = '[' WHERE kind = 'edit'");
    fixture.restart().await;
    fixture.database.record(held.record().message(sample_incoming(held.id, PEER, "A", 1))).await.unwrap();
    let message = fixture.database.fleet_messages_by_id(held.id, "A").await.unwrap().remove(0);
    assert!(message.edited_at.is_none() && message.revoked_at.is_some());
}

#[tokio::test]
async fn an_unreadable_message_to_be_sent_keeps_no_other_from_being_sent() {
    let mut fixture = Fixture::start();
    let held = fixture.instance().await;
    let messages = ["A", "B", "C"].map(|id| sample_outgoing(held.id, PEER, id, 1));
    let record = messages.into_iter().fold(held.record(), storage::Record::message);
    fixture.database.record(record).await.unwrap();
    fixture.sql("UPDATE messages SET kind = 'x' WHERE message_id = 'B'");
    fixture.restart().await;
    for _ in 0..2 {
        let pending = fixture.database.pending_messages(held.id, 10).await.unwrap();
        let ids: Vec<_> = pending.iter().map(|message| message.message_id.as_str()).collect();
        assert_eq!(ids, ["A", "C"]);
    }
    fixture.sql("UPDATE messages SET kind = 'text' WHERE message_id = 'B'");
    let repaired = fixture.database.fleet_messages_by_id(held.id, "B").await.unwrap().remove(0);
    assert_eq!(repaired.status, MessageStatus::Failed, "nobody sends it by surprise");
}

#[tokio::test]
async fn what_cannot_be_read_of_an_instance_survives_changes_of_everything_else() {
    let mut fixture = Fixture::start();
    let held = fixture.instance().await;
    let whole = fixture.database.instance(held.user.id, held.id).await.unwrap().unwrap();
    // As another key would leave it: it comes back when the key does.
    let damage = "UPDATE instances SET proxy = CAST(x'ff' || proxy AS BLOB), status = 'x' || status, device_icon = 'x' || device_icon,
                                       limits = 'x' || limits, media_download = 'x' || media_download;
                  UPDATE webhooks SET secret = CAST(x'ff' || secret AS BLOB), headers = CAST(x'ff' || headers AS BLOB), format = 'x' || format,
                                      kinds = 'x' || kinds";
    let repair = "UPDATE instances SET proxy = substr(proxy, 2), status = substr(status, 2), device_icon = substr(device_icon, 2),
                                       limits = substr(limits, 2), media_download = substr(media_download, 2);
                  UPDATE webhooks SET secret = substr(secret, 2), headers = substr(headers, 2), format = substr(format, 2),
                                      kinds = substr(kinds, 2)";
    fixture.database.close().await;
    fixture.sql(damage);
    fixture.restart().await;
    let rename = || InstancePatch {
        name: Some("renamed".to_owned()),
        webhook: WebhookPatch { max_retries: Some(9), ..WebhookPatch::default() },
        ..InstancePatch::default()
    };
    let edit = || Edit::at(Timestamp::default());
    let edited = fixture.database.update_instance(held.user.id, held.id, rename(), edit()).await.unwrap();
    let (instance, webhook) = edited.now;
    assert_eq!(
        instance.unreadable,
        [Part::State, Part::Proxy, Part::DeviceIcon, Part::Limits, Part::MediaDownload]
    );
    assert_eq!(webhook.unreadable, [Part::Format, Part::Kinds, Part::Secret, Part::Headers]);
    assert!(!instance.can_run() && instance.connection.proxy.is_none() && webhook.secret.is_none());
    // The companion's word about its own name, too.
    let own = StateChange { push_name: Some(Some("Zoë".to_owned())), ..StateChange::default() };
    fixture.database.record(held.record().state(own)).await.unwrap();

    fixture.database.close().await;
    fixture.sql(repair);
    fixture.restart().await;
    let again = fixture.database.instance(held.user.id, held.id).await.unwrap().unwrap();
    let expected = Instance { name: "renamed".to_owned(), updated_at: again.updated_at, ..whole };
    assert_eq!(again, expected);
    let webhook = fixture.database.fleet_webhooks(held.id).await.unwrap().remove(0);
    let sample = sample_webhook(held.id, "default");
    assert_eq!(webhook, Webhook { max_retries: 9, updated_at: webhook.updated_at, ..sample });
}

#[tokio::test]
async fn an_instance_that_cannot_be_read_is_taken_counted_buried_and_deleted() {
    let mut fixture = Fixture::start();
    let (gone, buried) = (fixture.instance().await, fixture.instance().await);
    fixture.database.close().await;
    fixture.sql("UPDATE instances SET proxy = x'00', status = 'x', status_cause = 'x', node = NULL; UPDATE webhooks SET secret = x'00'");
    fixture.restart().await;
    let counts = fixture.database.instance_counts().await.unwrap();
    assert_eq!(counts.by_status, [(InstanceStatus::Disconnected, 2)].into());
    let leased = fixture.database.acquire(SAMPLE_NODE, true, 9, Duration::from_secs(60)).await.unwrap();
    assert_eq!(leased.len(), 2);
    assert!(leased.iter().all(|leased| !leased.instance.can_run()));
    fixture.database.delete_instance(gone.user.id, gone.id).await.unwrap();
    fixture.database.bury_instance(buried.user.id, buried.id, Timestamp::default()).await.unwrap();
    let kept = fixture.database.fleet_instance(buried.id).await.unwrap().unwrap();
    assert_eq!(kept.unreadable, [Part::Proxy], "nobody may go around it");
    assert_eq!(fixture.database.fleet_instance(gone.id).await.unwrap(), None);
}
