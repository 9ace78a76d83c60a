//! Messages that are sent later.

use reqwest::Method;
use serde_json::{Value, json};
use storage::{Clock, Timestamp};

use crate::answer::{Answer, assert_time, keys};
use crate::app::TestApp;
use crate::until::until;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

async fn cast() -> (TestApp, String) {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    (app, alice)
}

fn time(from_now: i64) -> Timestamp {
    Clock::system().now().plus_millis(from_now)
}

fn in_millis(millis: i64) -> String {
    time(millis).to_string()
}

const HOUR: i64 = 3_600_000;

async fn send(app: &TestApp, instance: &str, what: &str, mut body: Value) -> Answer {
    body["phone"] = json!(BOB);
    app.client().post(&format!("/api/whatsapp/{instance}/{what}"), body).await
}

fn id(answer: &Value) -> String {
    answer["id"].as_str().expect("an id").to_owned()
}

async fn shown(app: &TestApp, id: &str) -> Value {
    until("the phone shows it", || async {
        app.phones().entries(BOB).await.into_iter().find(|entry| entry["id"] == id)
    })
    .await
}

#[tokio::test]
async fn a_message_is_scheduled_listed_changed_and_sent() {
    let (app, alice) = cast().await;
    let client = app.client();
    let path = format!("/api/instances/{alice}/scheduled");
    let at = in_millis(HOUR);
    let scheduled = send(&app, &alice, "send", json!({"message": "later", "sendAt": at})).await.expect(202);
    assert_eq!(keys(&scheduled), ["id", "sendAt", "status"]);
    assert_eq!((&scheduled["status"], &scheduled["sendAt"]), (&json!("scheduled"), &json!(at)));
    let first = id(&scheduled);
    let place = json!({"latitude": 1, "longitude": 2, "name": "Here", "sendAt": in_millis(2 * HOUR)});
    let second = id(&send(&app, &alice, "send-location", place).await.expect(202));

    let page = client.get(&format!("{path}?limit=1")).await.expect(200);
    assert_eq!((&page["total"], &page["hasMore"]), (&json!(2), &json!(true)));
    let item = &page["scheduled"][0];
    assert_eq!(
        keys(item),
        ["createdAt", "expireAt", "id", "message", "phone", "sendAt", "type", "updatedAt"]
    );
    assert_eq!(
        (&item["id"], &item["type"], &item["message"]),
        (&json!(first), &json!("text"), &json!("later"))
    );
    assert_eq!(item["phone"], format!("{BOB}@s.whatsapp.net"));
    assert_time(&item["createdAt"]);
    let next = page["next"].as_str().expect("a place");
    let rest = client.get(&format!("{path}?after={next}")).await.expect(200);
    assert_eq!((&rest["scheduled"][0]["id"], &rest["hasMore"]), (&json!(second), &json!(false)));
    assert!(app.phones().entries(BOB).await.is_empty());

    let change = json!({"message": "now", "sendAt": in_millis(-1), "expireAt": in_millis(HOUR)});
    let changed = client.put(&format!("{path}/{first}"), change).await.expect(200);
    assert_eq!(changed["message"], "now");
    let entry = shown(&app, &first).await;
    assert_eq!(entry["text"], "now");
    let told = app.event(&alice, "message_sent", |data| data["messageId"] == first.as_str()).await;
    assert_eq!(told["data"]["body"], "now");
    client.get(&format!("{path}/{first}")).await.expect_error(404, "not_found");
    client.put(&format!("{path}/{first}"), json!({})).await.expect_error(404, "not_found");
    client.delete(&format!("{path}/{first}")).await.expect_error(404, "not_found");

    let found = client.get(&format!("{path}/{second}")).await.expect(200);
    assert_eq!((&found["type"], &found["message"]), (&json!("location"), &json!("Here")));
    let refused = client.put(&format!("{path}/{second}"), json!({"message": "x"})).await;
    refused.expect_error(400, "invalid_request").about("message");
    client.delete(&format!("{path}/{second}")).await.expect(200);
    assert_eq!(client.get(&path).await.expect(200)["scheduled"], json!([]));
    app.stop().await;
}

