//! What instances have done.

use serde_json::{Value, json};

use crate::answer::{assert_time, keys};
use crate::app::TestApp;
use crate::receiver::Receiver;
use crate::until::until;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";
const COUNTS: [&str; 7] = [
    "apiCalls",
    "mediaReceived",
    "mediaSent",
    "messagesReceived",
    "messagesSent",
    "totalMediaSize",
    "webhookSent",
];

/// The counts of an instance, once they are as wanted.
async fn usage(app: &TestApp, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let (client, path) = (app.client(), format!("/api/stats/instances/{id}"));
    until("the counts", || async {
        let usage = client.get(&path).await.expect(200)["usage"].clone();
        wanted(&usage).then_some(usage)
    })
    .await
}

#[tokio::test]
async fn messages_calls_and_webhooks_are_counted_once() {
    let (app, receiver) = (TestApp::start().await, Receiver::start());
    let client = app.client();
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let hook = json!({"name": "hook", "url": receiver.url(), "events": ["message_received"]});
    client.post(&format!("/api/instances/{alice}/webhooks"), hook).await.expect(201);
    let sent = app.send(&alice, BOB, "one").await.expect(200);
    let send = format!("/api/whatsapp/{alice}/react");
    client.post(&send, json!({"phone": BOB, "messageId": sent["id"], "emoji": "👍"})).await.expect(200);
    for text in ["two", "three"] {
        let id = app.phones().write(BOB, ALICE, text).await;
        receiver.wait_for("message_received", |data| data["messageId"] == id.as_str()).await;
    }
    let counted = usage(&app, &alice, |usage| {
        usage["messagesReceived"] == 2 && usage["messagesSent"] == 1 && usage["webhookSent"] == 2
    })
    .await;
    let mut names = COUNTS.to_vec();
    names.insert(1, "dailyStats");
    assert_eq!(keys(&counted), names);
    assert!(counted["apiCalls"].as_u64().unwrap() >= 4, "{counted}");
    assert_eq!((&counted["mediaSent"], &counted["totalMediaSize"]), (&json!(0), &json!(0)));
    let days = counted["dailyStats"].as_array().unwrap();
    assert!(days.len() <= 2, "a day may have ended meanwhile: {counted}");
    assert_time(&days[0]["date"]);
    assert!(days[0]["date"].as_str().unwrap().ends_with("T00:00:00.000Z"));

    // Nobody else's calls count, nor any about what doesn't exist.
    let before = counted["apiCalls"].clone();
    client.get(&format!("/api/instances/{alice}/messages/NONE/media")).await.expect_error(404, "not_found");
    app.anonymous().get(&format!("/api/instances/{alice}")).await.expect_error(401, "unauthorized");
    let after = client.get(&format!("/api/stats/instances/{alice}?period=all")).await.expect(200);
    assert!(after["usage"]["apiCalls"].as_u64() > before.as_u64());

    // Nor those that are refused before it is known whose the instance is.
    let stats = format!("/api/stats/instances/{alice}?period=all");
    let calls = async || client.get(&stats).await.expect(200)["usage"]["apiCalls"].as_u64().unwrap();
    let before_theirs = calls().await;
    let stranger = app.another_user("stranger@example.org").await;
    for _ in 0..5 {
        let wrong = stranger.post(&format!("/api/whatsapp/{alice}/send"), json!({"nothing": "right"})).await;
        wrong.expect_error(400, "unknown_field");
    }
    // What showed the count before is counted now.
    assert_eq!(calls().await, before_theirs + 1);
    client
        .post(&format!("/api/whatsapp/{alice}/send"), json!({"nothing": 1}))
        .await
        .expect_error(400, "unknown_field");
    assert_eq!(calls().await, before_theirs + 3, "the owner's own count, right or wrong");

    let app = app.restart().await;
    let kept = usage(&app, &alice, |_| true).await;
    assert_eq!((&kept["messagesReceived"], &kept["messagesSent"]), (&json!(2), &json!(1)));
    assert!(kept["apiCalls"].as_u64() > before.as_u64(), "a stop stores what was counted: {kept}");
    app.stop().await;
}

#[tokio::test]
async fn users_see_their_own_and_administrators_all() {
    let app = TestApp::start().await;
    let client = app.client();
    let (first, second) = (app.create("first").await, app.create("second").await);
    client.get(&format!("/api/instances/{second}")).await.expect(200);
    for query in ["", "?period=week", "?period=month", "?period=year", "?period=all"] {
        let stats = client.get(&format!("/api/stats/user{query}")).await.expect(200);
        assert_eq!(keys(&stats), ["instances", "total"]);
        let mut names = COUNTS.to_vec();
        names.insert(1, "instanceCount");
        assert_eq!(keys(&stats["total"]), names);
        assert_eq!(stats["total"]["instanceCount"], 2);
        let instances = stats["instances"].as_array().unwrap();
        assert_eq!((&instances[0]["instanceId"], &instances[0]["name"]), (&json!(first), &json!("first")));
        assert_eq!(instances[1]["apiCalls"], 1);
        assert_eq!(keys(&instances[0]).len(), COUNTS.len() + 2);
    }
    let system = client.get("/api/stats/system").await.expect(200);
    assert_eq!(system["instances"], json!({"total": 2, "active": 0}));
    assert_eq!(system["users"], json!({"total": 1, "active": 1}));
    assert_eq!(keys(&system["usage"]), COUNTS);
    app.stop().await;
}

#[tokio::test]
async fn what_cannot_be_shown_is_refused() {
    let app = TestApp::start().await;
    let client = app.client();
    let id = app.create("one").await;
    let of_instance = format!("/api/stats/instances/{id}");
    app.anonymous().get("/api/stats/system").await.expect_error(401, "unauthorized");
    for path in ["/api/stats/user", &of_instance] {
        app.anonymous().get(path).await.expect_error(401, "unauthorized");
        client.get(&format!("{path}?x=1")).await.expect_error(400, "unknown_field").about("x");
    }
    client.get("/api/stats/user?period=today").await.expect_error(400, "invalid_request").about("period");
    client
        .get(&format!("{of_instance}?period=year"))
        .await
        .expect_error(400, "invalid_request")
        .about("period");
    let nobodys = "/api/stats/instances/00000000-0000-4000-8000-000000000000";
    client.get(nobodys).await.expect_error(404, "not_found");
    app.stop().await;
}
