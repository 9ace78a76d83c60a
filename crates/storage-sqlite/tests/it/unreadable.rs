//! A row that can't be read keeps nothing that comes after it from being recorded.

use storage::conformance::{sample_amendment, sample_incoming, sample_outgoing, sample_receipt};
use storage::{Change, Fleet, MessageStatus, Outcome, StorageError};

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
