//! Linking by a code.

use serde_json::json;

use crate::app::TestApp;
use crate::until::until;

#[tokio::test]
async fn a_phone_links_by_the_code_that_the_api_gives() {
    let app = TestApp::start().await;
    let client = app.client();
    let (id, number) = (app.create("by code").await, "15550100001");
    app.phones().create(number).await;
    let path = format!("/api/instances/{id}/pairing-code");
    let body = client.post(&path, json!({"phone": "+1 555 010 0001"})).await.expect(200);
    let code = body["code"].as_str().unwrap();
    assert_eq!((code.len(), code.find('-')), (9, Some(4)));
    assert!(body["expiresAt"].as_str().unwrap().ends_with('Z'));
    app.phones().enter_code(number, code).await;
    until("the connection", || async {
        let status = client.get(&format!("/api/instances/{id}/status")).await.expect(200);
        (status["ready"] == true).then_some(())
    })
    .await;
    client.post(&path, json!({"phone": number})).await.expect_error(409, "conflict");
    app.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_wish_for_a_code_is_named() {
    let app = TestApp::start().await;
    let client = app.client();
    let path = format!("/api/instances/{}/pairing-code", app.create("by code").await);
    client.post(&path, json!({"phone": "letters"})).await.expect_error(400, "invalid_request").about("phone");
    client.post(&path, json!({})).await.expect_error(400, "missing_field").about("phone");
    // Nobody has this number.
    client.post(&path, json!({"phone": "15550109999"})).await.expect_error(422, "refused");
    app.stop().await;
}
