//! Linking and unlinking.

use serde_json::json;
use services::{Qr, ServiceError, Status};
use storage::EventKind;

use crate::stage::{Stage, until};

#[tokio::test(start_paused = true)]
async fn an_instance_is_linked_by_a_scan_and_tells_each_step() {
    let stage = Stage::new().await;
    let phone = stage.phone("15550000001");
    let id = stage.linked(&phone).await;
    let kinds: Vec<_> = stage.events(id, &[]).await.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["qr_received", "connected"]);
    let qr = &stage.told(id, EventKind::QrReceived, 1).await[0];
    assert_eq!((&qr["instanceId"], &qr["attempt"]), (&json!(id.to_string()), &json!(1)));
    let view = stage.services.instances.find(&stage.caller, id).await.unwrap();
    assert_eq!(view.instance.phone.as_deref(), Some("15550000001"));
    assert_eq!(view.instance.jid.as_deref(), Some("15550000001@s.whatsapp.net"));
    assert_eq!(view.instance.lid, Some(phone.lid().to_string()));
    assert!(matches!(
        stage.services.instances.qr(&stage.caller, id).await,
        Err(ServiceError::Conflict { cause: "already_linked", .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn codes_that_nobody_scans_run_out_and_can_be_asked_for_again() {
    let stage = Stage::new().await;
    let id = stage.instance().await;
    assert_eq!(stage.offline(id).await, "pairing_timed_out");
    assert_eq!(stage.services.supervisor.running(), 0);
    let attempts: Vec<_> =
        stage.told(id, EventKind::QrReceived, 6).await.iter().map(|data| data["attempt"].clone()).collect();
    assert_eq!(attempts, [1, 2, 3, 4, 5, 6]);
    let end = &stage.told(id, EventKind::Disconnected, 1).await[0];
    assert_eq!((&end["reason"], &end["willReconnect"]), (&json!("pairing_timed_out"), &json!(false)));

    assert_eq!(stage.services.instances.qr(&stage.caller, id).await.unwrap(), Qr::Generating);
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
    assert_eq!(stage.offline(id).await, "logged_out");
    let view = stage.services.instances.find(&stage.caller, id).await.unwrap();
    assert_eq!((view.connection.status, view.instance.jid), (Status::LoggedOut, None));
    let end = stage.told(id, EventKind::Disconnected, 1).await.pop().unwrap();
    assert_eq!((&end["reason"], &end["cause"]), (&json!("logout"), &json!("logged_out")));

    assert_eq!(stage.services.instances.qr(&stage.caller, id).await.unwrap(), Qr::Generating);
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
    assert_eq!(stage.offline(one).await, "logged_out");
    stage.services.instances.delete(&stage.caller, other).await.unwrap();
    assert!(phone.devices().is_empty());
    until("nothing runs", || async { (stage.services.supervisor.running() == 0).then_some(()) }).await;
}
