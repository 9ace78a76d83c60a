//! The server retires the secret of an unpaired client, and holds pairings back.

use std::time::Duration;

use wa_simulator::{Behaviour, ControlError, Fault, FaultKind, Options, PairingStep};

use crate::{client::*, scene::*};

#[tokio::test(start_paused = true)]
async fn a_retired_secret_is_refused_and_a_new_one_with_the_same_reference_is_taken() {
    let scene = Scene::quiet().await;
    let mut client = Client::new(1);
    let (mut line, references) = client.register(&scene.simulator).await;
    scene.simulator.add_fault(Fault::new(FaultKind::RegRefresh { rotate_qr: false }).number(ALICE)).unwrap();
    let qr = client.qr(&references[0]);
    assert_eq!(scene.alice.scan(&qr).await, Err(ControlError::RetiredSecret));
    let notice = line.next_named("notification").await;
    assert_eq!(text(&notice, "type"), "companion_reg_refresh");
    assert!(notice.get_child("companion_reg_refresh").is_some());
    line.send(&ack_of(&notice)).await;
    assert_eq!(scene.alice.scan(&qr).await, Err(ControlError::RetiredSecret), "for good");
    client.adv_secret = [9; 32];
    assert_eq!(client.pair_on(line, &references[0], &scene.alice).await, 1);
}

#[tokio::test(start_paused = true)]
async fn an_unpaired_client_that_acknowledges_nothing_is_sent_away() {
    let scene = Scene::quiet().await;
    let mut client = Client::new(1);
    let (mut line, references) = client.register(&scene.simulator).await;
    scene.simulator.add_fault(Fault::new(FaultKind::RegRefresh { rotate_qr: true })).unwrap();
    scene.alice.scan(&client.qr(&references[0])).await.unwrap_err();
    let notice = line.next_named("notification").await;
    assert!(notice.get_child("pair-device-rotate-qr").is_some());
    let error = line.next_named("stream:error").await;
    assert_eq!(text(error.get_child("ack").unwrap(), "id"), text(&notice, "id"));
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_says_more_than_codes() {
    let behaviour = Behaviour { busy_pairing: true, ..Behaviour::default() };
    let scene = Scene::with(Options { behaviour, ..options() }).await;
    let mut client = Client::new(1);
    let payload = client.registration();
    let mut line = client.open(&scene.simulator, &payload).await;
    for kind in ["companion_hint", "companion_reg_refresh"] {
        let notice = line.next().await;
        assert_eq!(text(&notice, "type"), kind);
        line.send(&ack_of(&notice)).await;
    }
    let references = references(&mut line).await;
    assert_eq!(client.pair_on(line, &references[0], &scene.alice).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_pairing_is_held_until_its_fault_is_cleared() {
    let scene = Scene::quiet().await;
    let mut client = Client::new(1);
    let (mut line, references) = client.register(&scene.simulator).await;
    let held = FaultKind::HoldPairing { before: PairingStep::Success };
    let fault = scene.simulator.add_fault(Fault::new(held).number(ALICE)).unwrap().id;
    let (alice, qr) = (scene.alice.clone(), client.qr(&references[0]));
    let scan = tokio::spawn(async move { alice.scan(&qr).await });
    tokio::time::timeout(Duration::from_secs(5), line.next()).await.unwrap_err();
    scene.simulator.clear_fault(fault).unwrap();
    let answer = client.accept(&line.next().await);
    line.send(&answer).await;
    assert_eq!(scan.await.unwrap(), Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_client_is_linked_though_the_restart_is_held() {
    let scene = Scene::quiet().await;
    let mut client = Client::new(1);
    let (mut line, references) = client.register(&scene.simulator).await;
    let held = FaultKind::HoldPairing { before: PairingStep::Restart };
    scene.simulator.add_fault(Fault::new(held)).unwrap();
    let qr = client.qr(&references[0]);
    let (device, ()) = tokio::join!(scene.alice.scan(&qr), async {
        let answer = client.accept(&line.next().await);
        line.send(&answer).await;
    });
    assert_eq!(device, Ok(1));
    tokio::time::timeout(Duration::from_secs(5), line.next()).await.unwrap_err();
    scene.simulator.clear_faults();
    assert_eq!(text(&line.next().await, "code"), "515");
}

#[tokio::test(start_paused = true)]
async fn the_waiting_clients_are_listed_with_the_references_that_are_taken() {
    let scene = Scene::quiet().await;
    assert!(scene.simulator.pairings().is_empty());
    let mut client = Client::new(1);
    let (line, references) = client.register(&scene.simulator).await;
    let [waiting] = scene.simulator.pairings().try_into().unwrap();
    assert_eq!((waiting.reference.as_str(), waiting.refs.len()), (references[0].as_str(), 6));
    assert_eq!((waiting.version.as_str(), waiting.name.as_str()), ("2.3000.1", "Test"));
    tokio::time::sleep(Duration::from_secs(71)).await;
    assert_eq!(scene.simulator.pairings()[0].reference, references[1]);
    client.pair_on(line, &references[1], &scene.alice).await;
    assert!(scene.simulator.pairings().is_empty());
}
