//! A server that claims somebody else to be the recipient, and what it can read.

use wa_simulator::{ControlError, Impostor};

use crate::scene::*;

#[tokio::test(start_paused = true)]
async fn a_claim_reaches_the_companion_as_a_request_with_keys() {
    let scene = Scene::new().await;
    let (_client, mut line) = scene.companion(1).await;
    scene.alice.impersonate(1, Impostor::ForgedCompanion, BOB, "3EB0AA").unwrap();
    let receipt = line.next_where(|node| node.is("receipt")).await;
    assert_eq!(receipt.attrs.text("type").as_deref(), Some("retry"));
    assert_eq!(receipt.attrs.jid("from"), Some(&scene.bob.lid().with_device(77)));
    assert!(receipt.get_child("keys").unwrap().get_child("device-identity").is_some());
    assert_eq!(scene.simulator.stolen(), []);
    let nobody = scene.alice.impersonate(9, Impostor::Phone, BOB, "3EB0AA");
    assert_eq!(nobody, Err(ControlError::UnknownDevice(9)));
}
