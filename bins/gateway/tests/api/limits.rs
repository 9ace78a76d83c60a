use serde_json::json;

use crate::app::TestApp;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";

#[tokio::test]
async fn what_may_not_leave_is_refused_with_its_end_or_held() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    app.phones().limit(ALICE, json!({"timeLock": {"seconds": 600, "kind": "WEB_COMPANION_ONLY"}})).await;
    app.event(&alice, "limits_changed", |data| data["timeLock"]["kind"] == "WEB_COMPANION_ONLY").await;

    let refused = app.send(&alice, BOB, "refused").await;
    refused.expect_error(429, "limited");
    let error = &refused.body["error"];
    assert_eq!(error["cause"], "reachout_timelock");
    crate::answer::assert_time(&error["retryAt"]);

    let send = format!("/api/whatsapp/{alice}/send");
    let held = json!({"phone": BOB, "message": "held", "on_limit": "hold"});
    let held = app.client().post(&send, held).await.expect(202);
    assert_eq!(held["status"], "held");
    crate::answer::assert_time(&held["retryAt"]);
    let status = app.client().get(&format!("/api/instances/{alice}/status")).await.expect(200);
    assert_eq!(status["limits"]["timeLock"]["kind"], "WEB_COMPANION_ONLY");

    app.phones().limit(ALICE, json!({"timeLock": null})).await;
    let id = held["id"].clone();
    app.event(&alice, "message_sent", |data| data["messageId"] == id).await;
    let wrong = json!({"phone": BOB, "message": "x", "on_limit": "later"});
    app.client().post(&send, wrong).await.expect_error(400, "invalid_request");
    app.stop().await;
}

#[tokio::test]
async fn a_chat_that_there_is_already_is_no_new_one_and_the_last_new_one_is_counted() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    for number in [BOB, "15550100003", "15550100004"] {
        app.phones().create(number).await;
    }
    let written = app.phones().write(BOB, ALICE, "hello").await;
    app.event(&alice, "message_received", |data| data["messageId"] == written.as_str()).await;
    app.phones().limit(ALICE, json!({"chatCap": {"total": 1, "used": 0, "seconds": 600}})).await;
    app.event(&alice, "limits_changed", |data| data["newChats"]["total"] == 1).await;
    app.send(&alice, "15550100003", "the only new one").await.expect(200);
    let refused = app.send(&alice, "15550100004", "one too many").await;
    refused.expect_error(429, "limited");
    assert_eq!(refused.body["error"]["cause"], "new_chat_cap");
    app.send(&alice, BOB, "we know each other").await.expect(200);
    app.stop().await;
}

#[tokio::test]
async fn the_name_of_an_account_is_shown_and_set() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    let path = format!("/api/instances/{alice}");
    app.client().put(&path, json!({"pushName": "Shop"})).await.expect(200);
    crate::until::until("the name", || async {
        let shown = app.client().get(&path).await.expect(200);
        (shown["pushName"] == "Shop").then_some(())
    })
    .await;
    app.client()
        .put(&path, json!({"pushName": " "}))
        .await
        .expect_error(400, "invalid_request")
        .about("pushName");
    let unlinked = app.create("unlinked").await;
    let path = format!("/api/instances/{unlinked}");
    app.client().put(&path, json!({"pushName": "Shop"})).await.expect_error(409, "not_connected");
    app.stop().await;
}
