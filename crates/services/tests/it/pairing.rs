//! Linking and unlinking.

use services::{Qr, ServiceError, Status};
use storage::{CauseKind, DisconnectedData, EventData, EventKind, InstanceId};

use crate::stage::{Stage, until};

/// Waits for so many codes, and returns which ones they were.
async fn attempts(stage: &Stage, id: InstanceId, count: usize) -> Vec<u32> {
    let told = stage.told(id, EventKind::QrReceived, count).await.into_iter();
    told.map(|told| match told {
        EventData::QrReceived(told) => told.attempt,
        other => panic!("{other:?}"),
    })
    .collect()
}

/// Waits for the end of a connection.
async fn end(stage: &Stage, id: InstanceId) -> DisconnectedData {
    match stage.told(id, EventKind::Disconnected, 1).await.pop() {
        Some(EventData::Disconnected(told)) => told,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_is_linked_by_a_scan_and_tells_each_step() {
    let stage = Stage::new().await;
    let phone = stage.phone("15550000001");
    let id = stage.linked(&phone).await;
    let mut kinds: Vec<_> = stage.events(id, &[]).await.iter().map(|event| event.kind().as_str()).collect();
    // Those are told whenever the server and the phone say them.
    kinds.retain(|kind| !["client_expiring", "history_progress"].contains(kind));
    assert_eq!(kinds, ["qr_received", "instance_changed", "connected"]);
    assert_eq!(attempts(&stage, id, 1).await, [1]);
    let view = stage.services.instances.find(&stage.caller, id).await.unwrap();
    assert_eq!(view.instance.phone.as_deref(), Some("15550000001"));
    assert_eq!(view.instance.jid.as_deref(), Some("15550000001@s.whatsapp.net"));
    assert_eq!(view.instance.lid, Some(phone.lid().to_string()));
    assert!(matches!(
        stage.services.instances.qr(&stage.caller, id).await,
        Err(ServiceError::Conflict { cause: services::ConflictCause::AlreadyLinked, .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn codes_that_nobody_scans_run_out_and_can_be_asked_for_again() {
    let stage = Stage::new().await;
    let id = stage.instance().await;
    assert_eq!(stage.offline(id).await, CauseKind::PairingTimedOut);
    assert_eq!(stage.services.supervisor.running(), 0);
    assert_eq!(attempts(&stage, id, 6).await, [1, 2, 3, 4, 5, 6]);
    let end = end(&stage, id).await;
    assert_eq!((end.cause, end.will_reconnect), (CauseKind::PairingTimedOut, false));

    assert_eq!(
        stage.services.instances.qr(&stage.caller, id).await.unwrap(),
        Qr::Generating { cause: None, retry_at: None }
    );
    let phone = stage.phone("15550000001");
    phone.scan(&stage.qr(id).await).await.unwrap();
    stage.online(id).await;
}

#[tokio::test(start_paused = true)]
async fn the_phone_unlinks_and_can_link_again() {
    let stage = Stage::new().await;
    let phone = stage.phone("15550000001");
    let id = stage.linked(&phone).await;
    phone.unlink(phone.devices()[0].id).unwrap();
    assert_eq!(stage.offline(id).await, CauseKind::LoggedOut);
    let view = stage.services.instances.find(&stage.caller, id).await.unwrap();
    assert_eq!((view.connection.status, view.instance.jid), (Status::LoggedOut, None));
    assert_eq!(end(&stage, id).await.cause, CauseKind::LoggedOut);

    assert_eq!(
        stage.services.instances.qr(&stage.caller, id).await.unwrap(),
        Qr::Generating { cause: None, retry_at: None }
    );
    phone.scan(&stage.qr(id).await).await.unwrap();
    stage.online(id).await;
}

#[tokio::test(start_paused = true)]
async fn logging_out_and_deleting_leave_no_device_on_the_phone() {
    let stage = Stage::new().await;
    let phone = stage.phone("15550000001");
    let (one, other) = (stage.linked(&phone).await, stage.linked(&phone).await);
    assert_eq!(phone.devices().len(), 2);
    stage.services.instances.logout(&stage.caller, one).await.unwrap();
    assert_eq!(stage.offline(one).await, CauseKind::LoggedOut);
    stage.services.instances.delete(&stage.caller, other).await.unwrap();
    assert!(phone.devices().is_empty());
    until("nothing runs", || async { (stage.services.supervisor.running() == 0).then_some(()) }).await;
}
