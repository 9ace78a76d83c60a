use serde_json::{Value, json};

use crate::app::TestApp;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";

fn pn(number: &str) -> String {
    format!("{number}@s.whatsapp.net")
}

fn of(instance: &str, rest: &str) -> String {
    format!("/api/whatsapp/{instance}/{rest}")
}

#[tokio::test]
async fn many_numbers_are_looked_up_at_once() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let numbers = json!({"numbers": ["+1 555 010 0002", "15550100099", BOB]});
    let found = app.client().post(&of(&alice, "check"), numbers).await.expect(200);
    let found = found["numbers"].as_array().expect("a list").clone();
    assert_eq!(found[0]["number"], "+1 555 010 0002");
    let registered: Vec<_> = found.iter().map(|it| it["registered"] == true).collect();
    assert_eq!(registered, [true, false, true]);
    assert_eq!((&found[2]["pn"], found[2]["lid"].is_string()), (&json!(pn(BOB)), true));
    for numbers in [json!([]), json!(["tea"]), json!(["1@g.us"])] {
        let answer = app.client().post(&of(&alice, "check"), json!({"numbers": numbers})).await;
        answer.expect_error(400, "invalid_request").about("numbers");
    }
    app.stop().await;
}

#[tokio::test]
async fn messages_are_marked_as_read() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    let bob = app.paired(BOB).await;
    app.phones().create(BOB).await;
    let mut ids = Vec::new();
    for text in ["one", "two"] {
        let id = app.send(&bob, ALICE, text).await.expect(200)["id"].as_str().expect("an id").to_owned();
        app.event(&alice, "message_received", |data| data["messageId"] == id.as_str()).await;
        ids.push(id);
    }
    let read = json!({"phone": BOB, "messageIds": ids});
    app.client().post(&of(&alice, "read"), read).await.expect(200);
    for id in &ids {
        let is_it = |data: &Value| data["messageId"] == id.as_str() && data["status"] == "read";
        let theirs = app.event(&bob, "message_status", is_it).await;
        assert_eq!(theirs["data"]["fromMe"], true);
        assert_eq!(app.event(&alice, "message_status", is_it).await["data"]["fromMe"], false);
    }
    let played = json!({"phone": pn(BOB), "messageIds": [ids[0]], "played": true});
    app.client().post(&of(&alice, "read"), played).await.expect(200);
    let is_it = |data: &Value| data["messageId"] == ids[0].as_str() && data["status"] == "played";
    app.event(&bob, "message_status", is_it).await;
    let client = app.client();
    let unknown = json!({"phone": BOB, "messageIds": ["3EB0"]});
    client.post(&of(&alice, "read"), unknown).await.expect_error(404, "not_found");
    let none = json!({"phone": BOB, "messageIds": []});
    client.post(&of(&alice, "read"), none).await.expect_error(400, "invalid_request").about("messageIds");
    app.stop().await;
}

#[tokio::test]
async fn people_show_that_they_are_there_and_write() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    let bob = app.paired(BOB).await;
    let client = app.client();
    for instance in [&alice, &bob] {
        client.post(&of(instance, "presence"), json!({"available": true})).await.expect(200);
    }
    client.post(&of(&alice, "presence/subscribe"), json!({"phone": BOB})).await.expect(200);
    let is_it = |available: bool| move |data: &Value| data["available"] == available;
    let told = app.event(&alice, "presence_updated", is_it(true)).await;
    assert_eq!((&told["data"]["remoteJid"], &told["data"]["lastSeen"]), (&json!(pn(BOB)), &Value::Null));
    client.post(&of(&bob, "presence"), json!({"available": false})).await.expect(200);
    let told = app.event(&alice, "presence_updated", is_it(false)).await;
    assert!(told["data"]["lastSeen"].is_string(), "{told}");
    for state in ["typing", "recording", "paused"] {
        client.post(&of(&bob, "typing"), json!({"phone": ALICE, "state": state})).await.expect(200);
        let told = app.event(&alice, "chat_state", |data| data["state"] == state).await;
        assert_eq!(told["data"]["remoteJid"], pn(BOB));
    }
    client
        .post(&of(&bob, "typing"), json!({"phone": ALICE, "state": "sleeping"}))
        .await
        .expect_error(400, "invalid_request");
    app.stop().await;
}

#[tokio::test]
async fn profiles_are_shown_and_changed() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    let bob = app.paired(BOB).await;
    let client = app.client();
    client.put(&of(&bob, "profile"), json!({"about": "At tea"})).await.expect(200);
    client.put(&of(&bob, "profile/picture"), json!({"picture": "/9gA"})).await.expect(200);
    let profile = client.get(&of(&alice, &format!("profiles/{BOB}"))).await.expect(200);
    assert_eq!((&profile["pn"], &profile["about"]), (&json!(pn(BOB)), &json!("At tea")));
    assert!(profile["picture"]["url"].is_string() && profile["business"].is_null(), "{profile}");
    client.delete(&of(&bob, "profile/picture")).await.expect(200);
    let profile = client.get(&of(&alice, &format!("profiles/{BOB}"))).await.expect(200);
    assert_eq!(profile["picture"]["id"], Value::Null);
    let long = json!({"about": "x".repeat(140)});
    client.put(&of(&bob, "profile"), long).await.expect_error(400, "invalid_request").about("about");
    app.stop().await;
}

#[tokio::test]
async fn privacy_and_blocks_are_shown_and_changed() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let client = app.client();
    let before = client.get(&of(&alice, "privacy")).await.expect(200);
    assert!(before["settings"]["last"].is_string(), "{before}");
    let change = json!({"settings": {"last": "none", "readreceipts": "none"}});
    let after = client.put(&of(&alice, "privacy"), change).await.expect(200);
    assert_eq!(
        (&after["settings"]["last"], &after["settings"]["readreceipts"]),
        (&json!("none"), &json!("none"))
    );
    let wrong = json!({"settings": {"last": "friends"}});
    client.put(&of(&alice, "privacy"), wrong).await.expect_error(400, "invalid_request").about("settings");
    assert_eq!(client.get(&of(&alice, "blocklist")).await.expect(200), json!({"blocked": []}));
    let block = |blocked: bool| json!({"phone": BOB, "blocked": blocked});
    let blocked = client.post(&of(&alice, "blocklist"), block(true)).await.expect(200);
    assert_eq!(blocked["blocked"].as_array().map(Vec::len), Some(1));
    let unblocked = client.post(&of(&alice, "blocklist"), block(false)).await.expect(200);
    assert_eq!(unblocked, json!({"blocked": []}));
    app.stop().await;
}

#[tokio::test]
async fn calls_are_told_and_declined() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    // The second caller is named as people write the number, not as the account is called.
    for (caller, named) in [(BOB, BOB), ("551155550100", "5511955550100")] {
        app.phones().create(caller).await;
        let call = app.phones().call(caller, ALICE, true).await;
        let told =
            app.event(&alice, "call", |data| data["action"] == "offer" && data["callId"] == call.as_str());
        let told = told.await;
        assert_eq!((&told["data"]["remoteJid"], &told["data"]["video"]), (&json!(pn(caller)), &json!(true)));
        let reject = json!({"phone": pn(named), "callId": call});
        app.client().post(&of(&alice, "calls/reject"), reject).await.expect(200);
        crate::until::until("the caller hears of it", || async {
            let calls = app.phones().calls(caller).await;
            calls.iter().any(|it| it["id"] == call.as_str() && it["declinedBy"] == ALICE).then_some(())
        })
        .await;
    }
    app.stop().await;
}
