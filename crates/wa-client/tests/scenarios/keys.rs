//! Prekeys: uploaded, used up, refilled, compared, rotated.

use std::time::Duration;

use tokio::time::sleep;
use wa_simulator::{FaultKind, Options, Profile};
use wa_store::Changes;

use crate::stage::Stage;

#[tokio::test(start_paused = true)]
async fn one_time_keys_are_refilled_when_the_server_says_that_few_are_left() {
    let mut behaviour = Profile::from_environment().unwrap().behaviour();
    // An empty message takes no key.
    behaviour.empty_messages = None;
    let stage = Stage::as_told(Options { bootstrap: Vec::new(), behaviour, ..Options::default() }).await;
    let alice = stage.phone("15550000001");
    let companion = stage.companion(&alice).await;
    assert_eq!(alice.devices()[0].prekeys, 812);
    // Each stranger who writes takes one.
    for number in 0..809 {
        let stranger = stage.phone(&format!("1666{number:07}"));
        stranger.send(alice.number(), "hello").await.unwrap();
    }
    companion.diary.messages(809).await;
    sleep(Duration::from_secs(5)).await;
    assert!(alice.devices()[0].prekeys > 5, "{}", alice.devices()[0].prekeys);
    let device = companion.store.device().await.unwrap().unwrap();
    assert_eq!((device.next_prekey_id, device.first_unuploaded_prekey_id), (863, 863));
    // Used ones are forgotten.
    assert_eq!(companion.store.prekey_count().await.unwrap(), 812 + 50 - 809);
}

#[tokio::test(start_paused = true)]
async fn after_the_last_id_keys_start_again_with_the_first() {
    const LAST: u32 = (1 << 24) - 1;
    let stage = Stage::undisturbed().await;
    let alice = stage.phone("15550000001");
    let store = stage.companion(&alice).await.stop().await;
    let device = store.device().await.unwrap().unwrap();
    let device =
        wa_store::Device { next_prekey_id: LAST - 9, first_unuploaded_prekey_id: LAST - 9, ..device };
    // One was given away in a retry receipt, and never came back.
    let prekeys_added = vec![(LAST - 10, [7; 32])];
    store.commit(Changes { device: Some(device), prekeys_added, ..Changes::default() }).await.unwrap();
    let companion = stage.start(store);
    companion.online().await;
    // Two refills of 50; three keys of the first upload stay on the server.
    for number in 0..809 + 50 {
        let stranger = stage.phone(&format!("1666{number:07}"));
        stranger.send(alice.number(), "hello").await.unwrap();
        companion.diary.messages(number + 1).await;
    }
    sleep(Duration::from_secs(5)).await;
    let device = companion.store.device().await.unwrap().unwrap();
    assert_eq!((device.next_prekey_id, device.first_unuploaded_prekey_id), (101, 101));
    // The own phone has taken one, too.
    assert_eq!(alice.devices()[0].prekeys, 812 + 100 - 859 - 1);
    assert_eq!(stage.seen("type=\"retry\""), 0, "every key was there");
}

#[tokio::test(start_paused = true)]
async fn a_digest_is_asked_for_after_an_upload_and_agrees() {
    let stage = Stage::new().await;
    let alice = stage.phone("15550000001");
    let companion = stage.companion(&alice).await;
    companion.online().await;
    assert_eq!(stage.seen("<digest/>"), 1);
    assert_eq!(stage.seen("<digest><registration>"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_login_without_count_is_made_up_for_later() {
    let stage = Stage::new().await;
    let alice = stage.phone("15550000001");
    let text = "service-unavailable".to_owned();
    stage.fault(FaultKind::IqError { xmlns: Some("encrypt".into()), child: None, code: 503, text });
    let companion = stage.companion(&alice).await;
    companion.client.reconnect().await;
    companion.connected(2).await;
    sleep(Duration::from_secs(5)).await;
    assert!(alice.devices()[0].prekeys >= 811);
    let device = companion.store.device().await.unwrap().unwrap();
    assert_eq!((device.next_prekey_id, device.first_unuploaded_prekey_id), (813, 813));
}

#[tokio::test(start_paused = true)]
async fn an_upload_whose_answer_was_lost_is_not_repeated() {
    let stage = Stage::new().await;
    let alice = stage.phone("15550000001");
    let companion = stage.companion(&alice).await;
    let store = companion.stop().await;
    let mut device = store.device().await.unwrap().unwrap();
    device.first_unuploaded_prekey_id = 1;
    store.commit(Changes { device: Some(device), ..Changes::default() }).await.unwrap();
    let companion = stage.start(store);
    companion.online().await;
    sleep(Duration::from_secs(5)).await;
    let device = companion.store.device().await.unwrap().unwrap();
    assert_eq!((device.next_prekey_id, device.first_unuploaded_prekey_id), (813, 813));
    assert_eq!(stage.seen("<list><key>"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_old_signed_prekey_is_replaced_and_still_usable() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    let store = companion.stop().await;
    let mut device = store.device().await.unwrap().unwrap();
    device.signed_prekey_rotated_at -= 31 * 24 * 3600;
    store.commit(Changes { device: Some(device), ..Changes::default() }).await.unwrap();
    let companion = stage.start(store);
    companion.online().await;
    sleep(Duration::from_secs(5)).await;
    let device = companion.store.device().await.unwrap().unwrap();
    assert_eq!((device.signed_prekey.id, device.previous_signed_prekeys.len()), (2, 1));
    assert_eq!(stage.seen("<rotate>"), 1);
    bob.send(alice.number(), "with the new key").await.unwrap();
    assert_eq!(companion.diary.texts(1).await, ["with the new key"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_rotation_keeps_the_old_key() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    let store = companion.stop().await;
    let mut device = store.device().await.unwrap().unwrap();
    device.signed_prekey_rotated_at -= 31 * 24 * 3600;
    let before = device.clone();
    store.commit(Changes { device: Some(device), ..Changes::default() }).await.unwrap();
    stage.fault(FaultKind::IqError {
        xmlns: Some("encrypt".into()),
        child: Some("rotate".into()),
        code: 503,
        text: "service-unavailable".into(),
    });
    let companion = stage.start(store);
    companion.online().await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(stage.seen("<rotate>"), 1);
    let kept = companion.store.device().await.unwrap().unwrap();
    assert_eq!(kept.signed_prekey, before.signed_prekey);
    assert_eq!(kept.previous_signed_prekeys, before.previous_signed_prekeys);
    assert_eq!(kept.signed_prekey_rotated_at, before.signed_prekey_rotated_at);
    bob.send(alice.number(), "with the old key").await.unwrap();
    assert_eq!(companion.diary.texts(1).await, ["with the old key"]);
    // The next login tries again.
    companion.client.reconnect().await;
    companion.connected(2).await;
    sleep(Duration::from_secs(5)).await;
    let replaced = companion.store.device().await.unwrap().unwrap();
    assert_eq!((replaced.signed_prekey.id, replaced.previous_signed_prekeys.len()), (2, 1));
    assert!(replaced.signed_prekey_rotated_at > before.signed_prekey_rotated_at);
}
