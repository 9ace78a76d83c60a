//! Messages that could not be read at first, or not at all: each has a row, and what comes later fills it.

use storage::{Chat, EventData, EventKind, InstanceId, MessageData, MessageKind, UndecryptableReason};
use wa_simulator::{Fault, FaultKind, Say};

use crate::stage::Stage;

/// Waits for so many messages of people; statuses come whenever they like.
async fn received(stage: &Stage, id: InstanceId, count: usize) -> Vec<(Chat, MessageData)> {
    crate::stage::until("messages", || async {
        let mut told = stage.received(id, count).await;
        told.retain(|(_, told)| told.kind != MessageKind::Unsupported);
        (told.len() >= count).then_some(told)
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_new_message_under_a_used_counter_is_stored_and_told() {
    let stage = Stage::new().await;
    let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    peer.send(own.number(), "sound").await.unwrap();
    received(&stage, id, 1).await;
    stage.simulator.add_fault(Fault::new(FaultKind::ReusedCounter).number(own.number())).unwrap();
    peer.send(own.number(), "one").await.unwrap();
    let two = peer.send(own.number(), "two").await.unwrap();
    let told = received(&stage, id, 3).await;
    let texts: Vec<_> = told.iter().map(|(_, told)| told.text.as_deref().unwrap()).collect();
    assert_eq!(texts, ["sound", "one", "two"]);
    let row = stage.message(id, &two).await;
    assert_eq!((row.kind, row.text.as_deref()), (MessageKind::Text, Some("two")));
    let told = stage.told(id, EventKind::MessageUndecryptable, 1).await.remove(0);
    let EventData::MessageUndecryptable(told) = told else { panic!("{told:?}") };
    assert_eq!((told.message_id, told.reason, told.retries), (two, UndecryptableReason::Repeated, 1));
}

#[tokio::test(start_paused = true)]
async fn what_came_empty_is_a_row_that_the_phone_fills() {
    let stage = Stage::new().await;
    let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    let off = Fault::new(FaultKind::Backlog).number(own.number()).device(0);
    let off = stage.simulator.add_fault(off).unwrap().id;
    stage
        .simulator
        .add_fault(Fault::new(FaultKind::Empty { unavailable: None }).number(own.number()))
        .unwrap();
    let message = peer.send(own.number(), "from an ad").await.unwrap();
    let told = stage.told(id, EventKind::MessageUndecryptable, 1).await.remove(0);
    let EventData::MessageUndecryptable(told) = told else { panic!("{told:?}") };
    assert_eq!((&told.message_id, told.reason), (&message, UndecryptableReason::Empty));
    assert_eq!(stage.message(id, &message).await.kind, MessageKind::Undecryptable);

    stage.simulator.clear_fault(off).unwrap();
    let (chat, told) = received(&stage, id, 1).await.remove(0);
    assert_eq!((told.message_id.as_str(), told.text.as_deref()), (message.as_str(), Some("from an ad")));
    assert_eq!(chat.pn.as_deref(), Some("15550000002@s.whatsapp.net"));
    let row = stage.message(id, &message).await;
    assert_eq!((row.kind, row.text.as_deref()), (MessageKind::Text, Some("from an ad")));
}

#[tokio::test(start_paused = true)]
async fn what_stays_undecryptable_is_a_row_that_the_phone_fills() {
    let stage = Stage::new().await;
    let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    let damaged = Fault::new(FaultKind::Undecryptable).number(own.number()).times(6);
    stage.simulator.add_fault(damaged).unwrap();
    let message = peer.send(own.number(), "hopeless").await.unwrap();
    let (_, told) = received(&stage, id, 1).await.remove(0);
    assert_eq!((told.message_id.as_str(), told.text.as_deref()), (message.as_str(), Some("hopeless")));
    assert_eq!(
        stage.events(id, &[EventKind::MessageUndecryptable]).await.len(),
        1,
        "told once as unreadable"
    );
    assert_eq!(stage.message(id, &message).await.kind, MessageKind::Text);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_message_at_all_is_an_unknown_row_with_its_bytes() {
    let stage = Stage::new().await;
    let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    let nonsense = b"\xff\xff nonsense";
    let message = peer.say(own.number(), Say::Raw(nonsense.to_vec().into())).await.unwrap();
    let (_, told) = received(&stage, id, 1).await.remove(0);
    assert_eq!((told.message_id.as_str(), told.kind), (message.as_str(), MessageKind::Unknown));
    let row = stage.message(id, &message).await;
    assert_eq!((row.kind, &row.raw[..]), (MessageKind::Unknown, &nonsense[..]));
    let is_settled = || async { (own.devices()[0].waiting == 0).then_some(()) };
    crate::stage::until("the receipt", is_settled).await;
}

#[tokio::test(start_paused = true)]
async fn a_text_that_was_cut_inside_a_character_is_stored_as_phones_show_it() {
    let stage = Stage::new().await;
    let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    let message = peer.say(own.number(), Say::Raw(b"\x0a\x05ab\xed\xa0\xbd".to_vec().into())).await.unwrap();
    let (_, told) = received(&stage, id, 1).await.remove(0);
    assert_eq!((told.kind, told.text.as_deref()), (MessageKind::Text, Some("ab\u{fffd}")));
    let row = stage.message(id, &message).await;
    assert_eq!((row.kind, row.text.as_deref()), (MessageKind::Text, Some("ab\u{fffd}")));
}
