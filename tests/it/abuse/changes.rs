//! Many change the same thing at the same time, and nobody's change is lost.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::seeded::{Seeded, list};

/// How often all fields are changed at once.
const ROUNDS: u32 = 15;

#[tokio::test(flavor = "multi_thread")]
async fn parallel_changes_of_different_fields_all_survive() {
    let stage = Seeded::start().await;
    let id = stage.create(json!({"name": "shop"})).await;
    let path = format!("/api/instances/{id}");
    for round in 1..=ROUNDS {
        let icon = if round % 2 == 0 { "edge" } else { "opera" };
        let changes = [
            json!({"name": format!("name {round}")}),
            json!({"description": format!("description {round}")}),
            json!({"deviceName": format!("device {round}")}),
            json!({"deviceIcon": icon}),
            json!({"eventRetentionDays": round}),
            json!({"messageRetentionDays": round + 100}),
            json!({"showDelivery": round % 2 == 0}),
            json!({"proxy": format!("http://127.0.0.1:{}", 5_000 + round)}),
            json!({"webhookSettings": {"secret": format!("secret of the round {round}")}}),
            json!({"webhookSettings": {"maxRetries": round}}),
            json!({"webhookSettings": {"headers": {"Round": round.to_string()}}}),
        ];
        let calls = changes.map(|change| stage.send(Method::PUT, &path, Some(change)));
        for answer in join_all(calls).await {
            answer.expect(200);
        }
        let now = stage.get(&path).await;
        let settings = &now["webhookSettings"];
        assert_eq!(now["name"], format!("name {round}"));
        assert_eq!(now["description"], format!("description {round}"));
        assert_eq!(now["deviceName"], format!("device {round}"));
        assert_eq!(now["deviceIcon"], icon);
        assert_eq!(now["eventRetentionDays"], round);
        assert_eq!(now["messageRetentionDays"], round + 100);
        assert_eq!(now["showDelivery"], round % 2 == 0);
        assert_eq!(now["proxy"], format!("http://127.0.0.1:{}", 5_000 + round));
        assert_eq!(settings["secret"], format!("secret of the round {round}"));
        assert_eq!(settings["maxRetries"], round);
        assert_eq!(settings["headers"], json!({"Round": round.to_string()}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_never_on_without_a_url_and_each_change_is_told_once() {
    let stage = Seeded::start().await;
    let id = stage.create(json!({"name": "shop"})).await;
    let (hooks, hook) =
        (format!("/api/instances/{id}/webhooks"), format!("/api/instances/{id}/webhooks/crm"));
    let new = json!({"name": "crm", "url": "http://127.0.0.1:9/", "enabled": false});
    stage.send(Method::POST, &hooks, Some(new)).await.expect(201);
    let mut changed = 1;
    for _ in 0..ROUNDS {
        let reset = json!({"url": "http://127.0.0.1:9/", "enabled": false});
        changed += usize::from(differs(&stage, &hook, reset).await);
        let calls = [json!({"enabled": true}), json!({"url": null})];
        let calls = calls.map(|change| stage.send(Method::PUT, &hook, Some(change)));
        for answer in join_all(calls).await {
            // Switching on is refused where the URL went first.
            changed += usize::from(answer.status == 200);
            assert!(answer.status == 200 || answer.status == 400, "{}", answer.body);
        }
        let now = stage.get(&hook).await;
        assert!(now["enabled"] == false && now["url"] == Value::Null, "{now}");
    }
    let log =
        format!("/api/instances/{id}/events?types=webhook_updated&since=2020-01-01T00:00:00Z&limit=1000");
    assert_eq!(list(&stage.get(&log).await, "events").len(), changed);
}

/// Changes a webhook; tells whether that changed anything.
async fn differs(stage: &Seeded, hook: &str, change: Value) -> bool {
    let before = stage.get(hook).await;
    let after = stage.put(hook, change).await;
    before["updatedAt"] != after["updatedAt"]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_crowd_gets_past_the_number_of_webhooks() {
    let stage = Seeded::start().await;
    let id = stage.create(json!({"name": "shop"})).await;
    let hooks = format!("/api/instances/{id}/webhooks");
    let calls = (0..30).map(|n| {
        let body = json!({"name": format!("hook-{n}"), "url": "http://127.0.0.1:9/"});
        stage.send(Method::POST, &hooks, Some(body))
    });
    let made = join_all(calls).await.into_iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 9, "beside the default one");
    assert_eq!(list(&stage.get(&hooks).await, "webhooks").len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_under_a_condition_is_refused_once_it_is_stale() {
    let stage = Seeded::start().await;
    let body = json!({"name": "shop", "webhookUrl": "http://127.0.0.1:9/"});
    let created = stage.send(Method::POST, "/api/instances", Some(body)).await;
    let first = created.etag.clone().expect("a tag of what was created");
    let path = format!("/api/instances/{}", created.expect(201)["id"].as_str().unwrap());
    let key = stage.gateway.api_key().to_owned();
    let put = async |path: &str, body: Value, tag: &str| {
        stage.send_as(&key, Method::PUT, path, Some(body), Some(tag)).await
    };
    assert_eq!(stage.send(Method::GET, &path, None).await.etag.as_ref(), Some(&first));

    // Of many who saw the same, one gets through.
    let calls = (0..20).map(|n| {
        let (put, path, first) = (&put, &path, &first);
        async move { put(path, json!({"name": format!("shop {n}")}), first).await }
    });
    let answers = join_all(calls).await;
    let (good, stale): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(good.len(), 1);
    for answer in stale {
        assert_eq!(answer.expect(412)["error"]["code"], "precondition_failed");
    }
    let second = good[0].etag.clone().expect("a tag of what is now");
    assert_ne!(first, second);
    assert_eq!(stage.send(Method::GET, &path, None).await.etag.as_ref(), Some(&second));

    // A webhook has its own; the default one is a part of the instance.
    let hook = format!("{path}/webhooks/default");
    let tag = stage.send(Method::GET, &hook, None).await.etag.expect("a tag");
    let changed = put(&hook, json!({"maxRetries": 7}), &tag).await;
    let next = changed.etag.clone().expect("a tag");
    changed.expect(200);
    put(&hook, json!({"maxRetries": 8}), &tag).await.expect(412);
    put(&hook, json!({"maxRetries": 8}), &format!("\"x\", {next}")).await.expect(200);
    put(&path, json!({"name": "late"}), &second).await.expect(412);
    put(&path, json!({"name": "whatever it is"}), "*").await.expect(200);
    put(&path, json!({"name": "weak"}), &format!("W/{second}")).await.expect(412);
    let new = json!({"name": "crm", "url": "http://127.0.0.1:9/"});
    assert!(stage.send(Method::POST, &format!("{path}/webhooks"), Some(new)).await.etag.is_some());
}
