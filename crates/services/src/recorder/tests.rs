use futures_util::FutureExt as _;
use storage::conformance::{sample_leased, sample_outgoing, sample_user};
use storage::{MemoryStorage, MessageStatus, Storage, StorageError};
use wa_client::{MessageInfo, ReceivedMessages as _};

use super::*;
use crate::testing::ScriptedCompanions;

/// A recorder of an instance without a task, with one message that its companion has sent and nobody has recorded.
async fn settled() -> (Arc<MemoryStorage>, storage::UserId, InstanceRecorder, String) {
    let storage = Arc::new(MemoryStorage::new());
    let user = sample_user("zoe");
    storage::UserStore::create_user(&*storage, user.clone()).await.unwrap();
    let (instance, epoch) = sample_leased(&*storage, user.id, "shop").await.unwrap();
    let journal = Journal::new(Arc::clone(&storage) as Arc<dyn Storage>, []);
    let recorder = InstanceRecorder::new(&instance, epoch, journal, Arc::new(ScriptedCompanions::default()));
    recorder.load().await;
    let message = sample_outgoing(instance.id, "79001234567", "A", 1_000).message;
    drop(recorder.submit(message.clone(), None, false).unwrap());
    recorder.flush().await;
    assert_eq!(recorder.take_ready().len(), 1);
    recorder.settle(mapping::sent(&message, None, 1_700_000_000), Fate::Sent(None));
    (storage, user.id, recorder, message.message_id)
}

async fn status(
    storage: &MemoryStorage,
    owner: storage::UserId,
    it: &InstanceRecorder,
    id: &str,
) -> MessageStatus {
    let found = storage::MessageStore::messages_by_id(storage, owner, it.instance, id).await.unwrap();
    found[0].status
}

#[tokio::test(start_paused = true)]
async fn a_reader_waits_for_the_record_and_never_makes_it() {
    let (storage, owner, recorder, id) = settled().await;
    let mut reading = Box::pin(recorder.catch_up());
    assert_eq!((&mut reading).now_or_never(), None);
    assert_eq!(status(&storage, owner, &recorder, &id).await, MessageStatus::Pending);
    let mut recording = Box::pin(recorder.keep_recording());
    assert_eq!((&mut recording).now_or_never(), None);
    assert_eq!(status(&storage, owner, &recorder, &id).await, MessageStatus::Sent, "without a wait");
    assert_eq!(reading.now_or_never(), Some(()));
    assert_eq!(recorder.catch_up().now_or_never(), Some(()), "there is nothing to wait for");
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_hangs_up_takes_nothing_along() {
    let (storage, owner, recorder, id) = settled().await;
    let turn = recorder.hold_up().await;
    assert_eq!(recorder.catch_up().now_or_never(), None);
    drop(turn);
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), recorder.keep_recording()).await;
    assert_eq!(status(&storage, owner, &recorder, &id).await, MessageStatus::Sent);
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_what_runs_no_more_does_not_wait() {
    let (_, _, recorder, _) = settled().await;
    let mut reading = Box::pin(recorder.catch_up());
    assert_eq!((&mut reading).now_or_never(), None);
    recorder.abandon();
    assert_eq!(reading.now_or_never(), Some(()));
    assert_eq!(recorder.catch_up().now_or_never(), Some(()));
}

#[tokio::test(start_paused = true)]
async fn recording_ends_when_the_record_that_is_being_made_is_finished() {
    let (storage, owner, recorder, id) = settled().await;
    let turn = recorder.hold_up().await;
    let mut recording = Box::pin(recorder.keep_recording());
    let lingering = tokio::time::timeout(std::time::Duration::from_secs(1), &mut recording).await;
    assert!(lingering.is_err(), "it is held up");
    recorder.close();
    assert_eq!((&mut recording).now_or_never(), None);
    drop(turn);
    recording.await;
    assert_eq!(status(&storage, owner, &recorder, &id).await, MessageStatus::Sent);
}

#[tokio::test(start_paused = true)]
async fn what_a_companion_could_not_record_is_tried_again_without_another_push() {
    let (_, _, recorder, _) = settled().await;
    recorder.unrecorded.notified().await;
    let elsewhere = InstanceRecorder { epoch: recorder.epoch.next(), ..recorder };
    let refused = elsewhere.record(&[Event::Connected]).await.unwrap_err();
    assert!(matches!(*refused.0, StorageError::Fenced), "{refused}");
    assert_eq!(elsewhere.unrecorded.notified().now_or_never(), Some(()), "its task learns when it is due");
}

#[tokio::test]
async fn a_message_that_comes_again_under_the_other_address_is_known() {
    let (_, _, recorder, _) = settled().await;
    recorder.record(&[crate::testing::incoming("900001@lid", "M", "hi")]).await.unwrap();
    let (pn, lid) = (Jid::pn("79001234567"), Jid::lid("900001"));
    let mut again = MessageInfo::new("M", pn.clone().with_device(3), 1);
    assert!(!recorder.is_recorded(&again).await, "nobody has said who that is");
    (again.chat_pn, again.chat_lid) = (Some(pn.clone()), Some(lid.clone()));
    (again.sender_pn, again.sender_lid) = (Some(pn), Some(lid.clone()));
    assert!(recorder.is_recorded(&again).await);
    assert!(!recorder.is_recorded(&MessageInfo::new("N", lid, 1)).await);
}
