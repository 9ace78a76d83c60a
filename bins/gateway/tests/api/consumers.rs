//! Named consumers of the event log.

use serde_json::{Value, json};

use crate::answer::{assert_time, keys};
use crate::app::TestApp;
use crate::until::until;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";

#[tokio::test]
async fn a_consumer_gets_what_it_has_not_acknowledged() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let client = app.client();
    let path = format!("/api/instances/{alice}/consumers/crm");
    let made = client.put(&path, json!({"types": ["message_received"], "from": "start"})).await.expect(201);
    assert_eq!(keys(&made), ["createdAt", "instanceId", "name", "position", "seenAt", "types", "updatedAt"]);
    assert_eq!((&made["name"], &made["position"]), (&json!("crm"), &json!(0)));
    assert_time(&made["seenAt"]);
    let mut sent = Vec::new();
    for n in 0..5 {
        sent.push(app.phones().write(BOB, ALICE, &format!("text {n}")).await);
    }
    let pull =
        async |app: &TestApp| app.client().get(&format!("{path}/events?limit=3&wait=60")).await.expect(200);
    let page = until("three events", || async {
        let page = pull(&app).await;
        (page["count"] == 3).then_some(page)
    })
    .await;
    assert_eq!(keys(&page["events"][0]), ["data", "id", "position", "timestamp", "type"]);
    assert_eq!(page["events"][2]["position"], page["position"]);
    assert_eq!(pull(&app).await["events"], page["events"], "nothing is acknowledged by that");

    // Where it stands survives a restart.
    let second = page["events"][1]["position"].clone();
    let acked = client.post(&format!("{path}/ack"), json!({"position": second})).await.expect(200);
    assert_eq!(acked["position"], second);
    let app = app.restart().await;
    let client = app.client();
    assert_eq!(client.get(&path).await.expect(200)["position"], second);
    let rest = until("the rest", || async {
        let page = pull(&app).await;
        (page["count"] == 3 && page["hasMore"] == false).then_some(page)
    })
    .await;
    let told =
        [&page["events"][0], &page["events"][1], &rest["events"][0], &rest["events"][1], &rest["events"][2]];
    let told: Vec<_> = told.iter().map(|event| event["data"]["messageId"].as_str().unwrap()).collect();
    assert_eq!(told, sent);

    // What it doesn't want is passed with it.
    let ack = async |position: &Value| {
        client.post(&format!("{path}/ack"), json!({"position": position})).await.expect(200)
    };
    ack(&rest["position"]).await;
    let back = ack(&json!(0)).await;
    assert_eq!(back["position"], rest["position"], "never back");
    let empty = client.get(&format!("{path}/events")).await.expect(200);
    assert_eq!((&empty["events"], &empty["count"]), (&json!([]), &json!(0)));
    assert!(empty["position"].as_i64() >= rest["position"].as_i64());
    let moved = client.put(&path, json!({"from": 0, "types": null})).await.expect(200);
    assert_eq!((&moved["position"], &moved["types"]), (&json!(0), &Value::Null));
    app.stop().await;
}

#[tokio::test]
async fn consumers_are_named_listed_limited_and_removed() {
    let app = TestApp::start().await;
    let client = app.client();
    let path = format!("/api/instances/{}/consumers", app.create("named").await);
    assert_eq!(client.get(&path).await.expect(200), json!({"consumers": []}));
    for n in 0..20 {
        client.put(&format!("{path}/c{n:02}"), json!({})).await.expect(201);
    }
    client.put(&format!("{path}/c00"), json!({"from": "now"})).await.expect(200);
    client.put(&format!("{path}/one-more"), json!({})).await.expect_error(409, "conflict");
    let listed = client.get(&path).await.expect(200);
    assert_eq!(
        (listed["consumers"].as_array().unwrap().len(), &listed["consumers"][0]["name"]),
        (20, &json!("c00"))
    );
    assert_eq!(client.delete(&format!("{path}/c00")).await.expect(200), json!({"success": true}));
    client.get(&format!("{path}/c00")).await.expect_error(404, "not_found");
    client.delete(&format!("{path}/c00")).await.expect_error(404, "not_found");
    client.get(&format!("{path}/c00/events")).await.expect_error(404, "not_found");
    client.post(&format!("{path}/c00/ack"), json!({"position": 0})).await.expect_error(404, "not_found");
    app.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_consumer_is_named() {
    let app = TestApp::start().await;
    let client = app.client();
    let path = format!("/api/instances/{}/consumers", app.create("refused").await);
    let one = format!("{path}/crm");
    client.put(&format!("{path}/CRM"), json!({})).await.expect_error(400, "invalid_request").about("name");
    client.put(&one, json!({"types": []})).await.expect_error(400, "invalid_request").about("types");
    client
        .put(&one, json!({"types": ["rumour"]}))
        .await
        .expect_error(400, "invalid_request")
        .about("types.0");
    for from in [json!("yesterday"), json!(-1), json!(1.5), json!(999_999)] {
        client.put(&one, json!({"from": from})).await.expect_error(400, "invalid_request").about("from");
    }
    client.put(&one, json!({"since": 1})).await.expect_error(400, "unknown_field").about("since");
    client.get(&one).await.expect_error(404, "not_found");
    client.put(&one, json!({})).await.expect(201);
    for position in [json!(999_999), json!(-1)] {
        let answer = client.post(&format!("{one}/ack"), json!({"position": position})).await;
        answer.expect_error(400, "invalid_request").about("position");
    }
    client.post(&format!("{one}/ack"), json!({})).await.expect_error(400, "missing_field").about("position");
    client.get(&format!("{one}/events?limit=0")).await.expect_error(400, "invalid_request").about("limit");
    let other = "/api/instances/0190a0a0-0000-7000-8000-000000000000/consumers";
    client.get(other).await.expect_error(404, "not_found");
    client.put(&format!("{other}/crm"), json!({})).await.expect_error(404, "not_found");
    app.anonymous().get(&path).await.expect_error(401, "unauthorized");
    app.stop().await;
}
