//! Taking a linked device over from another gateway.

use serde_json::{Value, json};

use crate::app::TestApp;

const ALICE: &str = "15550100001";

fn bytes(byte: u8, length: usize) -> Value {
    json!({"type": "Buffer", "data": vec![byte; length]})
}

fn pair(byte: u8) -> Value {
    json!({"private": bytes(byte, 32), "public": bytes(byte, 32)})
}

/// Credentials as Baileys keeps them, of a device that no phone knows.
fn store() -> Value {
    let account = json!({"details": "AQ==", "accountSignatureKey": bytes(6, 32), "accountSignature": bytes(7, 64),
        "deviceSignature": bytes(8, 64)});
    let secret = "BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU=";
    json!({
        "creds": {
            "noiseKey": pair(1),
            "signedIdentityKey": pair(2),
            "signedPreKey": {"keyId": 1, "keyPair": pair(3), "signature": bytes(4, 64)},
            "registrationId": 77,
            "advSecretKey": secret,
            "nextPreKeyId": 31,
            "firstUnuploadedPreKeyId": 31,
            "me": {"id": format!("{ALICE}:7@s.whatsapp.net"), "lid": "100000000000001:7@lid", "name": "Alice"},
            "account": account,
        },
        "pre-key-30": pair(9),
        "session-100000000000002_1.0": {"_sessions": {}},
    })
}

#[tokio::test]
async fn a_store_is_looked_at_before_it_is_taken_over() {
    let app = TestApp::start().await;
    let path = format!("/api/instances/{}/import", app.create("moved").await);
    let wrong = json!({"baileys": store(), "oldSideStopped": false});
    app.client().post(&path, wrong).await.expect_error(400, "invalid_request").about("oldSideStopped");
    let dry = json!({"baileys": store(), "oldSideStopped": false, "dryRun": true});
    let told = app.client().post(&path, dry).await.expect(200);
    assert_eq!((&told["jid"], &told["dryRun"]), (&json!(format!("{ALICE}@s.whatsapp.net")), &json!(true)));
    assert_eq!((&told["prekeys"], &told["sessions"]), (&json!(1), &json!(0)));
    let left_out =
        json!([{"place": "session-100000000000002_1.0", "problem": "entry of _sessions is missing"}]);
    assert_eq!((&told["leftOut"], &told["leftOutCount"]), (&left_out, &json!(1)));
    let mut damaged = store();
    damaged["creds"]["noiseKey"] = json!("short");
    for store in [json!({}), json!([]), damaged] {
        let body = json!({"baileys": store, "oldSideStopped": true});
        app.client().post(&path, body).await.expect_error(400, "invalid_request").about("baileys");
    }
    app.stop().await;
}

#[tokio::test]
async fn an_instance_that_is_linked_takes_nothing_over() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    let body = json!({"baileys": store(), "oldSideStopped": true});
    let answer = app.client().post(&format!("/api/instances/{alice}/import"), body).await;
    answer.expect_error(409, "conflict");
    app.client().get(&format!("/api/instances/{alice}/status")).await.expect(200);
    let connected = app.client().get(&format!("/api/whatsapp/{alice}/status")).await.expect(200);
    assert_eq!(connected["ready"], true, "it goes on");
    app.stop().await;
}

#[tokio::test]
async fn a_device_that_whatsapp_does_not_know_is_told_as_logged_out() {
    let app = TestApp::start().await;
    app.phones().create(ALICE).await;
    let id = app.create("moved").await;
    let body = json!({"baileys": store(), "oldSideStopped": true});
    let told = app.client().post(&format!("/api/instances/{id}/import"), body).await.expect(200);
    assert_eq!(told["dryRun"], false);
    app.event(&id, "disconnected", |data| data["cause"] == "logged_out").await;
    app.stop().await;
}
