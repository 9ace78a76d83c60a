//! Contacts whose identity changes, and servers that claim it does.

use std::time::Duration;

use storage::{EventKind, MessageStatus};
use tokio::time::sleep;
use wa_simulator::Impostor;

use crate::stage::Stage;

#[tokio::test(start_paused = true)]
async fn a_contact_with_a_new_phone_is_told_and_reached() {
    let stage = Stage::new().await;
    let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    stage.send(id, &peer, "to the old phone").await.unwrap();
    stage.statuses(id, 1).await;
    peer.reinstall(true);
    assert_eq!(stage.told(id, EventKind::IdentityChanged, 1).await.len(), 1);
    stage.send(id, &peer, "to the new phone").await.unwrap();
    peer.wait_for_inbox(|inbox| inbox.len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_recorded_as_delivered_goes_to_no_other_identity() {
    for what in [Impostor::Phone, Impostor::Pair, Impostor::Participant, Impostor::UnlistedCompanion] {
        let stage = Stage::new().await;
        let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
        let id = stage.linked(&own).await;
        let sent = stage.send(id, &peer, "a secret").await.unwrap();
        assert_eq!(stage.statuses(id, 1).await[0].status, MessageStatus::Delivered);
        own.impersonate(1, what, peer.number(), &sent.id).unwrap();
        sleep(Duration::from_secs(10)).await;
        assert_eq!(stage.simulator.stolen(), [], "{what:?}");
    }
}
