//! No device stays in a phone's list that nobody owns.

use std::time::Duration;

use services::{ConflictCause, ServiceError};
use storage::{InstanceId, Timestamp};
use wa_simulator::{ControlError, Fault, FaultKind, Moment, PairingStep, Phone};

use crate::stage::{Stage, until};

async fn unlinked(phone: &Phone) {
    until("an empty list of devices", || async { phone.devices().is_empty().then_some(()) }).await;
}

async fn forgotten(stage: &Stage, id: InstanceId) {
    until("the end", || async { stage.storage.fleet_instance(id).await.unwrap().is_none().then_some(()) })
        .await;
}

/// WhatsApp lets nobody in.
fn shut(stage: &Stage) {
    let failure = FaultKind::Failure { reason: 503, code: None, expire: None };
    stage.simulator.add_fault(Fault { count: None, ..Fault::new(failure) }).unwrap();
    stage.simulator.add_fault(Fault::new(FaultKind::Drop { when: Moment::Now })).unwrap();
}

async fn delete(stage: &Stage, id: InstanceId) {
    stage.services.instances.delete(&stage.caller, id).await.unwrap();
    let gone = stage.services.instances.find(&stage.caller, id).await;
    assert!(matches!(gone, Err(ServiceError::NotFound { .. })), "{gone:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_offline_is_unlinked_when_whatsapp_is_back() {
    let stage = Stage::new().await;
    let phone = stage.phone("15550000001");
    let id = stage.linked(&phone).await;
    shut(&stage);
    stage.offline(id).await;
    delete(&stage, id).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(phone.devices().len(), 1, "WhatsApp could not be told");
    stage.simulator.clear_faults();
    unlinked(&phone).await;
    forgotten(&stage, id).await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_for_a_deleted_instance_is_not_acknowledged_as_received() {
    let stage = Stage::new().await;
    let (phone, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&phone).await;
    bob.send(phone.number(), "while it was there").await.unwrap();
    stage.received(id, 1).await;
    shut(&stage);
    stage.offline(id).await;
    bob.send(phone.number(), "while nobody was there").await.unwrap();
    delete(&stage, id).await;
    stage.simulator.clear_faults();
    unlinked(&phone).await;
    forgotten(&stage, id).await;
    let received_by = |at: usize| {
        let receipts = bob.outbox()[at].receipts.clone();
        receipts.into_iter().map(|receipt| receipt.device).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(received_by(0).into_iter().collect::<Vec<_>>(), [0, 1]);
    assert_eq!(received_by(1).into_iter().collect::<Vec<_>>(), [0], "the phone alone");
}

#[tokio::test(start_paused = true)]
async fn what_is_to_be_unlinked_is_so_after_a_restart_too() {
    let mut stage = Stage::new().await;
    let phone = stage.phone("15550000001");
    let id = stage.linked(&phone).await;
    shut(&stage);
    stage.offline(id).await;
    delete(&stage, id).await;
    stage.services.stop(Duration::from_secs(10)).await;
    stage.simulator.clear_faults();
    assert_eq!(phone.devices().len(), 1);
    stage.restart().await;
    unlinked(&phone).await;
    forgotten(&stage, id).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_phone_links_while_it_is_deleted_is_unlinked() {
    let stage = Stage::new().await;
    let phone = stage.phone("15550000001");
    let id = stage.instance().await;
    let held = FaultKind::HoldPairing { before: PairingStep::Restart };
    let held = stage.simulator.add_fault(Fault::new(held)).unwrap().id;
    phone.scan(&stage.qr(id).await).await.unwrap();
    assert_eq!(phone.devices().len(), 1);
    delete(&stage, id).await;
    stage.simulator.clear_fault(held).unwrap();
    unlinked(&phone).await;
    forgotten(&stage, id).await;
}

#[tokio::test(start_paused = true)]
async fn a_scan_that_is_under_way_when_its_instance_is_deleted_links_nothing() {
    let stage = Stage::new().await;
    let phone = stage.phone("15550000001");
    let id = stage.instance().await;
    let qr = stage.qr(id).await;
    let held = FaultKind::HoldPairing { before: PairingStep::Success };
    let held = stage.simulator.add_fault(Fault::new(held)).unwrap().id;
    let scan = tokio::spawn({
        let phone = phone.clone();
        async move { phone.scan(&qr).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    delete(&stage, id).await;
    stage.simulator.clear_fault(held).unwrap();
    assert_eq!(scan.await.unwrap(), Err(ControlError::CompanionGone));
    assert!(phone.devices().is_empty());
    forgotten(&stage, id).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_phone_has_unlinked_itself_is_forgotten() {
    let stage = Stage::new().await;
    let phone = stage.phone("15550000001");
    let id = stage.linked(&phone).await;
    shut(&stage);
    stage.offline(id).await;
    delete(&stage, id).await;
    phone.unlink(phone.devices()[0].id).unwrap();
    stage.simulator.clear_faults();
    forgotten(&stage, id).await;
}

#[tokio::test(start_paused = true)]
async fn after_two_weeks_it_is_given_up() {
    let mut stage = Stage::new().await;
    let phone = stage.phone("15550000001");
    let id = stage.linked(&phone).await;
    stage.services.stop(Duration::from_secs(10)).await;
    let since = Timestamp::from_millis(chrono::Utc::now().timestamp_millis() - 15 * 24 * 3_600_000);
    stage.storage.bury_instance(stage.caller.user, id, since).await.unwrap();
    stage.restart().await;
    forgotten(&stage, id).await;
    assert_eq!(phone.devices().len(), 1, "the phone's owner can unlink it");
}

#[tokio::test(start_paused = true)]
async fn an_instance_is_linked_by_a_code_too() {
    let stage = Stage::new().await;
    let phone = stage.phone("15550000001");
    let id = stage.instance().await;
    let code = stage.services.instances.pairing_code(&stage.caller, id, "+1 555 000 0001").await.unwrap();
    phone.enter_code(&code.code).await.unwrap();
    stage.online(id).await;
    let again = stage.services.instances.pairing_code(&stage.caller, id, "+1 555 000 0001").await;
    assert!(
        matches!(again, Err(ServiceError::Conflict { cause: ConflictCause::AlreadyLinked, .. })),
        "{again:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_code_can_be_had_at_any_time_of_a_pairing_and_after_it() {
    let stage = Stage::new().await;
    let phone = stage.phone("15550000001");
    let id = stage.instance().await;
    stage.qr(id).await;
    // Too little is left of this connection, and then none.
    for wait in [130, 400] {
        tokio::time::sleep(Duration::from_secs(wait)).await;
        stage.services.instances.pairing_code(&stage.caller, id, "15550000001").await.unwrap();
    }
    let code = stage.services.instances.pairing_code(&stage.caller, id, "15550000001").await.unwrap();
    phone.enter_code(&code.code).await.unwrap();
    stage.online(id).await;
}

#[tokio::test(start_paused = true)]
async fn no_code_is_had_for_what_is_no_phone_number_or_unknown() {
    let stage = Stage::new().await;
    let id = stage.instance().await;
    for phone in ["", "12", "900001@lid", "call me"] {
        let refused = stage.services.instances.pairing_code(&stage.caller, id, phone).await;
        assert!(matches!(refused, Err(ServiceError::Invalid { .. })), "{phone}: {refused:?}");
    }
    let refused = stage.services.instances.pairing_code(&stage.caller, id, "15559999999").await;
    assert!(matches!(refused, Err(ServiceError::Refused { .. })), "{refused:?}");
}
