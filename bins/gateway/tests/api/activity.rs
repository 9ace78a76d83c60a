//! What an instance did.

use serde_json::{Value, json};

use crate::answer::{assert_time, keys};
use crate::app::TestApp;
use crate::receiver::Receiver;

const ALICE: &str = "15550100001";

fn actions(page: &Value) -> Vec<&str> {
    page["logs"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_happens_to_an_instance_is_listed_newest_first() {
    let app = TestApp::start().await;
    let client = app.client();
    let id = app.paired(ALICE).await;
    app.event(&id, "connected", |_| true).await;
    let instance = format!("/api/instances/{id}");
    client.put(&instance, json!({"name": "new", "deviceName": "Desk"})).await.expect(200);
    client.put(&instance, json!({"webhookSettings": {"notifyRead": true}})).await.expect(200);
    client.call(&format!("{instance}/logout")).await.expect(200);
    app.event(&id, "instance_changed", |data| data["action"] == "logged_out").await;

    let path = format!("{instance}/activity");
    let all = client.get(&path).await.expect(200);
    assert_eq!(keys(&all), ["logs", "pagination"]);
    assert_eq!(
        all["pagination"],
        json!({"total": actions(&all).len(), "limit": 100, "skip": 0, "hasMore": false})
    );
    let mut oldest_first = actions(&all);
    oldest_first.reverse();
    assert_eq!(oldest_first[..2], ["created", "qr_received"]);
    let expected = [
        "created",
        "qr_received",
        "paired",
        "connected",
        "updated",
        "webhook_updated",
        "disconnected",
        "logged_out",
    ];
    let mut rest = oldest_first.iter();
    assert!(expected.iter().all(|action| rest.any(|other| other == action)), "{oldest_first:?}");
    for entry in all["logs"].as_array().unwrap() {
        assert_eq!(keys(entry), ["action", "createdAt", "details", "id", "instanceId"]);
        assert_eq!(entry["instanceId"], id.as_str());
        assert!(entry["details"].is_object());
        assert_time(&entry["createdAt"]);
    }
    let of = |action: &str| {
        all["logs"].as_array().unwrap().iter().find(|entry| entry["action"] == action).unwrap()
    };
    assert_eq!(of("qr_received")["details"], json!({"attempt": 1}));
    assert_eq!(of("disconnected")["details"]["reason"], "logout");
    assert_eq!(of("updated")["details"], json!({"fields": ["name", "deviceName"]}));
    assert_eq!(of("created")["details"], json!({}));
    // The words of the older revision of the API.
    let older = format!("/api/instances/{id}/activity?actions=connection_opened,connection_closed");
    let ends = client.get(&older).await.expect(200);
    let seen: std::collections::BTreeSet<_> = actions(&ends).into_iter().collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["connected", "disconnected"]);
    app.stop().await;
}

#[tokio::test]
async fn it_is_paged_and_filtered() {
    let app = TestApp::start().await;
    let client = app.client();
    let id = app.create("quiet").await;
    for name in ["a", "b", "c"] {
        client.put(&format!("/api/instances/{id}"), json!({"name": name})).await.expect(200);
    }
    let path = format!("/api/instances/{id}/activity");
    let updated = client.get(&format!("{path}?actions=updated&limit=2")).await.expect(200);
    assert_eq!(actions(&updated), ["updated", "updated"]);
    assert_eq!(updated["pagination"], json!({"total": 3, "limit": 2, "skip": 0, "hasMore": true}));
    let rest = client.get(&format!("{path}?actions=updated,created&limit=2&skip=2")).await.expect(200);
    assert_eq!(actions(&rest), ["updated", "created"]);
    assert_eq!(rest["pagination"]["hasMore"], false);
    let before = client.get(&format!("{path}?endDate=2020-01-01T00:00:00Z")).await.expect(200);
    assert_eq!(before["pagination"]["total"], 0);
    let since = client.get(&format!("{path}?actions=created&startDate=2020-01-01")).await.expect(200);
    assert_eq!(actions(&since), ["created"]);

    for (query, field) in [
        ("actions=exploded", "actions"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("skip=-1", "skip"),
        ("startDate=yesterday", "startDate"),
        ("endDate=x", "endDate"),
    ] {
        client.get(&format!("{path}?{query}")).await.expect_error(400, "invalid_request").about(field);
    }
    client.get(&format!("{path}?since=1")).await.expect_error(400, "unknown_field").about("since");
    app.anonymous().get(&path).await.expect_error(401, "unauthorized");
    let nobodys = "/api/instances/00000000-0000-4000-8000-000000000000/activity";
    client.get(nobodys).await.expect_error(404, "not_found");
    app.stop().await;
}

#[tokio::test]
async fn webhooks_hear_of_it_only_if_they_ask() {
    let (app, receiver) = (TestApp::start().await, Receiver::start());
    let client = app.client();
    let id = app.create("told").await;
    let webhooks = format!("/api/instances/{id}/webhooks");
    let all = json!({"name": "all", "url": receiver.url()});
    client.post(&webhooks, all).await.expect(201);
    let asks = json!({"name": "asks", "url": receiver.url(), "events": ["instance_changed"]});
    client.post(&webhooks, asks).await.expect(201);
    let told = receiver.wait_for("webhook_updated", |data| data["name"] == "asks").await;
    assert_time(&told.body["data"]["timestamp"]);
    assert_eq!(told.body["data"]["instanceId"], id.as_str());
    client.put(&format!("/api/instances/{id}"), json!({"name": "new"})).await.expect(200);
    receiver.wait_for("instance_changed", |data| data["fields"] == json!(["name"])).await;
    client.put(&format!("{webhooks}/all"), json!({"notifyRead": true})).await.expect(200);
    receiver.wait_for("webhook_updated", |data| data["name"] == "all").await;
    assert_eq!(receiver.count("instance_changed"), 1);
    app.stop().await;
}
