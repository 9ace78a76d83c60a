//! Phones that are set up anew, and devices that the simulator plays itself.

use wa_simulator::ControlError;

use crate::scene::*;

#[tokio::test(start_paused = true)]
async fn a_phone_that_is_set_up_anew_has_another_identity_and_no_companions() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    scene.bob.send(ALICE, "hello").await.unwrap();
    line.next_where(|node| node.is("message")).await;
    let tablet = scene.bob.play_companion().unwrap();
    assert_eq!(tablet, 1);
    scene.bob.reinstall(true);
    let told = line
        .next_where(|node| node.is("notification") && node.attrs.text("type").as_deref() == Some("encrypt"))
        .await;
    assert!(told.get_child("identity").is_some());
    assert_eq!(told.attrs.jid("from"), Some(&scene.bob.lid()));
    assert_eq!(scene.bob.inbox_of(tablet), Err(ControlError::UnknownDevice(tablet)));
    // Both ways: what the old installation knew is gone.
    scene.bob.send(ALICE, "from the new one").await.unwrap();
    scene.alice.wait_for_inbox(|inbox| inbox.len() == 2).await;
    scene.alice.send(BOB, "to the new one").await.unwrap();
    scene.bob.wait_for_inbox(|inbox| inbox.iter().any(|entry| !entry.from_me)).await;
    assert_eq!((scene.alice.undecryptable(), scene.bob.undecryptable()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_device_in_the_cloud_has_a_server_of_its_own_and_takes_part() {
    let scene = Scene::quiet().await;
    let cloud = scene.bob.play_cloud().unwrap();
    assert_eq!(cloud, 99);
    assert_eq!(scene.bob.play_cloud(), Err(ControlError::DeviceLimit(1)));
    scene.alice.send(BOB, "to all").await.unwrap();
    let inbox = scene.bob.wait_for_inbox_of(cloud, |inbox| inbox.len() == 1).await.unwrap();
    assert_eq!(inbox[0].text.as_deref(), Some("to all"));
    scene.bob.send_from(cloud, ALICE, "from the cloud").await.unwrap();
    let inbox = scene.alice.wait_for_inbox(|inbox| inbox.iter().any(|entry| !entry.from_me)).await;
    assert_eq!(inbox.last().map(|entry| entry.device), Some(99));
    let own = scene.bob.wait_for_inbox(|inbox| inbox.iter().any(|entry| entry.from_me)).await;
    assert_eq!(own.last().and_then(|entry| entry.text.as_deref()), Some("from the cloud"));
    let trace = scene.simulator.trace(None);
    assert!(trace.iter().any(|entry| entry.xml.contains(":99@hosted.lid")));
    scene.bob.unlink(cloud).unwrap();
    scene.alice.send(BOB, "to the phone").await.unwrap();
    let is_it = |text: Option<&str>| text == Some("to the phone");
    scene.bob.wait_for_inbox(|inbox| inbox.iter().any(|entry| is_it(entry.text.as_deref()))).await;
}
