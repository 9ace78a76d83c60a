use std::time::Duration;

use storage::{EventData, FailureCause, Timestamp};
use wa_client::{Event, Limit, LimitKind, SendError, State};

use super::*;
use crate::testing::{ScriptedCompanion, World, until};

const PEER: &str = "79001234567";
const CHAT: &str = "79001234567@s.whatsapp.net";
const END: i64 = 1_900_000_000_000;

fn text(on_limit: OnLimit) -> SendText {
    SendText { phone: PEER.to_owned(), message: "hi".to_owned(), idempotency_key: None, on_limit }
}

async fn locked(world: &World) -> (InstanceId, std::sync::Arc<ScriptedCompanion>) {
    let (instance, companion) = world.online().await;
    companion.tell([Event::Limits(companion.lock(END))]).await.unwrap();
    (instance, companion)
}

async fn until_sent(world: &World, instance: InstanceId, id: &str) {
    until("the message to be sent", || async {
        (world.message(instance, id).await.status == MessageStatus::Sent).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_text_that_may_not_leave_is_refused_and_nothing_is_stored() {
    let world = World::new().await;
    let (instance, companion) = locked(&world).await;
    let refused = world.services.messages.send_text(&world.caller, instance, text(OnLimit::Refuse)).await;
    let Err(ServiceError::Limited { cause, until, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((cause, until), (FailureCause::ReachoutTimelock, Some(Timestamp::from_millis(END))));
    assert_eq!(
        (companion.waiting(), world.kinds(instance).await),
        (0, vec!["instance_changed", "connected", "limits_changed"])
    );
    // Those who trust the account are written to.
    companion.is_trusted_by(CHAT);
    let send = world.services.messages.send_text(&world.caller, instance, text(OnLimit::Refuse));
    let (sent, _) = tokio::join!(send, companion.acknowledge());
    assert_eq!(sent.unwrap().progress, Progress::Sent);
}

#[tokio::test(start_paused = true)]
async fn a_held_text_leaves_when_the_limit_is_lifted() {
    let world = World::new().await;
    let (instance, companion) = locked(&world).await;
    let held = world.services.messages.send_text(&world.caller, instance, text(OnLimit::Hold)).await.unwrap();
    assert_eq!(held.progress, Progress::Held { retry_at: Some(Timestamp::from_millis(END)) });
    assert_eq!(world.message(instance, &held.id).await.status, MessageStatus::Held);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(companion.waiting(), 0);
    companion.tell([Event::Limits(companion.unlock())]).await.unwrap();
    assert_eq!(companion.acknowledge().await.0, held.id);
    until_sent(&world, instance, &held.id).await;
}

#[tokio::test(start_paused = true)]
async fn a_held_text_leaves_when_its_recipient_trusts_the_account_even_after_a_restart() {
    let mut world = World::serving().await;
    let (instance, companion) = locked(&world).await;
    let held = world.services.messages.send_text(&world.caller, instance, text(OnLimit::Hold)).await.unwrap();
    companion.die();
    world.restart();
    world.services.resume().await.unwrap();
    until("the companion", || async { (world.companions.starts(instance) > 0).then_some(()) }).await;
    let companion = world.companions.of(instance);
    companion.lock(END);
    companion.become_state(State::Online);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(world.message(instance, &held.id).await.status, MessageStatus::Held);
    companion.is_trusted_by(CHAT);
    assert_eq!(companion.acknowledge().await.0, held.id);
    until_sent(&world, instance, &held.id).await;
}

#[tokio::test]
async fn a_refusal_of_whatsapp_is_final_also_for_what_may_be_held() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let send = world.services.messages.send_text(&world.caller, instance, text(OnLimit::Hold));
    let refuse = async {
        let (outgoing, reply) = companion.next_send().await;
        let limit = Limit { kind: LimitKind::NewChats, until: Some(END) };
        let _ = reply.send(Err(SendError::RefusedByLimit(limit)));
        outgoing.id.to_string()
    };
    let (refused, id) = tokio::join!(send, refuse);
    let Err(ServiceError::Limited { cause, until, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((cause, until), (FailureCause::NewChatCap, Some(Timestamp::from_millis(END))));
    let EventData::MessageStatus(told) = world.last_told(instance).await else { panic!("no status") };
    assert_eq!((told.message_id, told.failure.unwrap().until), (id, Some(END)));
    assert_eq!(companion.waiting(), 0);
}
