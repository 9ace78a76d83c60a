//! The files of messages.

use super::held::Held;
use super::{Backend, sample_amendment, sample_chat, sample_incoming};
use crate::{
    Change, EventData, MediaData, MediaFault, MediaState, MediaUpdate, Message, MessageKind,
    MessageMediaData, NewEvent, NewMessage, Outcome, StoredMedia, Timestamp,
};

const PEER: &str = "15550000002";

pub(super) fn file(state: MediaState) -> StoredMedia {
    StoredMedia {
        state,
        fault: (state == MediaState::Failed).then_some(MediaFault::Expired),
        mime_type: Some("image/png".into()),
        file_name: "照片.png".into(),
        size: Some(7),
        object: (state == MediaState::Ready).then(|| "object".into()),
    }
}

fn picture(held: &Held, message_id: &str, millis: i64) -> NewMessage {
    let mut new = sample_incoming(held.instance, PEER, message_id, millis);
    new.message.kind = MessageKind::Image;
    new.message.media = Some(file(MediaState::Pending));
    new
}

fn told(message: &Message, media: &StoredMedia) -> NewEvent {
    let data = MessageMediaData {
        message_id: message.message_id.clone(),
        from_me: false,
        participant: None,
        kind: message.kind,
        media: MediaData::from(media),
    };
    NewEvent::new(Some(sample_chat(PEER)), EventData::MessageMedia(data))
}

fn update(message: &Message, state: MediaState, at: i64) -> MediaUpdate {
    let media = file(state);
    let event = Some(told(message, &media));
    MediaUpdate {
        message: (message.id, message.message_id.clone()),
        media,
        at: Timestamp::from_millis(at),
        event,
    }
}

/// What a file has come to is kept with its message and told by one event.
pub async fn a_file_comes_further_with_an_event(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let new = picture(&held, "A1", 1_000);
    store.record(held.record().message(new.clone())).await.unwrap();
    let ready = update(&new.message, MediaState::Ready, 5_000);
    let recorded = store.record(held.record().media(ready.clone())).await.unwrap();
    assert_eq!((recorded.outcomes, recorded.events.len()), (vec![Outcome::Advanced], 1));
    assert_eq!(recorded.events[0].data, ready.event.clone().unwrap().data);
    let found = store.messages_by_id(held.owner, held.instance, "A1").await.unwrap();
    let expected = Message {
        media: Some(file(MediaState::Ready)),
        updated_at: Timestamp::from_millis(5_000),
        ..new.message.clone()
    };
    assert_eq!(found, [expected]);

    assert!(store.has_file(held.instance, new.message.id).await.unwrap());
    assert!(!store.has_file(held.instance, crate::StoredMessageId::generate()).await.unwrap());

    let nobody = MediaUpdate { message: (crate::StoredMessageId::generate(), "A1".into()), ..ready };
    let recorded = store.record(held.record().media(nobody)).await.unwrap();
    assert_eq!((recorded.outcomes, recorded.events.len()), (vec![Outcome::Unknown], 0));
}

/// What is taken back has no file any more, and gets none.
pub async fn a_message_that_is_taken_back_has_no_file(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let new = picture(&held, "A1", 1_000);
    let revoked = sample_amendment(PEER, "A1", Change::Revoke, 2_000);
    store.record(held.record().message(new.clone()).amend(revoked)).await.unwrap();
    assert!(store.pending_media(held.instance, 0, 10).await.unwrap().is_empty());
    let late = update(&new.message, MediaState::Ready, 3_000);
    let recorded = store.record(held.record().media(late)).await.unwrap();
    assert_eq!((recorded.outcomes, recorded.events.len()), (vec![Outcome::Unknown], 0));
    let found = store.messages_by_id(held.owner, held.instance, "A1").await.unwrap();
    assert_eq!(found[0].media, None);
}

/// Files that are to be fetched are found in the order of their messages, from any place on.
pub async fn pending_files_are_found_in_order(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let all: Vec<_> = (1..=4).map(|n| picture(&held, &format!("A{n}"), n * 1_000)).collect();
    let record = all.iter().cloned().fold(held.record(), crate::Record::message);
    let text = sample_incoming(held.instance, PEER, "B", 9_000);
    store.record(record.message(text)).await.unwrap();
    store.record(held.record().media(update(&all[1].message, MediaState::Failed, 5_000))).await.unwrap();

    let first = store.pending_media(held.instance, 0, 2).await.unwrap();
    let ids: Vec<_> = first.iter().map(|(_, message)| message.message_id.as_str()).collect();
    assert_eq!(ids, ["A1", "A3"]);
    let rest = store.pending_media(held.instance, first[1].0, 2).await.unwrap();
    let ids: Vec<_> = rest.iter().map(|(_, message)| message.message_id.as_str()).collect();
    assert_eq!(ids, ["A4"]);
    assert!(store.pending_media(held.instance, rest[0].0, 2).await.unwrap().is_empty());
    let other = Held::of(&*store, held.owner, "other").await;
    assert!(store.pending_media(other.instance, 0, 2).await.unwrap().is_empty());
}
