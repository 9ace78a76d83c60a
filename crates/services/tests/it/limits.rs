//! Limits on whom an account may write to, and the name that it shows.

use services::{OnLimit, Progress, SendText, ServiceError, UpdateInstance};
use storage::{EventKind, FailureCause, MessageStatus};
use wa_simulator::TimeLock;

use crate::stage::Stage;

#[tokio::test(start_paused = true)]
async fn a_locked_account_holds_what_it_is_told_to_and_sends_it_afterwards() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&alice).await;
    let until = stage.now() + 3_600;
    alice.set_time_lock(Some(TimeLock { until: Some(until), kind: "WEB_COMPANION_ONLY".into() }));
    stage.told(id, EventKind::LimitsChanged, 1).await;
    let refused = stage.send(id, &bob, "refused").await;
    assert!(
        matches!(
            &refused,
            Err(ServiceError::Limited { cause: FailureCause::ReachoutTimelock, until: Some(_), .. })
        ),
        "{refused:?}"
    );
    let view = stage.services.instances.find(&stage.caller, id).await.unwrap();
    assert_eq!(view.limits.time_lock.unwrap().kind, "WEB_COMPANION_ONLY");
    let send = SendText {
        phone: bob.number().to_owned(),
        message: "held".to_owned(),
        idempotency_key: Some("k".to_owned()),
        on_limit: OnLimit::Hold,
    };
    let held = stage.services.messages.send_text(&stage.caller, id, send.clone()).await.unwrap();
    assert!(matches!(held.progress, Progress::Held { retry_at: Some(_) }), "{held:?}");
    let again = stage.services.messages.send_text(&stage.caller, id, send).await.unwrap();
    assert_eq!((again.id, again.replayed), (held.id, true));
    let inbox = bob.wait_for_inbox(|inbox| !inbox.is_empty()).await;
    assert_eq!(inbox[0].text.as_deref(), Some("held"));
    assert!(inbox[0].timestamp >= until);
    assert_eq!(inbox.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_whatsapp_fails_the_message_for_good() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    bob.restrict(wa_simulator::Restriction::Trusted);
    let id = stage.linked(&alice).await;
    let refused = stage.send(id, &bob, "cold").await;
    assert!(matches!(refused, Err(ServiceError::Limited { .. })), "{refused:?}");
    let told = stage.told(id, EventKind::MessageStatus, 1).await;
    let failed = told.iter().any(|data| {
        matches!(data, storage::EventData::MessageStatus(status) if status.status == MessageStatus::Failed)
    });
    assert!(failed);
    tokio::time::sleep(std::time::Duration::from_secs(3_600)).await;
    let sent = stage.simulator.trace(Some("15550000001"));
    assert_eq!(sent.iter().filter(|entry| entry.xml.contains("error=\"463\"")).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_name_is_stored_once_it_is_learnt_and_can_be_changed() {
    let stage = Stage::new().await;
    let alice = stage.simulator.create_phone("15550000001", Some("Alice")).unwrap();
    let bob = stage.phone("15550000002");
    let id = stage.linked(&alice).await;
    let name = async || {
        let view = stage.services.instances.find(&stage.caller, id).await.unwrap();
        view.instance.push_name
    };
    crate::stage::until("the name", || async { (name().await.as_deref() == Some("Alice")).then_some(()) })
        .await;
    let update = |name: Option<&str>| UpdateInstance {
        push_name: Some(name.map(str::to_owned)),
        ..UpdateInstance::default()
    };
    stage.services.instances.update(&stage.caller, id, update(Some("Shop"))).await.unwrap();
    stage.send(id, &bob, "hello").await.unwrap();
    let inbox = bob.wait_for_inbox(|inbox| !inbox.is_empty()).await;
    assert_eq!(inbox[0].push_name, "Shop");
    crate::stage::until("the new name", || async { (name().await.as_deref() == Some("Shop")).then_some(()) })
        .await;
    let refused = stage.services.instances.update(&stage.caller, id, update(Some(""))).await;
    assert!(matches!(refused, Err(ServiceError::Invalid { .. })), "{refused:?}");
}
