//! Channels: found, followed, made, posted to, received.

use serde_json::{Value, json};
use wa_simulator::Phone;

use crate::app::TestApp;
use crate::receiver::Receiver;
use crate::until::until;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";

/// Alice's instance, Bob, and a channel that he runs.
async fn with_channel(app: &TestApp) -> (String, Phone, String) {
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let bob = app.phones().simulator().phone(BOB).unwrap();
    let channel = bob.create_newsletter("Tea");
    (alice, bob, channel)
}

/// The path of a channel, or of what can be done with it.
fn path(instance: &str, channel: &str, what: &str) -> String {
    format!("/api/whatsapp/{instance}/channels/{channel}{what}")
}

async fn follow(app: &TestApp, instance: &str, channel: &str) {
    app.client().call(&path(instance, channel, "/follow")).await.expect(200);
}

async fn stored(app: &TestApp, instance: &str, id: &str) -> Value {
    let path = format!("/api/instances/{instance}/messages/{id}");
    app.client().get(&path).await.expect(200)
}

#[tokio::test]
async fn a_channel_is_found_followed_and_left() {
    let app = TestApp::start().await;
    let (alice, _bob, tea) = with_channel(&app).await;
    let client = app.client();
    let list = format!("/api/whatsapp/{alice}/channels");
    assert_eq!(client.get(&list).await.expect(200), json!({"channels": []}));
    let found = client.get(&path(&alice, &tea, "")).await.expect(200);
    assert_eq!((&found["id"], &found["name"], &found["role"]), (&json!(tea), &json!("Tea"), &json!("guest")));
    let link = found["link"].as_str().expect("a link");
    let code = link.strip_prefix("https://whatsapp.com/channel/").expect("a link to a channel");
    assert_eq!(client.get(&path(&alice, code, "")).await.expect(200), found);
    follow(&app, &alice, &tea).await;
    let mine = client.get(&list).await.expect(200);
    assert_eq!(mine["channels"][0]["role"], json!("subscriber"), "{mine}");
    client.delete(&path(&alice, &tea, "/follow")).await.expect(200);
    assert_eq!(client.get(&list).await.expect(200), json!({"channels": []}));
    client.get(&path(&alice, "1@newsletter", "")).await.expect_error(404, "not_found");
    client.call(&path(&alice, "1@newsletter", "/follow")).await.expect_error(404, "not_found");
    client.call(&path(&alice, code, "/follow")).await.expect_error(404, "not_found");
    app.stop().await;
}

#[tokio::test]
async fn a_channel_is_made_and_posted_to() {
    let app = TestApp::start().await;
    let (alice, bob, tea) = with_channel(&app).await;
    let client = app.client();
    let (list, post) =
        (format!("/api/whatsapp/{alice}/channels"), format!("/api/whatsapp/{alice}/send-post"));
    let made = client.post(&list, json!({"name": "News", "description": "of tea"})).await.expect(200);
    assert_eq!((&made["role"], &made["description"]), (&json!("owner"), &json!("of tea")));
    let news = made["id"].as_str().expect("an id");
    bob.follow_newsletter(news, true).unwrap();
    let sent = client.post(&post, json!({"phone": news, "message": "the first leaf"})).await.expect(200);
    let id = sent["id"].as_str().expect("an id");
    let posts = bob.newsletter_posts(news).unwrap();
    assert_eq!((posts[0].id.as_str(), posts[0].text.as_deref()), (id, Some("the first leaf")));
    let told = app.event(&alice, "message_sent", |data| data["messageId"] == id).await;
    assert_eq!((&told["data"]["remoteJid"], &told["data"]["body"]), (&json!(news), &json!("the first leaf")));
    let fetched = client.get(&path(&alice, news, "/posts")).await.expect(200);
    let fetched = &fetched["posts"][0];
    assert_eq!((&fetched["messageId"], &fetched["body"]), (&json!(id), &json!("the first leaf")));
    // Its owner can't stop following it.
    client.delete(&path(&alice, news, "/follow")).await.expect_error(409, "conflict");
    let others = client.post(&post, json!({"phone": tea, "message": "not mine"})).await;
    others.expect_error(422, "refused");
    app.stop().await;
}

