use super::tests::{CHAT, sending, text, until_status};
use super::*;
use crate::testing::{ACKED_AT, World};

#[tokio::test(start_paused = true)]
async fn without_an_ack_the_answer_is_pending_and_the_message_goes_on() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let started = tokio::time::Instant::now();
    let sending = sending(&world, instance, text("slow"));
    let (_, reply) = companion.next_send().await;
    let sent = sending.await.unwrap().unwrap();
    assert_eq!(sent.progress, Progress::Pending);
    assert!(started.elapsed() >= ACK_TIMEOUT);
    reply.send(Ok(ACKED_AT)).unwrap();
    until_status(&world, instance, &sent.id, MessageStatus::Sent).await;
}

#[tokio::test(start_paused = true)]
async fn a_recipient_of_whom_nothing_is_heard_holds_no_message_up() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    companion.hears_nothing();
    let sending = sending(&world, instance, text("on its way"));
    let (outgoing, _reply) = companion.next_send().await;
    assert_eq!(outgoing.to.to_string(), CHAT, "under the name that was given");
    let sent = sending.await.unwrap().unwrap();
    assert_eq!((sent.id.as_str(), sent.progress), (outgoing.id.as_str(), Progress::Pending));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_stored_in_time_is_never_sent() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let running = world.services.supervisor.find(world.caller.user, instance).unwrap();
    let turn = running.recorder.hold_up().await;
    let refused = sending(&world, instance, text("late")).await.unwrap().unwrap_err();
    assert!(matches!(refused, ServiceError::Unavailable { .. }), "{refused}");
    drop(turn);
    let next = sending(&world, instance, text("next"));
    assert_eq!(companion.acknowledge().await.1, "next");
    assert_eq!(next.await.unwrap().unwrap().progress, Progress::Sent);
    assert_eq!(companion.waiting(), 0);
}
