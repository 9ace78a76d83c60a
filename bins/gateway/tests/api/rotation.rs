use trunkline::application::Application;
use trunkline::rotation::{RotateError, rotate_key};

use crate::app::TestApp;
use crate::client::Client;
use crate::until::until;
use test_support::postgres::{self, Scratch};
use tokio_util::sync::CancellationToken;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";

#[tokio::test]
async fn with_another_master_key_everything_goes_on() {
    rotate(TestApp::start().await).await;
}

#[tokio::test]
async fn the_same_on_postgresql() {
    let Some(scratch) = Scratch::find().await else { return postgres::skip() };
    rotate(TestApp::on_server(&scratch.url()).await).await;
}

async fn rotate(app: TestApp) {
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    app.send(&alice, BOB, "before").await.expect(200);
    let (config, key) = (app.config(), app.api_key().to_owned());
    let running = rotate_key(&config).await;
    assert!(matches!(running, Err(RotateError::Running)), "{running:?}");

    let (phones, folder) = app.leave().await;
    let (present, previous) = (folder.path().join("master.key"), folder.path().join("master.key.previous"));
    let old = std::fs::read_to_string(&present).unwrap();
    // It is cut off once the new key is in place: nothing is sealed anew yet, and the gateway knows both.
    std::fs::copy(&present, &previous).unwrap();
    std::fs::write(&present, "ab".repeat(32)).unwrap();
    let resealed = rotate_key(&config).await.unwrap();
    assert!(resealed.anew > 10 && resealed.unreadable == 0, "{resealed:?}");
    assert!(!previous.exists());
    assert_eq!(
        std::fs::read_to_string(&present).unwrap(),
        "ab".repeat(32),
        "it went on with the key that was there"
    );

    let again = rotate_key(&config).await.unwrap();
    assert!(again.anew >= resealed.anew && again.unreadable == 0, "{again:?}");
    let new = std::fs::read_to_string(&present).unwrap();
    assert!(new.trim() != old.trim() && new != "ab".repeat(32));

    let application = Application::build(config).await.expect("a gateway");
    let client = Client::anonymous(&application.url()).with_key(&key);
    let stop = CancellationToken::new();
    let running = tokio::spawn(application.run(stop.clone()));
    until("the instance is ready", || async {
        let status = client.get(&format!("/api/whatsapp/{alice}/status")).await.expect(200);
        (status["ready"] == true).then_some(())
    })
    .await;
    let text = serde_json::json!({"phone": BOB, "message": "after"});
    client.post(&format!("/api/whatsapp/{alice}/send"), text).await.expect(200);
    let texts: Vec<String> = phones.inbox(BOB).await.into_iter().map(|(_, text)| text).collect();
    assert!(texts.contains(&"before".to_owned()) && texts.contains(&"after".to_owned()), "{texts:?}");
    stop.cancel();
    running.await.unwrap().unwrap();
}
