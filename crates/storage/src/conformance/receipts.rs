//! Who in a group has a message.

use super::held::Held;
use super::{Backend, sample_outgoing, sample_receipt, sample_user};
use crate::{
    Message, MessageStatus, Missing, NewMessage, Outcome, Receipt, StatusUpdate, StorageError, Timestamp,
};

const GROUP: &str = "1203@g.us";

fn to_group(held: &Held, id: &str) -> NewMessage {
    let new = sample_outgoing(held.instance, "15550000002", id, 1_000);
    let message = Message { chat: GROUP.into(), wire_chat: GROUP.into(), ..new.message };
    NewMessage { message, ..new }
}

fn told(id: &str, member: &str, status: MessageStatus, millis: i64) -> StatusUpdate {
    StatusUpdate {
        chats: vec![GROUP.into()],
        member: Some(member.to_owned()),
        ..sample_receipt("15550000002", id, status, millis)
    }
}

/// The first of each kind counts, whatever has become of the message itself; a receipt of another message changes nothing.
pub async fn each_member_of_a_group_is_known_for_itself(mut backend: impl Backend) {
    use MessageStatus::{Delivered, Read};
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let record = held.record().message(to_group(&held, "A1")).message(to_group(&held, "A2"));
    store.record(record).await.unwrap();
    let record = held
        .record()
        .status(told("A1", "2@lid", Delivered, 2_000))
        .status(told("A1", "1@lid", Read, 3_000))
        .status(told("A1", "2@lid", Delivered, 4_000))
        .status(told("A1", "2@lid", Read, 5_000))
        .status(told("X", "2@lid", Read, 5_000));
    let outcomes = store.record(record).await.unwrap().outcomes;
    let (advanced, same) = (Outcome::Advanced, Outcome::Unchanged);
    assert_eq!(outcomes, [advanced, advanced, same, same, Outcome::Unknown]);
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;
    let at = |millis| Some(Timestamp::from_millis(millis));
    let expected = [
        Receipt { read_at: at(3_000), ..Receipt::of("1@lid") },
        Receipt { delivered_at: at(2_000), read_at: at(5_000), ..Receipt::of("2@lid") },
    ];
    assert_eq!(store.receipts(held.owner, held.instance, "A1").await.unwrap(), expected);
    assert!(store.receipts(held.owner, held.instance, "A2").await.unwrap().is_empty());
}

/// They go with their message, and to everyone but the owner they don't exist.
pub async fn receipts_go_with_their_message(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let max = sample_user("max");
    store.create_user(max.clone()).await.unwrap();
    store.record(held.record().message(to_group(&held, "A1"))).await.unwrap();
    store.record(held.record().status(told("A1", "1@lid", MessageStatus::Read, 2_000))).await.unwrap();
    let strange = store.receipts(max.id, held.instance, "A1").await;
    assert!(matches!(strange, Err(StorageError::NotFound { what: Missing::Instance })), "{strange:?}");
    let second = std::time::Duration::from_secs(1);
    while store.prune_messages(Some(second), 10).await.unwrap() > 0 {}
    assert!(store.receipts(held.owner, held.instance, "A1").await.unwrap().is_empty());
    // Another message may get the place of the one that is gone.
    store.record(held.record().message(to_group(&held, "A2"))).await.unwrap();
    assert!(store.receipts(held.owner, held.instance, "A2").await.unwrap().is_empty());
}