#[tokio::test]
async fn wrong_times_are_refused_by_name() {
    let (app, alice) = cast().await;
    for (body, field) in [
        (json!({"sendAt": "tomorrow"}), "sendAt"),
        (json!({"sendAt": in_millis(400 * 24 * HOUR)}), "sendAt"),
        (json!({"sendAt": in_millis(HOUR), "expireAt": in_millis(HOUR - 1_000)}), "expireAt"),
        (json!({"sendAt": in_millis(-HOUR), "expireAt": in_millis(-1_000)}), "expireAt"),
        (json!({"expireAt": in_millis(HOUR)}), "expireAt"),
        (json!({"sendAt": in_millis(HOUR), "wait": "server"}), "wait"),
        (json!({"sendAt": in_millis(HOUR), "message": " "}), "message"),
        (json!({"sendAt": in_millis(HOUR), "phone": "nobody"}), "phone"),
    ] {
        let mut full = json!({"phone": BOB, "message": "x"});
        full.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let answer = app.client().post(&format!("/api/whatsapp/{alice}/send"), full).await;
        answer.expect_error(400, "invalid_request").about(field);
    }
    let stranger = "/api/instances/0190a0a0-0000-7000-8000-000000000000/scheduled";
    app.client().get(stranger).await.expect_error(404, "not_found");
    app.client()
        .get(&format!("/api/instances/{alice}/scheduled?limit=0"))
        .await
        .expect_error(400, "invalid_request");
    app.stop().await;
}

#[tokio::test]
async fn a_schedule_outlives_restarts_and_sends_once_what_is_late() {
    let (app, alice) = cast().await;
    let client = app.client();
    let keyed = async |client: &crate::client::Client, body: &Value| {
        let request = client.request(Method::POST, &format!("/api/whatsapp/{alice}/send"));
        client.send(request.header("idempotency-key", "k").json(body)).await
    };
    let body = json!({"phone": BOB, "message": "late", "sendAt": in_millis(1_500)});
    let scheduled = keyed(&client, &body).await.expect(202);
    assert_eq!(keyed(&client, &body).await.expect(202), scheduled);
    let other = json!({"phone": BOB, "message": "late", "sendAt": in_millis(HOUR)});
    keyed(&client, &other).await.expect_error(409, "conflict");
    let picture = json!({"base64": PNG, "caption": "a file", "sendAt": in_millis(1_500)});
    let picture = id(&send(&app, &alice, "send-media", picture).await.expect(202));
    let dead = json!({"message": "dead", "sendAt": in_millis(1_500), "expireAt": in_millis(1_600)});
    let dead = id(&send(&app, &alice, "send", dead).await.expect(202));
    let over = time(1_700);
    let wait = async |_: &crate::phones::Phones| {
        until("their time is over", || async { (time(0) > over).then_some(()) }).await;
    };
    // Should the gateway stop slowly, it has sent them before.
    let (app, ()) = app.restart_after(wait).await;
    let late = id(&scheduled);
    assert_eq!(shown(&app, &late).await["text"], "late");
    let entry = shown(&app, &picture).await;
    assert_eq!(
        (&entry["kind"], &entry["text"], &entry["media"]["error"]),
        (&json!("image"), &json!("a file"), &Value::Null)
    );
    let is_dead = |data: &Value| data["messageId"] == dead.as_str();
    let told = app.event(&alice, "message_status", is_dead).await;
    assert!(["failed", "delivered"].contains(&told["data"]["status"].as_str().unwrap()), "{told}");
    // The key answers about the message that it stands for.
    assert_eq!(id(&keyed(&app.client(), &body).await.expect(200)), late);
    let url = format!("/api/instances/{alice}/messages/{picture}/media");
    assert_eq!(app.client().request(Method::GET, &url).send().await.unwrap().status(), 200);
    let app = app.restart().await;
    app.until_ready(&alice).await;
    app.send(&alice, BOB, "last").await.expect(200);
    until("the last one is there", || async {
        app.phones().inbox(BOB).await.iter().any(|(_, text)| text == "last").then_some(())
    })
    .await;
    let texts = app.phones().inbox(BOB).await;
    assert_eq!(texts.iter().filter(|(_, text)| text == "late").count(), 1, "{texts:?}");
    app.stop().await;
}

#[tokio::test]
async fn a_schedule_goes_with_its_instance() {
    let (app, alice) = cast().await;
    let body = json!({"message": "never", "sendAt": in_millis(HOUR)});
    let scheduled = id(&send(&app, &alice, "send", body).await.expect(202));
    app.client().delete(&format!("/api/instances/{alice}")).await.expect(200);
    let path = format!("/api/instances/{alice}/scheduled/{scheduled}");
    app.client().get(&path).await.expect_error(404, "not_found");
    app.stop().await;
}
