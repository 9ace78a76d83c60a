//! Messages, as their owner lists them.

use serde_json::json;

use super::record::instance;
use super::{Backend, sample_incoming, sample_instance, sample_user};
use crate::{InstanceId, Json, Message, MessageQuery, Record, Storage, StorageError, Timestamp, UserId};

const PEER: &str = "15550000002";
const CHAT: &str = "15550000002@s.whatsapp.net";

/// Every field comes back, filled in or not, in any script.
pub async fn messages_round_trip(mut backend: impl Backend) {
    let store = backend.storage().await;
    let (owner, instance) = instance(&*store).await;
    let text = sample_incoming(instance, PEER, "A1", 1_000);
    let mut image = sample_incoming(instance, PEER, "A2", 2_000);
    image.message.message_type = "image".into();
    image.message.content = None;
    image.message.has_media = true;
    image.message.media_url = Some("https://example.com/image.jpg".into());
    image.message.caption = Some("图片描述 '\"\u{0}".into());
    image.message.mime_type = Some("image/jpeg".into());
    image.message.file_name = Some("image.jpg".into());
    image.message.metadata = Json::from(json!({ "nested": { "list": [1, 2.5, null, "ü"] } }));
    image.message.status_updated_at = Some(Timestamp::from_millis(3_000));
    let record = Record::new(instance).message(text.clone()).message(image.clone());
    store.record(record).await.unwrap();
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;
    assert_eq!(
        list(&*store, owner, instance, &MessageQuery::newest(CHAT, 10)).await,
        [image.message, text.message.clone()]
    );
    assert_eq!(
        store.messages_by_id(owner, instance, "A1").await.unwrap(),
        std::slice::from_ref(&text.message)
    );
    assert_eq!(store.fleet_messages_by_id(instance, "A1").await.unwrap(), [text.message]);
    assert!(store.fleet_messages_by_id(instance, "A3").await.unwrap().is_empty());
}

/// All messages of a chat move, and only those of this instance; they stay what they were on the wire.
pub async fn chats_of_one_person_are_merged(backend: impl Backend) {
    let store = backend.storage().await;
    let (owner, ours) = instance(&*store).await;
    let other = sample_instance(owner, "other");
    store.create_instance(other.clone()).await.unwrap();
    const LID: &str = "900001@lid";
    for (instance, message_id, millis) in [(ours, "A", 1_000), (ours, "C", 3_000), (other.id, "A", 1_000)] {
        let mut new = sample_incoming(instance, PEER, message_id, millis);
        (new.message.chat, new.message.wire_chat) = (LID.into(), LID.into());
        store.record(Record::new(instance).message(new)).await.unwrap();
    }
    store.record(Record::new(ours).message(sample_incoming(ours, PEER, "B", 2_000))).await.unwrap();

    assert_eq!(store.merge_chats(ours, LID.into(), CHAT.into()).await.unwrap(), 2);
    let merged = list(&*store, owner, ours, &MessageQuery::newest(CHAT, 10)).await;
    let chats: Vec<_> = merged.iter().map(|m| (m.message_id.as_str(), m.wire_chat.as_str())).collect();
    assert_eq!(chats, [("C", LID), ("B", CHAT), ("A", LID)]);
    assert!(list(&*store, owner, ours, &MessageQuery::newest(LID, 10)).await.is_empty());
    assert_eq!(list(&*store, owner, other.id, &MessageQuery::newest(LID, 10)).await.len(), 1);

    assert_eq!(store.merge_chats(ours, LID.into(), CHAT.into()).await.unwrap(), 0);
    let nowhere = store.merge_chats(InstanceId::generate(), LID.into(), CHAT.into()).await;
    assert!(matches!(nowhere, Err(StorageError::NotFound { what: "instance" })));
}

/// Newest first; of the same time, the one stored last first; pages join without gap or overlap.
pub async fn messages_are_listed_newest_first_in_pages(backend: impl Backend) {
    let store = backend.storage().await;
    let (owner, instance) = instance(&*store).await;
    for (message_id, millis) in [("C", 3_000), ("A", 1_000), ("B1", 2_000), ("B2", 2_000), ("D", 4_000)] {
        let message = sample_incoming(instance, PEER, message_id, millis);
        store.record(Record::new(instance).message(message)).await.unwrap();
    }
    let mut all = Vec::new();
    for skip in [0, 2, 4, 6] {
        let query = MessageQuery { skip, ..MessageQuery::newest(CHAT, 2) };
        let page = store.messages(owner, instance, &query).await.unwrap();
        assert_eq!(page.total, 5);
        assert_eq!(page.has_more(skip), skip < 4, "after skipping {skip}");
        all.extend(page.items.into_iter().map(|message| message.message_id));
    }
    assert_eq!(all, ["D", "C", "B2", "B1", "A"]);
    let nothing = store.messages(owner, instance, &MessageQuery::newest(CHAT, 0)).await.unwrap();
    assert!(nothing.items.is_empty() && nothing.total == 5);
}

/// Both ends of the time range are included; other chats don't show.
pub async fn messages_are_filtered_by_chat_and_time(backend: impl Backend) {
    let store = backend.storage().await;
    let (owner, instance) = instance(&*store).await;
    let record =
        (1..=5).fold(Record::new(instance), |record, n| {
            record
                .message(sample_incoming(instance, PEER, &format!("A{n}"), n * 1_000))
                .message(sample_incoming(instance, "15550000003", &format!("B{n}"), n * 1_000))
        });
    store.record(record).await.unwrap();
    let between = |start: Option<i64>, end: Option<i64>| MessageQuery {
        start: start.map(Timestamp::from_millis),
        end: end.map(Timestamp::from_millis),
        ..MessageQuery::newest(CHAT, 10)
    };
    let cases = [
        (between(Some(2_000), Some(4_000)), vec!["A4", "A3", "A2"]),
        (between(Some(2_001), Some(3_999)), vec!["A3"]),
        (between(Some(4_000), None), vec!["A5", "A4"]),
        (between(None, Some(1_000)), vec!["A1"]),
        (between(Some(9_000), None), vec![]),
        (MessageQuery::newest("15550000004@s.whatsapp.net", 10), vec![]),
    ];
    for (query, expected) in cases {
        let page = store.messages(owner, instance, &query).await.unwrap();
        let ids: Vec<_> = page.items.iter().map(|message| message.message_id.as_str()).collect();
        assert_eq!(ids, expected, "{query:?}");
        assert_eq!(page.total, expected.len() as u64, "{query:?}");
    }
}

/// To everyone but the owner the instance's messages don't exist.
pub async fn another_users_messages_do_not_exist(backend: impl Backend) {
    let store = backend.storage().await;
    let (_, instance) = instance(&*store).await;
    let max = sample_user("max");
    store.create_user(max.clone()).await.unwrap();
    store.record(Record::new(instance).message(sample_incoming(instance, PEER, "A1", 1))).await.unwrap();
    let listed = store.messages(max.id, instance, &MessageQuery::newest(CHAT, 10)).await;
    assert!(matches!(listed, Err(StorageError::NotFound { what: "instance" })), "{listed:?}");
    let found = store.messages_by_id(max.id, instance, "A1").await;
    assert!(matches!(found, Err(StorageError::NotFound { what: "instance" })), "{found:?}");
}

async fn list(
    store: &dyn Storage,
    owner: UserId,
    instance: InstanceId,
    query: &MessageQuery,
) -> Vec<Message> {
    store.messages(owner, instance, query).await.unwrap().items
}