#[tokio::test]
async fn what_a_channel_does_not_take_is_refused() {
    let app = TestApp::start().await;
    let (alice, _bob, tea) = with_channel(&app).await;
    let client = app.client();
    let of = |what: &str| format!("/api/whatsapp/{alice}/{what}");
    for (what, body, field) in [
        ("channels", json!({"name": " "}), "name"),
        ("channels", json!({"name": "x", "description": "y".repeat(2_049)}), "description"),
        ("send-post", json!({"phone": BOB, "message": "x"}), "phone"),
        ("send-post", json!({"phone": tea, "message": " "}), "message"),
        ("send-poll", json!({"phone": tea, "question": "Tea?", "options": ["yes", "no"]}), "phone"),
        ("send-media", json!({"phone": tea, "base64": "aGVsbG8="}), "phone"),
        ("read", json!({"phone": tea, "messageIds": ["3EB0"]}), "phone"),
    ] {
        client.post(&of(what), body).await.expect_error(400, "invalid_request").about(field);
    }
    for query in ["limit=0", "limit=101"] {
        let refused = client.get(&path(&alice, &tea, &format!("/posts?{query}"))).await;
        refused.expect_error(400, "invalid_request").about("limit");
    }
    let reaction = json!({"serverId": 99, "emoji": "👍"});
    client.post(&path(&alice, &tea, "/react"), reaction.clone()).await.expect_error(403, "forbidden");
    follow(&app, &alice, &tea).await;
    client.post(&path(&alice, &tea, "/react"), reaction).await.expect_error(404, "not_found");
    app.stop().await;
}

#[tokio::test]
async fn what_is_posted_is_stored_and_told_and_what_becomes_of_it() {
    let (app, receiver) = (TestApp::start().await, Receiver::start());
    let (alice, bob, tea) = with_channel(&app).await;
    let client = app.client();
    let webhooks = format!("/api/instances/{alice}/webhooks");
    let asks = json!({"name": "asks", "url": receiver.url(), "events": ["post_received", "channel_updated"]});
    client.post(&webhooks, asks).await.expect(201);
    follow(&app, &alice, &tea).await;
    let (id, server_id) = bob.post_in_newsletter(&tea, "tea is ready").unwrap();
    let told = receiver.wait_for("post_received", |data| data["messageId"] == id.as_str()).await;
    let data = &told.body["data"];
    assert_eq!((&data["remoteJid"], &data["body"]), (&json!(tea), &json!("tea is ready")), "{data}");
    assert_eq!(stored(&app, &alice, &id).await["content"], json!("tea is ready"));
    let live = client.call(&path(&alice, &tea, "/live")).await.expect(200);
    assert_eq!(live, json!({"duration": 300}));
    let reaction = json!({"serverId": server_id, "emoji": "👍"});
    client.post(&path(&alice, &tea, "/react"), reaction).await.expect(200);
    bob.view_in_newsletter(&tea, server_id).unwrap();
    let seen = |data: &Value| data["posts"][0]["views"] == 1;
    let told = receiver.wait_for("channel_updated", seen).await;
    let data = &told.body["data"];
    assert_eq!((&data["action"], &data["remoteJid"]), (&json!("counted"), &json!(tea)), "{data}");
    let post = &data["posts"][0];
    assert_eq!((&post["serverId"], &post["messageId"]), (&json!(server_id), &json!(id)));
    assert_eq!(post["reactions"], json!([{"emoji": "👍", "count": 1}]));
    let page = client.get(&path(&alice, &tea, "/posts?limit=1")).await.expect(200);
    let post = &page["posts"][0];
    assert_eq!(
        (&post["serverId"], &post["views"], &post["fromMe"]),
        (&json!(server_id), &json!(1), &json!(false))
    );
    let before = client.get(&path(&alice, &tea, &format!("/posts?before={server_id}"))).await.expect(200);
    assert_eq!(before, json!({"posts": []}));
    let away = json!({"serverId": server_id, "emoji": ""});
    client.post(&path(&alice, &tea, "/react"), away).await.expect(200);
    until("the emoji is away", || async {
        let posts = bob.newsletter_posts(&tea).unwrap();
        posts[0].reactions.is_empty().then_some(())
    })
    .await;
    app.stop().await;
}
