//! Linking an account that asks for a passkey.

use serde_json::json;

use crate::app::TestApp;
use crate::until::until;

const NUMBER: &str = "15550100001";

#[tokio::test]
async fn an_account_with_a_passkey_is_linked_over_the_api() {
    let app = TestApp::start().await;
    let client = app.client();
    let id = app.create("passkey").await;
    let path = format!("/api/instances/{id}/passkey");
    client.get(&path).await.expect_error(409, "conflict");
    app.phones().demand_passkey(NUMBER).await;
    let qr = until("the QR code", || async {
        let answer = client.get(&format!("/api/instances/{id}/qr")).await;
        (answer.status == 200).then(|| answer.body["qrCode"].as_str().unwrap().to_owned())
    })
    .await;
    let scan = {
        let phone = app.phones().simulator().phone(NUMBER).unwrap();
        tokio::spawn(async move { phone.scan(&qr).await })
    };
    let asked = until("the request", || async {
        let answer = client.get(&path).await;
        (answer.status == 200).then_some(answer.body)
    })
    .await;
    assert_eq!((&asked["step"], &asked["options"]["rpId"]), (&json!("asked"), &json!("whatsapp.com")));
    let status = client.get(&format!("/api/instances/{id}/status")).await.expect(200);
    assert_eq!((&status["status"], &status["ready"]), (&json!("passkey"), &json!(false)));

    let incomplete = json!({"credential": {"rawId": "AQ", "response":
        {"clientDataJSON": "", "authenticatorData": "AQ", "signature": "AQ"}}});
    client.post(&path, incomplete).await.expect_error(400, "invalid_request").about("credential");
    client.post(&format!("{path}/confirm"), json!({})).await.expect_error(409, "conflict");
    let forged = json!({"credential": {"rawId": "AQ", "response":
        {"clientDataJSON": "e30", "authenticatorData": "AQ", "signature": "AQ"}}});
    client.post(&path, forged).await.expect_error(422, "refused");

    let credential = app.phones().passkey(NUMBER, &asked["options"]).await;
    client.post(&path, json!({"credential": credential})).await.expect(200);
    let compare = until("the code", || async {
        let body = client.get(&path).await.expect(200);
        (body["step"] == "compare").then_some(body)
    })
    .await;
    let shown = app.phones().passkey_code(NUMBER).await;
    assert_eq!(compare["code"].as_str().unwrap().replace('-', ""), shown);
    client.post(&format!("{path}/confirm"), json!({})).await.expect(200);
    scan.await.unwrap().unwrap();
    until("the connection", || async {
        let status = client.get(&format!("/api/instances/{id}/status")).await.expect(200);
        (status["ready"] == true).then_some(())
    })
    .await;
    client.get(&path).await.expect_error(409, "conflict");
    app.stop().await;
}
