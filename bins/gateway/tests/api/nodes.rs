//! Several gateways on one database: an instance is carried by one of them.

use serde_json::json;
use tokio_util::sync::CancellationToken;
use trunkline::application::Application;

use crate::app::TestApp;
use crate::client::Client;
use crate::until::until;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";

#[tokio::test]
async fn a_second_gateway_leaves_instances_alone_until_they_are_let_go() {
    let first = TestApp::start().await;
    let alice = first.paired(ALICE).await;
    first.phones().create(BOB).await;

    let application = Application::build(first.config()).await.expect("a second gateway");
    assert!(application.first_start().is_none());
    let second = Client::anonymous(&application.url()).with_key(first.api_key());
    let stop = CancellationToken::new();
    let running = tokio::spawn(application.run(stop.clone()));
    until("it is ready", || async { (second.get("/readyz").await.status == 200).then_some(()) }).await;

    let status = second.get(&format!("/api/whatsapp/{alice}/status")).await.expect(200);
    assert_eq!(status, json!({"ready": false, "status": "disconnected", "hasQr": false, "cause": "fenced"}));
    let send = format!("/api/whatsapp/{alice}/send");
    let refused = second.post(&send, json!({"phone": BOB, "message": "from the second"})).await;
    assert!(!refused.status.is_success(), "{}", refused.body);
    second.delete(&format!("/api/instances/{alice}")).await.expect_error(503, "unavailable");
    first.send(&alice, BOB, "from the first").await.expect(200);

    // What the first lets go of, the second carries on.
    let (phones, _folder) = first.leave().await;
    until("the second has it", || async {
        let status = second.get(&format!("/api/whatsapp/{alice}/status")).await.expect(200);
        (status["ready"] == true).then_some(())
    })
    .await;
    second.post(&send, json!({"phone": BOB, "message": "from the second"})).await.expect(200);
    let texts: Vec<String> = phones.inbox(BOB).await.into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["from the first", "from the second"]);
    stop.cancel();
    running.await.expect("no panic").expect("a graceful end");
}
